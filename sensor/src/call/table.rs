//! The bounded table of calls: who owns a packet, when a call is over, who leaves when it is full.

use core::net::SocketAddr;
use std::collections::VecDeque;

use embassy_time::Instant;
use ringside_protocol::cdr::{Cdr, EndedBy, LegSource, Method, flags};
use ringside_protocol::counters::Counter;

use super::cdr;
use super::dialog::State;
use super::entry::{Call, is_initial_invite, shows_a_call};
use super::flows::Flows;
use super::hash::Keyed;
use super::legs::{self, Legs, Near, RecentInvites, Said};
use super::offer::{Receiver, Role};
use super::places::{Claim, Claimed, Places};
use super::room::Room;
use super::slab::{Index, Slab, Slot};
use super::strays::Strays;
use super::tombstone::Tombstones;
use super::wheel::Wheel;
use crate::counters::Counters;
use crate::decode::Datagram;
use crate::limits::MAX_CALLS;
use crate::wire::sdp::Session;
use crate::wire::sip::{Message, StartLine};
use crate::wire::vq;

/// How calls that nobody hangs up are ended. Microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallSettings {
    /// `absolute_timeout`: no call is followed for longer.
    pub absolute_timeout: u64,
    /// `onewaytimeout`: an INVITE without any response.
    pub no_response_timeout: u64,
    /// `rtptimeout`: an answered call whose media stopped.
    pub rtp_timeout: u64,
    /// `sipwithoutrtptimeout`: an answered call without media, or on hold.
    pub sip_without_rtp_timeout: u64,
    /// Seed of the hashes.
    pub seed: u64,
}

impl Default for CallSettings {
    fn default() -> Self {
        Self {
            absolute_timeout: 14_400_000_000,
            no_response_timeout: 15_000_000,
            rtp_timeout: 300_000_000,
            sip_without_rtp_timeout: 3_600_000_000,
            seed: 0,
        }
    }
}

/// Calls by Call-ID (RFC 3261 §20.8), with their media.
///
/// Holds [`MAX_CALLS`]. When full, the ended leave first, then the unanswered, then those idle
/// longest; each is counted. A call that talks is never pushed out: a new one is turned away. So it
/// is, for a new INVITE, with as many calls in progress as the lease allows.
#[derive(Debug)]
pub struct CallTable {
    pub(super) settings: CallSettings,
    pub(super) keyed: Keyed,
    pub(crate) calls: Slab<Call>,
    pub(crate) flows: Flows,
    pub(super) places: Places,
    pub(super) room: Room,
    pub(super) strays: Strays,
    recent: RecentInvites,
    /// The header that carries the Call-ID of the leg before.
    leg_header: Option<String>,
    index: Index,
    wheel: Wheel,
    tombstones: Tombstones,
    due: Vec<(u64, Slot)>,
    records: VecDeque<(Cdr, Option<Slot>)>,
    next_number: u64,
    in_progress: u16,
    /// Channels that may be tracked at once; `None`: as many as the table holds.
    allowance: Option<u16>,
    /// Seconds in which the capture lost packets; `None` where nobody watches it (a file).
    missed: Option<u64>,
    was_lossy: bool,
}

impl CallTable {
    /// An empty table.
    #[must_use]
    pub fn new(settings: CallSettings) -> Self {
        Self {
            settings,
            keyed: Keyed::new(settings.seed),
            calls: Slab::new(MAX_CALLS),
            flows: Flows::default(),
            places: Places::default(),
            room: Room::default(),
            strays: Strays::default(),
            recent: RecentInvites::default(),
            leg_header: None,
            index: Index::new(MAX_CALLS),
            wheel: Wheel::new(MAX_CALLS),
            tombstones: Tombstones::default(),
            due: Vec::with_capacity(MAX_CALLS),
            records: VecDeque::new(),
            next_number: 1,
            in_progress: 0,
            allowance: None,
            missed: None,
            was_lossy: false,
        }
    }

