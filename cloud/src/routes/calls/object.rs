//! A stored call as JSON.

use ringside_protocol::cdr::{Cdr, Party, Status};
use ringside_protocol::diagnosis::{self, Finding};
use ringside_protocol::json;
use serde_json::{Map, Value, json};

use crate::db::calls::Stored;
use crate::db::cdrs;
use crate::filter::ENDED_BY;
use crate::routes::names::Names;
use crate::routes::stored::{self, finding, unreadable, verdict};

/// A call as lists show it.
pub(super) fn summary(stored: &Stored, names: &Names) -> Value {
    let (cdr, findings) = read(stored);
    let mut object = json::summary(&cdr, Some(stored.id));
    object.insert("sensor".to_owned(), names.object(stored.id.device));
    object.insert("verdict".to_owned(), verdict(&findings));
    Value::Object(object)
}

/// What the legs of this call share.
pub(super) fn legs_key(stored: &Stored) -> String {
    cdrs::legs_key(&read(stored).0).to_owned()
}

/// A call with everything that is known about it; `legs` are all legs of it, itself included.
pub(in crate::routes) fn whole(stored: &Stored, legs: &[Stored], names: &Names) -> Value {
    let (cdr, findings) = read(stored);
    let mut object = match json::call(&cdr, Some(stored.id)) {
        Value::Object(object) => object,
        _ => Map::new(),
    };
    object.insert("sensor".to_owned(), names.object(stored.id.device));
    object.insert("arrived_at".to_owned(), json!(stored.arrived_at.to_rfc3339()));
    object.insert("verdict".to_owned(), verdict(&findings));
    object.insert("findings".to_owned(), findings.iter().map(finding).collect());
    let others = legs.iter().filter(|leg| leg.id != stored.id);
    object.insert("other_legs".to_owned(), others.map(|leg| summary(leg, names)).collect());
    Value::Object(object)
}

/// The record and what it says. One that cannot be read leaves what its columns know.
fn read(stored: &Stored) -> (Cdr, Vec<Finding>) {
    if let Some(mut cdr) = decoded(stored) {
        let findings = diagnosis::findings(&cdr);
        // A record whose own time is impossible was filed under the day of its arrival.
        let shift = cdr.ended_at() != stored.ended_at;
        if shift {
            cdr.first_at.0 = stored.ended_at.0.saturating_sub(cdr.ended);
        }
        return (cdr, findings);
    }
    (from_columns(stored), vec![unreadable(stored.version)])
}

/// The record; `None` where this build cannot read it.
pub(in crate::routes) fn decoded(stored: &Stored) -> Option<Cdr> {
    stored::decoded(stored.version, &stored.record)
}

fn from_columns(stored: &Stored) -> Cdr {
    let party = |user: &str| Party { user: user.to_owned(), ..Party::default() };
    let ended = stored.ended_at.since(stored.start_at);
    let code = stored.status_code.and_then(|code| u16::try_from(code).ok());
    let duration = stored.duration_us.and_then(|us| u64::try_from(us).ok());
    Cdr {
        number: stored.id.number,
        flags: u32::try_from(stored.flags).unwrap_or(0),
        first_at: stored.start_at,
        answered: duration.map(|duration| ended.saturating_sub(duration)),
        ended,
        call_id: stored.call_id.clone(),
        caller: party(&stored.caller),
        callee: party(&stored.callee),
        status: code.map(|code| Status { code, reason_phrase: String::new() }),
        ended_by: usize::try_from(stored.ended_by)
            .ok()
            .and_then(|number| ENDED_BY.get(number).copied())
            .unwrap_or_default(),
        ..Cdr::default()
    }
}
