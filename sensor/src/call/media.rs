//! RTP: each packet finds its call by the addresses that session descriptions named.
//!
//! A packet's stream is known by addresses and SSRC. The first packet of a stream belongs to the
//! call whose description names its destination; where none does, to the one that names its source:
//! behind a NAT, media goes back to where it came from, whatever the SDP said (symmetric RTP,
//! RFC 4961).

use core::net::SocketAddr;

use embassy_time::{Duration, Instant};
use ringside_protocol::cdr::flags;
use ringside_protocol::counters::Counter;

use super::codec::{Codec, Kind};
use super::dialog::Side;
use super::flows::{Flow, Found, TOUCHED};
use super::offer::Receiver;
use super::places::{Claim, Claims};
use super::slab::Slot;
use super::strays::STRAY_IDLE;
use super::stream::{Arrival, MIN_SCORED_PACKETS};
use super::table::CallTable;
use crate::counters::Counters;
use crate::decode::{self, Datagram};
use crate::wire::rtcp;
use crate::wire::rtp::{self, Packet, TelephoneEvent};

/// Claims of one address within this time belong to legs of one call, microseconds.
const LEGS_WITHIN: u64 = 100_000;

/// Whose packet it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Belongs {
    /// Nobody's.
    Nowhere,
    /// RTP of this stream.
    Stream(Slot),
    /// RTCP of this call.
    Call(Slot),
}

/// A stream from an address that nobody named, silent for so long, may make room for another.
const STRANGER_IDLE: Duration = Duration::from_secs(1);

/// A stream of fewer packets may be anything that somebody sent once.
const PROVEN_PACKETS: u32 = 2;

impl CallTable {
    /// Takes one datagram that is no SIP.
    #[inline]
    pub fn handle_media(&mut self, datagram: &Datagram<'_>, counters: &mut Counters) -> Belongs {
        if !rtp::is_version_2(datagram.payload) {
            return Belongs::Nowhere;
        }
        if rtcp::is_rtcp(datagram.payload) {
            return self.handle_rtcp(datagram, counters).map_or(Belongs::Nowhere, Belongs::Call);
        }
        let Ok(packet) = Packet::parse(datagram.payload, datagram.payload_len) else {
            if self.claims(datagram).is_some() {
                counters.add(Counter::RtpBad);
            }
            return Belongs::Nowhere;
        };
        let arrival = Arrival { at: datagram.at, packet: &packet, dscp: datagram.dscp };
        let hash = self.keyed.flow(datagram.src, datagram.dst, packet.ssrc);
        match self.flows.find(&arrival, datagram, hash) {
            Found::Continues(slot) => {
                self.continue_stream(slot, &arrival, counters);
                Belongs::Stream(slot)
            }
            Found::Restarts(_) | Found::Unknown => self
                .begin_stream(&arrival, datagram, counters)
                .map_or(Belongs::Nowhere, Belongs::Stream),
        }
    }

    /// Brings the streams of packets that come next into the processor's cache.
    #[inline]
    pub fn prepare(&self, flows: &[decode::media::Flow]) {
        let mut hashes = [0; TOUCHED];
        for (hash, flow) in hashes.iter_mut().zip(flows) {
            *hash = self.keyed.flow_v4(flow.src, flow.dst, flow.ports, flow.ssrc);
        }
        self.flows.touch(&hashes[..flows.len().min(TOUCHED)]);
    }

    #[inline]
    fn continue_stream(&mut self, slot: Slot, arrival: &Arrival<'_>, counters: &mut Counters) {
        let codec = match self.flows.usual_codec(slot, arrival.packet) {
            Some(codec) => codec,
            None => self.codec_of(slot, arrival.packet.payload_type),
        };
        if codec.kind() == Kind::TelephoneEvent {
            self.handle_event(slot, arrival.packet);
        }
        let is_claimed = self.flows.handle(slot, arrival, codec);
        counters.add(if is_claimed { Counter::RtpPackets } else { Counter::RtpUnclaimed });
    }

