//! Much of the same.

use ringside_protocol::cdr::Cdr;
use ringside_protocol::counters::Counter;
use ringside_sensor::limits::{
    MAX_CALLS, MAX_FRAGMENTED, MAX_PEERS, MAX_STREAMS_PER_CALL, MAX_UNSETTLED_RECORDS,
};

use crate::beside_a_call;
use crate::network::{Call, Tap, attack};

/// The call's own two streams came out right, whatever else reached its ports.
fn assert_own_streams(tap: &Tap, call: &Call) -> Cdr {
    let record = tap.records.iter().find(|it| it.call_id == call.id).expect("its record");
    for ssrc in [call.ssrc, !call.ssrc] {
        let stream = record.streams.iter().find(|stream| stream.ssrc == ssrc).expect("its stream");
        assert_eq!((stream.packets, stream.lost), (call.packets.into(), 0));
    }
    record.clone()
}

#[test]
fn ten_thousand_half_open_calls() {
    let (mut tap, call) = beside_a_call(attack::invite, 5_000);
    call.assert_recorded(&tap);
    assert_eq!(tap.count(Counter::CallsStarted), 10_001);
    let left = usize::try_from(tap.count(Counter::EvictedUnanswered)).unwrap();
    assert_eq!(left, 10_001 - MAX_CALLS);
    tap.finish();
    assert_eq!((tap.others, tap.analysis.table().in_progress()), (10_000, 0));
}

#[test]
fn ten_thousand_invites_with_an_ack_and_no_answer() {
    let (mut tap, call) = beside_a_call(attack::invite_and_ack, 5_000);
    call.assert_recorded(&tap);
    assert_eq!(tap.count(Counter::CallsRefused), 0, "the ACK is no answer");
    let left = usize::try_from(tap.count(Counter::EvictedUnanswered)).unwrap();
    assert_eq!(left, 10_001 - MAX_CALLS);
    let mut late = Call::new("late", 1);
    late.begin(&mut tap);
    late.talk(&mut tap);
    assert_eq!(tap.count(Counter::CallsRefused), 0, "a real call finds room");
}

#[test]
fn a_storm_of_invites_with_one_call_id_is_one_call() {
    let (mut tap, call) = beside_a_call(attack::invite_again, 2_000);
    call.assert_recorded(&tap);
    tap.finish();
    assert_eq!((tap.count(Counter::CallsStarted), tap.others), (2, 1));
}

#[test]
fn one_call_id_from_a_hundred_addresses_is_one_call() {
    let (mut tap, call) = beside_a_call(attack::one_call_id, 2_000);
    call.assert_recorded(&tap);
    tap.finish();
    assert_eq!((tap.count(Counter::CallsStarted), tap.others), (2, 1));
    assert!(tap.count(Counter::MediaTableFull) > 0, "1000 ports are more than a call may have");
}

#[test]
fn bye_and_cancel_of_calls_that_nobody_made() {
    let (mut tap, call) = beside_a_call(attack::bye_and_cancel, 2_000);
    call.assert_recorded(&tap);
    tap.finish();
    assert_eq!(tap.count(Counter::CallsRefused), 0, "those that ended leave first");
    assert_eq!(tap.count(Counter::CallsStarted), 1 + 8_000);
    assert_eq!(tap.count(Counter::CallsEnded), 1 + 8_000);
}

#[test]
fn requests_without_tags_and_branches() {
    let (mut tap, call) = beside_a_call(attack::no_tags, 2_000);
    call.assert_recorded(&tap);
    assert_eq!(tap.count(Counter::SipBad), 0, "empty headers are there");
}

#[test]
fn numbers_beyond_32_bits() {
    let (mut tap, call) = beside_a_call(attack::huge_numbers, 500);
    call.assert_recorded(&tap);
    // CSeqs of 2^32 and -1, each twice.
    assert_eq!(tap.count(Counter::SipBad), 4 * 1_000);
    assert!(tap.count(Counter::SdpBad) >= 1_000);
}

#[test]
fn call_ids_and_headers_as_long_as_a_datagram() {
    let (mut tap, call) = beside_a_call(attack::long_call_id, 100);
    call.assert_recorded(&tap);
    assert_eq!(tap.count(Counter::CallsStarted), 201, "told apart by their last bytes");
    let (mut tap, call) = beside_a_call(attack::long_header, 100);
    call.assert_recorded(&tap);
    assert_eq!(tap.count(Counter::CallsStarted), 201);
    assert_eq!(tap.count(Counter::SipBad), 200, "too many headers");
}

#[test]
fn session_descriptions_as_long_as_a_datagram() {
    for attack in [attack::many_media_lines, attack::many_attributes, attack::long_boundary] {
        let (mut tap, call) = beside_a_call(attack, 50);
        call.assert_recorded(&tap);
        assert_eq!(tap.count(Counter::CallsStarted), 101);
    }
}

