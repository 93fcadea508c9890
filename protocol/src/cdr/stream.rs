//! One RTP stream of a call: its figures and its scores.

use serde::{Deserialize, Serialize};

use super::{Level, Offset, VoipMetrics, flags};

/// Which way a stream flows, seen from the call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direction {
    /// From the caller's side to the callee's.
    CallerToCallee,
    /// From the callee's side to the caller's.
    CalleeToCaller,
    /// The addresses do not tell.
    #[default]
    Unknown,
}

/// One RTP stream: one SSRC between two addresses, from one sequence start to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stream {
    /// Index into [`Cdr::addresses`].
    pub src: u8,
    /// Index into [`Cdr::addresses`].
    pub dst: u8,
    /// RFC 3550 §5.1.
    pub ssrc: u32,
    /// The payload type of most packets that carry media.
    pub payload_type: u8,
    /// From rtpmap, or RFC 3551's for static types; empty where unknown.
    pub encoding_name: String,
    /// Hz; `None` where the payload type's clock is unknown.
    pub clock_rate: Option<u32>,
    /// Which way it flows.
    pub direction: Direction,
    /// Its first packet.
    pub first: Offset,
    /// Microseconds from its first packet to its last.
    pub length: u64,
    /// Packets that came, duplicates included.
    pub packets: u32,
    /// RTP payload bytes of those packets.
    pub bytes: u64,
    /// Highest extended sequence number minus the first, plus 1 (RFC 3550 A.3).
    pub expected: u32,
    /// Sequence numbers that never came.
    pub lost: u32,
    /// Packets whose sequence number had come before.
    pub duplicates: u32,
    /// Packets that came after one with a higher sequence number.
    pub reordered: u32,
    /// Of those, the ones lost in seconds in which the sensor itself missed packets; `None`: it
    /// cannot tell (a capture file).
    pub capture_lost: Option<u32>,
    /// Mean of the interarrival jitter (RFC 3550 A.8), microseconds; `None` without a clock rate.
    pub jitter_mean: Option<u32>,
    /// Its greatest value, microseconds.
    pub jitter_max: Option<u32>,
    /// The longest gap between two packets' arrivals, microseconds, silence before a talkspurt
    /// left out; `None` for one packet.
    pub delta_max: Option<u32>,
    /// Burst ratio of the network's loss (G.107 BurstR), 1/100; `None` without loss.
    pub burst_r: Option<u16>,
    /// With an adaptive jitter buffer of up to 500 ms.
    pub adaptive: Option<Score>,
    /// With a fixed jitter buffer of 50 ms.
    pub fixed_50: Option<Score>,
    /// With a fixed jitter buffer of 200 ms.
    pub fixed_200: Option<Score>,
    /// Which scale the scores are on, or why there are none.
    pub scale: Scale,
    /// What the receiver of this stream reported about it (RFC 3550 §6.4), if it did.
    pub rtcp: Option<Rtcp>,
    /// One for each 10 s since the stream's first packet.
    pub intervals: Vec<Interval>,
    /// The DSCP of most packets.
    pub dscp: u8,
    /// Milliseconds of audio a packet, as most packets carried; `None` where unknown.
    pub ptime: Option<u16>,
    /// Bits of [`observed`].
    pub observed: u16,
    /// How loud it is, where that can be read (G.711, not encrypted).
    pub level: Option<Level>,
    /// How much slower the sender's clock runs than the sensor's, parts per million; negative:
    /// faster. `None` for streams too short or too uneven to tell.
    pub drift_ppm: Option<i32>,
    /// Where its sender's description said that it receives (and so should send from), where
    /// packets came from another host: index into [`Cdr::addresses`].
    pub described: Option<u8>,
    /// The encoding that the answer put first, where the stream is another one.
    pub preferred: Option<String>,
    /// The source's canonical name (RFC 3550 §6.5.1).
    pub cname: Option<String>,
    /// What the receiver measured (RFC 3611 §4.7).
    pub voip_metrics: Option<VoipMetrics>,
    /// When its DSCP changed for more than a few packets: the newest time.
    pub dscp_change: Option<DscpChange>,
}

/// A DSCP that changed within a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DscpChange {
    /// Before.
    pub from: u8,
    /// After.
    pub to: u8,
    /// Microseconds after the stream's first packet, in whole seconds.
    pub after: u64,
}

/// An opinion computed from figures (ITU-T G.107).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Score {
    /// MOS-CQE, 1/100: 100 to 450.
    pub mos: u16,
    /// R, 1/10: 0 to 1000 (to 1290 on the wideband scale, 1480 on the fullband one).
    pub r: u16,
    /// Packets that this jitter buffer threw away as too late or too many.
    pub discarded: u32,
}

