//! `GET` and `POST /captures/{call}`, `GET /captures/{call}/{transfer}` and `POST …/cancel`: a
//! call's packets, straight from the sensor.
//!
//! Over the relay the browser posts the public half of a key that it has just made, and gets a
//! transfer's number; under that number the sensor's bytes come, sealed for that key. What they mean
//! is in [`ringside_protocol::retrieval`]; nothing here can read them.
//!
//! On the direct way it gets the address of the sensor's own page, with a ticket behind the `#`. The
//! sensor need not be connected for that.

use core::time::Duration;

use data_encoding::BASE64;
use ringside_protocol::cdr::{CallId, Cdr};
use ringside_protocol::message::DirectPage;
use ringside_protocol::retrieval::{Action, PUBLIC_KEY_BYTES, Resume, Way};
use serde::Deserialize;
use serde_json::{Value, json};

use super::calls::decoded;
use super::keep;
use super::reply::json_response;
use super::sensors::State;
use super::{Answer, ApiError, Context};
use crate::auth::{Caller, Scope};
use crate::db::kept_calls::{self, Claim};
use crate::db::rights::{self, Rights, Terms};
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
    #[serde(default)]
    way: Option<String>,
    #[serde(default)]
    key: Option<String>,
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
    let page = sensor.as_ref().and_then(page_of).filter(|_| terms.direct);
    let ways = [("relay", terms.relay), ("direct", page.is_some())];
    let ways: Vec<_> = ways.into_iter().filter(|(_, is)| *is).map(|(way, _)| way).collect();
    let mut rights = rights_of(context, caller)?;
    rights.live &= terms.live;
    Ok(json_response(
        200,
        &json!({
            "rights": rights.names_of_calls(),
            "asks_reason": terms.asks_reason,
            "ways": ways,
            "direct": page.map(page_object),
            "keep": keep::object(context, scope, call, terms)?,
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
    let way = match asked.way.as_deref() {
        None | Some("relay") => Way::Relay,
        Some("direct") => Way::Direct,
        Some(_) => return Err(ApiError::parameter("way", "relay or direct")),
    };
    let resume = asked.resume.as_ref().map(resume).transpose()?;
    if way == Way::Direct && resume.is_some() {
        return Err(ApiError::parameter("resume", "an earlier transfer of the relay"));
    }

    if !rights_of(context, caller)?.allow(action) {
        let message = format!(
            "You do not have the right to a call's {}: ask an administrator of your organisation.",
            action.name()
        );
        return Err(ApiError::new(403, "forbidden", message));
    }
    let terms = rights::terms(db, scope.customer())?;
    is_allowed(way, terms)?;
    if action == Action::Live && !terms.live {
        let message = "Your organisation does not have calls in progress listened to.";
        return Err(ApiError::new(403, "live_forbidden", message));
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
    let wanted = Wanted {
        customer: scope.customer(),
        customer_name: people::customer(db, scope)?.name,
        who: scope.who().to_owned(),
        call,
        action,
        browser_key: [0; PUBLIC_KEY_BYTES],
    };
    if way == Way::Direct {
        return direct(context, scope, &wanted, reason);
    }
    let wanted = Wanted { browser_key: browser_key(&asked)?, ..wanted };
    let sensor = online(context, scope, call)?;
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
    note_use(context, scope, action, &detail)?;
    Ok(json_response(
        201,
        &json!({
            "transfer": relay::name(number),
            "way": "relay",
            "device": device_object(context, scope, call)?,
        }),
    ))
}

/// Sends somebody to the sensor's own page. It need not be connected.
fn direct(context: &Context<'_>, scope: &Scope, wanted: &Wanted, reason: Option<&str>) -> Answer {
    let call = wanted.call;
    let sensor = fleet::sensor(&context.app.db, scope, call.device)?;
    let sensor = sensor.filter(|sensor| !sensor.is_revoked);
    let sensor = sensor.ok_or_else(|| ApiError::not_found("This call's sensor is gone."))?;
    let Some(page) = page_of(&sensor) else {
        let message = format!(
            "{} has no page of its own: set direct_bind in its configuration.",
            sensor.name
        );
        return Err(ApiError::new(409, "no_direct", message));
    };
    let ticket = relay(context)?.direct(wanted, context.now).and_then(|it| it.to_text());
    let ticket = ticket.ok_or_else(|| full(Full::Random))?;
    let authority = &page.authority;
    let reason = reason.map_or_else(String::new, |reason| format!(": {reason}"));
    let detail = format!("{call} on {}, directly at {authority}{reason}", sensor.name);
    note_use(context, scope, wanted.action, &detail)?;
    Ok(json_response(
        201,
        &json!({
            "way": "direct",
            "url": format!("https://{authority}/#{ticket}"),
            "certificate": print(&page.certificate),
            "device": device_object(context, scope, call)?,
        }),
    ))
}

/// Every use is in the audit log.
fn note_use(
    context: &Context<'_>,
    scope: &Scope,
    action: Action,
    detail: &str,
) -> Result<(), ApiError> {
    let what = format!("capture.{}", action.name());
    let (db, now) = (&context.app.db, context.now);
    Ok(people::note(db, Some(scope.customer()), now, scope.who(), &what, detail)?)
}

/// Who the browser has to do with.
fn device_object(context: &Context<'_>, scope: &Scope, call: CallId) -> Result<Value, ApiError> {
    let key = fleet::device_key(&context.app.db, scope, call.device)?.unwrap_or_default();
    Ok(json!({ "fingerprint": call.device.to_string(), "key": BASE64.encode(&key) }))
}

/// The page that a sensor has told of.
fn page_of(sensor: &Sensor) -> Option<&DirectPage> {
    let (_, heartbeat) = sensor.heartbeat.as_ref()?;
    heartbeat.direct.as_ref().filter(|page| page.is_sound())
}

fn page_object(page: &DirectPage) -> Value {
    json!({ "address": page.authority, "certificate": print(&page.certificate) })
}

/// A certificate's SHA-256 as browsers show it.
fn print(certificate: &[u8; 32]) -> String {
    let pairs: Vec<_> = certificate.iter().map(|byte| format!("{byte:02X}")).collect();
    pairs.join(":")
}

fn is_allowed(way: Way, terms: Terms) -> Result<(), ApiError> {
    let message = match way {
        Way::Relay if !terms.relay => {
            "Your organisation does not let packets through the cloud: open the sensor's own page, \
             or export them there (`ringside-sensor store export`)."
        }
        Way::Direct if !terms.direct => {
            "Your organisation does not let people go to the sensor's own page: use the encrypted \
             relay."
        }
        Way::Relay | Way::Direct => return Ok(()),
    };
    Err(ApiError::new(403, "way_forbidden", message))
}

fn browser_key(asked: &Asked) -> Result<[u8; PUBLIC_KEY_BYTES], ApiError> {
    let key = asked.key.as_deref().and_then(|key| BASE64.decode(key.as_bytes()).ok());
    key.and_then(|key| key.try_into().ok())
        .filter(|key: &[u8; PUBLIC_KEY_BYTES]| key[0] == 4)
        .ok_or_else(|| ApiError::parameter("key", "an uncompressed P-256 key, in base64"))
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
pub(super) fn rights_of(context: &Context<'_>, caller: &Caller) -> Result<Rights, ApiError> {
    if caller.csrf.is_none() {
        return Ok(Rights::default());
    }
    Ok(rights::rights(&context.app.db, &caller.scope)?)
}

pub(super) fn relay<'a>(context: &'a Context<'_>) -> Result<&'a Relay, ApiError> {
    context
        .app
        .relay
        .as_deref()
        .ok_or_else(|| ApiError::new(503, "no_relay", "This service has no listener for sensors."))
}

pub(super) fn call_of(
    context: &Context<'_>,
    text: &str,
    scope: &Scope,
) -> Result<CallId, ApiError> {
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
    if matches!(kept_calls::claim(&context.app.db, scope, call)?, Some(Claim::Kept { .. })) {
        return Ok(());
    }
    let message = "No capture rule kept this call's packets: make a rule for the next ones.";
    Err(ApiError::new(409, "not_kept", message))
}

/// The call's record.
pub(super) fn decoded_call(
    context: &Context<'_>,
    scope: &Scope,
    call: CallId,
) -> Result<Cdr, ApiError> {
    let found = calls::call(&context.app.db, scope, call, context.now)?;
    found.as_ref().and_then(decoded).ok_or_else(|| {
        ApiError::not_found("You have no call with this id: /api/v1/calls finds those you have.")
    })
}

pub(super) fn online(
    context: &Context<'_>,
    scope: &Scope,
    call: CallId,
) -> Result<Sensor, ApiError> {
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
                   key in base64; way, reason and resume may be left out. With \"way\": \"direct\" \
                   there is no key.";
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
