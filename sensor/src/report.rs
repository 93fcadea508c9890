//! What `analyze` prints: one call after the other, as a table, JSON or CSV.
//!
//! Everything from the wire goes through [`printable`]: a caller's name must not command the
//! terminal.

mod csv;
mod json;
mod registration;
mod summary;
mod table;

use ringside_protocol::cdr::Cdr;
use ringside_protocol::diagnosis::Finding;
use ringside_protocol::record::Record;
use ringside_protocol::registration::Registration;
use serde_json::{Value, json};

use crate::cli::{Format, Records};
use crate::counters::Counters;
use crate::terminal::{Style, printable};

/// Prints records in one format and keeps count of them.
#[derive(Clone, Debug)]
pub struct Report {
    format: Format,
    style: Style,
    records: Records,
    day: Option<u64>,
    calls: u64,
    streams: u64,
    registrations: u64,
}

impl Report {
    /// A report of `records` without any yet. `style` matters to the table only.
    #[must_use]
    pub const fn new(format: Format, style: Style, records: Records) -> Self {
        Self { format, style, records, day: None, calls: 0, streams: 0, registrations: 0 }
    }

    /// What stands before the first call; may be empty.
    #[must_use]
    pub fn head(&self) -> String {
        match self.format {
            Format::Table if self.records == Records::Registrations => registration::head(),
            Format::Table => table::head(self.style),
            Format::Json => String::new(),
            Format::Csv => csv::head(),
        }
    }

    /// One record, with its line ends; empty where it is of a kind that was not asked for.
    #[must_use]
    pub fn record(&mut self, record: &Record) -> String {
        match (record, self.records) {
            (Record::Call(cdr), Records::All | Records::Calls) => self.call(cdr),
            (Record::Registration(it), Records::All | Records::Registrations) => {
                self.registration(it)
            }
            _ => String::new(),
        }
    }

    fn registration(&mut self, it: &Registration) -> String {
        self.registrations += 1;
        match self.format {
            Format::Table => {
                let at = it.made_at();
                let is_new = self.day.replace(at.day()) != Some(at.day());
                let date = if is_new { table::date(at, self.style) } else { String::new() };
                date + &registration::row(it, self.style)
            }
            // A table of calls has no line for one.
            Format::Csv => String::new(),
            Format::Json => registration::line(it),
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
                let date =
                    if is_new { table::date(cdr.first_at, self.style) } else { String::new() };
                date + &table::call(cdr, self.style)
            }
            Format::Json => json::call(cdr),
            Format::Csv => csv::call(cdr),
        }
    }

    /// What was read and what was not, for standard error.
    #[must_use]
    pub fn summary(&self, counters: &Counters) -> String {
        let registrations = (self.records != Records::Calls).then_some(self.registrations);
        summary::of(self.calls, self.streams, registrations, counters)
    }
}

fn finding_object(finding: &Finding) -> Value {
    json!({
        "severity": finding.severity.name(),
        "sentence": finding.sentence,
        "evidence": finding.evidence,
    })
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
