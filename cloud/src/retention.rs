//! Records of every kind are kept 25 days, by their `ended_at`.
//!
//! At 25 days a call is invisible: every query asks for `ended_at >` [`visible_after`]. Its bytes
//! are overwritten by the next run of [`expire`], which comes every hour, and a day's table goes
//! when its last call has left.

use std::sync::atomic::{AtomicBool, Ordering};

use ringside_protocol::time::{MICROS_PER_SECOND, UnixMicros};
use ringside_protocol::words::plural;

use crate::db::{Db, Result, Series, day_table};

/// How long calls are kept, days.
pub const RETENTION_DAYS: u64 = 25;

/// Between two runs of [`expire`], seconds.
pub const EXPIRE_EVERY_SECONDS: u64 = 3600;

/// Rows that one transaction deletes, so that arriving batches wait for milliseconds only.
const SLICE: u32 = 1000;

/// Calls that ended then or before are not shown any more.
#[must_use]
pub fn visible_after(now: UnixMicros) -> UnixMicros {
    UnixMicros(now.0.saturating_sub(RETENTION_DAYS * 86_400 * MICROS_PER_SECOND))
}

/// What a run of [`expire`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expired {
    /// Records deleted.
    pub records: usize,
    /// Tables of days dropped.
    pub days: usize,
}

/// Deletes the calls that are not shown any more. Comes back early when `stop` is set.
///
/// # Errors
/// The database's; what was deleted before stays deleted.
pub fn expire(db: &Db, now: UnixMicros, stop: &AtomicBool) -> Result<Expired> {
    let until = visible_after(now);
    let mut expired = Expired::default();
    db.forget_newest(until)?;
    for &series in Series::ALL {
        if !expire_series(db, series, until, stop, &mut expired)? {
            return Ok(expired);
        }
    }
    db.forget_misdated(until)?;
    db.forget_sums(until)?;
    db.thin_troubles(now)?;
    db.truncate_log()?;
    let run = db.prove(now, until, expired)?;
    if run.late_days > 0 {
        log::error!(
            "{} are still there that should be gone",
            plural(run.late_days as usize, "day")
        );
    }
    Ok(expired)
}

/// Does one series; false when `stop` was set meanwhile.
fn expire_series(
    db: &Db,
    series: Series,
    until: UnixMicros,
    stop: &AtomicBool,
    expired: &mut Expired,
) -> Result<bool> {
    let last_day = day_table(series, until);
    for table in db.days(series)? {
        if table > last_day {
            continue;
        }
        loop {
            if stop.load(Ordering::Relaxed) {
                return Ok(false);
            }
            let deleted = db.expire_some(&table, until, SLICE)?;
            expired.records += deleted;
            let is_call = series == Series::Calls;
            let terms = if is_call { db.forget_terms(&table, until, 10 * SLICE)? } else { 0 };
            if deleted + terms == 0 {
                break;
            }
        }
        if table < last_day {
            expired.records += db.drop_day(&table)?;
            expired.days += 1;
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use ringside_protocol::cdr::{Boot, Cdr, Fingerprint};
    use ringside_protocol::message::Batch;

    use super::*;
    use crate::db::tests::{Folder, is_postgres};

    const DAY: u64 = 86_400 * MICROS_PER_SECOND;
    /// Noon, UTC.
    const NOW: UnixMicros = UnixMicros(20_000 * DAY + DAY / 2);

    fn call(number: u64, ended_at: UnixMicros) -> Cdr {
        let first_at = UnixMicros(ended_at.0 - 1_000_000);
        let call_id = format!("needle-{number}");
        Cdr { number, first_at, ended: 1_000_000, call_id, ..Cdr::default() }
    }

    fn holds(folder: &Folder, needle: &str) -> bool {
        ["ringside.db", "ringside.db-wal"].iter().any(|name| {
            let bytes = std::fs::read(folder.0.join(name)).unwrap_or_default();
            bytes.windows(needle.len()).any(|window| window == needle.as_bytes())
        })
    }

    #[test]
    fn expired_calls_leave_no_byte_behind_and_their_day_goes() {
        let folder = Folder::new();
        let db = folder.open();
        let customer = db.create_customer("Acme", NOW).expect("made").expect("new");
        let ended = [NOW, UnixMicros(NOW.0 + 1), UnixMicros(NOW.0 - DAY)];
        let cdrs = (1..).zip(ended).map(|(number, at)| call(number, at));
        let batch = Batch::new(Boot([1; 16]), cdrs);
        let ack = db.store_batch(customer, Fingerprint([2; 16]), &batch, NOW).expect("stored");
        assert_eq!((ack.stored, ack.expired), (3, 0));
        assert!(is_postgres() || holds(&folder, "needle-1"));
        assert_eq!(db.days(Series::Calls).expect("asked").len(), 2);

        let go = AtomicBool::new(false);
        let before = expire(&db, UnixMicros(NOW.0 + 20 * DAY), &go).expect("ran");
        assert_eq!(before, Expired::default());

        let later = UnixMicros(NOW.0 + RETENTION_DAYS * DAY);
        let expired = expire(&db, later, &go).expect("ran");
        if is_postgres() {
            // Records leave with their whole day.
            assert_eq!(expired, Expired { records: 1, days: 1 });
        } else {
            assert_eq!(expired, Expired { records: 2, days: 1 });
            assert!(!holds(&folder, "needle-1") && !holds(&folder, "needle-3"));
            assert!(holds(&folder, "needle-2"), "it ended a microsecond too late");
        }

        let rest = expire(&db, UnixMicros(later.0 + DAY), &go).expect("ran");
        assert_eq!(rest, Expired { records: 3 - expired.records, days: 1 });
        assert!(db.days(Series::Calls).expect("asked").is_empty());
        assert!(!holds(&folder, "needle-2"));
    }

    #[test]
    fn a_day_is_deleted_in_slices() {
        let folder = Folder::new();
        let db = folder.open();
        let customer = db.create_customer("Acme", NOW).expect("made").expect("new");
        let cdrs = (0..u64::from(SLICE) + 5).map(|number| call(number, NOW));
        let batch = Batch::new(Boot([1; 16]), cdrs);
        db.store_batch(customer, Fingerprint([2; 16]), &batch, NOW).expect("stored");
        let later = UnixMicros(NOW.0 + 26 * DAY);
        let stopped = expire(&db, later, &AtomicBool::new(true)).expect("ran");
        assert_eq!(stopped, Expired::default());
        let expired = expire(&db, later, &AtomicBool::new(false)).expect("ran");
        assert_eq!(expired, Expired { records: 1005, days: 1 });
    }
}
