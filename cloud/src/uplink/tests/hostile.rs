//! Records, batches and heartbeats that no sensor can have made: nothing of them fills memory or
//! disk, and nothing of them stays in an honest sensor's outbox for ever.

use core::net::Ipv4Addr;

use ringside_protocol::cdr::{Interval, Party, SipEvent, SipMessage, Stream};
use ringside_protocol::counters::Counter;
use ringside_protocol::limits::*;
use ringside_protocol::peer::Peer;
use ringside_protocol::record::Record;
use ringside_protocol::registration::Registration;

use super::*;
use crate::db::intake::{
    BYTES_A_CHANNEL_A_DAY, Kind as NoticeKind, NOTICE_DAYS, Notice, Quota, RECORDS_A_CHANNEL_A_DAY,
};
use crate::db::{Series, day_tables};

/// Numbers and sizes of the stored calls.
fn stored(cloud: &Cloud) -> Vec<(u64, usize)> {
    let reader = cloud.db.reader();
    let mut rows = Vec::new();
    for table in day_tables(&reader, Series::Calls).expect("asked") {
        let sql = format!("SELECT number, length(record) FROM {table} ORDER BY number");
        let mut statement = reader.prepare_cached(&sql).expect("a question");
        let found = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("rows");
        rows.extend(found.map(|row| row.expect("a row")));
    }
    rows
}

fn notices(cloud: &Cloud, device: &Device) -> Vec<Notice> {
    cloud.db.notices(device.fingerprint(), cloud.now).expect("asked")
}

fn counted(cloud: &Cloud, kind: NoticeKind) -> u64 {
    cloud.db.counted(cloud.customer, kind.counter()).expect("asked")
}

/// Every list full and every text at its longest: none of its bytes was UTF-8.
fn full_call(cloud: &Cloud, number: u64) -> Cdr {
    let text = || "\u{fffd}".repeat(MAX_TEXT / 3);
    let party = || Party { user: text(), host: text(), display: Some(text()) };
    let address = |host: usize| {
        let host = u32::try_from(host).expect("few");
        SocketAddr::new(Ipv4Addr::from_bits(host).into(), u16::MAX)
    };
    let event = SipEvent {
        after: u64::MAX,
        src: 0,
        dst: 1,
        message: SipMessage::Response(699),
        cseq: u32::MAX,
        method: ringside_protocol::cdr::Method::Update,
    };
    let stream = |place: usize| Stream {
        encoding_name: "x".repeat(MAX_ENCODING_NAME),
        intervals: vec![Interval { packets: 500, lost: 500, jitter: 500, mos: 440 }; MAX_INTERVALS],
        cname: (place < MAX_REPORTED_STREAMS).then(text),
        ..Stream::default()
    };
    Cdr {
        call_id: text(),
        caller: party(),
        callee: party(),
        request_uri: Some(text()),
        caller_agent: Some(text()),
        callee_agent: Some(text()),
        addresses: (0..MAX_ADDRESSES).map(address).collect(),
        dtmf: "#".repeat(MAX_DTMF),
        sip: vec![event; MAX_SIP_EVENTS],
        streams: (0..MAX_STREAMS).map(stream).collect(),
        ..call(number, cloud.now)
    }
}

#[test]
fn the_largest_honest_call_is_stored_whole() {
    let cloud = Cloud::new();
    let device = Device::connected(&cloud, "gate-1");
    let full = full_call(&cloud, 1);
    let ack = device.send(&cloud, vec![full.clone(), call(2, cloud.now)]).expect("stored");
    assert_eq!((ack.stored, ack.refused), (2, 0));
    let reader = cloud.db.reader();
    let table = &day_tables(&reader, Series::Calls).expect("asked")[0];
    let sql = format!("SELECT record FROM {table} WHERE number = 1");
    let record: Vec<u8> = reader.query_row(&sql, [], |row| row.get(0)).expect("a row");
    assert_eq!(postcard::from_bytes::<Cdr>(&record), Ok(full));
    drop(reader);
    assert_eq!(notices(&cloud, &device), []);
}

