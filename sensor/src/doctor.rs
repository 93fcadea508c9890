//! `ringside-sensor doctor`: each step to the cloud, and what to do when one fails.
//!
//! The steps are taken with the running sensor's own code. What must not happen is that `doctor`
//! itself looks like a clone: two boots of one device that both speak. So
//!
//! * while a sensor runs on the data directory, `doctor` says Hello with that sensor's boot and
//!   goes no further than the challenge, which proves lookup to enrolment. `sensor_id` and
//!   `accepted` are what the running sensor's status file says;
//! * while none runs, `doctor` opens a session of its own and takes its leave. To the cloud that is
//!   a sensor that has started and stopped again: it shows as stopped and holds no channels.

use std::sync::{Arc, Mutex, PoisonError};

use ringside_protocol::claim;
use ringside_protocol::live::Live;
use ringside_protocol::message::{Accepted, Challenge, Heartbeat, Hello, Refused};
use ringside_protocol::step::{Failure, Step};
use ringside_protocol::time::{MICROS_PER_SECOND, UnixMicros};
use serde::Serialize;

use crate::identity::{Identity, IdentityError, Server, Trust};
use crate::terminal::{Colour, Style, fit, printable, width, wrap};
use crate::uplink::caller::{Called, Caller};
use crate::uplink::client::Client;
use crate::uplink::session::{Action, Config, Event, Session};
use crate::uplink::status::{Running, Status, StepState};
use crate::uplink::tls::Roots;
use crate::uplink::{NO_SERVER, Settings};

/// Columns that a sentence gets however narrow the terminal is.
const MIN_SENTENCE: usize = 30;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// As it should be.
    Ok,
    /// Not as it should be; the sentence says what to do.
    Failed,
    /// An earlier step failed.
    NotReached,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StepReport {
    /// The step's name, the same everywhere.
    pub name: String,
    /// How it ended.
    pub state: Outcome,
    /// What was found, and what to do.
    pub sentence: String,
    /// The failure's code, or which server is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl StepReport {
    /// A check that passed.
    pub fn ok(name: impl Into<String>, sentence: impl Into<String>) -> Self {
        Self::new(name, Outcome::Ok, sentence)
    }

    /// A check that failed.
    pub fn failed(name: impl Into<String>, sentence: impl Into<String>) -> Self {
        Self::new(name, Outcome::Failed, sentence)
    }

    /// A check that an earlier failure prevented.
    pub fn not_reached(name: impl Into<String>) -> Self {
        Self::new(name, Outcome::NotReached, "not reached")
    }

    fn new(name: impl Into<String>, state: Outcome, sentence: impl Into<String>) -> Self {
        Self { name: name.into(), state, sentence: sentence.into(), detail: None }
    }

    fn of_failure(step: Step, failure: &Failure) -> Self {
        let detail = Some(failure.code().to_owned());
        Self { detail, ..Self::failed(step.name(), failure.sentence()) }
    }
}

/// Whether every check passed.
#[must_use]
pub fn is_all_ok(reports: &[StepReport]) -> bool {
    reports.iter().all(|report| report.state == Outcome::Ok)
}

/// Aligned columns, one check a line; longer sentences go on below their beginning.
#[must_use]
pub fn table(reports: &[StepReport], style: Style) -> String {
    let name_width = reports.iter().map(|report| width(&report.name)).max().unwrap_or(0);
    let indent = 8 + 2 + name_width + 2;
    let room = style.columns.saturating_sub(indent).max(MIN_SENTENCE);
    let mut text = String::new();
    for report in reports {
        let (mark, colour) = match report.state {
            Outcome::Ok => ("✓ ok    ", Colour::Green),
            Outcome::Failed => ("✗ failed", Colour::Red),
            Outcome::NotReached => ("· -     ", Colour::Faint),
        };
        text += &style.paint(Some(colour), mark);
        text += &format!("  {}  ", fit(&printable(&report.name), name_width));
        let lines = wrap(&printable(&report.sentence), room);
        text += &lines.join(&format!("\n{:indent$}", ""));
        text.push('\n');
    }
    text
}

/// One JSON object: `ok`, and `steps` in order.
#[must_use]
pub fn json(reports: &[StepReport]) -> String {
    serde_json::json!({ "ok": is_all_ok(reports), "steps": reports }).to_string()
}

