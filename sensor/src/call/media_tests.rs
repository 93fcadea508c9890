//! What the table makes of media that comes early, from strangers, against the agreement, or only
//! in RTCP; and of packets that the sensor itself missed.

use ringside_protocol::cdr::{Cdr, Direction, flags, observed};
use ringside_protocol::counters::Counter;

use super::tests::{A, B, Lab, SECOND, message, sdp};
use crate::limits::{
    MAX_CLAIMS, MAX_REPORTED_STREAMS, MAX_STRAY_PACKETS, MAX_STRAYS, MAX_STREAMS,
    MAX_STREAMS_PER_CALL,
};

const A_MEDIA: &str = "192.0.2.1:4000";
const B_MEDIA: &str = "192.0.2.2:6000";

fn formats(host: u8, port: u16, list: &str) -> String {
    sdp(host, port).replace("RTP/AVP 8", &format!("RTP/AVP {list}"))
}

impl Lab {
    /// An INVITE and its 200, each with payload types in this order.
    fn agree(&mut self, offer: &str, answer: &str) -> &mut Self {
        let body = formats(1, 4000, offer);
        self.send(A, B, &message("INVITE sip:b@example.net SIP/2.0", "c", "1 INVITE", "", &body));
        let body = formats(2, 6000, answer);
        self.send(B, A, &message("SIP/2.0 200 OK", "c", "1 INVITE", ";tag=b", &body))
    }

    /// A packet of 20 ms with some payload type.
    fn media(&mut self, (src, dst): (&str, &str), payload_type: u8, ssrc: u32, number: u16) {
        let mut packet = vec![0x80, payload_type];
        packet.extend(number.to_be_bytes());
        packet.extend((u32::from(number) * 160).to_be_bytes());
        packet.extend(ssrc.to_be_bytes());
        packet.extend([0x12; 160]);
        let datagram = self.datagram(src, dst, &packet);
        self.table.handle_media(&datagram, &mut self.counters);
        self.pass(20_000);
    }

    /// Both directions at their proper pace.
    fn steady(&mut self, a_port: u16, b_port: u16, packets: u16) {
        let (a, b) = (format!("192.0.2.1:{a_port}"), format!("192.0.2.2:{b_port}"));
        for number in 0..packets {
            self.media((&a, &b), 8, 1, number);
            self.now -= 20_000;
            self.media((&b, &a), 8, 2, number);
        }
    }

    fn rtcp(&mut self, src: &str, dst: &str, packet: &[u8]) -> &mut Self {
        let datagram = self.datagram(src, dst, packet);
        self.table.handle_media(&datagram, &mut self.counters);
        self.pass(1_000)
    }

    fn end(&mut self, id: &str) -> Cdr {
        self.bye(id).pass(SECOND).only_record()
    }
}

/// A receiver report of one block about `ssrc`.
fn receiver_report(ssrc: u32, highest: u32) -> Vec<u8> {
    let mut packet = vec![0x81, 201, 0, 7, 0, 0, 0, 99];
    packet.extend(ssrc.to_be_bytes());
    packet.extend([0, 0, 0, 0]);
    packet.extend(highest.to_be_bytes());
    packet.extend([0; 12]);
    packet
}

#[test]
fn media_that_comes_before_the_answer_is_counted_from_its_first_packet() {
    let mut lab = Lab::new();
    lab.invite("c", 4000).answer("c", 180, 0);
    for number in 0..50 {
        lab.media(("192.0.2.9:7000", B_MEDIA), 8, 1, number);
    }
    assert_eq!(lab.count(Counter::RtpUnclaimed), 50);
    lab.answer("c", 200, 6000);
    for number in 50..100 {
        lab.media(("192.0.2.9:7000", B_MEDIA), 8, 1, number);
    }
    let record = lab.end("c");
    let [stream] = record.streams.as_slice() else { panic!("{:#?}", record.streams) };
    assert_eq!((stream.packets, stream.lost, stream.expected), (100, 0, 100));
    assert_eq!(stream.jitter_max, Some(63), "the answer's own millisecond / 16, and no more");
    assert_eq!(stream.direction, Direction::CallerToCallee);
    assert!(stream.has(observed::BEFORE_SDP));
    assert!(record.has(flags::EARLY_MEDIA));
    assert!(lab.table.flows.is_empty());
}

