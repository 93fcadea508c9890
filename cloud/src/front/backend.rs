//! One connection to the workers: a request there, its answer back.

use std::io::{ErrorKind, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use mio::net::UnixStream;

use super::answer::{self, Answer, Body};
use super::limits::{MAX_ANSWER_HEAD_BYTES, PIECE_BYTES};
use super::proxies::Sender;
use super::request::Request;

/// A connection to the workers.
pub(super) struct Backend {
    stream: UnixStream,
    /// Head of the request, with what the front adds.
    head: Vec<u8>,
    request: Option<Arc<Request>>,
    /// Bytes of head and body that are sent.
    sent: usize,
    /// No further request may use the connection: an answer came before all of the request was
    /// sent, or nobody is at the other end.
    spoiled: bool,
    /// Bytes of the answer that were read and not used.
    input: Vec<u8>,
    /// The answer's body, once its head has come.
    body: Option<Body>,
    pub(super) state: State,
}

/// What a connection to the workers is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing.
    Idle,
    /// A worker has the request. The client of this slot waits for the answer; without one it went
    /// away, and the worker is still busy.
    Running(Option<usize>),
    /// The answer's body goes to the client of this slot.
    Relaying(usize),
}

/// What an event on the connection brought.
pub(super) enum Progress {
    /// Nothing yet.
    Wait,
    /// The answer's head.
    Answer(Answer),
    /// The connection is of no more use.
    Broken,
}

/// What relaying a piece came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relayed {
    /// Some bytes.
    Some,
    /// None are there yet.
    Wait,
    /// The answer is complete.
    Done,
    /// The worker broke off.
    Broken,
}

impl Backend {
    pub(super) fn connect(socket: &Path) -> std::io::Result<Self> {
        Ok(Self {
            stream: UnixStream::connect(socket)?,
            head: Vec::new(),
            request: None,
            sent: 0,
            spoiled: false,
            input: Vec::new(),
            body: None,
            state: State::Idle,
        })
    }

    pub(super) fn source(&mut self) -> &mut UnixStream {
        &mut self.stream
    }

    /// Takes a request over. `added`: header lines that the front adds.
    pub(super) fn begin(&mut self, request: Arc<Request>, added: &str, slot: usize) {
        self.head = [&request.head, added.as_bytes(), b"\r\n"].concat();
        self.request = Some(request);
        self.sent = 0;
        self.state = State::Running(Some(slot));
    }

    /// Sends and reads on, up to the answer's head.
    pub(super) fn advance(&mut self) -> Progress {
        if self.send().is_err() {
            return Progress::Broken;
        }
        loop {
            if let Some(length) = answer::head_len(&self.input) {
                let is_head = self.request.as_ref().is_some_and(|request| request.is_head);
                let Some(answer) = answer::parse(&self.input[..length], is_head) else {
                    return Progress::Broken;
                };
                self.input.drain(..length);
                return Progress::Answer(answer);
            }
            if self.input.len() > MAX_ANSWER_HEAD_BYTES {
                return Progress::Broken;
            }
            match self.read() {
                Ok(0) => return Progress::Broken,
                Ok(_) if self.state == State::Idle => return Progress::Broken,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Progress::Wait,
                Err(_) => return Progress::Broken,
            }
        }
    }

    /// The request is answered without a body to relay.
    pub(super) fn rest(&mut self) {
        if let Some(request) = self.request.take() {
            self.spoiled |= self.sent < self.head.len() + request.body.len();
        }
        self.head = Vec::new();
        self.body = None;
        self.state = State::Idle;
    }

    /// No further request may use the connection.
    pub(super) fn spoil(&mut self) {
        self.spoiled = true;
    }

    /// The body goes to `slot` from here on.
    pub(super) fn relay_to(&mut self, slot: usize, body: Body) {
        self.rest();
        self.body = Some(body);
        self.state = State::Relaying(slot);
    }

    /// Takes one piece of the body to `out`.
    pub(super) fn relay(&mut self, out: &mut Vec<u8>) -> Relayed {
        let Some(mut body) = self.body.take() else { return Relayed::Broken };
        let relayed = self.relay_piece(&mut body, out);
        self.body = Some(body);
        relayed
    }

    fn relay_piece(&mut self, body: &mut Body, out: &mut Vec<u8>) -> Relayed {
        if body.is_done() {
            return Relayed::Done;
        }
        if self.input.is_empty() {
            match self.read() {
                Ok(0) => return Relayed::Broken,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Relayed::Wait,
                Err(_) => return Relayed::Broken,
            }
        }
        let Ok(used) = body.relay(&self.input, out) else { return Relayed::Broken };
        self.input.drain(..used);
        if body.is_done() { Relayed::Done } else { Relayed::Some }
    }

    /// Whether the next request may use the connection: nothing is left over.
    pub(super) fn is_clean(&self) -> bool {
        self.input.is_empty() && !self.spoiled
    }

    fn send(&mut self) -> std::io::Result<()> {
        let Some(request) = &self.request else { return Ok(()) };
        while self.sent < self.head.len() + request.body.len() {
            let rest = match self.sent.checked_sub(self.head.len()) {
                None => &self.head[self.sent..],
                Some(at) => &request.body[at..],
            };
            match self.stream.write(rest) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn read(&mut self) -> std::io::Result<usize> {
        let start = self.input.len();
        self.input.resize(start + PIECE_BYTES, 0);
        let result = loop {
            match self.stream.read(&mut self.input[start..]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        self.input.truncate(start + result.as_ref().copied().unwrap_or(0));
        result
    }
}

/// Header lines that tell a worker what the front knows.
pub(super) fn added_headers(
    sender: Sender,
    woken: Option<&str>,
    parked_at: Option<Instant>,
    now: Instant,
) -> String {
    let mut added = format!("x-ringside-peer: {}\r\n", sender.address);
    if sender.is_forwarded {
        added.push_str("x-ringside-forwarded: yes\r\n");
    }
    if let (Some(woken), Some(parked_at)) = (woken, parked_at) {
        let waited = now.saturating_duration_since(parked_at).as_millis();
        added.push_str(&format!(
            "x-ringside-woken: {woken}\r\nx-ringside-waited-millis: {waited}\r\n"
        ));
    }
    added
}
