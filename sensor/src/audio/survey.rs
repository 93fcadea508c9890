//! The first look at a call: which streams there are, where they lie in time, what can be heard.
//!
//! Nothing is decoded here. What remains is small, and says everything that the sound of any part
//! of the call needs: its length, its rate, and places to begin reading at.

use core::ops::ControlFlow;
use std::io;

use super::decoder::{exists, shape};
use super::feed::{Content, Feed, Key, Step};
use super::packets::{Packets, Place};
use super::run::Run;
use super::signalling::{Hold, Messages};
use super::tracker::{MAX_AHEAD, Tracker};
use super::{AudioError, Problem};
use crate::call::codec::Kind;
use crate::call::dialog::Side;
use crate::store::ring::chunks::Chunks;
use crate::wire::rtp::TelephoneEvent;

/// Between two places at which reading can begin, at first: microseconds of arrival.
const CHECKPOINT_EVERY: u64 = 10_000_000;

/// Places of one call; with more, every second one goes.
const MAX_CHECKPOINTS: usize = 1024;

/// Runs of one stream; what comes after is not heard.
const MAX_RUNS: usize = 512;

/// Encodings of one stream that are named.
const MAX_NAMES: usize = 8;

/// Digits of one stream that are marked.
const MAX_DIGITS: usize = 64;

/// Streams of two places overlap when they are active together for longer, seconds.
const MAX_OVERLAP: u32 = 1;

/// A packet that comes so much later than its time is not waited for, microseconds.
const MAX_LATENESS: i64 = 30_000_000;

/// See the module.
pub(super) struct Survey {
    pub(super) streams: Vec<Stream>,
    checkpoints: Vec<Checkpoint>,
    /// The moment of the first sample, microseconds since the epoch.
    pub(super) zero: i64,
    /// Samples a second.
    pub(super) rate: u32,
    /// Samples of each side.
    pub(super) len: u64,
    /// How much later than its time the slowest packet comes, microseconds.
    pub(super) lateness: i64,
    pub(super) holds: Vec<Hold>,
}

/// One stream.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) key: Key,
    pub(super) sender: Side,
    pub(super) runs: Vec<Run>,
    /// Packets of speech.
    pub(super) packets: u64,
    /// As in rtpmap, in the order in which they came.
    pub(super) names: heapless::Vec<heapless::String<24>, MAX_NAMES>,
    /// Why packets cannot be heard: the latest reason.
    pub(super) problem: Option<Problem>,
    /// Packets that can be heard.
    pub(super) heard: u64,
    /// It is the one of its direction that is played, and not the same sound on another hop.
    pub(super) is_chosen: bool,
    rate: u32,
    /// Digits (RFC 4733), each once.
    digits: heapless::Vec<Digit, MAX_DIGITS>,
    /// A bit a second with packets.
    active: Vec<u64>,
}

/// A digit that a side sent; `None` where it was masked, or is no digit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Digit {
    /// Microseconds since the epoch.
    pub(super) at: u64,
    pub(super) digit: Option<char>,
    timestamp: u32,
}

#[derive(Debug)]
struct Checkpoint {
    at: u64,
    place: Place,
    trackers: Vec<Tracker>,
}

/// Looks at a whole call. The feed knows its streams afterwards.
pub(super) fn survey(chunks: Chunks) -> Result<(Packets, Feed, Survey), AudioError> {
    let mut messages = Messages::default();
    let mut packets = Packets::open(chunks, &mut |datagram| messages.take(datagram))?;
    let mut feed = Feed { signalling: messages.read(), keys: Vec::new() };
    let mut look = Look::default();
    look.read(&mut packets, &mut feed)?;
    let survey = look.finish(&feed)?;
    Ok((packets, feed, survey))
}

#[derive(Default)]
struct Look {
    streams: Vec<Stream>,
    checkpoints: Vec<Checkpoint>,
    every: u64,
    next_checkpoint: u64,
    /// Arrival of the first packet of a stream, and of the latest.
    first_at: Option<u64>,
    latest_at: u64,
}