    fn codec_of(&self, slot: Slot, payload_type: u8) -> Codec {
        let owner = self.flows.get(slot).and_then(|flow| flow.calls.first().copied());
        let is_encrypted = self.flows.get(slot).is_some_and(|flow| flow.is_encrypted);
        let codec =
            owner.and_then(|(call, sender)| Some((self.calls.get(call)?, sender))).map_or_else(
                || Codec::from_payload_type(payload_type),
                |(call, sender)| call.media.codec(payload_type, sender.other()),
            );
        codec.inside_srtp(is_encrypted)
    }

    #[cold]
    fn begin_stream(
        &mut self,
        arrival: &Arrival<'_>,
        datagram: &Datagram<'_>,
        counters: &mut Counters,
    ) -> Option<Slot> {
        let Some((claims, is_named)) = self.claims(datagram) else {
            counters.add(Counter::RtpUnclaimed);
            self.handle_stray(arrival, datagram);
            return None;
        };
        let owners = self.owners(&claims, is_named);
        let &first = owners.first()?;
        let call = self.calls.get(first.call)?;
        let receiver = sender_of(first, is_named).other();
        let codec = call.media.codec(arrival.packet.payload_type, receiver);
        let codec = codec.inside_srtp(first.is_encrypted);
        self.make_room_in_the_table(arrival.at);
        let Some(slot) = self.flows.begin(arrival, datagram, codec, &self.keyed) else {
            counters.add(Counter::StreamsRefused);
            return None;
        };
        for &claim in &owners {
            self.give_stream(slot, claim.call, sender_of(claim, is_named), is_named, counters);
        }
        if self.flows.get(slot).is_some_and(|flow| flow.calls.is_empty()) {
            self.flows.free(slot);
            return None;
        }
        if codec.kind() == Kind::TelephoneEvent {
            self.handle_event(slot, arrival.packet);
        }
        counters.add(Counter::RtpPackets);
        Some(slot)
    }

    /// Makes a stream one of a call's, if there is room for it.
    fn give_stream(
        &mut self,
        slot: Slot,
        owner: Slot,
        sender: Side,
        is_named: bool,
        counters: &mut Counters,
    ) {
        let Some(&Flow { src, dst, .. }) = self.flows.get(slot) else { return };
        let is_full = self.calls.get(owner).is_some_and(|call| call.streams.is_full());
        if is_full {
            counters.add(Counter::StreamsRefused);
            self.make_room_among_streams(slot, owner, sender);
        }
        let is_nat = self.is_behind_nat(owner, sender, (src, dst), is_named);
        let Some(call) = self.calls.get_mut(owner) else { return };
        call.streams_omitted += u32::from(is_full);
        if call.streams.push(slot).is_err() {
            return;
        }
        if is_nat {
            call.flags |= flags::NAT;
        }
        if let Some(flow) = self.flows.get_mut(slot) {
            // As many calls as claims: there is room.
            let _ = flow.calls.push((owner, sender));
        }
        // With media a call ends sooner after its last packet than without.
        self.schedule(owner);
    }

