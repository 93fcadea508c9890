//! One call in the table: its signalling, its parties, its media and the ladder.

use core::net::SocketAddr;

use ringside_protocol::cdr::{Direction, Method, QualityReport, ReportKind, VoipMetrics, flags};

use super::dialog::{Dialog, Effect, Side, Signal};
use super::dtmf;
use super::hash::Keyed;
use super::ladder::{Addresses, Ladder};
use super::legs::Legs;
use super::offer::Media;
use super::slab::Slot;
use super::text::{Text, Texts};
use crate::decode::Datagram;
use crate::limits::{
    MAX_DTMF, MAX_MEDIA_PER_CALL, MAX_QUALITY_REPORTS, MAX_REPORTED_STREAMS, MAX_STREAMS_PER_CALL,
};
use crate::wire::sip::{HeaderName, Message, NameAddr, StartLine, Uri, parameter};
use crate::wire::vq;

/// One side of a call as its From or To header names it.
#[derive(Clone, Copy, Debug, Default)]
pub struct PartyText {
    /// The URI's user part.
    pub user: Text,
    /// Its host part.
    pub host: Text,
    /// The display name, escapes unresolved.
    pub display: Option<Text>,
}

/// One call.
#[derive(Debug)]
pub struct Call {
    /// Counts from 1 within the boot.
    pub number: u64,
    /// Its first packet, microseconds since the epoch.
    pub first_at: u64,
    /// Keyed hash of the Call-ID.
    pub call_id_hash: u64,
    /// See [`Texts`].
    pub texts: Texts,
    /// SIP Call-ID.
    pub call_id: Text,
    /// From of the first INVITE.
    pub caller: PartyText,
    /// To of the first INVITE.
    pub callee: PartyText,
    /// Of the first INVITE.
    pub request_uri: Option<Text>,
    /// The final response's reason phrase.
    pub reason_phrase: Text,
    /// User-Agent of the caller's requests.
    pub caller_agent: Option<Text>,
    /// User-Agent or Server of the callee's responses.
    pub callee_agent: Option<Text>,
    /// Signalling.
    pub dialog: Dialog,
    /// Bits of [`flags`].
    pub flags: u32,
    /// Messages.
    pub ladder: Ladder,
    /// Every address that the record names.
    pub addresses: Addresses,
    /// Where its first message came from and went.
    pub way: (u8, u8),
    /// VLAN id of its first message.
    pub vlan: Option<u16>,
    /// RFC 3326.
    pub q850_cause: Option<u8>,
    /// What each side described.
    pub media: Media,
    /// Media of it may have gone to others, or to nobody: there was no room for all of its addresses.
    pub has_lost_places: bool,
    /// Its entries in the media table.
    pub media_slots: heapless::Vec<Slot, MAX_MEDIA_PER_CALL, u8>,
    /// Its streams.
    pub streams: heapless::Vec<Slot, MAX_STREAMS_PER_CALL, u8>,
    /// Streams beyond that.
    pub streams_omitted: u32,
    /// Digits, from both sides in order of time.
    pub digits: heapless::String<MAX_DTMF>,
    /// Hash of the flow of each side whose RFC 4733 events count: a relayed copy repeats them.
    pub event_flows: [Option<u64>; 2],
    /// The newest round trip from the tap to each side, microseconds.
    pub round_trips: [Option<u32>; 2],
    /// Where the keeper of packets follows it, if it does.
    pub track: Option<Slot>,
    /// Each side that reports hearing a source of which no packet was seen.
    pub hears_unseen: [bool; 2],
    /// Canonical names of its streams' sources.
    pub cnames: heapless::Vec<(Slot, Text), MAX_REPORTED_STREAMS, u8>,
    /// What receivers measured of its streams.
    pub voip_metrics: heapless::Vec<(Slot, VoipMetrics), MAX_REPORTED_STREAMS, u8>,
    /// DSCP of each side's first message.
    pub sip_dscp: [Option<u8>; 2],
    /// Capture losses that had been noted when the call began.
    pub loss_epoch: u64,
    /// What it shares with its other legs.
    pub legs: Option<Legs>,
    /// What its phones reported.
    pub quality_reports: heapless::Vec<QualityReport, MAX_QUALITY_REPORTS, u8>,
    caller_tag: u64,
    info_cseq: [Option<u32>; 2],
    has_answer_agent: bool,
}

