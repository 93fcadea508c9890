//! Questions about calls: the newest first, over the tables of all days.
//!
//! Calls are in order of ([`ended_at`](Position::ended_at), device, boot, number), which is the
//! order of each day's covering index. A search walks that index, tests every row it passes, and
//! stops at a number of matches or of rows, whichever comes first; it says where it stopped.

use ringside_protocol::cdr::{Boot, CallId, Fingerprint};
use ringside_protocol::time::UnixMicros;
use rusqlite::{Connection, OptionalExtension, params};

use super::{Db, Result, day_table, day_tables, loaded_time, stored_time};
use crate::auth::Scope;
use crate::retention;

/// Rows that one search looks at, at most: a third of a second of a processor (0.7 µs a row, see
/// `benches/calls.rs`).
pub const MAX_ROWS_SCANNED: usize = 500_000;

/// A call's place in the order of all calls of a customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The end of the call.
    pub ended_at: UnixMicros,
    /// The sensor that saw it.
    pub device: Fingerprint,
    /// The sensor's start.
    pub boot: Boot,
    /// Within the boot.
    pub number: u64,
}

/// A span of [`Position::ended_at`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first moment that belongs to it.
    pub from: UnixMicros,
    /// The first moment that does not.
    pub until: UnixMicros,
}

/// What a filter can see of a call, borrowed from the index.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// The sensor that saw it.
    pub device: Fingerprint,
    /// User part of From.
    pub caller: &'a str,
    /// User part of To.
    pub callee: &'a str,
    /// SIP Call-ID.
    pub call_id: &'a str,
    /// `' ip ip ip '`.
    pub addresses: &'a str,
    /// Of the final response.
    pub status_code: Option<i64>,
    /// Number of [`ringside_protocol::cdr::EndedBy`].
    pub ended_by: i64,
    /// Whether it was answered.
    pub answered: bool,
    /// Answer to end, microseconds.
    pub duration_us: Option<i64>,
    /// The worst direction's, 1/100.
    pub mos: Option<i64>,
    /// Bits of [`ringside_protocol::cdr::flags`].
    pub flags: u32,
}

/// One call as it is kept.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The call's id.
    pub id: CallId,
    /// When it ended.
    pub ended_at: UnixMicros,
    /// When it began, or was first seen.
    pub start_at: UnixMicros,
    /// When it came to the cloud.
    pub arrived_at: UnixMicros,
    /// SIP Call-ID.
    pub call_id: String,
    /// User part of From.
    pub caller: String,
    /// User part of To.
    pub callee: String,
    /// Of the final response.
    pub status_code: Option<i64>,
    /// Number of [`ringside_protocol::cdr::EndedBy`].
    pub ended_by: i64,
    /// Answer to end, microseconds.
    pub duration_us: Option<i64>,
    /// Bits of [`ringside_protocol::cdr::flags`].
    pub flags: i64,
    /// Of the record's encoding.
    pub version: i64,
    /// Postcard of [`ringside_protocol::cdr::Cdr`].
    pub record: Vec<u8>,
}

/// A part of a search's answer.
#[derive(Debug)]
pub struct Page {
    /// The newest first.
    pub calls: Vec<Stored>,
    /// Where to go on; `None` when everything was looked at.
    pub next: Option<Position>,
    /// Whether it ended at the limit of rows rather than of matches.
    pub partial: bool,
}

/// How far one search goes.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Matches.
    pub matches: usize,
    /// Rows looked at.
    pub rows: usize,
}

/// All calls that anybody may still see.
#[must_use]
pub fn visible(now: UnixMicros) -> Span {
    Span { from: retention::visible_after(now).plus(1), until: UnixMicros(u64::MAX) }
}

