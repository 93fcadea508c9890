//! What one address asks of another outside calls, as it travels and as it is kept: is it there
//! (OPTIONS, RFC 3261 §11), subscriptions and what they bring (SUBSCRIBE and NOTIFY, RFC 6665),
//! text messages (MESSAGE, RFC 3428), published state (PUBLISH, RFC 3903).
//!
//! Who asks whom for what is one *peer relation*. A record of it is made when its state changes and
//! once an hour while somebody asks; requests between two records are counted, not listed.

use core::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::cdr::{Method, Offset, Status};
use crate::record::{Cause, Transport};
use crate::time::UnixMicros;

/// What is known of a peer relation when the record is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// The record's number within its boot; calls count with it.
    pub number: u64,
    /// Bits of [`crate::cdr::flags`]: `CLOCK_UNSET`, `CAPTURE_LOSS`.
    pub flags: u32,
    /// The first request since the record before, or the newest where there was none since.
    pub first_at: UnixMicros,
    /// The newest request, counted from [`Peer::first_at`].
    pub last: Offset,
    /// When the record was made, counted from [`Peer::first_at`].
    pub made: Offset,
    /// What becomes of the requests.
    pub state: State,
    /// Why a record was made now.
    pub cause: Cause,
    /// How long it has been in this state, microseconds before [`Peer::made`].
    pub state_since: Offset,
    /// When the newest request that has an answer got it, microseconds before [`Peer::made`];
    /// `None`: no answer was ever seen.
    pub answered_before: Option<Offset>,
    /// What is asked.
    pub method: Method,
    /// The event package of SUBSCRIBE, NOTIFY and PUBLISH, without parameters.
    pub event: Option<String>,
    /// User of From, for MESSAGE.
    pub from: Option<String>,
    /// User of To, for MESSAGE.
    pub to: Option<String>,
    /// User-Agent of the one who asks.
    pub user_agent: Option<String>,
    /// Server, or User-Agent, of the responses.
    pub peer_agent: Option<String>,
    /// How the newest request travelled, as its Via says.
    pub transport: Transport,
    /// Where it came from.
    pub src: SocketAddr,
    /// Where it went: who is asked.
    pub dst: SocketAddr,
    /// VLAN id of the newest request.
    pub vlan: Option<u16>,
    /// Requests since the record before; one that was challenged and its repetition with
    /// credentials are one.
    pub requests: u32,
    /// Repetitions of a request that was not answered in time, since the record before.
    pub retransmissions: u32,
    /// Requests without a final response within 64*T1 (Timer F, RFC 3261 §17.1.2.2), since the
    /// record before.
    pub unanswered: u32,
    /// Final responses since the record before, by class: 2xx to 6xx.
    pub answers: [u32; 5],
    /// Requests in a row that nobody answered, up to now.
    pub unanswered_in_a_row: u32,
    /// The newest final response, unless the newest request got none.
    pub status: Option<Status>,
    /// The newest request carried credentials.
    pub has_credentials: bool,
    /// The event packages that a 489 offers (Allow-Events, RFC 6665 §8.2.2).
    pub allow_events: Option<String>,
    /// Request to final response, since the record before.
    pub round_trip: Option<RoundTrip>,
    /// Changes of state since the record before, oldest first, at most [`MAX_PEER_CHANGES`](crate::limits::MAX_PEER_CHANGES).
    pub changes: Vec<Change>,
    /// Further ones.
    pub changes_omitted: u32,
}

/// How long answers took, microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoundTrip {
    /// The quickest.
    pub min: u32,
    /// On average.
    pub mean: u32,
    /// The slowest.
    pub max: u32,
}

/// A change of state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// When, microseconds before [`Peer::made`].
    pub before: Offset,
    /// The state that began then.
    pub state: State,
}

