//! `GET /claims`, `POST /claims`, `POST /claims/accept`: a device that waits with a claim code, looked at and then
//! accepted.

use data_encoding::HEXLOWER;
use ringside_protocol::cdr::Fingerprint;
use ringside_protocol::claim::Code;
use serde::Deserialize;
use serde_json::{Value, json};

use super::reply::json_response;
use super::{Answer, ApiError, Context};
use crate::auth::Admin;
use crate::claims::{Missed, Waiting};
use crate::config::dial;
use crate::db::claims;
use crate::db::sensors::clip;
use crate::events::Kind;
use crate::uplink::claim;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    code: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Accepted {
    code: String,
    device: String,
}

/// What a device is told so that it finds this cloud and trusts it.
pub(super) fn way(context: &Context<'_>, _: &Admin<'_>) -> Answer {
    let identity = &context.app.identity;
    let ca = identity.ca_key_sha256;
    let body = json!({
        "server": dial(&identity.host, identity.port),
        "cloud_ca": (ca != [0; 32]).then(|| HEXLOWER.encode(&ca)),
    });
    Ok(json_response(200, &body))
}

/// Which device shows the code: nothing is changed.
pub(super) fn find(context: &Context<'_>, admin: &Admin<'_>) -> Answer {
    let asked: Asked = serde_json::from_slice(&context.request.body)
        .map_err(|_| ApiError::new(400, "bad_body", "Send {\"code\": \"7KQX-M2AB\"}."))?;
    let (device, waiting) = showing(context, admin, &asked.code)?;
    Ok(json_response(200, &object(device, &waiting)))
}

/// The device that shows the code joins, if it is the one that was looked at.
pub(super) fn accept(context: &Context<'_>, admin: &Admin<'_>) -> Answer {
    let wanted: Accepted = serde_json::from_slice(&context.request.body).map_err(|_| {
        let message = "Send {\"code\": \"7KQX-M2AB\", \"device\": \"…\"}, as /api/v1/claims has \
                       told the device.";
        ApiError::new(400, "bad_body", message)
    })?;
    let (device, waiting) = showing(context, admin, &wanted.code)?;
    if device.to_string() != wanted.device {
        let message = "Another device shows this code now: look at it again before you accept it.";
        return Err(ApiError::new(409, "other_device", message));
    }
    let app = context.app;
    if !claims::accept(&app.db, admin, &waiting.hello, context.now)? {
        let message = "This device belongs to somebody already: if it should be yours, have it \
                       revoked there, and make a token for it.";
        return Err(ApiError::new(409, "has_owner", message));
    }
    app.claims.forget(device);
    app.sensors.wake(&claim::key(device));
    app.events.bump(admin.customer(), Kind::Sensors);
    log::info!("{device} was accepted by its claim code ({})", admin.who());
    Ok(json_response(201, &object(device, &waiting)))
}

fn showing(
    context: &Context<'_>,
    admin: &Admin<'_>,
    code: &str,
) -> Result<(Fingerprint, Waiting), ApiError> {
    let code: Code = code.parse().map_err(|error| {
        let message = format!("This is no claim code: {error}, as in 7KQX-M2AB.");
        ApiError::new(400, "bad_code", message)
    })?;
    let address = context.request.peer.ip();
    context.app.claims.find(code, admin.who(), address, context.now).map_err(missed)
}

fn missed(missed: Missed) -> ApiError {
    match missed {
        Missed::Unknown => ApiError::not_found(
            "No device waits with this code: read it again, since it changes every hour, and see on \
             the device's status page that it reaches this cloud.",
        ),
        Missed::Several => ApiError::new(
            409,
            "several_devices",
            "Two devices show this code: wait for the next hour's code, or make a token.",
        ),
        Missed::TooMany(seconds) => {
            let message = format!("Too many codes that no device shows: wait {seconds} seconds.");
            ApiError::new(429, "too_many_attempts", message)
                .with("Retry-After", seconds.to_string())
        }
    }
}

fn object(device: Fingerprint, waiting: &Waiting) -> Value {
    let hello = &waiting.hello;
    json!({
        "device": device.to_string(),
        "name": clip(&hello.name),
        "address": waiting.address.to_canonical().to_string(),
        "software": clip(&hello.software),
        "target": clip(&hello.target),
        "arch": clip(hello.target.split('-').next().unwrap_or_default()),
        "waiting_since": waiting.since.to_rfc3339(),
        "code_ends_at": waiting.code_ends_at().to_rfc3339(),
    })
}
