//! What the store knows of a call that it keeps.

use ringside_protocol::cdr::Fingerprint;
use serde::{Deserialize, Serialize};

/// A call that is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The device that saw it.
    pub device: Fingerprint,
    /// The sensor's name.
    pub sensor: String,
    /// SIP Call-ID.
    pub call_id: String,
    /// User part of From.
    pub caller: String,
    /// User part of To.
    pub callee: String,
    /// Id of the rule that keeps it.
    pub rule_id: u64,
    /// What people call that rule.
    pub rule: String,
    /// Its first packet, microseconds since the epoch.
    pub first_at: u64,
    /// Its last one, as far as it is known.
    pub last_at: u64,
    /// Packets handed to the store.
    pub packets: u32,
    /// Their bytes.
    pub bytes: u64,
    /// Packets that the store had no room for.
    pub dropped: u32,
    /// Whether the call is over.
    pub is_over: bool,
}
