//! `GET /terms`, `POST /terms`: on what terms a customer's people get packets and sound of calls.

use serde::Deserialize;
use serde_json::{Value, json};

use super::reply::json_response;
use super::{Answer, ApiError, Context};
use crate::auth::Admin;
use crate::db::rights::{self, Terms};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    #[serde(default)]
    asks_reason: Option<bool>,
    #[serde(default)]
    relay: Option<bool>,
}

pub(super) fn show(context: &Context<'_>, admin: &Admin<'_>) -> Answer {
    Ok(json_response(200, &object(rights::terms(&context.app.db, admin.customer())?)))
}

pub(super) fn change(context: &Context<'_>, admin: &Admin<'_>) -> Answer {
    let wanted: Wanted = serde_json::from_slice(&context.request.body).map_err(|_| {
        let message = "Send {\"asks_reason\": true, \"relay\": true}; what is left out stays.";
        ApiError::new(400, "bad_body", message)
    })?;
    let db = &context.app.db;
    let present = rights::terms(db, admin.customer())?;
    let terms = Terms {
        asks_reason: wanted.asks_reason.unwrap_or(present.asks_reason),
        relay: wanted.relay.unwrap_or(present.relay),
    };
    if terms != present {
        db.set_terms(admin.customer(), terms, admin.who(), context.now)?;
    }
    Ok(json_response(200, &object(terms)))
}

fn object(terms: Terms) -> Value {
    json!({ "asks_reason": terms.asks_reason, "relay": terms.relay })
}
