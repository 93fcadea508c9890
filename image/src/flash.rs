//! Writes an image to a disk or file, reads it back, and makes it one box's own.
//!
//! Only what the block map names is written. Afterwards the data partition reaches the disk's end, the
//! partitions have identifiers that no other disk has, and the boot volume holds a PIN.

use core::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use ringside_protocol::slot::Slot;
use rustix::fs::{Advice, fadvise};

use crate::bmap::{self, Map, MapError};
use crate::device::{self, Kernel, Refused};
use crate::fat::{self, Window};
use crate::layout::Role;
use crate::pin;
use crate::progress::Progress;
use crate::table::{self, TableError};
use crate::tryboot;

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flashed {
    /// For the label.
    pub pin: String,
    /// Bytes written.
    pub written: u64,
    /// Bytes of the disk.
    pub disk_bytes: u64,
}

/// Why a disk is not flashed, or not to be trusted.
#[derive(Debug)]
pub enum FlashError {
    /// A file or disk, and the system's words.
    Io(PathBuf, io::Error),
    /// The target.
    Refused(Refused),
    /// The image's block map.
    Map(MapError),
    /// The image's table, or the disk's.
    Table(TableError),
    /// The image is not what its block map or checksum says.
    ImageDamaged(PathBuf),
    /// The disk is smaller than the image, bytes.
    TooSmall {
        /// Of the image.
        image: u64,
        /// Of the disk.
        disk: u64,
    },
    /// What was read back is not what was written.
    ReadBack {
        /// The disk.
        path: PathBuf,
        /// Byte where the part begins that differs.
        at: u64,
    },
    /// The system gives no random bytes.
    NoRandom,
}

impl fmt::Display for FlashError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Refused(refused) => fmt::Display::fmt(refused, f),
            Self::Map(error) => fmt::Display::fmt(error, f),
            Self::Table(error) => fmt::Display::fmt(error, f),
            Self::ImageDamaged(path) => write!(
                f,
                "{} is damaged or was not fetched whole: get it again; nothing more was written",
                path.display()
            ),
            Self::TooSmall { image, disk } => write!(
                f,
                "the image takes {image} bytes and the disk has {disk}: use a larger disk"
            ),
            Self::ReadBack { path, at } => write!(
                f,
                "{} does not give back what was written at byte {at}: do not use this disk",
                path.display()
            ),
            Self::NoRandom => f.write_str("the system gives no random bytes for a PIN"),
        }
    }
}

impl core::error::Error for FlashError {}

/// Flashes `image` to `target`, a disk or a file, which is made where it is not there.
///
/// # Errors
/// Every [`FlashError`].
pub fn flash(image: &Path, target: &Path, kernel: &Kernel) -> Result<Flashed, FlashError> {
    let (source, map) = open_image(image)?;
    let at = |error| FlashError::Io(target.to_owned(), error);
    let size = if target.exists() {
        device::check(target, kernel).map_err(FlashError::Refused)?
    } else {
        0
    };
    let disk = File::options().read(true).write(true).create(true).truncate(false).open(target);
    let disk = disk.map_err(at)?;
    let is_file = disk.metadata().map_err(at)?.is_file();
    let disk_bytes = if is_file { size.max(map.image_bytes) } else { size };
    if is_file {
        disk.set_len(disk_bytes).map_err(at)?;
    }
    if disk_bytes < map.image_bytes {
        return Err(FlashError::TooSmall { image: map.image_bytes, disk: disk_bytes });
    }
    let written = copy(&source, image, &disk, target, &map)?;
    verify(&disk, target, &written)?;
    let pin = personalise(&disk, target, map.image_bytes, disk_bytes)?;
    Ok(Flashed { pin, written: map.mapped_bytes(), disk_bytes })
}

