//! A registration or a peer relation as a line for people, or as a line of JSON.

use ringside_protocol::cdr::Method;
use ringside_protocol::diagnosis::{self, Finding, Severity};
use ringside_protocol::json;
use ringside_protocol::peer::{self, Peer};
use ringside_protocol::registration::{self, Registration};
use ringside_protocol::time::UnixMicros;
use serde_json::{Map, Value, json};

use super::{finding_object, printable, table};
use crate::terminal::{Colour, Style, fit, printable_json};

const AT: usize = 12;
const STATE: usize = 12;
const WHO: usize = 30;
const WHAT: usize = 26;
const ANSWERED: usize = 11;
const ROUND_TRIP: usize = 10;

/// The registration's line of JSON; `record` tells it from a call.
pub(super) fn registration_line(it: &Registration) -> String {
    line("registration", json::registration(it, None), &diagnosis::registration(it))
}

/// The peer relation's line of JSON.
pub(super) fn peer_line(it: &Peer) -> String {
    line("peer", json::peer(it, None), &diagnosis::peer(it))
}

fn line(kind: &str, mut object: Map<String, Value>, findings: &[Finding]) -> String {
    object.insert("record".to_owned(), json!(kind));
    object.insert("findings".to_owned(), findings.iter().map(finding_object).collect::<Value>());
    printable_json(&Value::Object(object).to_string()) + "\n"
}

/// The head line where there are registrations only.
pub(super) fn registration_head() -> String {
    head(&[("ADDRESS-OF-RECORD", WHO)])
}

/// The head line where there are peer relations only.
pub(super) fn peer_head() -> String {
    head(&[("REQUEST", WHAT), ("ANSWERED", ANSWERED), ("ROUND TRIP", ROUND_TRIP)])
}

fn head(columns: &[(&str, usize)]) -> String {
    let cells: String = columns.iter().map(|(name, width)| fit(name, *width) + "  ").collect();
    format!(" {}  {}  {cells}FROM AND TO\n", fit("AT", AT), fit("STATE", STATE))
}

/// The registration's line of a table, and what is to be said about it.
pub(super) fn registration_row(it: &Registration, style: Style) -> String {
    let colour = match it.state {
        registration::State::Registered => Some(Colour::Green),
        registration::State::Failing => Some(Colour::Red),
        registration::State::Expired => Some(Colour::Yellow),
        registration::State::Unregistered => None,
    };
    let who = fit(&printable(&format!("{}@{}", it.aor.user, it.aor.host)), WHO);
    let rest = format!("{who}  {} to {}", it.src, it.dst);
    row(it.made_at(), it.state.name(), colour, &rest, &diagnosis::registration(it), style)
}

/// The peer relation's line of a table, and what is to be said about it.
pub(super) fn peer_row(it: &Peer, style: Style) -> String {
    let colour = match it.state {
        peer::State::Answering => Colour::Green,
        peer::State::Refusing => Colour::Yellow,
        peer::State::Silent => Colour::Red,
    };
    let method = it.method.as_str();
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let what = match it.method {
        Method::Message => format!("{method} {} to {}", text(&it.from), text(&it.to)),
        _ => format!("{method} {}", text(&it.event)),
    };
    let answered = format!("{} of {}", it.answered(), it.requests);
    let mean = it.round_trip.map(|it| format!("{}.{} ms", it.mean / 1000, it.mean % 1000 / 100));
    let rest = format!(
        "{}  {}  {}  {} to {}",
        fit(&printable(&what), WHAT),
        fit(&answered, ANSWERED),
        fit(mean.as_deref().unwrap_or("-"), ROUND_TRIP),
        it.src,
        it.dst
    );
    row(it.made_at(), it.state.name(), Some(colour), &rest, &diagnosis::peer(it), style)
}

fn row(
    at: UnixMicros,
    state: &str,
    colour: Option<Colour>,
    rest: &str,
    findings: &[Finding],
    style: Style,
) -> String {
    let (at, state) = (at.to_rfc3339(), fit(state, STATE));
    let state = style.paint(colour, &state);
    let said = findings.first().filter(|first| first.severity > Severity::Ok);
    let said = said.map_or_else(String::new, |said| table::said(said, style));
    format!(" {}  {state}  {rest}\n{said}", at.get(11..23).unwrap_or_default())
}
