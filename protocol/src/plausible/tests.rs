use core::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::*;
use crate::cdr::{
    Boot, Interval, LegSource, Legs, Level, Method, Party, QualityReport, Rtcp, Score, SipEvent,
    SipMessage, Status, Stored, VoipMetrics,
};
use crate::envelope::{self, MAX_BATCH_BYTES};
use crate::limits::{MAX_LIVE_DISPLAY, MAX_RECORD_BYTES};
use crate::message::{Batch, DirectPage, InterfaceHealth, MAX_BATCH_RECORDS, UpgradeReport};
use crate::peer::{Change, RoundTrip, State};
use crate::time::UnixMicros;

/// A text of which no byte was UTF-8.
fn text() -> String {
    "\u{fffd}".repeat(MAX_TEXT / 3)
}

/// The largest call that a sensor can make: every list full, every text at its longest, every
/// number at its widest.
fn largest_call(number: u64) -> Cdr {
    let party = || Party { user: text(), host: text(), display: Some(text()) };
    let address = |host| SocketAddr::new(IpAddr::V6(Ipv6Addr::from(u128::MAX - host)), u16::MAX);
    let reported = |place| place < MAX_REPORTED_STREAMS;
    Cdr {
        number,
        flags: u32::MAX,
        first_at: UnixMicros(u64::MAX / 2),
        start: Some(u64::MAX),
        ringing: Some(u64::MAX),
        answered: Some(u64::MAX),
        ended: u64::MAX / 2,
        session_request_delay: Some(u64::MAX),
        call_id: text(),
        caller: party(),
        callee: party(),
        request_uri: Some(text()),
        addresses: (0..MAX_ADDRESSES as u128).map(address).collect(),
        status: Some(Status { code: u16::MAX, reason_phrase: text() }),
        caller_agent: Some(text()),
        callee_agent: Some(text()),
        dtmf: "#".repeat(MAX_DTMF),
        sip: vec![
            SipEvent {
                after: u64::MAX,
                src: u8::MAX,
                dst: u8::MAX,
                message: SipMessage::Response(u16::MAX),
                cseq: u32::MAX,
                method: Method::Update,
            };
            MAX_SIP_EVENTS
        ],
        sip_omitted: u32::MAX,
        retransmissions: u32::MAX,
        streams: (0..MAX_STREAMS).map(|place| largest_stream(reported(place))).collect(),
        streams_omitted: u32::MAX,
        vlan: Some(u16::MAX),
        q850_cause: Some(u8::MAX),
        sip_dscp: [Some(u8::MAX); 2],
        quality_reports: vec![
            QualityReport {
                at: u64::MAX,
                mos_lq: Some(u16::MAX),
                mos_cq: Some(u16::MAX),
                network_packet_loss_rate: Some(u16::MAX),
                jitter_buffer_discard_rate: Some(u16::MAX),
                interarrival_jitter: Some(u16::MAX),
                round_trip_delay: Some(u16::MAX),
                ..QualityReport::default()
            };
            MAX_QUALITY_REPORTS
        ],
        legs: Some(Legs { source: LegSource::NumberAndTime, key: text() }),
        stored: Some(Stored {
            rule_id: u64::MAX,
            rule: "r".repeat(MAX_RULE_NAME),
            packets: u32::MAX,
            bytes: u64::MAX,
            first: u64::MAX,
            last: u64::MAX,
            dropped: u32::MAX,
        }),
        ..Cdr::default()
    }
}

