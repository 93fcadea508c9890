//! What a rule measures of a sensor: from its row, and from what was seen of it before.

use std::collections::{HashMap, VecDeque};

use ringside_protocol::cdr::{Boot, Fingerprint};
use ringside_protocol::counters::Counter;
use ringside_protocol::message::Heartbeat;
use ringside_protocol::time::{MICROS_PER_SECOND, UnixMicros};

use super::measure::Measure;
use super::words::minute;
use crate::db::sensors::Sensor;
use crate::version;

/// Samples of a sensor's counters, one a minute.
pub const MAX_SAMPLES: usize = 64;

const MINUTE: u64 = 60 * MICROS_PER_SECOND;

/// What was seen of all sensors.
#[derive(Debug, Default)]
pub struct Past(HashMap<Fingerprint, History>);

/// What was seen of one.
#[derive(Debug)]
struct History {
    boot: Option<Boot>,
    samples: VecDeque<Sample>,
    /// When the count of frames was seen to move last.
    moved_at: UnixMicros,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    at: UnixMicros,
    frames: u64,
    dropped: u64,
}

/// A value with the words that explain it.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// In the measure's unit.
    pub value: f64,
    /// One sentence: what it is, and since when.
    pub sentence: String,
}

impl Past {
    /// Takes the newest heartbeats, and forgets sensors that are gone.
    pub fn note(&mut self, sensors: &[Sensor], now: UnixMicros) {
        for sensor in sensors {
            let Some((_, heartbeat)) = &sensor.heartbeat else { continue };
            let sample = Sample::of(heartbeat, now);
            let fresh = || History { boot: sensor.boot, samples: VecDeque::new(), moved_at: now };
            let history = self.0.entry(sensor.device).or_insert_with(fresh);
            if history.boot != sensor.boot {
                *history = fresh();
            }
            history.note(sample);
        }
    }

    /// Forgets those that `is_there` does not know.
    pub fn retain(&mut self, is_there: impl Fn(Fingerprint) -> bool) {
        self.0.retain(|device, _| is_there(*device));
    }

    /// What a measure of sensors gives; `None` where nothing can be told.
    #[must_use]
    pub fn read(
        &self,
        measure: Measure,
        sensor: &Sensor,
        window_minutes: u32,
        now: UnixMicros,
    ) -> Option<Reading> {
        if measure == Measure::Offline {
            return offline(sensor, now);
        }
        let (at, heartbeat) = sensor.heartbeat.as_ref()?;
        if measure == Measure::Version {
            return Some(behind(sensor));
        }
        // What follows is only true of a sensor that runs.
        if !sensor.is_online(now) {
            return None;
        }
        let history = self.0.get(&sensor.device);
        match measure {
            Measure::CaptureDrops => history?.drops(u64::from(window_minutes), now),
            Measure::MirrorSilent => history?.silence(now),
            Measure::CaptureFault => Some(fault(heartbeat)),
            Measure::Clock => Some(clock(*at, heartbeat)),
            Measure::Outbox => outbox(heartbeat),
            _ => None,
        }
    }
}

impl Sample {
    fn of(heartbeat: &Heartbeat, at: UnixMicros) -> Self {
        let count = |wanted: Counter| {
            let found = heartbeat.counters.iter().find(|(counter, _)| *counter == wanted);
            found.map_or(0, |(_, count)| *count)
        };
        let dropped =
            [Counter::KernelDropped, Counter::InterfaceDropped, Counter::RtpShed, Counter::SipShed];
        let dropped = dropped.into_iter().map(count).fold(0, u64::saturating_add);
        Self { at, frames: count(Counter::FramesSeen), dropped }
    }
}

impl History {
    fn note(&mut self, sample: Sample) {
        if self.samples.back().is_none_or(|last| last.frames != sample.frames) {
            self.moved_at = sample.at;
        }
        let is_soon = |last: &Sample| sample.at.since(last.at) < MINUTE;
        // The newest sample is always the present; those before it are a minute apart.
        if self.samples.len() >= 2 && self.samples.iter().rev().nth(1).is_some_and(is_soon) {
            self.samples.pop_back();
        }
        self.samples.push_back(sample);
        if self.samples.len() > MAX_SAMPLES {
            self.samples.pop_front();
        }
    }

    fn drops(&self, minutes: u64, now: UnixMicros) -> Option<Reading> {
        let from = UnixMicros(now.0.saturating_sub(minutes * MINUTE));
        let first = self.samples.iter().find(|sample| sample.at >= from)?;
        let last = self.samples.back()?;
        let (frames, dropped) =
            (last.frames.saturating_sub(first.frames), last.dropped.saturating_sub(first.dropped));
        let all = frames.saturating_add(dropped);
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        let value = if all == 0 { 0.0 } else { dropped as f64 * 100.0 / all as f64 };
        let since = minute(first.at);
        let sentence = format!("{dropped} of {all} frames were dropped since {since}.");
        Some(Reading { value, sentence })
    }

