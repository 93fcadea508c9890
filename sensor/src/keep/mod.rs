//! Which packets are kept: capture rules on one side, the ring store on the other.
//!
//! ```text
//!                        | a rule keeps it | decided at the end | a rule may come | none can
//!  SIP                   | store           | held in memory     | held in memory  | let go
//!  RTP, RTCP             | store           | store, sealed      | let go          | let go
//! ```
//!
//! Every call in progress has a track ([`track`]): what it has shown of the rules' tests, what
//! follows from that, and the buffers that its packets gather in. SIP that is held stays in a pool
//! of fixed size ([`hold`]); when that is full, it goes to the store sealed where a rule asks for
//! it. With no rules there is no keeper at all.
//!
//! A frame is kept as it was captured. Of a SIP message that came in several (fragments, a TCP
//! stream) all are, as long as the newest few frames hold them ([`pieces`]).

mod hold;
mod mask;
mod pieces;
mod track;

use std::collections::HashMap;
use std::sync::Arc;

use embassy_time::Instant;
use ringside_protocol::cdr::{Cdr, Fingerprint, Method, Stored};
use ringside_protocol::counters::Counter;
use ringside_protocol::rule::{Keep, Media, Place};
use ringside_protocol::time::UnixMicros;

use crate::call::entry::Call;
use crate::call::flows::Watch;
use crate::call::slab::{Slab, Slot};
use crate::call::{Belongs, CallTable};
use crate::capture::Frame;
use crate::counters::Counters;
use crate::decode::Datagram;
use crate::limits::MAX_TRACKS;
use crate::rules::{Decision, Phase, RuleBook};
use crate::store::ring::chunk::Lock;
use crate::store::ring::facts::Facts;
use crate::store::ring::packet::Packet;
use crate::store::ring::{Order, Ring};
use crate::wire::sip::{Message, StartLine, Uri};
use hold::Hold;
use mask::Mask;
use pieces::{Pieces, is_part};
use track::{Track, payload_offset, rtp_header_len};

/// Packets are handed to the store at most so much later, microseconds.
const FLUSH_AFTER: u64 = 2_000_000;

/// Between two looks for packets that wait for longer, microseconds.
const FLUSH_EVERY: u64 = 500_000;

/// Names that go with what is kept.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// The device.
    pub device: Fingerprint,
    /// The sensor's name.
    pub sensor: String,
}

/// Decides for every call, and hands its packets over.
#[derive(Debug)]
pub struct Keeper {
    book: Arc<RuleBook>,
    /// `None`: packets are counted only, to show what rules would keep.
    ring: Option<Ring>,
    /// Where everything that no rule keeps is held for a while, sealed, if that is asked for.
    recent: Option<Ring>,
    origin: Origin,
    tracks: Slab<Track>,
    hold: Hold,
    /// Calls that a rule has kept on a day, by rule id.
    kept_of_day: HashMap<u64, (u64, u32)>,
    scratch: Vec<u8>,
    pieces: Pieces,
    /// The end of the present frame stands in a message that is whole.
    is_used_up: bool,
    frames: u64,
    flush_at: u64,
}

impl Keeper {
    /// A keeper of these rules.
    #[must_use]
    pub fn new(book: RuleBook, ring: Option<Ring>, origin: Origin) -> Self {
        Self {
            book: Arc::new(book),
            ring,
            recent: None,
            origin,
            tracks: Slab::new(MAX_TRACKS),
            hold: Hold::new(),
            kept_of_day: HashMap::new(),
            scratch: Vec::new(),
            pieces: Pieces::default(),
            is_used_up: false,
            frames: 0,
            flush_at: 0,
        }
    }

    /// The store, where there is one.
    pub const fn ring(&mut self) -> Option<&mut Ring> {
        self.ring.as_mut()
    }

    /// Holds calls that no rule keeps in this store from now on, or in none.
    pub fn hold_recent(&mut self, recent: Option<Ring>) {
        self.recent = recent;
    }

