//! Whole registrations through the table: written messages in, records out.

use embassy_time::Instant;
use ringside_protocol::counters::Counter;
use ringside_protocol::diagnosis;
use ringside_protocol::registration::{Cause, Registration, State, Transport};

use super::RegistrationTable;
use super::entry::{EXPIRY_GRACE, FACTS_GAP, HOUR, STATE_GAP};
use crate::counters::Counters;
use crate::decode::Datagram;
use crate::limits::{MAX_REGISTRATIONS, MAX_UNGRANTED_RECORDS};
use crate::transaction::attempt::{RETRY_WAIT, TIMER_F};
use crate::wire::sip::Message;

const SECOND: u64 = 1_000_000;
const PHONE: &str = "192.0.2.10:5060";
const REGISTRAR: &str = "192.0.2.1:5060";

struct Lab {
    table: RegistrationTable,
    counters: Counters,
    now: u64,
    cseq: u32,
    phone: String,
    agent: &'static str,
}

impl Lab {
    fn new() -> Self {
        Self {
            table: RegistrationTable::new(0),
            counters: Counters::default(),
            now: 1_000 * SECOND,
            cseq: 0,
            phone: PHONE.to_owned(),
            agent: "Phone/1",
        }
    }

    fn pass(&mut self, micros: u64) -> &mut Self {
        let until = self.now + micros;
        while let Some(at) = self.table.poll_timeout()
            && at.as_micros() <= until
        {
            self.now = self.now.max(at.as_micros());
            self.table.handle_timeout(Instant::from_micros(self.now), &mut self.counters);
        }
        self.now = until;
        self
    }

    fn send(&mut self, src: &str, dst: &str, text: &str) -> &mut Self {
        let datagram = Datagram {
            at: Instant::from_micros(self.now),
            src: src.parse().unwrap(),
            dst: dst.parse().unwrap(),
            ..Datagram::of_test(text.as_bytes())
        };
        let message = Message::parse(text.as_bytes()).unwrap();
        self.table.handle_sip(&message, &datagram, &mut self.counters);
        self.pass(10_000)
    }

    fn register_as(&mut self, user: &str, contact: &str, more: &str) -> &mut Self {
        self.cseq += 1;
        let (phone, text) = (self.phone.clone(), self.request(user, contact, more));
        self.send(&phone, REGISTRAR, &text)
    }

    fn request(&self, user: &str, contact: &str, more: &str) -> String {
        format!(
            "REGISTER sip:pbx.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK{0}\r\n\
             From: <sip:{user}@pbx.example>;tag=1\r\nTo: \"Hall\" <sip:{user}@pbx.example>\r\n\
             Call-ID: {user}@phone\r\nCSeq: {0} REGISTER\r\nUser-Agent: {1}\r\n\
             Contact: {contact}\r\n{more}Content-Length: 0\r\n\r\n",
            self.cseq, self.agent
        )
    }

    fn register(&mut self, more: &str) -> &mut Self {
        self.register_as("4711", "<sip:4711@192.0.2.10:5060>", more)
    }

    fn answer_to(&mut self, user: &str, status: &str, more: &str) -> &mut Self {
        let text = format!(
            "SIP/2.0 {status}\r\nVia: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK{0}\r\n\
             From: <sip:{user}@pbx.example>;tag=1\r\nTo: <sip:{user}@pbx.example>;tag=2\r\n\
             Call-ID: {user}@phone\r\nCSeq: {0} REGISTER\r\nServer: PBX 3\r\n{more}\
             Content-Length: 0\r\n\r\n",
            self.cseq
        );
        let phone = self.phone.clone();
        self.send(REGISTRAR, &phone, &text)
    }

    fn answer(&mut self, status: &str, more: &str) -> &mut Self {
        self.answer_to("4711", status, more)
    }

    /// A whole attempt that succeeds.
    fn refresh(&mut self, expires: u32) -> &mut Self {
        self.register("")
            .answer("401 Unauthorized", "WWW-Authenticate: Digest realm=\"a\", nonce=\"b\"\r\n")
            .register("Authorization: Digest username=\"4711\"\r\n")
            .answer("200 OK", &format!("Contact: <sip:4711@192.0.2.10:5060>;expires={expires}\r\n"))
    }

