//! What is shown before anything is played: peaks, marks, a spectrogram.
//!
//! ```text
//! length of the JSON (4, little-endian) | JSON | peaks | spectrogram
//!
//! peaks:        caller, then callee: for each bucket lowest (i8), highest (i8), RMS (u8)
//! spectrogram:  caller, then callee: for each column 64 bands (u8), lowest first
//! ```
//!
//! Lowest and highest are in 1/128 of full scale, RMS in 1/256. A band is 0 for nothing and 255 for
//! a sine of full scale, in equal steps of dB. docs/audio.md has the JSON.

use std::sync::Arc;

use serde::Serialize;

use super::marks::{Mark, MarkKind};
use super::page::Page;
use super::spectrum::{BANDS, FLOOR_DB, Spectrum, WINDOW};
use super::survey::Survey;
use super::{Problem, wav};
use crate::call::dialog::Side;
use crate::call::level::SILENCE_DBM0;

/// Buckets of peaks, at most.
const MAX_BUCKETS: u64 = 1500;

/// Columns of the spectrogram, at most.
const MAX_COLUMNS: u64 = 600;

/// Windows that a column is made of, at most: the loudest counts.
const WINDOWS: u64 = 4;

/// The highest tone that is shown, Hz.
const MAX_HZ: u32 = 16_000;

/// Silence that lasts for so long is marked, milliseconds.
const SILENCE_MS: u64 = 2000;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overview {
    /// What happened when, in order.
    pub marks: Vec<Mark>,
    bytes: Vec<u8>,
}

impl Overview {
    /// As it is sent.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Makes it, page by page.
pub(super) struct Builder {
    survey: Arc<Survey>,
    spectrum: Spectrum,
    marks: Vec<Mark>,
    /// Samples a bucket, and a column.
    bucket: u64,
    column: u64,
    at: u64,
    peaks: [Vec<Peak>; 2],
    columns: [Vec<[u8; BANDS]>; 2],
    silent: [Quiet; 2],
    /// The end of the page before: a window may begin there.
    tail: Vec<i16>,
}

#[derive(Clone, Copy, Default)]
struct Peak {
    low: i16,
    high: i16,
    squares: u64,
    samples: u32,
}

/// A stretch in which nobody speaks.
#[derive(Default)]
struct Quiet {
    since: Option<u64>,
    squares: u64,
    samples: u64,
}

impl Builder {
    pub(super) fn new(survey: Arc<Survey>) -> Self {
        let bucket = survey.len.div_ceil(MAX_BUCKETS).max(1);
        let column = survey.len.div_ceil(MAX_COLUMNS).max(WINDOW as u64 / 2);
        Self {
            survey,
            spectrum: Spectrum::new(),
            marks: Vec::new(),
            bucket,
            column,
            at: 0,
            peaks: Default::default(),
            columns: Default::default(),
            silent: Default::default(),
            tail: Vec::new(),
        }
    }

    /// Takes the next page.
    pub(super) fn add(&mut self, page: &Page) {
        self.marks.extend_from_slice(&page.marks);
        if self.marks.len() > 4 * super::marks::MAX_MARKS {
            super::marks::thin(&mut self.marks, self.survey.len);
        }
        let frames = page.samples.as_chunks::<2>().0;
        for side in [Side::Caller, Side::Callee] {
            let channel = super::page::channel(side);
            self.add_peaks(channel, frames);
            self.add_quiet(side, frames);
            self.add_columns(channel, frames);
        }
        let kept = frames.len().min(WINDOW);
        self.tail = frames[frames.len() - kept..].iter().flatten().copied().collect();
        self.at += frames.len() as u64;
    }

    fn add_peaks(&mut self, channel: usize, frames: &[[i16; 2]]) {
        let peaks = &mut self.peaks[channel];
        for (at, frame) in (self.at..).zip(frames) {
            let bucket = usize::try_from(at / self.bucket).unwrap_or(0);
            if peaks.len() <= bucket {
                peaks.push(Peak::default());
            }
            let (Some(peak), sample) = (peaks.last_mut(), frame[channel]) else { continue };
            peak.low = peak.low.min(sample);
            peak.high = peak.high.max(sample);
            peak.squares += u64::from(sample.unsigned_abs()).pow(2);
            peak.samples += 1;
        }
    }

    /// In steps of 20 ms.
    fn add_quiet(&mut self, side: Side, frames: &[[i16; 2]]) {
        let channel = super::page::channel(side);
        let step = u64::from(self.survey.rate) / 50;
        for (at, frame) in (self.at..).zip(frames) {
            let quiet = &mut self.silent[channel];
            quiet.squares += u64::from(frame[channel].unsigned_abs()).pow(2);
            quiet.samples += 1;
            if quiet.samples == step {
                let is_quiet = quiet.squares < step * QUIET_SQUARE;
                (quiet.squares, quiet.samples) = (0, 0);
                if is_quiet {
                    quiet.since.get_or_insert(at + 1 - step);
                } else if let Some(since) = quiet.since.take() {
                    self.end_quiet(side, since, at + 1 - step);
                }
            }
        }
    }

