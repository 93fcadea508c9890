//! Requests on their way to the workers: the queue, the connections to them, and the parked.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use super::answer::{Answer, Park};
use super::backend::{Backend, Progress, State, added_headers};
use super::client::{Client, Phase};
use super::event_loop::Loop;
use super::proxies::{self, is_proxy};
use super::refusal::Refusal;
use super::stats::add;
use crate::network::party;
use crate::server::Share;

/// When to try again to reach the workers.
const RETRY: Duration = Duration::from_millis(20);

/// The same while a new connection is not served yet.
const FRESH_RETRY: Duration = Duration::from_millis(1);

/// So long is waited for that: its request may have been lost.
const FRESH_PATIENCE: Duration = Duration::from_secs(1);

/// The workers' listener is replaced at most this often.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

/// A handler that parks for less does not make the front spin.
const MIN_PARK: Duration = Duration::from_millis(10);

impl Loop {
    /// Puts a whole request into the queue, or refuses it. `woken`: why it comes again.
    pub(super) fn enqueue(
        &mut self,
        slot: usize,
        client: &mut Client,
        woken: Option<&'static str>,
    ) {
        let is_busy = self.running >= self.worker_count;
        let is_full = is_busy && self.queue.len() >= self.limits.queue;
        if woken.is_none() && self.stopping.is_some() {
            self.refuse(client, Refusal::ShuttingDown);
        } else if woken.is_none() && is_full {
            self.refuse(client, Refusal::QueueFull);
        } else if woken.is_none() && is_busy && self.has_enough_queued(client) {
            self.refuse(client, Refusal::QueuePerAddress);
        } else {
            self.count_queued(client, |queued| *queued += 1);
            client.woken = woken;
            client.phase = Phase::Queued;
            client.deadline = Some(self.now + self.limits.queue_wait);
            self.queue.push_back(slot);
        }
    }

    fn has_enough_queued(&self, client: &Client) -> bool {
        let address = client.peer.ip();
        let queued = self.parties.get(&party(address)).map_or(0, |held| held.queued);
        queued >= self.limits.queue_per_address && !is_proxy(&self.proxies, address)
    }

    fn count_queued(&mut self, client: &Client, count: impl FnOnce(&mut usize)) {
        if let Some(held) = self.parties.get_mut(&party(client.peer.ip())) {
            count(&mut held.queued);
        }
    }

    /// Brings waiting requests to free workers.
    pub(super) fn dispatch(&mut self) {
        self.retry_at = None;
        while self.running < self.worker_count && !self.queue.is_empty() {
            let Some(index) = self.free_backend() else {
                let pause = if self.fresh.is_some() { FRESH_RETRY } else { RETRY };
                self.retry_at = Some(self.now + pause);
                return;
            };
            let Some(slot) = self.queue.pop_front() else { return };
            self.hand_over(slot, index);
            self.drive_backend(index);
        }
    }

    fn hand_over(&mut self, slot: usize, index: usize) {
        let Some(client) = self.clients.get_mut(slot).and_then(Option::as_mut) else { return };
        if let Some(held) = self.parties.get_mut(&party(client.peer.ip())) {
            held.queued -= 1;
        }
        let (Some(request), Some(backend)) = (&client.request, self.backends[index].as_mut())
        else {
            return;
        };
        let sender = proxies::sender(&self.proxies, client.peer, &request.forwarding);
        client.sender = sender.address.ip();
        let added = added_headers(sender, client.woken, client.parked_at, self.now);
        backend.begin(Arc::clone(request), &added, slot);
        client.phase = Phase::Running(index);
        client.deadline = Some(self.now + self.limits.handler);
        self.timers.set(slot, client.deadline);
        self.running += 1;
        self.handed += 1;
    }

    /// An idle connection to the workers, or a new one.
    fn free_backend(&mut self) -> Option<usize> {
        let is_idle = |backend: &Option<Backend>| {
            backend.as_ref().is_some_and(|backend| backend.state == State::Idle)
        };
        if let Some(index) = self.backends.iter().position(is_idle) {
            return Some(index);
        }
        let index = self.backends.iter().position(Option::is_none)?;
        if self.awaits_fresh() {
            return None;
        }
        let connected = Backend::connect(&self.workers.socket()).and_then(|mut backend| {
            self.register_backend(index, &mut backend)?;
            Ok(backend)
        });
        match connected {
            Ok(backend) => {
                self.fresh = Some((self.handed + 1, self.now));
                self.backends[index] = Some(backend);
                Some(index)
            }
            Err(error) => {
                self.reach_workers_again(&error);
                None
            }
        }
    }

