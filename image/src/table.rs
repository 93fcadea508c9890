//! The GUID partition table (UEFI 2.10 §5.3) at both ends of a disk.
//!
//! The table is made and read in memory by the `gpt` crate, over [`Ends`], which holds a disk's first
//! and last sectors. So a table that is replaced on a disk in use can be written in the one order that
//! a power cut cannot break: the copy at the end, a sync, then the one at the beginning.

use core::fmt;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;

use flate2::Crc;
use gpt::disk::LogicalBlockSize;
use gpt::mbr::ProtectiveMBR;
use gpt::partition::Partition;
use gpt::partition_types::{EFI, LINUX_FS, Type};
use gpt::{GptConfig, GptDisk};
use uuid::Uuid;

use crate::layout::{Layout, Role, SECTOR};

/// Protective MBR, header, 128 entries of 128 bytes.
const HEAD_SECTORS: u64 = 34;

/// 128 entries and the header.
const TAIL_SECTORS: u64 = 33;

/// Bytes of 128 entries.
const ENTRIES_BYTES: usize = 128 * 128;

/// The first copy's header: the second sector.
const HEADER: core::ops::Range<usize> = 512..1024;

/// Bytes of both ends of a disk.
pub struct Ends {
    head: Vec<u8>,
    tail: Vec<u8>,
    disk_bytes: u64,
    position: u64,
}

/// One entry as it is on a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Counted from 1.
    pub number: u32,
    /// Its name.
    pub name: String,
    /// First byte on the disk.
    pub at: u64,
    /// Bytes.
    pub bytes: u64,
    /// Unique identifier, as in `PARTUUID=`.
    pub id: Uuid,
}

/// Where identifiers come from.
#[derive(Clone, Copy, Debug)]
pub enum Ids<'a> {
    /// The same for the same text, so that the same inputs give the same image.
    From(&'a str),
    /// Fresh ones, so that two disks with one image in them are told apart.
    Random,
}

/// Why a disk's table is not what it should be.
#[derive(Debug)]
pub enum TableError {
    /// The disk cannot be read or written.
    Io(io::Error),
    /// Neither copy is there.
    NoTable,
    /// A copy is damaged.
    Damaged(Copy),
    /// A partition reaches beyond the disk or image.
    Short {
        /// The partition.
        name: String,
        /// Bytes that there should be at least.
        needed: u64,
        /// Bytes that there are.
        found: u64,
    },
    /// The disk is smaller than the image.
    TooSmall {
        /// Bytes of the image.
        needed: u64,
        /// Bytes of the disk.
        found: u64,
    },
}

/// Which copy of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copy {
    /// At the beginning.
    First,
    /// At the end.
    Last,
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "the partition table cannot be read or written: {error}"),
            Self::NoTable => f.write_str(
                "there is no partition table: this is no Ringside image, or its beginning was not \
                 written",
            ),
            Self::Damaged(Copy::First) => f.write_str(
                "the partition table at the beginning is damaged: write the image again",
            ),
            Self::Damaged(Copy::Last) => f.write_str(
                "the copy of the partition table at the end is missing or damaged: the image was \
                 cut short, get or write it again",
            ),
            Self::Short { name, needed, found } => write!(
                f,
                "partition {name} ends at byte {needed} and there are {found}: the image was cut \
                 short, get or write it again"
            ),
            Self::TooSmall { needed, found } => write!(
                f,
                "the image takes {needed} bytes and the disk has {found}: use a larger disk"
            ),
        }
    }
}

impl core::error::Error for TableError {}

