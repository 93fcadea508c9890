//! One connection of a client: TLS, buffers, and where it stands.
//!
//! ```text
//! Handshake -> Idle -> Reading -> Queued -> Running -> Answering -> Idle
//!                        |          ^         |            |
//!                        |          +--wake- Parked        |
//!                        +--refused---> Answering --close--+--> Lingering
//! ```
//!
//! Each phase has one deadline. [`Client`] does the I/O; `event_loop.rs` moves it along.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use rustls::ServerConnection;

use super::chunked::Chunked;
use super::flow::Flow;
use super::limits::{ANSWER_BUFFER_BYTES, Limits, MAX_LINGER_BYTES, PIECE_BYTES};
use super::request::{Parser, Request};
use super::stats::HandshakeFailure;

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// TLS is being agreed on.
    Handshake,
    /// Between requests.
    Idle,
    /// A request is arriving.
    Reading,
    /// Its request waits for a worker.
    Queued,
    /// Its request is with a worker, over this backend.
    Running(usize),
    /// Its request waits to be woken.
    Parked,
    /// Its answer is on the way; from this backend, or whole already.
    Answering(Option<usize>),
    /// Its request's body goes into a pipe.
    Pouring,
    /// Its answer comes from a pipe.
    Drawing,
    /// Closed on our side; what still comes is passed over, so that the client reads our last
    /// bytes before its system learns of the end.
    Lingering,
}

/// Why a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gone {
    /// The client closed it, or the network did.
    Closed,
    /// Its TLS is none; an alert may have to be sent.
    Tls(HandshakeFailure),
}

/// A connection.
pub(super) struct Client {
    socket: TcpStream,
    tls: ServerConnection,
    pub(super) peer: SocketAddr,
    /// Who sent the present request, or the last one: the peer, or whom its proxy names.
    pub(super) sender: IpAddr,
    pub(super) phase: Phase,
    pub(super) deadline: Option<Instant>,
    pub(super) parser: Parser,
    /// When the body of the arriving request began.
    pub(super) body_since: Option<Instant>,
    /// Decrypted and not read by the parser: what follows the present request.
    pub(super) input: Vec<u8>,
    /// To be encrypted.
    pub(super) out: Vec<u8>,
    /// The client sends no more.
    pub(super) ended: bool,
    /// The request, until an answer to it begins.
    pub(super) request: Option<Arc<Request>>,
    /// The answer is the last one.
    pub(super) close: bool,
    /// The key that its request is parked under.
    pub(super) park: Option<String>,
    /// Whose share of the parked it takes.
    pub(super) share: Option<String>,
    /// Why its request is dispatched again, in the front's words to the workers.
    pub(super) woken: Option<&'static str>,
    /// When the request was parked for the first time.
    pub(super) parked_at: Option<Instant>,
    /// The answer counts as a stream.
    pub(super) is_stream: bool,
    /// Its request's body, where that is poured into a pipe.
    pub(super) body: Option<Chunked>,
    /// Its end of a pipe.
    pub(super) flow: Option<Flow>,
    /// Bytes of the answer that it took in the present [`Limits::stall`].
    pub(super) taken: usize,
    /// Bytes that count towards the listener's limit.
    pub(super) charged: usize,
    lingered: usize,
    /// No byte was read yet: it may be plain HTTP.
    untouched: bool,
}

/// What a reading came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moved {
    /// Bytes, or the end.
    Some,
    /// The socket has none, or none are wanted now.
    Nothing,
}

impl Client {
    pub(super) fn new(
        socket: TcpStream,
        tls: ServerConnection,
        peer: SocketAddr,
        limits: &Limits,
        now: Instant,
    ) -> Self {
        let mut tls = tls;
        tls.set_buffer_limit(Some(ANSWER_BUFFER_BYTES));
        Self {
            socket,
            tls,
            peer,
            sender: peer.ip(),
            phase: Phase::Handshake,
            deadline: Some(now + limits.handshake),
            parser: Parser::new(limits),
            body_since: None,
            input: Vec::new(),
            out: Vec::new(),
            ended: false,
            request: None,
            close: false,
            park: None,
            share: None,
            woken: None,
            parked_at: None,
            is_stream: false,
            body: None,
            flow: None,
            taken: 0,
            charged: 0,
            lingered: 0,
            untouched: true,
        }
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.tls.is_handshaking()
    }

    /// Bytes of requests held for this connection.
    pub(super) fn held(&self) -> usize {
        let request = self.request.as_ref().map_or(0, |request| {
            request.head.capacity() + request.forwarding.chain.capacity() + request.body.capacity()
        });
        self.input.capacity() + self.parser.held() + request
    }

