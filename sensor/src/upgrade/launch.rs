//! The second half of an upgrade: the program that has proved itself starts the one on trial, and
//! decides.

use core::time::Duration;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use ringside_protocol::slot::health::{Health, Reason, Verdict};
use ringside_protocol::slot::{Decision, Event, Slot};
use rustix::process::{Pid, Signal, kill_process};

use super::program::Program;
use super::signs::Signs;
use super::state::State;
use super::{report, uninterrupted};
use crate::version::SOFTWARE;

/// Set for a program that another slot's has started.
pub const STARTED_BY: &str = "RINGSIDE_STARTED_BY";

/// Its value where that other program was only the link's, and is no more.
const LINK: &str = "link";

/// Exit code of a child that wants the link to be started again.
pub const START_AGAIN: u8 = 75;

/// Between two looks at a child.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How long a child may take to end when it is told to.
const END_PATIENCE: Duration = Duration::from_secs(15);

/// What is to be done with this start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Launch {
    /// This program is the sensor.
    Myself,
    /// Another slot's program was the sensor, and has ended with this code.
    Ended(u8),
}

/// What a launch needs to know.
#[derive(Debug)]
pub struct Launcher<'a> {
    /// This program's file.
    pub executable: PathBuf,
    /// The arguments after its name.
    pub arguments: Vec<OsString>,
    /// `data_dir`.
    pub data_dir: &'a Path,
    /// `upgrade_trial`.
    pub trial: Duration,
    /// The sensor was told to end.
    pub stopping: &'a AtomicBool,
}

/// Whether the program of another slot has started this one and waits for it.
#[must_use]
pub fn is_child() -> bool {
    let parent = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().to_string());
    std::env::var(STARTED_BY).ok().is_some_and(|by| Some(by) == parent)
}

/// Has a child told to end when the one that has started it is gone. Called after the user was
/// changed, which would undo it.
///
/// # Errors
/// That one is gone already, or the system refuses.
pub fn end_with_parent() -> io::Result<()> {
    let is_link = |by: &OsString| by == LINK;
    if std::env::var_os(STARTED_BY).is_none_or(|by| is_link(&by)) {
        return Ok(());
    }
    rustix::process::set_parent_process_death_signal(Some(Signal::TERM))?;
    // It may have ended before the system knew of that wish.
    match is_child() {
        true => Ok(()),
        false => Err(io::Error::other("the program that has started this one has ended")),
    }
}

impl Launcher<'_> {
    /// Starts the other slot's program where it is its turn, and waits for its end.
    ///
    /// # Errors
    /// The system's, where the state of upgrades cannot be read or written.
    pub fn launch(&self) -> io::Result<Launch> {
        let (program, Some(me)) = Program::of(&self.executable) else { return Ok(Launch::Myself) };
        if std::env::var_os(STARTED_BY).is_some() {
            return Ok(Launch::Myself);
        }
        let Some(mut state) = State::load(self.data_dir)? else { return Ok(Launch::Myself) };
        if state.slots.on_trial().is_none() {
            let next = state.slots.next();
            if next != me && program.file(next).is_file() {
                return Err(self.become_other(&program.file(next)));
            }
            return Ok(Launch::Myself);
        }
        let slot = state.slots.start();
        if slot == me {
            if state.slots.handle(me, Event::Up) == Ok(Decision::FellBack) {
                self.put_back(&state, me.other(), &Reason::TriesUsedUp);
            }
            state.store(self.data_dir, &uninterrupted)?;
            return Ok(Launch::Myself);
        }
        state.store(self.data_dir, &uninterrupted)?;
        self.supervise(&program, state, slot)
    }

    /// Starts the link in this process's place. Gives why that is not possible.
    #[must_use]
    pub fn start_again(&self) -> io::Error {
        let (program, _) = Program::of(&self.executable);
        Command::new(program.path()).args(&self.arguments).env_remove(STARTED_BY).exec()
    }

    /// Replaces this process. Gives why that is not possible.
    fn become_other(&self, file: &Path) -> io::Error {
        Command::new(file).args(&self.arguments).env(STARTED_BY, LINK).exec()
    }

    fn supervise(&self, program: &Program, mut state: State, slot: Slot) -> io::Result<Launch> {
        let version = state.version(slot).unwrap_or("the new version").to_owned();
        log::info!("{version} is on trial for {} s", self.trial.as_secs());
        let started = Instant::now();
        let mut command = Command::new(program.file(slot));
        command.args(&self.arguments).env(STARTED_BY, std::process::id().to_string());
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => {
                let reason = Reason::NotStarted { detail: error.to_string() };
                return self.give_up(state, slot, &reason);
            }
        };
        loop {
            if let Some(status) = child.try_wait()? {
                let reason = Reason::Ended { how: status.to_string() };
                return self.give_up(state, slot, &reason);
            }
            if self.is_stopping() {
                // No verdict: the next start goes on with the trial.
                return Ok(Launch::Ended(code(end(&mut child)?)));
            }
            let signs = Signs::read(self.data_dir, Some(child.id()));
            let health = signs.map_or_else(|| Health::new(self.trial), |it| it.health(self.trial));
            match health.verdict(started.elapsed()) {
                Verdict::Waiting => std::thread::sleep(LOOK_EVERY),
                Verdict::Healthy => break,
                Verdict::Unhealthy(reason) => {
                    end(&mut child)?;
                    return self.give_up(state, slot, &reason);
                }
            }
        }
        let proved = state.slots.handle(slot, Event::Healthy);
        debug_assert_eq!(proved, Ok(Decision::Proved));
        state.store(self.data_dir, &uninterrupted)?;
        let report = report::now(&version, &version, None);
        log::info!("{}", report.sentence());
        report::store(self.data_dir, &report)?;
        self.wait_for(&mut child)
    }

    /// The program on trial has failed: this one is the sensor again.
    fn give_up(&self, mut state: State, slot: Slot, reason: &Reason) -> io::Result<Launch> {
        let given_up = state.slots.handle(slot, Event::Unhealthy);
        debug_assert_eq!(given_up, Ok(Decision::Switch(slot.other())));
        self.put_back(&state, slot, reason);
        state.store(self.data_dir, &uninterrupted)?;
        Ok(Launch::Myself)
    }

    fn put_back(&self, state: &State, failed: Slot, reason: &Reason) {
        let version = state.version(failed).unwrap_or("the new version");
        let report = report::now(version, SOFTWARE, Some(reason.to_string()));
        log::error!("{}", report.sentence());
        if let Err(error) = report::store(self.data_dir, &report) {
            log::error!("the report of that could not be kept: {error}");
        }
    }

    /// Waits for the end of a program that has proved itself.
    fn wait_for(&self, child: &mut Child) -> io::Result<Launch> {
        loop {
            if self.is_stopping() {
                return Ok(Launch::Ended(code(end(child)?)));
            }
            if let Some(status) = child.try_wait()? {
                let code = code(status);
                if code == START_AGAIN {
                    return Err(self.start_again());
                }
                return Ok(Launch::Ended(code));
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}

/// Tells a child to end, as cleanly as it can: calls in progress become records.
fn end(child: &mut Child) -> io::Result<ExitStatus> {
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // One that has ended already is waited for below.
        let _ = kill_process(pid, Signal::TERM);
    }
    let told = Instant::now();
    while told.elapsed() < END_PATIENCE {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        std::thread::sleep(LOOK_EVERY);
    }
    log::error!("the program on trial did not end when it was told to, and was killed");
    child.kill()?;
    child.wait()
}

fn code(status: ExitStatus) -> u8 {
    status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}
