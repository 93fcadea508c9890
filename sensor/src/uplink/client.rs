//! One request, one answer: protocol messages over HTTP/1.1 over TLS, blocking.
//!
//! Every way in which that can fail becomes a [`Failure`] with its step.

use core::fmt;
use core::time::Duration;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use data_encoding::HEXLOWER;
use ringside_protocol::claim::{Claim, ClaimAnswer};
use ringside_protocol::envelope::{EnvelopeError, MAX_WIRE_BYTES, Message, kind, open, seal};
use ringside_protocol::message::{
    Accepted, Batch, BatchAck, Challenge, Commands, Enrol, Enrolled, Heartbeat, HeartbeatAnswer,
    Hello, Poll, Prove, Refused,
};
use ringside_protocol::push::{News, NewsNoted, Piece, PieceWanted};
use ringside_protocol::retrieval::{Refuse, RefuseNoted};
use ringside_protocol::step::Failure;
use ringside_protocol::{OLDEST_PROTOCOL_VERSION, PROTOCOL_VERSION};
use ureq::Agent;

use super::connect::Network;
use super::tls::{self, Roots};
use super::transport::{Dialler, NoResolver};
use crate::clock::WallClock;
use crate::identity::Server;
use crate::version::SOFTWARE;

/// An idle connection is used again up to this age: longer than the time between heartbeats,
/// and shorter than the cloud's patience with one.
const MAX_IDLE: Duration = Duration::from_secs(90);

/// Bytes of each of a connection's two buffers. ureq's default is 128 KiB.
const BUFFER_BYTES: usize = 16 << 10;

/// Bytes of an answer's head, at most. Less than a buffer, which ureq would take for the end of
/// the connection once it is full.
const MAX_HEAD_BYTES: usize = 8 << 10;

/// Bytes of a stranger's answer that are shown to a person.
const MAX_SHOWN: usize = 120;

/// A request and the message that answers it.
pub trait Request: Message {
    /// Where it is sent.
    const PATH: &'static str;
    /// What comes back, unless it is [`Refused`].
    type Answer: Message;
}

macro_rules! requests {
    ($($request:ty => $path:literal => $answer:ty),+ $(,)?) => {
        $(impl Request for $request {
            const PATH: &'static str = $path;
            type Answer = $answer;
        })+
    };
}

requests! {
    Hello => "/uplink/hello" => Challenge,
    Enrol => "/uplink/enrol" => Enrolled,
    Claim => "/uplink/claim" => ClaimAnswer,
    Prove => "/uplink/session" => Accepted,
    Batch => "/uplink/cdrs" => BatchAck,
    Heartbeat => "/uplink/heartbeat" => HeartbeatAnswer,
    Poll => "/uplink/poll" => Commands,
    Refuse => "/uplink/refuse" => RefuseNoted,
    PieceWanted => "/uplink/piece" => Piece,
    News => "/uplink/upgrade" => NewsNoted,
}

/// A client of one server, with at most one connection at a time.
pub struct Client {
    agent: Agent,
    server: Server,
    request_timeout: Duration,
    dialled: Arc<AtomicU64>,
}

impl Client {
    /// A client that will connect with its first request.
    ///
    /// # Errors
    /// `WrongCa` when the pinned certificate is none.
    pub fn new(
        server: Server,
        roots: &Roots,
        network: Network,
        clock: &WallClock,
    ) -> Result<Self, Failure> {
        let tls = tls::config(roots, clock)
            .map_err(|_| Failure::WrongCa { host: server.host.clone() })?;
        let dialled = Arc::new(AtomicU64::new(0));
        let request_timeout = network.timeouts.request;
        let dialler = Dialler {
            network,
            server: server.clone(),
            tls: Arc::new(tls),
            dialled: Arc::clone(&dialled),
        };
        let config = Agent::config_builder()
            .https_only(true)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .user_agent(format!("ringside-sensor/{SOFTWARE}"))
            .input_buffer_size(BUFFER_BYTES)
            .output_buffer_size(BUFFER_BYTES)
            .max_response_header_size(MAX_HEAD_BYTES)
            .max_idle_connections(1)
            .max_idle_connections_per_host(1)
            .max_idle_age(MAX_IDLE)
            .timeout_send_request(Some(request_timeout))
            .timeout_send_body(Some(request_timeout))
            .timeout_recv_body(Some(request_timeout))
            .build();
        let agent = Agent::with_parts(config, dialler, NoResolver);
        Ok(Self { agent, server, request_timeout, dialled })
    }

