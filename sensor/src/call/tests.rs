//! Whole calls through the table: written messages and packets in, records out.

use embassy_time::Instant;
use ringside_protocol::cdr::{Cdr, Direction, EndedBy, LegSource, flags};
use ringside_protocol::counters::Counter;

use super::{CallSettings, CallTable};
use crate::counters::Counters;
use crate::decode::{Datagram, Transport};
#[cfg(not(feature = "large-tables"))]
use crate::limits::MAX_MEDIA;
use crate::limits::{MAX_CALLS, MAX_STREAMS_PER_CALL};
use crate::wire::sdp::MAX_MEDIA_LINES;
use crate::wire::sip::Message;

pub(super) const SECOND: u64 = 1_000_000;
pub(super) const A: &str = "192.0.2.1:5060";
pub(super) const B: &str = "192.0.2.2:5060";

/// A table, its counters, and a clock that tests move.
pub(super) struct Lab {
    pub(super) table: CallTable,
    pub(super) counters: Counters,
    pub(super) now: u64,
}

impl Lab {
    pub(super) fn new() -> Self {
        Self {
            table: CallTable::new(CallSettings::default()),
            counters: Counters::default(),
            now: 1_000 * SECOND,
        }
    }

    pub(super) fn pass(&mut self, micros: u64) -> &mut Self {
        self.now += micros;
        while let Some(at) = self.table.poll_timeout()
            && at.as_micros() <= self.now
        {
            self.table.handle_timeout(Instant::from_micros(self.now), &mut self.counters);
        }
        self
    }

    pub(super) fn datagram<'a>(&self, src: &str, dst: &str, payload: &'a [u8]) -> Datagram<'a> {
        Datagram {
            at: Instant::from_micros(self.now),
            interface: 0,
            src: src.parse().unwrap(),
            dst: dst.parse().unwrap(),
            transport: Transport::Udp,
            vlan: None,
            dscp: 0,
            is_sip: false,
            payload_len: u32::try_from(payload.len()).unwrap(),
            payload,
        }
    }

    pub(super) fn send(&mut self, src: &str, dst: &str, text: &str) -> &mut Self {
        let datagram = self.datagram(src, dst, text.as_bytes());
        let message = Message::parse(text.as_bytes()).unwrap();
        self.table.handle_sip(&message, &datagram, &mut self.counters);
        self.pass(1_000)
    }

    pub(super) fn invite(&mut self, id: &str, media_port: u16) -> &mut Self {
        let text =
            message("INVITE sip:b@example.net SIP/2.0", id, "1 INVITE", "", &sdp(1, media_port));
        self.send(A, B, &text)
    }

    pub(super) fn answer(&mut self, id: &str, code: u16, media_port: u16) -> &mut Self {
        let body = if code == 200 { sdp(2, media_port) } else { String::new() };
        let text = message(&format!("SIP/2.0 {code} Whatever"), id, "1 INVITE", ";tag=b", &body);
        self.send(B, A, &text)
    }

    pub(super) fn bye(&mut self, id: &str) -> &mut Self {
        let text = message("BYE sip:b@example.net SIP/2.0", id, "2 BYE", ";tag=b", "");
        self.send(A, B, &text)
    }

    pub(super) fn rtp(&mut self, src: &str, dst: &str, ssrc: u32, sequence: u16) -> &mut Self {
        let mut packet = vec![0x80, 8];
        packet.extend(sequence.to_be_bytes());
        packet.extend((u32::from(sequence) * 160).to_be_bytes());
        packet.extend(ssrc.to_be_bytes());
        packet.extend([0xd5; 160]);
        let datagram = self.datagram(src, dst, &packet);
        self.table.handle_media(&datagram, &mut self.counters);
        self.pass(20_000)
    }

    /// `seconds` of both directions between the two media ports.
    pub(super) fn talk(&mut self, a_port: u16, b_port: u16, seconds: u16) -> &mut Self {
        let (a, b) = (format!("192.0.2.1:{a_port}"), format!("192.0.2.2:{b_port}"));
        for sequence in 0..seconds * 25 {
            self.rtp(&a, &b, 1, sequence).rtp(&b, &a, 2, sequence);
        }
        self
    }

    pub(super) fn records(&mut self) -> Vec<Cdr> {
        core::iter::from_fn(|| self.table.poll_record()).map(|(record, _)| record).collect()
    }

    pub(super) fn only_record(&mut self) -> Cdr {
        let mut records = self.records();
        assert_eq!(records.len(), 1, "{records:#?}");
        records.remove(0)
    }

    pub(super) fn count(&self, counter: Counter) -> u64 {
        self.counters.of(counter)
    }
}

