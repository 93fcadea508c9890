//! `GET /rules`, `POST /rules`, `POST /rules/{id}`, `POST /rules/{id}/delete`, `POST
//! /rules/dry_run`: which calls' packets sensors keep.

use ringside_protocol::cdr::Fingerprint;
use ringside_protocol::rule::review::{bytes_kept, would_hold};
use ringside_protocol::rule::{MAX_RULES, Rule};
use ringside_protocol::time::UnixMicros;
use serde::Deserialize;
use serde_json::{Value, json};

use super::calls::decoded;
use super::reply::json_response;
use super::{Answer, ApiError, Context};
use crate::auth::{Admin, Scope};
use crate::db::calls::Calls;
use crate::db::fleet;
use crate::db::rules::{self, Applied, Content, StoredRule};
use crate::db::search::{Bounds, MAX_ROWS_SCANNED, Span, search};
use crate::events::Kind;
use crate::filter::fingerprint;
use crate::uplink::poll;

/// Calls that one dry run looks at.
pub const MAX_CALLS_TRIED: usize = 20_000;

/// Calls that a dry run names.
const MAX_CALLS_NAMED: usize = 20;

/// Calls that are read at once.
const CALLS_AT_ONCE: usize = 500;

const DAY: u64 = 86_400_000_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    text: String,
    #[serde(default)]
    sensors: Option<Vec<String>>,
    #[serde(default)]
    is_enabled: Option<bool>,
}

pub(super) fn list(context: &Context<'_>, scope: &Scope) -> Answer {
    let db = &context.app.db;
    let version = rules::version(db, scope)?;
    let listed: Vec<_> = rules::list(db, scope)?.iter().map(object).collect();
    let mut sensors = Vec::new();
    for sensor in fleet::sensors(db, scope)?.into_iter().filter(|sensor| !sensor.is_revoked) {
        let applied = db.rules_of(sensor.device)?.unwrap_or_default();
        let Applied { version: applied_version, refused } = applied;
        let refused: Vec<_> =
            refused.iter().map(|(rule, why)| json!({ "rule": rule, "why": why })).collect();
        sensors.push(json!({
            "device": sensor.device.to_string(),
            "name": sensor.name,
            "is_applied": applied_version == version,
            "refused": refused,
        }));
    }
    Ok(json_response(200, &json!({ "rules": listed, "sensors": sensors })))
}

pub(super) fn make(context: &Context<'_>, admin: &Admin<'_>) -> Answer {
    let content = content(context, admin)?;
    let db = &context.app.db;
    let Some(id) = rules::add(db, admin, &content, MAX_RULES, context.now)? else {
        let message = format!("You have {MAX_RULES} rules: delete one of them first.");
        return Err(ApiError::new(409, "too_many_rules", message));
    };
    push(context, admin)?;
    Ok(json_response(201, &one(context, admin, id)?))
}

pub(super) fn change(context: &Context<'_>, admin: &Admin<'_>) -> Answer {
    let (id, content) = (id(context)?, content(context, admin)?);
    if !rules::change(&context.app.db, admin, id, &content, context.now)? {
        return Err(no_such_rule());
    }
    push(context, admin)?;
    Ok(json_response(200, &one(context, admin, id)?))
}

pub(super) fn delete(context: &Context<'_>, admin: &Admin<'_>) -> Answer {
    if !rules::delete(&context.app.db, admin, id(context)?, context.now)? {
        return Err(no_such_rule());
    }
    push(context, admin)?;
    Ok(json_response(200, &json!({})))
}

