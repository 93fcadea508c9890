//! The handshake, the session, and what happens when either fails: no I/O, no clock.
//!
//! ```text
//!                      every server failed, or the session is over
//!            +--------------------------------------------------------------+
//!            v                                                              |
//!  start  Waiting --until--> Greeting --Challenged--> Proving --Accepted--> Open
//!            ^                |  ^  \                  |                    heartbeats, batches
//!            |                |  |   \ not enrolled,   |
//!            +--- failed -----+  |    v has a token    |
//!            |                   +- Enrolling          |
//!            |                   |                     |
//!            |                   +- Claiming: has none, waits for somebody to accept its claim code
//!            +------------------------- failed --------+
//! ```
//!
//! [`Session::handle`] takes what has happened, [`Session::poll_action`] says what to do next (one
//! thing at a time), [`Session::poll_timeout`] when to ask again. [`Session::status`] is what
//! `doctor`, log and status page show.

use embassy_time::{Duration, Instant};
use ringside_protocol::message::{Accepted, Challenge, HeartbeatAnswer, Lease, Refused};
use ringside_protocol::step::{Failure, MAX_CLOCK_SKEW_SECONDS, Step};
use ringside_protocol::time::{MICROS_PER_SECOND, UnixMicros};
use ringside_protocol::{OLDEST_PROTOCOL_VERSION, PROTOCOL_VERSION};

use super::backoff::Backoff;
use super::status::{Status, StepState};
use crate::clock::Now;
use crate::identity::Server;

#[cfg(test)]
mod tests;

/// The longest wait that a cloud's `retry_after_seconds` can ask for.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// Between two claims: a cloud that answers at once is not asked without end.
const CLAIM_PAUSE: Duration = Duration::from_secs(1);

/// How long until the next look for a server, as long as none is known.
pub const SERVER_LOOK_EVERY: Duration = Duration::from_secs(2);

/// Something that has happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// A step of the connection has passed.
    Passed(Step),
    /// Hello was answered.
    Challenged(Challenge),
    /// The token was accepted, or somebody has accepted the claim code.
    Enrolled,
    /// Nobody has accepted the claim code yet.
    Unclaimed,
    /// The proof was accepted.
    Accepted(Accepted),
    /// A heartbeat was answered.
    HeartbeatAnswered(HeartbeatAnswer),
    /// A batch was acknowledged.
    Acknowledged,
    /// A batch was refused, and goes again in smaller ones.
    BatchRefused,
    /// There was nothing to send.
    NoRecords,
    /// What was under way has failed.
    Failed(Refused),
    /// The poll says that this session is over.
    SessionLost {
        /// Which; a later one is not meant.
        session: [u8; 32],
        /// Why.
        refused: Refused,
    },
    /// Records have come to exist.
    RecordsStored,
    /// A heartbeat is wanted now: the cloud asks, or a lease is to be acknowledged.
    HeartbeatWanted,
}

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Say Hello to this server, over a new connection.
    Greet(Server),
    /// Show the token.
    Enrol(Challenge),
    /// Wait for somebody to accept the claim code.
    Claim(Challenge),
    /// Prove the key.
    Prove(Challenge),
    /// Send a heartbeat.
    Heartbeat([u8; 32]),
    /// Send the oldest records, if there are any.
    SendBatch([u8; 32]),
}

/// What the machine needs to know at its start.
#[derive(Clone, Debug)]
pub struct Config {
    /// In failover order; empty as long as nobody has named one.
    pub servers: Vec<Server>,
    /// Whether there is a token to enrol with.
    pub has_token: bool,
    /// Whether a device without a token waits for somebody to accept its claim code.
    pub can_claim: bool,
    /// For the jitter.
    pub seed: u64,
}

#[derive(Clone, Debug)]
enum State {
    Waiting { until: Instant },
    Greeting,
    Enrolling(Challenge),
    Claiming(Challenge),
    Proving(Challenge),
    Open(Open),
}

#[derive(Clone, Debug)]
struct Open {
    session: [u8; 32],
    heartbeat_every: Duration,
    heartbeat_at: Instant,
    /// A heartbeat was asked for since the one under way was begun, which may not know why.
    wants_heartbeat: bool,
    /// When to send records; `None` when there are none.
    batch_at: Option<Instant>,
    /// Whether what is under way is a batch; else it is a heartbeat.
    sends_batch: bool,
    /// Whether records came to exist since the last batch was begun.
    has_new: bool,
    lease_serial: u32,
}

