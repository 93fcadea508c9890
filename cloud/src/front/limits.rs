//! Every limit of a listener, once.

use core::time::Duration;

/// Bytes of an answer that are held for a client that reads slowly: rustls holds as many, and one
/// piece of [`PIECE_BYTES`] waits before it. The worker is not read from meanwhile.
pub const ANSWER_BUFFER_BYTES: usize = 64 * 1024;

/// Bytes of a body, at most, of an answer that counts as short. The front takes all of it from the
/// worker at once, however slow the client is ([`ANSWER_BUFFER_BYTES`]).
pub const SHORT_BODY_BYTES: usize = ANSWER_BUFFER_BYTES;

/// Bytes that are read from a connection or from a worker in one go.
pub const PIECE_BYTES: usize = 16 * 1024;

/// Bytes of an answer's head that are taken from a worker.
pub const MAX_ANSWER_HEAD_BYTES: usize = 32 * 1024;

/// Bytes that are passed over after a refusal, so that the client gets to read it.
pub const MAX_LINGER_BYTES: usize = 4 * 1024 * 1024;

/// What one listener puts up with.
///
/// The worst case of memory is `connections` times about 9 KiB (an idle or parked TLS connection, measured), plus
/// `buffered_bytes`, plus [`ANSWER_BUFFER_BYTES`] for each client that reads slowly.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections at once; a further one is closed at once.
    pub connections: usize,
    /// Connections at once from one address ([`party`](crate::network::party)).
    pub connections_per_address: usize,
    /// From accepting a connection to the end of the TLS handshake.
    pub handshake: Duration,
    /// From one answer (or the handshake) to the first byte of the next request.
    pub idle: Duration,
    /// From the first byte of a request to the end of its head: 408 after that.
    pub head: Duration,
    /// For a body, however short: 408 after that.
    pub body: Duration,
    /// For each such number of bytes that arrived, a second more than `body`.
    pub body_bytes_per_second: usize,
    /// Bytes of the request line: 414 above.
    pub request_line_bytes: usize,
    /// Bytes of request line and headers: 431 above.
    pub head_bytes: usize,
    /// Header lines: 431 above.
    pub header_lines: usize,
    /// Options of all `Connection` headers together, empty ones too: 431 above.
    pub connection_options: usize,
    /// Bytes of a body: 413 above.
    pub body_bytes: usize,
    /// Bytes of requests held for all connections together: 503 above.
    pub buffered_bytes: usize,
    /// Of these, for the connections of one address ([`party`](crate::network::party)), so that
    /// nobody takes all of it alone: 503 above.
    pub buffered_bytes_per_address: usize,
    /// Requests that wait for a worker: 503 above. Woken long polls may exceed it.
    pub queue: usize,
    /// Of these, of one address ([`party`](crate::network::party)): 503 above.
    pub queue_per_address: usize,
    /// How long a request waits for a worker: 503 after that.
    pub queue_wait: Duration,
    /// How long a handler may take to begin its answer: 504 after that.
    pub handler: Duration,
    /// Long polls that wait at once: 503 above.
    pub parked: usize,
    /// How long a long poll waits at most, whatever its handler says.
    pub park: Duration,
    /// In each such time a client takes `stall_bytes` of its answer, or all there is: closed
    /// otherwise.
    pub stall: Duration,
    /// See `stall`.
    pub stall_bytes: usize,
    /// How long a client may take to read a refusal.
    pub linger: Duration,
    /// Answers on their way at once that are longer than [`SHORT_BODY_BYTES`], or of unknown
    /// length: 503 above.
    pub streams: usize,
    /// Of these, to one address: 503 above.
    pub streams_per_address: usize,
    /// How long running requests may take once the service ends.
    pub shutdown: Duration,
    /// POST requests to paths that begin with this are answered on their heads; a chunked body goes
    /// into the pipe that the handler names.
    pub poured: Option<&'static str>,
}

impl Limits {
    /// For the sensors' port: many connections, two a sensor, often many behind one address.
    #[must_use]
    pub const fn sensors() -> Self {
        Self {
            connections: 4096,
            // A sensor has two: 512 of them behind one NAT.
            connections_per_address: 1024,
            handshake: Duration::from_secs(15),
            idle: Duration::from_secs(120),
            head: Duration::from_secs(15),
            body: Duration::from_secs(15),
            body_bytes_per_second: 8 * 1024,
            request_line_bytes: 4096,
            head_bytes: 16 * 1024,
            // A browser sends about 20, and a proxy adds a few.
            header_lines: 100,
            connection_options: 16,
            // A message is at most 1 MiB, and its envelope 5 bytes.
            body_bytes: 1024 * 1024 + 1024,
            buffered_bytes: 64 * 1024 * 1024,
            // Sixteen of the largest messages at once, or 400 usual batches.
            buffered_bytes_per_address: 16 * 1024 * 1024,
            queue: 1024,
            queue_per_address: 256,
            queue_wait: Duration::from_secs(10),
            handler: Duration::from_secs(60),
            parked: 4096,
            park: Duration::from_secs(60),
            stall: Duration::from_secs(30),
            stall_bytes: 16 * 1024,
            linger: Duration::from_secs(2),
            streams: 64,
            streams_per_address: 16,
            shutdown: Duration::from_secs(10),
            poured: Some("/uplink/transfer/"),
        }
    }

    /// For the people's port: fewer connections, small bodies.
    #[must_use]
    pub const fn people() -> Self {
        Self {
            connections: 1024,
            // A browser opens up to six: 42 of them behind one NAT.
            connections_per_address: 256,
            idle: Duration::from_secs(75),
            request_line_bytes: 8192,
            body_bytes: 64 * 1024,
            buffered_bytes: 16 * 1024 * 1024,
            buffered_bytes_per_address: 4 * 1024 * 1024,
            queue: 256,
            queue_per_address: 64,
            parked: 512,
            poured: None,
            ..Self::sensors()
        }
    }
}

/// The limits of one request.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestLimits {
    pub(super) request_line_bytes: usize,
    pub(super) head_bytes: usize,
    pub(super) header_lines: usize,
    pub(super) connection_options: usize,
    pub(super) body_bytes: usize,
}

impl Limits {
    pub(super) const fn of_request(&self) -> RequestLimits {
        RequestLimits {
            request_line_bytes: self.request_line_bytes,
            head_bytes: self.head_bytes,
            header_lines: self.header_lines,
            connection_options: self.connection_options,
            body_bytes: self.body_bytes,
        }
    }
}
