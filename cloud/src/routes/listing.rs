//! What lists have in common: span, page, cursor.

use ringside_protocol::time::UnixMicros;

use super::{ApiError, cursor};
use crate::db::search::{Position, Span, visible};
use crate::filter::parse_time;

/// Records on a page, at most.
pub const MAX_LIMIT: usize = 200;

/// Records on a page where nothing else is asked for.
pub const DEFAULT_LIMIT: usize = 50;

/// The part of a list that is asked for.
pub(super) struct Part {
    pub(super) span: Span,
    pub(super) after: Option<Position>,
    pub(super) limit: usize,
}

impl Part {
    /// The newest of all that may be seen.
    pub(super) fn new(now: UnixMicros) -> Self {
        Self { span: visible(now), after: None, limit: DEFAULT_LIMIT }
    }

    /// Takes a parameter; whether it is one of a list's part.
    pub(super) fn take(&mut self, name: &str, value: &str) -> Result<bool, ApiError> {
        match name {
            "from" => self.span.from = self.span.from.max(time("from", value)?),
            "to" => self.span.until = self.span.until.min(time("to", value)?),
            "limit" => self.limit = limit(value)?,
            "cursor" => self.after = Some(cursor::position(value)?),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// Reads a point in time of a parameter.
pub(super) fn time(name: &str, value: &str) -> Result<UnixMicros, ApiError> {
    parse_time(value).ok_or_else(|| {
        let allowed = "a time as in 2026-11-23T08:00:00Z, a date, or seconds since 1970";
        ApiError::parameter(name, allowed)
    })
}

fn limit(value: &str) -> Result<usize, ApiError> {
    let limit = value.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
    limit.ok_or_else(|| ApiError::parameter("limit", &format!("a number from 1 to {MAX_LIMIT}")))
}

/// The answer to a parameter that a list does not have; `others` are those that it has besides.
pub(super) fn unknown(name: &str, others: &[&str]) -> ApiError {
    let message = format!(
        "There is no parameter {name:?}: use from, to, limit, cursor, {}.",
        others.join(", ")
    );
    ApiError::new(400, "bad_parameter", message)
}
