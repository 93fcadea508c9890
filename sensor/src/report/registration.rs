//! A registration as a line for people, or as a line of JSON.

use ringside_protocol::diagnosis::{self, Severity};
use ringside_protocol::json;
use ringside_protocol::registration::{Registration, State};
use serde_json::{Value, json};

use super::{finding_object, printable, table};
use crate::terminal::{Colour, Style, fit, printable_json};

const STATE: usize = 12;
const WHO: usize = 30;

/// The registration's line of JSON; `record` tells it from a call.
pub(super) fn line(registration: &Registration) -> String {
    let mut object = json::registration(registration, None);
    object.insert("record".to_owned(), json!("registration"));
    let findings = diagnosis::registration(registration);
    object.insert("findings".to_owned(), findings.iter().map(finding_object).collect::<Value>());
    printable_json(&Value::Object(object).to_string()) + "\n"
}

/// The head line where there are registrations only.
pub(super) fn head() -> String {
    let (state, who) = (fit("STATE", STATE), fit("ADDRESS-OF-RECORD", WHO));
    format!(" {}  {state}  {who}  FROM AND TO\n", fit("AT", 12))
}

/// The registration's line of a table, and what is to be said about it.
pub(super) fn row(registration: &Registration, style: Style) -> String {
    let it = registration;
    let at = it.made_at().to_rfc3339();
    let colour = match it.state {
        State::Registered => Some(Colour::Green),
        State::Failing => Some(Colour::Red),
        State::Expired => Some(Colour::Yellow),
        State::Unregistered => None,
    };
    let who = printable(&format!("{}@{}", it.aor.user, it.aor.host)).into_owned();
    let state = fit(it.state.name(), STATE);
    let state = style.paint(colour, &state);
    let (src, dst) = (it.src, it.dst);
    let head = format!(
        " {}  {state}  {}  {src} to {dst}",
        at.get(11..23).unwrap_or_default(),
        fit(&who, WHO)
    );
    let findings = diagnosis::registration(it);
    let said = findings.first().filter(|first| first.severity > Severity::Ok);
    format!("{head}\n{}", said.map_or_else(String::new, |said| table::said(said, style)))
}
