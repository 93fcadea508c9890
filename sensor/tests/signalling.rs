//! What phones say outside calls, through the whole analysis: registrations, and their own
//! voice quality reports.

mod network;

use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;
use std::io::Write;
use std::net::{TcpStream, UdpSocket};
use std::time::Instant as Clock;

use embassy_time::Instant;
use network::{Call, SECOND, START, Tap, address, settings, sip, udp};
use ringside_protocol::cdr::{Direction, EndedBy, ReportKind, flags};
use ringside_protocol::counters::Counter;
use ringside_protocol::record::Record;
use ringside_protocol::registration::State;
use ringside_sensor::analysis::{Analysis, AnalysisSettings};
use ringside_sensor::capture::hep::HepListener;
use ringside_sensor::capture::{Frame, LinkType};

/// A PUBLISH of `user`'s phone about the call `id`.
fn publish(user: &str, id: &str, mos: &str) -> String {
    let body = format!(
        "VQSessionReport: CallTerm\r\nCallID: {id}\r\nLocalID: <sip:{user}@example.net>\r\n\
         LocalMetrics:\r\nPacketLoss: NLR=1.5 JDR=0.2\r\nDelay: RTD=41 IAJ=3\r\n\
         QualityEst: MOSLQ={mos} MOSCQ=4.0\r\n"
    );
    sip("PUBLISH sip:collector@example.net SIP/2.0", "publication", "1 PUBLISH", "", &body)
        .replace("application/sdp", "application/vq-rtcpxr")
}

#[test]
fn a_phone_s_report_is_in_the_record_of_the_call_that_it_names() {
    let mut tap = Tap::new("");
    let mut call = Call::new("reported", 1);
    call.begin(&mut tap);
    (0..100).for_each(|_| call.talk(&mut tap));
    let [phone, collector] = [address([10, 2, 0, 1], 5060), address([10, 9, 0, 1], 5060)];
    for text in [publish("bob", "reported", "4.2"), publish("bob", "reported", "4.2")] {
        tap.udp(phone, collector, text.as_bytes());
    }
    tap.udp(phone, collector, publish("ann", "reported", "3.1").as_bytes());
    tap.udp(phone, collector, publish("ann", "nobody", "3.1").as_bytes());
    call.end(&mut tap);
    let [record] = &tap.records[..] else { panic!("{} records", tap.records.len()) };
    let [bob, ann] = record.quality_reports[..] else {
        panic!("{:?}", record.quality_reports);
    };
    assert_eq!((bob.direction, bob.kind), (Direction::CallerToCallee, ReportKind::Session));
    assert_eq!(
        (bob.mos_lq, bob.network_packet_loss_rate, bob.round_trip_delay),
        (Some(420), Some(15), Some(41))
    );
    assert_eq!((ann.direction, ann.mos_lq), (Direction::CalleeToCaller, Some(310)));
    assert_eq!(
        (tap.count(Counter::QualityReports), tap.count(Counter::QualityReportsUnclaimed)),
        (3, 1)
    );
    tap.udp(phone, collector, publish("ann", "reported", "3.1").as_bytes());
    assert_eq!(tap.count(Counter::QualityReportsLate), 1, "its record has just been made");
}

/// Everything that `texts` make, each sent by the phone (`true`) or the registrar.
fn records(settings: AnalysisSettings, texts: &[(bool, String)]) -> Vec<Record> {
    let mut analysis = Analysis::new(settings);
    let [phone, registrar] = [address([10, 1, 0, 1], 5060), address([10, 9, 0, 1], 5060)];
    for (number, (is_phone, text)) in (0..).zip(texts) {
        let (src, dst) = if *is_phone { (phone, registrar) } else { (registrar, phone) };
        let bytes = udp(src, dst, text.as_bytes());
        analysis.handle_frame(&Frame {
            at: Instant::from_micros(START + number * SECOND / 100),
            interface: 0,
            link_type: LinkType::Ethernet,
            original_len: u32::try_from(bytes.len()).unwrap(),
            bytes: &bytes,
        });
    }
    analysis.finish();
    core::iter::from_fn(|| analysis.poll_record()).collect()
}

