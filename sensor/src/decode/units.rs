//! Which parts of a packet have come, in units of 8 bytes: the grid that fragments lie on.

use core::ops::Range;

const WORDS: usize = 65_536 / Units::BYTES / 64;

/// One bit a unit: 1 KiB for the longest packet.
#[derive(Clone)]
pub(super) struct Units {
    words: [u64; WORDS],
    count: usize,
    /// Where the last byte ends.
    end: usize,
}

impl Default for Units {
    fn default() -> Self {
        Self { words: [0; WORDS], count: 0, end: 0 }
    }
}

impl Units {
    /// Bytes of one unit (RFC 791 §3.1: fragment offset).
    pub(super) const BYTES: usize = 8;

    /// How many units a range of bytes touches. It begins on the grid.
    pub(super) const fn in_range(bytes: &Range<usize>) -> usize {
        bytes.end.div_ceil(Self::BYTES) - bytes.start / Self::BYTES
    }

    /// How many units of a range are there.
    pub(super) fn count(&self, bytes: &Range<usize>) -> usize {
        masks(bytes).map(|(word, mask)| (self.words[word] & mask).count_ones() as usize).sum()
    }

    /// Marks a range, none of which was there.
    pub(super) fn set(&mut self, bytes: &Range<usize>) {
        for (word, mask) in masks(bytes) {
            self.words[word] |= mask;
        }
        self.count += Self::in_range(bytes);
        self.end = self.end.max(bytes.end);
    }

    /// Where the last byte that came ends.
    pub(super) const fn end(&self) -> usize {
        self.end
    }

    /// Whether everything before `len` is there.
    pub(super) const fn is_full_to(&self, len: usize) -> bool {
        self.count == len.div_ceil(Self::BYTES)
    }
}

/// The bits of a range, word by word.
fn masks(bytes: &Range<usize>) -> impl Iterator<Item = (usize, u64)> {
    let first = bytes.start / Units::BYTES;
    let last = bytes.end.div_ceil(Units::BYTES);
    (first / 64..last.div_ceil(64)).map(move |word| {
        let from = first.saturating_sub(word * 64);
        let to = (last - word * 64).min(64);
        (word, (u64::MAX >> (64 - (to - from))) << from)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_counts_as_it_was_set() {
        for (start, end) in [(0, 1), (0, 8), (8, 1480), (504, 520), (0, 65_535), (65_528, 65_535)] {
            let mut units = Units::default();
            let range = start..end;
            assert_eq!(units.count(&range), 0);
            units.set(&range);
            assert_eq!(units.count(&range), Units::in_range(&range), "{range:?}");
            assert_eq!(units.count(&(0..65_536)), Units::in_range(&range), "{range:?}");
            assert_eq!(units.is_full_to(end), start == 0);
            assert_eq!(units.end(), end);
        }
    }
}
