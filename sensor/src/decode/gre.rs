//! GRE (RFC 2784, with the key and sequence number of RFC 2890).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |C|R|K|S|      Reserved     |Ver|         Protocol type         |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |       Checksum (if C)         |           Reserved1           |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                           Key (if K)                          |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                     Sequence number (if S)                    |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! Version 1 is PPTP (RFC 2637) and not read; R is source routing (RFC 1701), which nobody uses.

use super::Reject;
use super::erspan;
use super::span::Span;
use super::tunnel::Inner;

const CHECKSUM: u16 = 0x8000;
const ROUTING: u16 = 0x4000;
const KEY: u16 = 0x2000;
const SEQUENCE: u16 = 0x1000;
const VERSION: u16 = 0x0007;

/// Protocol types of mirrored frames; the others are EtherTypes.
const ERSPAN_I_OR_II: u16 = 0x88be;
const ERSPAN_III: u16 = 0x22eb;

/// Takes off the header, and that of ERSPAN.
pub(super) fn parse(span: Span<'_>) -> Result<Inner<'_>, Reject> {
    let (head, rest) = span.split::<4>()?;
    let flags = u16::from_be_bytes([head[0], head[1]]);
    if flags & VERSION != 0 {
        return Err(Reject::OtherProtocol);
    }
    if flags & ROUTING != 0 {
        return Err(Reject::BadEncapsulation);
    }
    let options = flags & (CHECKSUM | KEY | SEQUENCE);
    let span = rest.skip(4 * options.count_ones() as usize)?;
    match u16::from_be_bytes([head[2], head[3]]) {
        ERSPAN_I_OR_II if flags & SEQUENCE == 0 => Ok(erspan::parse_i(span)),
        ERSPAN_I_OR_II => erspan::parse_ii(span),
        ERSPAN_III => erspan::parse_iii(span),
        ethertype => Ok(Inner { ethertype, vlan: None, span }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::link::{ETHERNET, IPV4};

    fn read(bytes: &[u8]) -> Result<(u16, usize), Reject> {
        let inner = parse(Span { bytes, wire_len: bytes.len() })?;
        Ok((inner.ethertype, inner.span.bytes.len()))
    }

    #[test]
    fn every_optional_field_is_passed_over() {
        for (flags, options) in
            [(0x00, 0), (0x80, 1), (0x20, 1), (0x10, 1), (0x30, 2), (0xa0, 2), (0xb0, 3)]
        {
            let bytes = [&[flags, 0, 0x08, 0x00][..], &[0; 4].repeat(options), &[0x45]].concat();
            assert_eq!(read(&bytes), Ok((IPV4, 1)), "{flags:#x}");
        }
    }

    #[test]
    fn mirrored_frames_are_told_by_protocol_type_and_sequence_number() {
        assert_eq!(read(&[0, 0, 0x88, 0xbe, 1, 2, 3]), Ok((ETHERNET, 3)));
        let second = [&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10][..], &[0; 7], &[1, 2]].concat();
        assert_eq!(read(&second), Ok((ETHERNET, 2)));
        let third = [&[0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20][..], &[0; 11], &[1, 2]].concat();
        assert_eq!(read(&third), Ok((ETHERNET, 2)));
    }

    #[test]
    fn what_is_not_read_or_cut_is_turned_away() {
        assert_eq!(read(&[0x30, 0x01, 0x88, 0x0b, 0, 0]), Err(Reject::OtherProtocol));
        assert_eq!(read(&[0x40, 0, 8, 0, 0x45]), Err(Reject::BadEncapsulation));
        assert_eq!(read(&[0x30, 0, 8, 0, 0, 0, 0]), Err(Reject::BadEncapsulation));
        let cut = Span { bytes: &[0x30, 0, 8, 0, 0], wire_len: 60 };
        assert_eq!(parse(cut), Err(Reject::Short));
    }
}