pub(super) fn message(start: &str, id: &str, cseq: &str, to_tag: &str, body: &str) -> String {
    let content_type = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "{start}\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{}\r\n\
         From: \"Ann\" <sip:a@example.net>;tag=a\r\nTo: <sip:b@example.net>{to_tag}\r\n\
         Call-ID: {id}\r\nCSeq: {cseq}\r\n{content_type}Content-Length: {}\r\n\r\n{body}",
        cseq.replace(' ', ""),
        body.len()
    )
}

pub(super) fn sdp(host: u8, port: u16) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 192.0.2.{host}\r\ns=-\r\nc=IN IP4 192.0.2.{host}\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP 8\r\n"
    )
}

#[test]
fn a_call_with_both_directions_becomes_one_record() {
    let mut lab = Lab::new();
    lab.invite("c1", 4000).answer("c1", 180, 0).pass(3 * SECOND).answer("c1", 200, 6000);
    assert_eq!(lab.table.in_progress(), 1);
    lab.talk(4000, 6000, 4).bye("c1").pass(SECOND);
    let record = lab.only_record();
    assert_eq!(lab.table.in_progress(), 0);
    assert_eq!((record.number, record.call_id.as_str()), (1, "c1"));
    assert_eq!(record.caller.display.as_deref(), Some("Ann"));
    assert_eq!(record.ended_by, EndedBy::Caller);
    assert_eq!(record.flags, flags::SILENT, "0xd5 is silence in G.711 A-law");
    let directions: Vec<_> = record.streams.iter().map(|stream| stream.direction).collect();
    assert_eq!(directions, [Direction::CallerToCallee, Direction::CalleeToCaller]);
    assert!(record.streams.iter().all(|stream| stream.packets == 100 && stream.lost == 0));
    assert_eq!(record.sip.len(), 4);
    assert_eq!(lab.count(Counter::RtpPackets), 200);
}

#[test]
fn a_repeated_bye_begins_no_second_call() {
    let mut lab = Lab::new();
    lab.invite("c1", 4000).answer("c1", 200, 6000).bye("c1").pass(SECOND);
    lab.bye("c1").pass(SECOND);
    lab.only_record();
    assert_eq!(lab.count(Counter::SipLate), 1);
}

#[test]
fn media_of_one_side_only_is_one_way_and_none_is_no_media() {
    let mut lab = Lab::new();
    lab.invite("c1", 4000).answer("c1", 200, 6000);
    for sequence in 0..200 {
        lab.rtp("192.0.2.2:6000", "192.0.2.1:4000", 2, sequence);
    }
    lab.bye("c1").pass(SECOND);
    assert!(lab.only_record().has(flags::ONE_WAY));
    lab.invite("c2", 4000).answer("c2", 200, 6000).pass(5 * SECOND).bye("c2").pass(SECOND);
    assert!(lab.only_record().has(flags::NO_MEDIA));
}

#[test]
fn media_from_behind_a_nat_is_found_by_its_way_back() {
    let mut lab = Lab::new();
    lab.invite("c1", 4000).answer("c1", 200, 6000);
    for sequence in 0..100 {
        lab.rtp("203.0.113.9:1234", "192.0.2.2:6000", 1, sequence);
        lab.rtp("192.0.2.2:6000", "203.0.113.9:1234", 2, sequence);
    }
    lab.bye("c1").pass(SECOND);
    let record = lab.only_record();
    assert!(record.has(flags::NAT) && !record.has(flags::ONE_WAY));
    assert_eq!(record.streams.len(), 2);
    assert_eq!(record.streams[1].direction, Direction::CalleeToCaller);
}

