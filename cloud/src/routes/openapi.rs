//! `GET /openapi.json`: the API's description.

use std::sync::OnceLock;

use serde_json::Value;

use super::{Answer, Context};
use crate::server::Response;

/// OpenAPI 3.1, written by hand; a test compares it with the table of routes.
pub(super) const DESCRIPTION: &str = include_str!("openapi.json");

/// Without the spaces between: half as long, and so no long answer, of which there are few at once
/// and none for strangers.
static COMPACT: OnceLock<Vec<u8>> = OnceLock::new();

pub(super) fn openapi(_: &Context<'_>) -> Answer {
    let compact = COMPACT.get_or_init(|| {
        let parsed: Result<Value, _> = serde_json::from_str(DESCRIPTION);
        parsed.map_or_else(|_| DESCRIPTION.into(), |value| value.to_string().into_bytes())
    });
    Ok(Response::bytes(200, "application/json", compact.clone()))
}
