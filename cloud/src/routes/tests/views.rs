//! A call that several sensors see, or that has several legs, is one row.

use ringside_protocol::cdr::{Cdr, LegSource, Legs};

use super::synthetic::{Noise, answered};
use super::*;

/// A call of 60 s that ended at `at`, by its Call-ID.
fn seen(number: u64, call_id: &str, at: u64, mos: u16) -> Cdr {
    let mut cdr = answered(&mut Noise(number), number, at, 60, mos);
    cdr.call_id = call_id.to_owned();
    cdr
}

fn leg_of(mut cdr: Cdr, key: &str) -> Cdr {
    cdr.legs = Some(Legs { source: LegSource::Header, key: key.to_owned() });
    cdr
}

/// Numbers of the calls that a list shows, each with those of its other views.
fn shown(bench: &Bench, us: &Browser, query: &str) -> Vec<(u64, Vec<u64>)> {
    let number = |id: &Value| -> u64 {
        let id = id.as_str().expect("an id");
        id.rsplit('-').next().expect("a number").parse().expect("a number")
    };
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let list = bench.json(us, &format!("/api/v1/calls?views=one&{query}{cursor}"));
        for call in list["calls"].as_array().expect("calls") {
            let views = call["views"].as_array().expect("views");
            let mut views: Vec<_> = views.iter().map(|view| number(&view["id"])).collect();
            views.sort_unstable();
            found.push((number(&call["id"]), views));
        }
        let Some(next) = list["next"].as_str() else { return found };
        cursor = format!("&cursor={next}");
    }
}

fn bench() -> (Bench, Browser) {
    let bench = Bench::new();
    let at = |seconds: u64| NOON - HOUR + seconds * SECOND;
    bench.store(
        &bench.ours,
        vec![
            // Three records of one call, of two legs.
            seen(1, "a@pbx", at(0), 430),
            seen(2, "a@pbx", at(1), 250),
            leg_of(seen(3, "b@pbx", at(2), 430), "a@pbx"),
            // The same Call-ID an hour later is another call.
            seen(4, "a@pbx", at(1800), 430),
            seen(5, "c@pbx", at(900), 430),
        ],
    );
    bench.store(&bench.theirs, vec![seen(6, "c@pbx", at(900), 430)]);
    let us = bench.log_in(&bench.ours.viewer);
    (bench, us)
}

#[test]
fn records_of_one_call_are_one_row_on_whichever_page() {
    let (bench, us) = bench();
    let rows = vec![(4, vec![]), (5, vec![]), (3, vec![1, 2])];
    for limit in [1, 2, 3, 50] {
        assert_eq!(shown(&bench, &us, &format!("limit={limit}")), rows, "{limit} a page");
    }
    let list = bench.json(&us, "/api/v1/calls?views=one");
    assert_eq!((&list["records"], list["calls"].as_array().expect("calls").len()), (&5.into(), 3));
    let each = bench.json(&us, "/api/v1/calls?views=each");
    assert_eq!(each["calls"].as_array().expect("calls").len(), 5);
    assert_eq!(bench.get(&us, "/api/v1/calls?views=some").status, 400);
    assert_eq!(bench.get(&us, "/api/v1/peers?views=one").status, 400);
}

#[test]
fn of_a_call_the_newest_record_that_the_filter_finds_stands_for_it() {
    let (bench, us) = bench();
    assert_eq!(shown(&bench, &us, "mos_below=3"), [(2, vec![1, 3])]);
    assert_eq!(shown(&bench, &us, "call_id=a@pbx"), [(4, vec![]), (2, vec![1, 3])]);
    let to = "2026-11-24T11:00:01Z";
    assert_eq!(shown(&bench, &us, &format!("to={to}")), [(1, vec![2, 3])]);
    assert_eq!(shown(&bench, &us, "number=nobody"), []);
}
