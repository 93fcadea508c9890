use ringside_protocol::cdr::Stored;
use ringside_protocol::retrieval::{KeptCall, KeptSize};
use ringside_protocol::time::MICROS_PER_SECOND;

use super::synthetic::{Noise, call};
use super::*;

/// Ours has call 1, which no rule has kept and which ended a minute ago, and call 2, which one has.
fn bench() -> Bench {
    let bench = Bench::new();
    let mut noise = Noise(5);
    let mut ruled = call(&mut noise, 2, NOON - HOUR);
    ruled.stored = Some(Stored { packets: 9, ..Stored::default() });
    bench.store(&bench.ours, vec![call(&mut noise, 1, NOON - HOUR), ruled]);
    super::sensors::beat(&bench, &super::sensors::heartbeat(&bench, &[]));
    bench
}

fn path(bench: &Bench, number: u64) -> String {
    format!("/api/v1/captures/{}/keep", bench.ours.id(number))
}

fn terms(bench: &Bench, who: &Browser, change: &Value) -> Response {
    bench.post_json(who, "/api/v1/retrieval", change)
}

fn code(response: Response) -> (u16, String) {
    let (status, code, _) = error(response);
    (status, code)
}

/// Until so many microseconds after the end of call 1.
fn hold(bench: &Bench, us: &Browser, minutes: u16) {
    let change = serde_json::json!({ "recent_minutes": minutes });
    assert_eq!(terms(bench, us, &change).status, 200);
}

#[test]
fn a_call_is_kept_while_its_sensor_holds_it_and_is_then_as_any_other() {
    let bench = bench();
    let us = bench.log_in(&bench.ours.admin);
    let keep = |who: &Browser, number| bench.post(who, &path(&bench, number));
    assert_eq!(code(keep(&us, 1)), (409, "not_kept".to_owned()), "nothing is held");
    hold(&bench, &us, 5);
    assert_eq!(code(keep(&us, 2)), (409, "kept".to_owned()));
    assert_eq!(code(keep(&us, 1)), (409, "let_go".to_owned()), "it ended an hour ago");
    let viewer = bench.log_in(&bench.ours.viewer);
    assert_eq!(code(keep(&viewer, 1)), (403, "forbidden".to_owned()));
    hold(&bench, &us, 60);
    let about = |bench: &Bench| {
        bench.json(&us, &format!("/api/v1/captures/{}", bench.ours.id(1)))["keep"].clone()
    };
    let waiting = keep(&us, 1).park.expect("it waits for the sensor");
    assert_eq!(about(&bench)["state"], "asked");
    let (customer, device) = (bench.ours.customer, bench.ours.device);
    assert!(bench.notebook.take().contains(&crate::uplink::poll::key(device)), "which is told");
    let due = bench.app.db.due_claims(customer, device, bench.now()).expect("asked");
    assert_eq!((due.len(), due[0].who.as_str()), (1, "admin@Ours"));
    let size = KeptSize { packets: 4100, bytes: 812_000 };
    let kept = KeptCall { call: due[0].call, kept: Some(size) };
    assert!(bench.app.db.answer_claim(customer, &kept).expect("noted"));
    bench.app.relay.as_ref().expect("a relay").wake_keeping(kept.call);
    assert!(bench.notebook.take().contains(&waiting.key), "the browser is told");
    let said = keep(&us, 1);
    assert_eq!((said.status, &body(said)["packets"]), (200, &serde_json::json!(4100)));
    assert_eq!(
        (&about(&bench)["state"], &about(&bench)["who"]),
        (&serde_json::json!("kept"), &serde_json::json!("admin@Ours"))
    );
    // From now on it can be had as one that a rule has kept.
    let mut key = [7; 65];
    key[0] = 4;
    let key = data_encoding::BASE64.encode(&key);
    let ask = serde_json::json!({ "action": "packets", "key": key });
    let asked = bench.post_json(&us, &format!("/api/v1/captures/{}", bench.ours.id(1)), &ask);
    assert_eq!(asked.status, 201);
    let log = bench.json(&us, "/api/v1/audit");
    let actions: Vec<_> = log["entries"]
        .as_array()
        .expect("entries")
        .iter()
        .filter_map(|entry| entry["action"].as_str())
        .collect();
    let uses = |name: &str| actions.iter().filter(|action| **action == name).count();
    assert_eq!((uses("capture.keep"), uses("customer.retrieval")), (1, 2), "{actions:?}");
    let them = bench.log_in(&bench.theirs.admin);
    assert_eq!(code(keep(&them, 1)).0, 404);
}

