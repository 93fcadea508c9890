//! From a frame to the network layer: link headers, whatever the interface was.
//!
//! An encapsulation that is not read yet (GRE, VXLAN …) would be one more function that takes
//! bytes and gives a [`Network`].

use super::Reject;
use super::vlan;
use crate::capture::LinkType;

/// What a link layer carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Network<'a> {
    /// IPv4 or IPv6, as the link header says.
    pub(super) version: Version,
    /// Innermost VLAN id.
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

const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;

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

/// What follows an EtherType: IP, or VLAN tags and then IP.
#[inline]
fn after_ethertype(ethertype: u16, rest: &[u8]) -> Result<Network<'_>, Reject> {
    match ethertype {
        ETHERTYPE_IPV4 => Ok(Network { version: Version::V4, vlan: None, bytes: rest }),
        ETHERTYPE_IPV6 => Ok(Network { version: Version::V6, vlan: None, bytes: rest }),
        _ if vlan::is_tag(ethertype) => {
            let tagged = vlan::parse(rest)?;
            let version = match tagged.ethertype {
                ETHERTYPE_IPV4 => Version::V4,
                ETHERTYPE_IPV6 => Version::V6,
                _ => return Err(Reject::NotIp),
            };
            Ok(Network { version, vlan: tagged.vlan, bytes: tagged.bytes })
        }
        _ => Err(Reject::NotIp),
    }
}

/// No link header: the first four bits tell the version.
fn parse_raw(bytes: &[u8]) -> Result<Network<'_>, Reject> {
    let version = match bytes.first().ok_or(Reject::Short)? >> 4 {
        4 => Version::V4,
        6 => Version::V6,
        _ => return Err(Reject::NotIp),
    };
    Ok(Network { version, vlan: None, bytes })
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
