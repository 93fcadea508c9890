//! Where each partition lies on a board's disk.
//!
//! ```text
//!  GRUB      | table | boot FAT |                                  root A | root B | data --> | table |
//!  tryboot   | table | boot FAT | firmware A FAT | firmware B FAT | root A | root B | data --> | table |
//! ```
//!
//! Every partition begins at a whole MiB, which suits the erase blocks of cards and disks. The data
//! partition is last, so that it can grow to the end of whatever disk the image is written to.

use crate::board::{Board, MIB};

/// Bytes of a sector; disks with larger ones answer for these too.
pub const SECTOR: u64 = 512;

/// Kept free at either end for the partition table and its copy.
const TABLE_BYTES: u64 = MIB;

/// What a partition is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// FAT: loader or `autoboot.txt`, environment blocks, `ringside.conf`, the PIN.
    Boot,
    /// FAT of slot A: kernel, device tree, the Raspberry Pi's firmware.
    FirmwareA,
    /// The same of slot B.
    FirmwareB,
    /// Squashfs of slot A; with GRUB it holds the kernel, too.
    RootA,
    /// The same of slot B.
    RootB,
    /// Everything that changes.
    Data,
}

impl Role {
    /// The partition's name in the table.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Boot => "ringside-boot",
            Self::FirmwareA => "ringside-firmware-a",
            Self::FirmwareB => "ringside-firmware-b",
            Self::RootA => "ringside-a",
            Self::RootB => "ringside-b",
            Self::Data => "ringside-data",
        }
    }
}

/// One partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// What it is for.
    pub role: Role,
    /// First byte on the disk.
    pub at: u64,
    /// Bytes.
    pub bytes: u64,
}

/// All partitions, in the order of their numbers (from 1) and of their places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    parts: Vec<Part>,
}

impl Layout {
    /// The partitions of a board's image.
    #[must_use]
    pub fn of(board: &Board) -> Self {
        let disk = board.disk;
        let (slot, firmware) = (disk.slot_mib, disk.firmware_mib);
        let sizes = [
            (Role::Boot, Some(disk.boot_mib)),
            (Role::FirmwareA, firmware),
            (Role::FirmwareB, firmware),
            (Role::RootA, Some(slot)),
            (Role::RootB, Some(slot)),
            (Role::Data, Some(disk.data_mib)),
        ];
        let mut at = TABLE_BYTES;
        let place = |(role, mib): (Role, Option<u64>)| {
            let part = Part { role, at, bytes: mib? * MIB };
            at += part.bytes;
            Some(part)
        };
        Self { parts: sizes.into_iter().filter_map(place).collect() }
    }

    /// Every partition; the first one's number is 1.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The partition of a role, where the board has it.
    #[must_use]
    pub fn part(&self, role: Role) -> Option<Part> {
        self.parts.iter().copied().find(|part| part.role == role)
    }

    /// The number of a role's partition, counted from 1.
    #[must_use]
    pub fn number(&self, role: Role) -> Option<usize> {
        self.parts.iter().position(|part| part.role == role).map(|index| index + 1)
    }

    /// Bytes of the whole image, both tables included.
    #[must_use]
    pub fn image_bytes(&self) -> u64 {
        self.parts.last().map_or(TABLE_BYTES, |part| part.at + part.bytes) + TABLE_BYTES
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::board::tests::GOOD;

    fn layout(text: &str) -> Layout {
        Layout::of(&Board::parse(Path::new("bench.toml"), text).expect("a good board"))
    }

    #[test]
    fn partitions_follow_each_other_without_a_gap() {
        let layout = layout(GOOD);
        let mut at = MIB;
        for part in layout.parts() {
            assert_eq!(part.at, at);
            at += part.bytes;
        }
        assert_eq!(layout.image_bytes(), at + MIB);
        assert_eq!(layout.number(Role::RootA), Some(2));
        assert_eq!(layout.number(Role::Data), Some(4));
        assert_eq!(layout.part(Role::FirmwareA), None);
    }

    #[test]
    fn a_tryboot_slot_has_a_fat_partition_of_its_own() {
        let text = GOOD
            .replace("\"grub\"", "\"tryboot\"")
            .replace("boot_mib = 16", "boot_mib = 16\nfirmware_mib = 24");
        let layout = layout(&text);
        let roles: Vec<_> = layout.parts().iter().map(|part| part.role.name()).collect();
        let expected = [
            "ringside-boot",
            "ringside-firmware-a",
            "ringside-firmware-b",
            "ringside-a",
            "ringside-b",
            "ringside-data",
        ];
        assert_eq!(roles, expected);
    }
}
