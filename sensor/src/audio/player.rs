//! One stream as it is played: packets in the order of their numbers, each at its place in time.
//!
//! ```text
//! packets as they came -> waiting (put in order) -> decoder -> rate of the sound -> canvas
//! ```
//!
//! What is missing stays silent. A gap with missing numbers is a loss; a gap without is the
//! sender's own (DTX, hold, digits), filled with noise where the sender asked for it.

use super::Problem;
use super::decoder::{Decoder, exists, shape};
use super::feed::Step;
use super::marks::{Mark, MarkKind};
use super::noise::Comfort;
use super::page::{channel, heard};
use super::resample::{Upsampler, stretch};
use super::survey::Survey;
use super::tracker::Tracker;
use crate::call::codec::{Codec, Kind};
use crate::call::dialog::Side;

/// Packets that wait for one that is missing, at most.
const MAX_WAITING: usize = 64;

/// How long they wait, microseconds.
const MAX_WAIT: u64 = 500_000;

/// A packet that begins within this part of a second of the end of the one before follows it.
const SLIP: i64 = 400;

/// A jump of the numbers that is no loss.
const MAX_LOST: i64 = 3000;

/// Two channels of sound, and marks.
pub(super) struct Canvas {
    from: i64,
    to: i64,
    /// Marks at the very end of the sound belong to the last page.
    is_last: bool,
    samples: Vec<i16>,
    marks: Vec<Mark>,
}

impl Canvas {
    /// Silence from one sample to another.
    pub(super) fn new(from: i64, to: i64, is_last: bool) -> Self {
        let len = usize::try_from((to - from) * 2).unwrap_or(0);
        Self { from, to, is_last, samples: vec![0; len], marks: Vec::new() }
    }

    pub(super) fn finish(self) -> (Vec<i16>, Vec<Mark>) {
        (self.samples, self.marks)
    }

    /// Adds samples at a place; what lies outside goes.
    fn add(&mut self, at: i64, side: Side, samples: &[i16]) {
        let skipped = usize::try_from(self.from - at).unwrap_or(0).min(samples.len());
        let Ok(first) = usize::try_from((at - self.from).max(0)) else { return };
        let places = self.samples.as_chunks_mut::<2>().0.iter_mut().skip(first);
        for (place, sample) in places.zip(&samples[skipped..]) {
            let place = &mut place[channel(side)];
            *place = place.saturating_add(*sample);
        }
    }

    /// Notes a mark, if it ends here.
    fn mark(&mut self, kind: MarkKind, side: Side, from: i64, to: i64, count: u32, text: &str) {
        let ends_here = to > self.from && (to <= self.to || self.is_last);
        if ends_here && self.marks.len() < super::marks::MAX_MARKS {
            let unsigned = |value: i64| u64::try_from(value).unwrap_or(0);
            let (from, to) = (unsigned(from), unsigned(to));
            self.marks.push(Mark { kind, side, from, to, count, text: text.to_owned() });
        }
    }
}

/// A stretch of packets that cannot be heard.
struct Unheard {
    problem: Problem,
    from: i64,
    to: i64,
}

/// See the module.
pub(super) struct Player {
    stream: usize,
    side: Side,
    waiting: Vec<Waiting>,
    /// The number that comes next.
    next: Option<i64>,
    /// The newest number that came.
    newest: i64,
    /// Numbers that are missing since the last sound.
    lost: i64,
    run: u32,
    /// Where the sound so far ends, in samples.
    end: Option<i64>,
    comfort: Option<Comfort>,
    /// The encoding of the last sound.
    codec: Option<Codec>,
    decoder: Option<Decoder>,
    upsampler: Option<Upsampler>,
    unheard: Option<Unheard>,
    decoded: Vec<i16>,
    block: Vec<i16>,
}

struct Waiting {
    at: u64,
    sequence: i64,
    media: Option<(u32, i64)>,
    codec: Codec,
    payload: Result<Vec<u8>, Problem>,
}

