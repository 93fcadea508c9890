//! From a frame to the network layer: link headers, whatever the interface was, and what stands
//! between them and IP: VLAN tags, MPLS labels, PPPoE.

use super::{Reject, mpls, pppoe, vlan};
use crate::capture::LinkType;
use crate::limits::MAX_LINK_HEADERS;

/// What a link layer carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Network<'a> {
    /// IPv4 or IPv6, as the link header says.
    pub(super) version: Version,
    /// Innermost VLAN id of these headers.
    pub(super) vlan: Option<u16>,
    /// The packet, and padding where the link layer added some.
    pub(super) bytes: &'a [u8],
}

/// Version of the Internet Protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    V4,
    V6,
}

/// What a header between link and network carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Carried<'a> {
    pub(super) ethertype: u16,
    pub(super) vlan: Option<u16>,
    pub(super) bytes: &'a [u8],
}

/// EtherTypes.
pub(super) const IPV4: u16 = 0x0800;
pub(super) const IPV6: u16 = 0x86dd;
pub(super) const MPLS: u16 = 0x8847;
const MPLS_MULTICAST: u16 = 0x8848;
const PPPOE_SESSION: u16 = 0x8864;
/// A whole frame (transparent Ethernet bridging, RFC 1701).
pub(super) const ETHERNET: u16 = 0x6558;

/// Takes off the link header.
#[inline]
pub(super) fn parse(link_type: LinkType, bytes: &[u8]) -> Result<Network<'_>, Reject> {
    match link_type {
        LinkType::Ethernet => parse_ethernet(bytes),
        LinkType::LinuxSll => parse_cooked_v1(bytes),
        LinkType::LinuxSll2 => parse_cooked_v2(bytes),
        LinkType::RawIp => parse_raw(bytes),
        LinkType::Null => parse_null(bytes),
        LinkType::Other(_) => Err(Reject::UnknownLinkType),
    }
}

/// Destination, source, EtherType: 14 bytes.
#[inline]
fn parse_ethernet(bytes: &[u8]) -> Result<Network<'_>, Reject> {
    let (head, rest) = bytes.split_first_chunk::<14>().ok_or(Reject::Short)?;
    after_ethertype(u16::from_be_bytes([head[12], head[13]]), rest)
}

/// Packet type, ARPHRD type, address length, address, EtherType: 16 bytes.
fn parse_cooked_v1(bytes: &[u8]) -> Result<Network<'_>, Reject> {
    let (head, rest) = bytes.split_first_chunk::<16>().ok_or(Reject::Short)?;
    after_ethertype(u16::from_be_bytes([head[14], head[15]]), rest)
}

/// EtherType first, then interface index, ARPHRD type, packet type, address: 20 bytes.
fn parse_cooked_v2(bytes: &[u8]) -> Result<Network<'_>, Reject> {
    let (head, rest) = bytes.split_first_chunk::<20>().ok_or(Reject::Short)?;
    after_ethertype(u16::from_be_bytes([head[0], head[1]]), rest)
}

/// What follows an EtherType: IP, or VLAN tags and then IP, or something rarer.
#[inline]
fn after_ethertype(ethertype: u16, rest: &[u8]) -> Result<Network<'_>, Reject> {
    match ethertype {
        IPV4 => Ok(Network { version: Version::V4, vlan: None, bytes: rest }),
        IPV6 => Ok(Network { version: Version::V6, vlan: None, bytes: rest }),
        _ if vlan::is_tag(ethertype) => {
            let tagged = vlan::parse(rest)?;
            match tagged.ethertype {
                IPV4 => Ok(network(Version::V4, tagged)),
                IPV6 => Ok(network(Version::V6, tagged)),
                _ => behind(tagged),
            }
        }
        _ => behind(Carried { ethertype, vlan: None, bytes: rest }),
    }
}