/// The scale of a stream's scores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scale {
    /// G.107.
    Narrowband,
    /// G.107.1.
    Wideband,
    /// No score: the codec is unknown.
    #[default]
    UnknownCodec,
    /// No score: no Ie and Bpl were published for the codec.
    NoImpairmentValues,
    /// No score: the stream is not speech (video, fax, events only).
    NotSpeech,
    /// No score: too few packets.
    TooShort,
    /// G.107.2.
    Fullband,
    /// G.107, with an Ie or Bpl that ITU-T did not publish for the codec.
    NarrowbandEstimate,
    /// G.107.1, likewise.
    WidebandEstimate,
    /// G.107.2, likewise.
    FullbandEstimate,
}

impl Scale {
    /// As JSON and API write it; `None` where there is no score.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::Narrowband | Self::NarrowbandEstimate => Some("nb"),
            Self::Wideband | Self::WidebandEstimate => Some("wb"),
            Self::Fullband | Self::FullbandEstimate => Some("fb"),
            Self::UnknownCodec | Self::NoImpairmentValues | Self::NotSpeech | Self::TooShort => {
                None
            }
        }
    }

    /// Whether the scores rest on values that ITU-T did not publish for the codec.
    #[must_use]
    pub const fn is_estimate(self) -> bool {
        matches!(self, Self::NarrowbandEstimate | Self::WidebandEstimate | Self::FullbandEstimate)
    }

    /// Why there is no score.
    #[must_use]
    pub const fn reason(self) -> Option<&'static str> {
        match self {
            Self::UnknownCodec => Some("the codec is unknown"),
            Self::NoImpairmentValues => Some("no Ie and Bpl are published for the codec"),
            Self::NotSpeech => Some("the stream is not speech"),
            Self::TooShort => Some("too few packets"),
            _ => None,
        }
    }
}

/// The last figures that RTCP reported about a stream (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rtcp {
    /// Report blocks seen about this stream.
    pub reports: u32,
    /// The greatest fraction lost of any report, 1/256.
    pub fraction_lost: u8,
    /// The last cumulative number of packets lost, signed 24 bits.
    pub cumulative_lost: i32,
    /// The greatest interarrival jitter, timestamp units.
    pub interarrival_jitter: u32,
    /// Mean round trip, microseconds, where LSR and DLSR gave one.
    pub round_trip: Option<u32>,
}

/// Ten seconds of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interval {
    /// Packets that came.
    pub packets: u16,
    /// Sequence numbers that never came.
    pub lost: u16,
    /// Mean interarrival jitter, units of 0.1 ms; 0 where unknown or none.
    pub jitter: u16,
    /// MOS with the adaptive jitter buffer, 1/100; 0 where there is none.
    pub mos: u16,
}

/// Length of an [`Interval`], seconds.
pub const INTERVAL_SECONDS: u64 = 10;

impl Stream {
    /// Mean time between two packets, microseconds, as tshark has it; `None` for one packet.
    #[must_use]
    pub fn delta_mean(&self) -> Option<u64> {
        self.length.checked_div(u64::from(self.packets.saturating_sub(1)))
    }

    /// Sequence numbers that the network lost: those that never came, without the sensor's own
    /// loss.
    #[must_use]
    pub fn network_lost(&self) -> u32 {
        self.lost.saturating_sub(self.capture_lost.unwrap_or(0))
    }

    /// Whether its figures may show what the sensor missed; `flags` are the call's.
    #[must_use]
    pub fn is_unreliable(&self, flags: u32) -> bool {
        self.capture_lost.map_or(flags & flags::CAPTURE_LOSS != 0, |lost| lost > 0)
    }

    /// Whether all bits of `bit` are set in [`Self::observed`].
    #[must_use]
    pub const fn has(&self, bit: u16) -> bool {
        self.observed & bit == bit
    }

    /// Length of each of [`Stream::intervals`], seconds: [`INTERVAL_SECONDS`], doubled as often
    /// as the sensor merged them pairwise to hold a long stream.
    #[must_use]
    pub fn interval_seconds(&self) -> u64 {
        let count = self.intervals.len().max(1) as u64;
        let mut seconds = INTERVAL_SECONDS;
        while self.length / 1_000_000 / seconds >= count {
            seconds *= 2;
        }
        seconds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_and_count_tell_how_long_intervals_are() {
        let seconds = |length: u64, intervals| {
            let intervals = vec![Interval::default(); intervals];
            Stream { length: length * 1_000_000, intervals, ..Stream::default() }.interval_seconds()
        };
        assert_eq!(seconds(0, 1), 10);
        assert_eq!(seconds(9, 1), 10);
        assert_eq!(seconds(10, 2), 10);
        assert_eq!(seconds(7199, 720), 10);
        assert_eq!(seconds(7200, 361), 20, "merged once");
        assert_eq!(seconds(14_400, 361), 40, "merged twice");
        assert_eq!(seconds(30, 0), 40, "a record that contradicts itself");
        let endless = Stream { length: u64::MAX, ..Stream::default() };
        assert!(endless.interval_seconds() > u64::MAX / 1_000_000);
    }
}
