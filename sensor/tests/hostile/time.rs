//! Clocks that run backwards or jump, and numbers that wrap.

use ringside_protocol::counters::Counter;

use crate::network::{Call, SECOND, Segment, Tap, address, fragments, rtp, sdp, sip, tcp};

const YEAR: u64 = 365 * 86_400 * SECOND;

/// A whole call of four seconds.
fn whole(tap: &mut Tap, id: &str, number: u16) -> Call {
    let mut call = Call::new(id, number);
    call.begin(tap);
    for _ in 0..200 {
        call.talk(tap);
    }
    call.end(tap);
    call
}

#[test]
fn after_a_jump_of_years_in_either_direction_calls_come_out_right() {
    for there_and_back in [1, 70] {
        let mut tap = Tap::new("call");
        whole(&mut tap, "call0", 0).assert_recorded(&tap);
        let before = tap.now;
        tap.now += there_and_back * YEAR;
        // In the future every table gets an entry of its own.
        tap.udp(address([10, 9, 0, 1], 5060), address([10, 9, 0, 2], 5060), b"BYE");
        for round in 0..5_000 {
            for frame in flood(round) {
                tap.frame(&frame);
            }
        }
        whole(&mut tap, "call1", 1).assert_recorded(&tap);
        tap.now = before;
        whole(&mut tap, "call2", 2).assert_recorded(&tap);
        assert_joins(&mut tap);
        tap.finish();
        assert_eq!(tap.analysis.table().in_progress(), 0);
    }
}

/// What came in the future is not in the way of a message in fragments and of one in segments,
/// even if others come between.
fn assert_joins(tap: &mut Tap) {
    let (src, dst) = (address([10, 9, 0, 3], 5060), address([10, 9, 0, 4], 5060));
    let message = sip("OPTIONS sip:a SIP/2.0", "options", "1 OPTIONS", "", &" ".repeat(2_000));
    let parts = fragments(src, dst, message.as_bytes(), 7, 1_480);
    let halves = message.as_bytes().split_at(1_000);
    let segments = [(0, halves.0), (1_000, halves.1)].map(|(sequence_number, payload)| {
        tcp(src, dst, Segment { sequence_number, payload, ..Segment::default() })
    });
    let before = tap.count(Counter::PeerMessages);
    for (part, segment) in parts.iter().zip(&segments) {
        tap.frame(part);
        tap.frame(segment);
        (10_000..10_010).flat_map(flood).for_each(|frame| tap.frame(&frame));
    }
    assert_eq!(tap.count(Counter::PeerMessages), before + 2);
}

/// Calls, TCP connections and fragments.
fn flood(round: u32) -> Vec<Vec<u8>> {
    use crate::network::attack::{Frames, first_fragment, half_message, invite};
    [invite, half_message, first_fragment]
        .into_iter()
        .flat_map(|attack| Frames::of(attack, round..round + 1))
        .collect()
}

#[test]
fn a_clock_that_runs_backwards_harms_nobody() {
    let mut tap = Tap::new("call");
    let mut call = Call::new("call", 0);
    call.begin(&mut tap);
    for _ in 0..500 {
        call.talk(&mut tap);
        tap.now -= SECOND / 25;
    }
    call.end(&mut tap);
    let record = tap.records.first().expect("its record");
    assert!(record.streams.iter().all(|stream| stream.packets == 500 && stream.lost == 0));
}

#[test]
fn times_at_both_ends_of_what_there_is() {
    for now in [0, 1, ringside_sensor::capture::LATEST.as_micros() - 60 * SECOND] {
        let mut tap = Tap::new("call");
        tap.now = now;
        whole(&mut tap, "call", 0).assert_recorded(&tap);
    }
}

#[test]
fn every_number_may_wrap() {
    let mut tap = Tap::new("call");
    let call = Call::new("call", 0);
    let [a, b] = call.media;
    call.begin(&mut tap);
    let mut sequence_number = 0xffff_u16 - 100;
    let mut timestamp = u32::MAX - 100 * 160;
    for _ in 0..200 {
        tap.udp(a, b, &rtp(u32::MAX, sequence_number, timestamp));
        tap.udp(b, a, &rtp(0, sequence_number, timestamp));
        sequence_number = sequence_number.wrapping_add(1);
        timestamp = timestamp.wrapping_add(160);
        tap.pass(SECOND / 50);
    }
    call.end(&mut tap);
    let record = tap.records.first().expect("its record");
    for stream in &record.streams {
        assert_eq!((stream.packets, stream.expected, stream.lost), (200, 200, 0));
        assert_eq!(stream.jitter_max, Some(0));
    }
}

#[test]
fn a_tcp_stream_and_a_cseq_at_2_to_the_32() {
    let mut tap = Tap::new("call");
    let (src, dst) = (address([10, 9, 0, 1], 40_000), address([10, 9, 0, 2], 5060));
    let body = sdp(address([10, 9, 0, 1], 10_000));
    let cseq = format!("{} INVITE", u32::MAX);
    let text = sip("INVITE sip:bob@example.net SIP/2.0", "call", &cseq, "", &body);
    let mut sequence_number = u32::MAX - 100;
    for payload in text.as_bytes().chunks(40) {
        tap.tcp(src, dst, Segment { sequence_number, payload, ..Segment::default() });
        sequence_number = sequence_number.wrapping_add(40);
    }
    assert_eq!(tap.count(Counter::CallsStarted), 1);
    tap.finish();
    assert_eq!(tap.records[0].sip[0].cseq, u32::MAX);
}
