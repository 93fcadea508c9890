//! What the cloud says unasked: the one long poll of a sensor.
//!
//! A command's serial comes from the grant that it is about, so that nothing is kept for it: grant
//! `n` is applied by command `2n` and acknowledged, where channels wait to be given back, by a
//! heartbeat on command `2n + 1`. The database knows the grant, the session what was acknowledged.

use core::time::Duration;

use ringside_protocol::cdr::Fingerprint;
use ringside_protocol::message::{Command, Commands, MAX_POLL_SECONDS, Poll};
use ringside_protocol::time::{MICROS_PER_SECOND, UnixMicros};

use super::session::Session;
use super::{Answer, Refusal, Request, Uplink, open, seal};
use crate::db::leases::Grant;
use crate::server::Woken;

/// The same commands are not said again within this time, seconds.
const REPEAT_SECONDS: u64 = 10;

/// The key under which a sensor's poll waits.
#[must_use]
pub fn key(device: Fingerprint) -> String {
    format!("sensor:{device}")
}

impl Uplink {
    /// Answers at once when there is something to say, else parks.
    pub(super) fn poll(&self, request: &Request<'_>) -> Result<Answer, Refusal> {
        let (token, session) = self.enter(request)?;
        let poll: Poll = open(request.body)?;
        let key = key(session.device);
        // Before looking: a wake that comes in between must not be lost.
        let generation = self.waker.generation(&key);
        let grant = self.db.grant(session.device)?.unwrap_or_default();
        let commands = commands(grant, &session, poll.done, request.now);
        if let Some((serial, _)) = commands.commands.last() {
            let told = Some((*serial, request.now));
            self.sessions().update(&token, |session| session.told = told);
            return seal(&commands);
        }
        let asked = Duration::from_secs(poll.wait_seconds.min(MAX_POLL_SECONDS).into());
        let wait = asked.saturating_sub(request.waited);
        if wait.is_zero() || request.woken == Some(Woken::Timeout) {
            return seal(&commands);
        }
        Ok(Answer::Park { key, wait, generation })
    }
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
