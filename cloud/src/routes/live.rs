//! `GET /live`: calls in progress with their running MOS, by sensor, as of each one's last
//! heartbeat.

use ringside_protocol::band::Band;
use ringside_protocol::cdr::CallId;
use ringside_protocol::live::{Live, LiveCall};
use ringside_protocol::time::UnixMicros;
use serde_json::{Value, json};

use super::reply::json_response;
use super::{Answer, ApiError, Context};
use crate::auth::Scope;
use crate::db::calls::Calls;
use crate::db::fleet;
use crate::db::search::{self, Span};
use crate::db::sensors::Sensor;

/// Those that calls in progress are counted in; `None` has no MOS.
const BANDS: [Option<Band>; 5] =
    [None, Some(Band::Degraded), Some(Band::Fair), Some(Band::Good), Some(Band::Excellent)];

pub(super) fn live(context: &Context<'_>, scope: &Scope) -> Answer {
    let sensors = fleet::sensors(&context.app.db, scope)?;
    let online = sensors.iter().filter(|sensor| sensor.is_online(context.now));
    let (mut total, mut objects) = (Live::default(), Vec::new());
    for sensor in online {
        let Some((_, heartbeat)) = &sensor.heartbeat else { continue };
        let mut live = heartbeat.live.clone();
        forget_ended(context, scope, sensor, &mut live)?;
        for band in BANDS {
            let count = *live.count_mut(band);
            let sum = total.count_mut(band);
            *sum = sum.saturating_add(count);
        }
        objects.push(sensor_object(sensor, heartbeat.channels, &live));
    }
    let mut object = bands(&total);
    object["sensors"] = Value::Array(objects);
    Ok(json_response(200, &object))
}

fn sensor_object(sensor: &Sensor, channels: u16, live: &Live) -> Value {
    let mut object = bands(live);
    object["sensor"] = json!({
        "id": sensor.device.to_string(),
        "name": sensor.name,
        "id_sensor": sensor.id_sensor,
    });
    object["at"] = json!(live.at.map(|at| at.to_rfc3339()));
    object["channels"] = json!(channels);
    object["calls"] = live.worst.iter().map(|call| call_object(sensor, call)).collect();
    object
}

fn bands(live: &Live) -> Value {
    json!({
        "excellent": live.excellent,
        "good": live.good,
        "fair": live.fair,
        "degraded": live.degraded,
        "unrated": live.unrated,
    })
}

/// A call whose record has come is no longer in progress, though the heartbeat said so.
fn forget_ended(
    context: &Context<'_>,
    scope: &Scope,
    sensor: &Sensor,
    live: &mut Live,
) -> Result<(), ApiError> {
    let Some(boot) = sensor.boot else { return Ok(()) };
    let mut going = Vec::with_capacity(live.worst.len());
    for call in core::mem::take(&mut live.worst) {
        let id = CallId { device: sensor.device, boot, number: call.number };
        let span = Span { from: call.first_at, until: UnixMicros(u64::MAX) };
        if search::one::<Calls>(&context.app.db, scope, id, span, |_| true)?.is_none() {
            going.push(call);
        } else {
            let count = live.count_mut(call.mos.map(Band::of_mos));
            *count = count.saturating_sub(1);
        }
    }
    live.worst = going;
    Ok(())
}

/// `None` where there is none.
fn text(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

fn call_object(sensor: &Sensor, call: &LiveCall) -> Value {
    let id = sensor.boot.map(|boot| CallId { device: sensor.device, boot, number: call.number });
    json!({
        "id": id.map(|id| id.to_string()),
        "caller": call.caller,
        "caller_display": text(&call.caller_display),
        "callee": call.callee,
        "callee_display": text(&call.callee_display),
        "first_at": call.first_at.to_rfc3339(),
        "answered_at": call.answered_at.map(|at| at.to_rfc3339()),
        "mos": call.mos.map(|mos| f64::from(mos) / 100.0),
        "expected": call.expected,
        "lost": call.lost,
        "jitter_max_ms": call.jitter_max.map(|us| f64::from(us) / 1000.0),
        "mos_unreliable": call.is_unreliable,
    })
}
