//! `GET /registrations`, as pages or as CSV, and `GET /registrations/{id}`.

mod object;

use serde_json::Value;

use super::csv::Column;
use super::listing::{Listed, id_of, none_with_this_id};
use super::names::Names;
use super::reply::json_response;
use super::{Answer, Context};
use crate::auth::Scope;
use crate::db::fleet;
use crate::db::registrations::{self, Registrations, Row, Stored};
use crate::filter::{Devices, Invalid, REGISTRATION_NAMES, RegistrationFilter};

impl Listed for Registrations {
    const NAME: &'static str = "registrations";
    const CONDITIONS: &'static [&'static str] = REGISTRATION_NAMES;
    const COLUMNS_OF_CSV: &'static [Column] = &[
        ("id", "/id"),
        ("at", "/at"),
        ("state", "/state"),
        ("state_seconds", "/state_seconds"),
        ("cause", "/cause"),
        ("last_attempt_at", "/last_attempt_at"),
        ("user", "/aor/user"),
        ("host", "/aor/host"),
        ("display", "/aor/display"),
        ("registrar", "/registrar"),
        ("contact", "/contact"),
        ("src", "/src"),
        ("dst", "/dst"),
        ("transport", "/transport"),
        ("status_code", "/status_code"),
        ("reason_phrase", "/reason_phrase"),
        ("is_wrong_password", "/is_wrong_password"),
        ("expires_asked_s", "/expires_asked_s"),
        ("expires_granted_s", "/expires_granted_s"),
        ("expires_at", "/expires_at"),
        ("granted", "/granted"),
        ("failures", "/failures"),
        ("failures_in_a_row", "/failures_in_a_row"),
        ("retransmissions", "/retransmissions"),
        ("round_trip_ms", "/round_trip_ms"),
        ("round_trip_max_ms", "/round_trip_max_ms"),
        ("user_agent", "/user_agent"),
        ("registrar_agent", "/registrar_agent"),
        ("flags", "/flags"),
        ("id_sensor", "/sensor/id_sensor"),
        ("sensor", "/sensor/name"),
        ("severity", "/verdict/severity"),
        ("verdict", "/verdict/sentence"),
    ];
    type Filter = RegistrationFilter;

    fn add(
        filter: &mut RegistrationFilter,
        name: &str,
        value: &str,
        devices: Devices<'_>,
    ) -> Result<(), Invalid> {
        filter.add(name, value, devices)
    }

    fn matches(filter: &RegistrationFilter, row: &Row<'_>) -> bool {
        filter.matches(row)
    }

    fn summary(stored: &Stored, names: &Names) -> Value {
        object::summary(stored, names)
    }
}

pub(super) fn one(context: &Context<'_>, scope: &Scope) -> Answer {
    let id = id_of(context, "registration record", "registrations")?;
    let db = &context.app.db;
    let found = registrations::registration(db, scope, id, context.now)?;
    let found = found.ok_or_else(|| none_with_this_id("registration record", "registrations"))?;
    let names = Names::new(&fleet::sensors(db, scope)?);
    Ok(json_response(200, &object::whole(&found, &names)))
}
