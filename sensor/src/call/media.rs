//! RTP and RTCP: each packet finds its call by the addresses that session descriptions named.
//!
//! A packet's stream is known by addresses and SSRC. The first packet of a stream belongs to the
//! call whose description names its destination; where none does, to the one that names its source:
//! behind a NAT, media goes back to where it came from, whatever the SDP said (symmetric RTP,
//! RFC 4961).

use core::net::SocketAddr;

use ringside_protocol::cdr::flags;
use ringside_protocol::counters::Counter;

use super::codec::{Codec, Kind};
use super::dialog::Side;
use super::flows::{Flow, Found};
use super::places::{Claim, Claims};
use super::slab::Slot;
use super::stream::Arrival;
use super::table::CallTable;
use crate::counters::Counters;
use crate::decode::Datagram;
use crate::wire::rtcp::{self, ReportBlock, Reports};
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

    #[inline]
    fn continue_stream(&mut self, slot: Slot, arrival: &Arrival<'_>, counters: &mut Counters) {
        let codec = match self.flows.same_codec(slot, arrival.packet) {
            Some(codec) => codec,
            None => self.codec_of(slot, arrival.packet.payload_type),
        };
        if codec.kind() == Kind::TelephoneEvent {
            self.handle_event(slot, arrival.packet);
        }
        self.flows.handle(slot, arrival, codec);
        counters.add(Counter::RtpPackets);
    }

    fn codec_of(&self, slot: Slot, payload_type: u8) -> Codec {
        let owner = self.flows.get(slot).and_then(|flow| flow.calls.first().copied());
        owner
            .and_then(|(call, sender)| Some((self.calls.get(call)?, sender)))
            .map_or(Codec::UNKNOWN, |(call, sender)| call.media.codec(payload_type, sender.other()))
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
            return None;
        };
        let owners = self.owners(&claims, is_named);
        let &first = owners.first()?;
        let call = self.calls.get(first.call)?;
        let codec =
            call.media.codec(arrival.packet.payload_type, sender_of(first, is_named).other());
        let Some(slot) = self.flows.begin(arrival, datagram, codec, &self.keyed) else {
            counters.add(Counter::StreamsRefused);
            return None;
        };
        for &claim in &owners {
            let sender = sender_of(claim, is_named);
            let is_nat = self.is_behind_nat(claim.call, sender, datagram, is_named);
            let Some(call) = self.calls.get_mut(claim.call) else { continue };
            if call.streams.push(slot).is_err() {
                call.streams_omitted += 1;
                counters.add(Counter::StreamsRefused);
                continue;
            }
            if is_nat {
                call.flags |= flags::NAT;
            }
            if let Some(flow) = self.flows.get_mut(slot) {
                // As many calls as claims: there is room.
                let _ = flow.calls.push((claim.call, sender));
            }
            // With media a call ends sooner after its last packet than without.
            self.schedule(claim.call);
        }
        if self.flows.get(slot).is_some_and(|flow| flow.calls.is_empty()) {
            self.flows.release(slot, first.call);
            return None;
        }
        if codec.kind() == Kind::TelephoneEvent {
            self.handle_event(slot, arrival.packet);
        }
        counters.add(Counter::RtpPackets);
        Some(slot)
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
                let is_answered = call.dialog.answered.is_some();
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
        datagram: &Datagram<'_>,
        is_named: bool,
    ) -> bool {
        let (side, address) =
            if is_named { (sender, datagram.src) } else { (sender.other(), datagram.dst) };
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

    fn handle_rtcp(&mut self, datagram: &Datagram<'_>, counters: &mut Counters) -> Option<Slot> {
        let Some(owner) = self.rtcp_owner(datagram) else {
            counters.add(Counter::RtpUnclaimed);
            return None;
        };
        counters.add(Counter::RtcpPackets);
        for packet in rtcp::packets(datagram.payload) {
            match packet {
                Ok(rtcp::Packet::SenderReport(report)) => {
                    self.note_sender_report(owner, &report, datagram);
                    self.handle_reports(owner, report.reports, datagram);
                }
                Ok(rtcp::Packet::ReceiverReport(report)) => {
                    self.handle_reports(owner, report.reports, datagram);
                }
                Ok(_) => {}
                // SRTCP is encrypted behind its first report's head, so it cannot be wrong.
                Err(_) => {
                    counters.add(Counter::RtcpBad);
                    break;
                }
            }
        }
        Some(owner)
    }

    /// The call of an RTCP packet: by the RTP port itself (RFC 5761), or by the one below
    /// (RFC 3550 §11).
    fn rtcp_owner(&self, datagram: &Datagram<'_>) -> Option<Slot> {
        let below =
            |address: SocketAddr| SocketAddr::new(address.ip(), address.port().saturating_sub(1));
        let claims = [datagram.dst, below(datagram.dst), datagram.src, below(datagram.src)]
            .into_iter()
            .find_map(|address| self.places.claims(address, &self.keyed))?;
        let sources = sources(datagram);
        let has_source = |claim: &&Claim| {
            self.newest_flow(claim.call, |flow| sources.contains(&flow.ssrc)).is_some()
        };
        claims.iter().rev().find(has_source).or_else(|| claims.last()).map(|claim| claim.call)
    }

    fn note_sender_report(
        &mut self,
        owner: Slot,
        report: &rtcp::SenderReport<'_>,
        datagram: &Datagram<'_>,
    ) {
        let [_, _, a, b, c, d, _, _] = report.ntp.to_be_bytes();
        let lsr = u32::from_be_bytes([a, b, c, d]);
        let is_it = |flow: &Flow| flow.ssrc == report.ssrc && flow.src.ip() == datagram.src.ip();
        if let Some(flow) = self.newest_flow(owner, is_it).and_then(|slot| self.flows.get_mut(slot))
        {
            flow.sender_reports = [(lsr, datagram.at), flow.sender_reports[0]];
        }
    }

    fn handle_reports(&mut self, owner: Slot, reports: Reports<'_>, datagram: &Datagram<'_>) {
        for block in reports {
            let is_it = |flow: &Flow| flow.ssrc == block.ssrc && flow.dst.ip() == datagram.src.ip();
            let Some(slot) = self.newest_flow(owner, is_it) else { continue };
            let Some(flow) = self.flows.get_mut(slot) else { continue };
            let reporter = flow.calls.iter().find(|(call, _)| *call == owner);
            let reporter = reporter.map(|(_, sender)| sender.other());
            let to_reporter = round_trip(flow, &block, datagram);
            let Some(call) = self.calls.get_mut(owner) else { return };
            if let (Some(side), Some(_)) = (reporter, to_reporter) {
                call.round_trips[side as usize] = to_reporter;
            }
            // From the tap to one side and back, and from it to the other and back.
            let whole = to_reporter.map(|_| call.round_trips.iter().flatten().sum());
            flow.stream.handle_report(&block, whole);
        }
    }

    fn newest_flow(&self, call: Slot, is_it: impl Fn(&Flow) -> bool) -> Option<Slot> {
        let call = self.calls.get(call)?;
        call.streams.iter().rev().copied().find(|&slot| self.flows.get(slot).is_some_and(&is_it))
    }
}

