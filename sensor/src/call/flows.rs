//! The streams of all calls: which packet belongs to which, at one look-up a packet.

use core::hint::black_box;
use core::net::SocketAddr;

use super::codec::{Codec, Kind};
use super::dialog::Side;
use super::hash::Keyed;
use super::interval::IntervalPool;
use super::own_loss::OwnLoss;
use super::slab::{Index, Slab, Slot};
use super::stream::{Arrival, Fit, Held, Stream};
use crate::decode::Datagram;
use crate::limits::{MAX_CLAIMS, MAX_STREAMS};
use crate::wire::rtp::Packet;
use embassy_time::Instant;

/// One stream with its addresses and the calls that it belongs to. As in [`Stream`], in the order in
/// which they stand in memory, from the beginning of a cache line on.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Flow {
    /// From.
    pub src: SocketAddr,
    /// To.
    pub dst: SocketAddr,
    /// RFC 3550 §5.1.
    pub ssrc: u32,
    /// What the keeper of packets does with its packets.
    pub watch: Watch,
    /// Its newest packet was a telephone event (RFC 4733).
    pub is_event: bool,
    /// Calls whose record holds it, each with its side that sends.
    pub calls: heapless::Vec<(Slot, Side), MAX_CLAIMS, u8>,
    /// Its figures.
    pub stream: Stream,
    /// Middle 32 bits of the NTP time of the sender's newest reports, and when each passed.
    pub sender_reports: [(u32, Instant); 2],
    /// Timestamp of the newest RFC 4733 event.
    pub event_timestamp: Option<u32>,
    /// Its losses while the sensor missed packets.
    pub own_loss: OwnLoss,
    /// It began before a description named its address.
    pub is_adopted: bool,
    /// Its addresses were agreed for SRTP.
    pub is_encrypted: bool,
    /// Its source said BYE.
    pub has_left: bool,
    hash: u64,
}

/// What the keeper of packets does with a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Watch {
    /// It has not seen it yet.
    #[default]
    New,
    /// Nothing.
    Passed,
    /// It looks at each packet.
    Taken,
}

impl Flow {
    /// Brings [`Self::own_loss`] up to date; see [`OwnLoss::note`].
    pub fn note_capture(&mut self, is_lossy: bool, was_lossy: bool) {
        let (_, lost) = self.stream.losses();
        self.own_loss.note(lost, is_lossy, was_lossy);
    }

    /// Of its losses, those that may be the sensor's own.
    #[must_use]
    pub fn capture_lost(&self) -> u32 {
        let (_, lost) = self.stream.losses();
        self.own_loss.of(lost)
    }

    /// Keyed hash of its addresses and SSRC; a restarted sequence has the same.
    #[must_use]
    pub const fn hash(&self) -> u64 {
        self.hash
    }
}

/// Which stream a packet belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// It goes on.
    Continues(Slot),
    /// It is known, and this packet begins another sequence.
    Restarts(Slot),
    /// Nothing is known of it.
    Unknown,
}

/// Streams whose places are read together: a few more than the loads that a processor keeps open.
pub const TOUCHED: usize = 16;

/// Streams that one search looks at.
const SEARCHED: usize = 64;

/// All streams; holds [`MAX_STREAMS`].
#[derive(Debug)]
pub struct Flows {
    slab: Slab<Flow>,
    index: Index,
    intervals: IntervalPool,
    /// Where the next search begins.
    hand: Slot,
}

impl Default for Flows {
    fn default() -> Self {
        Self {
            slab: Slab::new(MAX_STREAMS),
            index: Index::new(MAX_STREAMS),
            intervals: IntervalPool::new(),
            hand: 0,
        }
    }
}

impl Flows {
    /// Finds the stream of a packet.
    #[inline]
    pub fn find(&self, arrival: &Arrival<'_>, datagram: &Datagram<'_>, hash: u64) -> Found {
        let ssrc = arrival.packet.ssrc;
        let slot = self.index.find(hash, |slot| {
            self.slab.get(slot).is_some_and(|flow| {
                flow.ssrc == ssrc && flow.src == datagram.src && flow.dst == datagram.dst
            })
        });
        let Some((slot, flow)) = slot.and_then(|slot| Some((slot, self.slab.get(slot)?))) else {
            return Found::Unknown;
        };
        match flow.stream.fit(arrival) {
            Fit::Continues => Found::Continues(slot),
            Fit::Restart => Found::Restarts(slot),
        }
    }

    /// Reads the places of the streams with these hashes, so that they are in the processor's cache
    /// when their packets come. Each is a cache miss where there are thousands of streams; asked for
    /// together they are waited for together.
    #[inline]
    pub fn touch(&self, hashes: &[u64]) {
        let mut slots: heapless::Vec<Slot, TOUCHED, u8> = heapless::Vec::new();
        // Two rounds: no cell waits for another's stream.
        slots.extend(hashes.iter().take(TOUCHED).filter_map(|&hash| self.index.guess(hash)));
        for flow in slots.iter().filter_map(|&slot| self.slab.get(slot)) {
            black_box(u32::from(flow.src.port()) ^ flow.ssrc ^ flow.stream.touch());
        }
    }

