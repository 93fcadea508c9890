//! A stream's figures and scores, as its record has them.

use core::num::NonZeroU32;

use super::super::codec::{Codec, Kind};
use super::super::impairment::{Band, Impairment, Packets, impairment};
use super::super::interval::IntervalPool;
use super::super::playout::Buffer;
use super::super::quality::{Heard, burst_ratio, rounded_u16, rounded_u32, score};
use super::{Report, Stream};
use ringside_protocol::cdr::{self, Scale, Score, observed};

/// Packets below which a stream has no score.
pub const MIN_SCORED_PACKETS: u32 = 10;

/// A longer step of the timestamps is no packet's length, microseconds.
const MAX_PTIME: u64 = 1_000_000;

/// Bytes of the authentication tag behind an encrypted payload (RFC 3711 §5.2), unless something
/// else was agreed.
const SRTP_TAG: u32 = 10;

impl Stream {
    /// Whether packets flow and nobody speaks. `None` for encodings that are not read, and for
    /// SRTP.
    #[must_use]
    pub fn silence(&self) -> Option<bool> {
        self.level.silence()
    }

    /// What most packets carry.
    #[must_use]
    pub const fn codec(&self) -> &Codec {
        &self.codec
    }

    /// The score so far, with the adaptive jitter buffer.
    #[must_use]
    pub fn live_score(&self) -> Option<Score> {
        self.score(&self.adaptive, self.scale().ok()?)
    }

    /// Sequence numbers that should have come, and those that did not.
    #[must_use]
    pub const fn losses(&self) -> (u32, u32) {
        (self.sequence.expected(), self.sequence.lost())
    }

    /// The greatest interarrival jitter, microseconds; `None` without a clock rate.
    #[must_use]
    pub fn jitter_max(&self) -> Option<u32> {
        self.timeline.map(|_| rounded_u32(self.jitter.max()))
    }

    /// The figures so far. `ssrc`, `first`, `src`, `dst` and `direction` are the caller's to fill in.
    #[must_use]
    pub fn record(&self, intervals: &IntervalPool) -> cdr::Stream {
        let impairment = self.impairment();
        let (scale, scored) = match self.scale() {
            Ok(impairment) => (scale_of(impairment), Some(impairment)),
            Err(reason) => (reason, None),
        };
        let score = |buffer| scored.and_then(|impairment| self.score(buffer, impairment));
        cdr::Stream {
            payload_type: self.payload_type.winner(),
            encoding_name: self.codec.encoding_name().to_owned(),
            clock_rate: self.codec.clock_rate().map(NonZeroU32::get),
            length: self.last_at().saturating_duration_since(self.first_at).as_micros(),
            packets: self.packets(),
            bytes: self.bytes + self.suspect.map_or(0, |suspect| u64::from(suspect.payload_len)),
            expected: self.sequence.expected(),
            lost: self.sequence.lost(),
            duplicates: self.sequence.duplicates(),
            reordered: self.sequence.reordered(),
            capture_lost: None,
            jitter_mean: self.timeline.map(|_| rounded_u32(self.jitter.mean())),
            jitter_max: self.jitter_max(),
            delta_max: (self.packets > 1).then_some(self.delta_max),
            burst_r: self.burst_r(),
            adaptive: score(&self.adaptive),
            fixed_50: score(&self.fixed_50),
            fixed_200: score(&self.fixed_200),
            scale,
            rtcp: self.rtcp(),
            intervals: self.meter.intervals(&self.adaptive, impairment, intervals),
            dscp: self.marking.winner(),
            dscp_change: self.marking.change(),
            ptime: self.ptime(),
            observed: if self.silence() == Some(true) { observed::SILENT } else { 0 },
            level: self.level.record(),
            drift_ppm: self.drift.ppm(),
            ..cdr::Stream::default()
        }
    }

    fn burst_r(&self) -> Option<u16> {
        let runs = self.network.runs();
        let heard = Heard {
            expected: self.sequence.expected(),
            lost: runs.lost,
            bursts: runs.bursts,
            ..Heard::default()
        };
        burst_ratio(&heard).map(|ratio| rounded_u16(ratio * 100.0))
    }

    fn score(&self, buffer: &Buffer, impairment: Impairment) -> Option<Score> {
        let heard = Heard { expected: self.sequence.expected(), ..Heard::by(buffer) };
        Some(score(impairment, &heard, self.round_trip()))
    }

    /// The impairment values to score with, or why there is no score.
    fn scale(&self) -> Result<Impairment, Scale> {
        match self.codec.kind() {
            Kind::Unknown => Err(Scale::UnknownCodec),
            Kind::ComfortNoise | Kind::TelephoneEvent | Kind::Other => Err(Scale::NotSpeech),
            Kind::Speech if self.packets < MIN_SCORED_PACKETS => Err(Scale::TooShort),
            Kind::Speech => self.impairment().ok_or(Scale::NoImpairmentValues),
        }
    }

    pub(super) fn impairment(&self) -> Option<Impairment> {
        let packets = u64::from(self.packets.max(1));
        let mean_len = u32::try_from(self.bytes / packets).unwrap_or(u32::MAX);
        let tag = if self.codec.is_encrypted() { SRTP_TAG } else { 0 };
        let packets = Packets {
            usual_len: self.payload_len.winner(),
            mean_len: mean_len.saturating_sub(tag),
            ptime: self.ptime(),
        };
        impairment(&self.codec, &packets)
    }

    /// Milliseconds of audio a packet: the usual step of the timestamps, else what the bytes say.
    fn ptime(&self) -> Option<u16> {
        let micros = self
            .step_micros()
            .or_else(|| self.codec.payload_micros(self.payload_len.winner()).map(u64::from))?;
        u16::try_from((micros + 500) / 1000).ok()
    }

    pub(super) fn step_micros(&self) -> Option<u64> {
        let step = u64::from(self.step.winner());
        let clock_rate = u64::from(self.codec.clock_rate()?.get());
        let micros = step * 1_000_000 / clock_rate;
        (step > 0 && micros <= MAX_PTIME).then_some(micros)
    }

    fn round_trip(&self) -> Option<u32> {
        let Report { round_trips, round_trip_sum, .. } = self.report;
        let mean = round_trip_sum.checked_div(u64::from(round_trips))?;
        u32::try_from(mean).ok()
    }

    fn rtcp(&self) -> Option<cdr::Rtcp> {
        let Report { reports, fraction_lost, cumulative_lost, interarrival_jitter, .. } =
            self.report;
        (reports > 0).then(|| cdr::Rtcp {
            reports: reports.into(),
            fraction_lost,
            cumulative_lost,
            interarrival_jitter,
            round_trip: self.round_trip(),
        })
    }
}

const fn scale_of(impairment: Impairment) -> Scale {
    match (impairment.band, impairment.is_estimate) {
        (Band::Narrow, false) => Scale::Narrowband,
        (Band::Narrow, true) => Scale::NarrowbandEstimate,
        (Band::Wide, false) => Scale::Wideband,
        (Band::Wide, true) => Scale::WidebandEstimate,
        (Band::Full, false) => Scale::Fullband,
        (Band::Full, true) => Scale::FullbandEstimate,
    }
}
