//! What stands in a segment file: chunks, each with a checksum of its own.
//!
//! ```text
//!  0        4        8              16    17    18        20       24
//! +--------+--------+--------------+-----+-----+---------+--------+
//! | "RSck" | CRC-32 | segment's    |kind | key | packets | length |
//! |        |        | serial       |     |     |         |        |
//! +--------+--------+--------------+-----+-----+---------+--------+
//! | call's boot (16) | call's number (8) | nonce (4) | latest at (8) | length bytes
//! 24                 40                  48          52              60
//! ```
//!
//! Numbers are little-endian. The checksum covers everything behind it. The serial tells a chunk
//! of this use of the file from what an earlier use has left. Chunks begin at multiples of
//! [`ALIGN`], so that reading goes on behind a damaged one.

use ringside_protocol::cdr::Boot;

/// Bytes before a chunk's own.
pub const CHUNK_HEAD: usize = 60;

/// Chunks begin at multiples of this.
pub const ALIGN: usize = 16;

/// The largest chunk: a jumbo frame with everything around it.
pub const MAX_CHUNK: usize = crate::limits::MAX_FRAME_BYTES + 1024;

const MAGIC: &[u8; 4] = b"RSck";

/// What a chunk holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Packets of a call.
    Packets,
    /// What is known of a call that is kept ([`super::facts::Facts`]).
    Facts,
    /// A key under which chunks of the call were sealed: what they hold is kept.
    Key,
    /// The call is pinned.
    Pinned,
    /// The call is no longer pinned.
    Unpinned,
}

impl Kind {
    const ALL: [Self; 5] = [Self::Packets, Self::Facts, Self::Key, Self::Pinned, Self::Unpinned];
}

/// Under which key a chunk's bytes stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lock {
    /// Under none.
    #[default]
    Clear,
    /// Under the call's key that is kept with it, itself under the device's (encryption at rest).
    Kept,
    /// Under the call's key that lives in memory until its rule is decided.
    Held,
    /// Under the device's own.
    Device,
}

impl Lock {
    const ALL: [Self; 4] = [Self::Clear, Self::Kept, Self::Held, Self::Device];
}

/// A call as the store names it.
pub type CallKey = (Boot, u64);

/// The beginning of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// What it holds.
    pub kind: Kind,
    /// How it is sealed.
    pub lock: Lock,
    /// Packets in it.
    pub packets: u16,
    /// Whose it is.
    pub call: CallKey,
    /// Never the same twice under one key.
    pub nonce: u32,
    /// The time of its latest packet, microseconds since the epoch.
    pub at: u64,
    /// Bytes behind the head.
    pub len: u32,
}

impl Head {
    /// Writes the head into the first bytes of `chunk`, whose rest is final.
    pub fn emit(&self, serial: u64, chunk: &mut [u8]) {
        let (head, bytes) = chunk.split_at_mut(CHUNK_HEAD);
        head[..4].copy_from_slice(MAGIC);
        head[8..16].copy_from_slice(&serial.to_le_bytes());
        head[16..CHUNK_HEAD].copy_from_slice(&self.described());
        head[20..24].copy_from_slice(&self.len.to_le_bytes());
        let crc = checksum(&head[8..], bytes);
        head[4..8].copy_from_slice(&crc.to_le_bytes());
    }

    /// Reads the chunk at the beginning of `bytes`, if one of this serial stands there whole.
    #[must_use]
    pub fn parse(bytes: &[u8], serial: u64) -> Option<(Self, &[u8])> {
        let head = Self::parse_head(bytes, serial)?;
        let (raw, rest) = bytes.split_at_checked(CHUNK_HEAD)?;
        let bytes = rest.get(..usize::try_from(head.len).ok()?)?;
        let crc = u32::from_le_bytes(raw[4..8].try_into().ok()?);
        (checksum(&raw[8..], bytes) == crc).then_some((head, bytes))
    }

    /// Reads a head whose checksum is not known to be right.
    #[must_use]
    pub fn parse_head(bytes: &[u8], serial: u64) -> Option<Self> {
        let head: &[u8; CHUNK_HEAD] = bytes.first_chunk()?;
        let number = |from: usize| Some(u64::from_le_bytes(head[from..from + 8].try_into().ok()?));
        let short = |from: usize| Some(u32::from_le_bytes(head[from..from + 4].try_into().ok()?));
        if &head[..4] != MAGIC || number(8)? != serial {
            return None;
        }
        let len = short(20)?;
        if usize::try_from(len).ok()? > MAX_CHUNK {
            return None;
        }
        Some(Self {
            kind: *Kind::ALL.get(usize::from(head[16]))?,
            lock: *Lock::ALL.get(usize::from(head[17]))?,
            packets: u16::from_le_bytes([head[18], head[19]]),
            call: (Boot(head[24..40].try_into().ok()?), number(40)?),
            nonce: short(48)?,
            at: number(52)?,
            len,
        })
    }

    /// What a seal binds besides the bytes: everything but the length, which it makes longer.
    pub fn described(&self) -> [u8; CHUNK_HEAD - 16] {
        let mut bytes = [0; CHUNK_HEAD - 16];
        bytes[0] = self.kind as u8;
        bytes[1] = self.lock as u8;
        bytes[2..4].copy_from_slice(&self.packets.to_le_bytes());
        bytes[8..24].copy_from_slice(&self.call.0.0);
        bytes[24..32].copy_from_slice(&self.call.1.to_le_bytes());
        bytes[32..36].copy_from_slice(&self.nonce.to_le_bytes());
        bytes[36..44].copy_from_slice(&self.at.to_le_bytes());
        bytes
    }

    /// Bytes that the chunk takes in its segment.
    #[must_use]
    pub const fn stride(&self) -> usize {
        (CHUNK_HEAD + self.len as usize).next_multiple_of(ALIGN)
    }
}

fn checksum(head: &[u8], bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(head);
    hasher.update(bytes);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(len: u32) -> Head {
        Head {
            kind: Kind::Key,
            lock: Lock::Held,
            packets: 7,
            call: (Boot([9; 16]), 300),
            nonce: 5,
            at: 1_795_420_859_453_875,
            len,
        }
    }

    fn chunk(serial: u64) -> Vec<u8> {
        let mut chunk = vec![0; CHUNK_HEAD];
        chunk.extend(b"bytes");
        head(5).emit(serial, &mut chunk);
        chunk
    }

    #[test]
    fn a_chunk_is_read_as_it_was_written() {
        assert_eq!(Head::parse(&chunk(3), 3), Some((head(5), &b"bytes"[..])));
    }

    #[test]
    fn a_chunk_of_an_earlier_use_of_the_file_is_none() {
        assert_eq!(Head::parse(&chunk(2), 3), None);
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let chunk = chunk(3);
        for bit in 0..chunk.len() * 8 {
            let mut damaged = chunk.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Head::parse(&damaged, 3), None, "bit {bit}");
        }
        for len in 0..chunk.len() {
            assert_eq!(Head::parse(&chunk[..len], 3), None, "{len} bytes");
        }
    }
}
