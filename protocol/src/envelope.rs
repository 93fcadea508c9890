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
//! [columns](crate::columns), not in postcard; which of the two a kind is in never changes. Other
//! bits are 0.
//!
//! A few bytes can inflate to thousands, and those unfold into values of ten times the size. So each
//! kind has a size of its own that it may inflate to, and a batch besides a budget of memory.

use core::fmt;
use std::borrow::Cow;
use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::columns::{self, ColumnsError};
use crate::message as m;
use crate::{OLDEST_PROTOCOL_VERSION, PROTOCOL_VERSION};

/// Bytes before the body.
pub const HEADER_LEN: usize = 5;

/// A message's bytes on the wire, at most.
pub const MAX_WIRE_BYTES: usize = 1 << 20;

/// The body of [`m::Commands`] after inflating, at most, which may hold all rules of a sensor; of
/// all messages the largest.
pub const MAX_MESSAGE_BYTES: usize = 8 << 20;

/// The body of a batch after inflating, at most: twice what a sensor puts into one.
pub const MAX_BATCH_BYTES: usize = 1 << 20;

/// Bytes of memory that a batch may unfold into, as [`columns::from_bytes`] reckons them. 500 calls
/// of 16 short streams, the most from the fewest bytes, come to three quarters of it.
pub const MAX_BATCH_MEMORY: usize = 8 << 20;

/// The body of a heartbeat after inflating, at most: one with all that
/// [`plausible`](crate::plausible) leaves in it has some 56 KiB.
pub const MAX_HEARTBEAT_BYTES: usize = 64 << 10;

/// The body of a poll after inflating, at most: it names refused rules, each with a sentence.
const MAX_POLL_BYTES: usize = 256 << 10;

/// The body of every other message after inflating, at most.
const MAX_SMALL_BYTES: usize = 16 << 10;

const MAGIC: [u8; 2] = *b"RS";
const DEFLATED: u8 = 1 << 0;
const IN_COLUMNS: u8 = 1 << 1;

/// Bodies shorter than this are not worth compressing.
const COMPRESS_FROM: usize = 256;

/// A message that can travel. Its kind never changes.
pub trait Message: Serialize + DeserializeOwned {
    /// The number in the envelope.
    const KIND: u8;
    /// Bytes of its body after inflating, at most.
    const MAX_BYTES: usize;
    /// Whether it is written in columns: many records of one type.
    const IN_COLUMNS: bool = false;
}

macro_rules! kinds {
    ($($message:ty = $kind:literal, $max_bytes:expr);+ $(;)?) => {
        $(impl Message for $message {
            const KIND: u8 = $kind;
            const MAX_BYTES: usize = $max_bytes;
        })+
    };
}

kinds! {
    m::Hello = 1, MAX_SMALL_BYTES;
    m::Challenge = 2, MAX_SMALL_BYTES;
    m::Prove = 3, MAX_SMALL_BYTES;
    m::Enrol = 4, MAX_SMALL_BYTES;
    m::Enrolled = 5, MAX_SMALL_BYTES;
    m::Accepted = 6, MAX_SMALL_BYTES;
    m::Refused = 7, MAX_SMALL_BYTES;
    m::BatchAck = 9, MAX_SMALL_BYTES;
    m::Heartbeat = 10, MAX_HEARTBEAT_BYTES;
    m::HeartbeatAnswer = 11, MAX_SMALL_BYTES;
    m::Poll = 12, MAX_POLL_BYTES;
    m::Commands = 13, MAX_MESSAGE_BYTES;
    crate::retrieval::Refuse = 14, MAX_SMALL_BYTES;
    crate::retrieval::RefuseNoted = 15, MAX_SMALL_BYTES;
    crate::claim::Claim = 16, MAX_SMALL_BYTES;
    crate::claim::ClaimAnswer = 17, MAX_SMALL_BYTES;
    crate::push::PieceWanted = 18, MAX_SMALL_BYTES;
    crate::push::Piece = 19, MAX_HEARTBEAT_BYTES;
    crate::push::News = 20, MAX_SMALL_BYTES;
    crate::push::NewsNoted = 21, MAX_SMALL_BYTES;
}

impl Message for m::Batch {
    const KIND: u8 = 8;
    const MAX_BYTES: usize = MAX_BATCH_BYTES;
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
    /// A flag that this build does not know, or that this kind of message does not have.
    Flags(u8),
    /// Over [`MAX_WIRE_BYTES`], [`Message::MAX_BYTES`] or [`MAX_BATCH_MEMORY`].
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
            Self::Flags(flags) => write!(f, "unexpected envelope flags {flags:#04x}"),
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
    if plain.len() > M::MAX_BYTES {
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
/// Every [`EnvelopeError`]. Memory is bounded by [`Message::MAX_BYTES`] and, in columns,
/// [`MAX_BATCH_MEMORY`]; in postcard by some sixteen times the former.
pub fn open<M: Message>(bytes: &[u8]) -> Result<M, EnvelopeError> {
    if bytes.len() > MAX_WIRE_BYTES {
        return Err(EnvelopeError::TooLarge);
    }
    let found = kind(bytes)?;
    if found != M::KIND {
        return Err(EnvelopeError::Kind { wanted: M::KIND, found });
    }
    let (flags, body) = (bytes[4], &bytes[HEADER_LEN..]);
    let in_columns = if M::IN_COLUMNS { IN_COLUMNS } else { 0 };
    if flags & !DEFLATED != in_columns {
        return Err(EnvelopeError::Flags(flags));
    }
    let plain = match flags & DEFLATED {
        0 => Cow::Borrowed(body),
        _ => inflate(body, M::MAX_BYTES)?.into(),
    };
    if plain.len() > M::MAX_BYTES {
        return Err(EnvelopeError::TooLarge);
    }
    if M::IN_COLUMNS {
        columns::from_bytes(&plain, MAX_BATCH_MEMORY).map_err(|error| match error {
            ColumnsError::TooLarge => EnvelopeError::TooLarge,
            _ => EnvelopeError::Body,
        })
    } else {
        postcard::take_from_bytes(&plain)
            .map(|(message, _)| message)
            .map_err(|_| EnvelopeError::Body)
    }
}

/// At most `most` bytes, and one more where there are more.
fn inflate(body: &[u8], most: usize) -> Result<Vec<u8>, EnvelopeError> {
    let mut plain = Vec::new();
    DeflateDecoder::new(body)
        .take(most as u64 + 1)
        .read_to_end(&mut plain)
        .map_err(|_| EnvelopeError::Deflate)?;
    Ok(plain)
}
