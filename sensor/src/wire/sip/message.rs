//! One message: start line, headers, body (RFC 3261 §7).

use ringside_protocol::cdr::Method;

use super::header::split_once;
use super::{Error, HeaderName, NameAddr, Via, trim};
use crate::limits::MAX_HEADERS;

/// A delimiter line of a multipart body: `--` and a boundary of up to 70 characters (RFC 2046
/// §5.1.1).
const MAX_DELIMITER: usize = 72;

/// The first line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartLine<'a> {
    /// RFC 3261 §7.1.
    Request {
        /// Known methods; others are [`Method::Other`].
        method: Method,
        /// As written.
        request_uri: &'a [u8],
    },
    /// RFC 3261 §7.2.
    Response {
        /// 100 to 699.
        status_code: u16,
        /// May be empty.
        reason_phrase: &'a [u8],
    },
}

/// CSeq (RFC 3261 §20.16).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CSeq {
    /// The sequence number.
    pub number: u32,
    /// The method it belongs to.
    pub method: Method,
}

/// A message whose mandatory headers are there.
#[derive(Clone, Debug)]
pub struct Message<'a> {
    /// What it is.
    pub start_line: StartLine<'a>,
    headers: heapless::Vec<(HeaderName, &'a [u8]), MAX_HEADERS, u8>,
    /// What the headers were read from, and the body behind them.
    head: &'a [u8],
    call_id: &'a [u8],
    cseq: CSeq,
    from: NameAddr<'a>,
    to: NameAddr<'a>,
    /// At most as long as Content-Length says.
    pub body: &'a [u8],
    /// Content-Length promises more than there is.
    pub is_cut: bool,
}

impl<'a> Message<'a> {
    /// Reads one message. Line ends may be bare LF, and empty lines may come first.
    ///
    /// # Errors
    /// Any [`Error`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut lines = Lines { left: skip_empty_lines(bytes) };
        let start_line = StartLine::parse(lines.next_line().ok_or(Error::StartLine)?)?;
        let head = lines.left;
        let mut headers = heapless::Vec::new();
        while let Some(line) = lines.next_header() {
            let colon = line.iter().position(|&byte| byte == b':').ok_or(Error::Header)?;
            let name = HeaderName::from_token(trim(&line[..colon]));
            headers.push((name, trim(&line[colon + 1..]))).map_err(|_| Error::TooManyHeaders)?;
        }
        let first = |wanted: HeaderName| {
            headers.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value)
        };
        let required = |wanted| first(wanted).ok_or(Error::Missing(wanted));
        let call_id = required(HeaderName::CallId)?;
        let cseq = CSeq::parse(required(HeaderName::CSeq)?)?;
        let from = NameAddr::parse(required(HeaderName::From)?);
        let to = NameAddr::parse(required(HeaderName::To)?);
        let rest = lines.left;
        let length = first(HeaderName::ContentLength).and_then(content_length);
        let body = length.and_then(|length| rest.get(..length)).unwrap_or(rest);
        let is_cut = length.is_some_and(|length| length > rest.len());
        Ok(Self { start_line, headers, head, call_id, cseq, from, to, body, is_cut })
    }

    /// The first value of a header, unfolded lines excepted: a fold stays in it as white space.
    #[must_use]
    pub fn header(&self, wanted: HeaderName) -> Option<&'a [u8]> {
        self.headers.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value)
    }

    /// Every value of a header that may stand several times.
    pub fn headers(&self, wanted: HeaderName) -> impl Iterator<Item = &'a [u8]> {
        let named = self.headers.iter().filter(move |(name, _)| *name == wanted);
        named.map(|(_, value)| *value)
    }

    /// The first value of a header that [`HeaderName`] does not name, in any case.
    #[must_use]
    pub fn custom_header(&self, wanted: &[u8]) -> Option<&'a [u8]> {
        let mut lines = Lines { left: self.head };
        core::iter::from_fn(|| lines.next_header()).find_map(|line| {
            let (name, value) = split_once(line, b':');
            trim(name).eq_ignore_ascii_case(wanted).then(|| trim(value))
        })
    }

    /// A header whose value is a number, such as Expires.
    #[must_use]
    pub fn number(&self, wanted: HeaderName) -> Option<u32> {
        self.header(wanted).and_then(number)
    }

    /// Whether it is a request.
    #[must_use]
    pub const fn is_request(&self) -> bool {
        matches!(self.start_line, StartLine::Request { .. })
    }

    /// RFC 3261 §20.8.
    #[must_use]
    pub const fn call_id(&self) -> &'a [u8] {
        self.call_id
    }

    /// RFC 3261 §20.16.
    #[must_use]
    pub const fn cseq(&self) -> CSeq {
        self.cseq
    }

    /// RFC 3261 §20.20.
    #[must_use]
    pub const fn from(&self) -> NameAddr<'a> {
        self.from
    }

    /// RFC 3261 §20.39.
    #[must_use]
    pub const fn to(&self) -> NameAddr<'a> {
        self.to
    }

    /// The topmost Via.
    #[must_use]
    pub fn top_via(&self) -> Option<Via<'a>> {
        self.header(HeaderName::Via).map(Via::parse)
    }

    /// User-Agent, or Server.
    #[must_use]
    pub fn user_agent(&self) -> Option<&'a [u8]> {
        self.header(HeaderName::UserAgent)
            .or_else(|| self.header(HeaderName::Server))
            .filter(|agent| !agent.is_empty())
    }

    /// The media type of the body, without parameters.
    #[must_use]
    pub fn content_type(&self) -> Option<&'a [u8]> {
        self.header(HeaderName::ContentType).map(|value| trim(split_once(value, b';').0))
    }

    /// The session description, alone or as a part of a multipart body (RFC 2046 §5.1).
    #[must_use]
    pub fn sdp(&self) -> Option<&'a [u8]> {
        let content_type = self.content_type()?;
        if self.body.is_empty() {
            return None;
        }
        if content_type.eq_ignore_ascii_case(b"application/sdp") {
            return Some(self.body);
        }
        self.part(b"application/sdp")
    }

    /// Whether it carries the metadata of a recording session (SIPREC, RFC 7865, RFC 7866 §9.1).
    #[must_use]
    pub fn has_recording_metadata(&self) -> bool {
        [&b"application/rs-metadata+xml"[..], b"application/rs-metadata"].into_iter().any(
            |wanted| {
                self.content_type().is_some_and(|kind| kind.eq_ignore_ascii_case(wanted))
                    || self.part(wanted).is_some()
            },
        )
    }

    /// The first part of a multipart body (RFC 2046 §5.1) that has this type.
    fn part(&self, wanted: &[u8]) -> Option<&'a [u8]> {
        let is_multipart = self
            .content_type()?
            .get(..10)
            .is_some_and(|head| head.eq_ignore_ascii_case(b"multipart/"));
        if is_multipart { part_of(self.body, wanted) } else { None }
    }
}

