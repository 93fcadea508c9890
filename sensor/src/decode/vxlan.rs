//! VXLAN (RFC 7348 §5): Ethernet in UDP.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |R|R|R|R|I|R|R|R|            Reserved                           |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                VXLAN network identifier       |   Reserved    |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use super::Reject;
use super::link::ETHERNET;
use super::span::Span;
use super::tunnel::Inner;

/// Whether a datagram begins like one: I is set and none of the reserved flags. RTP, which may use
/// the same port, begins with a byte above 127.
pub(super) fn begins(bytes: &[u8]) -> bool {
    bytes.first() == Some(&0x08)
}

/// Takes off the header.
pub(super) fn parse(span: Span<'_>) -> Result<Inner<'_>, Reject> {
    let (_, span) = span.split::<8>()?;
    Ok(Inner { ethertype: ETHERNET, vlan: None, span })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_stands_behind_eight_bytes() {
        let bytes = [8, 0, 0, 0, 0, 0, 42, 0, 1, 2];
        assert!(begins(&bytes) && !begins(&[0x80]) && !begins(&[]));
        let inner = parse(Span { bytes: &bytes, wire_len: 100 }).expect("whole");
        assert_eq!((inner.ethertype, inner.span.bytes), (ETHERNET, &[1, 2][..]));
        assert_eq!(inner.span.wire_len, 92);
        let half = Span { bytes: &bytes[..7], wire_len: 7 };
        assert_eq!(parse(half), Err(Reject::BadEncapsulation));
    }
}
