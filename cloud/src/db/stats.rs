//! Counts of calls by hour, for figures (RFC 6076).

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use ringside_protocol::band::{self, Band, MOS_DEGRADED, MOS_FAIR, MOS_GOOD};
use ringside_protocol::time::{MICROS_PER_SECOND, UnixMicros};

use super::calls::{self, Calls};
use super::search::{Bounds, MAX_ROWS_SCANNED, Span, search, tables_of};
use super::{Connection, Customer, Db, Result, Series, hours, params, stored_time};
use crate::auth::Scope;

/// Microseconds in an hour.
pub const HOUR: u64 = 3600 * MICROS_PER_SECOND;

/// A longer call counts as one of so long, microseconds: a week. SQLite's sums do not overflow then.
const MAX_DURATION_US: u64 = 7 * 86_400 * MICROS_PER_SECOND;

/// Number of `EndedBy::Cancelled`.
const CANCELLED: i64 = 2;

/// What one hour's calls add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls that ended then.
    pub calls: u64,
    /// Of them, those that were answered.
    pub answered: u64,
    /// Answer to end of those, microseconds.
    pub duration_us: u64,
    /// By [`band::Band`]: excellent.
    pub excellent: u64,
    /// Good.
    pub good: u64,
    /// Fair.
    pub fair: u64,
    /// Degraded.
    pub degraded: u64,
    /// Without audio, whatever their MOS.
    pub no_audio: u64,
    /// Answered, and without any of these.
    pub unrated: u64,
    /// Sum of the MOS of calls that have one, 1/100.
    pub mos_sum: u64,
    /// How many those are.
    pub mos_calls: u64,
    /// Final response 3xx, 401, 402 or 407: RFC 6076 leaves them out of ratios.
    pub redirected: u64,
    /// Final response 480, 486, 600 or 603: the network did its part (RFC 6076 §4.7).
    pub callee_refused: u64,
    /// Final response 408, 500, 503 or 504 (RFC 6076 §4.8).
    pub ineffective: u64,
    /// Ended by the caller before an answer.
    pub cancelled: u64,
}

impl Counts {
    /// Of one call.
    pub(super) fn of(row: &calls::Row<'_>) -> Self {
        let mos = row.mos.and_then(|mos| u16::try_from(mos).ok());
        let band = Band::of_call(row.answered, row.flags, mos);
        let is_unrated = row.answered && band.is_none();
        let is = |it| u64::from(band == Some(it));
        let refused = |codes: &[i64]| {
            u64::from(!row.answered && row.status_code.is_some_and(|code| codes.contains(&code)))
        };
        let redirected =
            !row.answered && row.status_code.is_some_and(|code| (300..400).contains(&code));
        let duration = row.duration_us.and_then(|us| u64::try_from(us).ok()).unwrap_or(0);
        Self {
            calls: 1,
            answered: u64::from(row.answered),
            duration_us: duration.min(MAX_DURATION_US),
            excellent: is(Band::Excellent),
            good: is(Band::Good),
            fair: is(Band::Fair),
            degraded: is(Band::Degraded),
            no_audio: is(Band::NoAudio),
            unrated: u64::from(is_unrated),
            mos_sum: mos.map_or(0, |mos| u64::from(mos.min(500))),
            mos_calls: u64::from(mos.is_some()),
            redirected: u64::from(redirected) + refused(&[401, 402, 407]),
            callee_refused: refused(&[480, 486, 600, 603]),
            ineffective: refused(&[408, 500, 503, 504]),
            cancelled: u64::from(!row.answered && row.ended_by == CANCELLED),
        }
    }

    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            calls: self.calls + other.calls,
            answered: self.answered + other.answered,
            duration_us: self.duration_us.saturating_add(other.duration_us),
            excellent: self.excellent + other.excellent,
            good: self.good + other.good,
            fair: self.fair + other.fair,
            degraded: self.degraded + other.degraded,
            no_audio: self.no_audio + other.no_audio,
            unrated: self.unrated + other.unrated,
            mos_sum: self.mos_sum + other.mos_sum,
            mos_calls: self.mos_calls + other.mos_calls,
            redirected: self.redirected + other.redirected,
            callee_refused: self.callee_refused + other.callee_refused,
            ineffective: self.ineffective + other.ineffective,
            cancelled: self.cancelled + other.cancelled,
        }
    }
}

