//! One call as it travels and as it is kept: the call detail record.
//!
//! All figures are integers in fixed units, so that the same capture gives the same bytes on
//! every architecture. Times inside a record are offsets from [`Cdr::first_at`].

use core::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::time::UnixMicros;

mod id;
mod legs;
mod media;
mod report;
mod sip;
mod status;
mod stream;

pub use id::{Boot, CallId, Fingerprint, InvalidCallId};
pub use legs::{LegSource, Legs};
pub use media::{Level, VoipMetrics, observed};
pub use report::{QualityReport, ReportKind};
pub use sip::{Method, SipEvent, SipMessage};
pub use status::{Status, usual_reason_phrase};
pub use stream::{Direction, DscpChange, INTERVAL_SECONDS, Interval, Rtcp, Scale, Score, Stream};

/// Microseconds after [`Cdr::first_at`].
pub type Offset = u64;

/// One call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cdr {
    /// The call's number within its boot (see [`CallId`]).
    pub number: u64,
    /// Bits of [`flags`].
    pub flags: u32,
    /// When the call's first packet was seen; every [`Offset`] counts from here.
    pub first_at: UnixMicros,
    /// The first INVITE; `None` when the call began before the capture.
    pub start: Option<Offset>,
    /// The first 180 or 183 with early media, whichever came first.
    pub ringing: Option<Offset>,
    /// The first 2xx to INVITE; where none was seen, the ACK to it.
    pub answered: Option<Offset>,
    /// BYE, the final failure, or the last packet where neither came.
    pub ended: Offset,
    /// INVITE to the first provisional response other than 100, or to the final one (RFC 6076
    /// §4.3), microseconds.
    pub session_request_delay: Option<u64>,
    /// SIP Call-ID (RFC 3261 §20.8).
    pub call_id: String,
    /// From.
    pub caller: Party,
    /// To.
    pub callee: Party,
    /// Of the first INVITE.
    pub request_uri: Option<String>,
    /// Every address named in this record, once; the `u8`s below index it.
    pub addresses: Vec<SocketAddr>,
    /// Where the first INVITE came from.
    pub src: u8,
    /// Where the first INVITE went.
    pub dst: u8,
    /// Of the final response; `None` when none was seen.
    pub status: Option<Status>,
    /// Who or what ended the call.
    pub ended_by: EndedBy,
    /// User-Agent of the caller's requests.
    pub caller_agent: Option<String>,
    /// User-Agent or Server of the callee's responses.
    pub callee_agent: Option<String>,
    /// Digits of RFC 4733 events and SIP INFO, in order.
    pub dtmf: String,
    /// The ladder, in packet order.
    pub sip: Vec<SipEvent>,
    /// SIP messages of this call that did not fit into `sip`.
    pub sip_omitted: u32,
    /// SIP messages that repeated an earlier one (they are in the ladder too).
    pub retransmissions: u32,
    /// One for each RTP stream, in order of their first packets.
    pub streams: Vec<Stream>,
    /// Streams that did not fit into `streams`.
    pub streams_omitted: u32,
    /// VLAN id of the first INVITE.
    pub vlan: Option<u16>,
    /// Q.850 cause of a Reason header (RFC 3326), if any.
    pub q850_cause: Option<u8>,
    /// DSCP of the first message from the caller's and from the callee's side.
    pub sip_dscp: [Option<u8>; 2],
    /// What the phones themselves reported (RFC 6035), in order of arrival.
    pub quality_reports: Vec<QualityReport>,
    /// What the call shares with its other legs, if any are known.
    pub legs: Option<Legs>,
    /// What the sensor's store has of it; `None` where no rule keeps it.
    pub stored: Option<Stored>,
}

/// What a sensor's store has of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// Id of the capture rule that keeps it.
    pub rule_id: u64,
    /// What people call that rule; may be empty.
    pub rule: String,
    /// Packets.
    pub packets: u32,
    /// Their bytes.
    pub bytes: u64,
    /// The first of them.
    pub first: Offset,
    /// The last of them.
    pub last: Offset,
    /// Packets to be kept that the store had no room for.
    pub dropped: u32,
}

