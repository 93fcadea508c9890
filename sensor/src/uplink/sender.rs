//! The thread `uplink`: carries out what the session machine asks for.

use core::time::Duration;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use ringside_protocol::claim::MAX_CLAIM_SECONDS;
use ringside_protocol::message::{Batch, BatchAck, Challenge, Hello, MAX_BATCH_RECORDS, Refused};
use ringside_protocol::step::Failure;
use ringside_protocol::words::plural;

use super::caller::Called;
use super::client::Client;
use super::session::{Action, Event};
use super::tls::Roots;
use super::{LEAVE_PATIENCE, OpenLink, Role, Shared, lock};
use crate::identity::{Server, Trust};
use crate::store::outbox::OutboxBatch;

/// Runs until the uplink stops.
pub(super) fn run(shared: &Arc<Shared>) {
    let mut sender = Sender { shared, link: None, portion: MAX_BATCH_RECORDS };
    while let Some(action) = next_action(shared) {
        let event = sender.carry_out(action).unwrap_or_else(Event::Failed);
        sender.shared.handle(event);
    }
    sender.take_leave();
}

/// The longest sleep: it shows that the thread is there.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// Sleeps until there is something to do; `None` when the uplink stops.
fn next_action(shared: &Shared) -> Option<Action> {
    let mut session = lock(&shared.session);
    loop {
        if shared.is_stopping() {
            return None;
        }
        *lock(&shared.progress_at) = Instant::now();
        let now = shared.now().instant;
        if session.begins_round(now) {
            session.set_servers(shared.caller.servers());
        }
        if let Some(action) = session.poll_action(now) {
            return Some(action);
        }
        let left = session.poll_timeout().map_or(LONGEST_SLEEP, |at| {
            Duration::from_micros(at.saturating_duration_since(now).as_micros())
        });
        let waited = shared.wake.wait_timeout(session, left.min(LONGEST_SLEEP));
        session = waited.unwrap_or_else(PoisonError::into_inner).0;
    }
}

struct Sender<'a> {
    shared: &'a Arc<Shared>,
    link: Option<Link>,
    /// Records of the next batch, at most: halved when one fails, doubled when one is acknowledged.
    /// So what is too large for the cloud, or for a slow line, becomes small enough, and what
    /// cannot be read is alone in the end.
    portion: usize,
}

/// The connection that a handshake has begun.
struct Link {
    client: Arc<Client>,
    server: Server,
    roots: Roots,
    pinned: Option<Trust>,
    hello: Hello,
}

