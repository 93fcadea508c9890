//! `data_dir/upgrade/slots`: the variables, and which version each slot holds.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ringside_protocol::slot::Slot;
use ringside_protocol::slot::Slots;

use super::Steps;
use crate::store::atomic;

const FOLDER: &str = "upgrade";
const FILE: &str = "slots";

/// The folder for what upgrades keep.
#[must_use]
pub fn folder(data_dir: &Path) -> PathBuf {
    data_dir.join(FOLDER)
}

/// What is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// The variables.
    pub slots: Slots,
    /// Version of slot `A` and of slot `B`.
    versions: [Option<String>; 2],
}

impl State {
    /// Nothing was ever upgraded, and `slot` runs.
    #[must_use]
    pub const fn only(slot: Slot) -> Self {
        Self { slots: Slots::only(slot), versions: [None, None] }
    }

    /// Reads it; `None` where nothing was ever upgraded, or the file is damaged: then only what the
    /// link leads to is started.
    ///
    /// # Errors
    /// The system's.
    pub fn load(data_dir: &Path) -> io::Result<Option<Self>> {
        let text = match fs::read_to_string(folder(data_dir).join(FILE)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => String::new(),
            Err(error) => return Err(error),
        };
        let version = |name: &str| {
            let mut lines = text.lines().filter_map(|line| line.split_once('='));
            lines.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
        };
        match Slots::from_text(&text) {
            Ok(slots) => {
                Ok(Some(Self { slots, versions: [version("A_VERSION"), version("B_VERSION")] }))
            }
            Err(error) => {
                log::error!("the state of upgrades is damaged and begins anew: {error}");
                Ok(None)
            }
        }
    }

    /// Writes it: from then on it holds, power cut or not.
    ///
    /// # Errors
    /// The system's; what was written before holds.
    pub fn store(&self, data_dir: &Path, steps: Steps<'_>) -> io::Result<()> {
        let mut text = self.slots.to_text();
        for slot in Slot::ALL {
            if let Some(version) = self.version(slot) {
                text += &format!("{slot}_VERSION={version}\n");
            }
        }
        steps("store the variables")?;
        atomic::make_directory_for_owner(&folder(data_dir))?;
        atomic::replace(&folder(data_dir).join(FILE), text.as_bytes(), 0o644)?;
        steps("after the variables")
    }

    /// The version that a slot holds, where it is known.
    #[must_use]
    pub fn version(&self, slot: Slot) -> Option<&str> {
        self.versions[slot as usize].as_deref()
    }

    /// Notes the version that a slot holds.
    pub fn set_version(&mut self, slot: Slot, version: &str) {
        self.versions[slot as usize] = Some(version.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::test_dir::TestDir;
    use crate::upgrade::uninterrupted;

    #[test]
    fn what_is_stored_is_loaded_and_damage_begins_anew() {
        let dir = TestDir::new();
        assert_eq!(State::load(dir.path()).expect("load"), None);
        let mut state = State::only(Slot::B);
        state.set_version(Slot::B, "0.1.0");
        state.store(dir.path(), &uninterrupted).expect("store");
        assert_eq!(State::load(dir.path()).expect("load"), Some(state));
        for damage in [&b"ORDER=A"[..], b"\xff"] {
            fs::write(folder(dir.path()).join(FILE), damage).expect("write");
            assert_eq!(State::load(dir.path()).expect("load"), None);
        }
    }
}
