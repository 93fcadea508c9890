//! `GET` and `POST /captures/{call}`, `GET /captures/{call}/{transfer}` and `POST …/cancel`: a
//! call's packets, straight from the sensor.
//!
//! The browser posts the public half of a key that it has just made, and gets a transfer's number;
//! under that number the sensor's bytes come, sealed for that key. What they mean is in
//! [`ringside_protocol::retrieval`]; nothing here can read them.

use core::time::Duration;

use data_encoding::BASE64;
use ringside_protocol::cdr::CallId;
use ringside_protocol::retrieval::{Action, PUBLIC_KEY_BYTES, Resume};
use serde::Deserialize;
use serde_json::{Value, json};

use super::calls::decoded;
use super::reply::json_response;
use super::sensors::State;
use super::{Answer, ApiError, Context};
use crate::auth::{Caller, Scope};
use crate::db::rights::{self, Rights};
use crate::db::sensors::Sensor;
use crate::db::{calls, fleet, people};
use crate::relay::{self, Full, Look, Number, Relay, Row, Wanted};
use crate::server::{Response, Woken};

/// Characters of a reason, at most.
pub const MAX_REASON_CHARS: usize = 500;

/// A browser that waits in the queue is told how many are ahead so often.
const QUEUE_NEWS: Duration = Duration::from_secs(1);

/// One whose sensor was told waits so long before it asks again.
const TOLD_WAIT: Duration = Duration::from_secs(20);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    action: String,
    key: String,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    resume: Option<AskedResume>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AskedResume {
    transfer: String,
    offset: u64,
    proof: String,
}

/// What somebody may have of a call, and who is getting something of it.
pub(super) fn about(context: &Context<'_>, caller: &Caller) -> Answer {
    let (db, scope) = (&context.app.db, &caller.scope);
    let call = call_of(context, &context.item, scope)?;
    let terms = rights::terms(db, scope.customer())?;
    let sensor = fleet::sensor(db, scope, call.device)?;
    let relay = relay(context)?;
    let rows = relay.rows(scope.customer(), context.now);
    let rows: Vec<_> = rows.iter().filter(|row| row.call == call).map(row).collect();
    let ways = if terms.relay { &["relay"][..] } else { &[] };
    let rights = rights_of(context, caller)?;
    Ok(json_response(
        200,
        &json!({
            "rights": rights.names_of_calls(),
            "asks_reason": terms.asks_reason,
            "ways": ways,
            "sensor": sensor.map(|sensor| json!({
                "device": sensor.device.to_string(),
                "name": sensor.name,
                "state": State::of(&sensor, context.now).name(),
                "last_seen_at": sensor.seen_at.map(|at| at.to_rfc3339()),
            })),
            "transfers": rows,
        }),
    ))
}

