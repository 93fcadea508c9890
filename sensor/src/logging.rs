//! The log: one line an event on standard error, where systemd's journal or a console picks it up.

use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use log::{Level, LevelFilter, Log, Metadata, Record};
use ringside_protocol::time::UnixMicros;

use crate::terminal::printable;

struct StandardError;

impl Log for StandardError {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // The libraries' own chatter says nothing that the sensor does not say better.
        metadata.target().starts_with("ringside") || metadata.level() <= Level::Warn
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let at = UnixMicros(u64::try_from(since_epoch.as_micros()).unwrap_or(u64::MAX));
        let text = record.args().to_string();
        // A log that cannot be written must not stop the sensor.
        let _ = writeln!(
            std::io::stderr().lock(),
            "{}Z {:5} {}",
            &at.to_rfc3339()[..23],
            record.level(),
            printable(&text)
        );
    }

    fn flush(&self) {}
}

/// Starts the log; a second call changes nothing but the level.
pub fn start(level: LevelFilter) {
    let _ = log::set_logger(&StandardError);
    log::set_max_level(level);
}
