//! What sensor and cloud say to each other.
//!
//! | request | path | answer |
//! | --- | --- | --- |
//! | [`Hello`] | `/uplink/hello` | [`Challenge`] or [`Refused`] |
//! | [`Enrol`] | `/uplink/enrol` | [`Enrolled`] or [`Refused`] |
//! | [`Claim`](crate::claim::Claim) | `/uplink/claim` | [`ClaimAnswer`](crate::claim::ClaimAnswer) or [`Refused`] |
//! | [`Prove`] | `/uplink/session` | [`Accepted`] or [`Refused`] |
//! | [`Batch`] | `/uplink/cdrs` | [`BatchAck`] or [`Refused`] |
//! | [`Heartbeat`] | `/uplink/heartbeat` | [`HeartbeatAnswer`] or [`Refused`] |
//! | [`Poll`] | `/uplink/poll` | [`Commands`] or [`Refused`] |
//! | [`Refuse`](crate::retrieval::Refuse) | `/uplink/refuse` | [`RefuseNoted`](crate::retrieval::RefuseNoted) or [`Refused`] |
//! | [`PieceWanted`](crate::push::PieceWanted) | `/uplink/piece` | [`Piece`](crate::push::Piece) or [`Refused`] |
//! | [`News`](crate::push::News) | `/uplink/upgrade` | [`NewsNoted`](crate::push::NewsNoted) or [`Refused`] |
//! | [a transfer](crate::retrieval) | `/uplink/transfer/NUMBER` | none: status 204 when the browser has all of it |
//!
//! The last seven carry the session as `Authorization: Bearer SESSION` (64 hex digits). Every
//! request is a POST, every answer has status 200 (a refusal too), and both bodies are
//! [envelopes](crate::envelope). A status other than 200 comes from the front, with one sentence
//! of text.

use serde::{Deserialize, Deserializer, Serialize};

use crate::cdr::Boot;
use crate::counters::Counter;
use crate::live::Live;
use crate::push::Order;
use crate::record::Record;
use crate::retrieval::Retrieve;
use crate::step::Failure;
use crate::time::UnixMicros;

/// Records in a batch, at most.
pub const MAX_BATCH_RECORDS: usize = 500;

/// "Here I am": the first thing a sensor says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Ed25519 public key.
    pub device_key: [u8; 32],
    /// This start of the sensor.
    pub boot: Boot,
    /// The sensor's clock.
    pub sensor_time: UnixMicros,
    /// The oldest protocol version it speaks.
    pub oldest_version: u8,
    /// The newest.
    pub newest_version: u8,
    /// `id_sensor`, where one is configured.
    pub id_sensor: Option<u16>,
    /// `name_sensor`, or the host's name.
    pub name: String,
    /// Product version, as in `0.1.0`.
    pub software: String,
    /// Target triple that the binary was built for.
    pub target: String,
    /// Git commit that the binary was built from.
    pub commit: String,
    /// The last failure before this attempt, with when it happened.
    pub last_failure: Option<(UnixMicros, Failure)>,
}

/// The cloud's answer to [`Hello`]: prove it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenge {
    /// To be signed, see [`proof_message`]. Opaque: the cloud recognises its own.
    pub nonce: [u8; 32],
    /// The cloud's clock.
    pub cloud_time: UnixMicros,
    /// The protocol version to speak from here on.
    pub version: u8,
    /// Whether the cloud knows this device; if not, [`Enrol`] comes next.
    pub enrolled: bool,
}

/// "I hold the key": opens a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prove {
    /// As said before; the cloud keeps nothing between the two requests.
    pub hello: Hello,
    /// The challenge's.
    pub nonce: [u8; 32],
    /// Ed25519 over [`proof_message`].
    #[serde(with = "signature")]
    pub signature: [u8; 64],
}

/// "I was given a token": joins a customer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrol {
    /// The proof comes with it.
    pub prove: Prove,
    /// The token's secret.
    pub secret: [u8; 16],
}

/// What a device signs: a context that no other protocol uses, the challenge, and its boot.
#[must_use]
pub fn proof_message(nonce: &[u8; 32], boot: Boot) -> Vec<u8> {
    let mut message = b"ringside uplink proof v1\0".to_vec();
    message.extend_from_slice(nonce);
    message.extend_from_slice(&boot.0);
    message
}

/// The device belongs to a customer now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolled {
    /// The customer's name, for the person at the sensor.
    pub customer: String,
}

/// A session is open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// Names the session in later requests.
    pub session: [u8; 32],
    /// The customer's name.
    pub customer: String,
    /// The sensor's number within the customer (configured, or given by the cloud).
    pub id_sensor: u16,
    /// Channels that the sensor may track.
    pub lease: Lease,
    /// Seconds between heartbeats.
    pub heartbeat_seconds: u16,
    /// The cloud's clock.
    pub cloud_time: UnixMicros,
    /// Ed25519 keys with which the cloud signs tickets, the present one first.
    pub ticket_keys: Vec<[u8; 32]>,
}

/// A sensor's share of its customer's channels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Counts the grants to this sensor; the heartbeat acknowledges the newest applied.
    pub serial: u32,
    /// Calls in progress that it may track at once.
    pub channels: u16,
}

/// The cloud says no, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Why, with the step it belongs to.
    pub failure: Failure,
    /// Seconds to wait before the next attempt; 0: the sensor's own backoff.
    pub retry_after_seconds: u16,
}

/// Records, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// The start during which the records were made (not always the present one).
    pub boot: Boot,
    /// At most [`MAX_BATCH_RECORDS`].
    pub records: Vec<Record>,
}

