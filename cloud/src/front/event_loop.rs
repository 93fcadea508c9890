//! The one thread of a listener: waits for the sockets, and says who may move.
//!
//! Sockets are registered once, edge-triggered: whenever a connection may have something to do it
//! tries everything, and what it could not do brings an event. `conversation.rs` moves clients,
//! `dispatch.rs` brings requests to workers and parks them.

use std::collections::{HashMap, VecDeque};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use rustls::{ServerConfig, ServerConnection};

use super::backend::Backend;
use super::client::{self, Client};
use super::limits::{Limits, PIECE_BYTES};
use super::pipes::Pipes;
use super::proxies::is_proxy;
use super::refusal::Refusal;
use super::stats::{Counters, add, set};
use super::timers::Timers;
use super::wakes::Wakes;
use crate::network::{Network, party};
use crate::server::workers::Workers;

/// The listener.
const LISTENER: Token = Token(0);

/// A wake, or the end.
pub(super) const WAKER: Token = Token(1);

/// The first connection to the workers; clients come after the last.
const FIRST_BACKEND: usize = 2;

/// Events taken at a time.
const EVENTS: usize = 1024;

/// Connections accepted before the others get a turn.
const ACCEPTS_PER_TURN: usize = 64;

/// How long no connection is accepted after `accept` failed, as when no file descriptor is left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What the thread is made of.
pub(super) struct Setup {
    pub(super) poll: Poll,
    pub(super) listener: TcpListener,
    pub(super) limits: Limits,
    pub(super) proxies: Vec<Network>,
    pub(super) tls: Arc<ServerConfig>,
    pub(super) workers: Workers,
    pub(super) worker_count: usize,
    pub(super) wakes: Wakes,
    pub(super) pipes: Pipes,
    pub(super) counters: Arc<Counters>,
    pub(super) stop: Arc<Mutex<Option<Instant>>>,
}

/// What the connections of one address take together.
#[derive(Default)]
pub(super) struct Held {
    connections: usize,
    /// Of requests.
    bytes: usize,
    /// Requests that wait for a worker.
    pub(super) queued: usize,
}

/// The thread's state.
pub(super) struct Loop {
    poll: Poll,
    listener: Option<TcpListener>,
    pub(super) limits: Limits,
    /// Reverse proxies, which speak for others.
    pub(super) proxies: Vec<Network>,
    tls: Arc<ServerConfig>,
    pub(super) workers: Workers,
    pub(super) worker_count: usize,
    pub(super) wakes: Wakes,
    pub(super) pipes: Pipes,
    pub(super) counters: Arc<Counters>,
    stop: Arc<Mutex<Option<Instant>>>,

    /// When the present turn began.
    pub(super) now: Instant,
    pub(super) clients: Vec<Option<Client>>,
    free: Vec<usize>,
    connections: usize,
    pub(super) parties: HashMap<IpAddr, Held>,
    pub(super) backends: Vec<Option<Backend>>,
    /// Requests with the workers: an answer's head ends them.
    pub(super) running: usize,
    /// Slots whose requests wait for a worker.
    pub(super) queue: VecDeque<usize>,
    /// Slots of parked requests by key.
    pub(super) parked: HashMap<String, Vec<usize>>,
    pub(super) parked_count: usize,
    /// Slots at the ends of pipes, by what they are woken with.
    pub(super) flows: HashMap<String, usize>,
    /// Slots of parked requests by whose share they take, the oldest first.
    pub(super) shares: HashMap<String, VecDeque<usize>>,
    pub(super) buffered: usize,
    pub(super) timers: Timers,
    /// Slots that have more to do than one turn allows.
    pub(super) again: Vec<usize>,
    accept_at: Option<Instant>,
    /// Requests handed to the workers.
    pub(super) handed: u64,
    /// The newest connection to the workers, until its first request has been taken: what `handed`
    /// was then, and since when.
    pub(super) fresh: Option<(u64, Instant)>,
    /// When to try again to reach the workers.
    pub(super) retry_at: Option<Instant>,
    pub(super) restarted_at: Option<Instant>,
    /// Set when the service ends: when it has ended at the latest.
    pub(super) stopping: Option<Instant>,
    pub(super) scratch: Vec<u8>,
}

