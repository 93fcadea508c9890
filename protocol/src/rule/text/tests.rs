use proptest::prelude::*;

use super::*;
use crate::rule::*;

#[test]
fn a_sentence_is_read() {
    let rule = Rule::parse(
        r#""Berlin": keep sip, rtp, rtcp masking dtmf until 2026-12-31 at most 100 a day priority 5
           when caller = +4930* and not (domain = test.example or agent contains "sipp")"#,
    )
    .unwrap();
    assert_eq!(rule.name, "Berlin");
    let keep = Keep { sip: true, rtp: Media::Whole, rtcp: true, mask_dtmf: true };
    assert_eq!(rule.action, Action::Keep(keep));
    assert_eq!(
        rule.until.map(|day| crate::time::UnixMicros::of_day(day).to_date()).as_deref(),
        Some("2026-12-31")
    );
    assert_eq!((rule.calls_a_day, rule.priority), (Some(100), 5));
    let Some(Condition::All(parts)) = rule.when else { panic!("{:?}", rule.when) };
    assert!(matches!(&parts[1], Condition::Not(inner) if matches!(**inner, Condition::Any(_))));
}

#[test]
fn and_binds_stronger_than_or() {
    let when = |text: &str| Rule::parse(&format!("skip when {text}")).unwrap().when.unwrap();
    assert_eq!(
        when("one_way or method = BYE and status = 200"),
        when("one_way or (method = BYE and status = 200)")
    );
    assert_ne!(
        when("one_way or method = BYE and status = 200"),
        when("(one_way or method = BYE) and status = 200")
    );
    assert_eq!(when("((one_way))"), Condition::Test(Test::OneWay));
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    for (text, at, says) in [
        ("", 0, "`keep` or `skip`"),
        ("keep", 4, "what to keep"),
        ("keep sip rtp", 9, "`when`, or an option"),
        ("keep sip when", 13, "a test"),
        ("keep sip when colour = red", 14, "a test"),
        ("keep sip when caller +49", 21, "`=`"),
        ("keep sip when caller = 20..10", 23, "a range"),
        ("keep sip when address = 192.0.2.0/33", 24, "an address"),
        ("keep sip when status = 99", 23, "a final status"),
        ("keep sip when status = 7xx", 23, "a final status"),
        ("keep sip when mos < 0.5", 20, "1.00 to 5.00"),
        ("keep sip when loss > 5", 21, "0% to 100%"),
        ("keep sip when method = invite", 23, "in capitals"),
        ("keep sip when header X ~ /a", 25, "closing slash"),
        ("keep sip when agent = \"a", 22, "closing quote"),
        ("keep sip when agent exists", 20, "`=`, `contains` or `~`"),
        ("keep sip when (one_way", 22, "`)`"),
        ("keep sip when one_way one_way", 22, "`and`, `or`"),
        ("keep sip until 2026-02-30", 15, "a day"),
        ("skip masking dtmf", 5, "`keep` only"),
        ("skip at most 5 a day", 5, "`keep` only"),
        ("keep sip at most 0 a day", 17, "1 or more"),
        ("keep sip priority 2000", 18, "-1000 to 1000"),
        ("\"x\" keep sip", 4, "`:`"),
    ] {
        let error = Rule::parse(text).expect_err(text);
        assert!(error.says.contains(says), "{text}: {error}");
        assert_eq!(error.at, at, "{text}: {error}");
    }
}

#[test]
fn limits_are_refused_with_a_sentence() {
    let nested = |depth| format!("skip when {}one_way{}", "(".repeat(depth), ")".repeat(depth));
    assert!(Rule::parse(&nested(MAX_DEPTH - 1)).is_ok());
    assert!(Rule::parse(&nested(MAX_DEPTH)).is_err());
    let many = |tests| format!("skip when {}", vec!["one_way"; tests].join(" or "));
    assert!(Rule::parse(&many(MAX_TESTS)).is_ok());
    assert!(Rule::parse(&many(MAX_TESTS + 1)).is_err());
    let long = |bytes| format!("skip when agent = \"{}\"", "a".repeat(bytes));
    assert!(Rule::parse(&long(MAX_WORD)).is_ok());
    assert!(Rule::parse(&long(MAX_WORD + 1)).is_err());
    assert!(Rule::parse(&format!("skip {}", " ".repeat(MAX_RULE_TEXT))).is_err());
}

#[test]
fn compact_header_names_are_written_out() {
    let rule = Rule::parse("skip when header M exists").unwrap();
    assert_eq!(rule.to_string(), "skip when header contact exists");
}

#[test]
fn a_file_has_a_rule_a_line_and_lines_that_go_on() {
    let rules = parse_file(
        "# the first\nkeep sip when caller = #31#\n  and callee = 2 # why\n\n\"two\": skip\n",
    )
    .unwrap();
    let texts: Vec<_> = rules.iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["keep sip when caller = #31# and callee = 2", "\"two\": skip"]);
    let errors = parse_file("keep sip\nkeep\n\nnonsense\n").unwrap_err();
    assert_eq!(errors.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 4]);
}

fn words() -> impl Strategy<Value = String> {
    "[ -~äß]{1,20}"
}

fn text_test() -> impl Strategy<Value = TextTest> {
    prop_oneof![
        words().prop_map(TextTest::Equals),
        words().prop_map(TextTest::Contains),
        words().prop_filter_map("half an escape", |text| {
            Expression::new(&text).map(TextTest::Matches)
        }),
    ]
}