    fn end_quiet(&mut self, side: Side, from: u64, to: u64) {
        if to - from < SILENCE_MS * u64::from(self.survey.rate) / 1000 {
            return;
        }
        // What is lost is no silence.
        let is_lost = self.marks.iter().any(|mark| {
            mark.kind == MarkKind::Loss && mark.side == side && mark.from <= from && mark.to >= to
        });
        if !is_lost {
            let kind = MarkKind::Silence;
            self.marks.push(Mark { kind, side, from, to, count: 0, text: String::new() });
        }
    }

    fn add_columns(&mut self, channel: usize, frames: &[[i16; 2]]) {
        let tail = self.tail.len() as u64 / 2;
        let end = self.at + frames.len() as u64;
        let is_end = end == self.survey.len;
        let used = used_bins(self.survey.rate);
        // Windows of a column are spread evenly over it.
        let spacing = (self.column / WINDOWS).max(WINDOW as u64 / 2);
        let first = (self.at - tail).div_ceil(spacing);
        for window in first.. {
            let from = window * spacing;
            let is_whole = from + WINDOW as u64 <= end;
            if from >= end || !(is_whole || is_end) {
                break;
            }
            // Those that were whole before this page are there already.
            if self.at > 0 && from + WINDOW as u64 <= self.at {
                continue;
            }
            let mut samples = [0; WINDOW];
            for (to, at) in samples.iter_mut().zip(from..end) {
                *to = if at < self.at {
                    let at = usize::try_from(at + tail - self.at).unwrap_or(0);
                    self.tail[2 * at + channel]
                } else {
                    frames[usize::try_from(at - self.at).unwrap_or(0)][channel]
                };
            }
            let bands = self.spectrum.bands(&samples, used);
            let column = usize::try_from(from / self.column).unwrap_or(0);
            let columns = &mut self.columns[channel];
            if columns.len() <= column {
                columns.resize(column + 1, [0; BANDS]);
            }
            for (band, new) in columns[column].iter_mut().zip(bands) {
                *band = (*band).max(new);
            }
        }
    }

    /// All pages are there.
    pub(super) fn finish(mut self) -> Overview {
        let len = self.survey.len;
        for side in [Side::Caller, Side::Callee] {
            if let Some(since) = self.silent[super::page::channel(side)].since.take() {
                self.end_quiet(side, since, len);
            }
        }
        self.mark_holds();
        self.mark_digits();
        self.mark_problems();
        super::marks::join(&mut self.marks);
        super::marks::thin(&mut self.marks, len);
        let buckets = usize::try_from(len.div_ceil(self.bucket)).unwrap_or(0);
        let columns = usize::try_from(len.div_ceil(self.column)).unwrap_or(0);
        let header = self.header(buckets, columns);
        // Every part of it can be written as JSON.
        let json = serde_json::to_vec(&header).unwrap_or_default();
        let mut bytes = u32::try_from(json.len()).unwrap_or(0).to_le_bytes().to_vec();
        bytes.extend_from_slice(&json);
        for peaks in &mut self.peaks {
            peaks.resize(buckets, Peak::default());
            bytes.extend(peaks.iter().flat_map(|peak| peak.bytes()));
        }
        for column in &mut self.columns {
            column.resize(columns, [0; BANDS]);
            bytes.extend(column.iter().flatten());
        }
        Overview { marks: self.marks, bytes }
    }

    fn sample_of(&self, at: u64) -> u64 {
        let since = i64::try_from(at).unwrap_or(0).saturating_sub(self.survey.zero);
        let sample = i128::from(since) * i128::from(self.survey.rate) / 1_000_000;
        u64::try_from(sample).unwrap_or(0).min(self.survey.len)
    }

    fn mark_holds(&mut self) {
        for side in [Side::Caller, Side::Callee] {
            let mut since = None;
            let holds = self.survey.holds.iter().filter(|hold| hold.by == side);
            let mut ends: Vec<(u64, u64)> = Vec::new();
            for hold in holds {
                match (hold.begins, since) {
                    (true, None) => since = Some(self.sample_of(hold.at)),
                    (false, Some(from)) => {
                        ends.push((from, self.sample_of(hold.at)));
                        since = None;
                    }
                    _ => {}
                }
            }
            ends.extend(since.map(|from| (from, self.survey.len)));
            for (from, to) in ends.into_iter().filter(|(from, to)| from < to) {
                let kind = MarkKind::Hold;
                self.marks.push(Mark { kind, side, from, to, count: 0, text: String::new() });
            }
        }
    }

    fn mark_digits(&mut self) {
        let survey = Arc::clone(&self.survey);
        for side in [Side::Caller, Side::Callee] {
            for digit in survey.digits(side) {
                let from = self.sample_of(digit.at);
                self.marks.push(Mark {
                    kind: MarkKind::Dtmf,
                    side,
                    from,
                    to: (from + u64::from(survey.rate) / 10).min(survey.len),
                    count: 1,
                    text: digit.digit.map(String::from).unwrap_or_default(),
                });
            }
        }
    }

