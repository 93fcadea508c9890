//! What a sensor delivers: calls, registrations and peer relations, each once.
//!
//! All kinds share the outbox, the batches and one sequence of numbers within a boot, so that
//! [`CallId`](crate::cdr::CallId) names any record.

use serde::{Deserialize, Serialize};

use crate::cdr::{Cdr, flags};
use crate::peer::Peer;
use crate::registration::Registration;
use crate::time::UnixMicros;

/// One record. New kinds are appended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record {
    /// A call that has ended.
    Call(Box<Cdr>),
    /// What has become of a registration.
    Registration(Box<Registration>),
    /// What one address asked of another outside calls.
    Peer(Box<Peer>),
}

/// Why a record was made. New ones are appended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cause {
    /// The state, or the way of failing, is another one.
    #[default]
    State,
    /// A refresh came with other facts: address, transport, agent or expiry.
    Facts,
    /// An hour has passed since the record before.
    Hour,
    /// The capture, or the sensor, stopped.
    CaptureEnd,
}

impl Cause {
    /// As JSON and API write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Facts => "facts",
            Self::Hour => "hour",
            Self::CaptureEnd => "capture_end",
        }
    }
}

/// A transport as Via names it (RFC 3261 §18, RFC 7118). New ones are appended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Transport {
    /// A transport that this list does not name.
    #[default]
    Other,
    /// `UDP`.
    Udp,
    /// `TCP`.
    Tcp,
    /// `TLS`.
    Tls,
    /// `WS`.
    Ws,
    /// `WSS`.
    Wss,
}

impl Transport {
    /// As written on the wire; `?` for [`Transport::Other`].
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Other => "?",
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Ws => "WS",
            Self::Wss => "WSS",
        }
    }

    /// The transport written so, in any case.
    #[must_use]
    pub fn from_token(token: &[u8]) -> Self {
        [Self::Udp, Self::Tcp, Self::Tls, Self::Ws, Self::Wss]
            .into_iter()
            .find(|transport| transport.as_str().as_bytes().eq_ignore_ascii_case(token))
            .unwrap_or_default()
    }
}

impl Record {
    /// Its number within its boot.
    #[must_use]
    pub fn number(&self) -> u64 {
        match self {
            Self::Call(cdr) => cdr.number,
            Self::Registration(registration) => registration.number,
            Self::Peer(peer) => peer.number,
        }
    }

    /// The time that its offsets count from.
    #[must_use]
    pub fn first_at(&self) -> UnixMicros {
        match self {
            Self::Call(cdr) => cdr.first_at,
            Self::Registration(registration) => registration.first_at,
            Self::Peer(peer) => peer.first_at,
        }
    }

    /// Moves it to another time.
    pub fn set_first_at(&mut self, at: UnixMicros) {
        match self {
            Self::Call(cdr) => cdr.first_at = at,
            Self::Registration(registration) => registration.first_at = at,
            Self::Peer(peer) => peer.first_at = at,
        }
    }

    /// The time by which it is filed: the call's end, or when the record was made.
    #[must_use]
    pub fn ended_at(&self) -> UnixMicros {
        match self {
            Self::Call(cdr) => cdr.ended_at(),
            Self::Registration(registration) => registration.made_at(),
            Self::Peer(peer) => peer.made_at(),
        }
    }

    /// Whether its times are not wall time ([`flags::CLOCK_UNSET`]).
    #[must_use]
    pub fn is_clock_unset(&self) -> bool {
        self.flags() & flags::CLOCK_UNSET != 0
    }

    /// Notes whether its times are not wall time.
    pub fn set_clock_unset(&mut self, is_unset: bool) {
        let bits = match self {
            Self::Call(cdr) => &mut cdr.flags,
            Self::Registration(registration) => &mut registration.flags,
            Self::Peer(peer) => &mut peer.flags,
        };
        *bits = if is_unset { *bits | flags::CLOCK_UNSET } else { *bits & !flags::CLOCK_UNSET };
    }

    /// The call, if it is one.
    #[must_use]
    pub fn into_call(self) -> Option<Cdr> {
        match self {
            Self::Call(cdr) => Some(*cdr),
            Self::Registration(_) | Self::Peer(_) => None,
        }
    }

    /// The registration, if it is one.
    #[must_use]
    pub fn into_registration(self) -> Option<Registration> {
        match self {
            Self::Registration(registration) => Some(*registration),
            Self::Call(_) | Self::Peer(_) => None,
        }
    }

    /// The peer relation, if it is one.
    #[must_use]
    pub fn into_peer(self) -> Option<Peer> {
        match self {
            Self::Peer(peer) => Some(*peer),
            Self::Call(_) | Self::Registration(_) => None,
        }
    }

    fn flags(&self) -> u32 {
        match self {
            Self::Call(cdr) => cdr.flags,
            Self::Registration(registration) => registration.flags,
            Self::Peer(peer) => peer.flags,
        }
    }
}

impl From<Cdr> for Record {
    fn from(cdr: Cdr) -> Self {
        Self::Call(Box::new(cdr))
    }
}

impl From<Registration> for Record {
    fn from(registration: Registration) -> Self {
        Self::Registration(Box::new(registration))
    }
}

impl From<Peer> for Record {
    fn from(peer: Peer) -> Self {
        Self::Peer(Box::new(peer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_shifted_and_flagged_alike() {
        let registration = Registration { number: 7, made: 5, ..Registration::default() };
        let peer = Peer { number: 7, made: 5, ..Peer::default() };
        let call = Cdr { number: 7, ended: 5, ..Cdr::default() };
        for mut record in [Record::from(call), registration.into(), peer.into()] {
            record.set_first_at(UnixMicros(100));
            record.set_clock_unset(true);
            assert_eq!((record.number(), record.ended_at()), (7, UnixMicros(105)));
            assert!(record.is_clock_unset());
            record.set_clock_unset(false);
            assert!(!record.is_clock_unset());
        }
    }

    #[test]
    fn transports_are_read_in_any_case() {
        assert_eq!(Transport::from_token(b"wss"), Transport::Wss);
        assert_eq!(Transport::from_token(b"UDP"), Transport::Udp);
        assert_eq!(Transport::from_token(b"SCTP"), Transport::Other);
    }
}
