//! A registration as JSON.

use serde_json::{Map, Value, json};

use super::{flag_names, millis, party};
use crate::cdr::CallId;
use crate::registration::Registration;

/// The whole registration. `id` is left out where there is none, as in `analyze`.
#[must_use]
pub fn registration(registration: &Registration, id: Option<CallId>) -> Map<String, Value> {
    let it = registration;
    let round_trip = |micros: Option<u32>| micros.map(|micros| millis(u64::from(micros)));
    let mut object = Map::new();
    if let Some(id) = id {
        object.insert("id".to_owned(), json!(id.to_string()));
    }
    let fields = json!({
        "state": it.state.name(),
        "state_seconds": it.state_seconds,
        "cause": it.cause.name(),
        "at": it.made_at().to_rfc3339(),
        "last_attempt_at": it.first_at.to_rfc3339(),
        "aor": party(&it.aor),
        "registrar": it.registrar,
        "contact": it.contact,
        "user_agent": it.user_agent,
        "registrar_agent": it.registrar_agent,
        "call_id": it.call_id,
        "transport": it.transport.as_str(),
        "src": it.src.to_string(),
        "dst": it.dst.to_string(),
        "vlan": it.vlan,
        "expires_asked_s": it.expires_asked,
        "expires_granted_s": it.expires_granted,
        "expires_at": it.expires_at().map(|at| at.to_rfc3339()),
        "min_expires_s": it.min_expires,
        "granted_seconds_ago": it.granted_seconds_ago,
        "status_code": it.status.as_ref().map(|status| status.code),
        "reason_phrase": it.status.as_ref().map(|status| status.phrase()),
        "is_challenged": it.is_challenged,
        "has_credentials": it.has_credentials,
        "is_wrong_password": it.is_wrong_password(),
        "round_trip_ms": round_trip(it.round_trip),
        "round_trip_max_ms": round_trip(it.round_trip_max),
        "granted": it.granted,
        "failures": it.failures,
        "failures_in_a_row": it.failures_in_a_row,
        "retransmissions": it.retransmissions,
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
    use crate::registration::State;

    #[test]
    fn what_is_not_known_is_null() {
        let object = registration(&Registration::default(), None);
        for field in ["status_code", "round_trip_ms", "expires_at", "expires_granted_s", "vlan"] {
            assert_eq!(object[field], Value::Null, "{field}");
        }
        assert!(!object.contains_key("id"));
    }

    #[test]
    fn a_refused_password_is_said_to_be_one() {
        let mut refused = Registration {
            state: State::Failing,
            has_credentials: true,
            status: Some(Status { code: 401, reason_phrase: String::new() }),
            round_trip: Some(12_345),
            ..Registration::default()
        };
        let object = registration(&refused, None);
        assert_eq!(
            (&object["is_wrong_password"], &object["round_trip_ms"]),
            (&json!(true), &json!(12.345))
        );
        assert_eq!(object["reason_phrase"], "Unauthorized");
        refused.has_credentials = false;
        assert_eq!(registration(&refused, None)["is_wrong_password"], false);
    }
}
