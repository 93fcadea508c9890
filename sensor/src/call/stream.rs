//! One RTP stream: one SSRC between two addresses, from one start of the sequence to the next.
//!
//! A packet passes through [`Stream::fit`] (does it belong here?) and [`Stream::handle_rtp`],
//! which keeps figures and no packets: sequence numbers ([`super::sequence`]), jitter
//! ([`super::jitter`]), what three jitter buffers would have played ([`super::playout`]), ten-second
//! intervals ([`super::interval`]) and, for G.711, whether anybody speaks ([`super::level`]).
//! [`Stream::record`] makes figures and scores ([`super::quality`]) of them at any time.

use embassy_time::{Duration, Instant};

use super::codec::{Codec, Kind};
use super::drift::Drift;
use super::interval::IntervalPool;
use super::jitter::{Jitter, Timeline};
use super::level::Level;
use super::marking::Marking;
use super::meter::Meter;
use super::playout::{Buffer, FIXED_50, FIXED_200, Fates};
use super::restart::{Jump, RESTART_IDLE, USUAL_STEP};
use super::sequence::{Arrived, Sequence};
use super::vote::Vote;
use crate::wire::rtcp::ReportBlock;
use crate::wire::rtp::Packet;

mod record;

pub use record::MIN_SCORED_PACKETS;

/// A change of transit that is no delay but a break of the timestamps, microseconds. At the
/// beginning of a talkspurt senders may set their clock anew.
const BREAK_AT_TALKSPURT: i32 = 200_000;
/// No packet overtakes its predecessor's delay by more than this.
const BREAK_EARLY: i32 = -1_000_000;
/// No packet is held for longer than this.
const BREAK_LATE: i32 = 10_000_000;

/// Bytes of the longest silence descriptor (AMR's, octet-aligned; RFC 4867 §4.4): what is no
/// longer does not tell how long most speech is.
const MAX_SILENCE_DESCRIPTOR: u32 = 7;

/// The jitter buffers' floors forget what is older than one to two of these.
const FLOOR_AGE: Duration = Duration::from_secs(10);

/// One RTP packet and when it came.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// When it was captured.
    pub at: Instant,
    /// What it is.
    pub packet: &'a Packet<'a>,
    /// Differentiated services code point of its IP header.
    pub dscp: u8,
}

/// Whether a packet belongs to a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// It does.
    Continues,
    /// Same SSRC and ports, but a new sequence: [`Stream::successor`] begins the new stream.
    Restart,
}

/// The figures of one stream, and what is needed to keep them.
///
/// In the order in which they stand in memory: what each packet needs first, then what few do. A
/// stream takes ten lines of the processor's cache, and with thousands of streams each line is a miss.
#[derive(Debug)]
#[repr(C)]
pub struct Stream {
    last_at: Instant,
    first_at: Instant,
    packets: u32,
    delta_max: u32,
    /// Of the packet with the highest number.
    last_timestamp: u32,
    last_transit: i32,
    bytes: u64,
    /// Of the last media payload type with a clock rate.
    timeline: Option<Timeline>,
    jitter: Jitter,
    payload_type: Vote<u8>,
    payload_len: Vote<u32>,
    /// Timestamp units between consecutive media packets.
    step: Vote<u32>,
    marking: Marking,
    /// What `payload_type`'s winner stands for.
    codec: Codec,
    last_kind: Kind,
    last_in_order: bool,
    level: Level,
    meter: Meter,
    floor_at: Instant,
    network: Fates,
    adaptive: Buffer,
    fixed_50: Buffer,
    fixed_200: Buffer,
    sequence: Sequence,
    suspect: Option<Held>,
    drift: Drift,
    report: Report,
}

const _: () = assert!(size_of::<Stream>() <= 640);

/// A packet that was kept back: its number does not fit, or it is the first of its kind, until the
/// next one tells whether it began a sequence.
#[derive(Clone, Copy, Debug)]
pub struct Held {
    at: Instant,
    timestamp: u32,
    payload_len: u32,
    sequence_number: u16,
    payload_type: u8,
    marker: bool,
    dscp: u8,
}

/// What RTCP said. 65,535 reports are four days of one each 5 s; further ones are not counted.
#[derive(Clone, Copy, Debug, Default)]
struct Report {
    round_trip_sum: u64,
    cumulative_lost: i32,
    interarrival_jitter: u32,
    reports: u16,
    round_trips: u16,
    fraction_lost: u8,
}

