//! The sensors' side: messages in, answers out.
//!
//! [`handshake`] lets a device in, [`claim`] one without a token, [`session`] remembers who is, [`ingest`] takes its records,
//! [`lease`] shares out channels, and [`poll`] is what the cloud says unasked. Handlers know
//! nothing of HTTP but a path, a bearer and a body, and the clock is passed in.

use core::net::SocketAddr;
use core::time::Duration;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use data_encoding::HEXLOWER;
use ring::rand::{SecureRandom, SystemRandom};
use ringside_protocol::envelope::{self, EnvelopeError, Message};
use ringside_protocol::message::{Heartbeat, HeartbeatAnswer, Refused};
use ringside_protocol::plausible;
use ringside_protocol::step::Failure;
use ringside_protocol::time::UnixMicros;
use ringside_protocol::{OLDEST_PROTOCOL_VERSION, PROTOCOL_VERSION};

use crate::claims::Claims;
use crate::db::intake::Kind as NoticeKind;
use crate::db::{Db, DbError};
use crate::events::{Events, Kind, Waker};
use crate::relay::Relay;
use crate::server::Woken;

pub mod claim;
pub mod handshake;
pub mod http;
pub mod ingest;
pub mod lease;
pub mod poll;
pub mod session;
mod transfer;
pub mod upgrade;

#[cfg(test)]
mod tests;

use handshake::{Nonces, Throttle};
use session::{Session, Sessions, Token};
use transfer::TRANSFERS;

/// Bytes of a handshake's envelope, at most.
const MAX_HANDSHAKE_BYTES: usize = 16 << 10;

/// Both boots of a cloned device come back after this many seconds, which has to be less than
/// [`session::CLONE_SILENCE_SECONDS`]: two that knock more rarely would each seem alone.
const CLONED_RETRY_SECONDS: u16 = 30;
const _: () = assert!((CLONED_RETRY_SECONDS as u64) < session::CLONE_SILENCE_SECONDS);

/// Sensors come back to a busy cloud after this many seconds.
const BUSY_RETRY_SECONDS: u16 = 30;

/// One request of a sensor.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// As in `/uplink/hello`.
    pub path: &'a str,
    /// What follows `Authorization: Bearer`, if it came.
    pub bearer: Option<&'a str>,
    /// Where it came from.
    pub peer: SocketAddr,
    /// An envelope.
    pub body: &'a [u8],
    /// Set when it was parked before.
    pub woken: Option<Woken>,
    /// How long it has been parked so far.
    pub waited: Duration,
    /// The cloud's clock.
    pub now: UnixMicros,
}

/// What is to be sent back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Status 200 with an envelope.
    Message(Vec<u8>),
    /// Nothing yet: call again when `key` is woken, or after `wait`.
    Park {
        /// Whom to wake.
        key: String,
        /// How long, at most.
        wait: Duration,
        /// The key's generation before the handler looked.
        generation: u64,
    },
    /// Another status, with one sentence.
    Status(u16, String),
    /// The body goes into the pipe of this key.
    Pour(String),
}

/// Why a request is not answered with what it asked for.
#[derive(Debug)]
enum Refusal {
    /// In the protocol's words.
    Failure(Failure),
    /// The same, and when to come back.
    Later {
        /// In the protocol's words.
        failure: Failure,
        /// How long to wait.
        seconds: u16,
    },
    /// Not a message at all.
    Status(u16, String),
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<DbError> for Refusal {
    fn from(error: DbError) -> Self {
        log::error!("{error}");
        Self::Failure(Failure::CloudFault { detail: error.to_string() })
    }
}

/// The sensors' side of the cloud.
pub struct Uplink {
    db: Arc<Db>,
    events: Arc<Events>,
    waker: Arc<dyn Waker>,
    sessions: Mutex<Sessions>,
    turns: ingest::Turns,
    nonces: Nonces,
    /// Unproven refusals that name a sensor.
    known: Mutex<Throttle>,
    /// Unproven refusals that name nobody.
    strangers: Mutex<Throttle>,
    relay: Option<Arc<Relay>>,
    claims: Arc<Claims>,
    random: SystemRandom,
}

impl Uplink {
    /// No session is open yet.
    ///
    /// # Errors
    /// The database's; [`DbError::Random`] when the system has no random bytes.
    pub fn new(db: Arc<Db>, events: Arc<Events>, waker: Arc<dyn Waker>) -> Result<Self, DbError> {
        let random = SystemRandom::new();
        let mut fresh = vec![0; 32];
        random.fill(&mut fresh).map_err(|_| DbError::Random)?;
        let key = db.secret("nonce_key", || fresh)?;
        Ok(Self {
            db,
            events,
            waker,
            sessions: Mutex::default(),
            turns: ingest::Turns::default(),
            nonces: Nonces::new(&key),
            known: Mutex::default(),
            strangers: Mutex::default(),
            relay: None,
            claims: Arc::default(),
            random,
        })
    }

    /// The same, through which packets can be asked for.
    #[must_use]
    pub fn with_relay(mut self, relay: Arc<Relay>) -> Self {
        self.relay = Some(relay);
        self
    }

    /// The same, with devices that others may accept.
    #[must_use]
    pub fn with_claims(mut self, claims: Arc<Claims>) -> Self {
        self.claims = claims;
        self
    }