#[test]
fn a_hostile_record_is_dropped_and_the_others_are_kept() {
    let cloud = Cloud::new();
    let device = Device::connected(&cloud, "gate-1");
    let huge = "\u{1f4de}\0'\"; DROP TABLE customer; --".repeat(2000);
    let party = Party { user: huge.clone(), host: huge.clone(), display: Some(huge.clone()) };
    let address = |host: u32| SocketAddr::from((host.to_be_bytes(), 0));
    let hostile: [fn(&mut Cdr); 3] = [
        |cdr| cdr.streams = vec![Stream::default(); MAX_STREAMS + 1],
        |cdr| {
            let intervals = vec![Interval::default(); 20_000];
            cdr.streams = vec![Stream { intervals, ..Stream::default() }];
        },
        |cdr| cdr.call_id = "x".repeat(MAX_TEXT + 1),
    ];
    let mut calls: Vec<Cdr> = (1..=6).map(|number| call(number, cloud.now)).collect();
    for (call, harm) in calls.iter_mut().zip(hostile) {
        harm(call);
    }
    calls[3].caller = party;
    calls[4].addresses = (0..5000).map(address).collect();
    let ack = device.send(&cloud, calls.clone()).expect("acknowledged");
    assert_eq!(ack, BatchAck { stored: 1, known: 0, expired: 0, refused: 5 });
    assert_eq!(stored(&cloud).iter().map(|(number, _)| *number).collect::<Vec<_>>(), [6]);
    assert_eq!(counted(&cloud, NoticeKind::Records), 5);
    let [notice] = &notices(&cloud, &device)[..] else { panic!("one notice") };
    assert_eq!((notice.count, notice.at), (5, cloud.now));
    let sentence = notice.sentence();
    assert!(sentence.starts_with("5 records of this sensor were refused"), "{sentence}");
    assert!(sentence.contains("addresses of a call: 5000"), "{sentence}");
    // Its acknowledgement was lost: the same answer, and no more rows.
    let again = device.send(&cloud, calls).expect("acknowledged");
    assert_eq!(again, BatchAck { stored: 0, known: 1, expired: 0, refused: 5 });
}

#[test]
fn a_record_that_contradicts_itself_is_kept() {
    let cloud = Cloud::new();
    let device = Device::connected(&cloud, "gate-1");
    let odd = Cdr {
        number: u64::MAX,
        src: 200,
        dst: 201,
        start: Some(u64::MAX),
        answered: Some(u64::MAX),
        flags: u32::MAX,
        streams: vec![
            Stream { src: 255, dst: 254, length: u64::MAX, ..Stream::default() };
            MAX_STREAMS
        ],
        ..call(1, cloud.now)
    };
    let ack = device.send(&cloud, vec![odd]).expect("stored");
    assert_eq!((ack.stored, ack.refused), (1, 0));
}

#[test]
fn a_hostile_peer_relation_is_dropped() {
    let cloud = Cloud::new();
    let device = Device::connected(&cloud, "gate-1");
    let peer = |number, event: String| {
        let event = Some(event);
        Record::from(Peer { number, first_at: cloud.now, event, ..Peer::default() })
    };
    let records = [peer(1, "x".repeat(MAX_TEXT)), peer(2, "x".repeat(MAX_TEXT + 1))];
    let batch = Batch::new(device.boot, records);
    let ack: BatchAck = device.ask(&cloud, "/uplink/cdrs", &batch).expect("acknowledged");
    assert_eq!((ack.stored, ack.refused), (1, 1));
}

#[test]
fn a_hostile_registration_is_dropped() {
    let cloud = Cloud::new();
    let device = Device::connected(&cloud, "gate-1");
    let registration = |number, contact: String| {
        Record::from(Registration {
            number,
            first_at: cloud.now,
            contact,
            ..Registration::default()
        })
    };
    let records =
        [registration(1, "x".repeat(MAX_TEXT)), registration(2, "x".repeat(MAX_TEXT + 1))];
    let batch = Batch::new(device.boot, records);
    let ack: BatchAck = device.ask(&cloud, "/uplink/cdrs", &batch).expect("acknowledged");
    assert_eq!((ack.stored, ack.refused), (1, 1));
}