    /// The server that it speaks to.
    #[must_use]
    pub const fn server(&self) -> &Server {
        &self.server
    }

    /// Ends requests under way, from another thread; later ones fail.
    pub fn shut_down(&self) {
        self.agent.clone().shutdown();
    }

    /// Sends `request` and waits for its answer.
    ///
    /// # Errors
    /// What the cloud says when it refuses, or why it could not be asked.
    pub fn ask<R: Request>(
        &self,
        request: &R,
        session: Option<&[u8; 32]>,
    ) -> Result<R::Answer, Refused> {
        self.ask_within(request, session, self.request_timeout)
    }

    /// As [`Client::ask`], for an answer that may take its time.
    ///
    /// # Errors
    /// As [`Client::ask`].
    pub fn ask_within<R: Request>(
        &self,
        request: &R,
        session: Option<&[u8; 32]>,
        patience: Duration,
    ) -> Result<R::Answer, Refused> {
        let body = seal(request)
            .map_err(|error| own(Failure::MessageRefused { detail: error.to_string() }))?;
        let dialled = self.dialled.load(Ordering::Relaxed);
        let answer = self.post(R::PATH, &body, session, patience).or_else(|refused| {
            // The server may close an idle connection just when it is used again. Every request
            // may be repeated: the other side ignores what it has.
            let was_reused = self.dialled.load(Ordering::Relaxed) == dialled;
            if was_reused && matches!(refused.failure, Failure::Interrupted { .. }) {
                return self.post(R::PATH, &body, session, patience);
            }
            Err(refused)
        });
        self.read(&answer?)
    }

    fn post(
        &self,
        path: &str,
        body: &[u8],
        session: Option<&[u8; 32]>,
        patience: Duration,
    ) -> Result<Vec<u8>, Refused> {
        let mut request = self
            .agent
            .post(format!("https://{}{path}", self.server.authority()))
            .content_type("application/octet-stream");
        if let Some(session) = session {
            request =
                request.header("authorization", format!("Bearer {}", HEXLOWER.encode(session)));
        }
        let mut response = request
            .config()
            .timeout_recv_response(Some(patience))
            .build()
            .send(body)
            .map_err(|error| own(self.failure(error, patience)))?;
        let status = response.status().as_u16();
        let retry_after_seconds = response
            .headers()
            .get("retry-after")
            .and_then(|value| value.to_str().ok()?.parse().ok())
            .unwrap_or(0);
        let mut bytes = Vec::new();
        response
            .body_mut()
            .as_reader()
            .take(MAX_WIRE_BYTES as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| own(self.failure(ureq::Error::from(error), patience)))?;
        if status == 200 {
            return Ok(bytes);
        }
        let failure = self.status_failure(status, &bytes);
        Err(Refused { failure, retry_after_seconds })
    }

    /// Sends what `body` gives, as fast as the other side takes it, and waits for its word that it
    /// has all of it. In each `stall` something must move.
    ///
    /// # Errors
    /// Why it was not taken to its end.
    pub fn pour(
        &self,
        path: &str,
        session: &[u8; 32],
        body: &mut dyn Read,
        stall: Duration,
    ) -> Result<(), Failure> {
        let mut response = self
            .agent
            .post(format!("https://{}{path}", self.server.authority()))
            .content_type("application/octet-stream")
            .header("authorization", format!("Bearer {}", HEXLOWER.encode(session)))
            .config()
            .timeout_send_body(None)
            .timeout_per_write(Some(stall))
            .timeout_recv_response(Some(stall))
            .build()
            .send(ureq::SendBody::from_reader(body))
            .map_err(|error| self.failure(error, stall))?;
        let status = response.status().as_u16();
        if status == 204 {
            return Ok(());
        }
        let mut bytes = Vec::new();
        // What a refusal says is worth one attempt.
        drop(response.body_mut().as_reader().take(MAX_WIRE_BYTES as u64).read_to_end(&mut bytes));
        match self.read::<RefuseNoted>(&bytes) {
            Err(refused) if status == 200 => Err(refused.failure),
            _ => Err(Failure::Interrupted { detail: format!("{status}: {}", shown(&bytes)) }),
        }
    }