/// Takes every step to each server in turn.
#[must_use]
pub fn cloud_steps(settings: Settings) -> Vec<StepReport> {
    let (caller, running) = match prepare(settings) {
        Ok(prepared) => prepared,
        Err(error) => return all_but_first(StepReport::failed("identity", error.to_string())),
    };
    let servers = caller.servers();
    if servers.is_empty() {
        return all_but_first(StepReport::failed(Step::Lookup.name(), NO_SERVER));
    }
    let are_many = servers.len() > 1;
    let mut reports = Vec::new();
    for server in servers {
        let mut visit = Visit::new(&caller, running.as_ref(), server);
        visit.take_steps();
        for mut report in visit.reports() {
            if are_many {
                report.name = format!("{} {}", visit.server, report.name);
            }
            reports.push(report);
        }
    }
    reports
}

fn prepare(settings: Settings) -> Result<(Caller, Option<Running>), IdentityError> {
    let directory = &settings.directory;
    // A device that has no key yet is unknown to every cloud; looking must not make one, perhaps
    // with another user's rights.
    let identity = match Identity::load(directory)? {
        Some(identity) => identity,
        None => Identity::throwaway()?,
    };
    Trust::load(directory)?;
    let running = Running::read(directory)
        .map_err(|error| IdentityError::Io { path: directory.clone(), error })?;
    let identity = match &running {
        Some(running) => identity.with_boot(running.boot),
        None => identity,
    };
    Ok((Caller { settings, identity }, running))
}

/// A failure before or at the first step: nothing behind it was reached.
fn all_but_first(failed: StepReport) -> Vec<StepReport> {
    let others = Step::ALL.iter().filter(|step| step.name() != failed.name);
    let others: Vec<_> = others.map(|step| StepReport::not_reached(step.name())).collect();
    [vec![failed], others].concat()
}

/// The steps to one server.
struct Visit<'a> {
    caller: &'a Caller,
    running: Option<&'a Running>,
    server: Server,
    session: Arc<Mutex<Session>>,
    /// The cloud's clock minus this one's, µs.
    skew: Option<i64>,
    is_pinned: bool,
}

impl<'a> Visit<'a> {
    fn new(caller: &'a Caller, running: Option<&'a Running>, server: Server) -> Self {
        let config =
            Config { servers: vec![server.clone()], has_token: false, can_claim: false, seed: 0 };
        let session = Session::new(config, caller.settings.clock.now().instant);
        let session = Arc::new(Mutex::new(session));
        Self { caller, running, server, session, skew: None, is_pinned: false }
    }

    /// Drives the session machine until it has a session, or waits after a failure; with a
    /// running sensor, until that one's word counts.
    fn take_steps(&mut self) {
        let mut link = None;
        loop {
            let now = self.caller.settings.clock.now().instant;
            let action = self.lock(|session| session.poll_action(now));
            let event = match action {
                Some(Action::Greet(_)) => self.greet().map(|(client, hello, challenge)| {
                    link = Some((client, hello));
                    Event::Challenged(challenge)
                }),
                Some(Action::Prove(challenge)) if self.running.is_none() => match link.take() {
                    Some((client, hello)) => {
                        let accepted = self.prove(&client, hello, &challenge);
                        if let Ok(accepted) = &accepted {
                            self.take_leave(&client, accepted);
                        }
                        accepted.map(Event::Accepted)
                    }
                    None => return,
                },
                _ => return,
            };
            self.handle(event.unwrap_or_else(Event::Failed));
        }
    }

    fn greet(&mut self) -> Result<(Client, Hello, Challenge), Refused> {
        let (session, clock) = (Arc::clone(&self.session), self.caller.settings.clock.clone());
        let network = self.caller.settings.network.observed(move |step| {
            let mut session = session.lock().unwrap_or_else(PoisonError::into_inner);
            session.handle(Event::Passed(step), clock.now());
        });
        let Called { client, roots, .. } = self
            .caller
            .call(&self.server, &network)
            .map_err(|failure| Refused { failure, retry_after_seconds: 0 })?;
        self.is_pinned = matches!(roots, Roots::Pinned(_));
        let hello = self.caller.hello(None);
        let challenge = client.ask(&hello, None)?;
        let now = self.caller.settings.clock.now().wall;
        self.skew = Some(challenge.cloud_time.0.wrapping_sub(now.0).cast_signed());
        Ok((client, hello, challenge))
    }

