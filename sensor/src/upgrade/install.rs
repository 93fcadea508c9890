//! The first half of an upgrade: the slot that does not run is filled and put on trial.

use core::fmt;
use std::io;
use std::path::Path;

use ringside_protocol::slot::{Event, Refusal, Slot};

use super::Steps;
use super::package::Package;
use super::program::Program;
use super::state::State;

/// Why nothing was installed. What ran before runs on.
#[derive(Debug)]
pub enum InstallError {
    /// It is not the moment.
    Refused(Refusal),
    /// The disk does not take it.
    Io(io::Error),
}

impl fmt::Display for InstallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => fmt::Display::fmt(refusal, f),
            Self::Io(error) => write!(
                f,
                "the new program could not be written ({error}): run this as root, with room on \
                 the disk; nothing has changed"
            ),
        }
    }
}

impl core::error::Error for InstallError {}

impl From<io::Error> for InstallError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Fills the other slot with `package` and puts it on trial. Gives that slot.
///
/// # Errors
/// Every [`InstallError`].
pub fn install(
    program: &Program,
    data_dir: &Path,
    package: &Package,
    running_version: &str,
    steps: Steps<'_>,
) -> Result<Slot, InstallError> {
    let running = program.adopt(steps)?;
    let mut state = State::load(data_dir)?.unwrap_or_else(|| State::only(running));
    state.slots.handle(running, Event::InstallBegun).map_err(InstallError::Refused)?;
    state.set_version(running, running_version);
    state.store(data_dir, steps)?;
    program.fill(running.other(), &package.program, steps)?;
    state.slots.handle(running, Event::Installed).map_err(InstallError::Refused)?;
    state.set_version(running.other(), &package.version);
    state.store(data_dir, steps)?;
    Ok(running.other())
}
