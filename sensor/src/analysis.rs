//! The analysis: frames in, records out. One thread owns it, live and with a file alike.

use embassy_time::{Duration, Instant};
use ringside_protocol::cdr::Method;
use ringside_protocol::counters::Counter;
use ringside_protocol::live::Live;
use ringside_protocol::plausible;
use ringside_protocol::record::Record;

use crate::call::flows::TOUCHED;
use crate::call::{CallSettings, CallTable};
use crate::capture::Frame;
use crate::counters::Counters;
use crate::decode::{Datagram, Decoder, DecoderSettings, Options, PortSet, Transport, media};
use crate::keep::Keeper;
use crate::peer::{Methods, PeerTable};
use crate::registration::RegistrationTable;
use crate::rules::RuleBook;
use crate::wire::sip::StartLine;
use crate::wire::{rtp, sip, vq};

/// Between two looks at fragments and TCP connections that wait for more.
const DECODER_TIMEOUT_EVERY: Duration = Duration::from_secs(1);

/// What an [`Analysis`] is made with.
#[derive(Clone, Debug)]
pub struct AnalysisSettings {
    /// Ports on which SIP is looked for, UDP and TCP.
    pub sip_ports: PortSet,
    /// Whether SIP over UDP is taken on any port: a file to analyse may hold what nobody configured.
    pub is_sip_anywhere: bool,
    /// HEP, WebSocket, doubled mirror ports.
    pub decode: Options,
    /// When calls end that nobody hangs up.
    pub call: CallSettings,
    /// Whether registrations become records.
    pub has_registrations: bool,
    /// Which requests outside calls become records.
    pub peer_methods: Methods,
    /// The header that carries the Call-ID of the leg before, such as `X-CID`.
    pub leg_header: Option<String>,
}

/// RTP flows of frames that come next.
pub type Ahead = heapless::Vec<media::Flow, TOUCHED, u8>;

/// Everything between a frame and a record.
pub struct Analysis {
    decoder: Decoder,
    calls: Calls,
    counters: Counters,
    decoder_timeout_at: Instant,
    /// The newest moment that it was told.
    now: Instant,
}

/// What a datagram is handed to.
struct Calls {
    table: CallTable,
    registrations: Option<RegistrationTable>,
    peers: PeerTable,
    peer_methods: Methods,
    sip_ports: PortSet,
    is_sip_anywhere: bool,
    /// Keeps packets, where there are rules.
    keeper: Option<Box<Keeper>>,
}

impl Analysis {
    /// With empty tables.
    #[must_use]
    pub fn new(settings: AnalysisSettings) -> Self {
        let decoder = Decoder::new(DecoderSettings {
            sip_ports: settings.sip_ports.clone(),
            options: settings.decode,
            framing: sip::framing,
            seed: settings.call.seed,
        });
        let has_registrations = settings.has_registrations;
        let mut table = CallTable::new(settings.call);
        table.set_leg_header(settings.leg_header);
        let calls = Calls {
            registrations: has_registrations.then(|| RegistrationTable::new(settings.call.seed)),
            peers: PeerTable::new(settings.call.seed),
            peer_methods: settings.peer_methods,
            table,
            sip_ports: settings.sip_ports,
            is_sip_anywhere: settings.is_sip_anywhere,
            keeper: None,
        };
        Self {
            decoder,
            calls,
            counters: Counters::default(),
            decoder_timeout_at: Instant::MIN,
            now: Instant::MIN,
        }
    }

    /// Takes one frame; what is over by its time ends first.
    #[inline]
    pub fn handle_frame(&mut self, frame: &Frame<'_>) {
        self.handle_timeout(frame.at);
        let Self { decoder, calls, counters, .. } = self;
        if let Some(keeper) = &mut calls.keeper {
            keeper.begin_frame();
        }
        decoder.handle_frame(frame, counters, &mut |datagram, counters| {
            calls.handle_datagram(datagram, Some(frame), counters);
        });
        if let Some(keeper) = &mut calls.keeper {
            keeper.end_frame(frame, decoder.took_piece());
        }
    }