/// The calls within `span` and after `after` that `matches` accepts.
///
/// # Errors
/// The database's.
pub fn search(
    db: &Db,
    scope: &Scope,
    span: Span,
    after: Option<Position>,
    bounds: Bounds,
    matches: &dyn Fn(&Row<'_>) -> bool,
) -> Result<Page> {
    let connection = db.reader();
    // One snapshot: a day's table may be dropped at any time.
    let reader = connection.unchecked_transaction()?;
    let mut walk = Walk { position: after, found: Vec::new(), left: bounds.rows, bounds };
    let newest_end = after.map_or(span.until, |after| after.ended_at.plus(1).min(span.until));
    for table in tables_of(&reader, Span { until: newest_end, ..span })? {
        if !walk.table(&reader, scope, &table, span, matches)? {
            break;
        }
    }
    // One match more than asked for tells whether there is another page.
    let has_more = walk.found.len() > bounds.matches;
    walk.found.truncate(bounds.matches);
    let is_full = walk.found.len() == bounds.matches;
    let next = match walk.found.last() {
        Some((_, last)) if has_more => Some(*last),
        _ => walk.position.filter(|_| walk.left == 0),
    };
    let mut calls = Vec::with_capacity(walk.found.len());
    for (table, position) in &walk.found {
        calls.extend(stored(&reader, scope, table, position.id())?);
    }
    Ok(Page { calls, partial: next.is_some() && !is_full, next })
}

/// The call with this id, if it is visible.
///
/// # Errors
/// The database's.
pub fn call(db: &Db, scope: &Scope, id: CallId, now: UnixMicros) -> Result<Option<Stored>> {
    let connection = db.reader();
    let reader = connection.unchecked_transaction()?;
    let span = visible(now);
    for table in tables_of(&reader, span)? {
        if let Some(found) = stored(&reader, scope, &table, id)? {
            return Ok(Some(found).filter(|call| call.ended_at >= span.from));
        }
    }
    Ok(None)
}

/// When the newest visible call ended.
///
/// # Errors
/// The database's.
pub fn newest(db: &Db, scope: &Scope, now: UnixMicros) -> Result<Option<UnixMicros>> {
    let connection = db.reader();
    let reader = connection.unchecked_transaction()?;
    let span = visible(now);
    for table in tables_of(&reader, span)? {
        let mut statement = reader.prepare_cached(&format!(
            "SELECT ended_at FROM {table} WHERE customer = ?1 AND ended_at >= ?2 \
             ORDER BY ended_at DESC LIMIT 1"
        ))?;
        let found: Option<i64> = statement
            .query_row(params![scope.customer().0, stored_time(span.from)], |row| row.get(0))
            .optional()?;
        if found.is_some() {
            return Ok(found.map(loaded_time));
        }
    }
    Ok(None)
}

/// The day tables that can hold calls of `span`, the newest first.
pub(super) fn tables_of(reader: &Connection, span: Span) -> Result<Vec<String>> {
    let first = day_table(span.from);
    let last = UnixMicros(span.until.0.saturating_sub(1));
    // Dates beyond the year 9999 have no table; every table is before them.
    let last = if last.0 < 253_402_300_800_000_000 { day_table(last) } else { "cdr_:".to_owned() };
    let mut tables = day_tables(reader)?;
    tables.retain(|table| *table >= first && *table <= last);
    Ok(tables)
}

impl Position {
    /// The id of the call at this place.
    #[must_use]
    pub const fn id(&self) -> CallId {
        CallId { device: self.device, boot: self.boot, number: self.number }
    }
}

struct Walk {
    /// The last row looked at.
    position: Option<Position>,
    found: Vec<(String, Position)>,
    left: usize,
    bounds: Bounds,
}

impl Walk {
    /// Walks one day; whether to go on with the day before.
    fn table(
        &mut self,
        reader: &Connection,
        scope: &Scope,
        table: &str,
        span: Span,
        matches: &dyn Fn(&Row<'_>) -> bool,
    ) -> Result<bool> {
        let mut statement = reader.prepare_cached(&walking(table))?;
        let (end, device, boot, number) = match &self.position {
            Some(at) if at.ended_at < span.until => {
                (at.ended_at, at.device.0.as_slice(), at.boot.0.as_slice(), at.number)
            }
            // Every device sorts after the empty one.
            _ => (span.until, [].as_slice(), [].as_slice(), 0),
        };
        let number = number.cast_signed();
        let mut rows = statement.query(params![
            scope.customer().0,
            stored_time(span.from),
            stored_time(end),
            device,
            boot,
            number
        ])?;
        while self.left > 0 && self.found.len() <= self.bounds.matches {
            let Some(row) = rows.next()? else {
                return Ok(true);
            };
            self.left -= 1;
            // A row with a damaged key, which nobody writes, is no call.
            let (Some(device), Some(boot)) = (key(row, 1)?, key(row, 2)?) else {
                continue;
            };
            let position = Position {
                ended_at: loaded_time(row.get(0)?),
                device: Fingerprint(device),
                boot: Boot(boot),
                number: row.get::<_, i64>(3)?.cast_unsigned(),
            };
            self.position = Some(position);
            let seen = Row {
                device: position.device,
                caller: text(row.get_ref(4)?),
                callee: text(row.get_ref(5)?),
                call_id: text(row.get_ref(6)?),
                addresses: text(row.get_ref(7)?),
                status_code: row.get(8)?,
                ended_by: row.get(9)?,
                answered: row.get(10)?,
                duration_us: row.get(11)?,
                mos: row.get(12)?,
                flags: u32::try_from(row.get::<_, i64>(13)?).unwrap_or(0),
            };
            if matches(&seen) {
                self.found.push((table.to_owned(), position));
            }
        }
        Ok(false)
    }
}

/// The one upper bound is a row value, so that the index finds its place at once; every column is
/// in the index, so that no record is read.
fn walking(table: &str) -> String {
    format!(
        "SELECT ended_at, device, boot, number, caller, callee, call_id, addresses, status_code, \
         ended_by, answered, duration_us, mos, flags \
         FROM {table} INDEXED BY {table}_ended \
         WHERE customer = ?1 AND ended_at >= ?2 \
         AND (ended_at, device, boot, number) < (?3, ?4, ?5, ?6) \
         ORDER BY ended_at DESC, device DESC, boot DESC, number DESC"
    )
}

fn key(row: &rusqlite::Row<'_>, column: usize) -> Result<Option<[u8; 16]>> {
    let column = row.get_ref(column)?;
    Ok(column.as_blob().ok().and_then(|bytes| bytes.try_into().ok()))
}

/// A text column; one that is no UTF-8, which nobody writes, matches nothing.
fn text(column: rusqlite::types::ValueRef<'_>) -> &str {
    column.as_str().unwrap_or("")
}

fn lossy(column: rusqlite::types::ValueRef<'_>) -> String {
    String::from_utf8_lossy(column.as_bytes().unwrap_or_default()).into_owned()
}

fn stored(reader: &Connection, scope: &Scope, table: &str, id: CallId) -> Result<Option<Stored>> {
    let mut statement = reader.prepare_cached(&format!(
        "SELECT ended_at, start_at, arrived_at, call_id, caller, callee, status_code, ended_by, \
         duration_us, flags, version, record FROM {table} \
         WHERE customer = ?1 AND device = ?2 AND boot = ?3 AND number = ?4"
    ))?;
    let key = params![scope.customer().0, id.device.0, id.boot.0, id.number.cast_signed()];
    Ok(statement
        .query_row(key, |row| {
            Ok(Stored {
                id,
                ended_at: loaded_time(row.get(0)?),
                start_at: loaded_time(row.get(1)?),
                arrived_at: loaded_time(row.get(2)?),
                call_id: lossy(row.get_ref(3)?),
                caller: lossy(row.get_ref(4)?),
                callee: lossy(row.get_ref(5)?),
                status_code: row.get(6)?,
                ended_by: row.get(7)?,
                duration_us: row.get(8)?,
                flags: row.get(9)?,
                version: row.get(10)?,
                record: row.get(11)?,
            })
        })
        .optional()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_reads_the_index_alone_and_begins_at_its_place() {
        let connection = Connection::open_in_memory().expect("a database");
        let table = "cdr_20261124";
        let day = include_str!("cdr_day.sql").replace("cdr_DAY", table);
        connection.execute_batch(&day).expect("a table");
        let plan: Vec<String> = connection
            .prepare(&format!("EXPLAIN QUERY PLAN {}", walking(table)))
            .expect("a statement")
            .query_map(params![1, 0, 0, "", "", 0], |row| row.get(3))
            .expect("a plan")
            .collect::<rusqlite::Result<_>>()
            .expect("steps");
        let [step] = plan.as_slice() else { panic!("sorts: {plan:?}") };
        assert!(step.contains("USING COVERING INDEX cdr_20261124_ended"), "{step}");
        assert!(step.contains("ended_at>? AND (ended_at,device,boot,number)<(?,?,?,?)"), "{step}");
    }
}
