//! Sums of records that came before there were any.

use std::sync::atomic::{AtomicBool, Ordering};

use ringside_protocol::cdr::Cdr;
use ringside_protocol::time::UnixMicros;
use ringside_protocol::{OLDEST_PROTOCOL_VERSION, PROTOCOL_VERSION};

use super::tally::{Seen, Tally};
use crate::db::calls::Row;
use crate::db::search::{key, text};
use crate::db::stats::HOUR;
use crate::db::{
    Connection, Customer, Db, Result, Series, day_table, day_tables, loaded_time, params,
    stored_time,
};
use ringside_protocol::cdr::Fingerprint;

/// Hours of a day.
const HOURS: u64 = 24;

/// Notes all hours of the days that are there.
pub(in crate::db) fn note_unsummed(tx: &Connection) -> Result<()> {
    for table in day_tables(tx, Series::Calls)? {
        let date = table.trim_start_matches(Series::Calls.prefix());
        let text = format!("{}-{}-{}", &date[..4], &date[4..6], &date[6..8]);
        let Some(day) = UnixMicros::from_date(&text) else { continue };
        for hour in 0..HOURS {
            tx.prepare_cached("INSERT INTO unsummed (at) VALUES (?1) ON CONFLICT DO NOTHING")?
                .execute(params![stored_time(day.plus(hour * HOUR))])?;
        }
    }
    Ok(())
}

impl Db {
    /// Adds up the hours that are not, the newest first, each in a transaction of its own. Comes
    /// back early when `stop` is set; answers how many hours it did.
    ///
    /// # Errors
    /// The database's; what was added up before stays.
    pub fn rebuild_sums(&self, stop: &AtomicBool) -> Result<usize> {
        let customers = self.customers()?;
        let mut done = 0;
        while !stop.load(Ordering::Relaxed) {
            let rebuilt = self.write(|tx| {
                let newest: Option<i64> = tx
                    .prepare_cached("SELECT max(at) FROM unsummed")?
                    .query_row([], |row| row.get(0))?;
                let Some(hour) = newest.map(loaded_time) else { return Ok(false) };
                for customer in &customers {
                    add_up(tx, customer.customer, hour)?;
                }
                tx.execute("DELETE FROM unsummed WHERE at = ?1", params![stored_time(hour)])?;
                Ok(true)
            })?;
            if !rebuilt {
                break;
            }
            done += 1;
        }
        Ok(done)
    }
}

/// Adds up an hour of a customer.
fn add_up(tx: &Connection, customer: Customer, hour: UnixMicros) -> Result<()> {
    let table = day_table(Series::Calls, hour);
    if !day_tables(tx, Series::Calls)?.contains(&table) {
        return Ok(());
    }
    let mut statement = tx.prepare_cached(&format!(
        "SELECT device, ended_at, start_at, caller, callee, call_id, addresses, status_code, \
         ended_by, answered, duration_us, mos, flags, version, record FROM {table} WHERE customer = \
         ?1 AND ended_at >= ?2 AND ended_at < ?3"
    ))?;
    let bounds = params![customer.0, stored_time(hour), stored_time(hour.plus(HOUR))];
    let mut rows = statement.query(bounds)?;
    let mut tally = Tally::of_rebuild(customer);
    while let Some(row) = rows.next()? {
        let Some(device) = key(&row, 0)? else { continue };
        let record: Vec<u8> = row.get(14)?;
        let seen = Seen {
            row: Row {
                ended_at: loaded_time(row.get(1)?),
                device: Fingerprint(device),
                caller: text(row.get_ref(3)?),
                callee: text(row.get_ref(4)?),
                call_id: text(row.get_ref(5)?),
                addresses: text(row.get_ref(6)?),
                status_code: row.get(7)?,
                ended_by: row.get(8)?,
                answered: row.get(9)?,
                duration_us: row.get(10)?,
                mos: row.get(11)?,
                flags: u32::try_from(row.get::<_, i64>(12)?).unwrap_or(0),
            },
            start_at: loaded_time(row.get(2)?),
            delay: delay(row.get(13)?, &record),
        };
        tally.add(&seen);
    }
    tally.close(tx)
}

/// The session request delay of a record; `None` for one that cannot be read, too.
fn delay(version: i64, record: &[u8]) -> Option<u64> {
    let version = u8::try_from(version).ok()?;
    let is_read = (OLDEST_PROTOCOL_VERSION..=PROTOCOL_VERSION).contains(&version);
    let (cdr, _) = postcard::take_from_bytes::<Cdr>(record).ok().filter(|_| is_read)?;
    cdr.session_request_delay
}
