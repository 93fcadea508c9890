//! `POST /login`, `POST /logout`, `GET /me`.

use core::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::reply::json_response;
use super::{Answer, ApiError, Context};
use crate::auth::{self, Attempt, Caller, Refusal};
use crate::db::people;
use crate::db::rights::{self, Rights};
use crate::retention::RETENTION_DAYS;
use crate::server::{Request, Response, Woken};

/// Logins that wait, with no worker, until a password may be checked; one more, and the one that has
/// waited longest is told to come again.
pub const MAX_WAITING_AT_THE_DOOR: usize = 32;

/// How long they wait.
const MAX_WAIT: Duration = Duration::from_secs(5);

/// What they wait for.
const DOOR: &str = "login";

#[derive(Deserialize)]
struct Credentials {
    login: String,
    password: String,
}

pub(super) fn log_in(context: &Context<'_>) -> Answer {
    if auth::is_foreign(context.request) {
        return Err(Refusal::Foreign.into());
    }
    if !is_json(context.request.header("content-type")) {
        let message = "Send the login as JSON, with Content-Type: application/json.";
        return Err(ApiError::new(415, "content_type", message));
    }
    let credentials: Credentials = serde_json::from_slice(&context.request.body).map_err(|_| {
        let message = "Send {\"login\": …, \"password\": …}, both as text.";
        ApiError::new(400, "bad_body", message)
    })?;
    let attempt = Attempt {
        login: &credentials.login,
        password: &credentials.password,
        device: auth::cookie(context.request, auth::DEVICE_COOKIE),
        address: context.request.peer.ip(),
    };
    // Before looking: who leaves the door in between must not be missed.
    let generation = context.app.waker.generation(DOOR);
    let opened = match context.app.logins.log_in(&context.app.db, attempt, context.now) {
        Err(Refusal::Crowd) if may_wait(context.request) => {
            let left = MAX_WAIT.saturating_sub(context.request.waited);
            let parked = Response::parked(DOOR.to_owned(), generation, left);
            return Ok(parked.within_share(DOOR.to_owned(), MAX_WAITING_AT_THE_DOOR));
        }
        Err(Refusal::Crowd) => return Err(Refusal::Crowd.into()),
        other => {
            context.app.waker.wake(DOOR);
            other?
        }
    };
    // Whoever logs in again leaves the session that the browser had.
    auth::log_out(&context.app.db, context.request)?;
    let response = json_response(200, &who(context, &opened.caller)?);
    Ok(response
        .with_header("Set-Cookie", &auth::cookie_header(&opened.secret))
        .with_header("Set-Cookie", &auth::device_cookie_header(&opened.device)))
}

fn may_wait(request: &Request) -> bool {
    request.waited < MAX_WAIT && matches!(request.woken, None | Some(Woken::Yes))
}

pub(super) fn log_out(context: &Context<'_>, caller: &Caller) -> Answer {
    auth::log_out(&context.app.db, context.request)?;
    let scope = &caller.scope;
    let from = context.request.peer.ip().to_canonical().to_string();
    people::note(
        &context.app.db,
        Some(scope.customer()),
        context.now,
        scope.who(),
        "logout",
        &from,
    )?;
    Ok(json_response(200, &json!({})).with_header("Set-Cookie", &auth::ended_cookie_header()))
}

pub(super) fn me(context: &Context<'_>, caller: &Caller) -> Answer {
    Ok(json_response(200, &who(context, caller)?))
}

fn who(context: &Context<'_>, caller: &Caller) -> Result<Value, ApiError> {
    let (db, scope) = (&context.app.db, &caller.scope);
    let customer = people::customer(db, scope)?;
    // A program has none, whatever the name of its token.
    let rights = if caller.csrf.is_some() { rights::rights(db, scope)? } else { Rights::default() };
    Ok(json!({
        "user": {
            "login": scope.who(),
            "role": scope.role().name(),
            "rights": rights.names(),
        },
        "customer": { "name": customer.name },
        "csrf": caller.csrf,
        "limits": { "channels": customer.channels, "retention_days": RETENTION_DAYS },
    }))
}

fn is_json(content_type: Option<&str>) -> bool {
    let kind = content_type.and_then(|text| text.split(';').next());
    kind.is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}
