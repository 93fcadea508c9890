//! Whole exchanges through the table: written messages in, records out.

use embassy_time::Instant;
use ringside_protocol::counters::Counter;
use ringside_protocol::diagnosis;
use ringside_protocol::limits::MAX_PEER_CHANGES;
use ringside_protocol::peer::{Peer, State};
use ringside_protocol::record::{Cause, Transport};

use super::PeerTable;
use super::entry::{HOUR, OTHER_GAP, SETTLED_AFTER, SETTLED_REQUESTS, SILENCE_GAP};
use crate::counters::Counters;
use crate::decode::Datagram;
use crate::limits::{MAX_PEER_REQUESTS, MAX_PEERS, MAX_UNSETTLED_RECORDS};
use crate::transaction::attempt::{RETRY_WAIT, TIMER_F};
use crate::wire::sip::Message;

const SECOND: u64 = 1_000_000;
const BEGIN: u64 = 1_000 * SECOND;
const PBX: &str = "192.0.2.1:5060";
const TRUNK: &str = "192.0.2.5:5060";

struct Lab {
    table: PeerTable,
    counters: Counters,
    now: u64,
    /// The number of the newest transaction: CSeq, branch and Call-ID.
    number: u32,
    method: &'static str,
    from: String,
    to: String,
}

