//! The one language for choosing records: lists, exports and addresses of the GUI use it.
//!
//! A filter is a list of conditions that must all hold. Each has a name and a value; commas in a
//! value mean "any of these", a leading `!` means "none of these", and a name that is written
//! twice must hold twice. The API's description (`routes/openapi.json`) says it for each name.

mod conditions;
mod parse;
mod pattern;
mod peers;
mod registrations;
mod time;

use ringside_protocol::band::Band;
use ringside_protocol::cdr::Fingerprint;

pub use self::conditions::{Conditions, Devices, NewestOnly, NewestTest, Rank, Test};
pub(crate) use self::parse::{ENDED_BY, fingerprint};
pub use self::parse::{Invalid, MAX_ALTERNATIVES, MAX_CONDITIONS, MAX_VALUE_LEN, NAMES};
pub use self::pattern::Pattern;
pub use self::peers::{PEER_NAMES, PeerTest};
pub use self::registrations::{REGISTRATION_NAMES, RegistrationTest};
pub use self::time::parse_time;
use crate::db::calls::Row;
use crate::db::terms::Range;
use crate::network::Network;

/// Which calls.
pub type Filter = Conditions<CallTest>;

/// Which registrations.
pub type RegistrationFilter = NewestOnly<RegistrationTest>;

/// Which peer relations.
pub type PeerFilter = NewestOnly<PeerTest>;

/// One condition for calls.
#[derive(Clone, Debug)]
pub enum CallTest {
    /// Caller or callee.
    Number(Vec<Pattern>),
    /// User of From.
    Caller(Vec<Pattern>),
    /// User of To.
    Callee(Vec<Pattern>),
    /// SIP Call-ID.
    CallId(Vec<Pattern>),
    /// Any address of the call.
    Address(Vec<Network>),
    /// Of the final response.
    Status(Vec<StatusRange>),
    /// Bits of the numbers of `cdr::EndedBy`.
    EndedBy(u32),
    /// Any of these bits.
    Flag(u32),
    /// The sensor that saw it.
    Sensor(Vec<Fingerprint>),
    /// Whether it was answered.
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
pub enum StatusRange {
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

impl Test for CallTest {
    type Row<'a> = Row<'a>;

    fn read(name: &str, value: &str, devices: Devices<'_>) -> Result<Self, Invalid> {
        parse::call_test(name, value, devices)
    }

    fn only_plain(&self) -> Option<&'static str> {
        let is_bound = matches!(self, Self::MosBelow(_) | Self::MosAbove(_) | Self::MinDuration(_));
        is_bound.then_some("a number, without a !")
    }

    fn terms(&self) -> Option<(Rank, Vec<Range>)> {
        Some(match self {
            Self::Number(patterns) | Self::Caller(patterns) | Self::Callee(patterns) => {
                (0, patterns.iter().map(Pattern::range).collect::<Option<_>>()?)
            }
            Self::Address(networks) => {
                let range = |network: &Network| {
                    let (first, last) = network.bounds();
                    Range::addresses(first, last)
                };
                (1, networks.iter().map(range).collect())
            }
            Self::Sensor(devices) => (2, devices.iter().copied().map(Range::sensor).collect()),
            Self::Status(ranges) => {
                let range = |range: &StatusRange| match range {
                    StatusRange::Codes(first, last) => Some(Range::statuses(*first, *last)),
                    StatusRange::None => None,
                };
                (3, ranges.iter().map(range).collect::<Option<_>>()?)
            }
            Self::MosBelow(bound) => (4, vec![Range::mos(0, *bound)]),
            Self::MosAbove(bound) => (5, vec![Range::mos(*bound, i64::MAX)]),
            _ => return None,
        })
    }

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
