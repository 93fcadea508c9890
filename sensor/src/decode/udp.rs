//! UDP (RFC 768). Checksums are not verified: a mirror port sees packets before the interface has
//! filled them in.

use smoltcp::wire::UdpPacket;

use super::Reject;

const HEADER: usize = 8;

/// What an IP packet carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Udp<'a> {
    pub(super) src_port: u16,
    pub(super) dst_port: u16,
    /// Bytes of the payload on the wire.
    pub(super) payload_len: usize,
    /// As much of it as was captured.
    pub(super) payload: &'a [u8],
}

/// Reads a datagram of `wire_len` bytes, of which `bytes` were captured.
#[inline]
pub(super) fn parse(bytes: &[u8], wire_len: usize) -> Result<Udp<'_>, Reject> {
    if wire_len < HEADER {
        return Err(Reject::BadTransport);
    }
    if bytes.len() < HEADER {
        return Err(Reject::Short);
    }
    let header = UdpPacket::new_unchecked(bytes);
    let len = match usize::from(header.len()) {
        // A jumbogram (RFC 2675 §4) or segmentation offload.
        0 => wire_len,
        len => len,
    };
    if len < HEADER || len > wire_len {
        return Err(Reject::BadTransport);
    }
    Ok(Udp {
        src_port: header.src_port(),
        dst_port: header.dst_port(),
        payload_len: len - HEADER,
        payload: &bytes[HEADER..len.min(bytes.len())],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ports 1 and 2, a length, no checksum, three bytes.
    fn datagram(len: u8) -> [u8; 11] {
        [0, 1, 0, 2, 0, len, 0, 0, b'a', b'b', b'c']
    }

    #[test]
    fn the_length_in_the_header_trims_the_payload() {
        let bytes = datagram(10);
        let udp = parse(&bytes, 11).expect("valid");
        assert_eq!(
            (udp.src_port, udp.dst_port, udp.payload, udp.payload_len),
            (1, 2, &b"ab"[..], 2)
        );
    }

    #[test]
    fn a_cut_payload_keeps_its_length_on_the_wire() {
        let bytes = datagram(200);
        let udp = parse(&bytes, 200).expect("valid");
        assert_eq!((udp.payload, udp.payload_len), (&b"abc"[..], 192));
    }

    #[test]
    fn a_length_of_zero_takes_what_ip_brought() {
        let bytes = datagram(0);
        assert_eq!(parse(&bytes, 11).expect("valid").payload, b"abc");
    }

    #[test]
    fn contradictions_are_refused() {
        for (len, wire_len) in [(7, 11), (12, 11), (8, 7)] {
            assert_eq!(parse(&datagram(len), wire_len), Err(Reject::BadTransport), "{len}");
        }
        assert_eq!(parse(&datagram(11)[..7], 11), Err(Reject::Short));
    }
}
