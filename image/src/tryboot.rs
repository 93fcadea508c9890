//! A Raspberry Pi's slot: a FAT volume with kernel and command line, and the root that the line names.
//! What chooses between two of them is [`ringside_protocol::slot::tryboot`].

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use core::fmt;

use ringside_protocol::slot::Slot;
use ringside_protocol::slot::tryboot::OLDEST_FIRMWARE;
use uuid::Uuid;

use crate::fat;

pub use ringside_protocol::slot::tryboot::{AUTOBOOT, COMMAND_LINE, autoboot};

/// What the firmware tells about itself and this start, in the device tree that it hands to the kernel.
const TREE: &str = "proc/device-tree/chosen/bootloader";

/// Why a Raspberry Pi's slot is not to be overwritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirmwareRefusal {
    /// It does not tell its age.
    Unknown,
    /// It does not know how to try a slot: when it was built, seconds since 1970.
    TooOld(u32),
    /// This start is a trial itself.
    OnTrial,
}

impl fmt::Display for FirmwareRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UPDATE: &str = "write the newest one with Raspberry Pi Imager (Misc utility images, \
                              Bootloader) and install then";
        match self {
            Self::Unknown => write!(f, "this board's EEPROM does not tell its version: {UPDATE}"),
            Self::TooOld(built) => write!(
                f,
                "this board's EEPROM is of {} and cannot try a slot and come back: {UPDATE}",
                1970 + built / 31_556_952
            ),
            Self::OnTrial => f.write_str(
                "this start is a trial (tryboot) and has not proved itself yet: wait until it has, \
                 or has been put back, and install then",
            ),
        }
    }
}

impl core::error::Error for FirmwareRefusal {}

/// Whether the firmware of the box whose root is at `root` can try another slot now.
///
/// # Errors
/// Every [`FirmwareRefusal`].
pub fn may_install(root: &Path) -> Result<(), FirmwareRefusal> {
    // A cell of the device tree: four bytes, the highest first.
    let cell = |name: &str| {
        let bytes = fs::read(root.join(TREE).join(name)).ok()?;
        Some(u32::from_be_bytes(bytes.try_into().ok()?))
    };
    match cell("build-timestamp") {
        None => Err(FirmwareRefusal::Unknown),
        Some(built) if built < OLDEST_FIRMWARE => Err(FirmwareRefusal::TooOld(built)),
        Some(_) if cell("tryboot") == Some(1) => Err(FirmwareRefusal::OnTrial),
        Some(_) => Ok(()),
    }
}

/// The kernel's command line in the firmware volume of `slot`, whose root is the partition `root`.
#[must_use]
pub fn command_line(slot: Slot, root: Uuid, arguments: &str) -> String {
    format!("root=PARTUUID={root} ringside.slot={slot} {arguments}\n")
}

/// A command line for another slot or root.
fn command_line_for(slot: Slot, root: Uuid, line: &str) -> String {
    let arguments = line
        .split_whitespace()
        .filter(|word| !word.starts_with("root=") && !word.starts_with("ringside.slot="))
        .collect::<Vec<_>>();
    command_line(slot, root, &arguments.join(" "))
}

/// Has a firmware volume start `slot` with this root: a bundle has one volume for both slots, and each
/// disk's partitions have identifiers of their own.
///
/// # Errors
/// It is no such volume.
pub fn belong<V: fat::ReadWriteSeek>(
    volume: impl Fn() -> V,
    slot: Slot,
    root: Uuid,
) -> io::Result<()> {
    let line = fat::read(volume(), COMMAND_LINE)?.ok_or(io::ErrorKind::NotFound)?;
    let line = command_line_for(slot, root, &String::from_utf8_lossy(&line));
    fat::write(volume(), COMMAND_LINE, line.as_bytes())
}

/// Where the images of a Raspberry Pi's slot go.
#[derive(Clone, Debug)]
pub struct Pair {
    /// Partition of its firmware volume.
    pub firmware: PathBuf,
    /// Identifier of its root's partition.
    pub root: Uuid,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    fn firmware(built: Option<u32>, is_tryboot: u32) -> Result<(), FirmwareRefusal> {
        let scratch = Scratch::new();
        scratch.file(&format!("{TREE}/tryboot"), &is_tryboot.to_be_bytes());
        if let Some(built) = built {
            scratch.file(&format!("{TREE}/build-timestamp"), &built.to_be_bytes());
        }
        may_install(scratch.path())
    }

    #[test]
    fn an_old_a_silent_and_a_trying_firmware_are_refused_with_what_to_do() {
        assert_eq!(firmware(Some(OLDEST_FIRMWARE), 0), Ok(()));
        for (built, is_tryboot, says) in [
            (Some(OLDEST_FIRMWARE - 1), 0, "is of 2022 and cannot try a slot"),
            // The first Raspberry Pi 4's, and it would be refused during a trial, too.
            (Some(1_568_112_110), 1, "is of 2019"),
            (None, 0, "does not tell its version"),
            (Some(OLDEST_FIRMWARE), 1, "wait until it has"),
        ] {
            let refusal = firmware(built, is_tryboot).expect_err(says).to_string();
            assert!(refusal.contains(says), "{refusal}");
        }
    }

    #[test]
    fn a_volume_is_made_the_other_slot_s() {
        let (here, there) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let line = command_line(Slot::A, here, "ro panic=5");
        let files = [(COMMAND_LINE.to_owned(), line.into_bytes())];
        let volume = fat::make(8 << 20, "FW", &fat::Files::from(files)).expect("it fits");
        let scratch = Scratch::new();
        let path = scratch.file("volume", &volume);
        let file = fs::File::options().read(true).write(true).open(path).expect("there");
        let window = || fat::Window::new(&file, 0, 8 << 20);
        belong(window, Slot::B, there).expect("a volume");
        let found = fat::read(window(), COMMAND_LINE).expect("a volume").expect("there");
        assert_eq!(String::from_utf8_lossy(&found), command_line(Slot::B, there, "ro panic=5"));
        assert!(belong(|| io::Cursor::new(vec![0; 4096]), Slot::B, there).is_err());
    }
}
