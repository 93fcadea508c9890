//! Requests and responses in any order: the table keeps its books.

use embassy_time::Instant;
use proptest::prelude::*;

use super::PeerTable;
use crate::counters::Counters;
use crate::decode::Datagram;
use crate::wire::sip::Message;

#[derive(Clone, Debug)]
enum Step {
    Ask {
        who: u8,
        method: usize,
        event: usize,
        cseq: u8,
        branch: u8,
        has_credentials: bool,
    },
    Answer {
        who: u8,
        status: usize,
        method: usize,
        cseq: u8,
        branch: u8,
    },
    /// Milliseconds.
    Pass(u32),
    /// The clock goes back, milliseconds.
    Back(u16),
}

const METHODS: &[&str] = &["OPTIONS", "SUBSCRIBE", "NOTIFY", "MESSAGE", "PUBLISH"];
const EVENTS: &[&str] = &["", "Event: dialog\r\n", "o: ;;\r\n", "Event:\r\n"];
const STATUS: &[&str] = &["100 a", "200 OK", "302 b", "401 c", "489 d", "407 e", "423 f", "699 g"];

fn step() -> impl Strategy<Value = Step> {
    let (few, cseq) = (0u8..3, 0u8..6);
    prop_oneof![
        (few.clone(), 0..METHODS.len(), 0..EVENTS.len(), cseq.clone(), few.clone(), any::<bool>())
            .prop_map(|(who, method, event, cseq, branch, has_credentials)| {
                Step::Ask { who, method, event, cseq, branch, has_credentials }
            }),
        (few.clone(), 0..STATUS.len(), 0..METHODS.len(), cseq, few).prop_map(
            |(who, status, method, cseq, branch)| {
                Step::Answer { who, status, method, cseq, branch }
            }
        ),
        (0u32..5_000_000).prop_map(Step::Pass),
        any::<u16>().prop_map(Step::Back),
    ]
}

fn head(who: u8, method: usize, cseq: u8, branch: u8) -> String {
    format!(
        "Via: SIP/2.0/UDP a;branch={branch}\r\nFrom: <sip:{who}@a>;tag=1\r\nTo: <sip:a>\r\n\
         Call-ID: {who}\r\nCSeq: {cseq} {}\r\n",
        METHODS[method]
    )
}

proptest! {
    #[test]
    fn any_order_leaves_a_table_that_ends_empty(steps in prop::collection::vec(step(), 0..60)) {
        let (mut table, mut counters) = (PeerTable::new(1), Counters::default());
        let mut now = 1_000_000_000_000;
        let (mut requests, mut decided) = (0, 0);
        for step in steps {
            let (who, text) = match step {
                Step::Pass(millis) => {
                    now += u64::from(millis) * 1000;
                    // Whatever is due is done: the next deadline is later.
                    table.handle_timeout(Instant::from_micros(now), &mut counters);
                    let next = table.poll_timeout().map(|at| at.as_micros());
                    prop_assert!(next.is_none_or(|at| at > now), "{:?} at {}", next, now);
                    continue;
                }
                Step::Back(millis) => {
                    now -= u64::from(millis) * 1000;
                    continue;
                }
                Step::Ask { who, method, event, cseq, branch, has_credentials } => {
                    let credentials = if has_credentials { "Authorization: x\r\n" } else { "" };
                    let head = head(who, method, cseq, branch);
                    let start = format!("{} sip:a SIP/2.0", METHODS[method]);
                    (who, format!("{start}\r\n{head}{}{credentials}\r\n", EVENTS[event]))
                }
                Step::Answer { who, status, method, cseq, branch } => {
                    let head = head(who, method, cseq, branch);
                    (who, format!("SIP/2.0 {}\r\n{head}\r\n", STATUS[status]))
                }
            };
            let message = Message::parse(text.as_bytes()).unwrap();
            let datagram = Datagram {
                at: Instant::from_micros(now),
                src: ([192, 0, 2, who], 5060).into(),
                ..Datagram::of_test(text.as_bytes())
            };
            table.handle_sip(&message, &datagram, &mut counters);
            while let Some(record) = table.poll_record() {
                requests += record.requests;
                decided += record.answered() + record.unanswered;
            }
        }
        table.finish(Instant::from_micros(now), &mut counters);
        while let Some(record) = table.poll_record() {
            requests += record.requests;
            decided += record.answered() + record.unanswered;
        }
        prop_assert!(decided <= requests, "{} of {}", decided, requests);
        prop_assert!(table.is_empty() && table.poll_timeout().is_none());
    }
}
