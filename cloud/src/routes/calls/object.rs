//! A stored call as JSON.

use ringside_protocol::cdr::{Cdr, Party, Status};
use ringside_protocol::diagnosis::{self, Finding, Severity};
use ringside_protocol::json;
use ringside_protocol::{OLDEST_PROTOCOL_VERSION, PROTOCOL_VERSION};
use serde_json::{Map, Value, json};

use crate::db::calls::Stored;
use crate::db::cdrs;
use crate::filter::ENDED_BY;
use crate::routes::names::Names;

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
pub(super) fn whole(stored: &Stored, legs: &[Stored], names: &Names) -> Value {
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

pub(in crate::routes) fn verdict(findings: &[Finding]) -> Value {
    let (severity, sentence) = findings
        .first()
        .map_or((Severity::Ok, ""), |first| (first.severity, first.sentence.as_str()));
    json!({ "severity": severity.name(), "sentence": sentence })
}

pub(in crate::routes) fn finding(finding: &Finding) -> Value {
    json!({
        "severity": finding.severity.name(),
        "sentence": finding.sentence,
        "evidence": finding.evidence,
    })
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
    let sentence = "The record of this call cannot be read by this build: only what the list \
                    knows is shown. If a newer ringside-cloud ran here, install it again.";
    let finding = Finding {
        severity: Severity::Warning,
        sentence: sentence.to_owned(),
        evidence: vec![format!("record version {}", stored.version)],
    };
    (from_columns(stored), vec![finding])
}

fn decoded(stored: &Stored) -> Option<Cdr> {
    let version = u8::try_from(stored.version).ok()?;
    if !(OLDEST_PROTOCOL_VERSION..=PROTOCOL_VERSION).contains(&version) {
        return None;
    }
    postcard::take_from_bytes(&stored.record).ok().map(|(cdr, _)| cdr)
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