    /// Whether the first bytes are those of plain HTTP (a TLS record begins with 22).
    pub(super) fn speaks_plain_http(&mut self) -> bool {
        let mut first = [0];
        if !self.untouched || self.phase != Phase::Handshake {
            return false;
        }
        let Ok(1) = self.socket.peek(&mut first) else { return false };
        self.untouched = false;
        first[0].is_ascii_alphabetic()
    }

    /// Writes to somebody who speaks no TLS. The socket's buffer is empty and takes it all.
    pub(super) fn write_plain(&mut self, text: &str) {
        if let Err(error) = self.socket.write_all(text.as_bytes()) {
            log::debug!("{} did not get its answer: {error}", self.peer);
        }
    }

    /// Reads what has come, up to one piece, into `input`.
    pub(super) fn fill(&mut self, scratch: &mut [u8]) -> Result<Moved, Gone> {
        if self.phase == Phase::Lingering {
            return self.pass_over(scratch);
        }
        if self.ended || self.input.len() >= PIECE_BYTES {
            return Ok(Moved::Nothing);
        }
        match self.tls.read_tls(&mut self.socket) {
            Ok(0) => self.ended = true,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Moved::Nothing),
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(Moved::Some),
            Err(_) => return Err(Gone::Closed),
        }
        if let Err(error) = self.tls.process_new_packets() {
            return Err(Gone::Tls(HandshakeFailure::from(&error)));
        }
        loop {
            match self.tls.reader().read(scratch) {
                Ok(0) => {
                    self.ended = true;
                    break;
                }
                Ok(count) => self.input.extend_from_slice(&scratch[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => {
                    self.ended = true;
                    break;
                }
            }
        }
        Ok(Moved::Some)
    }

    fn pass_over(&mut self, scratch: &mut [u8]) -> Result<Moved, Gone> {
        match self.socket.read(scratch) {
            Ok(0) => Err(Gone::Closed),
            Ok(count) => {
                self.lingered += count;
                if self.lingered > MAX_LINGER_BYTES { Err(Gone::Closed) } else { Ok(Moved::Some) }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Moved::Nothing),
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(Moved::Some),
            Err(_) => Err(Gone::Closed),
        }
    }

    /// Encrypts and sends as much of `out` as the socket takes: how many bytes.
    pub(super) fn flush(&mut self) -> Result<usize, Gone> {
        let mut sent = 0;
        if self.phase == Phase::Lingering {
            return Ok(sent);
        }
        loop {
            self.encrypt()?;
            if !self.tls.wants_write() {
                return Ok(sent);
            }
            match self.tls.write_tls(&mut self.socket) {
                Ok(0) => return Err(Gone::Closed),
                Ok(count) => sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(sent),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Err(Gone::Closed),
            }
        }
    }

    fn encrypt(&mut self) -> Result<(), Gone> {
        if self.out.is_empty() || self.tls.is_handshaking() {
            return Ok(());
        }
        let count = self.tls.writer().write(&self.out).map_err(|_| Gone::Closed)?;
        if count == self.out.len() {
            self.out = Vec::new();
        } else {
            self.out.drain(..count);
        }
        Ok(())
    }

    /// Whether everything has gone to the socket.
    pub(super) fn is_flushed(&self) -> bool {
        self.out.is_empty() && !self.tls.wants_write()
    }

    /// Whether the client has taken enough for more of its answer to be fetched.
    pub(super) fn has_room(&self) -> bool {
        self.out.is_empty()
    }

    /// Ends the connection on our side and waits for the client to do so too.
    pub(super) fn linger(&mut self, deadline: Instant) {
        if self.phase != Phase::Handshake {
            self.tls.send_close_notify();
        }
        // An alert or the notice is worth one attempt.
        let _ = self.flush();
        let _ = self.socket.shutdown(Shutdown::Write);
        self.phase = Phase::Lingering;
        self.deadline = Some(deadline);
        self.release();
    }

    /// Gives back the memory that an idle connection does not need.
    pub(super) fn release(&mut self) {
        self.request = None;
        self.woken = None;
        self.parked_at = None;
        self.body_since = None;
        if self.input.is_empty() {
            self.input = Vec::new();
        }
    }
}

/// When a body must be complete that has `bytes` so far.
pub(super) fn body_deadline(limits: &Limits, since: Instant, bytes: usize) -> Instant {
    let seconds = bytes / limits.body_bytes_per_second.max(1);
    since + limits.body + Duration::from_secs(seconds as u64)
}

/// A socket without delay: answers are written whole.
pub(super) fn prepare(socket: &TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_gets_more_time_the_more_of_it_arrives() {
        let limits = Limits { body: Duration::from_secs(10), ..Limits::people() };
        let since = Instant::now();
        assert_eq!(body_deadline(&limits, since, 0), since + Duration::from_secs(10));
        let bytes = 3 * limits.body_bytes_per_second;
        assert_eq!(body_deadline(&limits, since, bytes), since + Duration::from_secs(13));
    }
}
