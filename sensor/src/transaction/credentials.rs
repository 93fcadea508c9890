//! Digest credentials and challenges (RFC 3261 §22, RFC 7616), as far as they say how an attempt goes
//! on.

use crate::wire::sip::{HeaderName, Message};

/// Credentials with a response in them: IMS phones send an empty one to say who they are.
pub(crate) fn carries_credentials(message: &Message<'_>) -> bool {
    [HeaderName::Authorization, HeaderName::ProxyAuthorization]
        .into_iter()
        .filter_map(|name| message.header(name))
        .any(|value| value_in(value, b"response").is_none_or(|response| !response.is_empty()))
}

/// `stale=true` in a challenge (RFC 7616 §3.3).
pub(crate) fn says_stale(message: &Message<'_>) -> bool {
    [HeaderName::WwwAuthenticate, HeaderName::ProxyAuthenticate]
        .into_iter()
        .flat_map(|name| message.headers(name))
        .filter_map(|value| value_in(value, b"stale"))
        .any(|stale| stale.eq_ignore_ascii_case(b"true"))
}

/// The value of a part of a comma-separated header, without quotes.
fn value_in<'a>(header: &'a [u8], wanted: &[u8]) -> Option<&'a [u8]> {
    header.split(|&byte| byte == b',').find_map(|part| {
        let at = part.iter().position(|&byte| byte == b'=')?;
        // The scheme stands before the first part's name.
        let mut words = part[..at].rsplit(u8::is_ascii_whitespace);
        let name = words.find(|word| !word.is_empty())?;
        let value = part[at + 1..].trim_ascii();
        let quoted = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
        name.eq_ignore_ascii_case(wanted).then_some(quoted.unwrap_or(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_challenge_are_found_with_the_scheme_before_them() {
        let header = br#"Digest realm="a, b", stale=TRUE,response="" , nonce=x"#;
        assert_eq!(value_in(header, b"stale"), Some(&b"TRUE"[..]));
        assert_eq!(value_in(header, b"response"), Some(&b""[..]));
        assert_eq!(value_in(b"Digest stale = true", b"stale"), Some(&b"true"[..]));
        assert_eq!(value_in(header, b"opaque"), None);
    }
}
