//! A call's packets on demand: the ticket that allows it, and the bytes that carry it.
//!
//! ```text
//!  browser                    cloud                         sensor
//!     | POST captures/CALL      |                              |
//!     |  (its P-256 key)  --->  | signs a ticket               |
//!     |                         | Command::Retrieve  --(poll)->| checks the ticket, makes a key
//!     |                         | <--- POST /uplink/transfer/N |
//!     | <--- the same bytes --- |      opening, frames ...     |
//! ```
//!
//! # The bytes of a transfer
//!
//! ```text
//! | "RSrt" | 1 | sensor's P-256 key (65) | device's Ed25519 key (32) | signature (64) |   opening
//! | length (4, big-endian) | AES-256-GCM: kind (1), bytes ...; tag (16) |                frame 0
//! | length | ... |                                                                       frame 1
//! ```
//!
//! Both halves are ephemeral. With `shared` the x-coordinate that ECDH gives, and the
//! [`transcript`] of everything that both sides have said:
//!
//! ```text
//! signature  = Ed25519(device key, transcript)
//! frame key  = HKDF-SHA256(salt: SHA-256(transcript), ikm: shared, info: FRAME_KEY_INFO), 32 bytes
//! resume key = HKDF-SHA256(the same,                               info: RESUME_KEY_INFO), 32 bytes
//! nonce of frame n = [`nonce`](n); no additional data
//! ```
//!
//! Frame 0 is [`FrameKind::About`], then come [`FrameKind::Beside`] where the action has something to
//! say first, [`FrameKind::Data`], and at last [`FrameKind::End`]: a transfer without that one was cut
//! off, wherever it was cut. About and End are JSON objects, [`About`] and [`End`]. A resumed transfer is another with fresh keys; whoever asks for it proves
//! with [`resume_proof_message`] under the first one's resume key (HMAC-SHA256) to be the same.

use core::fmt;

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};

use crate::cdr::CallId;
use crate::time::UnixMicros;

/// A P-256 public key, uncompressed (SEC 1 §2.3.3): what WebCrypto calls `raw`.
pub const PUBLIC_KEY_BYTES: usize = 65;

/// Bytes of the opening.
pub const OPENING_BYTES: usize = 4 + 1 + PUBLIC_KEY_BYTES + 32 + 64;

/// Bytes that sealing adds to a frame.
pub const TAG_BYTES: usize = 16;

/// Bytes of data in one frame, at most.
pub const MAX_DATA_BYTES: usize = 16 << 10;

/// Bytes of a frame behind its length, at most: a browser refuses longer ones.
pub const MAX_FRAME_BYTES: usize = 1 + MAX_DATA_BYTES + TAG_BYTES;

/// A ticket is to be redeemed within so many seconds.
pub const REDEEM_WITHIN_SECONDS: u64 = 60;

/// What a ticket has opened may be gone on with until so many seconds after the last byte.
pub const SESSION_SECONDS: u64 = 15 * 60;

/// And no longer than this after the ticket was redeemed, however much of it is used.
pub const LONGEST_SESSION_SECONDS: u64 = 4 * 3600;

/// Bytes of a user's or a customer's name in a ticket, at most.
pub const MAX_NAME_BYTES: usize = 255;

/// Bytes of a ticket as text, at most.
pub const MAX_TICKET_TEXT: usize = 1024;

/// HKDF's info for the key of the frames.
pub const FRAME_KEY_INFO: &[u8] = b"ringside retrieval v1 frames";

/// HKDF's info for the key that proves who resumes.
pub const RESUME_KEY_INFO: &[u8] = b"ringside retrieval v1 resume";

const MAGIC: &[u8; 4] = b"RSrt";
const VERSION: u8 = 1;

/// What somebody wants of a call. New ones are appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Its packets, as a capture file.
    Packets,
    /// Its sound, decoded on the sensor.
    Audio,
    /// Its sound while it lasts.
    Live,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 3] = [Self::Packets, Self::Audio, Self::Live];

    /// Its name in the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Packets => "packets",
            Self::Audio => "audio",
            Self::Live => "live",
        }
    }

    /// The action of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.name() == name)
    }
}

/// Which way the bytes take. New ones are appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Way {
    /// Encrypted through the cloud.
    Relay,
    /// From the sensor's own page.
    Direct,
}

