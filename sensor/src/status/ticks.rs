//! The technician's first ten minutes: link, clock, cloud, traffic, first call. The sentences are those
//! of `doctor` and of the cloud's sensor page.

use ringside_protocol::counters::Counter;
use ringside_protocol::message::InterfaceHealth;
use ringside_protocol::step::{Failure, Step, alone};
use ringside_protocol::time::UnixMicros;
use ringside_protocol::words::plural;
use serde::Serialize;

use crate::uplink::{NO_SERVER, Status, StepState};

/// Clocks that say less were never set: seconds at the start of 2024.
const FIRST_POSSIBLE_TIME: UnixMicros = UnixMicros(1_704_067_200 * 1_000_000);

/// How a tick stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum TickState {
    Ok,
    Failed,
    Waiting,
}

/// One tick.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Tick {
    pub(super) name: &'static str,
    pub(super) state: TickState,
    /// What was found; where it is not ok, what to do.
    pub(super) sentence: String,
}

impl Tick {
    fn ok(name: &'static str, sentence: String) -> Self {
        Self { name, state: TickState::Ok, sentence }
    }

    fn failed(name: &'static str, sentence: &str) -> Self {
        Self { name, state: TickState::Failed, sentence: alone(sentence) }
    }

    fn waiting(name: &'static str, sentence: impl Into<String>) -> Self {
        Self { name, state: TickState::Waiting, sentence: sentence.into() }
    }
}

/// What the ticks are of.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    pub(super) now: UnixMicros,
    /// Each capture interface with what can be said of its link.
    pub(super) links: &'a [(String, Result<String, String>)],
    pub(super) interfaces: &'a [InterfaceHealth],
    /// `None`: the uplink is switched off.
    pub(super) uplink: Option<&'a Status>,
    pub(super) counters: &'a [(Counter, u64)],
    pub(super) channels: u16,
    pub(super) last_cdr_at: Option<UnixMicros>,
}

pub(super) fn ticks(facts: &Facts<'_>) -> [Tick; 5] {
    [link(facts), clock(facts), cloud(facts), traffic(facts), first_call(facts)]
}

fn link(facts: &Facts<'_>) -> Tick {
    let name = "link";
    let failed = facts
        .links
        .iter()
        .find_map(|(interface, link)| link.as_ref().err().map(|says| (interface, says)));
    if let Some((interface, says)) = failed {
        // An interface's name keeps its letters as they are.
        let sentence = format!("{interface}: {says}.");
        return Tick { name, state: TickState::Failed, sentence };
    }
    if let Some(failure) = failure_of(facts, |step| step <= Step::Tcp) {
        return Tick::failed(name, &failure.sentence());
    }
    let names: Vec<_> = facts.links.iter().map(|(interface, _)| interface.as_str()).collect();
    match names[..] {
        [] => Tick::failed(
            name,
            "no interface is configured: write `interface = eth0` (the mirror port) into the \
             configuration",
        ),
        _ => Tick::ok(name, format!("{} has a link.", names.join(", "))),
    }
}

fn clock(facts: &Facts<'_>) -> Tick {
    let name = "clock";
    if let Some(failure) = failure_of(facts, |step| step == Step::Clock) {
        return Tick::failed(name, &failure.sentence());
    }
    let now = second(facts.now);
    if facts.now < FIRST_POSSIBLE_TIME {
        return Tick::failed(
            name,
            &format!("this clock says {now}: have NTP set it; calls are recorded meanwhile"),
        );
    }
    match facts.uplink.map(|status| status.step(Step::Clock)) {
        Some(StepState::Passed) => Tick::ok(name, format!("It agrees with the cloud's: {now}.")),
        _ => Tick::waiting(
            name,
            format!("It says {now}, and is compared with the cloud's when that answers."),
        ),
    }
}

fn cloud(facts: &Facts<'_>) -> Tick {
    let name = "cloud";
    let Some(status) = facts.uplink else {
        return Tick::failed(name, "the uplink is switched off: records stay here");
    };
    if let Some(since) = status.connected_since {
        let customer = status.customer.as_deref().unwrap_or_default();
        let number = status.id_sensor.unwrap_or_default();
        return Tick::ok(
            name,
            format!("Sensor {number} of {customer}, connected since {}.", second(since)),
        );
    }
    if status.is_claiming {
        return Tick::waiting(
            name,
            "This device belongs to nobody yet: enter its claim code in the cloud under Sensors, Add, \
             or join it with a token.",
        );
    }
    if status.server.is_none() && status.last_failure.is_none() {
        return Tick::failed(name, NO_SERVER);
    }
    match failure_of(facts, |_| true) {
        None => Tick::waiting(name, "The sensor is connecting."),
        Some(failure) => match failure.step() {
            Step::Lookup | Step::Tcp => Tick::failed(name, "not reached: see link first"),
            Step::Clock => Tick::failed(name, "not reached: see clock first"),
            _ => Tick::failed(name, &failure.sentence()),
        },
    }
}

fn traffic(facts: &Facts<'_>) -> Tick {
    let name = "traffic";
    let names: Vec<_> = facts.interfaces.iter().map(|it| it.name.as_str()).collect();
    let names = if names.is_empty() { "its interface".to_owned() } else { names.join(", ") };
    if let Some(fault) = facts.interfaces.iter().find_map(|it| it.fault.as_ref()) {
        return Tick::failed(name, fault);
    }
    if counter(facts, Counter::FramesSeen) == 0 {
        return Tick::waiting(
            name,
            format!(
                "No packet came on {names}: connect it to the switch's mirror port, and have the \
                 switch mirror the PBX's port in both directions."
            ),
        );
    }
    let (sip, rtp) = (counter(facts, Counter::SipMessages), counter(facts, Counter::RtpPackets));
    if sip == 0 {
        return Tick::waiting(
            name,
            format!(
                "Packets come on {names}, but no SIP: mirror the port of the PBX or the SIP trunk, \
                 and set sipport if SIP does not use port 5060. SIP over TLS cannot be read."
            ),
        );
    }
    let (sip, rtp) = (plural(sip, "SIP message"), plural(rtp, "RTP packet"));
    Tick::ok(name, format!("Read on {names}: {sip} and {rtp}."))
}

