//! The HEP listener: agents in PBXes send what they capture there, over UDP or TCP.
//!
//! ```text
//! agents ── UDP ── one thread ──────────────┐
//!                                           ├─ bounded queue ─> drain(visit)
//! agents ── TCP ── a thread a connection ───┘
//! ```
//!
//! A message is queued as it came; analysis reads it. When the queue is full, messages are dropped
//! and counted. A connection that goes wrong is closed, and its agent connects again.

use core::fmt;
use core::net::{IpAddr, SocketAddr};
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use core::time::Duration;
use std::io::{self, ErrorKind, Read};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use ringside_protocol::counters::Counter;

use crate::counters::Counters;
use crate::decode::{Framing, hep};
use crate::limits::{MAX_HEP_CONNECTIONS, MAX_HEP_QUEUE, MAX_HEP_QUEUE_BYTES};

/// How long a thread waits for bytes before it looks whether it is to end.
const PATIENCE: Duration = Duration::from_millis(200);

/// Before the listening socket is asked again for a connection, or after it failed.
const ACCEPT_EVERY: Duration = Duration::from_millis(50);

/// Bytes of the longest message: its length is a 16-bit number.
const MAX_MESSAGE: usize = 65_535;

/// Why there is no listener.
#[derive(Debug)]
pub enum HepError {
    /// The address cannot be listened on.
    Bind(SocketAddr, io::Error),
    /// The system gives no thread.
    Thread(io::Error),
}

impl fmt::Display for HepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bind(address, error) => write!(
                f,
                "HEP cannot be received on {address}: {error}; name another hep_bind_port or \
                 hep_bind_ip, or end the program that uses it"
            ),
            Self::Thread(error) => write!(f, "the HEP listener's thread does not start: {error}"),
        }
    }
}

impl core::error::Error for HepError {}

/// A listener that runs. Dropping it ends it.
#[derive(Debug)]
pub struct HepListener {
    queue: Receiver<Vec<u8>>,
    shared: Arc<Shared>,
    address: SocketAddr,
    threads: Vec<JoinHandle<()>>,
}

/// What the threads share.
#[derive(Debug, Default)]
struct Shared {
    is_stopping: AtomicBool,
    queued_bytes: AtomicUsize,
    dropped: AtomicU64,
    refused: AtomicU64,
    connections: AtomicUsize,
}

impl HepListener {
    /// Listens on one port, UDP and TCP; 0 takes one that is free.
    ///
    /// # Errors
    /// Every [`HepError`].
    pub fn start(ip: IpAddr, port: u16) -> Result<Self, HepError> {
        let wanted = SocketAddr::new(ip, port);
        let refused = |error| HepError::Bind(wanted, error);
        let tcp = TcpListener::bind(wanted).map_err(refused)?;
        tcp.set_nonblocking(true).map_err(refused)?;
        let address = tcp.local_addr().map_err(refused)?;
        let udp = UdpSocket::bind(address).map_err(refused)?;
        udp.set_read_timeout(Some(PATIENCE)).map_err(refused)?;
        let (sender, queue) = sync_channel(MAX_HEP_QUEUE);
        let shared = Arc::new(Shared::default());
        let mut listener = Self { queue, shared, address, threads: Vec::new() };
        let (door, other) = (listener.door(&sender), listener.door(&sender));
        listener.spawn("hep-udp", move || door.datagrams(&udp))?;
        listener.spawn("hep-tcp", move || other.connections(&tcp))?;
        Ok(listener)
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Shows the messages that have come, waiting for one up to `max_wait`. Returns how many.
    pub fn drain(&self, max_wait: Duration, visit: &mut impl FnMut(&[u8])) -> usize {
        let mut shown = 0;
        let mut next = self.queue.recv_timeout(max_wait).ok();
        while let Some(message) = next {
            self.shared.queued_bytes.fetch_sub(message.len(), Ordering::Relaxed);
            visit(&message);
            shown += 1;
            // So many at once leave time for other sources of packets.
            next = if shown < MAX_HEP_QUEUE { self.queue.try_recv().ok() } else { None };
        }
        shown
    }

    /// Puts its figures among the others.
    pub fn count(&self, counters: &mut Counters) {
        counters.set(Counter::HepDropped, self.shared.dropped.load(Ordering::Relaxed));
        counters.set(Counter::HepRefused, self.shared.refused.load(Ordering::Relaxed));
    }

    fn door(&self, sender: &SyncSender<Vec<u8>>) -> Door {
        Door { sender: sender.clone(), shared: Arc::clone(&self.shared) }
    }

    fn spawn(&mut self, name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), HepError> {
        let thread = thread::Builder::new().name(name.to_owned()).spawn(work);
        self.threads.push(thread.map_err(HepError::Thread)?);
        Ok(())
    }
}

impl Drop for HepListener {
    fn drop(&mut self) {
        self.shared.is_stopping.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                log::error!("a thread of the HEP listener has failed");
            }
        }
    }
}

