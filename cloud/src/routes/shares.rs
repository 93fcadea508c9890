//! `GET` and `POST /calls/{id}/shares`, `POST /calls/{id}/shares/{share}/revoke`, `GET /shared`: links
//! that show one call to whoever has them.
//!
//! The secret travels in a header, so that no proxy's log has it; the GUI's link carries it after
//! the `#`, which browsers do not send. A link shows the record and nothing else: no packets, no
//! sound, no other legs.

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use ringside_protocol::time::{MICROS_PER_SECOND, UnixMicros};
use serde::Deserialize;
use serde_json::{Value, json};

use super::listing::{id_of, none_with_this_id};
use super::names::Names;
use super::reply::json_response;
use super::{Answer, ApiError, Context, calls as call_routes, mask};
use crate::auth::{self, Caller, Scope, sha256};
use crate::db::shares::{self, Share};
use crate::db::{calls, fleet, rights};
use crate::retention::RETENTION_DAYS;

/// Links to one call at once.
pub const MAX_SHARES: i64 = 20;

/// The header with a link's secret.
const HEADER: &str = "x-share";

/// How long a link opens where nothing is said, hours.
const DEFAULT_HOURS: u64 = 24;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    #[serde(default)]
    hours: Option<u64>,
}

/// The links to a call, without their secrets.
pub(super) fn list(context: &Context<'_>, caller: &Caller) -> Answer {
    let id = id_of(context, "call", "calls")?;
    let db = &context.app.db;
    let scope = &caller.scope;
    let found = calls::call(db, scope, id, context.now)?;
    found.ok_or_else(|| none_with_this_id("call", "calls"))?;
    let shares = shares::of_call(db, scope, id, context.now)?;
    let shares: Vec<_> = shares.iter().map(object).collect();
    let may = may_share(context, caller)?;
    Ok(json_response(200, &json!({ "may_share": may, "shares": shares })))
}

/// The secret is in this answer and nowhere else.
pub(super) fn make(context: &Context<'_>, caller: &Caller) -> Answer {
    let id = id_of(context, "call", "calls")?;
    let (db, scope) = (&context.app.db, &caller.scope);
    let found = calls::call(db, scope, id, context.now)?;
    found.ok_or_else(|| none_with_this_id("call", "calls"))?;
    if !may_share(context, caller)? {
        return Err(forbidden());
    }
    let hours = wanted(&context.request.body)?;
    let secret = BASE64URL_NOPAD.encode(&auth::random::<24>()?);
    let share = Share {
        hash: sha256(secret.as_bytes()),
        customer: scope.customer(),
        call: id.to_string(),
        is_masked: context.masks,
        created_by: scope.who().to_owned(),
        created_at: context.now,
        expires_at: context.now.plus(hours * 3600 * MICROS_PER_SECOND),
        opened: 0,
        opened_at: None,
    };
    if !shares::make(db, scope, &share, MAX_SHARES)? {
        let message = format!("There are {MAX_SHARES} links to this call: revoke one first.");
        return Err(ApiError::new(409, "too_many_shares", message));
    }
    let mut body = object(&share);
    body["secret"] = json!(secret);
    body["page"] = json!(format!("/shared#{secret}"));
    Ok(json_response(201, &body))
}

pub(super) fn revoke(context: &Context<'_>, caller: &Caller) -> Answer {
    if !may_share(context, caller)? {
        return Err(forbidden());
    }
    let (db, scope) = (&context.app.db, &caller.scope);
    let none = || ApiError::not_found("There is no such link: it may have expired.");
    let call = context.request.path.split('/').nth(4).and_then(|call| call.parse().ok());
    let shares = shares::of_call(db, scope, call.ok_or_else(none)?, context.now)?;
    let found = shares.iter().find(|share| name(share) == context.item).ok_or_else(none)?;
    shares::revoke(db, scope, found, context.now)?;
    Ok(json_response(200, &json!({})))
}

/// The call of a link, for whoever has it.
pub(super) fn shared(context: &Context<'_>) -> Answer {
    let none = || {
        let message = "This link does not open anything: it has expired, or was revoked, or was not \
                       copied whole. Ask whoever sent it for a new one.";
        ApiError::not_found(message)
    };
    let secret = context.request.header(HEADER).ok_or_else(none)?;
    let db = &context.app.db;
    let from = context.request.peer.ip().to_canonical().to_string();
    let share = shares::open(db, &sha256(secret.trim().as_bytes()), &from, context.now)?;
    let share = share.ok_or_else(none)?;
    let scope = Scope::of_share(share.customer, &share.created_by);
    let id = share.call.parse().map_err(|_| none())?;
    let found = calls::call(db, &scope, id, context.now)?.ok_or_else(none)?;
    let names = Names::new(&fleet::sensors(db, &scope)?);
    let mut call = call_routes::object::whole(&found, &[], &names);
    if share.is_masked {
        mask::value(&mut call);
    }
    let body = json!({
        "call": call,
        "shared_by": share.created_by,
        "expires_at": share.expires_at.to_rfc3339(),
        "is_masked": share.is_masked,
    });
    Ok(json_response(200, &body))
}

/// People with the right share; programs do not, since a person answers for each link.
fn may_share(context: &Context<'_>, caller: &Caller) -> Result<bool, ApiError> {
    let is_person = caller.csrf.is_some();
    Ok(is_person && rights::rights(&context.app.db, &caller.scope)?.share)
}

fn forbidden() -> ApiError {
    let message = "You do not have the right to share calls: ask an administrator of your \
                   organisation.";
    ApiError::new(403, "forbidden", message)
}

fn wanted(body: &[u8]) -> Result<u64, ApiError> {
    let wanted: Wanted = serde_json::from_slice(body).map_err(|_| {
        ApiError::new(400, "bad_body", "Send {\"hours\": 24}: for how long the link opens.")
    })?;
    let hours = wanted.hours.unwrap_or(DEFAULT_HOURS);
    let most = RETENTION_DAYS * 24;
    if (1..=most).contains(&hours) {
        return Ok(hours);
    }
    Err(ApiError::parameter("hours", &format!("a number from 1 to {most}")))
}

/// Names a link without telling it.
fn name(share: &Share) -> String {
    HEXLOWER.encode(&share.hash[..8])
}

fn object(share: &Share) -> Value {
    json!({
        "id": name(share),
        "created_by": share.created_by,
        "created_at": share.created_at.to_rfc3339(),
        "expires_at": share.expires_at.to_rfc3339(),
        "is_masked": share.is_masked,
        "opened": share.opened,
        "opened_at": share.opened_at.map(UnixMicros::to_rfc3339),
    })
}