impl<'a> StartLine<'a> {
    fn parse(line: &'a [u8]) -> Result<Self, Error> {
        if line.get(..4).is_some_and(|head| head.eq_ignore_ascii_case(b"SIP/")) {
            let (version, rest) = split_once(line, b' ');
            if !version.eq_ignore_ascii_case(b"SIP/2.0") {
                return Err(Error::Version);
            }
            let (code, reason_phrase) = split_once(trim(rest), b' ');
            let status_code = match code {
                [a @ b'1'..=b'6', b @ b'0'..=b'9', c @ b'0'..=b'9'] => {
                    u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0')
                }
                _ => return Err(Error::StatusCode),
            };
            return Ok(Self::Response { status_code, reason_phrase: trim(reason_phrase) });
        }
        let (method, rest) = split_once(line, b' ');
        let rest = trim(rest);
        let space = rest.iter().rposition(|&byte| byte == b' ').ok_or(Error::StartLine)?;
        let (request_uri, version) = (trim(&rest[..space]), trim(&rest[space..]));
        if !version.get(..4).is_some_and(|head| head.eq_ignore_ascii_case(b"SIP/")) {
            return Err(Error::StartLine);
        }
        if !version.eq_ignore_ascii_case(b"SIP/2.0") {
            return Err(Error::Version);
        }
        if method.is_empty() || !method.iter().all(is_token_byte) || request_uri.is_empty() {
            return Err(Error::StartLine);
        }
        Ok(Self::Request { method: Method::from_token(method), request_uri })
    }
}

impl CSeq {
    fn parse(value: &[u8]) -> Result<Self, Error> {
        let cut = value.iter().position(u8::is_ascii_whitespace).ok_or(Error::CSeq)?;
        let (number, method) = value.split_at(cut);
        let number = core::str::from_utf8(number).ok().and_then(|text| text.parse().ok());
        Ok(Self { number: number.ok_or(Error::CSeq)?, method: Method::from_token(trim(method)) })
    }
}

