//! An ended call becomes its record.

use core::net::SocketAddr;

use ringside_protocol::cdr::{self, Cdr, Direction, EndedBy, Scale, Status, flags, observed};
use ringside_protocol::time::UnixMicros;

use super::codec::Kind;
use super::dialog::Side;
use super::entry::{Call, PartyText};
use super::flows::{Flow, Flows};
use super::places::Places;
use super::slab::Slot;
use super::text::printable;
use crate::wire::sip::quoted_text;

/// Media that one side must have sent without the other, before a call counts as one-way; and
/// the time without any, before an answered call counts as one without media. Microseconds.
const MEDIA_EXPECTED_WITHIN: u64 = 2_000_000;

/// The record of a call in slot `slot`. `missed` counts the seconds in which the
/// capture lost packets; `None` where nobody watched it.
#[must_use]
pub fn record(
    call: &mut Call,
    slot: Slot,
    flows: &Flows,
    places: &Places,
    missed: Option<u64>,
) -> Cdr {
    let last_media = call.streams.iter().filter_map(|&stream| flows.get(stream));
    let last_media = last_media.map(|flow| flow.stream.last_at().as_micros()).max();
    let last_at = call.dialog.last_at.max(last_media.unwrap_or(0));
    let (ended_at, ended_by) = call.dialog.ended.unwrap_or((last_at, EndedBy::CaptureEnd));
    let after = |at: u64| at.saturating_sub(call.first_at);
    let offset = |at: Option<u64>| at.map(after);
    let dialog = &call.dialog;
    let mut record = Cdr {
        number: call.number,
        first_at: UnixMicros(call.first_at),
        start: offset(dialog.start),
        ringing: offset(dialog.ringing),
        answered: offset(dialog.answered),
        ended: after(ended_at),
        session_request_delay: dialog
            .first_response
            .zip(dialog.start)
            .map(|(response, start)| response.saturating_sub(start)),
        call_id: call.texts.string(call.call_id),
        caller: party(call, call.caller),
        callee: party(call, call.callee),
        request_uri: call.request_uri.map(|uri| call.texts.string(uri)),
        src: call.way.0,
        dst: call.way.1,
        status: dialog.status_code.map(|code| status(call, code)),
        ended_by,
        caller_agent: call.caller_agent.map(|agent| call.texts.string(agent)),
        callee_agent: call.callee_agent.map(|agent| call.texts.string(agent)),
        dtmf: call.digits.as_str().to_owned(),
        sip: call.ladder.record(call.first_at),
        sip_omitted: call.ladder.omitted(),
        retransmissions: call.ladder.retransmissions(),
        streams_omitted: call.streams_omitted,
        vlan: call.vlan,
        q850_cause: call.q850_cause,
        sip_dscp: call.sip_dscp,
        quality_reports: call.quality_reports.to_vec(),
        legs: call
            .legs
            .map(|legs| cdr::Legs { source: legs.source, key: call.texts.string(legs.key) }),
        ..Cdr::default()
    };
    let mut silences = Vec::with_capacity(call.streams.len());
    for stream in call.streams.clone() {
        let Some(flow) = flows.get(stream) else { continue };
        let mut of_flow = stream_record(call, (slot, stream), flow, flows, places);
        of_flow.capture_lost = missed.map(|_| flow.capture_lost());
        record.streams.push(of_flow);
        silences.push(flow.stream.silence());
    }
    record.addresses = call.addresses.as_slice().to_vec();
    record.flags = call.flags | final_flags(call, &record, &silences);
    if missed.is_some_and(|missed| missed > call.loss_epoch) {
        record.flags |= flags::CAPTURE_LOSS;
    }
    record
}

fn stream_record(
    call: &mut Call,
    (owner, slot): (Slot, Slot),
    flow: &Flow,
    flows: &Flows,
    places: &Places,
) -> cdr::Stream {
    let sender = flow.calls.iter().find(|(claiming, _)| *claiming == owner).map(|(_, side)| *side);
    let mut stream = flow.stream.record(flows.intervals());
    stream.ssrc = flow.ssrc;
    stream.src = call.address_index(flow.src);
    stream.dst = call.address_index(flow.dst);
    stream.first = flow.stream.first_at().as_micros().saturating_sub(call.first_at);
    stream.direction = match sender {
        Some(Side::Caller) => Direction::CallerToCallee,
        Some(Side::Callee) => Direction::CalleeToCaller,
        None => Direction::Unknown,
    };
    if let Some(sender) = sender {
        let described = described_elsewhere(call, owner, sender, flow, places);
        stream.described = described.map(|address| call.address_index(address));
        judge_codec(call, sender, flow, &mut stream);
    }
    for (bit, is_set) in [(observed::BEFORE_SDP, flow.is_adopted), (observed::BYE, flow.has_left)] {
        stream.observed |= if is_set { bit } else { 0 };
    }
    let cname = call.cnames.iter().find(|(known, _)| *known == slot);
    stream.cname = cname.map(|&(_, cname)| call.texts.string(cname));
    let metrics = call.voip_metrics.iter().find(|(known, _)| *known == slot);
    stream.voip_metrics = metrics.map(|&(_, metrics)| metrics);
    stream
}

