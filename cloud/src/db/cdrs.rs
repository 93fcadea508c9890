//! Records: written once, by day, and gone after the retention.

use core::fmt::Write;
use std::collections::{BTreeMap, BTreeSet};

use ringside_protocol::PROTOCOL_VERSION;
use ringside_protocol::cdr::{Boot, CallId, Cdr, EndedBy, Fingerprint};
use ringside_protocol::message::{Batch, BatchAck};
use ringside_protocol::record::Record;
use ringside_protocol::time::{MICROS_PER_SECOND, UnixMicros};

use super::alerts::queue::{call_channels, push_call};
use super::customers::count;
use super::intake::Intake;
use super::search::column;
use super::stats::{Counts, HOUR};
use super::sums::{Seen, Tally};
use super::terms::{self, Term};
use super::{
    Connection, Customer, Db, DbError, OptionalExtension, Result, Series, Statement, calls,
    day_table, day_tables, hours, make_day, params, peers, registrations, stored_time,
};
use crate::retention;

/// A record may end this far in the cloud's future, seconds: twice the difference of clocks that
/// the handshake allows.
pub const MAX_FUTURE_SECONDS: u64 = 600;

/// Addresses of a call in the column that filters use.
const MAX_COLUMN_ADDRESSES: usize = 64;

/// Where a record belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Filing {
    /// Under the day on which the call ended.
    OwnDay,
    /// Its time is impossible: under the day on which it arrived.
    ArrivalDay,
    /// Nowhere: it is older than the retention.
    Expired,
}

/// What makes a record unique, besides its number.
#[derive(Clone, Copy)]
pub(super) struct Origin {
    pub(super) customer: Customer,
    pub(super) device: Fingerprint,
    pub(super) boot: Boot,
}

impl Db {
    /// Keeps the records of a batch in one transaction. What is there already stays as it is.
    ///
    /// The records are on the disk when this returns.
    ///
    /// # Errors
    /// The database's, and [`DbError::OverQuota`]; nothing of the batch is kept then.
    pub fn store_batch(
        &self,
        customer: Customer,
        device: Fingerprint,
        batch: &Batch,
        now: UnixMicros,
    ) -> Result<BatchAck> {
        let origin = Origin { customer, device, boot: batch.boot };
        self.write(|tx| {
            let mut writer = Writer::new(tx, origin, now)?;
            for record in &batch.records {
                writer.take(record)?;
            }
            writer.finish()
        })
    }
}

/// One batch on its way into the day tables.
struct Writer<'a> {
    tx: &'a Connection,
    origin: Origin,
    now: UnixMicros,
    /// Whether this boot has records that were filed under the day of their arrival.
    has_misdated: bool,
    /// The table of the call before, with its insertion: batches mostly stay within a day.
    open: Option<(String, Statement<'a>)>,
    ack: BatchAck,
    intake: Intake,
    tally: Tally,
    misdated: u32,
    newest: Option<UnixMicros>,
    /// Terms of new calls, by the table of their day: bucket, term, rowid.
    terms: BTreeMap<String, Vec<(i64, Term, i64)>>,
    /// What new calls add to their hours.
    hours: BTreeMap<UnixMicros, Counts>,
    /// Whether the days' calls are counted and have terms.
    counted: BTreeMap<String, bool>,
    /// Webhooks that are told of finished calls, with how much each has waiting.
    hooks: Vec<(i64, u32)>,
    /// Calls of which a webhook will not be told: too many wait.
    untold: u32,
}

