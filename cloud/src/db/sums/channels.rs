//! Channels in use over time: a call occupies one from its first packet to its end.

use std::collections::BTreeMap;

use ringside_protocol::cdr::Fingerprint;
use ringside_protocol::time::{MICROS_PER_SECOND, UnixMicros};

use super::{SLOT, begin};
use crate::auth::Scope;
use crate::db::search::Span;
use crate::db::sensors::{HEARTBEAT_SECONDS, MISSED_HEARTBEATS};
use crate::db::{
    Connection, Customer, Db, OptionalExtension, Result, loaded_time, params, stored_time,
};

/// Of a longer call only its last so many microseconds count: a day. It touches 288 rows then.
const MAX_BUSY: u64 = 86_400 * MICROS_PER_SECOND;

/// Channels in use in five minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Channels {
    /// Their beginning.
    pub at: UnixMicros,
    /// By calls that have ended, microseconds.
    pub record_us: u64,
    /// By what sensors said in heartbeats, microseconds.
    pub beat_us: u64,
}

impl Channels {
    /// Channels in use at once, on average: as records say, which come late but whole, or as
    /// heartbeats say, which know of calls that go on; the greater of the two.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    pub fn mean(&self) -> f64 {
        let us = self.record_us.max(self.beat_us);
        us as f64 / SLOT as f64
    }
}

/// The five minutes of which something is known, in order.
///
/// # Errors
/// The database's.
pub fn channels(db: &Db, scope: &Scope, span: Span) -> Result<Vec<Channels>> {
    let connection = db.reader();
    let mut statement = connection.prepare_cached(
        "SELECT at, record_us, beat_us FROM channel_use WHERE customer = ?1 AND at >= ?2 AND at < ?3 \
         ORDER BY at",
    )?;
    let bounds = params![scope.customer().0, stored_time(span.from), stored_time(span.until)];
    let mut rows = statement.query(bounds)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(Channels {
            at: loaded_time(row.get(0)?),
            record_us: row.get::<_, i64>(1)?.unsigned_abs(),
            beat_us: row.get::<_, i64>(2)?.unsigned_abs(),
        });
    }
    Ok(found)
}

/// Notes the channels of a heartbeat, for the time since the one before. To be done before the
/// heartbeat itself is noted.
pub(in crate::db) fn sample(
    tx: &Connection,
    customer: Customer,
    device: Fingerprint,
    channels: u16,
    now: UnixMicros,
) -> Result<()> {
    let before: Option<i64> = tx
        .prepare_cached("SELECT heartbeat_at FROM sensor WHERE device = ?1")?
        .query_row([device.0], |row| row.get(0))
        .optional()?
        .flatten();
    let usual = u64::from(HEARTBEAT_SECONDS) * MICROS_PER_SECOND;
    let since = before.map_or(u64::MAX, |before| now.since(loaded_time(before)));
    // After a silence nobody knows for how long it has been so.
    let since = if since > MISSED_HEARTBEATS * usual { usual } else { since };
    let busy = u64::from(channels) * since;
    add(tx, customer, begin(now, SLOT), [0, busy, 1])
}

/// Spreads a call over the times in which it went on.
pub(super) fn occupy(busy: &mut BTreeMap<UnixMicros, u64>, from: UnixMicros, until: UnixMicros) {
    let mut at = from.max(UnixMicros(until.0.saturating_sub(MAX_BUSY)));
    while at < until {
        let slot = begin(at, SLOT);
        let end = slot.plus(SLOT).min(until);
        *busy.entry(slot).or_default() += end.since(at);
        at = end;
    }
}

/// Adds what calls occupied.
pub(super) fn add_records(
    tx: &Connection,
    customer: Customer,
    busy: &BTreeMap<UnixMicros, u64>,
) -> Result<()> {
    busy.iter().try_for_each(|(at, us)| add(tx, customer, *at, [*us, 0, 0]))
}

fn add(tx: &Connection, customer: Customer, at: UnixMicros, more: [u64; 3]) -> Result<()> {
    let [record_us, beat_us, beats] = more.map(|value| i64::try_from(value).unwrap_or(i64::MAX));
    tx.prepare_cached(
        "INSERT INTO channel_use (customer, at, record_us, beat_us, beats) VALUES (?1, ?2, ?3, ?4, \
         ?5) ON CONFLICT (customer, at) DO UPDATE SET record_us = channel_use.record_us + \
         excluded.record_us, beat_us = channel_use.beat_us + excluded.beat_us, beats = \
         channel_use.beats + excluded.beats",
    )?
    .execute(params![customer.0, stored_time(at), record_us, beat_us, beats])?;
    Ok(())
}
