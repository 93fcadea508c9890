//! A network between sensor and cloud that can be cut: a TCP proxy that goes on accepting and
//! forwards nothing, until everything is reset. It counts what each connection carries.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;

/// The proxy; its listener ends with the test's process.
#[derive(Debug)]
pub struct Proxy {
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    upstream: SocketAddr,
    is_stalled: bool,
    /// Counts resets: a connection of an earlier count is over.
    generation: u64,
    connections: Vec<Arc<TcpStream>>,
    /// Bytes of each connection that there was.
    carried: Vec<Arc<AtomicU64>>,
}

impl Proxy {
    /// Forwards to `upstream`.
    ///
    /// # Panics
    /// Where no port is free.
    #[must_use]
    pub fn start(upstream: SocketAddr) -> Self {
        Self::listen_on(0, upstream)
    }

    /// The same on a certain port.
    ///
    /// # Panics
    /// Where it is not free.
    #[must_use]
    pub fn listen_on(port: u16, upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("a port is free");
        let port = listener.local_addr().expect("it listens").port();
        let state = State {
            upstream,
            is_stalled: false,
            generation: 0,
            connections: Vec::new(),
            carried: Vec::new(),
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&accepting);
                std::thread::spawn(move || shared.join(Arc::new(socket)));
            }
        });
        Self { port, shared }
    }

    /// Bytes that each connection since the start has carried, both ways together, in the order in
    /// which they were opened.
    #[must_use]
    pub fn carried(&self) -> Vec<u64> {
        self.shared.lock().carried.iter().map(|bytes| bytes.load(Ordering::Relaxed)).collect()
    }

    /// New connections go to `upstream`.
    pub fn forward_to(&self, upstream: SocketAddr) {
        self.shared.lock().upstream = upstream;
    }

    /// From now on nothing comes through, and nobody is told.
    pub fn stall(&self) {
        self.shared.lock().is_stalled = true;
    }

    /// Every connection is reset; what was on its way is gone. New ones come through.
    pub fn reset(&self) {
        let mut state = self.shared.lock();
        state.is_stalled = false;
        state.generation += 1;
        for connection in state.connections.drain(..) {
            // The socket closes with a reset when its last user lets it go.
            _ = set_socket_linger(&*connection, Some(Duration::ZERO));
            drop(connection.shutdown(Shutdown::Read));
        }
        drop(state);
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits while the network is cut; false when the connection was reset meanwhile.
    fn may_pass(&self, generation: u64) -> bool {
        let state = self.lock();
        let stalled = |state: &mut State| state.is_stalled && state.generation == generation;
        let state = self.changed.wait_while(state, stalled);
        state.unwrap_or_else(PoisonError::into_inner).generation == generation
    }

    fn join(self: &Arc<Self>, near: Arc<TcpStream>) {
        let carried = Arc::new(AtomicU64::new(0));
        let generation = {
            let mut state = self.lock();
            state.connections.push(Arc::clone(&near));
            state.carried.push(Arc::clone(&carried));
            state.generation
        };
        if !self.may_pass(generation) {
            return;
        }
        let upstream = self.lock().upstream;
        let Ok(far) = TcpStream::connect(upstream).map(Arc::new) else { return };
        self.lock().connections.push(Arc::clone(&far));
        let (shared, from, to) = (Arc::clone(self), Arc::clone(&near), Arc::clone(&far));
        let sent = Arc::clone(&carried);
        std::thread::spawn(move || shared.copy(&from, &to, generation, &sent));
        self.copy(&far, &near, generation, &carried);
    }

    fn copy(&self, mut from: &TcpStream, mut to: &TcpStream, generation: u64, carried: &AtomicU64) {
        let mut buffer = [0; 16 << 10];
        loop {
            let count = from.read(&mut buffer).unwrap_or(0);
            if !self.may_pass(generation) {
                return;
            }
            carried.fetch_add(count as u64, Ordering::Relaxed);
            if count == 0 || to.write_all(&buffer[..count]).is_err() {
                // Either side's end is the other's.
                drop(from.shutdown(Shutdown::Both));
                drop(to.shutdown(Shutdown::Both));
                let mut state = self.lock();
                let is_over = |it: &Arc<TcpStream>| {
                    core::ptr::eq(Arc::as_ptr(it), from) || core::ptr::eq(Arc::as_ptr(it), to)
                };
                state.connections.retain(|it| !is_over(it));
                return;
            }
        }
    }
}