impl<'a> Writer<'a> {
    fn new(tx: &'a Connection, origin: Origin, now: UnixMicros) -> Result<Self> {
        let has_misdated = tx
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM misdated WHERE customer = ?1 AND device = ?2 AND \
                 boot = ?3)",
            )?
            .query_row(params![origin.customer.0, origin.device.0, origin.boot.0], |row| {
                row.get(0)
            })?;
        let ack = BatchAck { stored: 0, known: 0, expired: 0, refused: 0 };
        let intake = Intake::open(tx, origin.customer, now)?;
        let hooks = call_channels(tx, origin.customer)?;
        let (open, misdated, newest, untold) = (None, 0, None, 0);
        let tally = Tally::open(tx, origin.customer)?;
        Ok(Self {
            tx,
            origin,
            now,
            has_misdated,
            open,
            ack,
            intake,
            tally,
            misdated,
            newest,
            terms: BTreeMap::new(),
            hours: BTreeMap::new(),
            counted: BTreeMap::new(),
            hooks,
            untold,
        })
    }

    fn take(&mut self, record: &Record) -> Result<()> {
        if self.has_misdated && self.is_misdated(record.number())? {
            self.ack.known += 1;
            return Ok(());
        }
        let ended_at = match filing(record, self.now) {
            Filing::OwnDay => record.ended_at(),
            Filing::ArrivalDay => {
                self.remember_misdated(record.number())?;
                self.now
            }
            Filing::Expired => {
                self.ack.expired += 1;
                return Ok(());
            }
        };
        let stored = match record {
            Record::Call(cdr) => self.insert_call(cdr, ended_at)?,
            Record::Registration(registration) => {
                registrations::insert(self.tx, self.origin, registration, ended_at, self.now)?
            }
            Record::Peer(peer) => peers::insert(self.tx, self.origin, peer, ended_at, self.now)?,
        };
        let Some(bytes) = stored else {
            self.ack.known += 1;
            return Ok(());
        };
        self.ack.stored += 1;
        self.intake.add(bytes);
        if let Record::Call(cdr) = record {
            self.newest = self.newest.max(Some(ended_at));
            self.tell_of(record.number())?;
            self.sum_up(cdr, ended_at);
        }
        Ok(())
    }

    /// Queues a finished call for the webhooks that are told of calls.
    fn tell_of(&mut self, number: u64) -> Result<()> {
        let Origin { customer, device, boot } = self.origin;
        let call = CallId { device, boot, number };
        self.untold += push_call(self.tx, customer, call, &mut self.hooks, self.now)?;
        Ok(())
    }

    fn is_misdated(&self, number: u64) -> Result<bool> {
        let Origin { customer, device, boot } = self.origin;
        let found = self
            .tx
            .prepare_cached(
                "SELECT 1 FROM misdated WHERE customer = ?1 AND device = ?2 AND boot = ?3 AND \
                 number = ?4",
            )?
            .query_row(params![customer.0, device.0, boot.0, number.cast_signed()], |_| Ok(()))
            .optional()?;
        Ok(found.is_some())
    }

    fn remember_misdated(&mut self, number: u64) -> Result<()> {
        let Origin { customer, device, boot } = self.origin;
        self.tx
            .prepare_cached(
                "INSERT INTO misdated (customer, device, boot, number, filed_at) VALUES (?1, ?2, \
                 ?3, ?4, ?5)",
            )?
            .execute(params![
                customer.0,
                device.0,
                boot.0,
                number.cast_signed(),
                stored_time(self.now)
            ])?;
        self.has_misdated = true;
        self.misdated += 1;
        Ok(())
    }

    /// The record's bytes; `None` when it is there already.
    fn insert_call(&mut self, cdr: &Cdr, ended_at: UnixMicros) -> Result<Option<usize>> {
        let table = day_table(Series::Calls, ended_at);
        if self.open.as_ref().is_none_or(|(open, _)| *open != table) {
            self.open = None;
            make_day(self.tx, Series::Calls, ended_at)?;
            if !self.counted.contains_key(&table) {
                let is_counted = hours::is_counted(self.tx, &table)?;
                self.counted.insert(table.clone(), is_counted);
            }
            let insertion = self.tx.prepare_cached(&insertion(&table))?;
            self.open = Some((table, insertion));
        }
        let Some((table, insertion)) = &mut self.open else { return Ok(None) };
        let record =
            postcard::to_stdvec(cdr).map_err(|_| DbError::Damaged("a record's encoding"))?;
        let Origin { customer, device, boot } = self.origin;
        let addresses = addresses(cdr);
        let mos = cdr.worst(|stream| stream.adaptive).map(|(score, _)| score.mos);
        let duration = cdr.duration().map(|duration| i64::try_from(duration).unwrap_or(i64::MAX));
        let row = calls::Row {
            ended_at,
            device,
            caller: column(&cdr.caller.user),
            callee: column(&cdr.callee.user),
            call_id: column(&cdr.call_id),
            addresses: &addresses,
            status_code: cdr.status.as_ref().map(|status| status.code.into()),
            ended_by: ended_by(cdr.ended_by).into(),
            answered: cdr.answered.is_some(),
            duration_us: duration,
            mos: mos.map(i64::from),
            flags: cdr.flags,
        };
        let inserted = insertion.execute(params![
            customer.0,
            device.0,
            boot.0,
            cdr.number.cast_signed(),
            stored_time(ended_at),
            stored_time(start_at(cdr, ended_at)),
            stored_time(self.now),
            row.call_id,
            row.caller,
            row.callee,
            row.addresses,
            row.status_code,
            row.ended_by,
            row.answered,
            row.duration_us,
            row.mos,
            row.flags,
            column(legs_key(cdr)),
            PROTOCOL_VERSION,
            record
        ])?;
        if inserted == 0 {
            return Ok(None);
        }
        if self.counted.get(table) == Some(&true) {
            let hour = UnixMicros(ended_at.0 - ended_at.0 % HOUR);
            let hours = self.hours.entry(hour).or_default();
            *hours = hours.plus(Counts::of(&row));
            if let Some(sqlite) = self.tx.as_sqlite() {
                let (bucket, call) = (terms::bucket(ended_at), sqlite.last_insert_rowid());
                let terms = terms::of_call(cdr, device, mos).into_iter();
                let of_day = self.terms.entry(table.clone()).or_default();
                of_day.extend(terms.map(|term| (bucket, term, call)));
            }
        }
        Ok(Some(record.len()))
    }

    /// Adds a call that was not there to the sums.
    fn sum_up(&mut self, cdr: &Cdr, ended_at: UnixMicros) {
        let mos = cdr.worst(|stream| stream.adaptive).map(|(score, _)| score.mos);
        let row = calls::Row {
            ended_at,
            device: self.origin.device,
            caller: column(&cdr.caller.user),
            callee: column(&cdr.callee.user),
            call_id: column(&cdr.call_id),
            addresses: &addresses(cdr),
            status_code: cdr.status.as_ref().map(|status| status.code.into()),
            ended_by: ended_by(cdr.ended_by).into(),
            answered: cdr.answered.is_some(),
            duration_us: cdr.duration().map(|us| i64::try_from(us).unwrap_or(i64::MAX)),
            mos: mos.map(i64::from),
            flags: cdr.flags,
        };
        let start_at = start_at(cdr, ended_at);
        self.tally.add(&Seen { row, start_at, delay: cdr.session_request_delay });
    }

    fn finish(self) -> Result<BatchAck> {
        let Origin { customer, device, .. } = self.origin;
        count(self.tx, customer, "cdrs_expired", self.ack.expired)?;
        count(self.tx, customer, "cdrs_misdated", self.misdated)?;
        count(self.tx, customer, "call_notifications_dropped", self.untold)?;
        if self.ack.stored > 0 {
            self.intake.close(self.tx)?;
            self.tally.close(self.tx)?;
        }
        for (table, terms) in self.terms {
            terms::keep(self.tx, customer, &table, terms)?;
        }
        for (hour, counts) in &self.hours {
            hours::add(self.tx, customer, *hour, counts, 1)?;
        }
        self.tx
            .prepare_cached(
                "UPDATE sensor SET seen_at = ?2, last_cdr_at = CASE WHEN ?3 > \
                 coalesce(last_cdr_at, 0) THEN ?3 ELSE last_cdr_at END WHERE device = ?1",
            )?
            .execute(params![device.0, stored_time(self.now), self.newest.map(stored_time)])?;
        Ok(self.ack)
    }
}