/// The machine.
#[derive(Clone, Debug)]
pub struct Session {
    config: Config,
    state: State,
    /// The server that is being tried, or that the session is with.
    server: usize,
    /// An action is under way: nothing else is begun.
    is_busy: bool,
    /// The session was lost while an action was under way.
    lost: Option<Refused>,
    /// The token was accepted in this round: if the cloud still does not know the device,
    /// showing it again would not help.
    has_enrolled: bool,
    /// Where the claim code was shown last: it counts until that server fails.
    claims_at: Option<usize>,
    /// Between rounds of all servers.
    backoff: Backoff,
    /// Between attempts at one request within a session.
    busy_backoff: Backoff,
    /// After a message that the cloud cannot take: each costs a record, and only one that it takes
    /// makes the next wait the first again.
    refused_backoff: Backoff,
    /// No round begins before that: the cloud has asked so.
    not_before: Instant,
    status: Status,
}

impl Session {
    /// Will greet the first server at once.
    #[must_use]
    pub fn new(config: Config, now: Instant) -> Self {
        Self {
            backoff: Backoff::new(config.seed),
            busy_backoff: Backoff::new(config.seed.rotate_left(32)),
            refused_backoff: Backoff::new(config.seed.rotate_left(16)),
            config,
            state: State::Waiting { until: now },
            server: 0,
            is_busy: false,
            lost: None,
            has_enrolled: false,
            claims_at: None,
            not_before: now,
            status: Status::default(),
        }
    }

    /// The present state, for people.
    #[must_use]
    pub const fn status(&self) -> &Status {
        &self.status
    }

    /// The open session's name.
    #[must_use]
    pub const fn open_session(&self) -> Option<[u8; 32]> {
        match &self.state {
            State::Open(open) => Some(open.session),
            _ => None,
        }
    }

    /// Whether all servers are to be tried from the first on: the moment for
    /// [`Session::set_servers`].
    #[must_use]
    pub fn begins_round(&self, now: Instant) -> bool {
        self.server == 0 && matches!(self.state, State::Waiting { until } if until <= now)
    }

    /// The servers of the round that begins: enrolment may have named another one.
    pub fn set_servers(&mut self, servers: Vec<Server>) {
        self.config.servers = servers;
    }

    /// What to do now, if anything. It is under way until an event ends it.
    pub fn poll_action(&mut self, now: Instant) -> Option<Action> {
        if self.is_busy {
            return None;
        }
        let action = match &mut self.state {
            State::Waiting { until } if now < *until => return None,
            State::Waiting { until } => {
                let Some(server) = self.config.servers.get(self.server).cloned() else {
                    *until = now + SERVER_LOOK_EVERY;
                    return None;
                };
                self.state = State::Greeting;
                self.status.begin(server.clone());
                Action::Greet(server)
            }
            // Left at once when their request ends.
            State::Greeting => return None,
            State::Enrolling(challenge) => Action::Enrol(challenge.clone()),
            State::Claiming(challenge) => Action::Claim(challenge.clone()),
            State::Proving(challenge) => Action::Prove(challenge.clone()),
            State::Open(open) => open.poll_action(now)?,
        };
        self.is_busy = true;
        Some(action)
    }