#[test]
fn registrations_and_calls_are_numbered_together_and_can_be_switched_off() {
    let register = sip("REGISTER sip:example.net SIP/2.0", "reg", "1 REGISTER", "", "")
        .replace("Content-Length", "Contact: <sip:ann@10.1.0.1>;expires=60\r\nContent-Length");
    let granted = sip("SIP/2.0 200 OK", "reg", "1 REGISTER", ";tag=r", "");
    let invite = sip("INVITE sip:bob@example.net SIP/2.0", "call", "1 INVITE", "", "");
    let texts = [(true, register), (false, granted), (true, invite)];
    let made = records(settings(1), &texts);
    let numbers: Vec<u64> = made.iter().map(Record::number).collect();
    assert_eq!(numbers.len(), 2);
    assert_ne!(numbers[0], numbers[1]);
    let registrations: Vec<_> = made.into_iter().filter_map(Record::into_registration).collect();
    assert_eq!(registrations[0].state, State::Registered);
    assert_eq!(registrations[0].round_trip, Some(10_000));
    let off = AnalysisSettings { has_registrations: false, ..settings(1) };
    let made = records(off, &texts);
    assert!(matches!(&made[..], [Record::Call(_)]), "{made:?}");
}

/// Two legs through a B2BUA at 10.9.0.1, which names the first one's Call-ID in `header`, where
/// one is given; keys of the legs by Call-ID.
fn keys_of_two_legs(first: &str, second: &str, after: u64, number: &str) -> Vec<Option<String>> {
    let mut tap = Tap::new("");
    let [phone, pbx, trunk] =
        [[10, 1, 0, 1], [10, 9, 0, 1], [10, 8, 0, 1]].map(|host| address(host, 5060));
    let invite = |id: &str, header: &str, number: &str| {
        sip("INVITE sip:bob@example.net SIP/2.0", id, "1 INVITE", "", "")
            .replace("bob@", number)
            .replace("Content-Length", &format!("{header}Content-Length"))
    };
    tap.udp(phone, pbx, invite("first", first, "+49301234567@").as_bytes());
    tap.pass(after);
    tap.udp(pbx, trunk, invite("second", second, number).as_bytes());
    tap.finish();
    tap.records.iter().map(|cdr| cdr.legs.as_ref().map(|legs| legs.key.clone())).collect()
}

#[test]
fn legs_through_a_b2bua_share_a_key() {
    let first = || vec![Some("first".to_owned()); 2];
    let other = "0498@";
    let uuid = "ab30317f1a784dc48ff824d0d3715d86";
    let session = format!("Session-ID: {uuid};remote=00000000000000000000000000000000\r\n");
    let key = Some(uuid.to_owned());
    assert_eq!(keys_of_two_legs(&session, &session, SECOND, other), [key.clone(), key]);
    assert_eq!(keys_of_two_legs("", "X-CID: first\r\n", 60 * SECOND / 10, other), first());
    assert_eq!(keys_of_two_legs("", "Replaces: first;to-tag=1\r\n", SECOND, other), first());
    assert_eq!(keys_of_two_legs("", "", SECOND, "0301234567@"), first(), "by number and time");
    // The calling number is the same, and no other call has it.
    assert_eq!(keys_of_two_legs("", "", SECOND, other), first());
    assert_eq!(keys_of_two_legs("", "", 3 * SECOND, "0301234567@"), [None, None], "too late");
}

#[test]
fn evict_the_oldest_invite_when_many_calls_begin_at_once() {
    let mut tap = Tap::new("second");
    let [phone, pbx, trunk] =
        [[10, 1, 0, 1], [10, 9, 0, 1], [10, 8, 0, 1]].map(|host| address(host, 5060));
    let invite = |id: &str, number: usize| {
        sip("INVITE sip:bob@example.net SIP/2.0", id, "1 INVITE", "", "")
            .replace("bob@", &format!("{number}@"))
            .replace("ann@", &format!("a{id}@"))
    };
    for number in 0..=ringside_sensor::limits::MAX_RECENT_INVITES {
        tap.udp(phone, pbx, invite(&format!("first{number}"), 1000 + number).as_bytes());
    }
    tap.udp(pbx, trunk, invite("second-oldest", 1000).as_bytes());
    tap.udp(pbx, trunk, invite("second-newest", 1002).as_bytes());
    tap.finish();
    let key = |id: &str| {
        let cdr = tap.records.iter().find(|cdr| cdr.call_id == id).expect("a record");
        cdr.legs.as_ref().map(|legs| legs.key.clone())
    };
    assert_eq!(key("second-oldest"), None);
    assert_eq!(key("second-newest").as_deref(), Some("first2"));
}