impl From<io::Error> for TableError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// A table for a disk of `disk_bytes`: the layout's, with its last partition grown to the end.
///
/// # Errors
/// The disk is too small for the layout.
pub fn make(layout: &Layout, ids: Ids<'_>, disk_bytes: u64) -> Result<Ends, TableError> {
    let needed = layout.image_bytes();
    if disk_bytes < needed {
        return Err(TableError::TooSmall { needed, found: disk_bytes });
    }
    let mut entries = BTreeMap::new();
    for (number, part) in (1_u32..).zip(layout.parts()) {
        let last_byte = match part.role {
            Role::Data => data_end(disk_bytes),
            _ => part.at + part.bytes,
        };
        let entry = Partition {
            part_type_guid: kind(part.role),
            part_guid: ids.of(part.role.name()),
            first_lba: part.at / SECTOR,
            last_lba: last_byte / SECTOR - 1,
            flags: 0,
            name: part.role.name().to_owned(),
        };
        entries.insert(number, entry);
    }
    build(entries, ids.of("disk"), disk_bytes)
}

/// The partitions of an image that was written to the beginning of a disk, with fresh identifiers and
/// the last one grown to the disk's end.
///
/// # Errors
/// The image has no whole table.
pub fn renewed(file: &File, image_bytes: u64, disk_bytes: u64) -> Result<Ends, TableError> {
    let mut entries = stretched(file, image_bytes, disk_bytes)?;
    for entry in entries.values_mut() {
        entry.part_guid = Ids::Random.of(&entry.name);
    }
    build(entries, Ids::Random.of("disk"), disk_bytes)
}

/// The partitions, the last one grown to the disk's end.
fn stretched(
    file: &File,
    image_bytes: u64,
    disk_bytes: u64,
) -> Result<BTreeMap<u32, Partition>, TableError> {
    let ends = Ends::read(file, image_bytes)?;
    let mut entries = ends.open()?.take_partitions();
    let last = entries.values_mut().max_by_key(|entry| entry.first_lba);
    let last = last.ok_or(TableError::NoTable)?;
    last.last_lba = last.last_lba.max(data_end(disk_bytes) / SECTOR - 1);
    Ok(entries)
}

/// The same for a disk whose table is to reach its end; `None` where it already does. On a Raspberry Pi
/// identifiers stay: the command lines in its slots name them.
///
/// # Errors
/// The disk has no whole table.
pub fn grown(file: &File, disk_bytes: u64) -> Result<Option<Ends>, TableError> {
    let disk = Ends::read(file, disk_bytes)?.open()?;
    let last_lba = disk.partitions().values().map(|entry| entry.last_lba).max();
    if last_lba.is_none_or(|last| last >= data_end(disk_bytes) / SECTOR - 1) {
        return Ok(None);
    }
    if disk.partitions().values().any(|entry| entry.name == Role::FirmwareA.name()) {
        let entries = stretched(file, disk_bytes, disk_bytes)?;
        return build(entries, *disk.guid(), disk_bytes).map(Some);
    }
    renewed(file, disk_bytes, disk_bytes).map(Some)
}

/// The partitions of a disk or image, both copies of the table checked.
///
/// # Errors
/// Every [`TableError`] but [`TableError::TooSmall`].
pub fn read(file: &File, disk_bytes: u64) -> Result<Vec<Entry>, TableError> {
    let ends = Ends::read(file, disk_bytes)?;
    let disk = ends.open()?;
    disk.primary_header().map_err(|_| TableError::Damaged(Copy::First))?;
    let entries = entries(&disk);
    if let Some(entry) = entries.iter().find(|entry| entry.at + entry.bytes > disk_bytes) {
        return Err(TableError::Short {
            name: entry.name.clone(),
            needed: entry.at + entry.bytes,
            found: disk_bytes,
        });
    }
    let tail = disk.backup_header().map_err(|_| TableError::Damaged(Copy::Last))?;
    let mut crc = Crc::new();
    crc.update(&ends.tail[..ENTRIES_BYTES]);
    if crc.sum() != tail.crc32_parts {
        return Err(TableError::Damaged(Copy::Last));
    }
    Ok(entries)
}

