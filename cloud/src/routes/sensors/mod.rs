//! `GET /sensors`, `GET /sensors/{device}`, `POST /sensors/{device}/revoke`.

mod steps;
mod ticks;

use ringside_protocol::counters::Counter;
use ringside_protocol::message::Heartbeat;
use ringside_protocol::step::Failure;
use ringside_protocol::time::UnixMicros;
use serde_json::{Map, Value, json};

use super::reply::json_response;
use super::upgrades::of_sensor;
use super::{Answer, ApiError, Context};
use crate::auth::{Admin, Scope};
use crate::db::intake::Notice;
use crate::db::sensors::Sensor;
use crate::db::{DbError, fleet};
use crate::events::Kind;
use crate::filter::fingerprint;

/// How a sensor stands, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Heard of within the last heartbeats.
    Online,
    /// It had a session and is silent.
    Offline,
    /// It had a session, and has said that it stops.
    Stopped,
    /// Its last attempt to connect failed.
    Refused,
    /// Somebody shut it out.
    Revoked,
    /// It joined and never had a session.
    Never,
}

impl State {
    pub(super) fn of(sensor: &Sensor, now: UnixMicros) -> Self {
        if sensor.is_revoked {
            Self::Revoked
        } else if sensor.failure.as_ref().is_some_and(|(at, _)| sensor.seen_at <= Some(*at)) {
            Self::Refused
        } else if sensor.is_online(now) {
            Self::Online
        } else if sensor.accepted_at.is_none() {
            Self::Never
        } else if sensor.has_left() {
            Self::Stopped
        } else {
            Self::Offline
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Offline => "offline",
            Self::Stopped => "stopped",
            Self::Refused => "refused",
            Self::Revoked => "revoked",
            Self::Never => "never",
        }
    }
}

/// One line of a list of things that must work, with what to do where it does not.
struct Line {
    name: &'static str,
    state: LineState,
    sentence: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum LineState {
    Ok,
    Failed,
    Waiting,
}

impl Line {
    fn ok(name: &'static str, sentence: impl Into<String>) -> Self {
        Self { name, state: LineState::Ok, sentence: sentence.into() }
    }

    fn failed(name: &'static str, sentence: impl Into<String>) -> Self {
        Self { name, state: LineState::Failed, sentence: sentence.into() }
    }

    fn waiting(name: &'static str, sentence: impl Into<String>) -> Self {
        Self { name, state: LineState::Waiting, sentence: sentence.into() }
    }