    /// Prepares for frames that come next, a few of them: what their streams need is brought into the
    /// processor's cache together. Changes nothing but speed.
    #[inline]
    pub fn prepare(&self, flows: &Ahead) {
        self.calls.table.prepare(flows.as_slice());
    }

    /// Takes a HEP message that an agent has sent; what is over by its time ends first.
    pub fn handle_hep(&mut self, at: Instant, bytes: &[u8]) {
        self.handle_timeout(at);
        let Self { decoder, calls, counters, .. } = self;
        decoder.handle_hep(at, bytes, counters, &mut |datagram, counters| {
            calls.handle_datagram(datagram, None, counters);
        });
    }

    /// Lets time pass, for the moments in which the wire is silent.
    #[inline]
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        if self.calls.table.poll_timeout().is_some_and(|at| at <= now) {
            self.calls.table.handle_timeout(now, &mut self.counters);
        }
        if let Some(registrations) = &mut self.calls.registrations
            && registrations.poll_timeout().is_some_and(|at| at <= now)
        {
            registrations.handle_timeout(now, &mut self.counters);
        }
        if self.calls.peers.poll_timeout().is_some_and(|at| at <= now) {
            self.calls.peers.handle_timeout(now, &mut self.counters);
        }
        // A clock that went back makes nothing wait for it.
        let is_due =
            now >= self.decoder_timeout_at || now + DECODER_TIMEOUT_EVERY < self.decoder_timeout_at;
        if is_due {
            self.decoder_timeout_at = now + DECODER_TIMEOUT_EVERY;
            let Self { decoder, calls, counters, .. } = self;
            decoder.handle_timeout(now, counters, &mut |datagram, counters| {
                calls.handle_datagram(datagram, None, counters);
            });
            if let Some(keeper) = &mut calls.keeper {
                keeper.handle_timeout(now);
            }
        }
    }

    /// The capture is over: calls in progress become records, too.
    pub fn finish(&mut self) {
        let Self { decoder, calls, counters, .. } = self;
        decoder.finish(counters, &mut |datagram, counters| {
            calls.handle_datagram(datagram, None, counters);
        });
        self.calls.table.finish(&mut self.counters);
        if let Some(registrations) = &mut self.calls.registrations {
            registrations.finish(self.now, &mut self.counters);
        }
        self.calls.peers.finish(self.now, &mut self.counters);
    }

    /// The next record. Drain to `None` after every `handle_*`.
    pub fn poll_record(&mut self) -> Option<Record> {
        let record = self.next_record()?;
        // The cloud would drop it.
        debug_assert_eq!(plausible::check(&record), Ok(()));
        Some(record)
    }

    fn next_record(&mut self) -> Option<Record> {
        let Calls { table, registrations, peers, keeper, .. } = &mut self.calls;
        if let Some((mut cdr, track)) = table.poll_record() {
            if let (Some(track), Some(keeper)) = (track, keeper) {
                keeper.end(track, &mut cdr, &mut self.counters);
            }
            return Some(cdr.into());
        }
        let registration = registrations.as_mut().and_then(RegistrationTable::poll_record);
        if let Some(mut registration) = registration {
            registration.number = table.take_number();
            return Some(registration.into());
        }
        let mut peer = peers.poll_record()?;
        peer.number = table.take_number();
        Some(peer.into())
    }

    /// Tells, once a second, whether the capture has lost packets since the last time: what is
    /// followed now will say so.
    pub fn note_capture(&mut self, is_lossy: bool) {
        self.calls.table.note_capture(is_lossy);
        if !is_lossy {
            return;
        }
        if let Some(registrations) = &mut self.calls.registrations {
            registrations.note_capture_loss();
        }
        self.calls.peers.note_capture_loss();
    }

    /// How good the calls in progress are, as of the newest frame.
    #[must_use]
    pub fn live(&self) -> Live {
        self.calls.table.live(self.now)
    }

    /// Keeps packets from now on.
    pub fn set_keeper(&mut self, keeper: Keeper) {
        self.calls.keeper = Some(Box::new(keeper));
    }

    /// What keeps packets, for another analysis that goes on with it.
    pub fn take_keeper(&mut self) -> Option<Keeper> {
        self.calls.keeper.take().map(|keeper| *keeper)
    }

    /// Puts other rules in force; calls in progress are looked at anew.
    pub fn replace_rules(&mut self, book: RuleBook) {
        let Self { calls, counters, .. } = self;
        if let Some(keeper) = &mut calls.keeper {
            keeper.replace_rules(book, &mut calls.table, counters);
        }
    }

    /// What keeps packets, where there is something.
    pub fn keeper(&mut self) -> Option<&mut Keeper> {
        self.calls.keeper.as_deref_mut()
    }

    /// The table of calls.
    pub const fn table(&mut self) -> &mut CallTable {
        &mut self.calls.table
    }

    /// What was counted.
    pub const fn counters(&mut self) -> &mut Counters {
        &mut self.counters
    }
}