    fn silence(&self, now: UnixMicros) -> Option<Reading> {
        // One sample says nothing of whether frames come.
        if self.samples.len() < 2 {
            return None;
        }
        let sentence = format!("No packet came on its interfaces since {}.", minute(self.moved_at));
        Some(Reading { value: minutes(now.since(self.moved_at)), sentence })
    }
}

fn offline(sensor: &Sensor, now: UnixMicros) -> Option<Reading> {
    // A sensor that never had a session is being installed.
    sensor.accepted_at?;
    let seen = sensor.seen_at?;
    let (value, since) = (minutes(now.since(seen)), minute(seen));
    let sentence = if sensor.has_left() {
        format!("It was stopped, and said so, at {since}.")
    } else {
        format!("Last heard of at {since}.")
    };
    Some(Reading { value, sentence })
}

fn fault(heartbeat: &Heartbeat) -> Reading {
    let fault = heartbeat.interfaces.iter().find_map(|interface| {
        interface.fault.as_ref().map(|fault| format!("{}: {fault}", interface.name))
    });
    plain(fault)
}

fn behind(sensor: &Sensor) -> Reading {
    let is_behind = older(&sensor.software, version::SOFTWARE);
    plain(
        is_behind.then(|| {
            format!("It runs {}, this service is {}.", sensor.software, version::SOFTWARE)
        }),
    )
}

/// Holds where there is a sentence.
fn plain(sentence: Option<String>) -> Reading {
    let value = if sentence.is_some() { 1.0 } else { 0.0 };
    Reading { value, sentence: sentence.unwrap_or_default() }
}

/// Whether a version `1.2.3` is older than another; what is no such version is not.
fn older(one: &str, other: &str) -> bool {
    let numbers = |text: &str| {
        let plain = text.split(['-', '+']).next().unwrap_or_default();
        plain.split('.').map(|part| part.parse::<u32>().ok()).collect::<Option<Vec<_>>>()
    };
    numbers(one).zip(numbers(other)).is_some_and(|(one, other)| one < other)
}

fn clock(at: UnixMicros, heartbeat: &Heartbeat) -> Reading {
    let off = at.0.abs_diff(heartbeat.sensor_time.0);
    let way = if heartbeat.sensor_time > at { "ahead" } else { "behind" };
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let value = off as f64 / 1e6;
    Reading { value, sentence: format!("Its clock is {value:.1} s {way}.") }
}

fn outbox(heartbeat: &Heartbeat) -> Option<Reading> {
    let (bytes, limit) = heartbeat.outbox_bytes;
    if limit == 0 {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let value = bytes as f64 * 100.0 / limit as f64;
    let sentence = format!("{} records wait in it.", heartbeat.outbox_cdrs);
    Some(Reading { value, sentence })
}

fn minutes(micros: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let seconds = (micros / MICROS_PER_SECOND) as f64;
    seconds / 60.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        for (one, other, is_older) in [
            ("0.9.0", "0.10.0", true),
            ("0.1.0", "0.1.0", false),
            ("0.2.0", "0.1.9", false),
            ("0.1.0-rc1", "0.1.1", true),
            ("", "0.1.0", false),
            ("unknown", "0.1.0", false),
        ] {
            assert_eq!(older(one, other), is_older, "{one}");
        }
    }

    fn history(samples: &[(u64, u64, u64)]) -> History {
        let at = |minute: u64| UnixMicros(1_000_000_000 + minute * MINUTE);
        let mut history = History { boot: None, samples: VecDeque::new(), moved_at: at(0) };
        for &(minute, frames, dropped) in samples {
            history.note(Sample { at: at(minute), frames, dropped });
        }
        history
    }

    const LATER: UnixMicros = UnixMicros(1_000_000_000 + 20 * MINUTE);

    #[test]
    fn drops_are_those_of_the_window_not_of_all_time() {
        let history = history(&[(0, 1_000, 900), (10, 2_000, 900), (20, 2_900, 1_000)]);
        let reading = history.drops(15, LATER).expect("told");
        assert!((reading.value - 10.0).abs() < 1e-9, "{reading:?}");
        assert!(reading.sentence.starts_with("100 of 1000 frames"), "{reading:?}");
    }

    #[test]
    fn a_mirror_port_is_silent_since_frames_stopped() {
        let quiet = history(&[(0, 5, 0), (5, 9, 0), (10, 9, 0), (20, 9, 0)]);
        let reading = quiet.silence(LATER).expect("told");
        assert!((reading.value - 15.0).abs() < 1e-9, "{reading:?}");
        assert!(history(&[(20, 9, 0)]).silence(LATER).is_none());
    }

    #[test]
    fn evict_the_oldest_sample() {
        let many: Vec<_> = (0..100).map(|minute| (minute, minute, 0)).collect();
        assert_eq!(history(&many).samples.len(), MAX_SAMPLES);
    }
}
