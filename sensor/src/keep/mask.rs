//! Digits that are not to be kept: overwritten before a packet leaves the analysis.
//!
//! RFC 4733 events lose their number (it becomes 255, which stands for none), bodies of SIP INFO
//! every digit, `*` and `#`. Tones in the sound itself stay.

use ringside_protocol::cdr::Method;

use super::track::payload_offset;
use crate::capture::Frame;
use crate::decode::Datagram;
use crate::wire::rtp;
use crate::wire::sip::{Message, StartLine};

/// Link, IP and transport headers that every frame has at least: Ethernet, IPv4, UDP.
const HEADERS: u32 = 14 + 20 + 8;

/// What is overwritten of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Mask {
    /// Nothing.
    #[default]
    Nothing,
    /// The byte at this place.
    Event(u32),
    /// Digits from this place on.
    Digits(u32),
}

impl Mask {
    /// Of an RTP packet with a telephone event.
    pub(super) fn of_event(datagram: &Datagram<'_>, frame: &Frame<'_>) -> Self {
        let packet = rtp::Packet::parse(datagram.payload, datagram.payload_len).ok();
        let inside = packet.and_then(|packet| {
            let inside = packet.payload.as_ptr() as usize - datagram.payload.as_ptr() as usize;
            (!packet.payload.is_empty()).then_some(inside)
        });
        place(inside, datagram, frame).map_or(Self::Nothing, Self::Event)
    }

    /// Of a SIP message: INFO that may carry digits (RFC 6086 and what came before it).
    pub(super) fn of_message(
        message: &Message<'_>,
        datagram: &Datagram<'_>,
        frame: &Frame<'_>,
    ) -> Self {
        if Self::of_piece(message) == Self::Nothing {
            return Self::Nothing;
        }
        let inside = message.body.as_ptr() as usize - datagram.payload.as_ptr() as usize;
        let at = place(Some(inside), datagram, frame).or_else(|| {
            // A TCP segment that holds the whole body.
            u32::try_from(memchr::memmem::find(frame.bytes, message.body)?).ok()
        });
        at.map_or_else(|| Self::of_piece(message), Self::Digits)
    }

    /// Of a frame that holds a part of a message.
    pub(super) fn of_piece(message: &Message<'_>) -> Self {
        let is_info = matches!(message.start_line, StartLine::Request { method: Method::Info, .. });
        if is_info && !message.body.is_empty() { Self::Digits(HEADERS) } else { Self::Nothing }
    }

    /// Itself, if digits are to be masked.
    pub(super) const fn only_if(self, is_wanted: bool) -> Self {
        if is_wanted { self } else { Self::Nothing }
    }

    /// Overwrites what it covers of a frame's bytes.
    pub(super) fn apply(self, bytes: &mut [u8]) {
        match self {
            Self::Nothing => {}
            Self::Event(at) => {
                if let Some(event) = bytes.get_mut(at as usize) {
                    *event = u8::MAX;
                }
            }
            Self::Digits(from) => {
                for byte in bytes.iter_mut().skip(from as usize) {
                    if byte.is_ascii_digit() || matches!(byte, b'*' | b'#') {
                        *byte = b'x';
                    }
                }
            }
        }
    }

    /// Appends it, for a packet that is held.
    pub(super) fn emit(self, to: &mut Vec<u8>) {
        let (kind, at) = match self {
            Self::Nothing => (0, 0),
            Self::Event(at) => (1, at),
            Self::Digits(from) => (2, from),
        };
        to.push(kind);
        to.extend_from_slice(&at.to_le_bytes());
    }

    /// Reads what [`Mask::emit`] wrote, and what follows it.
    pub(super) fn parse(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (&[kind, at @ ..], rest) = bytes.split_first_chunk::<5>()?;
        let at = u32::from_le_bytes(at);
        let mask = match kind {
            0 => Self::Nothing,
            1 => Self::Event(at),
            _ => Self::Digits(at),
        };
        Some((mask, rest))
    }
}

/// A place in a datagram's payload as one in the frame.
fn place(inside: Option<usize>, datagram: &Datagram<'_>, frame: &Frame<'_>) -> Option<u32> {
    u32::try_from(payload_offset(datagram, frame)? + inside?).ok()
}