fn largest_stream(is_reported: bool) -> Stream {
    let score = Some(Score { mos: u16::MAX, r: u16::MAX, discarded: u32::MAX });
    let interval = Interval { packets: u16::MAX, lost: u16::MAX, jitter: u16::MAX, mos: u16::MAX };
    let metrics = VoipMetrics {
        reports: u32::MAX,
        burst_duration: u16::MAX,
        gap_duration: u16::MAX,
        round_trip_delay: u16::MAX,
        end_system_delay: u16::MAX,
        jb_nominal: u16::MAX,
        jb_maximum: u16::MAX,
        jb_abs_max: u16::MAX,
        ..VoipMetrics::default()
    };
    Stream {
        ssrc: u32::MAX,
        encoding_name: "e".repeat(MAX_ENCODING_NAME),
        clock_rate: Some(u32::MAX),
        first: u64::MAX,
        length: u64::MAX,
        packets: u32::MAX,
        bytes: u64::MAX,
        expected: u32::MAX,
        lost: u32::MAX,
        duplicates: u32::MAX,
        reordered: u32::MAX,
        capture_lost: Some(u32::MAX),
        jitter_mean: Some(u32::MAX),
        jitter_max: Some(u32::MAX),
        delta_max: Some(u32::MAX),
        burst_r: Some(u16::MAX),
        adaptive: score,
        fixed_50: score,
        fixed_200: score,
        rtcp: Some(Rtcp {
            reports: u32::MAX,
            cumulative_lost: i32::MIN,
            interarrival_jitter: u32::MAX,
            round_trip: Some(u32::MAX),
            ..Rtcp::default()
        }),
        intervals: vec![interval; MAX_INTERVALS],
        ptime: Some(u16::MAX),
        observed: u16::MAX,
        level: Some(Level { active: 100, dbm0: Some(i8::MIN), clipped: u32::MAX }),
        drift_ppm: Some(i32::MIN),
        described: Some(u8::MAX),
        preferred: Some("p".repeat(MAX_ENCODING_NAME)),
        cname: is_reported.then(text),
        voip_metrics: is_reported.then_some(metrics),
        ..Stream::default()
    }
}

fn largest_registration() -> Registration {
    Registration {
        aor: Party { user: text(), host: text(), display: Some(text()) },
        registrar: text(),
        contact: text(),
        user_agent: Some(text()),
        registrar_agent: Some(text()),
        call_id: text(),
        status: Some(Status { code: 200, reason_phrase: text() }),
        ..Registration::default()
    }
}

fn largest_peer() -> Peer {
    Peer {
        event: Some(text()),
        from: Some(text()),
        to: Some(text()),
        user_agent: Some(text()),
        peer_agent: Some(text()),
        allow_events: Some(text()),
        status: Some(Status { code: u16::MAX, reason_phrase: text() }),
        round_trip: Some(RoundTrip { min: u32::MAX, mean: u32::MAX, max: u32::MAX }),
        changes: vec![Change { before: u64::MAX, state: State::Silent }; MAX_PEER_CHANGES],
        ..Peer::default()
    }
}

fn largest_heartbeat() -> Heartbeat {
    let interface = InterfaceHealth {
        name: "i".repeat(MAX_INTERFACE_NAME),
        frames: u64::MAX,
        kernel_dropped: u64::MAX,
        fault: Some("f".repeat(MAX_SENTENCE)),
    };
    let call = crate::live::LiveCall {
        number: u64::MAX,
        caller: text(),
        callee: text(),
        first_at: UnixMicros(u64::MAX),
        answered_at: Some(UnixMicros(u64::MAX)),
        mos: Some(u16::MAX),
        expected: u32::MAX,
        lost: u32::MAX,
        jitter_max: Some(u32::MAX),
        is_unreliable: true,
        caller_display: "d".repeat(MAX_LIVE_DISPLAY),
        callee_display: "d".repeat(MAX_LIVE_DISPLAY),
    };
    Heartbeat {
        sensor_time: UnixMicros(u64::MAX),
        uptime_seconds: u64::MAX,
        counters: Counter::ALL.iter().map(|&counter| (counter, u64::MAX)).collect(),
        channels: u16::MAX,
        lease_serial: u32::MAX,
        outbox_cdrs: u64::MAX,
        outbox_bytes: (u64::MAX, u64::MAX),
        memory_bytes: u64::MAX,
        interfaces: vec![interface; MAX_INTERFACES],
        last_cdr_at: Some(UnixMicros(u64::MAX)),
        live: crate::live::Live {
            worst: vec![call; MAX_LIVE_CALLS],
            ..crate::live::Live::default()
        },
        is_leaving: false,
        upgrade: Some(UpgradeReport {
            at: UnixMicros(u64::MAX),
            to: "t".repeat(MAX_VERSION_TEXT),
            running: "r".repeat(MAX_VERSION_TEXT),
            failure: Some("f".repeat(MAX_SENTENCE)),
        }),
        direct: Some(DirectPage { authority: "a".repeat(MAX_AUTHORITY), certificate: [255; 32] }),
    }
}

fn found(change: impl FnOnce(&mut Cdr)) -> (&'static str, usize) {
    let mut cdr = largest_call(1);
    change(&mut cdr);
    let refused = check(&cdr.into()).expect_err("too large");
    assert_eq!(refused.found, refused.most + 1, "{refused}");
    (refused.what, refused.most)
}

