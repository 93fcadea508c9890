//! What stored records of all kinds have in common when they become JSON.

use ringside_protocol::diagnosis::{Finding, Severity};
use ringside_protocol::{OLDEST_PROTOCOL_VERSION, PROTOCOL_VERSION};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// A record; `None` where this build cannot read it.
pub(super) fn decoded<R: DeserializeOwned>(version: i64, record: &[u8]) -> Option<R> {
    let version = u8::try_from(version).ok()?;
    if !(OLDEST_PROTOCOL_VERSION..=PROTOCOL_VERSION).contains(&version) {
        return None;
    }
    postcard::take_from_bytes(record).ok().map(|(record, _)| record)
}

/// What is said of a record that cannot be read.
pub(super) fn unreadable(version: i64) -> Finding {
    let sentence = "This record cannot be read by this build: only what the list knows is shown. \
                    If a newer ringside-cloud ran here, install it again.";
    Finding {
        severity: Severity::Warning,
        sentence: sentence.to_owned(),
        evidence: vec![format!("record version {version}")],
    }
}

/// The most severe finding.
pub(super) fn verdict(findings: &[Finding]) -> Value {
    let (severity, sentence) = findings
        .first()
        .map_or((Severity::Ok, ""), |first| (first.severity, first.sentence.as_str()));
    json!({ "severity": severity.name(), "sentence": sentence })
}

/// A finding.
pub(super) fn finding(finding: &Finding) -> Value {
    json!({
        "severity": finding.severity.name(),
        "sentence": finding.sentence,
        "evidence": finding.evidence,
    })
}