#[test]
fn early_media_that_ends_before_its_sdp_is_still_the_call_s() {
    let mut lab = Lab::new();
    lab.invite("c", 4000);
    for number in 0..20 {
        lab.media((B_MEDIA, "192.0.2.9:7000"), 8, 1, number);
    }
    lab.answer("c", 200, 6000);
    let record = lab.end("c");
    assert_eq!(record.streams[0].packets, 20);
    assert_eq!(record.streams[0].encoding_name, "PCMA");
    assert_eq!(record.streams[0].direction, Direction::CalleeToCaller);
}

#[test]
fn media_of_an_earlier_call_on_the_same_port_is_not_adopted() {
    let mut lab = Lab::new();
    for number in 0..20 {
        lab.media(("192.0.2.9:7000", B_MEDIA), 8, 1, number);
    }
    lab.invite("c", 4000).answer("c", 200, 6000);
    for number in 20..40 {
        lab.media(("192.0.2.9:7000", B_MEDIA), 8, 1, number);
    }
    let record = lab.end("c");
    assert_eq!(record.streams[0].packets, 20, "those after the call began");
    assert!(!record.streams[0].has(observed::BEFORE_SDP));
}

#[test]
fn a_call_that_was_under_way_adopts_what_flows() {
    let mut lab = Lab::new();
    for number in 0..20 {
        lab.media(("192.0.2.9:7000", B_MEDIA), 8, 1, number);
    }
    lab.answer("c", 200, 6000);
    assert_eq!(lab.end("c").streams[0].packets, 20);
}

#[test]
fn packets_that_do_not_follow_each_other_begin_no_stray() {
    let mut lab = Lab::new();
    for number in 0..u16::try_from(2 * MAX_STRAY_PACKETS).unwrap() {
        lab.media((A_MEDIA, B_MEDIA), 8, u32::from(number), number * 7);
        lab.now -= 20_000;
    }
    assert!(lab.table.flows.is_empty());
}

#[test]
fn strays_beyond_the_limit_wait_for_a_silent_one() {
    let mut lab = Lab::new();
    let stray = |lab: &mut Lab, ssrc: usize| {
        for number in 0..2 {
            lab.media((A_MEDIA, B_MEDIA), 8, u32::try_from(ssrc).unwrap(), number);
            lab.now -= 20_000;
        }
        lab.now += 100;
        lab.table.flows.len()
    };
    for ssrc in 0..MAX_STRAYS {
        assert_eq!(stray(&mut lab, ssrc), ssrc + 1);
    }
    assert_eq!(stray(&mut lab, MAX_STRAYS), MAX_STRAYS, "all of them talk");
    assert!(lab.table.flows.get(0).is_some_and(|flow| flow.ssrc == 0));
    lab.pass(2 * SECOND);
    assert_eq!(stray(&mut lab, MAX_STRAYS + 1), MAX_STRAYS, "the idlest left");
    assert!(lab.table.flows.get(0).is_some_and(|flow| flow.ssrc != 0));
    lab.invite("c", 4000).answer("c", 200, 6000);
    assert!(lab.table.flows.is_empty(), "they are older than the call");
}

