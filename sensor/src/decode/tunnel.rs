//! Packets inside packets: which IP protocols and UDP ports carry others.
//!
//! ```text
//! IP --+-- 4, 41  IP in IP (RFC 2003, RFC 4213, RFC 2473)
//!      +-- 47     GRE --- ERSPAN
//!      +-- UDP ---+-- 4789, 8472  VXLAN (8472: Linux's own default)
//!                 +-- 6081        Geneve
//!                 +-- 2152        GTP-U
//! ```
//!
//! A UDP port alone proves nothing, since RTP takes any port: a datagram that does not begin like
//! the tunnel's header is left as it is.

use super::ip::Packet;
use super::link::{IPV4, IPV6};
use super::span::Span;
use super::udp::Udp;
use super::{Reject, geneve, gre, gtp, vxlan};

const IPV4_IN_IP: u8 = 4;
const IPV6_IN_IP: u8 = 41;
const GRE: u8 = 47;

const VXLAN: u16 = 4789;
const VXLAN_LINUX: u16 = 8472;
const GENEVE: u16 = 6081;
const GTP_U: u16 = 2152;

/// The UDP ports that tunnels are looked for on, as destinations.
pub(super) const UDP_PORTS: [u16; 4] = [VXLAN, VXLAN_LINUX, GENEVE, GTP_U];

/// A packet or frame that was found inside another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Inner<'a> {
    /// What it is, for [`super::link::behind`].
    pub(super) ethertype: u16,
    /// Of the mirrored port, where ERSPAN tells.
    pub(super) vlan: Option<u16>,
    pub(super) span: Span<'a>,
}

/// What an IP packet carries that is neither UDP nor TCP.
pub(super) fn in_ip<'a>(packet: &Packet<'a>) -> Result<Inner<'a>, Reject> {
    let span = Span { bytes: packet.payload, wire_len: packet.payload_len };
    match u8::from(packet.protocol) {
        IPV4_IN_IP => Ok(Inner { ethertype: IPV4, vlan: None, span }),
        IPV6_IN_IP => Ok(Inner { ethertype: IPV6, vlan: None, span }),
        GRE => gre::parse(span),
        _ => Err(Reject::OtherProtocol),
    }
}

/// What a datagram to one of [`UDP_PORTS`] carries; `None` when it is no tunnel's.
#[cold]
pub(super) fn in_udp<'a>(udp: &Udp<'a>) -> Option<Result<Inner<'a>, Reject>> {
    let span = Span { bytes: udp.payload, wire_len: udp.payload_len };
    match udp.dst_port {
        VXLAN | VXLAN_LINUX if vxlan::begins(span.bytes) => Some(vxlan::parse(span)),
        GENEVE if geneve::begins(span.bytes) => Some(geneve::parse(span)),
        GTP_U if gtp::begins(span.bytes) => Some(gtp::parse(span)),
        _ => None,
    }
}
