//! `GET /calls`, as pages or as CSV, and `GET /calls/{id}`.

pub(super) mod object;

use serde_json::{Value, json};

pub(super) use self::object::decoded;
use super::csv::Column;
use super::listing::{Folding, Listed, id_of, none_with_this_id};
use super::names::Names;
use super::reply::json_response;
use super::{Answer, ApiError, Context};
use crate::auth::Scope;
use crate::db::calls::{self, Calls, Row, Stored};
use crate::db::fleet;
use crate::db::terms::Range;
use crate::db::views::{self, Place, View};
use crate::filter::{Devices, Filter, Invalid, NAMES};

impl Listed for Calls {
    const NAME: &'static str = "calls";
    const CONDITIONS: &'static [&'static str] = NAMES;
    const COLUMNS_OF_CSV: &'static [Column] = &[
        ("id", "/id"),
        ("call_id", "/call_id"),
        ("caller", "/caller/user"),
        ("caller_display", "/caller/display"),
        ("callee", "/callee/user"),
        ("callee_display", "/callee/display"),
        ("src", "/src"),
        ("dst", "/dst"),
        ("first_at", "/first_at"),
        ("start_at", "/start_at"),
        ("answered_at", "/answered_at"),
        ("ended_at", "/ended_at"),
        ("session_request_delay_ms", "/session_request_delay_ms"),
        ("setup_ms", "/setup_ms"),
        ("duration_ms", "/duration_ms"),
        ("status_code", "/status_code"),
        ("reason_phrase", "/reason_phrase"),
        ("ended_by", "/ended_by"),
        ("flags", "/flags"),
        ("mos", "/mos"),
        ("r", "/r"),
        ("mos_scale", "/mos_scale"),
        ("caller_agent", "/caller_agent"),
        ("callee_agent", "/callee_agent"),
        ("id_sensor", "/sensor/id_sensor"),
        ("sensor", "/sensor/name"),
        ("severity", "/verdict/severity"),
        ("verdict", "/verdict/sentence"),
    ];
    const FOLDS: bool = true;
    type Filter = Filter;

    fn add(
        filter: &mut Filter,
        name: &str,
        value: &str,
        devices: Devices<'_>,
    ) -> Result<(), Invalid> {
        filter.add(name, value, devices)
    }

    fn matches(filter: &Filter, row: &Row<'_>) -> bool {
        filter.matches(row)
    }

    fn terms(filter: &Filter) -> Vec<Range> {
        filter.terms()
    }

    fn summary(stored: &Stored, names: &Names) -> Value {
        object::summary(stored, names)
    }

    fn folded(page: &Folding<'_, Self>) -> Result<Vec<Value>, ApiError> {
        folded(page)
    }
}

/// One row a call: what several sensors, or several legs, tell of it stands with its newest record.
fn folded(page: &Folding<'_, Calls>) -> Result<Vec<Value>, ApiError> {
    let keyed: Vec<_> =
        page.records.iter().map(|stored| (object::legs_key(stored), stored.clone())).collect();
    let matches = |row: &Row<'_>| page.filter.matches(row);
    let places = views::places(page.db, page.scope, &keyed, page.span, &matches)?;
    let rows = keyed.iter().zip(places).filter_map(|((_, stored), place)| {
        let Place::First(others) = place else { return None };
        let mut row = object::summary(stored, page.names);
        let view = |view: &View| {
            json!({
                "id": view.position.id().to_string(),
                "sensor": page.names.object(view.position.device),
                "is_other_leg": view.call_id != stored.call_id,
            })
        };
        row["views"] = others.iter().map(view).collect();
        Some(row)
    });
    Ok(rows.collect())
}

pub(super) fn one(context: &Context<'_>, scope: &Scope) -> Answer {
    let id = id_of(context, "call", "calls")?;
    let db = &context.app.db;
    let found = calls::call(db, scope, id, context.now)?;
    let found = found.ok_or_else(|| none_with_this_id("call", "calls"))?;
    let names = Names::new(&fleet::sensors(db, scope)?);
    let key = object::legs_key(&found);
    let legs = calls::legs(db, scope, &key, found.ended_at, context.now)?;
    Ok(json_response(200, &object::whole(&found, &legs, &names)))
}
