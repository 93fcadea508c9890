//! One JSON object a line: the contract's call object, and what is to be said about the call.

use ringside_protocol::cdr::Cdr;
use ringside_protocol::{diagnosis, json};
use serde_json::{Value, json};

use crate::terminal::printable_json;

/// The call's line.
pub(super) fn call(cdr: &Cdr) -> String {
    let mut object = json::call(cdr, None);
    object["findings"] = diagnosis::findings(cdr)
        .into_iter()
        .map(|finding| {
            json!({
                "severity": finding.severity.name(),
                "sentence": finding.sentence,
                "evidence": finding.evidence,
            })
        })
        .collect::<Value>();
    printable_json(&object.to_string()) + "\n"
}
