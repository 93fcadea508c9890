//! Source descriptions (RFC 3550 §6.5): the canonical names.
//!
//! ```text
//!  SSRC | type, length, text … | 0, padding to 32 bits | next SSRC …
//! ```

use crate::wire::reader::{Reader, Short};

/// The item that names a source across SSRCs (RFC 3550 §6.5.1).
const CNAME: u8 = 1;

/// The CNAME of each source of one packet; ends at the first chunk that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cnames<'a> {
    pub(super) body: &'a [u8],
    pub(super) chunks: usize,
}

impl<'a> Iterator for Cnames<'a> {
    type Item = (u32, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(left) = self.chunks.checked_sub(1) {
            self.chunks = left;
            let (ssrc, cname) = self.chunk().ok()?;
            if let Some(cname) = cname {
                return Some((ssrc, cname));
            }
        }
        None
    }
}

impl<'a> Cnames<'a> {
    fn chunk(&mut self) -> Result<(u32, Option<&'a [u8]>), Short> {
        let start = self.body.len();
        let mut reader = Reader::new(self.body);
        let ssrc = reader.u32()?;
        let mut cname = None;
        loop {
            let item = reader.u8()?;
            if item == 0 {
                break;
            }
            let len = reader.u8()?;
            let text = reader.take(usize::from(len))?;
            if item == CNAME {
                cname = cname.or(Some(text));
            }
        }
        let read = start - reader.rest().len();
        reader.take(read.next_multiple_of(4) - read)?;
        self.body = reader.rest();
        Ok((ssrc, cname))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Packet, packets};

    fn names(bytes: &[u8]) -> Vec<(u32, Vec<u8>)> {
        let Some(Ok(Packet::SourceDescription(cnames))) = packets(bytes).next() else {
            panic!("no source description");
        };
        cnames.map(|(ssrc, cname)| (ssrc, cname.to_vec())).collect()
    }

    #[test]
    fn each_chunk_gives_its_canonical_name() {
        let mut bytes = vec![0x83, 202, 0, 8];
        bytes.extend([0, 0, 0, 1, 2, 1, b'x', 1, 3, b'a', b'@', b'b', 0, 0, 0, 0]);
        bytes.extend([0, 0, 0, 2, 2, 1, b'n', 0]);
        bytes.extend([0, 0, 0, 3, 1, 1, b'c', 0]);
        assert_eq!(names(&bytes), [(1, b"a@b".to_vec()), (3, b"c".to_vec())]);
    }

    #[test]
    fn a_chunk_that_is_cut_ends_the_names() {
        let bytes = [0x82, 202, 0, 4, 0, 0, 0, 1, 1, 1, b'a', 0, 0, 0, 0, 2, 1, 9, b'b', b'c'];
        assert_eq!(names(&bytes), [(1, b"a".to_vec())]);
        assert_eq!(names(&[0x9f, 202, 0, 0]), []);
    }
}