#[test]
fn strangers_cannot_keep_a_call_s_own_media_out() {
    let mut lab = Lab::new();
    lab.invite("c", 4000).answer("c", 200, 6000);
    let strangers = u32::try_from(MAX_STREAMS_PER_CALL).unwrap() + 4;
    for ssrc in 0..strangers {
        lab.media(("198.51.100.66:9", B_MEDIA), 8, 1000 + ssrc, 7);
    }
    lab.talk(4000, 6000, 4);
    let record = lab.end("c");
    for src in [A_MEDIA, B_MEDIA] {
        let own = record.streams.iter().find(|stream| {
            record.address(stream.src).is_some_and(|address| address.to_string() == src)
        });
        assert_eq!(own.map(|stream| stream.packets), Some(100), "{src}");
    }
    assert_eq!(record.streams.len(), MAX_STREAMS_PER_CALL);
    assert_eq!(record.streams_omitted, 6, "strangers that left or were turned away");
}

#[test]
fn behind_a_nat_a_call_s_own_media_takes_the_place_of_strangers_that_are_gone() {
    let mut lab = Lab::new();
    lab.invite("c", 4000).answer("c", 200, 6000);
    for ssrc in 0..u32::try_from(MAX_STREAMS_PER_CALL).unwrap() {
        lab.media(("198.51.100.66:9", B_MEDIA), 8, 1000 + ssrc, 7);
    }
    lab.pass(SECOND);
    for number in 0..50 {
        lab.media(("203.0.113.5:4444", B_MEDIA), 8, 1, number);
    }
    // Those that come later cannot push out what talks.
    for ssrc in 0..100 {
        lab.media(("198.51.100.66:9", B_MEDIA), 8, 2000 + ssrc, 7);
    }
    let record = lab.end("c");
    assert!(record.streams.iter().any(|stream| stream.ssrc == 1 && stream.packets == 50));
}

#[test]
fn packets_with_the_agreed_source_and_ever_new_ssrcs_do_not_keep_a_call_s_own_media_out() {
    let mut lab = Lab::new();
    lab.invite("c", 4000).answer("c", 200, 6000);
    for ssrc in 0..u32::try_from(MAX_STREAMS_PER_CALL).unwrap() {
        lab.media((A_MEDIA, B_MEDIA), 8, 1000 + ssrc, 7);
    }
    lab.talk(4000, 6000, 2);
    // Those that come later push out each other.
    for ssrc in 0..100 {
        lab.media((A_MEDIA, B_MEDIA), 8, 2000 + ssrc, 7);
    }
    let record = lab.end("c");
    for ssrc in [1, 2] {
        let own = record.streams.iter().find(|stream| stream.ssrc == ssrc);
        assert_eq!(own.map(|stream| stream.packets), Some(50), "{ssrc}");
    }
    assert!(!record.has(flags::ONE_WAY));
}

#[test]
fn when_all_streams_are_used_up_one_of_a_single_packet_leaves() {
    let mut lab = Lab::new();
    let calls = u16::try_from(MAX_STREAMS / MAX_STREAMS_PER_CALL).unwrap();
    for call in 0..calls {
        let (id, port) = (format!("c{call}"), 10_000 + 2 * call);
        lab.invite(&id, port).answer(&id, 200, port);
        for ssrc in 0..u32::try_from(MAX_STREAMS_PER_CALL).unwrap() {
            let at = lab.now;
            lab.media(("192.0.2.1:9", &format!("192.0.2.2:{port}")), 8, ssrc, 7);
            lab.now = at;
        }
    }
    lab.pass(SECOND).invite("c", 4000).answer("c", 200, 6000).talk(4000, 6000, 2);
    let record = lab.end("c");
    assert_eq!(record.streams.iter().map(|stream| stream.packets).collect::<Vec<_>>(), [50, 50]);
    assert_eq!(lab.count(Counter::StreamsRefused), 0);
}

