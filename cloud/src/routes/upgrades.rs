//! `GET /upgrades`, `POST /upgrades`, `POST /upgrades/{id}/resume`, `POST /upgrades/{id}/cancel`:
//! sensors are to install a package, ring after ring.

use ringside_protocol::cdr::Fingerprint;
use ringside_protocol::step::alone;
use serde::Deserialize;
use serde_json::{Value, json};

use super::packages::{may, no_such_package};
use super::reply::json_response;
use super::{Answer, ApiError, Context};
use crate::auth::Admin;
use crate::db::packages;
use crate::db::sensors::Sensor;
use crate::db::upgrades::{self, MAX_SENSORS, OrderRow, Rollout, State};
use crate::db::{DbError, fleet};
use crate::events::Kind;
use crate::filter::fingerprint;
use crate::uplink::poll;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    package: i64,
    sensors: Vec<String>,
    #[serde(default)]
    in_rings: bool,
}

pub(super) fn list(context: &Context<'_>, admin: &Admin<'_>) -> Answer {
    let rollouts = upgrades::list(&context.app.db, admin)?;
    let sensors = fleet::sensors(&context.app.db, admin)?;
    let rollouts: Vec<_> = rollouts.iter().map(|it| object(it, &sensors)).collect();
    Ok(json_response(200, &json!({ "upgrades": rollouts })))
}

pub(super) fn begin(context: &Context<'_>, admin: &Admin<'_>) -> Answer {
    may(context, admin)?;
    let wanted: Wanted = serde_json::from_slice(&context.request.body).map_err(|_| {
        let message = "Send {\"package\": 1, \"sensors\": [\"…\"], \"in_rings\": true}.";
        ApiError::new(400, "bad_body", message)
    })?;
    let db = &context.app.db;
    let package = packages::usable(db, admin, wanted.package)?;
    let package = package.filter(packages::Package::is_whole).ok_or_else(no_such_package)?;
    let sensors = fleet::sensors(db, admin)?;
    let chosen = chosen(&sensors, &wanted.sensors)?;
    let foreign: Vec<_> = chosen.iter().filter(|it| arch(it) != Some(package.arch())).collect();
    if let Some(first) = foreign.first() {
        let machine = arch(first).unwrap_or("unknown");
        let others = match foreign.len() {
            1 => String::new(),
            many => format!(" (and so {} more)", many - 1),
        };
        let message = format!(
            "This package is built for {}, and {} is {machine}{others}: choose the package for it.",
            package.arch(),
            first.name
        );
        return Err(ApiError::new(422, "wrong_machine", message));
    }
    let devices: Vec<Fingerprint> = chosen.iter().map(|sensor| sensor.device).collect();
    let begun = upgrades::begin(db, admin, &package, &devices, wanted.in_rings, context.now)?;
    let id = begun.map_err(|device| {
        let name = chosen.iter().find(|it| it.device == device).map_or("", |it| it.name.as_str());
        let message =
            format!("{name} is being upgraded already: wait for the end of that, or cancel it.");
        ApiError::new(409, "being_upgraded", message)
    })?;
    tell(context, admin)?;
    Ok(json_response(201, &one(context, admin, id)?))
}

pub(super) fn resume(context: &Context<'_>, admin: &Admin<'_>) -> Answer {
    change(context, admin, upgrades::resume)
}

pub(super) fn cancel(context: &Context<'_>, admin: &Admin<'_>) -> Answer {
    change(context, admin, upgrades::cancel)
}

type Change = fn(
    &crate::db::Db,
    &Admin<'_>,
    i64,
    ringside_protocol::time::UnixMicros,
) -> Result<bool, DbError>;

fn change(context: &Context<'_>, admin: &Admin<'_>, change: Change) -> Answer {
    let id = context.item.parse().map_err(|_| no_such_upgrade())?;
    let known = upgrades::list(&context.app.db, admin)?;
    if !known.iter().any(|rollout| rollout.id == id) {
        return Err(no_such_upgrade());
    }
    may(context, admin)?;
    change(&context.app.db, admin, id, context.now)?;
    tell(context, admin)?;
    Ok(json_response(200, &one(context, admin, id)?))
}

