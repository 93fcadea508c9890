//! Alerts over the API: what may be written, what is shown, who may.

use serde_json::json;

use super::synthetic::Noise;
use super::*;
use crate::alerts::evaluate::Evaluator;
use crate::routes::{MAX_ALERT_RULES, MAX_CHANNELS, MAX_SILENCES};

/// A rule that fires when there is a call within two hours.
pub(crate) fn any_call(name: &str) -> Value {
    json!({
        "name": name,
        "measure": "calls",
        "side": "above",
        "threshold": 0,
        "window_minutes": 120,
    })
}

pub(crate) fn look(bench: &Bench) {
    let events = Arc::clone(&bench.app.events);
    let db = Arc::clone(&bench.app.db);
    Evaluator::new(db, events, UnixMicros(NOON - DAY)).look(None, bench.now());
}

/// A rule that has fired, channels of each kind, and a silence.
pub(crate) fn one_of_each(bench: &Bench, us: &Browser) {
    assert_eq!(bench.post_json(us, "/api/v1/alert_rules", &any_call("Calls")).status, 201);
    let targets = [
        json!({ "kind": "email", "to": ["noc@example.net"], "server": {
            "host": "mail.example.net", "port": 587, "security": "starttls", "user": "u",
            "password": "a-password-of-a-test", "from": "ringside@example.net" } }),
        json!({ "kind": "webhook", "url": "https://example.net/made-for-a-test" }),
        json!({ "kind": "syslog", "host": "logs.example.net", "port": 514, "transport": "tcp" }),
    ];
    for target in targets {
        let channel = json!({ "name": "NOC", "target": target });
        assert_eq!(bench.post_json(us, "/api/v1/alert_channels", &channel).status, 201);
    }
    look(bench);
    let silence =
        json!({ "until": "2026-11-25T12:00:00Z", "sensor": bench.ours.device.to_string() });
    assert_eq!(bench.post_json(us, "/api/v1/alert_silences", &silence).status, 201);
}

#[test]
fn ready_made_rules_are_there_from_the_start_and_stay_deleted() {
    let bench = Bench::new();
    let us = bench.log_in(&bench.ours.admin);
    let rules = bench.json(&us, "/api/v1/alert_rules")["rules"].as_array().expect("a list").clone();
    assert!(rules.len() >= 10 && rules.iter().all(|rule| rule["is_enabled"] == true));
    let first = &rules[0]["id"];
    assert_eq!(bench.post(&us, &format!("/api/v1/alert_rules/{first}/delete")).status, 200);
    let left = bench.json(&us, "/api/v1/alert_rules");
    assert_eq!(left["rules"].as_array().expect("a list").len(), rules.len() - 1);
    assert!(bench.audit().iter().any(|(_, _, action)| action == "alert_rule.delete"));
}

#[test]
fn secrets_go_in_and_never_come_out() {
    let bench = Bench::new();
    let us = bench.log_in(&bench.ours.admin);
    one_of_each(&bench, &us);
    let listed = text(bench.get(&us, "/api/v1/alert_channels"));
    assert!(
        !listed.contains("a-password-of-a-test") && listed.contains("has_password\":true"),
        "{listed}"
    );
    // The address of a hook is shown to administrators, and is in no log.
    let mut logged = String::new();
    for (_, who, action) in bench.audit() {
        logged.push_str(&format!("{who} {action} "));
    }
    assert!(logged.contains("alert_channel.new"));
    let details: Vec<String> = {
        let reader = bench.app.db.reader();
        let mut statement = reader.prepare_cached("SELECT detail FROM audit").expect("a statement");
        let details = statement.query_map([], |row| row.get(0)).expect("entries");
        details.collect::<Result<_, _>>().expect("entries")
    };
    assert!(details.iter().all(|detail| !detail.contains("-a-test")), "{details:?}");
}

#[test]
fn a_hook_s_key_is_shown_once_and_kept_by_changes() {
    let bench = Bench::new();
    let us = bench.log_in(&bench.ours.admin);
    let hook =
        json!({ "name": "Hook", "target": { "kind": "webhook", "url": "https://example.net/" } });
    let made = body(bench.post_json(&us, "/api/v1/alert_channels", &hook));
    assert_eq!(made["secret"].as_str().map(str::len), Some(43));
    let changed = bench.post_json(&us, &format!("/api/v1/alert_channels/{}", made["id"]), &hook);
    assert!(body(changed).get("secret").is_none());
    let kept: String = bench
        .app
        .db
        .reader()
        .query_row("SELECT target FROM alert_channel", [], |row| row.get(0))
        .expect("a channel");
    assert!(kept.contains(made["secret"].as_str().expect("a key")));
}

