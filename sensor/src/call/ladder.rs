//! A call's SIP messages, as arrows between addresses.

use core::net::SocketAddr;

use ringside_protocol::cdr::{self, Method, SipMessage};

use crate::limits::{MAX_ADDRESSES, MAX_SIP_EVENTS};
use crate::wire::sip::{Message, StartLine};

/// The addresses that a call's record names, each once.
#[derive(Debug, Default)]
pub struct Addresses(heapless::Vec<SocketAddr, MAX_ADDRESSES, u8>);

impl Addresses {
    /// The index of an address; `None` when it is new and there is no room left.
    pub fn index(&mut self, address: SocketAddr) -> Option<u8> {
        let at = match self.0.iter().position(|&known| known == address) {
            Some(at) => at,
            None => {
                self.0.push(address).ok()?;
                self.0.len() - 1
            }
        };
        u8::try_from(at).ok()
    }

    /// All of them, in order of their indexes.
    #[must_use]
    pub fn as_slice(&self) -> &[SocketAddr] {
        &self.0
    }
}

/// One arrow.
#[derive(Clone, Copy, Debug)]
struct Event {
    at: u64,
    /// Tells a repetition from a new message, see [`identity`].
    identity: u64,
    cseq: u32,
    /// 0: a request.
    status_code: u16,
    method: Method,
    src: u8,
    dst: u8,
}

/// The arrows of one call, the first [`MAX_SIP_EVENTS`] of them.
#[derive(Debug, Default)]
pub struct Ladder {
    events: heapless::Vec<Event, MAX_SIP_EVENTS, u8>,
    omitted: u32,
    retransmissions: u32,
}

/// What came of adding a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Added {
    /// The same message came before over the same way (RFC 3261 §17).
    pub is_repeated: bool,
    /// There was room for it.
    pub is_kept: bool,
}

impl Ladder {
    /// Messages kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Adds a message; `hash` is keyed.
    pub fn add(
        &mut self,
        message: &Message<'_>,
        (src, dst): (Option<u8>, Option<u8>),
        at: u64,
        hash: impl Fn(&[&[u8]]) -> u64,
    ) -> Added {
        let status_code = match message.start_line {
            StartLine::Request { .. } => 0,
            StartLine::Response { status_code, .. } => status_code,
        };
        let cseq = message.cseq();
        let method = match message.start_line {
            StartLine::Request { method, .. } => method,
            StartLine::Response { .. } => cseq.method,
        };
        let identity = identity(message, hash);
        let (Some(src), Some(dst)) = (src, dst) else {
            self.omitted += 1;
            return Added { is_repeated: false, is_kept: false };
        };
        let is_repeated = self.events.iter().any(|event| {
            event.identity == identity
                && (event.src, event.dst) == (src, dst)
                && (event.status_code, event.method) == (status_code, method)
                && event.cseq == cseq.number
        });
        self.retransmissions += u32::from(is_repeated);
        let event = Event { at, identity, cseq: cseq.number, status_code, method, src, dst };
        let is_kept = self.events.push(event).is_ok();
        self.omitted += u32::from(!is_kept);
        Added { is_repeated, is_kept }
    }

    /// Messages that did not fit.
    #[must_use]
    pub const fn omitted(&self) -> u32 {
        self.omitted
    }

    /// Messages that repeated an earlier one.
    #[must_use]
    pub const fn retransmissions(&self) -> u32 {
        self.retransmissions
    }

    /// The arrows as a record has them, times as differences from `first_at` on.
    #[must_use]
    pub fn record(&self, first_at: u64) -> Vec<cdr::SipEvent> {
        let mut before = first_at;
        let mut events = Vec::with_capacity(self.events.len());
        for event in &self.events {
            let at = event.at.max(before);
            events.push(cdr::SipEvent {
                after: at - before,
                src: event.src,
                dst: event.dst,
                message: match event.status_code {
                    0 => SipMessage::Request,
                    code => SipMessage::Response(code),
                },
                cseq: event.cseq,
                method: event.method,
            });
            before = at;
        }
        events
    }
}

/// Two messages with the same identity, start line and way are one, sent twice: the transaction's
/// branch (RFC 3261 §17.1.3), and the To tag, which tells the branches of a fork apart.
fn identity(message: &Message<'_>, hash: impl Fn(&[&[u8]]) -> u64) -> u64 {
    let via = message.top_via().unwrap_or_default();
    hash(&[
        via.branch.unwrap_or_default(),
        via.sent_by,
        message.to().tag().unwrap_or_default(),
        message.from().tag().unwrap_or_default(),
    ])
}