impl Batch {
    /// A batch of these.
    pub fn new<R: Into<Record>>(boot: Boot, records: impl IntoIterator<Item = R>) -> Self {
        Self { boot, records: records.into_iter().map(Into::into).collect() }
    }
}

/// What there was to keep of the batch is committed, or was before; the sensor may delete all of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchAck {
    /// New rows.
    pub stored: u32,
    /// Rows that were there already.
    pub known: u32,
    /// Records older than the retention: acknowledged, counted, not kept.
    pub expired: u32,
    /// Records that no sensor can have made ([`crate::plausible`]): the same.
    pub refused: u32,
}

/// The sensor's health, sent every `heartbeat_seconds`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// The sensor's clock.
    pub sensor_time: UnixMicros,
    /// Seconds since the sensor started.
    pub uptime_seconds: u64,
    /// Counters since the start that are not 0. Those that only a newer sensor has are passed over.
    #[serde(deserialize_with = "known_counters")]
    pub counters: Vec<(Counter, u64)>,
    /// Calls in progress.
    pub channels: u16,
    /// The newest lease that is applied.
    pub lease_serial: u32,
    /// Records that wait in the outbox.
    pub outbox_cdrs: u64,
    /// Bytes that they take, and the limit.
    pub outbox_bytes: (u64, u64),
    /// Anonymous resident memory (RssAnon), bytes.
    pub memory_bytes: u64,
    /// What is captured from.
    pub interfaces: Vec<InterfaceHealth>,
    /// When the newest call ended, if one did.
    pub last_cdr_at: Option<UnixMicros>,
    /// How good the calls in progress are.
    pub live: Live,
    /// The sensor is being stopped: this is its last word, and ends its session.
    pub is_leaving: bool,
    /// How the last upgrade ended, if there was one.
    pub upgrade: Option<UpgradeReport>,
}

/// Counters travel as their numbers: one that this build does not know must not cost a heartbeat.
fn known_counters<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<(Counter, u64)>, D::Error> {
    let numbered = Vec::<(u32, u64)>::deserialize(from)?;
    let known = |(number, count)| {
        let counter = Counter::ALL.get(usize::try_from(number).ok()?)?;
        Some((*counter, count))
    };
    Ok(numbered.into_iter().filter_map(known).collect())
}

/// How an upgrade ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpgradeReport {
    /// When that was known.
    pub at: UnixMicros,
    /// The version that was to be installed.
    pub to: String,
    /// The version that runs since.
    pub running: String,
    /// Why it is not `to`; `None` when it is.
    pub failure: Option<String>,
}

impl UpgradeReport {
    /// One sentence for log, `doctor`, status page and the cloud's sensor page.
    #[must_use]
    pub fn sentence(&self) -> String {
        let Self { to, running, .. } = self;
        match &self.failure {
            Some(why) => format!("upgrade to {to} failed: {why}; {running} is running again"),
            None => format!("upgraded to {to}"),
        }
    }
}

/// One capture interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceHealth {
    /// As configured.
    pub name: String,
    /// Frames since the start.
    pub frames: u64,
    /// Frames that the kernel dropped since the start.
    pub kernel_dropped: u64,
    /// Why it is not capturing, if so: a sentence that says what to do.
    pub fault: Option<String>,
}

/// The heartbeat is noted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeartbeatAnswer {
    /// The present grant.
    pub lease: Lease,
    /// The cloud's clock.
    pub cloud_time: UnixMicros,
}

/// "What do you have for me?": answered when there is something, or after `wait_seconds`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Poll {
    /// How long to wait, at most [`MAX_POLL_SECONDS`].
    pub wait_seconds: u16,
    /// The serial of the last command that was carried out.
    pub done: u64,
    /// The version of the capture rules that are applied; 0: none.
    pub rules: u64,
    /// Those of them that this sensor does not apply, by id, and why.
    pub refused_rules: Vec<(u64, String)>,
}

/// The longest that a poll waits.
pub const MAX_POLL_SECONDS: u16 = 50;

/// What the cloud has to say; empty when the poll's time was up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commands {
    /// In order, each with its serial.
    pub commands: Vec<(u64, Command)>,
}

/// Something for the sensor to do. New ones are appended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Apply this allowance.
    Lease(Lease),
    /// Send a heartbeat at once.
    HeartbeatNow,
    /// Apply these capture rules. Its serial is 0: the next poll acknowledges its version.
    Rules(RuleSet),
    /// Send what a ticket allows. Its serial is 0: the transfer, or a refusal, answers it.
    Retrieve(Box<Retrieve>),
    /// Install this package. Its serial is 0: [`News`](crate::push::News) answers it.
    Upgrade(Box<Order>),
}

/// The capture rules of a sensor, in place of those before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleSet {
    /// Another for each change, never 0, and never that of another customer.
    pub version: u64,
    /// In their given order.
    pub rules: Vec<RuleText>,
}

/// One capture rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleText {
    /// Its number.
    pub id: u64,
    /// Its text form ([`crate::rule`]).
    pub text: String,
}

/// Ed25519 signatures, which serde's arrays are too short for.
pub(crate) mod signature {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8; 64], to: S) -> Result<S::Ok, S::Error> {
        let (head, tail) = bytes.split_at(32);
        let halves: ([u8; 32], [u8; 32]) = (
            head.try_into().map_err(serde::ser::Error::custom)?,
            tail.try_into().map_err(serde::ser::Error::custom)?,
        );
        halves.serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<[u8; 64], D::Error> {
        let (head, tail) = <([u8; 32], [u8; 32])>::deserialize(from)?;
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(&head);
        bytes[32..].copy_from_slice(&tail);
        Ok(bytes)
    }
}