fn first_call(facts: &Facts<'_>) -> Tick {
    let name = "first call";
    if let Some(at) = facts.last_cdr_at {
        return Tick::ok(name, format!("The last call ended at {}.", second(at)));
    }
    if facts.channels > 0 || counter(facts, Counter::CallsStarted) > 0 {
        return Tick::waiting(name, "A call was seen: it appears here when it has ended, hang up.");
    }
    Tick::waiting(name, "Make a call through the PBX and hang up: it appears within seconds.")
}

/// The failure that stands now, if it is of such a step. One of a session that stands is history.
fn failure_of<'a>(facts: &Facts<'a>, is_step: impl Fn(Step) -> bool) -> Option<&'a Failure> {
    let status = facts.uplink.filter(|status| status.connected_since.is_none())?;
    // Between two attempts the last failure stands.
    let failure = status.failed().or(status.last_failure.as_ref().map(|(_, failure)| failure))?;
    is_step(failure.step()).then_some(failure)
}

fn counter(facts: &Facts<'_>, counter: Counter) -> u64 {
    facts.counters.iter().find(|(it, _)| *it == counter).map_or(0, |(_, count)| *count)
}

/// A time to the second.
pub(super) fn second(at: UnixMicros) -> String {
    format!("{} UTC", at.to_rfc3339()[..19].replace('T', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMicros = UnixMicros(1_800_000_000_000_000);

    fn ticks_of(
        uplink: &Status,
        counters: &[(Counter, u64)],
        link: Result<&str, &str>,
    ) -> [Tick; 5] {
        let link = link.map(str::to_owned).map_err(str::to_owned);
        ticks(&Facts {
            now: NOW,
            links: &[("eth1".to_owned(), link)],
            interfaces: &[],
            uplink: Some(uplink),
            counters,
            channels: 0,
            last_cdr_at: None,
        })
    }

    fn failed(failure: Failure) -> Status {
        let mut status = Status { last_failure: Some((NOW, failure.clone())), ..Status::default() };
        let step = failure.step();
        status.steps[step as usize] = StepState::Failed(failure);
        status
    }

    #[test]
    fn each_failure_stands_at_one_tick_with_what_to_do() {
        let address = "192.0.2.1:60023".parse().expect("an address");
        let old = UnixMicros(1);
        let host = || "cloud.example.net".to_owned();
        for (failure, name, says) in [
            (Failure::NoSuchName { host: host() }, "link", "have the name added to DNS."),
            (Failure::PortClosed { address }, "link", "refuses the connection"),
            (Failure::WrongCa { host: host() }, "cloud", "enrol with a new token."),
            (Failure::ClockSkew { sensor_time: old, cloud_time: NOW }, "clock", "NTP"),
            (Failure::NotEnrolled, "cloud", "make an enrolment token"),
            (Failure::Revoked, "cloud", "revoked"),
        ] {
            let ticks = ticks_of(&failed(failure.clone()), &[], Ok("it is up and has a link"));
            let failed: Vec<_> =
                ticks.iter().filter(|tick| tick.state == TickState::Failed).collect();
            let told = failed.iter().find(|tick| tick.name == name).expect("a tick has failed");
            assert!(told.sentence.contains(says), "{failure:?}: {}", told.sentence);
            let others = failed.iter().filter(|tick| tick.name != name);
            for other in others {
                assert!(other.sentence.starts_with("Not reached: see "), "{failure:?}: {other:?}");
            }
        }
    }

    #[test]
    fn a_session_that_stands_makes_an_old_failure_history() {
        let mut status = failed(Failure::NotEnrolled);
        status.steps = Default::default();
        status.steps[Step::Clock as usize] = StepState::Passed;
        status.connected_since = Some(NOW);
        let counters = [(Counter::FramesSeen, 9), (Counter::SipMessages, 2)];
        let states = ticks_of(&status, &counters, Ok("")).map(|tick| tick.state);
        let mut expected = [TickState::Ok; 5];
        expected[4] = TickState::Waiting;
        assert_eq!(states, expected);
    }

    #[test]
    fn no_cable_no_clock_no_server_and_no_sip_each_say_the_next_step() {
        let [link, _, cloud, traffic, first_call] =
            ticks_of(&Status::default(), &[], Err("it is up but has no link; look at the cable"));
        assert_eq!(link.sentence, "eth1: it is up but has no link; look at the cable.");
        assert!(cloud.sentence.contains("run `ringside-sensor enrol`"), "{}", cloud.sentence);
        assert!(traffic.sentence.contains("mirror port"));
        assert!(first_call.sentence.starts_with("Make a call"));
        let [.., traffic, _] = ticks_of(&Status::default(), &[(Counter::FramesSeen, 1)], Ok(""));
        assert!(traffic.sentence.contains("no SIP"));
        let facts = Facts {
            now: UnixMicros(0),
            links: &[],
            interfaces: &[],
            uplink: None,
            counters: &[],
            channels: 0,
            last_cdr_at: None,
        };
        assert!(clock(&facts).sentence.contains("have NTP set it"));
        assert!(super::link(&facts).sentence.contains("interface = eth0"));
    }
}