    /// Begins a stream; `None` when the table is full. A stream of the same addresses and SSRC
    /// keeps its figures and gets no more packets.
    pub fn begin(
        &mut self,
        arrival: &Arrival<'_>,
        datagram: &Datagram<'_>,
        codec: Codec,
        keyed: &Keyed,
    ) -> Option<Slot> {
        if self.slab.is_full() {
            return None;
        }
        let ssrc = arrival.packet.ssrc;
        let hash = keyed.flow(datagram.src, datagram.dst, ssrc);
        let stream = match self.find(arrival, datagram, hash) {
            Found::Unknown => Stream::new(arrival, codec, &mut self.intervals),
            Found::Continues(before) | Found::Restarts(before) => {
                self.index.remove(hash, before);
                let before = &mut self.slab.get_mut(before)?.stream;
                before.successor(arrival, codec, &mut self.intervals)
            }
        };
        self.insert(stream, datagram, ssrc, hash, codec.is_encrypted())
    }

    /// Begins a stream that no call claims yet, with its first two packets.
    pub fn begin_stray(
        &mut self,
        first: &Held,
        second: &Arrival<'_>,
        datagram: &Datagram<'_>,
        keyed: &Keyed,
    ) -> Option<Slot> {
        if self.slab.is_full() {
            return None;
        }
        let Packet { payload_type, ssrc, .. } = *second.packet;
        let codec = Codec::from_payload_type(payload_type);
        let stream = Stream::of_two(first, ssrc, second, codec, &mut self.intervals);
        let hash = keyed.flow(datagram.src, datagram.dst, ssrc);
        self.insert(stream, datagram, ssrc, hash, false)
    }

    fn insert(
        &mut self,
        stream: Stream,
        datagram: &Datagram<'_>,
        ssrc: u32,
        hash: u64,
        is_encrypted: bool,
    ) -> Option<Slot> {
        let flow = Flow {
            src: datagram.src,
            dst: datagram.dst,
            calls: heapless::Vec::new(),
            stream,
            sender_reports: [(0, Instant::MIN); 2],
            event_timestamp: None,
            watch: Watch::New,
            is_event: false,
            own_loss: OwnLoss::default(),
            is_adopted: false,
            is_encrypted,
            has_left: false,
            ssrc,
            hash,
        };
        let slot = self.slab.insert(flow).ok()?;
        self.index.insert(hash, slot);
        Some(slot)
    }

    /// A stream that no call claimed belongs to one now, which says what its payload types are.
    pub fn adopt(&mut self, slot: Slot, is_encrypted: bool, codec_of: impl Fn(u8) -> Codec) {
        if let Some(flow) = self.slab.get_mut(slot) {
            flow.is_encrypted = is_encrypted;
            flow.stream.adopt(codec_of);
            flow.is_adopted = true;
        }
    }

    /// Adds a packet to its stream; says whether a call holds that.
    #[inline]
    pub fn handle(&mut self, slot: Slot, arrival: &Arrival<'_>, codec: Codec) -> bool {
        let Some(flow) = self.slab.get_mut(slot) else { return false };
        flow.is_event = codec.kind() == Kind::TelephoneEvent;
        flow.stream.handle_rtp(arrival, codec, &mut self.intervals);
        !flow.calls.is_empty()
    }

    /// What a packet's payload type stands for, if most packets of the stream have the same.
    #[must_use]
    #[inline]
    pub fn usual_codec(&self, slot: Slot, packet: &Packet<'_>) -> Option<Codec> {
        self.slab.get(slot)?.stream.usual_codec(packet.payload_type)
    }

    /// Lets a call go: its streams that no other call holds are freed.
    pub fn release(&mut self, slot: Slot, call: Slot) {
        let Some(flow) = self.slab.get_mut(slot) else { return };
        flow.calls.retain(|&(claiming, _)| claiming != call);
        if flow.calls.is_empty() {
            self.free(slot);
        }
    }

    /// Frees a stream that no call holds.
    pub fn free(&mut self, slot: Slot) {
        if let Some(mut flow) = self.slab.remove(slot) {
            flow.stream.release(&mut self.intervals);
            self.index.remove(flow.hash, slot);
        }
    }

    /// A stream of a call for which `is_it` holds, among the next few: a flood of new streams
    /// makes nobody look at all.
    pub fn search(&mut self, is_it: impl Fn(&Flow) -> bool) -> Option<Slot> {
        for _ in 0..SEARCHED {
            let slot = self.hand;
            self.hand = if usize::from(slot) + 1 < MAX_STREAMS { slot + 1 } else { 0 };
            let flow = self.slab.get(slot).filter(|flow| !flow.calls.is_empty());
            if flow.is_some_and(&is_it) {
                return Some(slot);
            }
        }
        None
    }

    /// Whether no more stream can begin.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.slab.is_full()
    }

    /// Streams held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slab.len()
    }

    /// Whether none is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slab.is_empty()
    }

    /// One stream.
    #[must_use]
    pub fn get(&self, slot: Slot) -> Option<&Flow> {
        self.slab.get(slot)
    }

    /// One stream.
    #[must_use]
    pub fn get_mut(&mut self, slot: Slot) -> Option<&mut Flow> {
        self.slab.get_mut(slot)
    }

    /// Every stream.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Flow> {
        self.slab.iter_mut()
    }

    /// Where the streams keep their intervals.
    #[must_use]
    pub const fn intervals(&self) -> &IntervalPool {
        &self.intervals
    }
}