/// RFC 3261 §25.1 token, and `%`-escapes that some write into methods are refused.
pub(super) const fn is_token_byte(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~')
}

/// A Content-Length; garbage is as good as none.
pub(super) fn content_length(value: &[u8]) -> Option<usize> {
    core::str::from_utf8(trim(value)).ok()?.parse().ok()
}

/// Digits at the start of a value; what follows (a parameter, a comment) does not matter.
pub(crate) fn number(value: &[u8]) -> Option<u32> {
    let value = trim(value);
    let digits = value.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(value.len());
    core::str::from_utf8(&value[..digits]).ok()?.parse().ok()
}

/// Goes on after CRLF keep-alives (RFC 5626 §3.5.1) before a message.
pub(super) fn skip_empty_lines(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n'));
    start.map_or(&[], |start| &bytes[start..])
}

/// The first part of a multipart body whose type is `wanted`.
fn part_of<'a>(body: &'a [u8], wanted: &[u8]) -> Option<&'a [u8]> {
    let boundary_end = body.iter().position(|&byte| byte == b'\n')?;
    let boundary = trim(&body[..boundary_end]);
    if !boundary.starts_with(b"--") || boundary.len() > MAX_DELIMITER {
        return None;
    }
    let mut left = &body[boundary_end + 1..];
    loop {
        let next = find(left, boundary);
        let part = next.map_or(left, |next| &left[..next]);
        let mut lines = Lines { left: part };
        let mut is_wanted = false;
        while let Some(line) = lines.next_header() {
            let (name, value) = split_once(line, b':');
            is_wanted |= trim(name).eq_ignore_ascii_case(b"content-type")
                && trim(split_once(value, b';').0).eq_ignore_ascii_case(wanted);
        }
        if is_wanted {
            return Some(lines.left);
        }
        left = &left[next? + boundary.len()..];
        left = skip_empty_lines(left.strip_prefix(b"--").unwrap_or(left));
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len().max(1)).position(|window| window == needle)
}

/// Lines that end in CRLF or LF.
struct Lines<'a> {
    left: &'a [u8],
}

