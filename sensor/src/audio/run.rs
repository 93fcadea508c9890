//! Where a run's timestamps lie in time.
//!
//! A packet arrives after it was sent, by the network's delay: the fastest packet of every ten
//! seconds shows the sender's clock best. A line through those (`call::drift`) says how fast that
//! clock runs; the run is placed so that none of those packets comes before its time. So both sides
//! of a call stay together for hours, although their clocks differ.

use crate::call::drift::Drift;

/// Timestamps that one point stands for, at first.
const POINT_SECONDS: i64 = 10;

/// Points of one run: with more, two become one.
const MAX_POINTS: usize = 1024;

/// A run, while and after its packets are looked at.
#[derive(Clone, Debug)]
pub(super) struct Run {
    /// Hz, of the timestamps.
    clock: i64,
    /// The lowest timestamp.
    pub(super) first: i64,
    /// Where the sound of the last packet ends.
    pub(super) end: i64,
    /// Seconds of timestamps, and the least of arrival minus timestamp in microseconds.
    points: Vec<(i64, i64)>,
    seconds_a_point: i64,
    latest: i64,
    /// The arrival of the first timestamp, had its packet been as fast as the fastest, microseconds
    /// since the epoch.
    pub(super) offset: i64,
    /// By which the sender's clock is slow.
    pub(super) ppm: i32,
}

impl Run {
    /// Begins with a timestamp of a clock of so many Hz.
    pub(super) const fn new(clock: u32, first: i64) -> Self {
        Self {
            clock: clock as i64,
            first,
            end: first,
            points: Vec::new(),
            seconds_a_point: POINT_SECONDS,
            latest: i64::MIN,
            offset: 0,
            ppm: 0,
        }
    }

    /// A packet that came at `at` has sound from `ticks` to `end`.
    pub(super) fn add(&mut self, at: i64, ticks: i64, end: i64) {
        self.end = self.end.max(end);
        let transit = at - (ticks - self.first) * 1_000_000 / self.clock;
        self.latest = self.latest.max(transit);
        let seconds = (ticks - self.first) / self.clock;
        let point = seconds / self.seconds_a_point * self.seconds_a_point;
        match self.points.last_mut() {
            Some(last) if point <= last.0 => last.1 = last.1.min(transit),
            _ => {
                if self.points.len() == MAX_POINTS {
                    self.merge_points();
                }
                self.points.push((point, transit));
            }
        }
    }

    fn merge_points(&mut self) {
        self.seconds_a_point *= 2;
        let pairs = self.points.chunks(2);
        self.points = pairs
            .filter_map(|pair| {
                let fastest = pair.iter().map(|point| point.1).min()?;
                Some((pair.first()?.0, fastest))
            })
            .collect();
    }

    /// All packets are there: places the run.
    pub(super) fn place(&mut self) {
        let Some(&(_, origin)) = self.points.first() else { return };
        let mut drift = Drift::default();
        // It counts seconds up to 65,535: a longer run is made smaller both ways.
        let scale = self.points.last().map_or(1, |last| last.0 / 65_536 + 1);
        for &(seconds, transit) in &self.points {
            let transit = i32::try_from((transit - origin) / scale);
            drift.add((seconds / scale).unsigned_abs(), transit.unwrap_or(i32::MAX));
        }
        self.ppm = drift.ppm().filter(|ppm| ppm.abs() <= 2000).unwrap_or(0);
        let ppm = i64::from(self.ppm);
        let level = self.points.iter().map(|&(seconds, transit)| transit - seconds * ppm);
        self.offset = level.min().unwrap_or(origin);
        self.points = Vec::new();
    }

    /// How much later than its time the slowest packet came, microseconds.
    pub(super) const fn lateness(&self) -> i64 {
        self.latest.saturating_sub(self.offset)
    }

    /// The place of a timestamp, in samples at `rate` from the moment `zero`.
    pub(super) fn sample(&self, ticks: i64, zero: i64, rate: u32) -> i64 {
        let rate = i64::from(rate);
        let base = ((self.offset - zero) * rate + 500_000).div_euclid(1_000_000);
        let ahead = i128::from(ticks - self.first) * i128::from(rate);
        let slow = 1_000_000 + i128::from(self.ppm);
        let ahead = (ahead * slow).div_euclid(i128::from(self.clock) * 1_000_000);
        base + i64::try_from(ahead).unwrap_or(i64::MAX / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_drift_a_tick_is_a_sample() {
        let mut run = Run::new(8000, 1000);
        for packet in 0..200 {
            let jitter = [0, 9000, 3000, 40_000][usize::try_from(packet % 4).unwrap()];
            run.add(5_000_000 + packet * 20_000 + jitter, 1000 + packet * 160, 1160 + packet * 160);
        }
        run.place();
        assert_eq!((run.offset, run.ppm, run.lateness()), (5_000_000, 0, 40_000));
        for packet in 0..200 {
            assert_eq!(run.sample(1000 + packet * 160, 5_000_000, 8000), packet * 160);
        }
        assert_eq!(run.sample(1160, 4_000_000, 48_000), 48_000 + 960);
    }

    #[test]
    fn the_first_packet_may_be_slow() {
        let mut run = Run::new(8000, 0);
        run.add(700_000, 0, 160);
        run.add(520_000, 160, 320);
        run.place();
        assert_eq!(run.offset, 500_000);
    }

    #[test]
    fn a_slow_clock_is_followed_for_hours_in_bounded_memory() {
        let mut run = Run::new(8000, 0);
        // 30 hours, a packet a second, the sender's clock 150 ppm slow.
        for second in 0..108_000 {
            run.add(second * 1_000_150, second * 8000, second * 8000 + 160);
            assert!(run.points.len() <= MAX_POINTS);
        }
        run.place();
        assert_eq!(run.ppm, 150);
        let two_hours = run.sample(7200 * 8000, 0, 8000);
        assert!((two_hours - 7200 * 8000 - 8640).abs() <= 8, "{two_hours}");
    }
}