    /// Of a call whose streams are used up, one may leave that comes from an address which no
    /// description named: for a stream that is agreed any such, for a stranger one that was only a
    /// few packets and is silent. So may one of a single packet, which proves nothing (RFC 3550
    /// A.1); for a stranger no agreed one. Whoever sends packets to a media port with ever new SSRCs,
    /// even with the agreed source address, thus cannot keep the call's own media out.
    fn make_room_among_streams(&mut self, newcomer: Slot, owner: Slot, sender: Side) {
        let Some(flow) = self.flows.get(newcomer) else { return };
        let now = flow.stream.last_at();
        let is_agreed = self.is_agreed(owner, sender, flow.src);
        let Some(call) = self.calls.get(owner) else { return };
        let may_leave = call.streams.iter().filter_map(|&slot| {
            let flow = self.flows.get(slot)?;
            let &(_, sender) = flow.calls.iter().find(|(call, _)| *call == owner)?;
            let (packets, last_at) = (flow.stream.packets(), flow.stream.last_at());
            let is_stranger = !self.is_agreed(owner, sender, flow.src);
            let is_gone = packets < MIN_SCORED_PACKETS
                && now.saturating_duration_since(last_at) >= STRANGER_IDLE;
            let may_leave = match (is_stranger, is_agreed) {
                (true, true) => true,
                (true, false) => is_gone || packets < PROVEN_PACKETS,
                (false, true) => packets < PROVEN_PACKETS,
                (false, false) => false,
            };
            may_leave.then_some((!is_stranger, packets, last_at, slot))
        });
        let Some((.., victim)) = may_leave.min() else { return };
        self.take_stream(victim, owner);
    }

    /// When all streams are used up, one of a single packet leaves that is silent.
    fn make_room_in_the_table(&mut self, now: Instant) {
        if !self.flows.is_full() {
            return;
        }
        let is_unproven = |flow: &Flow| {
            flow.stream.packets() < PROVEN_PACKETS
                && now.saturating_duration_since(flow.stream.last_at()) >= STRANGER_IDLE
        };
        let Some(victim) = self.flows.search(is_unproven) else { return };
        let Some(flow) = self.flows.get(victim) else { return };
        for (owner, _) in flow.calls.clone() {
            self.take_stream(victim, owner);
            if let Some(call) = self.calls.get_mut(owner) {
                call.streams_omitted += 1;
            }
        }
    }

    /// Takes a stream from a call.
    fn take_stream(&mut self, stream: Slot, owner: Slot) {
        if let Some(call) = self.calls.get_mut(owner) {
            call.streams.retain(|&slot| slot != stream);
            call.forget_stream(stream);
        }
        self.flows.release(stream, owner);
    }

    /// Whether a side's description named the very address that a stream comes from.
    fn is_agreed(&self, owner: Slot, sender: Side, src: SocketAddr) -> bool {
        let claims = self.places.claims(src, &self.keyed);
        claims.is_some_and(|claims| {
            claims.iter().any(|claim| claim.call == owner && claim.side == sender)
        })
    }

    /// RTP that nobody has claimed yet.
    fn handle_stray(&mut self, arrival: &Arrival<'_>, datagram: &Datagram<'_>) {
        let hash = self.keyed.flow(datagram.src, datagram.dst, arrival.packet.ssrc);
        if let Found::Restarts(before) = self.flows.find(arrival, datagram, hash) {
            // Of a sequence that nobody claimed, only the newest is of use.
            self.strays.remove(before);
            self.flows.free(before);
        }
        let Some(first) = self.strays.follow(hash, arrival) else { return };
        if self.strays.make_room(datagram.at, &mut self.flows)
            && let Some(slot) = self.flows.begin_stray(&first, arrival, datagram, &self.keyed)
        {
            self.strays.add(slot);
        }
    }

    /// A description says that `side` of a call receives at an address: what came to it, or from
    /// it, before that is the call's, unless it is older than the call.
    pub(super) fn adopt_strays(
        &mut self,
        owner: Slot,
        side: Side,
        Receiver { address, is_encrypted }: Receiver,
        counters: &mut Counters,
    ) {
        if self.strays.is_empty() {
            return;
        }
        for slot in self.strays.at(address, &self.flows) {
            let Some(flow) = self.flows.get(slot) else { continue };
            let is_named = flow.dst == address;
            let dst = flow.dst;
            if !is_named && self.places.claims(dst, &self.keyed).is_some() {
                continue;
            }
            let Some(call) = self.calls.get(owner) else { return };
            let stream = &flow.stream;
            let is_of_this_call = match call.dialog.start {
                Some(start) => stream.first_at().as_micros() >= start,
                None => stream.last_at() + STRAY_IDLE >= Instant::from_micros(call.dialog.last_at),
            };
            self.strays.remove(slot);
            if !is_of_this_call {
                self.flows.free(slot);
                continue;
            }
            let sender = if is_named { side.other() } else { side };
            let codec_of = |payload_type| {
                call.media.codec(payload_type, sender.other()).inside_srtp(is_encrypted)
            };
            self.flows.adopt(slot, is_encrypted, codec_of);
            self.give_stream(slot, owner, sender, is_named, counters);
            if self.flows.get(slot).is_some_and(|flow| flow.calls.is_empty()) {
                self.flows.free(slot);
            }
        }
    }

