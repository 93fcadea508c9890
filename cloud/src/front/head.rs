//! The head of a request (RFC 9112 §2 to §6): read strictly, and written anew for the workers.
//!
//! What could be read in two ways is refused, so that nothing behind the front sees another request
//! than the front did. The workers get only what a handler may see: no hop-by-hop header, and no
//! header by which a client could claim another address or speak as the front.

use std::collections::HashSet;

use super::limits::RequestLimits;
use super::proxies::{Forwarding, claims_an_address};
use super::refusal::Refusal;

/// A head, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Request line and headers for the workers, without the lines that end them.
    pub(super) text: Vec<u8>,
    /// How long the body is.
    pub(super) body: BodyLength,
    /// The client waits for `100 Continue`.
    pub(super) expects_continue: bool,
    /// The client wants the connection closed.
    pub(super) close: bool,
    /// The answer has no body (HEAD).
    pub(super) is_head: bool,
    /// What it says about its way, which the workers do not get.
    pub(super) forwarding: Forwarding,
}

/// How the end of a body is found (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyLength {
    /// As many bytes.
    Bytes(usize),
    /// Chunked.
    Chunked,
}

/// Headers of one connection (RFC 9110 §7.6.1), and those that the front writes itself.
const NOT_HANDED_ON: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "expect",
    "content-length",
];

/// The beginning of what the front says to the workers.
const OURS_PREFIX: &str = "x-ringside-";

/// Reads a whole head, the empty line included.
pub(super) fn parse(bytes: &[u8], max: RequestLimits) -> Result<Head, Refusal> {
    let text = core::str::from_utf8(bytes).map_err(|_| Refusal::HeaderLine)?;
    let mut lines = text.split("\r\n");
    let line = lines.next().unwrap_or_default();
    let method = request_line(line)?;
    let mut fields = Fields::default();
    let mut kept = Vec::new();
    for (count, line) in lines.take_while(|line| !line.is_empty()).enumerate() {
        if count == max.header_lines {
            return Err(Refusal::HeaderLines);
        }
        let (name, value) = header_line(line)?;
        let name = name.to_ascii_lowercase();
        fields.note(&name, value, max.connection_options)?;
        if is_handed_on(&name) {
            kept.push((name, value));
        }
    }
    if fields.hosts != 1 {
        return Err(Refusal::Host);
    }
    let body = fields.body()?;
    if matches!(body, BodyLength::Bytes(bytes) if bytes > max.body_bytes) {
        return Err(Refusal::BodyBytes);
    }
    kept.retain(|(name, _)| !fields.options.contains(name));
    Ok(Head {
        text: rewritten(line, &kept),
        body,
        expects_continue: fields.expects_continue,
        close: fields.options.contains("close"),
        is_head: method == "HEAD",
        forwarding: fields.forwarding,
    })
}

/// What the headers say about the request itself.
#[derive(Default)]
struct Fields {
    hosts: usize,
    length: Option<usize>,
    chunked: bool,
    expects_continue: bool,
    /// `Connection`'s, in lower case.
    options: HashSet<String>,
    /// All that `Connection` names, twice or empty as well.
    option_count: usize,
    forwarding: Forwarding,
}

