//! `GET /openapi.json`: the API's description.

use std::sync::OnceLock;

use serde_json::Value;

use super::{Answer, Context};
use crate::web::Site;

/// OpenAPI 3.1, written by hand; a test compares it with the table of routes.
pub(super) const DESCRIPTION: &str = include_str!("openapi.json");

/// As a file of the GUI is sent: without the spaces between, and compressed where the whole would be a
/// long answer, of which there are few at once and none for strangers.
static COMPACT: OnceLock<Site> = OnceLock::new();

pub(super) fn openapi(context: &Context<'_>) -> Answer {
    let compact = COMPACT.get_or_init(|| {
        let parsed: Result<Value, _> = serde_json::from_str(DESCRIPTION);
        let bytes =
            parsed.map_or_else(|_| DESCRIPTION.into(), |value| value.to_string().into_bytes());
        Site::new(&[("/api/v1/openapi.json", bytes.as_slice())])
    });
    Ok(compact.serve(context.request))
}
