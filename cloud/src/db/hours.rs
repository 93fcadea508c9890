//! What each hour's calls add up to, kept as they come.

use ringside_protocol::time::UnixMicros;

use super::stats::Counts;
use super::{Connection, Customer, Result, Row, loaded_time, params, stored_time};

/// The columns, in the order of [`values`].
const COLUMNS: [&str; 15] = [
    "calls",
    "answered",
    "duration_us",
    "excellent",
    "good",
    "fair",
    "degraded",
    "no_audio",
    "unrated",
    "mos_sum",
    "mos_calls",
    "redirected",
    "callee_refused",
    "ineffective",
    "cancelled",
];

const fn values(counts: &Counts) -> [u64; 15] {
    [
        counts.calls,
        counts.answered,
        counts.duration_us,
        counts.excellent,
        counts.good,
        counts.fair,
        counts.degraded,
        counts.no_audio,
        counts.unrated,
        counts.mos_sum,
        counts.mos_calls,
        counts.redirected,
        counts.callee_refused,
        counts.ineffective,
        counts.cancelled,
    ]
}

/// Reads the columns from `first` on.
pub(super) fn read(row: &Row<'_>, first: usize) -> Result<Counts> {
    let count = |column: usize| -> Result<u64> {
        let sum: Option<i64> = row.get(first + column)?;
        Ok(sum.map_or(0, |sum| u64::try_from(sum).unwrap_or(0)))
    };
    Ok(Counts {
        calls: count(0)?,
        answered: count(1)?,
        duration_us: count(2)?,
        excellent: count(3)?,
        good: count(4)?,
        fair: count(5)?,
        degraded: count(6)?,
        no_audio: count(7)?,
        unrated: count(8)?,
        mos_sum: count(9)?,
        mos_calls: count(10)?,
        redirected: count(11)?,
        callee_refused: count(12)?,
        ineffective: count(13)?,
        cancelled: count(14)?,
    })
}

/// Adds to an hour, or, where `sign` is -1, takes away.
pub(super) fn add(
    tx: &Connection,
    customer: Customer,
    hour: UnixMicros,
    counts: &Counts,
    sign: i64,
) -> Result<()> {
    let places: Vec<_> = (3..COLUMNS.len() + 3).map(|place| format!("?{place}")).collect();
    let sums: Vec<_> = COLUMNS
        .iter()
        .map(|column| format!("{column} = cdr_hour.{column} + excluded.{column}"))
        .collect();
    let mut statement = tx.prepare_cached(&format!(
        "INSERT INTO cdr_hour (customer, hour, {}) VALUES (?1, ?2, {}) ON CONFLICT (customer, hour) \
         DO UPDATE SET {}",
        COLUMNS.join(", "),
        places.join(", "),
        sums.join(", ")
    ))?;
    let signed = |count| i64::try_from(count).unwrap_or(i64::MAX).saturating_mul(sign);
    let mut row = vec![super::Value::Integer(customer.0), super::Value::Integer(stored_time(hour))];
    row.extend(values(counts).map(|count| super::Value::Integer(signed(count))));
    statement.execute(row.as_slice())?;
    Ok(())
}

/// Whether all calls of a day are counted here.
pub(super) fn is_counted(connection: &Connection, table: &str) -> Result<bool> {
    let mut statement =
        connection.prepare_cached("SELECT count(*) FROM counted_day WHERE name = ?1")?;
    statement.query_row([table], |row| row.get(0))
}

/// The hours of a day's table in which a customer has calls, the newest first.
pub(super) fn of_day(
    connection: &Connection,
    customer: Customer,
    table: &str,
) -> Result<Vec<UnixMicros>> {
    Ok(counts(connection, customer, table)?.into_iter().map(|(hour, _)| hour).collect())
}

/// The hours of a day's table in which a customer has calls, the newest first, and their figures.
pub(super) fn counts(
    connection: &Connection,
    customer: Customer,
    table: &str,
) -> Result<Vec<(UnixMicros, Counts)>> {
    let Some((from, until)) = super::bounds_of_day(table) else { return Ok(Vec::new()) };
    let mut statement = connection.prepare_cached(&format!(
        "SELECT hour, {} FROM cdr_hour WHERE customer = ?1 AND hour >= ?2 AND hour < ?3 AND \
         calls > 0 ORDER BY hour DESC",
        COLUMNS.join(", ")
    ))?;
    let bounds = params![customer.0, stored_time(from), stored_time(until)];
    statement.query_map(bounds, |row| Ok((loaded_time(row.get(0)?), read(row, 1)?)))?.collect()
}

/// Forgets hours that ended at `until` or before.
pub(super) fn forget(tx: &Connection, until: UnixMicros) -> Result<()> {
    let begin = UnixMicros(until.0.saturating_sub(super::stats::HOUR));
    tx.execute("DELETE FROM cdr_hour WHERE hour <= ?1", [stored_time(begin)])?;
    Ok(())
}
