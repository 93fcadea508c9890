use ringside_protocol::cdr::{Cdr, Party, Stream};
use ringside_protocol::message::RuleText;
use serde_json::json;

use super::*;
use crate::db::rules::Applied;
use crate::uplink::poll;

const TEXT: &str = "\"Berlin\": keep sip, rtp when caller = +4930*";

fn make(bench: &Bench, browser: &Browser, body: &Value) -> Value {
    let response = bench.post_json(browser, "/api/v1/rules", body);
    let status = response.status;
    let body = super::body(response);
    assert_eq!(status, 201, "{body}");
    body
}

#[test]
fn a_rule_is_made_changed_and_deleted_and_each_is_in_the_audit_log() {
    let bench = Bench::new();
    let us = bench.log_in(&bench.ours.admin);
    let made = make(&bench, &us, &json!({ "text": "\"Berlin\":keep rtp,sip  when caller=+4930*" }));
    assert_eq!(
        (&made["text"], &made["name"]),
        (&json!(TEXT), &json!("Berlin")),
        "as it is printed"
    );
    let id = made["id"].as_u64().expect("a number");
    let target = format!("/api/v1/rules/{id}");
    let body = json!({ "text": "skip when one_way", "is_enabled": false });
    assert_eq!(bench.post_json(&us, &target, &body).status, 200);
    let listed = bench.json(&us, "/api/v1/rules");
    assert_eq!(listed["rules"][0]["text"], "skip when one_way");
    assert_eq!(listed["rules"][0]["is_enabled"], false);
    assert_eq!(bench.post(&us, &format!("{target}/delete")).status, 200);
    assert_eq!(bench.post(&us, &format!("{target}/delete")).status, 404);
    assert_eq!(bench.json(&us, "/api/v1/rules")["rules"], json!([]));
    let ours = Some(bench.ours.customer.0);
    let audit = bench.audit();
    for action in ["rule.new", "rule.change", "rule.delete"] {
        let entry = (ours, bench.ours.admin.clone(), action.to_owned());
        assert_eq!(audit.iter().filter(|found| **found == entry).count(), 1, "{action}");
    }
}

#[test]
fn sensors_are_woken_and_told_what_is_for_them() {
    let bench = Bench::new();
    let us = bench.log_in(&bench.ours.admin);
    let db = &bench.app.db;
    let (customer, device) = (bench.ours.customer, bench.ours.device);
    assert_eq!(db.rules_for(customer, device, 0).expect("asked"), None, "nobody has made rules");
    let other = join(db, customer, [9; 32], "other box", bench.now());
    let key = poll::key(device);
    let before = bench.app.sensors.generation(&key);
    let first = make(&bench, &us, &json!({ "text": TEXT }));
    let second = json!({ "text": "keep sip", "sensors": [other.to_string()] });
    let second = make(&bench, &us, &second);
    make(&bench, &us, &json!({ "text": "keep rtcp", "is_enabled": false }));
    assert_eq!(bench.app.sensors.generation(&key), before + 3);
    let told = |device| db.rules_for(customer, device, 0).expect("asked").expect("rules");
    let id = |rule: &Value| rule["id"].as_u64().expect("a number");
    let text = |rule: &Value, text: &str| RuleText { id: id(rule), text: text.to_owned() };
    assert_eq!(told(device).rules, [text(&first, TEXT)]);
    assert_eq!(told(other).rules, [text(&first, TEXT), text(&second, "keep sip")]);
    let version = told(device).version;
    assert_eq!(db.rules_for(customer, device, version).expect("asked"), None);

    // One of two sensors acknowledges, and refuses a rule.
    let applied = Applied { version, refused: vec![(id(&first), "too new".to_owned())] };
    assert!(db.note_rules(device, &applied, bench.now()).expect("noted"));
    assert!(!db.note_rules(device, &applied, bench.now()).expect("noted"), "no news");
    let listed = bench.json(&us, "/api/v1/rules");
    let sensors = listed["sensors"].as_array().expect("sensors");
    let applied: Vec<_> = sensors.iter().map(|sensor| sensor["is_applied"] == true).collect();
    assert_eq!(applied.iter().filter(|&&is| is).count(), 1, "{sensors:?}");
    let refused = sensors.iter().find(|sensor| sensor["is_applied"] == true).expect("one");
    assert_eq!(refused["refused"], json!([{ "rule": id(&first), "why": "too new" }]));
}

