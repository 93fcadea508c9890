//! What `analyze` prints: one record after the other, as a table, JSON or CSV.
//!
//! Everything from the wire goes through [`printable`]: a caller's name must not command the
//! terminal.

mod csv;
mod json;
mod outside;
mod summary;
mod table;

use ringside_protocol::cdr::Cdr;
use ringside_protocol::diagnosis::Finding;
use ringside_protocol::peer::Peer;
use ringside_protocol::record::Record;
use ringside_protocol::registration::Registration;
use ringside_protocol::time::UnixMicros;
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
    peers: u64,
}

impl Report {
    /// A report of `records` without any yet. `style` matters to the table only.
    #[must_use]
    pub const fn new(format: Format, style: Style, records: Records) -> Self {
        Self { format, style, records, day: None, calls: 0, streams: 0, registrations: 0, peers: 0 }
    }

    /// What stands before the first record; may be empty.
    #[must_use]
    pub fn head(&self) -> String {
        match (self.format, self.records) {
            (Format::Table, Records::Registrations) => outside::registration_head(),
            (Format::Table, Records::Peers) => outside::peer_head(),
            (Format::Table, _) => table::head(self.style),
            (Format::Json, _) => String::new(),
            (Format::Csv, records) => csv::head(records),
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
            (Record::Peer(it), Records::All | Records::Peers) => self.peer(it),
            _ => String::new(),
        }
    }

    fn registration(&mut self, it: &Registration) -> String {
        self.registrations += 1;
        match self.format {
            Format::Table => self.date(it.made_at()) + &outside::registration_row(it, self.style),
            Format::Json => outside::registration_line(it),
            Format::Csv => csv::registration(it),
        }
    }

    fn peer(&mut self, it: &Peer) -> String {
        self.peers += 1;
        match self.format {
            Format::Table => self.date(it.made_at()) + &outside::peer_row(it, self.style),
            Format::Json => outside::peer_line(it),
            Format::Csv => csv::peer(it),
        }
    }

    /// One call, with its line ends.
    #[must_use]
    pub fn call(&mut self, cdr: &Cdr) -> String {
        self.calls += 1;
        self.streams += cdr.streams.len() as u64 + u64::from(cdr.streams_omitted);
        match self.format {
            Format::Table => self.date(cdr.first_at) + &table::call(cdr, self.style),
            Format::Json => json::call(cdr),
            Format::Csv => csv::call(cdr),
        }
    }

    /// A line with the date, where it is another one than before.
    fn date(&mut self, at: UnixMicros) -> String {
        let is_new = self.day.replace(at.day()) != Some(at.day());
        if is_new { table::date(at, self.style) } else { String::new() }
    }

    /// What was read and what was not, for standard error.
    #[must_use]
    pub fn summary(&self, counters: &Counters) -> String {
        let asked = |kind| self.records == kind || self.records == Records::All;
        let others = [
            (Records::Registrations, self.registrations, "registration record"),
            (Records::Peers, self.peers, "peer record"),
        ];
        let others = others.into_iter().filter(|&(kind, ..)| asked(kind));
        summary::of(self.calls, self.streams, others.map(|(_, many, what)| (many, what)), counters)
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
mod outside_tests;
#[cfg(test)]
mod tests;
