//! `GET /openapi.json`: the API's description.

use std::io::Write;
use std::sync::OnceLock;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use super::{Answer, Context};
use crate::server::Response;

/// OpenAPI 3.1, written by hand; a test compares it with the table of routes.
pub(super) const DESCRIPTION: &str = include_str!("openapi.json");

/// Without the spaces between, and compressed, whatever the asker takes: otherwise it would be a long
/// answer, of which there are few at once and none for strangers.
static COMPACT: OnceLock<Vec<u8>> = OnceLock::new();

pub(super) fn openapi(_: &Context<'_>) -> Answer {
    let compact = COMPACT.get_or_init(|| {
        let parsed: Result<Value, _> = serde_json::from_str(DESCRIPTION);
        gzip(&parsed.map_or_else(|_| DESCRIPTION.to_owned(), |value| value.to_string()))
    });
    let response = Response::bytes(200, "application/json", compact.clone());
    Ok(response.with_header("Content-Encoding", "gzip"))
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    // Writing to a Vec cannot fail.
    let _ = encoder.write_all(text.as_bytes());
    encoder.finish().unwrap_or_default()
}
