//! `GET /alerts`, `POST /alerts/{id}/acknowledge`, and the silences.

use ringside_protocol::cdr::Fingerprint;
use ringside_protocol::time::{MICROS_PER_SECOND, UnixMicros};
use serde::Deserialize;
use serde_json::{Value, json};

use super::names::Names;
use super::reply::json_response;
use super::{Answer, ApiError, Context, query};
use crate::alerts::words::with_end;
use crate::auth::{Admin, Caller, Scope};
use crate::db::alerts::log::{self, Alert};
use crate::db::alerts::{self as stored, Silence};
use crate::db::fleet;
use crate::events::Kind;
use crate::filter::{fingerprint, parse_time};

/// Silences of a customer.
pub const MAX_SILENCES: usize = 64;

/// The longest silence, days.
pub const MAX_SILENCE_DAYS: u64 = 90;

/// Characters of a note or of the reason of a silence.
pub const MAX_NOTE: usize = 500;

/// Alerts that have closed, in one answer.
pub const MAX_PAST_SHOWN: usize = 200;

/// All open alerts, and the newest of those that have closed; `past=0` leaves these out.
pub(super) fn list(context: &Context<'_>, scope: &Scope) -> Answer {
    let db = &context.app.db;
    let mut past = 50;
    for (name, value) in query::parameters(&context.request.query)? {
        match name.as_str() {
            "past" => {
                let number = value.parse().ok().filter(|past| *past <= MAX_PAST_SHOWN);
                past = number.ok_or_else(|| {
                    ApiError::parameter("past", &format!("a number up to {MAX_PAST_SHOWN}"))
                })?;
            }
            _ => return Err(ApiError::parameter(&name, "past")),
        }
    }
    let names = Names::new(&fleet::sensors(db, scope)?);
    let silences = stored::silences(db, scope, context.now)?;
    let show = |alert: &Alert| {
        let is_silenced =
            silences.iter().any(|it| it.covers(alert.rule, alert.device, context.now));
        object(alert, &names, is_silenced)
    };
    let open = log::open(db, scope)?;
    let past = if past == 0 { Vec::new() } else { log::past(db, scope, past)? };
    Ok(json_response(
        200,
        &json!({
            "open": open.iter().map(show).collect::<Vec<_>>(),
            "past": past.iter().map(show).collect::<Vec<_>>(),
        }),
    ))
}

/// How many are open, and how bad the worst is: for the bar of every page.
pub(super) fn count(context: &Context<'_>, caller: &Caller) -> Answer {
    let open = log::open(&context.app.db, &caller.scope)?;
    let unseen = open.iter().filter(|alert| alert.seen.is_none()).count();
    let worst = open.iter().map(|alert| alert.severity).max();
    Ok(json_response(
        200,
        &json!({ "open": open.len(), "unseen": unseen, "worst": worst.map(|it| it.name()) }),
    ))
}

pub(super) fn acknowledge(context: &Context<'_>, scope: &Scope) -> Answer {
    #[derive(Deserialize, Default)]
    struct Wanted {
        note: Option<String>,
    }
    let db = &context.app.db;
    let id = number(context, "alert", "alerts")?;
    let wanted: Wanted = if context.request.body.is_empty() {
        Wanted::default()
    } else {
        let bad = |_| ApiError::new(400, "bad_body", "Send {\"note\": \"…\"}, or nothing.");
        serde_json::from_slice(&context.request.body).map_err(bad)?
    };
    let note = wanted.note.filter(|note| !note.trim().is_empty());
    if note.as_ref().is_some_and(|note| note.chars().count() > MAX_NOTE) {
        return Err(ApiError::parameter("note", &format!("at most {MAX_NOTE} characters")));
    }
    if !log::acknowledge(db, scope, id, note.as_deref(), context.now)? {
        return Err(none("alert", "alerts"));
    }
    context.app.events.bump(scope.customer(), Kind::Sensors);
    let alert = log::one(db, scope, id)?.ok_or_else(|| none("alert", "alerts"))?;
    let names = Names::new(&fleet::sensors(db, scope)?);
    Ok(json_response(200, &object(&alert, &names, false)))
}

pub(super) fn silences(context: &Context<'_>, scope: &Scope) -> Answer {
    let db = &context.app.db;
    let names = Names::new(&fleet::sensors(db, scope)?);
    let silences = stored::silences(db, scope, context.now)?;
    let silences: Vec<_> = silences.iter().map(|it| silence_object(it, &names)).collect();
    Ok(json_response(200, &json!({ "silences": silences })))
}

