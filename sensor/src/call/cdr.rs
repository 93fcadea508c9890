//! An ended call becomes its record.

use ringside_protocol::cdr::{
    self, Cdr, Direction, EndedBy, Scale, Status, flags, usual_reason_phrase,
};
use ringside_protocol::time::UnixMicros;

use super::dialog::Side;
use super::entry::{Call, PartyText};
use super::flows::{Flow, Flows};
use super::slab::Slot;
use super::text::printable;
use crate::wire::sip::quoted_text;

/// Media that one side must have sent without the other, before a call counts as one-way; and
/// the time without any, before an answered call counts as one without media. Microseconds.
const MEDIA_EXPECTED_WITHIN: u64 = 2_000_000;

/// The record of a call in slot `slot`. `losses` is the number of capture losses noted so far.
#[must_use]
pub fn record(call: &mut Call, slot: Slot, flows: &Flows, losses: u64) -> Cdr {
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
        quality_reports: call.quality_reports.to_vec(),
        legs: call
            .legs
            .map(|legs| cdr::Legs { source: legs.source, key: call.texts.string(legs.key) }),
        ..Cdr::default()
    };
    let mut silences = Vec::with_capacity(call.streams.len());
    for stream in call.streams.clone() {
        let Some(flow) = flows.get(stream) else { continue };
        record.streams.push(stream_record(call, slot, flow, flows));
        silences.push(flow.stream.silence());
    }
    record.addresses = call.addresses.as_slice().to_vec();
    record.flags = call.flags | final_flags(call, &record, &silences);
    if losses > call.loss_epoch {
        record.flags |= flags::CAPTURE_LOSS;
    }
    record
}

fn stream_record(call: &mut Call, slot: Slot, flow: &Flow, flows: &Flows) -> cdr::Stream {
    let sender = flow.calls.iter().find(|(claiming, _)| *claiming == slot).map(|(_, side)| *side);
    let mut stream = flow.stream.record(flows.intervals());
    stream.src = call.address_index(flow.src);
    stream.dst = call.address_index(flow.dst);
    stream.first = flow.stream.first_at().as_micros().saturating_sub(call.first_at);
    stream.direction = match sender {
        Some(Side::Caller) => Direction::CallerToCallee,
        Some(Side::Callee) => Direction::CalleeToCaller,
        None => Direction::Unknown,
    };
    stream
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
    if !talked || is_fax {
        return set;
    }
    if record.streams.is_empty() && record.streams_omitted == 0 {
        let is_expected = call.media.is_audio_agreed() && call.flags & flags::ON_HOLD == 0;
        return if is_expected { set | flags::NO_MEDIA } else { set };
    }
    let speaks = |direction| {
        record.streams.iter().any(|stream| {
            (stream.direction == direction || stream.direction == Direction::Unknown)
                && stream.scale != Scale::NotSpeech
        })
    };
    let ways = (speaks(Direction::CallerToCallee), speaks(Direction::CalleeToCaller));
    if ways.0 != ways.1 && call.media.is_two_way() && call.flags & flags::ON_HOLD == 0 {
        set |= flags::ONE_WAY;
    }
    set
}

fn party(call: &Call, party: PartyText) -> cdr::Party {
    cdr::Party {
        user: call.texts.string(party.user),
        host: call.texts.string(party.host),
        display: party.display.map(|display| printable(&quoted_text(call.texts.bytes(display)))),
    }
}

fn status(call: &Call, code: u16) -> Status {
    let phrase = call.texts.string(call.reason_phrase);
    let is_usual = phrase == usual_reason_phrase(code);
    Status { code, reason_phrase: if is_usual { String::new() } else { phrase } }
}
