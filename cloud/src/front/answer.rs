//! The workers' answers: their heads, and where their bodies end.
//!
//! `server/wire.rs` writes what is read here. Headers that begin with `X-Ringside-` are between the
//! two and never reach a client:
//!
//! | header | means |
//! | --- | --- |
//! | `X-Ringside-Park: KEY` | do not answer, park the request under this key |
//! | `X-Ringside-Park-Generation: N` | the key's generation that the handler saw |
//! | `X-Ringside-Park-Millis: N` | for how long |
//! | `X-Ringside-Pour: KEY` | do not answer, pour the request's body into this pipe |
//! | `X-Ringside-Draw: KEY` | the answer's body is what this pipe gives |
//! | `X-Ringside-Park-Share: N WHOSE` | it takes one of the N places that somebody has |
//! | `X-Ringside-Length: N` | the chunked body is N bytes long: the client gets it with that length |

use core::time::Duration;

use super::chunked::Chunked;
use super::limits::SHORT_BODY_BYTES;
use super::refusal::{Refusal, reason_phrase};
use crate::server::Share;

/// A request to be dispatched again later.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Park {
    pub(super) key: String,
    pub(super) generation: u64,
    pub(super) wait: Duration,
    pub(super) share: Option<Share>,
}

/// What a worker says.
#[derive(Debug)]
pub(super) enum Answer {
    /// Wait.
    Park(Park),
    /// The request's body goes into the pipe of this key.
    Pour(String),
    /// The answer's body comes from the pipe of this key.
    Draw {
        /// As of [`Answer::Relay`].
        head: Vec<u8>,
        /// The pipe's.
        key: String,
    },
    /// Relay this.
    Relay {
        /// Status line and headers for the client, without the empty line.
        head: Vec<u8>,
        /// Its body.
        body: Body,
    },
}

/// A body on its way from a worker to a client.
#[derive(Debug)]
pub(super) enum Body {
    /// As many bytes to come.
    Bytes(u64),
    /// Chunked here and there.
    Chunked(Chunked),
    /// Chunked here, and as many bytes to come for the client.
    Unchunked(Chunked, u64),
}

/// The worker broke off: the client must not take what it got for the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken;