/// Where a record belongs. A clock that was wrong loses no record: a time in the future, and an
/// old one of a sensor that says it did not know the time, are filed under the day of arrival.
fn filing(record: &Record, now: UnixMicros) -> Filing {
    let ended_at = record.ended_at();
    if ended_at > now.plus(MAX_FUTURE_SECONDS * MICROS_PER_SECOND) {
        return Filing::ArrivalDay;
    }
    if ended_at > retention::visible_after(now) {
        return Filing::OwnDay;
    }
    if record.is_clock_unset() { Filing::ArrivalDay } else { Filing::Expired }
}

/// The first INVITE, or the first packet seen; counted back from `ended_at`, which need not be the
/// record's own.
fn start_at(cdr: &Cdr, ended_at: UnixMicros) -> UnixMicros {
    let length = cdr.ended.saturating_sub(cdr.start.unwrap_or(0));
    UnixMicros(ended_at.0.saturating_sub(length))
}

/// What the legs of one call share; a call that knows of none may be the first of some.
#[must_use]
pub fn legs_key(cdr: &Cdr) -> &str {
    cdr.legs.as_ref().map_or(cdr.call_id.as_str(), |legs| legs.key.as_str())
}

/// The MOS of the call's worst direction, 1/100.
pub(crate) fn worst_mos(cdr: &Cdr) -> Option<u16> {
    cdr.worst(|stream| stream.adaptive).map(|(score, _)| score.mos)
}