#[test]
fn an_alert_is_acknowledged_by_anybody_and_silenced_by_administrators() {
    let bench = Bench::new();
    bench.store(&bench.ours, vec![synthetic::call(&mut Noise(1), 1, NOON - HOUR)]);
    let us = bench.log_in(&bench.ours.admin);
    let viewer = bench.log_in(&bench.ours.viewer);
    assert_eq!(bench.post_json(&us, "/api/v1/alert_rules", &any_call("Calls")).status, 201);
    look(&bench);
    let alerts = bench.json(&viewer, "/api/v1/alerts");
    let alert = &alerts["open"][0];
    assert_eq!((&alert["name"], &alert["state"]), (&json!("Calls"), &json!("open")));
    assert!(
        alert["link"].as_str().expect("a link").starts_with("/calls?from=2026-11-24T10:00:00Z")
    );
    assert_eq!(bench.json(&viewer, "/api/v1/alerts/count")["unseen"], 1);
    let path = format!("/api/v1/alerts/{}/acknowledge", alert["id"]);
    let seen = bench.post_json(&viewer, &path, &json!({ "note": "a trunk was moved" }));
    let seen = body(seen);
    assert_eq!(
        (&seen["state"], &seen["note"]),
        (&json!("acknowledged"), &json!("a trunk was moved"))
    );
    assert_eq!(seen["acknowledged_by"], json!(bench.ours.viewer));
    let count = bench.json(&viewer, "/api/v1/alerts/count");
    assert_eq!((&count["unseen"], &count["open"]), (&json!(0), &json!(1)));
    let silence = json!({ "until": "2026-11-25T12:00:00Z" });
    assert_eq!(bench.post_json(&viewer, "/api/v1/alert_silences", &silence).status, 403);
    assert_eq!(bench.post_json(&us, "/api/v1/alert_silences", &silence).status, 201);
    assert_eq!(bench.json(&us, "/api/v1/alerts")["open"][0]["is_silenced"], true);
    for until in ["2026-11-24T11:00:00Z", "2027-11-24T12:00:00Z", "soon"] {
        let silence = json!({ "until": until });
        assert_eq!(bench.post_json(&us, "/api/v1/alert_silences", &silence).status, 400, "{until}");
    }
}

#[test]
fn a_rule_is_tried_on_the_last_day() {
    let bench = Bench::new();
    let us = bench.log_in(&bench.ours.admin);
    let mut noise = Noise(1);
    for (number, ago) in [(1, 20 * HOUR), (2, 10 * HOUR), (3, HOUR / 2)] {
        bench.store(&bench.ours, vec![synthetic::call(&mut noise, number, NOON - ago)]);
    }
    let mut rule = any_call("Calls");
    rule["window_minutes"] = json!(60);
    let tried = body(bench.post_json(&us, "/api/v1/alert_rules/dry_run", &rule));
    assert_eq!((&tried["is_told"], &tried["fired"]), (&json!(true), &json!(3)), "{tried}");
    assert_eq!(tried["alerts"][0]["closed_at"], Value::Null);
    let offline = json!({
        "name": "Offline", "measure": "offline", "side": "above", "threshold": 5, "window_minutes": 5,
    });
    let tried = body(bench.post_json(&us, "/api/v1/alert_rules/dry_run", &offline));
    assert_eq!(tried["is_told"], false);
    assert_eq!(bench.json(&us, "/api/v1/alerts")["open"], json!([]));
}

#[test]
fn limits_of_rules_channels_and_silences() {
    let bench = Bench::new();
    let us = bench.log_in(&bench.ours.admin);
    let there = bench.json(&us, "/api/v1/alert_rules")["rules"].as_array().expect("a list").len();
    let channel = json!({ "name": "a", "target": { "kind": "email", "to": ["a@example.net"] } });
    let silence = json!({ "until": "2026-11-25T12:00:00Z" });
    for (path, thing, limit) in [
        ("/api/v1/alert_rules", any_call("a"), MAX_ALERT_RULES - there),
        ("/api/v1/alert_channels", channel, MAX_CHANNELS),
        ("/api/v1/alert_silences", silence, MAX_SILENCES),
    ] {
        for _ in 0..limit {
            assert_eq!(bench.post_json(&us, path, &thing).status, 201, "{path}");
        }
        assert_eq!(bench.post_json(&us, path, &thing).status, 409, "{path}");
    }
}

#[test]
fn nobody_reaches_this_machine_through_a_test() {
    let bench = Bench::new();
    let us = bench.log_in(&bench.ours.admin);
    for target in [
        json!({ "kind": "webhook", "url": "http://127.0.0.1:1/" }),
        json!({ "kind": "syslog", "host": "localhost", "port": 1, "transport": "tcp" }),
        json!({ "kind": "email", "to": ["a@example.net"], "server": {
            "host": "::1", "port": 25, "security": "none", "from": "r@example.net" } }),
    ] {
        let made = bench.post_json(
            &us,
            "/api/v1/alert_channels",
            &json!({ "name": "x", "target": target }),
        );
        let id = body(made)["id"].clone();
        let tested = body(bench.post(&us, &format!("/api/v1/alert_channels/{id}/test")));
        assert_eq!(tested["is_taken"], false);
        let step = &tested["steps"][0];
        assert_eq!(
            (&step["name"], &step["state"]),
            (&json!("lookup"), &json!("failed")),
            "{tested}"
        );
        assert!(step["sentence"].as_str().expect("text").contains("--alert-network"), "{tested}");
    }
}

#[test]
fn a_filter_that_means_nothing_and_a_channel_of_another_customer_are_refused() {
    let bench = Bench::new();
    let us = bench.log_in(&bench.ours.admin);
    let them = bench.log_in(&bench.theirs.admin);
    let channel = json!({ "name": "a", "target": { "kind": "email", "to": ["a@example.net"] } });
    let theirs = body(bench.post_json(&them, "/api/v1/alert_channels", &channel))["id"].clone();
    for (field, value) in [
        ("filter", json!("colour=red")),
        ("filter", json!("sensor=2")),
        ("channels", json!([theirs])),
        ("threshold", json!(-1)),
    ] {
        let mut rule = any_call("a");
        rule[field] = value;
        let (status, _, message) = error(bench.post_json(&us, "/api/v1/alert_rules", &rule));
        assert!(status == 400 && message.contains(field), "{field}: {message}");
    }
}