impl Ids<'_> {
    /// The identifier of the partition with this name, or of the `disk`.
    #[must_use]
    pub fn of(self, what: &str) -> Uuid {
        let Ids::From(seed) = self else { return Uuid::new_v4() };
        let text = format!("ringside-image\0{seed}\0{what}");
        let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest.as_ref()[..16]);
        uuid::Builder::from_custom_bytes(bytes).into_uuid()
    }
}

impl Ends {
    /// Reads both ends.
    ///
    /// # Errors
    /// The disk is shorter than its table, or cannot be read.
    fn read(file: &File, disk_bytes: u64) -> Result<Self, TableError> {
        let mut ends = Self::empty(disk_bytes);
        if disk_bytes < (HEAD_SECTORS + TAIL_SECTORS) * SECTOR {
            return Err(TableError::NoTable);
        }
        let tail_at = ends.tail_at();
        file.read_exact_at(&mut ends.head, 0)?;
        file.read_exact_at(&mut ends.tail, tail_at)?;
        Ok(ends)
    }

    /// Writes the copy, syncs, and writes the table: whenever power is cut, one of them is whole.
    ///
    /// # Errors
    /// The disk cannot be written.
    pub fn write(&self, file: &File) -> io::Result<()> {
        file.write_all_at(&self.tail, self.tail_at())?;
        file.sync_all()?;
        file.write_all_at(&self.head, 0)?;
        file.sync_all()
    }

    /// The byte ranges that [`Ends::write`] writes.
    #[must_use]
    pub fn ranges(&self) -> [core::ops::Range<u64>; 2] {
        [0..HEAD_SECTORS * SECTOR, self.tail_at()..self.disk_bytes]
    }

    fn empty(disk_bytes: u64) -> Self {
        let zeros = |sectors: u64| (0..sectors * SECTOR).map(|_| 0).collect();
        Self { head: zeros(HEAD_SECTORS), tail: zeros(TAIL_SECTORS), disk_bytes, position: 0 }
    }

    const fn tail_at(&self) -> u64 {
        self.disk_bytes - TAIL_SECTORS * SECTOR
    }

    /// The table, from the first copy or else from the last.
    fn open(&self) -> Result<GptDisk<Self>, TableError> {
        let open = |head: &[u8]| {
            let copy = Self { head: head.to_owned(), tail: self.tail.clone(), ..*self };
            GptConfig::new().logical_block_size(LogicalBlockSize::Lb512).open_from_device(copy)
        };
        // Where the entries are damaged and their header is not, `gpt` looks at no other copy.
        let without_first = || {
            let mut head = self.head.clone();
            head[HEADER].fill(0);
            open(&head)
        };
        open(&self.head).or_else(|_| without_first()).map_err(|_| TableError::NoTable)
    }

    /// The bytes from `position` on that are held, if any are.
    fn held(&mut self) -> Option<&mut [u8]> {
        let (position, tail_at) = (self.position, self.tail_at());
        let (end, at) = if position >= tail_at {
            (&mut self.tail, position - tail_at)
        } else {
            (&mut self.head, position)
        };
        end.get_mut(usize::try_from(at).ok()?..).filter(|rest| !rest.is_empty())
    }
}

impl fmt::Debug for Ends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ends of {} bytes", self.disk_bytes)
    }
}

impl Read for Ends {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(held) = self.held() else { return Ok(0) };
        let count = held.len().min(buffer.len());
        buffer[..count].copy_from_slice(&held[..count]);
        self.position += count as u64;
        Ok(count)
    }
}