    /// That store.
    pub const fn recent(&mut self) -> Option<&mut Ring> {
        self.recent.as_mut()
    }

    /// How many calls each rule has kept of a day: the rule's id, the day, the number.
    #[must_use]
    pub fn kept_of_day(&self) -> Vec<(u64, u64, u32)> {
        let mut kept: Vec<_> =
            self.kept_of_day.iter().map(|(&rule, &(day, calls))| (rule, day, calls)).collect();
        kept.sort_unstable();
        kept
    }

    /// What an earlier start has counted.
    pub fn count_on(&mut self, kept: Vec<(u64, u64, u32)>) {
        self.kept_of_day.extend(kept.into_iter().map(|(rule, day, calls)| (rule, (day, calls))));
    }

    /// Puts other rules in force. Calls in progress are looked at anew: what was kept of them
    /// stays, and from now on the new rules decide.
    pub fn replace_rules(
        &mut self,
        book: RuleBook,
        table: &mut CallTable,
        counters: &mut Counters,
    ) {
        let old = core::mem::replace(&mut self.book, Arc::new(book));
        let slots: Vec<Slot> = table.calls.iter().map(|(slot, _)| slot).collect();
        for slot in slots {
            let Some((id, call)) = table.calls.get(slot).and_then(|call| Some((call.track?, call)))
            else {
                continue;
            };
            let Some(mut track) = self.tracks.remove(id) else { continue };
            track.shown = self.book.carry_over(&old, &track.shown);
            track.rank = None;
            self.show_call(call, &mut track);
            let now = call.dialog.last_at;
            self.decide(slot, &mut track, table, now, counters);
            self.put_back(slot, track, table);
        }
    }

    /// A frame comes; what it holds is handed over next.
    #[inline]
    pub const fn begin_frame(&mut self) {
        self.is_used_up = false;
        self.frames += 1;
    }

    /// What a frame held has been handed over; it may be a part of something more.
    #[inline]
    pub fn end_frame(&mut self, frame: &Frame<'_>, is_piece: bool) {
        if is_piece && !core::mem::take(&mut self.is_used_up) {
            self.pieces.hold(self.frames, frame);
        }
    }

    /// A SIP message of the call in `slot`.
    pub fn handle_sip(
        &mut self,
        slot: Slot,
        message: &Message<'_>,
        datagram: &Datagram<'_>,
        frame: Option<&Frame<'_>>,
        table: &mut CallTable,
        counters: &mut Counters,
    ) {
        let Some(call) = table.calls.get(slot) else { return };
        let mut track = match call.track.and_then(|id| self.tracks.remove(id)) {
            Some(track) => track,
            None => {
                let mut track = Track::new(call, self.book.nothing_shown());
                self.show_call(call, &mut track);
                track
            }
        };
        self.show_message(message, datagram, &mut track);
        let phase = if call.dialog.answered.is_some() { Phase::Answered } else { Phase::Ringing };
        let is_new_phase = core::mem::replace(&mut track.phase, phase) != phase;
        let now = datagram.at.as_micros();
        if track.shown.take_changed() || is_new_phase {
            self.decide(slot, &mut track, table, now, counters);
        }
        let is_whole = frame.is_some_and(|frame| payload_offset(datagram, frame).is_some());
        if !is_whole {
            let pieces = core::mem::take(&mut self.pieces);
            let ends = (datagram.src, datagram.dst);
            for (number, piece) in pieces.of(datagram.payload, ends, track.newest_frame()) {
                track.is_new_frame(number);
                self.take_sip(&piece, Mask::of_piece(message), &mut track, counters);
            }
            self.pieces = pieces;
            self.pieces.forget(datagram.payload, ends);
            self.is_used_up |= frame.is_some_and(|it| is_part(it.bytes, datagram.payload, ends));
        }
        if let Some(frame) = frame.filter(|_| track.is_new_frame(self.frames)) {
            let mask = Mask::of_message(message, datagram, frame);
            self.take_sip(frame, mask, &mut track, counters);
        }
        self.put_back(slot, track, table);
    }