/// The image and its map, checked as far as its table tells.
fn open_image(image: &Path) -> Result<(File, Map), FlashError> {
    let at = |error| FlashError::Io(image.to_owned(), error);
    let source = File::open(image).map_err(at)?;
    let image_bytes = source.metadata().map_err(at)?.len();
    table::read(&source, image_bytes).map_err(FlashError::Table)?;
    let map = match bmap::beside(image).map_err(at)? {
        Some(text) => Map::parse(&text).map_err(FlashError::Map)?,
        None => Map::whole(image_bytes),
    };
    if map.image_bytes != image_bytes {
        return Err(FlashError::ImageDamaged(image.to_owned()));
    }
    Ok((source, map))
}

/// Copies what the map names. Gives the map with the sums of what was written.
fn copy(
    source: &File,
    image: &Path,
    disk: &File,
    target: &Path,
    map: &Map,
) -> Result<Map, FlashError> {
    let what = format!("writing {}", target.display());
    let mut progress = Progress::new(what, map.mapped_bytes());
    let mut written = map.clone();
    for extent in &mut written.extents {
        let mut context = ring::digest::Context::new(&ring::digest::SHA256);
        bmap::for_chunks(source, &extent.bytes, |at, chunk| {
            context.update(chunk);
            progress.advance(chunk.len() as u64);
            disk.write_all_at(chunk, at)
        })
        .map_err(|error| FlashError::Io(target.to_owned(), error))?;
        let sum = data_encoding::HEXLOWER.encode(context.finish().as_ref());
        if !extent.sha256.is_empty() && extent.sha256 != sum {
            return Err(FlashError::ImageDamaged(image.to_owned()));
        }
        extent.sha256 = sum;
    }
    disk.sync_all().map_err(|error| FlashError::Io(target.to_owned(), error))?;
    Ok(written)
}

/// Reads back what was written, from the disk and not from memory.
fn verify(disk: &File, target: &Path, written: &Map) -> Result<(), FlashError> {
    // Where the system keeps the pages all the same, what is compared is what it would write again.
    let _ = fadvise(disk, 0, None, Advice::DontNeed);
    let what = format!("reading {} back", target.display());
    let mut progress = Progress::new(what, written.mapped_bytes());
    for extent in &written.extents {
        let sum = bmap::sha256_of(disk, &extent.bytes, |bytes| progress.advance(bytes))
            .map_err(|error| FlashError::Io(target.to_owned(), error))?;
        if sum != extent.sha256 {
            return Err(FlashError::ReadBack { path: target.to_owned(), at: extent.bytes.start });
        }
    }
    Ok(())
}

/// Gives the disk a table of its own and a PIN.
fn personalise(
    disk: &File,
    target: &Path,
    image_bytes: u64,
    disk_bytes: u64,
) -> Result<String, FlashError> {
    let at = |error| FlashError::Io(target.to_owned(), error);
    let ends = table::renewed(disk, image_bytes, disk_bytes).map_err(FlashError::Table)?;
    ends.write(disk).map_err(at)?;
    let entries = table::read(disk, disk_bytes).map_err(FlashError::Table)?;
    let entry = |role: Role| entries.iter().find(|entry| entry.name == role.name());
    let boot = entry(Role::Boot).ok_or(FlashError::Table(TableError::NoTable))?;
    // A Raspberry Pi's slots name their roots, which have identifiers of their own now.
    for (slot, firmware, root) in
        [(Slot::A, Role::FirmwareA, Role::RootA), (Slot::B, Role::FirmwareB, Role::RootB)]
    {
        let (Some(firmware), Some(root)) = (entry(firmware), entry(root)) else { continue };
        let window = || Window::new(disk, firmware.at, firmware.bytes);
        tryboot::belong(window, slot, root.id).map_err(at)?;
    }
    let pin = pin::make().ok_or(FlashError::NoRandom)?;
    let content = format!("{pin}\n");
    let window = || Window::new(disk, boot.at, boot.bytes);
    fat::write(window(), pin::FILE, content.as_bytes()).map_err(at)?;
    disk.sync_all().map_err(at)?;
    let found = fat::read(window(), pin::FILE).map_err(at)?;
    if found.as_deref() != Some(content.as_bytes()) {
        return Err(FlashError::ReadBack { path: target.to_owned(), at: boot.at });
    }
    Ok(pin)
}
