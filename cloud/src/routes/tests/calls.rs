use std::collections::BTreeSet;

use ringside_protocol::cdr::{EndedBy, LegSource, Legs, flags};

use super::synthetic::{Noise, answered, call, cancelled, rejected};
use super::*;
use crate::db::Connection;
use crate::db::calls::{Calls, Row};
use crate::db::search::{Bounds, search, visible};
use crate::db::tests::is_postgres;
use crate::routes::{DEFAULT_LIMIT, MAX_LIMIT};

fn ids(page: &Value) -> Vec<String> {
    let calls = page["calls"].as_array().expect("calls");
    calls.iter().map(|call| call["id"].as_str().expect("an id").to_owned()).collect()
}

fn numbers(bench: &Bench, browser: &Browser, query: &str) -> BTreeSet<u64> {
    let page = bench.json(browser, &format!("/api/v1/calls?{query}"));
    let number =
        |id: &String| id.rsplit('-').next().and_then(|n| n.parse().ok()).expect("a number");
    ids(&page).iter().map(number).collect()
}

#[test]
fn every_filter_finds_its_calls() {
    let bench = Bench::new();
    let noise = &mut Noise(1);
    let mut good = answered(noise, 1, NOON - HOUR, 60, 430);
    good.caller.user = "+4930111".to_owned();
    good.callee.user = "200".to_owned();
    good.call_id = "first@pbx".to_owned();
    good.ended_by = EndedBy::Caller;
    let mut bad = answered(noise, 2, NOON - 2 * HOUR, 10, 250);
    bad.caller.user = "anna".to_owned();
    bad.callee.user = "+4930111".to_owned();
    bad.flags |= flags::ONE_WAY | flags::NAT;
    bad.ended_by = EndedBy::Callee;
    let mut busy = rejected(noise, 3, NOON - 30 * HOUR, 486);
    busy.caller.user = "+4930222".to_owned();
    busy.addresses[0] = "[2001:db8::7]:5060".parse().expect("an address");
    let gone = cancelled(noise, 4, NOON - 3 * DAY);
    bench.store(&bench.ours, vec![good, bad, busy, gone]);
    let us = bench.log_in(&bench.ours.viewer);
    for (query, expected) in [
        ("", vec![1, 2, 3, 4]),
        ("number=%2B4930111", vec![1, 2]),
        ("number=+4930111", vec![1, 2]),
        ("number=*30111", vec![1, 2]),
        ("caller=%2B49302*,anna", vec![2, 3]),
        ("callee=200", vec![1]),
        ("callee=!200", vec![2, 3, 4]),
        ("address=2001:db8::/32", vec![3]),
        ("address=198.51.100.2", vec![1, 2, 3, 4]),
        ("call_id=first@pbx", vec![1]),
        ("call_id=first*", vec![1]),
        ("from=2026-11-24", vec![1, 2]),
        ("to=2026-11-24T10:00:00Z", vec![3, 4]),
        ("from=2026-11-24T10:00:00Z&to=2026-11-24T10:00:00.000001Z", vec![2]),
        ("from=1795435200", vec![1, 2]),
        ("status=486", vec![3]),
        ("status=4xx", vec![3, 4]),
        ("status=!200,487", vec![3]),
        ("ended_by=caller,cancelled", vec![1, 4]),
        ("mos_below=2.5", vec![2]),
        ("mos_above=2.51", vec![1]),
        ("flag=one_way", vec![2]),
        ("flag=nat&flag=authenticated", vec![2]),
        ("answered=true", vec![1, 2]),
        ("answered=false", vec![3, 4]),
        ("sensor=1", vec![1, 2, 3, 4]),
        ("sensor=!1", vec![]),
        ("min_duration=11", vec![1]),
        ("q=FIRST+200", vec![1]),
        ("q=anna", vec![2]),
        ("number=&status=486&q=", vec![3]),
        ("answered=true&mos_below=3&caller=anna", vec![2]),
        ("from=2026-11-25", vec![]),
    ] {
        assert_eq!(numbers(&bench, &us, query), expected.into_iter().collect(), "{query}");
    }
}

