//! Records as CSV (RFC 4180), streamed: all that the filter finds, however many.
//!
//! A cell that a spreadsheet would take for a formula gets an apostrophe before it (CWE-1236); a
//! plus sign with digits alone is a telephone number and stays as it is.

use std::io::{self, Read};
use std::sync::Arc;

use serde_json::Value;

use super::listing::Listed;
use super::names::Names;
use super::turns::Turn;
use crate::auth::Scope;
use crate::db::Db;
use crate::db::search::{Bounds, MAX_ROWS_SCANNED, Position, Span, search};
use crate::server::Response;

/// A column's name, and where in a record's JSON it stands.
pub(super) type Column = (&'static str, &'static str);

/// Records that are in memory at once.
const CHUNK: usize = 100;

/// Everything of a kind that the filter finds within `span`.
pub(super) fn response<K: Listed>(
    db: Arc<Db>,
    scope: Scope,
    filter: K::Filter,
    span: Span,
    names: Names,
    turn: Turn,
) -> Response {
    let export = Export::<K> {
        db,
        scope,
        filter,
        span,
        names,
        after: None,
        is_done: false,
        ready: header(K::COLUMNS_OF_CSV),
        sent: 0,
        _turn: turn,
    };
    let disposition = format!("attachment; filename=\"{}.csv\"", K::NAME);
    Response::stream(200, "text/csv; charset=utf-8; header=present", Box::new(export))
        .with_header("Content-Disposition", &disposition)
}

/// Reads the next records when the last ones have been sent.
struct Export<K: Listed> {
    db: Arc<Db>,
    scope: Scope,
    filter: K::Filter,
    span: Span,
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
        let matches = |row: &K::Row<'_>| K::matches(&self.filter, row);
        let (db, scope) = (&self.db, &self.scope);
        let page = search::<K>(db, scope, self.span, self.after, bounds, &matches)
            .map_err(io::Error::other)?;
        self.ready.clear();
        self.sent = 0;
        for record in &page.records {
            line(&mut self.ready, K::COLUMNS_OF_CSV, &K::summary(record, &self.names));
        }
        self.after = page.next;
        self.is_done = page.next.is_none();
        Ok(())
    }
}

fn header(columns: &[Column]) -> Vec<u8> {
    let names: Vec<_> = columns.iter().map(|(name, _)| *name).collect();
    format!("{}\r\n", names.join(",")).into_bytes()
}

fn line(to: &mut Vec<u8>, columns: &[Column], record: &Value) {
    for (index, (_, place)) in columns.iter().enumerate() {
        if index > 0 {
            to.push(b',');
        }
        let text = match record.pointer(place) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(Value::Array(items)) => {
                items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
            }
            Some(other) => other.to_string(),
        };
        to.extend_from_slice(cell(&text).as_bytes());
    }
    to.extend_from_slice(b"\r\n");
}

fn cell(text: &str) -> String {
    let text = if is_formula(text) { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

/// Whether a spreadsheet may calculate with a cell.
fn is_formula(text: &str) -> bool {
    let starts = text.trim_start_matches(' ').starts_with([
        '=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}',
    ]);
    let digits = text.strip_prefix('+').unwrap_or("");
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    starts && !is_number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_calculate_nothing() {
        for (text, written) in [
            ("4930123", "4930123"),
            ("+4930123", "+4930123"),
            ("+49+1", "'+49+1"),
            ("=1+2", "'=1+2"),
            (" =1", "' =1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("a,b", "\"a,b\""),
            ("=\"a\"", "\"'=\"\"a\"\"\""),
            ("a\r\nb", "\"a\r\nb\""),
        ] {
            assert_eq!(cell(text), written);
        }
    }
}
