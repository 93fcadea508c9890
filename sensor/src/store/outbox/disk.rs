//! The outbox's sled tree: numbers in, numbers out, and what to do when sled fails.
//!
//! sled 0.34 on Linux flushes with `sync_file_range`, which neither writes the file's size nor
//! empties the drive's cache. [`Disk::flush`] therefore syncs the file itself afterwards; only
//! then a record exists.

use core::fmt;
use std::fs::{self, File};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use crate::store::atomic;

/// sled's page cache, bytes. Its default is 1 GiB.
const CACHE_BYTES: u64 = 8 << 20;

/// sled's own name for its file.
const SLED_FILE: &str = "db";

/// Damaged outboxes that are kept aside, at most; older ones are overwritten.
const MAX_ASIDE: u32 = 3;

/// Why the disk does not do what it should.
#[derive(Debug)]
pub(super) enum DiskError {
    /// Another process holds the tree.
    InUse,
    /// The system refuses.
    Io(String),
    /// What is on the disk is no tree.
    Damaged(String),
}

impl fmt::Display for DiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse => f.write_str("another process uses it"),
            Self::Io(why) | Self::Damaged(why) => f.write_str(why),
        }
    }
}

impl From<io::Error> for DiskError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => {
                Self::Damaged(error.to_string())
            }
            io::ErrorKind::Other if error.to_string().contains("could not acquire lock") => {
                Self::InUse
            }
            _ => Self::Io(error.to_string()),
        }
    }
}

impl From<sled::Error> for DiskError {
    fn from(error: sled::Error) -> Self {
        match error {
            sled::Error::Io(error) => error.into(),
            other => Self::Damaged(other.to_string()),
        }
    }
}

/// An open tree, with its figures.
pub(super) struct Disk {
    tree: sled::Db,
    /// The same file as sled's, to sync it.
    file: File,
    /// The key that the next record gets.
    next_key: u64,
    /// Records in it.
    cdrs: u64,
    /// Bytes of their keys and values.
    bytes: u64,
}

impl Disk {
    /// Opens the tree in `directory`, making it where there is none, and reads through it once.
    /// The next key will be at least `least_key`.
    pub(super) fn open(directory: &Path, least_key: u64) -> Result<Self, DiskError> {
        atomic::make_directory(directory)?;
        let tree = guarded(|| {
            sled::Config::new()
                .path(directory)
                .cache_capacity(CACHE_BYTES)
                .flush_every_ms(None)
                .mode(sled::Mode::LowSpace)
                .open()
        })?;
        let file = File::open(directory.join(SLED_FILE))?;
        let mut disk = Self { tree, file, next_key: least_key, cdrs: 0, bytes: 0 };
        disk.count()?;
        disk.flush()?;
        atomic::sync_directory(directory)?;
        Ok(disk)
    }

    /// Moves a damaged tree out of the way, for a person to look at.
    pub(super) fn set_aside(directory: &Path) -> io::Result<PathBuf> {
        let aside = |number: u32| {
            let mut name = directory.file_name().unwrap_or_default().to_owned();
            name.push(format!(".damaged-{number}"));
            directory.with_file_name(name)
        };
        let free = (1..=MAX_ASIDE).map(aside).find(|path| !path.exists());
        let path = free.unwrap_or_else(|| aside(MAX_ASIDE));
        if path.exists() {
            fs::remove_dir_all(&path)?;
        }
        fs::rename(directory, &path)?;
        Ok(path)
    }

    /// Records held.
    pub(super) const fn cdrs(&self) -> u64 {
        self.cdrs
    }

    /// Bytes of their keys and values.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The key that the next record gets: all present ones are lower.
    pub(super) const fn next_key(&self) -> u64 {
        self.next_key
    }

    /// Adds a record at the end.
    pub(super) fn append(&mut self, value: &[u8]) -> Result<u64, DiskError> {
        let key = self.next_key;
        guarded(|| self.tree.insert(key.to_be_bytes(), value))?;
        self.next_key += 1;
        self.cdrs += 1;
        self.bytes += size(value);
        Ok(key)
    }

    /// Gives the record at `key` another value.
    pub(super) fn replace(&mut self, key: u64, value: &[u8]) -> Result<(), DiskError> {
        let old = guarded(|| self.tree.insert(key.to_be_bytes(), value))?;
        self.bytes += size(value);
        match old {
            Some(old) => self.bytes -= size(&old),
            None => self.cdrs += 1,
        }
        Ok(())
    }

    /// Takes the record at `key` out; whether there was one.
    pub(super) fn remove(&mut self, key: u64) -> Result<bool, DiskError> {
        let old = guarded(|| self.tree.remove(key.to_be_bytes()))?;
        if let Some(old) = &old {
            self.cdrs -= 1;
            self.bytes -= size(old);
        }
        Ok(old.is_some())
    }

    /// Takes out every record at `key` or behind it.
    pub(super) fn remove_from(&mut self, key: u64) -> Result<(), DiskError> {
        while let Some((found, _)) = self.at_or_after(key)? {
            self.remove(found)?;
        }
        Ok(())
    }

    /// The first record at `key` or behind it.
    pub(super) fn at_or_after(&self, key: u64) -> Result<Option<(u64, sled::IVec)>, DiskError> {
        let found = guarded(|| self.tree.range(key.to_be_bytes()..).next().transpose())?;
        found.map(|(key, value)| Ok((number(&key)?, value))).transpose()
    }

    /// Everything written so far survives a power cut once this has returned.
    pub(super) fn flush(&self) -> Result<(), DiskError> {
        guarded(|| self.tree.flush())?;
        self.file.sync_all()?;
        Ok(())
    }

    /// Closes without writing: for a tree whose disk has failed.
    pub(super) fn abandon(self) {
        // Closing may fail as well; what it would have written is still in the waiting room.
        drop(catch_unwind(AssertUnwindSafe(|| drop(self.tree))));
    }

    fn count(&mut self) -> Result<(), DiskError> {
        let mut key = 0;
        while let Some((found, value)) = self.at_or_after(key)? {
            self.cdrs += 1;
            self.bytes += size(&value);
            key = found + 1;
            self.next_key = self.next_key.max(key);
        }
        Ok(())
    }
}

/// What a record counts towards the outbox's limit: key and value.
pub(super) const fn size(value: &[u8]) -> u64 {
    8 + value.len() as u64
}

fn number(key: &[u8]) -> Result<u64, DiskError> {
    let key = key.try_into().map_err(|_| DiskError::Damaged("a key is not 8 bytes".to_owned()))?;
    Ok(u64::from_be_bytes(key))
}

/// sled answers some faults of the disk with a panic; capture must go on.
fn guarded<T>(work: impl FnOnce() -> sled::Result<T>) -> Result<T, DiskError> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(DiskError::from),
        Err(_) => Err(DiskError::Damaged("the store's library has given up".to_owned())),
    }
}
