//! The stage: every frame goes in, every datagram comes out.

use core::net::{IpAddr, SocketAddr};

use embassy_time::Instant;
use ringside_protocol::counters::Counter;
use smoltcp::wire::IpProtocol;

use super::fragment::Reassembler;
use super::hep::{self, Copies};
use super::ip::{self, Fragment, Packet};
use super::link::{Carried, Network};
use super::mirror::Mirror;
use super::ports::PortSet;
use super::span::Span;
use super::tcp::{Carries, Segment, Tcp};
use super::tls;
use super::tunnel::{self, Inner};
use super::{Context, Datagram, FindMessage, Reject, Transport, link, udp};
use crate::capture::Frame;
use crate::counters::Counters;
use crate::limits::MAX_TUNNELS;

/// Room for a tunnel's packet that was joined from fragments, while fragments inside it are joined.
const JOINED_BYTES: usize = 65_536;

/// What a [`Decoder`] is made with.
#[derive(Clone, Debug)]
pub struct DecoderSettings {
    /// TCP is followed only where one end uses one of these.
    pub sip_ports: PortSet,
    /// What is read besides.
    pub options: Options,
    /// Finds SIP messages in a TCP stream: `wire::sip::framing`.
    pub framing: FindMessage,
    /// Keys the hash of addresses, which come from the wire. Changes no output.
    pub seed: u64,
}

/// What is read besides SIP and RTP as they are, and where.
#[derive(Clone, Debug)]
pub struct Options {
    /// Ports to which HEP is sent, UDP and TCP.
    pub hep_ports: PortSet,
    /// TCP ports, besides those of SIP, on which a connection may turn to SIP over WebSocket.
    /// Other connections there cost one comparison a segment.
    pub websocket_ports: PortSet,
    /// Whether a packet that the mirror port sends twice is taken once.
    pub deduplicate: bool,
}

impl Options {
    /// HTTP; `ws` of FreeSWITCH, of proxies and of Asterisk. Those of TLS are not among them.
    pub const WEBSOCKET_PORTS: [u16; 4] = [80, 5066, 8080, 8088];
}

impl Default for Options {
    fn default() -> Self {
        Self {
            hep_ports: PortSet::from_iter([hep::DEFAULT_PORT]),
            websocket_ports: PortSet::from_iter(Self::WEBSOCKET_PORTS),
            deduplicate: false,
        }
    }
}

/// Takes frames apart and joins what was split.
///
/// Its tables take 21 MiB of address space, of which the system gives only what is written to.
pub struct Decoder {
    fragments: Reassembler,
    /// [`JOINED_BYTES`]; lent out while such a packet is read.
    joined: Box<[u8]>,
    /// Where packets that come twice are looked for.
    mirror: Option<Mirror>,
    upper: UpperLayer,
}

/// The number of the listener among interfaces: no interface has it.
const HEP_INTERFACE: u8 = u8::MAX;

