//! Somebody with masked numbers sees no whole number, on any route.

use super::synthetic::{Noise, answered, rejected};
use super::*;
use crate::db::rights::Rights;
use crate::routes::ROUTES;

const NUMBER: &str = "49301234567";
const MASKED: &str = "49301234***";

fn bench() -> Bench {
    let bench = Bench::new();
    let noise = &mut Noise(1);
    let mut cdrs = Vec::new();
    for number in 1..=4 {
        let mut cdr = rejected(noise, number, NOON - HOUR, 503);
        cdr.caller.user = NUMBER.to_owned();
        cdr.caller.display = Some(format!("Anna {NUMBER}"));
        cdr.request_uri = Some(format!("sip:{NUMBER}@pbx.example.net"));
        cdr.call_id = format!("{NUMBER}-{number}@pbx");
        cdr.dtmf = "4711".to_owned();
        cdrs.push(cdr);
    }
    bench.store(&bench.ours, cdrs);
    let mut other = answered(noise, 5, NOON - HOUR, 20, 250);
    other.callee.user = NUMBER.to_owned();
    bench.store(&bench.ours, vec![other]);
    bench.store(&bench.ours, vec![registrations::failing(6, NOON - HOUR, NUMBER, 401)]);
    bench.store(&bench.ours, vec![peers::refusing(7, NOON - HOUR, NUMBER, 404)]);
    bench
}

fn restrict(bench: &Bench, login: &str) -> Browser {
    let rights = Rights::named("packets share masked").expect("words");
    assert!(bench.app.db.set_rights(login, rights, "test", bench.now()).expect("set"));
    bench.log_in(login)
}

#[test]
fn no_route_shows_a_whole_number_to_whom_they_are_masked() {
    let bench = bench();
    let full = bench.log_in(&bench.ours.viewer);
    let rule = serde_json::json!({ "text": format!("keep sip when caller = {NUMBER}") });
    let admin = bench.log_in(&bench.ours.admin);
    assert_eq!(bench.post_json(&admin, "/api/v1/rules", &rule).status, 201);
    let us = restrict(&bench, &bench.ours.admin);
    let device = bench.ours.device.to_string();
    let mut shown = 0;
    for route in ROUTES.iter().filter(|route| route.method == "GET") {
        let number = match route.path {
            path if path.contains("/registrations/") => 6,
            path if path.contains("/peers/") => 7,
            _ => 1,
        };
        let id =
            if route.path.contains("/sensors/") { device.clone() } else { bench.ours.id(number) };
        let target =
            route.path.replace("{device}", &id).replace("{id}", &id).replace("{call}", &id);
        let formats: &[&str] = match route.path {
            "/api/v1/calls" | "/api/v1/registrations" | "/api/v1/peers" => {
                &["?format=json", "?format=csv", "?format=ndjson"]
            }
            "/api/v1/openapi.json" => continue,
            _ => &[""],
        };
        for format in formats {
            let response = bench.get(&us, &format!("{target}{format}"));
            if response.park.is_some() {
                continue;
            }
            let text = text(response);
            assert!(!text.contains(NUMBER), "{target}{format}: {text}");
            assert!(!text.contains("4711"), "{target}{format}: {text}");
            shown += usize::from(text.contains(MASKED));
        }
    }
    assert!(shown >= 10, "{shown} answers have numbers");
    let rule = bench.post_json(&us, "/api/v1/rules/dry_run", &rule);
    assert!(!text(rule).contains(NUMBER));
    let open = text(bench.get(&full, "/api/v1/calls"));
    assert!(open.contains(NUMBER), "others see them");
}

#[test]
fn masked_digits_cannot_be_guessed_one_by_one_and_packets_do_not_show_them() {
    let bench = bench();
    let us = restrict(&bench, &bench.ours.viewer);
    for query in [
        "calls?number=4930123456*",
        "calls?caller=!*7",
        "calls?q=4567",
        "stats?number=4930*",
        "registrations?user=4930*",
        "peers?user=4930*",
        "calls?format=csv&call_id=4930*",
    ] {
        let (status, code, _) = error(bench.get(&us, &format!("/api/v1/{query}")));
        assert_eq!((status, code.as_str()), (403, "masked"), "{query}");
    }
    let whole = bench.json(&us, &format!("/api/v1/calls?caller={NUMBER}"));
    assert_eq!(whole["calls"].as_array().expect("calls").len(), 4);
    let rights = serde_json::json!(["share", "masked"]);
    assert_eq!(bench.json(&us, "/api/v1/me")["user"]["rights"], rights);
    let about = bench.json(&us, &format!("/api/v1/captures/{}", bench.ours.id(1)));
    assert_eq!(about["rights"], serde_json::json!([]));
}