#[test]
fn a_parameter_without_meaning_is_named_with_what_is_allowed() {
    let bench = Bench::new();
    let us = bench.log_in(&bench.ours.viewer);
    for (query, says) in [
        ("status=999", "status must be"),
        ("from=yesterday", "from must be a time as in"),
        ("to=2026-13-01", "to must be"),
        ("limit=0", "limit must be a number from 1 to 200"),
        ("limit=201", "limit must be"),
        ("limit=x", "limit must be"),
        ("cursor=x", "cursor must be the next of an earlier answer"),
        ("format=xml", "format must be json, csv or ndjson"),
        ("colour=red", "There is no parameter \"colour\""),
        ("sensor=77", "none with number 77"),
        ("address=192.0.2.1:5060", "without a port"),
        ("caller=%zz", "encode its parameters"),
    ] {
        let (status, code, message) = error(bench.get(&us, &format!("/api/v1/calls?{query}")));
        assert_eq!((status, code.as_str()), (400, "bad_parameter"), "{query}");
        assert!(message.contains(says), "{query}: {message}");
    }
}

#[test]
fn the_newest_calls_come_first_and_know_sensor_and_verdict() {
    let bench = Bench::new();
    let noise = &mut Noise(2);
    let cdrs = (1..=60).map(|number| call(noise, number, NOON - number * HOUR)).collect();
    bench.store(&bench.ours, cdrs);
    let us = bench.log_in(&bench.ours.viewer);
    let page = bench.json(&us, "/api/v1/calls");
    let expected: Vec<_> = (1..=DEFAULT_LIMIT as u64).map(|n| bench.ours.id(n)).collect();
    assert_eq!(ids(&page), expected);
    let first = &page["calls"][0];
    assert_eq!(first["sensor"]["name"], "Ours box");
    assert_eq!(first["sensor"]["id_sensor"], 1);
    assert!(first["verdict"]["sentence"].as_str().expect("text").ends_with('.'));
    assert_eq!(page["newest"], "2026-11-24T11:00:00.000000Z");
    assert_eq!(page["partial"], false);
    let whole = bench.json(&us, &format!("/api/v1/calls/{}", bench.ours.id(1)));
    assert_eq!(whole["arrived_at"], "2026-11-24T12:00:00.000000Z");
    assert_eq!(whole["verdict"], first["verdict"]);
    assert!(!whole["findings"].as_array().expect("findings").is_empty());
    let none = bench.json(&us, "/api/v1/calls?from=2026-11-24T11:30:00Z");
    assert_eq!(none["calls"], serde_json::json!([]));
    assert_eq!(none["newest"], page["newest"]);
}

/// Also those that end at the same microsecond, on both sides of midnight, while others arrive.
#[test]
fn paging_finds_every_call_once_while_new_ones_arrive() {
    let bench = Bench::new();
    let noise = &mut Noise(3);
    let mut number = 0;
    let mut cdrs = Vec::new();
    for minute in 0..200 {
        for _ in 0..3 {
            number += 1;
            cdrs.push(call(noise, number, NOON - 13 * HOUR + minute * 60 * SECOND));
        }
    }
    let old: BTreeSet<_> = (1..=number).collect();
    for chunk in cdrs.chunks(500) {
        bench.store(&bench.ours, chunk.to_vec());
    }
    let us = bench.log_in(&bench.ours.viewer);
    let mut seen = Vec::new();
    let mut target = "/api/v1/calls?limit=7".to_owned();
    loop {
        let page = bench.json(&us, &target);
        seen.extend(ids(&page));
        // One that ends now, and one that comes late and ended before all others.
        for ended_at in [NOON, NOON - 20 * HOUR] {
            number += 1;
            bench.store(&bench.ours, vec![call(noise, number, ended_at)]);
        }
        let Some(next) = page["next"].as_str() else { break };
        target = format!("/api/v1/calls?limit=7&cursor={next}");
        if number > 2000 {
            // Late ones come for ever: they were all seen so far.
            break;
        }
    }
    let unique: BTreeSet<_> = seen.iter().collect();
    assert_eq!(unique.len(), seen.len(), "a call came twice");
    for number in old {
        assert!(unique.contains(&bench.ours.id(number)), "call {number} did not come");
    }
}

