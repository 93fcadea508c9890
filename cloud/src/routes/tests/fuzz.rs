//! Any address gets an answer: never a panic, never a 5xx, always with the headers that protect.

use proptest::prelude::*;

use super::synthetic::{Noise, call};
use super::*;
use crate::filter::{NAMES, PEER_NAMES, REGISTRATION_NAMES};
use crate::web::Site;

/// Paths that are nearly routes, with anything in their places.
fn targets() -> impl Strategy<Value = String> {
    let segment = prop_oneof![
        Just("api".to_owned()),
        Just("v1".to_owned()),
        Just("calls".to_owned()),
        Just("sensors".to_owned()),
        Just("stats".to_owned()),
        Just("tokens".to_owned()),
        Just("assets".to_owned()),
        Just("..".to_owned()),
        Just("%2e%2e%2f".to_owned()),
        "[ -~]{0,12}",
        "\\PC{0,6}",
    ];
    let name = prop_oneof![
        proptest::sample::select(NAMES).prop_map(str::to_owned),
        proptest::sample::select(REGISTRATION_NAMES).prop_map(str::to_owned),
        proptest::sample::select(PEER_NAMES).prop_map(str::to_owned),
        proptest::sample::select(&["from", "to", "limit", "cursor", "format", "since", "wait"][..])
            .prop_map(str::to_owned),
        "[ -~]{0,8}",
    ];
    let value = prop_oneof![
        "[ -~]{0,30}",
        "\\PC{0,20}",
        "[0-9!*,.x/:+%-]{0,30}",
        Just("486,4xx,!200".to_owned()),
        Just("10.0.0.0/8".to_owned()),
        Just("csv".to_owned()),
        Just("9".repeat(40)),
        Just("*".repeat(900)),
    ];
    let path = prop_oneof![
        proptest::collection::vec(segment, 0..6).prop_map(|parts| format!("/{}", parts.join("/"))),
        Just("/api/v1/calls".to_owned()),
        Just("/api/v1/registrations".to_owned()),
        Just("/api/v1/peers".to_owned()),
        Just("/api/v1/stats".to_owned()),
        Just("/api/v1/changes".to_owned()),
        "\\PC{0,20}",
    ];
    let query = proptest::collection::vec((name, value), 0..5).prop_map(|pairs| {
        pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
    });
    (path, query).prop_map(|(path, query)| format!("{path}?{query}"))
}

const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "get", ""];

#[test]
fn every_address_gets_an_answer() {
    let mut bench = Bench::new();
    bench.app.site = Site::new(&[("/index.html", b"page")]);
    let mut noise = Noise(1);
    let cdrs = (1..=30).map(|number| call(&mut noise, number, NOON - number * HOUR)).collect();
    bench.store(&bench.ours, cdrs);
    let us = bench.log_in(&bench.ours.admin);
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(target in targets(), method in proptest::sample::select(METHODS))| {
        let headers = vec![
            ("cookie".to_owned(), us.cookie.clone()),
            ("x-csrf-token".to_owned(), us.csrf.clone()),
        ];
        let response = handle(&bench.app, &request(method, &target, headers, "{}"));
        prop_assert!(response.status < 500, "{} {}: {}", method, target, response.status);
        prop_assert!(header(&response, "Content-Security-Policy").is_some());
        prop_assert_eq!(header(&response, "X-Content-Type-Options"), Some("nosniff"));
        // Whatever the answer, it can be read to its end.
        text(response);
    });
}

#[test]
fn any_body_of_a_login_gets_an_answer() {
    let bench = Bench::new();
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(body in "\\PC{0,80}", cookie in "\\PC{0,40}", token in "\\PC{0,40}")| {
        let headers = vec![
            ("content-type".to_owned(), "application/json".to_owned()),
            ("cookie".to_owned(), cookie),
            ("authorization".to_owned(), token),
        ];
        let login = request("POST", "/api/v1/login", headers.clone(), &body);
        prop_assert!(handle(&bench.app, &login).status < 500);
        let me = request("GET", "/api/v1/me", headers, "");
        prop_assert_eq!(handle(&bench.app, &me).status, 401);
    });
}
