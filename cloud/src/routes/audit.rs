//! `GET /audit`: who did what, the newest first.

use serde_json::{Value, json};

use super::listing::time;
use super::reply::json_response;
use super::{Answer, ApiError, Context, query};
use crate::auth::Admin;
use crate::db::people::{self, AuditEntry, AuditFilter};

/// Entries of one answer, at most.
pub const MAX_ENTRIES: usize = 200;

/// Entries where nothing else is asked for.
const DEFAULT_ENTRIES: usize = 50;

pub(super) fn list(context: &Context<'_>, admin: &Admin<'_>) -> Answer {
    let (mut before, mut limit) = (None, DEFAULT_ENTRIES);
    let mut filter = AuditFilter::default();
    for (name, value) in query::parameters(&context.request.query)? {
        match name.as_str() {
            "cursor" => {
                let entry: i64 = value.parse().map_err(|_| {
                    ApiError::parameter("cursor", "the next of an earlier answer, whole")
                })?;
                before = Some(entry);
            }
            "limit" => {
                let wanted = value.parse().ok().filter(|n| (1..=MAX_ENTRIES).contains(n));
                limit = wanted.ok_or_else(|| {
                    let allowed = format!("a number from 1 to {MAX_ENTRIES}");
                    ApiError::parameter("limit", &allowed)
                })?;
            }
            "who" => filter.who = Some(value),
            "action" => filter.action = Some(value),
            "from" => filter.from = Some(time("from", &value)?),
            "to" => filter.to = Some(time("to", &value)?),
            _ => {
                let allowed = "cursor, limit, who, action, from or to";
                return Err(ApiError::parameter(&name, allowed));
            }
        }
    }
    // One more than asked for tells whether there is another page.
    let mut entries = people::audit_log(&context.app.db, admin, &filter, before, limit + 1)?;
    let has_more = entries.len() > limit;
    entries.truncate(limit);
    let next = entries.last().filter(|_| has_more).map(|last| last.entry.to_string());
    let entries: Vec<_> = entries.iter().map(object).collect();
    Ok(json_response(200, &json!({ "entries": entries, "next": next })))
}

fn object(entry: &AuditEntry) -> Value {
    json!({
        "at": entry.at.to_rfc3339(),
        "who": entry.who,
        "action": entry.action,
        "detail": entry.detail,
    })
}