/// What becomes of the requests. New ones are appended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum State {
    /// The newest request that is decided was answered, as [`State::of`] has it.
    #[default]
    Answering,
    /// It was refused.
    Refusing,
    /// It was not answered.
    Silent,
}

impl State {
    /// Every state, in the order of their numbers.
    pub const ALL: &'static [Self] = &[Self::Answering, Self::Refusing, Self::Silent];

    /// As JSON and API write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Answering => "answering",
            Self::Refusing => "refusing",
            Self::Silent => "silent",
        }
    }

    /// What a final response to `method` says; `None`: there was none.
    ///
    /// OPTIONS only asks whether somebody is there. Most answers say so, a 404 as well as a 200; a
    /// proxy's that it did not reach him, or that it is out of service, do not.
    #[must_use]
    pub const fn of(method: Method, status_code: Option<u16>) -> Self {
        match (method, status_code) {
            (_, None) => Self::Silent,
            (_, Some(200..300)) => Self::Answering,
            (Method::Options, Some(code)) if !matches!(code, 408 | 430 | 480 | 502..=504) => {
                Self::Answering
            }
            (_, Some(_)) => Self::Refusing,
        }
    }
}

impl Peer {
    /// When the record was made.
    #[must_use]
    pub const fn made_at(&self) -> UnixMicros {
        self.first_at.plus(self.made)
    }

    /// The newest request.
    #[must_use]
    pub const fn last_at(&self) -> UnixMicros {
        self.first_at.plus(self.last)
    }

    /// A moment that is told by how long before [`Peer::made`] it was.
    #[must_use]
    pub const fn before_made(&self, micros: Offset) -> UnixMicros {
        UnixMicros(self.made_at().0.saturating_sub(micros))
    }

    /// Requests since the record before that got a final response.
    #[must_use]
    pub fn answered(&self) -> u32 {
        self.answers.iter().fold(0, |sum, &count| sum.saturating_add(count))
    }
}

impl Default for Peer {
    fn default() -> Self {
        let nowhere = SocketAddr::new(core::net::Ipv4Addr::UNSPECIFIED.into(), 0);
        Self {
            number: 0,
            flags: 0,
            first_at: UnixMicros(0),
            last: 0,
            made: 0,
            state: State::default(),
            cause: Cause::default(),
            state_since: 0,
            answered_before: None,
            method: Method::Options,
            event: None,
            from: None,
            to: None,
            user_agent: None,
            peer_agent: None,
            transport: Transport::default(),
            src: nowhere,
            dst: nowhere,
            vlan: None,
            requests: 0,
            retransmissions: 0,
            unanswered: 0,
            answers: [0; 5],
            unanswered_in_a_row: 0,
            status: None,
            has_credentials: false,
            allow_events: None,
            round_trip: None,
            changes: Vec::new(),
            changes_omitted: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_answers_options_is_there_but_for_a_proxy_that_did_not_reach_it() {
        for code in [200, 401, 403, 404, 405, 481, 488, 500, 501, 603] {
            assert_eq!(State::of(Method::Options, Some(code)), State::Answering, "{code}");
        }
        for code in [408, 480, 502, 503, 504] {
            assert_eq!(State::of(Method::Options, Some(code)), State::Refusing, "{code}");
        }
        assert_eq!(State::of(Method::Options, None), State::Silent);
        assert_eq!(State::of(Method::Message, Some(202)), State::Answering);
        assert_eq!(State::of(Method::Subscribe, Some(489)), State::Refusing);
    }

    #[test]
    fn moments_are_told_from_the_record_s_own() {
        let peer = Peer {
            first_at: UnixMicros(1_000),
            last: 400,
            made: 500,
            state_since: 1_200,
            ..Peer::default()
        };
        assert_eq!((peer.last_at().0, peer.made_at().0), (1_400, 1_500));
        assert_eq!(peer.before_made(peer.state_since), UnixMicros(300));
        assert_eq!(peer.before_made(u64::MAX), UnixMicros(0));
    }
}
