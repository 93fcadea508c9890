use super::*;

use proptest::prelude::*;
use ringside_protocol::cdr::{
    Direction, EndedBy, Method, Party, Scale, Score, SipEvent, SipMessage, Status, Stream, flags,
};
use ringside_protocol::counters::Counter;
use ringside_protocol::time::UnixMicros;

/// 2026-11-23T08:00:57.960454Z.
const BEGIN: UnixMicros = UnixMicros(1_795_420_857_960_454);

fn party(user: &str) -> Party {
    Party { user: user.to_owned(), host: "example.net".to_owned(), display: None }
}

fn stream(direction: Direction, lost: u32, mos: u16) -> Stream {
    Stream {
        direction,
        first: 1_000_000,
        packets: 1500 - lost,
        expected: 1500,
        lost,
        jitter_mean: Some(2_345),
        jitter_max: Some(9_000),
        adaptive: Some(Score { mos, r: 932, discarded: 0 }),
        scale: Scale::Narrowband,
        ..Stream::default()
    }
}

fn answered() -> Cdr {
    Cdr {
        number: 1,
        first_at: BEGIN,
        start: Some(0),
        answered: Some(1_000_000),
        ended: 31_000_000,
        ended_by: EndedBy::Callee,
        call_id: "1-42@192.0.2.1".to_owned(),
        caller: party("+4930123456"),
        callee: party("alice"),
        addresses: vec!["192.0.2.1:5060".parse().unwrap(), "192.0.2.2:5060".parse().unwrap()],
        dst: 1,
        status: Some(Status { code: 200, reason_phrase: String::new() }),
        streams: vec![
            stream(Direction::CallerToCallee, 0, 441),
            stream(Direction::CalleeToCaller, 0, 440),
        ],
        ..Cdr::default()
    }
}

fn bad() -> Cdr {
    let mut cdr = answered();
    cdr.caller = party("a-caller-with-quite-a-long-name");
    cdr.first_at = BEGIN.plus(60_000_000);
    cdr.streams[1] = stream(Direction::CalleeToCaller, 180, 231);
    cdr
}

fn busy() -> Cdr {
    Cdr {
        first_at: BEGIN.plus(86_400_000_000),
        status: Some(Status { code: 486, reason_phrase: String::new() }),
        ended_by: EndedBy::Rejected,
        answered: None,
        streams: Vec::new(),
        ..answered()
    }
}

fn joined_late() -> Cdr {
    Cdr {
        first_at: BEGIN.plus(86_400_000_000),
        start: None,
        answered: None,
        status: None,
        caller: Party::default(),
        callee: Party::default(),
        ended_by: EndedBy::CaptureEnd,
        flags: flags::JOINED_LATE,
        ..answered()
    }
}

fn printed(format: Format, style: Style, calls: &[Cdr]) -> String {
    let mut report = Report::new(format, style, Records::Calls);
    let head = report.head();
    calls.iter().fold(head, |text, cdr| text + &report.call(cdr))
}

fn table(columns: usize) -> String {
    let style = Style { columns, colour: false };
    printed(Format::Table, style, &[answered(), bad(), busy(), joined_late()])
}

#[test]
fn a_table_of_120_columns_has_every_figure() {
    assert_eq!(table(120), include_str!("tests/table_120.txt"));
}

#[test]
fn a_table_of_80_columns_leaves_out_loss_and_jitter() {
    assert_eq!(table(80), include_str!("tests/table_80.txt"));
}

#[test]
fn a_table_keeps_to_its_columns() {
    for columns in 80..160 {
        for line in table(columns).lines() {
            assert!(crate::terminal::width(line) <= columns, "{columns}: {line}");
        }
    }
}

#[test]
fn a_table_has_colours_only_when_it_may() {
    let style = Style { columns: 120, colour: true };
    let coloured = printed(Format::Table, style, &[answered(), bad()]);
    assert!(coloured.contains("\x1b[32m4.40 excellent\x1b[0m"), "{coloured}");
    assert!(coloured.contains("\x1b[31mproblem: "), "{coloured}");
    assert!(!table(120).contains('\x1b'));
}