impl Call {
    /// A call whose first message this is.
    #[must_use]
    pub fn new(
        number: u64,
        message: &Message<'_>,
        datagram: &Datagram<'_>,
        keyed: &Keyed,
        call_id_hash: u64,
        no_response_timeout: u64,
    ) -> Self {
        let now = datagram.at.as_micros();
        let mut texts = Texts::default();
        let call_id = texts.keep(message.call_id());
        // Of a call joined in its middle, the first request seen names the caller; a response
        // answers a request that went the other way.
        let caller = party(&mut texts, message.from());
        let callee = party(&mut texts, message.to());
        let is_new = is_initial_invite(message);
        let request_uri = match message.start_line {
            StartLine::Request { request_uri, .. } if is_new => Some(texts.keep(request_uri)),
            _ => None,
        };
        let mut addresses = Addresses::default();
        let src = addresses.index(datagram.src).unwrap_or_default();
        let dst = addresses.index(datagram.dst).unwrap_or_default();
        Self {
            number,
            first_at: now,
            call_id_hash,
            texts,
            call_id,
            caller,
            callee,
            request_uri,
            reason_phrase: Text::default(),
            caller_agent: None,
            callee_agent: None,
            dialog: Dialog::new(now, no_response_timeout),
            flags: if is_new { 0 } else { flags::JOINED_LATE },
            ladder: Ladder::default(),
            addresses,
            way: if message.is_request() { (src, dst) } else { (dst, src) },
            vlan: datagram.vlan,
            q850_cause: None,
            media: Media::default(),
            has_lost_places: false,
            media_slots: heapless::Vec::new(),
            streams: heapless::Vec::new(),
            streams_omitted: 0,
            digits: heapless::String::new(),
            event_flows: [None; 2],
            round_trips: [None; 2],
            track: None,
            hears_unseen: [false; 2],
            cnames: heapless::Vec::new(),
            voip_metrics: heapless::Vec::new(),
            sip_dscp: [None; 2],
            loss_epoch: 0,
            quality_reports: heapless::Vec::new(),
            legs: None,
            caller_tag: tag(message.from(), keyed).unwrap_or_default(),
            info_cseq: [None; 2],
            has_answer_agent: false,
        }
    }

    /// Takes a message of this call; says whether it was no repetition, so that its session
    /// description is worth reading.
    pub fn handle_sip(
        &mut self,
        message: &Message<'_>,
        datagram: &Datagram<'_>,
        keyed: &Keyed,
    ) -> bool {
        let now = datagram.at.as_micros();
        let way = (self.addresses.index(datagram.src), self.addresses.index(datagram.dst));
        let added = self.ladder.add(message, way, now, |parts| keyed.parts(parts));
        if (datagram.payload.len() as u64) < u64::from(datagram.payload_len) || message.is_cut {
            self.flags |= flags::TRUNCATED;
        }
        let side = self.side_of(message, keyed);
        self.sip_dscp[side as usize].get_or_insert(datagram.dscp);
        let effect = self.dialog.handle(self.signal(message, side, keyed), now);
        if effect == Effect::IsFinal
            && let StartLine::Response { reason_phrase, .. } = message.start_line
            && self.texts.bytes(self.reason_phrase) != reason_phrase
        {
            self.reason_phrase = self.texts.keep(reason_phrase);
        }
        if added.is_repeated {
            return false;
        }
        self.note_agent(message, side);
        self.note_headers(message, side);
        true
    }

    /// Who sent a message: its request's From tag tells (RFC 3261 §12.1), else the address.
    #[must_use]
    pub fn side_of(&self, message: &Message<'_>, keyed: &Keyed) -> Side {
        let request_of = if tag(message.from(), keyed).unwrap_or_default() == self.caller_tag {
            Side::Caller
        } else {
            Side::Callee
        };
        if message.is_request() { request_of } else { request_of.other() }
    }