impl Player {
    /// Goes on from what a stream was.
    pub(super) fn new(survey: &Survey, stream: usize, before: &Tracker) -> Self {
        let media = before.media;
        Self {
            stream,
            side: survey.streams.get(stream).map_or(Side::Caller, |stream| stream.sender),
            waiting: Vec::new(),
            next: before.newest.map(|newest| newest + 1),
            newest: before.newest.unwrap_or(i64::MIN),
            lost: 0,
            run: media.map_or(0, |media| media.run),
            end: media.and_then(|media| survey.sample(stream, media.run, media.end)),
            comfort: before.comfort,
            codec: media.map(|media| media.codec),
            decoder: None,
            upsampler: None,
            unheard: None,
            decoded: Vec::new(),
            block: Vec::new(),
        }
    }

    /// Takes the next packet as it came.
    pub(super) fn take(&mut self, step: &Step<'_>, survey: &Survey, canvas: &mut Canvas) {
        let sequence = step.placed.sequence;
        if sequence < self.newest && self.newest - sequence < MAX_LOST {
            let place =
                step.placed.media.and_then(|(run, ticks)| survey.sample(self.stream, run, ticks));
            let is_played = self.next.is_some_and(|next| sequence < next);
            let is_there = self.waiting.iter().any(|other| other.sequence == sequence);
            if is_played || is_there {
                return;
            }
            if let Some(place) = place {
                canvas.mark(MarkKind::Reordered, self.side, place, place + 1, 1, "");
            }
        } else if sequence == self.newest {
            return;
        }
        let is_restart = self.next.is_some_and(|next| (sequence - next).abs() >= MAX_LOST);
        if is_restart {
            self.play_all(survey, canvas);
            self.next = None;
        }
        self.newest = if is_restart { sequence } else { self.newest.max(sequence) };
        let place = self.waiting.partition_point(|other| other.sequence < sequence);
        self.waiting.insert(
            place,
            Waiting {
                at: step.at,
                sequence,
                media: step.placed.media,
                codec: step.codec,
                payload: heard(step).map(<[u8]>::to_vec),
            },
        );
        while let Some(first) = self.waiting.first() {
            let is_next = self.next.is_none_or(|next| first.sequence <= next);
            let has_waited = first.at + MAX_WAIT < step.at || self.waiting.len() > MAX_WAITING;
            if !is_next && !has_waited {
                break;
            }
            let first = self.waiting.remove(0);
            self.play(&first, survey, canvas);
        }
    }

    /// Nothing more comes.
    pub(super) fn finish(&mut self, survey: &Survey, canvas: &mut Canvas) {
        self.play_all(survey, canvas);
        self.end_unheard(canvas);
        let run_end = survey.streams.get(self.stream).and_then(|stream| {
            let run = stream.runs.get(self.run as usize)?;
            survey.sample(self.stream, self.run, run.end)
        });
        if let Some(run_end) = run_end {
            self.fill_to(run_end.min(canvas.to), canvas);
        }
    }

    fn play_all(&mut self, survey: &Survey, canvas: &mut Canvas) {
        for waiting in core::mem::take(&mut self.waiting) {
            self.play(&waiting, survey, canvas);
        }
    }

    fn play(&mut self, packet: &Waiting, survey: &Survey, canvas: &mut Canvas) {
        let lost = self.next.map_or(0, |next| packet.sequence - next);
        self.lost += lost.max(0);
        self.next = Some(packet.sequence + 1);
        let Some((run, ticks)) = packet.media else { return };
        let Some(from) = survey.sample(self.stream, run, ticks) else { return };
        self.run = run;
        if packet.codec.kind() == Kind::ComfortNoise {
            self.pass_gap(from, canvas);
            self.comfort = packet.payload.as_deref().ok().and_then(Comfort::parse);
            return;
        }
        let (payload, shape) = match packet.payload.as_deref() {
            Ok(payload) => match shape(&packet.codec, payload) {
                Some(shape) => (payload, shape),
                None if exists(&packet.codec) => return,
                None => {
                    let problem = Problem::NoDecoder(packet.codec);
                    return self.note_unheard(problem, from, survey.rate, canvas);
                }
            },
            Err(problem) => return self.note_unheard(*problem, from, survey.rate, canvas),
        };
        self.end_unheard(canvas);
        let to = survey.sample(self.stream, run, ticks + i64::from(shape.ticks)).unwrap_or(from);
        let slip = i64::from(survey.rate) / SLIP;
        let follows = self.lost == 0
            && self.comfort.is_none()
            && self.end.is_some_and(|end| (from - end).abs() <= slip);
        let from = self.end.filter(|_| follows).unwrap_or(from);
        if !follows {
            self.pass_gap(from, canvas);
            self.upsampler.iter_mut().for_each(Upsampler::reset);
        }
        self.comfort = None;
        self.change_codec(packet.codec, from, survey, canvas);
        if from >= canvas.to {
            // Not a sample of it would stay.
            self.end = Some(self.end.unwrap_or(to).max(to));
            return;
        }
        self.decode(payload, usize::try_from(to - from).unwrap_or(0), survey.rate);
        let trimmed = self.end.map_or(0, |end| usize::try_from(end - from).unwrap_or(0));
        if self.block.is_empty() && to > from {
            canvas.mark(MarkKind::Loss, self.side, from, to, 1, "");
        }
        if let Some(block) = self.block.get(trimmed..) {
            canvas.add(from.max(self.end.unwrap_or(from)), self.side, block);
        }
        self.end = Some(self.end.unwrap_or(to).max(to));
    }