/// Hours that are remembered: 25 days of 27 customers. When full, all are forgotten.
pub const MAX_HOURS_REMEMBERED: usize = 16_384;

/// For so long the counts of an hour that is over are not counted again, seconds: calls that come
/// late are missing in figures until then.
pub const REMEMBERED_SECONDS: u64 = 60;

/// The counts of hours that are over: pages ask for the same ones again with every call that comes.
#[derive(Debug, Default)]
pub struct HourCache(Mutex<HashMap<(Customer, UnixMicros), (UnixMicros, Counts)>>);

impl HourCache {
    fn find(&self, key: (Customer, UnixMicros), now: UnixMicros) -> Option<Counts> {
        let hours = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (counted_at, counts) = hours.get(&key)?;
        (now.since(*counted_at) < REMEMBERED_SECONDS * MICROS_PER_SECOND).then_some(*counts)
    }

    fn keep(&self, key: (Customer, UnixMicros), now: UnixMicros, counts: Counts) {
        let mut hours = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if hours.len() >= MAX_HOURS_REMEMBERED {
            hours.clear();
        }
        hours.insert(key, (now, counts));
    }
}

/// What a count may cost and when it is made.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Calls counted; it stops at the hour that passes them.
    pub max_rows: u64,
    /// Now.
    pub now: UnixMicros,
}

/// The hours of `span` that have calls, the newest first, each with its beginning, and whether all
/// were counted.
///
/// # Errors
/// The database's.
pub fn by_hour(
    db: &Db,
    scope: &Scope,
    span: Span,
    cache: &HourCache,
    effort: Effort,
) -> Result<(Vec<(UnixMicros, Counts)>, bool)> {
    let connection = db.reader();
    let reader = connection.snapshot()?;
    let mut found = Vec::new();
    let mut rows = 0;
    for table in tables_of(&reader, Series::Calls, span)? {
        if hours::is_counted(&reader, &table)? {
            for (hour, counts) in hours::counts(&reader, scope.customer(), &table)? {
                let end = hour.plus(HOUR);
                let part = Span { from: hour.max(span.from), until: end.min(span.until) };
                if part.from >= part.until {
                    continue;
                }
                let is_whole = part == Span { from: hour, until: end };
                let counts =
                    if is_whole { counts } else { self::counts(&reader, scope, &table, part)? };
                if counts.calls > 0 {
                    found.push((hour, counts));
                }
            }
            continue;
        }
        let mut until = span.until;
        while let Some(newest) = newest(&reader, scope, &table, Span { until, ..span })? {
            if rows >= effort.max_rows {
                return Ok((found, false));
            }
            let hour = UnixMicros(newest.0 - newest.0 % HOUR);
            let end = hour.plus(HOUR);
            let part = Span { from: hour.max(span.from), until: end.min(until) };
            let key = (scope.customer(), hour);
            let is_over = part == Span { from: hour, until: end } && end <= effort.now;
            let known = if is_over { cache.find(key, effort.now) } else { None };
            let counts = match known {
                Some(counts) => counts,
                None => counts(&reader, scope, &table, part)?,
            };
            if known.is_none() {
                rows += counts.calls;
                if is_over {
                    cache.keep(key, effort.now, counts);
                }
            }
            found.push((hour, counts));
            until = hour;
        }
    }
    Ok((found, true))
}

