//! What images are built from, as `ci/image-test` has put it together, and the images themselves.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use minisign::KeyPair;
use ringside_image::board::Board;
use ringside_image::build::{self, Inputs, Outputs};
use ringside_image::bundle;
use ringside_image::device::Kernel;
use ringside_image::fat::{self, Window};
use ringside_image::layout::Role;
use ringside_image::{flash, table};

use crate::folder::Folder;
use crate::machine::Direct;

/// Seconds that a slot on trial has; the machines are emulated.
const TRIAL: &str = "90";

/// A folder with kernel, root, GRUB, sensor and tool for one board, and a release key of the test.
pub struct Kit {
    parts: PathBuf,
    board: String,
    keys: KeyPair,
    folder: Folder,
}

impl Kit {
    /// What `RINGSIDE_IMAGE_KIT` names for the board `RINGSIDE_IMAGE_BOARD`; `None` without them.
    ///
    /// # Panics
    /// Where no key can be made.
    #[must_use]
    pub fn from_environment() -> Option<Self> {
        let parts = PathBuf::from(std::env::var_os("RINGSIDE_IMAGE_KIT")?);
        let board = std::env::var("RINGSIDE_IMAGE_BOARD").ok()?;
        let keys = KeyPair::generate_unencrypted_keypair().expect("a key can be made");
        let folder = Folder::new();
        let public = keys.pk.to_box().expect("a key can be written").into_string();
        fs::write(folder.join("key.pub"), public).expect("a key can be written");
        Some(Self { parts, board, keys, folder })
    }

    /// Facts about the board.
    ///
    /// # Panics
    /// Where its file is wrong.
    #[must_use]
    pub fn board(&self) -> Board {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../board-configs");
        Board::load(&folder.join(format!("{}.toml", self.board))).expect("a good board file")
    }

    /// An image and its bundle, with a root that `alter` has changed.
    ///
    /// # Panics
    /// Where it cannot be built.
    #[must_use]
    pub fn build(&self, version: &str, alter: impl Fn(&Path, &mut Inputs)) -> Outputs {
        let root = self.folder.join(&format!("root-{version}"));
        let mut copy = Command::new("cp");
        let copied = copy.arg("-a").arg(self.part("root")).arg(&root).status();
        assert!(copied.expect("cp is there").success());
        fs::create_dir_all(root.join("etc/ringside")).expect("a folder can be made");
        fs::write(root.join("etc/ringside/trial"), TRIAL).expect("a file can be written");
        let mut inputs = Inputs {
            board: self.board(),
            version: version.to_owned(),
            root: root.clone(),
            kernel: self.part("vmlinuz"),
            initrd: Some(self.part("initrd.img")),
            sensor: self.part("ringside-sensor"),
            tool: self.part("ringside-image"),
            loader: self.part("loader.efi"),
            kernel_arguments: Vec::new(),
            public_key: Some(self.folder.join("key.pub")),
            epoch: 0,
        };
        alter(&root, &mut inputs);
        let built = build::build(&inputs, Some(&self.keys.sk), self.folder.path());
        fs::remove_dir_all(root).expect("a folder can be removed");
        built.unwrap_or_else(|error| panic!("{error}"))
    }

    /// A disk of `bytes` with an image, and what a technician has written on it.
    ///
    /// # Panics
    /// Where it cannot be made.
    #[must_use]
    pub fn flash(&self, image: &Path, bytes: u64, ringside_conf: &str) -> PathBuf {
        let path = self.folder.join("disk");
        File::create(&path).and_then(|disk| disk.set_len(bytes)).expect("a disk can be made");
        let flashed = flash::flash(image, &path, &Kernel::default());
        flashed.unwrap_or_else(|error| panic!("{error}"));
        Self::write_on(&path, ringside_conf);
        path
    }

    /// What a technician writes on a flashed disk.
    ///
    /// # Panics
    /// Where it is not flashed.
    pub fn write_on(disk: &Path, ringside_conf: &str) {
        let disk = File::options().read(true).write(true).open(disk).expect("it is there");
        let bytes = disk.metadata().expect("it is there").len();
        let boot = table::read(&disk, bytes).expect("it is flashed").remove(0);
        let window = Window::new(&disk, boot.at, boot.bytes);
        fat::write(window, "ringside.conf", ringside_conf.as_bytes()).expect("it fits");
    }

    /// Overwrites the second half of a slot of `root_bytes`, as a flash that breaks off leaves it.
    ///
    /// # Panics
    /// Where the disk is not flashed.
    pub fn halve(disk: &Path, role: Role, root_bytes: u64) {
        let disk = File::options().read(true).write(true).open(disk).expect("it is there");
        let bytes = disk.metadata().expect("it is there").len();
        let entries = table::read(&disk, bytes).expect("it is flashed");
        let slot = entries.iter().find(|it| it.name == role.name()).expect("it has slots");
        let half = usize::try_from(root_bytes / 2).expect("a slot fits into memory");
        disk.write_all_at(&vec![0; half], slot.at + root_bytes / 2).expect("it can be written");
    }

    /// The kernel with slot A of a flashed disk as its root, for QEMU to start.
    ///
    /// # Panics
    /// Where the disk is not flashed.
    #[must_use]
    pub fn direct(&self, disk: &Path) -> Direct {
        let file = File::open(disk).expect("it is there");
        let bytes = file.metadata().expect("it is there").len();
        let entries = table::read(&file, bytes).expect("it is flashed");
        let root = entries.iter().find(|it| it.name == Role::RootA.name()).expect("it has a root");
        let console = &self.board().consoles[0];
        Direct {
            kernel: self.part("vmlinuz"),
            initrd: self.part("initrd.img"),
            command_line: format!(
                "root=PARTUUID={} ringside.slot=A ro panic=5 net.ifnames=0 quiet console={console}",
                root.id
            ),
        }
    }

    /// A bundle with nothing worth starting in it, for this board.
    ///
    /// # Panics
    /// Where it cannot be made.
    #[must_use]
    pub fn bundle(&self, board: &str, signed_by: &KeyPair) -> Vec<u8> {
        let (root, out) = (self.folder.join("nothing"), self.folder.join("nothing.bundle"));
        fs::write(&root, [0x5a; 100_000]).expect("a file can be written");
        let made = bundle::write(&out, board, "9", &[("root.squashfs", &root)], &signed_by.sk);
        made.unwrap_or_else(|error| panic!("{error}"));
        fs::read(out).expect("it was written")
    }

    /// The release key.
    #[must_use]
    pub const fn keys(&self) -> &KeyPair {
        &self.keys
    }

    /// A stick with bundles, each with its name.
    ///
    /// # Panics
    /// Where it cannot be made.
    #[must_use]
    pub fn stick(&self, bundles: impl IntoIterator<Item = (&'static str, Vec<u8>)>) -> PathBuf {
        let named = |(name, content)| (format!("ringside/{name}.bundle"), content);
        let files: fat::Files = bundles.into_iter().map(named).collect();
        let path = self.folder.join("stick");
        let volume = fat::make(64 << 20, "STICK", &files).expect("it fits");
        fs::write(&path, volume).expect("a stick can be made");
        path
    }

    /// Where files of the test go.
    #[must_use]
    pub const fn folder(&self) -> &Folder {
        &self.folder
    }

    fn part(&self, name: &str) -> PathBuf {
        self.parts.join(name)
    }
}