#[test]
fn calls_at_once_on_one_pair_of_ports_keep_their_own_streams() {
    let mut lab = Lab::new();
    for call in 0..6u32 {
        let id = format!("c{call}");
        lab.invite(&id, 4000).answer(&id, 200, 6000).pass(SECOND);
        lab.rtp("192.0.2.1:4000", "192.0.2.2:6000", call, 0);
        lab.rtp("192.0.2.2:6000", "192.0.2.1:4000", call + 100, 0);
    }
    for call in 0..6 {
        lab.bye(&format!("c{call}"));
    }
    lab.pass(SECOND);
    for (call, record) in (0u32..).zip(lab.records()) {
        let ssrcs: Vec<_> = record.streams.iter().map(|stream| stream.ssrc).collect();
        assert_eq!(ssrcs, [call, call + 100], "{}", record.call_id);
    }
}

#[test]
fn both_legs_through_a_b2bua_that_leaves_media_alone_hold_the_streams() {
    let mut lab = Lab::new();
    lab.invite("leg1", 4000).invite("leg2", 4000);
    lab.answer("leg2", 200, 6000).answer("leg1", 200, 6000);
    lab.talk(4000, 6000, 3).bye("leg1").bye("leg2").pass(SECOND);
    let records = lab.records();
    assert_eq!(records.len(), 2);
    assert!(records.iter().all(|record| record.streams.len() == 2), "{records:#?}");
}

#[test]
fn legs_that_offer_the_same_address_for_media_are_joined_whatever_their_addresses() {
    let sources = |second_port, second_from: &str| {
        let mut lab = Lab::new();
        lab.invite("leg1", 4000);
        let text = message(
            "INVITE sip:b@example.net SIP/2.0",
            "leg2",
            "1 INVITE",
            "",
            &sdp(1, second_port),
        );
        lab.send(second_from, "192.0.2.9:5060", &text);
        lab.table.finish(&mut lab.counters);
        lab.records().into_iter().map(|it| it.legs.map(|legs| legs.source)).collect::<Vec<_>>()
    };
    assert_eq!(sources(4000, "192.0.2.7:5060"), [Some(LegSource::Media); 2]);
    assert_eq!(sources(4002, "192.0.2.7:5060"), [None; 2], "other media, from elsewhere");
    assert_eq!(sources(4002, B), [Some(LegSource::NumberAndTime); 2]);
    assert_eq!(sources(4000, A), [None; 2], "who sends from the same address calls twice");
}

#[test]
fn a_held_call_outlives_its_silence() {
    let mut lab = Lab::new();
    lab.invite("c1", 4000).answer("c1", 200, 6000).talk(4000, 6000, 2);
    let body = sdp(1, 4000) + "a=sendonly\r\n";
    let text = message("INVITE sip:b@example.net SIP/2.0", "c1", "2 INVITE", ";tag=b", &body);
    lab.send(A, B, &text).pass(400 * SECOND);
    assert_eq!(lab.table.in_progress(), 1);
    lab.bye("c1").pass(SECOND);
    let record = lab.only_record();
    assert!(record.has(flags::ON_HOLD) && !record.has(flags::ONE_WAY));
}

#[test]
fn silent_call_ends_after_media_timeout() {
    let mut lab = Lab::new();
    lab.invite("c1", 4000).answer("c1", 200, 6000).talk(4000, 6000, 2);
    let last_packet = lab.now - 20_000;
    lab.pass(299 * SECOND);
    assert_eq!(lab.table.in_progress(), 1);
    lab.pass(2 * SECOND);
    let record = lab.only_record();
    assert_eq!(record.ended_by, EndedBy::Timeout);
    assert_eq!(record.ended_at().0, last_packet);
}

#[test]
fn no_call_is_followed_beyond_the_absolute_timeout() {
    let mut lab = Lab::new();
    lab.invite("c1", 4000).answer("c1", 200, 6000);
    for sequence in 0..1000 {
        lab.rtp("192.0.2.1:4000", "192.0.2.2:6000", 1, sequence).pass(15 * SECOND);
    }
    let record = lab.only_record();
    assert_eq!(record.ended_by, EndedBy::Timeout);
    assert!(record.duration() <= Some(14_400 * SECOND));
}

