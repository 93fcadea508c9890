//! `ringside-sensor upgrade` and `slots`: this program, and a box's slots.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ringside_protocol::slot::health::{Reason, Verdict};
use ringside_protocol::slot::{Decision, Event, Slot};

use super::{DONE, FAILED, Stop, load, print};
use crate::config::Config;
use crate::upgrade::blocks::Blocks;
use crate::upgrade::package::{self, Policy};
use crate::upgrade::program::Program;
use crate::upgrade::service::{self, Restarted};
use crate::upgrade::signs::Signs;
use crate::upgrade::state::State;
use crate::upgrade::{install, report, uninterrupted};
use crate::uplink::status::Running;
use crate::version::SOFTWARE;

/// Between two looks at a trial.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What the start and the end of a program on trial may add to its time.
const SLACK: Duration = Duration::from_secs(60);

/// `upgrade`: what was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upgrade {
    /// The file; `None` with `--forget`.
    pub file: Option<PathBuf>,
    /// `--allow-downgrade`.
    pub allows_downgrade: bool,
    /// `--forget`: the report of the last upgrade.
    pub forgets: bool,
}

pub(super) fn upgrade(asked: &Upgrade, config: Option<&Path>) -> Result<u8, Stop> {
    let config = load(config)?.config;
    if asked.forgets {
        report::forget(&config.data_dir).map_err(Stop::failed)?;
        return Ok(DONE);
    }
    let Some(file) = &asked.file else { return Err(Stop::wrong("upgrade needs a FILE")) };
    let policy = Policy {
        key: config.upgrade_key.clone(),
        running: SOFTWARE.to_owned(),
        allows_downgrade: asked.allows_downgrade,
    };
    let package = package::open(file, &policy)
        .map_err(|error| Stop::failed(format!("{}: {error}", file.display())))?;
    let executable = std::env::current_exe().map_err(Stop::failed)?;
    let (program, _) = Program::of(&executable);
    let slot = install::install(&program, &config.data_dir, &package, SOFTWARE, &uninterrupted)
        .map_err(Stop::failed)?;
    report::forget(&config.data_dir).map_err(Stop::failed)?;
    let restarted = service::restart(&config.data_dir).map_err(|error| {
        Stop::failed(format!(
            "{} is installed, but the sensor could not be restarted ({error}): restart it, and it \
             will be tried",
            package.version
        ))
    })?;
    if restarted == Restarted::NotRunning {
        return print(&format!(
            "{} is installed. No sensor runs on {}: the next start tries it, and keeps {SOFTWARE} \
             if it does not prove itself.\n",
            package.version,
            config.data_dir.display()
        ));
    }
    print(&format!(
        "{} is on trial for up to {} s\n",
        package.version,
        config.upgrade_trial.as_secs()
    ))?;
    await_verdict(&config, &program, slot, &package.version)
}

/// Waits until the running sensor has decided, and makes the link follow.
fn await_verdict(
    config: &Config,
    program: &Program,
    slot: Slot,
    version: &str,
) -> Result<u8, Stop> {
    let begun = Instant::now();
    loop {
        let state = State::load(&config.data_dir).map_err(Stop::failed)?;
        if state.as_ref().is_none_or(|state| state.slots.on_trial().is_none()) {
            break;
        }
        if begun.elapsed() > config.upgrade_trial + SLACK {
            return Err(Stop::failed(format!(
                "{version} was not tried: look at the sensor's log, and restart it"
            )));
        }
        std::thread::sleep(LOOK_EVERY);
    }
    let state = State::load(&config.data_dir).map_err(Stop::failed)?;
    let is_proved = state.is_some_and(|state| state.slots.next() == slot);
    if is_proved {
        program.point_to(slot, &uninterrupted).map_err(Stop::failed)?;
    }
    let sentence = report::load(&config.data_dir).map(|report| report.sentence());
    print(&format!("{}\n", sentence.unwrap_or_else(|| format!("upgraded to {version}"))))?;
    Ok(if is_proved { DONE } else { FAILED })
}

