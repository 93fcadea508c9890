//! TLS where SIP is looked for: what cannot be read is at least said to be there.

/// The port of SIP over TLS (RFC 3261 §19.1.2).
pub(super) const SIPS_PORT: u16 = 5061;

/// Whether a segment begins a TLS connection: a handshake record that holds a ClientHello (RFC 8446
/// §5.1, §4). Its version is 3.1 in most, 3.0 to 3.4 at all.
#[inline]
pub(super) fn begins(segment: &[u8]) -> bool {
    matches!(segment, [22, 3, 0..=4, _, _, 1, ..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_hello_is_told_from_what_else_begins_a_segment() {
        assert!(begins(&[22, 3, 1, 2, 0, 1, 0, 1, 0xfc]));
        for other in [
            &b"INVITE sip:a SIP/2.0"[..],
            &[22, 3, 3, 0, 74, 2, 0, 0],
            &[23, 3, 3, 0, 74, 1, 0, 0],
            &[22, 3, 1, 2, 0],
            &[],
        ] {
            assert!(!begins(other), "{other:?}");
        }
    }
}
