//! Frames in a block: how they travel from a capture thread to the analysis thread.
//!
//! ```text
//! | at (8) | original length (4) | length (4) | bytes … | at | …
//! ```

use embassy_time::Instant;

use super::{Frame, LinkType};
use crate::limits::{CAPTURE_BLOCK_BYTES, MAX_FRAME_BYTES};

const HEAD: usize = 16;

const _: () = assert!(CAPTURE_BLOCK_BYTES >= MAX_FRAME_BYTES + HEAD);

/// Frames of one interface, in the order in which they came.
pub(super) struct Block {
    bytes: Vec<u8>,
    /// Where the next frame to read stands.
    read: usize,
    interface: u8,
    link_type: LinkType,
}

impl Block {
    /// An empty one; the only time that memory is asked for.
    pub(super) fn new(interface: u8) -> Self {
        let bytes = Vec::with_capacity(CAPTURE_BLOCK_BYTES);
        Self { bytes, read: 0, interface, link_type: LinkType::Ethernet }
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.read = 0;
    }

    pub(super) const fn interface(&self) -> u8 {
        self.interface
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Whether `frame` fits; all frames of a block share a link type.
    pub(super) fn has_room(&self, frame: &Frame<'_>) -> bool {
        let is_same = self.is_empty() || self.link_type == frame.link_type;
        is_same && self.bytes.len() + HEAD + frame.bytes.len() <= CAPTURE_BLOCK_BYTES
    }

    /// Adds a frame for which there is room.
    pub(super) fn push(&mut self, frame: &Frame<'_>) {
        self.link_type = frame.link_type;
        // A frame has at most MAX_FRAME_BYTES, else it would not have had room.
        let len = u32::try_from(frame.bytes.len()).unwrap_or(u32::MAX);
        self.bytes.extend_from_slice(&frame.at.as_micros().to_ne_bytes());
        self.bytes.extend_from_slice(&frame.original_len.to_ne_bytes());
        self.bytes.extend_from_slice(&len.to_ne_bytes());
        self.bytes.extend_from_slice(frame.bytes);
    }

    /// When the next frame was captured; `None` when all have been read.
    pub(super) fn next_at(&self) -> Option<Instant> {
        let micros = self.bytes.get(self.read..)?.first_chunk()?;
        Some(Instant::from_micros(u64::from_ne_bytes(*micros)))
    }

    /// Reads the next frame.
    pub(super) fn next(&mut self) -> Option<Frame<'_>> {
        let left = self.bytes.get(self.read..)?;
        let (at, left) = left.split_first_chunk()?;
        let (original_len, left) = left.split_first_chunk()?;
        let (len, left) = left.split_first_chunk()?;
        let bytes = left.get(..u32::from_ne_bytes(*len) as usize)?;
        self.read += HEAD + bytes.len();
        Some(Frame {
            at: Instant::from_micros(u64::from_ne_bytes(*at)),
            interface: self.interface,
            link_type: self.link_type,
            original_len: u32::from_ne_bytes(*original_len),
            bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_as_they_went_in() {
        let frame = |at, bytes| Frame {
            at: Instant::from_micros(at),
            interface: 3,
            link_type: LinkType::LinuxSll,
            original_len: 1500,
            bytes,
        };
        let mut block = Block::new(3);
        assert_eq!(block.next_at(), None);
        block.push(&frame(7, b"one"));
        block.push(&frame(9, b""));
        assert_eq!(block.next_at(), Some(Instant::from_micros(7)));
        let one = block.next().expect("two frames");
        assert_eq!((one.at.as_micros(), one.interface, one.bytes), (7, 3, &b"one"[..]));
        assert_eq!((one.link_type, one.original_len), (LinkType::LinuxSll, 1500));
        assert_eq!(block.next().expect("another").bytes, b"");
        assert!(block.next().is_none() && block.next_at().is_none());
        block.clear();
        assert!(block.is_empty());
    }

    #[test]
    fn the_largest_frame_fits_and_link_types_do_not_mix() {
        let largest = vec![0; MAX_FRAME_BYTES];
        let frame = Frame {
            at: Instant::from_micros(0),
            interface: 0,
            link_type: LinkType::Ethernet,
            original_len: 0,
            bytes: &largest,
        };
        let mut block = Block::new(0);
        assert!(block.has_room(&frame));
        block.push(&frame);
        assert!(!block.has_room(&frame));
        let small = Frame { bytes: b"a", ..frame };
        assert!(block.has_room(&small));
        assert!(!block.has_room(&Frame { link_type: LinkType::RawIp, ..small }));
        assert!(block.bytes.capacity() == CAPTURE_BLOCK_BYTES, "no memory was asked for");
    }
}