/// Where the sender's newest description said that it receives, if its packets come from another
/// host than any that it named.
fn described_elsewhere(
    call: &Call,
    owner: Slot,
    sender: Side,
    flow: &Flow,
    places: &Places,
) -> Option<SocketAddr> {
    let described = || {
        let claimed = call.media_slots.iter().filter_map(|&place| places.claimed_by(place, owner));
        claimed.filter(|&(_, side)| side == sender).map(|(address, _)| address)
    };
    let came_from_there = described().any(|address| address.ip() == flow.src.ip());
    if came_from_there { None } else { described().next_back() }
}

/// Whether the stream is what offer and answer agreed on (RFC 3264 §6.1).
fn judge_codec(call: &Call, sender: Side, flow: &Flow, stream: &mut cdr::Stream) {
    let codec = flow.stream.codec();
    if call.media.lists(stream.payload_type, sender.other()) == Some(false)
        && matches!(codec.kind(), Kind::Speech | Kind::Unknown)
    {
        stream.observed |= observed::NOT_AGREED;
    } else if codec.kind() == Kind::Speech
        && call.dialog.answered.is_some()
        && let Some(preferred) = call.media.preferred_over(codec)
    {
        stream.observed |= observed::NOT_PREFERRED;
        stream.preferred = Some(preferred.encoding_name().to_owned());
    }
}

/// The flags that only the whole call shows.
fn final_flags(call: &Call, record: &Cdr, silences: &[Option<bool>]) -> u32 {
    let mut set = 0;
    if call.dialog.is_forked {
        set |= flags::FORKED;
    }
    if call.dialog.is_authenticated {
        set |= flags::AUTHENTICATED;
    }
    let answered = record.answered.unwrap_or(u64::MAX);
    if record.streams.iter().any(|stream| stream.first < answered) && record.start.is_some() {
        set |= flags::EARLY_MEDIA;
    }
    let is_readable = silences.iter().any(Option::is_some);
    if is_readable && silences.iter().flatten().all(|&is_silent| is_silent) {
        set |= flags::SILENT;
    }
    let talked = record.duration().unwrap_or(0) >= MEDIA_EXPECTED_WITHIN;
    let is_fax = (call.flags | set) & flags::FAX != 0;
    // What is missing may be with another call that shares the address.
    if !talked || is_fax || call.has_lost_places {
        return set;
    }
    let is_one_sided = shows_one_side(call);
    // A side that hears what the sensor does not see is no side that hears nothing.
    let hears_unseen = |side: Side| call.hears_unseen[side as usize];
    if record.streams.is_empty() && record.streams_omitted == 0 {
        let is_agreed = call.media.is_audio_agreed() || is_one_sided;
        let is_expected = is_agreed && call.flags & flags::ON_HOLD == 0;
        let is_unseen = hears_unseen(Side::Caller) || hears_unseen(Side::Callee) || is_one_sided;
        return match (is_expected, is_unseen) {
            (true, true) => set | flags::UNSEEN_MEDIA,
            (true, false) => set | flags::NO_MEDIA,
            (false, _) => set,
        };
    }
    let speaks = |direction| {
        record.streams.iter().any(|stream| {
            (stream.direction == direction || stream.direction == Direction::Unknown)
                && stream.scale != Scale::NotSpeech
        })
    };
    let ways = (speaks(Direction::CallerToCallee), speaks(Direction::CalleeToCaller));
    let is_two_way = call.media.is_two_way() || is_one_sided;
    if ways.0 != ways.1 && is_two_way && call.flags & flags::ON_HOLD == 0 {
        let deaf = if ways.0 { Side::Caller } else { Side::Callee };
        let is_unseen = hears_unseen(deaf) || is_one_sided;
        set |= if is_unseen { flags::UNSEEN_MEDIA } else { flags::ONE_WAY };
    }
    set
}

/// Messages of one side without any of the other's after which the other was not silent, but unseen.
const ONE_SIDED_MESSAGES: usize = 3;

/// Whether the mirror port shows one direction of the call only: it was answered, and all its
/// messages came from one side.
fn shows_one_side(call: &Call) -> bool {
    let is_one_sided = call.sip_dscp.iter().any(Option::is_none);
    is_one_sided && call.ladder.len() >= ONE_SIDED_MESSAGES
}

/// A side of the call as records have it.
pub(super) fn party(call: &Call, party: PartyText) -> cdr::Party {
    cdr::Party {
        user: call.texts.string(party.user),
        host: call.texts.string(party.host),
        display: party.display.map(|display| printable(&quoted_text(call.texts.bytes(display)))),
    }
}

fn status(call: &Call, code: u16) -> Status {
    Status::new(code, call.texts.string(call.reason_phrase))
}