#[test]
fn sip_inside_tls_is_counted_and_a_recording_session_is_marked() {
    let mut tap = Tap::new("");
    let [phone, pbx] = [address([10, 1, 0, 1], 40_000), address([10, 9, 0, 1], 5061)];
    let hello = [22, 3, 1, 0, 5, 1, 0, 0, 1, 0];
    let segment = |payload| network::Segment { sequence_number: 1, payload, ..Default::default() };
    tap.tcp(phone, pbx, segment(&hello));
    tap.tcp(phone, address([10, 9, 0, 1], 443), segment(&hello));
    assert_eq!(tap.count(Counter::SipTlsConnections), 1);
    let body = "--x\r\nContent-Type: application/rs-metadata+xml\r\n\r\n<recording/>\r\n--x--\r\n";
    let invite = sip("INVITE sip:srs@example.net SIP/2.0", "siprec", "1 INVITE", "", body)
        .replace("application/sdp", "multipart/mixed;boundary=x");
    tap.udp(address([10, 9, 0, 1], 5060), address([10, 7, 0, 1], 5060), invite.as_bytes());
    tap.finish();
    assert!(tap.records[0].has(flags::RECORDING));
}

/// A HEP3 message of a SIP datagram (chunks 1 to 4, 7, 8, 11, 15).
fn hep3(src: SocketAddr, dst: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let (IpAddr::V4(from), IpAddr::V4(to)) = (src.ip(), dst.ip()) else { panic!("IPv4") };
    let chunks: [(u16, &[u8]); 8] = [
        (1, &[2]),
        (2, &[17]),
        (3, &from.octets()),
        (4, &to.octets()),
        (7, &src.port().to_be_bytes()),
        (8, &dst.port().to_be_bytes()),
        (11, &[1]),
        (15, payload),
    ];
    let mut body = Vec::new();
    for (kind, value) in chunks {
        let len = u16::try_from(6 + value.len()).unwrap();
        body.extend([[0, 0], kind.to_be_bytes(), len.to_be_bytes()].concat());
        body.extend(value);
    }
    let len = u16::try_from(6 + body.len()).unwrap();
    [b"HEP3", &len.to_be_bytes()[..], &body].concat()
}

#[test]
fn a_call_that_agents_send_by_hep_comes_out_over_udp_and_tcp() {
    let listener = HepListener::start(IpAddr::V4(Ipv4Addr::LOCALHOST), 0).unwrap();
    let [caller, pbx] = [address([10, 1, 0, 1], 5061), address([10, 9, 0, 1], 5061)];
    let message = |start: &str, cseq: &str, tag: &str| sip(start, "by-hep", cseq, tag, "");
    let udp_agent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut tcp_agent = TcpStream::connect(listener.address()).unwrap();
    let mut analysis = Analysis::new(settings(1));
    let mut seen = 0;
    let mut take = |wanted: u64, analysis: &mut Analysis| {
        let patience = Clock::now() + Duration::from_secs(10);
        while seen < wanted && Clock::now() < patience {
            let at = Instant::from_micros(START + seen * SECOND);
            let found = listener
                .drain(Duration::from_millis(100), &mut |bytes| analysis.handle_hep(at, bytes));
            seen += found as u64;
        }
        assert_eq!(seen, wanted);
    };
    let invite = message("INVITE sip:bob@example.net SIP/2.0", "1 INVITE", "");
    udp_agent.send_to(&hep3(caller, pbx, invite.as_bytes()), listener.address()).unwrap();
    take(1, &mut analysis);
    for (start, cseq) in
        [("SIP/2.0 200 OK", "1 INVITE"), ("BYE sip:bob@example.net SIP/2.0", "2 BYE")]
    {
        let text = message(start, cseq, ";tag=b");
        let (src, dst) = if start.starts_with("BYE") { (caller, pbx) } else { (pbx, caller) };
        tcp_agent.write_all(&hep3(src, dst, text.as_bytes())).unwrap();
        let wanted = if start.starts_with("BYE") { 3 } else { 2 };
        take(wanted, &mut analysis);
    }
    udp_agent.send_to(b"no HEP at all", listener.address()).unwrap();
    take(4, &mut analysis);
    analysis.finish();
    let record = analysis.poll_record().and_then(Record::into_call).expect("the call");
    assert_eq!((record.call_id.as_str(), record.ended_by), ("by-hep", EndedBy::Caller));
    assert_eq!(record.addresses, [caller, pbx]);
    assert_eq!(record.sip.len(), 3);
    assert_eq!(analysis.counters().of(Counter::HepMessages), 3);
    assert_eq!(analysis.counters().of(Counter::HepBad), 1);
}