impl Body {
    /// Copies what belongs to the body from `input` to `out`: how many bytes were used.
    pub(super) fn relay(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<usize, Broken> {
        let mut used = 0;
        while used < input.len() && !self.is_done() {
            let rest = &input[used..];
            used += match self {
                Self::Bytes(left) => {
                    let count = rest.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    *left -= count as u64;
                    out.extend_from_slice(&rest[..count]);
                    count
                }
                Self::Chunked(chunked) => {
                    let step = chunked.step(rest).map_err(|_| Broken)?;
                    out.extend_from_slice(&rest[..step.consumed]);
                    step.consumed
                }
                Self::Unchunked(chunked, left) => {
                    let step = chunked.step(rest).map_err(|_| Broken)?;
                    *left = left.checked_sub(step.data.len() as u64).ok_or(Broken)?;
                    out.extend_from_slice(step.data);
                    if chunked.is_done() && *left > 0 {
                        return Err(Broken);
                    }
                    step.consumed
                }
            };
        }
        Ok(used)
    }

    /// Whether it may take as long as the client does.
    pub(super) const fn is_long(&self) -> bool {
        match self {
            Self::Bytes(left) => *left > SHORT_BODY_BYTES as u64,
            Self::Chunked(_) | Self::Unchunked(..) => true,
        }
    }

    pub(super) const fn is_done(&self) -> bool {
        match self {
            Self::Bytes(left) => *left == 0,
            Self::Chunked(chunked) | Self::Unchunked(chunked, _) => chunked.is_done(),
        }
    }
}

/// The length of a head, the empty line included, once that has come.
pub(super) fn head_len(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

/// Reads a whole head. `is_head`: the request was HEAD, so no body follows.
pub(super) fn parse(bytes: &[u8], is_head: bool) -> Option<Answer> {
    let text = core::str::from_utf8(bytes).ok()?;
    let mut lines = text.split("\r\n").take_while(|line| !line.is_empty());
    let status_line = lines.next()?;
    let status: u16 = status_line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    let mut head = format!("{status_line}\r\n");
    let mut fields = Fields::default();
    for line in lines {
        let (name, value) = line.split_once(": ")?;
        if !fields.note(&name.to_ascii_lowercase(), value)? {
            head.extend([line, "\r\n"]);
        }
    }
    if let Some(key) = fields.park {
        let wait = Duration::from_millis(fields.millis);
        let (generation, share) = (fields.generation, fields.share);
        return Some(Answer::Park(Park { key, generation, wait, share }));
    }
    if let Some(key) = fields.pour {
        return Some(Answer::Pour(key));
    }
    if let Some(key) = fields.draw {
        return Some(Answer::Draw { head: head.into_bytes(), key });
    }
    if let Some(length) = fields.stream_length {
        head.push_str(&format!("content-length: {length}\r\n"));
    } else if fields.chunked {
        head.push_str("transfer-encoding: chunked\r\n");
    }
    let has_no_body = is_head || matches!(status, 204 | 304);
    let body = match (fields.chunked, fields.stream_length) {
        _ if has_no_body => Body::Bytes(0),
        (true, Some(length)) => Body::Unchunked(Chunked::new(), length),
        (true, None) => Body::Chunked(Chunked::new()),
        (false, _) => Body::Bytes(fields.length.unwrap_or(0)),
    };
    Some(Answer::Relay { head: head.into_bytes(), body })
}

#[derive(Default)]
struct Fields {
    length: Option<u64>,
    chunked: bool,
    stream_length: Option<u64>,
    park: Option<String>,
    pour: Option<String>,
    draw: Option<String>,
    generation: u64,
    millis: u64,
    share: Option<Share>,
}

impl Fields {
    /// Notes what is for the front: whether the header ends here. `None` where it is malformed.
    fn note(&mut self, name: &str, value: &str) -> Option<bool> {
        match name {
            "content-length" => {
                self.length = Some(value.parse().ok()?);
                return Some(false);
            }
            "transfer-encoding" => self.chunked = value == "chunked",
            "x-ringside-length" => self.stream_length = Some(value.parse().ok()?),
            "x-ringside-pour" => self.pour = Some(value.to_owned()),
            "x-ringside-draw" => self.draw = Some(value.to_owned()),
            "x-ringside-park" => self.park = Some(value.to_owned()),
            "x-ringside-park-generation" => self.generation = value.parse().ok()?,
            "x-ringside-park-share" => {
                let (most, of) = value.split_once(' ')?;
                self.share = Some(Share { of: of.to_owned(), most: most.parse().ok()? });
            }
            "x-ringside-park-millis" => self.millis = value.parse().ok()?,
            _ => return Some(name == "connection" || name.starts_with("x-ringside-")),
        }
        Some(true)
    }
}

/// The front's own answer to a request that it refuses: the connection is closed after it.
pub(super) fn refused(refusal: Refusal, is_head: bool) -> Vec<u8> {
    let status = refusal.status();
    let retry = if status == 503 { "retry-after: 5\r\n" } else { "" };
    let sentence = refusal.sentence();
    let body = if is_head { String::new() } else { format!("{sentence}\n") };
    format!(
        "HTTP/1.1 {status} {}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\n\
         cache-control: no-store\r\n{retry}connection: close\r\n\r\n{body}",
        reason_phrase(status),
        sentence.len() + 1,
    )
    .into_bytes()
}

/// What somebody gets who speaks plain HTTP.
pub(super) const PLAIN_HTTP_ANSWER: &str = "HTTP/1.1 400 Bad Request\r\n\
    content-type: text/plain; charset=utf-8\r\ncontent-length: 52\r\nconnection: close\r\n\r\n\
    this port speaks TLS: use https:// in place of http\n";

#[cfg(test)]
mod tests {
    use super::*;

    fn relay(head: &str, input: &[u8], is_head: bool) -> (String, Vec<u8>, usize, bool) {
        let Some(Answer::Relay { head, mut body }) = parse(head.as_bytes(), is_head) else {
            panic!("no answer");
        };
        let mut out = Vec::new();
        let used = body.relay(input, &mut out).unwrap();
        (String::from_utf8(head).unwrap(), out, used, body.is_done())
    }

    #[test]
    fn a_body_ends_where_its_length_says() {
        let head = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\nx-a: b\r\n\r\n";
        let (text, out, used, done) = relay(head, b"abcd", false);
        assert_eq!(text, "HTTP/1.1 200 OK\r\ncontent-length: 3\r\nx-a: b\r\n");
        assert_eq!((out.as_slice(), used, done), (&b"abc"[..], 3, true));
        assert!(relay(head, b"", true).3);
    }

    #[test]
    fn a_stream_goes_on_chunked_or_with_its_length() {
        let chunks = b"3\r\nabc\r\n0\r\n\r\n";
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        assert_eq!(relay(head, chunks, false).1, chunks);
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nx-ringside-length: 3\r\n\r\n";
        let (text, out, used, done) = relay(head, chunks, false);
        assert_eq!(text, "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n");
        assert_eq!((out.as_slice(), used, done), (&b"abc"[..], chunks.len(), true));
    }

    #[test]
    fn a_stream_of_another_length_than_said_is_broken() {
        for length in [2, 4] {
            let mut body = Body::Unchunked(Chunked::new(), length);
            assert_eq!(body.relay(b"3\r\nabc\r\n0\r\n\r\n", &mut Vec::new()), Err(Broken));
        }
    }

    #[test]
    fn parking_is_read() {
        let head = "HTTP/1.1 204 No Content\r\nx-ringside-park: s 1\r\n\
            x-ringside-park-generation: 7\r\nx-ringside-park-millis: 1500\r\n\
            x-ringside-park-share: 2 s 1\r\n\r\n";
        let Some(Answer::Park(park)) = parse(head.as_bytes(), false) else { panic!("no park") };
        let wait = Duration::from_millis(1500);
        let share = Some(Share { of: "s 1".to_owned(), most: 2 });
        assert_eq!(park, Park { key: "s 1".to_owned(), generation: 7, wait, share });
    }

    #[test]
    fn the_plain_answer_has_the_length_it_says() {
        let at = head_len(PLAIN_HTTP_ANSWER.as_bytes()).unwrap();
        assert_eq!(PLAIN_HTTP_ANSWER.len() - at, 52);
    }
}
