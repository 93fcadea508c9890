//! From names and values, as in a query string, to a [`Filter`].

use core::fmt;

use ringside_protocol::band::Band;
use ringside_protocol::cdr::{EndedBy, Fingerprint, flags};
use ringside_protocol::json;

use super::{Condition, Filter, Pattern, StatusRange, Test};
use crate::network::Network;

/// The names of all conditions.
pub const NAMES: &[&str] = &[
    "number",
    "caller",
    "callee",
    "address",
    "call_id",
    "status",
    "ended_by",
    "band",
    "mos_below",
    "mos_above",
    "flag",
    "answered",
    "sensor",
    "min_duration",
    "q",
];

/// Conditions in one filter.
pub const MAX_CONDITIONS: usize = 32;

/// Alternatives (between commas) in one condition, and words in `q`.
pub const MAX_ALTERNATIVES: usize = 50;

/// Bytes of one value.
pub const MAX_VALUE_LEN: usize = 1024;

/// The ways a call ends, in the order of their numbers in the database.
pub(crate) const ENDED_BY: [EndedBy; 6] = [
    EndedBy::Caller,
    EndedBy::Callee,
    EndedBy::Cancelled,
    EndedBy::Rejected,
    EndedBy::Timeout,
    EndedBy::CaptureEnd,
];

/// A value that does not mean anything, and what is allowed instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// Of the condition.
    pub name: String,
    /// The end of a sentence: `must be …`.
    pub allowed: String,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} must be {}", self.name, self.allowed)
    }
}

pub(super) type Result<T> = core::result::Result<T, Invalid>;

impl Filter {
    /// Adds the condition `name` = `value`; `name` is one of [`NAMES`]. `devices` finds the sensor
    /// with a number.
    ///
    /// # Errors
    /// [`Invalid`].
    pub fn add(
        &mut self,
        name: &str,
        value: &str,
        devices: &dyn Fn(u64) -> Option<Fingerprint>,
    ) -> Result<()> {
        if value.len() > MAX_VALUE_LEN {
            return Err(invalid(name, format!("at most {MAX_VALUE_LEN} bytes long")));
        }
        if self.conditions.len() >= MAX_CONDITIONS {
            return Err(invalid(name, format!("one of at most {MAX_CONDITIONS} conditions")));
        }
        let (negated, value) = match value.strip_prefix('!') {
            Some(value) => (true, value),
            None => (false, value),
        };
        let test = test(name, value, devices)?;
        if negated && matches!(test, Test::MosBelow(_) | Test::MosAbove(_) | Test::MinDuration(_)) {
            return Err(invalid(name, "a number, without a !"));
        }
        self.conditions.push(Condition { negated, test });
        Ok(())
    }
}

fn test(name: &str, value: &str, devices: &dyn Fn(u64) -> Option<Fingerprint>) -> Result<Test> {
    Ok(match name {
        "number" => Test::Number(list(name, value, number)?),
        "caller" => Test::Caller(list(name, value, number)?),
        "callee" => Test::Callee(list(name, value, number)?),
        "call_id" => Test::CallId(list(name, value, |text| Ok(Pattern::new(text)))?),
        "address" => Test::Address(list(name, value, address)?),
        "status" => Test::Status(list(name, value, status)?),
        "ended_by" => Test::EndedBy(any_of(&list(name, value, ended_by)?)),
        "flag" => Test::Flag(any_of(&list(name, value, flag)?)),
        "sensor" => Test::Sensor(list(name, value, |text| sensor(text, devices))?),
        "answered" => Test::Answered(match value {
            "true" => true,
            "false" => false,
            _ => return Err(invalid(name, "true or false")),
        }),
        "band" => Test::Band(list(name, value, band)?),
        "mos_below" => Test::MosBelow(mos(name, value)?),
        "mos_above" => Test::MosAbove(mos(name, value)?),
        "min_duration" => Test::MinDuration(
            decimal(value, 1_000_000)
                .ok_or_else(|| invalid(name, "a number of seconds, as in 30 or 0.5"))?,
        ),
        "q" => Test::Words(words(value)?),
        _ => return Err(invalid(name, format!("one of {}", NAMES.join(", ")))),
    })
}

fn any_of(bits: &[u32]) -> u32 {
    bits.iter().fold(0, |set, bit| set | bit)
}

/// The alternatives of a value.
pub(super) fn list<T>(
    name: &str,
    value: &str,
    one: impl Fn(&str) -> core::result::Result<T, String>,
) -> Result<Vec<T>> {
    if value.split(',').count() > MAX_ALTERNATIVES {
        return Err(invalid(name, format!("a list of at most {MAX_ALTERNATIVES}")));
    }
    value.split(',').map(|text| one(text).map_err(|allowed| invalid(name, allowed))).collect()
}

