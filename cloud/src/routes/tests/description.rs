use std::collections::BTreeSet;

use ringside_protocol::peer::{Change, State};

use super::*;
use crate::filter::{NAMES, PEER_NAMES, REGISTRATION_NAMES};
use crate::routes::ROUTES;
use crate::routes::openapi::DESCRIPTION;

fn description() -> Value {
    serde_json::from_str(DESCRIPTION).expect("JSON")
}

#[test]
fn every_route_is_described_and_nothing_else() {
    let description = description();
    let described: BTreeSet<_> = description["paths"]
        .as_object()
        .expect("paths")
        .iter()
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().expect("methods");
            methods.keys().map(move |method| (method.to_uppercase(), path.clone()))
        })
        .collect();
    let routed: BTreeSet<_> =
        ROUTES.iter().map(|route| (route.method.to_owned(), route.path.to_owned())).collect();
    assert_eq!(described, routed);
}

#[test]
fn every_filter_is_described_and_nothing_else() {
    const CALLS: &[&str] = &["from", "to", "limit", "cursor", "format", "views"];
    const LIST: &[&str] = &["from", "to", "limit", "cursor", "format"];
    let description = description();
    let lists = [
        ("/api/v1/calls", NAMES, CALLS),
        ("/api/v1/stats", NAMES, &["from", "to"]),
        ("/api/v1/overview", &[], &["from", "to"]),
        ("/api/v1/registrations", REGISTRATION_NAMES, LIST),
        ("/api/v1/peers", PEER_NAMES, LIST),
    ];
    for (path, names, others) in lists {
        let described: BTreeSet<_> = description["paths"][path]["get"]["parameters"]
            .as_array()
            .expect("parameters")
            .iter()
            .map(|parameter| resolved(&description, parameter)["name"].as_str().expect("a name"))
            .collect();
        let read: BTreeSet<_> = names.iter().chain(others).copied().collect();
        assert_eq!(described, read, "{path}");
    }
}

