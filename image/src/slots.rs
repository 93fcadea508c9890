//! On the box: the slots of the disk that it runs from, and what has happened told to the boot loader.
//!
//! The partition with the environment blocks is mounted by the caller. When to write them, and which
//! first, is [`block::handle`]'s. On a Raspberry Pi `autoboot.txt` beside them follows them.

use core::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use ringside_protocol::slot::block;
use ringside_protocol::slot::{Decision, Event, Refusal, Slot, Slots};

use crate::bundle::{self, BundleError, Manifest};
use crate::fat::Window;
use crate::root;
use crate::sign::{self, SignError};
use crate::tryboot::{self, AUTOBOOT, FirmwareRefusal, Pair};

/// The images of a slot in a bundle.
const ROOT: &str = "root.squashfs";
const FIRMWARE: &str = "firmware.vfat";

/// Why something about the slots cannot be done.
#[derive(Debug)]
pub enum SlotError {
    /// A file, and the system's words.
    Io(PathBuf, io::Error),
    /// This is not a box.
    NotABox(&'static str),
    /// It is not the moment.
    Refused(Refusal),
    /// Of a Raspberry Pi.
    Firmware(FirmwareRefusal),
    /// An image of the slot is not in the bundle.
    Lacks(&'static str),
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
            Self::Firmware(refusal) => fmt::Display::fmt(refusal, f),
            Self::Lacks(name) => {
                write!(f, "the bundle lacks {name}: get the one that was made for this board")
            }
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

/// The two environment blocks in a folder, and `autoboot.txt` where the board has it.
#[derive(Clone, Debug)]
pub struct Blocks {
    paths: [PathBuf; 2],
    autoboot: Option<PathBuf>,
}

impl Blocks {
    /// In the boot volume mounted at `boot`.
    #[must_use]
    pub fn of(boot: &Path) -> Self {
        let paths = ["ringside/env.1", "ringside/env.2"].map(|name| boot.join(name));
        Self { paths, autoboot: None }
    }

    /// The same of a Raspberry Pi.
    #[must_use]
    pub fn with_autoboot(boot: &Path) -> Self {
        Self { autoboot: Some(boot.join(AUTOBOOT)), ..Self::of(boot) }
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
        let decision = block::handle([&first, &second], running, event, |copy, block| {
            // Before the blocks: a cut between the two leaves what the next start judges again.
            self.follow(Slots::from_copies([block, block]))?;
            put(&self.paths[copy], block)
        })?;
        self.follow(self.load())?;
        Ok(decision)
    }

    /// Has `autoboot.txt` name the ordinary slot.
    fn follow(&self, slots: Slots) -> Result<(), SlotError> {
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
fn put(path: &Path, content: &[u8]) -> Result<(), SlotError> {
    let write = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        file.write_all(content)?;
        file.set_len(content.len() as u64)?;
        file.sync_all()
    };
    write().map_err(|error| SlotError::Io(path.to_owned(), error))
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

/// Where the images of the slot that does not run go.
#[derive(Clone, Debug)]
pub struct Target {
    /// Partition of its root.
    pub root: PathBuf,
    /// The rest, on a Raspberry Pi.
    pub pair: Option<Pair>,
}

/// A partition to be overwritten.
struct Partition {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl Partition {
    fn open(path: &Path) -> Result<Self, SlotError> {
        let at = |error| SlotError::Io(path.to_owned(), error);
        let file = OpenOptions::new().read(true).write(true).open(path).map_err(at)?;
        let bytes = io::Seek::seek(&mut &file, io::SeekFrom::End(0)).map_err(at)?;
        io::Seek::rewind(&mut &file).map_err(at)?;
        Ok(Self { path: path.to_owned(), file, bytes })
    }

    fn sync(&self) -> Result<(), SlotError> {
        self.file.sync_all().map_err(|error| SlotError::Io(self.path.clone(), error))
    }
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
    target: &Target,
) -> Result<Manifest, SlotError> {
    if target.pair.is_some() {
        tryboot::may_install(root).map_err(SlotError::Firmware)?;
    }
    let release = Release::load(root)?;
    let board = release.fact("BOARD").ok_or(SlotError::NotABox("the box has no board"))?;
    let key = sign::public_key(&root.join(root::PUBLIC_KEY)).map_err(SlotError::Key)?;
    let mut partitions = vec![(ROOT, Partition::open(&target.root)?)];
    if let Some(pair) = &target.pair {
        partitions.push((FIRMWARE, Partition::open(&pair.firmware)?));
    }
    let mut refused = None;
    let manifest = bundle::read(bundle, &key, Some(board), |image| {
        let Some((_, to)) = partitions.iter().find(|(name, _)| *name == image.name) else {
            return Ok(None::<(&File, u64)>);
        };
        if let Err(error) = blocks.handle(running, Event::InstallBegun) {
            refused = Some(error);
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        Ok(Some((&to.file, to.bytes)))
    });
    if let Some(refused) = refused {
        return Err(refused);
    }
    let manifest = manifest.map_err(SlotError::Bundle)?;
    for (name, partition) in &partitions {
        if !manifest.images.iter().any(|image| image.name == *name) {
            return Err(SlotError::Lacks(name));
        }
        if let Some(pair) = target.pair.as_ref().filter(|_| *name == FIRMWARE) {
            let window = || Window::new(&partition.file, 0, partition.bytes);
            let belongs = tryboot::belong(window, running.other(), pair.root);
            belongs.map_err(|error| SlotError::Io(partition.path.clone(), error))?;
        }
        partition.sync()?;
    }
    blocks.handle(running, Event::Installed)?;
    Ok(manifest)
}

#[cfg(test)]
mod tests {
    use minisign::KeyPair;
    use ringside_protocol::slot::State;
    use ringside_protocol::slot::tryboot::{OLDEST_FIRMWARE, ordinary_slot};
    use uuid::Uuid;

    use super::*;
    use crate::fat;
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
            super::install(bundle, &root, &self.blocks, Slot::A, &self.target())
        }

        fn target(&self) -> Target {
            Target { root: self.slot.clone(), pair: None }
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
        let error = super::install(&bundle, &root, &it.blocks, Slot::B, &it.target());
        assert!(matches!(error, Err(SlotError::Refused(Refusal::OnTrial))));
    }

    /// A box whose firmware is a Raspberry Pi's of this age.
    struct Pi {
        it: Box,
        target: Target,
        bundle: PathBuf,
    }

    fn a_pi(built: u32, is_tryboot: u32) -> Pi {
        let mut it = a_box();
        let tree = "root/proc/device-tree/chosen/bootloader";
        it.scratch.file(&format!("{tree}/build-timestamp"), &built.to_be_bytes());
        it.scratch.file(&format!("{tree}/tryboot"), &is_tryboot.to_be_bytes());
        it.scratch.file("boot/autoboot.txt", tryboot::autoboot(Slot::A).as_bytes());
        it.blocks = Blocks::with_autoboot(&it.scratch.path().join("boot"));
        let line = tryboot::command_line(Slot::A, Uuid::from_u128(1), "ro");
        let files = [(tryboot::COMMAND_LINE.to_owned(), line.into_bytes())];
        let volume = fat::make(8 << 20, "FW", &fat::Files::from(files)).expect("it fits");
        let firmware = it.scratch.file("new-firmware", &volume);
        let root = it.scratch.file("new", &[7; 5000]);
        let bundle = it.scratch.path().join("b.bundle");
        let images = [(ROOT, root.as_path()), (FIRMWARE, firmware.as_path())];
        bundle::write(&bundle, "bench", "2", &images, &it.keys.sk).expect("written");
        let firmware = it.scratch.file("firmware", &vec![0; 8 << 20]);
        let pair = Some(Pair { firmware, root: Uuid::from_u128(2) });
        let target = Target { root: it.slot.clone(), pair };
        Pi { it, target, bundle }
    }

    impl Pi {
        fn install(&self) -> Result<Manifest, SlotError> {
            let root = self.it.scratch.path().join("root");
            super::install(&self.bundle, &root, &self.it.blocks, Slot::A, &self.target)
        }

        fn ordinary(&self) -> Option<Slot> {
            let text = fs::read_to_string(self.it.scratch.path().join("boot/autoboot.txt"));
            ordinary_slot(&text.expect("read"))
        }

        fn command_line(&self) -> String {
            let path = &self.target.pair.as_ref().expect("a pair").firmware;
            let file = File::open(path).expect("there");
            let line = fat::read(Window::new(&file, 0, 8 << 20), tryboot::COMMAND_LINE);
            String::from_utf8(line.expect("a volume").expect("a line")).expect("text")
        }
    }

    #[test]
    fn on_a_raspberry_pi_both_halves_of_the_slot_are_written_and_the_ordinary_one_stays() {
        let pi = a_pi(OLDEST_FIRMWARE, 0);
        pi.install().expect("installed");
        assert!(fs::read(&pi.it.slot).expect("read").starts_with(&[7; 5000]));
        assert_eq!(pi.command_line(), tryboot::command_line(Slot::B, Uuid::from_u128(2), "ro"));
        assert_eq!(pi.it.blocks.load().on_trial(), Some(Slot::B));
        assert_eq!(pi.ordinary(), Some(Slot::A), "the next ordinary start is the old slot's");
    }

    #[test]
    fn a_raspberry_pi_that_cannot_try_or_is_trying_is_not_touched() {
        for (built, is_tryboot, says) in
            [(OLDEST_FIRMWARE - 1, 0, "EEPROM"), (OLDEST_FIRMWARE, 1, "tryboot")]
        {
            let pi = a_pi(built, is_tryboot);
            let before = pi.it.blocks.load();
            let error = pi.install().expect_err("refused").to_string();
            assert!(error.contains(says), "{error}");
            assert_eq!(pi.it.blocks.load(), before);
            assert!(fs::read(&pi.it.slot).expect("read").iter().all(|&byte| byte == 0));
        }
    }

    #[test]
    fn a_bundle_without_the_firmware_s_half_leaves_a_slot_that_is_never_started() {
        let mut pi = a_pi(OLDEST_FIRMWARE, 0);
        pi.bundle = pi.it.bundle("bench", &[7; 5000]);
        let error = pi.install().expect_err("half").to_string();
        assert!(error.contains("lacks firmware.vfat"), "{error}");
        assert_eq!(pi.it.blocks.load().state(Slot::B), State::Empty);
        assert_eq!(pi.ordinary(), Some(Slot::A));
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
