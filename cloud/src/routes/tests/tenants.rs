//! Nobody reaches across customers, on any route.

use super::synthetic::{Noise, call};
use super::*;
use crate::alerts::evaluate::Evaluator;
use crate::routes::ROUTES;

/// Their things, asked for with our session, on every route that has an item, and everything that
/// the other routes answer.
#[test]
fn no_route_shows_or_changes_another_customers_things() {
    let bench = Bench::new();
    let mut noise = Noise(1);
    bench.store(&bench.ours, vec![call(&mut noise, 1, NOON - HOUR)]);
    let mut secret = call(&mut noise, 2, NOON - HOUR);
    secret.caller.user = "their-caller".to_owned();
    bench.store(&bench.theirs, vec![secret]);
    let phone = super::registrations::failing(3, NOON - HOUR, "their-caller", 401);
    bench.store(&bench.theirs, vec![phone]);
    let message = super::peers::refusing(4, NOON - HOUR, "their-caller", 404);
    bench.store(&bench.theirs, vec![message]);
    let us = bench.log_in(&bench.ours.admin);
    let them = bench.log_in(&bench.theirs.admin);
    let device = bench.theirs.device.to_string();
    let rule = serde_json::json!({ "text": "keep sip when caller = their-caller" });
    let rule_id = body(bench.post_json(&them, "/api/v1/rules", &rule))["id"].to_string();
    let wanted = serde_json::json!({ "name": "their-token" });
    let token = body(bench.post_json(&them, "/api/v1/api_tokens", &wanted));
    let token_id = token["id"].as_str().expect("an id").to_owned();
    bench.post(&them, "/api/v1/tokens");
    let made = bench.json(&them, "/api/v1/tokens");
    let enrolment = made["tokens"][0]["id"].as_str().expect("an id").to_owned();
    let (package, upgrade) = super::upgrades::begun(&bench, &them, &bench.theirs);
    let alerts = Alerts::of(&bench, &them);
    let before = things(&bench, &them);
    for route in ROUTES {
        let item = match route.path {
            path if path.contains("/alerts/{id}") => alerts.alert.clone(),
            path if path.contains("/alert_rules/{id}") => alerts.rule.clone(),
            path if path.contains("/alert_channels/{id}") => alerts.channel.clone(),
            path if path.contains("/alert_silences/{id}") => alerts.silence.clone(),
            path if path.contains("/rules/{id}") => rule_id.clone(),
            path if path.contains("/users/") => bench.theirs.viewer.replace('@', "%40"),
            path if path.starts_with("/api/v1/tokens/") => enrolment.clone(),
            path if path.contains("/packages/") => package.clone(),
            path if path.contains("/upgrades/") => upgrade.clone(),
            path if path.contains("/api_tokens/") => token_id.clone(),
            path if path.contains("/calls/") || path.contains("/captures/") => bench.theirs.id(2),
            path if path.contains("/registrations/") => bench.theirs.id(3),
            path if path.contains("/peers/") => bench.theirs.id(4),
            _ => device.clone(),
        };
        let has_item = route.path.contains('{');
        let target =
            route.path.replace("{device}", &item).replace("{id}", &item).replace("{call}", &item);
        let target = target.replace("{login}", &item);
        let target = target.replace("{transfer}", &"ab".repeat(16)).replace("{share}", "ab");
        // The description is nobody's, and compressed.
        let passed_over = ["/login", "/logout", "/openapi.json"];
        if passed_over.iter().any(|end| route.path.ends_with(end)) {
            continue;
        }
        let response = match route.method {
            "GET" => bench.get(&us, &target),
            // What a rule must be and nothing else must not be: so nobody is refused for the body.
            _ if route.path.contains("/rules") => {
                let ours = serde_json::json!({ "text": "keep sip when caller = ours" });
                bench.post_json(&us, &target, &ours)
            }
            _ => bench.post(&us, &target),
        };
        let status = response.status;
        if has_item {
            assert_eq!(status, 404, "{} {target}", route.method);
        }
        // The description is the same for all, and compressed.
        if response.park.is_some() || route.path.ends_with("/openapi.json") {
            continue;
        }
        let text = text(response);
        for theirs in
            ["Theirs", "their-caller", "their-token", "their-alert", "9.9.9", &device, &token_id]
        {
            assert!(!text.contains(theirs), "{} {target}: {text}", route.method);
        }
    }
    let filters = [format!("sensor={device}"), "caller=their-caller".to_owned()];
    for filter in filters {
        let found = bench.json(&us, &format!("/api/v1/calls?{filter}"));
        assert_eq!(found["calls"], serde_json::json!([]), "{filter}");
    }
    // Their number is not one of ours.
    assert_eq!(bench.get(&us, "/api/v1/calls?sensor=2").status, 400);
    for (list, lines) in [("calls", 2), ("registrations", 1), ("peers", 1)] {
        let csv = text(bench.get(&us, &format!("/api/v1/{list}?format=csv")));
        assert!(!csv.contains("their-caller") && csv.lines().count() == lines, "{csv}");
    }
    let sensor = bench.json(&them, &format!("/api/v1/sensors/{device}"));
    assert_ne!(sensor["state"], "revoked");
    assert_eq!(things(&bench, &them), before);
    let theirs = serde_json::json!({ "text": "keep sip", "sensors": [device] });
    assert_eq!(bench.post_json(&us, "/api/v1/rules", &theirs).status, 400);
}

/// One of each thing that alerts have, with its number.
struct Alerts {
    alert: String,
    rule: String,
    channel: String,
    silence: String,
}

