//! How a client's connection moves from phase to phase.

use std::sync::Arc;

use super::answer;
use super::backend::Relayed;
use super::chunked::Chunked;
use super::client::{Client, Gone, Moved, Phase, body_deadline};
use super::event_loop::Loop;
use super::refusal::Refusal;
use super::request::{Event, Parser};
use super::stats::{HandshakeFailure, add};

/// Steps that a connection takes before the others get a turn; each reads one piece at most.
const STEPS_PER_TURN: usize = 16;

/// What a client gets that waits before it sends its body (RFC 9110 §10.1.1).
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

impl Loop {
    /// Lets the client of `slot` do what it can, if it is there.
    pub(super) fn drive(&mut self, slot: usize) {
        self.with_client(slot, |this, client| this.converse(slot, client));
    }

    /// Does something with a client, takes care of its deadline, and forgets it if it has gone.
    pub(super) fn with_client(
        &mut self,
        slot: usize,
        act: impl FnOnce(&mut Self, &mut Client) -> Result<(), Gone>,
    ) {
        let Some(mut client) = self.clients.get_mut(slot).and_then(Option::take) else { return };
        match act(self, &mut client) {
            Ok(()) => {}
            Err(Gone::Tls(failure)) => self.end_tls(slot, &mut client, failure),
            Err(Gone::Closed) => {
                if client.phase == Phase::Handshake {
                    self.counters.handshake_failed(HandshakeFailure::Closed);
                }
                self.forget(slot, client);
                return;
            }
        }
        self.charge(&mut client);
        self.timers.set(slot, client.deadline);
        self.clients[slot] = Some(client);
    }

    fn end_tls(&mut self, slot: usize, client: &mut Client, failure: HandshakeFailure) {
        if client.phase == Phase::Handshake {
            self.counters.handshake_failed(failure);
            log::debug!("no TLS with {}: {}", client.peer, failure.name());
        }
        self.detach(slot, client);
        client.linger(self.now + self.limits.linger);
    }

    pub(super) fn converse(&mut self, slot: usize, client: &mut Client) -> Result<(), Gone> {
        if client.speaks_plain_http() {
            self.counters.handshake_failed(HandshakeFailure::PlainHttp);
            client.write_plain(answer::PLAIN_HTTP_ANSWER);
            client.linger(self.now + self.limits.linger);
        }
        for _ in 0..STEPS_PER_TURN {
            let read = client.fill(&mut self.scratch)?;
            let moved = self.step(slot, client)?;
            let wrote = client.flush()?;
            self.watch_for_stall(client, wrote);
            if !moved && read == Moved::Nothing && wrote == 0 {
                return Ok(());
            }
        }
        self.again.push(slot);
        Ok(())
    }

    /// A client must take its answer in time; a worker need not be as quick.
    fn watch_for_stall(&self, client: &mut Client, wrote: usize) {
        if !matches!(client.phase, Phase::Answering(_) | Phase::Drawing) {
            return;
        }
        client.taken += wrote;
        if client.is_flushed() {
            client.deadline = None;
        } else if client.deadline.is_none() {
            self.give_time(client);
        }
    }

    /// Begins a time in which the client must take enough.
    pub(super) fn give_time(&self, client: &mut Client) {
        client.taken = 0;
        client.deadline = Some(self.now + self.limits.stall);
    }

    /// One step: whether there was one.
    fn step(&mut self, slot: usize, client: &mut Client) -> Result<bool, Gone> {
        match client.phase {
            Phase::Handshake if client.is_handshaking() && client.ended => Err(Gone::Closed),
            Phase::Handshake if client.is_handshaking() => Ok(false),
            Phase::Handshake => {
                self.rest(client);
                Ok(true)
            }
            Phase::Idle if !client.input.is_empty() => {
                client.phase = Phase::Reading;
                client.deadline = Some(self.now + self.limits.head);
                Ok(true)
            }
            Phase::Idle | Phase::Queued | Phase::Parked if client.ended => Err(Gone::Closed),
            Phase::Idle | Phase::Queued | Phase::Parked => Ok(false),
            Phase::Reading => self.read_request(slot, client),
            Phase::Answering(Some(backend)) => self.relay(client, backend),
            Phase::Answering(None) => Ok(self.finish(client)),
            Phase::Pouring => self.pour(client),
            Phase::Drawing => self.draw(client),
            Phase::Running(_) | Phase::Lingering => Ok(false),
        }
    }

    /// Between requests.
    fn rest(&self, client: &mut Client) {
        client.phase = Phase::Idle;
        client.deadline = Some(self.now + self.limits.idle);
        client.release();
    }

