//! `GET /strangers`: devices that tried to connect and belong to nobody.

use core::net::{IpAddr, SocketAddr};

use ringside_protocol::step::alone;
use serde_json::{Value, json};

use super::reply::json_response;
use super::{Answer, Context};
use crate::auth::Admin;
use crate::db::fleet;
use crate::db::sensors::Stranger;

/// A device that belongs to nobody may still be another customer's next one. Where the service
/// has several customers, an administrator sees those that come from the network of the own
/// sensors, or from the one that he asks from.
pub(super) fn list(context: &Context<'_>, admin: &Admin<'_>) -> Answer {
    let (mut strangers, customers) = fleet::strangers(&context.app.db, admin)?;
    if customers > 1 {
        let sensors = fleet::sensors(&context.app.db, admin)?;
        let mut near: Vec<_> = sensors.iter().filter_map(|sensor| ip(&sensor.address)).collect();
        near.push(context.request.peer.ip().to_canonical());
        strangers.retain(|stranger| ip(&stranger.address).is_some_and(|ip| near.contains(&ip)));
    }
    let strangers: Vec<_> = strangers.iter().map(object).collect();
    Ok(json_response(200, &json!({ "strangers": strangers })))
}

fn object(stranger: &Stranger) -> Value {
    json!({
        "device": stranger.device.to_string(),
        "name": stranger.name,
        "address": stranger.address,
        "software": stranger.software,
        "target": stranger.target,
        "at": stranger.at.to_rfc3339(),
        "failure": {
            "at": stranger.at.to_rfc3339(),
            "step": stranger.failure.step().name(),
            "code": stranger.failure.code(),
            "sentence": alone(&stranger.failure.sentence()),
        },
    })
}

/// The address of a text with or without a port.
fn ip(text: &str) -> Option<IpAddr> {
    let with_port = text.parse::<SocketAddr>().map(|address| address.ip());
    with_port.or_else(|_| text.parse()).ok().map(|ip| ip.to_canonical())
}