impl Lab {
    fn new(method: &'static str) -> Self {
        Self {
            table: PeerTable::new(0),
            counters: Counters::default(),
            now: BEGIN,
            number: 0,
            method,
            from: "201".to_owned(),
            to: "305".to_owned(),
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
        self
    }

    fn head(&self, number: u32, tag: &str) -> String {
        format!(
            "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{number}\r\n\
             From: <sip:{}@pbx.example>;tag=1\r\nTo: <sip:{}@trunk.example>{tag}\r\n\
             Call-ID: call{number}@pbx\r\nCSeq: {number} {}\r\n",
            self.from, self.to, self.method
        )
    }

    fn request(&self, more: &str) -> String {
        let head = self.head(self.number, "");
        format!(
            "{} sip:trunk.example SIP/2.0\r\n{head}User-Agent: PBX 3\r\n{more}\r\n",
            self.method
        )
    }

    fn ask_between(&mut self, src: &str, dst: &str, more: &str) -> &mut Self {
        self.number += 1;
        let text = self.request(more);
        self.send(src, dst, &text)
    }

    fn ask(&mut self, more: &str) -> &mut Self {
        self.ask_between(PBX, TRUNK, more)
    }

    fn answer_to(&mut self, number: u32, status: &str, more: &str) -> &mut Self {
        let head = self.head(number, ";tag=2");
        let text = format!("SIP/2.0 {status}\r\n{head}Server: Trunk 7\r\n{more}\r\n");
        self.send(TRUNK, PBX, &text)
    }

    /// The newest request is answered 20 ms after it was sent.
    fn answer(&mut self, status: &str, more: &str) -> &mut Self {
        self.pass(20_000);
        self.answer_to(self.number, status, more)
    }

    /// As many requests, a minute apart, as it takes to be no passer-by.
    fn settle(&mut self, src: &str) -> &mut Self {
        for _ in 0..SETTLED_REQUESTS {
            self.ask_between(src, TRUNK, "").answer("200 OK", "").pass(SETTLED_AFTER);
        }
        self
    }

    fn records(&mut self) -> Vec<Peer> {
        core::iter::from_fn(|| self.table.poll_record()).collect()
    }

    fn only_record(&mut self) -> Peer {
        let mut records = self.records();
        assert_eq!(records.len(), 1, "{records:?}");
        records.remove(0)
    }

    fn finish(&mut self) -> Vec<Peer> {
        self.table.finish(Instant::from_micros(self.now), &mut self.counters);
        self.records()
    }
}

fn sentence(record: &Peer) -> String {
    diagnosis::peer(record).swap_remove(0).sentence
}

#[test]
fn the_first_answer_makes_a_record_with_every_fact_and_then_there_is_one_an_hour() {
    let mut lab = Lab::new("OPTIONS");
    lab.ask("").answer("200 OK", "");
    let record = lab.only_record();
    assert_eq!((record.state, record.cause), (State::Answering, Cause::State));
    assert_eq!((record.src.to_string(), record.dst.to_string()), (PBX.into(), TRUNK.into()));
    assert_eq!((record.requests, record.answered(), record.unanswered), (1, 1, 0));
    assert_eq!(record.user_agent.as_deref(), Some("PBX 3"));
    assert_eq!(record.peer_agent.as_deref(), Some("Trunk 7"));
    assert_eq!(record.transport, Transport::Udp);
    assert_eq!(record.status.as_ref().map(|status| status.code), Some(200));
    assert_eq!((record.first_at.0, record.made), (BEGIN, 20_000));
    assert_eq!((record.from, record.event), (None, None), "users are told of MESSAGE alone");
    for number in 0..59 {
        lab.pass(60 * SECOND).ask("").pass(if number == 7 { 480_000 } else { 0 });
        lab.answer("200 OK", "");
    }
    assert_eq!(lab.records(), []);
    lab.pass(120 * SECOND);
    let record = lab.only_record();
    assert_eq!(
        (record.cause, record.requests, record.answers),
        (Cause::Hour, 59, [59, 0, 0, 0, 0])
    );
    let round_trip = record.round_trip.unwrap();
    assert_eq!((round_trip.min, round_trip.max), (20_000, 500_000));
    assert_eq!(round_trip.mean, (58 * 20_000 + 500_000) / 59);
    assert_eq!(record.changes, []);
    lab.pass(2 * HOUR);
    assert_eq!((lab.records(), lab.table.len()), (vec![], 0), "nobody asks any more");
}

#[test]
fn a_challenge_and_its_answer_are_one_request() {
    let mut lab = Lab::new("MESSAGE");
    lab.ask("").answer("407 Proxy Authentication Required", "");
    assert_eq!(lab.records(), [], "nothing is decided");
    // The same Call-ID, another CSeq and branch.
    let again = lab
        .request("Proxy-Authorization: Digest username=\"201\", response=\"x\"\r\n")
        .replace("CSeq: 1 ", "CSeq: 2 ")
        .replace("branch=z9hG4bK1", "branch=z9hG4bK2");
    lab.send(PBX, TRUNK, &again).pass(30_000);
    let answer = format!("SIP/2.0 202 Accepted\r\n{}\r\n", lab.head(1, ";tag=2"))
        .replace("CSeq: 1 ", "CSeq: 2 ")
        .replace("branch=z9hG4bK1", "branch=z9hG4bK2");
    lab.send(TRUNK, PBX, &answer);
    let record = lab.only_record();
    assert_eq!((record.requests, record.answers), (1, [1, 0, 0, 0, 0]));
    assert!(record.has_credentials);
    assert_eq!(record.round_trip.map(|it| (it.min, it.max)), Some((20_000, 30_000)));
    assert_eq!(sentence(&record), "MESSAGE from 201 to 305 was accepted.");
}

#[test]
fn a_challenge_that_nobody_answers_refuses() {
    let mut lab = Lab::new("SUBSCRIBE");
    lab.ask("Event: presence;id=4\r\n").answer("401 Unauthorized", "").pass(RETRY_WAIT);
    let record = lab.only_record();
    assert_eq!((record.state, record.answers), (State::Refusing, [0, 0, 1, 0, 0]));
    assert_eq!(record.event.as_deref(), Some("presence"));
    assert!(sentence(&record).contains("asks for a password"), "{}", sentence(&record));
    assert_eq!(lab.pass(TIMER_F).records(), []);
}

#[test]
fn silence_is_told_when_timer_f_ends_with_the_request_that_began_it() {
    let mut lab = Lab::new("OPTIONS");
    lab.ask("").answer("200 OK", "").pass(30 * SECOND);
    lab.only_record();
    let silent_at = lab.now;
    lab.ask("").pass(30 * SECOND).ask("").pass(TIMER_F - 30 * SECOND);
    let record = lab.only_record();
    assert_eq!((record.state, record.cause), (State::Silent, Cause::State));
    assert_eq!((record.requests, record.unanswered), (2, 1), "the second is still open");
    assert_eq!(record.made_at().0, silent_at + TIMER_F);
    assert_eq!(record.before_made(record.state_since).0, silent_at);
    assert_eq!((record.changes.len(), record.changes[0].state), (1, State::Silent));
    assert!(sentence(&record).contains("has not answered OPTIONS of 192.0.2.1 since"));
    assert_eq!((record.status, record.peer_agent.as_deref()), (None, Some("Trunk 7")));
    lab.pass(60 * SECOND).ask("").answer("200 OK", "");
    let record = lab.only_record();
    assert_eq!(
        (record.state, record.unanswered, record.unanswered_in_a_row),
        (State::Answering, 1, 0)
    );
    assert_eq!(record.changes.len(), 1);
    assert_eq!(record.before_made(record.changes[0].before).0, lab.now);
}

#[test]
fn an_old_request_s_timeout_does_not_silence_who_has_answered_since() {
    let mut lab = Lab::new("OPTIONS");
    lab.ask("").pass(10 * SECOND).ask("").answer("200 OK", "").pass(HOUR);
    let records = lab.records();
    assert!(records.iter().all(|record| record.state == State::Answering), "{records:?}");
    let told: u32 = records.iter().map(|record| record.unanswered).sum();
    assert_eq!((told, lab.finish()), (1, vec![]));
}

#[test]
fn repetitions_are_no_requests_before_and_after_the_answer() {
    let mut lab = Lab::new("NOTIFY");
    lab.ask("o: dialog\r\n");
    let text = lab.request("o: dialog\r\n");
    lab.pass(500_000).send(PBX, TRUNK, &text);
    // The same transaction behind a NAT is neither a repetition nor a relation of its own.
    lab.send("203.0.113.9:6060", TRUNK, &text);
    lab.answer("200 OK", "").send(PBX, TRUNK, &text).answer("200 OK", "");
    assert_eq!(lab.only_record().retransmissions, 1);
    let [record] = &lab.finish()[..] else { panic!("one record") };
    assert_eq!(
        (record.requests, record.retransmissions, record.event.as_deref()),
        (0, 1, Some("dialog"))
    );
}

#[test]
fn a_refusal_names_its_reason() {
    let mut lab = Lab::new("MESSAGE");
    lab.ask("").answer("404 Not Found", "");
    let record = lab.only_record();
    assert_eq!((record.from.as_deref(), record.to.as_deref()), (Some("201"), Some("305")));
    assert!(sentence(&record).starts_with("MESSAGE from 201 to 305 was refused with 404"));
    let mut lab = Lab::new("SUBSCRIBE");
    lab.ask("Event: message-summary\r\n").answer("489 Nope", "Allow-Events: dialog, presence\r\n");
    let record = lab.only_record();
    assert_eq!(record.status.as_ref().map(|status| status.phrase()), Some("Nope"));
    assert!(sentence(&record).contains("does not offer message-summary, only dialog, presence"));
}

#[test]
fn who_asks_whom_for_what_are_relations_of_their_own() {
    let mut lab = Lab::new("SUBSCRIBE");
    lab.ask("Event: dialog\r\n").ask("Event: presence\r\n");
    lab.ask_between("192.0.2.1:40112", TRUNK, "Event: dialog\r\n");
    assert_eq!(lab.table.len(), 2, "the port of the one who asks tells nothing apart");
    lab.ask_between(PBX, "192.0.2.5:5080", "Event: dialog\r\n");
    lab.ask_between("192.0.2.2:5060", TRUNK, "Event: dialog\r\n");
    assert_eq!(lab.table.len(), 4);
    lab.method = "MESSAGE";
    lab.ask("");
    lab.to = "306".to_owned();
    lab.ask("");
    assert_eq!(lab.table.len(), 6);
}

#[test]
fn one_that_comes_and_goes_is_told_ever_less_often() {
    let mut lab = Lab::new("OPTIONS");
    for _ in 0..60 {
        lab.ask("").answer("200 OK", "").pass(SECOND).ask("").pass(TIMER_F + SECOND);
    }
    let records = lab.records();
    let elapsed = (lab.now - BEGIN) / OTHER_GAP;
    assert!(records.len() as u64 <= elapsed + 8, "{} in {elapsed} gaps", records.len());
    let seen: u32 = records
        .iter()
        .map(|record| u32::try_from(record.changes.len()).unwrap() + record.changes_omitted)
        .sum();
    assert!(seen >= 100, "no change is lost: {seen}");
    assert!(records.iter().all(|record| record.changes.len() <= MAX_PEER_CHANGES));
    assert!(records.iter().any(|record| record.changes_omitted > 0));
    // Nothing happens for a while: the next silence is told at once.
    lab.pass(2 * OTHER_GAP).ask("").answer("200 OK", "").pass(2 * OTHER_GAP + SILENCE_GAP);
    lab.records();
    let silent_at = lab.now;
    lab.ask("").pass(TIMER_F);
    assert_eq!(lab.only_record().made_at().0, silent_at + TIMER_F);
}

#[test]
fn answers_of_several_kinds_are_told_seldom() {
    let mut lab = Lab::new("MESSAGE");
    for number in 0..100 {
        lab.ask("").answer(if number % 2 == 0 { "200 OK" } else { "404 Not Found" }, "");
        lab.pass(10 * SECOND);
    }
    let elapsed = (lab.now - BEGIN) / OTHER_GAP;
    assert!(lab.records().len() as u64 <= elapsed + 2);
}

#[test]
fn evict_a_passer_by_when_full() {
    let mut lab = Lab::new("OPTIONS");
    lab.settle(PBX);
    lab.records();
    // A flood from sources that nobody has: the trunk answers each of them.
    for number in 0..2 * MAX_PEERS {
        let source =
            format!("10.{}.{}.{}:5060", number >> 16 & 255, number >> 8 & 255, number & 255);
        lab.ask_between(&source, TRUNK, "");
        lab.answer_to(lab.number, "200 OK", "");
    }
    assert_eq!(lab.table.len(), MAX_PEERS);
    assert_eq!(lab.counters.of(Counter::PeersRefused), 0);
    let untold = lab.counters.of(Counter::PeersUntold);
    assert!(untold > 0 && untold <= 2 * MAX_PEERS as u64);
    let flood = lab.records().len();
    assert!(flood <= MAX_UNSETTLED_RECORDS as usize + 1, "{flood}");
    lab.pass(SECOND).ask("").pass(TIMER_F);
    let silent: Vec<_> = lab.records().into_iter().filter(|it| it.state == State::Silent).collect();
    assert_eq!((silent.len(), silent[0].src.to_string()), (1, PBX.to_owned()), "it has stayed");
}

#[test]
fn a_table_of_those_that_go_on_turns_a_new_one_away() {
    let mut lab = Lab::new("OPTIONS");
    for _ in 0..SETTLED_REQUESTS {
        for number in 0..MAX_PEERS {
            let source = format!("10.0.{}.{}:5060", number >> 8, number & 255);
            lab.ask_between(&source, TRUNK, "");
            lab.answer_to(lab.number, "200 OK", "");
        }
        lab.pass(SETTLED_AFTER);
    }
    assert_eq!(lab.counters.of(Counter::PeersRefused), 0);
    lab.ask("");
    assert_eq!(lab.counters.of(Counter::PeersRefused), 1);
    assert_eq!(lab.table.len(), MAX_PEERS);
}

#[test]
fn evict_open_requests_of_passers_by_when_too_many_are_unanswered() {
    let mut lab = Lab::new("OPTIONS");
    lab.settle(PBX);
    lab.records();
    for number in 0..MAX_PEER_REQUESTS + 100 {
        let source = format!("10.0.{}.{}:5060", number >> 8, number & 255);
        lab.ask_between(&source, TRUNK, "");
    }
    assert!(lab.counters.of(Counter::PeerRequestsUnfollowed) >= 100);
    lab.ask("").pass(TIMER_F);
    let silent = lab.records().into_iter().find(|it| it.src.to_string() == PBX);
    assert_eq!(silent.map(|it| it.state), Some(State::Silent));
}

#[test]
fn too_many_open_requests_of_those_that_go_on_are_counted_and_not_followed() {
    let mut lab = Lab::new("OPTIONS");
    lab.settle(PBX);
    for _ in 0..=MAX_PEER_REQUESTS {
        lab.ask("");
    }
    assert_eq!(lab.counters.of(Counter::PeerRequestsUnfollowed), 1);
    lab.pass(2 * TIMER_F);
    let told: u32 = lab.records().iter().chain(&lab.finish()).map(|it| it.unanswered).sum();
    assert_eq!(told as usize, MAX_PEER_REQUESTS);
}

#[test]
fn somebody_who_asks_at_random_makes_few_records() {
    let mut lab = Lab::new("OPTIONS");
    for number in 0..MAX_UNSETTLED_RECORDS + 200 {
        let target = format!("10.0.{}.{}:5060", number >> 8, number & 255);
        lab.ask_between(PBX, &target, "").answer("404 Not Found", "");
    }
    let elapsed = usize::try_from((lab.now - BEGIN).div_ceil(SECOND)).unwrap();
    let count = lab.records().len();
    assert!(count <= MAX_UNSETTLED_RECORDS as usize + elapsed, "{count}");
    // Those that were held back are told in time.
    lab.pass(300 * SECOND);
    assert_eq!(count + lab.records().len(), MAX_UNSETTLED_RECORDS as usize + 200);
}

#[test]
fn the_end_of_a_capture_tells_what_no_record_has_told() {
    let mut lab = Lab::new("OPTIONS");
    lab.ask("").answer("200 OK", "").pass(SECOND).ask("").answer("200 OK", "");
    lab.records();
    lab.ask_between("192.0.2.3:5060", TRUNK, "");
    let records = lab.finish();
    let told: Vec<_> = records.iter().map(|it| (it.state, it.cause, it.requests)).collect();
    assert_eq!(
        told,
        [(State::Answering, Cause::CaptureEnd, 1), (State::Silent, Cause::CaptureEnd, 1)]
    );
    assert_eq!(sentence(&records[1]), "The capture ended before 192.0.2.5 answered.");
    assert!(lab.table.is_empty() && lab.table.poll_timeout().is_none());
}

#[test]
fn capture_loss_is_told_once() {
    let mut lab = Lab::new("OPTIONS");
    lab.table.note_capture_loss();
    lab.ask("").answer("200 OK", "");
    assert_eq!(lab.only_record().flags, 0, "it was before");
    lab.pass(SECOND).ask("");
    lab.table.note_capture_loss();
    lab.pass(TIMER_F);
    assert_ne!(lab.only_record().flags, 0);
}

#[test]
fn a_clock_that_goes_back_silences_no_relation() {
    let mut lab = Lab::new("OPTIONS");
    lab.now += 1_000 * HOUR;
    lab.ask("").answer("200 OK", "");
    lab.only_record();
    lab.now = BEGIN;
    lab.ask("").pass(TIMER_F);
    assert_eq!(lab.only_record().state, State::Silent);
    lab.ask("").answer("200 OK", "").pass(HOUR);
    let records = lab.records();
    assert_eq!(records.first().map(|it| it.state), Some(State::Answering));
    assert_eq!(records[0].first_at.0, BEGIN + TIMER_F);
}

#[test]
fn an_entry_is_as_large_as_the_table_of_memory_says() {
    let (entry, open) = (size_of::<super::entry::Entry>(), size_of::<super::open::Open>());
    println!("{entry} and {open} bytes");
    assert!(entry <= 768 && open <= 144, "{entry} and {open}");
}
