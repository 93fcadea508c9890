//! What `analyze` prints: one call after the other, as a table, JSON or CSV.
//!
//! Everything from the wire goes through [`printable`]: a caller's name must not command the
//! terminal.

mod csv;
mod json;
mod summary;
mod table;

use ringside_protocol::cdr::Cdr;

use crate::cli::Format;
use crate::counters::Counters;
use crate::terminal::{Style, printable};

/// Prints calls in one format and keeps count of them.
#[derive(Clone, Debug)]
pub struct Report {
    format: Format,
    style: Style,
    day: Option<u64>,
    calls: u64,
    streams: u64,
}

impl Report {
    /// A report without any call yet. `style` matters to the table only.
    #[must_use]
    pub const fn new(format: Format, style: Style) -> Self {
        Self { format, style, day: None, calls: 0, streams: 0 }
    }

    /// What stands before the first call; may be empty.
    #[must_use]
    pub fn head(&self) -> String {
        match self.format {
            Format::Table => table::head(self.style),
            Format::Json => String::new(),
            Format::Csv => csv::head(),
        }
    }

    /// One call, with its line ends.
    #[must_use]
    pub fn call(&mut self, cdr: &Cdr) -> String {
        self.calls += 1;
        self.streams += cdr.streams.len() as u64 + u64::from(cdr.streams_omitted);
        match self.format {
            Format::Table => {
                let day = cdr.first_at.day();
                let is_new = self.day.replace(day) != Some(day);
                let date = if is_new { table::date(cdr, self.style) } else { String::new() };
                date + &table::call(cdr, self.style)
            }
            Format::Json => json::call(cdr),
            Format::Csv => csv::call(cdr),
        }
    }

    /// What was read and what was not, for standard error.
    #[must_use]
    pub fn summary(&self, counters: &Counters) -> String {
        summary::of(self.calls, self.streams, counters)
    }
}

/// The greatest share of lost packets of any stream, 1/1000; `None` without a stream that tells.
fn worst_loss_permille(cdr: &Cdr) -> Option<u64> {
    let shares = cdr.streams.iter().filter(|stream| stream.expected > 0);
    shares.map(|stream| u64::from(stream.lost) * 1000 / u64::from(stream.expected)).max()
}

/// The greatest mean jitter of any stream, microseconds; `None` where no clock rate is known.
fn worst_jitter_micros(cdr: &Cdr) -> Option<u32> {
    cdr.streams.iter().filter_map(|stream| stream.jitter_mean).max()
}

#[cfg(test)]
mod tests;
