//! Sums as they are asked for.

use std::collections::BTreeMap;

use ringside_protocol::cdr::Fingerprint;
use ringside_protocol::time::{MICROS_PER_SECOND, UnixMicros};

use super::{COLUMNS, SLOT, Sums};
use crate::auth::Scope;
use crate::db::search::{Span, key};
use crate::db::stats::HOUR;
use crate::db::{Db, Result, Row, loaded_time, params, stored_time};

/// The five minutes of `span` in which calls ended, in order.
///
/// # Errors
/// The database's.
pub fn over_time(db: &Db, scope: &Scope, span: Span) -> Result<Vec<(UnixMicros, Sums)>> {
    let connection = db.reader();
    let width = SLOT / MICROS_PER_SECOND;
    let mut statement = connection.prepare_cached(&format!(
        "SELECT at, {} FROM call_sums WHERE customer = ?1 AND width = {width} AND at >= ?2 AND at < \
         ?3 ORDER BY at",
        COLUMNS.join(", ")
    ))?;
    let bounds = params![scope.customer().0, stored_time(span.from), stored_time(span.until)];
    let mut rows = statement.query(bounds)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push((loaded_time(row.get(0)?), sums(&row)?));
    }
    Ok(found)
}

/// What the calls of each sensor add up to in the whole hours of `span`.
///
/// # Errors
/// The database's.
pub fn by_sensor(db: &Db, scope: &Scope, span: Span) -> Result<BTreeMap<Fingerprint, Sums>> {
    let connection = db.reader();
    let width = HOUR / MICROS_PER_SECOND;
    let columns = COLUMNS.map(|column| format!("CAST(sum({column}) AS INTEGER)"));
    let mut statement = connection.prepare_cached(&format!(
        "SELECT device, {} FROM call_sums WHERE customer = ?1 AND width = {width} AND at >= ?2 AND \
         at < ?3 GROUP BY device",
        columns.join(", ")
    ))?;
    let bounds = params![scope.customer().0, stored_time(span.from), stored_time(span.until)];
    let mut rows = statement.query(bounds)?;
    let mut found = BTreeMap::new();
    while let Some(row) = rows.next()? {
        if let Some(device) = key(&row, 0)? {
            found.insert(Fingerprint(device), sums(&row)?);
        }
    }
    Ok(found)
}

/// The columns after the first.
fn sums(row: &Row<'_>) -> Result<Sums> {
    let mut values = [0; COLUMNS.len()];
    for (column, value) in values.iter_mut().enumerate() {
        *value = u64::try_from(row.get::<_, i64>(column + 1)?).unwrap_or(0);
    }
    Ok(Sums::from_values(values))
}
