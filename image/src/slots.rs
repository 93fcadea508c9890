//! On the box: the slots of the disk that it runs from, and what has happened told to the boot loader.
//!
//! The partition with the environment blocks is mounted by the caller. When to write them, and which
//! first, is [`block::handle`]'s.

use core::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use ringside_protocol::slot::block;
use ringside_protocol::slot::{Decision, Event, Refusal, Slot, Slots};

use crate::bundle::{self, BundleError, Manifest};
use crate::root;
use crate::sign::{self, SignError};

/// Why something about the slots cannot be done.
#[derive(Debug)]
pub enum SlotError {
    /// A file, and the system's words.
    Io(PathBuf, io::Error),
    /// This is not a box.
    NotABox(&'static str),
    /// It is not the moment.
    Refused(Refusal),
    /// The bundle.
    Bundle(BundleError),
    /// The box's key.
    Key(SignError),
}

impl fmt::Display for SlotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(path, error) => write!(f, "{}: {error}", path.display()),
            Self::NotABox(what) => write!(f, "{what}: run this on a box with Ringside's image"),
            Self::Refused(refusal) => fmt::Display::fmt(refusal, f),
            Self::Bundle(error) => fmt::Display::fmt(error, f),
            Self::Key(error) => fmt::Display::fmt(error, f),
        }
    }
}

impl core::error::Error for SlotError {}

impl From<Refusal> for SlotError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// The two environment blocks in a folder.
#[derive(Clone, Debug)]
pub struct Blocks {
    paths: [PathBuf; 2],
}

impl Blocks {
    /// In the boot volume mounted at `boot`.
    #[must_use]
    pub fn of(boot: &Path) -> Self {
        Self { paths: ["ringside/env.1", "ringside/env.2"].map(|name| boot.join(name)) }
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
    /// It is refused, or the blocks cannot be written.
    pub fn handle(&self, running: Slot, event: Event) -> Result<Decision, SlotError> {
        let [first, second] = self.bytes();
        block::handle([&first, &second], running, event, |copy, block| {
            let path = &self.paths[copy];
            let open = OpenOptions::new().write(true).create(true).truncate(false).open(path);
            open.and_then(|mut file| {
                file.write_all(block)?;
                file.sync_all()
            })
            .map_err(|error| SlotError::Io(path.clone(), error))
        })
    }

    fn bytes(&self) -> [Vec<u8>; 2] {
        self.paths.each_ref().map(|path| fs::read(path).unwrap_or_default())
    }
}

/// The facts that the build put into the root.
#[derive(Clone, Debug)]
pub struct Release(String);

impl Release {
    /// Of the box whose root is at `root`.
    ///
    /// # Errors
    /// It is no box.
    pub fn load(root: &Path) -> Result<Self, SlotError> {
        let text = fs::read_to_string(root.join(root::RELEASE));
        text.map(Self).map_err(|_| SlotError::NotABox("there is no /etc/ringside/release"))
    }

