//! A stored registration as JSON.

use ringside_protocol::cdr::Party;
use ringside_protocol::diagnosis::{self, Finding};
use ringside_protocol::json;
use ringside_protocol::registration::{Registration, State};
use serde_json::{Value, json};

use crate::db::registrations::{Stored, state};
use crate::routes::names::Names;
use crate::routes::stored::{decoded, finding, unreadable, verdict};

/// A registration as lists show it.
pub(super) fn summary(stored: &Stored, names: &Names) -> Value {
    let (registration, findings) = read(stored);
    let mut object = json::registration(&registration, Some(stored.id));
    object.insert("sensor".to_owned(), names.object(stored.id.device));
    object.insert("verdict".to_owned(), verdict(&findings));
    Value::Object(object)
}

/// A registration with everything that is known about it.
pub(super) fn whole(stored: &Stored, names: &Names) -> Value {
    let (_, findings) = read(stored);
    let mut object = summary(stored, names);
    object["arrived_at"] = json!(stored.arrived_at.to_rfc3339());
    object["findings"] = findings.iter().map(finding).collect();
    object
}

/// The record and what it says. One that cannot be read leaves what its columns know.
fn read(stored: &Stored) -> (Registration, Vec<Finding>) {
    let Some(mut registration) = decoded::<Registration>(stored.version, &stored.record) else {
        return (from_columns(stored), vec![unreadable(stored.version)]);
    };
    let findings = diagnosis::registration(&registration);
    // A record whose own time is impossible was filed under the day of its arrival.
    if registration.made_at() != stored.ended_at {
        registration.first_at.0 = stored.ended_at.0.saturating_sub(registration.made);
    }
    (registration, findings)
}

fn from_columns(stored: &Stored) -> Registration {
    let known = State::ALL.iter().find(|&&known| i64::from(state(known)) == stored.state);
    Registration {
        number: stored.id.number,
        first_at: stored.ended_at,
        state: known.copied().unwrap_or_default(),
        aor: Party { user: stored.user.clone(), host: stored.host.clone(), display: None },
        registrar: stored.registrar.clone(),
        contact: stored.contact.clone(),
        ..Registration::default()
    }
}
