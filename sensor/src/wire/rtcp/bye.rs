//! Goodbye (RFC 3550 §6.6): sources that are leaving.

use crate::wire::reader::Reader;

/// The sources of one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sources<'a> {
    pub(super) sources: &'a [u8],
}

impl Iterator for Sources<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let mut reader = Reader::new(self.sources);
        let ssrc = reader.u32().ok()?;
        self.sources = reader.rest();
        Some(ssrc)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Packet, packets};

    #[test]
    fn each_source_leaves_and_the_reason_is_passed_over() {
        let bytes = [0x82, 203, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2, 2, b'b', b'y', 0];
        let Some(Ok(Packet::Bye(sources))) = packets(&bytes).next() else { panic!("no BYE") };
        assert_eq!(sources.collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn more_sources_than_bytes_is_an_error() {
        assert!(
            packets(&[0x82, 203, 0, 1, 0, 0, 0, 1]).next().is_some_and(|packet| packet.is_err())
        );
    }
}