    fn prove(
        &self,
        client: &Client,
        hello: Hello,
        challenge: &Challenge,
    ) -> Result<Accepted, Refused> {
        client.ask(&self.caller.prove(hello, challenge), None)
    }

    /// Ends the session at once: nobody runs behind it.
    fn take_leave(&self, client: &Client, accepted: &Accepted) {
        let leave = Heartbeat {
            sensor_time: self.caller.settings.clock.now().wall,
            uptime_seconds: 0,
            counters: Vec::new(),
            channels: 0,
            lease_serial: accepted.lease.serial,
            outbox_cdrs: 0,
            outbox_bytes: (0, 0),
            memory_bytes: 0,
            interfaces: Vec::new(),
            last_cdr_at: None,
            upgrade: None,
            is_leaving: true,
            live: Live::default(),
        };
        if let Err(refused) = client.ask(&leave, Some(&accepted.session)) {
            log::debug!("the cloud was not told that doctor is done: {}", refused.failure);
        }
    }

    fn handle(&self, event: Event) {
        let now = self.caller.settings.clock.now();
        self.lock(|session| session.handle(event, now));
    }

    fn lock<T>(&self, look: impl FnOnce(&mut Session) -> T) -> T {
        look(&mut self.session.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn reports(&self) -> Vec<StepReport> {
        let mut status = self.lock(|session| session.status().clone());
        if let Some(running) = self.running
            && *status.step(Step::Version) == StepState::Passed
        {
            take_over(&mut status, &running.status);
        }
        Step::ALL.iter().map(|&step| self.report(&status, step)).collect()
    }

    fn report(&self, status: &Status, step: Step) -> StepReport {
        match status.step(step) {
            StepState::Passed => StepReport::ok(step.name(), self.found(status, step)),
            StepState::Failed(Failure::NotEnrolled) if self.is_claiming() => self.claim_report(),
            StepState::Failed(failure) => StepReport::of_failure(step, failure),
            StepState::NotReached if self.running.is_some() && step > Step::Enrolment => {
                let mut report = StepReport::not_reached(step.name());
                report.sentence = "the running sensor has not got there".to_owned();
                report
            }
            StepState::NotReached => StepReport::not_reached(step.name()),
        }
    }

    /// Whether the running sensor waits for somebody to accept it.
    fn is_claiming(&self) -> bool {
        self.running.is_some_and(|running| running.status.is_claiming)
    }

    /// The claim code, which only those see who may read the device's key.
    fn claim_report(&self) -> StepReport {
        let mut report = StepReport::of_failure(Step::Enrolment, &Failure::NotEnrolled);
        let now = self.caller.settings.clock.now().wall;
        let cloud_now = UnixMicros(now.0.wrapping_add_signed(self.skew.unwrap_or(0)));
        let (code, _) = self.caller.identity.claim_code(claim::hour(cloud_now));
        report.sentence = format!(
            "this device belongs to nobody yet: enter its claim code {code} in the cloud under \
             Sensors, Add (it changes every hour), or run `ringside-sensor enrol` with a token"
        );
        report
    }

    /// What a step that passed has found.
    fn found(&self, status: &Status, step: Step) -> String {
        let Server { host, port } = &self.server;
        match step {
            Step::Lookup => format!("{host} has an address"),
            Step::Tcp => format!("port {port} accepts connections"),
            Step::Tls if self.is_pinned => {
                format!("the certificate is for {host} and signed by the CA that enrolment pinned")
            }
            Step::Tls => format!("the certificate is for {host} and signed by a public CA"),
            Step::Clock => match self.skew {
                Some(skew) => format!(
                    "this clock and the cloud's differ by {} s",
                    skew.unsigned_abs() / MICROS_PER_SECOND
                ),
                None => "the certificate is valid now".to_owned(),
            },
            Step::Version => {
                format!("both speak protocol {}", ringside_protocol::PROTOCOL_VERSION)
            }
            Step::Enrolment => {
                format!("the cloud knows this device, {}", self.caller.identity.fingerprint())
            }
            Step::SensorId => format!(
                "sensor {} of {}",
                status.id_sensor.unwrap_or_default(),
                status.customer.as_deref().unwrap_or_default()
            ),
            Step::Accepted => match (self.running, status.connected_since) {
                (Some(_), Some(since)) => {
                    format!("the running sensor is connected since {}", since.to_rfc3339())
                }
                _ => "the cloud opens a session".to_owned(),
            },
        }
    }
}

/// The last steps are the running sensor's word: its session, or its last failure. (Between two
/// attempts its steps are those of the one that failed, during one they are still to come.)
fn take_over(status: &mut Status, running: &Status) {
    let refused_at_enrolment = |failure: &&Failure| failure.step() == Step::Enrolment;
    let failure = running.last_failure.as_ref().map(|(_, failure)| failure);
    if status.failed().is_some() {
        // The cloud does not know the device. The running sensor may know more: it has a token.
        if let Some(failure) = failure.filter(refused_at_enrolment) {
            status.steps[Step::Enrolment as usize] = StepState::Failed(failure.clone());
        }
        return;
    }
    status.connected_since = running.connected_since;
    status.customer.clone_from(&running.customer);
    status.id_sensor = running.id_sensor;
    let steps = &mut status.steps;
    steps[Step::Enrolment as usize] = StepState::Passed;
    if running.connected_since.is_some() {
        steps[Step::SensorId as usize] = StepState::Passed;
        steps[Step::Accepted as usize] = StepState::Passed;
    } else if let Some(failure) = failure {
        let step = failure.step();
        // An earlier step has passed just now.
        let step = if step < Step::Enrolment { Step::Accepted } else { step };
        steps[step as usize] = StepState::Failed(failure.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reports() -> Vec<StepReport> {
        vec![
            StepReport::ok("lookup", "a has an address"),
            StepReport::of_failure(Step::Enrolment, &Failure::NotEnrolled),
            StepReport::not_reached("accepted"),
        ]
    }

    #[test]
    fn a_table_has_aligned_columns() {
        let text = table(&reports(), Style::PLAIN);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "✓ ok      lookup     a has an address");
        assert!(lines[1].starts_with("✗ failed  enrolment  the cloud does not know this device"));
        assert!(lines[2].starts_with("                     "), "a long sentence goes on below");
        assert_eq!(*lines.last().unwrap(), "· -       accepted   not reached");
    }

    /// What `doctor` found by itself, with what the running sensor failed at last.
    fn taken_over(own: Option<Failure>, running: Failure) -> Status {
        let mut status = Status::default();
        for step in [Step::Lookup, Step::Tcp, Step::Tls, Step::Clock, Step::Version] {
            status.steps[step as usize] = StepState::Passed;
        }
        if let Some(own) = own {
            let step = own.step();
            status.steps[step as usize] = StepState::Failed(own);
        }
        let last_failure = Some((ringside_protocol::time::UnixMicros(1), running));
        take_over(&mut status, &Status { last_failure, ..Status::default() });
        status
    }

    #[test]
    fn the_running_sensor_s_failure_stands_at_its_own_step() {
        let id_taken = Failure::IdTaken { id_sensor: 7, by: "other".to_owned() };
        for failure in [Failure::Revoked, Failure::BadSignature, id_taken, Failure::SessionEnded] {
            let status = taken_over(None, failure.clone());
            assert_eq!(*status.step(failure.step()), StepState::Failed(failure));
        }
    }

    #[test]
    fn a_token_that_was_refused_is_told_rather_than_that_the_device_is_unknown() {
        let enrolment = |own, running| taken_over(own, running).step(Step::Enrolment).clone();
        let unknown = Some(Failure::NotEnrolled);
        let told = enrolment(unknown.clone(), Failure::TokenUsed);
        assert_eq!(told, StepState::Failed(Failure::TokenUsed));
        let told = enrolment(unknown, Failure::SessionEnded);
        assert_eq!(told, StepState::Failed(Failure::NotEnrolled), "of another step");
    }

    #[test]
    fn json_has_every_step_and_the_verdict() {
        let value: serde_json::Value = serde_json::from_str(&json(&reports())).expect("JSON");
        assert_eq!(value["ok"], false);
        assert_eq!(value["steps"][1]["state"], "failed");
        assert_eq!(value["steps"][1]["detail"], "not_enrolled");
        assert_eq!(value["steps"][2]["state"], "not_reached");
    }

    #[test]
    fn only_all_steps_together_are_ok() {
        assert!(is_all_ok(&reports()[..1]));
        assert!(!is_all_ok(&reports()));
        assert!(!is_all_ok(&reports()[2..]));
    }
}