    /// Whether the newest connection is not served yet. tiny_http gives each connection a thread, and
    /// looks at the number of idle ones to know whether it has to start one: of connections that come
    /// faster than idle threads wake, some get none, and wait until another connection ends. So they
    /// are opened one after the other.
    fn awaits_fresh(&mut self) -> bool {
        let Some((handed, since)) = self.fresh else { return false };
        let taken = self.workers.taken();
        if taken < handed && self.now.duration_since(since) < FRESH_PATIENCE {
            return true;
        }
        if taken < handed {
            // Requests that were lost on their way are taken by nobody.
            self.handed = taken;
        }
        self.fresh = None;
        false
    }

    fn reach_workers_again(&mut self, error: &std::io::Error) {
        if error.kind() == ErrorKind::WouldBlock {
            return;
        }
        let is_recent =
            self.restarted_at.is_some_and(|at| self.now.duration_since(at) < RESTART_PAUSE);
        if is_recent {
            return;
        }
        self.restarted_at = Some(self.now);
        log::error!("the workers cannot be reached: {error}");
        if matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound) {
            match self.workers.restart() {
                Ok(()) => self.leave_old_workers(),
                Err(error) => log::error!("the workers' listener cannot be replaced: {error}"),
            }
        }
    }

    /// No worker will look again at what stands on connections to the old listener.
    fn leave_old_workers(&mut self) {
        for index in 0..self.backends.len() {
            let Some(backend) = self.backends[index].as_mut() else { continue };
            match backend.state {
                State::Relaying(_) => backend.spoil(),
                State::Idle => self.backends[index] = None,
                State::Running(slot) => self.lose_backend(index, slot),
            }
        }
    }

    /// A connection has gone that a request was on.
    fn lose_backend(&mut self, index: usize, slot: Option<usize>) {
        self.backends[index] = None;
        self.running -= 1;
        if let Some(slot) = slot {
            self.with_client(slot, |this, client| {
                this.refuse(client, Refusal::BadAnswer);
                this.converse(slot, client)
            });
        }
    }

    /// Something moved on a connection to the workers.
    pub(super) fn drive_backend(&mut self, index: usize) {
        let Some(backend) = self.backends.get_mut(index).and_then(Option::as_mut) else { return };
        let slot = match backend.state {
            State::Relaying(slot) => return self.drive(slot),
            State::Running(slot) => slot,
            State::Idle => {
                // Nothing is asked for: whatever comes is the end.
                if !matches!(backend.advance(), Progress::Wait) {
                    self.backends[index] = None;
                }
                return;
            }
        };
        match backend.advance() {
            Progress::Wait => {}
            Progress::Broken => self.lose_backend(index, slot),
            Progress::Answer(answer) => {
                self.running -= 1;
                match slot {
                    Some(slot) => self.answer(slot, index, answer),
                    None => self.drop_answer(index, &answer),
                }
            }
        }
    }

    fn answer(&mut self, slot: usize, index: usize, answer: Answer) {
        self.with_client(slot, |this, client| {
            match answer {
                Answer::Park(park) => {
                    this.release_backend(index);
                    this.park(slot, client, park);
                }
                Answer::Pour(key) => {
                    this.release_backend(index);
                    this.begin_pour(slot, client, &key);
                }
                Answer::Draw { head, key } => {
                    this.release_backend(index);
                    this.begin_draw(slot, client, &head, &key);
                }
                Answer::Relay { body, .. } if body.is_long() && this.has_enough_streams(client) => {
                    this.backends[index] = None;
                    this.refuse(client, Refusal::Streams);
                }
                Answer::Relay { head, body } => {
                    client.request = None;
                    // A body that nobody has read may be long: the connection ends with the answer.
                    client.close |= this.stopping.is_some() || client.body.take().is_some();
                    client.out.extend(head);
                    if client.close {
                        client.out.extend_from_slice(b"connection: close\r\n");
                    }
                    client.out.extend_from_slice(b"\r\n");
                    this.give_time(client);
                    if body.is_done() {
                        client.phase = Phase::Answering(None);
                        this.release_backend(index);
                    } else if let Some(backend) = this.backends[index].as_mut() {
                        client.is_stream = body.is_long();
                        client.phase = Phase::Answering(Some(index));
                        backend.relay_to(slot, body);
                    }
                }
            }
            this.converse(slot, client)
        });
    }

    /// Whether as many long answers are on their way as may, to this client's address or to all.
    ///
    /// So some connections to the workers are always left for what is short.
    fn has_enough_streams(&self, client: &Client) -> bool {
        let source = party(client.sender);
        let (mut to_address, mut to_all) = (0, 0);
        for other in self.clients.iter().flatten() {
            if other.is_stream && matches!(other.phase, Phase::Answering(Some(_))) {
                to_all += 1;
                to_address += usize::from(party(other.sender) == source);
            }
        }
        to_all >= self.limits.streams || to_address >= self.limits.streams_per_address
    }

    /// The client has gone meanwhile.
    fn drop_answer(&mut self, index: usize, answer: &Answer) {
        match answer {
            Answer::Relay { body, .. } if !body.is_done() => self.backends[index] = None,
            _ => self.release_backend(index),
        }
    }

    /// An answer is complete: the connection waits for the next request.
    pub(super) fn release_backend(&mut self, index: usize) {
        let Some(backend) = self.backends[index].as_mut() else { return };
        backend.rest();
        if !backend.is_clean() {
            self.backends[index] = None;
        }
    }

    fn park(&mut self, slot: usize, client: &mut Client, park: Park) {
        if self.stopping.is_some() {
            self.refuse(client, Refusal::ShuttingDown);
            return;
        }
        if let Some(share) = &park.share {
            self.supersede(share);
        }
        if self.parked_count >= self.limits.parked {
            self.refuse(client, Refusal::ParkedFull);
            return;
        }
        let wait = park.wait.clamp(MIN_PARK, self.limits.park.max(MIN_PARK));
        client.phase = Phase::Parked;
        client.deadline = Some(self.now + wait);
        client.parked_at.get_or_insert(self.now);
        client.park = Some(park.key.clone());
        self.parked_count += 1;
        // First note the request, then compare: see `wakes.rs`.
        self.parked.entry(park.key.clone()).or_default().push(slot);
        if let Some(share) = park.share {
            self.shares.entry(share.of.clone()).or_default().push_back(slot);
            client.share = Some(share.of);
        }
        if self.wakes.generation(&park.key) != park.generation {
            self.come_back(slot, client, "yes");
        }
    }

    /// Makes place for one more request within a share.
    fn supersede(&mut self, share: &Share) {
        while let Some(slots) = self.shares.get(&share.of)
            && slots.len() >= share.most.max(1)
        {
            let Some(&oldest) = slots.front() else { return };
            add(&self.counters.superseded);
            self.with_client(oldest, |this, client| {
                this.come_back(oldest, client, "superseded");
                Ok(())
            });
        }
    }

    /// Dispatches a parked request again.
    pub(super) fn come_back(&mut self, slot: usize, client: &mut Client, woken: &'static str) {
        self.unpark(slot, client);
        add(&self.counters.woken);
        self.enqueue(slot, client, Some(woken));
    }

    /// Dispatches the requests parked under `key` again.
    pub(super) fn wake(&mut self, key: &str) {
        for slot in self.parked.get(key).cloned().unwrap_or_default() {
            self.with_client(slot, |this, client| {
                this.come_back(slot, client, "yes");
                Ok(())
            });
        }
    }

    fn unpark(&mut self, slot: usize, client: &mut Client) {
        let Some(key) = client.park.take() else { return };
        self.parked_count -= 1;
        if let Some(slots) = self.parked.get_mut(&key) {
            slots.retain(|&parked| parked != slot);
            if slots.is_empty() {
                self.parked.remove(&key);
            }
        }
        let Some(share) = client.share.take() else { return };
        if let Some(slots) = self.shares.get_mut(&share) {
            slots.retain(|&parked| parked != slot);
            if slots.is_empty() {
                self.shares.remove(&share);
            }
        }
    }

    /// Takes a client's request out of wherever it is.
    ///
    /// A worker that has it goes on, and counts as busy until it answers: clients that come and go
    /// cannot pile up requests behind the front.
    pub(super) fn detach(&mut self, slot: usize, client: &mut Client) {
        match client.phase {
            Phase::Queued => {
                self.queue.retain(|&queued| queued != slot);
                self.count_queued(client, |queued| *queued -= 1);
            }
            Phase::Parked => self.unpark(slot, client),
            Phase::Running(index) => {
                if let Some(backend) = self.backends[index].as_mut() {
                    backend.state = State::Running(None);
                }
            }
            Phase::Answering(Some(index)) => self.backends[index] = None,
            Phase::Pouring | Phase::Drawing => self.end_flow(client),
            _ => {}
        }
    }
}
