//! One JSON object a line: the contract's call object, and what is to be said about the call.

use ringside_protocol::cdr::Cdr;
use ringside_protocol::{diagnosis, json};
use serde_json::{Value, json};

use crate::terminal::commands_terminal;

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
    escaped(&object.to_string()) + "\n"
}

/// JSON leaves some characters that command a terminal as they are; inside its strings, the only
/// place where they can stand, an escape means the same.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut units = [0; 2];
    for character in text.chars() {
        if commands_terminal(character) {
            for unit in character.encode_utf16(&mut units) {
                safe.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            safe.push(character);
        }
    }
    safe
}