    /// A packet of media. The first of a stream may meet rules, later ones are looked at only
    /// where something of their call is kept.
    #[inline]
    pub fn handle_media(
        &mut self,
        belongs: Belongs,
        datagram: &Datagram<'_>,
        frame: Option<&Frame<'_>>,
        table: &mut CallTable,
        counters: &mut Counters,
    ) {
        match belongs {
            Belongs::Nowhere => {}
            Belongs::Stream(stream) => match table.flows.get(stream).map(|flow| flow.watch) {
                None | Some(Watch::Passed) => {}
                Some(Watch::Taken) => self.take_rtp(stream, datagram, frame, table, counters),
                Some(Watch::New) => self.begin_stream(stream, datagram, frame, table, counters),
            },
            Belongs::Call(call) => self.take_rtcp(call, frame, table, counters),
        }
    }

    /// Hands over what waits for too long.
    #[inline]
    pub fn handle_timeout(&mut self, now: Instant) {
        let now = now.as_micros();
        // A clock that went back makes nothing wait for it.
        if now >= self.flush_at || now + FLUSH_EVERY < self.flush_at {
            self.flush_at = now + FLUSH_EVERY;
            self.flush_older_than(now.saturating_sub(FLUSH_AFTER));
        }
    }

    /// A call's record is made: its quality is known, and everything decided.
    pub fn end(&mut self, id: Slot, cdr: &mut Cdr, counters: &mut Counters) {
        let Some(mut track) = self.tracks.remove(id) else { return };
        self.book.show_quality(cdr, &mut track.shown);
        track.phase = Phase::Ended;
        let decision = self.decision(&track, cdr.ended_at().0);
        track.decision = decision;
        self.note_rule(decision, &mut track, cdr.ended_at().0, counters);
        if decision.keep.sip {
            self.release_sip(&mut track, counters);
        }
        self.hold.free(&mut track.sip);
        let keeps_held = track.was_held.is_some_and(|held| covers(decision.keep, held));
        self.flush_both(&mut track);
        if keeps_held {
            track.clear.add(&track.held);
        }
        let is_kept = track.facts.is_some();
        self.park(&mut track);
        if let Some(facts) = &mut track.facts {
            track.clear.describe(facts);
            facts.is_over = true;
            cdr.stored = Some(Stored {
                rule_id: facts.rule_id,
                rule: facts.rule.clone(),
                packets: facts.packets,
                bytes: facts.bytes,
                first: facts.first_at.saturating_sub(cdr.first_at.0),
                last: facts.last_at.saturating_sub(cdr.first_at.0),
                dropped: facts.dropped,
            });
        }
        if let Some(ring) = &mut self.ring
            && (is_kept || track.was_held.is_some())
        {
            ring.push(Order::End(track.number, track.facts, keeps_held));
        }
    }

    /// Holds an ended call that no rule keeps for a while; what was held of one that a rule keeps is
    /// let go.
    fn park(&mut self, track: &mut Track) {
        if !track.recent.has_any() {
            return;
        }
        track.recent.flush(Lock::Held, track.number, &mut self.recent);
        let order = if track.facts.is_some() {
            Order::End(track.number, None, false)
        } else {
            let mut facts = Box::new(self.facts(track));
            track.recent.describe(&mut facts);
            facts.is_over = true;
            Order::Park(track.number, facts)
        };
        if let Some(recent) = &mut self.recent {
            recent.push(order);
        }
    }

    /// What is known of a call.
    fn facts(&self, track: &Track) -> Facts {
        Facts {
            device: self.origin.device,
            sensor: self.origin.sensor.clone(),
            call_id: track.call_id.clone(),
            caller: track.caller.clone(),
            callee: track.callee.clone(),
            first_at: track.first_at,
            last_at: track.first_at,
            ..Facts::default()
        }
    }

