//! All records that a filter finds, streamed, however many: as CSV, or as JSON with a line each
//! (NDJSON).

use std::io::{self, Read};
use std::sync::Arc;

use super::listing::Listed;
use super::names::Names;
use super::turns::Turn;
use super::{csv, mask};
use crate::auth::Scope;
use crate::db::Db;
use crate::db::search::{Bounds, MAX_ROWS_SCANNED, Position, Span, search};
use crate::server::Response;

/// Records that are in memory at once.
const CHUNK: usize = 100;

/// How records are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// RFC 4180.
    Csv,
    /// One object a line, as lists have them.
    Ndjson,
}

/// What is exported.
pub(super) struct Wanted<K: Listed> {
    pub(super) format: Format,
    pub(super) filter: K::Filter,
    pub(super) span: Span,
    /// Whether numbers are masked.
    pub(super) masks: bool,
}

/// Everything of a kind that the filter finds within the span.
pub(super) fn response<K: Listed>(
    db: Arc<Db>,
    scope: Scope,
    wanted: Wanted<K>,
    names: Names,
    turn: Turn,
) -> Response {
    let (kind, end, head) = match wanted.format {
        Format::Csv => {
            let head = csv::header(K::COLUMNS_OF_CSV);
            ("text/csv; charset=utf-8; header=present", "csv", head)
        }
        Format::Ndjson => ("application/x-ndjson", "ndjson", Vec::new()),
    };
    let disposition = format!("attachment; filename=\"{}.{end}\"", K::NAME);
    let export = Export::<K> {
        db,
        scope,
        wanted,
        names,
        after: None,
        is_done: false,
        ready: head,
        sent: 0,
        _turn: turn,
    };
    Response::stream(200, kind, Box::new(export)).with_header("Content-Disposition", &disposition)
}

/// Reads the next records when the last ones have been sent.
struct Export<K: Listed> {
    db: Arc<Db>,
    scope: Scope,
    wanted: Wanted<K>,
    names: Names,
    after: Option<Position>,
    is_done: bool,
    ready: Vec<u8>,
    sent: usize,
    /// Ends with the export.
    _turn: Turn,
}

impl<K: Listed> Read for Export<K> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.sent == self.ready.len() && !self.is_done {
            self.load()?;
        }
        let rest = &self.ready[self.sent..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.sent += count;
        Ok(count)
    }
}

impl<K: Listed> Export<K> {
    fn load(&mut self) -> io::Result<()> {
        let bounds = Bounds { matches: CHUNK, rows: MAX_ROWS_SCANNED };
        let Wanted { format, filter, span, masks } = &self.wanted;
        let matches = |row: &K::Row<'_>| K::matches(filter, row);
        let (db, scope) = (&self.db, &self.scope);
        let page = search::<K>(db, scope, *span, self.after, bounds, &matches)
            .map_err(io::Error::other)?;
        self.ready.clear();
        self.sent = 0;
        for record in &page.records {
            let mut object = K::summary(record, &self.names);
            if *masks {
                mask::value(&mut object);
            }
            match format {
                Format::Csv => csv::line(&mut self.ready, K::COLUMNS_OF_CSV, &object),
                Format::Ndjson => {
                    self.ready.extend_from_slice(object.to_string().as_bytes());
                    self.ready.push(b'\n');
                }
            }
        }
        self.after = page.next;
        self.is_done = page.next.is_none();
        Ok(())
    }
}
