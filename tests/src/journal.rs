//! The records that existed, by the sensor's own journal (`RINGSIDE_OUTBOX_JOURNAL`), and those that
//! the cloud has.

use std::collections::BTreeSet;

use ringside_protocol::cdr::CallId;

use crate::api::Api;

/// The ids in a journal, or in a console that it was written to.
#[must_use]
pub fn ids(text: &str) -> BTreeSet<CallId> {
    text.lines().filter_map(whole).collect()
}

/// The id in a line. A kill may cut a line short, and the next boot's first one stands behind it
/// then.
fn whole(line: &str) -> Option<CallId> {
    (0..line.len()).find_map(|start| line.get(start..)?.parse().ok())
}

/// The id of every call in the cloud, as often as it is there.
///
/// # Panics
/// Where a call has none.
#[must_use]
pub fn rows(api: &Api) -> Vec<CallId> {
    let id = |call: &serde_json::Value| call["id"].as_str().and_then(|id| id.parse().ok());
    api.calls().iter().map(|call| id(call).expect("an id")).collect()
}