#[test]
fn the_answer_s_first_codec_is_expected_of_both_sides() {
    let sent = |offer: &str, answer: &str, payload_type| {
        let mut lab = Lab::new();
        lab.agree(offer, answer);
        for number in 0..60 {
            lab.media((A_MEDIA, B_MEDIA), payload_type, 1, number);
        }
        let stream = lab.end("c").streams.remove(0);
        (stream.observed & !observed::SILENT, stream.preferred)
    };
    assert_eq!(sent("8 0 101", "0 8 101", 0), (0, None));
    assert_eq!(
        sent("8 0 101", "0 8 101", 8),
        (observed::NOT_PREFERRED, Some("PCMU".to_owned())),
        "allowed, and not what the answer asks for"
    );
    assert_eq!(sent("8 0", "101 13 8", 8), (0, None), "events and noise are no codecs");
    assert_eq!(sent("8 0 3", "0 8", 3).0, observed::NOT_AGREED);
    assert_eq!(sent("8 0", "0 8 3", 3).0, observed::NOT_PREFERRED, "the receiver listed it");
}

#[test]
fn a_codec_that_was_first_in_an_earlier_answer_is_no_wrong_one() {
    let mut lab = Lab::new();
    lab.agree("8 0", "8 0");
    for number in 0..60 {
        lab.media((A_MEDIA, B_MEDIA), 8, 1, number);
    }
    let body = formats(1, 4000, "0 8");
    lab.send(A, B, &message("INVITE sip:b@example.net SIP/2.0", "c", "2 INVITE", ";tag=b", &body));
    let body = formats(2, 6000, "0 8");
    lab.send(B, A, &message("SIP/2.0 200 OK", "c", "2 INVITE", ";tag=b", &body));
    assert_eq!(lab.end("c").streams[0].preferred, None);
}

#[test]
fn where_media_should_have_come_from_is_told() {
    let mut lab = Lab::new();
    lab.invite("c", 4000).answer("c", 200, 6000);
    for number in 0..60 {
        lab.media(("198.51.100.7:9000", B_MEDIA), 8, 1, number);
        lab.media((B_MEDIA, "198.51.100.7:9000"), 8, 2, number);
    }
    let record = lab.end("c");
    let described: Vec<_> = record
        .streams
        .iter()
        .map(|stream| stream.described.and_then(|index| record.address(index)))
        .collect();
    assert_eq!(described, [Some(A_MEDIA.parse().unwrap()), None]);
    assert!(record.has(flags::NAT));
}

#[test]
fn a_side_that_reports_what_the_sensor_does_not_see_is_not_deaf() {
    let flags_after = |report: Option<(&str, &str, u32, u32)>| {
        let mut lab = Lab::new();
        lab.invite("c", 4000).answer("c", 200, 6000);
        for number in 0..150 {
            lab.media((A_MEDIA, B_MEDIA), 8, 1, number);
        }
        if let Some((src, dst, ssrc, highest)) = report {
            lab.rtcp(src, dst, &receiver_report(ssrc, highest));
        }
        lab.end("c").flags & (flags::ONE_WAY | flags::UNSEEN_MEDIA)
    };
    let (a, b) = ("192.0.2.1:4001", "192.0.2.2:6001");
    assert_eq!(flags_after(None), flags::ONE_WAY);
    assert_eq!(flags_after(Some((a, b, 77, 150))), flags::UNSEEN_MEDIA, "the caller hears 77");
    assert_eq!(flags_after(Some((a, b, 77, 0))), flags::ONE_WAY, "nothing came of it");
    assert_eq!(flags_after(Some((b, a, 77, 150))), flags::ONE_WAY, "the callee says so");
    assert_eq!(flags_after(Some((b, a, 1, 150))), flags::ONE_WAY, "of the stream that is seen");
}

/// The caller's messages alone, as a mirror port of one direction shows them.
fn one_direction(lab: &mut Lab) -> &mut Lab {
    let ack = message("ACK sip:b@example.net SIP/2.0", "c", "1 ACK", ";tag=b", "");
    lab.invite("c", 4000).send(A, B, &ack.replace("z9hG4bK1ACK", "z9hG4bKother"))
}

