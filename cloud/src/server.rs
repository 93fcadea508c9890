//! What a handler sees: a request, whole, and the answer it gives.
//!
//! Behind the [front](crate::front), tiny_http reads requests from a Unix socket and a few worker
//! threads call the one handler ([`workers`]); `wire` writes what it answers. No handler sees
//! tiny_http.

mod wire;
pub mod workers;

use core::time::Duration;
use std::io::Read;
use std::net::SocketAddr;

/// Answers every request of a listener. A panic in it is a 500.
pub type Handler = dyn Fn(&mut Request) -> Response + Send + Sync;

/// A whole request.
#[derive(Clone, Debug)]
pub struct Request {
    /// As sent, case and all: `GET`, `POST`, …
    pub method: String,
    /// The target up to `?`, not decoded. It begins with `/`, except that of `OPTIONS *`.
    pub path: String,
    /// The target after `?`, not decoded; empty where there is none.
    pub query: String,
    /// Names in lower case, in the order of the request. Hop-by-hop headers, and headers that claim
    /// another address (`X-Forwarded-For`), are not among them.
    pub headers: Vec<(String, String)>,
    /// Who sent it: the address of the TCP connection, or the one that a reverse proxy of ours
    /// names, with port 0.
    pub peer: SocketAddr,
    /// Somebody handed it on: it has a header that only proxies write, or comes from one of ours.
    pub is_forwarded: bool,
    /// The body, no longer chunked.
    pub body: Vec<u8>,
    /// Set when a parked request comes again.
    pub woken: Option<Woken>,
    /// How long it has been parked so far.
    pub waited: Duration,
}

/// Why a parked request comes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// Its key was woken. There may be nothing to say all the same: look, and park it again, for what
    /// [`Request::waited`] leaves of its time.
    Yes,
    /// Its time is up, or the service ends: answer.
    Timeout,
    /// A newer request of the same [`Share`] waits in its place: answer.
    Superseded,
}

impl Request {
    /// The first header of this name (in lower case).
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// A handler's answer.
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Names and values; one that would break the head is left out and logged. `Content-Length`
    /// belongs here only for a stream whose length is known.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Body,
    /// "Not now": everything else is ignored then.
    pub park: Option<Park>,
    /// Its own body, or the request's, goes through a pipe ([`Pipes`](crate::front::Pipes)).
    pub pipe: Option<PipeEnd>,
}

/// Which end of a pipe a request is at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PipeEnd {
    /// Its body is poured into the pipe of this key; status and headers here are ignored.
    Pour(String),
    /// The answer's body is drawn from the pipe of this key.
    Draw(String),
}

/// An answer's body.
pub enum Body {
    /// All of it.
    Bytes(Vec<u8>),
    /// Read as fast as the client takes it, on a thread of its own. An error of the reader, or
    /// fewer bytes than `Content-Length` says, breaks the connection, so that the client does not
    /// take a part for the whole.
    Stream(Box<dyn Read + Send>),
}

/// A request for the front to keep and to dispatch again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Park {
    /// What [`Wakes::wake`](crate::front::Wakes::wake) is called with.
    pub key: String,
    /// [`Wakes::generation`](crate::front::Wakes::generation) of the key, read *before* looking
    /// whether there is something to say: a wake since then brings the request back at once.
    pub generation: u64,
    /// How long it is kept; then it comes again as [`Woken::Timeout`].
    pub wait: Duration,
    /// Of which share it takes one, if there is a bound on it.
    pub share: Option<Share>,
}

/// Of one asker only so many requests wait at once: one more, and the oldest of them comes again as
/// [`Woken::Superseded`]. An asker whose connection broke unnoticed is not kept out by its own past.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// Whose.
    pub of: String,
    /// How many.
    pub most: usize,
}

impl Response {
    /// A status and nothing else.
    #[must_use]
    pub const fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Body::Bytes(Vec::new()), park: None, pipe: None }
    }

    /// One sentence of plain text.
    #[must_use]
    pub fn text(status: u16, sentence: &str) -> Self {
        Self::bytes(status, "text/plain; charset=utf-8", format!("{sentence}\n").into_bytes())
    }

    /// A body of this type.
    #[must_use]
    pub fn bytes(status: u16, content_type: &str, body: Vec<u8>) -> Self {
        let response = Self { body: Body::Bytes(body), ..Self::new(status) };
        response.with_header("Content-Type", content_type)
    }

    /// A body that is read while it is sent.
    #[must_use]
    pub fn stream(status: u16, content_type: &str, body: Box<dyn Read + Send>) -> Self {
        let response = Self { body: Body::Stream(body), ..Self::new(status) };
        response.with_header("Content-Type", content_type)
    }

    /// "Not now": see [`Park`].
    #[must_use]
    pub fn parked(key: String, generation: u64, wait: Duration) -> Self {
        Self { park: Some(Park { key, generation, wait, share: None }), ..Self::new(204) }
    }

    /// The same "not now", taking one of the `most` places that `of` has.
    #[must_use]
    pub fn within_share(mut self, of: String, most: usize) -> Self {
        if let Some(park) = &mut self.park {
            park.share = Some(Share { of, most });
        }
        self
    }

    /// "Pour the body": the client is answered when everything is drawn, or nobody draws any more.
    #[must_use]
    pub fn poured(key: String) -> Self {
        Self { pipe: Some(PipeEnd::Pour(key)), ..Self::new(204) }
    }

    /// An answer whose body is drawn from a pipe.
    #[must_use]
    pub fn drawn(status: u16, content_type: &str, key: String) -> Self {
        let response = Self { pipe: Some(PipeEnd::Draw(key)), ..Self::new(status) };
        response.with_header("Content-Type", content_type)
    }

    /// The same with one more header.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}