impl Look {
    fn read(&mut self, packets: &mut Packets, feed: &mut Feed) -> io::Result<()> {
        let mut trackers = Vec::new();
        let mut scratch = Vec::new();
        self.every = CHECKPOINT_EVERY;
        packets.read(Place::default(), &mut |datagram, place| {
            self.checkpoint(datagram.at.as_micros(), place, &trackers);
            let Some((step, _)) = feed.step(datagram, &mut trackers, |_| false, &mut scratch)
            else {
                return ControlFlow::Continue(());
            };
            let first_at = *self.first_at.get_or_insert(step.at);
            self.latest_at = self.latest_at.max(step.at);
            if self.streams.len() <= step.stream {
                let (key, sender) = feed.keys[step.stream];
                self.streams.push(Stream::new(key, sender));
            }
            if step.codec.kind() == Kind::TelephoneEvent {
                self.streams[step.stream].add_event(&step);
            }
            let media_end = trackers[step.stream].media.map(|media| media.end);
            let second = step.at.saturating_sub(first_at) / 1_000_000;
            self.streams[step.stream].add(&step, media_end, second);
            ControlFlow::Continue(())
        })
    }

    fn checkpoint(&mut self, at: u64, place: Place, trackers: &[Tracker]) {
        if at < self.next_checkpoint {
            return;
        }
        if self.checkpoints.len() == MAX_CHECKPOINTS {
            let mut keeps = false;
            self.checkpoints.retain(|_| {
                keeps = !keeps;
                keeps
            });
            self.every *= 2;
        }
        self.next_checkpoint = at + self.every;
        self.checkpoints.push(Checkpoint { at, place, trackers: trackers.to_vec() });
    }

    fn finish(mut self, feed: &Feed) -> Result<Survey, AudioError> {
        for stream in &mut self.streams {
            stream.runs.iter_mut().for_each(Run::place);
        }
        choose(&mut self.streams);
        let chosen = || self.streams.iter().filter(|stream| stream.is_chosen);
        if !chosen().any(|stream| stream.heard > 0) {
            let problem = chosen().find_map(|stream| stream.problem);
            return Err(problem.map_or(AudioError::NoMedia, AudioError::Problem));
        }
        let runs = || chosen().flat_map(|stream| &stream.runs);
        let zero = runs().map(|run| run.offset).min().unwrap_or(0);
        let rate = match chosen().map(|stream| stream.rate).max().unwrap_or(0) {
            0..=8000 => 8000,
            8001..=16_000 => 16_000,
            _ => 48_000,
        };
        let len = |rate| {
            let end = runs().map(|run| run.sample(run.end, zero, rate)).max();
            u64::try_from(end.unwrap_or(0)).unwrap_or(0)
        };
        // Timestamps are the sender's word, arrivals are not.
        let elapsed = self.latest_at.saturating_sub(self.first_at.unwrap_or(self.latest_at));
        let most = (elapsed + MAX_AHEAD.unsigned_abs()).saturating_mul(rate.into()) / 1_000_000;
        let lateness = runs().map(Run::lateness).max().unwrap_or(0).clamp(0, MAX_LATENESS);
        Ok(Survey {
            zero,
            rate,
            // What a WAV file's 32 bits hold: 37 hours at 8 kHz.
            len: len(rate).min(most).min(super::wav::MAX_FRAMES),
            lateness,
            holds: feed.signalling.holds.clone(),
            streams: self.streams,
            checkpoints: self.checkpoints,
        })
    }
}

impl Survey {
    /// Where to begin reading for what arrives from `at` on, and the streams as they were there.
    pub(super) fn before(&self, at: i64) -> (Place, Vec<Tracker>) {
        let at = u64::try_from(at).unwrap_or(0);
        let place = self.checkpoints.partition_point(|checkpoint| checkpoint.at <= at);
        let checkpoint = self.checkpoints.get(place.saturating_sub(1));
        checkpoint.map(|it| (it.place, it.trackers.clone())).unwrap_or_default()
    }

    /// Whether a stream is one that is played.
    pub(super) fn plays(&self, stream: usize) -> bool {
        self.streams.get(stream).is_some_and(|stream| stream.is_chosen && stream.heard > 0)
    }

    /// The digits of a side. A call through a proxy has them once a hop: those of the stream with
    /// most count, where it speaks if there are several.
    pub(super) fn digits(&self, side: Side) -> &[Digit] {
        let of_side = self.streams.iter().filter(|stream| stream.sender == side);
        let most = of_side.max_by_key(|stream| (stream.digits.len(), stream.is_chosen));
        most.map_or(&[], |stream| stream.digits.as_slice())
    }