/// As [`by_hour`], of those calls only that `matches` accepts. Looks at every call, at most
/// [`MAX_ROWS_SCANNED`].
///
/// # Errors
/// The database's.
pub fn by_hour_where(
    db: &Db,
    scope: &Scope,
    span: Span,
    matches: &dyn Fn(&calls::Row<'_>) -> bool,
) -> Result<(Vec<(UnixMicros, Counts)>, bool)> {
    let hours = RefCell::new(BTreeMap::<UnixMicros, Counts>::new());
    let bounds = Bounds { matches: 1, rows: MAX_ROWS_SCANNED };
    let page = search::<Calls>(db, scope, span, None, bounds, &|row| {
        if matches(row) {
            let hour = UnixMicros(row.ended_at.0 - row.ended_at.0 % HOUR);
            let mut hours = hours.borrow_mut();
            let counts = hours.entry(hour).or_default();
            *counts = counts.plus(Counts::of(row));
        }
        // Nothing is listed.
        false
    })?;
    let mut hours = hours.into_inner();
    if let Some(stopped) = page.next {
        // The hour in which it stopped is not whole.
        hours.retain(|hour, _| *hour > stopped.ended_at);
    }
    Ok((hours.into_iter().rev().collect(), page.next.is_none()))
}

/// The end of the newest call of a table within `span`.
fn newest(
    reader: &Connection,
    scope: &Scope,
    table: &str,
    span: Span,
) -> Result<Option<UnixMicros>> {
    let mut statement = reader.prepare_cached(&format!(
        "SELECT max(ended_at) FROM {table} INDEXED BY {table}_ended \
         WHERE customer = ?1 AND ended_at >= ?2 AND ended_at < ?3"
    ))?;
    let bounds = params![scope.customer().0, stored_time(span.from), stored_time(span.until)];
    let newest: Option<i64> = statement.query_row(bounds, |row| row.get(0))?;
    Ok(newest.map(super::loaded_time))
}

fn counts(reader: &Connection, scope: &Scope, table: &str, span: Span) -> Result<Counts> {
    // As in [`band::Band::of_call`].
    let (deaf, unless) = (band::NO_AUDIO, band::UNLESS);
    let deaf = format!("answered = 1 AND flags & {deaf} <> 0 AND flags & {unless} = 0");
    let sum = |column: &str, most: u64| {
        format!("CAST(sum(CASE WHEN {column} > {most} THEN {most} ELSE {column} END) AS INTEGER)")
    };
    let (duration, mos) = (sum("duration_us", MAX_DURATION_US), sum("mos", 500));
    let tally = |which: &str| format!("count(*) FILTER (WHERE {which})");
    let columns = [
        "count(*)".to_owned(),
        tally("answered = 1"),
        duration,
        tally(&format!("NOT ({deaf}) AND mos > {MOS_GOOD}")),
        tally(&format!("NOT ({deaf}) AND mos > {MOS_FAIR} AND mos <= {MOS_GOOD}")),
        tally(&format!("NOT ({deaf}) AND mos > {MOS_DEGRADED} AND mos <= {MOS_FAIR}")),
        tally(&format!("NOT ({deaf}) AND mos <= {MOS_DEGRADED}")),
        tally(&deaf),
        tally(&format!("answered = 1 AND NOT ({deaf}) AND mos IS NULL")),
        mos,
        "count(mos)".to_owned(),
        tally(
            "answered = 0 AND (status_code BETWEEN 300 AND 399 OR status_code IN (401, 402, 407))",
        ),
        tally("answered = 0 AND status_code IN (480, 486, 600, 603)"),
        tally("answered = 0 AND status_code IN (408, 500, 503, 504)"),
        tally(&format!("answered = 0 AND ended_by = {CANCELLED}")),
    ];
    let mut statement = reader.prepare_cached(&format!(
        "SELECT {} FROM {table} INDEXED BY {table}_ended \
         WHERE customer = ?1 AND ended_at >= ?2 AND ended_at < ?3",
        columns.join(", ")
    ))?;
    let bounds = params![scope.customer().0, stored_time(span.from), stored_time(span.until)];
    statement.query_row(bounds, |row| hours::read(row, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evict_all_hours_when_too_many_are_remembered() {
        let cache = HourCache::default();
        for hour in 0..=MAX_HOURS_REMEMBERED as u64 {
            cache.keep((Customer(1), UnixMicros(hour)), UnixMicros(0), Counts::default());
        }
        assert_eq!(cache.0.lock().expect("not poisoned").len(), 1);
    }
}
