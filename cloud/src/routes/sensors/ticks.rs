//! The technician's first ten minutes: five ticks, and beside each one that is not green the next
//! thing to do.

use ringside_protocol::counters::Counter;
use ringside_protocol::message::Heartbeat;
use ringside_protocol::step::{Failure, MAX_CLOCK_SKEW_SECONDS, Step};
use ringside_protocol::time::{MICROS_PER_SECOND, UnixMicros};
use ringside_protocol::words::plural;

use super::steps::{sentence, stopped, worked};
use super::{Line, State, clock_offset_ms, counter, second};
use crate::db::sensors::{HEARTBEAT_SECONDS, Sensor};

/// A device that was refused tries again within minutes; one that was not heard of for so long,
/// seconds, has no link.
const SILENT_SECONDS: u64 = 3600;

/// A sensor that is online and was not heard of for so long has missed a heartbeat, seconds.
const LATE_SECONDS: u64 = HEARTBEAT_SECONDS as u64 * 3 / 2;

pub(super) fn ticks(
    sensor: &Sensor,
    state: State,
    failure: Option<&(UnixMicros, Failure)>,
    now: UnixMicros,
) -> [Line; 5] {
    // A failure that the sensor has overcome is history.
    let failure = failure.filter(|_| state != State::Online).map(|(_, failure)| failure);
    [
        link(sensor, state, failure, now),
        clock(sensor, failure),
        cloud(sensor, state, failure),
        traffic(sensor, state),
        first_call(sensor),
    ]
}

fn link(sensor: &Sensor, state: State, failure: Option<&Failure>, now: UnixMicros) -> Line {
    let name = "link";
    if let Some(failure) = failure.filter(|failure| failure.step() <= Step::Tcp) {
        return Line::failed(name, sentence(failure));
    }
    match (state, sensor.heard_at()) {
        (State::Online, Some(seen)) if now.since(seen) > LATE_SECONDS * MICROS_PER_SECOND => {
            Line::waiting(
                name,
                format!(
                    "Nothing was heard since {}, though a heartbeat comes every \
                     {HEARTBEAT_SECONDS} s: if this stays, check its power and network cable.",
                    second(seen)
                ),
            )
        }
        (State::Online, _) => Line::ok(name, format!("Connected from {}.", sensor.address)),
        (State::Stopped, _) => {
            Line::waiting(name, "No connection is open: it was stopped, and said so.")
        }
        (State::Offline, Some(seen)) => Line::failed(
            name,
            format!(
                "Nothing was heard since {}: check its power and network cable, then run \
                 `ringside-sensor doctor` on it.",
                second(seen)
            ),
        ),
        (_, Some(seen)) if now.since(seen) > SILENT_SECONDS * MICROS_PER_SECOND => Line::failed(
            name,
            format!("Nothing was heard since {}: check its power and network cable.", second(seen)),
        ),
        (_, Some(seen)) => Line::ok(name, format!("It reached the cloud at {}.", second(seen))),
        (_, None) => Line::waiting(
            name,
            "Nothing was heard yet since it joined: plug in its network cable and start \
             ringside-sensor.",
        ),
    }
}

fn clock(sensor: &Sensor, failure: Option<&Failure>) -> Line {
    let name = "clock";
    if let Some(failure) = failure.filter(|failure| failure.step() == Step::Clock) {
        return Line::failed(name, sentence(failure));
    }
    let Some(heartbeat) = &sensor.heartbeat else {
        if failure.is_some_and(|failure| failure.step() > Step::Clock) {
            // The step came before the one that failed.
            return Line::ok(name, worked(Step::Clock));
        }
        return Line::waiting(
            name,
            "Its clock is compared with the cloud's when it connects: have NTP set it meanwhile.",
        );
    };
    let offset = clock_offset_ms(heartbeat);
    if offset.unsigned_abs() > MAX_CLOCK_SKEW_SECONDS * 1000 {
        return Line::failed(
            name,
            format!("Its clock differs from the cloud's by {} s: set it (NTP).", offset / 1000),
        );
    }
    Line::ok(name, format!("Its clock and the cloud's differ by {} ms.", offset.unsigned_abs()))
}

