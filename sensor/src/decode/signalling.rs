//! A glance at a frame: may it carry SIP?

use smoltcp::wire::IpProtocol;

use super::link::{Carried, Network};
use super::ports::PortSet;
use super::stage::Options;
use super::tcp::{self, Segment};
use super::tunnel::{self, Inner};
use super::{Reject, ip, link, udp, websocket};
use crate::capture::Frame;
use crate::limits::MAX_TUNNELS;

/// Whether a frame is UDP or TCP with a port of SIP or HEP at either end, also inside a tunnel, or
/// may begin a WebSocket message. Fragments count as well: a large INVITE is split, RTP is not, and
/// only the first fragment has ports.
#[must_use]
pub fn is_signalling(frame: &Frame<'_>, sip_ports: &PortSet, options: &Options) -> bool {
    let mut network = link::parse(frame.link_type, frame.bytes);
    for _ in 0..=MAX_TUNNELS {
        match network.and_then(|network| glance(network, sip_ports, options)) {
            Ok(Glance::Inside(Inner { ethertype, vlan, span })) => {
                network = link::behind(Carried { ethertype, vlan, bytes: span.bytes });
            }
            Ok(Glance::IsSignalling(is_signalling)) => return is_signalling,
            Err(_) => return false,
        }
    }
    false
}

/// What a packet says at a glance.
enum Glance<'a> {
    IsSignalling(bool),
    Inside(Inner<'a>),
}

fn glance<'a>(
    network: Network<'a>,
    sip_ports: &PortSet,
    options: &Options,
) -> Result<Glance<'a>, Reject> {
    let packet = ip::parse(network.version, network.bytes, usize::MAX)?;
    if packet.fragment.is_some() {
        return Ok(Glance::IsSignalling(true));
    }
    let (src, dst) = match packet.protocol {
        IpProtocol::Udp => {
            let udp = udp::parse(packet.payload, packet.payload_len)?;
            if let Some(inner) = tunnel::in_udp(&udp) {
                return inner.map(Glance::Inside);
            }
            (udp.src_port, udp.dst_port)
        }
        IpProtocol::Tcp => {
            let segment = Segment::parse(packet.payload, packet.payload_len)?;
            let is_on = |ports: &PortSet| ports.contains_either(segment.src_port, segment.dst_port);
            let may_be_message =
                || tcp::begins_upgrade(segment.payload) || websocket::may_begin(segment.payload);
            if is_on(&options.websocket_ports) && may_be_message() {
                return Ok(Glance::IsSignalling(true));
            }
            (segment.src_port, segment.dst_port)
        }
        _ => return tunnel::in_ip(&packet).map(Glance::Inside),
    };
    let is_signalling =
        sip_ports.contains_either(src, dst) || options.hep_ports.contains_either(src, dst);
    Ok(Glance::IsSignalling(is_signalling))
}
