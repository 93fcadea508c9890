//! Digits in SIP INFO bodies (the de-facto application/dtmf-relay and application/dtmf).

use crate::wire::sip::Message;

/// The digit that an INFO request carries, if it does.
#[must_use]
pub fn info_digit(message: &Message<'_>) -> Option<char> {
    let content_type = message.content_type()?;
    if content_type.eq_ignore_ascii_case(b"application/dtmf-relay") {
        let signal = message.body.split(|&byte| byte == b'\n').find_map(|line| {
            let at = line.iter().position(|&byte| byte == b'=')?;
            line[..at].trim_ascii().eq_ignore_ascii_case(b"signal").then(|| &line[at + 1..])
        })?;
        return digit(signal.trim_ascii());
    }
    if content_type.eq_ignore_ascii_case(b"application/dtmf") {
        return digit(message.body.trim_ascii());
    }
    None
}

/// `5`, `*`, `A`, or the event's number for `*` and `#` as some write it.
fn digit(text: &[u8]) -> Option<char> {
    match text {
        [one @ (b'0'..=b'9' | b'*' | b'#' | b'A'..=b'D')] => Some(char::from(*one)),
        [one @ b'a'..=b'd'] => Some(char::from(one.to_ascii_uppercase())),
        b"10" => Some('*'),
        b"11" => Some('#'),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(content_type: &str, body: &str) -> Option<char> {
        let text = format!(
            "INFO sip:a SIP/2.0\r\nVia: SIP/2.0/UDP a\r\nFrom: <sip:a>;tag=1\r\nTo: <sip:b>;tag=2\r\n\
             Call-ID: c\r\nCSeq: 1 INFO\r\nContent-Type: {content_type}\r\n\r\n{body}"
        );
        info_digit(&Message::parse(text.as_bytes()).unwrap())
    }

    #[test]
    fn both_body_types_give_their_digit() {
        assert_eq!(info("application/dtmf-relay", "Signal=5\r\nDuration=160\r\n"), Some('5'));
        assert_eq!(info("application/dtmf-relay", "signal= # \r\n"), Some('#'));
        assert_eq!(info("application/DTMF", "11"), Some('#'));
        assert_eq!(info("application/dtmf", "b"), Some('B'));
        assert_eq!(info("application/dtmf-relay", "Signal=flash\r\n"), None);
        assert_eq!(info("text/plain", "5"), None);
    }
}
