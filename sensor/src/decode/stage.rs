//! The stage: every frame goes in, every datagram comes out.

use core::net::SocketAddr;

use embassy_time::Instant;
use ringside_protocol::counters::Counter;
use smoltcp::wire::IpProtocol;

use super::fragment::Reassembler;
use super::ip::{self, Fragment, Packet};
use super::ports::PortSet;
use super::tcp::{Segment, Tcp};
use super::{Context, Datagram, FindMessage, Reject, Transport, link, udp};
use crate::capture::Frame;
use crate::counters::Counters;

/// What a [`Decoder`] is made with.
#[derive(Clone, Debug)]
pub struct DecoderSettings {
    /// TCP is followed only where one end uses one of these.
    pub sip_ports: PortSet,
    /// Finds SIP messages in a TCP stream: `wire::sip::framing`.
    pub framing: FindMessage,
    /// Keys the hash of addresses, which come from the wire. Changes no output.
    pub seed: u64,
}

/// Takes frames apart and joins what was split.
///
/// Its tables take 21 MiB of address space, of which the system gives only what is written to.
pub struct Decoder {
    fragments: Reassembler,
    upper: UpperLayer,
}

impl Decoder {
    /// With empty tables.
    #[must_use]
    pub fn new(settings: DecoderSettings) -> Self {
        Self {
            fragments: Reassembler::new(),
            upper: UpperLayer {
                tcp: Tcp::new(settings.framing, settings.seed),
                sip_ports: settings.sip_ports,
            },
        }
    }

    /// Reads one frame and hands on what it completes: a UDP datagram, or SIP messages of a TCP
    /// stream. Whatever cannot be read is counted by its reason.
    #[inline]
    pub fn handle_frame(
        &mut self,
        frame: &Frame<'_>,
        counters: &mut Counters,
        sink: &mut impl FnMut(&Datagram<'_>, &mut Counters),
    ) {
        counters.add(Counter::FramesSeen);
        counters.add_many(Counter::BytesSeen, frame.original_len.into());
        let is_cut = frame.bytes.len() < frame.original_len as usize;
        if is_cut {
            counters.add(Counter::Truncated);
        }
        self.upper.tcp.handle_timeout(frame.at, counters, sink);
        if let Err(reject) = self.read(frame, counters, sink) {
            count(reject, is_cut, counters);
        }
    }

    /// Lets go of what has waited too long, and hands on SIP messages that stood behind a gap.
    /// Frames do this by themselves; this is for when none come.
    pub fn handle_timeout(
        &mut self,
        now: Instant,
        counters: &mut Counters,
        sink: &mut impl FnMut(&Datagram<'_>, &mut Counters),
    ) {
        self.fragments.handle_timeout(now, counters);
        self.upper.tcp.handle_timeout(now, counters, sink);
    }

    /// The end of a file: lets go of everything that waits, as after a long silence.
    pub fn finish(
        &mut self,
        counters: &mut Counters,
        sink: &mut impl FnMut(&Datagram<'_>, &mut Counters),
    ) {
        self.fragments.finish(counters);
        self.upper.tcp.finish(counters, sink);
    }

    #[inline]
    fn read(
        &mut self,
        frame: &Frame<'_>,
        counters: &mut Counters,
        sink: &mut impl FnMut(&Datagram<'_>, &mut Counters),
    ) -> Result<(), Reject> {
        let network = link::parse(frame.link_type, frame.bytes)?;
        let link_len = frame.bytes.len() - network.bytes.len();
        let wire_len = (frame.original_len as usize).saturating_sub(link_len);
        let packet = ip::parse(network.version, network.bytes, wire_len)?;
        let context = Context {
            at: frame.at,
            interface: frame.interface,
            vlan: network.vlan,
            dscp: packet.dscp,
        };
        match packet.fragment {
            None => self.upper.read(&packet, context, counters, sink),
            Some(fragment) => self.join(&packet, fragment, context, counters, sink),
        }
    }

    /// Reads the packet that a fragment completes.
    #[cold]
    fn join(
        &mut self,
        packet: &Packet<'_>,
        fragment: Fragment,
        context: Context,
        counters: &mut Counters,
        sink: &mut impl FnMut(&Datagram<'_>, &mut Counters),
    ) -> Result<(), Reject> {
        let whole = self.fragments.handle(packet, fragment, context.vlan, context.at, counters);
        let Some(whole) = whole else { return Ok(()) };
        let (whole, None) = ip::past_extensions(whole)? else { return Err(Reject::BadIp) };
        let packet = Packet {
            protocol: whole.protocol,
            fragment: None,
            payload_len: whole.payload_len,
            payload: whole.payload,
            ..*packet
        };
        match self.upper.read(&packet, context, counters, sink) {
            // One of the fragments was cut, and counted as such.
            Err(Reject::Short) => Ok(()),
            result => result,
        }
    }
}

/// What stands above IP.
struct UpperLayer {
    tcp: Tcp,
    sip_ports: PortSet,
}

impl UpperLayer {
    /// Reads a whole packet.
    #[inline]
    fn read(
        &mut self,
        packet: &Packet<'_>,
        context: Context,
        counters: &mut Counters,
        sink: &mut impl FnMut(&Datagram<'_>, &mut Counters),
    ) -> Result<(), Reject> {
        match packet.protocol {
            IpProtocol::Udp => {
                let udp = udp::parse(packet.payload, packet.payload_len)?;
                let datagram = Datagram {
                    at: context.at,
                    interface: context.interface,
                    src: SocketAddr::new(packet.src, udp.src_port),
                    dst: SocketAddr::new(packet.dst, udp.dst_port),
                    transport: Transport::Udp,
                    vlan: context.vlan,
                    dscp: context.dscp,
                    payload_len: u32::try_from(udp.payload_len).unwrap_or(u32::MAX),
                    payload: udp.payload,
                };
                sink(&datagram, counters);
            }
            IpProtocol::Tcp => {
                let segment = Segment::parse(packet.payload, packet.payload_len)?;
                if self.sip_ports.contains_either(segment.src_port, segment.dst_port) {
                    let addresses = (packet.src, packet.dst);
                    self.tcp.handle(addresses, &segment, context, counters, sink);
                }
            }
            _ => return Err(Reject::OtherProtocol),
        }
        Ok(())
    }
}

/// Counts why a frame gave nothing. A frame that the capture cut has been counted as such.
#[cold]
fn count(reject: Reject, is_cut: bool, counters: &mut Counters) {
    let counter = match reject {
        Reject::UnknownLinkType => Counter::UnknownLinkType,
        Reject::NotIp => Counter::NotIp,
        Reject::BadIp => Counter::BadIp,
        Reject::OtherProtocol => Counter::OtherProtocol,
        Reject::BadTransport => Counter::BadTransport,
        Reject::Short if is_cut => return,
        Reject::Short => Counter::BadIp,
    };
    counters.add(counter);
}

#[cfg(test)]
#[path = "stage_tests.rs"]
mod tests;