/// Takes off header after header until IP stands in front, in whichever order they come.
#[cold]
pub(super) fn behind(mut carried: Carried<'_>) -> Result<Network<'_>, Reject> {
    for _ in 0..=MAX_LINK_HEADERS {
        let next = match carried.ethertype {
            IPV4 => return Ok(network(Version::V4, carried)),
            IPV6 => return Ok(network(Version::V6, carried)),
            MPLS | MPLS_MULTICAST => mpls::parse(carried.bytes)?,
            PPPOE_SESSION => pppoe::parse(carried.bytes)?,
            ETHERNET => {
                let (head, bytes) = carried.bytes.split_first_chunk::<14>().ok_or(Reject::Short)?;
                let ethertype = u16::from_be_bytes([head[12], head[13]]);
                Carried { ethertype, vlan: None, bytes }
            }
            tag if vlan::is_tag(tag) => vlan::parse(carried.bytes)?,
            _ => return Err(Reject::NotIp),
        };
        carried = Carried { vlan: next.vlan.or(carried.vlan), ..next };
    }
    Err(Reject::TooDeep)
}

const fn network(version: Version, carried: Carried<'_>) -> Network<'_> {
    Network { version, vlan: carried.vlan, bytes: carried.bytes }
}

/// The EtherType of an IP packet that nobody announces: its first four bits tell the version.
pub(super) fn ip_by_its_version(bytes: &[u8]) -> Result<u16, Reject> {
    match bytes.first().ok_or(Reject::Short)? >> 4 {
        4 => Ok(IPV4),
        6 => Ok(IPV6),
        _ => Err(Reject::NotIp),
    }
}

/// No link header.
fn parse_raw(bytes: &[u8]) -> Result<Network<'_>, Reject> {
    after_ethertype(ip_by_its_version(bytes)?, bytes)
}

/// An address family of four bytes, in the byte order of the host that captured (DLT_NULL) or of
/// the network (DLT_LOOP). Families are small, so the zeros tell the order.
fn parse_null(bytes: &[u8]) -> Result<Network<'_>, Reject> {
    let (head, rest) = bytes.split_first_chunk::<4>().ok_or(Reject::Short)?;
    let family = match *head {
        [0, 0, ..] => u32::from_be_bytes(*head),
        _ => u32::from_le_bytes(*head),
    };
    let version = match family {
        2 => Version::V4,
        // Linux; NetBSD, OpenBSD; FreeBSD; macOS.
        10 | 24 | 28 | 30 => Version::V6,
        _ => return Err(Reject::NotIp),
    };
    Ok(Network { version, vlan: None, bytes: rest })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(link_type: LinkType, bytes: &[u8]) -> Result<(Version, Option<u16>, usize), Reject> {
        parse(link_type, bytes).map(|network| (network.version, network.vlan, network.bytes.len()))
    }

    #[test]
    fn each_link_type_finds_its_ethertype() {
        let mut ethernet = [0; 15];
        ethernet[12..14].copy_from_slice(&[0x08, 0x00]);
        assert_eq!(read(LinkType::Ethernet, &ethernet), Ok((Version::V4, None, 1)));
        let mut cooked = [0; 18];
        cooked[14..16].copy_from_slice(&[0x86, 0xdd]);
        assert_eq!(read(LinkType::LinuxSll, &cooked), Ok((Version::V6, None, 2)));
        let mut cooked = [0; 23];
        cooked[..2].copy_from_slice(&[0x08, 0x00]);
        assert_eq!(read(LinkType::LinuxSll2, &cooked), Ok((Version::V4, None, 3)));
        assert_eq!(read(LinkType::RawIp, &[0x45, 0]), Ok((Version::V4, None, 2)));
        assert_eq!(read(LinkType::RawIp, &[0x60]), Ok((Version::V6, None, 1)));
    }

    #[test]
    fn bsd_loopback_reads_in_both_byte_orders() {
        for (family, version) in [(2, Version::V4), (24, Version::V6), (30, Version::V6)] {
            for head in [u32::to_be_bytes(family), u32::to_le_bytes(family)] {
                let bytes = [&head[..], &[0x45]].concat();
                assert_eq!(read(LinkType::Null, &bytes), Ok((version, None, 1)));
            }
        }
        assert_eq!(read(LinkType::Null, &[7, 0, 0, 0]), Err(Reject::NotIp));
    }

    #[test]
    fn cooked_frames_may_carry_a_tag() {
        let mut cooked = [0; 21];
        cooked[14..16].copy_from_slice(&[0x81, 0x00]);
        cooked[16..20].copy_from_slice(&[0x00, 0x07, 0x08, 0x00]);
        assert_eq!(read(LinkType::LinuxSll, &cooked), Ok((Version::V4, Some(7), 1)));
    }

    fn ethernet(ethertype: u16, bytes: &[u8]) -> Vec<u8> {
        [&[2; 12][..], &ethertype.to_be_bytes(), bytes].concat()
    }

    #[test]
    fn tags_labels_and_pppoe_come_off_in_any_order() {
        let pppoe = [0x11, 0, 0, 1, 0, 3, 0, 0x21, 0x45];
        assert_eq!(
            read(LinkType::Ethernet, &ethernet(PPPOE_SESSION, &pppoe)),
            Ok((Version::V4, None, 1))
        );
        let tagged = [&[0, 7, 0x88, 0x64][..], &pppoe].concat();
        assert_eq!(
            read(LinkType::Ethernet, &ethernet(0x8100, &tagged)),
            Ok((Version::V4, Some(7), 1))
        );
        let label = [0, 0, 0x11, 64];
        let labelled = [&label[..], &[0x60, 0]].concat();
        assert_eq!(
            read(LinkType::Ethernet, &ethernet(MPLS, &labelled)),
            Ok((Version::V6, None, 2))
        );
        let frame = ethernet(0x8100, &[0, 9, 0x08, 0x00, 0x45]);
        let pseudowire = [&label[..], &[0; 4], &frame].concat();
        assert_eq!(
            read(LinkType::Ethernet, &ethernet(MPLS_MULTICAST, &pseudowire)),
            Ok((Version::V4, Some(9), 1))
        );
    }

    #[test]
    fn headers_in_a_row_end_at_the_limit() {
        let nested = |count| {
            let inside = (0..count).fold(vec![0x45], |inside, _| {
                let ethertype = if inside.len() == 1 { IPV4 } else { ETHERNET };
                ethernet(ethertype, &inside)
            });
            let bytes = inside.as_slice();
            behind(Carried { ethertype: ETHERNET, vlan: None, bytes })
                .map(|network| network.bytes.len())
        };
        assert_eq!(nested(MAX_LINK_HEADERS), Ok(1));
        assert_eq!(nested(MAX_LINK_HEADERS + 1), Err(Reject::TooDeep));
    }

    #[test]
    fn what_is_not_ip_or_too_short_is_turned_away() {
        let mut arp = [0; 60];
        arp[12..14].copy_from_slice(&[0x08, 0x06]);
        assert_eq!(read(LinkType::Ethernet, &arp), Err(Reject::NotIp));
        assert_eq!(read(LinkType::Ethernet, &arp[..13]), Err(Reject::Short));
        assert_eq!(read(LinkType::RawIp, &[]), Err(Reject::Short));
        assert_eq!(read(LinkType::Other(147), &arp), Err(Reject::UnknownLinkType));
    }
}
