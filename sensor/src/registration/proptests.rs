//! REGISTERs and responses in any order: the table keeps its books.

use embassy_time::Instant;
use proptest::prelude::*;

use super::RegistrationTable;
use crate::counters::Counters;
use crate::decode::Datagram;
use crate::wire::sip::Message;

#[derive(Clone, Debug)]
enum Step {
    Ask {
        user: u8,
        contact: usize,
        cseq: u8,
        branch: u8,
        expires: usize,
        has_credentials: bool,
    },
    Answer {
        user: u8,
        status: usize,
        cseq: u8,
        branch: u8,
        expires: usize,
    },
    /// Milliseconds.
    Pass(u32),
    /// The clock goes back, milliseconds.
    Back(u16),
}

const CONTACTS: &[&str] =
    &["<sip:u@192.0.2.1>", "*", "", ",;<", "\"<sip:u@192.0.2.2:5060>;expires=7"];
const EXPIRES: &[&str] = &["", "0", "60", "3600", "4294967295", "99999999999", "x"];
const STATUS: &[&str] = &["100 a", "200 OK", "302 b", "401 c", "403 d", "407 e", "423 f", "503 g"];

fn step() -> impl Strategy<Value = Step> {
    let (few, cseq) = (0u8..3, 0u8..6);
    prop_oneof![
        (
            few.clone(),
            0..CONTACTS.len(),
            cseq.clone(),
            few.clone(),
            0..EXPIRES.len(),
            any::<bool>()
        )
            .prop_map(|(user, contact, cseq, branch, expires, has_credentials)| {
                Step::Ask { user, contact, cseq, branch, expires, has_credentials }
            }),
        (few.clone(), 0..STATUS.len(), cseq, few, 0..EXPIRES.len()).prop_map(
            |(user, status, cseq, branch, expires)| {
                Step::Answer { user, status, cseq, branch, expires }
            }
        ),
        (0u32..5_000_000).prop_map(Step::Pass),
        any::<u16>().prop_map(Step::Back),
    ]
}

fn head(user: u8, cseq: u8, branch: u8) -> String {
    format!(
        "Via: SIP/2.0/UDP a;branch={branch}\r\nFrom: <sip:{user}@a>;tag=1\r\nTo: <sip:{user}@a>\r\n\
         Call-ID: {user}\r\nCSeq: {cseq} REGISTER\r\n"
    )
}

proptest! {
    #[test]
    fn any_order_leaves_a_table_that_ends_empty(steps in prop::collection::vec(step(), 0..60)) {
        let (mut table, mut counters) = (RegistrationTable::new(1), Counters::default());
        let mut now = 1_000_000_000_000;
        for step in steps {
            let text = match step {
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
                Step::Ask { user, contact, cseq, branch, expires, has_credentials } => {
                    let credentials = if has_credentials { "Authorization: x\r\n" } else { "" };
                    format!(
                        "REGISTER sip:a SIP/2.0\r\n{}Contact: {}\r\nExpires: {}\r\n{credentials}\r\n",
                        head(user, cseq, branch), CONTACTS[contact], EXPIRES[expires]
                    )
                }
                Step::Answer { user, status, cseq, branch, expires } => format!(
                    "SIP/2.0 {}\r\n{}Contact: <sip:u@192.0.2.1>;expires={}\r\n\r\n",
                    STATUS[status], head(user, cseq, branch), EXPIRES[expires]
                ),
            };
            let message = Message::parse(text.as_bytes()).unwrap();
            let datagram =
                Datagram { at: Instant::from_micros(now), ..Datagram::of_test(text.as_bytes()) };
            table.handle_sip(&message, &datagram, &mut counters);
            while let Some(record) = table.poll_record() {
                prop_assert!(!record.registrar.is_empty());
            }
        }
        table.finish(Instant::from_micros(now), &mut counters);
        prop_assert!(table.is_empty() && table.poll_timeout().is_none());
    }
}