/// What the rule would have kept of yesterday's calls, each call by itself.
pub(super) fn dry_run(context: &Context<'_>, admin: &Admin<'_>) -> Answer {
    let wanted = wanted(&context.request.body)?;
    let rule = read(&wanted.text)?;
    let today = UnixMicros::of_day(context.now.day());
    let span = Span { from: UnixMicros(today.0.saturating_sub(DAY)), until: today };
    let (mut tried, mut matched, mut untold, mut bytes) = (0_usize, 0_u64, 0_u64, 0_u64);
    let mut named = Vec::new();
    let mut after = None;
    let mut is_partial = false;
    loop {
        let bounds = Bounds { matches: CALLS_AT_ONCE, rows: MAX_ROWS_SCANNED };
        let page = search::<Calls>(&context.app.db, admin, span, after, bounds, &|_| true)?;
        for call in &page.records {
            tried += 1;
            let Some(cdr) = decoded(call) else { continue };
            match would_hold(&rule, &cdr) {
                Some(true) => {
                    matched += 1;
                    bytes += bytes_kept(&rule, &cdr);
                    if named.len() < MAX_CALLS_NAMED {
                        named.push(json!({
                            "id": call.id.to_string(),
                            "caller": cdr.caller.user,
                            "callee": cdr.callee.user,
                            "ended_at": call.ended_at.to_rfc3339(),
                        }));
                    }
                }
                Some(false) => {}
                None => untold += 1,
            }
        }
        after = page.next;
        is_partial |= after.is_some() && tried >= MAX_CALLS_TRIED;
        if after.is_none() || is_partial {
            break;
        }
    }
    Ok(json_response(
        200,
        &json!({
            "text": rule.to_string(),
            "from": span.from.to_rfc3339(),
            "to": span.until.to_rfc3339(),
            "tried": tried,
            "matched": matched,
            "untold": untold,
            "bytes": bytes,
            "partial": is_partial,
            "calls": named,
        }),
    ))
}

/// Sensors hear of new rules at once, pages of what became of them.
pub(super) fn push(context: &Context<'_>, admin: &Admin<'_>) -> Result<(), ApiError> {
    for sensor in fleet::sensors(&context.app.db, admin)? {
        context.app.sensors.wake(&poll::key(sensor.device));
    }
    context.app.events.bump(admin.customer(), Kind::Sensors);
    Ok(())
}

fn id(context: &Context<'_>) -> Result<u64, ApiError> {
    context.item.parse().map_err(|_| no_such_rule())
}

fn no_such_rule() -> ApiError {
    ApiError::not_found("You have no rule with this number: /api/v1/rules lists them.")
}

fn wanted(body: &[u8]) -> Result<Wanted, ApiError> {
    serde_json::from_slice(body).map_err(|_| {
        let message = "Send {\"text\": \"keep sip, rtp when caller = +4930*\"}; sensors (a list of \
                       devices) and is_enabled may be left out.";
        ApiError::new(400, "bad_body", message)
    })
}

fn read(text: &str) -> Result<Rule, ApiError> {
    let bad = |says: String| ApiError::new(400, "bad_rule", says);
    let rule = Rule::parse(text).map_err(|error| bad(format!("The rule, {error}.")))?;
    rule.check_expressions().map_err(|says| bad(format!("The regular expression {says}.")))?;
    Ok(rule)
}

fn content(context: &Context<'_>, scope: &Scope) -> Result<Content, ApiError> {
    let wanted = wanted(&context.request.body)?;
    let text = read(&wanted.text)?.to_string();
    let sensors = wanted.sensors.map(|names| own_sensors(context, scope, &names)).transpose()?;
    Ok(Content { text, sensors, is_enabled: wanted.is_enabled.unwrap_or(true) })
}

/// The named sensors, which must be the customer's.
fn own_sensors(
    context: &Context<'_>,
    scope: &Scope,
    names: &[String],
) -> Result<Vec<Fingerprint>, ApiError> {
    let own = fleet::sensors(&context.app.db, scope)?;
    let of = |name: &String| {
        let device = fingerprint(name)?;
        own.iter().any(|sensor| sensor.device == device).then_some(device)
    };
    let allowed = "devices of yours, as /api/v1/sensors lists them";
    names
        .iter()
        .map(|name| of(name).ok_or_else(|| ApiError::parameter("sensors", allowed)))
        .collect()
}

fn one(context: &Context<'_>, scope: &Scope, id: u64) -> Result<Value, ApiError> {
    let found = rules::list(&context.app.db, scope)?;
    found.iter().find(|rule| rule.id == id).map(object).ok_or_else(no_such_rule)
}

fn object(rule: &StoredRule) -> Value {
    let sensors = rule.sensors.as_ref();
    let sensors: Option<Vec<String>> =
        sensors.map(|sensors| sensors.iter().map(ToString::to_string).collect());
    let name = Rule::parse(&rule.text).map(|rule| rule.name).unwrap_or_default();
    json!({
        "id": rule.id,
        "name": name,
        "text": rule.text,
        "sensors": sensors,
        "is_enabled": rule.is_enabled,
        "created_by": rule.created_by,
        "created_at": rule.created_at.to_rfc3339(),
        "changed_by": rule.changed_by,
        "changed_at": rule.changed_at.to_rfc3339(),
    })
}
