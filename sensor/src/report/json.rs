//! One JSON object a line: the contract's call object, and what is to be said about the call.

use ringside_protocol::cdr::Cdr;
use ringside_protocol::{diagnosis, json};
use serde_json::Value;

use super::finding_object;
use crate::terminal::printable_json;

/// The call's line.
pub(super) fn call(cdr: &Cdr) -> String {
    let mut object = json::call(cdr, None);
    object["findings"] = diagnosis::findings(cdr).iter().map(finding_object).collect::<Value>();
    printable_json(&object.to_string()) + "\n"
}