#[test]
fn the_largest_honest_record_passes_whole() {
    let others = [largest_registration().into(), largest_peer().into()];
    for record in [Record::from(largest_call(1))].into_iter().chain(others) {
        assert_eq!(check(&record), Ok(()));
        let bytes = postcard::to_stdvec(&record).expect("encodes").len();
        assert!(bytes <= MAX_RECORD_BYTES, "{bytes} bytes");
    }
    let batch = Batch::new(Boot([1; 16]), (0..3).map(largest_call));
    assert_eq!(envelope::open(&envelope::seal(&batch).expect("seals")), Ok(batch));
}

/// Streams without intervals take the most memory for their bytes.
#[test]
fn a_full_batch_of_many_short_streams_is_within_its_budget() {
    let cdr = |number| Cdr {
        number,
        streams: vec![
            Stream { intervals: vec![Interval::default()], ..Stream::default() };
            MAX_STREAMS
        ],
        ..Cdr::default()
    };
    let batch = Batch::new(Boot([1; 16]), (0..MAX_BATCH_RECORDS as u64).map(cdr));
    let bytes = postcard::to_stdvec(&batch).expect("encodes").len();
    assert!(bytes <= MAX_BATCH_BYTES / 2, "{bytes} bytes: as much as a sensor sends at once");
    assert_eq!(envelope::open(&envelope::seal(&batch).expect("seals")), Ok(batch));
}

#[test]
fn one_more_of_any_list_is_too_many() {
    assert_eq!(
        found(|cdr| cdr.addresses.push(cdr.addresses[0])),
        ("addresses of a call", MAX_ADDRESSES)
    );
    assert_eq!(found(|cdr| cdr.sip.push(cdr.sip[0])), ("SIP messages of a call", MAX_SIP_EVENTS));
    assert_eq!(
        found(|cdr| cdr.streams.push(Stream::default())),
        ("streams of a call", MAX_STREAMS)
    );
    assert_eq!(
        found(|cdr| cdr.quality_reports.push(QualityReport::default())),
        ("quality reports of a call", MAX_QUALITY_REPORTS)
    );
    assert_eq!(found(|cdr| cdr.dtmf.push('1')), ("DTMF digits of a call", MAX_DTMF));
    let last = MAX_STREAMS - 1;
    assert_eq!(
        found(|cdr| cdr.streams[last].cname = Some(String::new())),
        ("CNAMEs of a call", MAX_REPORTED_STREAMS)
    );
    assert_eq!(
        found(|cdr| cdr.streams[last].voip_metrics = Some(VoipMetrics::default())),
        ("VoIP metrics of a call", MAX_REPORTED_STREAMS)
    );
    assert_eq!(
        found(|cdr| cdr.streams[last].intervals.push(Interval::default())),
        ("intervals of a stream", MAX_INTERVALS)
    );
}

#[test]
fn one_byte_more_in_any_text_is_too_much() {
    let texts: [fn(&mut Cdr) -> &mut String; 12] = [
        |cdr| &mut cdr.call_id,
        |cdr| &mut cdr.caller.user,
        |cdr| &mut cdr.callee.host,
        |cdr| cdr.callee.display.as_mut().expect("some"),
        |cdr| cdr.request_uri.as_mut().expect("some"),
        |cdr| cdr.caller_agent.as_mut().expect("some"),
        |cdr| cdr.callee_agent.as_mut().expect("some"),
        |cdr| &mut cdr.status.as_mut().expect("some").reason_phrase,
        |cdr| &mut cdr.legs.as_mut().expect("some").key,
        |cdr| cdr.streams[0].cname.as_mut().expect("some"),
        |cdr| &mut cdr.caller.host,
        |cdr| &mut cdr.callee.user,
    ];
    for text in texts {
        assert_eq!(found(|cdr| text(cdr).push('x')), ("bytes of a text", MAX_TEXT));
    }
    let encoding = ("bytes of an encoding's name", MAX_ENCODING_NAME);
    assert_eq!(found(|cdr| cdr.streams[3].encoding_name.push('x')), encoding);
    assert_eq!(found(|cdr| cdr.streams[3].preferred.as_mut().expect("some").push('x')), encoding);
    assert_eq!(
        found(|cdr| cdr.stored.as_mut().expect("some").rule.push('x')),
        ("bytes of a rule's name", MAX_RULE_NAME)
    );

    let texts: [fn(&mut Registration) -> &mut String; 9] = [
        |it| &mut it.aor.user,
        |it| &mut it.aor.host,
        |it| it.aor.display.as_mut().expect("some"),
        |it| &mut it.registrar,
        |it| &mut it.contact,
        |it| &mut it.call_id,
        |it| it.user_agent.as_mut().expect("some"),
        |it| it.registrar_agent.as_mut().expect("some"),
        |it| &mut it.status.as_mut().expect("some").reason_phrase,
    ];
    for text in texts {
        let mut registration = largest_registration();
        text(&mut registration).push('x');
        let refused = check(&registration.into()).expect_err("too large");
        assert_eq!((refused.what, refused.found), ("bytes of a text", MAX_TEXT + 1));
    }
}