fn prefix() -> impl Strategy<Value = Prefix> {
    prop_oneof![
        (any::<u32>(), 0..=32_u8)
            .prop_map(|(bits, len)| Prefix::new(std::net::Ipv4Addr::from(bits).into(), len)),
        (any::<u128>(), 0..=128_u8).prop_map(|(bits, len)| {
            // Mapped addresses are IPv4 ones.
            Prefix::new(std::net::Ipv6Addr::from(bits | 1 << 127).into(), len.max(1))
        }),
    ]
    .prop_map(|prefix| prefix.expect("not longer than the address"))
}

fn number() -> impl Strategy<Value = NumberPattern> {
    let text = prop_oneof![words(), "[+]?[0-9*?#]{1,12}", "[0-9]{4}\\.\\.[0-9]{4}"];
    text.prop_filter_map("no pattern", |text| NumberPattern::parse(&text))
}

fn test() -> impl Strategy<Value = Test> {
    prop_oneof![
        (prop_oneof![Just(Place::Anywhere), Just(Place::Signalling), Just(Place::Media)], prefix())
            .prop_map(|(place, prefix)| Test::Address { place, prefix }),
        (prop_oneof![Just(Party::Caller), Just(Party::Callee), Just(Party::Either)], number())
            .prop_map(|(party, pattern)| Test::Number { party, pattern }),
        ("[a-z0-9.-]{1,20}", any::<bool>())
            .prop_map(|(host, is_below)| Test::Domain(Domain { host, is_below })),
        ("x-[a-z0-9-]{1,10}", prop_oneof![Just(TextTest::Exists), text_test()])
            .prop_map(|(name, value)| Test::Header { name, value }),
        text_test().prop_map(Test::Agent),
        (200..=699_u16, 0..=150_u16)
            .prop_map(|(first, more)| Test::Status(first, (first + more).min(699))),
        (100..=500_u16).prop_map(Test::MosBelow),
        (0..=10_000_u16).prop_map(Test::LossAbove),
        Just(Test::OneWay),
        Just(Test::Method(crate::cdr::Method::Refer)),
    ]
}

fn condition() -> impl Strategy<Value = Condition> {
    test().prop_map(Condition::Test).prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|inner| Condition::Not(Box::new(inner))),
            proptest::collection::vec(inner.clone(), 2..=3).prop_map(Condition::All),
            proptest::collection::vec(inner, 2..=3).prop_map(Condition::Any),
        ]
    })
}

fn action() -> impl Strategy<Value = Action> {
    let media = prop_oneof![Just(Media::Nothing), Just(Media::Headers), Just(Media::Whole)];
    let keep = (any::<bool>(), media, any::<bool>(), any::<bool>()).prop_filter_map(
        "keeps nothing",
        |(sip, rtp, rtcp, mask_dtmf)| {
            let keep = Keep { sip, rtp, rtcp, mask_dtmf };
            (!keep.is_nothing()).then_some(Action::Keep(keep))
        },
    );
    prop_oneof![keep, Just(Action::Skip)]
}

fn rule() -> impl Strategy<Value = Rule> {
    (
        prop_oneof![
            Just(String::new()),
            words().prop_filter("blank", |name| !name.trim().is_empty())
        ],
        action(),
        proptest::option::of(0..50_000_u64),
        proptest::option::of(1..1000_u32),
        -1000..=1000_i16,
        proptest::option::of(condition()),
    )
        .prop_map(|(name, action, until, calls, priority, when)| {
            let calls_a_day = calls.filter(|_| action != Action::Skip);
            Rule { name, action, until, calls_a_day, priority, when }
        })
}

#[test]
fn a_misspelt_test_is_told_what_was_meant() {
    for (text, says) in [
        ("keep sip when los > 2%", "did you mean `loss`?"),
        ("keep sip when Callr = 1*", "did you mean `caller`?"),
        ("keep sip when one-way", "did you mean `one_way`?"),
    ] {
        let error = Rule::parse(text).expect_err("no rule");
        assert_eq!((error.at, error.says.as_str()), (14, says));
    }
    let error = Rule::parse("keep sip when weather = good").expect_err("no rule");
    assert!(error.says.starts_with("write a test: "), "{}", error.says);
}

proptest! {
    #[test]
    fn what_is_printed_is_read_back(rule in rule()) {
        let text = rule.to_string();
        // Three levels of tests can be longer than a rule may be.
        prop_assume!(text.len() <= MAX_RULE_TEXT);
        prop_assert_eq!(Rule::parse(&text), Ok(rule), "{}", text);
    }

    #[test]
    fn any_text_is_a_rule_or_an_error(text in "\\PC{0,80}") {
        if let Ok(rule) = Rule::parse(&text) {
            prop_assert_eq!(Rule::parse(&rule.to_string()), Ok(rule));
        }
    }

    #[test]
    fn words_of_the_grammar_in_any_order_never_panic(
        words in proptest::collection::vec(
            prop_oneof![
                Just("keep"), Just("skip"), Just("sip"), Just("rtp"), Just(","), Just("when"),
                Just("not"), Just("("), Just(")"), Just("and"), Just("or"), Just("one_way"),
                Just("caller"), Just("="), Just("1*"), Just("~"), Just("/a/"), Just("\"a\""),
            ],
            0..20,
        )
    ) {
        if let Ok(rule) = Rule::parse(&words.join(" ")) {
            prop_assert_eq!(Rule::parse(&rule.to_string()), Ok(rule));
        }
    }
}
