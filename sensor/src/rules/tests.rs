use proptest::prelude::*;
use ringside_protocol::cdr::{Cdr, Scale, Score, Stream, flags};
use ringside_protocol::rule::{Keep, Media};

use super::*;

/// What has been shown of a call, by the words that a test of this file writes.
struct Call {
    book: RuleBook,
    shown: Shown,
}

const SIP: Keep = Keep { sip: true, rtp: Media::Nothing, rtcp: false, mask_dtmf: false };

fn numbered(texts: &[&str]) -> Vec<NumberedRule> {
    let parse = |text: &&str| Rule::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    (1..).zip(texts.iter().map(parse)).map(|(id, rule)| NumberedRule { id, rule }).collect()
}

impl Call {
    fn new(texts: &[&str]) -> Self {
        let book = RuleBook::compile(numbered(texts)).unwrap();
        Self { shown: book.nothing_shown(), book }
    }

    fn numbers(mut self, caller: &str, callee: &str) -> Self {
        let callee = callee.as_bytes();
        self.book.show_numbers(caller.as_bytes(), [callee, callee], &mut self.shown);
        self
    }

    fn address(mut self, address: &str, place: Place) -> Self {
        self.book.show_address(address.parse().unwrap(), place, &mut self.shown);
        self
    }

    fn header(mut self, line: &str) -> Self {
        let message = format!("INVITE sip:a@b SIP/2.0\r\nVia: x\r\n{line}\r\n\r\nbody: no\r\n");
        self.book.show_headers(message.as_bytes(), &mut self.shown);
        self
    }

    fn host(mut self, host: &str) -> Self {
        self.book.show_host(host.as_bytes(), &mut self.shown);
        self
    }

    fn quality(mut self, cdr: &Cdr) -> Self {
        self.book.show_quality(cdr, &mut self.shown);
        self
    }

    fn decide(&self, phase: Phase) -> Decision {
        self.book.decide(&self.shown, phase, |_| true)
    }

    /// The id of the rule that keeps the call at its end.
    fn kept_by(&self) -> Option<u64> {
        let rank = self.decide(Phase::Ended).rule?;
        self.book.rule(rank).map(|rule| rule.id)
    }
}

fn bad_call() -> Cdr {
    let score = Score { mos: 250, r: 500, discarded: 0 };
    let stream = Stream {
        expected: 1000,
        lost: 60,
        adaptive: Some(score),
        scale: Scale::Narrowband,
        ..Stream::default()
    };
    Cdr { streams: vec![stream], flags: flags::ONE_WAY, ..Cdr::default() }
}

#[test]
fn each_test_finds_its_call() {
    let number = |rule: &str, caller: &str, callee: &str| {
        Call::new(&[rule]).numbers(caller, callee).kept_by().is_some()
    };
    assert!(number("keep sip when caller = +4930*", "+4930123", "200"));
    assert!(!number("keep sip when caller = +4930*", "200", "+4930123"));
    assert!(number("keep sip when number = +4930*", "200", "+4930123"));
    assert!(number("keep sip when callee = 2?0", "1", "210"));
    assert!(number("keep sip when callee = 200..299", "1", "210"));
    assert!(!number("keep sip when callee = 200..299", "1", "2100"));
    assert!(number("keep sip when caller = *", "", "1"));

    let address =
        |rule: &str, place| Call::new(&[rule]).address("192.0.2.7", place).kept_by().is_some();
    assert!(address("keep sip when address = 192.0.2.0/24", Place::Media));
    assert!(address("keep sip when media address = 192.0.2.7", Place::Media));
    assert!(!address("keep sip when media address = 192.0.2.7", Place::Signalling));
    assert!(!address("keep sip when address = 2001:db8::/32", Place::Media));

    let header = |rule: &str, line: &str| Call::new(&[rule]).header(line).kept_by().is_some();
    assert!(header("keep sip when header X-Trunk exists", "x-trunk:"));
    assert!(header("keep sip when header x-trunk = \"Gate 1\"", "X-Trunk: gate 1"));
    assert!(!header("keep sip when header x-trunk = \"gate\"", "X-Trunk: gate 1"));
    assert!(header("keep sip when header x-trunk contains \"ATE\"", "X-Trunk: gate 1"));
    assert!(header("keep sip when header contact ~ /@192\\.0/", "m: <sip:a@192.0.2.1>"));
    assert!(!header("keep sip when header contact ~ /^192/", "m: <sip:a@192.0.2.1>"));
    assert!(!header("keep sip when header body exists", "X: y"), "the body has no headers");
    assert!(header("keep sip when agent contains \"sipp\"", "Server: SIPp 3"));

    let host = |rule: &str, host: &str| Call::new(&[rule]).host(host).kept_by().is_some();
    assert!(host("keep sip when domain = example.org", "EXAMPLE.org:5070"));
    assert!(!host("keep sip when domain = example.org", "a.example.org"));
    assert!(host("keep sip when domain = *.example.org", "a.b.example.org"));
    assert!(!host("keep sip when domain = *.example.org", "example.org"));
    assert!(host("keep sip when domain = [2001:db8::1]", "[2001:db8::1]:5060"));

    let quality = |rule: &str| Call::new(&[rule]).quality(&bad_call()).kept_by().is_some();
    assert!(quality("keep sip when mos < 2.51"));
    assert!(!quality("keep sip when mos < 2.5"));
    assert!(quality("keep sip when loss > 5.99%"));
    assert!(!quality("keep sip when loss > 6%"));
    assert!(quality("keep sip when one_way"));
}

