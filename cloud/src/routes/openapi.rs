//! `GET /openapi.json`: the API's description.

use std::sync::OnceLock;

use serde_json::Value;

use super::{Answer, Context};
use crate::web::File;

/// OpenAPI 3.1, written by hand; a test compares it with the table of routes.
pub(super) const DESCRIPTION: &str = include_str!("openapi.json");

/// Without the spaces between, and compressed for all once it is a long answer: of those there are
/// few at once and none for strangers.
static COMPACT: OnceLock<File> = OnceLock::new();

pub(super) fn openapi(context: &Context<'_>) -> Answer {
    let compact = COMPACT.get_or_init(|| {
        let parsed: Result<Value, _> = serde_json::from_str(DESCRIPTION);
        let text = parsed.map_or_else(|_| DESCRIPTION.to_owned(), |value| value.to_string());
        File::new("/api/v1/openapi.json", text.as_bytes())
    });
    Ok(compact.serve(context.request))
}