    /// Names the header that carries the Call-ID of the leg before, such as `X-CID`.
    pub fn set_leg_header(&mut self, name: Option<String>) {
        self.leg_header = name;
    }

    /// Calls in progress: channels.
    #[must_use]
    pub const fn in_progress(&self) -> u16 {
        self.in_progress
    }

    /// The next number, for a record that is no call.
    pub const fn take_number(&mut self) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        number
    }

    /// Applies a lease: further calls are counted, not tracked, while so many are in progress.
    pub const fn set_allowance(&mut self, channels: Option<u16>) {
        self.allowance = channels;
    }

    /// Notes, each second of a live capture, whether the sensor missed packets since the last time.
    /// If so, the records of all present calls will say it, and what their streams lost in that
    /// second, the one before and the one after counts as the sensor's own loss: drops are
    /// counted a little before or after their gap is seen.
    pub fn note_capture(&mut self, is_lossy: bool) {
        let missed = self.missed.get_or_insert(0);
        *missed += u64::from(is_lossy);
        for flow in self.flows.iter_mut() {
            flow.note_capture(is_lossy, self.was_lossy);
        }
        self.was_lossy = is_lossy;
    }

    /// Takes one SIP message; gives the call that it belongs to.
    pub fn handle_sip(
        &mut self,
        message: &Message<'_>,
        datagram: &Datagram<'_>,
        counters: &mut Counters,
    ) -> Option<Slot> {
        let hash = self.keyed.parts(&[message.call_id()]);
        let known = self.find(hash, message.call_id());
        let slot = match known {
            Some(slot) => slot,
            None => self.begin(hash, message, datagram, counters)?,
        };
        let call = self.calls.get_mut(slot)?;
        let was_in_progress = known.is_some() && call.dialog.is_in_progress();
        let is_new_message = call.handle_sip(message, datagram, &self.keyed);
        let is_in_progress = call.dialog.is_in_progress();
        match (was_in_progress, is_in_progress) {
            (false, true) => self.in_progress += 1,
            (true, false) => {
                self.in_progress -= 1;
                self.room.note_ended(slot, call.number);
            }
            // The BYE of a call that began before the capture.
            (false, false) if known.is_none() => self.room.note_ended(slot, call.number),
            _ => {}
        }
        if is_new_message && let Some(sdp) = message.sdp() {
            self.describe(slot, sdp, message, counters);
        }
        if is_new_message && message.is_request() {
            self.join_legs(slot, known.is_none(), message, datagram);
        }
        self.schedule(slot);
        Some(slot)
    }

    /// Whether a message is of a call that is followed, or was a moment ago.
    #[must_use]
    pub fn knows(&self, message: &Message<'_>, now: Instant) -> bool {
        let hash = self.keyed.parts(&[message.call_id()]);
        self.find(hash, message.call_id()).is_some()
            || self.tombstones.invite_cseq(hash, now.as_micros()).is_some()
    }

    /// Takes a phone's voice quality report (RFC 6035) for the call that it names.
    pub fn handle_report(
        &mut self,
        report: &vq::Report<'_>,
        now: Instant,
        counters: &mut Counters,
    ) {
        let hash = self.keyed.parts(&[report.call_id]);
        let slot = self.find(hash, report.call_id);
        let Some(call) = slot.and_then(|slot| self.calls.get_mut(slot)) else {
            let was_there = self.tombstones.invite_cseq(hash, now.as_micros()).is_some();
            return counters.add(match was_there {
                true => Counter::QualityReportsLate,
                false => Counter::QualityReportsUnclaimed,
            });
        };
        counters.add(Counter::QualityReports);
        call.keep_report(report, now.as_micros());
    }

    /// Ends what is over; to be called at [`CallTable::poll_timeout`] or later.
    pub fn handle_timeout(&mut self, now: Instant, counters: &mut Counters) {
        let now = now.as_micros();
        let mut due = core::mem::take(&mut self.due);
        due.clear();
        self.wheel.take_due(now, &mut due);
        // Records leave in order of their end, then of their number.
        due.sort_by_key(|&(at, slot)| (at, self.calls.get(slot).map_or(0, |call| call.number)));
        for &(_, slot) in &due {
            let Some(call) = self.calls.get(slot) else { continue };
            if call.dialog.is_in_progress() && self.deadline(call) > now {
                self.schedule(slot);
                continue;
            }
            self.end(slot, None, counters);
        }
        self.due = due;
    }

    /// No call is over before this; `None` when there is none.
    #[must_use]
    #[inline]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.wheel.next_at().map(Instant::from_micros)
    }

    /// The records made so far, one after the other, each with the call's [`Call::track`]. Drain
    /// to `None` after every `handle_*`.
    pub fn poll_record(&mut self) -> Option<(Cdr, Option<Slot>)> {
        self.records.pop_front()
    }

    /// The capture has ended: every call becomes a record, in order of their numbers.
    pub fn finish(&mut self, counters: &mut Counters) {
        let mut left: Vec<(u64, Slot)> =
            self.calls.iter().map(|(slot, call)| (call.number, slot)).collect();
        left.sort_unstable();
        for (_, slot) in left {
            self.end(slot, Some(EndedBy::CaptureEnd), counters);
        }
    }

    fn find(&self, hash: u64, call_id: &[u8]) -> Option<Slot> {
        self.index.find(hash, |slot| {
            self.calls.get(slot).is_some_and(|call| {
                // A Call-ID longer than its text is held to its beginning and its hash.
                call.call_id_hash == hash && call_id.starts_with(call.texts.bytes(call.call_id))
            })
        })
    }

    /// Begins a call with this message, if it begins one and there is room.
    fn begin(
        &mut self,
        hash: u64,
        message: &Message<'_>,
        datagram: &Datagram<'_>,
        counters: &mut Counters,
    ) -> Option<Slot> {
        let now = datagram.at.as_micros();
        if !is_initial_invite(message) && !shows_a_call(message) {
            counters.add(Counter::SipOutsideCalls);
            return None;
        }
        if let Some(cseq) = self.tombstones.invite_cseq(hash, now)
            && !(is_initial_invite(message) && message.cseq().number > cseq)
        {
            counters.add(Counter::SipLate);
            return None;
        }
        if !self.is_allowed(is_initial_invite(message), now, counters) {
            counters.add(Counter::CallsOverAllowance);
            self.tombstones.add(hash, message.cseq().number, now);
            return None;
        }
        if self.calls.is_full() && !self.make_room(now, Room::choose, counters) {
            counters.add(Counter::CallsRefused);
            self.tombstones.add(hash, message.cseq().number, now);
            return None;
        }
        let patience = self.settings.no_response_timeout;
        let number = self.next_number;
        let mut call = Call::new(number, message, datagram, &self.keyed, hash, patience);
        call.loss_epoch = self.missed.unwrap_or(0);
        let slot = self.calls.insert(call).ok()?;
        self.index.insert(hash, slot);
        self.tombstones.remove(hash);
        self.room.note_begun(slot, self.next_number);
        self.next_number += 1;
        counters.add(Counter::CallsStarted);
        Some(slot)
    }

    /// Finds the other legs of a call by what its INVITE, or a REFER in it, says.
    fn join_legs(
        &mut self,
        slot: Slot,
        is_first: bool,
        message: &Message<'_>,
        datagram: &Datagram<'_>,
    ) {
        if message.cseq().method == Method::Refer
            && let Some(call_id) = legs::referred(message)
        {
            return self.join(slot, &call_id, LegSource::Replaces);
        }
        if !is_first || !is_initial_invite(message) {
            return;
        }
        let Some(call) = self.calls.get(slot) else { return };
        let number = call.number;
        let media = call.media_slots.first().copied();
        let near = self.recent.note((slot, number), media, message, datagram, &self.keyed);
        match legs::said(message, self.leg_header.as_deref()) {
            Some(Said::Session(uuid)) => {
                if let Some(call) = self.calls.get_mut(slot) {
                    let key = call.texts.keep(uuid);
                    call.legs = Some(Legs { source: LegSource::SessionId, key });
                }
            }
            Some(Said::CallId(call_id, source)) => self.join(slot, call_id, source),
            None => {
                let other = near.and_then(|Near { slot, number, source }| {
                    let call = self.calls.get(slot).filter(|call| call.number == number)?;
                    Some((call.texts.bytes(call.call_id).to_vec(), source))
                });
                if let Some((call_id, source)) = other {
                    self.join(slot, &call_id, source);
                }
            }
        }
    }

    /// Gives a call the key of the one with this Call-ID, which becomes a leg of it too.
    fn join(&mut self, slot: Slot, call_id: &[u8], source: LegSource) {
        let other = self.find(self.keyed.parts(&[call_id]), call_id);
        let mut key = call_id.to_vec();
        if let Some(other) = other.and_then(|other| self.calls.get_mut(other)) {
            match other.legs {
                Some(legs) => key = other.texts.bytes(legs.key).to_vec(),
                None => other.legs = Some(Legs { source, key: other.call_id }),
            }
        }
        if let Some(call) = self.calls.get_mut(slot)
            && call.legs.is_none()
        {
            let key = call.texts.keep(&key);
            call.legs = Some(Legs { source, key });
        }
    }

    /// Whether the lease allows one more call in progress, if need be after another has left for
    /// it. Only an INVITE pushes out: other messages may be of a call that is over.
    fn is_allowed(&mut self, is_invite: bool, now: u64, counters: &mut Counters) -> bool {
        match self.allowance {
            Some(channels) if self.in_progress == channels => {
                is_invite && self.make_room(now, Room::choose_in_progress, counters)
            }
            Some(channels) => self.in_progress < channels,
            None => true,
        }
    }

    /// Ends the call that `choose` names; `false` when it names none.
    fn make_room(
        &mut self,
        now: u64,
        choose: impl FnOnce(&mut Room, u64, &Slab<Call>, &Flows) -> Option<(Slot, Counter)>,
        counters: &mut Counters,
    ) -> bool {
        let Some((slot, reason)) = choose(&mut self.room, now, &self.calls, &self.flows) else {
            return false;
        };
        counters.add(reason);
        if reason != Counter::EvictedEnded
            && let Some(call) = self.calls.get_mut(slot)
        {
            call.flags |= flags::EVICTED;
        }
        self.end(slot, Some(EndedBy::CaptureEnd), counters);
        true
    }

    /// Reads a session description: where its sender receives, and what.
    fn describe(&mut self, slot: Slot, sdp: &[u8], message: &Message<'_>, counters: &mut Counters) {
        let Some(call) = self.calls.get_mut(slot) else { return };
        let Ok(session) = Session::parse(sdp) else {
            counters.add(Counter::SdpBad);
            return;
        };
        let side = call.side_of(message, &self.keyed);
        let at = call.dialog.last_at;
        let is_answered = call.dialog.answered.is_some();
        let description = call.media.describe(&session, side, role(message), is_answered);
        call.flags |= description.flags;
        for &Receiver { address, is_encrypted } in &description.receivers {
            self.claim(address, Claim { call: slot, side, at, is_encrypted }, counters);
        }
        for &receiver in &description.receivers {
            self.adopt_strays(slot, side, receiver, counters);
        }
    }

    /// Notes where a call receives media. When the places are used up, the oldest unanswered call
    /// gives up its own.
    fn claim(&mut self, address: SocketAddr, claim: Claim, counters: &mut Counters) {
        let is_answered =
            |slot| self.calls.get(slot).is_some_and(|call: &Call| call.dialog.has_answer());
        let mut claimed = self.places.claim(address, claim, is_answered, &self.keyed);
        if claimed.is_none() {
            counters.add(Counter::MediaTableFull);
            let Some(giver) = self.room.next_with_places(&self.calls, claim.call) else { return };
            if let Some(call) = self.calls.get_mut(giver) {
                call.has_lost_places = true;
                for place in core::mem::take(&mut call.media_slots) {
                    self.places.release(place, giver, &self.keyed);
                }
            }
            claimed = self.places.claim(address, claim, |_| false, &self.keyed);
        }
        let Some(Claimed { slot: place, evicted }) = claimed else { return };
        if let Some(loser) = evicted.and_then(|slot| self.calls.get_mut(slot)) {
            counters.add(Counter::MediaClaimsEvicted);
            loser.has_lost_places = true;
            loser.media_slots.retain(|&known| known != place);
        }
        let Some(call) = self.calls.get_mut(claim.call) else { return };
        if !call.media_slots.contains(&place) && call.media_slots.push(place).is_err() {
            counters.add(Counter::MediaTableFull);
            call.has_lost_places = true;
            self.places.release(place, claim.call, &self.keyed);
        }
    }

    pub(super) fn schedule(&mut self, slot: Slot) {
        if let Some(call) = self.calls.get(slot) {
            self.wheel.set(slot, self.deadline(call));
        }
    }

    /// When a call is over unless something more comes.
    fn deadline(&self, call: &Call) -> u64 {
        if call.dialog.state() != State::Confirmed {
            return call.dialog.deadline();
        }
        let media = call.streams.iter().filter_map(|&stream| self.flows.get(stream));
        let last_media = media.map(|flow| flow.stream.last_at().as_micros()).max();
        let last_at = call.dialog.last_at.max(last_media.unwrap_or(0));
        // What only an ACK says was answered does not stay for an hour without media.
        let may_be_silent = match last_media {
            None => call.dialog.has_answer() || call.dialog.start.is_none(),
            Some(_) => call.media.is_held(),
        };
        let patience = if may_be_silent {
            self.settings.sip_without_rtp_timeout
        } else {
            self.settings.rtp_timeout
        };
        (last_at + patience).min(call.first_at + self.settings.absolute_timeout)
    }

    /// Makes the record of a call and frees all that it holds. `by` ends a call that is still in
    /// progress; without it a deadline has.
    fn end(&mut self, slot: Slot, by: Option<EndedBy>, counters: &mut Counters) {
        let Some(mut call) = self.calls.remove(slot) else { return };
        if call.dialog.is_in_progress() {
            self.in_progress -= 1;
        }
        if by.is_none() {
            let media = call.streams.iter().filter_map(|&stream| self.flows.get(stream));
            let last_media = media.map(|flow| flow.stream.last_at().as_micros()).max();
            call.dialog.handle_deadline(call.dialog.last_at.max(last_media.unwrap_or(0)));
        }
        let record = cdr::record(&mut call, slot, &self.flows, &self.places, self.missed);
        self.records.push_back((record, call.track));
        counters.add(Counter::CallsEnded);
        self.wheel.cancel(slot);
        self.index.remove(call.call_id_hash, slot);
        for &stream in &call.streams {
            self.flows.release(stream, slot);
        }
        for &place in &call.media_slots {
            self.places.release(place, slot, &self.keyed);
        }
        let cseq = call.dialog.invite_cseq().unwrap_or(0);
        self.tombstones.add(call.call_id_hash, cseq, call.dialog.last_at);
    }
}

/// What a message's session description is to offer and answer (RFC 3264, RFC 3262 §5).
fn role(message: &Message<'_>) -> Role {
    match message.start_line {
        StartLine::Request { method: Method::Ack | Method::Prack, .. } => Role::Answer,
        StartLine::Request { .. } => Role::Offer,
        StartLine::Response { .. } => Role::Response,
    }
}
