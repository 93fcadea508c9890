//! What a listener counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::refusal::Refusal;

/// Why a TLS handshake came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandshakeFailure {
    /// Somebody spoke plain HTTP.
    PlainHttp,
    /// It took too long.
    Timeout,
    /// The peer closed the connection.
    Closed,
    /// The peer sent an alert: most often it does not trust the certificate.
    Alert,
    /// The peer offers only protocols other than `http/1.1` (ALPN).
    Alpn,
    /// No common version or cipher suite, or no TLS at all.
    Protocol,
}

impl HandshakeFailure {
    /// Every failure, in the order of the counters.
    pub const ALL: [Self; 6] =
        [Self::PlainHttp, Self::Timeout, Self::Closed, Self::Alert, Self::Alpn, Self::Protocol];

    /// The name that counters carry.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PlainHttp => "plain_http",
            Self::Timeout => "timeout",
            Self::Closed => "closed",
            Self::Alert => "alert",
            Self::Alpn => "alpn",
            Self::Protocol => "protocol",
        }
    }
}

impl From<&rustls::Error> for HandshakeFailure {
    fn from(error: &rustls::Error) -> Self {
        match error {
            rustls::Error::AlertReceived(_) => Self::Alert,
            rustls::Error::NoApplicationProtocol => Self::Alpn,
            _ => Self::Protocol,
        }
    }
}

/// A look at a listener's counters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrontStats {
    /// Connections now.
    pub connections: u64,
    /// Connections accepted since the start.
    pub accepted: u64,
    /// Failures of `accept` (no file descriptors left, for one) since the start.
    pub accept_errors: u64,
    /// Long polls that wait now.
    pub parked: u64,
    /// Requests that wait for a worker now.
    pub queued: u64,
    /// Requests with the workers now.
    pub running: u64,
    /// Bytes of requests held now.
    pub buffered_bytes: u64,
    /// Whole requests since the start.
    pub requests: u64,
    /// Long polls dispatched again since the start.
    pub woken: u64,
    /// Long polls answered because a newer one of the same asker waits.
    pub superseded: u64,
    /// Clients that were cut because they took no byte of their answer.
    pub stalled: u64,
    /// Answers that a worker broke off.
    pub broken_answers: u64,
    /// Refusals since the start, in the order of [`Refusal::ALL`].
    pub refused: [u64; Refusal::ALL.len()],
    /// Failed handshakes since the start, in the order of [`HandshakeFailure::ALL`].
    pub handshakes_failed: [u64; HandshakeFailure::ALL.len()],
}

impl FrontStats {
    /// How often `refusal` was given.
    #[must_use]
    pub const fn refused(&self, refusal: Refusal) -> u64 {
        self.refused[refusal as usize]
    }

    /// How often a handshake failed for this reason.
    #[must_use]
    pub const fn handshakes_failed(&self, failure: HandshakeFailure) -> u64 {
        self.handshakes_failed[failure as usize]
    }
}

/// What a listener counts, for somebody who looks at it. Clones are the same thing; it can be made
/// before the listener, as [`Wakes`](super::Wakes) are.
#[derive(Clone, Default)]
pub struct FrontCounters(pub(super) Arc<Counters>);

impl FrontCounters {
    /// The counters as they are now.
    #[must_use]
    pub fn stats(&self) -> FrontStats {
        self.0.snapshot()
    }
}

/// The counters themselves: the loop writes, anybody reads.
#[derive(Default)]
pub(super) struct Counters {
    pub(super) connections: AtomicU64,
    pub(super) accepted: AtomicU64,
    pub(super) accept_errors: AtomicU64,
    pub(super) parked: AtomicU64,
    pub(super) queued: AtomicU64,
    pub(super) running: AtomicU64,
    pub(super) buffered_bytes: AtomicU64,
    pub(super) requests: AtomicU64,
    pub(super) woken: AtomicU64,
    pub(super) superseded: AtomicU64,
    pub(super) stalled: AtomicU64,
    pub(super) broken_answers: AtomicU64,
    refused: Each<{ Refusal::ALL.len() }>,
    handshakes_failed: [AtomicU64; HandshakeFailure::ALL.len()],
}

/// A counter for each of several things.
struct Each<const N: usize>([AtomicU64; N]);

impl<const N: usize> Default for Each<N> {
    fn default() -> Self {
        Self(core::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl Counters {
    pub(super) fn refused(&self, refusal: Refusal) {
        add(&self.refused.0[refusal as usize]);
    }

    pub(super) fn handshake_failed(&self, failure: HandshakeFailure) {
        add(&self.handshakes_failed[failure as usize]);
    }

    pub(super) fn snapshot(&self) -> FrontStats {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        FrontStats {
            connections: load(&self.connections),
            accepted: load(&self.accepted),
            accept_errors: load(&self.accept_errors),
            parked: load(&self.parked),
            queued: load(&self.queued),
            running: load(&self.running),
            buffered_bytes: load(&self.buffered_bytes),
            requests: load(&self.requests),
            woken: load(&self.woken),
            superseded: load(&self.superseded),
            stalled: load(&self.stalled),
            broken_answers: load(&self.broken_answers),
            refused: self.refused.0.each_ref().map(load),
            handshakes_failed: self.handshakes_failed.each_ref().map(load),
        }
    }
}

/// One more.
pub(super) fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// As many now.
pub(super) fn set(counter: &AtomicU64, value: usize) {
    counter.store(value as u64, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_has_its_own_place() {
        for (index, failure) in HandshakeFailure::ALL.into_iter().enumerate() {
            assert_eq!(failure as usize, index);
        }
        let counters = Counters::default();
        counters.refused(Refusal::Chunk);
        counters.handshake_failed(HandshakeFailure::Alert);
        let stats = counters.snapshot();
        assert_eq!(stats.refused(Refusal::Chunk), 1);
        assert_eq!(stats.refused.iter().sum::<u64>(), 1);
        assert_eq!(stats.handshakes_failed(HandshakeFailure::Alert), 1);
    }
}
