//! A part of a packet of which the capture may hold less than there was.

use super::Reject;

/// Bytes that were captured, and how many of them there were on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span<'a> {
    pub(super) bytes: &'a [u8],
    /// At least as many.
    pub(super) wire_len: usize,
}

impl<'a> Span<'a> {
    /// A header of `N` bytes and what follows it.
    pub(super) fn split<const N: usize>(self) -> Result<(&'a [u8; N], Self), Reject> {
        let (head, bytes) = self.bytes.split_first_chunk().ok_or_else(|| self.missing(N))?;
        Ok((head, Self { bytes, wire_len: self.wire_len - N }))
    }

    /// What follows the first `len` bytes.
    pub(super) fn skip(self, len: usize) -> Result<Self, Reject> {
        let bytes = self.bytes.get(len..).ok_or_else(|| self.missing(len))?;
        Ok(Self { bytes, wire_len: self.wire_len - len })
    }

    /// The first `len` bytes, as a length in a header says.
    pub(super) fn first(self, len: usize) -> Result<Self, Reject> {
        if len > self.wire_len {
            return Err(Reject::BadEncapsulation);
        }
        Ok(Self { bytes: &self.bytes[..len.min(self.bytes.len())], wire_len: len })
    }

    /// Why there are fewer bytes than `len`.
    const fn missing(&self, len: usize) -> Reject {
        if self.wire_len < len { Reject::BadEncapsulation } else { Reject::Short }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_capture_cut_is_told_from_what_was_never_there() {
        let cut = Span { bytes: &[1, 2, 3], wire_len: 6 };
        assert_eq!(cut.split::<4>(), Err(Reject::Short));
        assert_eq!(cut.split::<7>(), Err(Reject::BadEncapsulation));
        assert_eq!(cut.skip(4), Err(Reject::Short));
        assert_eq!(cut.skip(3), Ok(Span { bytes: &[], wire_len: 3 }));
        assert_eq!(cut.first(5), Ok(Span { bytes: &[1, 2, 3], wire_len: 5 }));
        assert_eq!(cut.first(2), Ok(Span { bytes: &[1, 2], wire_len: 2 }));
        assert_eq!(cut.first(7), Err(Reject::BadEncapsulation));
    }
}
