//! Calls that are legs of one.

use serde::{Deserialize, Serialize};

/// What the legs of one call share (a call through a B2BUA, or one that replaces another).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Legs {
    /// What told so.
    pub source: LegSource,
    /// The same in every leg: a session's UUID, or the Call-ID of the first leg.
    pub key: String,
}

/// What told that calls are legs of one. New ones are appended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum LegSource {
    /// Session-ID (RFC 7989).
    #[default]
    SessionId,
    /// A header that names the Call-ID of another leg.
    Header,
    /// Replaces (RFC 3891), in INVITE or REFER.
    Replaces,
    /// The same number at nearly the same time, through the same address.
    NumberAndTime,
    /// Both offer the same address for media at nearly the same time: whoever stands between
    /// leaves media alone.
    Media,
}

impl LegSource {
    /// As JSON and API write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SessionId => "session_id",
            Self::Header => "header",
            Self::Replaces => "replaces",
            Self::NumberAndTime => "number_and_time",
            Self::Media => "media",
        }
    }
}
