//! `GET /openapi.json`: the API's description.

use super::{Answer, Context};
use crate::server::Response;

/// OpenAPI 3.1, written by hand; a test compares it with the table of routes.
pub(super) const DESCRIPTION: &str = include_str!("openapi.json");

pub(super) fn openapi(_: &Context<'_>) -> Answer {
    Ok(Response::bytes(200, "application/json", DESCRIPTION.as_bytes().to_vec()))
}
