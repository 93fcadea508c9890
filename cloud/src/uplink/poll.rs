//! What the cloud says unasked: the one long poll of a sensor.
//!
//! A command's serial comes from the grant that it is about, so that nothing is kept for it: grant
//! `n` is applied by command `2n` and acknowledged, where channels wait to be given back, by a
//! heartbeat on command `2n + 1`. The database knows the grant, the session what was acknowledged.

use core::time::Duration;

use ringside_protocol::cdr::Fingerprint;
use ringside_protocol::message::{Command, Commands, MAX_POLL_SECONDS, Poll, RuleSet};
use ringside_protocol::time::{MICROS_PER_SECOND, UnixMicros};

use super::session::{Session, Token};
use super::{Answer, Refusal, Request, Uplink, limit, open, seal};
use crate::db::leases::Grant;
use crate::db::rules::Applied;
use crate::events::Kind;
use crate::server::Woken;

/// The same commands are not said again within this time, seconds.
const REPEAT_SECONDS: u64 = 10;

/// Bytes of a poll's envelope, at most.
const MAX_POLL_BYTES: usize = 64 << 10;

/// Rules that a sensor refuses, of which the reason is kept.
const MAX_REFUSED_KEPT: usize = 100;

/// Characters of such a reason.
const MAX_REASON_CHARS: usize = 300;

/// What a sensor says of its rules is written down so often at most in [`NOTES_SECONDS`]: each note is
/// a commit. A sensor that has new rules says so twice or three times; its next poll says it again.
const MAX_NOTES: u32 = 10;

/// See [`MAX_NOTES`].
const NOTES_SECONDS: u64 = 10;

/// Polls of one sensor that wait at once; a newer one takes the older one's place, which is answered
/// with nothing.
pub const POLLS_PER_SENSOR: usize = 1;

/// The key under which a sensor's poll waits.
#[must_use]
pub fn key(device: Fingerprint) -> String {
    format!("sensor:{device}")
}

impl Uplink {
    /// Answers at once when there is something to say, else parks.
    pub(super) fn poll(&self, request: &Request<'_>) -> Result<Answer, Refusal> {
        let (token, session) = self.enter(request)?;
        if request.woken == Some(Woken::Superseded) {
            // What there may be to say is for the one that waits now.
            return seal(&Commands::default());
        }
        limit(request.body, MAX_POLL_BYTES)?;
        let poll: Poll = open(request.body)?;
        let wait_seconds = poll.wait_seconds;
        let key = key(session.device);
        // Before looking: a wake that comes in between must not be lost.
        let generation = self.waker.generation(&key);
        let grant = self.db.grant(session.device)?.unwrap_or_default();
        let mut commands = commands(grant, &session, poll.done, request.now);
        if let Some((serial, _)) = commands.commands.last() {
            let told = Some((*serial, request.now));
            self.sessions().update(&token, |session| session.told = told);
        }
        if let Some(rules) = self.rules((&token, &session), poll, request)? {
            let told = Some((rules.version, request.now));
            self.sessions().update(&token, |session| session.told_rules = told);
            commands.commands.push((0, Command::Rules(rules)));
        }
        if let Some(order) = self.upgrade(&session, request)? {
            let told = Some((order.order, request.now));
            self.sessions().update(&token, |session| session.told_upgrade = told);
            commands.commands.push((0, Command::Upgrade(Box::new(order))));
        }
        if let Some(relay) = &self.relay {
            let due = relay.due(session.device, request.now);
            let due = due.into_iter().map(|due| (0, Command::Retrieve(Box::new(due))));
            commands.commands.extend(due);
        }
        if !commands.commands.is_empty() {
            return seal(&commands);
        }
        let asked = Duration::from_secs(wait_seconds.min(MAX_POLL_SECONDS).into());
        let wait = asked.saturating_sub(request.waited);
        if wait.is_zero() || request.woken == Some(Woken::Timeout) {
            return seal(&commands);
        }
        Ok(Answer::Park { key, wait, generation })
    }

    /// Notes which capture rules a sensor applies, and gives those that it should.
    fn rules(
        &self,
        (token, session): (&Token, &Session),
        poll: Poll,
        request: &Request<'_>,
    ) -> Result<Option<RuleSet>, Refusal> {
        let refused = poll.refused_rules.into_iter().take(MAX_REFUSED_KEPT);
        let refused = refused.map(|(rule, why)| (rule, reason(&why))).collect();
        let applied = Applied { version: poll.rules, refused };
        let (notes, since) = match session.noted_rules {
            (_, at) if request.now.since(at) >= NOTES_SECONDS * MICROS_PER_SECOND => {
                (0, request.now)
            }
            noted => noted,
        };
        // A poll that was parked says nothing new.
        if request.woken.is_none()
            && notes < MAX_NOTES
            && self.db.note_rules(session.device, &applied, request.now)?
        {
            self.sessions().update(token, |session| session.noted_rules = (notes + 1, since));
            self.events.bump(session.customer, Kind::Sensors);
        }
        let due = self.db.rules_for(session.customer, session.device, applied.version)?;
        let was_told = |rules: &RuleSet| {
            session.told_rules.is_some_and(|(version, at)| {
                version == rules.version
                    && request.now.since(at) < REPEAT_SECONDS * MICROS_PER_SECOND
            })
        };
        Ok(due.filter(|rules| !was_told(rules)))
    }
}

/// A sensor's reason, short and on one line.
fn reason(why: &str) -> String {
    why.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_REASON_CHARS).collect()
}

/// What a sensor has to be told.
fn commands(grant: Grant, session: &Session, done: u64, now: UnixMicros) -> Commands {
    let lease = grant.lease;
    if lease.serial == session.acknowledged {
        return Commands::default();
    }
    let apply = u64::from(lease.serial) * 2;
    let mut commands = vec![(apply, Command::Lease(lease))];
    if grant.reserved > lease.channels {
        commands.push((apply + 1, Command::HeartbeatNow));
    }
    commands.retain(|(serial, _)| *serial > done);
    let was_told = session.told.is_some_and(|(serial, at)| {
        now.since(at) < REPEAT_SECONDS * MICROS_PER_SECOND
            && commands.last().is_some_and(|(last, _)| *last == serial)
    });
    if was_told {
        return Commands::default();
    }
    Commands { commands }
}