/// As an older sensor, or a broken one, might: what comes must tell it to halve.
#[test]
fn a_batch_that_cannot_be_read_is_refused_in_a_way_that_halves_it() {
    let cloud = Cloud::new();
    let device = Device::connected(&cloud, "gate-1");
    let calls = |count: usize| (0..count as u64).map(|number| call(number, cloud.now)).collect();
    let refused = |body: &[u8]| {
        let asked = cloud.ask("/uplink/cdrs", device.session.as_deref(), body, device.peer);
        answer::<BatchAck>(asked).expect_err("refused")
    };
    let too_many = Batch::new(device.boot, calls(MAX_BATCH_RECORDS + 1));
    let sealed = envelope::seal(&too_many).expect("seals");
    let detail = "501 records, at most 500".to_owned();
    assert_eq!(refused(&sealed), Failure::MessageRefused { detail });
    for damaged in [&sealed[..sealed.len() / 2], b"RS\x01\x08\x02\xff\xff", b"GET /"] {
        assert!(matches!(refused(damaged), Failure::MessageRefused { .. }));
    }
    assert_eq!(counted(&cloud, NoticeKind::Batches), 4);
    assert_eq!(notices(&cloud, &device)[0].count, 4);
    assert_eq!(stored(&cloud), []);
    assert_eq!(device.send(&cloud, calls(MAX_BATCH_RECORDS)).expect("stored").stored, 500);
}

#[test]
fn a_second_batch_at_once_is_told_to_wait_and_other_sensors_are_not() {
    let cloud = Cloud::new();
    let device = Device::connected(&cloud, "gate-1");
    let other = Device::connected(&cloud, "gate-2");
    let turn = cloud.uplink.turns.take(device.fingerprint()).expect("nothing is under way");
    let busy = device.send(&cloud, vec![call(1, cloud.now)]);
    assert!(matches!(busy, Err(Failure::Busy { .. })), "{busy:?}");
    assert!(other.send(&cloud, vec![call(1, cloud.now)]).is_ok());
    assert!(device.beat(&cloud, 0, 0).is_ok(), "its heartbeats go on");
    drop(turn);
    assert!(device.send(&cloud, vec![call(1, cloud.now)]).is_ok());
    // One that was refused has given its turn back, too.
    let body = b"RS\x01\x08\x02\xff\xff";
    let _ = cloud.ask("/uplink/cdrs", device.session.as_deref(), body, device.peer);
    assert!(device.send(&cloud, vec![call(2, cloud.now)]).is_ok());
}

/// As if the customer had stored so much today.
fn fill(cloud: &Cloud, quota: Quota) {
    let sql = "INSERT INTO intake (customer, day, records, bytes) VALUES (?1, ?2, ?3, ?4) ON CONFLICT \
         (customer) DO UPDATE SET day = ?2, records = ?3, bytes = ?4";
    let row = crate::db::params![cloud.customer.0, cloud.now.day(), quota.records, quota.bytes];
    cloud.db.writer().execute(sql, row).expect("filled");
}

#[test]
fn at_its_quota_a_customer_s_records_wait_for_the_next_day() {
    let mut cloud = Cloud::new();
    let device = Device::connected(&cloud, "gate-1");
    let quota = Quota::of(2000);
    assert_eq!(quota, Quota { records: 20_000_000, bytes: 2000 << 25 });
    for full in [Quota { bytes: 0, ..quota }, Quota { records: 0, ..quota }] {
        fill(&cloud, full);
        let body = envelope::seal(&Batch::new(device.boot, [call(1, cloud.now)])).expect("seals");
        let asked = cloud.ask("/uplink/cdrs", device.session.as_deref(), &body, device.peer);
        let Answer::Message(body) = asked else { panic!("{asked:?}") };
        let refused = envelope::open::<Refused>(&body).expect("a refusal");
        assert!(matches!(refused.failure, Failure::Busy { .. }), "{refused:?}");
        assert_eq!(refused.retry_after_seconds, 600);
    }
    assert!(device.beat(&cloud, 0, 0).is_ok(), "its heartbeats go on");
    assert_eq!(counted(&cloud, NoticeKind::OverQuota), 2);
    let sentence = notices(&cloud, &device)[0].sentence();
    assert!(sentence.contains("20000000 records or 64000 MiB a day"), "{sentence}");
    // One below it there is room for a batch, which may pass it.
    fill(&cloud, Quota { records: quota.records - 1, bytes: quota.bytes - 1 });
    let calls = vec![call(1, cloud.now), call(2, cloud.now)];
    assert_eq!(device.send(&cloud, calls).expect("stored").stored, 2);
    assert!(device.send(&cloud, vec![call(3, cloud.now)]).is_err());
    cloud.wait(11 * 3600);
    let mut device = device;
    device.connect(&cloud).expect("accepted");
    assert_eq!(device.send(&cloud, vec![call(3, cloud.now)]).expect("stored").stored, 1);
}