    /// Holds a packet of a call that no rule keeps yet.
    fn take_recent(&mut self, packet: &Packet<'_>, track: &mut Track, counters: &mut Counters) {
        if self.recent.is_some() && track.facts.is_none() {
            let number = track.number;
            let recent = &mut self.recent;
            track.recent.put(packet, Mask::default(), Lock::Held, number, recent, counters);
        }
    }

    // What rules are shown.

    fn show_call(&self, call: &Call, track: &mut Track) {
        let text = |text| call.texts.bytes(text);
        let uri = call.request_uri.map_or(&[][..], text);
        let uri = Uri::parse(uri);
        let callee = text(call.callee.user);
        let other = if uri.user.is_empty() { callee } else { uri.user };
        self.book.show_numbers(text(call.caller.user), [callee, other], &mut track.shown);
        for host in [text(call.caller.host), text(call.callee.host), uri.host] {
            self.book.show_host(host, &mut track.shown);
        }
        for address in call.addresses.as_slice() {
            self.book.show_address(address.ip(), Place::Signalling, &mut track.shown);
        }
    }

    fn show_message(&self, message: &Message<'_>, datagram: &Datagram<'_>, track: &mut Track) {
        let way = (datagram.src.ip(), datagram.dst.ip());
        if track.way.replace(way) != Some(way) {
            self.book.show_address(way.0, Place::Signalling, &mut track.shown);
            self.book.show_address(way.1, Place::Signalling, &mut track.shown);
        }
        self.book.show_headers(datagram.payload, &mut track.shown);
        match message.start_line {
            StartLine::Request { method, .. } => self.book.show_method(method, &mut track.shown),
            StartLine::Response { status_code, .. } => {
                if status_code >= 200 && message.cseq().method == Method::Invite {
                    self.book.show_status(status_code, &mut track.shown);
                }
            }
        }
    }

    // What follows.

    fn decision(&self, track: &Track, now: u64) -> Decision {
        let now = UnixMicros(now);
        self.book.decide(&track.shown, track.phase, |rank| {
            let Some(numbered) = self.book.rule(rank) else { return false };
            let is_full = numbered.rule.calls_a_day.is_some_and(|limit| {
                let kept = self.kept_of_day.get(&numbered.id);
                track.rank != Some(rank)
                    && kept.is_some_and(|&(day, calls)| day == now.day() && calls >= limit)
            });
            !numbered.rule.is_over(now) && !is_full
        })
    }

    fn decide(
        &mut self,
        slot: Slot,
        track: &mut Track,
        table: &mut CallTable,
        now: u64,
        counters: &mut Counters,
    ) {
        let decision = self.decision(track, now);
        self.note_rule(decision, track, now, counters);
        track.decision = decision;
        if decision.keep.sip {
            self.release_sip(track, counters);
        } else if !decision.may_come && !decision.hold.sip {
            self.hold.free(&mut track.sip);
        }
        // Every stream is looked at again.
        let Some(call) = table.calls.get(slot) else { return };
        for &stream in &call.streams {
            if let Some(flow) = table.flows.get_mut(stream) {
                flow.watch = Watch::New;
            }
        }
    }

    /// Notes the rule that keeps the call, the first time that there is one.
    fn note_rule(
        &mut self,
        decision: Decision,
        track: &mut Track,
        now: u64,
        counters: &mut Counters,
    ) {
        let Some(rank) = decision.rule else { return };
        let Some(numbered) = self.book.rule(rank) else { return };
        track.rank = Some(rank);
        if track.facts.is_some() {
            return;
        }
        counters.add(Counter::CallsKept);
        let day = UnixMicros(now).day();
        let kept = self.kept_of_day.entry(numbered.id).or_insert((day, 0));
        *kept = if kept.0 == day { (day, kept.1 + 1) } else { (day, 1) };
        let facts = Box::new(Facts {
            rule_id: numbered.id,
            rule: numbered.rule.name.clone(),
            ..self.facts(track)
        });
        if let Some(ring) = &mut self.ring {
            ring.push(Order::Keep(track.number, facts.clone()));
        }
        track.facts = Some(facts);
    }