    /// Answers one request.
    #[must_use]
    pub fn handle(&self, request: &Request<'_>) -> Answer {
        let answer = match request.path {
            "/uplink/hello" => self.hello(request).and_then(|challenge| seal(&challenge)),
            "/uplink/claim" => self.claim(request),
            "/uplink/enrol" => self.enrol(request).and_then(|enrolled| seal(&enrolled)),
            "/uplink/session" => self.prove(request).and_then(|accepted| seal(&accepted)),
            "/uplink/cdrs" => self.ingest(request).and_then(|ack| seal(&ack)),
            "/uplink/heartbeat" => self.heartbeat(request).and_then(|answer| seal(&answer)),
            "/uplink/poll" => self.poll(request),
            "/uplink/piece" => self.piece(request).and_then(|piece| seal(&piece)),
            "/uplink/upgrade" => self.news(request).and_then(|noted| seal(&noted)),
            "/uplink/refuse" => self.take_refusal(request).and_then(|noted| seal(&noted)),
            path if path.starts_with(TRANSFERS) => self.transfer(request),
            path => Err(Refusal::Status(404, format!("sensors have nothing to ask at {path}"))),
        };
        answer.unwrap_or_else(|refusal| match refusal {
            Refusal::Failure(failure) => refuse(failure),
            Refusal::Later { failure, seconds } => refuse_until(failure, seconds),
            Refusal::Status(status, sentence) => Answer::Status(status, sentence),
        })
    }

    /// Open sessions.
    #[must_use]
    pub fn open_sessions(&self) -> usize {
        self.sessions().count()
    }

    fn heartbeat(&self, request: &Request<'_>) -> Result<HeartbeatAnswer, Refusal> {
        let (token, session) = self.enter(request)?;
        let mut heartbeat = self.read::<Heartbeat>(NoticeKind::Heartbeats, request, &session)?;
        if let Some(cut) = plausible::cut(&mut heartbeat) {
            self.notice(&session, (NoticeKind::Heartbeats, 1), &cut, request);
        }
        let beaten =
            self.db.heartbeat(session.customer, session.device, &heartbeat, request.now)?;
        if heartbeat.is_leaving {
            self.sessions().end(session.device);
        } else {
            self.sessions().update(&token, |session| session.acknowledged = heartbeat.lease_serial);
        }
        self.push(&beaten.changed);
        self.events.bump(session.customer, Kind::Sensors);
        Ok(HeartbeatAnswer { lease: beaten.lease, cloud_time: request.now })
    }

    /// The session that a request belongs to, and that its device still may have.
    fn enter(&self, request: &Request<'_>) -> Result<(Token, Session), Refusal> {
        let token = request.bearer.and_then(parse_token).ok_or(Failure::SessionEnded)?;
        let spoken = match request.woken {
            None => self.sessions().speak(&token, request.peer, request.now),
            Some(_) => self.sessions().find(&token, request.now),
        };
        let session = match spoken {
            Ok(session) => session,
            Err(failure @ Failure::ClonedDevice { .. }) => {
                return Err(self.refuse_cloned(&token, failure, request.now));
            }
            Err(failure) => return Err(failure.into()),
        };
        let failure = match self.db.standing(session.device)? {
            None => Failure::NotEnrolled,
            Some(sensor) if sensor.is_revoked => Failure::Revoked,
            Some(sensor) if sensor.customer != session.customer => Failure::SessionEnded,
            Some(_) => return Ok((token, session)),
        };
        self.sessions().end(session.device);
        Err(failure.into())
    }

    fn refuse_cloned(&self, token: &Token, failure: Failure, now: UnixMicros) -> Refusal {
        let device = self.sessions().find(token, now).map(|session| session.device);
        if let Ok(device) = device {
            self.note(device, &failure, now);
        }
        failure.into()
    }

    /// Tells sensors that wait in a poll that their grant has changed.
    fn push(&self, changed: &[ringside_protocol::cdr::Fingerprint]) {
        for device in changed {
            self.waker.wake(&poll::key(*device));
        }
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn parse_token(bearer: &str) -> Option<Token> {
    HEXLOWER.decode(bearer.as_bytes()).ok()?.try_into().ok()
}

fn limit(body: &[u8], bytes: usize) -> Result<(), Refusal> {
    if body.len() > bytes {
        return Err(Refusal::Status(413, format!("this message may have {bytes} bytes")));
    }
    Ok(())
}

/// Reads a message. An unknown version is a refusal that the other side can read.
fn open<M: Message>(body: &[u8]) -> Result<M, Refusal> {
    envelope::open(body).map_err(|error| match error {
        EnvelopeError::Version(version) => Refusal::Failure(foreign_version(version)),
        other => Refusal::Status(400, other.to_string()),
    })
}

fn foreign_version(version: u8) -> Failure {
    if version < OLDEST_PROTOCOL_VERSION {
        Failure::SensorTooOld { sensor: version, cloud_oldest: OLDEST_PROTOCOL_VERSION }
    } else {
        Failure::CloudTooOld { sensor_oldest: version, cloud: PROTOCOL_VERSION }
    }
}

fn seal<M: Message>(message: &M) -> Result<Answer, Refusal> {
    envelope::seal(message)
        .map(Answer::Message)
        .map_err(|error| Failure::CloudFault { detail: error.to_string() }.into())
}

/// A refusal, in the oldest version that is read here: its shape is the same in all.
fn refuse(failure: Failure) -> Answer {
    let retry_after_seconds = match failure {
        Failure::ClonedDevice { .. } => CLONED_RETRY_SECONDS,
        Failure::Busy { .. } => BUSY_RETRY_SECONDS,
        _ => 0,
    };
    refuse_until(failure, retry_after_seconds)
}

fn refuse_until(failure: Failure, retry_after_seconds: u16) -> Answer {
    match envelope::seal(&Refused { failure, retry_after_seconds }) {
        Ok(mut sealed) => {
            sealed[2] = OLDEST_PROTOCOL_VERSION;
            Answer::Message(sealed)
        }
        Err(error) => Answer::Status(500, error.to_string()),
    }
}