#[test]
fn a_call_that_the_sensor_has_let_go_says_so() {
    let bench = bench();
    let us = bench.log_in(&bench.ours.admin);
    hold(&bench, &us, 60);
    assert!(bench.post(&us, &path(&bench, 1)).park.is_some());
    let due = bench.app.db.due_claims(bench.ours.customer, bench.ours.device, bench.now());
    let call = due.expect("asked")[0].call;
    let gone = KeptCall { call, kept: None };
    assert!(bench.app.db.answer_claim(bench.ours.customer, &gone).expect("noted"));
    let about = bench.json(&us, &format!("/api/v1/captures/{}", bench.ours.id(1)));
    assert_eq!(about["keep"]["state"], "gone");
    bench.pass(10 * 60 * MICROS_PER_SECOND);
    assert_eq!(code(bench.post(&us, &path(&bench, 1))), (409, "let_go".to_owned()));
}

#[test]
fn terms_are_changed_by_administrators_one_by_one_and_sensors_hear_of_them() {
    let bench = bench();
    let (us, viewer) = (bench.log_in(&bench.ours.admin), bench.log_in(&bench.ours.viewer));
    let usual = serde_json::json!({
        "asks_reason": false, "relay": true, "direct": true, "live": false, "recent_minutes": 0,
        "rights": ["packets", "audio"],
    });
    assert_eq!(bench.json(&us, "/api/v1/retrieval"), usual);
    assert_eq!(bench.json(&viewer, "/api/v1/retrieval")["rights"], serde_json::json!([]));
    let live = serde_json::json!({ "live": true });
    assert_eq!(code(terms(&bench, &viewer, &live)), (403, "not_admin".to_owned()));
    let said = body(terms(&bench, &us, &live));
    assert_eq!(
        (&said["live"], &said["direct"]),
        (&serde_json::json!(true), &serde_json::json!(true))
    );
    let version = || {
        let rules = bench.app.db.rules_for(bench.ours.customer, bench.ours.device, u64::MAX);
        let rules = rules.expect("asked").expect("another version");
        (rules.version, rules.recent_minutes)
    };
    let before = version();
    hold(&bench, &us, 10);
    assert_eq!((version().0 > before.0, version().1), (true, 10));
    for wrong in [
        serde_json::json!({ "recent_minutes": 61 }),
        serde_json::json!({ "recent_minutes": -1 }),
        serde_json::json!({ "live": "yes" }),
        serde_json::json!({ "more": true }),
    ] {
        assert_eq!(terms(&bench, &us, &wrong).status, 400, "{wrong}");
    }
}

#[test]
fn calls_in_progress_need_the_right_and_the_customer_s_word() {
    let bench = bench();
    let us = bench.log_in(&bench.ours.admin);
    let mut key = [7; 65];
    key[0] = 4;
    let key = data_encoding::BASE64.encode(&key);
    let ask = || {
        let body = serde_json::json!({ "action": "live", "key": key });
        bench.post_json(&us, &format!("/api/v1/captures/{}", bench.ours.id(99)), &body)
    };
    assert_eq!(code(ask()), (403, "forbidden".to_owned()));
    let all = crate::db::rights::Rights {
        packets: true,
        audio: true,
        live: true,
        ..crate::db::rights::Rights::default()
    };
    assert!(bench.app.db.set_rights(&us_login(&bench), all, "test", bench.now()).expect("set"));
    assert_eq!(code(ask()), (403, "live_forbidden".to_owned()));
    let about = |bench: &Bench| {
        bench.json(&us, &format!("/api/v1/captures/{}", bench.ours.id(1)))["rights"].clone()
    };
    assert_eq!(about(&bench), serde_json::json!(["packets", "audio"]));
    assert_eq!(terms(&bench, &us, &serde_json::json!({ "live": true })).status, 200);
    assert_eq!(ask().status, 201, "it has no record yet");
    assert_eq!(about(&bench), serde_json::json!(["packets", "audio", "live"]));
    let log = bench.json(&us, "/api/v1/audit");
    assert_eq!(log["entries"][0]["action"], "capture.live");
}

fn us_login(bench: &Bench) -> String {
    bench.ours.admin.clone()
}