#[test]
fn what_overlaps_in_a_value_is_all_found() {
    let call = Call::new(&[
        "keep sip when agent contains \"abc\"",
        "keep rtcp when agent contains \"bcd\"",
        "keep rtp when agent contains \"b\"",
    ])
    .header("User-Agent: xabcdx");
    let keep = call.decide(Phase::Ended).keep;
    assert!(keep.sip && keep.rtcp && keep.rtp == Media::Whole);
}

#[test]
fn quality_is_decided_at_the_end_and_held_until_then() {
    let rules = &["keep sip, rtp when caller = 1 and mos < 3"];
    let other = Call::new(rules).numbers("2", "3");
    assert_eq!(other.decide(Phase::Ringing), Decision::default(), "nothing is held for others");
    let call = Call::new(rules).numbers("1", "3");
    let decision = call.decide(Phase::Answered);
    assert_eq!((decision.rule, decision.hold.rtp), (None, Media::Whole));
    assert_eq!(call.decide(Phase::Ended), Decision::default(), "its quality was good");
    assert_eq!(call.quality(&bad_call()).kept_by(), Some(1));
}

#[test]
fn a_header_may_come_late_and_holds_no_media() {
    let call = Call::new(&["keep sip, rtp when method = REFER"]).numbers("1", "2");
    let decision = call.decide(Phase::Answered);
    assert!(decision.may_come && decision.hold.is_nothing());
    assert!(!call.decide(Phase::Ended).may_come);
}

#[test]
fn what_must_not_come_is_waited_for() {
    let call = Call::new(&["keep rtp when not header X-Private exists"]).numbers("1", "2");
    assert_eq!(call.decide(Phase::Ringing).hold.rtp, Media::Whole);
    assert_eq!(call.kept_by(), Some(1));
    let call = call.header("x-private: yes");
    assert_eq!(call.decide(Phase::Ringing), Decision::default());
}

#[test]
fn a_final_status_is_known_with_the_answer() {
    let call = Call::new(&["keep sip when status = 4xx"]);
    assert!(call.decide(Phase::Ringing).may_come);
    assert!(!call.decide(Phase::Answered).may_come);
}

#[test]
fn skip_ends_the_list() {
    let rules = &[
        "skip when caller = 1",
        "keep sip when callee = 2",
        "keep rtcp priority 1 when callee = 3",
    ];
    assert_eq!(Call::new(rules).numbers("1", "2").kept_by(), None);
    assert_eq!(Call::new(rules).numbers("9", "2").kept_by(), Some(2));
    assert_eq!(Call::new(rules).numbers("1", "3").kept_by(), Some(3), "a higher priority is first");
    assert!(!Call::new(rules).numbers("1", "2").decide(Phase::Ringing).may_come);
}