#[test]
fn a_search_stops_at_its_limit_of_rows_and_goes_on_where_it_stopped() {
    let bench = Bench::new();
    let noise = &mut Noise(4);
    let cdrs = (1..=100).map(|number| call(noise, number, NOON - number * HOUR)).collect();
    bench.store(&bench.ours, cdrs);
    let scope = crate::auth::scope_of_test(bench.ours.customer);
    let span = visible(bench.now());
    let wanted = bench.ours.id(95);
    let wanted: CallId = wanted.parse().expect("an id");
    let late = |row: &Row<'_>| row.device == wanted.device && row.call_id.contains("0000005f@");
    let (mut after, mut pages, mut found) = (None, 0, Vec::new());
    loop {
        let bounds = Bounds { matches: 10, rows: 30 };
        let page =
            search::<Calls>(&bench.app.db, &scope, span, after, bounds, &late).expect("a page");
        pages += 1;
        found.extend(page.records.iter().map(|call| call.id));
        assert_eq!(page.partial, page.next.is_some());
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!((pages, found), (4, vec![wanted]));
}

#[test]
fn calls_of_25_days_are_not_shown_by_any_route() {
    let bench = Bench::new();
    let noise = &mut Noise(5);
    let cdr = answered(noise, 1, NOON - DAY, 30, 430);
    let newer = answered(noise, 2, NOON - DAY + 1, 30, 430);
    bench.store(&bench.ours, vec![cdr, newer]);
    bench.now.store(NOON + 24 * DAY, Ordering::SeqCst);
    let us = bench.log_in(&bench.ours.viewer);
    assert_eq!(numbers(&bench, &us, ""), BTreeSet::from([2]));
    assert_eq!(numbers(&bench, &us, "from=2026-01-01"), BTreeSet::from([2]));
    assert_eq!(bench.get(&us, &format!("/api/v1/calls/{}", bench.ours.id(1))).status, 404);
    assert_eq!(bench.get(&us, &format!("/api/v1/calls/{}", bench.ours.id(2))).status, 200);
    assert_eq!(text(bench.get(&us, "/api/v1/calls?format=csv")).lines().count(), 2);
    let stats = bench.json(&us, "/api/v1/stats?from=2026-01-01");
    assert_eq!(stats["calls"], 1);
}

#[test]
fn a_call_that_is_not_there_is_told_so() {
    let bench = Bench::new();
    let us = bench.log_in(&bench.ours.viewer);
    for id in [bench.ours.id(1).as_str(), "x", "1-2-3", "%2e%2e", "%ff", ""] {
        let (status, code, message) = error(bench.get(&us, &format!("/api/v1/calls/{id}")));
        assert_eq!((status, code.as_str()), (404, "not_found"), "{id}: {message}");
    }
}

#[test]
fn ndjson_is_the_list_with_a_line_for_each_call() {
    let bench = Bench::new();
    let noise = &mut Noise(6);
    let cdrs = (1..=130).map(|number| call(noise, number, NOON - number * SECOND)).collect();
    bench.store(&bench.ours, cdrs);
    let us = bench.log_in(&bench.ours.viewer);
    let response = bench.get(&us, "/api/v1/calls?format=ndjson&answered=true");
    assert_eq!(header(&response, "Content-Type"), Some("application/x-ndjson"));
    assert!(header(&response, "Content-Disposition").expect("a name").contains("calls.ndjson"));
    let text = text(response);
    let lines: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let list = bench.json(&us, "/api/v1/calls?limit=200&answered=true");
    assert_eq!(Value::Array(lines), list["calls"]);
    let headers = vec![
        ("cookie".to_owned(), us.cookie.clone()),
        ("accept".to_owned(), "application/x-ndjson".to_owned()),
    ];
    let asked = handle(&bench.app, &request("GET", "/api/v1/calls?answered=true", headers, ""));
    assert_eq!(super::text(asked), text);
}

#[test]
fn csv_streams_every_call_that_the_filter_finds() {
    let bench = Bench::new();
    let noise = &mut Noise(6);
    let mut cdrs: Vec<_> =
        (1..=450).map(|number| call(noise, number, NOON - number * HOUR / 4)).collect();
    cdrs[0].caller.display = Some("=HYPERLINK(\"http://evil\")".to_owned());
    cdrs[0].callee.display = Some("a,\r\n\"b\"".to_owned());
    bench.store(&bench.ours, cdrs);
    let us = bench.log_in(&bench.ours.viewer);
    let response = bench.get(&us, "/api/v1/calls?format=csv");
    assert_eq!(header(&response, "Content-Type"), Some("text/csv; charset=utf-8; header=present"));
    assert!(header(&response, "Content-Disposition").expect("a name").contains("calls.csv"));
    let csv = text(response);
    assert!(csv.starts_with("id,call_id,caller,"));
    assert!(csv.contains(",\"'=HYPERLINK(\"\"http://evil\"\")\","), "{}", &csv[..900]);
    assert!(csv.contains(",\"a,\r\n\"\"b\"\"\","));
    // The header, the calls, and the line break within a cell.
    assert_eq!(csv.lines().count(), 452);
    let headers = vec![
        ("cookie".to_owned(), us.cookie.clone()),
        ("accept".to_owned(), "text/csv;q=1, */*;q=0.1".to_owned()),
    ];
    let one = request("GET", "/api/v1/calls?status=486&from=2026-11-24", headers, "");
    let busy = text(handle(&bench.app, &one));
    let expected = numbers(&bench, &us, "status=486&from=2026-11-24&limit=200").len();
    assert_eq!(busy.lines().count(), expected + 1);
}

/// A key of the wrong length, and text that is no UTF-8.
fn damage_what_only_sqlite_lets(writer: &Connection) {
    let key = "INSERT INTO cdr_20261124 SELECT customer, x'01', boot, 7, ended_at, start_at, \
               arrived_at, CAST(x'ff' AS TEXT), caller, callee, addresses, status_code, ended_by, \
               answered, duration_us, mos, flags, legs, version, record FROM cdr_20261124 \
               WHERE number = 1";
    assert_eq!(writer.execute(key, []).expect("a row"), 1);
    let text = "UPDATE cdr_20261124 SET call_id = CAST(x'ff' AS TEXT) WHERE number = 6";
    assert_eq!(writer.execute(text, []).expect("changed"), 1);
}

#[test]
fn hostile_records_do_not_break_lists() {
    let bench = Bench::new();
    let noise = &mut Noise(7);
    let cdrs = (1..=6).map(|number| answered(noise, number, NOON - HOUR, 30, 430)).collect();
    bench.store(&bench.ours, cdrs);
    let writer = bench.app.db.writer();
    for (number, change) in [
        (1, "record = x'00ff'"),
        (2, "record = x'', version = 99"),
        (3, "ended_by = -7, status_code = 99999999, flags = -1, duration_us = -5"),
        (4, "duration_us = 9223372036854775807, mos = 9223372036854775807, record = x''"),
        (5, "start_at = -1, arrived_at = -1, record = x''"),
        (6, "duration_us = 9223372036854775807, addresses = ' no 1.2.3 '"),
    ] {
        let change = format!("UPDATE cdr_20261124 SET {change} WHERE number = {number}");
        assert_eq!(writer.execute(&change, []).expect("changed"), 1);
    }
    let caller = "UPDATE cdr_20261124 SET caller = ?1 WHERE number = 5";
    assert_eq!(writer.execute(caller, ["\0\u{1b}\n\u{202e}"]).expect("changed"), 1);
    if !is_postgres() {
        damage_what_only_sqlite_lets(&writer);
    }
    drop(writer);
    let us = bench.log_in(&bench.ours.viewer);
    assert_eq!(numbers(&bench, &us, "").len(), 6);
    for query in ["status=4xx", "ended_by=caller", "flag=nat", "address=0.0.0.0/0", "q=a"] {
        bench.json(&us, &format!("/api/v1/calls?{query}"));
    }
    for number in 1..=6 {
        let call = bench.json(&us, &format!("/api/v1/calls/{}", bench.ours.id(number)));
        if matches!(number, 1 | 2 | 4 | 5) {
            let sentence = call["findings"][0]["sentence"].as_str().expect("a sentence");
            assert!(sentence.contains("cannot be read"), "{sentence}");
        }
    }
    let csv = super::text(bench.get(&us, "/api/v1/calls?format=csv&caller=%2B*"));
    assert_eq!(csv.lines().count(), 6);
    assert_eq!(bench.json(&us, "/api/v1/stats")["calls"], 6);
}

/// A record whose clock was wrong is filed under its arrival, and shown so.
#[test]
fn a_call_from_the_future_is_listed_at_its_arrival() {
    let bench = Bench::new();
    let noise = &mut Noise(8);
    bench.store(&bench.ours, vec![answered(noise, 1, NOON + 400 * DAY, 30, 430)]);
    let us = bench.log_in(&bench.ours.viewer);
    let page = bench.json(&us, "/api/v1/calls");
    assert_eq!(page["calls"][0]["ended_at"], "2026-11-24T12:00:00.000000Z");
    assert_eq!(page["newest"], page["calls"][0]["ended_at"]);
}

#[test]
fn a_page_has_at_most_the_limit() {
    let bench = Bench::new();
    let noise = &mut Noise(9);
    let cdrs = (1..=201).map(|number| call(noise, number, NOON - number * SECOND)).collect();
    bench.store(&bench.ours, cdrs);
    let us = bench.log_in(&bench.ours.viewer);
    let page = bench.json(&us, &format!("/api/v1/calls?limit={MAX_LIMIT}"));
    assert_eq!(ids(&page).len(), MAX_LIMIT);
    let next = page["next"].as_str().expect("one more");
    let all = bench.json(&us, &format!("/api/v1/calls?limit={MAX_LIMIT}&to=2026-11-24T11:59:59Z"));
    assert_eq!((ids(&all).len(), &all["next"]), (MAX_LIMIT, &Value::Null));
    let last = bench.json(&us, &format!("/api/v1/calls?cursor={next}"));
    assert_eq!((ids(&last).len(), &last["next"]), (1, &Value::Null));
}

#[test]
fn the_legs_of_a_call_name_each_other() {
    let bench = Bench::new();
    let noise = &mut Noise(9);
    let mut first = answered(noise, 1, NOON - HOUR, 30, 430);
    first.call_id = "first@pbx".to_owned();
    // The sensor saw the first leg end before it knew of the others.
    let mut second = answered(noise, 2, NOON - HOUR + SECOND, 30, 420);
    let legs = Legs { source: LegSource::Header, key: "first@pbx".to_owned() };
    second.legs = Some(legs.clone());
    let mut long_ago = answered(noise, 3, NOON - 3 * DAY, 30, 420);
    long_ago.legs = Some(legs);
    let alone = answered(noise, 4, NOON - HOUR, 30, 430);
    bench.store(&bench.ours, vec![first, second, long_ago, alone]);
    let us = bench.log_in(&bench.ours.viewer);
    let others = |number| {
        let call = bench.json(&us, &format!("/api/v1/calls/{}", bench.ours.id(number)));
        let others = call["other_legs"].as_array().expect("legs").clone();
        others.iter().map(|leg| leg["id"].as_str().expect("an id").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(others(1), [bench.ours.id(2)]);
    assert_eq!(others(2), [bench.ours.id(1)]);
    assert_eq!((others(3), others(4)), (vec![], vec![]));
}

/// Whatever terms a filter has, its pages together are the calls that it accepts, in order.
#[test]
fn a_search_by_terms_finds_what_looking_at_every_call_finds() {
    let bench = Bench::new();
    let noise = &mut Noise(10);
    let cdrs: Vec<_> =
        (1..=300).map(|number| call(noise, number, NOON - number * 7 * 60 * SECOND)).collect();
    let (number, phone) = (cdrs[250].caller.user.clone(), cdrs[260].addresses[0].ip());
    bench.store(&bench.ours, cdrs);
    bench.store(&bench.theirs, (1..=50).map(|n| call(noise, n, NOON - n * SECOND)).collect());
    let us = bench.log_in(&bench.ours.viewer);
    let number = number.trim_start_matches('+');
    let (prefix, suffix) = (&number[..6], &number[number.len() - 2..]);
    for filter in [
        format!("number=%2B{number}"),
        format!("caller=%2B{prefix}*"),
        format!("number=*{suffix}"),
        format!("callee=1*,2*5,*{suffix}"),
        format!("address={phone}"),
        format!("address={phone}/28,198.51.100.1"),
        "status=486,5xx".to_owned(),
        "mos_below=2.5".to_owned(),
        "mos_above=4.3".to_owned(),
        format!("sensor={}", bench.ours.device),
        format!("address={phone}/26&mos_below=3&status=200"),
        format!("number=*{suffix}&from=2026-11-23T20:00:00Z&to=2026-11-24T03:00:00Z"),
        "number=nobody".to_owned(),
    ] {
        let pages = |filter: &str| {
            let (mut found, mut cursor) = (Vec::new(), String::new());
            loop {
                let page = bench.json(&us, &format!("/api/v1/calls?{filter}&limit=7{cursor}"));
                let calls = page["calls"].as_array().expect("calls");
                found.extend(calls.iter().map(|call| call["id"].to_string()));
                let Some(next) = page["next"].as_str() else { return found };
                cursor = format!("&cursor={next}");
            }
        };
        let by_terms = pages(&filter);
        of_an_earlier_schema(&bench, true);
        assert_eq!(by_terms, pages(&filter), "{filter}");
        of_an_earlier_schema(&bench, false);
    }
}

/// Days of a build before schema 9 have no terms.
fn of_an_earlier_schema(bench: &Bench, is_so: bool) {
    let writer = bench.app.db.writer();
    let change = if is_so { "DELETE FROM counted_day" } else { COUNTED };
    writer.execute(change, []).expect("changed");
}

const COUNTED: &str = "INSERT INTO counted_day VALUES ('cdr_20261123'), ('cdr_20261124')";
