//! A stream as JSON.

use serde_json::{Value, json};

use super::{address, hundredths, millis};
use crate::cdr::{Cdr, Direction, Interval, Level, Rtcp, Score, Stream, VoipMetrics, observed};

/// One stream.
pub(super) fn stream_object(cdr: &Cdr, stream: &Stream) -> Value {
    let mut object = figures(cdr, stream);
    if let (Value::Object(object), Value::Object(more)) = (&mut object, facts(cdr, stream)) {
        object.extend(more);
    }
    object
}

/// What was counted and reckoned.
fn figures(cdr: &Cdr, stream: &Stream) -> Value {
    let mos = |score: Option<Score>| score.map(|score| hundredths(score.mos));
    let discarded = |score: Option<Score>| score.map(|score| score.discarded);
    json!({
        "src": address(cdr, stream.src),
        "dst": address(cdr, stream.dst),
        "ssrc": stream.ssrc,
        "payload_type": stream.payload_type,
        "encoding_name": if stream.encoding_name.is_empty() { None } else { Some(&stream.encoding_name) },
        "clock_rate": stream.clock_rate,
        "ptime_ms": stream.ptime,
        "dscp": stream.dscp,
        "dscp_change": stream.dscp_change.map(|change| json!({
            "from": change.from,
            "to": change.to,
            "after_ms": millis(change.after),
        })),
        "direction": direction(stream.direction),
        "first_at": cdr.first_at.plus(stream.first).to_rfc3339(),
        "last_at": cdr.first_at.plus(stream.first.saturating_add(stream.length)).to_rfc3339(),
        "packets": stream.packets,
        "bytes": stream.bytes,
        "expected": stream.expected,
        "lost": stream.lost,
        "duplicates": stream.duplicates,
        "reordered": stream.reordered,
        "capture_lost": stream.capture_lost,
        "jitter_mean_ms": stream.jitter_mean.map(|us| millis(u64::from(us))),
        "jitter_max_ms": stream.jitter_max.map(|us| millis(u64::from(us))),
        "network_lost": stream.network_lost(),
        "delta_mean_ms": stream.delta_mean().map(millis),
        "delta_max_ms": stream.delta_max.map(|us| millis(u64::from(us))),
        "burst_r": stream.burst_r.map(hundredths),
        "mos": mos(stream.adaptive),
        "r": stream.adaptive.map(|score| f64::from(score.r) / 10.0),
        "mos_fixed_50": mos(stream.fixed_50),
        "mos_fixed_200": mos(stream.fixed_200),
        "mos_scale": stream.scale.name(),
        "mos_estimated": stream.scale.is_estimate(),
        "mos_reason": if stream.adaptive.is_some() { None } else { stream.scale.reason() },
        "discarded": discarded(stream.adaptive),
        "discarded_fixed_50": discarded(stream.fixed_50),
        "discarded_fixed_200": discarded(stream.fixed_200),
        "rtcp": stream.rtcp.as_ref().map(|rtcp| rtcp_object(rtcp, stream.clock_rate)),
        "intervals": intervals(stream),
    })
}

/// What was noticed, and what the two ends say.
fn facts(cdr: &Cdr, stream: &Stream) -> Value {
    json!({
        "observed": observed_names(stream.observed),
        "level": stream.level.as_ref().map(level_object),
        "drift_ppm": stream.drift_ppm,
        "described": stream.described.and_then(|index| address(cdr, index)),
        "preferred": stream.preferred,
        "cname": stream.cname,
        "voip_metrics": stream.voip_metrics.as_ref().map(voip_metrics_object),
    })
}

fn rtcp_object(rtcp: &Rtcp, clock_rate: Option<u32>) -> Value {
    json!({
        "reports": rtcp.reports,
        "fraction_lost": f64::from(rtcp.fraction_lost) / 256.0,
        "cumulative_lost": rtcp.cumulative_lost,
        "interarrival_jitter": rtcp.interarrival_jitter,
        "interarrival_jitter_ms": clock_rate.filter(|&rate| rate > 0).map(|rate| {
            millis(u64::from(rtcp.interarrival_jitter) * 1_000_000 / u64::from(rate))
        }),
        "round_trip_ms": rtcp.round_trip.map(|us| millis(u64::from(us))),
    })
}