    /// What lies between the sound so far and `to`: a loss, noise, or silence.
    fn pass_gap(&mut self, to: i64, canvas: &mut Canvas) {
        let lost = core::mem::take(&mut self.lost);
        let Some(end) = self.end.filter(|&end| end < to) else { return };
        if lost > 0 && lost < MAX_LOST {
            let count = u32::try_from(lost).unwrap_or(u32::MAX);
            canvas.mark(MarkKind::Loss, self.side, end, to, count, "");
        }
        if lost == 0 {
            self.fill_to(to, canvas);
        }
        self.end = Some(to);
    }

    fn fill_to(&mut self, to: i64, canvas: &mut Canvas) {
        let (Some(comfort), Some(end)) = (&self.comfort, self.end) else { return };
        let (from, to) = (end.max(canvas.from), to.min(canvas.to));
        if let Ok(len @ 1..) = usize::try_from(to - from) {
            let mut noise = vec![0; len];
            comfort.fill(u64::try_from(from).unwrap_or(0), &mut noise);
            canvas.add(from, self.side, &noise);
        }
    }

    /// A packet at `from` cannot be heard; it counts as 20 ms.
    fn note_unheard(&mut self, problem: Problem, from: i64, rate: u32, canvas: &mut Canvas) {
        let to = from + i64::from(rate) / 50;
        match &mut self.unheard {
            Some(before) if before.problem == problem && from <= before.to + i64::from(rate) => {
                before.to = before.to.max(to);
            }
            _ => {
                self.end_unheard(canvas);
                self.unheard = Some(Unheard { problem, from, to });
            }
        }
    }

    fn end_unheard(&mut self, canvas: &mut Canvas) {
        let Some(Unheard { problem, from, to }) = self.unheard.take() else { return };
        // Each page has its part.
        let (from, to) = (from.max(canvas.from), to.min(canvas.to));
        if from < to {
            canvas.mark(problem.mark(), self.side, from, to, 0, problem.encoding_name());
        }
    }

    fn change_codec(&mut self, codec: Codec, at: i64, survey: &Survey, canvas: &mut Canvas) {
        if self.codec.replace(codec) != Some(codec) {
            canvas.mark(MarkKind::Codec, self.side, at, at + 1, 1, codec.encoding_name());
            self.decoder = None;
        }
        if self.decoder.is_none() {
            self.decoder = Decoder::new(&codec, survey.rate);
            let needs = self.decoder.as_ref().is_some_and(|it| it.rate() != survey.rate);
            self.upsampler = needs.then(Upsampler::new);
        }
    }

    /// Makes `len` samples of a payload.
    fn decode(&mut self, payload: &[u8], len: usize, rate: u32) {
        self.decoded.clear();
        self.block.clear();
        let Some(decoder) = &mut self.decoder else { return };
        decoder.decode(payload, &mut self.decoded);
        let decoded = self.decoded.as_slice();
        if decoded.is_empty() {
            return;
        }
        match &mut self.upsampler {
            Some(upsampler) => upsampler.take(decoded, len, &mut self.block),
            None if decoded.len() == len => self.block.extend_from_slice(decoded),
            // A sample more or less, for the sender's clock.
            None if decoded.len().abs_diff(len) <= rate as usize / 400 => {
                stretch(decoded, len, &mut self.block);
            }
            None => self.block.extend_from_slice(&decoded[..len.min(decoded.len())]),
        }
    }
}
