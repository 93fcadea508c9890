//! Devices that wait with a claim code, as administrators find and accept them.

use ringside_protocol::claim::Code;
use serde_json::json;

use super::*;
use crate::claims::MAX_WRONG_CODES;
use crate::uplink::claim;

/// A device that waits; answers its fingerprint and the code that it shows.
fn wait(bench: &Bench, key: u8, name: &str) -> (Fingerprint, String) {
    let hello = hello([key; 32], name, bench.now());
    let (device, code) = (fingerprint(&hello.device_key), Code::of(&[key; 32]));
    let address = "198.51.100.7".parse().expect("an address");
    bench.app.claims.wait(device, &hello, code, address, bench.now()).expect("waits");
    (device, code.to_string())
}

#[test]
fn a_device_is_looked_at_and_then_accepted() {
    let bench = Bench::new();
    let us = bench.log_in(&bench.ours.admin);
    let (device, code) = wait(&bench, 40, "shop-12\u{1b}[31m");
    let typed = code.replace('-', " ").to_lowercase();
    let found = bench.post_json(&us, "/api/v1/claims", &json!({ "code": typed }));
    assert_eq!(found.status, 200);
    let found = body(found);
    assert_eq!(found["device"], device.to_string());
    assert_eq!(
        (&found["name"], &found["address"]),
        (&json!("shop-12 [31m"), &json!("198.51.100.7"))
    );
    assert_eq!((&found["software"], &found["arch"]), (&json!("0.1.0"), &json!("aarch64")));
    assert_eq!(bench.json(&us, "/api/v1/sensors")["sensors"].as_array().map(Vec::len), Some(1));

    bench.notebook.take();
    let wanted = json!({ "code": code, "device": device.to_string() });
    assert_eq!(bench.post_json(&us, "/api/v1/claims/accept", &wanted).status, 201);
    let woken = bench.notebook.take();
    assert!(woken.contains(&claim::key(device)), "{woken:?}");
    let joined = bench.json(&us, &format!("/api/v1/sensors/{device}"));
    assert_eq!(joined["state"], "never");
    let last = bench.audit().pop().expect("an entry");
    assert_eq!((last.1.as_str(), last.2.as_str()), (bench.ours.admin.as_str(), "sensor.claim"));
    let again = bench.post_json(&us, "/api/v1/claims", &json!({ "code": code }));
    assert_eq!(error(again).1, "not_found");
}

#[test]
fn every_way_to_miss_has_its_sentence() {
    let bench = Bench::new();
    let us = bench.log_in(&bench.ours.admin);
    let (device, code) = wait(&bench, 40, "a");
    let find = |code: &str| error(bench.post_json(&us, "/api/v1/claims", &json!({ "code": code })));
    assert_eq!((find("7KQX-M2A").0, find("7KQX-M2A").1.as_str()), (400, "bad_code"));
    assert!(find("7KQU-M2AB").2.contains("'U'"));
    assert!(find("0000-0000").2.contains("read it again"), "nobody shows it");
    let nothing = bench.post_json(&us, "/api/v1/claims", &json!({}));
    assert_eq!(error(nothing).1, "bad_body");
    let other = json!({ "code": code, "device": bench.ours.device.to_string() });
    assert_eq!(error(bench.post_json(&us, "/api/v1/claims/accept", &other)).1, "other_device");
    // Somebody else was faster.
    let them = bench.log_in(&bench.theirs.admin);
    let wanted = json!({ "code": code, "device": device.to_string() });
    assert_eq!(bench.post_json(&them, "/api/v1/claims/accept", &wanted).status, 201);
    wait(&bench, 40, "a");
    let late = error(bench.post_json(&us, "/api/v1/claims/accept", &wanted));
    assert_eq!((late.0, late.1.as_str()), (409, "has_owner"));
    assert!(!late.2.contains("Theirs"));
}

#[test]
fn codes_cannot_be_guessed_and_viewers_cannot_try() {
    let bench = Bench::new();
    let viewer = bench.log_in(&bench.ours.viewer);
    let (_, code) = wait(&bench, 40, "a");
    let shown = json!({ "code": code });
    assert_eq!(bench.post_json(&viewer, "/api/v1/claims", &shown).status, 403);
    let us = bench.log_in(&bench.ours.admin);
    for _ in 0..MAX_WRONG_CODES {
        let missed = bench.post_json(&us, "/api/v1/claims", &json!({ "code": "0000-0000" }));
        assert_eq!(missed.status, 404);
    }
    let limited = bench.post_json(&us, "/api/v1/claims", &shown);
    assert_eq!((limited.status, header(&limited, "Retry-After")), (429, Some("900")));
    bench.pass(900 * SECOND);
    wait(&bench, 40, "a");
    assert_eq!(bench.post_json(&us, "/api/v1/claims", &shown).status, 200);
}
