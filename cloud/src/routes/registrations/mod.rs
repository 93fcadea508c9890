//! `GET /registrations` and `GET /registrations/{id}`.

mod object;

use ringside_protocol::cdr::CallId;
use ringside_protocol::time::UnixMicros;
use serde_json::json;

use super::listing::{Part, unknown};
use super::names::Names;
use super::reply::json_response;
use super::{Answer, ApiError, Context, cursor, query};
use crate::auth::Scope;
use crate::db::registrations::{self, Registrations, Row};
use crate::db::search::{self, Bounds, MAX_ROWS_SCANNED};
use crate::db::{Series, fleet};
use crate::filter::{REGISTRATION_NAMES, RegistrationFilter};

pub(super) fn list(context: &Context<'_>, scope: &Scope) -> Answer {
    let db = &context.app.db;
    let names = Names::new(&fleet::sensors(db, scope)?);
    let (filter, Part { span, after, limit }) = asked(context, &names)?;
    let bounds = Bounds { matches: limit, rows: MAX_ROWS_SCANNED };
    let matches = |row: &Row<'_>| filter.matches(row);
    let page = search::search::<Registrations>(db, scope, span, after, bounds, &matches)?;
    let newest = search::newest(db, scope, Series::Registrations, context.now)?;
    let listed: Vec<_> = page.records.iter().map(|it| object::summary(it, &names)).collect();
    let body = json!({
        "registrations": listed,
        "next": page.next.map(|next| cursor::text(&next)),
        "partial": page.partial,
        "newest": newest.map(UnixMicros::to_rfc3339),
    });
    Ok(json_response(200, &body))
}

pub(super) fn one(context: &Context<'_>, scope: &Scope) -> Answer {
    let id: CallId = context.item.parse().map_err(|_| no_such_record())?;
    let db = &context.app.db;
    let found = registrations::registration(db, scope, id, context.now)?;
    let found = found.ok_or_else(no_such_record)?;
    let names = Names::new(&fleet::sensors(db, scope)?);
    Ok(json_response(200, &object::whole(&found, &names)))
}

fn asked(context: &Context<'_>, names: &Names) -> Result<(RegistrationFilter, Part), ApiError> {
    let (mut filter, mut part) = (RegistrationFilter::default(), Part::new(context.now));
    let device = |number: u64| names.device(number);
    for (name, value) in query::parameters(&context.request.query)? {
        if part.take(&name, &value)? {
            continue;
        }
        if !REGISTRATION_NAMES.contains(&name.as_str()) {
            return Err(unknown(&name, REGISTRATION_NAMES));
        }
        filter.add(&name, &value, &device)?;
    }
    Ok((filter, part))
}

fn no_such_record() -> ApiError {
    ApiError::not_found(
        "You have no registration record with this id: it may be older than 25 days, or the \
         address was not copied whole. /api/v1/registrations finds those you have.",
    )
}
