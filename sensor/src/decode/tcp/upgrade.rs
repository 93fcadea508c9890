//! The answer that turns an HTTP connection into SIP over WebSocket (RFC 6455 §4.2.2, RFC 7118 §4).
//!
//! ```text
//! HTTP/1.1 101 Switching Protocols
//! Upgrade: websocket
//! Connection: Upgrade
//! Sec-WebSocket-Protocol: sip
//! ```
//!
//! The server's answer tells everything, and hardly any other segment of a web server begins so:
//! looking for it costs one comparison a segment. What the client sends from the acknowledged byte
//! on is WebSocket, too.

const BEGIN: &[u8] = b"HTTP/1.1 101";

/// Whether a segment begins like one.
#[inline]
pub(in crate::decode) fn begins(segment: &[u8]) -> bool {
    segment.starts_with(BEGIN)
}

/// The length of an answer that agrees to SIP. It has to stand in one segment.
pub(super) fn accepted(segment: &[u8]) -> Option<usize> {
    const END: &[u8] = b"\r\n\r\n";
    if !begins(segment) {
        return None;
    }
    let end = segment.windows(END.len()).position(|bytes| bytes == END)?;
    let is_sip = segment[..end].split(|&byte| byte == b'\n').any(|line| {
        let Some(colon) = line.iter().position(|&byte| byte == b':') else { return false };
        let (name, value) = (line[..colon].trim_ascii(), line[colon + 1..].trim_ascii());
        name.eq_ignore_ascii_case(b"Sec-WebSocket-Protocol") && value.eq_ignore_ascii_case(b"sip")
    });
    is_sip.then_some(end + END.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_agrees_to_sip_is_measured() {
        let head =
            b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nsec-websocket-protocol:sip \r\n\r\n";
        assert_eq!(accepted(&[&head[..], b"\x81\x01a"].concat()), Some(head.len()));
    }

    #[test]
    fn other_answers_are_not() {
        for other in [
            &b"HTTP/1.1 200 OK\r\nSec-WebSocket-Protocol: sip\r\n\r\n"[..],
            b"HTTP/1.1 101 Switching\r\nSec-WebSocket-Protocol: chat\r\n\r\n",
            b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n",
            b"HTTP/1.1 101 Switching\r\nSec-WebSocket-Protocol: sip\r\n",
            b"",
        ] {
            assert_eq!(accepted(other), None);
        }
    }
}
