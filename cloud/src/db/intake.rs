//! How much a customer's sensors may have stored in a day, and what is said about what was not.
//!
//! The quota is there for a sensor that is broken or hostile: an honest one reaches it with calls
//! of 8 s each, one after the other on every channel for a whole day. What is over it stays in the
//! sensors' outboxes and is taken when the day (UTC) is over.

use core::fmt;

use ringside_protocol::cdr::Fingerprint;
use ringside_protocol::time::{MICROS_PER_SECOND, UnixMicros};

use super::customers::count;
use super::{
    Connection, Customer, Db, DbError, OptionalExtension, Result, loaded_time, params, stored_time,
};

/// Records that are stored for a customer in one day, for each of its channels. Calls of 30 s come
/// to 2880, and a phone's registration to 24.
pub const RECORDS_A_CHANNEL_A_DAY: u64 = 10_000;

/// Records that a customer with few channels may have stored in one day: strangers who ask and
/// register at random make two records a second at each sensor, whatever the calls.
pub const LEAST_RECORDS_A_DAY: u64 = 1_000_000;

/// Bytes that are stored for a customer in one day, for each of its channels. Calls of 30 s come to
/// some 7 MiB.
pub const BYTES_A_CHANNEL_A_DAY: u64 = 32 << 20;

/// Days after which a notice is neither shown nor counted on.
pub const NOTICE_DAYS: u64 = 7;

/// Between two lines of the log about the same, seconds.
const LOG_EVERY_SECONDS: u64 = 60;

/// Bytes of a row beside the record: its key, numbers, and their places in two indexes.
const ROW_BYTES: u64 = 256;

/// What a day may bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Records.
    pub records: u64,
    /// Bytes of their rows.
    pub bytes: u64,
}

impl Quota {
    /// Of a customer with so many channels.
    #[must_use]
    pub const fn of(channels: u16) -> Self {
        let channels = channels as u64;
        let records = channels * RECORDS_A_CHANNEL_A_DAY;
        Self {
            records: if records < LEAST_RECORDS_A_DAY { LEAST_RECORDS_A_DAY } else { records },
            bytes: channels * BYTES_A_CHANNEL_A_DAY,
        }
    }
}

/// As a limit that one can be at: "20 records or 30 MiB a day".
impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} records or {} MiB a day", self.records, self.bytes >> 20)
    }
}

/// What a day has brought so far.
#[derive(Debug)]
pub(super) struct Intake {
    customer: Customer,
    day: i64,
    records: u64,
    bytes: u64,
}

impl Intake {
    /// Today's, where there is room left for a batch.
    pub(super) fn open(tx: &Connection, customer: Customer, now: UnixMicros) -> Result<Self> {
        let day = i64::try_from(now.day()).unwrap_or(i64::MAX);
        let (records, bytes) = tx
            .prepare_cached("SELECT records, bytes FROM intake WHERE customer = ?1 AND day = ?2")?
            .query_row(params![customer.0, day], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?
            .unwrap_or_default();
        let channels = tx
            .prepare_cached("SELECT channels FROM customer WHERE customer = ?1")?
            .query_row([customer.0], |row| row.get(0))?;
        let quota = Quota::of(channels);
        if records >= quota.records || bytes >= quota.bytes {
            return Err(DbError::OverQuota(quota));
        }
        Ok(Self { customer, day, records, bytes })
    }

    /// A record was stored; its columns and their indexes repeat parts of it.
    pub(super) const fn add(&mut self, record_bytes: usize) {
        self.records += 1;
        self.bytes += 2 * record_bytes as u64 + ROW_BYTES;
    }

    pub(super) fn close(self, tx: &Connection) -> Result<()> {
        tx.prepare_cached(
            "INSERT INTO intake (customer, day, records, bytes) VALUES (?1, ?2, ?3, ?4) ON CONFLICT \
             (customer) DO UPDATE SET day = excluded.day, records = excluded.records, bytes = \
             excluded.bytes",
        )?
        .execute(params![self.customer.0, self.day, self.records, self.bytes])?;
        Ok(())
    }
}

/// Why something that a sensor sent was not kept as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Records that no sensor can have made.
    Records,
    /// Batches that cannot be read.
    Batches,
    /// Batches over the customer's quota: they come again.
    OverQuota,
    /// Heartbeats that said more than a sensor has to say, and were cut, or cannot be read.
    Heartbeats,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Records, Self::Batches, Self::OverQuota, Self::Heartbeats];

    /// Its name among a customer's counters, and so in `/metrics`.
    #[must_use]
    pub const fn counter(self) -> &'static str {
        match self {
            Self::Records => "cdrs_refused",
            Self::Batches => "batches_refused",
            Self::OverQuota => "batches_over_quota",
            Self::Heartbeats => "heartbeats_refused",
        }
    }

    const fn number(self) -> i64 {
        match self {
            Self::Records => 0,
            Self::Batches => 1,
            Self::OverQuota => 2,
            Self::Heartbeats => 3,
        }
    }
}

