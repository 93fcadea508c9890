//! SIP messages (RFC 3261), read as real devices write them.
//!
//! Text is handed out as bytes: a display name in Latin-1 does not make a message unreadable.

mod framing;
mod header;
mod message;
mod uri;

use core::fmt;

pub use framing::{framing, is_keep_alive, looks_like_sip};
pub use header::{HeaderName, NameAddr, Via, parameter, quoted_text};
pub(crate) use message::number;
pub use message::{CSeq, Message, StartLine};
pub use uri::Uri;

/// Why bytes are no SIP message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The first line is neither a request line nor a status line.
    StartLine,
    /// The status code is not three digits from 100 to 699.
    StatusCode,
    /// A version other than SIP/2.0.
    Version,
    /// A header line has no colon.
    Header,
    /// More headers than are read.
    TooManyHeaders,
    /// A header that every message must have is missing (RFC 3261 §8.1.1).
    Missing(HeaderName),
    /// CSeq is not a number and a method (RFC 3261 §20.16).
    CSeq,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StartLine => f.write_str("no request line or status line (RFC 3261 §7)"),
            Self::StatusCode => f.write_str("status code is not 100 to 699 (RFC 3261 §7.2)"),
            Self::Version => f.write_str("version is not SIP/2.0 (RFC 3261 §7.1)"),
            Self::Header => f.write_str("header line has no colon (RFC 3261 §7.3.1)"),
            Self::TooManyHeaders => f.write_str("more headers than are read"),
            Self::Missing(name) => write!(f, "no {name:?} header (RFC 3261 §8.1.1)"),
            Self::CSeq => f.write_str("CSeq is not a number and a method (RFC 3261 §20.16)"),
        }
    }
}

impl core::error::Error for Error {}

/// `bytes` without white space at both ends (RFC 3261 §25.1 LWS: folded lines included).
#[must_use]
pub(crate) const fn trim(bytes: &[u8]) -> &[u8] {
    bytes.trim_ascii()
}
