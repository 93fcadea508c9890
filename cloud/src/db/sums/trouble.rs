//! Numbers and addresses of calls that failed or sounded bad.
//!
//! Only such calls are counted, and of an hour that is over only the names with the most are kept:
//! a number that fails once in an hour is nobody's worst. So a count over many hours may be too low
//! for a name that was among the many of some of them, and never too high.

use std::collections::BTreeMap;

use ringside_protocol::time::UnixMicros;

use super::{failed, sounded_bad};
use crate::auth::Scope;
use crate::db::calls::Row;
use crate::db::search::Span;
use crate::db::{Connection, Customer, Db, Result, loaded_time, params, stored_time};

/// Names of each kind and measure that are kept of an hour that is over.
pub const MOST_KEPT: u32 = 30;

/// Calls that a name must have in the time asked for: one bad call is nobody's habit.
pub const LEAST_CALLS: u64 = 3;

/// What a name is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Caller's or callee's user part.
    Number,
    /// An IP address of the call: of its signalling or its media.
    Address,
}

impl Kind {
    /// Its number in the database; it never changes.
    const fn number(self) -> i64 {
        match self {
            Self::Number => 0,
            Self::Address => 1,
        }
    }
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Calls that [`failed`].
    Failed,
    /// Calls that [`sounded_bad`].
    BadAudio,
}

impl Measure {
    const fn column(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::BadAudio => "bad_audio",
        }
    }
}

/// Bad calls by hour, kind and name: (failed, bad audio).
#[derive(Default)]
pub(super) struct Troubles(BTreeMap<(Kind, UnixMicros, String), (u64, u64)>);

impl Troubles {
    pub(super) fn add(&mut self, hour: UnixMicros, row: &Row<'_>) {
        let (failed, bad_audio) = (u64::from(failed(row)), u64::from(sounded_bad(row)));
        if failed + bad_audio == 0 {
            return;
        }
        let mut count = |kind, name: String| {
            let counts = self.0.entry((kind, hour, name)).or_default();
            counts.0 += failed;
            counts.1 += bad_audio;
        };
        let (caller, callee) = (searched(row.caller), searched(row.callee));
        // A call from a number to itself is one call of it.
        if callee != caller {
            callee.into_iter().for_each(|name| count(Kind::Number, name));
        }
        caller.into_iter().for_each(|name| count(Kind::Number, name));
        for address in row.addresses.split_ascii_whitespace() {
            count(Kind::Address, address.to_owned());
        }
    }
}

/// A number as a filter finds exactly it: without regard to case. `None` for one in which a filter
/// would read something else, and for who does not say who it is (RFC 3323 §4.1.1.3).
fn searched(number: &str) -> Option<String> {
    if number.eq_ignore_ascii_case("anonymous") {
        return None;
    }
    let is_plain =
        !number.is_empty() && number.trim() == number && !number.contains(['*', ',', '!']);
    is_plain.then(|| number.to_ascii_lowercase())
}

/// Adds bad calls to those that are there.
pub(super) fn add(tx: &Connection, customer: Customer, troubles: &Troubles) -> Result<()> {
    let mut statement = tx.prepare_cached(
        "INSERT INTO trouble (customer, kind, at, name, failed, bad_audio) VALUES (?1, ?2, ?3, ?4, \
         ?5, ?6) ON CONFLICT (customer, kind, at, name) DO UPDATE SET failed = trouble.failed + \
         excluded.failed, bad_audio = trouble.bad_audio + excluded.bad_audio",
    )?;
    for ((kind, hour, name), (failed, bad_audio)) in &troubles.0 {
        let counts = [*failed, *bad_audio].map(|count| i64::try_from(count).unwrap_or(i64::MAX));
        statement.execute(params![
            customer.0,
            kind.number(),
            stored_time(*hour),
            name,
            counts[0],
            counts[1]
        ])?;
    }
    Ok(())
}

/// Forgets a number.
pub(in crate::db) fn forget(tx: &Connection, customer: Customer, number: &str) -> Result<()> {
    tx.execute(
        "DELETE FROM trouble WHERE customer = ?1 AND kind = ?2 AND name = ?3",
        params![customer.0, Kind::Number.number(), number.to_ascii_lowercase()],
    )?;
    Ok(())
}

/// The names with the most of such calls in the hours of `span`, the worst first, with how many;
/// at most `most`, and none with less than [`LEAST_CALLS`].
///
/// # Errors
/// The database's.
pub fn worst(
    db: &Db,
    scope: &Scope,
    (kind, measure): (Kind, Measure),
    span: Span,
    most: u32,
) -> Result<Vec<(String, u64)>> {
    let connection = db.reader();
    let column = measure.column();
    let mut statement = connection.prepare_cached(&format!(
        "SELECT name, CAST(sum({column}) AS INTEGER) AS calls FROM trouble WHERE customer = ?1 AND \
         kind = ?2 AND at >= ?3 AND at < ?4 AND {column} > 0 GROUP BY name HAVING sum({column}) >= \
         {LEAST_CALLS} ORDER BY calls DESC, name LIMIT ?5"
    ))?;
    let mut rows = statement.query(params![
        scope.customer().0,
        kind.number(),
        stored_time(span.from),
        stored_time(span.until),
        most
    ])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs()));
    }
    Ok(found)
}

impl Db {
    /// Keeps of hours that ended before `now` the names with the most bad calls.
    ///
    /// # Errors
    /// The database's.
    pub fn thin_troubles(&self, now: UnixMicros) -> Result<()> {
        let over = super::begin(now, crate::db::stats::HOUR);
        for (customer, kind, at) in self.crowded(over)? {
            self.write(|tx| {
                let most = |column: &str| {
                    format!(
                        "name NOT IN (SELECT name FROM trouble WHERE customer = ?1 AND kind = ?2 \
                         AND at = ?3 AND {column} > 0 ORDER BY {column} DESC, name LIMIT {MOST_KEPT})"
                    )
                };
                tx.execute(
                    &format!(
                        "DELETE FROM trouble WHERE customer = ?1 AND kind = ?2 AND at = ?3 AND {} \
                         AND {}",
                        most("failed"),
                        most("bad_audio")
                    ),
                    params![customer, kind, stored_time(at)],
                )?;
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Hours before `over` with more names than can be kept.
    fn crowded(&self, over: UnixMicros) -> Result<Vec<(i64, i64, UnixMicros)>> {
        let connection = self.reader();
        let mut statement = connection.prepare_cached(&format!(
            "SELECT customer, kind, at FROM trouble WHERE at < ?1 GROUP BY customer, kind, at HAVING \
             count(*) > {}",
            2 * MOST_KEPT
        ))?;
        let mut rows = statement.query(params![stored_time(over)])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push((row.get(0)?, row.get(1)?, loaded_time(row.get(2)?)));
        }
        Ok(found)
    }
}
