//! PPPoE sessions (RFC 2516 §4, §5.5) and the PPP protocol field (RFC 1661 §2).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |  VER=1| TYPE=1|    CODE=0     |          SESSION_ID           |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |            LENGTH             |         PPP protocol          |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! The length is not used: that of the IP packet cuts padding off as well.

use super::Reject;
use super::link::{Carried, IPV4, IPV6, MPLS};

/// Takes off both headers.
pub(super) fn parse(bytes: &[u8]) -> Result<Carried<'_>, Reject> {
    let (head, rest) = bytes.split_first_chunk::<6>().ok_or(Reject::Short)?;
    if head[..2] != [0x11, 0x00] {
        return Err(Reject::BadEncapsulation);
    }
    let (protocol, bytes) = ppp_protocol(rest).ok_or(Reject::Short)?;
    let ethertype = match protocol {
        0x0021 => IPV4,
        0x0057 => IPV6,
        0x0281 => MPLS,
        // LCP, CHAP and others of the link itself.
        _ => return Err(Reject::NotIp),
    };
    Ok(Carried { ethertype, vlan: None, bytes })
}

/// Two bytes, or one where the peers agreed to compress it: the last byte is odd (RFC 1661 §6.5).
fn ppp_protocol(bytes: &[u8]) -> Option<(u16, &[u8])> {
    match *bytes {
        [low, ref rest @ ..] if low & 1 != 0 => Some((low.into(), rest)),
        [high, low, ref rest @ ..] => Some((u16::from_be_bytes([high, low]), rest)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: [u8; 6] = [0x11, 0, 0, 7, 0, 3];

    fn read(ppp: &[u8]) -> Result<(u16, usize), Reject> {
        parse(&[&HEAD, ppp].concat()).map(|carried| (carried.ethertype, carried.bytes.len()))
    }

    #[test]
    fn ip_is_found_behind_a_whole_and_a_compressed_protocol() {
        assert_eq!(read(&[0x00, 0x21, 0x45]), Ok((IPV4, 1)));
        assert_eq!(read(&[0x00, 0x57, 0x60, 0]), Ok((IPV6, 2)));
        assert_eq!(read(&[0x21, 0x45]), Ok((IPV4, 1)));
        assert_eq!(read(&[0x02, 0x81, 0, 0]), Ok((MPLS, 2)));
    }

    #[test]
    fn the_links_own_protocols_and_broken_headers_are_turned_away() {
        assert_eq!(read(&[0xc0, 0x21, 1]), Err(Reject::NotIp));
        assert_eq!(read(&[0x00]), Err(Reject::Short));
        assert_eq!(parse(&HEAD[..5]), Err(Reject::Short));
        assert_eq!(parse(&[0x11, 9, 0, 0, 0, 0, 0x21]), Err(Reject::BadEncapsulation));
        assert_eq!(parse(&[0x21, 0, 0, 0, 0, 0, 0x21]), Err(Reject::BadEncapsulation));
    }
}
