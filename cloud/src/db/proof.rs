//! What each run of the retention found and left, kept as its proof.

use ringside_protocol::time::UnixMicros;

use super::{Db, Result, Series, bounds_of_day, loaded_time, params, stored_time};
use crate::retention::Expired;

/// Runs that are remembered: two weeks of one an hour.
pub const MAX_RUNS: u32 = 336;

/// One run of the retention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// When it ended.
    pub at: UnixMicros,
    /// Calls that ended then or before are not shown.
    pub until: UnixMicros,
    /// What it deleted.
    pub expired: Expired,
    /// Days, of whichever kind of record, that are still there a day after they have become
    /// invisible: none, or it has failed.
    pub late_days: u32,
}

impl Db {
    /// Looks at what is left after a run, and keeps that.
    ///
    /// # Errors
    /// The database's.
    pub fn prove(&self, at: UnixMicros, until: UnixMicros, expired: Expired) -> Result<Run> {
        let mut late_days = 0;
        for &series in Series::ALL {
            for table in self.days(series)? {
                let is_late = bounds_of_day(&table).is_some_and(|(_, end)| end <= until);
                late_days += u32::from(is_late);
            }
        }
        self.write(|tx| {
            tx.execute(
                "INSERT INTO retention_run (at, until, records, days, late_days) VALUES (?1, ?2, \
                 ?3, ?4, ?5) ON CONFLICT DO NOTHING",
                params![
                    stored_time(at),
                    stored_time(until),
                    expired.records,
                    expired.days,
                    late_days
                ],
            )?;
            tx.execute(
                "DELETE FROM retention_run WHERE at NOT IN (SELECT at FROM retention_run ORDER BY \
                 at DESC LIMIT ?1)",
                [MAX_RUNS],
            )?;
            Ok(())
        })?;
        Ok(Run { at, until, expired, late_days })
    }

    /// The last runs of the retention, the newest first.
    ///
    /// # Errors
    /// The database's.
    pub fn retention_runs(&self, at_most: usize) -> Result<Vec<Run>> {
        let reader = self.reader();
        let mut statement = reader.prepare_cached(
            "SELECT at, until, records, days, late_days FROM retention_run ORDER BY at DESC LIMIT ?1",
        )?;
        let runs = statement.query_map([at_most], |row| {
            Ok(Run {
                at: loaded_time(row.get(0)?),
                until: loaded_time(row.get(1)?),
                expired: Expired { records: row.get(2)?, days: row.get(3)? },
                late_days: row.get(4)?,
            })
        })?;
        runs.collect()
    }
}
