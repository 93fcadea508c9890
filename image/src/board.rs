//! A board's facts, one TOML file a board in `board-configs/`.
//!
//! What a file may say is exactly [`Board`]: an unknown key is a mistake and is refused, with the line
//! that it stands in. Sizes are checked against each other and against the smallest disk that the
//! board comes with, so that a build fails here and not on somebody's box.

use core::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::layout::Layout;

/// Bytes of one MiB; every size in a board file is a number of these.
pub const MIB: u64 = 1024 * 1024;

/// Longest `id`: it is in file names, manifests and on the status page.
const MAX_ID: usize = 32;

/// FAT16 with clusters of 512 bytes needs at least 4085 of them; firmware refuses smaller ones.
const MIN_BOOT_MIB: u64 = 8;

/// Above this the file system would be FAT32, which some firmware reads only from removable disks.
const MAX_BOOT_MIB: u64 = 511;

/// Kernel and root do not fit into less.
const MIN_SLOT_MIB: u64 = 16;

/// GRUB and the firmware load a kernel from a slot: larger ones are a mistake in the unit.
const MAX_SLOT_MIB: u64 = 2048;

/// ext4 with a journal, an outbox and a device key.
const MIN_DATA_MIB: u64 = 16;

/// What a board is.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Board {
    /// The file's name without `.toml`; a bundle is refused by a box of another id.
    pub id: String,
    /// For people.
    pub name: String,
    /// Of its processor.
    pub architecture: Architecture,
    /// What chooses the slot.
    pub loader: Loader,
    /// Kernel consoles, the last one being `/dev/console`: `ttyS0,115200`.
    pub consoles: Vec<String>,
    /// Kernel arguments beyond those that every board gets.
    #[serde(default)]
    pub kernel_arguments: Vec<String>,
    /// Kernel modules that are loaded at boot, in this order; those that are not there are built in.
    #[serde(default)]
    pub modules: Vec<String>,
    /// Interface that carries the uplink and the status page.
    pub management: String,
    /// Interfaces on mirror ports; may hold `management` on boards with a single one.
    pub capture: Vec<String>,
    /// Sizes on the disk.
    pub disk: Disk,
}

/// Sizes in MiB.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Disk {
    /// The smallest disk that the board comes with.
    pub smallest_mib: u64,
    /// FAT partition that firmware reads and a technician writes `ringside.conf` into.
    pub boot_mib: u64,
    /// FAT partition of one slot, for boards whose firmware loads the kernel itself.
    pub firmware_mib: Option<u64>,
    /// One root slot.
    pub slot_mib: u64,
    /// Data partition as it is in the image; it grows to the disk's end.
    pub data_mib: u64,
}

/// Of a processor.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Architecture {
    /// 64-bit PC.
    #[serde(rename = "x86_64")]
    X86_64,
    /// 64-bit ARM.
    Aarch64,
}

impl Architecture {
    /// As in target triples.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
        }
    }

    /// Where UEFI firmware looks for a loader (UEFI 2.10 §3.5.1.1).
    #[must_use]
    pub const fn efi_file(self) -> &'static str {
        match self {
            Self::X86_64 => "BOOTX64.EFI",
            Self::Aarch64 => "BOOTAA64.EFI",
        }
    }
}

/// What chooses the slot at power-on.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Loader {
    /// GRUB under UEFI, with the slots' state in two environment blocks.
    Grub,
    /// The Raspberry Pi's firmware, with `autoboot.txt` and a one-time flag.
    Tryboot,
}

impl Loader {
    /// As in a board file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Grub => "grub",
            Self::Tryboot => "tryboot",
        }
    }
}

/// Why a board file is refused.
#[derive(Debug)]
pub enum BoardError {
    /// The file cannot be read.
    Unreadable(PathBuf, std::io::Error),
    /// It is not TOML, or a key is unknown, missing or of another type.
    Malformed {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// The reader's own words.
        what: String,
    },
    /// A value that is well formed and impossible.
    Impossible {
        /// The file.
        path: PathBuf,
        /// One sentence.
        what: String,
    },
}

impl fmt::Display for BoardError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(path, error) => write!(
                f,
                "{} cannot be read ({error}): name a file of board-configs/ with --board",
                path.display()
            ),
            Self::Malformed { path, line, what } => {
                write!(f, "{}, line {line}: {what}", path.display())
            }
            Self::Impossible { path, what } => write!(f, "{}: {what}", path.display()),
        }
    }
}

