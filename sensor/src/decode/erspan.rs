//! ERSPAN (draft-foschiano-erspan-03): frames of a mirror port, sent through GRE.
//!
//! Type I has no header of its own. Type II:
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! | Ver=1 |          VLAN         | COS | En|T|    Session ID     |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |      Reserved         |                  Index                |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! Type III, followed by 8 bytes of the platform's own where O is set:
//!
//! ```text
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! | Ver=2 |          VLAN         | COS |BSO|T|    Session ID     |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                          Timestamp                            |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |             SGT               |P|    FT   |   Hw ID   |D|Gra|O|
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! T says that the switch cut the frame: what is missing then was on the wire, but not captured.
//! Its time stamp has no epoch; the time of the capture is used.

use super::Reject;
use super::link::{self, ETHERNET};
use super::span::Span;
use super::tunnel::Inner;

/// What a frame that the switch cut may have measured.
const LONGEST_FRAME: usize = 65_535;

const PLATFORM_HEADER: usize = 8;

/// FT of type III.
const FRAME_TYPE_ETHERNET: u16 = 0;
const FRAME_TYPE_IP: u16 = 2;

/// Type I: the frame itself.
pub(super) const fn parse_i(span: Span<'_>) -> Inner<'_> {
    Inner { ethertype: ETHERNET, vlan: None, span }
}

/// Type II.
pub(super) fn parse_ii(span: Span<'_>) -> Result<Inner<'_>, Reject> {
    let (head, span) = span.split::<8>()?;
    mirrored(head, 1, ETHERNET, span)
}

/// Type III.
pub(super) fn parse_iii(span: Span<'_>) -> Result<Inner<'_>, Reject> {
    let (head, mut span) = span.split::<12>()?;
    let flags = u16::from_be_bytes([head[10], head[11]]);
    if flags & 1 != 0 {
        span = span.skip(PLATFORM_HEADER)?;
    }
    let ethertype = match flags >> 10 & 0x1f {
        FRAME_TYPE_ETHERNET => ETHERNET,
        FRAME_TYPE_IP => link::ip_by_its_version(span.bytes)?,
        _ => return Err(Reject::NotIp),
    };
    mirrored(head, 2, ethertype, span)
}

/// What both types say in their first four bytes.
fn mirrored<'a>(
    head: &[u8],
    version: u16,
    ethertype: u16,
    mut span: Span<'a>,
) -> Result<Inner<'a>, Reject> {
    let (version_and_vlan, rest) =
        (u16::from_be_bytes([head[0], head[1]]), u16::from_be_bytes([head[2], head[3]]));
    if version_and_vlan >> 12 != version {
        return Err(Reject::BadEncapsulation);
    }
    let is_cut = rest & 0x0400 != 0;
    if is_cut {
        span.wire_len = span.wire_len.max(LONGEST_FRAME);
    }
    let vlan = version_and_vlan & 0x0fff;
    Ok(Inner { ethertype, vlan: (vlan != 0).then_some(vlan), span })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(bytes: &[u8]) -> Span<'_> {
        Span { bytes, wire_len: bytes.len() }
    }

    #[test]
    fn the_vlan_of_the_mirrored_port_is_kept() {
        let bytes = [&[0x10, 0x64, 0, 7, 0, 0, 0, 0][..], &[1, 2, 3]].concat();
        let inner = parse_ii(span(&bytes)).expect("type II");
        assert_eq!((inner.ethertype, inner.vlan), (ETHERNET, Some(100)));
        assert_eq!(inner.span, span(&[1, 2, 3]));
    }

    #[test]
    fn a_frame_that_the_switch_cut_may_have_been_longer() {
        let bytes = [&[0x10, 0, 0x04, 7, 0, 0, 0, 0][..], &[1, 2, 3]].concat();
        let inner = parse_ii(span(&bytes)).expect("type II");
        assert_eq!((inner.span.bytes.len(), inner.span.wire_len), (3, LONGEST_FRAME));
    }

    #[test]
    fn the_platforms_own_header_is_passed_over() {
        let head = |flags: u16| [&[0x20, 0, 0, 7][..], &[0; 6], &flags.to_be_bytes()].concat();
        let bytes = [&head(0)[..], &[1, 2]].concat();
        assert_eq!(parse_iii(span(&bytes)).expect("type III").span, span(&[1, 2]));
        let bytes = [&head(1)[..], &[0; 8], &[1, 2]].concat();
        assert_eq!(parse_iii(span(&bytes)).expect("type III").span, span(&[1, 2]));
        let bytes = [&head(2 << 10)[..], &[0x45]].concat();
        assert_eq!(parse_iii(span(&bytes)).expect("type III").ethertype, link::IPV4);
        assert_eq!(parse_iii(span(&head(1))), Err(Reject::BadEncapsulation));
        assert_eq!(parse_iii(span(&head(3 << 10))), Err(Reject::NotIp));
    }

    #[test]
    fn versions_are_not_mixed_up() {
        assert_eq!(parse_ii(span(&[0x20; 8])), Err(Reject::BadEncapsulation));
        let head = [&[0x10][..], &[0; 11]].concat();
        assert_eq!(parse_iii(span(&head)), Err(Reject::BadEncapsulation));
    }
}
