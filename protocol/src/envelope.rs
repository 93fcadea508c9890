//! The frame around every message: postcard does not describe itself, so this does.
//!
//! ```text
//!  0      1      2         3      4       5
//! +------+------+---------+------+-------+----------------------+
//! | 'R'  | 'S'  | version | kind | flags | body                 |
//! +------+------+---------+------+-------+----------------------+
//! ```
//!
//! `flags` bit 0: the body is raw deflate (RFC 1951) of itself. Bit 1: it is in
//! [columns](crate::columns), not in postcard. Other bits are 0.

use core::fmt;
use std::borrow::Cow;
use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::columns;
use crate::message as m;
use crate::{OLDEST_PROTOCOL_VERSION, PROTOCOL_VERSION};

/// Bytes before the body.
pub const HEADER_LEN: usize = 5;

/// A message's bytes on the wire, at most.
pub const MAX_WIRE_BYTES: usize = 1 << 20;

/// A message's body after inflating, at most.
pub const MAX_MESSAGE_BYTES: usize = 8 << 20;

const MAGIC: [u8; 2] = *b"RS";
const DEFLATED: u8 = 1 << 0;
const IN_COLUMNS: u8 = 1 << 1;

/// Bodies shorter than this are not worth compressing.
const COMPRESS_FROM: usize = 256;

/// A message that can travel. Its kind never changes.
pub trait Message: Serialize + DeserializeOwned {
    /// The number in the envelope.
    const KIND: u8;
    /// Whether it is written in columns: many records of one type.
    const IN_COLUMNS: bool = false;
}

macro_rules! kinds {
    ($($message:ty = $kind:literal),+ $(,)?) => {
        $(impl Message for $message { const KIND: u8 = $kind; })+
    };
}

kinds! {
    m::Hello = 1,
    m::Challenge = 2,
    m::Prove = 3,
    m::Enrol = 4,
    m::Enrolled = 5,
    m::Accepted = 6,
    m::Refused = 7,
    m::BatchAck = 9,
    m::Heartbeat = 10,
    m::HeartbeatAnswer = 11,
    m::Poll = 12,
    m::Commands = 13,
    crate::retrieval::Refuse = 14,
    crate::retrieval::RefuseNoted = 15,
}

impl Message for m::Batch {
    const KIND: u8 = 8;
    const IN_COLUMNS: bool = true;
}

/// Why bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnvelopeError {
    /// It does not begin as an envelope does.
    NotAnEnvelope,
    /// A version that this build does not read.
    Version(u8),
    /// Another kind of message than was asked for.
    Kind {
        /// What was wanted.
        wanted: u8,
        /// What came.
        found: u8,
    },
    /// A flag that this build does not know.
    Flags(u8),
    /// Over [`MAX_WIRE_BYTES`] or [`MAX_MESSAGE_BYTES`].
    TooLarge,
    /// The compressed bytes are damaged.
    Deflate,
    /// The body is no such message.
    Body,
}

impl fmt::Display for EnvelopeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnEnvelope => f.write_str("no envelope begins here"),
            Self::Version(found) => write!(
                f,
                "protocol version {found}; this side reads {OLDEST_PROTOCOL_VERSION} to \
                 {PROTOCOL_VERSION}"
            ),
            Self::Kind { wanted, found } => write!(f, "message kind {found}, not {wanted}"),
            Self::Flags(flags) => write!(f, "unknown envelope flags {flags:#04x}"),
            Self::TooLarge => f.write_str("message over the size limit"),
            Self::Deflate => f.write_str("compressed bytes are damaged"),
            Self::Body => f.write_str("message bytes are damaged"),
        }
    }
}

impl core::error::Error for EnvelopeError {}

/// Frames `message`, compressed where that makes it shorter.
///
/// # Errors
/// [`EnvelopeError::TooLarge`] when it would not be accepted at the other side.
pub fn seal<M: Message>(message: &M) -> Result<Vec<u8>, EnvelopeError> {
    let (flags, plain) = if M::IN_COLUMNS {
        (IN_COLUMNS, columns::to_vec(message).map_err(|_| EnvelopeError::Body)?)
    } else {
        (0, postcard::to_stdvec(message).map_err(|_| EnvelopeError::Body)?)
    };
    if plain.len() > MAX_MESSAGE_BYTES {
        return Err(EnvelopeError::TooLarge);
    }
    let mut sealed = vec![MAGIC[0], MAGIC[1], PROTOCOL_VERSION, M::KIND, flags | DEFLATED];
    if plain.len() >= COMPRESS_FROM {
        let mut encoder = DeflateEncoder::new(sealed, Compression::best());
        encoder.write_all(&plain).map_err(|_| EnvelopeError::Deflate)?;
        sealed = encoder.finish().map_err(|_| EnvelopeError::Deflate)?;
    }
    if !(HEADER_LEN + 1..HEADER_LEN + plain.len()).contains(&sealed.len()) {
        sealed.truncate(HEADER_LEN);
        sealed[4] = flags;
        sealed.extend_from_slice(&plain);
    }
    if sealed.len() > MAX_WIRE_BYTES {
        return Err(EnvelopeError::TooLarge);
    }
    Ok(sealed)
}

/// The kind of the message in `bytes`, if they begin as an envelope of a readable version.
///
/// # Errors
/// [`EnvelopeError::NotAnEnvelope`], [`EnvelopeError::Version`].
pub fn kind(bytes: &[u8]) -> Result<u8, EnvelopeError> {
    let Some((header, _)) = bytes.split_first_chunk::<HEADER_LEN>() else {
        return Err(EnvelopeError::NotAnEnvelope);
    };
    if header[..2] != MAGIC {
        return Err(EnvelopeError::NotAnEnvelope);
    }
    if !(OLDEST_PROTOCOL_VERSION..=PROTOCOL_VERSION).contains(&header[2]) {
        return Err(EnvelopeError::Version(header[2]));
    }
    Ok(header[3])
}

/// Reads the message in `bytes`.
///
/// Fields that a newer peer of the same version has appended are passed over.
///
/// # Errors
/// Every [`EnvelopeError`]; nothing is allocated beyond [`MAX_MESSAGE_BYTES`].
pub fn open<M: Message>(bytes: &[u8]) -> Result<M, EnvelopeError> {
    if bytes.len() > MAX_WIRE_BYTES {
        return Err(EnvelopeError::TooLarge);
    }
    let found = kind(bytes)?;
    if found != M::KIND {
        return Err(EnvelopeError::Kind { wanted: M::KIND, found });
    }
    let (flags, body) = (bytes[4], &bytes[HEADER_LEN..]);
    if flags & !(DEFLATED | IN_COLUMNS) != 0 {
        return Err(EnvelopeError::Flags(flags));
    }
    let plain = if flags & DEFLATED == 0 { Cow::Borrowed(body) } else { inflate(body)?.into() };
    if flags & IN_COLUMNS == 0 {
        postcard::take_from_bytes(&plain)
            .map(|(message, _)| message)
            .map_err(|_| EnvelopeError::Body)
    } else {
        columns::from_bytes(&plain).map_err(|_| EnvelopeError::Body)
    }
}

fn inflate(body: &[u8]) -> Result<Vec<u8>, EnvelopeError> {
    let mut plain = Vec::new();
    DeflateDecoder::new(body)
        .take(MAX_MESSAGE_BYTES as u64 + 1)
        .read_to_end(&mut plain)
        .map_err(|_| EnvelopeError::Deflate)?;
    if plain.len() > MAX_MESSAGE_BYTES {
        return Err(EnvelopeError::TooLarge);
    }
    Ok(plain)
}