impl Calls {
    #[inline]
    fn handle_datagram(
        &mut self,
        datagram: &Datagram<'_>,
        frame: Option<&Frame<'_>>,
        counters: &mut Counters,
    ) {
        let is_sip_port = datagram.is_sip
            || self.sip_ports.contains_either(datagram.src.port(), datagram.dst.port());
        // A message begins with a letter, RTP with a byte above 127.
        let may_be_sip = self.is_sip_anywhere
            && datagram.payload.first().is_some_and(u8::is_ascii_alphabetic)
            && sip::looks_like_sip(datagram.payload);
        if (is_sip_port || may_be_sip) && self.handle_sip(datagram, frame, counters) {
            return;
        }
        if datagram.transport == Transport::Udp {
            let belongs = self.table.handle_media(datagram, counters);
            if let Some(keeper) = &mut self.keeper {
                keeper.handle_media(belongs, datagram, frame, &mut self.table, counters);
            }
        }
    }

    /// A phone's voice quality report comes in PUBLISH, or in NOTIFY.
    fn handle_report(
        &mut self,
        message: &sip::Message<'_>,
        datagram: &Datagram<'_>,
        counters: &mut Counters,
    ) {
        let may_report = matches!(
            message.start_line,
            StartLine::Request { method: Method::Publish | Method::Notify, .. }
        );
        let is_report = |kind: &[u8]| kind.eq_ignore_ascii_case(b"application/vq-rtcpxr");
        if !may_report || !message.content_type().is_some_and(is_report) {
            return;
        }
        match vq::Report::parse(message.body) {
            Some(report) => self.table.handle_report(&report, datagram.at, counters),
            None => counters.add(Counter::QualityReportsUnclaimed),
        }
    }

    /// Takes a datagram of a SIP port; says whether it was SIP's business.
    fn handle_sip(
        &mut self,
        datagram: &Datagram<'_>,
        frame: Option<&Frame<'_>>,
        counters: &mut Counters,
    ) -> bool {
        if !sip::looks_like_sip(datagram.payload) {
            if sip::is_keep_alive(datagram.payload) {
                counters.add(Counter::SipKeepAlive);
                return true;
            }
            let is_media = rtp::is_version_2(datagram.payload);
            if !is_media {
                counters.add(Counter::SipBad);
            }
            return !is_media;
        }
        match sip::Message::parse(datagram.payload) {
            Ok(message) => {
                counters.add(Counter::SipMessages);
                self.handle_report(&message, datagram, counters);
                let method = message.cseq().method;
                match &mut self.registrations {
                    Some(registrations) if method == Method::Register => {
                        registrations.handle_sip(&message, datagram, counters);
                    }
                    _ if self.peer_methods.contains(method)
                        && !self.table.knows(&message, datagram.at) =>
                    {
                        self.peers.handle_sip(&message, datagram, counters);
                    }
                    _ => {
                        let call = self.table.handle_sip(&message, datagram, counters);
                        if let (Some(keeper), Some(call)) = (&mut self.keeper, call) {
                            let table = &mut self.table;
                            keeper.handle_sip(call, &message, datagram, frame, table, counters);
                        }
                    }
                }
            }
            Err(_) => counters.add(Counter::SipBad),
        }
        true
    }
}
