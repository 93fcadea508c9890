//! `POST /login`, `POST /logout`, `GET /me`.

use serde::Deserialize;
use serde_json::{Value, json};

use super::reply::json_response;
use super::{Answer, ApiError, Context};
use crate::auth::{self, Caller, Refusal};
use crate::db::people;
use crate::retention::RETENTION_DAYS;

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
    let opened = context.app.logins.log_in(
        &context.app.db,
        (&credentials.login, &credentials.password),
        context.request.peer.ip(),
        context.now,
    )?;
    // Whoever logs in again leaves the session that the browser had.
    auth::log_out(&context.app.db, context.request)?;
    let response = json_response(200, &who(context, &opened.caller)?);
    Ok(response.with_header("Set-Cookie", &auth::cookie_header(&opened.secret)))
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
    let customer = people::customer(&context.app.db, &caller.scope)?;
    Ok(json!({
        "user": { "login": caller.scope.who(), "role": caller.scope.role().name() },
        "customer": { "name": customer.name },
        "csrf": caller.csrf,
        "limits": { "channels": customer.channels, "retention_days": RETENTION_DAYS },
    }))
}

fn is_json(content_type: Option<&str>) -> bool {
    let kind = content_type.and_then(|text| text.split(';').next());
    kind.is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}