/// The way into the queue.
struct Door {
    sender: SyncSender<Vec<u8>>,
    shared: Arc<Shared>,
}

impl Door {
    fn is_stopping(&self) -> bool {
        self.shared.is_stopping.load(Ordering::Relaxed)
    }

    /// Queues a message, or counts it when there is no room.
    fn put(&self, message: &[u8]) {
        let queued = &self.shared.queued_bytes;
        let before = queued.fetch_add(message.len(), Ordering::Relaxed);
        let fits = before + message.len() <= MAX_HEP_QUEUE_BYTES;
        if !fits || self.sender.try_send(message.to_vec()).is_err() {
            queued.fetch_sub(message.len(), Ordering::Relaxed);
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn datagrams(&self, udp: &UdpSocket) {
        let mut buffer = vec![0; MAX_MESSAGE];
        while !self.is_stopping() {
            match udp.recv_from(&mut buffer) {
                Ok((len, _)) => self.put(&buffer[..len]),
                Err(error) if is_quiet(&error) => {}
                // An agent that has gone makes the socket say so; it goes on.
                Err(error) => {
                    log::debug!("HEP over UDP: {error}");
                    thread::sleep(ACCEPT_EVERY);
                }
            }
        }
    }

    /// Takes connections; each has a thread, which ends with it.
    fn connections(&self, tcp: &TcpListener) {
        let mut threads: Vec<JoinHandle<()>> = Vec::new();
        while !self.is_stopping() {
            threads.retain(|thread| !thread.is_finished());
            match tcp.accept() {
                Ok((stream, peer)) => threads.extend(self.connection(stream, peer)),
                Err(error) => {
                    if !is_quiet(&error) {
                        log::warn!("HEP over TCP: {error}");
                    }
                    thread::sleep(ACCEPT_EVERY);
                }
            }
        }
        for thread in threads {
            if thread.join().is_err() {
                log::error!("a connection of the HEP listener has failed");
            }
        }
    }

    fn connection(&self, stream: TcpStream, peer: SocketAddr) -> Option<JoinHandle<()>> {
        if self.shared.connections.fetch_add(1, Ordering::Relaxed) >= MAX_HEP_CONNECTIONS {
            self.shared.connections.fetch_sub(1, Ordering::Relaxed);
            self.shared.refused.fetch_add(1, Ordering::Relaxed);
            log::warn!("{peer}: {MAX_HEP_CONNECTIONS} agents are connected by HEP already");
            return None;
        }
        let door = Self { sender: self.sender.clone(), shared: Arc::clone(&self.shared) };
        let work = move || {
            if let Err(error) = door.stream(stream) {
                log::info!("HEP from {peer}: {error}");
            }
            door.shared.connections.fetch_sub(1, Ordering::Relaxed);
        };
        let thread = thread::Builder::new().name("hep-agent".to_owned()).spawn(work);
        thread
            .inspect_err(|error| {
                self.shared.connections.fetch_sub(1, Ordering::Relaxed);
                log::error!("no thread for the HEP agent {peer}: {error}");
            })
            .ok()
    }

    /// Cuts messages out of a stream until it ends.
    fn stream(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut buffer = vec![0; MAX_MESSAGE];
        let mut len = 0;
        while !self.is_stopping() {
            match stream.read(&mut buffer[len..]) {
                Ok(0) => return Ok(()),
                Ok(more) => len += more,
                Err(error) if is_quiet(&error) => continue,
                Err(error) => return Err(error),
            }
            let mut done = 0;
            loop {
                match hep::framing(&buffer[done..len]) {
                    Framing::Complete(count) => {
                        self.put(&buffer[done..done + count]);
                        done += count;
                    }
                    Framing::NeedMore => break,
                    Framing::Skip(_) => {
                        return Err(io::Error::new(
                            ErrorKind::InvalidData,
                            "no HEP version 3 message; set the agent to HEP version 3",
                        ));
                    }
                }
                if done == len {
                    break;
                }
            }
            buffer.copy_within(done..len, 0);
            len -= done;
        }
        Ok(())
    }
}

/// Nothing came in time.
fn is_quiet(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::Ipv4Addr;
    use std::time::Instant;

    const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const SOON: Duration = Duration::from_secs(10);

    fn message(payload: &[u8]) -> Vec<u8> {
        let len = u16::try_from(6 + payload.len()).unwrap().to_be_bytes();
        [b"HEP3", &len[..], payload].concat()
    }

    /// Drains until `wanted` have come.
    fn take(listener: &HepListener, wanted: usize) -> Vec<Vec<u8>> {
        let (mut found, deadline) = (Vec::new(), Instant::now() + SOON);
        while found.len() < wanted && Instant::now() < deadline {
            listener.drain(PATIENCE, &mut |bytes| found.push(bytes.to_vec()));
        }
        found
    }

    fn wait_for(what: impl Fn() -> bool) {
        let deadline = Instant::now() + SOON;
        while !what() {
            assert!(Instant::now() < deadline, "it did not come");
            thread::sleep(Duration::from_millis(2));
        }
    }

    #[test]
    fn messages_come_whole_over_tcp_however_they_are_cut() {
        let listener = HepListener::start(LOOPBACK, 0).unwrap();
        let mut agent = TcpStream::connect(listener.address()).unwrap();
        let all = [message(b"one"), message(&[7; 9000]), message(b"")];
        for piece in all.concat().chunks(1000) {
            agent.write_all(piece).unwrap();
        }
        assert_eq!(take(&listener, 3), all);
    }

    #[test]
    fn an_agent_that_speaks_something_else_is_cut_off() {
        let listener = HepListener::start(LOOPBACK, 0).unwrap();
        let mut agent = TcpStream::connect(listener.address()).unwrap();
        agent.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        agent.set_read_timeout(Some(SOON)).unwrap();
        let ended = agent.read(&mut [0; 16]);
        assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
    }

    #[test]
    fn connections_beyond_the_limit_are_refused_and_counted() {
        let listener = HepListener::start(LOOPBACK, 0).unwrap();
        let agents: Vec<TcpStream> = (0..=MAX_HEP_CONNECTIONS)
            .map(|_| TcpStream::connect(listener.address()).unwrap())
            .collect();
        wait_for(|| listener.shared.refused.load(Ordering::Relaxed) == 1);
        drop(agents);
        wait_for(|| listener.shared.connections.load(Ordering::Relaxed) == 0);
    }

    #[test]
    fn a_full_queue_drops_and_counts() {
        let listener = HepListener::start(LOOPBACK, 0).unwrap();
        let (sender, queue) = sync_channel(MAX_HEP_QUEUE);
        let door = Door { sender, shared: Arc::clone(&listener.shared) };
        (0..MAX_HEP_QUEUE + 2).for_each(|_| door.put(b"x"));
        let mut counters = Counters::default();
        listener.count(&mut counters);
        assert_eq!(counters.of(Counter::HepDropped), 2);
        drop(queue);
        let (sender, _queue) = sync_channel(MAX_HEP_QUEUE);
        let door = Door { sender, shared: Arc::default() };
        let large = vec![0; 60_000];
        (0..=MAX_HEP_QUEUE_BYTES / large.len()).for_each(|_| door.put(&large));
        assert_eq!(door.shared.dropped.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_port_that_is_taken_says_what_to_do() {
        let listener = HepListener::start(LOOPBACK, 0).unwrap();
        let error = HepListener::start(LOOPBACK, listener.address().port()).unwrap_err();
        assert!(error.to_string().contains("hep_bind_port"), "{error}");
    }
}