/// Records and bytes that count towards the quota so far.
fn intake(cloud: &Cloud) -> (u64, u64) {
    let sql = "SELECT records, bytes FROM intake";
    let reader = cloud.db.reader();
    reader.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).expect("a row")
}

/// Calls of 30 s, one after the other on a channel, all day: a third of its quota at most.
#[test]
fn an_honest_fleet_s_busiest_day_is_far_from_the_quota() {
    let cloud = Cloud::new();
    let device = Device::connected(&cloud, "gate-1");
    let party = |user: &str| Party {
        user: user.to_owned(),
        host: "pbx.customer.example:5060".to_owned(),
        display: Some("Reception desk, Berlin".to_owned()),
    };
    let full = full_call(&cloud, 1);
    let stream = Stream {
        encoding_name: "telephone-event".to_owned(),
        intervals: vec![full.streams[0].intervals[0]; 4],
        cname: Some("8f14e45fceea167a@192.0.2.10".to_owned()),
        packets: 1500,
        bytes: 240_000,
        length: 30_000_000,
        ..full.streams[0].clone()
    };
    let typical = Cdr {
        call_id: "8f14e45fceea167a5a36dedd4bea2543@192.0.2.10".to_owned(),
        caller: party("+4930123456789"),
        callee: party("+493098765432"),
        request_uri: Some("sip:+493098765432@pbx.customer.example:5060".to_owned()),
        caller_agent: Some("Desk Phone 54xx 16.1.0.18 00:90:7a:11:22:33".to_owned()),
        callee_agent: Some("Switchboard PBX 20.5.2 (build 4)".to_owned()),
        addresses: full.addresses[..6].to_vec(),
        dtmf: String::new(),
        sip: full.sip[..12].to_vec(),
        streams: vec![stream; 2],
        ..full
    };
    assert_eq!(device.send(&cloud, vec![typical]).expect("stored").stored, 1);
    let (_, bytes) = intake(&cloud);
    let calls_a_day = 86_400 / 30;
    assert!(calls_a_day * 3 <= RECORDS_A_CHANNEL_A_DAY);
    assert!(calls_a_day * bytes * 3 <= BYTES_A_CHANNEL_A_DAY, "{bytes} bytes a call");
}

#[test]
fn only_what_is_stored_counts_towards_the_quota() {
    let cloud = Cloud::new();
    let device = Device::connected(&cloud, "gate-1");
    let intake = || intake(&cloud);
    device.send(&cloud, vec![call(1, cloud.now)]).expect("stored");
    let once = intake();
    let bytes = postcard::to_stdvec(&call(1, cloud.now)).expect("encodes").len() as u64;
    assert_eq!(once, (1, 2 * bytes + 256));
    let hostile = Cdr { dtmf: "1".repeat(MAX_DTMF + 1), ..call(2, cloud.now) };
    let old = call(3, UnixMicros(5_000_000));
    device.send(&cloud, vec![call(1, cloud.now), hostile, old]).expect("acknowledged");
    assert_eq!(intake(), once);
}

#[test]
fn a_heartbeat_that_says_too_much_is_cut_and_noted() {
    let cloud = Cloud::new();
    let device = Device::connected(&cloud, "gate-1");
    let interface =
        InterfaceHealth { name: "x".repeat(200), frames: 0, kernel_dropped: 0, fault: None };
    let heartbeat = Heartbeat { interfaces: vec![interface; 200], ..heartbeat(&cloud, 7, 0) };
    let answered: HeartbeatAnswer =
        device.ask(&cloud, "/uplink/heartbeat", &heartbeat).expect("answered");
    assert_eq!(answered.cloud_time, cloud.now);
    let sensor = cloud.db.find_sensor(device.fingerprint()).expect("asked").expect("known");
    let (_, kept) = sensor.heartbeat.expect("a heartbeat");
    assert_eq!((kept.channels, kept.interfaces.len()), (7, MAX_INTERFACES));
    assert_eq!(kept.interfaces[0].name.len(), MAX_INTERFACE_NAME);
    assert_eq!(counted(&cloud, NoticeKind::Heartbeats), 1);
    let sentence = notices(&cloud, &device)[0].sentence();
    assert!(sentence.contains("interfaces of a heartbeat: 200"), "{sentence}");
}