#[test]
fn a_mirror_that_shows_one_direction_is_told_from_one_way_audio_without_rtcp() {
    let mut lab = Lab::new();
    one_direction(&mut lab);
    for number in 0..150 {
        lab.media((A_MEDIA, B_MEDIA), 8, 1, number);
    }
    let record = lab.end("c");
    assert_eq!(record.flags & (flags::ONE_WAY | flags::NO_MEDIA), 0);
    assert!(record.has(flags::UNSEEN_MEDIA), "{:x}", record.flags);
    assert_eq!(record.sip_dscp, [Some(0), None]);
    assert!(record.answered.is_some() && record.status.is_none());
    one_direction(lab.pass(40 * SECOND)).pass(3 * SECOND);
    assert!(lab.end("c").has(flags::UNSEEN_MEDIA), "no media at all");
    let body = sdp(2, 6000);
    let answer = message("SIP/2.0 200 OK", "c", "1 INVITE", ";tag=b", &body);
    let bye = message("BYE sip:a@example.net SIP/2.0", "c", "9 BYE", "", "")
        .replace("From: \"Ann\" <sip:a@example.net>;tag=a", "From: <sip:b@example.net>;tag=b")
        .replace("To: <sip:b@example.net>", "To: <sip:a@example.net>;tag=a");
    let ringing = message("SIP/2.0 180 Ringing", "c", "1 INVITE", ";tag=b", "");
    lab.pass(40 * SECOND).send(B, A, &ringing).send(B, A, &answer);
    for number in 0..150 {
        lab.media((B_MEDIA, A_MEDIA), 8, 2, number);
    }
    lab.send(B, A, &bye).pass(SECOND);
    let record = lab.only_record();
    assert!(record.has(flags::UNSEEN_MEDIA | flags::JOINED_LATE), "the other direction");
}

#[test]
fn an_answered_call_of_which_only_rtcp_shows_is_not_without_media() {
    let mut lab = Lab::new();
    lab.invite("c", 4000).answer("c", 200, 6000);
    lab.rtcp("192.0.2.1:4001", "192.0.2.2:6001", &receiver_report(77, 150)).pass(3 * SECOND);
    assert_eq!(lab.end("c").flags, flags::UNSEEN_MEDIA);
}

#[test]
fn voip_metrics_names_and_goodbyes_find_their_stream() {
    let mut lab = Lab::new();
    lab.invite("c", 4000).answer("c", 200, 6000).talk(4000, 6000, 2);
    let (a, b) = ("192.0.2.1:4001", "192.0.2.2:6001");
    let mut block = vec![0x80, 207, 0, 10, 0, 0, 0, 2, 7, 0, 0, 8, 0, 0, 0, 1, 3];
    block.extend([0; 31 - 4]);
    lab.rtcp(b, a, &block).rtcp(b, a, &block);
    lab.rtcp(a, b, &[0x81, 202, 0, 3, 0, 0, 0, 1, 1, 3, b'a', b'@', b'b', 0, 0, 0]);
    // Of a source that is not in the call: SRTCP, or somebody else.
    lab.rtcp(a, b, &[0x81, 202, 0, 2, 0, 0, 0, 9, 1, 1, b'x', 0]);
    lab.rtcp(a, b, &[0x81, 203, 0, 1, 0, 0, 0, 1]);
    let record = lab.end("c");
    let [caller, callee] = record.streams.as_slice() else { panic!("two streams") };
    let metrics = caller.voip_metrics.unwrap();
    assert_eq!((metrics.reports, metrics.loss_rate), (2, 3));
    assert_eq!(caller.cname.as_deref(), Some("a@b"));
    assert!(caller.has(observed::BYE) && !callee.has(observed::BYE));
    assert_eq!((callee.voip_metrics, callee.cname.as_ref()), (None, None));
}

