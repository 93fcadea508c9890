//! A call as JSON: what `ringside-sensor analyze --format json` prints and the cloud's API answers.
//!
//! A thing that did not happen is null, never 0; times are RFC 3339 in UTC with microseconds.

mod peer;
mod registration;

pub use peer::peer;
pub use registration::registration;

use serde_json::{Map, Value, json};

mod stream;

pub use stream::observed_names;
use stream::{direction, stream_object};

use crate::band::Band;
use crate::cdr::{
    CallId, Cdr, EndedBy, Offset, Party, QualityReport, ReportKind, Score, SipMessage, Stream,
    flags,
};
use crate::record::Record;

/// A record of any kind. `id` is left out where there is none, as in `analyze`.
#[must_use]
pub fn record(record: &Record, id: Option<CallId>) -> Value {
    match record {
        Record::Call(cdr) => call(cdr, id),
        Record::Registration(it) => Value::Object(registration(it, id)),
        Record::Peer(it) => Value::Object(peer(it, id)),
    }
}

/// The whole call. `id` is left out where there is none, as in `analyze`.
#[must_use]
pub fn call(cdr: &Cdr, id: Option<CallId>) -> Value {
    let mut object = summary(cdr, id);
    object.insert("sip".to_owned(), sip(cdr));
    object.insert("sip_omitted".to_owned(), json!(cdr.sip_omitted));
    object.insert(
        "streams".to_owned(),
        cdr.streams.iter().map(|stream| stream_object(cdr, stream)).collect(),
    );
    object.insert("streams_omitted".to_owned(), json!(cdr.streams_omitted));
    let reports = cdr.quality_reports.iter().map(|report| quality_report(cdr, report));
    object.insert("quality_reports".to_owned(), reports.collect());
    Value::Object(object)
}

/// The call without its ladder and streams, as lists of calls show it.
#[must_use]
pub fn summary(cdr: &Cdr, id: Option<CallId>) -> Map<String, Value> {
    let at = |offset: Option<Offset>| offset.map(|offset| cdr.first_at.plus(offset).to_rfc3339());
    let adaptive = cdr.worst(|stream| stream.adaptive);
    let mos_with = |pick: fn(&Stream) -> Option<Score>| {
        cdr.worst(pick).map(|(score, _)| hundredths(score.mos))
    };
    let mut object = Map::new();
    if let Some(id) = id {
        object.insert("id".to_owned(), json!(id.to_string()));
    }
    let fields = json!({
        "call_id": cdr.call_id,
        "caller": party(&cdr.caller),
        "callee": party(&cdr.callee),
        "request_uri": cdr.request_uri,
        "src": address(cdr, cdr.src),
        "dst": address(cdr, cdr.dst),
        "first_at": cdr.first_at.to_rfc3339(),
        "start_at": at(cdr.start),
        "ringing_at": at(cdr.ringing),
        "answered_at": at(cdr.answered),
        "ended_at": cdr.ended_at().to_rfc3339(),
        "session_request_delay_ms": cdr.session_request_delay.map(millis),
        "setup_ms": cdr.setup().map(millis),
        "duration_ms": cdr.duration().map(millis),
        "status_code": cdr.status.as_ref().map(|status| status.code),
        "reason_phrase": cdr.status.as_ref().map(|status| status.phrase()),
        "q850_cause": cdr.q850_cause,
        "ended_by": ended_by(cdr.ended_by),
        "caller_agent": cdr.caller_agent,
        "callee_agent": cdr.callee_agent,
        "dtmf": (!cdr.dtmf.is_empty()).then_some(&cdr.dtmf),
        "flags": flag_names(cdr.flags),
        "vlan": cdr.vlan,
        "retransmissions": cdr.retransmissions,
        "legs": cdr.legs.as_ref().map(|legs| json!({ "key": legs.key, "source": legs.source.name() })),
        "band": Band::of(cdr).map(Band::name),
        "mos": adaptive.map(|(score, _)| hundredths(score.mos)),
        "r": adaptive.map(|(score, _)| f64::from(score.r) / 10.0),
        "mos_fixed_50": mos_with(|stream| stream.fixed_50),
        "mos_fixed_200": mos_with(|stream| stream.fixed_200),
        "mos_scale": adaptive.and_then(|(_, scale)| scale.name()),
        "mos_estimated": adaptive.is_some_and(|(_, scale)| scale.is_estimate()),
        "stored": cdr.stored.as_ref().map(|stored| json!({
            "rule_id": stored.rule_id,
            "rule": stored.rule,
            "packets": stored.packets,
            "bytes": stored.bytes,
            "first_at": cdr.first_at.plus(stored.first).to_rfc3339(),
            "last_at": cdr.first_at.plus(stored.last).to_rfc3339(),
            "dropped": stored.dropped,
        })),
        "mos_reason": if adaptive.is_some() { None } else { no_mos_reason(cdr) },
        "mos_unreliable": cdr.is_unreliable(),
        "sip_dscp": cdr.sip_dscp,
    });
    if let Value::Object(fields) = fields {
        object.extend(fields);
    }
    object
}

