//! The stage: every frame goes in, every datagram comes out.

use core::net::SocketAddr;

use embassy_time::Instant;
use ringside_protocol::counters::Counter;
use smoltcp::wire::IpProtocol;

use super::ip::{self, Packet};
use super::ports::PortSet;
use super::{Datagram, Framing, Reject, Transport, link, udp};
use crate::capture::Frame;
use crate::counters::Counters;

/// What a [`Decoder`] is made with.
#[derive(Clone, Debug)]
pub struct DecoderSettings {
    /// TCP is followed only where one end uses one of these.
    pub sip_ports: PortSet,
    /// Finds SIP messages in a TCP stream: `wire::sip::framing`.
    pub framing: fn(&[u8]) -> Framing,
    /// Keys the hash of addresses, which come from the wire. Changes no output.
    pub seed: u64,
}

/// Takes frames apart and joins what was split.
pub struct Decoder {
    settings: DecoderSettings,
}

/// What every datagram of a frame has in common.
#[derive(Clone, Copy)]
struct Context {
    at: Instant,
    interface: u8,
    vlan: Option<u16>,
}

impl Decoder {
    /// With empty tables.
    #[must_use]
    pub fn new(settings: DecoderSettings) -> Self {
        Self { settings }
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
        if let Err(reject) = self.read(frame, counters, sink) {
            count(reject, is_cut, counters);
        }
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
        let context = Context { at: frame.at, interface: frame.interface, vlan: network.vlan };
        match packet.fragment {
            None => self.read_packet(&packet, context, counters, sink),
            Some(_) => Ok(()),
        }
    }

    /// Reads a whole packet.
    #[inline]
    fn read_packet(
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
                    dscp: packet.dscp,
                    payload_len: u32::try_from(udp.payload_len).unwrap_or(u32::MAX),
                    payload: udp.payload,
                };
                sink(&datagram, counters);
                Ok(())
            }
            IpProtocol::Tcp => Ok(()),
            _ => Err(Reject::OtherProtocol),
        }
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