    fn read_request(&mut self, slot: usize, client: &mut Client) -> Result<bool, Gone> {
        let mut input = core::mem::take(&mut client.input);
        let (used, event) = match client.parser.read(&input) {
            Ok(read) => read,
            Err(refusal) => {
                self.refuse(client, refusal);
                return Ok(true);
            }
        };
        input.drain(..used);
        client.input = input;
        self.charge(client);
        if let Some(refusal) = self.holds_too_much(client) {
            self.refuse(client, refusal);
            return Ok(true);
        }
        if let Some(bytes) = client.parser.body_so_far() {
            let since = *client.body_since.get_or_insert(self.now);
            client.deadline = Some(body_deadline(&self.limits, since, bytes));
        }
        match event {
            Some(Event::Continue) => {
                if client.input.is_empty() {
                    client.out.extend_from_slice(CONTINUE);
                }
                Ok(true)
            }
            Some(Event::Complete(request)) => {
                add(&self.counters.requests);
                client.close = request.close;
                client.body_since = None;
                if client.input.is_empty() {
                    client.input = Vec::new();
                }
                client.request = Some(Arc::new(request));
                self.enqueue(slot, client, None);
                Ok(true)
            }
            Some(Event::Head { request, expects_continue }) => {
                add(&self.counters.requests);
                if expects_continue && client.input.is_empty() {
                    client.out.extend_from_slice(CONTINUE);
                }
                client.close = request.close;
                client.body = Some(Chunked::new());
                client.request = Some(Arc::new(request));
                self.enqueue(slot, client, None);
                Ok(true)
            }
            None if client.ended => Err(Gone::Closed),
            None => Ok(false),
        }
    }

    /// Answers in the workers' place, and closes.
    pub(super) fn refuse(&self, client: &mut Client, refusal: Refusal) {
        self.counters.refused(refusal);
        log::debug!("{} is refused: {}", client.peer, refusal.sentence());
        let is_head = client.request.as_ref().is_some_and(|request| request.is_head);
        client.out.extend(answer::refused(refusal, is_head));
        client.close = true;
        client.request = None;
        client.input = Vec::new();
        client.body = None;
        client.parser = Parser::new(&self.limits);
        client.phase = Phase::Answering(None);
        self.give_time(client);
    }

    fn relay(&mut self, client: &mut Client, backend: usize) -> Result<bool, Gone> {
        if !client.has_room() {
            return Ok(false);
        }
        let Some(worker) = self.backends[backend].as_mut() else { return Err(Gone::Closed) };
        match worker.relay(&mut client.out) {
            Relayed::Some => Ok(true),
            Relayed::Wait if client.ended => Err(Gone::Closed),
            Relayed::Wait => Ok(false),
            Relayed::Done => {
                client.phase = Phase::Answering(None);
                self.release_backend(backend);
                Ok(true)
            }
            Relayed::Broken => {
                // Without a word: the client must see that this is not the end.
                add(&self.counters.broken_answers);
                Err(Gone::Closed)
            }
        }
    }

    /// After the last byte of an answer.
    fn finish(&self, client: &mut Client) -> bool {
        if !client.is_flushed() {
            return false;
        }
        if client.close || self.stopping.is_some() {
            client.linger(self.now + self.limits.linger);
        } else {
            self.rest(client);
        }
        true
    }

    /// The deadline of `slot` has come.
    pub(super) fn expire(&mut self, slot: usize) {
        self.with_client(slot, |this, client| {
            client.deadline = None;
            match client.phase {
                Phase::Handshake => {
                    this.counters.handshake_failed(HandshakeFailure::Timeout);
                    client.linger(this.now + this.limits.linger);
                }
                Phase::Idle => client.linger(this.now + this.limits.linger),
                Phase::Reading if client.parser.body_so_far().is_some() => {
                    this.refuse(client, Refusal::BodyTimeout);
                }
                Phase::Reading => this.refuse(client, Refusal::HeadTimeout),
                Phase::Queued => {
                    this.detach(slot, client);
                    this.refuse(client, Refusal::QueueTimeout);
                }
                Phase::Running(_) => {
                    this.detach(slot, client);
                    this.refuse(client, Refusal::HandlerTimeout);
                }
                Phase::Parked => this.come_back(slot, client, "timeout"),
                Phase::Answering(_) | Phase::Drawing if client.taken >= this.limits.stall_bytes => {
                    this.give_time(client);
                }
                Phase::Pouring => this.end_pour(client, Refusal::BodyTimeout),
                Phase::Answering(_) | Phase::Drawing => {
                    add(&this.counters.stalled);
                    return Err(Gone::Closed);
                }
                Phase::Lingering => return Err(Gone::Closed),
            }
            this.converse(slot, client)
        });
    }

    /// The service ends: no client may keep it longer than its running request does.
    pub(super) fn hasten(&mut self, slot: usize) {
        self.with_client(slot, |this, client| {
            match client.phase {
                Phase::Handshake | Phase::Lingering => return Err(Gone::Closed),
                Phase::Idle => client.linger(this.now + this.limits.linger),
                Phase::Reading => this.refuse(client, Refusal::ShuttingDown),
                Phase::Parked => this.come_back(slot, client, "timeout"),
                Phase::Queued
                | Phase::Running(_)
                | Phase::Answering(_)
                | Phase::Pouring
                | Phase::Drawing => {}
            }
            client.close = true;
            this.converse(slot, client)
        });
    }
}
