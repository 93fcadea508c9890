//! HEP, the Homer Encapsulation Protocol: SIP that somebody else captured, sent on as copies.
//!
//! Versions 1 and 2 have a fixed header ([`fixed`]), version 3 has chunks ([`chunks`]). One reader
//! serves both uses:
//!
//! - HEP datagrams *in a capture* are handed on with the capture's time ([`Datagram::at`]). A
//!   capture has one clock; the agents that send HEP each have their own, and media on the same
//!   wire would be compared with it.
//! - HEP that agents send to the listener (`capture/hep.rs`) is handed on with the time of its arrival,
//!   for the same reason. What an agent's clock says stays in [`Message::at`].
//!
//! HEP over TCP is the same messages one after another; [`framing`] cuts them.

mod chunks;
mod copies;
mod fixed;

use core::fmt;
use core::net::SocketAddr;

use embassy_time::Instant;
use ringside_protocol::counters::Counter;

pub(super) use self::copies::Copies;
use super::{Context, Datagram, Framing, Transport};
use crate::counters::Counters;

/// The port that agents send to by default.
pub const DEFAULT_PORT: u16 = 9060;

const MAGIC: &[u8; 4] = b"HEP3";
/// Magic and total length.
const HEAD: usize = 6;

/// One message: what an agent saw, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// From.
    pub src: SocketAddr,
    /// To.
    pub dst: SocketAddr,
    /// How it travelled; whatever is not UDP counts as TCP.
    pub transport: Transport,
    /// When the agent captured it, by the agent's clock; version 1 does not tell.
    pub at: Option<Instant>,
    /// VLAN id, if the agent tells.
    pub vlan: Option<u16>,
    /// What the payload is.
    pub content: Content,
    /// Length of the payload; `payload` holds less when a capture cut it.
    pub payload_len: usize,
    /// The payload.
    pub payload: &'a [u8],
}

/// What a HEP message carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// A SIP message.
    Sip,
    /// An RTP packet.
    Rtp,
    /// Reports in JSON, logs, and what is compressed: not read.
    Other,
}

/// Why a HEP message cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// It begins like no version.
    NotHep,
    /// It ends before its header does.
    Short,
    /// A chunk has a length that its type does not allow.
    BadChunk(u16),
    /// There are more chunks than are read.
    TooManyChunks,
    /// It names no source and destination of one IP version.
    NoAddresses,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotHep => write!(f, "no HEP message; let the agent send HEP version 1, 2 or 3"),
            Self::Short => write!(f, "the HEP message ends before its header does"),
            Self::BadChunk(kind) => write!(f, "chunk {kind} has a length that it cannot have"),
            Self::TooManyChunks => write!(f, "the HEP message has too many chunks"),
            Self::NoAddresses => write!(f, "the HEP message names no source and destination"),
        }
    }
}

impl core::error::Error for Error {}

impl<'a> Message<'a> {
    /// Reads one message of any version.
    ///
    /// # Errors
    /// It is none, or contradicts itself.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        if bytes.starts_with(MAGIC) {
            chunks::parse(bytes.get(HEAD..).ok_or(Error::Short)?)
        } else if fixed::begins(bytes) {
            fixed::parse(bytes)
        } else {
            Err(Error::NotHep)
        }
    }

    /// As if it had been captured where the HEP message was.
    fn datagram(&self, context: Context) -> Datagram<'a> {
        Datagram {
            at: context.at,
            interface: context.interface,
            src: self.src,
            dst: self.dst,
            transport: self.transport,
            vlan: self.vlan.or(context.vlan),
            // HEP does not tell; that of its own packet says nothing of the call's.
            dscp: 0,
            is_sip: self.content == Content::Sip,
            payload_len: u32::try_from(self.payload_len).unwrap_or(u32::MAX),
            payload: self.payload,
        }
    }
}

/// Whether a datagram begins like HEP.
#[must_use]
pub fn begins(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC) || fixed::begins(bytes)
}

/// Reads a captured message and counts it; gives what is to be handed on.
#[cold]
pub(super) fn read<'a>(
    bytes: &'a [u8],
    context: Context,
    counters: &mut Counters,
) -> Option<Datagram<'a>> {
    let (counter, datagram) = match Message::parse(bytes) {
        Ok(message) if message.content == Content::Other => (Counter::HepOther, None),
        Ok(message) => (Counter::HepMessages, Some(message.datagram(context))),
        Err(_) => (Counter::HepBad, None),
    };
    counters.add(counter);
    datagram
}

/// Says whether a whole message (version 3) stands at the start of a TCP stream's bytes.
#[must_use]
pub fn framing(bytes: &[u8]) -> Framing {
    let known = bytes.len().min(MAGIC.len());
    if bytes[..known] != MAGIC[..known] {
        let next = bytes.iter().skip(1).position(|&byte| byte == MAGIC[0]);
        return Framing::Skip(next.map_or(bytes.len(), |next| next + 1));
    }
    match *bytes {
        [_, _, _, _, high, low, ..] => match usize::from(u16::from_be_bytes([high, low])) {
            len if len < HEAD => Framing::Skip(HEAD),
            len if len <= bytes.len() => Framing::Complete(len),
            _ => Framing::NeedMore,
        },
        _ => Framing::NeedMore,
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
