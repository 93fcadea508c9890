//! Lists of records: span, filter, page, cursor, and all of it as CSV or NDJSON.

use std::sync::Arc;

use ringside_protocol::cdr::CallId;
use ringside_protocol::time::UnixMicros;
use serde_json::{Value, json};

use super::csv::Column;
use super::export::{self, Format};
use super::names::Names;
use super::reply::json_response;
use super::turns::{MAX_EXPORTS, too_many_exports};
use super::{Answer, ApiError, Context, cursor, mask, query};
use crate::auth::Scope;
use crate::db::Db;
use crate::db::fleet;
use crate::db::search::{self, Bounds, Kind, MAX_ROWS_SCANNED, Position, Span, visible};
use crate::db::terms::Range;
use crate::filter::{Devices, Invalid, parse_time};

/// Records on a page, at most.
pub const MAX_LIMIT: usize = 200;

/// Records on a page where nothing else is asked for.
pub const DEFAULT_LIMIT: usize = 50;

/// A kind of record that can be listed.
pub(super) trait Listed: Kind {
    /// As its address and its JSON have it.
    const NAME: &'static str;
    /// The names of all conditions of its filter.
    const CONDITIONS: &'static [&'static str];
    /// What an export has of it.
    const COLUMNS_OF_CSV: &'static [Column];
    /// Whether several records may be about one thing.
    const FOLDS: bool = false;
    /// What chooses among its records.
    type Filter: Default + Send + 'static;

    /// Adds a condition.
    fn add(
        filter: &mut Self::Filter,
        name: &str,
        value: &str,
        devices: Devices<'_>,
    ) -> Result<(), Invalid>;

    /// Whether a record is one of those looked for.
    fn matches(filter: &Self::Filter, row: &Self::Row<'_>) -> bool;

    /// Terms of which every record that is looked for has one; none where all have to be looked at.
    fn terms(_: &Self::Filter) -> Vec<Range> {
        Vec::new()
    }

    /// A record as lists show it.
    fn summary(stored: &Self::Stored, names: &Names) -> Value;

    /// The records of a page with one row for each thing that several of them are about. Asked for
    /// where [`Self::FOLDS`] only.
    fn folded(page: &Folding<'_, Self>) -> Result<Vec<Value>, ApiError>
    where
        Self: Sized,
    {
        Ok(page.records.iter().map(|it| Self::summary(it, page.names)).collect())
    }
}

/// A page whose records are to be put together.
pub(super) struct Folding<'a, K: Listed> {
    pub(super) db: &'a Db,
    pub(super) scope: &'a Scope,
    pub(super) records: &'a [K::Stored],
    pub(super) span: Span,
    pub(super) filter: &'a K::Filter,
    pub(super) names: &'a Names,
}

/// What a list is asked for.
struct Asked<K: Listed> {
    filter: K::Filter,
    part: Part,
    /// `None`: a page.
    export: Option<Format>,
    /// One row for each thing that several records are about.
    folds: bool,
}

/// A page of records, or all of them as an export.
pub(super) fn list<K: Listed>(context: &Context<'_>, scope: &Scope) -> Answer {
    let db = &context.app.db;
    let names = Names::new(&fleet::sensors(db, scope)?);
    let Asked { filter, part, export, folds } = Asked::<K>::read(context, &names)?;
    if let Some(format) = export {
        let turn = context.app.exports.take(scope.customer(), MAX_EXPORTS);
        let turn = turn.ok_or_else(too_many_exports)?;
        let (db, scope) = (Arc::clone(db), scope.clone());
        let wanted = export::Wanted { format, filter, span: part.span, masks: context.masks };
        return Ok(export::response::<K>(db, scope, wanted, names, turn));
    }
    let Part { span, after, limit } = part;
    let bounds = Bounds { matches: limit, rows: MAX_ROWS_SCANNED };
    let matches = |row: &K::Row<'_>| K::matches(&filter, row);
    let page =
        search::search_terms::<K>(db, scope, span, after, bounds, &K::terms(&filter), &matches)?;
    let newest = search::newest(db, scope, K::SERIES, context.now)?;
    let folding =
        Folding { db, scope, records: &page.records, span, filter: &filter, names: &names };
    let listed = if folds {
        K::folded(&folding)?
    } else {
        page.records.iter().map(|it| K::summary(it, &names)).collect()
    };
    let body = json!({
        K::NAME: listed,
        "records": page.records.len(),
        "next": page.next.map(|next| cursor::text(&next)),
        "partial": page.partial,
        "newest": newest.map(UnixMicros::to_rfc3339),
    });
    Ok(json_response(200, &body))
}

/// The id that an address names, of something called `what`.
pub(super) fn id_of(context: &Context<'_>, what: &str, list: &str) -> Result<CallId, ApiError> {
    context.item.parse().map_err(|_| none_with_this_id(what, list))
}

/// There is nothing called `what` with the id that was asked for; `list` finds what there is.
pub(super) fn none_with_this_id(what: &str, list: &str) -> ApiError {
    ApiError::not_found(format!(
        "You have no {what} with this id: it may be older than 25 days, or the address was not \
         copied whole. /api/v1/{list} finds those you have."
    ))
}

impl<K: Listed> Asked<K> {
    fn read(context: &Context<'_>, names: &Names) -> Result<Self, ApiError> {
        let mut asked = Self {
            filter: K::Filter::default(),
            part: Part::new(context.now),
            export: accepted(context.request.header("accept")),
            folds: false,
        };
        let device = |number: u64| names.device(number);
        for (name, value) in query::parameters(&context.request.query)? {
            if asked.part.take(&name, &value)? {
                continue;
            }
            match name.as_str() {
                "views" if K::FOLDS => asked.folds = folds(&value)?,
                "format" => asked.export = format(&value)?,
                name if K::CONDITIONS.contains(&name) => {
                    if context.masks {
                        mask::check_condition(name, &value)?;
                    }
                    K::add(&mut asked.filter, name, &value, &device)?;
                }
                name => {
                    let others: &[&str] = if K::FOLDS { &["format", "views"] } else { &["format"] };
                    return Err(unknown(name, &[others, K::CONDITIONS].concat()));
                }
            }
        }
        Ok(asked)
    }
}

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

/// How records of one thing are shown.
fn folds(value: &str) -> Result<bool, ApiError> {
    match value {
        "one" => Ok(true),
        "each" => Ok(false),
        _ => Err(ApiError::parameter("views", "one or each")),
    }
}

fn format(value: &str) -> Result<Option<Format>, ApiError> {
    match value {
        "csv" => Ok(Some(Format::Csv)),
        "ndjson" => Ok(Some(Format::Ndjson)),
        "json" => Ok(None),
        _ => Err(ApiError::parameter("format", "json, csv or ndjson")),
    }
}

/// What a program asks for rather than JSON.
fn accepted(accept: Option<&str>) -> Option<Format> {
    let kinds = accept.unwrap_or("").split(',');
    let mut kinds = kinds.map(|kind| kind.split(';').next().unwrap_or("").trim());
    kinds.find_map(|kind| match kind.to_ascii_lowercase().as_str() {
        "text/csv" => Some(Format::Csv),
        "application/x-ndjson" => Some(Format::Ndjson),
        _ => None,
    })
}