/// Asks the call's sensor for something.
pub(super) fn ask(context: &Context<'_>, caller: &Caller) -> Answer {
    let (db, scope) = (&context.app.db, &caller.scope);
    let call = call_of(context, &context.item, scope)?;
    let asked: Asked = serde_json::from_slice(&context.request.body).map_err(|_| bad_body())?;
    let action = Action::named(&asked.action)
        .ok_or_else(|| ApiError::parameter("action", "packets, audio or live"))?;
    let browser_key = BASE64.decode(asked.key.as_bytes()).ok();
    let browser_key: [u8; PUBLIC_KEY_BYTES] = browser_key
        .and_then(|key| key.try_into().ok())
        .filter(|key: &[u8; PUBLIC_KEY_BYTES]| key[0] == 4)
        .ok_or_else(|| ApiError::parameter("key", "an uncompressed P-256 key, in base64"))?;
    let resume = asked.resume.as_ref().map(resume).transpose()?;

    if !rights_of(context, caller)?.allow(action) {
        let message = format!(
            "You do not have the right to a call's {}: ask an administrator of your organisation.",
            action.name()
        );
        return Err(ApiError::new(403, "forbidden", message));
    }
    let terms = rights::terms(db, scope.customer())?;
    if !terms.relay {
        let message = "Your organisation does not let packets through the cloud: export them on \
                       the sensor (`ringside-sensor store export`).";
        return Err(ApiError::new(403, "way_forbidden", message));
    }
    // One line of the audit log.
    let reason = asked.reason.as_deref().map(|reason| reason.replace(char::is_control, " "));
    let reason = reason.as_deref().map(str::trim).filter(|reason| !reason.is_empty());
    if terms.asks_reason && reason.is_none() {
        let message = "Your organisation asks for a reason: write why you need this call.";
        return Err(ApiError::new(422, "reason_needed", message));
    }
    if reason.is_some_and(|reason| reason.chars().count() > MAX_REASON_CHARS) {
        let allowed = format!("at most {MAX_REASON_CHARS} characters");
        return Err(ApiError::parameter("reason", &allowed));
    }
    is_kept(context, scope, call, action)?;
    let sensor = online(context, scope, call)?;

    let wanted = Wanted {
        customer: scope.customer(),
        customer_name: people::customer(db, scope)?.name,
        who: scope.who().to_owned(),
        call,
        action,
        browser_key,
    };
    let relay = relay(context)?;
    let offset = resume.as_ref().map(|(_, resume)| resume.offset);
    let number = match resume {
        None => relay.ask(wanted, context.now),
        Some((earlier, resume)) => {
            let number = relay.resume(wanted, earlier, resume, context.now);
            match number.transpose() {
                Some(number) => number,
                None => {
                    let message = "That download can no longer be resumed: start it again.";
                    return Err(ApiError::new(410, "session_over", message));
                }
            }
        }
    };
    let number = number.map_err(full)?;
    let again = offset.map_or_else(String::new, |offset| format!(", again from byte {offset}"));
    let reason = reason.map_or_else(String::new, |reason| format!(": {reason}"));
    let detail = format!("{call} on {}, encrypted relay{again}{reason}", sensor.name);
    let what = format!("capture.{}", action.name());
    people::note(db, Some(scope.customer()), context.now, scope.who(), &what, &detail)?;
    let key = fleet::device_key(db, scope, call.device)?.unwrap_or_default();
    Ok(json_response(
        201,
        &json!({
            "transfer": relay::name(number),
            "way": "relay",
            "device": { "fingerprint": call.device.to_string(), "key": BASE64.encode(&key) },
        }),
    ))
}

/// The transfer's bytes, as soon as the sensor sends them.
pub(super) fn bytes(context: &Context<'_>, caller: &Caller) -> Answer {
    if context.request.method == "HEAD" {
        let message = "A transfer is fetched once: use GET.";
        return Err(ApiError::new(405, "method", message).with("Allow", "GET"));
    }
    let (number, scope) = (number_of(context)?, &caller.scope);
    let key = relay::page_key(number);
    // Before looking: a wake that comes in between must not be lost.
    let generation = context.app.waker.generation(&key);
    let look = relay(context)?.look(scope.customer(), scope.who(), number, context.now);
    let park = |wait: Duration, state: &str, ahead: usize| {
        let left = wait.saturating_sub(context.request.waited);
        if left.is_zero() || context.request.woken == Some(Woken::Timeout) {
            return Ok(json_response(202, &json!({ "state": state, "ahead": ahead })));
        }
        Ok(Response::parked(key.clone(), generation, left))
    };
    match look {
        Look::Unknown => Err(no_such_transfer()),
        Look::Queued(ahead) => park(QUEUE_NEWS, "queued", ahead),
        Look::Told => park(TOLD_WAIT, "told", 0),
        Look::Begun(ticket) => {
            let response = Response::drawn(200, "application/octet-stream", relay::name(number));
            Ok(response.with_header("Ringside-Ticket", &BASE64.encode(&ticket.ticket)))
        }
        Look::Refused(refusal) => Err(ApiError::new(409, refusal.code(), refusal.to_string())),
        Look::Silent => {
            let message = "The sensor is connected and did not answer: try again, and look at its \
                           page if this stays.";
            Err(ApiError::new(504, "sensor_silent", message))
        }
        Look::Over => {
            let message = "This transfer is over: start the download again.";
            Err(ApiError::new(410, "transfer_over", message))
        }
    }
}

/// Ends a transfer.
pub(super) fn cancel(context: &Context<'_>, caller: &Caller) -> Answer {
    let (number, scope) = (number_of(context)?, &caller.scope);
    if !relay(context)?.cancel(scope.customer(), scope.who(), number, context.now) {
        return Err(no_such_transfer());
    }
    Ok(json_response(200, &json!({})))
}