#[test]
fn over_the_allowance_a_call_is_counted_once_and_not_tracked() {
    let mut lab = Lab::new();
    lab.table.set_allowance(Some(1));
    lab.invite("c1", 4000).answer("c1", 200, 6000);
    lab.invite("c2", 4002).answer("c2", 180, 0).answer("c2", 200, 6002);
    assert_eq!(lab.count(Counter::CallsOverAllowance), 1);
    assert_eq!(lab.table.in_progress(), 1);
    lab.bye("c1").pass(SECOND).invite("c3", 4004);
    assert_eq!(lab.table.in_progress(), 1);
    assert_eq!(lab.only_record().call_id, "c1");
}

#[test]
fn at_the_allowance_the_unanswered_leave_for_a_new_call_and_those_that_talk_stay() {
    let mut lab = Lab::new();
    lab.table.set_allowance(Some(3));
    lab.invite("talks", 4000).answer("talks", 200, 6000).talk(4000, 6000, 1);
    for flood in 0..500 {
        let id = format!("flood{flood}");
        lab.invite(&id, 9000).answer(&id, 100, 0);
        assert!(lab.table.in_progress() <= 3);
    }
    lab.invite("real", 4002).answer("real", 200, 6002);
    assert_eq!(lab.count(Counter::CallsOverAllowance), 0);
    let left = lab.records();
    assert!(left.iter().all(|it| it.call_id.starts_with("flood") && it.has(flags::EVICTED)));
    assert_eq!(lab.count(Counter::EvictedUnanswered), left.len() as u64);
    lab.bye("real").bye("talks").pass(SECOND);
    let ends: Vec<_> = lab.records().into_iter().map(|it| (it.call_id, it.ended_by)).collect();
    let expected = ["real", "talks"].map(|id| (id.to_owned(), EndedBy::Caller));
    assert_eq!(ends, expected);
}

#[test]
fn at_the_allowance_an_answered_call_leaves_when_its_media_has_stopped() {
    let mut lab = Lab::new();
    lab.table.set_allowance(Some(1));
    lab.invite("idle", 4000).answer("idle", 200, 6000).talk(4000, 6000, 1);
    lab.pass(9 * SECOND).invite("early", 4002);
    assert_eq!(lab.count(Counter::CallsOverAllowance), 1);
    lab.pass(SECOND).invite("new", 4004);
    assert_eq!(lab.only_record().call_id, "idle");
    assert_eq!((lab.table.in_progress(), lab.count(Counter::EvictedIdle)), (1, 1));
}

#[test]
fn at_the_allowance_a_call_of_which_only_sip_is_seen_stays_for_five_minutes() {
    let mut lab = Lab::new();
    lab.table.set_allowance(Some(1));
    lab.invite("sip", 4000).answer("sip", 200, 6000).pass(290 * SECOND).invite("early", 4002);
    assert_eq!(lab.count(Counter::CallsOverAllowance), 1);
    lab.pass(10 * SECOND).invite("new", 4004);
    assert_eq!(lab.only_record().call_id, "sip");
    assert_eq!(lab.count(Counter::EvictedIdle), 1);
}

#[test]
fn at_the_allowance_no_call_leaves_for_another_message_than_an_invite() {
    let mut lab = Lab::new();
    lab.table.set_allowance(Some(1));
    lab.invite("rings", 4000).bye("other");
    let text = message("INFO sip:b@example.net SIP/2.0", "third", "7 INFO", ";tag=b", "");
    lab.send(A, B, &text);
    assert_eq!((lab.records(), lab.count(Counter::CallsOverAllowance)), (Vec::new(), 2));
}

#[test]
fn a_call_joined_in_its_middle_has_no_start() {
    let mut lab = Lab::new();
    let text = message("INFO sip:b@example.net SIP/2.0", "c1", "7 INFO", ";tag=b", "");
    lab.send(A, B, &text).bye("c1").pass(SECOND);
    let record = lab.only_record();
    assert_eq!((record.start, record.ended_by), (None, EndedBy::Caller));
    assert!(record.has(flags::JOINED_LATE));
    let text = message("OPTIONS sip:b@example.net SIP/2.0", "c9", "7 OPTIONS", "", "");
    lab.send(A, B, &text);
    assert_eq!(lab.count(Counter::SipOutsideCalls), 1);
}

