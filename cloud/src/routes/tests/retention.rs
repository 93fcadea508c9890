use std::sync::atomic::AtomicBool;

use super::synthetic::{Noise, answered};
use super::*;
use crate::retention::expire;

#[test]
fn a_number_is_erased_from_lists_figures_and_terms_and_nobody_elses_is() {
    let bench = Bench::new();
    let noise = &mut Noise(1);
    let mut calls = |customer: &Tenant| {
        let of = |number: u64, noise: &mut Noise| {
            let mut cdr = answered(noise, number, NOON - number * HOUR, 60, 400);
            if number.is_multiple_of(3) {
                cdr.caller.user = "+49301234567".to_owned();
            }
            cdr
        };
        let cdrs: Vec<_> = (1..=30).map(|number| of(number, noise)).collect();
        bench.store(customer, cdrs);
        let phone = super::registrations::failing(31, NOON - HOUR, "+49301234567", 401);
        bench.store(customer, vec![phone]);
    };
    calls(&bench.ours);
    calls(&bench.theirs);
    let (us, them) = (bench.log_in(&bench.ours.admin), bench.log_in(&bench.theirs.admin));
    let found = |who: &Browser| {
        let list = bench.json(who, "/api/v1/calls?number=%2B49301234567&limit=100");
        let stats = bench.json(who, "/api/v1/stats?from=2026-11-20");
        let phones = bench.json(who, "/api/v1/registrations?history=true");
        let length = |list: &Value| list.as_array().map_or(0, Vec::len);
        (length(&list["calls"]), stats["calls"].clone(), length(&phones["registrations"]))
    };
    assert_eq!(found(&us), (10, 30.into(), 1));
    let wanted = serde_json::json!({ "number": "+49301234567" });
    let erased = body(bench.post_json(&us, "/api/v1/erasures", &wanted));
    assert_eq!(erased, serde_json::json!({ "calls": 10, "registrations": 1 }));
    assert_eq!(found(&us), (0, 20.into(), 0));
    assert_eq!(found(&them), (10, 30.into(), 1));
    let audit = bench.json(&us, "/api/v1/audit");
    assert_eq!(audit["entries"][0]["action"], "number.erase");
    assert!(!audit.to_string().contains("49301234567"), "{audit}");
    let by_row = bench.json(&us, "/api/v1/stats?from=2026-11-20&call_id=*");
    assert_eq!(by_row["calls"], 20);
    let viewer = bench.log_in(&bench.ours.viewer);
    assert_eq!(bench.post_json(&viewer, "/api/v1/erasures", &wanted).status, 403);
}

#[test]
fn each_run_of_the_retention_is_shown_with_what_it_left() {
    let bench = Bench::new();
    let noise = &mut Noise(2);
    bench.store(&bench.ours, vec![answered(noise, 1, NOON - HOUR, 60, 400)]);
    bench.pass(27 * DAY);
    let db = &bench.app.db;
    let expired = expire(db, bench.now(), &AtomicBool::new(false)).expect("ran");
    assert_eq!(expired.records, 1);
    let us = bench.log_in(&bench.ours.viewer);
    let shown = bench.json(&us, "/api/v1/retention");
    assert_eq!(shown["days"], 25);
    assert_eq!(shown["runs"][0]["late_days"], 0);
    assert_eq!(shown["runs"][0]["gone_until"], shown["visible_after"]);
}
