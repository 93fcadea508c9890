//! The front: TLS, limits and waiting, before any handler is asked.
//!
//! ```text
//!           one thread a listener                     a few threads
//! client =TLS=> client.rs -> request.rs -> queue =Unix socket=> tiny_http -> handler
//!        <=TLS=           <---- answer.rs ----    <============           <-
//! ```
//!
//! One thread holds all connections of a listener (mio and rustls). It hands *whole* requests to
//! the workers, over a bounded number of connections, and relays their answers as fast as each
//! client reads. A client that is slow, on either way, costs a connection and no thread. Every
//! bound has a name in [`Limits`] and a counter in [`FrontStats`].
//!
//! A long poll costs a connection too and no thread: its handler says [`Park`](crate::server::Park)
//! and the front keeps the request until [`Wakes::wake`] or its time is up. See [`Wakes`] for why no
//! wake is lost.
//!
//! The body of one request may be the answer to another, on another listener ([`Pipes`]): no worker
//! sees it, and no more than [`TRANSFER_BYTES`] of it are held.

mod answer;
mod backend;
mod chunked;
mod client;
mod conversation;
mod dispatch;
mod event_loop;
mod flow;
mod head;
mod limits;
mod pipes;
mod proxies;
mod refusal;
mod request;
mod stats;
mod timers;
mod wakes;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use mio::net::TcpListener;
use mio::{Poll, Waker};

use self::event_loop::{Loop, Setup, WAKER};
pub use self::limits::{
    ANSWER_BUFFER_BYTES, Limits, MAX_ANSWER_HEAD_BYTES, MAX_LINGER_BYTES, PIECE_BYTES,
    SHORT_BODY_BYTES,
};
pub use self::pipes::{ARRIVED_BYTES, PIPE_BYTES, PipeState, Pipes, TRANSFER_BYTES};
pub use self::refusal::{Refusal, reason_phrase};
pub use self::stats::{FrontCounters, FrontStats, HandshakeFailure};
pub use self::wakes::Wakes;
use crate::network::Network;
use crate::server::Handler;
use crate::server::workers::Workers;

/// What a listener needs.
pub struct FrontSettings {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Certificate and ALPN: [`ServerTls::config`](crate::ca::ServerTls::config).
    pub tls: Arc<rustls::ServerConfig>,
    /// What to put up with.
    pub limits: Limits,
    /// Reverse proxies: what comes from them is never this machine's, the end of their
    /// `X-Forwarded-For` says who asks, and limits that an address has do not hold for them.
    pub proxies: Vec<Network>,
    /// Threads that call the handler.
    pub workers: usize,
    /// Wakes what this listener has parked; made before it, since handlers need it.
    pub wakes: Wakes,
    /// The service's pipes, shared by its listeners.
    pub pipes: Pipes,
    /// Counts what this listener does.
    pub counters: FrontCounters,
    /// Where the private directory for the workers' socket is made; the system's directory for
    /// temporary files if there is none.
    pub socket_directory: Option<PathBuf>,
}

/// Starts listeners.
pub struct Front;

impl Front {
    /// Listens, and starts the listener's thread and its workers.
    ///
    /// # Errors
    /// The address cannot be listened on, the workers' socket cannot be made, or `wakes` belongs
    /// to another listener.
    pub fn start(settings: FrontSettings, handler: Arc<Handler>) -> io::Result<FrontHandle> {
        let FrontSettings {
            listen,
            tls,
            limits,
            proxies,
            workers: worker_count,
            wakes,
            pipes,
            counters,
            socket_directory,
        } = settings;
        let worker_count = worker_count.max(1);
        let listener = TcpListener::bind(listen).map_err(|error| {
            io::Error::new(error.kind(), format!("cannot listen on {listen}: {error}"))
        })?;
        let address = listener.local_addr()?;
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        if !wakes.attach(Arc::clone(&waker)) {
            return Err(io::Error::other("these wakes belong to another listener"));
        }
        let workers =
            Workers::start(socket_directory.as_deref(), worker_count, limits.streams, handler)?;
        let stop = Arc::new(Mutex::new(None));
        let patience = limits.shutdown;
        let front = Loop::new(Setup {
            poll,
            listener,
            limits,
            proxies,
            tls,
            workers,
            worker_count,
            wakes: wakes.clone(),
            pipes,
            counters: Arc::clone(&counters.0),
            stop: Arc::clone(&stop),
        })?;
        let name = format!("front-{}", address.port());
        let thread = thread::Builder::new().name(name).spawn(move || front.run())?;
        let thread = Mutex::new(Some(thread));
        Ok(FrontHandle { address, wakes, counters, stop, waker, patience, thread })
    }
}

/// A listener that runs; it ends with its handle.
pub struct FrontHandle {
    address: SocketAddr,
    wakes: Wakes,
    counters: FrontCounters,
    stop: Arc<Mutex<Option<Instant>>>,
    waker: Arc<Waker>,
    patience: core::time::Duration,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl FrontHandle {
    /// Where it listens.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// [`Wakes::wake`].
    pub fn wake(&self, key: &str) {
        self.wakes.wake(key);
    }

    /// [`Wakes::generation`].
    #[must_use]
    pub fn generation(&self, key: &str) -> u64 {
        self.wakes.generation(key)
    }

    /// Whether its thread runs: it ends with [`shutdown`](Self::shutdown) only, unless it panics.
    #[must_use]
    pub fn is_running(&self) -> bool {
        lock(&self.thread).as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// The counters as they are now.
    #[must_use]
    pub fn stats(&self) -> FrontStats {
        self.counters.stats()
    }

    /// Accepts no more, lets running requests finish ([`Limits::shutdown`]), and ends the threads.
    /// Parked requests come back as timed out. A second call does nothing.
    pub fn shutdown(&self) {
        let Some(thread) = lock(&self.thread).take() else { return };
        *lock(&self.stop) = Some(Instant::now() + self.patience);
        if let Err(error) = self.waker.wake() {
            log::error!("the front cannot be told to end: {error}");
            return;
        }
        if thread.join().is_err() {
            log::error!("the front's thread had panicked");
        }
    }
}

impl Drop for FrontHandle {
    fn drop(&mut self) {
        self.shutdown();
    }
}

/// Raises this process's limit of open files to what the system allows: the new limit.
///
/// # Errors
/// The system refuses; the old limit stays.
pub fn raise_fd_limit() -> io::Result<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: limit.maximum, maximum: limit.maximum };
    setrlimit(Resource::Nofile, wanted)?;
    Ok(limit.maximum.unwrap_or(u64::MAX))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