    fn refuse(&mut self) -> &mut Self {
        self.register("")
            .answer("401 Unauthorized", "")
            .register("Authorization: Digest username=\"4711\"\r\n")
            .answer("401 Unauthorized", "")
    }

    fn records(&mut self) -> Vec<Registration> {
        core::iter::from_fn(|| self.table.poll_record()).collect()
    }

    fn only_record(&mut self) -> Registration {
        let mut records = self.records();
        assert_eq!(records.len(), 1, "{records:?}");
        records.remove(0)
    }
}

fn sentence(record: &Registration) -> String {
    diagnosis::registration(record).swap_remove(0).sentence
}

#[test]
fn a_challenge_and_its_answer_make_one_record_with_every_fact() {
    let mut lab = Lab::new();
    lab.register("Expires: 600\r\n").answer("401 Unauthorized", "");
    assert_eq!(lab.records(), [], "nothing is decided");
    lab.register("Expires: 600\r\nAuthorization: Digest username=\"4711\"\r\n");
    lab.answer(
        "200 OK",
        "Contact: <sip:other@192.0.2.77>;expires=9, <sip:4711@192.0.2.10:5060>;expires=300\r\n",
    );
    let record = lab.only_record();
    assert_eq!((record.state, record.cause), (State::Registered, Cause::State));
    assert_eq!((record.aor.user.as_str(), record.aor.display.as_deref()), ("4711", Some("Hall")));
    assert_eq!(
        (record.registrar.as_str(), record.contact.as_str()),
        ("pbx.example", "sip:4711@192.0.2.10:5060")
    );
    assert_eq!(record.user_agent.as_deref(), Some("Phone/1"));
    assert_eq!(record.registrar_agent.as_deref(), Some("PBX 3"));
    assert_eq!((record.expires_asked, record.expires_granted), (Some(600), Some(300)));
    assert_eq!(
        (record.src.to_string().as_str(), record.dst.to_string().as_str()),
        (PHONE, REGISTRAR)
    );
    assert_eq!((record.transport, record.round_trip), (Transport::Udp, Some(10_000)));
    assert!(record.is_challenged && record.has_credentials);
    assert_eq!((record.granted, record.failures), (1, 0));
    assert_eq!(record.first_at.0, 1_000 * SECOND);
    assert_eq!(record.made, 30_000);
}

#[test]
fn refreshes_are_counted_and_told_once_an_hour() {
    let mut lab = Lab::new();
    lab.refresh(120);
    lab.only_record();
    for _ in 0..59 {
        lab.pass(60 * SECOND).refresh(120);
    }
    assert_eq!(lab.records(), []);
    lab.pass(60 * SECOND).refresh(120);
    let record = lab.only_record();
    assert_eq!((record.state, record.cause), (State::Registered, Cause::Hour));
    assert!((59..=60).contains(&record.granted), "{}", record.granted);
    assert!(record.state_seconds >= 3599, "{}", record.state_seconds);
}

#[test]
fn a_wrong_password_is_recognised_and_told_once() {
    let mut lab = Lab::new();
    for _ in 0..20 {
        lab.refuse().pass(30 * SECOND);
    }
    let record = lab.only_record();
    assert_eq!(record.state, State::Failing);
    assert!(record.is_wrong_password());
    assert!(sentence(&record).starts_with("The password is wrong"));
    lab.pass(HOUR);
    let record = lab.only_record();
    assert_eq!((record.cause, record.failures, record.failures_in_a_row), (Cause::Hour, 19, 20));
    lab.pass(2 * HOUR);
    assert_eq!((lab.records(), lab.table.len()), (vec![], 0), "nobody tries any more");
}