/// The names of a stream's bits that are set.
#[must_use]
pub fn observed_names(set: u16) -> Vec<&'static str> {
    observed::NAMES.iter().filter(|(bit, _)| set & bit != 0).map(|(_, name)| *name).collect()
}

fn level_object(level: &Level) -> Value {
    json!({
        "active_percent": level.active,
        "speech_dbm0": level.dbm0,
        "clipped_packets": level.clipped,
    })
}

/// Rates as shares; what RFC 3611 calls unavailable is null.
fn voip_metrics_object(metrics: &VoipMetrics) -> Value {
    let share = |rate: u8| f64::from(rate) / 256.0;
    let known = |value: u8| (value != 127).then_some(value);
    let dbm0 = |level: i8| (level != 127).then_some(level);
    let opinion = |value: u8| known(value).map(|value| f64::from(value) / 10.0);
    let delay = |ms: u16| (ms != 0).then_some(ms);
    json!({
        "reports": metrics.reports,
        "loss_rate": share(metrics.loss_rate),
        "discard_rate": share(metrics.discard_rate),
        "burst_density": share(metrics.burst_density),
        "gap_density": share(metrics.gap_density),
        "burst_duration_ms": metrics.burst_duration,
        "gap_duration_ms": metrics.gap_duration,
        "round_trip_delay_ms": delay(metrics.round_trip_delay),
        "end_system_delay_ms": delay(metrics.end_system_delay),
        "signal_level_dbm0": dbm0(metrics.signal_level),
        "noise_level_dbm0": dbm0(metrics.noise_level),
        "rerl_db": known(metrics.rerl),
        "gmin": metrics.gmin,
        "r_factor": known(metrics.r_factor),
        "ext_r_factor": known(metrics.ext_r_factor),
        "mos_lq": opinion(metrics.mos_lq),
        "mos_cq": opinion(metrics.mos_cq),
        "rx_config": metrics.rx_config,
        "jb_nominal_ms": metrics.jb_nominal,
        "jb_maximum_ms": metrics.jb_maximum,
        "jb_abs_max_ms": metrics.jb_abs_max,
    })
}

fn intervals(stream: &Stream) -> Value {
    let seconds = stream.interval_seconds();
    let interval = |(index, interval): (usize, &Interval)| {
        json!({
            "at_s": index as u64 * seconds,
            "packets": interval.packets,
            "lost": interval.lost,
            "jitter_ms": f64::from(interval.jitter) / 10.0,
            "mos": if interval.mos == 0 { None } else { Some(hundredths(interval.mos)) },
        })
    };
    stream.intervals.iter().enumerate().map(interval).collect()
}

/// As JSON and API write it.
pub(super) const fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::CallerToCallee => "caller_to_callee",
        Direction::CalleeToCaller => "callee_to_caller",
        Direction::Unknown => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_that_were_merged_are_further_apart() {
        let intervals = vec![Interval::default(); 361];
        let stream = Stream { length: 7_200_000_000, intervals, ..Stream::default() };
        let object = stream_object(&Cdr::default(), &stream);
        assert_eq!(object["intervals"][360]["at_s"], 7200);
    }

    #[test]
    fn what_rfc_3611_calls_unavailable_is_null() {
        let metrics =
            VoipMetrics { mos_lq: 41, mos_cq: 127, noise_level: 127, ..VoipMetrics::default() };
        let stream = Stream { voip_metrics: Some(metrics), ..Stream::default() };
        let object = &stream_object(&Cdr::default(), &stream)["voip_metrics"];
        assert_eq!((&object["mos_lq"], &object["mos_cq"]), (&json!(4.1), &Value::Null));
        assert_eq!(object["noise_level_dbm0"], Value::Null);
        assert_eq!(object["round_trip_delay_ms"], Value::Null);
    }
}
