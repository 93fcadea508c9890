//! `GET /changes`: a long poll that is answered the moment there is something new.

use core::time::Duration;

use serde_json::json;

use super::reply::json_response;
use super::{Answer, ApiError, Context, query};
use crate::auth::Caller;
use crate::events::Events;
use crate::server::{Response, Woken};

/// The longest wait, seconds.
pub const MAX_WAIT_SECONDS: u16 = 50;

/// Pages of one customer that wait at once, of the 512 that the port has
/// ([`Limits::parked`](crate::front::Limits)); one more, and the oldest is answered. A page waits while
/// somebody looks at it.
pub const MAX_WAITING: usize = 128;

/// The wait where none is asked for, seconds.
const DEFAULT_WAIT_SECONDS: u16 = 25;

pub(super) fn changes(context: &Context<'_>, caller: &Caller) -> Answer {
    let scope = &caller.scope;
    let mut since: Option<u64> = None;
    let mut wait = DEFAULT_WAIT_SECONDS;
    for (name, value) in query::parameters(&context.request.query)? {
        match name.as_str() {
            "since" => {
                let number = value.parse().map_err(|_| {
                    ApiError::parameter("since", "the serial of an earlier answer, a number")
                })?;
                since = Some(number);
            }
            "wait" => {
                wait = value.parse().ok().filter(|wait| *wait <= MAX_WAIT_SECONDS).ok_or_else(
                    || {
                        let allowed = format!("a number of seconds up to {MAX_WAIT_SECONDS}");
                        ApiError::parameter("wait", &allowed)
                    },
                )?;
            }
            _ => return Err(ApiError::parameter(&name, "since or wait")),
        }
    }
    // The generation comes before the serial: a change between the two ends the wait at once.
    let key = Events::key(scope.customer());
    let generation = context.app.waker.generation(&key);
    let serial = context.app.events.serial(scope.customer());
    let request = context.request;
    let left = Duration::from_secs(u64::from(wait)).saturating_sub(request.waited);
    let is_over = matches!(request.woken, Some(Woken::Timeout | Woken::Superseded));
    if since != Some(serial) || left.is_zero() || is_over {
        return Ok(json_response(200, &json!({ "serial": serial })));
    }
    Ok(Response::parked(key.clone(), generation, left).within_share(key, MAX_WAITING))
}