impl<'a> Lines<'a> {
    fn next_line(&mut self) -> Option<&'a [u8]> {
        if self.left.is_empty() {
            return None;
        }
        let end = self.left.iter().position(|&byte| byte == b'\n');
        let line = end.map_or(self.left, |end| &self.left[..end]);
        self.left = end.map_or(&[], |end| &self.left[end + 1..]);
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }

    /// The next header with its folded lines (RFC 3261 §7.3.1); `None` at the empty line.
    fn next_header(&mut self) -> Option<&'a [u8]> {
        let start = self.left;
        let line = self.next_line()?;
        if line.is_empty() {
            return None;
        }
        let mut end = line.len();
        while matches!(self.left.first(), Some(b' ' | b'\t')) {
            let before = self.left.len();
            let folded = self.next_line()?;
            end = start.len() - before + folded.len();
        }
        Some(&start[..end])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVITE: &str = "INVITE sip:bob@b.example SIP/2.0\r\n\
        v: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n\
        f: \"Alice\" <sip:alice@a.example>;tag=1\r\n\
        t:sip:bob@b.example\r\n\
        i: abc@a\r\n\
        CSEQ:  7\r\n  INVITE\r\n\
        Subject: folded\r\n\tover two lines\r\n\
        c: application/sdp; charset=x\r\n\
        l: 5\r\n\r\nv=0\r\nextra";

    #[test]
    fn compact_folded_and_any_case() {
        let message = Message::parse(INVITE.as_bytes()).unwrap();
        assert_eq!(message.call_id(), b"abc@a");
        assert_eq!(message.cseq(), CSeq { number: 7, method: Method::Invite });
        assert_eq!(message.from().display, Some(&b"Alice"[..]));
        assert_eq!(message.to().tag(), None);
        assert_eq!(message.top_via().unwrap().branch, Some(&b"z9hG4bK1"[..]));
        assert_eq!(message.sdp(), Some(&b"v=0\r\n"[..]));
    }

    #[test]
    fn bare_lf_and_leading_empty_lines_are_read() {
        let text = format!("\r\n\r\n{}", INVITE.replace("\r\n", "\n"));
        let message = Message::parse(text.as_bytes()).unwrap();
        assert_eq!(message.cseq().number, 7);
    }

    #[test]
    fn status_line_without_reason_phrase() {
        let text = INVITE.replace("INVITE sip:bob@b.example SIP/2.0", "SIP/2.0 100");
        let message = Message::parse(text.as_bytes()).unwrap();
        assert_eq!(
            message.start_line,
            StartLine::Response { status_code: 100, reason_phrase: b"" }
        );
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (from, to, error) in [
            ("SIP/2.0\r\nv", "SIP/7.0\r\nv", Error::Version),
            ("INVITE sip:bob@b.example SIP/2.0", "hello", Error::StartLine),
            ("INVITE sip:bob@b.example SIP/2.0", "SIP/2.0 99 x", Error::StatusCode),
            ("i: abc@a\r\n", "", Error::Missing(HeaderName::CallId)),
            ("7\r\n  INVITE", "INVITE", Error::CSeq),
            ("7\r\n  INVITE", "99999999999 INVITE", Error::CSeq),
            ("l: 5", "nonsense", Error::Header),
        ] {
            let text = INVITE.replace(from, to);
            assert_eq!(Message::parse(text.as_bytes()).err(), Some(error), "{to}");
        }
    }

    #[test]
    fn too_many_headers_are_refused() {
        let many = "X: y\r\n".repeat(MAX_HEADERS);
        let text = INVITE.replace("i: abc@a\r\n", &format!("i: abc@a\r\n{many}"));
        assert_eq!(Message::parse(text.as_bytes()).err(), Some(Error::TooManyHeaders));
    }

    #[test]
    fn content_length_beyond_the_end_gives_what_is_there() {
        let text = INVITE.replace("l: 5", "l: 500");
        let message = Message::parse(text.as_bytes()).unwrap();
        assert!(message.is_cut);
        assert_eq!(message.body, b"v=0\r\nextra");
        let text = INVITE.replace("l: 5", "l: -5");
        let message = Message::parse(text.as_bytes()).unwrap();
        assert!(!message.is_cut);
        assert_eq!(message.body, b"v=0\r\nextra");
    }

    #[test]
    fn sdp_is_found_in_a_multipart_body() {
        let body = "--x\r\nContent-Type: text/plain\r\n\r\nhello\r\n--x\r\n\
                    content-type: application/SDP\r\n\r\nv=0\r\ns=-\r\n--x--\r\n";
        let text = INVITE
            .replace("application/sdp; charset=x", "multipart/mixed;boundary=x")
            .replace("l: 5\r\n\r\nv=0\r\nextra", &format!("l: {}\r\n\r\n{body}", body.len()));
        let message = Message::parse(text.as_bytes()).unwrap();
        assert_eq!(message.sdp(), Some(&b"v=0\r\ns=-\r\n"[..]));
        assert!(!message.has_recording_metadata());
        let recording = text.replace("text/plain", "application/rs-metadata+xml");
        let message = Message::parse(recording.as_bytes()).unwrap();
        assert!(message.has_recording_metadata() && message.sdp().is_some());
    }

    #[test]
    fn a_boundary_longer_than_70_characters_is_none() {
        let with_boundary = |len: usize| {
            let boundary = "x".repeat(len);
            let body = format!(
                "--{boundary}\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--{boundary}--\r\n"
            );
            INVITE
                .replace("application/sdp; charset=x", "multipart/mixed")
                .replace("l: 5\r\n\r\nv=0\r\nextra", &format!("l: {}\r\n\r\n{body}", body.len()))
        };
        let has_sdp = |text: String| Message::parse(text.as_bytes()).unwrap().sdp().is_some();
        assert!(has_sdp(with_boundary(70)));
        assert!(!has_sdp(with_boundary(71)));
    }

    #[test]
    fn every_truncation_is_an_error_or_a_message_but_never_a_panic() {
        for len in 0..INVITE.len() {
            if let Ok(message) = Message::parse(&INVITE.as_bytes()[..len]) {
                assert_eq!(message.call_id(), b"abc@a");
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>, cut in 0usize..INVITE.len()) {
            let _ = Message::parse(&bytes);
            let mut mixed = INVITE.as_bytes()[..cut].to_vec();
            mixed.extend(&bytes);
            if let Ok(message) = Message::parse(&mixed) {
                let _ = (message.sdp(), message.top_via(), message.user_agent());
            }
        }
    }
}