impl Stream {
    /// Begins with a packet.
    #[must_use]
    pub fn new(arrival: &Arrival<'_>, codec: Codec, intervals: &mut IntervalPool) -> Self {
        let packet = arrival.packet;
        let sequence = Sequence::new(packet.sequence_number);
        let highest = sequence.highest();
        let mut stream = Self {
            first_at: arrival.at,
            last_at: arrival.at,
            sequence,
            network: Fates::new(true),
            adaptive: Buffer::adaptive(),
            fixed_50: Buffer::fixed(FIXED_50),
            fixed_200: Buffer::fixed(FIXED_200),
            floor_at: arrival.at,
            drift: Drift::default(),
            timeline: None,
            last_transit: 0,
            jitter: Jitter::default(),
            meter: Meter::new(arrival.at, highest),
            suspect: None,
            report: Report::default(),
            bytes: 0,
            packets: 0,
            delta_max: 0,
            last_timestamp: packet.timestamp,
            last_kind: codec.kind(),
            last_in_order: true,
            payload_type: Vote::new(packet.payload_type),
            codec,
            marking: Marking::new(arrival.dscp),
            step: Vote::default(),
            payload_len: Vote::new(packet.payload_len),
            level: Level::default(),
        };
        stream.count(arrival, codec, Arrived::Ahead(0), intervals);
        stream
    }

    /// Begins the stream that [`Fit::Restart`] announced. Where it took two packets in sequence
    /// to believe it, the first of them moves from this stream to the new one.
    #[must_use]
    pub fn successor(
        &mut self,
        arrival: &Arrival<'_>,
        codec: Codec,
        intervals: &mut IntervalPool,
    ) -> Self {
        let Some(first) = self.suspect.take_if(|suspect| suspect.is_followed_by(arrival.packet))
        else {
            return Self::new(arrival, codec, intervals);
        };
        Self::of_two(&first, arrival.packet.ssrc, arrival, codec, intervals)
    }

    /// Begins with a packet that was held back and the one that followed it.
    #[must_use]
    pub fn of_two(
        first: &Held,
        ssrc: u32,
        second: &Arrival<'_>,
        codec: Codec,
        intervals: &mut IntervalPool,
    ) -> Self {
        let packet = first.packet(ssrc);
        let mut next = Self::new(
            &Arrival { at: first.at, packet: &packet, dscp: first.dscp },
            codec,
            intervals,
        );
        next.handle_rtp(second, codec, intervals);
        next
    }

    /// Whether a packet with this stream's SSRC and addresses belongs to it. Asked before
    /// [`Self::handle_rtp`].
    #[must_use]
    #[inline]
    pub fn fit(&self, arrival: &Arrival<'_>) -> Fit {
        if self.sequence.is_full() {
            Fit::Restart
        } else if self.jump(arrival).is_plausible() {
            Fit::Continues
        } else {
            self.fit_jump(arrival)
        }
    }

    #[cold]
    fn fit_jump(&self, arrival: &Arrival<'_>) -> Fit {
        let confirmed = self.suspect.is_some_and(|suspect| suspect.is_followed_by(arrival.packet));
        if confirmed || self.idle(arrival.at) >= RESTART_IDLE {
            Fit::Restart
        } else {
            Fit::Continues
        }
    }

    /// Reads a little of each part that a packet will need; see [`super::flows::Flows::touch`].
    #[inline]
    #[must_use]
    pub fn touch(&self) -> u32 {
        let Self { adaptive, fixed_50, fixed_200, .. } = self;
        let buffers = adaptive.touch() ^ fixed_50.touch() ^ fixed_200.touch();
        let votes = self.packets ^ self.last_timestamp ^ self.step.winner();
        let counts = self.level.touch() ^ self.meter.touch() ^ u32::from(self.suspect.is_some());
        votes ^ counts ^ buffers ^ self.sequence.touch()
    }

    #[inline]
    fn jump(&self, arrival: &Arrival<'_>) -> Jump {
        let distance = self.sequence.distance(arrival.packet.sequence_number);
        if distance == 1 {
            // By far the most frequent; plausible whatever the rest.
            return Jump { distance, idle: 0, step: None, is_missing: false };
        }
        Jump {
            distance,
            idle: self.idle(arrival.at),
            step: self.step_micros().or_else(|| self.usual_step()),
            is_missing: distance < 0 && self.sequence.is_missing(distance.unsigned_abs()),
        }
    }

    /// Video sends many packets with one timestamp; all else that has no step yet is taken for
    /// packets of the usual length.
    fn usual_step(&self) -> Option<u64> {
        (!matches!(self.codec.kind(), Kind::Other | Kind::Unknown)).then_some(USUAL_STEP)
    }

