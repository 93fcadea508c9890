//! One call as it travels and as it is kept: the call detail record.
//!
//! All figures are integers in fixed units, so that the same capture gives the same bytes on
//! every architecture. Times inside a record are offsets from [`Cdr::first_at`].

use core::fmt;
use core::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::time::UnixMicros;

mod media;

pub use media::{Level, VoipMetrics, observed};

/// Microseconds after [`Cdr::first_at`].
pub type Offset = u64;

/// SHA-256 of a device's Ed25519 public key, its first 16 bytes.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Fingerprint(pub [u8; 16]);

/// 128 random bits drawn at every start of a sensor, so that a re-made data partition can never
/// repeat a call's id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Boot(pub [u8; 16]);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Boot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Boot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A call's id: given at its first packet and used everywhere (record, store, ticket, API).
///
/// Its text is `FINGERPRINT-BOOT-NUMBER`: 32 hex digits, 32 hex digits, a decimal number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CallId {
    /// The device that saw the call.
    pub device: Fingerprint,
    /// The sensor's start during which it saw it.
    pub boot: Boot,
    /// Counts from 1 within the boot, in order of first packets.
    pub number: u64,
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.device, self.boot, self.number)
    }
}

impl core::str::FromStr for CallId {
    type Err = InvalidCallId;

    fn from_str(text: &str) -> Result<Self, InvalidCallId> {
        let mut parts = text.split('-');
        let mut key = || -> Option<[u8; 16]> {
            data_encoding::HEXLOWER.decode(parts.next()?.as_bytes()).ok()?.try_into().ok()
        };
        let device = Fingerprint(key().ok_or(InvalidCallId)?);
        let boot = Boot(key().ok_or(InvalidCallId)?);
        let number = parts.next().and_then(|n| n.parse().ok()).ok_or(InvalidCallId)?;
        if parts.next().is_some() {
            return Err(InvalidCallId);
        }
        Ok(Self { device, boot, number })
    }
}

/// A text that is no call id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidCallId;

impl fmt::Display for InvalidCallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a call id is FINGERPRINT-BOOT-NUMBER: 32 hex digits, 32 hex digits, a number")
    }
}

impl core::error::Error for InvalidCallId {}

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
    /// The first 2xx to INVITE.
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

/// What the legs of one call share (a call through a B2BUA, or one that replaces another).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Legs {
    /// What told so.
    pub source: LegSource,
    /// The same in every leg: a session's UUID, or the Call-ID of the first leg.
    pub key: String,
}

/// What told that calls are legs of one. New ones are appended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum LegSource {
    /// Session-ID (RFC 7989).
    #[default]
    SessionId,
    /// A header that names the Call-ID of another leg.
    Header,
    /// Replaces (RFC 3891), in INVITE or REFER.
    Replaces,
    /// The same number at nearly the same time, through the same address.
    NumberAndTime,
}

impl LegSource {
    /// As JSON and API write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SessionId => "session_id",
            Self::Header => "header",
            Self::Replaces => "replaces",
            Self::NumberAndTime => "number_and_time",
        }
    }
}

/// A phone's own report about the stream that it received (RFC 6035).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QualityReport {
    /// When it was seen.
    pub at: Offset,
    /// Which way the reported stream flows: the reporting phone is at its end.
    pub direction: Direction,
    /// What it is about.
    pub kind: ReportKind,
    /// `MOSLQ`, 1/100.
    pub mos_lq: Option<u16>,
    /// `MOSCQ`, 1/100.
    pub mos_cq: Option<u16>,
    /// `NLR`: packets lost in the network, 1/1000.
    pub network_packet_loss_rate: Option<u16>,
    /// `JDR`: packets that its jitter buffer threw away, 1/1000.
    pub jitter_buffer_discard_rate: Option<u16>,
    /// `IAJ`, milliseconds.
    pub interarrival_jitter: Option<u16>,
    /// `RTD`, milliseconds.
    pub round_trip_delay: Option<u16>,
}

/// What a [`QualityReport`] is about. New ones are appended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReportKind {
    /// The whole session (`VQSessionReport: CallTerm`).
    #[default]
    Session,
    /// A part of it (`VQIntervalReport`).
    Interval,
    /// A threshold was crossed (`VQAlertReport`).
    Alert,
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
    /// RTCP says that media flows which the sensor does not see: the mirror port shows one
    /// direction, or none.
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