#[test]
fn one_more_of_anything_in_a_peer_relation_is_too_much() {
    let found = |change: fn(&mut Peer)| {
        let mut peer = largest_peer();
        change(&mut peer);
        let refused = check(&peer.into()).expect_err("too large");
        assert_eq!(refused.found, refused.most + 1, "{refused}");
        (refused.what, refused.most)
    };
    let changes = found(|it| it.changes.push(Change::default()));
    assert_eq!(changes, ("changes of a peer relation", MAX_PEER_CHANGES));
    let texts: [fn(&mut Peer); 7] = [
        |it| it.event.as_mut().expect("some").push('x'),
        |it| it.from.as_mut().expect("some").push('x'),
        |it| it.to.as_mut().expect("some").push('x'),
        |it| it.user_agent.as_mut().expect("some").push('x'),
        |it| it.peer_agent.as_mut().expect("some").push('x'),
        |it| it.allow_events.as_mut().expect("some").push('x'),
        |it| it.status.as_mut().expect("some").reason_phrase.push('x'),
    ];
    for text in texts {
        assert_eq!(found(text), ("bytes of a text", MAX_TEXT));
    }
}

#[test]
fn the_largest_honest_heartbeat_travels_whole() {
    let mut heartbeat = largest_heartbeat();
    assert_eq!(cut(&mut heartbeat), None);
    assert_eq!(heartbeat, largest_heartbeat());
    assert_eq!(envelope::open(&envelope::seal(&heartbeat).expect("seals")), Ok(heartbeat));
}

#[test]
fn what_is_too_much_in_a_heartbeat_is_cut() {
    type Change = fn(&mut Heartbeat);
    let changes: [(Change, &str); 11] = [
        (|it| it.counters.push((Counter::FramesSeen, 1)), "counters of a heartbeat"),
        (|it| it.interfaces.push(it.interfaces[0].clone()), "interfaces of a heartbeat"),
        (|it| it.interfaces[0].name.push('x'), "bytes of an interface's name"),
        (
            |it| it.interfaces[1].fault.as_mut().expect("some").push('x'),
            "bytes of an interface's fault",
        ),
        (|it| it.live.worst.push(it.live.worst[0].clone()), "calls in a heartbeat"),
        (|it| it.live.worst[0].caller.push('x'), "bytes of a text"),
        (|it| it.live.worst[0].callee.push('x'), "bytes of a text"),
        (|it| it.live.worst[0].caller_display.push('x'), "bytes of a display name"),
        (|it| it.live.worst[0].callee_display.push('x'), "bytes of a display name"),
        (|it| it.upgrade.as_mut().expect("some").to.push('x'), "bytes of a version"),
        (
            |it| {
                it.upgrade.as_mut().expect("some").failure.as_mut().expect("some").push('x');
            },
            "bytes of an upgrade's failure",
        ),
    ];
    for (change, what) in changes {
        let mut heartbeat = largest_heartbeat();
        change(&mut heartbeat);
        let over = cut(&mut heartbeat).expect("cut");
        assert_eq!((over.what, over.found), (what, over.most + 1));
        assert_eq!(heartbeat, largest_heartbeat(), "{what}");
    }
    let mut heartbeat = largest_heartbeat();
    heartbeat.interfaces[0].name = "\u{1f4de}".repeat(MAX_INTERFACE_NAME);
    assert!(cut(&mut heartbeat).is_some(), "and no character is halved");
    assert_eq!(heartbeat.interfaces[0].name.len(), MAX_INTERFACE_NAME);
}
