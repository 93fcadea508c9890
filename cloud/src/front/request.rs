//! From the bytes of a connection to whole requests (RFC 9112), in pieces of any size.
//!
//! ```text
//! Head --empty line--> Body --last byte--> Head (of the next request)
//! ```
//!
//! A refusal depends on the bytes alone, never on how they were cut.

use super::chunked::Chunked;
use super::head::{self, BodyLength, Head};
use super::limits::{Limits, RequestLimits};
use super::proxies::Forwarding;
use super::refusal::Refusal;

/// A whole request, as the workers get it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// Request line and headers, without the lines that end them.
    pub(super) head: Vec<u8>,
    /// The body, no longer chunked.
    pub(super) body: Vec<u8>,
    /// The answer has no body (HEAD).
    pub(super) is_head: bool,
    /// The client wants the connection closed.
    pub(super) close: bool,
    /// What the head said about its way.
    pub(super) forwarding: Forwarding,
}

/// What a piece of bytes brought.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The client waits for `100 Continue` before it sends the body.
    Continue,
    /// A request is complete.
    Complete(Request),
    /// A request's head is complete, and its chunked body is not read here: it is to be poured.
    Head {
        /// The request, without its body.
        request: Request,
        /// The client waits for `100 Continue`.
        expects_continue: bool,
    },
}

/// Reads the requests of one connection, one after the other.
#[derive(Debug)]
pub(super) struct Parser {
    state: State,
    max: RequestLimits,
    /// See [`Limits::poured`].
    poured: Option<&'static str>,
}

#[derive(Debug)]
enum State {
    Head { bytes: Vec<u8>, line: Line },
    Body { head: Head, body: Vec<u8>, chunked: Option<Chunked> },
}

/// What has come of the request line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Nothing,
    /// The one empty line that is passed over (RFC 9112 §2.2).
    Empty,
    Whole,
}

impl State {
    const fn new() -> Self {
        Self::Head { bytes: Vec::new(), line: Line::Nothing }
    }
}

impl Parser {
    pub(super) const fn new(limits: &Limits) -> Self {
        Self { state: State::new(), max: limits.of_request(), poured: limits.poured }
    }

    /// Bytes of memory held.
    pub(super) fn held(&self) -> usize {
        match &self.state {
            State::Head { bytes, .. } => bytes.capacity(),
            State::Body { head, body, .. } => {
                head.text.capacity() + head.forwarding.chain.capacity() + body.capacity()
            }
        }
    }

    /// Bytes of the body so far, once the head is complete.
    pub(super) const fn body_so_far(&self) -> Option<usize> {
        match &self.state {
            State::Head { .. } => None,
            State::Body { body, .. } => Some(body.len()),
        }
    }

    /// Reads up to the next event, or all of `input`: how many bytes, and the event.
    ///
    /// After a [`Refusal`] the connection's bytes have no meaning any more.
    pub(super) fn read(&mut self, input: &[u8]) -> Result<(usize, Option<Event>), Refusal> {
        let mut used = 0;
        if let State::Head { bytes, line } = &mut self.state {
            let Some(count) = read_head(bytes, line, input, self.max)? else {
                return Ok((input.len(), None));
            };
            used = count;
            let head = head::parse(bytes, self.max)?;
            if self.poured.is_some_and(|path| is_poured(&head, path)) {
                self.state = State::new();
                let expects_continue = head.expects_continue;
                let request = whole(head, Vec::new());
                return Ok((used, Some(Event::Head { request, expects_continue })));
            }
            let expects = head.expects_continue && head.body != BodyLength::Bytes(0);
            let chunked = matches!(head.body, BodyLength::Chunked).then(Chunked::new);
            self.state = State::Body { head, body: Vec::new(), chunked };
            if expects {
                return Ok((used, Some(Event::Continue)));
            }
        }
        let State::Body { head, body, chunked } = &mut self.state else {
            return Ok((used, None));
        };
        let (count, is_complete) =
            read_body(head, body, chunked, &input[used..], self.max.body_bytes)?;
        used += count;
        if !is_complete {
            return Ok((used, None));
        }
        let State::Body { head, body, .. } = core::mem::replace(&mut self.state, State::new())
        else {
            return Ok((used, None));
        };
        Ok((used, Some(Event::Complete(whole(head, body)))))
    }
}