#[test]
fn a_challenge_that_nobody_answers_is_a_missing_password() {
    let mut lab = Lab::new();
    lab.register("").answer("401 Unauthorized", "").pass(RETRY_WAIT);
    let record = lab.only_record();
    assert_eq!((record.state, record.has_credentials), (State::Failing, false));
    assert_eq!(record.status.as_ref().map(|status| status.code), Some(401));
    assert!(sentence(&record).contains("sends none"));
}

#[test]
fn a_registrar_that_is_silent_is_said_to_be_so() {
    let mut lab = Lab::new();
    lab.register("");
    let repeated = lab.request("4711", "<sip:4711@192.0.2.10:5060>", "");
    for _ in 0..4 {
        lab.send(PHONE, REGISTRAR, &repeated);
    }
    lab.pass(TIMER_F);
    let record = lab.only_record();
    assert_eq!(
        (record.state, record.status.clone(), record.retransmissions),
        (State::Failing, None, 4)
    );
    assert!(sentence(&record).contains(REGISTRAR));
}

#[test]
fn a_registration_that_nobody_refreshes_expires_and_leaves() {
    let mut lab = Lab::new();
    lab.refresh(300);
    lab.only_record();
    lab.pass(300 * SECOND + EXPIRY_GRACE - SECOND);
    assert_eq!(lab.records(), []);
    lab.pass(SECOND);
    let record = lab.only_record();
    assert_eq!((record.state, record.granted), (State::Expired, 0));
    assert_eq!(record.granted_seconds_ago, Some(332));
    assert!(lab.table.is_empty());
}

#[test]
fn a_refresh_that_nobody_answers_decides_before_the_expiry() {
    let mut lab = Lab::new();
    lab.refresh(60);
    lab.only_record();
    // Its time is over while the answer is still awaited.
    lab.pass(75 * SECOND).register("").pass(20 * SECOND);
    assert_eq!(lab.records(), []);
    lab.pass(TIMER_F);
    let record = lab.only_record();
    assert_eq!((record.state, record.status.clone()), (State::Failing, None));
    assert_eq!(record.granted_seconds_ago, Some(107));
}

#[test]
fn an_expiry_of_0_logs_out() {
    let mut lab = Lab::new();
    lab.refresh(300).pass(STATE_GAP);
    lab.only_record();
    lab.register("Expires: 0\r\n").answer("200 OK", "");
    assert_eq!(lab.only_record().state, State::Unregistered);
    assert!(lab.table.is_empty());
}

#[test]
fn a_star_logs_out_every_contact_of_the_user() {
    let mut lab = Lab::new();
    lab.refresh(300);
    lab.register_as("4711", "<sip:4711@192.0.2.11:5060>", "").answer("200 OK", "");
    lab.register_as("4712", "<sip:4712@192.0.2.12:5060>", "").answer_to("4712", "200 OK", "");
    assert_eq!(lab.records().len(), 3);
    lab.pass(STATE_GAP);
    lab.register_as("4711", "*", "Expires: 0\r\n").answer("200 OK", "");
    let records = lab.records();
    assert!(records.iter().all(|it| it.state == State::Unregistered && it.aor.user == "4711"));
    assert_eq!((records.len(), lab.table.len()), (2, 1));
}

#[test]
fn other_facts_are_told_but_not_each_time() {
    let mut lab = Lab::new();
    lab.refresh(600);
    lab.only_record();
    lab.phone = "198.51.100.7:40112".to_owned();
    lab.pass(60 * SECOND).refresh(600);
    assert_eq!(lab.records(), []);
    lab.pass(FACTS_GAP);
    let record = lab.only_record();
    assert_eq!(
        (record.cause, record.src.to_string().as_str()),
        (Cause::Facts, "198.51.100.7:40112")
    );
    // Another port of the same address, and nearly the same expiry, are no news.
    lab.phone = "198.51.100.7:40113".to_owned();
    lab.refresh(700).pass(FACTS_GAP);
    assert_eq!(lab.records(), []);
}

