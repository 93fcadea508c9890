//! `GET /calls`, as pages or as CSV, and `GET /calls/{id}`.

pub(super) mod object;

use serde_json::Value;

pub(super) use self::object::decoded;
use super::csv::Column;
use super::listing::{Listed, id_of, none_with_this_id};
use super::names::Names;
use super::reply::json_response;
use super::{Answer, Context};
use crate::auth::Scope;
use crate::db::calls::{self, Calls, Row, Stored};
use crate::db::fleet;
use crate::db::terms::Range;
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