/// Who sends a stream to a claimed address, or from one.
const fn sender_of(claim: Claim, is_named: bool) -> Side {
    if is_named { claim.side.other() } else { claim.side }
}

/// The SSRCs that an RTCP datagram speaks of, the first few of them.
fn sources(datagram: &Datagram<'_>) -> heapless::Vec<u32, 8, u8> {
    let mut sources = heapless::Vec::new();
    for packet in rtcp::packets(datagram.payload).map_while(Result::ok) {
        let (own, reports) = match packet {
            rtcp::Packet::SenderReport(report) => (report.ssrc, report.reports),
            rtcp::Packet::ReceiverReport(report) => (report.ssrc, report.reports),
            _ => continue,
        };
        // The first eight are enough to tell calls apart.
        sources.extend([own].into_iter().chain(reports.map(|block| block.ssrc)).take(4));
        if sources.len() > 4 {
            break;
        }
    }
    sources
}

/// From the tap to the reporter and back, microseconds: its report names the sender report that it
/// answers and how long it held it (RFC 3550 §6.4.1).
fn round_trip(flow: &Flow, block: &ReportBlock, datagram: &Datagram<'_>) -> Option<u32> {
    if block.lsr == 0 {
        return None;
    }
    let &(_, passed_at) = flow.sender_reports.iter().find(|(lsr, _)| *lsr == block.lsr)?;
    let held = u64::from(block.dlsr) * 1_000_000 / 65_536;
    let away = datagram.at.as_micros().checked_sub(passed_at.as_micros())?;
    u32::try_from(away.checked_sub(held)?).ok()
}