    fn idle(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.last_at).as_micros()
    }

    /// Takes in a packet that [`Self::fit`] said continues this stream.
    #[inline]
    pub fn handle_rtp(
        &mut self,
        arrival: &Arrival<'_>,
        codec: Codec,
        intervals: &mut IntervalPool,
    ) {
        if !self.jump(arrival).is_plausible() {
            self.suspect(arrival);
            return;
        }
        if self.suspect.is_some() {
            self.settle_suspect();
        }
        if self.meter.is_over(arrival.at) {
            let impairment = self.impairment();
            let highest = self.sequence.highest();
            self.meter.close(arrival.at, highest, &self.adaptive, impairment, intervals);
        }
        let gap = arrival.at.saturating_duration_since(self.last_at).as_micros();
        // Silence before a talkspurt is no gap: the marker begins one (RFC 3551 §4.1), and so does
        // what follows comfort noise (RFC 3389).
        let is_talkspurt = arrival.packet.marker || self.last_kind == Kind::ComfortNoise;
        if !is_talkspurt || codec.kind() == Kind::Other {
            self.delta_max = self.delta_max.max(u32::try_from(gap).unwrap_or(u32::MAX));
        }
        self.last_at = self.last_at.max(arrival.at);
        let arrived = self.sequence.insert(arrival.packet.sequence_number);
        self.count(arrival, codec, arrived, intervals);
    }

    #[inline]
    fn count(
        &mut self,
        arrival: &Arrival<'_>,
        codec: Codec,
        arrived: Arrived,
        intervals: &mut IntervalPool,
    ) {
        let packet = arrival.packet;
        let kind = codec.kind();
        self.packets = self.packets.saturating_add(1);
        self.bytes += u64::from(packet.payload_len);
        self.vote(arrival, codec, kind, arrived);
        let transit = if kind.is_media() { self.transit(arrival, codec, arrived) } else { None };
        self.play(arrived, transit, intervals);
        self.meter.count(self.jitter.estimate());
        if let Some(law) = codec.law() {
            self.level.add(law, packet.payload, packet.sequence_number);
        }
        self.last_kind = kind;
        self.last_in_order = matches!(arrived, Arrived::Ahead(_));
        if self.last_in_order {
            self.last_timestamp = packet.timestamp;
        }
    }

    /// What most packets carry. Media packets outvote comfort noise and events.
    #[inline]
    fn vote(&mut self, arrival: &Arrival<'_>, codec: Codec, kind: Kind, arrived: Arrived) {
        let packet = arrival.packet;
        self.marking.see(arrival.dscp, arrival.at, self.first_at);
        if kind.is_media() && !self.codec.kind().is_media() {
            self.payload_type = Vote::new(packet.payload_type);
            self.payload_len = Vote::new(packet.payload_len);
            self.codec = codec;
        } else if kind.is_media() == self.codec.kind().is_media() {
            if self.payload_type.cast(packet.payload_type)
                || packet.payload_type == self.payload_type.winner()
            {
                self.codec = codec;
            }
            if packet.payload_len > MAX_SILENCE_DESCRIPTOR {
                self.payload_len.cast(packet.payload_len);
            }
        }
        if arrived == Arrived::Ahead(1) && kind.is_media() && self.last_kind.is_media() {
            self.step.cast(packet.timestamp.wrapping_sub(self.last_timestamp));
        }
    }

    /// The packet's transit time; jitter on the way. `None` without a clock rate.
    #[inline]
    fn transit(&mut self, arrival: &Arrival<'_>, codec: Codec, arrived: Arrived) -> Option<i32> {
        let clock_rate = codec.clock_rate()?;
        let timestamp = arrival.packet.timestamp;
        if let Some(timeline) =
            self.timeline.as_mut().filter(|timeline| timeline.clock_rate() == clock_rate)
        {
            let transit = timeline.transit(arrival.at, timestamp);
            let difference = transit.saturating_sub(self.last_transit);
            let in_order = self.last_in_order && matches!(arrived, Arrived::Ahead(_));
            let talkspurt = arrival.packet.marker || !self.last_kind.is_media();
            if !(in_order && is_break(difference, talkspurt)) {
                self.jitter.add(difference);
                self.last_transit = transit;
                return Some(transit);
            }
        }
        self.timeline = Some(Timeline::new(arrival.at, timestamp, clock_rate));
        self.last_transit = 0;
        self.drift = Drift::default();
        for buffer in self.buffers() {
            buffer.restart();
        }
        Some(0)
    }

    /// Network and jitter buffers. A packet without a transit time is played whenever it comes.
    #[inline]
    fn play(&mut self, arrived: Arrived, transit: Option<i32>, intervals: &mut IntervalPool) {
        if self.last_at.saturating_duration_since(self.floor_at) >= FLOOR_AGE {
            self.floor_at = self.last_at;
            if let Some(floor) = self.fixed_200.floor() {
                let age = self.last_at.saturating_duration_since(self.first_at);
                self.drift.add(age.as_secs(), floor);
            }
            for buffer in self.buffers() {
                buffer.age_floor();
            }
        }
        match arrived {
            Arrived::Ahead(0) => {
                // The first packet of all: the buffers were made with it.
                for buffer in self.buffers() {
                    transit.map(|transit| buffer.offer(transit));
                }
            }
            Arrived::Ahead(step) => {
                self.meter.lose(step - 1);
                self.network.advance(step, true);
                for buffer in self.buffers() {
                    let played = transit.is_none_or(|transit| buffer.offer(transit));
                    buffer.advance(step, played);
                }
            }
            Arrived::Late(behind) => {
                self.meter.find(self.sequence.highest() - behind, intervals);
                self.network.receive_late(behind);
                for buffer in self.buffers() {
                    if transit.is_none_or(|transit| buffer.offer(transit)) {
                        buffer.receive_late(behind);
                    }
                }
            }
            Arrived::Duplicate | Arrived::TooLate => {}
        }
    }

    const fn buffers(&mut self) -> [&mut Buffer; 3] {
        [&mut self.adaptive, &mut self.fixed_50, &mut self.fixed_200]
    }

    /// Holds a packet that does not fit. One that was held before it was no beginning.
    #[cold]
    fn suspect(&mut self, arrival: &Arrival<'_>) {
        self.settle_suspect();
        self.suspect = Some(Held::of(arrival));
    }

    /// A packet that began nothing came on this stream all the same. Its number counts only
    /// where it is a late one.
    #[cold]
    fn settle_suspect(&mut self) {
        let Some(suspect) = self.suspect.take() else { return };
        self.packets = self.packets.saturating_add(1);
        self.bytes += u64::from(suspect.payload_len);
        self.last_at = self.last_at.max(suspect.at);
        if self.sequence.distance(suspect.sequence_number) <= 0 {
            self.sequence.insert(suspect.sequence_number);
        }
    }

    /// A receiver reported about this stream; the round trip if LSR and DLSR gave one.
    pub fn handle_report(&mut self, block: &ReportBlock, round_trip_us: Option<u32>) {
        let report = &mut self.report;
        report.reports = report.reports.saturating_add(1);
        report.fraction_lost = report.fraction_lost.max(block.fraction_lost);
        report.cumulative_lost = block.cumulative_lost;
        report.interarrival_jitter = report.interarrival_jitter.max(block.interarrival_jitter);
        if let Some(round_trip) = round_trip_us
            && report.round_trips < u16::MAX
        {
            report.round_trips += 1;
            report.round_trip_sum += u64::from(round_trip);
        }
    }

    /// The stream's call is known now, and what its payload type stands for.
    pub fn adopt(&mut self, codec_of: impl Fn(u8) -> Codec) {
        self.codec = codec_of(self.payload_type.winner());
        self.last_kind = self.codec.kind();
    }

    /// What a payload type stands for, if most packets have the same.
    #[must_use]
    #[inline]
    pub fn usual_codec(&self, payload_type: u8) -> Option<Codec> {
        (payload_type == self.payload_type.winner()).then_some(self.codec)
    }

    /// When the last packet came.
    #[must_use]
    pub fn last_at(&self) -> Instant {
        self.suspect.map_or(self.last_at, |suspect| self.last_at.max(suspect.at))
    }

    /// When the first packet came.
    #[must_use]
    pub const fn first_at(&self) -> Instant {
        self.first_at
    }

    /// Packets that came, duplicates included.
    #[must_use]
    pub const fn packets(&self) -> u32 {
        self.packets.saturating_add(self.suspect.is_some() as u32)
    }

    /// Gives back what the stream holds of the pool.
    pub fn release(&mut self, intervals: &mut IntervalPool) {
        self.meter.release(intervals);
    }
}

