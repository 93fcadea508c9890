//! `GET /api_tokens`, `POST /api_tokens`, `POST /api_tokens/{id}/revoke`: what programs read with.

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use ringside_protocol::time::{MICROS_PER_SECOND, UnixMicros};
use serde::Deserialize;
use serde_json::{Value, json};

use super::reply::json_response;
use super::{Answer, ApiError, Context};
use crate::auth::{self, Admin, sha256};
use crate::db::people::{self, ApiToken, ListedApiToken};

/// API tokens of one customer, expired ones included.
pub const MAX_API_TOKENS: usize = 100;

/// Characters of an API token's name.
pub const MAX_NAME_CHARS: usize = 100;

/// The longest that an API token lives, days.
pub const MAX_DAYS: u64 = 3650;

/// How long it lives where nothing is said, days.
const DEFAULT_DAYS: u64 = 365;

#[derive(Deserialize)]
struct Wanted {
    name: String,
    days: Option<u64>,
}

pub(super) fn list(context: &Context<'_>, admin: &Admin<'_>) -> Answer {
    let tokens = people::api_tokens(&context.app.db, admin)?;
    let tokens: Vec<_> = tokens.iter().map(object).collect();
    Ok(json_response(200, &json!({ "api_tokens": tokens })))
}

/// The secret is in this answer and nowhere else.
pub(super) fn make(context: &Context<'_>, admin: &Admin<'_>) -> Answer {
    let wanted = wanted(&context.request.body)?;
    let text = format!("rsk-{}", BASE64URL_NOPAD.encode(&auth::random::<32>()?));
    let days = wanted.days.unwrap_or(DEFAULT_DAYS);
    let expires_at = context.now.plus(days * 86_400 * MICROS_PER_SECOND);
    let token = ApiToken {
        customer: admin.customer(),
        name: wanted.name.trim().to_owned(),
        expires_at: Some(expires_at),
    };
    let db = &context.app.db;
    if people::api_tokens(db, admin)?.len() >= MAX_API_TOKENS {
        let message = format!("You have {MAX_API_TOKENS} API tokens: revoke one of them first.");
        return Err(ApiError::new(409, "too_many_tokens", message));
    }
    let hash = sha256(text.as_bytes());
    people::create_api_token(db, &hash, &token, admin.who(), context.now)?;
    let listed = ListedApiToken {
        hash,
        name: token.name,
        created_by: admin.who().to_owned(),
        created_at: context.now,
        expires_at: token.expires_at,
    };
    let mut body = object(&listed);
    body["token"] = json!(text);
    Ok(json_response(201, &body))
}

pub(super) fn revoke(context: &Context<'_>, admin: &Admin<'_>) -> Answer {
    let db = &context.app.db;
    let tokens = people::api_tokens(db, admin)?;
    let found = tokens.iter().find(|token| id(token) == context.item);
    let found = found.ok_or_else(|| {
        ApiError::not_found("You have no API token with this id: /api/v1/api_tokens lists them.")
    })?;
    people::revoke_api_token(db, admin, found, context.now)?;
    Ok(json_response(200, &json!({})))
}

fn wanted(body: &[u8]) -> Result<Wanted, ApiError> {
    let wanted: Wanted = serde_json::from_slice(body).map_err(|_| {
        let message = "Send {\"name\": \"what it is for\", \"days\": 365}; days may be left out.";
        ApiError::new(400, "bad_body", message)
    })?;
    let chars = wanted.name.trim().chars().count();
    if !(1..=MAX_NAME_CHARS).contains(&chars) || wanted.name.chars().any(char::is_control) {
        let allowed = format!("a text of 1 to {MAX_NAME_CHARS} characters on one line");
        return Err(ApiError::parameter("name", &allowed));
    }
    if wanted.days.is_some_and(|days| !(1..=MAX_DAYS).contains(&days)) {
        return Err(ApiError::parameter("days", &format!("a number from 1 to {MAX_DAYS}")));
    }
    Ok(wanted)
}

/// Names a token without telling it.
fn id(token: &ListedApiToken) -> String {
    HEXLOWER.encode(&token.hash[..8])
}

fn object(token: &ListedApiToken) -> Value {
    json!({
        "id": id(token),
        "name": token.name,
        "created_by": token.created_by,
        "created_at": token.created_at.to_rfc3339(),
        "expires_at": token.expires_at.map(UnixMicros::to_rfc3339),
    })
}