#[test]
fn one_that_comes_and_goes_is_told_at_most_every_ten_seconds() {
    let mut lab = Lab::new();
    for _ in 0..50 {
        lab.refresh(600).refuse().pass(SECOND);
    }
    let count = lab.records().len();
    let elapsed = (lab.now - 1_000 * SECOND) / STATE_GAP;
    assert!(count as u64 <= elapsed + 2, "{count} in {elapsed} gaps");
}

#[test]
fn a_second_hop_is_no_second_registration() {
    let mut lab = Lab::new();
    lab.register("");
    let inner = lab.request("4711", "<sip:4711@192.0.2.10:5060>", "");
    let inner = inner.replace("branch=z9hG4bK", "branch=z9hG4bKproxy");
    lab.send("192.0.2.1:5060", "192.0.2.2:5060", &inner).answer("200 OK", "");
    let record = lab.only_record();
    assert_eq!((record.src.to_string().as_str(), record.retransmissions), (PHONE, 0));
}

#[test]
fn evict_one_that_was_never_granted_when_full() {
    let mut lab = Lab::new();
    lab.refresh(36_000);
    for number in 0..MAX_REGISTRATIONS {
        lab.register_as(&format!("u{number}"), "<sip:u@192.0.2.10:5060>", "");
    }
    assert_eq!(lab.table.len(), MAX_REGISTRATIONS);
    assert_eq!(lab.counters.of(Counter::RegistrationsRefused), 0);
    lab.pass(SECOND).refresh(36_000);
    let records = lab.records();
    let granted = records.iter().filter(|it| it.state == State::Registered).count();
    assert_eq!(granted, 1, "it has stayed, and its refresh is no news");
}

#[test]
fn a_table_of_granted_ones_turns_a_new_one_away() {
    let mut lab = Lab::new();
    for number in 0..MAX_REGISTRATIONS {
        let user = format!("u{number}");
        lab.register_as(&user, "<sip:u@192.0.2.10:5060>", "").answer_to(&user, "200 OK", "");
    }
    lab.register_as("late", "<sip:u@192.0.2.10:5060>", "");
    assert_eq!(lab.counters.of(Counter::RegistrationsRefused), 1);
    assert_eq!(lab.table.len(), MAX_REGISTRATIONS);
}

#[test]
fn somebody_who_tries_accounts_makes_few_records() {
    let mut lab = Lab::new();
    let many = MAX_UNGRANTED_RECORDS + 200;
    for number in 0..many {
        let user = format!("u{number}");
        lab.register_as(&user, "<sip:u@192.0.2.66:5060>", "").answer_to(&user, "403 Forbidden", "");
    }
    let elapsed = usize::try_from((lab.now - 1_000 * SECOND) / SECOND).unwrap();
    let count = lab.records().len();
    assert!(count <= MAX_UNGRANTED_RECORDS as usize + elapsed + 1, "{count}");
}

#[test]
fn the_end_of_a_capture_tells_what_no_record_has_told() {
    let mut lab = Lab::new();
    lab.refresh(600);
    lab.records();
    lab.pass(60 * SECOND).refresh(600).register_as("4712", "<sip:4712@192.0.2.12>", "");
    lab.table.finish(Instant::from_micros(lab.now), &mut lab.counters);
    let records = lab.records();
    let told: Vec<_> = records.iter().map(|it| (it.state, it.cause, it.granted)).collect();
    assert_eq!(
        told,
        [(State::Registered, Cause::CaptureEnd, 1), (State::Failing, Cause::CaptureEnd, 0)]
    );
    assert_eq!(sentence(&records[1]), "The capture ended before the registrar answered.");
}

#[test]
fn an_entry_is_as_large_as_the_table_of_memory_says() {
    let bytes = size_of::<super::entry::Entry>();
    println!("{bytes} bytes");
    assert!(bytes <= 1024, "{bytes}");
}

#[test]
fn what_only_asks_is_not_followed() {
    let mut lab = Lab::new();
    lab.cseq = 1;
    let text = lab.request("4711", "x", "").replace("Contact: x\r\n", "");
    lab.send(PHONE, REGISTRAR, &text);
    assert!(lab.table.is_empty());
}