/// Whether the body of such a request goes into a pipe.
fn is_poured(head: &Head, path: &str) -> bool {
    let target = head.text.strip_prefix(b"POST ");
    head.body == BodyLength::Chunked
        && target.is_some_and(|target| target.starts_with(path.as_bytes()))
}

fn whole(head: Head, mut body: Vec<u8>) -> Request {
    let mut text = head.text;
    text.extend_from_slice(format!("content-length: {}\r\n", body.len()).as_bytes());
    text.shrink_to_fit();
    body.shrink_to_fit();
    Request {
        head: text,
        body,
        is_head: head.is_head,
        close: head.close,
        forwarding: head.forwarding,
    }
}

/// Appends `input` up to the empty line; `None` when that has not come.
fn read_head(
    bytes: &mut Vec<u8>,
    line: &mut Line,
    input: &[u8],
    max: RequestLimits,
) -> Result<Option<usize>, Refusal> {
    for (at, &byte) in input.iter().enumerate() {
        let after_cr = bytes.last() == Some(&b'\r');
        if after_cr != (byte == b'\n') {
            return Err(Refusal::BareLineEnd);
        }
        bytes.push(byte);
        if *line != Line::Whole && bytes.len() > max.request_line_bytes + b"\r\n".len() {
            return Err(Refusal::RequestLineBytes);
        }
        if bytes.len() > max.head_bytes {
            return Err(Refusal::HeadBytes);
        }
        match (byte, *line) {
            (b'\n', Line::Nothing) if bytes.len() == 2 => {
                bytes.clear();
                *line = Line::Empty;
            }
            (b'\n', Line::Empty) if bytes.len() == 2 => return Err(Refusal::RequestLine),
            (b'\n', Line::Whole) if bytes.ends_with(b"\r\n\r\n") => return Ok(Some(at + 1)),
            (b'\n', _) => *line = Line::Whole,
            _ => {}
        }
    }
    Ok(None)
}