/// Its records must not wait for a heartbeat that the cloud cannot read.
#[test]
fn a_heartbeat_that_cannot_be_read_leaves_the_session_open() {
    let cloud = Cloud::new();
    let device = Device::connected(&cloud, "gate-1");
    for body in [&b"GET / HTTP/1.1"[..], b"RS\x01\x0a\x00", &[0; 2 << 20]] {
        let asked = cloud.ask("/uplink/heartbeat", device.session.as_deref(), body, device.peer);
        let refused = answer::<HeartbeatAnswer>(asked).expect_err("refused");
        assert!(matches!(refused, Failure::MessageRefused { .. }), "{refused:?}");
    }
    assert_eq!(counted(&cloud, NoticeKind::Heartbeats), 3);
    assert!(device.send(&cloud, vec![call(1, cloud.now)]).is_ok());
}

/// A sensor newer than the cloud has counters that the cloud does not know. Without its heartbeats
/// it would have no session, and its records would wait for ever.
#[test]
fn counters_of_a_newer_sensor_are_passed_over() {
    let cloud = Cloud::new();
    let device = Device::connected(&cloud, "gate-1");
    let counters = vec![(Counter::FramesSeen, 5), (Counter::CdrsRefused, 6)];
    let mut body = vec![b'R', b'S', 1, <Heartbeat as envelope::Message>::KIND, 0];
    let heartbeat = Heartbeat { counters, ..heartbeat(&cloud, 7, 0) };
    let mut plain = postcard::to_stdvec(&heartbeat).expect("encodes");
    let known = u8::try_from(Counter::CdrsRefused as u32).expect("small");
    let place = plain.windows(2).position(|pair| pair == [known, 6]).expect("there");
    plain[place] = 0x7f;
    body.extend(plain);
    let asked = cloud.ask("/uplink/heartbeat", device.session.as_deref(), &body, device.peer);
    assert!(answer::<HeartbeatAnswer>(asked).is_ok());
    let sensor = cloud.db.find_sensor(device.fingerprint()).expect("asked").expect("known");
    assert_eq!(sensor.heartbeat.expect("a heartbeat").1.counters, [(Counter::FramesSeen, 5)]);
}

#[test]
fn notices_add_up_end_after_a_week_and_do_not_follow_a_device() {
    let mut cloud = Cloud::new();
    let mut device = Device::connected(&cloud, "gate-1");
    let note = |cloud: &Cloud, more| {
        let what = (NoticeKind::Records, more);
        cloud.db.note_intake(cloud.customer, device.fingerprint(), what, "why", cloud.now)
    };
    assert_eq!(note(&cloud, 3).expect("noted").map(|notice| notice.count), Some(3), "a line");
    assert_eq!(note(&cloud, 4).expect("noted"), None, "no line each time");
    cloud.wait(60);
    assert_eq!(note(&cloud, 1).expect("noted").map(|notice| notice.count), Some(8));
    cloud.wait(NOTICE_DAYS * 86_400 - 1);
    assert_eq!(notices(&cloud, &device).len(), 1);
    cloud.wait(1);
    assert_eq!(notices(&cloud, &device), []);
    assert_eq!(note(&cloud, 1).expect("noted").map(|notice| notice.count), Some(1));
    device.session = None;
    device.enrol(&cloud, cloud.token()).expect("enrolled anew");
    assert_eq!(notices(&cloud, &device), []);
    let nobody = Fingerprint([0; 16]);
    let what = (NoticeKind::Records, 1);
    assert!(cloud.db.note_intake(cloud.customer, nobody, what, "why", cloud.now).is_ok());
}
