//! Searches over the tables of all days: the newest first, by page.
//!
//! Records are in order of ([`ended_at`](Position::ended_at), device, boot, number), which is the
//! order of each day's covering index. A search walks that index, tests every row it passes, and
//! stops at a number of matches or of rows, whichever comes first; it says where it stopped.

use ringside_protocol::cdr::{Boot, CallId, Fingerprint};
use ringside_protocol::time::UnixMicros;

use super::terms::Range;
use super::{
    Connection, Db, OptionalExtension, Result, Row, Series, Statement, Value, day_table,
    day_tables, loaded_time, params, stored_time, terms,
};
use crate::auth::Scope;
use crate::retention;

/// Rows that one search looks at, at most: a third of a second of a processor (0.7 µs a row, see
/// `benches/calls.rs`).
pub const MAX_ROWS_SCANNED: usize = 500_000;

/// Rows that a search for terms looks at as they come, before it asks for terms; few in tests, so
/// that they do both.
const MAX_NEAR: usize = if cfg!(test) { 16 } else { 8192 };

/// What a call that is found by a term costs, in rows that are looked at as they come.
const ROWS_A_TERM: usize = 4;

/// Rows that a search asks for at once: four times as many each time, up to [`MAX_PART`]. PostgreSQL
/// sends all that it was asked for.
const FIRST_PART: usize = 256;
const MAX_PART: usize = 16_384;

/// Characters of a text in a column that filters use; the record keeps all of them.
const MAX_COLUMN_CHARS: usize = 256;

/// A record's place in the order of all records of a customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The end of the call, or when the record was made.
    pub ended_at: UnixMicros,
    /// The sensor that made it.
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

/// How far one search goes.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Matches.
    pub matches: usize,
    /// Rows looked at.
    pub rows: usize,
}

/// A part of a search's answer.
#[derive(Debug)]
pub struct Page<S> {
    /// The newest first.
    pub records: Vec<S>,
    /// Where to go on; `None` when everything was looked at.
    pub next: Option<Position>,
    /// Whether it ended at the limit of rows rather than of matches.
    pub partial: bool,
}

/// One kind of record: its tables, and what a search sees of it.
pub trait Kind: 'static {
    /// Its tables.
    const SERIES: Series;
    /// The columns that filters see, after the key; all are in the table's index.
    const COLUMNS: &'static str;
    /// What a filter can see, borrowed from the index.
    type Row<'a>;
    /// A record as it is kept.
    type Stored;

    /// The columns from the fifth on.
    ///
    /// # Errors
    /// The database's.
    fn row<'a>(position: &Position, row: &'a Row<'_>) -> Result<Self::Row<'a>>;

    /// The record with this id in a table.
    ///
    /// # Errors
    /// The database's.
    fn stored(
        reader: &Connection,
        scope: &Scope,
        table: &str,
        id: CallId,
    ) -> Result<Option<Self::Stored>>;
}

/// All records that anybody may still see.
#[must_use]
pub fn visible(now: UnixMicros) -> Span {
    Span { from: retention::visible_after(now).plus(1), until: UnixMicros(u64::MAX) }
}