/// A number as people type it into an address: a plus sign that came as a space is one again.
pub(super) fn number(text: &str) -> core::result::Result<Pattern, String> {
    let trimmed = text.trim_end();
    Ok(match trimmed.strip_prefix(' ') {
        Some(rest) => Pattern::new(&format!("+{}", rest.trim_start())),
        None => Pattern::new(trimmed),
    })
}

pub(super) fn address(text: &str) -> core::result::Result<Network, String> {
    Network::parse(text.trim()).ok_or_else(|| {
        "an IP address or a network, without a port, as in 192.0.2.1 or 10.0.0.0/8".to_owned()
    })
}

pub(super) fn status(text: &str) -> core::result::Result<StatusRange, String> {
    let text = text.trim().to_ascii_lowercase();
    let range = match text.as_bytes() {
        b"none" => Some(StatusRange::None),
        [class @ b'1'..=b'6', b'x', b'x'] => {
            let first = i64::from(class - b'0') * 100;
            Some(StatusRange::Codes(first, first + 99))
        }
        [b'1'..=b'6', b'0'..=b'9', b'0'..=b'9'] => {
            text.parse().ok().map(|code| StatusRange::Codes(code, code))
        }
        _ => None,
    };
    range.ok_or_else(|| "a SIP status code, a class, or none, as in 486 or 4xx".to_owned())
}

fn ended_by(text: &str) -> core::result::Result<u32, String> {
    let at = ENDED_BY.iter().position(|&way| json::ended_by(way) == text.trim());
    at.map(|at| 1 << at).ok_or_else(|| {
        let all: Vec<_> = ENDED_BY.iter().map(|&way| json::ended_by(way)).collect();
        format!("one of {}", all.join(", "))
    })
}

fn band(text: &str) -> core::result::Result<Option<Band>, String> {
    let found = Band::ALL.into_iter().find(|band| band.name() == text.trim());
    if found.is_none() && text.trim() != "none" {
        return Err(format!("one of {} or none", Band::ALL.map(Band::name).join(", ")));
    }
    Ok(found)
}

fn flag(text: &str) -> core::result::Result<u32, String> {
    let found = flags::NAMES.iter().find(|(_, name)| *name == text.trim());
    found.map(|(bit, _)| *bit).ok_or_else(|| {
        let all: Vec<_> = flags::NAMES.iter().map(|(_, name)| *name).collect();
        format!("one of {}", all.join(", "))
    })
}

pub(super) fn sensor(
    text: &str,
    devices: &dyn Fn(u64) -> Option<Fingerprint>,
) -> core::result::Result<Fingerprint, String> {
    let text = text.trim();
    if let Some(device) = fingerprint(text) {
        return Ok(device);
    }
    let number: u64 = text
        .parse()
        .map_err(|_| "a sensor's id (32 hex digits) or its id_sensor (a number)".to_owned())?;
    devices(number).ok_or_else(|| {
        format!("the id or id_sensor of a sensor that is there; there is none with number {number}")
    })
}

/// Reads a device's fingerprint.
#[must_use]
pub(crate) fn fingerprint(text: &str) -> Option<Fingerprint> {
    let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()?;
    Some(Fingerprint(bytes.try_into().ok()?))
}

fn mos(name: &str, value: &str) -> Result<i64> {
    decimal(value, 100)
        .filter(|mos| (0..=500).contains(mos))
        .ok_or_else(|| invalid(name, "a MOS, a number from 0 to 5, as in 3.6"))
}

/// A decimal number in units of 1/`scale`, cut to whole ones.
fn decimal(text: &str, scale: i64) -> Option<i64> {
    let (whole, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    let mut value = whole.parse::<i64>().ok()?.checked_mul(scale)?;
    let mut unit = scale;
    for digit in fraction.bytes() {
        unit /= 10;
        value = value.checked_add(i64::from(digit - b'0') * unit)?;
    }
    Some(value)
}

pub(super) fn words(value: &str) -> Result<Vec<String>> {
    let words: Vec<_> = value.split_whitespace().map(str::to_ascii_lowercase).collect();
    if words.is_empty() || words.len() > MAX_ALTERNATIVES {
        return Err(invalid("q", format!("one to {MAX_ALTERNATIVES} words")));
    }
    Ok(words)
}

pub(super) fn invalid(name: &str, allowed: impl Into<String>) -> Invalid {
    Invalid { name: name.to_owned(), allowed: allowed.into() }
}