pub(super) fn silence(context: &Context<'_>, admin: &Admin<'_>) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Wanted {
        rule: Option<i64>,
        sensor: Option<String>,
        until: String,
        #[serde(default)]
        reason: String,
    }
    let db = &context.app.db;
    let wanted: Wanted = serde_json::from_slice(&context.request.body).map_err(|_| {
        let message = "Send {\"until\": \"2026-12-01T08:00:00Z\", \"reason\": \"…\"}; rule (its \
                       number) and sensor (its id) may be left out.";
        ApiError::new(400, "bad_body", message)
    })?;
    let until = parse_time(&wanted.until).filter(|until| {
        let longest = MAX_SILENCE_DAYS * 86_400 * MICROS_PER_SECOND;
        *until > context.now && until.since(context.now) <= longest
    });
    let until = until.ok_or_else(|| {
        ApiError::parameter("until", &format!("a time within the next {MAX_SILENCE_DAYS} days"))
    })?;
    if wanted.reason.chars().count() > MAX_NOTE {
        return Err(ApiError::parameter("reason", &format!("at most {MAX_NOTE} characters")));
    }
    let rules = stored::rules(db, admin)?;
    if wanted.rule.is_some_and(|rule| rules.iter().all(|it| it.id != rule)) {
        return Err(ApiError::parameter(
            "rule",
            "a rule of yours, as /api/v1/alert_rules lists them",
        ));
    }
    let device =
        wanted.sensor.as_deref().map(|name| own_sensor(context, admin, name)).transpose()?;
    let silence = Silence {
        id: 0,
        rule: wanted.rule,
        device,
        until,
        reason: wanted.reason.trim().to_owned(),
        created_by: admin.who().to_owned(),
        created_at: context.now,
    };
    let id = stored::add_silence(db, admin, &silence, MAX_SILENCES, context.now)?;
    let id = id.ok_or_else(|| full("silences", MAX_SILENCES))?;
    context.app.events.bump(admin.customer(), Kind::Sensors);
    let names = Names::new(&fleet::sensors(db, admin)?);
    Ok(json_response(201, &silence_object(&Silence { id, ..silence }, &names)))
}

pub(super) fn end_silence(context: &Context<'_>, admin: &Admin<'_>) -> Answer {
    let id = number(context, "silence", "alert_silences")?;
    if !stored::end_silence(&context.app.db, admin, id, context.now)? {
        return Err(none("silence", "alert_silences"));
    }
    context.app.events.bump(admin.customer(), Kind::Sensors);
    Ok(json_response(200, &json!({})))
}

/// The number in the address.
pub(super) fn number(context: &Context<'_>, what: &str, list: &str) -> Result<i64, ApiError> {
    context.item.parse().map_err(|_| none(what, list))
}

pub(super) fn none(what: &str, list: &str) -> ApiError {
    ApiError::not_found(format!("You have no {what} with this number: /api/v1/{list} lists them."))
}

pub(super) fn full(what: &str, limit: usize) -> ApiError {
    let message = format!("You have {limit} {what}, as many as may be: delete one first.");
    ApiError::new(409, "limit", message)
}

fn own_sensor(context: &Context<'_>, scope: &Scope, name: &str) -> Result<Fingerprint, ApiError> {
    let device = fingerprint(name);
    let own = device.map(|device| fleet::sensor(&context.app.db, scope, device)).transpose()?;
    let own = own.flatten().map(|sensor| sensor.device);
    let allowed = "a sensor of yours, as /api/v1/sensors lists them";
    own.ok_or_else(|| ApiError::parameter("sensor", allowed))
}

fn object(alert: &Alert, names: &Names, is_silenced: bool) -> Value {
    let state = match (&alert.closed_at, &alert.seen) {
        (Some(_), _) => "closed",
        (None, Some(_)) => "acknowledged",
        (None, None) => "open",
    };
    json!({
        "id": alert.id,
        "rule": alert.rule,
        "name": alert.name,
        "state": state,
        "severity": alert.severity.name(),
        "sensor": alert.device.map(|device| names.object(device)),
        "sentence": alert.sentence,
        "value": alert.value,
        "link": with_end(&alert.link, alert.closed_at),
        "opened_at": alert.opened_at.to_rfc3339(),
        "closed_at": alert.closed_at.map(UnixMicros::to_rfc3339),
        "why_closed": alert.why_closed,
        "acknowledged_at": alert.seen.as_ref().map(|(at, _)| at.to_rfc3339()),
        "acknowledged_by": alert.seen.as_ref().map(|(_, who)| who),
        "note": alert.note,
        "is_silenced": is_silenced,
    })
}

fn silence_object(silence: &Silence, names: &Names) -> Value {
    json!({
        "id": silence.id,
        "rule": silence.rule,
        "sensor": silence.device.map(|device| names.object(device)),
        "until": silence.until.to_rfc3339(),
        "reason": silence.reason,
        "created_by": silence.created_by,
        "created_at": silence.created_at.to_rfc3339(),
    })
}
