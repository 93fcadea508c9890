//! `ringside-sensor analyze`: the calls (and registrations) of capture files, without root, network or state.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use embassy_time::Instant;

use super::{DONE, FAILED, Stop, analysis_settings, load};
use crate::analysis::Analysis;
use crate::capture::file::{FileError, FileSource};
use crate::cli::{Format, Records};
use crate::report::Report;
use crate::terminal::Style;

/// Prints every call of `files`. Files whose times follow each other are read as one capture, so
/// that a call which crosses from one into the next stays whole.
pub(super) fn analyze(
    files: &[PathBuf],
    format: Format,
    records: Records,
    config: Option<&Path>,
) -> Result<u8, Stop> {
    // Without a configuration SIP is looked for on every UDP port.
    let loaded = match config {
        Some(path) => load(Some(path))?,
        None => crate::config::Loaded::default(),
    };
    let settings = analysis_settings(&loaded.config, config.is_none(), 0);
    let mut out = Output::new(format, records);
    out.write(&out.report.head())?;
    let mut analysis = Analysis::new(settings.clone());
    let mut before = Instant::MIN;
    let mut is_whole = true;
    for path in files {
        let mut source = open(path)?;
        let mut is_first = true;
        loop {
            match source.next_frame() {
                Ok(None) => break,
                Ok(Some(frame)) => {
                    if is_first && frame.at < before {
                        out.finish(&mut analysis)?;
                        let counters = analysis.counters().clone();
                        analysis = Analysis::new(settings.clone());
                        *analysis.counters() = counters;
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
    out.finish(&mut analysis)?;
    out.flush()?;
    eprint!("{}", out.report.summary(analysis.counters()));
    Ok(if is_whole { DONE } else { FAILED })
}

/// Opens a capture file.
pub(super) fn open(path: &Path) -> Result<FileSource, Stop> {
    FileSource::open(path).map_err(|error| Stop::failed(format!("{}: {error}", path.display())))
}

/// Standard output. A reader that has gone ends the command quietly, as it does `cat`.
struct Output {
    report: Report,
    out: BufWriter<io::StdoutLock<'static>>,
}

impl Output {
    fn new(format: Format, records: Records) -> Self {
        let report = Report::new(format, Style::of_stdout(), records);
        Self { report, out: BufWriter::with_capacity(1 << 16, io::stdout().lock()) }
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