/// A final response's status line (RFC 3261 §7.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// 200 to 699.
    pub code: u16,
    /// As written; empty where it is the usual one for the code ([`usual_reason_phrase`]).
    pub reason_phrase: String,
}

impl Status {
    /// With the reason phrase that was written, which is left out where it is the usual one.
    #[must_use]
    pub fn new(code: u16, phrase: String) -> Self {
        let is_usual = phrase == usual_reason_phrase(code);
        Self { code, reason_phrase: if is_usual { String::new() } else { phrase } }
    }

    /// The reason phrase as it was written on the wire.
    #[must_use]
    pub fn phrase(&self) -> &str {
        if self.reason_phrase.is_empty() {
            usual_reason_phrase(self.code)
        } else {
            &self.reason_phrase
        }
    }
}

/// The reason phrase that RFC 3261 §21 gives a status code, or RFC 6665 and RFC 3903 do; empty
/// where none of them does.
#[must_use]
pub const fn usual_reason_phrase(code: u16) -> &'static str {
    match code {
        100 => "Trying",
        180 => "Ringing",
        181 => "Call Is Being Forwarded",
        182 => "Queued",
        183 => "Session Progress",
        200 => "OK",
        202 => "Accepted",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Moved Temporarily",
        305 => "Use Proxy",
        380 => "Alternative Service",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        410 => "Gone",
        412 => "Conditional Request Failed",
        413 => "Request Entity Too Large",
        415 => "Unsupported Media Type",
        420 => "Bad Extension",
        423 => "Interval Too Brief",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        483 => "Too Many Hops",
        484 => "Address Incomplete",
        485 => "Ambiguous",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        489 => "Bad Event",
        491 => "Request Pending",
        493 => "Undecipherable",
        500 => "Server Internal Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Server Time-out",
        505 => "Version Not Supported",
        513 => "Message Too Large",
        600 => "Busy Everywhere",
        603 => "Decline",
        604 => "Does Not Exist Anywhere",
        606 => "Not Acceptable",
        _ => "",
    }
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

/// One arrow of the ladder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SipEvent {
    /// Microseconds after the event before it (the first: after [`Cdr::first_at`]).
    pub after: u64,
    /// Index into [`Cdr::addresses`].
    pub src: u8,
    /// Index into [`Cdr::addresses`].
    pub dst: u8,
    /// What it was.
    pub message: SipMessage,
    /// The CSeq number.
    pub cseq: u32,
    /// The method of CSeq, as a request's own or the one a response answers.
    pub method: Method,
}

/// A SIP message's start line, as far as the ladder needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SipMessage {
    /// A request; its method is [`SipEvent::method`].
    Request,
    /// A response with its status code.
    Response(u16),
}

/// SIP methods (RFC 3261 and its extensions). New ones are appended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Method {
    /// A method this list does not name.
    #[default]
    Other,
    /// RFC 3261 §13.
    Invite,
    /// RFC 3261 §13.
    Ack,
    /// RFC 3261 §15.
    Bye,
    /// RFC 3261 §9.
    Cancel,
    /// RFC 3261 §10.
    Register,
    /// RFC 3261 §11.
    Options,
    /// RFC 3262.
    Prack,
    /// RFC 6665.
    Subscribe,
    /// RFC 6665.
    Notify,
    /// RFC 3903.
    Publish,
    /// RFC 6086.
    Info,
    /// RFC 3515.
    Refer,
    /// RFC 3428.
    Message,
    /// RFC 3311.
    Update,
}

impl Method {
    /// As written on the wire; `?` for [`Method::Other`].
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Other => "?",
            Self::Invite => "INVITE",
            Self::Ack => "ACK",
            Self::Bye => "BYE",
            Self::Cancel => "CANCEL",
            Self::Register => "REGISTER",
            Self::Options => "OPTIONS",
            Self::Prack => "PRACK",
            Self::Subscribe => "SUBSCRIBE",
            Self::Notify => "NOTIFY",
            Self::Publish => "PUBLISH",
            Self::Info => "INFO",
            Self::Refer => "REFER",
            Self::Message => "MESSAGE",
            Self::Update => "UPDATE",
        }
    }

    /// The method written so; methods are case-sensitive (RFC 3261 §7.1).
    #[must_use]
    pub fn from_token(token: &[u8]) -> Self {
        match token {
            b"INVITE" => Self::Invite,
            b"ACK" => Self::Ack,
            b"BYE" => Self::Bye,
            b"CANCEL" => Self::Cancel,
            b"REGISTER" => Self::Register,
            b"OPTIONS" => Self::Options,
            b"PRACK" => Self::Prack,
            b"SUBSCRIBE" => Self::Subscribe,
            b"NOTIFY" => Self::Notify,
            b"PUBLISH" => Self::Publish,
            b"INFO" => Self::Info,
            b"REFER" => Self::Refer,
            b"MESSAGE" => Self::Message,
            b"UPDATE" => Self::Update,
            _ => Self::Other,
        }
    }
}

