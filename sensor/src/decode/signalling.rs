//! A glance at a frame: may it carry SIP?

use smoltcp::wire::IpProtocol;

use super::ports::PortSet;
use super::tcp::Segment;
use super::{ip, link, udp};
use crate::capture::Frame;

/// Whether a frame is UDP or TCP with a SIP port at either end. Fragments count as well: a large
/// INVITE is split, RTP is not, and only the first fragment has ports.
#[must_use]
pub fn is_signalling(frame: &Frame<'_>, sip_ports: &PortSet) -> bool {
    let Ok(network) = link::parse(frame.link_type, frame.bytes) else { return false };
    let Ok(packet) = ip::parse(network.version, network.bytes, usize::MAX) else { return false };
    if packet.fragment.is_some() {
        return true;
    }
    let ports = match packet.protocol {
        IpProtocol::Udp => {
            udp::parse(packet.payload, packet.payload_len).map(|udp| (udp.src_port, udp.dst_port))
        }
        IpProtocol::Tcp => Segment::parse(packet.payload, packet.payload_len)
            .map(|segment| (segment.src_port, segment.dst_port)),
        _ => return false,
    };
    ports.is_ok_and(|(src, dst)| sip_ports.contains_either(src, dst))
}
