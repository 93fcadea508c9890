//! `GET /calls`, as pages or as CSV, and `GET /calls/{id}`.

mod csv;
pub(super) mod object;

use std::sync::Arc;

use ringside_protocol::cdr::{CallId, Fingerprint};
use ringside_protocol::time::UnixMicros;
use serde_json::json;

pub(super) use self::object::decoded;
use super::listing::{Part, unknown};
use super::names::Names;
use super::reply::json_response;
use super::turns::{MAX_EXPORTS, too_many_exports};
use super::{Answer, ApiError, Context, cursor, query};
use crate::auth::Scope;
use crate::db::calls::{self, Calls};
use crate::db::search::{self, Bounds, MAX_ROWS_SCANNED};
use crate::db::{Series, fleet};
use crate::filter::{Filter, NAMES};

/// What a list is asked for.
struct Asked {
    filter: Filter,
    part: Part,
    is_csv: bool,
}

pub(super) fn list(context: &Context<'_>, scope: &Scope) -> Answer {
    let names = Names::new(&fleet::sensors(&context.app.db, scope)?);
    let asked = asked(context, &names)?;
    if asked.is_csv {
        let turn = context.app.exports.take(scope.customer(), MAX_EXPORTS);
        let turn = turn.ok_or_else(too_many_exports)?;
        let db = Arc::clone(&context.app.db);
        let scope = scope.clone();
        return Ok(csv::response(db, scope, asked.filter, asked.part.span, names, turn));
    }
    let Part { span, after, limit } = asked.part;
    let bounds = Bounds { matches: limit, rows: MAX_ROWS_SCANNED };
    let matches = |row: &calls::Row<'_>| asked.filter.matches(row);
    let db = &context.app.db;
    let page = search::search::<Calls>(db, scope, span, after, bounds, &matches)?;
    let newest = search::newest(db, scope, Series::Calls, context.now)?;
    let listed: Vec<_> = page.records.iter().map(|call| object::summary(call, &names)).collect();
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
    let key = object::legs_key(&found);
    let legs = calls::legs(db, scope, &key, found.ended_at, context.now)?;
    Ok(json_response(200, &object::whole(&found, &legs, &names)))
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
        part: Part::new(context.now),
        is_csv: accepts_csv(context.request.header("accept")),
    };
    let device = |number: u64| -> Option<Fingerprint> { names.device(number) };
    for (name, value) in query::parameters(&context.request.query)? {
        if asked.part.take(&name, &value)? {
            continue;
        }
        match name.as_str() {
            "format" => asked.is_csv = is_csv(&value)?,
            name if NAMES.contains(&name) => asked.filter.add(name, &value, &device)?,
            name => return Err(unknown(name, &[&["format"], NAMES].concat())),
        }
    }
    Ok(asked)
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
