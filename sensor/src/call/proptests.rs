//! Fragments of calls in any order: the table keeps its books, and in the end has everything back.

use embassy_time::Instant;
use proptest::prelude::*;

use super::{CallSettings, CallTable};
use crate::counters::Counters;
use crate::decode::{Datagram, Transport};
use crate::wire::sip::Message;
use ringside_protocol::counters::Counter;

/// Something that a network may show, of one of a few calls.
#[derive(Clone, Debug)]
enum Step {
    /// Start line, CSeq, whether tags and a description are there, who sends.
    Sip {
        call: u8,
        what: usize,
        cseq: u8,
        has_tag: bool,
        port: Option<u8>,
        is_back: bool,
    },
    /// To or from a media port.
    Rtp {
        port: u8,
        ssrc: u8,
        sequence_number: u16,
        payload_type: u8,
        is_back: bool,
    },
    Rtcp {
        port: u8,
        ssrc: u8,
        kind: u8,
    },
    /// Milliseconds.
    Pass(u32),
    /// The clock goes back, milliseconds.
    Back(u16),
    Allowance(Option<u16>),
    CaptureLoss,
}

const WHAT: &[&str] = &[
    "INVITE sip:b@example.net SIP/2.0",
    "ACK sip:b@example.net SIP/2.0",
    "BYE sip:b@example.net SIP/2.0",
    "CANCEL sip:b@example.net SIP/2.0",
    "INFO sip:b@example.net SIP/2.0",
    "REFER sip:b@example.net SIP/2.0",
    "UPDATE sip:b@example.net SIP/2.0",
    "OPTIONS sip:b@example.net SIP/2.0",
    "SIP/2.0 100 Trying",
    "SIP/2.0 180 Ringing",
    "SIP/2.0 183 Progress",
    "SIP/2.0 200 OK",
    "SIP/2.0 302 Moved",
    "SIP/2.0 401 Who",
    "SIP/2.0 486 Busy",
    "SIP/2.0 487 Cancelled",
];

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0u8..6, 0..WHAT.len(), 1u8..4, any::<bool>(), prop::option::of(0u8..8), any::<bool>())
            .prop_map(|(call, what, cseq, has_tag, port, is_back)| Step::Sip {
                call, what, cseq, has_tag, port, is_back,
            }),
        4 => (0u8..8, 0u8..4, any::<u16>(), prop::sample::select(&[0u8, 8, 96, 101][..]), any::<bool>())
            .prop_map(|(port, ssrc, sequence_number, payload_type, is_back)| Step::Rtp {
                port, ssrc, sequence_number, payload_type, is_back,
            }),
        1 => (0u8..8, 0u8..4, 200u8..204).prop_map(|(port, ssrc, kind)| Step::Rtcp { port, ssrc, kind }),
        2 => (0u32..400_000).prop_map(Step::Pass),
        1 => any::<u16>().prop_map(Step::Back),
        1 => prop::option::of(0u16..4).prop_map(Step::Allowance),
        1 => Just(Step::CaptureLoss),
    ]
}

/// A table with its counters and its clock, microseconds.
struct Bench {
    table: CallTable,
    counters: Counters,
    now: u64,
}