/// `slots`: what was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotsAsked {
    /// `show`, `try`, `judge` or an event's name.
    pub verb: String,
    /// `--block`, twice.
    pub blocks: [PathBuf; 2],
    /// `--autoboot`: a Raspberry Pi's file.
    pub autoboot: Option<PathBuf>,
    /// `--running`.
    pub running: Option<Slot>,
    /// `--version`: of what is installed.
    pub version: Option<String>,
}

/// What the words of `slots` mean; `judge` is no event.
fn event(verb: &str) -> Option<Event> {
    Some(match verb {
        "install-begun" => Event::InstallBegun,
        "installed" => Event::Installed,
        "up" => Event::Up,
        "healthy" => Event::Healthy,
        "unhealthy" => Event::Unhealthy,
        _ => return None,
    })
}

pub(super) fn slots(asked: &SlotsAsked, config: Option<&Path>) -> Result<u8, Stop> {
    let blocks = Blocks::new(asked.blocks.clone(), asked.autoboot.clone());
    if asked.verb == "try" {
        let slot = blocks.start().map_err(Stop::failed)?;
        return print(&format!("switch {slot}\n"));
    }
    if asked.verb == "show" {
        let slots = blocks.load();
        let line = |slot| format!("{slot}: {}\n", slots.state(slot));
        return print(&(slots.to_text() + &Slot::ALL.map(line).concat()));
    }
    let running = asked.running.ok_or_else(|| Stop::wrong("slots needs --running A or B"))?;
    let config = load(config)?.config;
    let (event, reason) = match event(&asked.verb) {
        Some(event) => (event, Reason::TriesUsedUp),
        None if asked.verb == "judge" => judge(&config),
        None => {
            return Err(Stop::wrong(
                "slots takes show, try, judge, install-begun, installed, up, healthy or unhealthy",
            ));
        }
    };
    let decision = blocks.handle(running, event).map_err(Stop::failed)?;
    note(&config, running, asked.version.as_deref(), decision, &reason)?;
    print(&match decision {
        Decision::Stay => "stay\n".to_owned(),
        Decision::Proved => "proved\n".to_owned(),
        Decision::Switch(slot) => format!("switch {slot}\n"),
        Decision::FellBack => "fell-back\n".to_owned(),
    })
}

/// Waits until the running sensor is healthy, or its time is up.
fn judge(config: &Config) -> (Event, Reason) {
    let (limit, begun) = (config.upgrade_trial, Instant::now());
    loop {
        // A sensor that has ended has left its file, and not its lock.
        let is_running = matches!(Running::read(&config.data_dir), Ok(Some(_)));
        let signs = is_running.then(|| Signs::read(&config.data_dir, None)).flatten();
        let verdict = match signs {
            Some(signs) => signs.health(limit).verdict(begun.elapsed()),
            None if begun.elapsed() < limit => Verdict::Waiting,
            None => Verdict::Unhealthy(Reason::Ended { how: "no sensor runs".to_owned() }),
        };
        match verdict {
            Verdict::Waiting => std::thread::sleep(LOOK_EVERY),
            Verdict::Healthy => return (Event::Healthy, Reason::TriesUsedUp),
            Verdict::Unhealthy(reason) => return (Event::Unhealthy, reason),
        }
    }
}

/// Keeps which version is where, and how an upgrade ended.
fn note(
    config: &Config,
    running: Slot,
    version: Option<&str>,
    decision: Decision,
    reason: &Reason,
) -> Result<(), Stop> {
    let kept = State::load(&config.data_dir).map_err(Stop::failed)?;
    let mut state = kept.unwrap_or_else(|| State::only(running));
    if let Some(version) = version {
        state.set_version(running, SOFTWARE);
        state.set_version(running.other(), version);
        state.store(&config.data_dir, &uninterrupted).map_err(Stop::failed)?;
        return Ok(());
    }
    let version = |slot| state.version(slot).unwrap_or("the other version");
    let report = match decision {
        Decision::Proved => report::now(SOFTWARE, SOFTWARE, None),
        Decision::Switch(to) => report::now(SOFTWARE, version(to), Some(reason.to_string())),
        Decision::FellBack => {
            report::now(version(running.other()), SOFTWARE, Some(reason.to_string()))
        }
        Decision::Stay => return Ok(()),
    };
    report::store(&config.data_dir, &report).map_err(Stop::failed)
}