/// The records within `span` and after `after` that `matches` accepts.
///
/// # Errors
/// The database's.
pub fn search<K: Kind>(
    db: &Db,
    scope: &Scope,
    span: Span,
    after: Option<Position>,
    bounds: Bounds,
    matches: &dyn Fn(&K::Row<'_>) -> bool,
) -> Result<Page<K::Stored>> {
    search_terms::<K>(db, scope, span, after, bounds, &[], matches)
}

/// As [`search`], where every record that `matches` accepts has one of these terms. It looks at the
/// newest records as they come, and then only at those that have one: many matches are near, and
/// few have few terms.
///
/// # Errors
/// The database's.
pub fn search_terms<K: Kind>(
    db: &Db,
    scope: &Scope,
    span: Span,
    after: Option<Position>,
    bounds: Bounds,
    terms: &[Range],
    matches: &dyn Fn(&K::Row<'_>) -> bool,
) -> Result<Page<K::Stored>> {
    let connection = db.reader();
    // One snapshot: a day's table may be dropped at any time.
    let reader = connection.snapshot()?;
    let with_terms = if terms.is_empty() { Vec::new() } else { terms::days(&reader)? };
    let mut walk =
        Walk { position: after, found: Vec::new(), left: bounds.rows, bounds, near: MAX_NEAR };
    let newest_end = after.map_or(span.until, |after| after.ended_at.plus(1).min(span.until));
    for table in tables_of(&reader, K::SERIES, Span { until: newest_end, ..span })? {
        let has_terms = with_terms.contains(&table);
        let goes_on = if has_terms && walk.near == 0 {
            walk.buckets::<K>(&reader, scope, &table, span, terms, matches)?
        } else if has_terms {
            walk.near::<K>(&reader, scope, &table, span, matches)?
                && walk.buckets::<K>(&reader, scope, &table, span, terms, matches)?
        } else {
            walk.table::<K>(&reader, scope, &table, span, matches)?
        };
        if !goes_on {
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
    let mut records = Vec::with_capacity(walk.found.len());
    for (table, position) in &walk.found {
        records.extend(K::stored(&reader, scope, table, position.id())?);
    }
    Ok(Page { records, partial: next.is_some() && !is_full, next })
}

/// The record with this id, if there is one that `is_visible` accepts.
///
/// # Errors
/// The database's.
pub fn one<K: Kind>(
    db: &Db,
    scope: &Scope,
    id: CallId,
    span: Span,
    is_visible: impl Fn(&K::Stored) -> bool,
) -> Result<Option<K::Stored>> {
    let connection = db.reader();
    let reader = connection.snapshot()?;
    for table in tables_of(&reader, K::SERIES, span)? {
        if let Some(found) = K::stored(&reader, scope, &table, id)? {
            return Ok(Some(found).filter(is_visible));
        }
    }
    Ok(None)
}

/// When the newest visible record of a series ended.
///
/// # Errors
/// The database's.
pub fn newest(
    db: &Db,
    scope: &Scope,
    series: Series,
    now: UnixMicros,
) -> Result<Option<UnixMicros>> {
    let connection = db.reader();
    let reader = connection.snapshot()?;
    let span = visible(now);
    for table in tables_of(&reader, series, span)? {
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

/// The day tables of a series that can hold records of `span`, the newest first.
pub(super) fn tables_of(reader: &Connection, series: Series, span: Span) -> Result<Vec<String>> {
    let first = day_table(series, span.from);
    let last = UnixMicros(span.until.0.saturating_sub(1));
    // Dates beyond the year 9999 have no table; every table is before them.
    let last = if last.0 < 253_402_300_800_000_000 {
        day_table(series, last)
    } else {
        format!("{}:", series.prefix())
    };
    let mut tables = day_tables(reader, series)?;
    tables.retain(|table| *table >= first && *table <= last);
    Ok(tables)
}

impl Position {
    /// The id of the record at this place.
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
    /// Rows that are still looked at as they come before terms are asked.
    near: usize,
}

impl Walk {
    /// Looks at the newest rows as they come; false when the search is over. Otherwise it stands
    /// behind them, which may be the end of the table.
    fn near<K: Kind>(
        &mut self,
        reader: &Connection,
        scope: &Scope,
        table: &str,
        span: Span,
        matches: &dyn Fn(&K::Row<'_>) -> bool,
    ) -> Result<bool> {
        let mut statement = reader.prepare_cached(&walking::<K>(table))?;
        let asked = self.near.min(self.left);
        let seen = self.part::<K>(&mut statement, scope, table, span, asked, matches)?;
        self.near = self.near.saturating_sub(seen);
        Ok(self.left > 0 && self.found.len() <= self.bounds.matches)
    }

    /// Looks at the calls of a day that have one of the terms; whether to go on with the day before.
    fn buckets<K: Kind>(
        &mut self,
        reader: &Connection,
        scope: &Scope,
        table: &str,
        span: Span,
        ranges: &[Range],
        matches: &dyn Fn(&K::Row<'_>) -> bool,
    ) -> Result<bool> {
        let customer = scope.customer();
        let until = self.position.map_or(span.until, |at| at.ended_at.plus(1).min(span.until));
        let mut statement = reader.prepare_cached(&format!(
            "SELECT ended_at, device, boot, number, {} FROM {table} \
             WHERE rowid = ?1 AND customer = ?2",
            K::COLUMNS
        ))?;
        for bucket in terms::buckets(reader, customer, table, Span { until, ..span })? {
            let mut here = Vec::new();
            for call in terms::find(reader, customer, table, bucket, ranges)? {
                self.left = self.left.saturating_sub(ROWS_A_TERM);
                let mut rows = statement.query([call, customer.0])?;
                let Some(row) = rows.next()? else { continue };
                let Some(position) = position(&row)? else { continue };
                let is_within = span.from <= position.ended_at
                    && position.ended_at < span.until
                    && self.position.is_none_or(|before| position < before);
                if is_within && matches(&K::row(&position, &row)?) {
                    here.push(position);
                }
            }
            here.sort_unstable_by(|one, other| other.cmp(one));
            self.found.extend(here.into_iter().map(|position| (table.to_owned(), position)));
            self.position = Some(terms::begin_of(bucket).max(first_of(span)));
            if self.left == 0 || self.found.len() > self.bounds.matches {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Walks one day; whether to go on with the day before.
    fn table<K: Kind>(
        &mut self,
        reader: &Connection,
        scope: &Scope,
        table: &str,
        span: Span,
        matches: &dyn Fn(&K::Row<'_>) -> bool,
    ) -> Result<bool> {
        let mut statement = reader.prepare_cached(&walking::<K>(table))?;
        let mut part = FIRST_PART;
        loop {
            let asked = part.min(self.left);
            let seen = self.part::<K>(&mut statement, scope, table, span, asked, matches)?;
            if self.left == 0 || self.found.len() > self.bounds.matches {
                return Ok(false);
            }
            if seen < asked {
                return Ok(true);
            }
            part = (part * 4).min(MAX_PART);
        }
    }

    /// Walks on by `asked` rows, or until there are enough matches; answers how many rows it saw.
    fn part<K: Kind>(
        &mut self,
        statement: &mut Statement<'_>,
        scope: &Scope,
        table: &str,
        span: Span,
        asked: usize,
        matches: &dyn Fn(&K::Row<'_>) -> bool,
    ) -> Result<usize> {
        let (end, device, boot, number) = match &self.position {
            Some(at) if at.ended_at < span.until => {
                (at.ended_at, at.device.0.as_slice(), at.boot.0.as_slice(), at.number)
            }
            // Every device sorts after the empty one.
            _ => (span.until, [].as_slice(), [].as_slice(), 0),
        };
        let (end, number) = (stored_time(end), number.cast_signed());
        let from = stored_time(span.from);
        let mut rows =
            statement.query(params![scope.customer().0, from, end, device, boot, number, asked])?;
        let mut seen = 0;
        while self.found.len() <= self.bounds.matches {
            let Some(row) = rows.next()? else { break };
            seen += 1;
            self.left -= 1;
            let Some(position) = position(&row)? else { continue };
            self.position = Some(position);
            if matches(&K::row(&position, &row)?) {
                self.found.push((table.to_owned(), position));
            }
        }
        Ok(seen)
    }
}

/// The one upper bound is a row value, so that the index finds its place at once; every column is
/// in the index, so that no record is read.
fn walking<K: Kind>(table: &str) -> String {
    format!(
        "SELECT ended_at, device, boot, number, {} \
         FROM {table} INDEXED BY {table}_ended \
         WHERE customer = ?1 AND ended_at >= ?2 \
         AND (ended_at, device, boot, number) < (?3, ?4, ?5, ?6) \
         ORDER BY ended_at DESC, device DESC, boot DESC, number DESC LIMIT ?7",
        K::COLUMNS
    )
}

/// The place before which there is nothing of a span.
const fn first_of(span: Span) -> Position {
    Position { ended_at: span.from, device: Fingerprint([0; 16]), boot: Boot([0; 16]), number: 0 }
}

/// The first four columns. A row with a damaged key, which nobody writes, is no record.
pub(super) fn position(row: &Row<'_>) -> Result<Option<Position>> {
    let (Some(device), Some(boot)) = (key(row, 1)?, key(row, 2)?) else { return Ok(None) };
    Ok(Some(Position {
        ended_at: loaded_time(row.get(0)?),
        device: Fingerprint(device),
        boot: Boot(boot),
        number: row.get::<_, i64>(3)?.cast_unsigned(),
    }))
}

/// A device or boot; `None` for bytes that are neither, which nobody writes.
pub(super) fn key(row: &Row<'_>, column: usize) -> Result<Option<[u8; 16]>> {
    let column = row.get_ref(column)?;
    Ok(column.as_blob().ok().and_then(|bytes| bytes.try_into().ok()))
}

/// A text column; one that is no UTF-8, which nobody writes, matches nothing.
pub(super) fn text(column: Value<'_>) -> &str {
    column.as_str().unwrap_or("")
}

/// A text column, whatever is in it.
pub(super) fn lossy(column: Value<'_>) -> String {
    String::from_utf8_lossy(column.as_bytes().unwrap_or_default()).into_owned()
}

/// As much of a text as its column holds.
pub(super) fn column(text: &str) -> &str {
    text.char_indices().nth(MAX_COLUMN_CHARS).map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::super::{calls::Calls, peers::Peers, registrations::Registrations};
    use super::*;

    fn plan<K: Kind>() {
        let connection = rusqlite::Connection::open_in_memory().expect("a database");
        let connection = Connection::sqlite(connection);
        super::super::migrate::migrate(&connection).expect("tables");
        let table = super::super::make_day(&connection, K::SERIES, UnixMicros(0)).expect("a day");
        let plan: Vec<String> = connection
            .prepare_cached(&format!("EXPLAIN QUERY PLAN {}", walking::<K>(&table)))
            .expect("a statement")
            .query_map(params![1, 0, 0, "", "", 0, 1], |row| row.get(3))
            .expect("a plan")
            .collect::<Result<_>>()
            .expect("steps");
        let [step] = plan.as_slice() else { panic!("sorts: {plan:?}") };
        assert!(step.contains(&format!("USING COVERING INDEX {table}_ended")), "{step}");
        assert!(step.contains("ended_at>? AND (ended_at,device,boot,number)<(?,?,?,?)"), "{step}");
    }

    #[test]
    fn a_search_reads_the_index_alone_and_begins_at_its_place() {
        plan::<Calls>();
        plan::<Registrations>();
        plan::<Peers>();
    }
}