    /// A fact by its name.
    #[must_use]
    pub fn fact(&self, name: &str) -> Option<&str> {
        let mut lines = self.0.lines().filter_map(|line| line.split_once('='));
        lines.find(|(key, _)| *key == name).map(|(_, value)| value.trim_matches('"'))
    }
}

/// The slot that runs, as the boot loader told the kernel.
///
/// # Errors
/// The command line names none.
pub fn running(command_line: &str) -> Result<Slot, SlotError> {
    let mut words = command_line.split_whitespace();
    words
        .find_map(|word| word.strip_prefix("ringside.slot="))
        .and_then(|name| name.parse().ok())
        .ok_or(SlotError::NotABox("the kernel was not told which slot it runs from"))
}

/// Writes a bundle into the slot that does not run and has it tried at the next start.
///
/// The environment blocks say that the slot holds nothing from before its first byte is written until
/// after its last one is synced.
///
/// # Errors
/// Every [`SlotError`].
pub fn install(
    bundle: &Path,
    root: &Path,
    blocks: &Blocks,
    running: Slot,
    device: &Path,
) -> Result<Manifest, SlotError> {
    let release = Release::load(root)?;
    let board = release.fact("BOARD").ok_or(SlotError::NotABox("the box has no board"))?;
    let key = sign::public_key(&root.join(root::PUBLIC_KEY)).map_err(SlotError::Key)?;
    let at = |error| SlotError::Io(device.to_owned(), error);
    let slot = OpenOptions::new().write(true).open(device).map_err(at)?;
    let room = io::Seek::seek(&mut &slot, io::SeekFrom::End(0)).map_err(at)?;
    io::Seek::rewind(&mut &slot).map_err(at)?;
    let mut refused = None;
    let manifest = bundle::read(bundle, &key, Some(board), |image| {
        if image.name != "root.squashfs" {
            return Ok(None::<(&File, u64)>);
        }
        if let Err(error) = blocks.handle(running, Event::InstallBegun) {
            refused = Some(error);
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        Ok(Some((&slot, room)))
    });
    if let Some(refused) = refused {
        return Err(refused);
    }
    let manifest = manifest.map_err(SlotError::Bundle)?;
    slot.sync_all().map_err(at)?;
    blocks.handle(running, Event::Installed)?;
    Ok(manifest)
}

#[cfg(test)]
mod tests {
    use minisign::KeyPair;
    use ringside_protocol::slot::State;

    use super::*;
    use crate::scratch::Scratch;

    struct Box {
        scratch: Scratch,
        keys: KeyPair,
        blocks: Blocks,
        slot: PathBuf,
    }

    fn a_box() -> Box {
        let scratch = Scratch::new();
        let keys = KeyPair::generate_unencrypted_keypair().expect("keys");
        let public = keys.pk.to_box().expect("a box").into_string();
        scratch.file("root/etc/ringside/upgrade.pub", public.as_bytes());
        scratch.file("root/etc/ringside/release", b"BOARD=bench\nCAPTURE=\"eth1 eth2\"\n");
        let block = Slots::default().to_block();
        scratch.file("boot/ringside/env.1", &block);
        scratch.file("boot/ringside/env.2", &block);
        let slot = scratch.file("slot", &[0; 100_000]);
        let blocks = Blocks::of(&scratch.path().join("boot"));
        Box { scratch, keys, blocks, slot }
    }

    impl Box {
        fn bundle(&self, board: &str, content: &[u8]) -> PathBuf {
            let root = self.scratch.file("new", content);
            let out = self.scratch.path().join("b.bundle");
            bundle::write(&out, board, "2", &[("root.squashfs", &root)], &self.keys.sk)
                .expect("written");
            out
        }

        fn install(&self, bundle: &Path) -> Result<Manifest, SlotError> {
            let root = self.scratch.path().join("root");
            super::install(bundle, &root, &self.blocks, Slot::A, &self.slot)
        }
    }

    #[test]
    fn an_installed_slot_is_on_trial() {
        let it = a_box();
        let manifest = it.install(&it.bundle("bench", &[7; 5000])).expect("installed");
        assert_eq!(manifest.version, "2");
        assert!(fs::read(&it.slot).expect("read").starts_with(&[7; 5000]));
        let slots = it.blocks.load();
        assert_eq!((slots.on_trial(), slots.next()), (Some(Slot::B), Slot::B));
    }

    #[test]
    fn a_bundle_that_breaks_off_leaves_a_slot_that_is_never_started() {
        let it = a_box();
        let bundle = it.bundle("bench", &[7; 50_000]);
        let whole = fs::read(&bundle).expect("read");
        let cut = it.scratch.file("cut", &whole[..30_000]);
        let error = it.install(&cut).expect_err("cut short").to_string();
        assert!(error.contains("cut short"), "{error}");
        let mut slots = it.blocks.load();
        assert_eq!(slots.state(Slot::B), State::Empty);
        assert!((0..9).all(|_| slots.start() == Slot::A));
    }

    #[test]
    fn a_refused_bundle_touches_nothing() {
        let it = a_box();
        let before = it.blocks.load();
        let error = it.install(&it.bundle("other", &[7; 10])).expect_err("refused").to_string();
        assert!(error.contains("for the board other"), "{error}");
        assert_eq!(it.blocks.load(), before);
        assert!(fs::read(&it.slot).expect("read").iter().all(|&byte| byte == 0));
    }

    #[test]
    fn a_slot_on_trial_installs_nothing() {
        let it = a_box();
        it.install(&it.bundle("bench", &[7; 10])).expect("installed");
        let root = it.scratch.path().join("root");
        let bundle = it.bundle("bench", &[8; 10]);
        let error = super::install(&bundle, &root, &it.blocks, Slot::B, &it.slot);
        assert!(matches!(error, Err(SlotError::Refused(Refusal::OnTrial))));
    }

    #[test]
    fn the_running_slot_and_the_box_s_facts_are_read() {
        assert_eq!(running("ro ringside.slot=B quiet").ok(), Some(Slot::B));
        assert!(running("ro quiet").is_err());
        let it = a_box();
        let release = Release::load(&it.scratch.path().join("root")).expect("a box");
        assert_eq!(release.fact("CAPTURE"), Some("eth1 eth2"));
        assert!(Release::load(it.scratch.path()).is_err());
    }
}