impl Fields {
    fn note(&mut self, name: &str, value: &str, max_options: usize) -> Result<(), Refusal> {
        self.forwarding.note(name, value);
        match name {
            "host" => self.hosts += 1,
            "content-length" if self.length.is_some() => return Err(Refusal::ContentLength),
            "content-length" => self.length = Some(content_length(value)?),
            "transfer-encoding" if self.chunked || !value.eq_ignore_ascii_case("chunked") => {
                return Err(Refusal::TransferCoding);
            }
            "transfer-encoding" => self.chunked = true,
            "expect" if !value.eq_ignore_ascii_case("100-continue") => {
                return Err(Refusal::Expectation);
            }
            "expect" => self.expects_continue = true,
            "connection" => {
                for option in value.split(',') {
                    self.option_count += 1;
                    if self.option_count > max_options {
                        return Err(Refusal::ConnectionOptions);
                    }
                    self.options.insert(option.trim().to_ascii_lowercase());
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn body(&self) -> Result<BodyLength, Refusal> {
        match (self.length, self.chunked) {
            (Some(_), true) => Err(Refusal::BothLengths),
            (None, true) => Ok(BodyLength::Chunked),
            (length, false) => Ok(BodyLength::Bytes(length.unwrap_or(0))),
        }
    }
}

/// Checks `METHOD TARGET HTTP/1.1` (RFC 9112 §3) and gives the method.
///
/// The target is always in origin form, or `*`: no proxy speaks to this service.
fn request_line(line: &str) -> Result<&str, Refusal> {
    let mut parts = line.split(' ');
    let (Some(method), Some(target), Some(version), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Refusal::RequestLine);
    };
    if method.is_empty() || !method.bytes().all(is_token) {
        return Err(Refusal::RequestLine);
    }
    let is_version = version.strip_prefix("HTTP/").is_some_and(|number| {
        matches!(number.as_bytes(), [major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit())
    });
    match version {
        "HTTP/1.1" => {}
        _ if is_version => return Err(Refusal::Version),
        _ => return Err(Refusal::RequestLine),
    }
    let is_target = target.starts_with('/') || (target == "*" && method == "OPTIONS");
    if is_target && target.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(method)
    } else {
        Err(Refusal::Target)
    }
}

/// Splits `Name: value` (RFC 9112 §5).
fn header_line(line: &str) -> Result<(&str, &str), Refusal> {
    if line.starts_with([' ', '\t']) {
        return Err(Refusal::FoldedHeader);
    }
    let (name, value) = line.split_once(':').ok_or(Refusal::HeaderLine)?;
    if name.ends_with([' ', '\t']) {
        return Err(Refusal::SpaceBeforeColon);
    }
    let value = value.trim_matches([' ', '\t']);
    let is_name = !name.is_empty() && name.bytes().all(is_token);
    let is_value = value.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~'));
    if is_name && is_value { Ok((name, value)) } else { Err(Refusal::HeaderLine) }
}

fn content_length(value: &str) -> Result<usize, Refusal> {
    let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number {
        return Err(Refusal::ContentLength);
    }
    // A number that does not fit is too large for any limit.
    value.parse().or(Err(Refusal::BodyBytes))
}

fn is_handed_on(name: &str) -> bool {
    !NOT_HANDED_ON.contains(&name) && !claims_an_address(name) && !name.starts_with(OURS_PREFIX)
}

fn rewritten(request_line: &str, headers: &[(String, &str)]) -> Vec<u8> {
    let mut text = request_line.to_owned();
    text.push_str("\r\n");
    for (name, value) in headers {
        text.extend([name, ": ", value, "\r\n"]);
    }
    text.into_bytes()
}

/// RFC 9110 §5.6.2.
const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

#[cfg(test)]
mod tests {
    use super::super::limits::Limits;
    use super::*;

    fn head(lines: &[&str]) -> Result<Head, Refusal> {
        let limits =
            Limits { body_bytes: 100, header_lines: 20, connection_options: 3, ..Limits::people() };
        parse(format!("{}\r\n\r\n", lines.join("\r\n")).as_bytes(), limits.of_request())
    }

    fn text(lines: &[&str]) -> String {
        String::from_utf8(head(lines).unwrap().text).unwrap()
    }

    #[test]
    fn workers_see_neither_hop_by_hop_headers_nor_claimed_addresses() {
        let lines = [
            "GET /a?b HTTP/1.1",
            "HOST: x",
            "Connection: keep-alive, X-Hop",
            "X-Hop: 1",
            "TE: trailers",
            "Upgrade: h2c",
            "X-Forwarded-For: 10.0.0.1",
            "x-forwarded-proto: https",
            "Forwarded: for=10.0.0.1",
            "X-Real-IP: 10.0.0.1",
            "X-Ringside-Peer: 10.0.0.1:1",
            "x-RINGSIDE-woken: yes",
            "Accept:\t*/* ",
        ];
        assert_eq!(text(&lines), "GET /a?b HTTP/1.1\r\nhost: x\r\naccept: */*\r\n");
    }

    #[test]
    fn the_claims_that_are_taken_out_are_noted_even_where_connection_names_them() {
        let lines = ["GET / HTTP/1.1", "Host: x", "Connection: X-Forwarded-For"];
        assert_eq!(head(&lines).unwrap().forwarding, Forwarding::default());
        let lines = [&lines[..], &["X-Forwarded-For: a", "X-Forwarded-For: b"]].concat();
        let forwarding = Forwarding { is_claimed: true, chain: "a,b".to_owned() };
        assert_eq!(head(&lines).unwrap().forwarding, forwarding);
    }

    #[test]
    fn a_request_that_two_readers_could_understand_differently_is_refused() {
        use Refusal::*;
        let host = "Host: x";
        for (lines, refusal) in [
            (
                &["GET / HTTP/1.1", host, "Content-Length: 1", "Transfer-Encoding: chunked"][..],
                BothLengths,
            ),
            (&["GET / HTTP/1.1", host, "Content-Length: 1", "Content-Length: 1"], ContentLength),
            (&["GET / HTTP/1.1", host, "Content-Length: 1, 1"], ContentLength),
            (&["GET / HTTP/1.1", host, "Content-Length: +1"], ContentLength),
            (&["GET / HTTP/1.1", host, "Content-Length: 0x1"], ContentLength),
            (&["GET / HTTP/1.1", host, "Content-Length:"], ContentLength),
            (&["GET / HTTP/1.1", host, "Content-Length: 99999999999999999999999"], BodyBytes),
            (&["GET / HTTP/1.1", host, "Content-Length: 101"], BodyBytes),
            (&["GET / HTTP/1.1", host, "Transfer-Encoding: gzip, chunked"], TransferCoding),
            (
                &[
                    "GET / HTTP/1.1",
                    host,
                    "Transfer-Encoding: chunked",
                    "Transfer-Encoding: chunked",
                ],
                TransferCoding,
            ),
            (&["GET / HTTP/1.1", host, "Transfer-Encoding : chunked"], SpaceBeforeColon),
            (&["GET / HTTP/1.1", host, "Transfer-Encoding:\u{b}chunked"], HeaderLine),
            (&["GET / HTTP/1.1", host, "A: b", " c"], FoldedHeader),
            (&["GET / HTTP/1.1", " Host: x"], FoldedHeader),
            (&["GET / HTTP/1.1", host, "A"], HeaderLine),
            (&["GET / HTTP/1.1", host, ": b"], HeaderLine),
            (&["GET / HTTP/1.1", host, "A B: c"], HeaderLine),
            (&["GET / HTTP/1.1", host, "A: \u{0}"], HeaderLine),
            (&["GET / HTTP/1.1", host, "A: \u{e4}"], HeaderLine),
            (&["GET / HTTP/1.1", host, host], Host),
            (&["GET / HTTP/1.1"], Host),
            (&["GET  / HTTP/1.1", host], RequestLine),
            (&["GET / HTTP/1.1 ", host], RequestLine),
            (&["GET /", host], RequestLine),
            (&["G@T / HTTP/1.1", host], RequestLine),
            (&["GET / HTTP/11", host], RequestLine),
            (&["GET / http/1.1", host], RequestLine),
            (&["GET / HTTP/1.0", host], Version),
            (&["PRI * HTTP/2.0"], Version),
            (&["GET http://x/ HTTP/1.1", host], Target),
            (&["CONNECT x:1 HTTP/1.1", host], Target),
            (&["GET * HTTP/1.1", host], Target),
            (&["GET /\u{7f} HTTP/1.1", host], Target),
            (&["GET / HTTP/1.1", host, "Expect: gold"], Expectation),
        ] {
            assert_eq!(head(lines), Err(refusal), "{lines:?}");
        }
    }

    #[test]
    fn header_lines_and_connection_options_end_at_their_limits() {
        let lines =
            |count: usize| [&["GET / HTTP/1.1", "Host: x"], &vec!["A: b"; count][..]].concat();
        assert!(head(&lines(19)).is_ok());
        assert_eq!(head(&lines(20)), Err(Refusal::HeaderLines));
        for (options, is_refused) in [
            (&["Connection: a, b, c"][..], false),
            (&["Connection: a, b, c, d"], true),
            (&["Connection: a, b", "Connection: c, d"], true),
            (&["Connection: a, a, a, a"], true),
            (&["Connection: ,,,"], true),
        ] {
            let refusal = head(&[&lines(0), options].concat()).err();
            assert_eq!(refusal, is_refused.then_some(Refusal::ConnectionOptions), "{options:?}");
        }
    }

    #[test]
    fn length_expectation_and_close_are_noted() {
        let post =
            head(&["POST / HTTP/1.1", "Host: x", "Content-Length: 100", "Expect: 100-Continue"]);
        let post = post.unwrap();
        assert_eq!((post.body, post.expects_continue), (BodyLength::Bytes(100), true));
        assert!(!post.close && !post.is_head);
        let last = head(&["HEAD / HTTP/1.1", "Host: x", "Connection: Close"]).unwrap();
        assert!(last.close && last.is_head);
        let chunked = head(&["PUT / HTTP/1.1", "Host: x", "Transfer-Encoding: Chunked"]).unwrap();
        assert_eq!(chunked.body, BodyLength::Chunked);
    }
}