impl Held {
    /// Keeps a packet back.
    #[must_use]
    pub const fn of(arrival: &Arrival<'_>) -> Self {
        let packet = arrival.packet;
        Self {
            at: arrival.at,
            timestamp: packet.timestamp,
            payload_len: packet.payload_len,
            sequence_number: packet.sequence_number,
            payload_type: packet.payload_type,
            marker: packet.marker,
            dscp: arrival.dscp,
        }
    }

    /// Whether `packet` is the next one of its sequence.
    #[must_use]
    pub const fn is_followed_by(&self, packet: &Packet<'_>) -> bool {
        packet.sequence_number == self.sequence_number.wrapping_add(1)
    }

    /// The packet without its payload.
    const fn packet(&self, ssrc: u32) -> Packet<'static> {
        Packet {
            payload_type: self.payload_type,
            marker: self.marker,
            sequence_number: self.sequence_number,
            timestamp: self.timestamp,
            ssrc,
            payload: &[],
            payload_len: self.payload_len,
        }
    }
}

/// Whether a change of transit is a break of the timestamps rather than a delay.
const fn is_break(difference: i32, talkspurt: bool) -> bool {
    difference < BREAK_EARLY
        || difference > BREAK_LATE
        || (talkspurt && difference.unsigned_abs() > BREAK_AT_TALKSPURT.unsigned_abs())
}

#[cfg(test)]
mod tests;
