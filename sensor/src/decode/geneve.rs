//! Geneve (RFC 8926 §3.4): frames or packets in UDP.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |Ver|  Opt Len  |O|C|    Rsvd.  |          Protocol type        |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |        Virtual network identifier (VNI)       |    Reserved   |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                    Variable-length options                    |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use super::Reject;
use super::link::{ETHERNET, IPV4, IPV6};
use super::span::Span;
use super::tunnel::Inner;

/// Whether a datagram begins like one: version 0, no reserved bit, and a protocol type that is
/// read.
pub(super) fn begins(bytes: &[u8]) -> bool {
    let Some(head) = bytes.first_chunk::<4>() else { return false };
    let protocol_type = u16::from_be_bytes([head[2], head[3]]);
    head[0] >> 6 == 0 && head[1] & 0x3f == 0 && matches!(protocol_type, ETHERNET | IPV4 | IPV6)
}

/// Takes off the header and its options.
pub(super) fn parse(span: Span<'_>) -> Result<Inner<'_>, Reject> {
    let (head, rest) = span.split::<8>()?;
    let options = 4 * usize::from(head[0] & 0x3f);
    let ethertype = u16::from_be_bytes([head[2], head[3]]);
    Ok(Inner { ethertype, vlan: None, span: rest.skip(options)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_passed_over() {
        let bytes = [&[2, 0, 0x65, 0x58, 0, 0, 42, 0][..], &[9; 8], &[1, 2]].concat();
        assert!(begins(&bytes));
        let inner = parse(Span { bytes: &bytes, wire_len: bytes.len() }).expect("whole");
        assert_eq!((inner.ethertype, inner.span.bytes), (ETHERNET, &[1, 2][..]));
        let half = Span { bytes: &bytes[..12], wire_len: 12 };
        assert_eq!(parse(half), Err(Reject::BadEncapsulation));
    }

    #[test]
    fn other_datagrams_on_its_port_are_left_alone() {
        assert!(!begins(&[0x80, 0, 0x65, 0x58]) && !begins(&[0, 0, 0x12, 0x34]));
        assert!(!begins(&[0, 1, 0x08, 0x00]) && !begins(&[0, 0, 0x08]));
    }
}