/// Appends the body's bytes: how many of `input`, and whether the body is complete.
fn read_body(
    head: &Head,
    body: &mut Vec<u8>,
    chunked: &mut Option<Chunked>,
    input: &[u8],
    max_body: usize,
) -> Result<(usize, bool), Refusal> {
    let Some(chunked) = chunked else {
        let BodyLength::Bytes(length) = head.body else { return Ok((0, false)) };
        let count = input.len().min(length - body.len());
        body.extend_from_slice(&input[..count]);
        return Ok((count, body.len() == length));
    };
    let mut used = 0;
    while used < input.len() && !chunked.is_done() {
        let step = chunked.step(&input[used..]).map_err(|_| Refusal::Chunk)?;
        if body.len() + step.data.len() > max_body {
            return Err(Refusal::BodyBytes);
        }
        body.extend_from_slice(step.data);
        used += step.consumed;
    }
    Ok((used, chunked.is_done()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parser() -> Parser {
        let limits =
            Limits { request_line_bytes: 40, head_bytes: 120, body_bytes: 30, ..Limits::people() };
        Parser::new(&limits)
    }

    /// Everything that `input` brings, cut into pieces of the given sizes.
    fn read(input: &[u8], pieces: &[usize]) -> (Vec<Event>, Option<Refusal>) {
        let (mut parser, mut events) = (parser(), Vec::new());
        let mut rest = input;
        let mut sizes = pieces.iter().copied().cycle();
        while !rest.is_empty() {
            let (mut piece, tail) =
                rest.split_at(sizes.next().unwrap_or(usize::MAX).clamp(1, rest.len()));
            rest = tail;
            while !piece.is_empty() {
                match parser.read(piece) {
                    Ok((used, event)) => {
                        events.extend(event);
                        piece = &piece[used..];
                    }
                    Err(refusal) => return (events, Some(refusal)),
                }
            }
        }
        (events, None)
    }

    fn bodies(input: &[u8]) -> Vec<Vec<u8>> {
        let (events, refusal) = read(input, &[]);
        assert_eq!(refusal, None);
        let complete = |event| match event {
            Event::Complete(request) => Some(request.body),
            Event::Continue | Event::Head { .. } => None,
        };
        events.into_iter().filter_map(complete).collect()
    }

    #[test]
    fn requests_that_follow_each_other_are_told_apart() {
        let input = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc\
            \r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n\
            PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n0\r\n\r\n";
        assert_eq!(bodies(input), [b"abc".to_vec(), Vec::new(), b"de".to_vec()]);
    }

    #[test]
    fn a_client_that_waits_to_be_told_is_told() {
        let head =
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n";
        assert_eq!(read(head, &[]).0, [Event::Continue]);
        assert_eq!(bodies(&[&head[..], b"abc"].concat()), [b"abc".to_vec()]);
    }

    #[test]
    fn each_limit_is_reached_at_its_byte() {
        let line = |len: usize| format!("GET /{} HTTP/1.1\r\n", "x".repeat(len - 14));
        assert_eq!(read(line(40).as_bytes(), &[]).1, None);
        assert_eq!(read(line(41).as_bytes(), &[]).1, Some(Refusal::RequestLineBytes));
        let head = |len: usize| format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", "x".repeat(len - 26));
        assert_eq!(read(head(120).as_bytes(), &[]).1, None);
        assert_eq!(read(head(121).as_bytes(), &[]).1, Some(Refusal::HeadBytes));
        let body = |len: usize| {
            let head = "PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
            format!("{head}{len:x}\r\n{}\r\n0\r\n\r\n", "x".repeat(len))
        };
        assert_eq!(read(body(30).as_bytes(), &[]).1, None);
        assert_eq!(read(body(31).as_bytes(), &[]).1, Some(Refusal::BodyBytes));
    }

    #[test]
    fn line_ends_are_cr_lf_and_nothing_else() {
        for bad in [
            &b"GET / HTTP/1.1\nHost: x\n\n"[..],
            b"GET / HTTP/1.1\r\nHost: x\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\rA: b\r\n\r\n",
            b"GET / HTTP/1.1\r\r\n",
            b"\n",
        ] {
            assert_eq!(read(bad, &[]).1, Some(Refusal::BareLineEnd));
        }
        assert_eq!(read(b"\r\n\r\n", &[]).1, Some(Refusal::RequestLine));
    }

    /// Bytes that are often nearly a request.
    fn nearly_requests() -> impl Strategy<Value = Vec<u8>> {
        let part = prop_oneof![
            Just(b"POST / HTTP/1.1\r\n".to_vec()),
            Just(b"Host: x\r\n".to_vec()),
            Just(b"Content-Length: 5\r\n".to_vec()),
            Just(b"Transfer-Encoding: chunked\r\n".to_vec()),
            Just(b"Expect: 100-continue\r\n".to_vec()),
            Just(b"\r\n".to_vec()),
            Just(b"5\r\nhello\r\n".to_vec()),
            Just(b"0\r\n\r\n".to_vec()),
            Just(b"hello".to_vec()),
            proptest::collection::vec(any::<u8>(), 0..4),
        ];
        proptest::collection::vec(part, 0..24).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn any_cut_gives_what_no_cut_gives(
            input in nearly_requests(),
            pieces in proptest::collection::vec(1_usize..20, 1..6),
        ) {
            prop_assert_eq!(read(&input, &pieces), read(&input, &[]));
        }

        #[test]
        fn arbitrary_bytes_give_requests_or_one_refusal(input: Vec<u8>, piece in 1_usize..9) {
            prop_assert_eq!(read(&input, &[piece]), read(&input, &[]));
        }
    }
}