/// Who may have what of which call. It is redeemed once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// Random: tells it from every other.
    pub number: [u8; 16],
    /// The login of whoever asked.
    pub user: String,
    /// The customer's name.
    pub customer: String,
    /// The call; its device is the sensor that the ticket is for.
    pub call: CallId,
    /// What they may have.
    pub action: Action,
    /// Which way.
    pub way: Way,
    /// When it was made, by the cloud's clock.
    pub issued_at: UnixMicros,
    /// When it is too late to redeem it, by the same.
    pub expires_at: UnixMicros,
}

/// A [`Ticket`] as the cloud has signed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedTicket {
    /// The ticket in postcard: what is signed is these bytes, not what a reader makes of them.
    pub ticket: Vec<u8>,
    /// Ed25519 over [`SignedTicket::message`], by the cloud's ticket key.
    #[serde(with = "crate::message::signature")]
    pub signature: [u8; 64],
}

impl SignedTicket {
    /// What is signed.
    #[must_use]
    pub fn message(ticket: &[u8]) -> Vec<u8> {
        [b"ringside ticket v1\0", ticket].concat()
    }

    /// The ticket; `None` where the bytes are none. Nothing is said about the signature.
    #[must_use]
    pub fn read(&self) -> Option<Ticket> {
        let ticket: Ticket = postcard::from_bytes(&self.ticket).ok()?;
        let is_short = |name: &String| name.len() <= MAX_NAME_BYTES;
        (is_short(&ticket.user) && is_short(&ticket.customer)).then_some(ticket)
    }

    /// As it stands behind the `#` of the address of a sensor's page: base64url (RFC 4648 §5) of
    /// its postcard, without padding. A browser sends that part to nobody.
    #[must_use]
    pub fn to_text(&self) -> Option<String> {
        postcard::to_stdvec(self).ok().map(|bytes| BASE64URL_NOPAD.encode(&bytes))
    }

    /// What [`SignedTicket::to_text`] has written.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        if text.len() > MAX_TICKET_TEXT {
            return None;
        }
        postcard::from_bytes(&BASE64URL_NOPAD.decode(text.as_bytes()).ok()?).ok()
    }
}

/// "Send this call's packets": comes down the poll.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retrieve {
    /// Names the transfer; random, and another for each.
    pub transfer: [u8; 16],
    /// Who may have it.
    pub ticket: SignedTicket,
    /// The browser's P-256 key.
    #[serde(with = "public_key")]
    pub browser_key: [u8; PUBLIC_KEY_BYTES],
    /// Where to go on, when an earlier transfer of the same ticket was cut off.
    pub resume: Option<Resume>,
}

/// Where a transfer goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resume {
    /// Bytes of the file that are there already.
    pub offset: u64,
    /// HMAC-SHA256 over [`resume_proof_message`] under the first transfer's resume key.
    pub proof: [u8; 32],
}

/// "I do not send it": a sensor's answer to [`Retrieve`] where it sends no bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refuse {
    /// Which transfer.
    pub transfer: [u8; 16],
    /// Why not.
    pub refusal: Refusal,
}

/// The cloud has noted a [`Refuse`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefuseNoted {}

/// "Keep this call, which no rule has kept": comes down the poll, just after the call has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeepCall {
    /// Which.
    pub call: CallId,
    /// The login of whoever asked.
    pub who: String,
}

/// What came of a [`KeepCall`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptCall {
    /// Which.
    pub call: CallId,
    /// How much there is of it; `None`: it was let go, or never held.
    pub kept: Option<KeptSize>,
}

/// How much of a call is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptSize {
    /// Packets.
    pub packets: u32,
    /// Their bytes.
    pub bytes: u64,
}

/// The cloud has noted a [`KeptCall`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptNoted {}