/// The names of the flags that are set.
#[must_use]
pub fn flag_names(set: u32) -> Vec<&'static str> {
    flags::NAMES.iter().filter(|(flag, _)| set & flag != 0).map(|(_, name)| *name).collect()
}

/// Who or what ended the call, as the contract writes it.
#[must_use]
pub const fn ended_by(ended_by: EndedBy) -> &'static str {
    match ended_by {
        EndedBy::Caller => "caller",
        EndedBy::Callee => "callee",
        EndedBy::Cancelled => "cancelled",
        EndedBy::Rejected => "rejected",
        EndedBy::Timeout => "timeout",
        EndedBy::CaptureEnd => "capture_end",
    }
}

fn sip(cdr: &Cdr) -> Value {
    let mut at = cdr.first_at;
    cdr.sip
        .iter()
        .map(|event| {
            at = at.plus(event.after);
            let mut object = json!({
                "at": at.to_rfc3339(),
                "src": address(cdr, event.src),
                "dst": address(cdr, event.dst),
                "cseq": format!("{} {}", event.cseq, event.method.as_str()),
            });
            match event.message {
                SipMessage::Request => object["method"] = json!(event.method.as_str()),
                SipMessage::Response(code) => object["status_code"] = json!(code),
            }
            object
        })
        .collect()
}

fn quality_report(cdr: &Cdr, report: &QualityReport) -> Value {
    let percent = |permille: Option<u16>| permille.map(|permille| f64::from(permille) / 10.0);
    json!({
        "at": cdr.first_at.plus(report.at).to_rfc3339(),
        "direction": direction(report.direction),
        "kind": match report.kind {
            ReportKind::Session => "session",
            ReportKind::Interval => "interval",
            ReportKind::Alert => "alert",
        },
        "mos_lq": report.mos_lq.map(hundredths),
        "mos_cq": report.mos_cq.map(hundredths),
        "loss_percent": percent(report.network_packet_loss_rate),
        "discard_percent": percent(report.jitter_buffer_discard_rate),
        "jitter_ms": report.interarrival_jitter,
        "round_trip_ms": report.round_trip_delay,
    })
}

fn party(party: &Party) -> Value {
    json!({ "user": party.user, "host": party.host, "display": party.display })
}

fn address(cdr: &Cdr, index: u8) -> Option<String> {
    cdr.address(index).map(|address| address.to_string())
}

fn no_mos_reason(cdr: &Cdr) -> Option<&'static str> {
    match cdr.streams.as_slice() {
        [] => Some("no media"),
        streams => streams.iter().find_map(|stream| stream.scale.reason()),
    }
}

/// Microseconds as milliseconds with three decimals.
fn millis(micros: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "exact below 285 years")]
    let micros = micros as f64;
    micros / 1000.0
}

fn hundredths(value: u16) -> f64 {
    f64::from(value) / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cdr::{Method, SipEvent, Status};
    use crate::time::UnixMicros;

    fn busy_call() -> Cdr {
        Cdr {
            number: 1,
            first_at: UnixMicros(1_000_000),
            start: Some(0),
            ended: 2_500,
            call_id: "a@b".to_owned(),
            addresses: vec![
                "192.0.2.1:5060".parse().unwrap(),
                "[2001:db8::1]:5060".parse().unwrap(),
            ],
            dst: 1,
            status: Some(Status { code: 486, reason_phrase: String::new() }),
            ended_by: EndedBy::Rejected,
            flags: flags::AUTHENTICATED,
            sip: vec![
                SipEvent {
                    after: 0,
                    src: 0,
                    dst: 1,
                    message: SipMessage::Request,
                    cseq: 1,
                    method: Method::Invite,
                },
                SipEvent {
                    after: 2_500,
                    src: 1,
                    dst: 0,
                    message: SipMessage::Response(486),
                    cseq: 1,
                    method: Method::Invite,
                },
            ],
            ..Cdr::default()
        }
    }

    #[test]
    fn what_did_not_happen_is_null() {
        let object = call(&busy_call(), None);
        for field in ["answered_at", "ringing_at", "setup_ms", "duration_ms", "mos", "r"] {
            assert_eq!(object[field], Value::Null, "{field}");
        }
        assert_eq!(object["mos_reason"], "no media");
        assert!(object.get("id").is_none());
    }

    #[test]
    fn ladder_times_add_up_and_responses_have_a_code() {
        let object = call(&busy_call(), None);
        assert_eq!(object["sip"][0]["method"], "INVITE");
        assert_eq!(object["sip"][1]["status_code"], 486);
        assert_eq!(object["sip"][1]["at"], "1970-01-01T00:00:01.002500Z");
        assert_eq!(object["sip"][1]["cseq"], "1 INVITE");
        assert_eq!(object["sip"][1]["src"], "[2001:db8::1]:5060");
        assert_eq!(object["reason_phrase"], "Busy Here");
        assert_eq!(object["flags"], json!(["authenticated"]));
    }

    #[test]
    fn a_record_that_contradicts_itself_does_not_panic() {
        let mut cdr = busy_call();
        cdr.addresses.clear();
        cdr.streams.push(Stream { first: u64::MAX, length: 0, ..Stream::default() });
        assert_eq!(call(&cdr, None)["src"], Value::Null);
    }
}