impl core::error::Error for BoardError {}

impl Board {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// Where it says anything that cannot be.
    pub fn load(path: &Path) -> Result<Self, BoardError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| BoardError::Unreadable(path.to_owned(), error))?;
        let board = Self::parse(path, &text)?;
        if path.file_stem().is_none_or(|stem| stem != board.id.as_str()) {
            let what = format!("the id is `{0}`, so the file's name is {0}.toml", board.id);
            return Err(BoardError::Impossible { path: path.to_owned(), what });
        }
        Ok(board)
    }

    /// Reads and checks text; `path` is for messages.
    ///
    /// # Errors
    /// Where it says anything that cannot be.
    pub fn parse(path: &Path, text: &str) -> Result<Self, BoardError> {
        let board: Self = toml::from_str(text).map_err(|error| BoardError::Malformed {
            path: path.to_owned(),
            line: error.span().map_or(1, |span| line_of(text, span.start)),
            what: error.message().replace('\n', " "),
        })?;
        match board.fault() {
            Some(what) => Err(BoardError::Impossible { path: path.to_owned(), what }),
            None => Ok(board),
        }
    }

    /// Bytes of the FAT partition of one slot, where the board has those.
    #[must_use]
    pub fn firmware_bytes(&self) -> Option<u64> {
        self.disk.firmware_mib.map(|mib| mib * MIB)
    }

    /// The first thing that cannot be, as a sentence.
    fn fault(&self) -> Option<String> {
        let is_id = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
        if self.id.is_empty() || self.id.len() > MAX_ID || !self.id.chars().all(is_id) {
            return Some(format!(
                "`id` is `{}`: use 1 to {MAX_ID} lower-case letters, digits, - and _",
                self.id
            ));
        }
        if self.consoles.is_empty() {
            return Some("`consoles` is empty: name at least one, such as \"tty0\"".to_owned());
        }
        if self.capture.is_empty() {
            return Some("`capture` is empty: name the interface on the mirror port".to_owned());
        }
        self.words_fault().or_else(|| self.loader_fault()).or_else(|| self.size_fault())
    }

    /// These go into a kernel command line and shell scripts word by word.
    fn words_fault(&self) -> Option<String> {
        let lists = [
            ("consoles", &self.consoles),
            ("kernel_arguments", &self.kernel_arguments),
            ("modules", &self.modules),
            ("capture", &self.capture),
        ];
        let management = core::iter::once(("management", &self.management));
        lists
            .iter()
            .flat_map(|(key, words)| words.iter().map(move |word| (*key, word)))
            .chain(management)
            .find(|(_, word)| !is_word(word))
            .map(|(key, word)| {
                format!("`{key}` holds `{word}`: a word has letters, digits and .,:=_/- only")
            })
    }

    fn loader_fault(&self) -> Option<String> {
        match (self.loader, self.disk.firmware_mib, self.architecture) {
            (Loader::Grub, Some(_), _) => Some(
                "`firmware_mib` is for loader = \"tryboot\": with GRUB a slot is one partition, so \
                 leave it out"
                    .to_owned(),
            ),
            (Loader::Tryboot, None, _) => Some(
                "`firmware_mib` is missing: with loader = \"tryboot\" each slot has a FAT \
                 partition of its own"
                    .to_owned(),
            ),
            (Loader::Tryboot, _, Architecture::X86_64) => {
                Some("loader = \"tryboot\" is the Raspberry Pi's, which is aarch64".to_owned())
            }
            _ => None,
        }
    }

    fn size_fault(&self) -> Option<String> {
        let Disk { smallest_mib, boot_mib, firmware_mib, slot_mib, data_mib } = self.disk;
        let ranges = [
            ("boot_mib", boot_mib, MIN_BOOT_MIB, MAX_BOOT_MIB),
            ("firmware_mib", firmware_mib.unwrap_or(MIN_BOOT_MIB), MIN_BOOT_MIB, MAX_BOOT_MIB),
            ("slot_mib", slot_mib, MIN_SLOT_MIB, MAX_SLOT_MIB),
            ("data_mib", data_mib, MIN_DATA_MIB, u64::from(u32::MAX)),
            ("smallest_mib", smallest_mib, 1, u64::from(u32::MAX)),
        ];
        for (key, value, least, most) in ranges {
            if !(least..=most).contains(&value) {
                return Some(format!("`{key}` is {value}: use {least} to {most}"));
            }
        }
        let needed = Layout::of(self).image_bytes() / MIB;
        (needed > smallest_mib).then(|| {
            format!(
                "the partitions take {needed} MiB and `smallest_mib` is {smallest_mib}: make the \
                 slots or the data partition smaller, or name a larger disk"
            )
        })
    }
}

