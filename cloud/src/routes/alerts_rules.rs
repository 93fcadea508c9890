//! `/alert_rules`: what opens alerts.

use ringside_protocol::time::UnixMicros;
use serde::Deserialize;
use serde_json::{Value, json};

use super::alerts::{full, none, number};
use super::names::Names;
use super::reply::json_response;
use super::{Answer, ApiError, Context};
use crate::alerts::measure::About;
use crate::alerts::rule::Rule;
use crate::alerts::{trial, words};
use crate::auth::{Admin, Scope};
use crate::db::alerts::{self as stored, StoredRule};
use crate::db::fleet;
use crate::events::Kind;

/// Alert rules of a customer.
pub const MAX_ALERT_RULES: usize = 64;

pub(super) fn list(context: &Context<'_>, scope: &Scope) -> Answer {
    stored::give_ready(&context.app.db, scope, context.now)?;
    let rules = stored::rules(&context.app.db, scope)?;
    Ok(json_response(200, &json!({ "rules": rules.iter().map(object).collect::<Vec<_>>() })))
}

pub(super) fn make(context: &Context<'_>, admin: &Admin<'_>) -> Answer {
    let (rule, is_enabled) = content(context, admin)?;
    let wanted = (&rule, is_enabled);
    let id = stored::add_rule(&context.app.db, admin, wanted, MAX_ALERT_RULES, context.now)?;
    let id = id.ok_or_else(|| full("alert rules", MAX_ALERT_RULES))?;
    answer(context, admin, 201, id)
}

pub(super) fn change(context: &Context<'_>, admin: &Admin<'_>) -> Answer {
    let id = number(context, "alert rule", "alert_rules")?;
    if stored::rules(&context.app.db, admin)?.iter().all(|rule| rule.id != id) {
        return Err(none("alert rule", "alert_rules"));
    }
    let (rule, is_enabled) = content(context, admin)?;
    stored::change_rule(&context.app.db, admin, id, (&rule, is_enabled), context.now)?;
    answer(context, admin, 200, id)
}

pub(super) fn delete(context: &Context<'_>, admin: &Admin<'_>) -> Answer {
    let id = number(context, "alert rule", "alert_rules")?;
    if !stored::delete_rule(&context.app.db, admin, id, context.now)? {
        return Err(none("alert rule", "alert_rules"));
    }
    context.app.events.bump(admin.customer(), Kind::Sensors);
    Ok(json_response(200, &json!({})))
}

/// What a rule would have done in the last 24 hours. States of sensors are not kept: of a rule
/// about them it says so.
pub(super) fn dry_run(context: &Context<'_>, admin: &Admin<'_>) -> Answer {
    let (rule, _) = content(context, admin)?;
    let sensors = fleet::sensors(&context.app.db, admin)?;
    let names = Names::new(&sensors);
    let tried = match rule.measure.about() {
        About::Calls => trial::run(&context.app.db, admin, &rule, &sensors, context.now)?,
        _ => None,
    };
    let Some(tried) = tried else {
        return Ok(json_response(
            200,
            &json!({
                "is_told": false,
                "fired": 0,
                "from": null,
                "to": context.now.to_rfc3339(),
                "partial": false,
                "present": null,
                "alerts": [],
            }),
        ));
    };
    let named: Vec<_> = tried
        .named
        .iter()
        .map(|would| {
            json!({
                "sensor": would.device.map(|device| names.object(device)),
                "opened_at": would.opened_at.to_rfc3339(),
                "closed_at": would.closed_at.map(UnixMicros::to_rfc3339),
                "sentence": would.sentence,
                "link": words::with_end(&would.link, would.closed_at),
            })
        })
        .collect();
    Ok(json_response(
        200,
        &json!({
            "is_told": true,
            "fired": tried.fired,
            "from": tried.from.to_rfc3339(),
            "to": context.now.to_rfc3339(),
            "partial": tried.is_partial,
            "present": tried.present,
            "alerts": named,
        }),
    ))
}

fn answer(context: &Context<'_>, scope: &Scope, status: u16, id: i64) -> Answer {
    context.app.events.bump(scope.customer(), Kind::Sensors);
    let rules = stored::rules(&context.app.db, scope)?;
    let rule = rules.iter().find(|rule| rule.id == id);
    let rule = rule.ok_or_else(|| none("alert rule", "alert_rules"))?;
    Ok(json_response(status, &object(rule)))
}

fn content(context: &Context<'_>, scope: &Scope) -> Result<(Rule, bool), ApiError> {
    #[derive(Deserialize)]
    struct Enabled {
        is_enabled: Option<bool>,
    }
    let bad = |error: serde_json::Error| {
        let message = format!(
            "The rule cannot be read: {error}. Send {{\"name\": \"Bad quality\", \"measure\": \
             \"share\", \"filter\": \"band=degraded\", \"among\": \"answered=true\", \"side\": \
             \"above\", \"threshold\": 5, \"least\": 20, \"window_minutes\": 15}}."
        );
        ApiError::new(400, "bad_body", message)
    };
    let mut body: Value = serde_json::from_slice(&context.request.body).map_err(bad)?;
    let enabled: Enabled = serde_json::from_value(body.clone()).map_err(bad)?;
    if let Value::Object(fields) = &mut body {
        fields.remove("is_enabled");
    }
    let rule: Rule = serde_json::from_value(body).map_err(bad)?;
    let db = &context.app.db;
    let names = Names::new(&fleet::sensors(db, scope)?);
    let rule = rule.check(&|number| names.device(number))?;
    if let Some(named) = &rule.channels {
        let channels = stored::channels(db, scope)?;
        if named.iter().any(|id| channels.iter().all(|channel| channel.id != *id)) {
            let allowed = "numbers of channels of yours, as /api/v1/alert_channels lists them";
            return Err(ApiError::parameter("channels", allowed));
        }
    }
    Ok((rule, enabled.is_enabled.unwrap_or(true)))
}

fn object(stored: &StoredRule) -> Value {
    let mut object = serde_json::to_value(&stored.rule).unwrap_or_default();
    object["id"] = json!(stored.id);
    object["ready"] = json!(stored.ready);
    object["is_enabled"] = json!(stored.is_enabled);
    object["changed_by"] = json!(stored.changed_by);
    object["changed_at"] = json!(stored.changed_at.to_rfc3339());
    object
}