fn cloud(sensor: &Sensor, state: State, failure: Option<&Failure>) -> Line {
    let name = "cloud";
    match (state, failure) {
        (State::Online, _) => {
            let since = sensor.accepted_at.map(second).unwrap_or_default();
            Line::ok(name, format!("Its session is open since {since}."))
        }
        (State::Revoked, _) => Line::failed(name, sentence(&Failure::Revoked)),
        (State::Stopped, _) => Line::failed(name, stopped(sensor)),
        (_, Some(failure)) if failure.step() > Step::Tcp => Line::failed(name, sentence(failure)),
        (State::Offline, _) => {
            Line::failed(name, "Its session is over: see the tick of its link first.")
        }
        _ => Line::waiting(
            name,
            "No session yet: start ringside-sensor on it, and run `ringside-sensor doctor` there \
             if this stays.",
        ),
    }
}

fn traffic(sensor: &Sensor, state: State) -> Line {
    let name = "traffic";
    let Some((_, heartbeat)) = &sensor.heartbeat else {
        return Line::waiting(name, "What it captures is known once it is connected.");
    };
    let names: Vec<_> = heartbeat.interfaces.iter().map(|it| it.name.as_str()).collect();
    let names = if names.is_empty() { "its interface".to_owned() } else { names.join(", ") };
    if let Some(fault) = heartbeat.interfaces.iter().find_map(|it| it.fault.as_ref()) {
        return Line::failed(name, fault.clone());
    }
    if counter(heartbeat, Counter::FramesSeen) == 0 {
        return Line::waiting(
            name,
            format!(
                "No packet came on {names}: connect it to the switch's mirror port, and have the \
                 switch mirror the PBX's port in both directions."
            ),
        );
    }
    let tls = counter(heartbeat, Counter::SipTlsConnections);
    if counter(heartbeat, Counter::SipMessages) == 0 && tls > 0 {
        return Line::failed(
            name,
            format!(
                "SIP comes on {names}, but inside TLS ({}): it cannot be read. Have the PBX send \
                 a copy of it by HEP to this sensor (`hep = yes`).",
                plural(tls, "connection")
            ),
        );
    }
    if counter(heartbeat, Counter::SipMessages) == 0 {
        return Line::waiting(
            name,
            format!(
                "Packets come on {names}, but no SIP: mirror the port of the PBX or the SIP \
                 trunk, and set sipport if SIP does not use port 5060."
            ),
        );
    }
    let past = if state == State::Online { "" } else { " when it was last heard of" };
    Line::ok(name, traffic_sentence(heartbeat, &names, past))
}

fn traffic_sentence(heartbeat: &Heartbeat, names: &str, past: &str) -> String {
    let sip = counter(heartbeat, Counter::SipMessages);
    let rtp = counter(heartbeat, Counter::RtpPackets);
    let tls = match counter(heartbeat, Counter::SipTlsConnections) {
        0 => String::new(),
        many => format!(
            " SIP over TLS ({}) cannot be read: have the PBX send a copy by HEP (`hep = yes`).",
            plural(many, "connection")
        ),
    };
    let (sip, rtp) = (plural(sip, "SIP message"), plural(rtp, "RTP packet"));
    format!("Read on {names}{past}: {sip} and {rtp}.{tls}")
}

fn first_call(sensor: &Sensor) -> Line {
    let name = "first_call";
    if let Some(at) = sensor.last_cdr_at {
        return Line::ok(name, format!("Its last call ended at {}.", second(at)));
    }
    let started = sensor
        .heartbeat
        .as_ref()
        .map_or(0, |(_, heartbeat)| counter(heartbeat, Counter::CallsStarted));
    if started > 0 {
        return Line::waiting(name, "A call was seen: it appears here when it has ended, hang up.");
    }
    Line::waiting(name, "Make a call through the PBX and hang up: it appears within seconds.")
}
