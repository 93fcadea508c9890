//! The eight steps of the handshake, as the last attempt left them.

use ringside_protocol::step::{Failure, Step, alone};
use ringside_protocol::time::UnixMicros;

use super::{Line, State, second};
use crate::db::sensors::Sensor;

/// All steps in order: those before the failing one worked, those after it wait.
pub(super) fn steps(
    sensor: &Sensor,
    state: State,
    failure: Option<&(UnixMicros, Failure)>,
) -> Vec<Line> {
    let stop = stop(sensor, state, failure);
    Step::ALL
        .into_iter()
        .map(|step| match &stop {
            Some((failed, line)) if step == *failed => match line {
                Stop::Failed(sentence) => Line::failed(step.name(), sentence.clone()),
                Stop::Waiting(sentence) => Line::waiting(step.name(), sentence.clone()),
            },
            Some((failed, _)) if step > *failed => {
                Line::waiting(step.name(), format!("Waits for {failed}."))
            }
            _ => Line::ok(step.name(), worked(step)),
        })
        .collect()
}

enum Stop {
    Failed(String),
    Waiting(String),
}

/// The step that does not work, with its sentence; `None` when all do.
fn stop(
    sensor: &Sensor,
    state: State,
    failure: Option<&(UnixMicros, Failure)>,
) -> Option<(Step, Stop)> {
    match (state, failure) {
        (State::Online, _) => None,
        (State::Revoked, _) => Some((Step::Enrolment, Stop::Failed(sentence(&Failure::Revoked)))),
        (State::Refused | State::Never, Some((_, failure))) => {
            Some((failure.step(), Stop::Failed(sentence(failure))))
        }
        (State::Never | State::Refused, None) => Some((
            Step::SensorId,
            Stop::Waiting(
                "It joined and has not opened a session yet: start ringside-sensor on it, and run \
                 `ringside-sensor doctor` there if this stays."
                    .to_owned(),
            ),
        )),
        (State::Stopped, _) => Some((Step::Lookup, Stop::Waiting(stopped(sensor)))),
        (State::Offline, _) => {
            let since = sensor.seen_at.map_or_else(|| "its last session".to_owned(), second);
            let sentence = format!(
                "All steps worked until {since}; from here it cannot be seen which one fails now: \
                 check power and network, and run `ringside-sensor doctor` on it."
            );
            Some((Step::Lookup, Stop::Waiting(sentence)))
        }
    }
}

/// What to do about a sensor that has taken its leave.
pub(super) fn stopped(sensor: &Sensor) -> String {
    let at = sensor.seen_at.map(second).unwrap_or_default();
    format!("It was stopped at {at}: start ringside-sensor on it again.")
}

/// A failure as a sentence of its own.
pub(super) fn sentence(failure: &Failure) -> String {
    alone(&failure.sentence())
}

/// What it means that a step is behind.
pub(super) const fn worked(step: Step) -> &'static str {
    match step {
        Step::Lookup => "The server's name was found.",
        Step::Tcp => "The connection opened.",
        Step::Tls => "The server proved who it is.",
        Step::Clock => "The clocks agree.",
        Step::Version => "Both speak a common protocol version.",
        Step::Enrolment => "The device belongs to you.",
        Step::SensorId => "Its number is its own.",
        Step::Accepted => "A session was opened.",
    }
}
