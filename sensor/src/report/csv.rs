//! Comma-separated values (RFC 4180): a head line, then a line for each call.

use ringside_protocol::cdr::Cdr;
use ringside_protocol::{diagnosis, json};
use serde_json::{Map, Value};

use super::{printable, worst_jitter_micros, worst_loss_permille};

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

/// The head line.
pub(super) fn head() -> String {
    let names = FIELDS.iter().chain(DERIVED).map(|name| name.replace('.', "_"));
    line(names)
}

/// The call's line; what did not happen is empty.
pub(super) fn call(cdr: &Cdr) -> String {
    let summary = json::summary(cdr, None);
    let fields = FIELDS.iter().map(|path| text(at(&summary, path)));
    line(fields.chain(derived(cdr)))
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
