//! Nothing at all, and whatever comes of chance.

use proptest::prelude::*;
use ringside_protocol::counters::Counter;
use ringside_protocol::limits::MAX_TEXT;
use ringside_protocol::plausible;

use crate::network::{Call, Segment, Tap, address, sip, tcp, udp};

#[test]
fn zero_length_everything() {
    let mut tap = Tap::new("call");
    let mut call = Call::new("call", 0);
    call.begin(&mut tap);
    let [media, _] = call.media;
    let (src, sip_port) = (address([10, 9, 0, 1], 5060), address([10, 9, 0, 2], 5060));
    for _ in 0..100 {
        call.talk(&mut tap);
        tap.frame(&[]);
        tap.cut_frame(&[], 1500);
        tap.udp(src, sip_port, &[]);
        tap.udp(src, media, &[]);
        tap.tcp(src, sip_port, Segment::default());
        let mut frame = udp(src, media, &[0; 20]);
        // IPv4's total length, UDP's length, both.
        for place in [vec![16, 17], vec![38, 39], vec![16, 17, 38, 39]] {
            place.into_iter().for_each(|at| frame[at] = 0);
            tap.frame(&frame);
        }
        tap.udp(src, media, &[0x80, 8]);
        tap.udp(src, media, &[0x80, 8, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1]);
    }
    call.end(&mut tap);
    let record = tap.records.first().expect("its record");
    assert_eq!(record.streams[0].packets, 100);
    assert_eq!(record.streams[2].bytes, 0, "an RTP header and nothing behind it");
    assert_eq!(tap.count(Counter::SipKeepAlive), 200);
    assert_eq!(tap.count(Counter::RtpBad), 100);
    assert_eq!(tap.count(Counter::Truncated), 100);
    // The frame of nothing. A length of 0 in a header stands for what segmentation offload leaves
    // to the card: all there is.
    assert_eq!((tap.count(Counter::BadIp), tap.count(Counter::BadTransport)), (100, 0));
}

#[test]
fn every_frame_may_be_cut_at_every_byte() {
    let (src, dst) = (address([10, 9, 0, 1], 5060), address([10, 9, 0, 2], 5060));
    let text = sip("INVITE sip:bob@example.net SIP/2.0", "cut", "1 INVITE", "", "v=0\r\n");
    let v6 = |last| format!("[2001:db8::{last}]:5060").parse().unwrap();
    let segment = |len: usize| {
        let payload = text.as_bytes();
        let src = address([10, 9, 0, 1], 10_000 + u16::try_from(len).unwrap());
        tcp(src, dst, Segment { sequence_number: 1, payload, ..Segment::default() })
    };
    let make: [&dyn Fn(usize) -> Vec<u8>; 3] = [
        &|_| udp(src, dst, text.as_bytes()),
        &|_| udp(v6(1), v6(2), text.as_bytes()),
        // A connection of its own each time.
        &segment,
    ];
    for make in make {
        let mut tap = Tap::new("cut");
        let whole = make(0).len();
        for len in 0..=whole {
            tap.cut_frame(&make(len)[..len], whole);
        }
        let cut = u64::try_from(whole).unwrap();
        assert_eq!(tap.count(Counter::Truncated), cut);
        assert_eq!(tap.count(Counter::FramesSeen), cut + 1);
        tap.finish();
        assert_eq!((tap.records.len(), tap.others), (1, 0));
    }
}

/// Each such byte becomes three in a record: the longest texts that there are, and the cloud takes
/// them.
#[test]
fn texts_of_nothing_but_bad_bytes_make_a_record_that_the_cloud_takes() {
    let mut tap = Tap::new("bad");
    let (src, dst) = (address([10, 9, 0, 1], 5060), address([10, 9, 0, 2], 5060));
    let bad = "~".repeat(400);
    let invite = sip(&format!("INVITE sip:{bad} SIP/2.0"), "bad", "1 INVITE", "", "")
        .replace("\"Ann\" <sip:ann@", &format!("\"{bad}\" <sip:{bad}@"))
        .replace("Content-Length", &format!("User-Agent: {bad}\r\nX-CID: {bad}\r\nContent-Length"));
    let bytes: Vec<u8> =
        invite.bytes().map(|byte| if byte == b'~' { 0xff } else { byte }).collect();
    tap.udp(src, dst, &bytes);
    tap.finish();
    let record = tap.records.remove(0);
    assert_eq!(record.caller.user, "\u{fffd}".repeat(MAX_TEXT / 3));
    assert_eq!(record.caller.display.as_ref().map(String::len), Some(MAX_TEXT));
    assert_eq!(plausible::check(&record.into()), Ok(()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A real call's frames with some bytes changed, between whole ones.
    #[test]
    fn flipped_bytes_harm_nobody(
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..200),
    ) {
        let mut tap = Tap::new("call");
        let mut call = Call::new("call", 0);
        let mut other = Call::new("other", 1);
        call.begin(&mut tap);
        let text = sip("INVITE sip:bob@example.net SIP/2.0", "other", "1 INVITE", "", "v=0\r\n");
        for (at, byte) in flips {
            let [mut packet, _] = other.packets();
            let len = packet.len();
            packet[at.index(len)] ^= byte;
            tap.frame(&packet);
            let (src, dst) = (address([10, 9, 0, 1], 5060), address([10, 9, 0, 2], 5060));
            let segment =
                Segment { sequence_number: 1, payload: text.as_bytes(), ..Segment::default() };
            for mut frame in [udp(src, dst, text.as_bytes()), tcp(src, dst, segment)] {
                let len = frame.len();
                frame[at.index(len)] ^= byte;
                tap.frame(&frame);
            }
            call.talk(&mut tap);
        }
        call.end(&mut tap);
        call.assert_recorded(&tap);
        tap.finish();
        prop_assert_eq!(tap.analysis.table().in_progress(), 0);
    }
}
