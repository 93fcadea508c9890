//! The log: one line an event on standard error, with time and level.

use core::time::Duration;
use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use log::{Level, LevelFilter, Log, Metadata, Record};
use ringside_protocol::time::UnixMicros;

/// Names the least level that is written: `error`, `warn`, `info` (the default) or `debug`.
pub const VARIABLE: &str = "RINGSIDE_LOG";

struct Stderr;

/// Begins to log. A second call does nothing.
pub fn start() {
    let asked = std::env::var(VARIABLE).ok().and_then(|level| level.parse().ok());
    if log::set_logger(&Stderr).is_ok() {
        log::set_max_level(asked.unwrap_or(LevelFilter::Info));
    }
}

/// The present time.
#[must_use]
pub fn now() -> UnixMicros {
    let since: Duration = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMicros(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}

impl Log for Stderr {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Libraries have little to say to an operator below a warning.
        metadata.target().starts_with("ringside") || metadata.level() <= Level::Warn
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let line = format!("{} {:5} {}\n", now().to_rfc3339(), record.level(), record.args());
            // There is nowhere to complain to.
            let _ = std::io::stderr().lock().write_all(line.as_bytes());
        }
    }

    fn flush(&self) {}
}