/// Which way a stream flows, seen from the call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direction {
    /// From the caller's side to the callee's.
    CallerToCallee,
    /// From the callee's side to the caller's.
    CalleeToCaller,
    /// The addresses do not tell.
    #[default]
    Unknown,
}

/// One RTP stream: one SSRC between two addresses, from one sequence start to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stream {
    /// Index into [`Cdr::addresses`].
    pub src: u8,
    /// Index into [`Cdr::addresses`].
    pub dst: u8,
    /// RFC 3550 §5.1.
    pub ssrc: u32,
    /// The payload type of most packets that carry media.
    pub payload_type: u8,
    /// From rtpmap, or RFC 3551's for static types; empty where unknown.
    pub encoding_name: String,
    /// Hz; `None` where the payload type's clock is unknown.
    pub clock_rate: Option<u32>,
    /// Which way it flows.
    pub direction: Direction,
    /// Its first packet.
    pub first: Offset,
    /// Microseconds from its first packet to its last.
    pub length: u64,
    /// Packets that came, duplicates included.
    pub packets: u32,
    /// RTP payload bytes of those packets.
    pub bytes: u64,
    /// Highest extended sequence number minus the first, plus 1 (RFC 3550 A.3).
    pub expected: u32,
    /// Sequence numbers that never came.
    pub lost: u32,
    /// Packets whose sequence number had come before.
    pub duplicates: u32,
    /// Packets that came after one with a higher sequence number.
    pub reordered: u32,
    /// Of those, the ones lost in seconds in which the sensor itself missed packets; `None`: it
    /// cannot tell (a capture file).
    pub capture_lost: Option<u32>,
    /// Mean of the interarrival jitter (RFC 3550 A.8), microseconds; `None` without a clock rate.
    pub jitter_mean: Option<u32>,
    /// Its greatest value, microseconds.
    pub jitter_max: Option<u32>,
    /// The longest gap between two packets' arrivals, microseconds, silence before a talkspurt
    /// left out; `None` for one packet.
    pub delta_max: Option<u32>,
    /// Burst ratio of the network's loss (G.107 BurstR), 1/100; `None` without loss.
    pub burst_r: Option<u16>,
    /// With an adaptive jitter buffer of up to 500 ms.
    pub adaptive: Option<Score>,
    /// With a fixed jitter buffer of 50 ms.
    pub fixed_50: Option<Score>,
    /// With a fixed jitter buffer of 200 ms.
    pub fixed_200: Option<Score>,
    /// Which scale the scores are on, or why there are none.
    pub scale: Scale,
    /// What the receiver of this stream reported about it (RFC 3550 §6.4), if it did.
    pub rtcp: Option<Rtcp>,
    /// One for each 10 s since the stream's first packet.
    pub intervals: Vec<Interval>,
    /// The DSCP of most packets.
    pub dscp: u8,
    /// Milliseconds of audio a packet, as most packets carried; `None` where unknown.
    pub ptime: Option<u16>,
    /// Bits of [`observed`].
    pub observed: u16,
    /// How loud it is, where that can be read (G.711, not encrypted).
    pub level: Option<Level>,
    /// How much slower the sender's clock runs than the sensor's, parts per million; negative:
    /// faster. `None` for streams too short or too uneven to tell.
    pub drift_ppm: Option<i32>,
    /// Where its sender's description said that it receives (and so should send from), where
    /// packets came from another host: index into [`Cdr::addresses`].
    pub described: Option<u8>,
    /// The encoding that the answer put first, where the stream is another one.
    pub preferred: Option<String>,
    /// The source's canonical name (RFC 3550 §6.5.1).
    pub cname: Option<String>,
    /// What the receiver measured (RFC 3611 §4.7).
    pub voip_metrics: Option<VoipMetrics>,
}