    fn object(self) -> Value {
        let state = match self.state {
            LineState::Ok => "ok",
            LineState::Failed => "failed",
            LineState::Waiting => "waiting",
        };
        json!({ "name": self.name, "state": state, "sentence": self.sentence })
    }
}

pub(super) fn list(context: &Context<'_>, scope: &Scope) -> Answer {
    let sensors = fleet::sensors(&context.app.db, scope)?;
    let objects = sensors.iter().map(|sensor| object(context, sensor));
    let sensors = objects.collect::<Result<Vec<_>, _>>()?;
    Ok(json_response(200, &json!({ "sensors": sensors })))
}

pub(super) fn one(context: &Context<'_>, scope: &Scope) -> Answer {
    let device = fingerprint(&context.item).ok_or_else(no_such_sensor)?;
    let sensor = fleet::sensor(&context.app.db, scope, device)?.ok_or_else(no_such_sensor)?;
    Ok(json_response(200, &object(context, &sensor)?))
}

pub(super) fn revoke(context: &Context<'_>, admin: &Admin<'_>) -> Answer {
    let device = fingerprint(&context.item).ok_or_else(no_such_sensor)?;
    if !fleet::revoke(&context.app.db, admin, device, context.now)? {
        return Err(no_such_sensor());
    }
    context.app.events.bump(admin.customer(), Kind::Sensors);
    one(context, admin)
}

fn no_such_sensor() -> ApiError {
    ApiError::not_found("You have no sensor with this id: /api/v1/sensors lists those you have.")
}

fn object(context: &Context<'_>, sensor: &Sensor) -> Result<Value, DbError> {
    let now = context.now;
    let notices = context.app.db.notices(sensor.device, now)?;
    let order = context.app.db.order_of(sensor.device)?;
    let state = State::of(sensor, now);
    let time = |at: Option<UnixMicros>| at.map(UnixMicros::to_rfc3339);
    let text = |text: &str| if text.is_empty() { None } else { Some(text.to_owned()) };
    let failure = newest_failure(sensor);
    let mut object = json!({
        "id": sensor.device.to_string(),
        "id_sensor": sensor.id_sensor,
        "name": sensor.name,
        "state": state.name(),
        "software": text(&sensor.software),
        "target": text(&sensor.target),
        "arch": text(sensor.target.split('-').next().unwrap_or("")),
        "commit": text(&sensor.commit),
        "address": text(&sensor.address),
        "enrolled_at": sensor.enrolled_at.to_rfc3339(),
        "accepted_at": time(sensor.accepted_at),
        "last_seen_at": time(sensor.heard_at()),
        "last_cdr_at": time(sensor.last_cdr_at),
        "lease": {
            "channels": sensor.lease_channels,
            "reserved": sensor.lease_reserved,
        },
        "failure": failure.map(failure_object),
        "reported": sensor.reported.as_ref().map(failure_object),
        "push": order.as_ref().map(|it| of_sensor(it, state == State::Online)),
        "notices": notices.iter().map(notice_object).collect::<Vec<_>>(),
        "steps": steps::steps(sensor, state, failure)
            .into_iter().map(Line::object).collect::<Vec<_>>(),
        "ticks": ticks::ticks(sensor, state, failure, now)
            .into_iter().map(Line::object).collect::<Vec<_>>(),
    });
    if let Value::Object(fields) = &mut object {
        fields.extend(health(sensor, state));
    }
    Ok(object)
}

fn notice_object(notice: &Notice) -> Value {
    json!({
        "at": notice.at.to_rfc3339(),
        "code": notice.kind.counter(),
        "count": notice.count,
        "sentence": notice.sentence(),
    })
}

/// The last failure, as the cloud saw it or as the sensor told of it afterwards. One before the
/// last session is history.
fn newest_failure(sensor: &Sensor) -> Option<&(UnixMicros, Failure)> {
    [&sensor.failure, &sensor.reported]
        .into_iter()
        .flatten()
        .filter(|(at, _)| Some(*at) > sensor.accepted_at)
        .max_by_key(|(at, _)| *at)
}

fn failure_object((at, failure): &(UnixMicros, Failure)) -> Value {
    json!({
        "at": at.to_rfc3339(),
        "step": failure.step().name(),
        "code": failure.code(),
        "sentence": steps::sentence(failure),
    })
}

/// The last heartbeat's figures; null where there was none, never 0. What is only true of a
/// sensor that runs is null for one that is silent.
fn health(sensor: &Sensor, state: State) -> Map<String, Value> {
    let heartbeat = sensor.heartbeat.as_ref();
    let running = heartbeat.filter(|_| state == State::Online).map(|(_, heartbeat)| heartbeat);
    let last = heartbeat.map(|(_, heartbeat)| heartbeat);
    let interfaces: Vec<_> = last
        .map(|heartbeat| heartbeat.interfaces.as_slice())
        .unwrap_or_default()
        .iter()
        .map(|interface| {
            json!({
                "name": interface.name,
                "frames": interface.frames,
                "kernel_dropped": interface.kernel_dropped,
                "fault": interface.fault,
            })
        })
        .collect();
    let fields = json!({
        "uptime_seconds": running.map(|heartbeat| heartbeat.uptime_seconds),
        "channels": running.map(|heartbeat| heartbeat.channels),
        "outbox": last.map(|heartbeat| json!({
            "cdrs": heartbeat.outbox_cdrs,
            "bytes": heartbeat.outbox_bytes.0,
            "limit_bytes": heartbeat.outbox_bytes.1,
        })),
        "memory_bytes": running.map(|heartbeat| heartbeat.memory_bytes),
        "clock_offset_ms": heartbeat.map(clock_offset_ms),
        "interfaces": interfaces,
        "counters": last.map_or_else(Map::new, counters),
        "drops": last.map(drops),
        "upgrade": last.and_then(|heartbeat| heartbeat.upgrade.as_ref()).map(|upgrade| json!({
            "at": upgrade.at.to_rfc3339(),
            "to": upgrade.to,
            "running": upgrade.running,
            "ok": upgrade.failure.is_none(),
            "sentence": upgrade.sentence(),
        })),
    });
    match fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// The sensor's clock minus ours, and what the message took on its way.
fn clock_offset_ms((at, heartbeat): &(UnixMicros, Heartbeat)) -> i64 {
    let ahead = i128::from(heartbeat.sensor_time.0) - i128::from(at.0);
    i64::try_from(ahead / 1000).unwrap_or(i64::MAX)
}

fn counter(heartbeat: &Heartbeat, counter: Counter) -> u64 {
    heartbeat.counters.iter().find(|(there, _)| *there == counter).map_or(0, |(_, count)| *count)
}

/// Every counter; those that a heartbeat leaves out are 0.
fn counters(heartbeat: &Heartbeat) -> Map<String, Value> {
    let named = |&it: &Counter| (it.name().to_owned(), json!(counter(heartbeat, it)));
    Counter::ALL.iter().map(named).collect()
}

/// Packets that never came to the analysis, by where they were lost.
fn drops(heartbeat: &Heartbeat) -> Value {
    let count = |it| counter(heartbeat, it);
    let kernel = count(Counter::KernelDropped);
    let interface = count(Counter::InterfaceDropped);
    let (rtp, sip) = (count(Counter::RtpShed), count(Counter::SipShed));
    json!({
        "kernel": kernel,
        "interface": interface,
        "rtp_shed": rtp,
        "sip_shed": sip,
        "total": kernel.saturating_add(interface).saturating_add(rtp).saturating_add(sip),
    })
}

/// A time to the second, for sentences.
fn second(at: UnixMicros) -> String {
    let text = at.to_rfc3339();
    text.split_once('.').map_or(text.clone(), |(second, _)| format!("{second}Z"))
}
