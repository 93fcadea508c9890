//! FAT volumes: the boot partition, and a Raspberry Pi slot's firmware.
//!
//! A volume of an image is made in memory, so that it is written at once and its bytes depend on its
//! files alone. One that is on a disk is changed in place, through a [`Window`].

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;

use fatfs::{Dir, FileSystem, FormatVolumeOptions, FsOptions};

pub use fatfs::ReadWriteSeek;

/// Files by their path in the volume, folders separated by `/`.
pub type Files = BTreeMap<String, Vec<u8>>;

/// A volume of `bytes` bytes that holds `files`. `label` has at most 11 upper-case letters.
///
/// # Errors
/// The files do not fit.
pub fn make(bytes: u64, label: &str, files: &Files) -> io::Result<Vec<u8>> {
    let size = usize::try_from(bytes).map_err(io::Error::other)?;
    let mut name = [b' '; 11];
    for (to, from) in name.iter_mut().zip(label.bytes()) {
        *to = from;
    }
    let digest = ring::digest::digest(&ring::digest::SHA256, label.as_bytes());
    let id = digest.as_ref().iter().take(4).fold(0, |id, &byte| id << 8 | u32::from(byte));
    let mut volume = Cursor::new(vec![0; size]);
    let options = FormatVolumeOptions::new().volume_label(name).volume_id(id);
    fatfs::format_volume(&mut volume, options)?;
    let system = FileSystem::new(&mut volume, FsOptions::new())?;
    for (path, content) in files {
        put(&system.root_dir(), path, content)?;
    }
    system.unmount()?;
    Ok(volume.into_inner())
}

/// Writes one file of a volume, in place of the one that is there.
///
/// # Errors
/// It is no FAT volume, or the file does not fit.
pub fn write(volume: impl ReadWriteSeek, path: &str, content: &[u8]) -> io::Result<()> {
    let system = FileSystem::new(volume, FsOptions::new())?;
    put(&system.root_dir(), path, content)?;
    system.unmount()
}

/// Reads one file of a volume; `None` where it is not there.
///
/// # Errors
/// It is no FAT volume.
pub fn read(volume: impl ReadWriteSeek, path: &str) -> io::Result<Option<Vec<u8>>> {
    let system = FileSystem::new(volume, FsOptions::new())?;
    let mut content = Vec::new();
    match system.root_dir().open_file(path) {
        Ok(mut file) => file.read_to_end(&mut content)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(Some(content))
}

fn put<T: ReadWriteSeek>(root: &Dir<'_, T>, path: &str, content: &[u8]) -> io::Result<()> {
    let mut folder = root.clone();
    let mut names = path.split('/').peekable();
    while let Some(name) = names.next() {
        if names.peek().is_some() {
            folder = folder.create_dir(name)?;
        } else {
            let mut file = folder.create_file(name)?;
            file.truncate()?;
            file.write_all(content)?;
            file.flush()?;
        }
    }
    Ok(())
}

/// A part of a file or disk, as a volume of its own.
#[derive(Debug)]
pub struct Window<'a> {
    file: &'a File,
    at: u64,
    bytes: u64,
    position: u64,
}

impl<'a> Window<'a> {
    /// `bytes` bytes from `at` on.
    #[must_use]
    pub const fn new(file: &'a File, at: u64, bytes: u64) -> Self {
        Self { file, at, bytes, position: 0 }
    }

    fn room(&self, wanted: usize) -> usize {
        let left = self.bytes.saturating_sub(self.position);
        usize::try_from(left).unwrap_or(usize::MAX).min(wanted)
    }
}

impl Read for Window<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = self.room(buffer.len());
        let count = self.file.read_at(&mut buffer[..room], self.at + self.position)?;
        self.position += count as u64;
        Ok(count)
    }
}

impl Write for Window<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.room(bytes.len());
        let count = self.file.write_at(&bytes[..room], self.at + self.position)?;
        self.position += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Window<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.bytes.checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::MIB;
    use crate::scratch::Scratch;

    fn files() -> Files {
        let file = |path: &str, content: &[u8]| (path.to_owned(), content.to_owned());
        Files::from([file("EFI/BOOT/grub.cfg", b"boot"), file("ringside/env.1", &[7; 1024])])
    }

    #[test]
    fn files_are_read_as_they_were_put_and_the_same_files_give_the_same_bytes() {
        let volume = make(16 * MIB, "RINGSIDE", &files()).expect("they fit");
        assert_eq!(volume, make(16 * MIB, "RINGSIDE", &files()).expect("they fit"));
        for (path, content) in files() {
            let mut copy = Cursor::new(volume.clone());
            assert_eq!(read(&mut copy, &path).expect("a volume"), Some(content));
        }
        assert_eq!(read(Cursor::new(volume), "none").expect("a volume"), None);
    }

    #[test]
    fn a_file_is_replaced_in_place_within_its_window() {
        let scratch = Scratch::new();
        let volume = make(8 * MIB, "RINGSIDE", &files()).expect("they fit");
        let around = [&[1; 4096][..], &volume, &[2; 4096][..]].concat();
        let path = scratch.file("disk", &around);
        let file = File::options().read(true).write(true).open(&path).expect("it opens");
        let window = || Window::new(&file, 4096, 8 * MIB);
        write(window(), "pin", b"12345678\n").expect("it fits");
        write(window(), "pin", b"1\n").expect("it fits");
        assert_eq!(read(window(), "pin").expect("a volume").as_deref(), Some(&b"1\n"[..]));
        let after = std::fs::read(&path).expect("read");
        assert_eq!(after[..4096], around[..4096]);
        assert_eq!(after[after.len() - 4096..], around[around.len() - 4096..]);
    }

    #[test]
    fn files_that_do_not_fit_are_refused() {
        let files = Files::from([("big".to_owned(), vec![1; 9 << 20])]);
        assert!(make(8 * MIB, "RINGSIDE", &files).is_err());
        assert!(read(Cursor::new(vec![0; 8 << 20]), "pin").is_err(), "no volume");
    }
}
