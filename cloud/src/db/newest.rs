//! The newest record of each registration, and of each peer relation.
//!
//! They have many records; the newest of each is marked, so that the list of what holds now is a
//! search like any other. Where it stands is kept in a table of its own, so that the one before it
//! stops being the newest.

use ringside_protocol::cdr::Boot;
use ringside_protocol::time::UnixMicros;

use super::cdrs::Origin;
use super::{
    Connection, Db, OptionalExtension, Result, Series, day_table, loaded_time, params, stored_time,
};

/// Where a record stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) ended_at: UnixMicros,
    pub(super) boot: Boot,
    pub(super) number: u64,
}

/// Marks the record at `here` as the newest of what has this key, unless a later one came before it.
pub(super) fn mark(
    tx: &Connection,
    series: Series,
    origin: Origin,
    key: &str,
    here: Place,
) -> Result<()> {
    let Origin { customer, device, .. } = origin;
    let table = series.newest_table();
    let known = tx
        .prepare_cached(&format!(
            "SELECT ended_at, boot, number FROM {table} \
             WHERE customer = ?1 AND device = ?2 AND key = ?3"
        ))?
        .query_row(params![customer.0, device.0, key], |row| {
            Ok(Place {
                ended_at: loaded_time(row.get(0)?),
                boot: Boot(row.get(1)?),
                number: row.get::<_, i64>(2)?.cast_unsigned(),
            })
        })
        .optional()?;
    if let Some(known) = known {
        if known >= here {
            return Ok(());
        }
        set(tx, series, origin, known, false)?;
    }
    tx.prepare_cached(&format!(
        "INSERT INTO {table} (customer, device, key, ended_at, boot, number) VALUES (?1, ?2, ?3, ?4, \
         ?5, ?6) ON CONFLICT (customer, device, key) DO UPDATE SET ended_at = excluded.ended_at, \
         boot = excluded.boot, number = excluded.number"
    ))?
    .execute(params![
        customer.0,
        device.0,
        key,
        stored_time(here.ended_at),
        here.boot.0,
        here.number.cast_signed()
    ])?;
    set(tx, series, origin, here, true)
}

fn set(
    tx: &Connection,
    series: Series,
    origin: Origin,
    place: Place,
    is_newest: bool,
) -> Result<()> {
    let table = day_table(series, place.ended_at);
    tx.prepare_cached(&format!(
        "UPDATE {table} SET is_newest = ?5 \
         WHERE customer = ?1 AND device = ?2 AND boot = ?3 AND number = ?4"
    ))?
    .execute(params![
        origin.customer.0,
        origin.device.0,
        place.boot.0,
        place.number.cast_signed(),
        is_newest
    ])?;
    Ok(())
}

impl Db {
    /// Forgets where the newest records stand that were made at `until` or before: their rows
    /// leave too. To be done before a day's table is dropped.
    ///
    /// # Errors
    /// The database's.
    pub fn forget_newest(&self, until: UnixMicros) -> Result<()> {
        self.write(|tx| {
            for series in [Series::Registrations, Series::Peers] {
                let table = series.newest_table();
                tx.execute(
                    &format!("DELETE FROM {table} WHERE ended_at <= ?1"),
                    [stored_time(until)],
                )?;
            }
            Ok(())
        })
    }
}
