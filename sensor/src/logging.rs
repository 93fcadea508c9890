//! The log: one line an event on standard error, where systemd's journal or a console picks it up.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use log::{Level, LevelFilter, Log, Metadata, Record};
use ringside_protocol::time::UnixMicros;

use crate::terminal::printable;

/// Newest lines that are kept for a support bundle, each of at most [`MAX_LINE_BYTES`].
const RECENT_LINES: usize = 200;
const MAX_LINE_BYTES: usize = 512;

static RECENT: Mutex<VecDeque<String>> = Mutex::new(VecDeque::new());

/// The newest lines, oldest first.
#[must_use]
pub fn recent() -> String {
    let lines = RECENT.lock().unwrap_or_else(PoisonError::into_inner);
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn keep(mut line: String) {
    line.truncate(line.floor_char_boundary(MAX_LINE_BYTES));
    let mut lines = RECENT.lock().unwrap_or_else(PoisonError::into_inner);
    if lines.len() >= RECENT_LINES {
        lines.pop_front();
    }
    lines.push_back(line);
}

struct StandardError;

impl Log for StandardError {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // The libraries' own chatter says nothing that the sensor does not say better.
        metadata.target().starts_with("ringside") || metadata.level() <= Level::Error
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let at = UnixMicros(u64::try_from(since_epoch.as_micros()).unwrap_or(u64::MAX));
        let text = record.args().to_string();
        let line = format!("{}Z {:5} {}", &at.to_rfc3339()[..23], record.level(), printable(&text));
        // A log that cannot be written must not stop the sensor.
        let _ = writeln!(std::io::stderr().lock(), "{line}");
        keep(line);
    }

    fn flush(&self) {}
}

/// Starts the log; a second call changes nothing but the level.
pub fn start(level: LevelFilter) {
    let _ = log::set_logger(&StandardError);
    log::set_max_level(level);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_lines_are_kept_and_long_ones_cut() {
        for number in 0..2 * RECENT_LINES {
            keep(format!("line {number} {}", "ä".repeat(MAX_LINE_BYTES)));
        }
        let lines = recent();
        assert!(!lines.contains(&format!("line {} ", RECENT_LINES - 1)));
        assert!(lines.contains(&format!("line {} ", 2 * RECENT_LINES - 1)));
        assert!(lines.lines().all(|line| line.len() <= MAX_LINE_BYTES));
    }
}
