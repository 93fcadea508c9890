//! `POST /captures/{call}/keep`: keeps a call that no rule has kept, just after its end.
//!
//! The sensor holds such calls for some minutes where the customer asks for it, sealed under keys in
//! its memory. Who asks in time has the call's key moved into the store.

use core::time::Duration;

use ringside_protocol::cdr::CallId;
use ringside_protocol::time::{MICROS_PER_SECOND, UnixMicros};
use serde_json::{Value, json};

use super::captures::{call_of, decoded_call, online, relay, rights_of};
use super::reply::json_response;
use super::{Answer, ApiError, Context};
use crate::auth::{Caller, Scope};
use crate::db::kept_calls::{self, Claim};
use crate::db::rights::{self, Terms};
use crate::db::{calls, people};
use crate::relay::keeping_key;
use crate::server::{Response, Woken};

/// A browser is told that it is not known yet after so long, and asks again.
const WAIT: Duration = Duration::from_secs(20);

/// The record comes a moment after the call's end, and a click takes its time.
const GRACE_SECONDS: u64 = 30;

/// What is known of keeping a call.
pub(super) fn object(
    context: &Context<'_>,
    scope: &Scope,
    call: CallId,
    terms: Terms,
) -> Result<Value, ApiError> {
    let state = match kept_calls::claim(&context.app.db, scope, call)? {
        Some(Claim::Kept { who, size }) => {
            return Ok(json!({
                "state": "kept",
                "who": who,
                "packets": size.packets,
                "bytes": size.bytes,
                "until": null,
            }));
        }
        Some(Claim::Asked) => "asked",
        Some(Claim::Gone) => "gone",
        None => "none",
    };
    let until = held_until(context, scope, call, terms)?;
    Ok(json!({
        "state": state,
        "who": null,
        "packets": null,
        "bytes": null,
        "until": until.map(UnixMicros::to_rfc3339),
    }))
}

/// Until when the call's sensor holds it, if it does.
fn held_until(
    context: &Context<'_>,
    scope: &Scope,
    call: CallId,
    terms: Terms,
) -> Result<Option<UnixMicros>, ApiError> {
    let held_for = u64::from(terms.recent_minutes) * 60 * MICROS_PER_SECOND;
    let found = calls::call(&context.app.db, scope, call, context.now)?;
    let until = found.map(|found| found.ended_at.plus(held_for));
    Ok(until.filter(|until| held_for > 0 && *until > context.now))
}

/// Asks the sensor, and waits for what it says.
pub(super) fn keep(context: &Context<'_>, caller: &Caller) -> Answer {
    let (db, scope) = (&context.app.db, &caller.scope);
    let call = call_of(context, &context.item, scope)?;
    let rights = rights_of(context, caller)?;
    if !rights.packets && !rights.audio {
        let message = "You do not have the right to a call's packets or sound: ask an \
                       administrator of your organisation.";
        return Err(ApiError::new(403, "forbidden", message));
    }
    let key = keeping_key(call);
    // Before looking: a wake that comes in between must not be lost.
    let generation = context.app.waker.generation(&key);
    if context.request.woken.is_none() {
        ask(context, scope, call)?;
    }
    match kept_calls::claim(db, scope, call)? {
        Some(Claim::Kept { size, .. }) => Ok(json_response(
            200,
            &json!({ "state": "kept", "packets": size.packets, "bytes": size.bytes }),
        )),
        Some(Claim::Asked) => {
            let left = WAIT.saturating_sub(context.request.waited);
            if left.is_zero() || context.request.woken == Some(Woken::Timeout) {
                return Ok(json_response(202, &json!({ "state": "asked" })));
            }
            Ok(Response::parked(key, generation, left))
        }
        Some(Claim::Gone) | None => {
            let message = "The sensor has let this call go: it is held for some minutes only, and \
                           not over a restart of the sensor.";
            Err(ApiError::new(409, "let_go", message))
        }
    }
}

/// Notes that somebody wants it, and tells the sensor, unless it is kept or asked for.
fn ask(context: &Context<'_>, scope: &Scope, call: CallId) -> Result<(), ApiError> {
    let (db, now) = (&context.app.db, context.now);
    if matches!(kept_calls::claim(db, scope, call)?, Some(Claim::Kept { .. })) {
        return Ok(());
    }
    if decoded_call(context, scope, call)?.stored.is_some() {
        let message = "A rule has kept this call's packets already.";
        return Err(ApiError::new(409, "kept", message));
    }
    let terms = rights::terms(db, scope.customer())?;
    if terms.recent_minutes == 0 {
        let message = "Your organisation does not have calls held that no rule keeps: make a rule \
                       for the next ones.";
        return Err(ApiError::new(409, "not_kept", message));
    }
    let grace = UnixMicros(now.0.saturating_sub(GRACE_SECONDS * MICROS_PER_SECOND));
    let until = calls::call(db, scope, call, now)?
        .map(|found| found.ended_at.plus(u64::from(terms.recent_minutes) * 60 * MICROS_PER_SECOND));
    if until.is_none_or(|until| until < grace) {
        let message = format!(
            "This call ended too long ago: sensors hold calls for {} min.",
            terms.recent_minutes
        );
        return Err(ApiError::new(409, "let_go", message));
    }
    let sensor = online(context, scope, call)?;
    db.ask_claim(scope.customer(), call, scope.who(), now)?;
    let detail = format!("{call} on {}", sensor.name);
    people::note(db, Some(scope.customer()), now, scope.who(), "capture.keep", &detail)?;
    relay(context)?.wake_sensor(call.device);
    Ok(())
}