fn is_word(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || ".,:=_/-".contains(c))
}

/// The line that a byte stands in, counted from 1.
fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|&byte| byte == b'\n').count() + 1
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const GOOD: &str = r#"
id = "bench"
name = "Bench"
architecture = "aarch64"
loader = "grub"
consoles = ["ttyAMA0,115200"]
management = "eth0"
capture = ["eth1"]

[disk]
smallest_mib = 256
boot_mib = 16
slot_mib = 32
data_mib = 16
"#;

    fn parse(text: &str) -> Result<Board, String> {
        Board::parse(Path::new("bench.toml"), text).map_err(|error| error.to_string())
    }

    #[test]
    fn every_shipped_board_is_read() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../board-configs");
        let mut ids = Vec::new();
        for entry in std::fs::read_dir(folder).expect("board-configs is there") {
            let board = Board::load(&entry.expect("it can be listed").path());
            ids.push(board.unwrap_or_else(|error| panic!("{error}")).id);
        }
        ids.sort();
        let expected = [
            "generic-uefi-aarch64",
            "generic-uefi-x86_64",
            "qemu-aarch64",
            "qemu-x86_64",
            "raspberrypi4",
            "raspberrypi5",
        ];
        assert_eq!(ids, expected);
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line() {
        let error = parse(&GOOD.replace("slot_mib", "sloot_mib")).expect_err("refused");
        assert!(error.starts_with("bench.toml, line 13: unknown field `sloot_mib`"), "{error}");
        assert!(error.contains("`slot_mib`"), "it names the keys: {error}");
    }

    #[test]
    fn a_missing_key_and_a_value_of_another_type_are_refused() {
        let error = parse(&GOOD.replace("capture = [\"eth1\"]", "")).expect_err("refused");
        assert!(error.contains("missing field `capture`"), "{error}");
        let error = parse(&GOOD.replace("= 32", "= \"32M\"")).expect_err("refused");
        assert!(error.contains("line 13"), "{error}");
        let error = parse(&GOOD.replace("\"grub\"", "\"lilo\"")).expect_err("refused");
        assert!(error.contains("lilo") && error.contains("tryboot"), "{error}");
    }

    #[test]
    fn what_cannot_be_is_refused_with_a_sentence() {
        for (from, to, says) in [
            ("slot_mib = 32", "slot_mib = 15", "`slot_mib` is 15: use 16 to 2048"),
            ("slot_mib = 32", "slot_mib = 2049", "use 16 to 2048"),
            ("boot_mib = 16", "boot_mib = 7", "`boot_mib` is 7"),
            ("boot_mib = 16", "boot_mib = 512", "`boot_mib` is 512"),
            ("data_mib = 16", "data_mib = 15", "`data_mib` is 15"),
            ("smallest_mib = 256", "smallest_mib = 97", "the partitions take 98 MiB"),
            ("\"bench\"", "\"Bench 1\"", "`id` is `Bench 1`"),
            ("[\"ttyAMA0,115200\"]", "[]", "`consoles` is empty"),
            ("[\"eth1\"]", "[]", "`capture` is empty"),
            ("[\"eth1\"]", "[\"eth1; reboot\"]", "a word has letters"),
            ("slot_mib", "firmware_mib = 16\nslot_mib", "leave it out"),
            ("\"grub\"", "\"tryboot\"", "`firmware_mib` is missing"),
        ] {
            let error = parse(&GOOD.replace(from, to)).expect_err(to);
            assert!(error.contains(says), "{to}: {error}");
        }
    }

    #[test]
    fn the_file_is_named_after_the_board() {
        let scratch = crate::scratch::Scratch::new();
        let path = scratch.file("other.toml", GOOD.as_bytes());
        let error = Board::load(&path).expect_err("refused").to_string();
        assert!(error.contains("the file's name is bench.toml"), "{error}");
    }
}
