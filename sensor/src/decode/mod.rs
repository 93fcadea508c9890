//! From frames to datagrams: link layer, VLAN, MPLS, PPPoE, IP, fragments, tunnels, UDP, TCP.

mod erspan;
mod fragment;
mod geneve;
mod gre;
mod gtp;
pub mod hep;
mod ip;
mod link;
pub mod media;
mod mirror;
mod mpls;
mod ports;
mod pppoe;
mod signalling;
mod span;
mod stage;
mod tcp;
mod tls;
mod tunnel;
mod udp;
mod units;
mod vlan;
mod vxlan;
mod websocket;

use core::net::SocketAddr;

use embassy_time::Instant;

pub use ports::{PortError, PortSet};
pub use signalling::is_signalling;
pub use stage::{Decoder, DecoderSettings, Options};

/// What a UDP datagram carried, or one whole SIP message of a TCP stream, of WebSocket or of HEP.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// When its last byte was captured.
    pub at: Instant,
    /// Which capture interface.
    pub interface: u8,
    /// From.
    pub src: SocketAddr,
    /// To.
    pub dst: SocketAddr,
    /// UDP or TCP.
    pub transport: Transport,
    /// Innermost VLAN id, if tagged.
    pub vlan: Option<u16>,
    /// Differentiated services code point.
    pub dscp: u8,
    /// Whether what carried it says that it is SIP, whatever its ports are: TCP, WebSocket, HEP.
    pub is_sip: bool,
    /// Length of the payload on the wire; `payload` holds less when the capture cut it.
    pub payload_len: u32,
    /// The payload.
    pub payload: &'a [u8],
}

#[cfg(test)]
impl<'a> Datagram<'a> {
    /// From one address of nowhere to another, over UDP, at time 0.
    pub(crate) fn of_test(payload: &'a [u8]) -> Self {
        Self {
            at: Instant::from_micros(0),
            interface: 0,
            src: SocketAddr::from(([192, 0, 2, 1], 5060)),
            dst: SocketAddr::from(([192, 0, 2, 2], 5060)),
            transport: Transport::Udp,
            vlan: None,
            dscp: 0,
            is_sip: false,
            payload_len: u32::try_from(payload.len()).unwrap_or(u32::MAX),
            payload,
        }
    }
}

/// How a datagram travelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// RFC 768.
    Udp,
    /// RFC 9293.
    Tcp,
}

impl Transport {
    /// By the number of an IP protocol; what is not UDP is a stream of some kind.
    const fn of_ip_protocol(number: u8) -> Self {
        if number == 17 { Self::Udp } else { Self::Tcp }
    }
}

/// What a reader of messages says of the bytes that a TCP stream holds so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// A message of so many bytes begins here and is whole.
    Complete(usize),
    /// A message begins here; more bytes are needed.
    NeedMore,
    /// So many bytes (at least 1) begin no message: pass over them.
    Skip(usize),
}

/// How far a reader of messages has looked at one that is not whole yet, so that it goes on there
/// when more bytes have come: a message in many pieces is read once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Looked {
    /// Where the line begins whose end is awaited.
    pub line: usize,
    /// That end is none of so many bytes.
    pub bytes: usize,
    /// The message has at least so many.
    pub needed: usize,
}

/// Finds the message at the start of a TCP stream's bytes. What it looked at before is given, all
/// zero for a new message, and what it has looked at is kept there when it needs more.
pub type FindMessage = fn(&[u8], &mut Looked) -> Framing;

/// Why a frame gives no datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reject {
    UnknownLinkType,
    NotIp,
    BadIp,
    OtherProtocol,
    BadTransport,
    BadEncapsulation,
    TooDeep,
    /// A header does not stand in the captured bytes as a whole.
    Short,
}

/// What every datagram of a frame has in common.
#[derive(Clone, Copy, Debug)]
struct Context {
    at: Instant,
    interface: u8,
    vlan: Option<u16>,
    dscp: u8,
}
