//! RTCP (RFC 3550 §6, RFC 3611): what each side says about the streams that it sends and hears.

use core::net::SocketAddr;

use ringside_protocol::cdr::VoipMetrics;
use ringside_protocol::counters::Counter;

use super::dialog::Side;
use super::flows::Flow;
use super::places::Claim;
use super::slab::Slot;
use super::table::CallTable;
use crate::counters::Counters;
use crate::decode::Datagram;
use crate::wire::rtcp::{self, ReportBlock, Reports};

impl CallTable {
    pub(super) fn handle_rtcp(&mut self, datagram: &Datagram<'_>, counters: &mut Counters) {
        let Some(owner) = self.rtcp_owner(datagram) else {
            counters.add(Counter::RtpUnclaimed);
            return;
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
                Ok(rtcp::Packet::SourceDescription(cnames)) => {
                    for (ssrc, cname) in cnames {
                        self.note_cname(owner, ssrc, cname, datagram);
                    }
                }
                Ok(rtcp::Packet::Bye(sources)) => {
                    for ssrc in sources {
                        if let Some(slot) = self.sent_by(owner, ssrc, datagram)
                            && let Some(flow) = self.flows.get_mut(slot)
                        {
                            flow.has_left = true;
                        }
                    }
                }
                Ok(rtcp::Packet::ExtendedReport(blocks)) => {
                    for (ssrc, metrics) in blocks {
                        self.note_voip_metrics(owner, ssrc, metrics, datagram);
                    }
                }
                Ok(rtcp::Packet::Other(_)) => {}
                // SRTCP is encrypted behind its first report's head, so it cannot be wrong.
                Err(_) => {
                    counters.add(Counter::RtcpBad);
                    return;
                }
            }
        }
    }

    /// The call of an RTCP packet: by the RTP port itself (RFC 5761), or by the one below
    /// (RFC 3550 §11).
    fn rtcp_owner(&self, datagram: &Datagram<'_>) -> Option<Slot> {
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
        let slot = self.sent_by(owner, report.ssrc, datagram);
        if let Some(flow) = slot.and_then(|slot| self.flows.get_mut(slot)) {
            flow.sender_reports = [(lsr, datagram.at), flow.sender_reports[0]];
        }
    }

    fn handle_reports(&mut self, owner: Slot, reports: Reports<'_>, datagram: &Datagram<'_>) {
        for block in reports {
            let Some(slot) = self.heard_by(owner, block.ssrc, datagram) else {
                self.note_unseen(owner, &block, datagram);
                continue;
            };
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

    /// A side reports that it hears a source of which the sensor has not seen a packet.
    fn note_unseen(&mut self, owner: Slot, block: &ReportBlock, datagram: &Datagram<'_>) {
        let hears = block.extended_highest != 0 && block.fraction_lost < u8::MAX;
        if !hears || self.newest_flow(owner, |flow| flow.ssrc == block.ssrc).is_some() {
            return;
        }
        let side_at = |address| {
            let claims = self.places.claims(address, &self.keyed)?;
            claims.iter().find(|claim| claim.call == owner).map(|claim| claim.side)
        };
        let from = [datagram.src, below(datagram.src)].into_iter().find_map(side_at);
        let to = || [datagram.dst, below(datagram.dst)].into_iter().find_map(side_at);
        let reporter = from.or_else(|| to().map(Side::other));
        if let (Some(side), Some(call)) = (reporter, self.calls.get_mut(owner)) {
            call.hears_unseen[side as usize] = true;
        }
    }

    fn note_cname(&mut self, owner: Slot, ssrc: u32, cname: &[u8], datagram: &Datagram<'_>) {
        let Some(slot) = self.sent_by(owner, ssrc, datagram) else { return };
        let Some(call) = self.calls.get_mut(owner) else { return };
        if call.cnames.iter().all(|&(known, _)| known != slot) && !call.cnames.is_full() {
            let text = call.texts.keep(cname);
            // There is room; streams beyond it stay without a name.
            let _ = call.cnames.push((slot, text));
        }
    }

    fn note_voip_metrics(
        &mut self,
        owner: Slot,
        ssrc: u32,
        metrics: VoipMetrics,
        datagram: &Datagram<'_>,
    ) {
        let Some(slot) = self.heard_by(owner, ssrc, datagram) else { return };
        let Some(call) = self.calls.get_mut(owner) else { return };
        match call.voip_metrics.iter_mut().find(|(known, _)| *known == slot) {
            Some((_, known)) => {
                *known = VoipMetrics { reports: known.reports.saturating_add(1), ..metrics };
            }
            // Those of streams beyond MAX_REPORTED_STREAMS are not kept.
            None => drop(call.voip_metrics.push((slot, metrics))),
        }
    }

    /// The stream that an RTCP packet's sender sends with this SSRC.
    fn sent_by(&self, owner: Slot, ssrc: u32, datagram: &Datagram<'_>) -> Option<Slot> {
        self.newest_flow(owner, |flow| flow.ssrc == ssrc && flow.src.ip() == datagram.src.ip())
    }

    /// The stream with this SSRC that an RTCP packet's sender hears.
    fn heard_by(&self, owner: Slot, ssrc: u32, datagram: &Datagram<'_>) -> Option<Slot> {
        self.newest_flow(owner, |flow| flow.ssrc == ssrc && flow.dst.ip() == datagram.src.ip())
    }

    fn newest_flow(&self, call: Slot, is_it: impl Fn(&Flow) -> bool) -> Option<Slot> {
        let call = self.calls.get(call)?;
        call.streams.iter().rev().copied().find(|&slot| self.flows.get(slot).is_some_and(&is_it))
    }
}

/// The RTP address of an RTCP address.
const fn below(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip(), address.port().saturating_sub(1))
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
