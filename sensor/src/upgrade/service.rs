//! Has the sensor started again, in the way in which it was started.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::signs::Signs;
use crate::uplink::status::Running;

/// The unit that the release archive installs.
pub const UNIT: &str = "ringside-sensor.service";

/// How the sensor was restarted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restarted {
    /// systemd does it.
    BySystemd,
    /// It was told to end and start itself again.
    ByItself,
    /// None runs: the next start is the trial.
    NotRunning,
}

/// Restarts the unit where it is active, else the sensor that runs on `data_dir`.
///
/// # Errors
/// systemd refuses, or the process cannot be told.
pub fn restart(data_dir: &Path) -> io::Result<Restarted> {
    if systemctl(&["is-active", "--quiet", UNIT]).is_ok_and(|done| done) {
        return match systemctl(&["restart", "--no-block", UNIT]) {
            Ok(true) => Ok(Restarted::BySystemd),
            Ok(false) => Err(io::Error::other("systemctl restart failed: see its journal")),
            Err(error) => Err(error),
        };
    }
    if Running::read(data_dir)?.is_none() {
        return Ok(Restarted::NotRunning);
    }
    let pid = Signs::read(data_dir, None).and_then(|signs| i32::try_from(signs.pid).ok());
    let Some(pid) = pid.and_then(Pid::from_raw) else { return Ok(Restarted::NotRunning) };
    kill_process(pid, Signal::HUP)?;
    Ok(Restarted::ByItself)
}

/// Whether `systemctl` with these words succeeds.
///
/// # Errors
/// There is no systemd here.
pub fn systemctl(words: &[&str]) -> io::Result<bool> {
    let mut command = Command::new("systemctl");
    command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(command.status()?.success())
}