#[test]
fn rules_are_their_customer_s_alone() {
    let bench = Bench::new();
    let (us, them) = (bench.log_in(&bench.ours.admin), bench.log_in(&bench.theirs.admin));
    let made = make(&bench, &us, &json!({ "text": TEXT }));
    let target = format!("/api/v1/rules/{}", made["id"]);
    assert_eq!(bench.json(&them, "/api/v1/rules")["rules"], json!([]));
    let body = json!({ "text": "skip" });
    assert_eq!(bench.post_json(&them, &target, &body).status, 404);
    assert_eq!(bench.post(&them, &format!("{target}/delete")).status, 404);
    let foreign = json!({ "text": "keep sip", "sensors": [bench.ours.device.to_string()] });
    assert_eq!(error(bench.post_json(&them, "/api/v1/rules", &foreign)).1, "bad_parameter");
    let theirs = (bench.theirs.customer, bench.theirs.device);
    assert_eq!(bench.app.db.rules_for(theirs.0, theirs.1, 0).expect("asked"), None);
    let viewer = bench.log_in(&bench.ours.viewer);
    assert_eq!(bench.json(&viewer, "/api/v1/rules")["rules"][0]["text"], TEXT);
    assert_eq!(bench.post_json(&viewer, "/api/v1/rules", &body).status, 403);
}

#[test]
fn what_is_wrong_with_a_rule_is_said() {
    let bench = Bench::new();
    let us = bench.log_in(&bench.ours.admin);
    for (text, says) in [
        ("keep", "what to keep"),
        ("keep sip when caller +49", "at character 22"),
        ("keep sip when agent ~ /(/", "regular expression"),
    ] {
        for target in ["/api/v1/rules", "/api/v1/rules/dry_run"] {
            let (status, code, message) =
                error(bench.post_json(&us, target, &json!({ "text": text })));
            assert_eq!((status, code.as_str()), (400, "bad_rule"), "{text}");
            assert!(message.contains(says), "{text}: {message}");
        }
    }
}

#[test]
fn a_dry_run_tells_of_yesterday_s_calls() {
    let bench = Bench::new();
    let us = bench.log_in(&bench.ours.admin);
    let call = |number: u64, at: u64, caller: &str| Cdr {
        number,
        first_at: UnixMicros(at),
        ended: SECOND,
        call_id: format!("{number}@test"),
        caller: Party { user: caller.to_owned(), ..Party::default() },
        streams: vec![Stream { packets: 50, bytes: 8000, ..Stream::default() }],
        ..Cdr::default()
    };
    let yesterday = NOON - DAY;
    bench.store(
        &bench.ours,
        vec![
            call(1, yesterday, "+49301"),
            call(2, yesterday, "+49401"),
            call(3, NOON - HOUR, "+49302"),
            call(4, NOON - 2 * DAY, "+49303"),
        ],
    );
    let run = |text: &str| {
        let answer = bench.post_json(&us, "/api/v1/rules/dry_run", &json!({ "text": text }));
        assert_eq!(answer.status, 200);
        body(answer)
    };
    let found = run("keep rtp when caller = +4930*");
    assert_eq!(
        (&found["tried"], &found["matched"], &found["untold"]),
        (&json!(2), &json!(1), &json!(0))
    );
    assert_eq!(found["bytes"], 8000 + 50 * 54);
    assert_eq!(found["calls"][0]["id"], bench.ours.id(1));
    assert_eq!(run("keep rtp when header X exists")["untold"], 2);
    assert!(bench.json(&us, "/api/v1/rules")["rules"].as_array().expect("a list").is_empty());
}