#[test]
fn options_from_ten_thousand_sources() {
    let (mut tap, call) = beside_a_call(attack::options, 5_000);
    call.assert_recorded(&tap);
    assert_eq!(tap.count(Counter::PeerMessages), 20_000);
    assert_eq!(tap.count(Counter::PeersRefused), 0, "passers-by leave for each other");
    let left = usize::try_from(tap.count(Counter::PeersUntold)).unwrap();
    let told = usize::try_from(tap.count(Counter::PeerRecords)).unwrap();
    // As many at once, and one a second of the attack, which takes less than a minute.
    assert!(told <= MAX_UNSETTLED_RECORDS as usize + 60, "{told} records");
    assert!(left >= 10_000 - MAX_PEERS - told, "{left} left");
    assert_eq!(tap.count(Counter::CallsStarted), 1);
}

#[test]
fn messages_to_ten_thousand_users() {
    let (mut tap, call) = beside_a_call(attack::message, 5_000);
    call.assert_recorded(&tap);
    assert_eq!(tap.count(Counter::PeerMessages), 10_000);
    assert!(tap.count(Counter::PeerRequestsUnfollowed) > 0, "more than are waited for");
    assert!(tap.count(Counter::PeerRecords) <= u64::from(MAX_UNSETTLED_RECORDS) + 60);
}

#[test]
fn garbage_on_sip_and_media_ports() {
    let (mut tap, call) = beside_a_call(attack::garbage, 5_000);
    assert_own_streams(&tap, &call);
    for counter in [Counter::SipBad, Counter::SipKeepAlive, Counter::RtpBad, Counter::NotIp] {
        assert!(tap.count(counter) > 0, "{}", counter.name());
    }
}

#[test]
fn an_ssrc_of_its_own_in_every_packet() {
    let (mut tap, call) = beside_a_call(attack::new_ssrc, 5_000);
    let record = assert_own_streams(&tap, &call);
    assert_eq!(record.streams.len(), MAX_STREAMS_PER_CALL);
    assert_eq!(tap.count(Counter::StreamsRefused), u64::from(record.streams_omitted));
    assert_eq!(record.streams_omitted, 10_000 + 2 - 16);
}

#[test]
fn rtp_whose_numbers_mean_nothing() {
    let (tap, call) = beside_a_call(attack::random_numbers, 5_000);
    let record = assert_own_streams(&tap, &call);
    assert_eq!(record.streams.len(), 3, "no two packets agree on a new beginning");
}

#[test]
fn rtcp_that_lies() {
    let (mut tap, call) = beside_a_call(attack::lying_rtcp, 500);
    call.assert_recorded(&tap);
    assert!(tap.count(Counter::RtcpPackets) > 0 && tap.count(Counter::RtcpBad) > 0);
    let (_, call) = beside_a_call(attack::many_rtcp_packets, 50);
    assert!(call.packets > 0);
}

#[test]
fn fragments_whose_rest_never_comes() {
    let (mut tap, call) = beside_a_call(attack::first_fragment, 5_000);
    call.assert_recorded(&tap);
    let left = tap.count(Counter::FragmentTableFull);
    assert_eq!(left, 10_000 - u64::try_from(MAX_FRAGMENTED).unwrap());
    tap.finish();
    assert_eq!(left + tap.count(Counter::FragmentsTimedOut), 10_000);
}

#[test]
fn fragments_of_eight_bytes_and_such_that_overlap() {
    let (mut tap, call) = beside_a_call(attack::tiny_fragments, 100);
    call.assert_recorded(&tap);
    assert_eq!(tap.count(Counter::SipBad), 200, "all were joined");
    let (mut tap, call) = beside_a_call(attack::overlapping_fragments, 500);
    call.assert_recorded(&tap);
    assert!(tap.count(Counter::FragmentsBad) > 0);
}

#[test]
fn ten_thousand_half_open_tcp_connections() {
    let (mut tap, call) = beside_a_call(attack::half_message, 5_000);
    call.assert_recorded(&tap);
    assert!(tap.count(Counter::TcpTableFull) > 0);
    let (mut tap, call) = beside_a_call(attack::syn, 5_000);
    call.assert_recorded(&tap);
    assert_eq!(tap.count(Counter::TcpTableFull), 0, "a SYN alone pushes nobody out");
}

#[test]
fn a_tcp_head_that_never_ends() {
    let (mut tap, call) = beside_a_call(attack::byte_by_byte, 35_000);
    call.assert_recorded(&tap);
    assert!(tap.count(Counter::TcpSkippedBytes) >= 65_535);
}

#[test]
fn tcp_gaps_that_never_close() {
    let (mut tap, call) = beside_a_call(attack::gaps, 5_000);
    call.assert_recorded(&tap);
    tap.finish();
    assert!(tap.count(Counter::TcpGaps) > 0);
}