impl Loop {
    pub(super) fn new(mut setup: Setup) -> io::Result<Self> {
        setup.poll.registry().register(&mut setup.listener, LISTENER, Interest::READABLE)?;
        let backends = setup.worker_count + setup.limits.streams;
        Ok(Self {
            poll: setup.poll,
            listener: Some(setup.listener),
            limits: setup.limits,
            proxies: setup.proxies,
            tls: setup.tls,
            workers: setup.workers,
            worker_count: setup.worker_count,
            wakes: setup.wakes,
            pipes: setup.pipes,
            counters: setup.counters,
            stop: setup.stop,
            now: Instant::now(),
            clients: Vec::new(),
            free: Vec::new(),
            connections: 0,
            parties: HashMap::new(),
            backends: (0..backends).map(|_| None).collect(),
            running: 0,
            queue: VecDeque::new(),
            parked: HashMap::new(),
            parked_count: 0,
            flows: HashMap::new(),
            shares: HashMap::new(),
            buffered: 0,
            timers: Timers::default(),
            again: Vec::new(),
            accept_at: None,
            handed: 0,
            fresh: None,
            retry_at: None,
            restarted_at: None,
            stopping: None,
            scratch: vec![0; PIECE_BYTES],
        })
    }

    /// Runs until the service ends.
    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS);
        while !self.has_ended() {
            let timeout = self.timeout();
            if let Err(error) = self.poll.poll(&mut events, timeout)
                && error.kind() != ErrorKind::Interrupted
            {
                log::error!("the front cannot wait for its sockets: {error}");
                break;
            }
            self.turn(&events);
        }
        let deadline = self.stopping.unwrap_or(self.now);
        self.clients.clear();
        self.backends.clear();
        if !self.workers.stop(deadline) {
            log::warn!("a handler was still busy when the service ended");
        }
    }

    fn turn(&mut self, events: &Events) {
        self.now = Instant::now();
        for slot in core::mem::take(&mut self.again) {
            self.drive(slot);
        }
        for event in events {
            match event.token() {
                // While it pauses, a new connection is no reason to try.
                LISTENER if self.accept_at.is_some() => {}
                LISTENER => self.accept(),
                WAKER => self.handle_waker(),
                Token(token) => match token.checked_sub(FIRST_BACKEND + self.backends.len()) {
                    Some(slot) => self.drive(slot),
                    None => self.drive_backend(token - FIRST_BACKEND),
                },
            }
        }
        if self.accept_at.is_some_and(|at| at <= self.now) {
            self.accept();
        }
        while let Some(slot) = self.timers.pop_due(self.now) {
            self.expire(slot);
        }
        self.dispatch();
        self.publish();
    }

    fn timeout(&self) -> Option<Duration> {
        if !self.again.is_empty() {
            return Some(Duration::ZERO);
        }
        let times = [self.timers.next(), self.accept_at, self.retry_at, self.stopping];
        let next = times.into_iter().flatten().min()?;
        Some(next.saturating_duration_since(Instant::now()))
    }

    fn accept(&mut self) {
        self.accept_at = None;
        for _ in 0..ACCEPTS_PER_TURN {
            let Some(listener) = &self.listener else { return };
            match listener.accept() {
                Ok((socket, peer)) => {
                    add(&self.counters.accepted);
                    // An IPv4 client of an IPv6 socket has an IPv4 address for everybody behind.
                    self.admit(socket, SocketAddr::new(peer.ip().to_canonical(), peer.port()));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::Interrupted | ErrorKind::ConnectionAborted
                    ) => {}
                Err(error) => {
                    add(&self.counters.accept_errors);
                    log::warn!("no connection can be accepted for now: {error}");
                    self.accept_at = Some(self.now + ACCEPT_PAUSE);
                    return;
                }
            }
        }
        // More may be waiting, and no event will say so.
        self.accept_at = Some(self.now);
    }

    fn admit(&mut self, mut socket: TcpStream, peer: SocketAddr) {
        let source = party(peer.ip());
        let from_there = self.parties.get(&source).map_or(0, |held| held.connections);
        if self.connections >= self.limits.connections {
            self.counters.refused(Refusal::Connections);
            return;
        }
        let is_one = !is_proxy(&self.proxies, peer.ip());
        if is_one && from_there >= self.limits.connections_per_address {
            self.counters.refused(Refusal::ConnectionsPerAddress);
            return;
        }
        let slot = self.free.pop().unwrap_or_else(|| {
            self.clients.push(None);
            self.clients.len() - 1
        });
        let token = Token(FIRST_BACKEND + self.backends.len() + slot);
        let both = Interest::READABLE | Interest::WRITABLE;
        let registered = client::prepare(&socket)
            .and_then(|()| self.poll.registry().register(&mut socket, token, both));
        let tls = ServerConnection::new(Arc::clone(&self.tls));
        match (registered, tls) {
            (Ok(()), Ok(tls)) => {
                self.parties.entry(source).or_default().connections += 1;
                self.connections += 1;
                let client = Client::new(socket, tls, peer, &self.limits, self.now);
                self.timers.set(slot, client.deadline);
                self.clients[slot] = Some(client);
                self.drive(slot);
            }
            (registered, tls) => {
                add(&self.counters.accept_errors);
                let why = registered.err().map(|error| error.to_string());
                let why = why.or_else(|| tls.err().map(|error| error.to_string()));
                log::warn!("the connection from {peer} is dropped: {}", why.unwrap_or_default());
                self.free.push(slot);
            }
        }
    }

    /// A connection has gone, and with it what it had taken.
    pub(super) fn forget(&mut self, slot: usize, mut client: Client) {
        self.detach(slot, &mut client);
        self.timers.set(slot, None);
        self.buffered -= client.charged;
        let source = party(client.peer.ip());
        if let Some(held) = self.parties.get_mut(&source) {
            held.bytes -= client.charged;
            held.connections -= 1;
            if held.connections == 0 {
                self.parties.remove(&source);
            }
        }
        self.connections -= 1;
        self.free.push(slot);
    }

    /// Keeps the sums of what connections hold: of all, and of this one's address.
    pub(super) fn charge(&mut self, client: &mut Client) {
        let held = client.held();
        self.buffered = self.buffered + held - client.charged;
        if let Some(party) = self.parties.get_mut(&party(client.peer.ip())) {
            party.bytes = party.bytes + held - client.charged;
        }
        client.charged = held;
        self.counters.buffered_bytes.store(self.buffered as u64, Ordering::Relaxed);
    }

    /// Whether more bytes are held than may be.
    pub(super) fn holds_too_much(&self, client: &Client) -> Option<Refusal> {
        let address = client.peer.ip();
        let bytes = self.parties.get(&party(address)).map_or(0, |held| held.bytes);
        if self.buffered > self.limits.buffered_bytes {
            Some(Refusal::BuffersFull)
        } else if bytes > self.limits.buffered_bytes_per_address
            && !is_proxy(&self.proxies, address)
        {
            Some(Refusal::BuffersPerAddress)
        } else {
            None
        }
    }

    /// A fresh connection to the workers, registered.
    pub(super) fn register_backend(&self, index: usize, backend: &mut Backend) -> io::Result<()> {
        let both = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(backend.source(), Token(FIRST_BACKEND + index), both)
    }

    fn handle_waker(&mut self) {
        for key in self.wakes.take() {
            match self.flows.get(&key) {
                Some(&slot) => self.drive(slot),
                None => self.wake(&key),
            }
        }
        let stop = *self.stop.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(deadline) = stop
            && self.stopping.is_none()
        {
            self.begin_to_end(deadline);
        }
    }

    fn begin_to_end(&mut self, deadline: Instant) {
        self.stopping = Some(deadline);
        self.listener = None;
        self.accept_at = None;
        for slot in 0..self.clients.len() {
            self.hasten(slot);
        }
    }

    fn has_ended(&self) -> bool {
        self.stopping.is_some_and(|deadline| {
            let is_busy = |client: &Client| client.phase != client::Phase::Lingering;
            Instant::now() >= deadline || !self.clients.iter().flatten().any(is_busy)
        })
    }

    fn publish(&self) {
        let counters = &self.counters;
        set(&counters.connections, self.connections);
        set(&counters.parked, self.parked_count);
        set(&counters.queued, self.queue.len());
        set(&counters.running, self.running);
        counters.buffered_bytes.store(self.buffered as u64, Ordering::Relaxed);
    }
}
