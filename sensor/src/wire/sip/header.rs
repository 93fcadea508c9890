//! Header names, and the values that have a structure.

use super::trim;

/// The headers that the sensor reads (RFC 3261 §20 and extensions).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderName {
    /// §20.8, compact `i`.
    CallId,
    /// §20.10, compact `m`.
    Contact,
    /// §20.14, compact `l`.
    ContentLength,
    /// §20.15, compact `c`.
    ContentType,
    /// §20.16.
    CSeq,
    /// §20.20, compact `f`.
    From,
    /// §20.39, compact `t`.
    To,
    /// §20.42, compact `v`.
    Via,
    /// §20.41.
    UserAgent,
    /// §20.35.
    Server,
    /// RFC 3326.
    Reason,
    /// §20.7.
    Authorization,
    /// §20.28.
    ProxyAuthorization,
    /// RFC 3515, compact `r`.
    ReferTo,
    /// RFC 3891.
    Replaces,
    /// §20.19.
    Expires,
    /// §20.23.
    MinExpires,
    /// §20.44.
    WwwAuthenticate,
    /// §20.27.
    ProxyAuthenticate,
    /// RFC 7989.
    SessionId,
    /// Any other.
    Other,
}

impl HeaderName {
    /// The header called so, in any case, compact or not (RFC 3261 §7.3.3).
    #[must_use]
    pub fn from_token(token: &[u8]) -> Self {
        const NAMES: &[(&[u8], HeaderName)] = &[
            (b"call-id", HeaderName::CallId),
            (b"i", HeaderName::CallId),
            (b"contact", HeaderName::Contact),
            (b"m", HeaderName::Contact),
            (b"content-length", HeaderName::ContentLength),
            (b"l", HeaderName::ContentLength),
            (b"content-type", HeaderName::ContentType),
            (b"c", HeaderName::ContentType),
            (b"cseq", HeaderName::CSeq),
            (b"from", HeaderName::From),
            (b"f", HeaderName::From),
            (b"to", HeaderName::To),
            (b"t", HeaderName::To),
            (b"via", HeaderName::Via),
            (b"v", HeaderName::Via),
            (b"user-agent", HeaderName::UserAgent),
            (b"server", HeaderName::Server),
            (b"reason", HeaderName::Reason),
            (b"authorization", HeaderName::Authorization),
            (b"proxy-authorization", HeaderName::ProxyAuthorization),
            (b"refer-to", HeaderName::ReferTo),
            (b"r", HeaderName::ReferTo),
            (b"replaces", HeaderName::Replaces),
            (b"expires", HeaderName::Expires),
            (b"min-expires", HeaderName::MinExpires),
            (b"www-authenticate", HeaderName::WwwAuthenticate),
            (b"proxy-authenticate", HeaderName::ProxyAuthenticate),
            (b"session-id", HeaderName::SessionId),
        ];
        NAMES
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(token))
            .map_or(Self::Other, |&(_, header)| header)
    }
}

/// From, To, Contact and their like (RFC 3261 §20.10): a name, a URI, parameters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NameAddr<'a> {
    /// The display name, without quotes; escapes are left in (see [`quoted_text`]).
    pub display: Option<&'a [u8]>,
    /// Between the angle brackets, or up to the first `;` where there are none.
    pub uri: &'a [u8],
    /// Header parameters, from after the first `;`.
    pub parameters: &'a [u8],
}

impl<'a> NameAddr<'a> {
    /// Reads a value; whatever it holds, something comes out.
    #[must_use]
    pub fn parse(value: &'a [u8]) -> Self {
        let value = trim(value);
        let after_name = if value.first() == Some(&b'"') { end_of_quoted(value) } else { 0 };
        let open = value[after_name..].iter().position(|&byte| byte == b'<');
        let Some(open) = open.map(|open| open + after_name) else {
            let (uri, parameters) = split_once(value, b';');
            return Self { display: None, uri: trim(uri), parameters };
        };
        let inside = &value[open + 1..];
        let (uri, rest) = split_once(inside, b'>');
        let (_, parameters) = split_once(rest, b';');
        let mut display = trim(&value[..open]);
        if let [b'"', quoted @ .., b'"'] = display {
            display = quoted;
        }
        let display = Some(display).filter(|display| !display.is_empty());
        Self { display, uri: trim(uri), parameters }
    }

    /// The tag (RFC 3261 §19.3).
    #[must_use]
    pub fn tag(&self) -> Option<&'a [u8]> {
        parameter(self.parameters, b"tag")
    }
}

