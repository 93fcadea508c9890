//! `GET /live`: calls in progress with their running MOS, by sensor, as of each one's last
//! heartbeat.

use ringside_protocol::cdr::CallId;
use ringside_protocol::live::{Live, LiveCall};
use serde_json::{Value, json};

use super::reply::json_response;
use super::{Answer, Context};
use crate::auth::Scope;
use crate::db::fleet;
use crate::db::sensors::Sensor;

pub(super) fn live(context: &Context<'_>, scope: &Scope) -> Answer {
    let sensors = fleet::sensors(&context.app.db, scope)?;
    let online = sensors.iter().filter(|sensor| sensor.is_online(context.now));
    let (mut total, mut objects) = (Live::default(), Vec::new());
    for sensor in online {
        let Some((_, heartbeat)) = &sensor.heartbeat else { continue };
        let live = &heartbeat.live;
        total.bad = total.bad.saturating_add(live.bad);
        total.fair = total.fair.saturating_add(live.fair);
        total.good = total.good.saturating_add(live.good);
        total.unrated = total.unrated.saturating_add(live.unrated);
        objects.push(sensor_object(sensor, heartbeat.channels, live));
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
    json!({ "bad": live.bad, "fair": live.fair, "good": live.good, "unrated": live.unrated })
}

fn call_object(sensor: &Sensor, call: &LiveCall) -> Value {
    let id = sensor.boot.map(|boot| CallId { device: sensor.device, boot, number: call.number });
    json!({
        "id": id.map(|id| id.to_string()),
        "caller": call.caller,
        "callee": call.callee,
        "first_at": call.first_at.to_rfc3339(),
        "answered_at": call.answered_at.map(|at| at.to_rfc3339()),
        "mos": f64::from(call.mos) / 100.0,
        "expected": call.expected,
        "lost": call.lost,
        "jitter_max_ms": call.jitter_max.map(|us| f64::from(us) / 1000.0),
        "mos_unreliable": call.is_unreliable,
    })
}