    /// Who receives where a datagram goes, else who receives where it comes from; and which of
    /// the two it was.
    fn claims(&self, datagram: &Datagram<'_>) -> Option<(Claims, bool)> {
        let named = self.places.claims(datagram.dst, &self.keyed);
        match named {
            Some(claims) => Some((claims.clone(), true)),
            None => Some((self.places.claims(datagram.src, &self.keyed)?.clone(), false)),
        }
    }

    /// Whose stream begins, where several calls claim its address: calls in progress before those
    /// that linger, those that still lack a stream of this side before others, the answered before
    /// the ringing, then the newest. Two that described it at the same time are legs of one call
    /// through a B2BUA that leaves media alone, and both get it.
    fn owners(&self, claims: &Claims, is_named: bool) -> Claims {
        let rank = |claim: &Claim| {
            let sender = sender_of(*claim, is_named);
            self.calls.get(claim.call).map(|call| {
                let has_stream = call.streams.iter().any(|&slot| {
                    let flow = self.flows.get(slot);
                    flow.is_some_and(|flow| flow.calls.contains(&(claim.call, sender)))
                });
                let is_answered = call.dialog.has_answer();
                (call.dialog.is_in_progress(), !has_stream, is_answered)
            })
        };
        let best = claims.iter().filter_map(rank).max();
        let candidates = || claims.iter().filter(|claim| rank(claim) == best);
        let newest = candidates().map(|claim| claim.at).max().unwrap_or(0);
        candidates().filter(|claim| newest - claim.at <= LEGS_WITHIN).copied().collect()
    }

    /// Whether a packet comes from (or goes to) another host than its side described.
    fn is_behind_nat(
        &self,
        slot: Slot,
        sender: Side,
        (src, dst): (SocketAddr, SocketAddr),
        is_named: bool,
    ) -> bool {
        let (side, address) = if is_named { (sender, src) } else { (sender.other(), dst) };
        let Some(call) = self.calls.get(slot) else { return false };
        let mut described = call
            .media_slots
            .iter()
            .filter_map(|&place| self.places.claimed_by(place, slot))
            .filter(|&(_, claimed)| claimed == side)
            .peekable();
        described.peek().is_some() && !described.any(|(known, _)| known.ip() == address.ip())
    }

    /// A telephone event (RFC 4733): its packets share a timestamp, and the first counts.
    fn handle_event(&mut self, slot: Slot, packet: &Packet<'_>) {
        let Ok(event) = TelephoneEvent::parse(packet.payload) else { return };
        let Some(flow) = self.flows.get_mut(slot) else { return };
        flow.is_event = true;
        if flow.event_timestamp == Some(packet.timestamp) {
            return;
        }
        flow.event_timestamp = Some(packet.timestamp);
        let Some(digit) = event.digit() else { return };
        for &(call, sender) in &flow.calls {
            let Some(call) = self.calls.get_mut(call) else { continue };
            if *call.event_flows[sender as usize].get_or_insert(flow.hash()) == flow.hash() {
                call.push_digit(digit);
            }
        }
    }
}

/// Who sends a stream to a claimed address, or from one.
const fn sender_of(claim: Claim, is_named: bool) -> Side {
    if is_named { claim.side.other() } else { claim.side }
}