/// What the routes answer has the fields that the description requires, and no others.
#[test]
fn answers_are_as_described() {
    let bench = Bench::new();
    let mut noise = synthetic::Noise(3);
    let cdrs = (1..=5).map(|number| synthetic::call(&mut noise, number, NOON - number * HOUR));
    bench.store(&bench.ours, cdrs.collect());
    bench.store(&bench.ours, vec![registrations::failing(6, NOON - HOUR, "4711", 401)]);
    let mut peer = peers::refusing(7, NOON - HOUR, "305", 404);
    peer.changes.push(Change { before: SECOND, state: State::Silent });
    bench.store(&bench.ours, vec![peer]);
    let us = bench.log_in(&bench.ours.admin);
    let description = description();
    let targets = [
        ("/api/v1/me", "/api/v1/me".to_owned()),
        ("/api/v1/calls", "/api/v1/calls?limit=2&views=one".to_owned()),
        ("/api/v1/calls/{id}", format!("/api/v1/calls/{}", bench.ours.id(1))),
        ("/api/v1/registrations", "/api/v1/registrations".to_owned()),
        ("/api/v1/registrations/{id}", format!("/api/v1/registrations/{}", bench.ours.id(6))),
        ("/api/v1/peers", "/api/v1/peers".to_owned()),
        ("/api/v1/peers/{id}", format!("/api/v1/peers/{}", bench.ours.id(7))),
        ("/api/v1/sensors", "/api/v1/sensors".to_owned()),
        ("/api/v1/live", "/api/v1/live".to_owned()),
        ("/api/v1/stats", "/api/v1/stats".to_owned()),
        ("/api/v1/overview", "/api/v1/overview?from=2026-11-23".to_owned()),
        ("/api/v1/changes", "/api/v1/changes".to_owned()),
        ("/api/v1/tokens", "/api/v1/tokens".to_owned()),
        ("/api/v1/strangers", "/api/v1/strangers".to_owned()),
        ("/api/v1/audit", "/api/v1/audit".to_owned()),
        ("/api/v1/api_tokens", "/api/v1/api_tokens".to_owned()),
        ("/api/v1/rules", "/api/v1/rules".to_owned()),
        ("/api/v1/searches", "/api/v1/searches".to_owned()),
        ("/api/v1/calls/{id}/shares", format!("/api/v1/calls/{}/shares", bench.ours.id(1))),
        ("/api/v1/claims", "/api/v1/claims".to_owned()),
        ("/api/v1/users", "/api/v1/users".to_owned()),
        ("/api/v1/packages", "/api/v1/packages".to_owned()),
        ("/api/v1/upgrades", "/api/v1/upgrades".to_owned()),
        ("/api/v1/alerts", "/api/v1/alerts".to_owned()),
        ("/api/v1/alerts/count", "/api/v1/alerts/count".to_owned()),
        ("/api/v1/alert_rules", "/api/v1/alert_rules".to_owned()),
        ("/api/v1/alert_channels", "/api/v1/alert_channels".to_owned()),
        ("/api/v1/alert_silences", "/api/v1/alert_silences".to_owned()),
    ];
    let search = serde_json::json!({ "name": "Busy", "query": "status=486" });
    assert_eq!(bench.post_json(&us, "/api/v1/searches", &search).status, 201);
    let shares = format!("/api/v1/calls/{}/shares", bench.ours.id(1));
    assert_eq!(bench.post_json(&us, &shares, &serde_json::json!({})).status, 201);
    super::upgrades::begun(&bench, &us, &bench.ours);
    assert_eq!(bench.post(&us, "/api/v1/tokens").status, 201);
    let rule = serde_json::json!({ "text": "keep sip when caller = 1*" });
    assert_eq!(bench.post_json(&us, "/api/v1/rules", &rule).status, 201);
    super::alerts::one_of_each(&bench, &us);
    for (path, target) in targets {
        let schema = &description["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]
            ["schema"];
        check(&description, schema, &bench.json(&us, &target), path);
    }
}

/// What a reference names, or what stands there itself.
fn resolved<'a>(root: &'a Value, value: &'a Value) -> &'a Value {
    let name = value["$ref"].as_str().and_then(|name| name.strip_prefix('#'));
    name.map_or(value, |pointer| root.pointer(pointer).expect("it is there"))
}

fn check(root: &Value, schema: &Value, value: &Value, at: &str) {
    if let Some(name) = schema["$ref"].as_str() {
        let pointer = name.strip_prefix('#').expect("a local reference");
        return check(root, root.pointer(pointer).expect("a schema"), value, at);
    }
    if let Some(parts) = schema["allOf"].as_array() {
        let mut merged = serde_json::json!({ "type": "object", "required": [], "properties": {} });
        for part in parts {
            let pointer = part["$ref"].as_str().map(|name| &name[1..]);
            let part = pointer.map_or(part, |pointer| root.pointer(pointer).expect("a schema"));
            let properties = part["properties"].as_object().expect("properties").clone();
            merged["properties"].as_object_mut().expect("an object").extend(properties);
            let required = part["required"].as_array().expect("required").clone();
            merged["required"].as_array_mut().expect("a list").extend(required);
        }
        return check(root, &merged, value, at);
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        if value.is_null() {
            return;
        }
        let choice = choices.iter().find(|choice| choice["type"] != "null").expect("a choice");
        return check(root, choice, value, at);
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let allowed: Vec<_> = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        kind => kind.as_str().into_iter().collect(),
    };
    let fits = allowed.contains(&kind) || (kind == "integer" && allowed.contains(&"number"));
    assert!(fits, "{at} is {kind}, not {allowed:?}");
    if let (Some(choices), false) = (schema["enum"].as_array(), value.is_null()) {
        assert!(choices.contains(value), "{at}: {value}");
    }
    if let Value::Array(items) = value {
        for item in items {
            check(root, &schema["items"], item, &format!("{at}[]"));
        }
    }
    if let (Value::Object(fields), Some(properties)) = (value, schema["properties"].as_object()) {
        for name in schema["required"].as_array().expect("required") {
            let name = name.as_str().expect("a name");
            assert!(fields.contains_key(name), "{at} has no {name}");
        }
        for (name, field) in fields {
            let schema = properties.get(name);
            let schema = schema.unwrap_or_else(|| panic!("{at}.{name} is not described"));
            check(root, schema, field, &format!("{at}.{name}"));
        }
    }
}