/// Why a sensor does not send what was asked for. New ones are appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// The ticket is damaged, or not signed by this cloud.
    Forged,
    /// It is for another sensor or another customer.
    NotOurs,
    /// It was to be redeemed earlier.
    Expired,
    /// It was redeemed before, and this is no resumption of that transfer.
    Used,
    /// The store never had the call's packets.
    NotKept,
    /// The store had them, and has given their place to newer ones.
    LetGo,
    /// As many transfers as may are under way.
    Busy,
    /// The store changed meanwhile: begin anew.
    Changed,
    /// This sensor does not do that (yet).
    NotSupported,
    /// Its disk does not give them.
    Disk,
    /// There is nothing to hear: no RTP was kept.
    NoMedia,
    /// There is nothing to hear: no key opens it.
    Encrypted,
    /// There is nothing to hear: the rule kept RTP headers only.
    HeadersOnly,
    /// There is nothing to hear: no decoder for its encoding.
    NoDecoder,
    /// It was to be heard while it lasts, and is over.
    CallOver,
}

impl Refusal {
    /// Every refusal.
    pub const ALL: [Self; 15] = [
        Self::Forged,
        Self::NotOurs,
        Self::Expired,
        Self::Used,
        Self::NotKept,
        Self::LetGo,
        Self::Busy,
        Self::Changed,
        Self::NotSupported,
        Self::Disk,
        Self::NoMedia,
        Self::Encrypted,
        Self::HeadersOnly,
        Self::NoDecoder,
        Self::CallOver,
    ];

    /// Its name in the API.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Forged => "ticket_forged",
            Self::NotOurs => "ticket_not_ours",
            Self::Expired => "ticket_expired",
            Self::Used => "ticket_used",
            Self::NotKept => "not_kept",
            Self::LetGo => "let_go",
            Self::Busy => "sensor_busy",
            Self::Changed => "changed",
            Self::NotSupported => "not_supported",
            Self::Disk => "sensor_disk",
            Self::NoMedia => "no_media",
            Self::Encrypted => "encrypted",
            Self::HeadersOnly => "headers_only",
            Self::NoDecoder => "no_decoder",
            Self::CallOver => "call_over",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Forged => "The sensor does not accept the ticket: its signature is not this cloud's.",
            Self::NotOurs => "The sensor does not accept the ticket: it is for somebody else.",
            Self::Expired => "The ticket came to the sensor too late: ask again.",
            Self::Used => "The ticket was used before: ask again.",
            Self::NotKept => "The sensor has no packets of this call.",
            Self::LetGo => {
                "The sensor had this call's packets and has let them go: its store was full or they were too old."
            }
            Self::Busy => "The sensor sends as many calls as it may at once: try again in a minute.",
            Self::Changed => "The sensor's store has changed since the transfer began: start again.",
            Self::NotSupported => "This sensor cannot do that: install a newer ringside-sensor.",
            Self::Disk => "The sensor could not read its store: look at its log.",
            Self::NoMedia => "Nothing can be heard: no RTP of this call was kept.",
            Self::Encrypted => {
                "Nothing can be heard: the call is encrypted, and its SIP has no key that opens it."
            }
            Self::HeadersOnly => {
                "Nothing can be heard: the rule that kept this call keeps RTP headers only."
            }
            Self::NoDecoder => {
                "Nothing can be heard: the sensor has no decoder for this call; download its packets."
            }
            Self::CallOver => "This call is over.",
        })
    }
}

/// What everything that both sides have said is hashed and signed as.
#[must_use]
pub fn transcript(
    ticket: &SignedTicket,
    transfer: &[u8; 16],
    offset: u64,
    browser_key: &[u8; PUBLIC_KEY_BYTES],
    sensor_key: &[u8; PUBLIC_KEY_BYTES],
) -> Vec<u8> {
    let mut said = b"ringside retrieval v1\0".to_vec();
    // A ticket is far shorter than 4 GiB.
    said.extend_from_slice(&u32::try_from(ticket.ticket.len()).unwrap_or(u32::MAX).to_be_bytes());
    said.extend_from_slice(&ticket.ticket);
    said.extend_from_slice(transfer);
    said.extend_from_slice(&offset.to_be_bytes());
    said.extend_from_slice(browser_key);
    said.extend_from_slice(sensor_key);
    said
}

/// What the resume key authenticates: the new transfer's browser key, and where it goes on.
#[must_use]
pub fn resume_proof_message(browser_key: &[u8; PUBLIC_KEY_BYTES], offset: u64) -> Vec<u8> {
    [b"ringside resume v1\0".as_slice(), &offset.to_be_bytes(), browser_key].concat()
}

