//! Requests outside calls and what answers them (RFC 3261 §17.1.2): what registrations and peer
//! relations have in common.
//!
//! A [`Transaction`] is one request and its responses; an [`Attempt`] is as many of them as it takes
//! until something is decided. A [`Bucket`] bounds how many records strangers can cause.

pub mod attempt;
pub mod bucket;
pub(crate) mod credentials;

pub use attempt::{Attempt, Outcome};
pub use bucket::Bucket;

use crate::call::hash::Keyed;
use crate::wire::sip::Message;

/// What names a transaction, hashed: Call-ID, CSeq number, and the topmost Via's branch. A proxy's
/// second hop has another branch, and so is another transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// Of the Call-ID.
    pub call_id: u64,
    /// The CSeq number.
    pub cseq: u32,
    /// Of all three.
    pub hash: u64,
}

impl Transaction {
    /// The transaction of a request, or of a response.
    #[must_use]
    pub fn of(message: &Message<'_>, keyed: &Keyed) -> Self {
        let (call_id, cseq) = (message.call_id(), message.cseq().number);
        let branch = message.top_via().and_then(|via| via.branch).unwrap_or_default();
        Self {
            call_id: keyed.parts(&[call_id]),
            cseq,
            hash: keyed.parts(&[call_id, &cseq.to_be_bytes(), branch]),
        }
    }
}
