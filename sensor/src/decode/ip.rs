//! IPv4 (RFC 791) and IPv6 with its extension headers (RFC 8200).
//!
//! A packet may hold less than it says (snap length) and the frame more than the packet (Ethernet
//! pads to 60 bytes): `payload` is what was captured, `payload_len` what was on the wire.

use core::net::IpAddr;

use smoltcp::wire::{IpProtocol, Ipv4Packet, Ipv6ExtHeader, Ipv6FragmentHeader, Ipv6Packet};

use super::Reject;
use super::link::Version;
use crate::limits::MAX_IPV6_EXTENSIONS;

const IPV4_HEADER: usize = 20;
const IPV6_HEADER: usize = 40;
/// Length of the shortest.
const EXTENSION_HEADER: usize = 8;
const FRAGMENT_HEADER: usize = 8;

/// One IP packet, or one fragment of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Packet<'a> {
    pub(super) src: IpAddr,
    pub(super) dst: IpAddr,
    /// Differentiated services code point (RFC 2474).
    pub(super) dscp: u8,
    /// What `payload` begins with; an IPv6 fragment may begin with extension headers.
    pub(super) protocol: IpProtocol,
    pub(super) fragment: Option<Fragment>,
    /// Bytes of the payload on the wire.
    pub(super) payload_len: usize,
    /// As much of it as was captured.
    pub(super) payload: &'a [u8],
}

/// Where in a packet a fragment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fragment {
    pub(super) ident: u32,
    /// In bytes.
    pub(super) offset: usize,
    pub(super) more: bool,
}

/// Reads a packet that took `wire_len` bytes on the wire, padding included.
#[inline]
pub(super) fn parse(version: Version, bytes: &[u8], wire_len: usize) -> Result<Packet<'_>, Reject> {
    match version {
        Version::V4 => parse_ipv4(bytes, wire_len),
        Version::V6 => parse_ipv6(bytes, wire_len),
    }
}

#[inline]
fn parse_ipv4(bytes: &[u8], wire_len: usize) -> Result<Packet<'_>, Reject> {
    if bytes.len() < IPV4_HEADER {
        return Err(Reject::Short);
    }
    let header = Ipv4Packet::new_unchecked(bytes);
    let header_len = usize::from(header.header_len());
    let total_len = match usize::from(header.total_len()) {
        // Segmentation offload: the interface fills it in after the capture saw the packet.
        0 => wire_len,
        len => len,
    };
    if header.version() != 4
        || header_len < IPV4_HEADER
        || total_len < header_len
        || total_len > wire_len
    {
        return Err(Reject::BadIp);
    }
    let packet = bytes.get(header_len..total_len.min(bytes.len())).ok_or(Reject::Short)?;
    let offset = usize::from(header.frag_offset());
    let more = header.more_frags();
    Ok(Packet {
        src: IpAddr::V4(header.src_addr()),
        dst: IpAddr::V4(header.dst_addr()),
        dscp: header.dscp(),
        protocol: header.next_header(),
        fragment: (more || offset > 0).then(|| Fragment {
            ident: header.ident().into(),
            offset,
            more,
        }),
        payload_len: total_len - header_len,
        payload: packet,
    })
}

fn parse_ipv6(bytes: &[u8], wire_len: usize) -> Result<Packet<'_>, Reject> {
    if bytes.len() < IPV6_HEADER {
        return Err(Reject::Short);
    }
    let header = Ipv6Packet::new_unchecked(bytes);
    let total_len = match header.payload_len() {
        // Segmentation offload, or a jumbogram (RFC 2675).
        0 => wire_len,
        len => IPV6_HEADER + usize::from(len),
    };
    if header.version() != 6 || total_len > wire_len || total_len < IPV6_HEADER {
        return Err(Reject::BadIp);
    }
    let upper = Upper {
        protocol: header.next_header(),
        payload_len: total_len - IPV6_HEADER,
        payload: &bytes[IPV6_HEADER..total_len.min(bytes.len())],
    };
    let (upper, fragment) = past_extensions(upper)?;
    Ok(Packet {
        src: IpAddr::V6(header.src_addr()),
        dst: IpAddr::V6(header.dst_addr()),
        dscp: header.traffic_class() >> 2,
        protocol: upper.protocol,
        fragment,
        payload_len: upper.payload_len,
        payload: upper.payload,
    })
}

/// A protocol and its bytes.
#[derive(Clone, Copy)]
pub(super) struct Upper<'a> {
    pub(super) protocol: IpProtocol,
    pub(super) payload_len: usize,
    pub(super) payload: &'a [u8],
}

/// Passes over extension headers, up to a fragment or what no extension is. IPv4 has none.
#[inline]
pub(super) fn past_extensions(
    mut upper: Upper<'_>,
) -> Result<(Upper<'_>, Option<Fragment>), Reject> {
    for _ in 0..=MAX_IPV6_EXTENSIONS {
        match upper.protocol {
            IpProtocol::HopByHop | IpProtocol::Ipv6Route | IpProtocol::Ipv6Opts => {
                let bytes = upper.header(EXTENSION_HEADER)?;
                let header = Ipv6ExtHeader::new_unchecked(bytes);
                let len = 8 * (usize::from(header.header_len()) + 1);
                upper = upper.behind(header.next_header(), len)?;
            }
            IpProtocol::Ipv6Frag => {
                let bytes = upper.header(FRAGMENT_HEADER)?;
                let fragment = fragment(bytes);
                upper = upper.behind(IpProtocol::from(bytes[0]), FRAGMENT_HEADER)?;
                // With neither, it is the whole packet: an atomic fragment (RFC 6946).
                if fragment.more || fragment.offset > 0 {
                    return Ok((upper, Some(fragment)));
                }
            }
            _ => return Ok((upper, None)),
        }
    }
    Err(Reject::BadIp)
}

impl<'a> Upper<'a> {
    /// The header at the front, or as much of it as `len` says.
    fn header(&self, len: usize) -> Result<&'a [u8], Reject> {
        let missing = if self.payload_len < len { Reject::BadIp } else { Reject::Short };
        self.payload.get(..len).ok_or(missing)
    }

    /// What stands behind a header of `len` bytes.
    fn behind(self, protocol: IpProtocol, len: usize) -> Result<Self, Reject> {
        let payload_len = self.payload_len.checked_sub(len).ok_or(Reject::BadIp)?;
        let payload = self.payload.get(len..).ok_or(Reject::Short)?;
        Ok(Self { protocol, payload_len, payload })
    }
}

/// Next header, reserved, offset in 8 bytes and the more flag, identification (RFC 8200 §4.5).
fn fragment(bytes: &[u8]) -> Fragment {
    // smoltcp counts from behind the two bytes that all extension headers begin with.
    let header = Ipv6FragmentHeader::new_unchecked(&bytes[2..]);
    Fragment {
        ident: header.ident(),
        offset: usize::from(header.frag_offset()) * 8,
        more: header.more_frags(),
    }
}

#[cfg(test)]
#[path = "ip_tests.rs"]
mod tests;