/// The named sensors, each once, which must be the customer's and not revoked.
fn chosen<'a>(sensors: &'a [Sensor], names: &[String]) -> Result<Vec<&'a Sensor>, ApiError> {
    let allowed = format!("1 to {MAX_SENSORS} devices of yours, as /api/v1/sensors lists them");
    let wrong = || ApiError::parameter("sensors", &allowed);
    let mut chosen: Vec<&Sensor> = Vec::new();
    for name in names {
        let device = fingerprint(name).ok_or_else(wrong)?;
        let found = sensors.iter().find(|it| it.device == device && !it.is_revoked);
        let found = found.ok_or_else(wrong)?;
        if !chosen.iter().any(|it| it.device == device) {
            chosen.push(found);
        }
    }
    if (1..=MAX_SENSORS).contains(&chosen.len()) { Ok(chosen) } else { Err(wrong()) }
}

fn arch(sensor: &Sensor) -> Option<&str> {
    sensor.target.split('-').next().filter(|arch| !arch.is_empty())
}

/// Sensors hear of it at once, pages of what becomes of it.
fn tell(context: &Context<'_>, admin: &Admin<'_>) -> Result<(), ApiError> {
    for sensor in fleet::sensors(&context.app.db, admin)? {
        context.app.sensors.wake(&poll::key(sensor.device));
    }
    context.app.events.bump(admin.customer(), Kind::Sensors);
    Ok(())
}

fn no_such_upgrade() -> ApiError {
    ApiError::not_found("You have no upgrade with this number: /api/v1/upgrades lists them.")
}

fn one(context: &Context<'_>, admin: &Admin<'_>, id: i64) -> Result<Value, ApiError> {
    let known = upgrades::list(&context.app.db, admin)?;
    let sensors = fleet::sensors(&context.app.db, admin)?;
    let found = known.iter().find(|it| it.id == id);
    found.map(|it| object(it, &sensors)).ok_or_else(no_such_upgrade)
}

fn object(rollout: &Rollout, sensors: &[Sensor]) -> Value {
    let order = |order: &OrderRow| {
        let sensor = sensors.iter().find(|it| it.device == order.device);
        json!({
            "device": order.device.to_string(),
            "name": sensor.map(|it| it.name.as_str()),
            "ring": order.ring,
            "state": order.state.name(),
            "why": Some(order.why.as_str()).filter(|why| !why.is_empty()),
            "changed_at": order.changed_at.to_rfc3339(),
        })
    };
    json!({
        "id": rollout.id,
        "version": rollout.version,
        "state": rollout.state,
        "ring": rollout.ring,
        "why": Some(rollout.why.as_str()).filter(|why| !why.is_empty()).map(alone),
        "created_by": rollout.created_by,
        "created_at": rollout.created_at.to_rfc3339(),
        "sensors": rollout.orders.iter().map(order).collect::<Vec<_>>(),
    })
}

/// How far a sensor's newest order is, for its page.
pub(super) fn of_sensor(
    (order, bytes, version): &(OrderRow, u64, String),
    is_online: bool,
) -> Value {
    let percent = match order.state {
        State::Downloading if *bytes > 0 => Some(order.fetched.min(*bytes) * 100 / bytes),
        _ => None,
    };
    let sentence = match order.state {
        State::Waiting => "It waits until the sensors before it are done.".to_owned(),
        State::Offered if is_online => "The sensor is told to fetch it.".to_owned(),
        State::Offered => "The sensor fetches it when it is back.".to_owned(),
        State::Downloading => format!("The sensor has {} % of it.", percent.unwrap_or(0)),
        State::Checking => "The sensor checks the signature.".to_owned(),
        State::OnTrial => {
            "It is on trial: it has to capture, and to reach this cloud, or the old one comes back."
                .to_owned()
        }
        State::Done => format!("{version} has proved itself."),
        State::Cancelled => "It was cancelled.".to_owned(),
        State::RolledBack => {
            format!("The old version runs again: {}.", order.why.trim_end_matches('.'))
        }
        State::Refused => {
            format!("The sensor did not install it: {}.", order.why.trim_end_matches('.'))
        }
    };
    json!({
        "rollout": order.rollout,
        "version": version,
        "state": order.state.name(),
        "percent": percent,
        "sentence": sentence,
        "changed_at": order.changed_at.to_rfc3339(),
    })
}