    // Packets.

    fn take_sip(
        &mut self,
        frame: &Frame<'_>,
        mask: Mask,
        track: &mut Track,
        counters: &mut Counters,
    ) {
        let packet = Packet::of(frame, track.next_number(), frame.bytes.len());
        self.take_recent(&packet, track, counters);
        let Decision { keep, hold, may_come, .. } = track.decision;
        if keep.sip {
            let mask = mask.only_if(keep.mask_dtmf);
            track.clear.put(&packet, mask, Lock::Clear, track.number, &mut self.ring, counters);
        } else if hold.sip || may_come {
            self.scratch.clear();
            mask.emit(&mut self.scratch);
            packet.emit(&mut self.scratch);
            if self.hold.add(&mut track.sip, &self.scratch) {
                return;
            }
            if hold.sip {
                track.note_held(Keep { sip: true, ..Keep::default() });
                let mask = mask.only_if(hold.mask_dtmf);
                track.held.put(&packet, mask, Lock::Held, track.number, &mut self.ring, counters);
            } else {
                counters.add(Counter::HeldSipFull);
            }
        }
    }

    /// Hands over the SIP that was held for a call which a rule keeps now.
    fn release_sip(&mut self, track: &mut Track, counters: &mut Counters) {
        let mut held = core::mem::take(&mut self.scratch);
        self.hold.take_all(&mut track.sip, &mut held);
        let masks = track.decision.keep.mask_dtmf;
        let mut rest = held.as_slice();
        while let Some((mask, after)) = Mask::parse(rest) {
            let Some((packet, after)) = Packet::parse(after) else { break };
            rest = after;
            let mask = mask.only_if(masks);
            track.clear.put(&packet, mask, Lock::Clear, track.number, &mut self.ring, counters);
        }
        self.scratch = held;
    }

    /// The first packet of a stream, or the first after its calls' rules were decided anew.
    #[cold]
    fn begin_stream(
        &mut self,
        stream: Slot,
        datagram: &Datagram<'_>,
        frame: Option<&Frame<'_>>,
        table: &mut CallTable,
        counters: &mut Counters,
    ) {
        let Some(flow) = table.flows.get(stream) else { return };
        if flow.calls.is_empty() {
            // Media before the description that names it: it is looked at again.
            return;
        }
        let ends = (flow.src.ip(), flow.dst.ip());
        let calls: heapless::Vec<Slot, { crate::limits::MAX_CLAIMS }, u8> =
            flow.calls.iter().map(|&(call, _)| call).collect();
        let mut is_taken = false;
        for slot in calls {
            let id = table.calls.get(slot).and_then(|call| call.track);
            let Some(mut track) = id.and_then(|id| self.tracks.remove(id)) else { continue };
            self.book.show_address(ends.0, Place::Media, &mut track.shown);
            self.book.show_address(ends.1, Place::Media, &mut track.shown);
            if track.shown.take_changed() {
                self.decide(slot, &mut track, table, datagram.at.as_micros(), counters);
            }
            let wanted = track.decision.keep.rtp.max(track.decision.hold.rtp);
            is_taken |= wanted != Media::Nothing;
            is_taken |= self.recent.is_some() && track.facts.is_none();
            self.put_back(slot, track, table);
        }
        if let Some(flow) = table.flows.get_mut(stream) {
            flow.watch = if is_taken { Watch::Taken } else { Watch::Passed };
        }
        if is_taken {
            self.take_rtp(stream, datagram, frame, table, counters);
        }
    }

