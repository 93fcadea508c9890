//! What phones say outside calls, through the whole analysis: registrations, and their own
//! voice quality reports.

mod network;

use embassy_time::Instant;
use network::{Call, SECOND, START, Tap, address, settings, sip, udp};
use ringside_protocol::cdr::{Direction, ReportKind};
use ringside_protocol::counters::Counter;
use ringside_protocol::record::Record;
use ringside_protocol::registration::State;
use ringside_sensor::analysis::{Analysis, AnalysisSettings};
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
