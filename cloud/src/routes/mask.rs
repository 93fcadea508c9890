//! Masked numbers: whoever has that restriction sees `+4930123***` in every answer.
//!
//! The one place that authenticates requests masks what comes back (`super::call`), and exports mask
//! each record. What is masked is chosen by exclusion: every text is, except ids, times and
//! addresses, so that a new field shows too little rather than too much.

use core::net::{IpAddr, SocketAddr};

use serde_json::Value;

use super::ApiError;
use crate::server::{Body, Response};

/// Digits of a number that are masked; a shorter number is masked whole.
const MASKED_DIGITS: usize = 3;

/// In other texts so many digits in a row are a number.
const DIGITS_OF_A_NUMBER: usize = 6;

/// Fields that hold somebody's number, however short.
const NUMBERS: &[&str] = &[
    "user",
    "display",
    "caller",
    "caller_display",
    "callee",
    "callee_display",
    "number",
    "request_uri",
    "aor",
    "contact",
    "from",
    "to",
];

/// Fields that hold no number of anybody's.
const IDS: &[&str] = &[
    "id",
    "device",
    "sensor_id",
    "next",
    "cursor",
    "transfer",
    "csrf",
    "secret",
    "page",
    "token",
    "command",
    "software",
    "target",
    "commit",
    "version",
];

/// Conditions of filters by which masked digits could be guessed one by one.
const GUESSED: &[&str] = &["number", "caller", "callee", "call_id", "user", "contact"];

/// Masks an answer in JSON. Others hold no numbers (what streams has masked its own).
pub(super) fn response(mut response: Response) -> Response {
    let header = |name: &str| {
        let found = response.headers.iter().find(|(there, _)| there.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    };
    let is_json = header("content-type").is_some_and(|kind| kind.starts_with("application/json"));
    if !is_json || header("content-encoding").is_some() {
        return response;
    }
    if let Body::Bytes(bytes) = &mut response.body
        && let Ok(mut body) = serde_json::from_slice::<Value>(bytes)
    {
        value(&mut body);
        *bytes = format!("{body}\n").into_bytes();
    }
    response
}

/// Masks every number in a value.
pub(super) fn value(value: &mut Value) {
    field("", value);
}

fn field(name: &str, value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Some(masked) = text_of(name, text) {
                *text = masked;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| field(name, item)),
        Value::Object(fields) => fields.iter_mut().for_each(|(name, value)| field(name, value)),
        _ => {}
    }
}

/// A field's text with its numbers masked; `None` where it has none.
fn text_of(name: &str, text: &str) -> Option<String> {
    if IDS.contains(&name) || is_time(text) || is_address(text) {
        return None;
    }
    if name == "dtmf" {
        return Some("*".repeat(text.chars().count()));
    }
    if NUMBERS.contains(&name) {
        let (user, host) = text.split_once('@').map_or((text, None), |(u, h)| (u, Some(h)));
        let user = number(user);
        return Some(host.map_or_else(|| user.clone(), |host| format!("{user}@{host}")));
    }
    Some(runs(text))
}

/// Masks the last digits of a number.
fn number(text: &str) -> String {
    let mut left = MASKED_DIGITS;
    let masked = text.chars().rev().map(|c| {
        if left > 0 && c.is_numeric() {
            left -= 1;
            return '*';
        }
        c
    });
    masked.collect::<Vec<_>>().into_iter().rev().collect()
}

/// Masks the last digits of each long run of digits.
fn runs(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut digits = String::new();
    for c in text.chars().map(Some).chain([None]) {
        if let Some(digit) = c.filter(|c| c.is_ascii_digit()) {
            digits.push(digit);
            continue;
        }
        if digits.len() >= DIGITS_OF_A_NUMBER {
            out.push_str(&number(&digits));
        } else {
            out.push_str(&digits);
        }
        digits.clear();
        out.extend(c);
    }
    out
}

/// As [`ringside_protocol::time::UnixMicros::to_rfc3339`] writes it.
fn is_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_digit_or = |c: &u8| c.is_ascii_digit() || b"-:.TZ".contains(c);
    bytes.len() >= 20 && bytes[4] == b'-' && bytes[10] == b'T' && bytes.iter().all(is_digit_or)
}

fn is_address(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok() || text.parse::<SocketAddr>().is_ok()
}

/// Refuses a condition by which somebody with masked numbers could guess their last digits one after
/// the other. A whole number may be asked for: who knows it learns no digit.
pub(super) fn check_condition(name: &str, value: &str) -> Result<(), ApiError> {
    if name != "q" && !(GUESSED.contains(&name) && value.contains('*')) {
        return Ok(());
    }
    let message = "You see masked numbers, and so search for whole numbers only: leave the * out, and \
                   write number: before the number.";
    Err(ApiError::new(403, "masked", message))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_lose_their_last_digits_wherever_they_stand() {
        let mut body = json!({
            "id": "00000000000000000000000000000001-1234567890-1",
            "caller": { "user": "+4930123456", "host": "10.0.0.1", "display": "Anna 305" },
            "callee": { "user": "305", "host": "pbx", "display": null },
            "request_uri": "sip:4930123456@192.0.2.1:5060",
            "call_id": "4930123456-77@pbx",
            "ended_at": "2026-11-24T12:00:00.123456Z",
            "src": "192.0.2.1:50600",
            "dtmf": "1234#",
            "from": "2026-11-24T12:00:00.000000Z",
            "findings": [{ "sentence": "0123456789 did not answer for 32 s (12345 packets)." }],
            "numbers": [{ "number": "4711", "calls": 4711 }],
        });
        value(&mut body);
        let expected = json!({
            "id": "00000000000000000000000000000001-1234567890-1",
            "caller": { "user": "+4930123***", "host": "10.0.0.1", "display": "Anna ***" },
            "callee": { "user": "***", "host": "pbx", "display": null },
            "request_uri": "sip:4930123***@192.0.2.1:5060",
            "call_id": "4930123***-77@pbx",
            "ended_at": "2026-11-24T12:00:00.123456Z",
            "src": "192.0.2.1:50600",
            "dtmf": "*****",
            "from": "2026-11-24T12:00:00.000000Z",
            "findings": [{ "sentence": "0123456*** did not answer for 32 s (12345 packets)." }],
            "numbers": [{ "number": "4***", "calls": 4711 }],
        });
        assert_eq!(body, expected);
    }

    #[test]
    fn a_number_is_asked_for_whole_or_not_at_all() {
        assert!(check_condition("number", "4930123456").is_ok());
        assert!(check_condition("status", "4xx").is_ok());
        for (name, value) in [("number", "4930*"), ("caller", "!*1"), ("q", "4930"), ("user", "3*")]
        {
            assert!(check_condition(name, value).is_err(), "{name}={value}");
        }
    }
}