/// An opinion computed from figures (ITU-T G.107).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Score {
    /// MOS-CQE, 1/100: 100 to 450.
    pub mos: u16,
    /// R, 1/10: 0 to 1000 (to 1290 on the wideband scale).
    pub r: u16,
    /// Packets that this jitter buffer threw away as too late or too many.
    pub discarded: u32,
}

/// The scale of a stream's scores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scale {
    /// G.107.
    Narrowband,
    /// G.107.1.
    Wideband,
    /// No score: the codec is unknown.
    #[default]
    UnknownCodec,
    /// No score: no Ie and Bpl were published for the codec.
    NoImpairmentValues,
    /// No score: the stream is not speech (video, fax, events only).
    NotSpeech,
    /// No score: too few packets.
    TooShort,
}

/// The last figures that RTCP reported about a stream (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rtcp {
    /// Report blocks seen about this stream.
    pub reports: u32,
    /// The greatest fraction lost of any report, 1/256.
    pub fraction_lost: u8,
    /// The last cumulative number of packets lost, signed 24 bits.
    pub cumulative_lost: i32,
    /// The greatest interarrival jitter, timestamp units.
    pub interarrival_jitter: u32,
    /// Mean round trip, microseconds, where LSR and DLSR gave one.
    pub round_trip: Option<u32>,
}

/// Ten seconds of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interval {
    /// Packets that came.
    pub packets: u16,
    /// Sequence numbers that never came.
    pub lost: u16,
    /// Mean interarrival jitter, units of 0.1 ms; 0 where unknown or none.
    pub jitter: u16,
    /// MOS with the adaptive jitter buffer, 1/100; 0 where there is none.
    pub mos: u16,
}

/// Length of an [`Interval`], seconds.
pub const INTERVAL_SECONDS: u64 = 10;

impl Stream {
    /// Mean time between two packets, microseconds, as tshark has it; `None` for one packet.
    #[must_use]
    pub fn delta_mean(&self) -> Option<u64> {
        self.length.checked_div(u64::from(self.packets.saturating_sub(1)))
    }

    /// Sequence numbers that the network lost: those that never came, without the sensor's own
    /// loss.
    #[must_use]
    pub fn network_lost(&self) -> u32 {
        self.lost.saturating_sub(self.capture_lost.unwrap_or(0))
    }

    /// Whether its figures may show what the sensor missed; `flags` are the call's.
    #[must_use]
    pub fn is_unreliable(&self, flags: u32) -> bool {
        self.capture_lost.map_or(flags & flags::CAPTURE_LOSS != 0, |lost| lost > 0)
    }

    /// Whether all bits of `bit` are set in [`Self::observed`].
    #[must_use]
    pub const fn has(&self, bit: u16) -> bool {
        self.observed & bit == bit
    }

    /// Length of each of [`Stream::intervals`], seconds: [`INTERVAL_SECONDS`], doubled as often
    /// as the sensor merged them pairwise to hold a long stream.
    #[must_use]
    pub fn interval_seconds(&self) -> u64 {
        let count = self.intervals.len().max(1) as u64;
        let mut seconds = INTERVAL_SECONDS;
        while self.length / 1_000_000 / seconds >= count {
            seconds *= 2;
        }
        seconds
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_and_count_tell_how_long_intervals_are() {
        let seconds = |length: u64, intervals| {
            let intervals = vec![Interval::default(); intervals];
            Stream { length: length * 1_000_000, intervals, ..Stream::default() }.interval_seconds()
        };
        assert_eq!(seconds(0, 1), 10);
        assert_eq!(seconds(9, 1), 10);
        assert_eq!(seconds(10, 2), 10);
        assert_eq!(seconds(7199, 720), 10);
        assert_eq!(seconds(7200, 361), 20, "merged once");
        assert_eq!(seconds(14_400, 361), 40, "merged twice");
        assert_eq!(seconds(30, 0), 40, "a record that contradicts itself");
        let endless = Stream { length: u64::MAX, ..Stream::default() };
        assert!(endless.interval_seconds() > u64::MAX / 1_000_000);
    }

    #[test]
    fn call_id_survives_its_text() {
        let id = CallId { device: Fingerprint([7; 16]), boot: Boot([0xab; 16]), number: 42 };
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!("1-2-3".parse::<CallId>(), Err(InvalidCallId));
        assert_eq!(format!("{id}-1").parse::<CallId>(), Err(InvalidCallId));
    }
}