/// The call's addresses without ports, each once, with a space before and after each.
pub(crate) fn addresses(cdr: &Cdr) -> String {
    let unique: BTreeSet<_> = cdr.addresses.iter().map(|address| address.ip()).collect();
    let mut text = String::from(" ");
    for address in unique.into_iter().take(MAX_COLUMN_ADDRESSES) {
        // Writing to a String cannot fail.
        let _ = write!(text, "{address} ");
    }
    text
}

/// The number of an end's reason in the database; it never changes.
#[must_use]
pub const fn ended_by(by: EndedBy) -> u8 {
    match by {
        EndedBy::Caller => 0,
        EndedBy::Callee => 1,
        EndedBy::Cancelled => 2,
        EndedBy::Rejected => 3,
        EndedBy::Timeout => 4,
        EndedBy::CaptureEnd => 5,
    }
}

fn insertion(table: &str) -> String {
    format!(
        "INSERT INTO {table} (customer, device, boot, number, ended_at, start_at, arrived_at, \
         call_id, caller, callee, addresses, status_code, ended_by, answered, duration_us, mos, \
         flags, legs, version, record) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, \
         ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20) ON CONFLICT DO NOTHING"
    )
}

impl Db {
    /// Deletes up to `limit` of the records of `table` that ended at `until` or before; answers how
    /// many it found. On PostgreSQL none: their partition leaves as a whole, within a day.
    ///
    /// # Errors
    /// The database's.
    pub fn expire_some(&self, table: &str, until: UnixMicros, limit: u32) -> Result<usize> {
        let mut deleted = 0;
        if self.writer().as_sqlite().is_none() {
            return Ok(deleted);
        }
        for customer in self.customers()? {
            deleted += self.write(|tx| {
                tx.execute(
                    &format!(
                        "DELETE FROM {table} WHERE rowid IN (SELECT rowid FROM {table} WHERE \
                         customer = ?1 AND ended_at <= ?2 LIMIT ?3)"
                    ),
                    params![customer.customer.0, stored_time(until), limit],
                )
            })?;
        }
        Ok(deleted)
    }

    /// Drops a day's table; answers how many records it still had.
    ///
    /// # Errors
    /// The database's.
    pub fn drop_day(&self, table: &str) -> Result<usize> {
        self.write(|tx| {
            let count = format!("SELECT count(*) FROM {table}");
            let records = tx.query_row(&count, [], |row| row.get(0))?;
            tx.execute_batch(&format!("DROP TABLE IF EXISTS {table}"))?;
            if tx.as_sqlite().is_some() && table.starts_with(Series::Calls.prefix()) {
                let terms = terms::table(table);
                tx.execute_batch(&format!("DROP TABLE IF EXISTS {terms}"))?;
            }
            tx.execute("DELETE FROM counted_day WHERE name = ?1", [table])?;
            Ok(records)
        })
    }

    /// Forgets misdated records that were filed at `until` or before: their rows have left too.
    ///
    /// # Errors
    /// The database's.
    pub fn forget_misdated(&self, until: UnixMicros) -> Result<()> {
        self.write(|tx| {
            tx.execute("DELETE FROM misdated WHERE filed_at <= ?1", [stored_time(until)])?;
            Ok(())
        })
    }

    /// Forgets what hours added up to that ended at `until` or before, and the terms of calls of
    /// `table` whose bucket did, up to `limit`; answers how many terms it found.
    ///
    /// # Errors
    /// The database's.
    pub fn forget_terms(&self, table: &str, until: UnixMicros, limit: u32) -> Result<usize> {
        self.write(|tx| {
            hours::forget(tx, until)?;
            if tx.as_sqlite().is_none() || !hours::is_counted(tx, table)? {
                return Ok(0);
            }
            let terms = terms::table(table);
            tx.execute(
                &format!(
                    "DELETE FROM {terms} WHERE (customer, bucket, term, call) IN (SELECT customer, \
                     bucket, term, call FROM {terms} WHERE bucket < ?1 LIMIT ?2)"
                ),
                params![terms::bucket(until), limit],
            )
        })
    }

    /// Empties the write-ahead log, as far as nobody is reading from it.
    ///
    /// # Errors
    /// The database's.
    pub fn truncate_log(&self) -> Result<()> {
        if let Some(sqlite) = self.writer().as_sqlite() {
            sqlite.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        }
        Ok(())
    }

    /// The tables of days of a series, the newest first.
    ///
    /// # Errors
    /// The database's.
    pub fn days(&self, series: Series) -> Result<Vec<String>> {
        day_tables(&self.reader(), series)
    }
}
