//! The variables of a box, in the two environment blocks that its boot loader reads.
//!
//! The caller has mounted the partition that holds them. Each is rewritten in place and synced
//! before the other is touched, the damaged one first.

use core::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;

use ringside_protocol::slot::block::write_order;
use ringside_protocol::slot::{Decision, Event, Refusal, Slot, Slots};

/// Why an event was not taken in.
#[derive(Debug)]
pub enum BlocksError {
    /// It is not the moment.
    Refused(Refusal),
    /// A block cannot be written.
    Io {
        /// Which.
        path: PathBuf,
        /// The system's words.
        error: io::Error,
    },
}

impl fmt::Display for BlocksError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => fmt::Display::fmt(refusal, f),
            Self::Io { path, error } => write!(
                f,
                "{} cannot be written ({error}): mount the boot partition for writing",
                path.display()
            ),
        }
    }
}

impl core::error::Error for BlocksError {}

/// Both blocks.
#[derive(Clone, Debug)]
pub struct Blocks {
    paths: [PathBuf; 2],
}

impl Blocks {
    /// In these files.
    #[must_use]
    pub const fn new(paths: [PathBuf; 2]) -> Self {
        Self { paths }
    }

    /// What they hold; a block that cannot be read counts as damaged.
    #[must_use]
    pub fn load(&self) -> Slots {
        let [first, second] = self.bytes();
        Slots::from_copies([&first, &second])
    }

    /// Writes both.
    ///
    /// # Errors
    /// The system's.
    pub fn store(&self, slots: &Slots) -> Result<(), BlocksError> {
        let [first, second] = self.bytes();
        for copy in write_order([&first, &second]) {
            let path = &self.paths[copy];
            let written =
                OpenOptions::new().write(true).create(true).truncate(false).open(path).and_then(
                    |mut file| file.write_all(&slots.to_block()).and_then(|()| file.sync_all()),
                );
            written.map_err(|error| BlocksError::Io { path: path.clone(), error })?;
        }
        Ok(())
    }

    /// Takes in what has happened while `running` ran. Nothing is written where nothing changes.
    ///
    /// # Errors
    /// Every [`BlocksError`].
    pub fn handle(&self, running: Slot, event: Event) -> Result<Decision, BlocksError> {
        let before = self.load();
        let mut slots = before;
        let decision = slots.handle(running, event).map_err(BlocksError::Refused)?;
        let is_whole = self.bytes().iter().all(|block| Slots::from_block(block) == Ok(before));
        if slots != before || !is_whole {
            self.store(&slots)?;
        }
        Ok(decision)
    }

    fn bytes(&self) -> [Vec<u8>; 2] {
        self.paths.each_ref().map(|path| fs::read(path).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::test_dir::TestDir;

    #[test]
    fn an_upgrade_of_a_box_with_one_block_destroyed() {
        let dir = TestDir::new();
        let paths = ["1", "2"].map(|name| dir.path().join(name));
        let blocks = Blocks::new(paths.clone());
        blocks.store(&Slots::fresh()).expect("store");
        assert_eq!(blocks.handle(Slot::A, Event::InstallBegun).expect("A"), Decision::Stay);
        fs::write(&paths[0], b"torn").expect("write");
        let installed = blocks.handle(Slot::A, Event::Installed).expect("A");
        assert_eq!(installed, Decision::Switch(Slot::B));
        let [first, second] = blocks.bytes();
        assert_eq!(first, second);
        // The boot loader.
        let mut slots = blocks.load();
        assert_eq!(slots.start(), Slot::B);
        blocks.store(&slots).expect("store");
        assert_eq!(blocks.handle(Slot::B, Event::Up).expect("B"), Decision::Stay);
        assert_eq!(blocks.handle(Slot::B, Event::Healthy).expect("B"), Decision::Proved);
        assert_eq!(blocks.load().next(), Slot::B);
    }

    #[test]
    fn nothing_is_written_where_nothing_changes() {
        let dir = TestDir::new();
        let paths = ["1", "2"].map(|name| dir.path().join(name));
        let blocks = Blocks::new(paths.clone());
        blocks.store(&Slots::fresh()).expect("store");
        let ages =
            || paths.each_ref().map(|path| fs::metadata(path).expect("there").modified().ok());
        let before = ages();
        blocks.handle(Slot::A, Event::Up).expect("A");
        assert_eq!(ages(), before);
    }
}
