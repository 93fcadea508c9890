//! `GET /healthz` and `GET /metrics`, for programs that watch this one.

use core::fmt::{Display, Write};

use serde_json::json;

use super::reply::json_response;
use super::{Answer, ApiError, Context};
use crate::auth::Scope;
use crate::db::Customer;
use crate::db::sensors::Sensor;
use crate::front::{FrontCounters, FrontStats, HandshakeFailure, Refusal};
use crate::server::{Request, Response};
use crate::version;

/// Whether a request was made on this machine, and not handed on by a proxy that runs on it.
pub(super) fn is_local(request: &Request) -> bool {
    request.peer.ip().to_canonical().is_loopback() && !request.is_forwarded
}

pub(super) fn not_local() -> ApiError {
    let message = "Ask from the machine that ringside-cloud runs on, or with an API token as \
                   `Authorization: Bearer TOKEN`.";
    ApiError::new(403, "not_local", message)
}

pub(super) fn healthz(context: &Context<'_>, _: Option<&Scope>) -> Answer {
    let db = &context.app.db;
    db.reader().query_row("SELECT 1", [], |_| Ok(()))?;
    if db.trouble().is_some() {
        // Whether it has passed shows when something is written.
        // Its error is the trouble that is told below.
        let _ = db.remember("health", &context.now.0.to_be_bytes());
    }
    let trouble = db.trouble().map(|trouble| trouble.sentence);
    if let Some(sentence) = trouble {
        return Ok(json_response(503, &json!({ "status": "failing", "database": sentence })));
    }
    Ok(json_response(200, &json!({ "status": "ok" })))
}

/// Prometheus' text format. With a token: the figures of its customer, and none of the service.
pub(super) fn metrics(context: &Context<'_>, scope: Option<&Scope>) -> Answer {
    let db = &context.app.db;
    let customers: Vec<(Customer, String)> = db
        .customers()?
        .into_iter()
        .map(|row| (row.customer, row.name))
        .filter(|(customer, _)| scope.is_none_or(|scope| scope.customer() == *customer))
        .collect();
    let mut text = String::new();
    if scope.is_none() {
        service(context, &mut text);
    }
    let mut sensors = Vec::with_capacity(customers.len());
    for (customer, name) in &customers {
        sensors.push((name, db.list_sensors(Some(*customer))?));
    }
    head(&mut text, "ringside_sensors", "gauge", "Sensors by customer and whether online.");
    for (name, sensors) in &sensors {
        let online = sensors.iter().filter(|sensor| sensor.is_online(context.now)).count();
        for (state, count) in [("true", online), ("false", sensors.len() - online)] {
            let labels = [("customer", name.as_str()), ("online", state)];
            sample(&mut text, "ringside_sensors", &labels, count);
        }
    }
    head(&mut text, "ringside_channels", "gauge", "Calls in progress by customer.");
    for (name, sensors) in &sensors {
        let online = sensors.iter().filter(|sensor| sensor.is_online(context.now));
        let channels: u64 = online.map(channels).sum();
        sample(&mut text, "ringside_channels", &[("customer", name)], channels);
    }
    for (counter, help) in [
        ("cdrs_refused", "Records that no sensor can have made, refused."),
        ("batches_refused", "Batches that could not be read, refused."),
        ("batches_over_quota", "Batches that have to wait: the customer is at its quota of a day."),
        ("heartbeats_refused", "Heartbeats that could not be read, or not whole."),
        ("cdrs_expired", "Records that came after the retention and were not kept."),
        ("cdrs_misdated", "Records with an impossible time, filed under their arrival."),
    ] {
        let metric = format!("ringside_{counter}_total");
        head(&mut text, &metric, "counter", help);
        for (customer, name) in &customers {
            let count = db.counted(*customer, counter)?;
            sample(&mut text, &metric, &[("customer", name)], count);
        }
    }
    Ok(Response::bytes(200, "text/plain; version=0.0.4; charset=utf-8", text.into_bytes()))
}

