//! SIP, SIPS and tel URIs (RFC 3261 §19.1, RFC 3966), as far as a record names them.

use super::header::split_once;

/// The parts of a URI that name a party.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Uri<'a> {
    /// `sip`, `sips`, `tel` …
    pub scheme: &'a [u8],
    /// Number or name, without a password and without user parameters; empty where there is none.
    pub user: &'a [u8],
    /// Host and port as written; empty for tel.
    pub host: &'a [u8],
}

impl<'a> Uri<'a> {
    /// Reads a URI; whatever it holds, something comes out.
    #[must_use]
    pub fn parse(uri: &'a [u8]) -> Self {
        let (scheme, rest) = match uri.iter().position(|&byte| byte == b':') {
            Some(at) if uri[..at].iter().all(|&byte| byte.is_ascii_alphanumeric()) => {
                (&uri[..at], &uri[at + 1..])
            }
            _ => (&uri[..0], uri),
        };
        if scheme.eq_ignore_ascii_case(b"tel") {
            return Self { scheme, user: split_once(rest, b';').0, host: &[] };
        }
        // A user part may hold ';' and '?', so the '@' is looked for first.
        let (user, host) = match rest.iter().rposition(|&byte| byte == b'@') {
            Some(at) => (&rest[..at], &rest[at + 1..]),
            None => (&rest[..0], rest),
        };
        let user = split_once(split_once(user, b':').0, b';').0;
        let end = host
            .iter()
            .position(|byte| matches!(byte, b';' | b'?' | b'>' | b' ' | b','))
            .unwrap_or(host.len());
        Self { scheme, user, host: &host[..end] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(uri: &str) -> (&str, &str, &str) {
        let uri = Uri::parse(uri.as_bytes());
        let text = |bytes| core::str::from_utf8(bytes).unwrap();
        (text(uri.scheme), text(uri.user), text(uri.host))
    }

    #[test]
    fn user_and_host_without_parameters() {
        assert_eq!(parts("sip:bob:pw@b.example:5070;lr?x=y"), ("sip", "bob", "b.example:5070"));
        assert_eq!(parts("sips:[2001:db8::1]:5061"), ("sips", "", "[2001:db8::1]:5061"));
        assert_eq!(parts("tel:+49301234;phone-context=x"), ("tel", "+49301234", ""));
        assert_eq!(parts("sip:+1;ext=2@h"), ("sip", "+1", "h"));
        assert_eq!(parts("nonsense"), ("", "", "nonsense"));
        assert_eq!(parts(""), ("", "", ""));
    }
}
