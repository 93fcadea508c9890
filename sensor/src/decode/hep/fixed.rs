//! HEP versions 1 and 2: a fixed header.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |    Version    | Header length |     Family    |  IP protocol  |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |          Source port          |        Destination port       |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |        Source address, then destination address: 4 or 16 bytes each
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |   Version 2: seconds (32), microseconds (32), agent (16), 2 unused bytes
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! The header length ends with the addresses. Version 2's times are a C structure in the byte
//! order of the host that sent it; agents run on little-endian machines. Both versions carry SIP
//! only.

use core::net::{IpAddr, SocketAddr};

use super::chunks::instant;
use super::{Content, Error, Message};
use crate::decode::Transport;

const PORTS: usize = 8;
const IPV4_HEADER: usize = PORTS + 2 * 4;
const IPV6_HEADER: usize = PORTS + 2 * 16;
const TIMES: usize = 12;

/// Whether a datagram begins so. Nothing marks these versions but that their fields agree; the
/// number of IPv6's family differs from system to system.
pub(super) fn begins(bytes: &[u8]) -> bool {
    let Some(&[version, len, family, _]) = bytes.first_chunk::<4>() else { return false };
    let fits = match usize::from(len) {
        IPV4_HEADER => family == 2,
        IPV6_HEADER => matches!(family, 10 | 24 | 28 | 30),
        _ => false,
    };
    matches!(version, 1 | 2) && fits
}

/// Reads a message that [`begins`] so.
pub(super) fn parse(bytes: &[u8]) -> Result<Message<'_>, Error> {
    let (head, rest) = bytes.split_first_chunk::<PORTS>().ok_or(Error::Short)?;
    let (src, dst, rest) = if usize::from(head[1]) == IPV4_HEADER {
        addresses::<4>(rest)
    } else {
        addresses::<16>(rest)
    }
    .ok_or(Error::Short)?;
    let (at, payload) = if head[0] == 2 {
        let (times, payload) = rest.split_first_chunk::<TIMES>().ok_or(Error::Short)?;
        let [seconds, micros] =
            [0, 4].map(|at| u32::from_le_bytes([0, 1, 2, 3].map(|byte| times[at + byte])));
        (Some(instant(seconds, micros)), payload)
    } else {
        (None, rest)
    };
    Ok(Message {
        src: SocketAddr::new(src, u16::from_be_bytes([head[4], head[5]])),
        dst: SocketAddr::new(dst, u16::from_be_bytes([head[6], head[7]])),
        transport: Transport::of_ip_protocol(head[3]),
        at,
        vlan: None,
        content: Content::Sip,
        payload_len: payload.len(),
        payload,
    })
}

fn addresses<const N: usize>(bytes: &[u8]) -> Option<(IpAddr, IpAddr, &[u8])>
where
    IpAddr: From<[u8; N]>,
{
    let (src, rest) = bytes.split_first_chunk::<N>()?;
    let (dst, rest) = rest.split_first_chunk::<N>()?;
    Some(((*src).into(), (*dst).into(), rest))
}