#[test]
fn json_is_one_object_a_line_with_findings() {
    let text = printed(Format::Json, Style::PLAIN, &[answered(), bad()]);
    assert_eq!(text.lines().count(), 2);
    let call: serde_json::Value = serde_json::from_str(text.lines().nth(1).unwrap()).unwrap();
    assert_eq!(call["call_id"], "1-42@192.0.2.1");
    assert_eq!(call["mos"], 2.31);
    assert_eq!(call["findings"][0]["severity"], "problem");
    assert_eq!(call["findings"][0]["evidence"][0], "MOS 2.31");
    assert!(call.get("id").is_none());
}

#[test]
fn csv_is_rfc_4180() {
    let mut cdr = answered();
    cdr.caller_agent = Some("Phone \"X\", v1".to_owned());
    let text = printed(Format::Csv, Style::PLAIN, &[cdr, busy()]);
    assert_eq!(text.matches("\r\n").count(), 3);
    assert_eq!(text.replace("\r\n", "\n"), include_str!("tests/calls.csv"));
}

#[test]
fn the_summary_counts_and_says_what_was_not_read() {
    let mut report = Report::new(Format::Table, Style::PLAIN, Records::Calls);
    let mut counters = Counters::default();
    counters.set(Counter::FramesSeen, 3001);
    assert_eq!(report.summary(&counters), "0 calls, 0 streams, 3001 frames.\n");
    let _ = report.call(&answered());
    counters.set(Counter::NotIp, 12);
    counters.set(Counter::RtpUnclaimed, 1);
    counters.set(Counter::SipMessages, 6);
    assert_eq!(
        report.summary(&counters),
        "1 call, 2 streams, 3001 frames.\n\
         Not read, or not in full:\n        \
         12  Frames that are neither IPv4 nor IPv6.\n         \
         1  RTP packets that belong to no call.\n"
    );
}

#[test]
fn a_record_that_contradicts_itself_is_printed() {
    let cdr = Cdr {
        first_at: UnixMicros(u64::MAX),
        start: Some(u64::MAX),
        ended: u64::MAX,
        answered: Some(0),
        streams: vec![Stream { lost: u32::MAX, expected: 1, ..Stream::default() }],
        sip: vec![SipEvent {
            after: u64::MAX,
            src: 9,
            dst: 9,
            message: SipMessage::Response(0),
            cseq: 0,
            method: Method::Other,
        }],
        ..Cdr::default()
    };
    for format in [Format::Table, Format::Json, Format::Csv] {
        assert!(!printed(format, Style::PLAIN, std::slice::from_ref(&cdr)).is_empty());
    }
}

proptest! {
    #[test]
    fn nothing_from_the_wire_commands_the_terminal(text in any::<String>(), code in any::<u16>()) {
        let cdr = Cdr {
            call_id: text.clone(),
            caller: Party {
                user: text.clone(), host: text.clone(), display: Some(text.clone()),
            },
            callee: Party { user: String::new(), host: text.clone(), display: None },
            request_uri: Some(text.clone()),
            status: Some(Status { code, reason_phrase: text.clone() }),
            ended_by: EndedBy::Rejected,
            caller_agent: Some(text.clone()),
            dtmf: text.clone(),
            ..bad()
        };
        for format in [Format::Table, Format::Json, Format::Csv] {
            let printed = printed(format, Style::PLAIN, std::slice::from_ref(&cdr));
            let stray = printed.chars().find(|&c| c.is_control() && c != '\n' && c != '\r');
            prop_assert_eq!(stray, None);
            if format == Format::Json {
                let value: serde_json::Value = serde_json::from_str(&printed).unwrap();
                prop_assert_eq!(value["call_id"].as_str(), Some(text.as_str()));
            }
        }
    }
}
