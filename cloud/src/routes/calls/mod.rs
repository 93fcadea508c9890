//! `GET /calls`, as pages or as CSV, and `GET /calls/{id}`.

mod csv;
mod cursor;
mod object;

use std::sync::Arc;

use ringside_protocol::cdr::{CallId, Fingerprint};
use ringside_protocol::time::UnixMicros;
use serde_json::json;

use self::object::Names;
pub(super) use self::object::decoded;
use super::reply::json_response;
use super::{Answer, ApiError, Context, query};
use crate::auth::Scope;
use crate::db::calls::{self, Bounds, MAX_ROWS_SCANNED, Position, Span};
use crate::db::fleet;
use crate::filter::{Filter, NAMES, parse_time};

/// Calls on a page, at most.
pub const MAX_LIMIT: usize = 200;

/// Calls on a page where nothing else is asked for.
pub const DEFAULT_LIMIT: usize = 50;

/// What a list is asked for.
struct Asked {
    filter: Filter,
    span: Span,
    after: Option<Position>,
    limit: usize,
    is_csv: bool,
}

pub(super) fn list(context: &Context<'_>, scope: &Scope) -> Answer {
    let names = Names::new(&fleet::sensors(&context.app.db, scope)?);
    let asked = asked(context, &names)?;
    if asked.is_csv {
        let db = Arc::clone(&context.app.db);
        return Ok(csv::response(db, scope.clone(), asked.filter, asked.span, names));
    }
    let bounds = Bounds { matches: asked.limit, rows: MAX_ROWS_SCANNED };
    let matches = |row: &calls::Row<'_>| asked.filter.matches(row);
    let db = &context.app.db;
    let page = calls::search(db, scope, asked.span, asked.after, bounds, &matches)?;
    let newest = calls::newest(db, scope, context.now)?;
    let listed: Vec<_> = page.calls.iter().map(|call| object::summary(call, &names)).collect();
    let body = json!({
        "calls": listed,
        "next": page.next.map(|next| cursor::text(&next)),
        "partial": page.partial,
        "newest": newest.map(UnixMicros::to_rfc3339),
    });
    Ok(json_response(200, &body))
}

pub(super) fn one(context: &Context<'_>, scope: &Scope) -> Answer {
    let id: CallId = context.item.parse().map_err(|_| no_such_call())?;
    let db = &context.app.db;
    let found = calls::call(db, scope, id, context.now)?.ok_or_else(no_such_call)?;
    let names = Names::new(&fleet::sensors(db, scope)?);
    Ok(json_response(200, &object::whole(&found, &names)))
}

fn no_such_call() -> ApiError {
    ApiError::not_found(
        "You have no call with this id: it may be older than 25 days, or the address was not \
         copied whole. /api/v1/calls finds those you have.",
    )
}

fn asked(context: &Context<'_>, names: &Names) -> Result<Asked, ApiError> {
    let mut asked = Asked {
        filter: Filter::default(),
        span: calls::visible(context.now),
        after: None,
        limit: DEFAULT_LIMIT,
        is_csv: accepts_csv(context.request.header("accept")),
    };
    let device = |number: u64| -> Option<Fingerprint> { names.device(number) };
    for (name, value) in query::parameters(&context.request.query)? {
        match name.as_str() {
            "from" => asked.span.from = asked.span.from.max(time("from", &value)?),
            "to" => asked.span.until = asked.span.until.min(time("to", &value)?),
            "limit" => asked.limit = limit(&value)?,
            "cursor" => asked.after = Some(cursor::position(&value)?),
            "format" => asked.is_csv = is_csv(&value)?,
            name if NAMES.contains(&name) => asked.filter.add(name, &value, &device)?,
            name => return Err(unknown(name)),
        }
    }
    Ok(asked)
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

fn is_csv(value: &str) -> Result<bool, ApiError> {
    match value {
        "csv" => Ok(true),
        "json" => Ok(false),
        _ => Err(ApiError::parameter("format", "json or csv")),
    }
}

/// Whether a program asks for CSV rather than JSON.
fn accepts_csv(accept: Option<&str>) -> bool {
    let kinds = accept.unwrap_or("").split(',');
    let mut kinds = kinds.map(|kind| kind.split(';').next().unwrap_or("").trim());
    kinds.any(|kind| kind.eq_ignore_ascii_case("text/csv"))
}

fn unknown(name: &str) -> ApiError {
    let message = format!(
        "There is no parameter {name:?}: use from, to, limit, cursor, format, {}.",
        NAMES.join(", ")
    );
    ApiError::new(400, "bad_parameter", message)
}
