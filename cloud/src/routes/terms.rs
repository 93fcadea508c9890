//! `GET` and `POST /retrieval`: on what terms a customer's people may have calls' packets and sound,
//! and what whoever asks may have.

use serde::Deserialize;
use serde_json::json;

use super::reply::json_response;
use super::{Answer, ApiError, Context};
use crate::auth::{Admin, Scope};
use crate::db::rights::{self, MAX_RECENT_MINUTES, Rights, Terms, TermsChange};
use crate::server::Response;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    asks_reason: Option<bool>,
    relay: Option<bool>,
    direct: Option<bool>,
    live: Option<bool>,
    recent_minutes: Option<u16>,
}

/// The terms.
pub(super) fn show(context: &Context<'_>, scope: &Scope) -> Answer {
    let db = &context.app.db;
    Ok(answer(rights::terms(db, scope.customer())?, rights::rights(db, scope)?))
}

/// Changes what is named.
pub(super) fn change(context: &Context<'_>, admin: &Admin<'_>) -> Answer {
    let db = &context.app.db;
    let change: Change = serde_json::from_slice(&context.request.body).map_err(|_| {
        let message = "Send any of asks_reason, relay, direct, live (true or false) and \
                       recent_minutes.";
        ApiError::new(400, "bad_body", message)
    })?;
    let Change { asks_reason, relay, direct, live, recent_minutes } = change;
    if recent_minutes.is_some_and(|minutes| minutes > MAX_RECENT_MINUTES) {
        let allowed = format!("0 to {MAX_RECENT_MINUTES} minutes");
        return Err(ApiError::parameter("recent_minutes", &allowed));
    }
    let before = rights::terms(db, admin.customer())?;
    let terms = before.with(TermsChange { asks_reason, relay, direct, live, recent_minutes });
    if terms != before {
        db.set_terms(admin.customer(), terms, admin.who(), context.now)?;
    }
    if terms.recent_minutes != before.recent_minutes {
        super::rules::push(context, admin)?;
    }
    Ok(answer(terms, rights::rights(db, admin)?))
}

fn answer(terms: Terms, rights: Rights) -> Response {
    let Terms { asks_reason, relay, direct, live, recent_minutes } = terms;
    json_response(
        200,
        &json!({
            "asks_reason": asks_reason,
            "relay": relay,
            "direct": direct,
            "live": live,
            "recent_minutes": recent_minutes,
            "rights": rights.names_of_calls(),
        }),
    )
}