impl Alerts {
    fn of(bench: &Bench, them: &Browser) -> Self {
        let id = |path: &str, thing: serde_json::Value| {
            let answer = bench.post_json(them, path, &thing);
            assert_eq!(answer.status, 201, "{path}");
            body(answer)["id"].to_string()
        };
        let channel = serde_json::json!({
            "name": "their-alert",
            "target": { "kind": "email", "to": ["their-alert@example.net"] },
        });
        let silence = serde_json::json!({
            "until": "2026-11-25T12:00:00Z",
            "reason": "their-alert",
            "sensor": bench.theirs.device.to_string(),
        });
        let rule = serde_json::json!({
            "name": "their-alert",
            "measure": "calls",
            "filter": "caller=their-caller",
            "side": "above",
            "threshold": 0,
            "window_minutes": 120,
        });
        let rule = id("/api/v1/alert_rules", rule);
        let events = Arc::clone(&bench.app.events);
        let db = Arc::clone(&bench.app.db);
        Evaluator::new(db, events, UnixMicros(NOON - DAY)).look(None, bench.now());
        let open = bench.json(them, "/api/v1/alerts");
        let opened = open["open"].as_array().expect("a list");
        let alert = opened.iter().find(|alert| alert["name"] == "their-alert");
        Self {
            alert: alert.expect("it fired")["id"].to_string(),
            rule,
            channel: id("/api/v1/alert_channels", channel),
            silence: id("/api/v1/alert_silences", silence),
        }
    }
}

/// What an administrator has, as lists show it.
fn things(bench: &Bench, who: &Browser) -> Vec<Value> {
    let lists = [
        "sensors",
        "rules",
        "api_tokens",
        "calls",
        "registrations",
        "peers",
        "tokens",
        "packages",
        "upgrades",
        "users",
        "retrieval",
        "alerts",
        "alert_rules",
        "alert_channels",
        "alert_silences",
    ];
    lists.iter().map(|list| bench.json(who, &format!("/api/v1/{list}"))).collect()
}

/// The other side of the table: without a session or a token every route that is about a customer
/// refuses, and says nothing of whether the thing is there.
#[test]
fn no_route_tells_a_stranger_anything() {
    let bench = Bench::new();
    let nobody = Browser { cookie: String::new(), csrf: String::new() };
    for route in ROUTES {
        let open =
            ["/api/v1/login", "/api/v1/openapi.json", "/api/v1/shared"].contains(&route.path);
        let device = bench.ours.device.to_string();
        for item in [device.as_str(), "none"] {
            let target = route.path.replace("{device}", item).replace("{id}", item);
            let response = match route.method {
                "GET" => bench.get(&nobody, &target),
                _ => bench.post(&nobody, &target),
            };
            let is_local = ["/healthz", "/metrics"].contains(&route.path);
            let refused = if is_local { 403 } else { 401 };
            assert!(open || response.status == refused, "{} {target}", route.method);
        }
    }
}

/// The same call at the same place of another customer does not end our paging.
#[test]
fn a_cursor_of_theirs_finds_only_ours() {
    let bench = Bench::new();
    let mut noise = Noise(2);
    for number in 1..=3 {
        bench.store(&bench.ours, vec![call(&mut noise, number, NOON - number * HOUR)]);
        bench.store(&bench.theirs, vec![call(&mut noise, number, NOON - number * HOUR)]);
    }
    let (us, them) = (bench.log_in(&bench.ours.viewer), bench.log_in(&bench.theirs.viewer));
    let theirs = bench.json(&them, "/api/v1/calls?limit=1");
    let next = theirs["next"].as_str().expect("more");
    let ours = bench.json(&us, &format!("/api/v1/calls?cursor={next}"));
    for call in ours["calls"].as_array().expect("calls") {
        assert_eq!(call["sensor"]["name"], "Ours box");
    }
}

#[test]
fn strangers_are_shown_to_those_who_are_near() {
    let bench = Bench::new();
    let failure = ringside_protocol::step::Failure::TokenUnknown;
    let note = |key: u8, address: &str| {
        let hello = hello([key; 32], address, bench.now());
        bench.app.db.note_stranger(&hello, address, Some(&failure), bench.now()).expect("noted");
    };
    note(10, "192.0.2.1:50000");
    note(11, "203.0.113.9:50000");
    note(12, "198.51.100.7");
    let set = "UPDATE sensor SET address = '198.51.100.7:1234' WHERE device = ?1";
    bench.app.db.writer().execute(set, [bench.ours.device.0]).expect("set");
    let us = bench.log_in(&bench.ours.admin);
    let shown = bench.json(&us, "/api/v1/strangers");
    let mut names: Vec<_> = shown["strangers"]
        .as_array()
        .expect("strangers")
        .iter()
        .map(|stranger| stranger["name"].as_str().expect("a name"))
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["192.0.2.1:50000", "198.51.100.7"]);
    assert_eq!(shown["strangers"][0]["failure"]["step"], "enrolment");
    bench
        .app
        .db
        .writer()
        .execute_batch(
            "DELETE FROM login_session; DELETE FROM enrolment_token WHERE customer = 2;
         DELETE FROM sensor WHERE customer = 2; DELETE FROM user WHERE customer = 2;
         DELETE FROM audit WHERE customer = 2; DELETE FROM customer WHERE customer = 2;",
        )
        .expect("one customer left");
    let us = bench.log_in(&bench.ours.admin);
    let all = bench.json(&us, "/api/v1/strangers");
    assert_eq!(all["strangers"].as_array().expect("strangers").len(), 3);
}
