//! A list of the records that exist, for kill tests: one id a line, written after each flush.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use ringside_protocol::cdr::CallId;

/// An append-only file of ids.
pub(super) struct Journal(File);

impl Journal {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(OpenOptions::new().create(true).append(true).open(path)?))
    }

    /// Notes that these records exist. A line is never there before its record is flushed.
    pub(super) fn note(&mut self, ids: impl Iterator<Item = CallId>) -> io::Result<()> {
        let lines: String = ids.map(|id| format!("{id}\n")).collect();
        if lines.is_empty() {
            return Ok(());
        }
        self.0.write_all(lines.as_bytes())?;
        match self.0.sync_data() {
            // A box's console keeps nothing that could be synced.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
            done => done,
        }
    }
}
