//! A peer relation as JSON.

use serde_json::{Map, Value, json};

use super::{flag_names, millis};
use crate::cdr::CallId;
use crate::peer::Peer;

/// The whole peer relation. `id` is left out where there is none, as in `analyze`.
#[must_use]
pub fn peer(peer: &Peer, id: Option<CallId>) -> Map<String, Value> {
    let it = peer;
    let round_trip = |pick: fn(crate::peer::RoundTrip) -> u32| {
        it.round_trip.map(|round_trip| millis(u64::from(pick(round_trip))))
    };
    let at = |before| it.before_made(before).to_rfc3339();
    let mut object = Map::new();
    if let Some(id) = id {
        object.insert("id".to_owned(), json!(id.to_string()));
    }
    let [successes, redirections, client_errors, server_errors, global_failures] = it.answers;
    let changes = it
        .changes
        .iter()
        .map(|change| json!({ "at": at(change.before), "state": change.state.name() }));
    let fields = json!({
        "method": it.method.as_str(),
        "event": it.event,
        "from": it.from,
        "to": it.to,
        "state": it.state.name(),
        "state_at": at(it.state_since),
        "cause": it.cause.name(),
        "at": it.made_at().to_rfc3339(),
        "first_at": it.first_at.to_rfc3339(),
        "last_at": it.last_at().to_rfc3339(),
        "answered_at": it.answered_before.map(at),
        "src": it.src.to_string(),
        "dst": it.dst.to_string(),
        "transport": it.transport.as_str(),
        "vlan": it.vlan,
        "user_agent": it.user_agent,
        "peer_agent": it.peer_agent,
        "requests": it.requests,
        "answered": it.answered(),
        "unanswered": it.unanswered,
        "unanswered_in_a_row": it.unanswered_in_a_row,
        "retransmissions": it.retransmissions,
        "answers": {
            "2xx": successes,
            "3xx": redirections,
            "4xx": client_errors,
            "5xx": server_errors,
            "6xx": global_failures,
        },
        "status_code": it.status.as_ref().map(|status| status.code),
        "reason_phrase": it.status.as_ref().map(|status| status.phrase()),
        "has_credentials": it.has_credentials,
        "allow_events": it.allow_events,
        "round_trip_min_ms": round_trip(|it| it.min),
        "round_trip_mean_ms": round_trip(|it| it.mean),
        "round_trip_max_ms": round_trip(|it| it.max),
        "changes": changes.collect::<Value>(),
        "changes_omitted": it.changes_omitted,
        "flags": flag_names(it.flags),
    });
    if let Value::Object(fields) = fields {
        object.extend(fields);
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cdr::Status;
    use crate::peer::{Change, RoundTrip, State};
    use crate::time::UnixMicros;

    #[test]
    fn what_is_not_known_is_null() {
        let object = peer(&Peer::default(), None);
        for field in ["status_code", "round_trip_mean_ms", "answered_at", "event", "from", "vlan"] {
            assert_eq!(object[field], Value::Null, "{field}");
        }
        assert!(!object.contains_key("id"));
    }

    #[test]
    fn moments_and_figures_are_written_out() {
        let object = peer(
            &Peer {
                first_at: UnixMicros(1_000_000),
                last: 2_000_000,
                made: 9_000_000,
                state: State::Silent,
                state_since: 7_500_000,
                answered_before: Some(9_000_000),
                requests: 3,
                unanswered: 1,
                answers: [1, 0, 1, 0, 0],
                status: Some(Status { code: 489, reason_phrase: String::new() }),
                round_trip: Some(RoundTrip { min: 900, mean: 1_500, max: 2_000 }),
                changes: vec![Change { before: 7_500_000, state: State::Silent }],
                ..Peer::default()
            },
            None,
        );
        let text = |field: &str| object[field].as_str().expect("text").to_owned();
        assert_eq!(text("state_at"), "1970-01-01T00:00:02.500000Z");
        assert_eq!(text("last_at"), "1970-01-01T00:00:03.000000Z");
        assert_eq!(text("answered_at"), "1970-01-01T00:00:01.000000Z");
        assert_eq!((&object["answered"], &object["answers"]["4xx"]), (&json!(2), &json!(1)));
        assert_eq!(object["reason_phrase"], "Bad Event");
        assert_eq!(object["round_trip_mean_ms"], 1.5);
        assert_eq!(object["changes"][0]["state"], "silent");
    }
}