impl Decoder {
    /// With empty tables.
    #[must_use]
    pub fn new(settings: DecoderSettings) -> Self {
        let DecoderSettings { sip_ports, options, framing, seed } = settings;
        let mut carrier_ports = PortSet::from_iter(tunnel::UDP_PORTS);
        carrier_ports.extend(options.hep_ports.iter());
        Self {
            fragments: Reassembler::new(),
            joined: vec![0; JOINED_BYTES].into_boxed_slice(),
            mirror: options.deduplicate.then(|| Mirror::new(seed)),
            upper: UpperLayer {
                tcp: Tcp::new(framing, seed),
                copies: Copies::new(seed),
                sip_ports,
                carrier_ports,
                hep_ports: options.hep_ports,
                websocket_ports: options.websocket_ports,
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

    /// Reads a HEP message that an agent has sent to the listener, and hands on what it carries.
    pub fn handle_hep(
        &mut self,
        at: Instant,
        bytes: &[u8],
        counters: &mut Counters,
        sink: &mut impl FnMut(&Datagram<'_>, &mut Counters),
    ) {
        let context = Context { at, interface: HEP_INTERFACE, vlan: None, dscp: 0 };
        self.upper.read_hep(bytes, context, counters, sink);
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
        if self.is_repeated(&network, &packet, context.at, counters) {
            return Ok(());
        }
        self.read_packet(&packet, context, 0, counters, sink)
    }

    /// Whether the mirror port has sent the packet already.
    #[inline]
    fn is_repeated(
        &mut self,
        network: &Network<'_>,
        packet: &Packet<'_>,
        at: Instant,
        counters: &mut Counters,
    ) -> bool {
        let Some(mirror) = &mut self.mirror else { return false };
        let is_repeated = mirror.is_repeated(network.version, network.bytes, packet, at);
        counters.add_many(Counter::MirroredTwice, is_repeated.into());
        is_repeated
    }

    /// Reads a packet that stands inside `depth` others.
    #[inline]
    fn read_packet(
        &mut self,
        packet: &Packet<'_>,
        context: Context,
        depth: usize,
        counters: &mut Counters,
        sink: &mut impl FnMut(&Datagram<'_>, &mut Counters),
    ) -> Result<(), Reject> {
        if let Some(fragment) = packet.fragment {
            return self.join(packet, fragment, context, depth, counters, sink);
        }
        match self.upper.read(packet, context, counters, sink)? {
            None => Ok(()),
            Some(inner) => self.read_inner(inner, context, depth + 1, counters, sink),
        }
    }

    /// Reads what a tunnel carried.
    #[cold]
    fn read_inner(
        &mut self,
        inner: Inner<'_>,
        outer: Context,
        depth: usize,
        counters: &mut Counters,
        sink: &mut impl FnMut(&Datagram<'_>, &mut Counters),
    ) -> Result<(), Reject> {
        if depth > MAX_TUNNELS {
            return Err(Reject::TooDeep);
        }
        counters.add(Counter::Tunnelled);
        let Inner { ethertype, vlan, span } = inner;
        let network = link::behind(Carried { ethertype, vlan, bytes: span.bytes })?;
        let wire_len = span.wire_len - (span.bytes.len() - network.bytes.len());
        let packet = ip::parse(network.version, network.bytes, wire_len)?;
        let context = Context { vlan: network.vlan.or(outer.vlan), dscp: packet.dscp, ..outer };
        if self.is_repeated(&network, &packet, context.at, counters) {
            return Ok(());
        }
        self.read_packet(&packet, context, depth, counters, sink)
    }

    /// Reads the packet that a fragment completes.
    #[cold]
    fn join(
        &mut self,
        packet: &Packet<'_>,
        fragment: Fragment,
        context: Context,
        depth: usize,
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
        let result = match self.upper.read(&packet, context, counters, sink) {
            Ok(Some(inner)) => {
                let mut joined = core::mem::take(&mut self.joined);
                let result = match copy(inner, &mut joined) {
                    Some(inner) => self.read_inner(inner, context, depth + 1, counters, sink),
                    // It stands in another one that was joined.
                    None => Err(Reject::TooDeep),
                };
                if !joined.is_empty() {
                    self.joined = joined;
                }
                result
            }
            result => result.map(|_| ()),
        };
        match result {
            // One of the fragments was cut, and counted as such.
            Err(Reject::Short) => Ok(()),
            result => result,
        }
    }
}

/// The same, in memory of its own; `None` when there is no room.
fn copy<'a>(inner: Inner<'_>, room: &'a mut [u8]) -> Option<Inner<'a>> {
    let room = room.get_mut(..inner.span.bytes.len())?;
    room.copy_from_slice(inner.span.bytes);
    let Inner { ethertype, vlan, span: Span { wire_len, .. } } = inner;
    Some(Inner { ethertype, vlan, span: Span { bytes: room, wire_len } })
}

/// What stands above IP.
struct UpperLayer {
    tcp: Tcp,
    copies: Copies,
    sip_ports: PortSet,
    /// UDP ports to which tunnels and HEP are sent.
    carrier_ports: PortSet,
    hep_ports: PortSet,
    websocket_ports: PortSet,
}

impl UpperLayer {
    /// Reads a whole packet; gives the one that stands inside it, if any.
    #[inline]
    fn read<'a>(
        &mut self,
        packet: &Packet<'a>,
        context: Context,
        counters: &mut Counters,
        sink: &mut impl FnMut(&Datagram<'_>, &mut Counters),
    ) -> Result<Option<Inner<'a>>, Reject> {
        match packet.protocol {
            IpProtocol::Udp => {
                let udp = udp::parse(packet.payload, packet.payload_len)?;
                if self.carrier_ports.contains(udp.dst_port) {
                    if let Some(inner) = tunnel::in_udp(&udp) {
                        return inner.map(Some);
                    }
                    if self.hep_ports.contains(udp.dst_port) && hep::begins(udp.payload) {
                        self.read_hep(udp.payload, context, counters, sink);
                        return Ok(None);
                    }
                }
                let datagram = Datagram {
                    at: context.at,
                    interface: context.interface,
                    src: SocketAddr::new(packet.src, udp.src_port),
                    dst: SocketAddr::new(packet.dst, udp.dst_port),
                    transport: Transport::Udp,
                    vlan: context.vlan,
                    dscp: context.dscp,
                    is_sip: false,
                    payload_len: u32::try_from(udp.payload_len).unwrap_or(u32::MAX),
                    payload: udp.payload,
                };
                // SIP begins with a letter, RTP does not.
                if udp.payload.first().is_some_and(u8::is_ascii_alphabetic) {
                    self.copies.remember(&datagram);
                }
                sink(&datagram, counters);
            }
            IpProtocol::Tcp => {
                let segment = Segment::parse(packet.payload, packet.payload_len)?;
                self.read_segment((packet.src, packet.dst), &segment, context, counters, sink);
            }
            _ => return tunnel::in_ip(packet).map(Some),
        }
        Ok(None)
    }

    /// Follows a TCP stream whose ports promise something.
    fn read_segment(
        &mut self,
        addresses: (IpAddr, IpAddr),
        segment: &Segment<'_>,
        context: Context,
        counters: &mut Counters,
        sink: &mut impl FnMut(&Datagram<'_>, &mut Counters),
    ) {
        let is_on = |ports: &PortSet| ports.contains_either(segment.src_port, segment.dst_port);
        let is_for_sip = segment.dst_port == tls::SIPS_PORT || is_on(&self.sip_ports);
        if is_for_sip && tls::begins(segment.payload) {
            counters.add(Counter::SipTlsConnections);
        }
        let carries = if is_on(&self.sip_ports) {
            Carries::Sip
        } else if is_on(&self.hep_ports) {
            Carries::Hep
        } else if is_on(&self.websocket_ports) {
            Carries::Nothing
        } else {
            return;
        };
        let Self { tcp, copies, .. } = self;
        tcp.handle(addresses, segment, carries, context, counters, &mut |datagram, counters| {
            if carries == Carries::Hep && copies.is_copy(datagram) {
                counters.add(Counter::HepCopies);
                return;
            }
            copies.remember(datagram);
            sink(datagram, counters);
        });
    }

    /// Hands on what a HEP datagram carried, unless it came on the wire as well.
    #[cold]
    fn read_hep(
        &mut self,
        bytes: &[u8],
        context: Context,
        counters: &mut Counters,
        sink: &mut impl FnMut(&Datagram<'_>, &mut Counters),
    ) {
        let Some(datagram) = hep::read(bytes, context, counters) else { return };
        if self.copies.is_copy(&datagram) {
            counters.add(Counter::HepCopies);
        } else {
            sink(&datagram, counters);
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
        Reject::BadEncapsulation => Counter::BadEncapsulation,
        Reject::TooDeep => Counter::NestedTooDeep,
        Reject::Short if is_cut => return,
        Reject::Short => Counter::BadIp,
    };
    counters.add(counter);
}

#[cfg(test)]
#[path = "stage_tests.rs"]
mod tests;