    /// When [`Session::poll_action`] may have something to do without a further event.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.is_busy {
            return None;
        }
        match &self.state {
            State::Waiting { until } => Some(*until),
            State::Greeting => None,
            State::Enrolling(_) | State::Claiming(_) | State::Proving(_) => Some(Instant::MIN),
            State::Open(open) => {
                Some(open.batch_at.map_or(open.heartbeat_at, |at| at.min(open.heartbeat_at)))
            }
        }
    }

    /// Takes in what has happened.
    pub fn handle(&mut self, event: Event, now: Now) {
        match event {
            Event::Passed(step) => self.status.pass(step),
            Event::RecordsStored => self.with_open(|open| {
                open.has_new = true;
                open.batch_at.get_or_insert(now.instant);
            }),
            Event::HeartbeatWanted => self.with_open(|open| {
                open.heartbeat_at = now.instant;
                open.wants_heartbeat = true;
            }),
            Event::SessionLost { session, refused } => {
                if self.open_session() != Some(session) {
                    return;
                }
                if self.is_busy {
                    self.lost = Some(refused);
                } else {
                    self.fail(refused, now);
                }
            }
            answer => {
                self.is_busy = false;
                match self.lost.take() {
                    Some(refused) => self.fail(refused, now),
                    None => self.handle_answer(answer, now),
                }
            }
        }
    }

    /// Takes in the end of what was under way. One that does not fit the state changes nothing.
    fn handle_answer(&mut self, event: Event, now: Now) {
        match (&mut self.state, event) {
            (_, Event::Failed(refused)) => self.fail(refused, now),
            (State::Greeting, Event::Challenged(challenge)) => self.challenged(challenge, now),
            (State::Enrolling(_) | State::Claiming(_), Event::Enrolled) => {
                // A proof of its own, with a fresh challenge.
                self.has_enrolled = true;
                self.state = State::Waiting { until: now.instant };
            }
            (State::Claiming(_), Event::Unclaimed) => {
                // Each server in turn: nobody knows at which of them the code is entered.
                self.server = (self.server + 1) % self.config.servers.len().max(1);
                self.state = State::Waiting { until: now.instant + CLAIM_PAUSE };
            }
            (State::Proving(_), Event::Accepted(accepted)) => self.accepted(&accepted, now),
            (State::Open(open), Event::HeartbeatAnswered(answer)) => {
                self.status.acknowledged_at = Some(now.wall);
                self.busy_backoff.reset();
                open.heartbeat_at = now.instant + open.heartbeat_every;
                // Records that were held back may be ready now.
                open.batch_at.get_or_insert(now.instant);
                if answer.lease.serial != open.lease_serial || open.wants_heartbeat {
                    open.lease_serial = answer.lease.serial;
                    open.heartbeat_at = now.instant;
                }
            }
            (State::Open(open), Event::Acknowledged) => {
                open.batch_at = Some(now.instant);
                self.busy_backoff.reset();
                self.refused_backoff.reset();
            }
            (State::Open(open), Event::BatchRefused) => open.batch_at = Some(now.instant),
            (State::Open(open), Event::NoRecords) => {
                open.batch_at = open.has_new.then_some(now.instant);
            }
            _ => {}
        }
    }

    fn challenged(&mut self, challenge: Challenge, now: Now) {
        for step in [Step::Lookup, Step::Tcp, Step::Tls] {
            self.status.pass(step);
        }
        let skew = now.wall.0.abs_diff(challenge.cloud_time.0);
        if skew > MAX_CLOCK_SKEW_SECONDS * MICROS_PER_SECOND {
            let cloud_time = challenge.cloud_time;
            return self.fail_with(Failure::ClockSkew { sensor_time: now.wall, cloud_time }, now);
        }
        self.status.pass(Step::Clock);
        if challenge.version < OLDEST_PROTOCOL_VERSION {
            let (sensor_oldest, cloud) = (OLDEST_PROTOCOL_VERSION, challenge.version);
            return self.fail_with(Failure::CloudTooOld { sensor_oldest, cloud }, now);
        }
        if challenge.version > PROTOCOL_VERSION {
            let (sensor, cloud_oldest) = (PROTOCOL_VERSION, challenge.version);
            return self.fail_with(Failure::SensorTooOld { sensor, cloud_oldest }, now);
        }
        self.status.pass(Step::Version);
        self.state = match challenge.enrolled {
            true => State::Proving(challenge),
            false if self.config.has_token && !self.has_enrolled => State::Enrolling(challenge),
            false if self.config.can_claim && !self.config.has_token && !self.has_enrolled => {
                self.claims_at = Some(self.server);
                self.status.claim();
                State::Claiming(challenge)
            }
            false => return self.fail_with(Failure::NotEnrolled, now),
        };
    }

    fn accepted(&mut self, accepted: &Accepted, now: Now) {
        for step in [Step::Enrolment, Step::SensorId, Step::Accepted] {
            self.status.pass(step);
        }
        self.status.is_claiming = false;
        self.status.connected_since = Some(now.wall);
        self.status.acknowledged_at = None;
        self.status.customer = Some(accepted.customer.clone());
        self.status.id_sensor = Some(accepted.id_sensor);
        self.status.next_attempt_at = None;
        self.backoff.reset();
        self.busy_backoff.reset();
        self.has_enrolled = false;
        self.state = State::Open(Open {
            session: accepted.session,
            heartbeat_every: Duration::from_secs(u64::from(accepted.heartbeat_seconds.max(1))),
            heartbeat_at: now.instant,
            wants_heartbeat: false,
            batch_at: Some(now.instant),
            sends_batch: false,
            has_new: false,
            lease_serial: accepted.lease.serial,
        });
    }

    fn fail_with(&mut self, failure: Failure, now: Now) {
        self.fail(Refused { failure, retry_after_seconds: 0 }, now);
    }

    fn fail(&mut self, refused: Refused, now: Now) {
        let Refused { failure, retry_after_seconds } = refused;
        let asked = Duration::from_secs(u64::from(retry_after_seconds)).min(MAX_RETRY_AFTER);
        if let State::Open(open) = &mut self.state
            && is_passing(&failure)
        {
            // The session stands: the same request again, later.
            let backoff = match failure {
                Failure::MessageRefused { .. } => &mut self.refused_backoff,
                _ => &mut self.busy_backoff,
            };
            let at = now.instant + backoff.next().max(asked);
            open.postpone(at);
            self.status.note(failure, now.wall);
            return;
        }
        if matches!(self.state, State::Proving(_)) && failure.step() == Step::SensorId {
            // Whose number it is, the cloud asks only about devices that it knows.
            self.status.pass(Step::Enrolment);
        }
        let had_session = matches!(self.state, State::Open(_));
        if self.claims_at.is_none_or(|server| server == self.server) {
            self.status.is_claiming = false;
        }
        self.not_before = self.not_before.max(now.instant + asked);
        self.is_busy = false;
        self.status.fail(failure, now.wall);
        self.server = if had_session { 0 } else { self.server + 1 };
        let until = if !had_session && self.server < self.config.servers.len() {
            now.instant
        } else {
            self.server = 0;
            self.has_enrolled = false;
            (now.instant + self.backoff.next()).max(self.not_before)
        };
        let wait = until.saturating_duration_since(now.instant);
        self.status.next_attempt_at = Some(now.wall.plus(wait.as_micros()));
        self.state = State::Waiting { until };
    }

    fn with_open(&mut self, change: impl FnOnce(&mut Open)) {
        if let State::Open(open) = &mut self.state {
            change(open);
        }
    }
}