/// Bits of [`Cdr::flags`], with the names that the JSON uses.
pub mod flags {
    /// Media in one direction only although both were agreed.
    pub const ONE_WAY: u32 = 1 << 0;
    /// Answered, and no RTP packet came.
    pub const NO_MEDIA: u32 = 1 << 1;
    /// RTP flows and nobody speaks.
    pub const SILENT: u32 = 1 << 2;
    /// The media is SRTP.
    pub const ENCRYPTED: u32 = 1 << 3;
    /// REFER or Replaces was seen.
    pub const TRANSFERRED: u32 = 1 << 4;
    /// The call was put on hold at least once.
    pub const ON_HOLD: u32 = 1 << 5;
    /// T.38 was agreed.
    pub const FAX: u32 = 1 << 6;
    /// RTP came from another address than the SDP said.
    pub const NAT: u32 = 1 << 7;
    /// The call began before the capture.
    pub const JOINED_LATE: u32 = 1 << 8;
    /// The capture lost packets during the call: its loss figures are unreliable.
    pub const CAPTURE_LOSS: u32 = 1 << 9;
    /// The sensor did not know the time when it saw the call.
    pub const CLOCK_UNSET: u32 = 1 << 10;
    /// The table was full and the call was let go before its end.
    pub const EVICTED: u32 = 1 << 11;
    /// Early media flowed before the answer.
    pub const EARLY_MEDIA: u32 = 1 << 12;
    /// An INVITE was answered by several branches.
    pub const FORKED: u32 = 1 << 13;
    /// A 401 or 407 was answered with credentials.
    pub const AUTHENTICATED: u32 = 1 << 14;
    /// The capture held only parts of some packets (snap length), or their SDP was unreadable.
    pub const TRUNCATED: u32 = 1 << 15;
    /// It records another call: its INVITE carries SIPREC metadata (RFC 7866).
    pub const RECORDING: u32 = 1 << 16;
    /// The mirror port shows one direction, or none: RTCP says that media flows which the sensor
    /// does not see, or no message of one side was seen of a call that was answered.
    pub const UNSEEN_MEDIA: u32 = 1 << 20;

    /// Every flag with its name in JSON, API and GUI.
    pub const NAMES: &[(u32, &str)] = &[
        (ONE_WAY, "one_way"),
        (NO_MEDIA, "no_media"),
        (SILENT, "silent"),
        (ENCRYPTED, "encrypted"),
        (TRANSFERRED, "transferred"),
        (ON_HOLD, "on_hold"),
        (FAX, "fax"),
        (NAT, "nat"),
        (JOINED_LATE, "joined_late"),
        (CAPTURE_LOSS, "capture_loss"),
        (CLOCK_UNSET, "clock_unset"),
        (EVICTED, "evicted"),
        (EARLY_MEDIA, "early_media"),
        (FORKED, "forked"),
        (AUTHENTICATED, "authenticated"),
        (TRUNCATED, "truncated"),
        (RECORDING, "recording"),
        (UNSEEN_MEDIA, "unseen_media"),
    ];
}

/// One side of a call, from its From or To header (RFC 3261 §20.20, §20.39).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party {
    /// The user part of the URI: a number or a name.
    pub user: String,
    /// The host part, with its port if one is written.
    pub host: String,
    /// The display name, unquoted.
    pub display: Option<String>,
}

/// Who or what ended a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum EndedBy {
    /// The caller sent BYE.
    Caller,
    /// The callee sent BYE.
    Callee,
    /// The caller sent CANCEL before an answer.
    Cancelled,
    /// A final response of 300 or more.
    Rejected,
    /// Nothing more came: no answer to the INVITE, or no BYE and no media.
    Timeout,
    /// The capture, or the sensor, stopped first.
    #[default]
    CaptureEnd,
}

impl Cdr {
    /// When the call ended.
    #[must_use]
    pub const fn ended_at(&self) -> UnixMicros {
        self.first_at.plus(self.ended)
    }

    /// Whether figures of this call may show what the sensor missed rather than what people heard.
    #[must_use]
    pub fn is_unreliable(&self) -> bool {
        if self.streams.is_empty() {
            return self.has(flags::CAPTURE_LOSS);
        }
        self.streams.iter().any(|stream| stream.is_unreliable(self.flags))
    }

    /// Whether all bits of `flag` are set.
    #[must_use]
    pub const fn has(&self, flag: u32) -> bool {
        self.flags & flag == flag
    }

    /// Answer to end, microseconds; `None` when the call was not answered.
    #[must_use]
    pub fn duration(&self) -> Option<u64> {
        self.answered.map(|answered| self.ended.saturating_sub(answered))
    }

    /// INVITE to answer, microseconds.
    #[must_use]
    pub fn setup(&self) -> Option<u64> {
        Some(self.answered?.saturating_sub(self.start?))
    }

    /// The address at an index of this record; `None` for a record that contradicts itself.
    #[must_use]
    pub fn address(&self, index: u8) -> Option<SocketAddr> {
        self.addresses.get(usize::from(index)).copied()
    }

    /// The worst direction's score: the lowest MOS of any stream, with `pick` choosing the jitter
    /// buffer. `None` where no stream has one.
    #[must_use]
    pub fn worst(&self, pick: fn(&Stream) -> Option<Score>) -> Option<(Score, Scale)> {
        self.streams
            .iter()
            .filter_map(|stream| Some((pick(stream)?, stream.scale)))
            .min_by_key(|(score, _)| (score.mos, score.r))
    }
}
