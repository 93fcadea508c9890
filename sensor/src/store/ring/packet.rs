//! Packets as they stand in a chunk, one behind the other.
//!
//! ```text
//! number (varint) | microseconds (varint) | link type << 8 | interface (varint)
//! length on the wire (varint) | captured length (varint) | bytes
//! ```
//!
//! `number` counts the packets of a call in the order in which they were captured; the same number
//! may come twice, once with the headers only.

use crate::capture::Frame;

/// Bytes before a packet's own, at most.
pub const MAX_PACKET_HEAD: usize = 5 + 10 + 4 + 5 + 5;

/// One packet as it was captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Its place among the call's packets.
    pub number: u32,
    /// Microseconds since the epoch.
    pub at: u64,
    /// As in a capture file.
    pub link_type: u16,
    /// Which of the capture's interfaces.
    pub interface: u8,
    /// Length on the wire.
    pub original_len: u32,
    /// What is kept of it.
    pub bytes: &'a [u8],
}

impl<'a> Packet<'a> {
    /// A frame, of which the first `len` bytes are kept.
    #[must_use]
    pub fn of(frame: &Frame<'a>, number: u32, len: usize) -> Self {
        Self {
            number,
            at: frame.at.as_micros(),
            link_type: frame.link_type.number(),
            interface: frame.interface,
            original_len: frame.original_len,
            bytes: &frame.bytes[..len.min(frame.bytes.len())],
        }
    }

    /// Appends it; the caller has made sure of [`MAX_PACKET_HEAD`] and its bytes.
    pub fn emit(&self, to: &mut Vec<u8>) {
        varint(self.number.into(), to);
        varint(self.at, to);
        varint(u64::from(self.link_type) << 8 | u64::from(self.interface), to);
        varint(self.original_len.into(), to);
        varint(self.bytes.len() as u64, to);
        to.extend_from_slice(self.bytes);
    }

    /// The time of the packet that `bytes` begin with, of which [`MAX_PACKET_HEAD`] may be all.
    #[must_use]
    pub fn peek_at(mut bytes: &[u8]) -> Option<u64> {
        read_varint(&mut bytes)?;
        read_varint(&mut bytes)
    }

    /// Reads the packet that `bytes` begin with, and what follows it.
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let mut rest = bytes;
        let number = read_varint(&mut rest)?.try_into().ok()?;
        let at = read_varint(&mut rest)?;
        let source = read_varint(&mut rest)?;
        let original_len = read_varint(&mut rest)?.try_into().ok()?;
        let len = read_varint(&mut rest)?.try_into().ok()?;
        let (bytes, rest) = rest.split_at_checked(len)?;
        let link_type = (source >> 8).try_into().ok()?;
        let interface = (source & 0xff).try_into().ok()?;
        Some((Self { number, at, link_type, interface, original_len, bytes }, rest))
    }
}

fn varint(mut value: u64, to: &mut Vec<u8>) {
    while value > 0x7f {
        #[expect(clippy::cast_possible_truncation, reason = "seven bits")]
        to.push(value as u8 & 0x7f | 0x80);
        value >>= 7;
    }
    #[expect(clippy::cast_possible_truncation, reason = "seven bits")]
    to.push(value as u8);
}

fn read_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for place in 0..10 {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f).checked_shl(place * 7)?;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn packets_are_read_as_they_were_written(
            number: u32, at: u64, link_type: u16, interface: u8, original_len: u32, bytes: Vec<u8>,
        ) {
            let packet = Packet { number, at, link_type, interface, original_len, bytes: &bytes };
            let mut chunk = Vec::new();
            packet.emit(&mut chunk);
            proptest::prop_assert!(chunk.len() <= MAX_PACKET_HEAD + bytes.len());
            packet.emit(&mut chunk);
            let (first, rest) = Packet::parse(&chunk).unwrap();
            let (second, rest) = Packet::parse(rest).unwrap();
            proptest::prop_assert_eq!((first, second, rest.len()), (packet, packet, 0));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let _ = Packet::parse(&bytes);
        }
    }
}
