//! Where messages begin and end in a TCP stream (RFC 3261 §18.3), and what is no message at all.

use super::header::{HeaderName, split_once};
use super::message::{content_length, is_token_byte, skip_empty_lines};
use super::trim;
use crate::decode::{Framing, Looked};
use crate::limits::MAX_SIP_BYTES;

/// Bytes of a start line that are looked at, at most.
const MAX_START_LINE: usize = 2048;

/// Says whether a whole message stands at the start of `bytes`, of which `looked` were looked at
/// before.
#[must_use]
pub fn framing(bytes: &[u8], looked: &mut Looked) -> Framing {
    if bytes.len() < looked.needed {
        return Framing::NeedMore;
    }
    if looked.line == 0
        && let Some(framing) = before_headers(bytes)
    {
        return framing;
    }
    let Some(head_len) = head_len(bytes, looked) else {
        return if bytes.len() >= MAX_SIP_BYTES {
            Framing::Skip(bytes.len())
        } else {
            Framing::NeedMore
        };
    };
    match head_len.checked_add(body_len(&bytes[..head_len])) {
        Some(len) if len <= bytes.len() => Framing::Complete(len),
        Some(len) if len <= MAX_SIP_BYTES => {
            looked.needed = len;
            Framing::NeedMore
        }
        _ => Framing::Skip(next_line(bytes)),
    }
}

/// What there is to say where no start line stands; `None` where one does.
fn before_headers(bytes: &[u8]) -> Option<Framing> {
    let message = skip_empty_lines(bytes);
    let blank = bytes.len() - message.len();
    if blank > 0 {
        return Some(Framing::Skip(blank));
    }
    if bytes.is_empty() {
        return Some(Framing::NeedMore);
    }
    match start_line(bytes) {
        Start::Yes => None,
        Start::Unknown => Some(Framing::NeedMore),
        Start::No => Some(Framing::Skip(next_line(bytes))),
    }
}

/// What the Content-Length of a head says, else 0.
fn body_len(head: &[u8]) -> usize {
    let length = head.split(|&byte| byte == b'\n').skip(1).find_map(|line| {
        let (name, value) = split_once(line, b':');
        (HeaderName::from_token(trim(name)) == HeaderName::ContentLength)
            .then(|| content_length(value))
    });
    length.flatten().unwrap_or(0)
}

/// Whether a datagram begins as a SIP message does.
#[must_use]
pub fn looks_like_sip(bytes: &[u8]) -> bool {
    matches!(start_line(skip_empty_lines(bytes)), Start::Yes)
}

/// Whether a datagram only keeps a NAT binding open: CRLFs, zeros, or nothing (RFC 5626 §3.5.1,
/// and what phones really send).
#[must_use]
pub fn is_keep_alive(bytes: &[u8]) -> bool {
    bytes.len() <= 4 && bytes.iter().all(|byte| matches!(byte, 0 | b'\r' | b'\n'))
        || bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n'))
}

enum Start {
    Yes,
    No,
    Unknown,
}

/// Whether a request line or status line stands at the start.
fn start_line(bytes: &[u8]) -> Start {
    let head = bytes.get(..MAX_START_LINE).unwrap_or(bytes);
    let end = head.iter().position(|&byte| byte == b'\n');
    let Some(end) = end else {
        let is_text = head.iter().take(16).all(|byte| byte.is_ascii_graphic() || *byte == b' ');
        let is_open = head.len() < MAX_START_LINE;
        return if is_text && is_open { Start::Unknown } else { Start::No };
    };
    let line = trim(&head[..end]);
    let is_status = line.get(..8).is_some_and(|head| head.eq_ignore_ascii_case(b"SIP/2.0 "));
    let is_request = line.len() > 9
        && line[line.len() - 8..].eq_ignore_ascii_case(b" SIP/2.0")
        && line.first().is_some_and(is_token_byte);
    if is_status || is_request { Start::Yes } else { Start::No }
}