impl Write for Ends {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(held) = self.held() else { return Ok(0) };
        let count = held.len().min(bytes.len());
        held[..count].copy_from_slice(&bytes[..count]);
        self.position += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Ends {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.disk_bytes.checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

/// Where the data partition ends: at a whole MiB, before the table's copy.
const fn data_end(disk_bytes: u64) -> u64 {
    let mib = crate::board::MIB;
    (disk_bytes / mib - 1) * mib
}

const fn kind(role: Role) -> Type {
    match role {
        Role::Boot => EFI,
        _ => LINUX_FS,
    }
}

fn build(entries: BTreeMap<u32, Partition>, id: Uuid, disk_bytes: u64) -> Result<Ends, TableError> {
    let other = |error: gpt::GptError| TableError::Io(io::Error::other(error));
    let mut ends = Ends::empty(disk_bytes);
    let sectors = u32::try_from(disk_bytes / SECTOR - 1).unwrap_or(u32::MAX);
    ProtectiveMBR::with_lb_size(sectors)
        .overwrite_lba0(&mut ends)
        .map_err(|error| TableError::Io(io::Error::other(error)))?;
    let config = GptConfig::new().writable(true).logical_block_size(LogicalBlockSize::Lb512);
    let mut disk = config.create_from_device(ends, Some(id)).map_err(other)?;
    disk.update_partitions(entries).map_err(other)?;
    disk.write().map_err(other)
}

fn entries(disk: &GptDisk<Ends>) -> Vec<Entry> {
    let entries = disk.partitions().iter().filter(|(_, entry)| entry.is_used());
    entries
        .map(|(&number, entry)| Entry {
            number,
            name: entry.name.clone(),
            at: entry.first_lba.saturating_mul(SECTOR),
            bytes: (entry.last_lba + 1).saturating_sub(entry.first_lba).saturating_mul(SECTOR),
            id: entry.part_guid,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::board::tests::GOOD;
    use crate::board::{Board, MIB};
    use crate::scratch::Scratch;

    fn layout() -> Layout {
        Layout::of(&Board::parse(Path::new("bench.toml"), GOOD).expect("a good board"))
    }

    fn disk(scratch: &Scratch, bytes: u64) -> File {
        let path = scratch.file("disk", b"");
        let file = File::options().read(true).write(true).open(path).expect("it opens");
        file.set_len(bytes).expect("it has that size");
        file
    }

    fn written(scratch: &Scratch, ids: Ids<'_>) -> (File, u64) {
        let bytes = layout().image_bytes();
        let file = disk(scratch, bytes);
        make(&layout(), ids, bytes).expect("it fits").write(&file).expect("written");
        (file, bytes)
    }

    #[test]
    fn a_table_is_read_as_it_was_made() {
        let scratch = Scratch::new();
        let (file, bytes) = written(&scratch, Ids::From("bench"));
        let entries = read(&file, bytes).expect("whole");
        for (entry, part) in entries.iter().zip(layout().parts()) {
            assert_eq!((entry.at, entry.bytes), (part.at, part.bytes));
            assert_eq!(entry.name, part.role.name());
        }
        assert_eq!(entries.len(), layout().parts().len());
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_random_ids_never_do() {
        let bytes = layout().image_bytes();
        let head = |ids| make(&layout(), ids, bytes).expect("it fits").head;
        assert_eq!(head(Ids::From("bench")), head(Ids::From("bench")));
        assert_ne!(head(Ids::From("bench")), head(Ids::From("other")));
        assert_ne!(head(Ids::Random), head(Ids::Random));
    }

    #[test]
    fn the_data_partition_grows_to_the_end_of_a_larger_disk_once() {
        let scratch = Scratch::new();
        let (file, old_bytes) = written(&scratch, Ids::From("bench"));
        let bytes = old_bytes + 100 * MIB + 12_345 * SECTOR;
        file.set_len(bytes).expect("larger");
        let before = read(&file, old_bytes).expect("whole");
        grown(&file, bytes).expect("whole").expect("it grows").write(&file).expect("written");
        let after = read(&file, bytes).expect("whole");
        let (old, new) = (before.last().expect("data"), after.last().expect("data"));
        assert_eq!(new.at, old.at);
        assert_eq!(new.at + new.bytes, old_bytes - MIB + 106 * MIB, "a whole MiB before the end");
        assert!(after.iter().zip(&before).all(|(new, old)| new.id != old.id), "ids are fresh");
        assert!(grown(&file, bytes).expect("whole").is_none(), "there is nothing left to grow");
    }

    #[test]
    fn after_any_write_of_a_growth_one_copy_is_whole() {
        let scratch = Scratch::new();
        let (file, old_bytes) = written(&scratch, Ids::From("bench"));
        let bytes = old_bytes + 10 * MIB;
        file.set_len(bytes).expect("larger");
        let ends = grown(&file, bytes).expect("whole").expect("it grows");
        file.write_all_at(&ends.tail, ends.tail_at()).expect("the copy is written");
        let disk = Ends::read(&file, bytes).expect("read").open().expect("a table");
        assert!(disk.primary_header().is_ok(), "the old table holds until it is replaced");
        file.write_all_at(&ends.head[..1024 + 128], 0).expect("the table is written half");
        let disk = Ends::read(&file, bytes).expect("read").open().expect("a table");
        assert!(disk.backup_header().is_ok());
    }

    #[test]
    fn a_raspberry_pi_s_partitions_keep_the_identifiers_that_its_command_lines_name() {
        let scratch = Scratch::new();
        let text = GOOD
            .replace("\"grub\"", "\"tryboot\"")
            .replace("slot_mib", "firmware_mib = 16\nslot_mib");
        let board = Board::parse(Path::new("bench.toml"), &text).expect("a good board");
        let layout = Layout::of(&board);
        let old_bytes = layout.image_bytes();
        let path = scratch.file("disk", b"");
        let file = File::options().read(true).write(true).open(path).expect("it opens");
        file.set_len(old_bytes + 10 * MIB).expect("larger");
        let ends = make(&layout, Ids::Random, old_bytes).expect("it fits");
        ends.write(&file).expect("written");
        let before = read(&file, old_bytes).expect("whole");
        let ends = grown(&file, old_bytes + 10 * MIB).expect("whole").expect("it grows");
        ends.write(&file).expect("written");
        let after = read(&file, old_bytes + 10 * MIB).expect("whole");
        assert!(after.iter().zip(&before).all(|(new, old)| new.id == old.id));
        assert!(after.last().expect("data").bytes > before.last().expect("data").bytes);
    }

    #[test]
    fn a_disk_without_a_table_and_one_that_is_damaged_are_told_apart() {
        let scratch = Scratch::new();
        let empty = disk(&scratch, 64 * MIB);
        assert!(matches!(read(&empty, 64 * MIB), Err(TableError::NoTable)));
        assert!(matches!(read(&empty, 512), Err(TableError::NoTable)));

        for (at, copy) in [(512 + 60, Copy::First), (1024 + 8, Copy::First)] {
            let (file, bytes) = written(&scratch, Ids::From("bench"));
            file.write_all_at(&[0xff], at).expect("damaged");
            let error = read(&file, bytes).expect_err("damaged");
            assert!(matches!(error, TableError::Damaged(it) if it == copy), "{at}: {error}");
        }
        let (file, bytes) = written(&scratch, Ids::From("bench"));
        file.write_all_at(&[0xff], bytes - SECTOR + 60).expect("damaged");
        let error = read(&file, bytes).expect_err("damaged");
        assert!(matches!(error, TableError::Damaged(Copy::Last)), "{error}");
    }

    #[test]
    fn an_image_that_was_cut_short_is_named_so() {
        let scratch = Scratch::new();
        let (file, bytes) = written(&scratch, Ids::From("bench"));
        let error = read(&file, bytes - 20 * MIB).expect_err("short").to_string();
        assert!(error.contains("cut short"), "{error}");
        let error = read(&file, bytes - 512).expect_err("short").to_string();
        assert!(error.contains("cut short"), "{error}");
    }

    #[test]
    fn a_disk_that_is_too_small_is_refused() {
        let bytes = layout().image_bytes();
        let error = make(&layout(), Ids::Random, bytes - 1).expect_err("refused").to_string();
        assert!(error.contains("use a larger disk"), "{error}");
    }
}