    fn signal(&self, message: &Message<'_>, side: Side, keyed: &Keyed) -> Signal {
        let cseq = message.cseq();
        let branch =
            message.top_via().and_then(|via| via.branch).map_or(0, |branch| keyed.parts(&[branch]));
        match message.start_line {
            StartLine::Request { method, .. } => match method {
                Method::Invite if message.to().tag().is_none() => Signal::Invite {
                    branch,
                    cseq: cseq.number,
                    has_credentials: message.header(HeaderName::Authorization).is_some()
                        || message.header(HeaderName::ProxyAuthorization).is_some(),
                },
                Method::Ack => Signal::Ack { branch, cseq: cseq.number, side },
                Method::Cancel => Signal::Cancel { branch },
                Method::Bye => {
                    let callee = match side {
                        Side::Caller => message.to(),
                        Side::Callee => message.from(),
                    };
                    Signal::Bye { side, callee_tag: tag(callee, keyed) }
                }
                method => Signal::Other(method),
            },
            StartLine::Response { status_code, .. } if cseq.method == Method::Invite => {
                Signal::Response {
                    branch,
                    cseq: cseq.number,
                    to_request_of: side.other(),
                    status_code,
                    to_tag: tag(message.to(), keyed),
                    has_sdp: message.sdp().is_some(),
                }
            }
            StartLine::Response { .. } => Signal::Other(Method::Other),
        }
    }

    /// The caller's agent stands in its requests; the callee's is the one that answers, not a
    /// proxy that says 100 on its way.
    fn note_agent(&mut self, message: &Message<'_>, side: Side) {
        let Some(agent) = message.user_agent() else { return };
        match (side, message.start_line) {
            (Side::Caller, StartLine::Request { .. }) if self.caller_agent.is_none() => {
                self.caller_agent = Some(self.texts.keep(agent));
            }
            (Side::Callee, StartLine::Response { status_code, .. }) => {
                let is_answer = (200..300).contains(&status_code);
                let is_better = is_answer && !self.has_answer_agent;
                if status_code > 100 && (self.callee_agent.is_none() || is_better) {
                    self.has_answer_agent |= is_answer;
                    let known = self.callee_agent.map(|known| self.texts.bytes(known));
                    if known != Some(agent) {
                        self.callee_agent = Some(self.texts.keep(agent));
                    }
                }
            }
            (Side::Callee, StartLine::Request { .. }) if self.callee_agent.is_none() => {
                self.callee_agent = Some(self.texts.keep(agent));
            }
            _ => {}
        }
    }

    fn note_headers(&mut self, message: &Message<'_>, side: Side) {
        let StartLine::Request { method, .. } = message.start_line else {
            self.note_reason(message);
            return;
        };
        if method == Method::Refer || message.header(HeaderName::Replaces).is_some() {
            self.flags |= flags::TRANSFERRED;
        }
        if method == Method::Invite && message.has_recording_metadata() {
            self.flags |= flags::RECORDING;
        }
        if method == Method::Info && self.info_cseq[side as usize] != Some(message.cseq().number) {
            self.info_cseq[side as usize] = Some(message.cseq().number);
            if let Some(digit) = dtmf::info_digit(message) {
                self.push_digit(digit);
            }
        }
        self.note_reason(message);
    }

    /// `Reason: Q.850;cause=16` (RFC 3326 §2).
    fn note_reason(&mut self, message: &Message<'_>) {
        let Some(reason) = message.header(HeaderName::Reason) else { return };
        for value in reason.split(|&byte| byte == b',') {
            let is_q850 =
                value.trim_ascii().get(..5).is_some_and(|head| head.eq_ignore_ascii_case(b"Q.850"));
            if is_q850 {
                let cause = parameter(value, b"cause");
                let text = cause.and_then(|cause| core::str::from_utf8(cause).ok());
                self.q850_cause = text.and_then(|text| text.parse().ok()).or(self.q850_cause);
            }
        }
    }

    /// A stream is the call's no longer.
    pub fn forget_stream(&mut self, slot: Slot) {
        self.cnames.retain(|&(known, _)| known != slot);
        self.voip_metrics.retain(|&(known, _)| known != slot);
    }

