//! An upgrade that is pushed from the cloud: what the two say to each other about it.
//!
//! ```text
//! sensor                                      cloud
//!             <--------------------------------  Command::Upgrade: an order
//!   PieceWanted (offset) --------------------->
//!             <--------------------------------  Piece      as often as it takes
//!   News: checking, on trial ----------------->
//!   News: done, rolled back, refused --------->  the order is over
//! ```
//!
//! An order is told again in each session until it is over. The sensor keeps what it has fetched, so a
//! line that breaks, or a restart, costs one piece. Whether a package is installed, its signature
//! decides, which only the sensor checks with a key that it trusts; the cloud hands on bytes.

use serde::{Deserialize, Serialize};

/// Bytes of a package, at most: that of a sensor has some 3 MiB.
pub const MAX_PACKAGE_BYTES: u64 = 32 << 20;

/// Bytes of a piece; the last one of a package may be shorter.
pub const PIECE_BYTES: usize = 48 << 10;

/// Bytes of a signature file (minisign's have some 330), at most.
pub const MAX_SIGNATURE_BYTES: usize = 2048;

/// A package that a sensor should install.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Its number, never given twice.
    pub order: u64,
    /// The version that the package's signature names.
    pub version: String,
    /// The package's length.
    pub bytes: u64,
    /// SHA-256 over the package.
    pub sha256: [u8; 32],
    /// The text of its minisign signature file.
    pub signature: String,
}

/// "Give me the piece that begins here."
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PieceWanted {
    /// The order's number.
    pub order: u64,
    /// A multiple of [`PIECE_BYTES`].
    pub offset: u64,
}

/// A part of a package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// At most [`PIECE_BYTES`]; empty where the order is no longer wanted.
    pub bytes: Vec<u8>,
}

/// How far a sensor is with an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct News {
    /// The order's number.
    pub order: u64,
    /// How far.
    pub progress: Progress,
}

/// The states that a sensor tells. New ones are appended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Progress {
    /// The package is here, and is looked at.
    Checking,
    /// The package is installed, and has to prove itself.
    OnTrial,
    /// It has proved itself.
    Done,
    /// It did not prove itself, and the old one runs again.
    RolledBack {
        /// Why, in the words of the upgrade's report.
        why: String,
    },
    /// It was not installed.
    Refused {
        /// Why, with what to do.
        why: String,
    },
}

impl Progress {
    /// Whether the order is over.
    #[must_use]
    pub const fn is_last(&self) -> bool {
        matches!(self, Self::Done | Self::RolledBack { .. } | Self::Refused { .. })
    }
}

/// The news is noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewsNoted {
    /// Whether the order still stands: a sensor may give up one that does not.
    pub stands: bool,
}
