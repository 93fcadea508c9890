//! Calls as CSV (RFC 4180), streamed: all that the filter finds, however many.
//!
//! A cell that a spreadsheet would take for a formula gets an apostrophe before it (CWE-1236); a
//! plus sign with digits alone is a telephone number and stays as it is.

use std::io::{self, Read};
use std::sync::Arc;

use serde_json::Value;

use super::object;
use crate::auth::Scope;
use crate::db::Db;
use crate::db::calls::{self, Calls};
use crate::db::search::{Bounds, MAX_ROWS_SCANNED, Position, Span, search};
use crate::filter::Filter;
use crate::routes::names::Names;
use crate::routes::turns::Turn;
use crate::server::Response;

/// Calls that are in memory at once.
const CHUNK: usize = 100;

/// The columns: their names, and where in a call's JSON they stand.
const COLUMNS: &[(&str, &str)] = &[
    ("id", "/id"),
    ("call_id", "/call_id"),
    ("caller", "/caller/user"),
    ("caller_display", "/caller/display"),
    ("callee", "/callee/user"),
    ("callee_display", "/callee/display"),
    ("src", "/src"),
    ("dst", "/dst"),
    ("first_at", "/first_at"),
    ("start_at", "/start_at"),
    ("answered_at", "/answered_at"),
    ("ended_at", "/ended_at"),
    ("session_request_delay_ms", "/session_request_delay_ms"),
    ("setup_ms", "/setup_ms"),
    ("duration_ms", "/duration_ms"),
    ("status_code", "/status_code"),
    ("reason_phrase", "/reason_phrase"),
    ("ended_by", "/ended_by"),
    ("flags", "/flags"),
    ("mos", "/mos"),
    ("r", "/r"),
    ("mos_scale", "/mos_scale"),
    ("caller_agent", "/caller_agent"),
    ("callee_agent", "/callee_agent"),
    ("id_sensor", "/sensor/id_sensor"),
    ("sensor", "/sensor/name"),
    ("severity", "/verdict/severity"),
    ("verdict", "/verdict/sentence"),
];

pub(super) fn response(
    db: Arc<Db>,
    scope: Scope,
    filter: Filter,
    span: Span,
    names: Names,
    turn: Turn,
) -> Response {
    let export = Export {
        db,
        scope,
        filter,
        span,
        names,
        after: None,
        is_done: false,
        ready: header(),
        sent: 0,
        _turn: turn,
    };
    Response::stream(200, "text/csv; charset=utf-8; header=present", Box::new(export))
        .with_header("Content-Disposition", "attachment; filename=\"calls.csv\"")
}

/// Reads the next calls when the last ones have been sent.
struct Export {
    db: Arc<Db>,
    scope: Scope,
    filter: Filter,
    span: Span,
    names: Names,
    after: Option<Position>,
    is_done: bool,
    ready: Vec<u8>,
    sent: usize,
    /// Ends with the export.
    _turn: Turn,
}

impl Read for Export {
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

impl Export {
    fn load(&mut self) -> io::Result<()> {
        let bounds = Bounds { matches: CHUNK, rows: MAX_ROWS_SCANNED };
        let matches = |row: &calls::Row<'_>| self.filter.matches(row);
        let (db, scope) = (&self.db, &self.scope);
        let page = search::<Calls>(db, scope, self.span, self.after, bounds, &matches)
            .map_err(io::Error::other)?;
        self.ready.clear();
        self.sent = 0;
        for call in &page.records {
            line(&mut self.ready, &object::summary(call, &self.names));
        }
        self.after = page.next;
        self.is_done = page.next.is_none();
        Ok(())
    }
}

fn header() -> Vec<u8> {
    let names: Vec<_> = COLUMNS.iter().map(|(name, _)| *name).collect();
    format!("{}\r\n", names.join(",")).into_bytes()
}

fn line(to: &mut Vec<u8>, call: &Value) {
    for (index, (_, place)) in COLUMNS.iter().enumerate() {
        if index > 0 {
            to.push(b',');
        }
        let text = match call.pointer(place) {
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
