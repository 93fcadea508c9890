//! `GET /retention`: the proof that what is too old is gone; `POST /erasures`: one number's records.

use ringside_protocol::time::UnixMicros;
use serde::Deserialize;
use serde_json::{Value, json};

use super::reply::json_response;
use super::{Answer, ApiError, Context};
use crate::auth::{Admin, Scope};
use crate::db::proof::Run;
use crate::retention::{RETENTION_DAYS, visible_after};

/// Runs that are shown.
const RUNS: usize = 48;

/// Characters of a number.
const MAX_NUMBER: usize = 256;

pub(super) fn proof(context: &Context<'_>, _: &Scope) -> Answer {
    let runs = context.app.db.retention_runs(RUNS)?;
    let runs: Vec<_> = runs.iter().map(object).collect();
    Ok(json_response(
        200,
        &json!({
            "days": RETENTION_DAYS,
            "visible_after": visible_after(context.now).to_rfc3339(),
            "runs": runs,
        }),
    ))
}

/// Nothing of other customers: neither what was deleted nor how much.
fn object(run: &Run) -> Value {
    json!({
        "at": run.at.to_rfc3339(),
        "gone_until": UnixMicros(run.until.0).to_rfc3339(),
        "late_days": run.late_days,
    })
}

#[derive(Deserialize)]
struct Wanted {
    number: String,
}

pub(super) fn erase(context: &Context<'_>, admin: &Admin<'_>) -> Answer {
    let wanted: Wanted = serde_json::from_slice(&context.request.body).map_err(|_| {
        ApiError::new(400, "bad_body", "Send {\"number\": \"+4930123\"}, as calls show it.")
    })?;
    let number = wanted.number.trim();
    if number.is_empty() || number.chars().count() > MAX_NUMBER {
        let allowed = format!("a number of 1 to {MAX_NUMBER} characters, whole, without *");
        return Err(ApiError::parameter("number", &allowed));
    }
    let db = &context.app.db;
    let erased = db.erase_number(admin.customer(), number, admin.who(), context.now)?;
    let body = json!({ "calls": erased.calls, "registrations": erased.registrations });
    Ok(json_response(200, &body))
}