#[test]
fn reports_about_more_streams_than_are_kept_change_nothing() {
    let mut lab = Lab::new();
    lab.invite("c", 4000).answer("c", 200, 6000);
    let (a, b) = ("192.0.2.1:4001", "192.0.2.2:6001");
    let streams = u8::try_from(MAX_REPORTED_STREAMS).unwrap() + 1;
    for ssrc in 0..streams {
        lab.media((A_MEDIA, B_MEDIA), 8, ssrc.into(), 0);
        let mut block = vec![0x80, 207, 0, 10, 0, 0, 0, 2, 7, 0, 0, 8, 0, 0, 0, ssrc];
        block.extend([0; 28]);
        lab.rtcp(b, a, &block);
        lab.rtcp(a, b, &[0x81, 202, 0, 2, 0, 0, 0, ssrc, 1, 1, b'x', 0]);
    }
    let record = lab.end("c");
    assert_eq!(record.streams.len(), usize::from(streams));
    let kept = |is_kept: fn(&ringside_protocol::cdr::Stream) -> bool| {
        record.streams.iter().filter(|stream| is_kept(stream)).count()
    };
    assert_eq!(kept(|stream| stream.cname.is_some()), MAX_REPORTED_STREAMS);
    assert_eq!(kept(|stream| stream.voip_metrics.is_some()), MAX_REPORTED_STREAMS);
}

#[test]
fn loss_while_the_sensor_missed_packets_is_told_from_the_network_s() {
    let mut lab = Lab::new();
    lab.invite("c", 4000).answer("c", 200, 6000);
    // Ten seconds; ten packets are lost in the third, ten in the seventh, ten in the tenth.
    for number in 0..500 {
        let is_lost = matches!(number, 110..120 | 310..320 | 460..470);
        if is_lost {
            lab.pass(20_000);
        } else {
            lab.media((A_MEDIA, B_MEDIA), 8, 1, number);
        }
        if number % 50 == 49 {
            // The drops are counted in the second after the gap was seen.
            lab.table.note_capture(number / 50 == 3);
        }
    }
    let record = lab.end("c");
    let stream = &record.streams[0];
    assert_eq!((stream.lost, stream.capture_lost, stream.network_lost()), (30, Some(10), 20));
    assert!(record.has(flags::CAPTURE_LOSS) && record.is_unreliable());
}

#[test]
fn of_a_file_nobody_knows_what_the_capture_missed() {
    let mut lab = Lab::new();
    lab.invite("c", 4000).answer("c", 200, 6000).talk(4000, 6000, 2);
    assert_eq!(lab.end("c").streams[0].capture_lost, None);
    let mut lab = Lab::new();
    lab.table.note_capture(false);
    lab.invite("c", 4000).answer("c", 200, 6000).talk(4000, 6000, 2);
    let record = lab.end("c");
    assert_eq!((record.streams[0].capture_lost, record.is_unreliable()), (Some(0), false));
}

#[test]
fn the_dscp_of_each_side_s_sip_is_kept() {
    let mut lab = Lab::new();
    lab.invite("c", 4000).answer("c", 200, 6000);
    assert_eq!(lab.end("c").sip_dscp, [Some(0), Some(0)]);
}

#[test]
fn live_figures_are_those_that_the_record_will_have() {
    let mut lab = Lab::new();
    for (id, a, b) in [("good", 4000, 6000), ("worse", 4002, 6002), ("ringing", 4004, 6004)] {
        lab.invite(id, a);
        if id != "ringing" {
            lab.answer(id, 200, b);
        }
    }
    let (a, b) = ("192.0.2.1:4002", "192.0.2.2:6002");
    lab.steady(4000, 6000, 100);
    for number in (0..200).filter(|number| number % 3 != 0) {
        lab.media((a, b), 8, 5, number);
    }
    let now = embassy_time::Instant::from_micros(lab.now);
    let live = lab.table.live(now);
    assert_eq!((live.excellent, live.fair + live.degraded, live.unrated), (1, 1, 1));
    assert_eq!(live.at.map(|at| at.0), Some(lab.now));
    let numbers: Vec<_> = live.worst.iter().map(|call| call.number).collect();
    assert_eq!(numbers, [2, 1, 3], "the worst first, the one without a MOS last");
    assert_eq!(live.worst[2].mos, None);
    lab.bye("worse").pass(SECOND);
    let record = lab.only_record();
    let worst = &live.worst[0];
    assert_eq!(record.worst(|stream| stream.adaptive).map(|(score, _)| score.mos), worst.mos);
    let stream = &record.streams[0];
    assert_eq!((stream.lost, stream.expected), (worst.lost, worst.expected));
    assert_eq!((stream.jitter_max, record.caller.user), (worst.jitter_max, worst.caller.clone()));
}