    fn take_rtp(
        &mut self,
        stream: Slot,
        datagram: &Datagram<'_>,
        frame: Option<&Frame<'_>>,
        table: &CallTable,
        counters: &mut Counters,
    ) {
        let (Some(frame), Some(flow)) = (frame, table.flows.get(stream)) else { return };
        let mask = if flow.is_event { Mask::of_event(datagram, frame) } else { Mask::default() };
        for &(call, _) in &flow.calls {
            let id = table.calls.get(call).and_then(|call| call.track);
            let Some(track) = id.and_then(|id| self.tracks.get_mut(id)) else { continue };
            let Decision { keep, hold, .. } = track.decision;
            let number = track.next_number();
            let len_of = |media| match media {
                Media::Whole => frame.bytes.len(),
                _ => rtp_header_len(datagram, frame),
            };
            if self.recent.is_some() && track.facts.is_none() {
                let packet = Packet::of(frame, number, frame.bytes.len());
                let (number, recent) = (track.number, &mut self.recent);
                track.recent.put(&packet, Mask::default(), Lock::Held, number, recent, counters);
            }
            if keep.rtp != Media::Nothing {
                let packet = Packet::of(frame, number, len_of(keep.rtp));
                let mask = mask.only_if(keep.mask_dtmf);
                track.clear.put(&packet, mask, Lock::Clear, track.number, &mut self.ring, counters);
            }
            if hold.rtp > keep.rtp {
                track.note_held(Keep { rtp: hold.rtp, ..Keep::default() });
                let packet = Packet::of(frame, number, len_of(hold.rtp));
                let mask = mask.only_if(hold.mask_dtmf);
                track.held.put(&packet, mask, Lock::Held, track.number, &mut self.ring, counters);
            }
        }
    }

    fn take_rtcp(
        &mut self,
        call: Slot,
        frame: Option<&Frame<'_>>,
        table: &CallTable,
        counters: &mut Counters,
    ) {
        let id = table.calls.get(call).and_then(|call| call.track);
        let Some(track) = id.and_then(|id| self.tracks.get_mut(id)) else { return };
        if self.recent.is_some()
            && track.facts.is_none()
            && let Some(frame) = frame
        {
            let packet = Packet::of(frame, track.next_number(), frame.bytes.len());
            let (number, recent) = (track.number, &mut self.recent);
            track.recent.put(&packet, Mask::default(), Lock::Held, number, recent, counters);
        }
        let (lock, is_wanted) = match track.decision {
            Decision { keep, .. } if keep.rtcp => (Lock::Clear, true),
            Decision { hold, .. } => (Lock::Held, hold.rtcp),
        };
        let Some(frame) = frame.filter(|_| is_wanted) else { return };
        let packet = Packet::of(frame, track.next_number(), frame.bytes.len());
        let number = track.number;
        let pending = match lock {
            Lock::Held => {
                track.note_held(Keep { rtcp: true, ..Keep::default() });
                &mut track.held
            }
            _ => &mut track.clear,
        };
        pending.put(&packet, Mask::default(), lock, number, &mut self.ring, counters);
    }

    fn put_back(&mut self, slot: Slot, track: Track, table: &mut CallTable) {
        let Some(call) = table.calls.get_mut(slot) else { return };
        // As many as there can be calls: there is room.
        call.track = self.tracks.insert(track).ok();
    }

    fn flush_both(&mut self, track: &mut Track) {
        track.clear.flush(Lock::Clear, track.number, &mut self.ring);
        track.held.flush(Lock::Held, track.number, &mut self.ring);
    }

    fn flush_older_than(&mut self, at: u64) {
        let Self { tracks, ring, recent, .. } = self;
        for track in tracks.iter_mut() {
            if track.recent.begun_at().is_some_and(|begun| begun <= at) {
                track.recent.flush(Lock::Held, track.number, recent);
            }
            if track.clear.begun_at().is_some_and(|begun| begun <= at) {
                track.clear.flush(Lock::Clear, track.number, ring);
            }
            if track.held.begun_at().is_some_and(|begun| begun <= at) {
                track.held.flush(Lock::Held, track.number, ring);
            }
        }
    }
}

/// Whether everything in `held` is to be kept.
fn covers(keep: Keep, held: Keep) -> bool {
    (keep.sip || !held.sip) && (keep.rtcp || !held.rtcp) && keep.rtp >= held.rtp
}
