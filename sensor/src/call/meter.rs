//! The interval of a stream that is being filled, and the chain of those that are full.

use embassy_time::{Duration, Instant};
use ringside_protocol::cdr::{INTERVAL_SECONDS, Interval};

use super::impairment::Impairment;
use super::interval::{Chain, IntervalPool};
use super::playout::Buffer;
use super::quality::{Heard, score};

/// Length of a stream's first interval.
#[expect(clippy::cast_possible_truncation, reason = "ten")]
const FIRST_SECONDS: u32 = INTERVAL_SECONDS as u32;

/// Counts of one interval.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meter {
    chain: Chain,
    /// `INTERVAL_SECONDS`, doubled each time the chain was merged.
    seconds: u32,
    start_at: Instant,
    /// Gaps up to this sequence number were seen in an earlier interval.
    first_number: u32,
    packets: u32,
    lost: u32,
    jitter: f64,
    /// The adaptive buffer's figures when the interval began.
    before: Before,
}

/// What an interval needs to know of [`Heard`] at its beginning.
#[derive(Clone, Copy, Debug, Default)]
struct Before {
    waited: u64,
    played: u32,
    discarded: u32,
    bursts: u32,
}

impl Before {
    const fn of(heard: &Heard) -> Self {
        let Heard { waited, played, discarded, bursts, .. } = *heard;
        Self { waited, played, discarded, bursts }
    }

    fn heard(self) -> Heard {
        let Self { waited, played, discarded, bursts } = self;
        Heard { waited, played, discarded, bursts, ..Heard::default() }
    }
}

impl Meter {
    pub(super) fn new(at: Instant, number: u32) -> Self {
        Self {
            chain: Chain::default(),
            seconds: FIRST_SECONDS,
            start_at: at,
            first_number: number,
            packets: 0,
            lost: 0,
            jitter: 0.0,
            before: Before::default(),
        }
    }

    #[inline]
    pub(super) fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.start_at) >= Duration::from_secs(self.seconds.into())
    }

    /// Closes intervals until `now` lies in the open one; those in which nothing came are empty.
    #[cold]
    pub(super) fn close(
        &mut self,
        now: Instant,
        highest: u32,
        buffer: &Buffer,
        impairment: Option<Impairment>,
        pool: &mut IntervalPool,
    ) {
        while self.is_over(now) {
            let interval = self.interval(buffer, impairment);
            if pool.push(&mut self.chain, interval) {
                self.start_at += Duration::from_secs(self.seconds.into());
                self.first_number = highest;
                (self.packets, self.lost, self.jitter) = (0, 0, 0.0);
                self.before = Before::of(&Heard::by(buffer));
            } else {
                pool.merge_pairs(&mut self.chain);
                self.seconds *= 2;
            }
        }
    }

    /// Reads a part of it; see [`super::flows::Flows::touch`].
    #[inline]
    pub(super) const fn touch(&self) -> u32 {
        self.packets
    }

    #[inline]
    pub(super) fn count(&mut self, jitter: f64) {
        self.packets = self.packets.saturating_add(1);
        self.jitter += jitter;
    }

    #[inline]
    pub(super) const fn lose(&mut self, many: u32) {
        self.lost += many;
    }

    /// The packet of this number, held for lost, has come.
    pub(super) fn find(&mut self, number: u32, pool: &mut IntervalPool) {
        let seen_earlier = number <= self.first_number;
        if !(seen_earlier && pool.find_lost(&self.chain)) {
            self.lost = self.lost.saturating_sub(1);
        }
    }

    /// The open interval as it stands.
    fn interval(&self, buffer: &Buffer, impairment: Option<Impairment>) -> Interval {
        let mut heard = Heard::by(buffer).since(&self.before.heard());
        // What the network lost in this interval is known at once; the buffer's own account
        // lags by the numbers that are still open.
        heard.lost = self.lost + heard.discarded;
        heard.expected = self.packets.saturating_add(self.lost);
        let mos = impairment
            .filter(|_| self.packets > 0)
            .map_or(0, |impairment| score(impairment, &heard, None).mos);
        let jitter = if self.packets == 0 { 0.0 } else { self.jitter / f64::from(self.packets) };
        Interval {
            packets: saturate(self.packets),
            lost: saturate(self.lost),
            jitter: super::quality::rounded_u16(jitter / 100.0),
            mos,
        }
    }

    pub(super) fn intervals(
        &self,
        buffer: &Buffer,
        impairment: Option<Impairment>,
        pool: &IntervalPool,
    ) -> Vec<Interval> {
        pool.iter(&self.chain).chain([self.interval(buffer, impairment)]).collect()
    }

    pub(super) fn release(&mut self, pool: &mut IntervalPool) {
        pool.release(&mut self.chain);
    }
}

fn saturate(value: u32) -> u16 {
    u16::try_from(value).unwrap_or(u16::MAX)
}