/// The length of start line and headers, the empty line included.
fn head_len(bytes: &[u8], looked: &mut Looked) -> Option<usize> {
    loop {
        let from = looked.line.max(looked.bytes);
        let Some(end) = bytes[from..].iter().position(|&byte| byte == b'\n') else {
            looked.bytes = bytes.len();
            return None;
        };
        let end = from + end;
        if trim(&bytes[looked.line..end]).is_empty() {
            return Some(end + 1);
        }
        looked.line = end + 1;
    }
}

/// How far it is to the next line; all of it where there is none.
fn next_line(bytes: &[u8]) -> usize {
    bytes.iter().position(|&byte| byte == b'\n').map_or(bytes.len(), |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framing(bytes: &[u8]) -> Framing {
        super::framing(bytes, &mut Looked::default())
    }

    const BYE: &[u8] = b"BYE sip:a@b SIP/2.0\r\nContent-Length: 3\r\n\r\nabc";

    #[test]
    fn a_message_is_whole_with_its_body_only() {
        assert_eq!(framing(BYE), Framing::Complete(BYE.len()));
        for len in 1..BYE.len() {
            assert_eq!(framing(&BYE[..len]), Framing::NeedMore, "{len}");
        }
        let two = [BYE, BYE].concat();
        assert_eq!(framing(&two), Framing::Complete(BYE.len()));
    }

    #[test]
    fn keep_alives_and_the_tail_of_an_unseen_message_are_passed_over() {
        assert_eq!(framing(b"\r\n\r\nBYE"), Framing::Skip(4));
        assert_eq!(framing(b"a=sendrecv\r\nBYE sip:a@b SIP/2.0\r\n"), Framing::Skip(12));
        assert_eq!(framing(&[0x16, 3, 1, 0, 200]), Framing::Skip(5));
    }

    #[test]
    fn a_head_without_end_is_given_up_at_the_limit() {
        let mut endless = b"BYE sip:a@b SIP/2.0\r\n".to_vec();
        endless.extend(b"X: y\r\n".repeat(MAX_SIP_BYTES / 6));
        assert_eq!(framing(&endless), Framing::Skip(endless.len()));
        let huge = b"BYE sip:a@b SIP/2.0\r\nl: 99999999999\r\n\r\n";
        assert_eq!(framing(huge), Framing::Skip(21));
    }

    #[test]
    fn keep_alives_are_told_from_garbage() {
        assert!(is_keep_alive(b"\r\n\r\n"));
        assert!(is_keep_alive(&[0, 0, 0, 0]));
        assert!(is_keep_alive(b""));
        assert!(!is_keep_alive(b"hello"));
        assert!(looks_like_sip(b"\r\nOPTIONS sip:a SIP/2.0\r\n"));
        assert!(looks_like_sip(b"!any~Method0 sip:a SIP/2.0\r\n"), "RFC 4475 3.1.1.2");
        assert!(!looks_like_sip(b"GET / HTTP/1.1\r\n"));
    }

    proptest::proptest! {
        /// A message of few kinds of bytes, so that every kind of line is met.
        #[test]
        fn going_on_is_the_same_as_beginning_anew(
            parts in proptest::collection::vec("[\r\n l:0-9]{0,6}", 0..20),
        ) {
            let mut bytes = b"BYE sip:a SIP/2.0\n".to_vec();
            let mut looked = Looked::default();
            for part in parts {
                bytes.extend(part.bytes());
                let anew = framing(&bytes);
                proptest::prop_assert_eq!(super::framing(&bytes, &mut looked), anew);
                if anew != Framing::NeedMore {
                    break;
                }
            }
        }

        #[test]
        fn framing_always_makes_progress(bytes: Vec<u8>) {
            match framing(&bytes) {
                Framing::Skip(count) | Framing::Complete(count) => {
                    proptest::prop_assert!(count > 0 && count <= bytes.len());
                }
                Framing::NeedMore => {}
            }
        }
    }
}