/// The topmost entry of a Via header (RFC 3261 §20.42).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Via<'a> {
    /// `UDP`, `TCP`, `WS` …
    pub transport: &'a [u8],
    /// Host and port as written.
    pub sent_by: &'a [u8],
    /// The transaction's branch.
    pub branch: Option<&'a [u8]>,
}

impl<'a> Via<'a> {
    /// Reads the first of the comma-separated entries in `value`.
    #[must_use]
    pub fn parse(value: &'a [u8]) -> Self {
        let (first, _) = split_once(value, b',');
        let (head, parameters) = split_once(first, b';');
        let head = trim(head);
        // "SIP / 2.0 / UDP host": the transport stands behind the second slash.
        let mut slashes = head.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        let after = slashes.nth(1).map_or(0, |(at, _)| at + 1);
        let rest = trim(&head[after..]);
        let cut = rest.iter().position(u8::is_ascii_whitespace).unwrap_or(rest.len());
        let (transport, sent_by) = rest.split_at(cut);
        Self { transport, sent_by: trim(sent_by), branch: parameter(parameters, b"branch") }
    }
}

/// The value of a parameter in a `;`-separated list; names match in any case.
#[must_use]
pub fn parameter<'a>(parameters: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    parameters.split(|&byte| byte == b';').find_map(|parameter| {
        let (key, value) = split_once(parameter, b'=');
        trim(key).eq_ignore_ascii_case(name).then(|| {
            let value = trim(value);
            match value {
                [b'"', quoted @ .., b'"'] => quoted,
                _ => value,
            }
        })
    })
}

/// The text of a quoted string, its escapes resolved (RFC 3261 §25.1 quoted-pair).
#[must_use]
pub fn quoted_text(bytes: &[u8]) -> String {
    let mut plain = Vec::with_capacity(bytes.len());
    let mut escaped = false;
    for &byte in bytes {
        if byte == b'\\' && !escaped {
            escaped = true;
        } else {
            plain.push(byte);
            escaped = false;
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}

/// The index after the quote that closes the one at the start.
fn end_of_quoted(bytes: &[u8]) -> usize {
    let mut escaped = false;
    for (at, &byte) in bytes.iter().enumerate().skip(1) {
        match byte {
            b'\\' if !escaped => escaped = true,
            b'"' if !escaped => return at + 1,
            _ => escaped = false,
        }
    }
    0
}

/// Before and after the first `separator`; all and nothing where there is none.
pub(super) fn split_once(bytes: &[u8], separator: u8) -> (&[u8], &[u8]) {
    match bytes.iter().position(|&byte| byte == separator) {
        Some(at) => (&bytes[..at], &bytes[at + 1..]),
        None => (bytes, &[]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_outside_brackets_belong_to_the_header() {
        let plain = NameAddr::parse(b" sip:bob@example.com;tag=abc ");
        assert_eq!(plain.uri, b"sip:bob@example.com");
        assert_eq!(plain.tag(), Some(&b"abc"[..]));
        let bracketed = NameAddr::parse(b"<sip:bob@example.com;transport=tcp>;TAG = x");
        assert_eq!(bracketed.uri, b"sip:bob@example.com;transport=tcp");
        assert_eq!(bracketed.tag(), Some(&b"x"[..]));
    }

    #[test]
    fn a_quoted_name_may_hold_brackets_and_quotes() {
        let value = NameAddr::parse(br#""A. \"Bo\" <x>" <sip:a@b>;tag=1"#);
        assert_eq!(value.display.map(quoted_text).as_deref(), Some(r#"A. "Bo" <x>"#));
        assert_eq!(value.uri, b"sip:a@b");
    }

    #[test]
    fn a_quote_that_never_closes_is_read_as_far_as_it_goes() {
        let value = NameAddr::parse(br#""Mr. X <sip:a@b>;tag=1"#);
        assert_eq!(value.uri, b"sip:a@b");
        assert_eq!(value.tag(), Some(&b"1"[..]));
    }

    #[test]
    fn the_topmost_via_of_a_list_is_read() {
        let via = Via::parse(b"SIP / 2.0 / UDP 192.0.2.1:5060 ;branch=z9hG4bK1, SIP/2.0/TCP b");
        assert_eq!(via.transport, b"UDP");
        assert_eq!(via.sent_by, b"192.0.2.1:5060");
        assert_eq!(via.branch, Some(&b"z9hG4bK1"[..]));
    }

    #[test]
    fn compact_names_in_any_case() {
        assert_eq!(HeaderName::from_token(b"I"), HeaderName::CallId);
        assert_eq!(HeaderName::from_token(b"CALL-ID"), HeaderName::CallId);
        assert_eq!(HeaderName::from_token(b"X-Any"), HeaderName::Other);
    }
}