    /// Keeps what one of its phones reports.
    pub fn keep_report(&mut self, report: &vq::Report<'_>, now: u64) {
        let direction = match self.reporter(report) {
            Some(Side::Caller) => Direction::CalleeToCaller,
            Some(Side::Callee) => Direction::CallerToCallee,
            None => Direction::Unknown,
        };
        let report = QualityReport {
            at: now.saturating_sub(self.first_at),
            direction,
            kind: match report.kind {
                vq::Kind::Session => ReportKind::Session,
                vq::Kind::Interval => ReportKind::Interval,
                vq::Kind::Alert => ReportKind::Alert,
            },
            mos_lq: report.mos_lq,
            mos_cq: report.mos_cq,
            network_packet_loss_rate: report.network_packet_loss_rate,
            jitter_buffer_discard_rate: report.jitter_buffer_discard_rate,
            interarrival_jitter: report.interarrival_jitter,
            round_trip_delay: report.round_trip_delay,
        };
        // PUBLISH comes again after a challenge, and at each hop of a proxy.
        let is_same = |known: &QualityReport| QualityReport { at: report.at, ..*known } == report;
        if self.quality_reports.iter().any(is_same) {
            return;
        }
        if let Err(report) = self.quality_reports.push(report)
            && let Some(last) = self.quality_reports.last_mut()
        {
            *last = report;
        }
    }

    /// Whose phone reports: the user of LocalID tells, else the address at which it receives.
    fn reporter(&self, report: &vq::Report<'_>) -> Option<Side> {
        let user = Uri::parse(NameAddr::parse(report.local_id).uri).user;
        let is = |party: PartyText| !user.is_empty() && self.texts.bytes(party.user) == user;
        match (is(self.caller), is(self.callee)) {
            (true, false) => return Some(Side::Caller),
            (false, true) => return Some(Side::Callee),
            _ => {}
        }
        let ip_of =
            |index: u8| self.addresses.as_slice().get(usize::from(index)).map(SocketAddr::ip);
        let ips = (ip_of(self.way.0), ip_of(self.way.1));
        match report.local_ip {
            Some(ip) if ips.0 == Some(ip) && ips.1 != Some(ip) => Some(Side::Caller),
            Some(ip) if ips.1 == Some(ip) && ips.0 != Some(ip) => Some(Side::Callee),
            _ => None,
        }
    }

    /// Adds a digit, as long as there is room for it.
    pub fn push_digit(&mut self, digit: char) {
        // A digit beyond MAX_DTMF is not recorded.
        let _ = self.digits.push(digit);
    }

    /// The index of an address in the record; the last one when there is no room left.
    pub fn address_index(&mut self, address: SocketAddr) -> u8 {
        let last = self.addresses.as_slice().len().saturating_sub(1);
        self.addresses.index(address).or_else(|| u8::try_from(last).ok()).unwrap_or_default()
    }
}

/// Whether a message may begin a call: an INVITE outside a dialog (RFC 3261 §13).
#[must_use]
pub fn is_initial_invite(message: &Message<'_>) -> bool {
    let is_invite = matches!(message.start_line, StartLine::Request { method: Method::Invite, .. });
    is_invite && message.to().tag().is_none()
}

/// Whether a message shows a call that began before the capture: one within a dialog, or the
/// answer to an INVITE.
#[must_use]
pub fn shows_a_call(message: &Message<'_>) -> bool {
    match message.start_line {
        StartLine::Request { method, .. } => {
            let is_in_dialog = message.to().tag().is_some();
            match method {
                Method::Invite | Method::Ack | Method::Bye | Method::Prack => is_in_dialog,
                Method::Update | Method::Info => is_in_dialog,
                Method::Cancel => true,
                _ => false,
            }
        }
        StartLine::Response { .. } => message.cseq().method == Method::Invite,
    }
}

fn party(texts: &mut Texts, value: NameAddr<'_>) -> PartyText {
    let uri = Uri::parse(value.uri);
    PartyText {
        user: texts.keep(uri.user),
        host: texts.keep(uri.host),
        display: value.display.map(|display| texts.keep(display)),
    }
}

fn tag(value: NameAddr<'_>, keyed: &Keyed) -> Option<u64> {
    value.tag().map(|tag| keyed.parts(&[tag]))
}