#[test]
fn what_may_yet_be_skipped_is_held_under_a_key() {
    let rules = &["skip when header X-Private exists", "keep sip when caller = 1"];
    let call = Call::new(rules).numbers("1", "2");
    let decision = call.decide(Phase::Answered);
    assert_eq!((decision.rule, decision.hold), (None, SIP));
    assert_eq!(call.kept_by(), Some(2));
    assert_eq!(call.header("X-Private: 1").kept_by(), None);
}

#[test]
fn rules_that_are_over_or_used_up_keep_nothing() {
    let call = Call::new(&["keep sip when caller = 1", "keep rtcp when caller = 1"]);
    let call = call.numbers("1", "2");
    let decision = call.book.decide(&call.shown, Phase::Ringing, |rank| rank == 1);
    assert_eq!((decision.rule, decision.keep.sip), (Some(1), false));
}

#[test]
fn a_rule_without_a_condition_keeps_every_call() {
    assert_eq!(Call::new(&["keep sip"]).decide(Phase::Ringing).keep, SIP);
}

#[test]
fn what_was_shown_is_carried_over_to_new_rules() {
    let call = Call::new(&["keep sip when caller = 1 and header X exists"]).header("X: 1");
    let rules = numbered(&["keep sip when one_way", "keep sip when header X exists"]);
    let book = RuleBook::compile(rules).unwrap();
    let shown = book.carry_over(&call.book, &call.shown);
    assert_eq!(book.decide(&shown, Phase::Ringing, |_| true).rule, Some(1));
}

#[test]
fn an_expression_that_costs_too_much_is_refused() {
    for pattern in ["(a{1000}){1000}", "(", &"(".repeat(100), r"\pL"] {
        let rule = Rule::parse(&format!("keep sip when agent ~ /{pattern}/")).unwrap();
        let error = RuleBook::compile(vec![NumberedRule { id: 7, rule }]).unwrap_err();
        assert!(matches!(error, BookError::Expression { rule: 7, .. }), "{pattern}: {error}");
    }
}

#[test]
fn more_rules_than_the_limit_are_refused() {
    let rule = numbered(&["keep sip when caller = 1"]).remove(0);
    assert!(RuleBook::compile(vec![rule.clone(); MAX_RULES]).is_ok());
    let error = RuleBook::compile(vec![rule; MAX_RULES + 1]).unwrap_err();
    assert_eq!(error, BookError::TooMany(MAX_RULES + 1));
}

/// The same question, asked of every rule one by one.
fn plainly(test: &Test, caller: &[u8], address: IpAddr) -> bool {
    match test {
        Test::Number { party: Party::Callee, .. } => false,
        Test::Number { pattern, .. } => pattern.matches(caller),
        Test::Address { place: Place::Media, .. } => false,
        Test::Address { prefix, .. } => prefix.contains(address),
        _ => false,
    }
}

proptest! {
    #[test]
    fn indexes_find_what_a_plain_search_finds(
        numbers in proptest::collection::vec("[12*?]{1,4}", 1..20),
        networks in proptest::collection::vec((any::<[u8; 2]>(), 0..=32_u8), 1..20),
        caller in "[123]{0,4}",
        low in any::<[u8; 2]>(),
    ) {
        let numbers = numbers.iter().map(|pattern| format!("keep sip when caller = {pattern}"));
        let networks = networks.iter().map(|([a, b], length)| {
            format!("keep sip when address = 192.0.{a}.{b}/{length}")
        });
        let texts: Vec<String> = numbers.chain(networks).collect();
        let call = Call::new(&texts.iter().map(String::as_str).collect::<Vec<_>>());
        let address = format!("192.0.{}.{}", low[0], low[1]);
        let call = call.numbers(&caller, "").address(&address, Place::Signalling);
        for (id, test) in (0..).zip(&call.book.tests) {
            let is_met = plainly(test, caller.as_bytes(), address.parse().unwrap());
            prop_assert_eq!(call.shown.has(id), is_met, "{:?}", test);
        }
    }
}
