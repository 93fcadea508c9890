//! Registrations and peer relations as `analyze` prints them.

use proptest::prelude::*;
use ringside_protocol::cdr::{Method, Party, Status};
use ringside_protocol::peer::{Peer, RoundTrip, State};
use ringside_protocol::record::Record;
use ringside_protocol::registration::Registration;
use ringside_protocol::time::UnixMicros;

use super::Report;
use crate::cli::{Format, Records};
use crate::counters::Counters;
use crate::terminal::Style;

fn refused(text: &str) -> Peer {
    Peer {
        first_at: UnixMicros(1_795_420_857_960_454),
        made: 20_000,
        state: State::Refusing,
        method: Method::Message,
        from: Some("201".to_owned()),
        to: Some(text.to_owned()),
        src: "192.0.2.1:5060".parse().unwrap(),
        dst: "192.0.2.5:5060".parse().unwrap(),
        user_agent: Some(text.to_owned()),
        requests: 2,
        answers: [0, 0, 2, 0, 0],
        status: Some(Status { code: 404, reason_phrase: text.to_owned() }),
        round_trip: Some(RoundTrip { min: 900, mean: 1_500, max: 2_100 }),
        ..Peer::default()
    }
}

fn printed(format: Format, records: Records, all: &[Record]) -> String {
    let mut report = Report::new(format, Style::PLAIN, records);
    let head = report.head();
    all.iter().fold(head, |text, record| text + &report.record(record))
}

#[test]
fn a_table_of_peers_says_what_was_asked_and_what_became_of_it() {
    let text = printed(Format::Table, Records::Peers, &[refused("305").into()]);
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[0].starts_with(" AT            STATE         REQUEST"), "{}", lines[0]);
    assert_eq!(lines[1], "2026-11-23 UTC");
    for part in ["08:00:57.980", "refusing", "MESSAGE 201 to 305", "2 of 2", "1.5 ms"] {
        assert!(lines[2].contains(part), "{}", lines[2]);
    }
    assert!(lines[3].contains("problem: MESSAGE from 201 to 305 was refused with 404"));
}

#[test]
fn each_kind_is_printed_where_it_was_asked_for() {
    let all = [Record::from(refused("305")), Registration::default().into()];
    for (records, lines) in [(Records::Calls, 0), (Records::Peers, 1), (Records::All, 2)] {
        assert_eq!(printed(Format::Json, records, &all).lines().count(), lines, "{records:?}");
    }
    let line: serde_json::Value =
        serde_json::from_str(&printed(Format::Json, Records::Peers, &all)).unwrap();
    assert_eq!((&line["record"], &line["to"]), (&"peer".into(), &"305".into()));
    let mut report = Report::new(Format::Json, Style::PLAIN, Records::All);
    all.iter().for_each(|record| drop(report.record(record)));
    let said = report.summary(&Counters::default());
    assert_eq!(said, "0 calls, 0 streams, 1 registration record, 1 peer record, 0 frames.\n");
}

#[test]
fn csv_has_a_column_for_every_name_of_its_head() {
    let all = [Record::from(refused("a, \"b\"")), Registration::default().into()];
    for (records, first) in
        [(Records::Peers, "at,method,event"), (Records::Registrations, "at,state")]
    {
        let text = printed(Format::Csv, records, &all);
        let lines: Vec<_> = text.split_terminator("\r\n").collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert!(lines[0].starts_with(first) && lines[0].ends_with(",finding"), "{}", lines[0]);
        // Commas outside of quotes.
        let mut is_quoted = false;
        let fields = 1 + lines[1]
            .chars()
            .filter(|&char| {
                is_quoted ^= char == '"';
                char == ',' && !is_quoted
            })
            .count();
        assert_eq!(fields, lines[0].split(',').count(), "{}", lines[1]);
    }
    assert!(printed(Format::Csv, Records::Peers, &all).contains("\"a, \"\"b\"\"\""));
}

proptest! {
    #[test]
    fn nothing_from_the_wire_commands_the_terminal(text in any::<String>()) {
        let party = Party { user: text.clone(), host: text.clone(), display: Some(text.clone()) };
        let registration =
            Registration { aor: party, registrar: text.clone(), ..Registration::default() };
        let all = [Record::from(refused(&text)), registration.into()];
        for (format, records) in [
            (Format::Table, Records::All),
            (Format::Json, Records::All),
            (Format::Csv, Records::Peers),
            (Format::Csv, Records::Registrations),
        ] {
            let printed = printed(format, records, &all);
            let stray = printed.chars().find(|&c| c.is_control() && c != '\n' && c != '\r');
            prop_assert_eq!(stray, None);
        }
    }
}