/// The nonce of frame `n`: four zeros and `n`, big-endian.
#[must_use]
pub const fn nonce(n: u64) -> [u8; 12] {
    let [a, b, c, d, e, f, g, h] = n.to_be_bytes();
    [0, 0, 0, 0, a, b, c, d, e, f, g, h]
}

/// The first bytes of a transfer.
#[must_use]
pub fn opening(
    sensor_key: &[u8; PUBLIC_KEY_BYTES],
    device_key: &[u8; 32],
    signature: &[u8; 64],
) -> Vec<u8> {
    [MAGIC.as_slice(), &[VERSION], sensor_key, device_key, signature].concat()
}

/// What a frame holds: the first byte of what is sealed. New ones are appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// [`About`], first.
    About = 0,
    /// Bytes of the file.
    Data = 1,
    /// [`End`], last.
    End = 2,
    /// A part of what comes beside the file, before its first byte: the overview of sound. All such
    /// frames together are one thing. A resumed transfer has none.
    Beside = 3,
}

/// What comes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// A name for the file.
    pub name: String,
    /// Its media type.
    pub media_type: String,
    /// Bytes of the whole file, about; the end says how many there were.
    pub about_bytes: Option<u64>,
    /// Bytes that are passed over: what the browser has already.
    pub offset: u64,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// Bytes of the whole file, those that were passed over included.
    pub bytes: u64,
    /// Pieces of the call that the disk has lost.
    pub missing: u32,
}

/// Keys of 65 bytes, which serde's arrays are too short for.
mod public_key {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::PUBLIC_KEY_BYTES;

    type Parts = (u8, [u8; 32], [u8; 32]);

    pub(super) fn serialize<S: Serializer>(
        key: &[u8; PUBLIC_KEY_BYTES],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        let (form, rest) = (key[0], &key[1..]);
        let (x, y) = rest.split_at(32);
        let parts: Parts = (
            form,
            x.try_into().map_err(serde::ser::Error::custom)?,
            y.try_into().map_err(serde::ser::Error::custom)?,
        );
        parts.serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<[u8; PUBLIC_KEY_BYTES], D::Error> {
        let (form, x, y) = Parts::deserialize(from)?;
        let mut key = [form; PUBLIC_KEY_BYTES];
        key[1..33].copy_from_slice(&x);
        key[33..].copy_from_slice(&y);
        Ok(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonces_count_and_never_meet() {
        assert_eq!(nonce(0), [0; 12]);
        assert_eq!(nonce(258), [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2]);
    }

    #[test]
    fn the_longest_ticket_fits_its_text_and_comes_back() {
        let call = CallId {
            device: crate::cdr::Fingerprint([1; 16]),
            boot: crate::cdr::Boot([2; 16]),
            number: u64::MAX,
        };
        let ticket = Ticket {
            number: [3; 16],
            user: "u".repeat(MAX_NAME_BYTES),
            customer: "c".repeat(MAX_NAME_BYTES),
            call,
            action: Action::Packets,
            way: Way::Direct,
            issued_at: UnixMicros(u64::MAX),
            expires_at: UnixMicros(u64::MAX),
        };
        let ticket = postcard::to_stdvec(&ticket).expect("encodes");
        let signed = SignedTicket { ticket, signature: [4; 64] };
        let text = signed.to_text().expect("encodes");
        assert!(text.len() <= MAX_TICKET_TEXT, "{}", text.len());
        assert_eq!(SignedTicket::from_text(&text), Some(signed));
        for bad in [&text[1..], "", "====", &"A".repeat(MAX_TICKET_TEXT + 4)] {
            assert_eq!(SignedTicket::from_text(bad).and_then(|ticket| ticket.read()), None);
        }
    }

    #[test]
    fn every_refusal_has_a_code_and_a_sentence_of_its_own() {
        for (at, refusal) in Refusal::ALL.iter().enumerate() {
            assert!(refusal.to_string().ends_with('.'));
            for other in &Refusal::ALL[at + 1..] {
                assert_ne!(refusal.code(), other.code());
                assert_ne!(refusal.to_string(), other.to_string());
            }
        }
    }

    #[test]
    fn actions_are_found_by_their_names() {
        for action in Action::ALL {
            assert_eq!(Action::named(action.name()), Some(action));
        }
        assert_eq!(Action::named("video"), None);
    }
}