#[test]
fn capture_loss_marks_the_calls_that_were_there() {
    let mut lab = Lab::new();
    lab.invite("c1", 4000);
    lab.table.note_capture(true);
    lab.invite("c2", 4002).answer("c1", 486, 0).answer("c2", 486, 0).pass(SECOND);
    let lossy: Vec<bool> = lab.records().iter().map(|it| it.has(flags::CAPTURE_LOSS)).collect();
    assert_eq!(lossy, [true, false]);
}

#[test]
fn streams_beyond_a_call_s_limit_are_counted() {
    let mut lab = Lab::new();
    lab.invite("c1", 4000).answer("c1", 200, 6000);
    for ssrc in 0..=MAX_STREAMS_PER_CALL {
        lab.rtp("192.0.2.1:4000", "192.0.2.2:6000", u32::try_from(ssrc).unwrap(), 0);
    }
    lab.bye("c1").pass(SECOND);
    let record = lab.only_record();
    assert_eq!(record.streams.len(), MAX_STREAMS_PER_CALL);
    assert_eq!((record.streams_omitted, lab.count(Counter::StreamsRefused)), (1, 1));
}

#[test]
fn a_flood_of_byes_leaves_room_for_calls() {
    let mut lab = Lab::new();
    for flood in 0..MAX_CALLS {
        let id = format!("flood{flood}");
        let text = message("BYE sip:b@example.net SIP/2.0", &id, "2 BYE", ";tag=b", "");
        let datagram = lab.datagram(A, B, text.as_bytes());
        let message = Message::parse(text.as_bytes()).unwrap();
        lab.table.handle_sip(&message, &datagram, &mut lab.counters);
    }
    lab.invite("new", 9000);
    assert_eq!((lab.count(Counter::CallsRefused), lab.count(Counter::EvictedEnded)), (0, 1));
    assert_eq!(lab.table.in_progress(), 1);
}

#[cfg(not(feature = "large-tables"))]
/// Fills the table with calls `c0`, `c1` …; what `each` does with them makes them differ.
fn full(each: impl Fn(&mut Lab, &str, u16)) -> Lab {
    let mut lab = Lab::new();
    for call in 0..u16::try_from(MAX_CALLS).unwrap() {
        let id = format!("c{call}");
        lab.invite(&id, 10_000 + call);
        each(&mut lab, &id, call);
    }
    assert_eq!(lab.records(), []);
    lab
}

// Larger tables take longer to fill than calls last.
#[cfg(not(feature = "large-tables"))]
#[test]
fn when_full_the_ended_leave_first_then_the_unanswered() {
    let mut lab = full(|lab, id, call| {
        if call < 2 {
            lab.answer(id, 200, 20_000 + call);
        }
    });
    // Ends, and lingers.
    lab.bye("c1");
    lab.invite("new1", 9000).invite("new2", 9002);
    let left: Vec<_> =
        lab.records().into_iter().map(|it| (it.call_id.clone(), it.ended_by)).collect();
    let expected = [("c1".to_owned(), EndedBy::Caller), ("c2".to_owned(), EndedBy::CaptureEnd)];
    assert_eq!(left, expected);
    assert_eq!(lab.count(Counter::EvictedEnded), 1);
    assert_eq!(lab.count(Counter::EvictedUnanswered), 1);
    assert_eq!(usize::from(lab.table.in_progress()), MAX_CALLS);
}

