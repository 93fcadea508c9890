//! Comma-separated values (RFC 4180): a head line, then a line for each record of one kind.

use ringside_protocol::cdr::Cdr;
use ringside_protocol::diagnosis::{self, Finding};
use ringside_protocol::json;
use ringside_protocol::peer::Peer;
use ringside_protocol::registration::Registration;
use serde_json::{Map, Value};

use super::{printable, worst_jitter_micros, worst_loss_permille};
use crate::cli::Records;

/// The call's own fields, by their path in the JSON object.
const FIELDS: &[&str] = &[
    "call_id",
    "start_at",
    "ringing_at",
    "answered_at",
    "ended_at",
    "caller.user",
    "caller.host",
    "callee.user",
    "callee.host",
    "src",
    "dst",
    "status_code",
    "reason_phrase",
    "ended_by",
    "session_request_delay_ms",
    "setup_ms",
    "duration_ms",
    "caller_agent",
    "callee_agent",
    "flags",
    "mos",
    "r",
    "mos_scale",
];

/// Figures over the call's streams, and the most severe finding.
const DERIVED: &[&str] = &["streams", "packets", "lost", "loss_percent", "jitter_ms", "finding"];

/// A registration's fields, by their path in its JSON object.
const REGISTRATION_FIELDS: &[&str] = &[
    "at",
    "state",
    "state_seconds",
    "cause",
    "last_attempt_at",
    "aor.user",
    "aor.host",
    "registrar",
    "contact",
    "src",
    "dst",
    "transport",
    "status_code",
    "reason_phrase",
    "expires_asked_s",
    "expires_granted_s",
    "granted",
    "failures",
    "failures_in_a_row",
    "retransmissions",
    "round_trip_ms",
    "round_trip_max_ms",
    "user_agent",
    "registrar_agent",
    "flags",
];

/// A peer relation's fields, by their path in its JSON object.
const PEER_FIELDS: &[&str] = &[
    "at",
    "method",
    "event",
    "from",
    "to",
    "src",
    "dst",
    "transport",
    "state",
    "state_at",
    "cause",
    "first_at",
    "last_at",
    "answered_at",
    "requests",
    "answered",
    "unanswered",
    "unanswered_in_a_row",
    "retransmissions",
    "answers.2xx",
    "answers.3xx",
    "answers.4xx",
    "answers.5xx",
    "answers.6xx",
    "status_code",
    "reason_phrase",
    "round_trip_min_ms",
    "round_trip_mean_ms",
    "round_trip_max_ms",
    "user_agent",
    "peer_agent",
    "flags",
];

/// The head line of one kind of record.
pub(super) fn head(records: Records) -> String {
    let (fields, derived): (_, &[&str]) = match records {
        Records::Calls | Records::All => (FIELDS, DERIVED),
        Records::Registrations => (REGISTRATION_FIELDS, &["finding"]),
        Records::Peers => (PEER_FIELDS, &["finding"]),
    };
    line(fields.iter().chain(derived).map(|name| name.replace('.', "_")))
}

/// The call's line; what did not happen is empty.
pub(super) fn call(cdr: &Cdr) -> String {
    let summary = json::summary(cdr, None);
    let fields = FIELDS.iter().map(|path| text(at(&summary, path)));
    line(fields.chain(derived(cdr)))
}

/// The registration's line.
pub(super) fn registration(it: &Registration) -> String {
    flat(REGISTRATION_FIELDS, &json::registration(it, None), diagnosis::registration(it))
}

/// The peer relation's line.
pub(super) fn peer(it: &Peer) -> String {
    flat(PEER_FIELDS, &json::peer(it, None), diagnosis::peer(it))
}

fn flat(fields: &[&str], object: &Map<String, Value>, findings: Vec<Finding>) -> String {
    let said = findings.into_iter().next().map(|first| first.sentence);
    line(fields.iter().map(|path| text(at(object, path))).chain(said))
}

fn derived(cdr: &Cdr) -> [String; DERIVED.len()] {
    let sum = |figure: fn(&ringside_protocol::cdr::Stream) -> u32| {
        cdr.streams.iter().map(|stream| u64::from(figure(stream))).sum::<u64>().to_string()
    };
    let loss = worst_loss_permille(cdr).map(|n| format!("{}.{}", n / 10, n % 10));
    let jitter = worst_jitter_micros(cdr).map(|us| format!("{}.{:03}", us / 1000, us % 1000));
    [
        cdr.streams.len().to_string(),
        sum(|stream| stream.packets),
        sum(|stream| stream.lost),
        loss.unwrap_or_default(),
        jitter.unwrap_or_default(),
        diagnosis::findings(cdr).swap_remove(0).sentence,
    ]
}

fn at<'a>(object: &'a Map<String, Value>, path: &str) -> &'a Value {
    let (name, inner) = path.split_once('.').unwrap_or((path, ""));
    match object.get(name) {
        Some(value) if inner.is_empty() => value,
        Some(value) => value.get(inner).unwrap_or(&Value::Null),
        None => &Value::Null,
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().map(text).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

/// RFC 4180 §2: quotes around what holds a comma or a quote, quotes doubled, CRLF at the end.
fn line(fields: impl Iterator<Item = String>) -> String {
    let mut line = String::new();
    for (index, field) in fields.enumerate() {
        if index > 0 {
            line.push(',');
        }
        let field = printable(&field);
        if field.contains([',', '"']) {
            line.push('"');
            line.push_str(&field.replace('"', "\"\""));
            line.push('"');
        } else {
            line.push_str(&field);
        }
    }
    line.push_str("\r\n");
    line
}
