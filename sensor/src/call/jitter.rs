//! Interarrival jitter (RFC 3550 §6.4.1 and A.8).
//!
//! `J += (|D| - J) / 16`, where `D` is the change of the transit time (arrival minus RTP
//! timestamp) from one packet to the next, in order of arrival, duplicates and late packets
//! included, as the RFC and tshark have it. Times are microseconds.

use core::num::NonZeroU32;

use embassy_time::Instant;

/// Puts RTP timestamps on the line of arrival times.
#[derive(Clone, Copy, Debug)]
pub struct Timeline {
    anchor_at: Instant,
    anchor_timestamp: u32,
    clock_rate: NonZeroU32,
}

/// The anchor follows in steps of so many seconds, exact in timestamp units, so that 32 bits of
/// timestamp are never half used up.
const ANCHOR_STEP_SECONDS: u32 = 1024;

impl Timeline {
    /// A line on which this packet has transit 0.
    #[must_use]
    pub const fn new(at: Instant, timestamp: u32, clock_rate: NonZeroU32) -> Self {
        Self { anchor_at: at, anchor_timestamp: timestamp, clock_rate }
    }

    /// The clock rate that it was made for, Hz.
    #[must_use]
    pub const fn clock_rate(&self) -> NonZeroU32 {
        self.clock_rate
    }

    /// Arrival minus timestamp, relative to the line's first packet, microseconds; kept within
    /// `i32` (35 minutes).
    #[inline]
    pub fn transit(&mut self, at: Instant, timestamp: u32) -> i32 {
        let clock_rate = i64::from(self.clock_rate.get());
        let step = clock_rate * i64::from(ANCHOR_STEP_SECONDS);
        let mut ticks = i64::from(timestamp.wrapping_sub(self.anchor_timestamp).cast_signed());
        if ticks >= step {
            // Exact: `step` ticks are ANCHOR_STEP_SECONDS.
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "0 < step <= ticks, which came from 31 bits"
            )]
            let step_ticks = step as u32;
            self.anchor_timestamp = self.anchor_timestamp.wrapping_add(step_ticks);
            self.anchor_at += embassy_time::Duration::from_secs(u64::from(ANCHOR_STEP_SECONDS));
            ticks -= step;
        }
        let arrived = at.as_micros().cast_signed() - self.anchor_at.as_micros().cast_signed();
        let due = ticks * 1_000_000 / clock_rate;
        clamp(arrived - due)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "clamped to the range of i32")]
const fn clamp(value: i64) -> i32 {
    if value > i32::MAX as i64 {
        i32::MAX
    } else if value < i32::MIN as i64 {
        i32::MIN
    } else {
        value as i32
    }
}

/// The running estimate, and its mean and greatest value so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Jitter {
    estimate: f64,
    sum: f64,
    max: f64,
    pairs: u32,
}

impl Jitter {
    /// A packet whose transit differs by so much from that of the packet before it.
    #[inline]
    pub fn add(&mut self, difference: i32) {
        self.estimate += (f64::from(difference.unsigned_abs()) - self.estimate) * (1.0 / 16.0);
        if self.estimate > self.max {
            self.max = self.estimate;
        }
        self.sum += self.estimate;
        self.pairs = self.pairs.saturating_add(1);
    }

    /// The present estimate, microseconds.
    #[must_use]
    pub const fn estimate(&self) -> f64 {
        self.estimate
    }

    /// Mean over all packets but the first, microseconds; 0 for a single packet.
    #[must_use]
    pub fn mean(&self) -> f64 {
        if self.pairs == 0 { 0.0 } else { self.sum / f64::from(self.pairs) }
    }

    /// The greatest estimate, microseconds.
    #[must_use]
    pub const fn max(&self) -> f64 {
        self.max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(hertz: u32) -> NonZeroU32 {
        NonZeroU32::new(hertz).unwrap()
    }

    /// Packets of 20 ms at 8000 Hz that arrive so many microseconds after the first.
    fn jitter_of(arrivals: &[u64]) -> Jitter {
        let mut timeline = Timeline::new(Instant::from_micros(5_000_000), 0xffff_ff00, rate(8000));
        let (mut jitter, mut last) = (Jitter::default(), None);
        for (timestamp, arrival) in (0xffff_ff00_u32..).wrapping_steps(160).zip(arrivals) {
            let transit = timeline.transit(Instant::from_micros(5_000_000 + arrival), timestamp);
            if let Some(before) = last.replace(transit) {
                jitter.add(transit - before);
            }
        }
        jitter
    }

    trait WrappingSteps {
        fn wrapping_steps(self, step: u32) -> impl Iterator<Item = u32>;
    }

    impl WrappingSteps for core::ops::RangeFrom<u32> {
        fn wrapping_steps(self, step: u32) -> impl Iterator<Item = u32> {
            core::iter::successors(Some(self.start), move |last| Some(last.wrapping_add(step)))
        }
    }

    /// RFC 3550 A.8, by hand: D = 0, 5, -5 ms gives J = 0, 5/16, 5/16 + (5 - 5/16)/16 ms.
    #[test]
    fn estimate_follows_rfc_3550_a_8() {
        let jitter = jitter_of(&[0, 20_000, 45_000, 60_000]);
        let expected = 312.5 + (5000.0 - 312.5) / 16.0;
        assert!((jitter.estimate() - expected).abs() < 1e-9, "{}", jitter.estimate());
        assert_eq!(jitter.max(), expected);
        assert_eq!(jitter.mean(), (312.5 + expected) / 3.0);
    }

    #[test]
    fn steady_packets_have_no_jitter_whatever_their_delay() {
        let arrivals: Vec<u64> = (0..500).map(|n| n * 20_000 + 123_456).collect();
        assert_eq!(jitter_of(&arrivals).max(), 0.0);
    }

    #[test]
    fn transit_stays_exact_over_a_week() {
        for clock_rate in [8_000, 11_025, 44_100, 48_000, 90_000] {
            let mut timeline = Timeline::new(Instant::from_micros(0), 7, rate(clock_rate));
            for second in (0..604_800_u32).step_by(60) {
                let timestamp = 7_u32.wrapping_add(second.wrapping_mul(clock_rate));
                let at = Instant::from_secs(u64::from(second));
                assert_eq!(timeline.transit(at, timestamp), 0, "{clock_rate} Hz, {second} s");
            }
        }
    }
}
