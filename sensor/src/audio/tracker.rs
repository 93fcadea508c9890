//! One RTP stream, packet by packet: sequence numbers and timestamps that do not wrap, and *runs*.
//!
//! A run is a stretch in which timestamps go on with the clock. A new one begins where they jump (a
//! gateway that switches sources, a phone that stops its clock on hold), or where the clock rate
//! changes. Its state is small: copies of it are where reading can begin in the middle.

use super::decoder::shape;
use super::noise::Comfort;
use crate::call::codec::{Codec, Kind};
use crate::wire::rtp::Packet;

/// A jump of the timestamps against the clock that begins a new run, microseconds.
const JUMP: i64 = 2_000_000;

/// So far may a run's timestamps be from the time since its first packet, microseconds: with 2000
/// ppm, the most that a clock drifts, after eight hours. Further away a new run begins: small steps
/// would make a call of any length.
pub(super) const MAX_AHEAD: i64 = 60_000_000;

/// A jump of the sequence numbers that is a restart, not a loss (RFC 3550 A.1 `MAX_DROPOUT`).
const MAX_DROPOUT: i64 = 3000;

/// How far a packet may come behind a later one (RFC 3550 A.1 `MAX_MISORDER`).
const MAX_MISORDER: i64 = 100;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Tracker {
    /// The newest sequence number, with its roll-overs.
    pub(super) newest: Option<i64>,
    /// The newest packet of speech or comfort noise.
    pub(super) media: Option<Media>,
    /// Runs begun so far.
    pub(super) runs: u32,
    /// The noise that was asked for, as long as no speech has come.
    pub(super) comfort: Option<Comfort>,
    /// Packets that no key opened, less those that one did.
    pub(super) tries: u32,
    /// The key that opened the newest packet.
    pub(super) key: Option<usize>,
}

/// See [`Tracker::media`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Media {
    pub(super) run: u32,
    pub(super) ticks: i64,
    /// Where its sound ends.
    pub(super) end: i64,
    pub(super) codec: Codec,
    at: u64,
    /// Arrival and timestamp of the run's first packet.
    first: (u64, i64),
}

/// A packet's place in its stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed {
    /// With its roll-overs.
    pub(super) sequence: i64,
    /// The run, and the timestamp with its wraps, of speech and comfort noise.
    pub(super) media: Option<(u32, i64)>,
}