// Larger tables take longer to fill than calls last.
#[cfg(not(feature = "large-tables"))]
#[test]
fn when_all_talk_a_new_call_is_turned_away_and_the_idle_longest_leaves() {
    let mut lab = full(|lab, id, call| {
        lab.answer(id, 200, 20_000 + call);
    });
    lab.invite("new1", 9000);
    assert_eq!(lab.count(Counter::CallsRefused), 1);
    lab.answer("new1", 180, 0);
    assert_eq!(lab.count(Counter::CallsRefused), 1);
    // c7 says something once, and all others say something more.
    lab.rtp("192.0.2.1:10007", "192.0.2.2:20007", 7, 1);
    for call in (0..u16::try_from(MAX_CALLS).unwrap()).filter(|&call| call != 7) {
        let src = format!("192.0.2.1:{}", 10_000 + call);
        let dst = format!("192.0.2.2:{}", 20_000 + call);
        lab.rtp(&src, &dst, call.into(), 1);
    }
    lab.invite("new2", 9002);
    let left = lab.only_record();
    assert_eq!(left.call_id, "c7");
    assert!(left.has(flags::EVICTED));
    assert_eq!(lab.count(Counter::EvictedIdle), 1);
}

#[test]
fn a_flood_of_invites_does_not_push_out_calls_that_talk() {
    let mut lab = Lab::new();
    lab.invite("talks", 4000).answer("talks", 200, 6000);
    for flood in 0..3 * MAX_CALLS {
        lab.invite(&format!("flood{flood}"), 9000);
        if flood % 100 == 0 {
            let sequence = u16::try_from(flood / 100).unwrap();
            lab.rtp("192.0.2.1:4000", "192.0.2.2:6000", 1, sequence);
        }
    }
    assert!(lab.records().iter().all(|record| record.call_id != "talks"));
    lab.bye("talks").pass(SECOND);
    assert!(lab.records().iter().any(|record| record.call_id == "talks"));
}

// Larger tables take longer to fill than calls last.
#[cfg(not(feature = "large-tables"))]
#[test]
fn when_places_are_used_up_unanswered_calls_give_theirs_to_new_ones() {
    let mut lab = Lab::new();
    lab.invite("talks", 4000).answer("talks", 200, 6000);
    let lines = MAX_MEDIA_LINES - 1;
    let mut ports = (10_000u16..).step_by(2);
    for flood in 0..MAX_MEDIA / (2 * lines) + 10 {
        let id = format!("flood{flood}");
        let body = ports.by_ref().take(lines).fold(sdp(3, 8), |body, port| {
            format!("{body}m=audio {port} RTP/AVP 8\r\na=rtcp:{}\r\n", port + 1)
        });
        let text = message("INVITE sip:b@example.net SIP/2.0", &id, "1 INVITE", "", &body);
        lab.send(A, B, &text);
    }
    assert!(lab.count(Counter::MediaTableFull) > 0);
    lab.invite("real", 4002).answer("real", 200, 6002).talk(4002, 6002, 2).talk(4000, 6000, 2);
    lab.bye("talks").bye("real").pass(SECOND);
    let records = lab.records();
    for id in ["talks", "real"] {
        let record = records.iter().find(|record| record.call_id == id).unwrap();
        assert_eq!(record.streams.len(), 2, "{id}");
    }
}

#[test]
fn every_address_and_stream_is_given_back() {
    let mut lab = Lab::new();
    for round in 0..50u16 {
        for call in 0..100u16 {
            let id = format!("r{round}c{call}");
            let (a, b) = (10_000 + call * 2, 20_000 + call * 2);
            lab.invite(&id, a).answer(&id, 200, b);
            let (src, dst) = (format!("192.0.2.1:{a}"), format!("192.0.2.2:{b}"));
            lab.rtp(&src, &dst, u32::from(round), 0).rtp(&dst, &src, u32::from(round), 0);
            lab.bye(&id);
        }
        lab.pass(SECOND);
        assert_eq!(lab.records().len(), 100);
    }
    assert!(lab.table.calls.is_empty());
    assert_eq!(lab.table.flows.len(), 0);
    assert_eq!(lab.table.places.len(), 0);
    assert_eq!(lab.table.flows.intervals().used(), 0);
}

/// The figures of `docs/ARCHITECTURE.md`, "Memory".
#[test]
fn a_call_and_a_stream_take_no_more_than_the_memory_table_says() {
    let call = size_of::<Option<super::entry::Call>>();
    let flow = size_of::<Option<super::flows::Flow>>();
    println!("a call {call} bytes, a stream {flow} bytes");
    assert!(call <= 7_168, "{call}");
    assert!(flow <= 1_024, "{flow}");
}
