//! `GET /peers`, as pages or as CSV, and `GET /peers/{id}`.

mod object;

use serde_json::Value;

use super::csv::Column;
use super::listing::{Listed, id_of, none_with_this_id};
use super::names::Names;
use super::reply::json_response;
use super::{Answer, Context};
use crate::auth::Scope;
use crate::db::fleet;
use crate::db::peers::{self, Peers, Row, Stored};
use crate::filter::{Devices, Invalid, PEER_NAMES, PeerFilter};

impl Listed for Peers {
    const NAME: &'static str = "peers";
    const CONDITIONS: &'static [&'static str] = PEER_NAMES;
    const COLUMNS_OF_CSV: &'static [Column] = &[
        ("id", "/id"),
        ("at", "/at"),
        ("method", "/method"),
        ("event", "/event"),
        ("from", "/from"),
        ("to", "/to"),
        ("src", "/src"),
        ("dst", "/dst"),
        ("transport", "/transport"),
        ("state", "/state"),
        ("state_at", "/state_at"),
        ("cause", "/cause"),
        ("first_at", "/first_at"),
        ("last_at", "/last_at"),
        ("answered_at", "/answered_at"),
        ("requests", "/requests"),
        ("answered", "/answered"),
        ("unanswered", "/unanswered"),
        ("unanswered_in_a_row", "/unanswered_in_a_row"),
        ("retransmissions", "/retransmissions"),
        ("answers_2xx", "/answers/2xx"),
        ("answers_3xx", "/answers/3xx"),
        ("answers_4xx", "/answers/4xx"),
        ("answers_5xx", "/answers/5xx"),
        ("answers_6xx", "/answers/6xx"),
        ("status_code", "/status_code"),
        ("reason_phrase", "/reason_phrase"),
        ("round_trip_min_ms", "/round_trip_min_ms"),
        ("round_trip_mean_ms", "/round_trip_mean_ms"),
        ("round_trip_max_ms", "/round_trip_max_ms"),
        ("user_agent", "/user_agent"),
        ("peer_agent", "/peer_agent"),
        ("flags", "/flags"),
        ("id_sensor", "/sensor/id_sensor"),
        ("sensor", "/sensor/name"),
        ("severity", "/verdict/severity"),
        ("verdict", "/verdict/sentence"),
    ];
    type Filter = PeerFilter;

    fn add(
        filter: &mut PeerFilter,
        name: &str,
        value: &str,
        devices: Devices<'_>,
    ) -> Result<(), Invalid> {
        filter.add(name, value, devices)
    }

    fn matches(filter: &PeerFilter, row: &Row<'_>) -> bool {
        filter.matches(row)
    }

    fn summary(stored: &Stored, names: &Names) -> Value {
        object::summary(stored, names)
    }
}

pub(super) fn one(context: &Context<'_>, scope: &Scope) -> Answer {
    let id = id_of(context, "peer record", "peers")?;
    let db = &context.app.db;
    let found = peers::peer(db, scope, id, context.now)?;
    let found = found.ok_or_else(|| none_with_this_id("peer record", "peers"))?;
    let names = Names::new(&fleet::sensors(db, scope)?);
    Ok(json_response(200, &object::whole(&found, &names)))
}
