//! `ringside-sensor analyze`: the calls (and registrations) of capture files, without root, network
//! or state.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use embassy_time::Instant;
use ringside_protocol::counters::Counter;

use super::{DONE, Device, FAILED, Stop, analysis_settings, keeper_of, load, rules_of};
use crate::analysis::{Ahead, Analysis};
use crate::capture::file::{FileError, FileSource};
use crate::cli::{Format, Records};
use crate::config::Config;
use crate::decode::media;
use crate::identity::Identity;
use crate::keep::{Keeper, Origin};
use crate::report::Report;
use crate::rules::RuleBook;
use crate::terminal::Style;

/// Prints every call of `files`. Files whose times follow each other are read as one capture, so
/// that a call which crosses from one into the next stays whole; one that cannot be read is told
/// and passed over.
pub(super) fn analyze(
    files: &[PathBuf],
    format: Format,
    records: Records,
    config: Option<&Path>,
    rules: Option<&Path>,
    store: Option<&Path>,
) -> Result<u8, Stop> {
    let rules = rules.map(rules_of).transpose()?;
    let has_rules = rules.is_some();
    // Without a configuration SIP is looked for on every UDP port.
    let loaded = match config {
        Some(path) => load(Some(path))?,
        None => crate::config::Loaded::default(),
    };
    let settings = analysis_settings(&loaded.config, config.is_none(), 0);
    let mut out = Output::new(format, records);
    let mut analysis = Analysis::new(settings.clone());
    if let Some(rules) = rules {
        analysis.set_keeper(keeper(rules, store, &loaded.config)?);
    }
    let mut before = Instant::MIN;
    let mut is_whole = true;
    for path in files {
        let mut source = match open(path) {
            Ok(source) => source,
            Err(stop) => {
                eprintln!("ringside-sensor: {}", stop.sentence);
                is_whole = false;
                continue;
            }
        };
        out.begin()?;
        let mut is_first = true;
        let mut prepared = 0;
        loop {
            if prepared == 0 {
                prepared = prepare(&source, &analysis) + 1;
            }
            prepared -= 1;
            match source.next_frame() {
                Ok(None) => break,
                Ok(Some(frame)) => {
                    if is_first && frame.at < before {
                        out.finish(&mut analysis)?;
                        let counters = analysis.counters().clone();
                        let keeper = analysis.take_keeper();
                        analysis = Analysis::new(settings.clone());
                        *analysis.counters() = counters;
                        if let Some(keeper) = keeper {
                            analysis.set_keeper(keeper);
                        }
                    }
                    is_first = false;
                    before = before.max(frame.at);
                    analysis.handle_frame(&frame);
                    out.records(&mut analysis)?;
                }
                Err(error) => {
                    eprintln!("ringside-sensor: {}: {error}", path.display());
                    is_whole &= matches!(error, FileError::Truncated { .. });
                    break;
                }
            }
        }
    }
    if out.has_begun {
        out.finish(&mut analysis)?;
        out.flush()?;
        eprint!("{}", out.report.summary(analysis.counters()));
        if has_rules && store.is_none() {
            let chosen = analysis.counters().of(Counter::CallsKept);
            eprintln!("Calls that the rules choose: {chosen}. --store DIR keeps their packets.");
        }
    }
    Ok(if is_whole { DONE } else { FAILED })
}

/// Looks at the frames that come next; says how many of them.
#[inline]
fn prepare(source: &FileSource, analysis: &Analysis) -> usize {
    let mut flows = Ahead::new();
    let seen = source.look_ahead(flows.capacity(), |link_type, bytes| {
        if let Some(flow) = media::glance(link_type, bytes) {
            // There is room: no more are looked at.
            let _ = flows.push(flow);
        }
    });
    analysis.prepare(&flows);
    seen
}

/// Keeps what rules say in a store of its own; counts it only where none is named.
fn keeper(rules: RuleBook, store: Option<&Path>, config: &Config) -> Result<Keeper, Stop> {
    let Some(directory) = store else {
        return Ok(Keeper::new(rules, None, Origin::default()));
    };
    let identity = Identity::load_or_create(directory).map_err(Stop::failed)?;
    keeper_of(rules, config, directory, &Device::of(&identity), true)
}

/// Opens a capture file.
pub(super) fn open(path: &Path) -> Result<FileSource, Stop> {
    FileSource::open(path).map_err(|error| match error {
        FileError::Open { .. } => Stop::failed(error),
        _ => Stop::failed(format!("{}: {error}", path.display())),
    })
}

/// Standard output. A reader that has gone ends the command quietly, as it does `cat`.
struct Output {
    report: Report,
    has_begun: bool,
    out: BufWriter<io::StdoutLock<'static>>,
}

impl Output {
    fn new(format: Format, records: Records) -> Self {
        let report = Report::new(format, Style::of_stdout(), records);
        Self {
            report,
            has_begun: false,
            out: BufWriter::with_capacity(1 << 16, io::stdout().lock()),
        }
    }

    /// Writes the head, before the first file that can be read.
    fn begin(&mut self) -> Result<(), Stop> {
        if self.has_begun {
            return Ok(());
        }
        self.has_begun = true;
        self.write(&self.report.head())
    }

    fn records(&mut self, analysis: &mut Analysis) -> Result<(), Stop> {
        while let Some(record) = analysis.poll_record() {
            let text = self.report.record(&record);
            self.write(&text)?;
        }
        Ok(())
    }

    fn finish(&mut self, analysis: &mut Analysis) -> Result<(), Stop> {
        analysis.finish();
        self.records(analysis)
    }

    fn write(&mut self, text: &str) -> Result<(), Stop> {
        self.out.write_all(text.as_bytes()).map_err(Stop::output)
    }

    fn flush(&mut self) -> Result<(), Stop> {
        self.out.flush().map_err(Stop::output)
    }
}