#[test]
fn a_heartbeat_names_no_more_than_its_limit_of_calls() {
    use ringside_protocol::live::MAX_LIVE_CALLS;
    let mut lab = Lab::new();
    for call in 0..u16::try_from(MAX_LIVE_CALLS).unwrap() + 3 {
        let (a, b) = (4000 + 2 * call, 6000 + 2 * call);
        lab.invite(&format!("c{call}"), a).answer(&format!("c{call}"), 200, b);
        lab.steady(a, b, 50);
    }
    let live = lab.table.live(embassy_time::Instant::from_micros(lab.now));
    assert_eq!(usize::from(live.excellent), MAX_LIVE_CALLS + 3);
    assert_eq!(live.worst.len(), MAX_LIVE_CALLS);
}

/// A description of SRTP (RFC 4568), or of RTP.
fn secured(host: u8, port: u16, is_encrypted: bool) -> String {
    let body = sdp(host, port);
    if !is_encrypted {
        return body;
    }
    let key =
        "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5\r\n";
    format!("{}{key}", body.replace("RTP/AVP", "RTP/SAVP"))
}

#[test]
fn a_relay_that_speaks_srtp_on_one_leg_only_is_judged_leg_by_leg() {
    let mut lab = Lab::new();
    let invite = |host, port, is_encrypted| {
        let body = secured(host, port, is_encrypted);
        message("INVITE sip:b@example.net SIP/2.0", "c", "1 INVITE", "", &body)
    };
    let answer = |host, port, is_encrypted| {
        let body = secured(host, port, is_encrypted);
        message("SIP/2.0 200 OK", "c", "1 INVITE", ";tag=b", &body)
    };
    const RELAY: &str = "192.0.2.5:5060";
    lab.send(A, RELAY, &invite(1, 4000, true)).send(RELAY, B, &invite(5, 5000, false));
    lab.send(B, RELAY, &answer(2, 6000, false)).send(RELAY, A, &answer(5, 5002, true));
    for sequence in 0..100 {
        lab.rtp("192.0.2.1:4000", "192.0.2.5:5002", 1, sequence);
        lab.rtp("192.0.2.5:5002", "192.0.2.1:4000", 2, sequence);
        lab.rtp("192.0.2.5:5000", "192.0.2.2:6000", 3, sequence);
        lab.rtp("192.0.2.2:6000", "192.0.2.5:5000", 4, sequence);
    }
    let record = lab.end("c");
    assert!(record.has(flags::ENCRYPTED));
    for (ssrc, is_read) in [(1, false), (2, false), (3, true), (4, true)] {
        let stream = record.streams.iter().find(|stream| stream.ssrc == ssrc).unwrap();
        assert_eq!((stream.level.is_some(), stream.encoding_name.as_str()), (is_read, "PCMA"));
    }
}

#[test]
fn more_calls_on_one_address_than_can_be_told_apart_are_no_one_way_calls() {
    let mut lab = Lab::new();
    let calls = u16::try_from(MAX_CLAIMS).unwrap() + 1;
    for call in 0..calls {
        let id = format!("c{call}");
        lab.invite(&id, 4000);
    }
    lab.answer("c0", 200, 6000).rtp("192.0.2.1:4000", "192.0.2.2:6000", 1, 0);
    let record = lab.pass(10 * SECOND).end("c0");
    assert!(!record.has(flags::ONE_WAY) && !record.has(flags::NO_MEDIA));
    assert_eq!(lab.count(Counter::MediaClaimsEvicted), 1);
}