    /// Where a timestamp of a stream's run lies, in samples.
    pub(super) fn sample(&self, stream: usize, run: u32, ticks: i64) -> Option<i64> {
        let run = self.streams.get(stream)?.runs.get(run as usize)?;
        Some(run.sample(ticks, self.zero, self.rate))
    }
}

impl Stream {
    fn new(key: Key, sender: Side) -> Self {
        Self {
            key,
            sender,
            runs: Vec::new(),
            packets: 0,
            names: heapless::Vec::new(),
            problem: None,
            heard: 0,
            is_chosen: false,
            rate: 0,
            digits: heapless::Vec::new(),
            active: Vec::new(),
        }
    }

    /// Takes a packet of an event, of which there are several.
    fn add_event(&mut self, step: &Step<'_>) {
        let Content::Clear(payload) = step.content else { return };
        let Ok(event) = TelephoneEvent::parse(payload) else { return };
        if self.digits.last().is_some_and(|last| last.timestamp == step.timestamp) {
            return;
        }
        // An event's clock is its stream's; most often 8 kHz.
        let elapsed = u64::from(event.duration) * 125;
        let digit = Digit {
            at: step.at.saturating_sub(elapsed),
            digit: event.digit(),
            timestamp: step.timestamp,
        };
        // Further ones are not marked.
        let _ = self.digits.push(digit);
    }

    fn add(&mut self, step: &Step<'_>, media_end: Option<i64>, second: u64) {
        let (Some((run, ticks)), Some(clock)) = (step.placed.media, step.codec.clock_rate()) else {
            if step.codec.kind() == Kind::Unknown {
                self.packets += 1;
                self.note_second(second);
                self.problem = Some(Problem::NoDecoder(step.codec));
            }
            return;
        };
        if run as usize == self.runs.len() && self.runs.len() < MAX_RUNS {
            self.runs.push(Run::new(clock.get(), ticks));
        }
        let Some(run) = self.runs.get_mut(run as usize) else { return };
        let end = media_end.map_or(ticks, |end| end.max(ticks));
        run.add(i64::try_from(step.at).unwrap_or(0), ticks, end);
        if step.codec.kind() == Kind::ComfortNoise {
            return;
        }
        self.packets += 1;
        self.note_second(second);
        let name = step.codec.encoding_name();
        if !self.names.iter().any(|known| known == name) {
            let cut = name.chars().take(20).filter(char::is_ascii).collect();
            // Further names are not shown.
            let _ = self.names.push(cut);
        }
        match step.content {
            Content::Encrypted => self.problem = Some(Problem::Encrypted),
            Content::Missing => self.problem = Some(Problem::HeadersOnly),
            Content::Clear(payload) => match shape(&step.codec, payload) {
                Some(shape) => {
                    self.heard += 1;
                    self.rate = self.rate.max(shape.rate);
                }
                None if exists(&step.codec) => {}
                None => self.problem = Some(Problem::NoDecoder(step.codec)),
            },
        }
    }

    fn note_second(&mut self, second: u64) {
        // A week.
        let second = usize::try_from(second).unwrap_or(usize::MAX).min(604_800);
        if self.active.len() <= second / 64 {
            self.active.resize(second / 64 + 1, 0);
        }
        self.active[second / 64] |= 1 << (second % 64);
    }

    fn overlap(&self, other: &Self) -> u32 {
        self.active.iter().zip(&other.active).map(|(a, b)| (a & b).count_ones()).sum()
    }
}

/// Chooses what is played of each side: all streams between one pair of addresses, those with most
/// packets first; of other pairs those that are active at other times. A call through a proxy is
/// there once a hop, and would be heard twice.
fn choose(streams: &mut [Stream]) {
    let mut order: Vec<usize> = (0..streams.len()).collect();
    let worth = |stream: &Stream| (stream.heard, stream.packets);
    order.sort_by_key(|&at| core::cmp::Reverse(worth(&streams[at])));
    for &at in &order {
        let candidate = &streams[at];
        let is_same = streams.iter().any(|other| {
            let is_other_pair =
                (other.key.src, other.key.dst) != (candidate.key.src, candidate.key.dst);
            other.is_chosen
                && other.sender == candidate.sender
                && is_other_pair
                && other.overlap(candidate) > MAX_OVERLAP
        });
        streams[at].is_chosen = !is_same && streams[at].packets > 0;
    }
}
