//! WebSocket frames (RFC 6455 §5.2), as SIP uses them (RFC 7118): each message is one SIP message.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-------+-+-------------+-------------------------------+
//! |F|R|R|R| opcode|M| Payload len |    Extended payload length    |
//! |I|S|S|S|  (4)  |A|     (7)     |           (16 or 64)          |
//! |N|V|V|V|       |S|             |  (if payload len is 126, 127) |
//! | |1|2|3|       |K|             |                               |
//! +-+-+-+-+-------+-+-------------+-------------------------------+
//! |        Masking key (32), if MASK; then the payload …
//! +---------------------------------------------------------------+
//! ```
//!
//! RSV1 marks a message that permessage-deflate packed (RFC 7692 §6): it is counted, not read.

use crate::limits::{MAX_TCP_BUFFER, MAX_WEBSOCKET_FRAMES};

/// What stands at the start of a stream's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next<'a> {
    /// More bytes are needed.
    NeedMore,
    /// So many bytes are to be passed over; there may be more of them than have come.
    Skip(u64, Reason),
    /// A message that took `len` bytes of the stream.
    Message {
        /// Bytes of the stream.
        len: usize,
        /// Unmasked and in one piece.
        payload: &'a [u8],
    },
}

/// Why bytes are passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// Ping, pong and close.
    Control,
    /// The rest of a message whose beginning was passed over.
    Remainder,
    Compressed,
    TooLarge,
    /// No frame, or more frames of one message than are read.
    Bad,
}

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PONG: u8 = 10;

/// One frame's header.
#[derive(Clone, Copy)]
struct Header {
    is_final: bool,
    is_compressed: bool,
    opcode: u8,
    mask: Option<[u8; 4]>,
    len: usize,
    payload_len: u64,
}

/// Finds the next message. Clients mask what they send and servers do not (§5.1), so
/// `is_client` tells frames from other bytes after a gap. `room`: [`MAX_TCP_BUFFER`] bytes.
pub(super) fn next<'a>(bytes: &'a [u8], is_client: bool, room: &'a mut [u8]) -> Next<'a> {
    let mut at = 0;
    for number in 0..MAX_WEBSOCKET_FRAMES {
        let header = match Header::parse(&bytes[at..], is_client) {
            Parsed::Header(header) => header,
            Parsed::NeedMore => return Next::NeedMore,
            Parsed::Bad => return Next::Skip(bytes.len() as u64, Reason::Bad),
        };
        let end = at as u64 + header.len as u64 + header.payload_len;
        match header.opcode {
            CLOSE..=PONG if number == 0 => return Next::Skip(end, Reason::Control),
            CLOSE..=PONG => {}
            CONTINUATION if number == 0 => return Next::Skip(end, Reason::Remainder),
            CONTINUATION => {}
            _ if number > 0 => return Next::Skip(at as u64, Reason::Bad),
            _ if header.is_compressed => return Next::Skip(end, Reason::Compressed),
            _ => {}
        }
        let Some(end) = usize::try_from(end).ok().filter(|&end| end <= MAX_TCP_BUFFER) else {
            return Next::Skip(end, Reason::TooLarge);
        };
        if end > bytes.len() {
            return Next::NeedMore;
        }
        at = end;
        if header.is_final && header.opcode < CLOSE {
            return Next::Message { len: end, payload: payload(&bytes[..end], is_client, room) };
        }
    }
    Next::Skip(at as u64, Reason::Bad)
}

/// Whether a segment may begin a frame of a message: for a glance.
pub(super) fn may_begin(segment: &[u8]) -> bool {
    segment.first().is_some_and(|&first| first & 0x70 == 0 && first & 0x0f <= BINARY)
}

/// The payload of the frames in `bytes`, which are one message.
fn payload<'a>(bytes: &'a [u8], is_client: bool, room: &'a mut [u8]) -> &'a [u8] {
    let mut left = bytes;
    let mut len = 0;
    while let Parsed::Header(header) = Header::parse(left, is_client) {
        let payload_len = usize::try_from(header.payload_len).unwrap_or(usize::MAX);
        let (content, rest) = left[header.len..].split_at(payload_len);
        if header.mask.is_none() && header.is_final && len == 0 && rest.is_empty() {
            return content;
        }
        left = rest;
        if header.opcode >= CLOSE {
            continue;
        }
        let target = &mut room[len..][..content.len()];
        target.copy_from_slice(content);
        if let Some(mask) = header.mask {
            let keys = mask.iter().cycle();
            target.iter_mut().zip(keys).for_each(|(byte, key)| *byte ^= key);
        }
        len += content.len();
    }
    &room[..len]
}

enum Parsed {
    Header(Header),
    NeedMore,
    Bad,
}

impl Header {
    fn parse(bytes: &[u8], is_client: bool) -> Parsed {
        let [flags, len, ref rest @ ..] = *bytes else { return Parsed::NeedMore };
        let opcode = flags & 0x0f;
        let is_final = flags & 0x80 != 0;
        let is_compressed = flags & 0x40 != 0;
        let is_masked = len & 0x80 != 0;
        let is_control = opcode >= CLOSE;
        let is_known = matches!(opcode, CONTINUATION | TEXT | BINARY | CLOSE..=PONG);
        // §5.5: control frames are short and not fragmented.
        let is_bad_control = is_control && (!is_final || is_compressed || len & 0x7f > 125);
        if flags & 0x30 != 0 || !is_known || is_masked != is_client || is_bad_control {
            return Parsed::Bad;
        }
        let (extended, payload_len) = match len & 0x7f {
            126 => match rest.first_chunk::<2>() {
                Some(&len) => (2, u16::from_be_bytes(len).into()),
                None => return Parsed::NeedMore,
            },
            127 => match rest.first_chunk::<8>() {
                Some(&len) if len[0] & 0x80 == 0 => (8, u64::from_be_bytes(len)),
                Some(_) => return Parsed::Bad,
                None => return Parsed::NeedMore,
            },
            len => (0, len.into()),
        };
        let mask = match rest[extended..].first_chunk::<4>() {
            _ if !is_masked => None,
            Some(&mask) => Some(mask),
            None => return Parsed::NeedMore,
        };
        let len = 2 + extended + mask.map_or(0, |mask| mask.len());
        Parsed::Header(Self { is_final, is_compressed, opcode, mask, len, payload_len })
    }
}

#[cfg(test)]
#[path = "websocket_tests.rs"]
pub(super) mod tests;