impl Sender<'_> {
    fn carry_out(&mut self, action: Action) -> Result<Event, Refused> {
        match action {
            Action::Greet(server) => self.greet(server).map(Event::Challenged),
            Action::Enrol(challenge) => self.enrol(&challenge),
            Action::Claim(challenge) => self.claim(&challenge),
            Action::Prove(challenge) => self.prove(&challenge),
            Action::Heartbeat(session) => self.heartbeat(&session),
            Action::SendBatch(session) => self.send_batch(&session),
        }
    }

    /// A new connection: name, addresses and trust may have changed since the last one.
    fn greet(&mut self, server: Server) -> Result<Challenge, Refused> {
        let shared = self.shared;
        *lock(&shared.open) = None;
        self.link = None;
        let last_failure = lock(&shared.session).status().last_failure.clone();
        let told = Arc::downgrade(shared);
        let network = shared.caller.settings.network.observed(move |step| {
            if let Some(shared) = told.upgrade() {
                shared.handle(Event::Passed(step));
            }
        });
        let Called { client, roots, pinned } =
            shared.caller.call(&server, &network).map_err(refused)?;
        let client = Arc::new(client);
        shared.register(Role::Sender, &client);
        let hello = shared.caller.hello(last_failure);
        let answer = client.ask(&hello, None);
        self.link = Some(Link { client, server, roots, pinned, hello });
        answer
    }

    fn enrol(&mut self, challenge: &Challenge) -> Result<Event, Refused> {
        let caller = &self.shared.caller;
        let link = self.link.as_ref().ok_or_else(no_link)?;
        let token = caller.settings.token.as_ref().ok_or(Failure::NotEnrolled).map_err(refused)?;
        link.client.ask(&caller.enrol(link.hello.clone(), challenge, token), None)?;
        // The next call finds the pin in its file.
        caller.keep(link.pinned.clone());
        Ok(Event::Enrolled)
    }

    /// Waits until somebody has accepted the claim code, or the claim's time is up.
    fn claim(&self, challenge: &Challenge) -> Result<Event, Refused> {
        let (shared, caller) = (self.shared, &self.shared.caller);
        let link = self.link.as_ref().ok_or_else(no_link)?;
        let (claim, code) = caller.claim(link.hello.clone(), challenge);
        if lock(&shared.claim).replace(code) != Some(code) {
            log::warn!(
                "this device belongs to nobody yet: `ringside-sensor doctor` and the status page show \
                 the claim code to enter in the cloud under Sensors, Add"
            );
        }
        let patience = caller.settings.network.timeouts.request
            + Duration::from_secs(MAX_CLAIM_SECONDS.into());
        let answer = link.client.ask_within(&claim, None, patience);
        let answer = answer.map_err(|refused| match refused.failure {
            // An older cloud has no such address.
            Failure::NotRingside { .. } => Refused { failure: Failure::NotEnrolled, ..refused },
            _ => refused,
        })?;
        let Some(customer) = answer.customer else { return Ok(Event::Unclaimed) };
        log::info!("accepted by its claim code: this device belongs to {customer} now");
        *lock(&shared.claim) = None;
        // That it has joined is told by the file.
        let named = || Trust { server: link.server.clone(), ca: None };
        let is_first = link.pinned.is_some() || caller.trust().is_none();
        caller.keep(is_first.then(|| link.pinned.clone().unwrap_or_else(named)));
        Ok(Event::Enrolled)
    }

    fn prove(&mut self, challenge: &Challenge) -> Result<Event, Refused> {
        let shared = self.shared;
        let link = self.link.as_mut().ok_or_else(no_link)?;
        let accepted =
            link.client.ask(&shared.caller.prove(link.hello.clone(), challenge), None)?;
        shared.caller.keep(link.pinned.take());
        shared.apply(accepted.lease, true);
        let (server, roots) = (link.server.clone(), link.roots.clone());
        shared.note_cloud_time(accepted.cloud_time);
        let (customer, ticket_keys) = (accepted.customer.clone(), accepted.ticket_keys.clone());
        let session = accepted.session;
        *lock(&shared.open) = Some(OpenLink { session, server, roots, customer, ticket_keys });
        Ok(Event::Accepted(accepted))
    }

    fn heartbeat(&self, session: &[u8; 32]) -> Result<Event, Refused> {
        let link = self.link.as_ref().ok_or_else(no_link)?;
        let answer = link.client.ask(&self.shared.heartbeat(false), Some(session))?;
        self.shared.apply(answer.lease, false);
        self.shared.note_cloud_time(answer.cloud_time);
        Ok(Event::HeartbeatAnswered(answer))
    }

    /// The last word in an open session: the cloud need not wait for this sensor.
    fn take_leave(&self) {
        let session = lock(&self.shared.session).open_session();
        if let (Some(session), Some(link)) = (session, &self.link)
            && let Err(refused) =
                link.client.ask_within(&self.shared.heartbeat(true), Some(&session), LEAVE_PATIENCE)
        {
            log::debug!("the cloud was not told that this sensor stops: {}", refused.failure);
        }
    }

    fn send_batch(&mut self, session: &[u8; 32]) -> Result<Event, Refused> {
        let link = self.link.as_ref().ok_or_else(no_link)?;
        let outbox = &self.shared.outbox;
        let Some(mut waiting) = outbox.next_batch(self.portion) else {
            return Ok(Event::NoRecords);
        };
        let batch = Batch { boot: waiting.boot, records: core::mem::take(&mut waiting.records) };
        match link.client.ask(&batch, Some(session)) {
            Ok(answer) => {
                outbox.acknowledge_but(&waiting, answer.refused.into());
                self.portion = (self.portion * 2).min(MAX_BATCH_RECORDS);
                tell(&batch, &answer);
                Ok(Event::Acknowledged)
            }
            Err(refused) => self.batch_failed(&batch, &waiting, refused),
        }
    }

    /// What the cloud cannot take would be refused each time, and hold up all that comes after it:
    /// it goes in halves, down to the record that it is about, which is let go. The wait after that
    /// grows, so that a cloud which can read nothing costs few.
    fn batch_failed(
        &mut self,
        batch: &Batch,
        waiting: &OutboxBatch,
        refused: Refused,
    ) -> Result<Event, Refused> {
        let records = batch.records.as_slice();
        match (&refused.failure, records) {
            (Failure::MessageRefused { detail }, [record]) => {
                log::error!("record {} is let go, the cloud refuses it: {detail}", record.number());
                self.shared.outbox.acknowledge_but(waiting, 1);
            }
            (Failure::MessageRefused { .. }, _) => {
                self.portion = records.len() / 2;
                return Ok(Event::BatchRefused);
            }
            // The line, or the cloud, may be too slow for so many.
            (Failure::Interrupted { .. } | Failure::CloudFault { .. }, _) => {
                self.portion = (records.len() / 2).max(1);
            }
            _ => {}
        }
        Err(refused)
    }
}

fn tell(batch: &Batch, answer: &BatchAck) {
    let BatchAck { stored, known, expired, refused } = answer;
    let many = plural(batch.records.len(), "record");
    log::debug!(
        "{many} acknowledged: {stored} new, {known} known, {expired} expired, {refused} \
         refused"
    );
    if *refused > 0 {
        log::error!(
            "the cloud has refused {refused} of {many}, as larger than any that a sensor \
             of its version makes: upgrade the cloud if it is the older one, else report it as a \
             fault of this sensor"
        );
    }
}

const fn refused(failure: Failure) -> Refused {
    Refused { failure, retry_after_seconds: 0 }
}

/// The machine asks for nothing before it has greeted; if it did, it would greet again.
fn no_link() -> Refused {
    refused(Failure::SessionEnded)
}