/// API tokens read what an administrator reads, but a person answers for each use of packets.
fn rights_of(context: &Context<'_>, caller: &Caller) -> Result<Rights, ApiError> {
    if caller.csrf.is_none() {
        return Ok(Rights::default());
    }
    Ok(rights::rights(&context.app.db, &caller.scope)?)
}

fn relay<'a>(context: &'a Context<'_>) -> Result<&'a Relay, ApiError> {
    context
        .app
        .relay
        .as_deref()
        .ok_or_else(|| ApiError::new(503, "no_relay", "This service has no listener for sensors."))
}

fn call_of(context: &Context<'_>, text: &str, scope: &Scope) -> Result<CallId, ApiError> {
    let no_such_call = || {
        ApiError::not_found("You have no call with this id: /api/v1/calls finds those you have.")
    };
    let call: CallId = text.parse().map_err(|_| no_such_call())?;
    // The sensor must be the customer's now, not only when it sent the record.
    fleet::sensor(&context.app.db, scope, call.device)?.map(|_| call).ok_or_else(no_such_call)
}

/// Whether the call's record says that its packets were kept.
fn is_kept(
    context: &Context<'_>,
    scope: &Scope,
    call: CallId,
    action: Action,
) -> Result<(), ApiError> {
    if action == Action::Live {
        return Ok(());
    }
    let found = calls::call(&context.app.db, scope, call, context.now)?.ok_or_else(|| {
        ApiError::not_found("You have no call with this id: /api/v1/calls finds those you have.")
    })?;
    if decoded(&found).is_some_and(|cdr| cdr.stored.is_some()) {
        return Ok(());
    }
    let message = "No capture rule kept this call's packets: make a rule for the next ones.";
    Err(ApiError::new(409, "not_kept", message))
}

fn online(context: &Context<'_>, scope: &Scope, call: CallId) -> Result<Sensor, ApiError> {
    let sensor = fleet::sensor(&context.app.db, scope, call.device)?;
    let sensor = sensor.ok_or_else(|| ApiError::not_found("This call's sensor is gone."))?;
    if State::of(&sensor, context.now) == State::Online {
        return Ok(sensor);
    }
    let seen = sensor.seen_at.map_or_else(
        || "it was never connected".to_owned(),
        |at| format!("it was last seen at {}", at.to_rfc3339()),
    );
    let message = format!(
        "{} is not connected ({seen}): its packets can be had when it is back.",
        sensor.name
    );
    Err(ApiError::new(409, "sensor_offline", message))
}

fn number_of(context: &Context<'_>) -> Result<Number, ApiError> {
    relay::number(&context.item).ok_or_else(no_such_transfer)
}

fn no_such_transfer() -> ApiError {
    ApiError::not_found("You have no such transfer: start the download again.")
}

fn resume(asked: &AskedResume) -> Result<(Number, Resume), ApiError> {
    let earlier = relay::number(&asked.transfer);
    let proof = BASE64.decode(asked.proof.as_bytes()).ok().and_then(|it| it.try_into().ok());
    let (Some(earlier), Some(proof)) = (earlier, proof) else {
        return Err(ApiError::parameter("resume", "an earlier transfer, an offset and a proof"));
    };
    Ok((earlier, Resume { offset: asked.offset, proof }))
}

fn bad_body() -> ApiError {
    let message = "Send {\"action\": \"packets\", \"key\": …}: the key is an uncompressed P-256 \
                   key in base64; reason and resume may be left out.";
    ApiError::new(400, "bad_body", message)
}

fn full(full: Full) -> ApiError {
    match full {
        Full::Customer => {
            let message = format!(
                "Your organisation has {} downloads that wait or run: wait until one is done.",
                relay::MAX_PER_CUSTOMER
            );
            ApiError::new(429, "too_many_transfers", message).with("Retry-After", "10")
        }
        Full::Random => ApiError::new(500, "no_random", "The system gives no random bytes."),
    }
}

fn row(row: &Row) -> Value {
    json!({
        "transfer": relay::name(row.number),
        "who": row.who,
        "action": row.action.name(),
        "made_at": row.made_at.to_rfc3339(),
        "state": row.state,
        "ahead": row.ahead,
        "bytes": row.bytes,
    })
}