/// Whether a failed request may succeed in the same session.
const fn is_passing(failure: &Failure) -> bool {
    matches!(
        failure,
        Failure::Busy { .. } | Failure::CloudFault { .. } | Failure::MessageRefused { .. }
    )
}

impl Open {
    /// Heartbeats go first: without them the session ends.
    fn poll_action(&mut self, now: Instant) -> Option<Action> {
        if self.heartbeat_at <= now {
            self.wants_heartbeat = false;
            self.sends_batch = false;
            return Some(Action::Heartbeat(self.session));
        }
        if self.batch_at.is_none_or(|at| at > now) {
            return None;
        }
        self.sends_batch = true;
        self.has_new = false;
        Some(Action::SendBatch(self.session))
    }

    /// What was under way is to be tried again at `at`.
    const fn postpone(&mut self, at: Instant) {
        if self.sends_batch {
            self.batch_at = Some(at);
        } else {
            self.heartbeat_at = at;
        }
    }
}

/// Whether a lease replaces another: serials count up, and may wrap.
#[must_use]
pub const fn is_newer(lease: Lease, than: Lease) -> bool {
    let ahead = lease.serial.wrapping_sub(than.serial);
    ahead != 0 && ahead < 1 << 31
}

impl Status {
    fn begin(&mut self, server: Server) {
        self.server = Some(server);
        self.steps = Default::default();
        self.next_attempt_at = None;
    }

    fn pass(&mut self, step: Step) {
        self.steps[step as usize] = StepState::Passed;
    }

    /// Nobody has accepted the device yet.
    fn claim(&mut self) {
        self.steps[Step::Enrolment as usize] = StepState::Failed(Failure::NotEnrolled);
        self.is_claiming = true;
    }

    /// A step has failed: the session, if there was one, is over.
    fn fail(&mut self, failure: Failure, at: UnixMicros) {
        if matches!(failure, Failure::CertificateTime { .. }) {
            // Everything but the certificate's time was right.
            self.pass(Step::Tls);
        }
        self.steps[failure.step() as usize] = StepState::Failed(failure.clone());
        self.connected_since = None;
        self.acknowledged_at = None;
        self.note(failure, at);
    }

    /// A request has failed, and the session stands.
    fn note(&mut self, failure: Failure, at: UnixMicros) {
        self.last_failure = Some((at, failure));
    }
}