fn service(context: &Context<'_>, text: &mut String) {
    head(text, "ringside_build_info", "gauge", "The version that runs, as a label.");
    sample(
        text,
        "ringside_build_info",
        &[("version", version::SOFTWARE), ("commit", version::COMMIT)],
        1,
    );
    head(text, "ringside_http_responses_total", "counter", "Answers to people, by status class.");
    for (class, count) in context.app.answers.all() {
        let class = format!("{class}xx");
        sample(text, "ringside_http_responses_total", &[("status", &class)], count);
    }
    head(text, "ringside_logins_failed_total", "counter", "Logins with a wrong password.");
    sample(text, "ringside_logins_failed_total", &[], context.app.logins.failed());
    head(text, "ringside_logins_limited_total", "counter", "Logins that came too often.");
    sample(text, "ringside_logins_limited_total", &[], context.app.logins.limited());
    if let Some(relay) = &context.app.relay {
        let (waiting, under_way) = relay.counts(context.now);
        head(text, "ringside_transfers", "gauge", "Downloads of calls from sensors, by state.");
        for (state, count) in [("waiting", waiting), ("under_way", under_way)] {
            sample(text, "ringside_transfers", &[("state", state)], count);
        }
    }
    fronts(&context.app.fronts, text);
}

/// What the listeners count: who is kept out shows here.
fn fronts(fronts: &[(&'static str, FrontCounters)], text: &mut String) {
    let fronts: Vec<_> = fronts.iter().map(|(port, counters)| (*port, counters.stats())).collect();
    for (name, kind, help, value) in FRONT_METRICS {
        let metric = format!("ringside_front_{name}");
        head(text, &metric, kind, help);
        for (port, stats) in &fronts {
            sample(text, &metric, &[("port", port)], value(stats));
        }
    }
    let metric = "ringside_front_refused_total";
    head(text, metric, "counter", "Requests and connections turned away, by port and reason.");
    for (port, stats) in &fronts {
        for refusal in Refusal::ALL {
            let labels = [("port", *port), ("reason", refusal.name())];
            sample(text, metric, &labels, stats.refused(refusal));
        }
    }
    let metric = "ringside_front_handshakes_failed_total";
    head(text, metric, "counter", "TLS handshakes that came to nothing, by port and reason.");
    for (port, stats) in &fronts {
        for failure in HandshakeFailure::ALL {
            let labels = [("port", *port), ("reason", failure.name())];
            sample(text, metric, &labels, stats.handshakes_failed(failure));
        }
    }
}

type FrontMetric = (&'static str, &'static str, &'static str, fn(&FrontStats) -> u64);

const FRONT_METRICS: &[FrontMetric] = &[
    ("connections", "gauge", "Connections by port.", |stats| stats.connections),
    ("parked", "gauge", "Long polls that wait.", |stats| stats.parked),
    ("queued", "gauge", "Requests that wait for a worker.", |stats| stats.queued),
    ("running", "gauge", "Requests with the workers.", |stats| stats.running),
    ("buffered_bytes", "gauge", "Bytes of requests held.", |stats| stats.buffered_bytes),
    ("accepted_total", "counter", "Connections accepted.", |stats| stats.accepted),
    ("requests_total", "counter", "Whole requests.", |stats| stats.requests),
    ("superseded_total", "counter", "Long polls that gave way to newer ones.", |stats| {
        stats.superseded
    }),
    ("stalled_total", "counter", "Clients cut because they took no answer.", |stats| stats.stalled),
];

/// Calls in progress, of the last heartbeat.
pub(super) fn channels(sensor: &Sensor) -> u64 {
    sensor.heartbeat.as_ref().map_or(0, |(_, heartbeat)| u64::from(heartbeat.channels))
}

fn head(text: &mut String, metric: &str, kind: &str, help: &str) {
    // Writing to a String cannot fail.
    let _ = write!(text, "# HELP {metric} {help}\n# TYPE {metric} {kind}\n");
}

fn sample(text: &mut String, metric: &str, labels: &[(&str, &str)], value: impl Display) {
    let labels: Vec<_> =
        labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escape(value))).collect();
    let labels =
        if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
    let _ = writeln!(text, "{metric}{labels} {value}");
}

fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
