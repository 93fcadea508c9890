//! The thread `uplink-poll`: asks the cloud what it has to say, for as long as a session is open.

use core::time::Duration;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use ringside_protocol::message::{Command, MAX_POLL_SECONDS, Poll, Refused};
use ringside_protocol::step::{Failure, Step};

use super::backoff::Backoff;
use super::client::Client;
use super::line::Line;
use super::session::Event;
use super::{OpenLink, Role, Shared, lock};

/// Answers with nothing in them that come faster than this are slowed down to it.
const SHORTEST_POLL: Duration = Duration::from_secs(1);

/// Runs until the uplink stops.
pub(super) fn run(shared: &Arc<Shared>) {
    let [.., a, b, c, d, e, f, g, h] = shared.caller.identity.boot().0;
    let mut backoff = Backoff::new(u64::from_be_bytes([a, b, c, d, e, f, g, h]));
    while let Some(link) = next_link(shared) {
        let settings = &shared.caller.settings;
        let network = settings.network.clone();
        match Client::new(link.server.clone(), &link.roots, network, &settings.clock) {
            Ok(client) => {
                let client = Arc::new(client);
                shared.register(Role::Poller, &client);
                poll_session(shared, &link, &client, &mut backoff);
            }
            // The sender has made a client of the same parts.
            Err(failure) => {
                log::debug!("poll: {failure}");
                pause(shared, &link, Duration::from_micros(backoff.next().as_micros()));
            }
        }
    }
}

/// Sleeps until a session is open; `None` when the uplink stops.
fn next_link(shared: &Shared) -> Option<OpenLink> {
    let mut session = lock(&shared.session);
    loop {
        if shared.is_stopping() {
            return None;
        }
        if let Some(open) = session.open_session()
            && let Some(link) = lock(&shared.open).clone().filter(|link| link.session == open)
        {
            return Some(link);
        }
        session = shared.wake.wait(session).unwrap_or_else(PoisonError::into_inner);
    }
}

fn is_open(shared: &Shared, link: &OpenLink) -> bool {
    !shared.is_stopping() && lock(&shared.session).open_session() == Some(link.session)
}

fn poll_session(shared: &Shared, link: &OpenLink, client: &Client, backoff: &mut Backoff) {
    let patience = shared.caller.settings.network.timeouts.request
        + Duration::from_secs(u64::from(MAX_POLL_SECONDS));
    // Serials count within a session.
    let mut done = 0;
    while is_open(shared, link) {
        let asked_at = Instant::now();
        let (rules, refused_rules) = shared.host.rules();
        let poll = Poll { wait_seconds: MAX_POLL_SECONDS, done, rules, refused_rules };
        match client.ask_within(&poll, Some(&link.session), patience) {
            Ok(answer) => {
                backoff.reset();
                if answer.commands.is_empty() {
                    pause(shared, link, SHORTEST_POLL.saturating_sub(asked_at.elapsed()));
                }
                for (serial, command) in answer.commands {
                    if let Command::Rules(rules) = command {
                        shared.host.apply_rules(rules);
                    } else if let Command::Retrieve(order) = command {
                        shared.host.retrieve(*order, Line::of(shared, link));
                    } else if let Command::Upgrade(order) = command {
                        shared.host.upgrade(*order, Line::of(shared, link));
                    } else if serial > done {
                        carry_out(shared, command);
                        done = serial;
                    }
                }
            }
            Err(refused) if ends_session(&refused.failure) => {
                shared.handle(Event::SessionLost { session: link.session, refused });
            }
            Err(Refused { failure, retry_after_seconds }) => {
                log::debug!("poll: {failure}");
                let asked = Duration::from_secs(u64::from(retry_after_seconds));
                let wait = Duration::from_micros(backoff.next().as_micros());
                pause(shared, link, wait.max(asked));
            }
        }
    }
}

fn carry_out(shared: &Shared, command: Command) {
    match command {
        Command::Lease(lease) => shared.apply(lease, false),
        Command::HeartbeatNow | Command::Rules(_) | Command::Retrieve(_) | Command::Upgrade(_) => {}
    }
    // Both are answered by a heartbeat: it acknowledges the lease.
    shared.handle(Event::HeartbeatWanted);
}

/// Whether a poll's failure is the cloud's word about the session, and not the network's.
fn ends_session(failure: &Failure) -> bool {
    matches!(failure, Failure::SessionEnded)
        || matches!(failure.step(), Step::Enrolment | Step::SensorId)
}

/// Sleeps; not longer than the session lives.
fn pause(shared: &Shared, link: &OpenLink, pause: Duration) {
    let over_at = Instant::now() + pause;
    let mut session = lock(&shared.session);
    while !shared.is_stopping() && session.open_session() == Some(link.session) {
        let Some(left) = over_at.checked_duration_since(Instant::now()) else { return };
        let waited = shared.wake.wait_timeout(session, left);
        session = waited.unwrap_or_else(PoisonError::into_inner).0;
    }
}
