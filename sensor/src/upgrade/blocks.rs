//! The variables of a box, in the two environment blocks that its boot loader reads.
//!
//! The caller has mounted the partition that holds them. When to write them, and which first, is
//! [`block::handle`]'s. On a Raspberry Pi the firmware reads `autoboot.txt` in their place, which
//! follows them ([`tryboot`]).

use core::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use ringside_protocol::slot::block::{self, BLOCK_BYTES};
use ringside_protocol::slot::{Decision, Event, Refusal, Slot, Slots, tryboot};

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

impl From<Refusal> for BlocksError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Both blocks.
#[derive(Clone, Debug)]
pub struct Blocks {
    paths: [PathBuf; 2],
    autoboot: Option<PathBuf>,
}

impl Blocks {
    /// In these files; `autoboot` is a Raspberry Pi's `autoboot.txt`.
    #[must_use]
    pub const fn new(paths: [PathBuf; 2], autoboot: Option<PathBuf>) -> Self {
        Self { paths, autoboot }
    }

    /// What they hold; a block that cannot be read counts as damaged.
    #[must_use]
    pub fn load(&self) -> Slots {
        let [first, second] = self.bytes();
        Slots::from_copies([&first, &second])
    }

    /// Takes in what has happened while `running` ran. Nothing is written where nothing changes.
    ///
    /// # Errors
    /// Every [`BlocksError`].
    pub fn handle(&self, running: Slot, event: Event) -> Result<Decision, BlocksError> {
        let [first, second] = self.bytes();
        let write = |copy, block: &[u8; BLOCK_BYTES]| self.write(copy, block);
        let decision = block::handle([&first, &second], running, event, write)?;
        self.follow(self.load())?;
        Ok(decision)
    }

    /// Counts the start of the slot that is next, right before the firmware is told to try it.
    ///
    /// # Errors
    /// [`BlocksError::Io`].
    pub fn start(&self) -> Result<Slot, BlocksError> {
        let [first, second] = self.bytes();
        block::start([&first, &second], |copy, block| self.write(copy, block))
    }

    fn write(&self, copy: usize, block: &[u8; BLOCK_BYTES]) -> Result<(), BlocksError> {
        // Before the blocks: a cut between the two leaves what the next start judges again.
        self.follow(Slots::from_copies([block, block]))?;
        put(&self.paths[copy], block)
    }

    /// Has `autoboot.txt` name the ordinary slot.
    fn follow(&self, slots: Slots) -> Result<(), BlocksError> {
        let Some(path) = &self.autoboot else { return Ok(()) };
        let text = tryboot::autoboot(slots.ordinary());
        match fs::read_to_string(path) {
            Ok(found) if found == text => Ok(()),
            _ => put(path, text.as_bytes()),
        }
    }

    fn bytes(&self) -> [Vec<u8>; 2] {
        self.paths.each_ref().map(|path| fs::read(path).unwrap_or_default())
    }
}

/// Writes a file in place, and syncs it.
fn put(path: &Path, content: &[u8]) -> Result<(), BlocksError> {
    let write = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        file.write_all(content)?;
        file.set_len(content.len() as u64)?;
        file.sync_all()
    };
    write().map_err(|error: io::Error| BlocksError::Io { path: path.to_owned(), error })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::test_dir::TestDir;

    /// What the boot loader, or a new image, leaves.
    fn store(paths: &[PathBuf; 2], slots: &Slots) {
        paths.iter().for_each(|path| fs::write(path, slots.to_block()).expect("write"));
    }

    #[test]
    fn an_upgrade_of_a_box_with_one_block_destroyed() {
        let dir = TestDir::new();
        let paths = ["1", "2"].map(|name| dir.path().join(name));
        let blocks = Blocks::new(paths.clone(), None);
        store(&paths, &Slots::fresh());
        assert_eq!(blocks.handle(Slot::A, Event::InstallBegun).expect("A"), Decision::Stay);
        fs::write(&paths[0], b"torn").expect("write");
        let installed = blocks.handle(Slot::A, Event::Installed).expect("A");
        assert_eq!(installed, Decision::Switch(Slot::B));
        let [first, second] = blocks.bytes();
        assert_eq!(first, second);
        // The boot loader.
        let mut slots = blocks.load();
        assert_eq!(slots.start(), Slot::B);
        store(&paths, &slots);
        assert_eq!(blocks.handle(Slot::B, Event::Up).expect("B"), Decision::Stay);
        assert_eq!(blocks.handle(Slot::B, Event::Healthy).expect("B"), Decision::Proved);
        assert_eq!(blocks.load().next(), Slot::B);
    }

    #[test]
    fn on_a_raspberry_pi_autoboot_txt_follows_and_a_torn_one_is_mended() {
        let dir = TestDir::new();
        let paths = ["1", "2"].map(|name| dir.path().join(name));
        let autoboot = dir.path().join("autoboot.txt");
        store(&paths, &Slots::default());
        let blocks = Blocks::new(paths, Some(autoboot.clone()));
        let ordinary = || tryboot::ordinary_slot(&fs::read_to_string(&autoboot).expect("there"));
        blocks.handle(Slot::A, Event::Up).expect("A");
        assert_eq!(ordinary(), Some(Slot::A));
        fs::write(&autoboot, "[all]\ntryboot_a_b=1\nboot_part").expect("write");
        blocks.handle(Slot::A, Event::InstallBegun).expect("A");
        blocks.handle(Slot::A, Event::Installed).expect("A");
        assert_eq!(ordinary(), Some(Slot::A), "B is only tried");
        assert_eq!(blocks.start().expect("counted"), Slot::B);
        blocks.handle(Slot::B, Event::Healthy).expect("B");
        assert_eq!(ordinary(), Some(Slot::B));
    }

    #[test]
    fn nothing_is_written_where_nothing_changes() {
        let dir = TestDir::new();
        let paths = ["1", "2"].map(|name| dir.path().join(name));
        let blocks = Blocks::new(paths.clone(), None);
        store(&paths, &Slots::fresh());
        let ages =
            || paths.each_ref().map(|path| fs::metadata(path).expect("there").modified().ok());
        let before = ages();
        blocks.handle(Slot::A, Event::Up).expect("A");
        assert_eq!(ages(), before);
    }
}
