//! The one language for choosing calls: lists, exports and addresses of the GUI use it.
//!
//! A filter is a list of conditions that must all hold. Each has a name and a value; commas in a
//! value mean "any of these", a leading `!` means "none of these", and a name that is written
//! twice must hold twice. The API's description (`routes/openapi.json`) says it for each name.

mod parse;
mod pattern;
mod registrations;
mod time;

use ringside_protocol::band::Band;
use ringside_protocol::cdr::Fingerprint;

pub(crate) use self::parse::{ENDED_BY, fingerprint};
pub use self::parse::{Invalid, MAX_ALTERNATIVES, MAX_CONDITIONS, MAX_VALUE_LEN, NAMES};
pub use self::pattern::Pattern;
pub use self::registrations::{REGISTRATION_NAMES, RegistrationFilter};
pub use self::time::parse_time;
use crate::db::calls::Row;
use crate::network::Network;

/// Which calls.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    conditions: Vec<Condition>,
}

/// One condition.
#[derive(Clone, Debug)]
struct Condition {
    negated: bool,
    test: Test,
}

#[derive(Clone, Debug)]
enum Test {
    /// Caller or callee.
    Number(Vec<Pattern>),
    Caller(Vec<Pattern>),
    Callee(Vec<Pattern>),
    CallId(Vec<Pattern>),
    Address(Vec<Network>),
    Status(Vec<StatusRange>),
    /// Bits of the numbers of `cdr::EndedBy`.
    EndedBy(u32),
    /// Any of these bits.
    Flag(u32),
    Sensor(Vec<Fingerprint>),
    Answered(bool),
    /// Any of these; `None` was answered and has none.
    Band(Vec<Option<Band>>),
    /// At or below, 1/100.
    MosBelow(i64),
    /// At or above, 1/100.
    MosAbove(i64),
    /// Microseconds.
    MinDuration(i64),
    /// Each somewhere in caller, callee or Call-ID; in lower case.
    Words(Vec<String>),
}

/// `486`, `4xx`, or `none`.
#[derive(Clone, Copy, Debug)]
enum StatusRange {
    /// From the first to the last, both included.
    Codes(i64, i64),
    /// No final response was seen.
    None,
}

impl StatusRange {
    const fn holds(self, status_code: Option<i64>) -> bool {
        match (self, status_code) {
            (Self::Codes(first, last), Some(code)) => first <= code && code <= last,
            (Self::None, None) => true,
            _ => false,
        }
    }
}

impl Filter {
    /// Whether it has no condition: every call is one of those looked for.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.conditions.is_empty()
    }

    /// Whether the call is one of those looked for.
    #[must_use]
    pub fn matches(&self, row: &Row<'_>) -> bool {
        self.conditions.iter().all(|condition| condition.test.matches(row) != condition.negated)
    }
}

impl Test {
    fn matches(&self, row: &Row<'_>) -> bool {
        let any = |patterns: &[Pattern], text: &str| patterns.iter().any(|p| p.matches(text));
        match self {
            Self::Number(patterns) => any(patterns, row.caller) || any(patterns, row.callee),
            Self::Caller(patterns) => any(patterns, row.caller),
            Self::Callee(patterns) => any(patterns, row.callee),
            Self::CallId(patterns) => any(patterns, row.call_id),
            Self::Address(networks) => networks.iter().any(|network| {
                row.addresses.split_ascii_whitespace().any(|address| network.holds(address))
            }),
            Self::Status(ranges) => ranges.iter().any(|range| range.holds(row.status_code)),
            Self::EndedBy(set) => {
                u32::try_from(row.ended_by).is_ok_and(|bit| bit < 32 && set >> bit & 1 == 1)
            }
            Self::Flag(set) => row.flags & set != 0,
            Self::Sensor(devices) => devices.contains(&row.device),
            Self::Answered(answered) => row.answered == *answered,
            Self::Band(bands) => {
                let mos = row.mos.and_then(|mos| u16::try_from(mos).ok());
                let band = Band::of_call(row.answered, row.flags, mos);
                (row.answered || band.is_some()) && bands.contains(&band)
            }
            Self::MosBelow(bound) => row.mos.is_some_and(|mos| mos <= *bound),
            Self::MosAbove(bound) => row.mos.is_some_and(|mos| mos >= *bound),
            Self::MinDuration(bound) => row.duration_us.is_some_and(|us| us >= *bound),
            Self::Words(words) => words.iter().all(|word| {
                [row.caller, row.callee, row.call_id].iter().any(|text| contains(text, word))
            }),
        }
    }
}

/// Whether `text` contains `word`, which is in lower case, in any case of ASCII letters.
fn contains(text: &str, word: &str) -> bool {
    text.as_bytes().windows(word.len()).any(|part| part.eq_ignore_ascii_case(word.as_bytes()))
}

#[cfg(test)]
mod tests;
