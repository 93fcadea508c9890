//! `GET /tokens`, `POST /tokens`, `POST /tokens/{id}/revoke`: what lets a device join.

use data_encoding::HEXLOWER;
use ringside_protocol::token::Token;
use serde_json::{Value, json};

use super::reply::json_response;
use super::{Answer, ApiError, Context};
use crate::auth::{self, Admin};
use crate::config::dial;
use crate::db::people::{self, OutstandingToken};

/// Enrolment tokens of one customer that may still be used.
pub const MAX_OUTSTANDING_TOKENS: usize = 100;

pub(super) fn list(context: &Context<'_>, admin: &Admin<'_>) -> Answer {
    let tokens = people::outstanding_tokens(&context.app.db, admin, context.now)?;
    let tokens: Vec<Value> = tokens
        .iter()
        .map(|token| {
            json!({
                "id": id(token),
                "created_by": token.created_by,
                "created_at": token.created_at.to_rfc3339(),
                "expires_at": token.expires_at.to_rfc3339(),
            })
        })
        .collect();
    Ok(json_response(200, &json!({ "tokens": tokens })))
}

pub(super) fn revoke(context: &Context<'_>, admin: &Admin<'_>) -> Answer {
    let db = &context.app.db;
    let tokens = people::outstanding_tokens(db, admin, context.now)?;
    let found = tokens.iter().find(|token| id(token) == context.item);
    let found = found.ok_or_else(|| {
        ApiError::not_found("You have no enrolment token with this id: /api/v1/tokens lists them.")
    })?;
    people::revoke_enrolment_token(db, admin, found, context.now)?;
    Ok(json_response(200, &json!({})))
}

/// Names a token without telling it.
fn id(token: &OutstandingToken) -> String {
    HEXLOWER.encode(&token.hash[..8])
}

/// The secret is in this answer and nowhere else.
pub(super) fn make(context: &Context<'_>, admin: &Admin<'_>) -> Answer {
    let identity = &context.app.identity;
    let token = Token {
        ca_key_sha256: identity.ca_key_sha256,
        secret: auth::random()?,
        port: identity.port,
        host: identity.host.clone(),
    };
    let expires_at = people::create_enrolment_token(
        &context.app.db,
        admin,
        &token.secret,
        context.now,
        MAX_OUTSTANDING_TOKENS,
    )?;
    let expires_at = expires_at.ok_or_else(|| {
        let message = format!(
            "{MAX_OUTSTANDING_TOKENS} enrolment tokens wait to be used: use one of them, or wait \
             until they expire."
        );
        ApiError::new(409, "too_many_tokens", message)
    })?;
    let text = token.to_string();
    // One line to paste on the sensor's machine.
    let server = dial(&identity.host, identity.port);
    let body = json!({
        "command": format!("ringside-sensor enrol --server {server} --token {text}"),
        "token": text,
        "expires_at": expires_at.to_rfc3339(),
    });
    Ok(json_response(201, &body))
}
