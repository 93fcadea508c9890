//! One HTTP/1.1 request (RFC 9112), as little of it as the sensor's own pages need.

use std::io::{self, Read};
use std::net::IpAddr;
use std::time::Instant;

/// Request line and header lines, at most, bytes.
pub(crate) const MAX_HEAD_BYTES: usize = 8 << 10;

/// A form, at most, bytes.
pub(crate) const MAX_BODY_BYTES: usize = 4 << 10;

/// What was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: Method,
    /// Without query.
    pub(crate) path: String,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) from: IpAddr,
}

impl Request {
    /// The value of the first header of this name, in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The value of a cookie (RFC 6265 §4.2.1).
    pub(crate) fn cookie(&self, name: &str) -> Option<&str> {
        let cookies =
            self.header("cookie")?.split(';').filter_map(|pair| pair.trim().split_once('='));
        cookies.into_iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }
}

/// How it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    /// As `Get`, and the answer has no body.
    Head,
    Post,
}

/// Why there is no request: the status of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadRequest(pub(crate) u16);

/// Reads one request until `deadline`; `None` where the connection ends or is too slow.
pub(crate) fn read(
    stream: &mut impl Read,
    from: IpAddr,
    deadline: Instant,
) -> io::Result<Option<Result<Request, BadRequest>>> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(end) = find(&bytes, b"\r\n\r\n") {
            break end + 4;
        }
        if bytes.len() > MAX_HEAD_BYTES {
            return Ok(Some(Err(BadRequest(431))));
        }
        if !read_some(stream, &mut bytes, deadline)? {
            return Ok(None);
        }
    };
    let head = match parse_head(&bytes[..head_end]) {
        Ok(head) => head,
        Err(bad) => return Ok(Some(Err(bad))),
    };
    if head.length > MAX_BODY_BYTES {
        return Ok(Some(Err(BadRequest(413))));
    }
    while bytes.len() < head_end + head.length {
        if !read_some(stream, &mut bytes, deadline)? {
            return Ok(None);
        }
    }
    let body = bytes[head_end..head_end + head.length].to_vec();
    let Head { method, path, headers, .. } = head;
    Ok(Some(Ok(Request { method, path, headers, body, from })))
}

struct Head {
    method: Method,
    path: String,
    headers: Vec<(String, String)>,
    length: usize,
}

fn parse_head(head: &[u8]) -> Result<Head, BadRequest> {
    let head = str::from_utf8(head).map_err(|_| BadRequest(400))?;
    let mut lines = head.split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let method = match words.next() {
        Some("GET") => Method::Get,
        Some("HEAD") => Method::Head,
        Some("POST") => Method::Post,
        _ => return Err(BadRequest(405)),
    };
    let target = words.next().filter(|target| target.starts_with('/')).ok_or(BadRequest(400))?;
    let path = target.split('?').next().unwrap_or_default().to_owned();
    if !words.next().is_some_and(|version| version.starts_with("HTTP/1.")) {
        return Err(BadRequest(400));
    }
    let (mut length, mut headers) = (0, Vec::new());
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let (name, value) = (name.to_ascii_lowercase(), value.trim());
        match name.as_str() {
            "content-length" => length = value.parse().map_err(|_| BadRequest(400))?,
            "transfer-encoding" => return Err(BadRequest(411)),
            _ => headers.push((name, value.to_owned())),
        }
    }
    Ok(Head { method, path, headers, length })
}

fn read_some(stream: &mut impl Read, into: &mut Vec<u8>, deadline: Instant) -> io::Result<bool> {
    if Instant::now() >= deadline {
        return Ok(false);
    }
    let mut buffer = [0; 2048];
    match stream.read(&mut buffer) {
        Ok(0) => Ok(false),
        Ok(count) => {
            into.extend_from_slice(&buffer[..count]);
            Ok(true)
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error),
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// The value of a form's field (`application/x-www-form-urlencoded`).
pub(crate) fn field(body: &[u8], name: &str) -> Option<String> {
    let body = str::from_utf8(body).ok()?;
    let mut fields = body.split('&').filter_map(|field| field.split_once('='));
    let (_, value) = fields.find(|(key, _)| *key == name)?;
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits = rest.get(..2).and_then(|digits| str::from_utf8(digits).ok())?;
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
                rest = &rest[2..];
            }
            other => bytes.push(other),
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(core::net::Ipv4Addr::LOCALHOST);

    fn parse(mut bytes: &[u8]) -> Option<Result<Request, BadRequest>> {
        read(&mut bytes, HERE, Instant::now() + Duration::from_secs(60)).expect("memory")
    }

    #[test]
    fn a_request_is_read_whole() {
        let request =
            parse(b"POST /join?x=1 HTTP/1.1\r\nHost: a\r\ncontent-LENGTH: 7\r\n\r\npin=1+2");
        let request = request.expect("whole").expect("in order");
        assert_eq!((request.method, request.path.as_str()), (Method::Post, "/join"));
        assert_eq!(field(&request.body, "pin").as_deref(), Some("1 2"));
    }

    #[test]
    fn headers_and_cookies_are_found_by_name() {
        let request =
            parse(b"GET / HTTP/1.1\r\nRANGE: bytes=5-\r\nCookie: a=1; bc=2=3\r\nRange: x\r\n\r\n");
        let request = request.expect("whole").expect("in order");
        assert_eq!(request.header("range"), Some("bytes=5-"));
        assert_eq!(
            ["a", "bc", "b"].map(|name| request.cookie(name)),
            [Some("1"), Some("2=3"), None]
        );
    }

    #[test]
    fn what_is_not_in_order_has_its_status() {
        let long = [b"GET / HTTP/1.1\r\nA: ".to_vec(), vec![b'a'; MAX_HEAD_BYTES]].concat();
        for (bytes, status) in [
            (&b"BREW / HTTP/1.1\r\n\r\n"[..], 405),
            (b"GET http://a/ HTTP/1.1\r\n\r\n", 400),
            (b"GET / HTTP/2\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400),
            (b"POST / HTTP/1.1\r\nContent-Length: 5000\r\n\r\n", 413),
            (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
            (&long, 431),
        ] {
            assert_eq!(parse(bytes), Some(Err(BadRequest(status))));
        }
        assert_eq!(parse(b"GET / HTTP/1.1\r\n"), None, "it never ends");
    }

    #[test]
    fn a_form_s_fields_are_decoded() {
        assert_eq!(field(b"a=1&token=rs1%2Dx%20y", "token").as_deref(), Some("rs1-x y"));
        for bad in [&b"a=%"[..], b"a=%zz", b"a=%ff", b"b=1"] {
            assert_eq!(field(bad, "a"), None);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            let _ = parse(&bytes);
            let _ = field(&bytes, "pin");
        }
    }
}