    /// The message in an answer of status 200.
    fn read<A: Message>(&self, bytes: &[u8]) -> Result<A, Refused> {
        match kind(bytes) {
            Ok(found) if found == Refused::KIND => Err(match open::<Refused>(bytes) {
                Ok(refused) => refused,
                // A newer cloud has more ways to say no.
                Err(EnvelopeError::Body) => own(Failure::CloudFault {
                    detail: "it refuses in words that this sensor does not know".to_owned(),
                }),
                Err(error) => own(self.envelope_failure(error, bytes)),
            }),
            _ => open(bytes).map_err(|error| own(self.envelope_failure(error, bytes))),
        }
    }

    fn envelope_failure(&self, error: EnvelopeError, bytes: &[u8]) -> Failure {
        match error {
            EnvelopeError::Version(cloud) if cloud < OLDEST_PROTOCOL_VERSION => {
                Failure::CloudTooOld { sensor_oldest: OLDEST_PROTOCOL_VERSION, cloud }
            }
            EnvelopeError::Version(cloud) => {
                Failure::SensorTooOld { sensor: PROTOCOL_VERSION, cloud_oldest: cloud }
            }
            EnvelopeError::NotAnEnvelope => self.not_ringside(shown(bytes)),
            other => self.not_ringside(other.to_string()),
        }
    }

    /// A status other than 200 comes from the cloud's front, or from a stranger.
    fn status_failure(&self, status: u16, body: &[u8]) -> Failure {
        let text = shown(body);
        match status {
            429 | 503 => Failure::Busy { limit: text },
            413 => Failure::MessageRefused { detail: format!("{status}: {text}") },
            408 | 500..=599 => Failure::CloudFault { detail: format!("{status}: {text}") },
            _ => self.not_ringside(format!("HTTP status {status}: {text}")),
        }
    }

    fn failure(&self, error: ureq::Error, patience: Duration) -> Failure {
        let detail = match error {
            ureq::Error::Other(other) => match other.downcast::<Failure>() {
                Ok(failure) => return *failure,
                Err(other) => other.to_string(),
            },
            ureq::Error::Protocol(error) => {
                return self.not_ringside(format!("no HTTP: {error}"));
            }
            ureq::Error::LargeResponseHeader(..) => {
                return self.not_ringside("no HTTP: its head has no end".to_owned());
            }
            ureq::Error::Timeout(ureq::Timeout::RecvResponse) => {
                format!("no answer within {} s", patience.as_secs())
            }
            ureq::Error::Timeout(_) => {
                format!("no progress within {} s", self.request_timeout.as_secs())
            }
            ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                "the other side closed it".to_owned()
            }
            ureq::Error::Io(error) => error.to_string(),
            other => other.to_string(),
        };
        Failure::Interrupted { detail }
    }

    fn not_ringside(&self, detail: String) -> Failure {
        Failure::NotRingside { host: self.server.host.clone(), detail }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({})", self.server)
    }
}

/// A failure on this side of the wire: no word about when to come back.
const fn own(failure: Failure) -> Refused {
    Refused { failure, retry_after_seconds: 0 }
}

/// The beginning of a stranger's words: printable, one line.
fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(4 * MAX_SHOWN)]);
    let printable = text.chars().map(|c| if c.is_control() || c == '\u{fffd}' { ' ' } else { c });
    let words = printable.collect::<String>();
    let line = words.split_whitespace().collect::<Vec<_>>().join(" ");
    let line: String = line.chars().take(MAX_SHOWN).collect();
    if line.is_empty() { "an empty answer".to_owned() } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_s_words_are_cut_to_one_printable_line() {
        assert_eq!(shown(b"<html>\r\n <b>404</b>\x1b[31m"), "<html> <b>404</b> [31m");
        assert_eq!(shown(&[0xff, 0]), "an empty answer");
        assert_eq!(shown("ä".repeat(500).as_bytes()).chars().count(), MAX_SHOWN);
    }
}