    /// Streams that cannot be heard, from their beginning to their end.
    fn mark_problems(&mut self) {
        let survey = Arc::clone(&self.survey);
        for (number, stream) in survey.streams.iter().enumerate() {
            let Some(problem) = stream.problem.filter(|_| stream.is_chosen) else { continue };
            if stream.heard > 0 {
                continue;
            }
            let place = |ticks, run: usize| {
                let run = u32::try_from(run).ok()?;
                u64::try_from(survey.sample(number, run, ticks)?).ok()
            };
            let runs = || stream.runs.iter().enumerate();
            let from = runs().filter_map(|(at, run)| place(run.first, at)).min().unwrap_or(0);
            let to = runs().filter_map(|(at, run)| place(run.end, at)).max().unwrap_or(0);
            self.marks.push(Mark {
                kind: problem.mark(),
                side: stream.sender,
                from,
                to: to.max(from),
                count: 0,
                text: problem.encoding_name().to_owned(),
            });
        }
    }

    fn header(&self, buckets: usize, columns: usize) -> Header<'_> {
        let rate = u64::from(self.survey.rate);
        let used = u32::try_from(used_bins(self.survey.rate)).unwrap_or(256);
        let ms = |samples: u64| samples * 1000 / rate;
        let marks = self.marks.iter().map(|mark| MarkLine {
            kind: mark.kind,
            side: name(mark.side),
            start_ms: ms(mark.from),
            end_ms: ms(mark.to),
            count: mark.count,
            text: &mark.text,
        });
        Header {
            version: 1,
            rate: self.survey.rate,
            samples: self.survey.len,
            wav_bytes: wav::len(self.survey.len),
            duration_ms: ms(self.survey.len),
            started_at: self.survey.zero,
            sides: [Side::Caller, Side::Callee].map(|side| self.side(side)),
            marks: marks.collect(),
            buckets,
            columns,
            bands: BANDS,
            top_hz: self.survey.rate / 2 * used / 256,
            floor_db: FLOOR_DB,
        }
    }

    fn side(&self, side: Side) -> SideLine<'_> {
        let streams = || {
            let all = self.survey.streams.iter();
            all.filter(move |stream| stream.is_chosen && stream.sender == side)
        };
        let mut encodings: Vec<&str> =
            streams().flat_map(|stream| stream.names.iter().map(|name| name.as_str())).collect();
        encodings.dedup();
        let lost = self.marks.iter().filter(|it| it.kind == MarkKind::Loss && it.side == side);
        let longest = streams().flat_map(|it| &it.runs).max_by_key(|run| run.end - run.first);
        SideLine {
            is_heard: streams().any(|stream| stream.heard > 0),
            problem: streams().find_map(|stream| stream.problem).map(Problem::word),
            encodings,
            packets: streams().map(|stream| stream.packets).sum(),
            lost: lost.map(|mark| u64::from(mark.count)).sum(),
            clock_ppm: longest.map_or(0, |run| run.ppm),
        }
    }
}

/// Of the 256 bins of a window those up to [`MAX_HZ`].
fn used_bins(rate: u32) -> usize {
    usize::try_from(256 * MAX_HZ / (rate / 2)).unwrap_or(256).min(256)
}

impl Peak {
    fn bytes(self) -> [u8; 3] {
        #[expect(clippy::cast_precision_loss, reason = "eight bits of it are used")]
        let mean = self.squares as f64 / f64::from(self.samples.max(1));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "`as` keeps a float within the range"
        )]
        let rms = libm::round(libm::sqrt(mean) / 128.0) as u8;
        let high = |value: i16| value.to_be_bytes()[0];
        [high(self.low), high(self.high), rms]
    }
}

/// The mean square of 16-bit samples at [`SILENCE_DBM0`].
const QUIET_SQUARE: u64 = 2570;
const _: () = assert!(SILENCE_DBM0 == -50);

const fn name(side: Side) -> &'static str {
    match side {
        Side::Caller => "caller",
        Side::Callee => "callee",
    }
}

#[derive(Serialize)]
struct Header<'a> {
    version: u32,
    rate: u32,
    samples: u64,
    wav_bytes: u64,
    duration_ms: u64,
    /// Microseconds since the epoch.
    started_at: i64,
    sides: [SideLine<'a>; 2],
    marks: Vec<MarkLine<'a>>,
    buckets: usize,
    columns: usize,
    bands: usize,
    top_hz: u32,
    floor_db: f32,
}

#[derive(Serialize)]
struct SideLine<'a> {
    is_heard: bool,
    problem: Option<&'static str>,
    encodings: Vec<&'a str>,
    packets: u64,
    lost: u64,
    clock_ppm: i32,
}

#[derive(Serialize)]
struct MarkLine<'a> {
    kind: MarkKind,
    side: &'static str,
    start_ms: u64,
    end_ms: u64,
    #[serde(skip_serializing_if = "is_zero")]
    count: u32,
    #[serde(skip_serializing_if = "str::is_empty")]
    text: &'a str,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_zero(count: &u32) -> bool {
    *count == 0
}