/// What is to be said about a sensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Of what kind it is.
    pub kind: Kind,
    /// How often that happened within the last [`NOTICE_DAYS`], or since it last was quiet so long.
    pub count: u64,
    /// About the last time.
    pub detail: String,
    /// The last time.
    pub at: UnixMicros,
}

impl Notice {
    /// One sentence for the sensor's page and the log.
    #[must_use]
    pub fn sentence(&self) -> String {
        let Self { kind, count, detail, .. } = self;
        match kind {
            Kind::Records => format!(
                "{count} records of this sensor were refused ({detail}): upgrade the cloud if it is \
                 older than the sensor; otherwise the sensor is faulty, or is not the one that you \
                 installed."
            ),
            Kind::Batches => format!(
                "{count} batches of this sensor were refused ({detail}): it sends them again in \
                 smaller ones, and lets go of what cannot be read. Upgrade the cloud if it is older \
                 than the sensor."
            ),
            Kind::OverQuota => format!(
                "The quota of {detail} was reached: records wait in the outboxes of the sensors and \
                 are taken from midnight UTC on. Find the sensor that sends so many."
            ),
            Kind::Heartbeats => {
                format!("{count} heartbeats of this sensor could not be read whole ({detail}).")
            }
        }
    }
}

impl Db {
    /// Notes that `more` things which a sensor sent were not kept as they came; answers the notice
    /// when it is time for a line in the log.
    ///
    /// # Errors
    /// The database's.
    pub fn note_intake(
        &self,
        customer: Customer,
        device: Fingerprint,
        (kind, more): (Kind, u32),
        detail: &str,
        now: UnixMicros,
    ) -> Result<Option<Notice>> {
        self.write(|tx| {
            count(tx, customer, kind.counter(), more)?;
            let before = recent(tx, device, now)?.into_iter().find(|notice| notice.kind == kind);
            let seen = before.as_ref().map_or(0, |notice| notice.count);
            let notice = Notice {
                kind,
                count: seen.saturating_add(more.into()),
                detail: detail.to_owned(),
                at: now,
            };
            tx.prepare_cached(
                "INSERT INTO sensor_notice (device, kind, count, detail, at) SELECT ?1, ?2, ?3, ?4, \
                 ?5 WHERE EXISTS (SELECT 1 FROM sensor WHERE device = ?1) ON CONFLICT (device, kind) \
                 DO UPDATE SET count = excluded.count, detail = excluded.detail, at = excluded.at",
            )?
            .execute(params![
                device.0,
                kind.number(),
                i64::try_from(notice.count).unwrap_or(i64::MAX),
                notice.detail,
                stored_time(now)
            ])?;
            let was_told = before
                .is_some_and(|before| now.since(before.at) < LOG_EVERY_SECONDS * MICROS_PER_SECOND);
            Ok((!was_told).then_some(notice))
        })
    }

    /// What there is to say about a sensor, the newest first.
    ///
    /// # Errors
    /// The database's.
    pub fn notices(&self, device: Fingerprint, now: UnixMicros) -> Result<Vec<Notice>> {
        recent(&self.reader(), device, now)
    }
}

/// A sensor that joins anew begins without notices: they may be about what another customer sees.
pub(crate) fn forget_notices(tx: &Connection, device: Fingerprint) -> Result<()> {
    tx.execute("DELETE FROM sensor_notice WHERE device = ?1", [device.0])?;
    Ok(())
}

fn recent(connection: &Connection, device: Fingerprint, now: UnixMicros) -> Result<Vec<Notice>> {
    let since = now.0.saturating_sub(NOTICE_DAYS * 86_400 * MICROS_PER_SECOND);
    let mut statement = connection.prepare_cached(
        "SELECT kind, count, detail, at FROM sensor_notice WHERE device = ?1 AND at > ?2 ORDER BY \
         at DESC, kind",
    )?;
    let mut rows = statement.query(params![device.0, stored_time(UnixMicros(since))])?;
    let mut notices = Vec::new();
    while let Some(row) = rows.next()? {
        let number: i64 = row.get(0)?;
        let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.number() == number) else {
            continue;
        };
        let count = row.get::<_, i64>(1)?.unsigned_abs();
        notices.push(Notice { kind, count, detail: row.get(2)?, at: loaded_time(row.get(3)?) });
    }
    Ok(notices)
}