impl Tracker {
    /// The sequence number with its roll-overs, if this is the next packet (RFC 3711 §3.3.1).
    pub(super) fn sequence(&self, sequence_number: u16) -> i64 {
        let Some(newest) = self.newest else { return sequence_number.into() };
        #[expect(
            clippy::cast_possible_wrap,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the difference of 16 bits, modulo 2^16"
        )]
        let ahead = sequence_number.wrapping_sub(newest as u16) as i16;
        newest + i64::from(ahead)
    }

    /// Takes the next packet, `payload` being what it holds in the clear.
    pub(super) fn take(
        &mut self,
        at: u64,
        packet: &Packet<'_>,
        payload: &[u8],
        codec: Codec,
    ) -> Placed {
        let sequence = self.sequence(packet.sequence_number);
        let ahead = self.newest.map_or(1, |newest| sequence - newest);
        let is_restart = !(-MAX_MISORDER..MAX_DROPOUT).contains(&ahead);
        if ahead > 0 || is_restart {
            self.newest = Some(sequence);
        }
        let kind = codec.kind();
        let is_media = matches!(kind, Kind::Speech | Kind::Unknown | Kind::ComfortNoise);
        let Some(clock) = codec.clock_rate().filter(|_| is_media) else {
            return Placed { sequence, media: None };
        };
        let clock = i64::from(clock.get());
        let continued = self.media.filter(|_| !is_restart).and_then(|media| {
            let own_clock = i64::from(media.codec.clock_rate()?.get());
            #[expect(
                clippy::cast_possible_wrap,
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "the difference of 32 bits, modulo 2^32"
            )]
            let ticks = packet.timestamp.wrapping_sub(media.ticks as u32) as i32;
            let ticks = media.ticks + i64::from(ticks);
            let jump = |(since, from): (u64, i64)| {
                let elapsed = i64::try_from(at).ok()? - i64::try_from(since).ok()?;
                Some((elapsed - (ticks - from) * 1_000_000 / clock).abs())
            };
            let continues = own_clock == clock
                && jump((media.at, media.ticks))? < JUMP
                && jump(media.first)? < MAX_AHEAD;
            continues.then_some((media.run, ticks, media.first))
        });
        let (run, ticks, first) = continued.unwrap_or_else(|| {
            self.runs += 1;
            let ticks = i64::from(packet.timestamp);
            (self.runs - 1, ticks, (at, ticks))
        });
        let is_newest = self.media.is_none_or(|media| media.run != run || ticks >= media.ticks);
        if is_newest {
            let len = shape(&codec, payload).map_or(0, |shape| i64::from(shape.ticks));
            // Comfort noise does not change what the speech is coded in.
            let codec = match self.media {
                Some(media) if kind == Kind::ComfortNoise && media.run == run => media.codec,
                _ => codec,
            };
            self.media = Some(Media { run, ticks, end: ticks + len, codec, at, first });
            self.comfort = match kind {
                Kind::ComfortNoise => Comfort::parse(payload),
                _ => None,
            };
        }
        Placed { sequence, media: Some((run, ticks)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(
        tracker: &mut Tracker,
        at: u64,
        sequence_number: u16,
        timestamp: u32,
    ) -> (i64, u32, i64) {
        let packet = Packet {
            payload_type: 0,
            marker: false,
            sequence_number,
            timestamp,
            ssrc: 1,
            payload: &[0; 160],
            payload_len: 160,
        };
        let placed = tracker.take(at, &packet, &[0; 160], Codec::from_name("PCMU"));
        let (run, ticks) = placed.media.unwrap();
        (placed.sequence, run, ticks)
    }

    #[test]
    fn numbers_and_timestamps_wrap_and_go_on() {
        let mut tracker = Tracker::default();
        assert_eq!(take(&mut tracker, 0, 65_535, u32::MAX), (65_535, 0, u32::MAX.into()));
        assert_eq!(take(&mut tracker, 20_000, 0, 159), (65_536, 0, i64::from(u32::MAX) + 160));
        assert_eq!(take(&mut tracker, 21_000, 65_535, u32::MAX), (65_535, 0, u32::MAX.into()));
        assert_eq!(tracker.newest, Some(65_536));
        assert_eq!(tracker.media.unwrap().end, i64::from(u32::MAX) + 320);
    }

    #[test]
    fn a_jump_of_the_timestamps_begins_a_run_and_a_silence_does_not() {
        let mut tracker = Tracker::default();
        take(&mut tracker, 0, 1, 0);
        assert_eq!(take(&mut tracker, 60_000_000, 2, 480_000).1, 0, "a minute without packets");
        assert_eq!(take(&mut tracker, 60_020_000, 3, 9_000_000).1, 1, "another source");
        assert_eq!(take(&mut tracker, 99_000_000, 4, 9_000_160).1, 2, "the clock stood still");
        assert_eq!(take(&mut tracker, 99_020_000, 20_000, 9_000_320).1, 3, "a restart");
    }

    #[test]
    fn timestamps_that_run_away_in_small_steps_begin_a_run() {
        let mut tracker = Tracker::default();
        // 1.5 s of timestamps every 20 ms: 1.48 s further ahead each time.
        let runs: Vec<u32> = (0..100_u16)
            .map(|number| {
                let at = u64::from(number) * 20_000;
                take(&mut tracker, at, number, u32::from(number) * 12_000).1
            })
            .collect();
        assert_eq!((runs[40], runs[41], runs[81], runs[82]), (0, 1, 1, 2));
    }

    #[test]
    fn the_rate_of_the_clock_may_change() {
        let mut tracker = Tracker::default();
        take(&mut tracker, 0, 1, 0);
        let packet = Packet {
            payload_type: 96,
            marker: false,
            sequence_number: 2,
            timestamp: 160,
            ssrc: 1,
            payload: &[],
            payload_len: 0,
        };
        let placed = tracker.take(20_000, &packet, &[], Codec::from_name("opus"));
        assert_eq!(placed.media, Some((1, 160)));
    }
}