impl Bench {
    fn datagram<'a>(&self, src: &str, dst: &str, payload: &'a [u8]) -> Datagram<'a> {
        Datagram {
            at: Instant::from_micros(self.now),
            interface: 0,
            src: src.parse().unwrap(),
            dst: dst.parse().unwrap(),
            transport: Transport::Udp,
            is_sip: false,
            vlan: None,
            dscp: 0,
            payload_len: u32::try_from(payload.len()).unwrap(),
            payload,
        }
    }

    fn sip(&mut self, text: &str, is_back: bool) {
        let (src, dst) = ends("192.0.2.1:5060", "192.0.2.2:5060", is_back);
        let datagram = self.datagram(src, dst, text.as_bytes());
        let message = Message::parse(text.as_bytes()).unwrap();
        self.table.handle_sip(&message, &datagram, &mut self.counters);
    }

    fn media(&mut self, port: u16, payload: &[u8], is_back: bool) {
        let media = format!("198.51.100.1:{port}");
        let (src, dst) = ends("203.0.113.7:7000", &media, is_back);
        let datagram = self.datagram(src, dst, payload);
        self.table.handle_media(&datagram, &mut self.counters);
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Sip { call, what, cseq, has_tag, port, is_back } => {
                let text = message(WHAT[what], call, cseq, has_tag, port);
                self.sip(&text, is_back);
            }
            Step::Rtp { port, ssrc, sequence_number, payload_type, is_back } => {
                let mut packet = vec![0x80, payload_type];
                packet.extend(sequence_number.to_be_bytes());
                packet.extend([0, 0, 1, 0, 0, 0, 0, ssrc, 1, 2, 3, 4]);
                self.media(media_port(port), &packet, is_back);
            }
            Step::Rtcp { port, ssrc, kind } => {
                let mut packet = vec![0x81, kind, 0, 7];
                packet.extend([ssrc; 28]);
                self.media(media_port(port) + 1, &packet, false);
            }
            Step::Pass(millis) => {
                self.now += u64::from(millis) * 1000;
                self.table.handle_timeout(Instant::from_micros(self.now), &mut self.counters);
            }
            Step::Back(millis) => self.now -= u64::from(millis) * 1000,
            Step::Allowance(channels) => self.table.set_allowance(channels),
            Step::CaptureLoss => self.table.note_capture(true),
        }
    }

    /// What holds after every step.
    fn check(&self) -> Result<(), TestCaseError> {
        let (table, count) = (&self.table, |counter| self.counters.of(counter));
        let channels = table.calls.iter().filter(|(_, call)| call.dialog.is_in_progress()).count();
        prop_assert_eq!(usize::from(table.in_progress()), channels);
        let held = u64::try_from(table.calls.len()).unwrap();
        prop_assert_eq!(count(Counter::CallsStarted) - count(Counter::CallsEnded), held);
        prop_assert_eq!(table.poll_timeout().is_some(), held > 0);
        for (slot, call) in table.calls.iter() {
            for &stream in &call.streams {
                let flow = table.flows.get(stream).expect("a stream of a call");
                prop_assert!(flow.calls.iter().any(|&(owner, _)| owner == slot));
            }
            for &place in &call.media_slots {
                prop_assert!(table.places.claimed_by(place, slot).is_some() || held > 1);
            }
        }
        Ok(())
    }
}

fn ends<'a>(src: &'a str, dst: &'a str, is_back: bool) -> (&'a str, &'a str) {
    if is_back { (dst, src) } else { (src, dst) }
}

fn media_port(port: u8) -> u16 {
    4000 + 2 * u16::from(port)
}

fn message(start: &str, call: u8, cseq: u8, has_tag: bool, port: Option<u8>) -> String {
    let method = start.split(' ').next().filter(|word| *word != "SIP/2.0").unwrap_or("INVITE");
    let tag = if has_tag { ";tag=b" } else { "" };
    let body = port.map(media_port).map_or(String::new(), |port| {
        format!("v=0\r\nc=IN IP4 198.51.100.1\r\nm=audio {port} RTP/AVP 8 101\r\na=sendonly\r\n")
    });
    format!(
        "{start}\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK{cseq}\r\nFrom: <sip:a@example.net>;tag=a\r\n\
         To: <sip:b@example.net>{tag}\r\nCall-ID: c{call}\r\nCSeq: {cseq} {method}\r\n\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

proptest! {
    #[test]
    fn fragments_of_calls_in_any_order_leave_nothing_behind(
        steps in proptest::collection::vec(step(), 0..120),
    ) {
        let table = CallTable::new(CallSettings::default());
        let mut bench = Bench { table, counters: Counters::default(), now: 1_000_000_000_000 };
        let mut records = 0;
        for step in &steps {
            bench.take(step);
            bench.check()?;
            records += core::iter::from_fn(|| bench.table.poll_record()).count();
        }
        bench.table.finish(&mut bench.counters);
        records += core::iter::from_fn(|| bench.table.poll_record()).count();
        let started = usize::try_from(bench.counters.of(Counter::CallsStarted)).unwrap();
        prop_assert_eq!(records, started);
        prop_assert_eq!(bench.table.in_progress(), 0);
        prop_assert!(bench.table.calls.is_empty() && bench.table.poll_timeout().is_none());
        prop_assert_eq!((bench.table.flows.len(), bench.table.places.len()), (0, 0));
        prop_assert_eq!(bench.table.flows.intervals().used(), 0);
    }
}
