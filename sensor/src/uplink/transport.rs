//! ureq's way to the network: its connector and transport traits over [`Network`].
//!
//! ureq 3.5 asks its resolver for every request, also when it has an open connection, and reports
//! one error for lookup, tcp and tls. So the resolver here answers nothing of use, and the
//! connector does all three steps, with a [`Failure`] for each.

use core::fmt;
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use ringside_protocol::step::Failure;
use rustls::ClientConfig;
use ureq::config::Config;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::time::Duration;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, ShutdownHandle, Transport,
};

use super::connect::{Network, TlsStream};
use crate::identity::Server;

/// Opens connections to one server and counts them.
#[derive(Debug)]
pub(super) struct Dialler {
    pub(super) network: Network,
    pub(super) server: Server,
    pub(super) tls: Arc<ClientConfig>,
    /// Connections opened or tried.
    pub(super) dialled: Arc<AtomicU64>,
}

/// Carries a [`Failure`] through ureq.
struct Carried(ureq::Error);

impl From<Failure> for Carried {
    fn from(failure: Failure) -> Self {
        Self(ureq::Error::Other(Box::new(failure)))
    }
}

impl Connector for Dialler {
    type Out = TlsTransport;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        _chained: Option<()>,
    ) -> Result<Option<TlsTransport>, ureq::Error> {
        self.dialled.fetch_add(1, Ordering::Relaxed);
        let register = |socket: &Arc<std::net::TcpStream>| {
            let socket: Arc<dyn ShutdownHandle> = Arc::clone(socket) as _;
            (details.register_shutdown)(Arc::downgrade(&socket)).map_err(Carried)
        };
        let stream =
            self.network.open(&self.server, &self.tls, register).map_err(|Carried(error)| error)?;
        let config = details.config;
        let buffers = LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size());
        Ok(Some(TlsTransport { stream, buffers }))
    }
}

/// A TLS connection as ureq sees it.
pub(super) struct TlsTransport {
    stream: TlsStream,
    buffers: LazyBuffers,
}

impl TlsTransport {
    fn set_deadline(&mut self, timeout: NextTimeout) {
        self.stream.sock.deadline = match timeout.after {
            Duration::Exact(after) => Some(Instant::now() + after),
            Duration::NotHappening => None,
        };
    }
}

impl Transport for TlsTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        let timeout = timeout.for_write();
        self.set_deadline(timeout);
        let output = &self.buffers.output()[..amount];
        let sent = self.stream.write_all(output).and_then(|()| self.stream.flush());
        sent.map_err(|error| with_reason(error, timeout))
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        let timeout = timeout.for_read();
        self.set_deadline(timeout);
        let input = self.buffers.input_append_buf();
        let amount = self.stream.read(input).map_err(|error| with_reason(error, timeout))?;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        self.stream.sock.is_quiet()
    }

    fn is_tls(&self) -> bool {
        true
    }
}

impl fmt::Debug for TlsTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TlsTransport({:?})", self.stream.sock)
    }
}

fn with_reason(error: io::Error, timeout: NextTimeout) -> ureq::Error {
    match error.kind() {
        io::ErrorKind::TimedOut => ureq::Error::Timeout(timeout.reason),
        _ => ureq::Error::Io(error),
    }
}

/// Answers with a placeholder: [`Dialler`] looks up itself.
#[derive(Debug)]
pub(super) struct NoResolver;

impl Resolver for NoResolver {
    fn resolve(
        &self,
        _uri: &ureq::http::Uri,
        _config: &Config,
        _timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let mut addresses = self.empty();
        addresses.push(core::net::SocketAddr::from(([0, 0, 0, 0], 0)));
        Ok(addresses)
    }
}
