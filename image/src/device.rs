//! Whether a disk may be overwritten: not one that is mounted, swapped to, part of something, or the
//! system's own.

use core::fmt;
use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Why a target is not written to.
#[derive(Debug)]
pub enum Refused {
    /// It is not there, or may not be looked at.
    Io(PathBuf, io::Error),
    /// It is neither a disk nor a file.
    NotADisk(PathBuf),
    /// It is a partition.
    Partition(PathBuf),
    /// It is write-protected.
    ReadOnly(PathBuf),
    /// The system runs from it.
    System(PathBuf),
    /// Something on it is mounted there.
    Mounted(PathBuf, String),
    /// Swap space is on it.
    Swap(PathBuf),
    /// RAID, LVM or encryption holds it.
    Held(PathBuf, String),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, what) = match self {
            Self::Io(path, error) => return write!(f, "{}: {error}", path.display()),
            Self::NotADisk(path) => (path, "is neither a disk nor a file: name one".to_owned()),
            Self::Partition(path) => (
                path,
                "is a partition: name the whole disk (the name without its number)".to_owned(),
            ),
            Self::ReadOnly(path) => (
                path,
                "is write-protected: move the switch on the card, or use another one".to_owned(),
            ),
            Self::System(path) => (path, "is the disk that this system runs from".to_owned()),
            Self::Mounted(path, place) => {
                (path, format!("is in use, mounted at {place}: unmount it first"))
            }
            Self::Swap(path) => (path, "is in use as swap space: run swapoff first".to_owned()),
            Self::Held(path, holder) => {
                (path, format!("is part of {holder} (RAID, LVM or encryption): stop that first"))
            }
        };
        write!(f, "{} {what}", path.display())
    }
}

impl core::error::Error for Refused {}

/// Where the kernel tells about disks; a test has its own.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// `/proc`.
    pub proc: PathBuf,
    /// `/sys`.
    pub sys: PathBuf,
}

impl Default for Kernel {
    fn default() -> Self {
        Self { proc: "/proc".into(), sys: "/sys".into() }
    }
}

/// Bytes of the disk or file at `path`, which may be overwritten.
///
/// # Errors
/// Every [`Refused`].
pub fn check(path: &Path, kernel: &Kernel) -> Result<u64, Refused> {
    let at = |error| Refused::Io(path.to_owned(), error);
    let metadata = fs::metadata(path).map_err(at)?;
    let kind = metadata.file_type();
    if kind.is_block_device() {
        let number = metadata.rdev();
        let number = format!("{}:{}", rustix::fs::major(number), rustix::fs::minor(number));
        check_disk(path, &number, kernel)?;
    } else if !kind.is_file() {
        return Err(Refused::NotADisk(path.to_owned()));
    }
    File::open(path).and_then(|mut file| file.seek(SeekFrom::End(0))).map_err(at)
}

/// Checks the disk of a device number, `8:0`.
fn check_disk(path: &Path, number: &str, kernel: &Kernel) -> Result<(), Refused> {
    let at = |error| Refused::Io(path.to_owned(), error);
    let folder = fs::canonicalize(kernel.sys.join("dev/block").join(number)).map_err(at)?;
    if folder.join("partition").exists() {
        return Err(Refused::Partition(path.to_owned()));
    }
    if value(&folder, "ro") == "1" {
        return Err(Refused::ReadOnly(path.to_owned()));
    }
    let mut folders = vec![folder.clone()];
    for entry in fs::read_dir(&folder).map_err(at)? {
        let below = entry.map_err(at)?.path();
        if below.join("partition").exists() {
            folders.push(below);
        }
    }
    let numbers: Vec<_> = folders.iter().map(|folder| value(folder, "dev")).collect();
    let mounts = fs::read_to_string(kernel.proc.join("self/mountinfo")).map_err(at)?;
    let mut mounted_at = None;
    for line in mounts.lines() {
        let words: Vec<_> = line.split(' ').collect();
        let (Some(number), Some(place)) = (words.get(2), words.get(4)) else { continue };
        if numbers.iter().any(|it| it == number) {
            if ["/", "/boot", "/usr"].contains(place) {
                return Err(Refused::System(path.to_owned()));
            }
            mounted_at = Some((*place).to_owned());
        }
    }
    if let Some(place) = mounted_at {
        return Err(Refused::Mounted(path.to_owned(), place));
    }
    let swaps = fs::read_to_string(kernel.proc.join("swaps")).unwrap_or_default();
    for folder in &folders {
        let name = folder.file_name().map(|name| name.to_string_lossy().into_owned());
        let device = format!("/dev/{}", name.unwrap_or_default());
        if swaps.lines().any(|line| line.split_whitespace().next() == Some(&device)) {
            return Err(Refused::Swap(path.to_owned()));
        }
        let holders = fs::read_dir(folder.join("holders")).into_iter().flatten().flatten();
        if let Some(holder) = holders.map(|it| it.file_name()).next() {
            return Err(Refused::Held(path.to_owned(), holder.to_string_lossy().into_owned()));
        }
    }
    Ok(())
}

fn value(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    const IDLE: &str =
        "23 1 0:21 / /proc rw - proc proc rw\n24 1 259:1 / / rw - ext4 /dev/root rw\n";

    /// A kernel with the disk 8:0, its partition 8:1, and the system on 259:1.
    fn kernel(scratch: &Scratch, mounts: &str) -> Kernel {
        scratch.file("proc/self/mountinfo", mounts.as_bytes());
        scratch.file("proc/swaps", b"Filename Type Size\n");
        scratch.file("sys/devices/sda/dev", b"8:0\n");
        scratch.file("sys/devices/sda/ro", b"0\n");
        scratch.file("sys/devices/sda/sda1/dev", b"8:1\n");
        scratch.file("sys/devices/sda/sda1/partition", b"1\n");
        let block = scratch.path().join("sys/dev/block");
        fs::create_dir_all(&block).expect("made");
        for (number, to) in [("8:0", "sda"), ("8:1", "sda/sda1")] {
            let to = scratch.path().join("sys/devices").join(to);
            std::os::unix::fs::symlink(to, block.join(number)).expect("linked");
        }
        Kernel { proc: scratch.path().join("proc"), sys: scratch.path().join("sys") }
    }

    fn said(number: &str, kernel: &Kernel) -> String {
        let refused = check_disk(Path::new("/dev/sda"), number, kernel);
        refused.map_or_else(|error| error.to_string(), |()| "free".to_owned())
    }

    #[test]
    fn a_disk_that_nothing_uses_may_be_written() {
        let scratch = Scratch::new();
        assert_eq!(said("8:0", &kernel(&scratch, IDLE)), "free");
    }

    #[test]
    fn a_partition_and_a_protected_card_are_refused() {
        let scratch = Scratch::new();
        let kernel = kernel(&scratch, IDLE);
        assert!(said("8:1", &kernel).contains("name the whole disk"));
        scratch.file("sys/devices/sda/ro", b"1\n");
        assert!(said("8:0", &kernel).contains("write-protected"));
    }

    #[test]
    fn a_mounted_disk_and_the_system_s_own_are_refused() {
        let scratch = Scratch::new();
        let mounts = format!("{IDLE}30 24 8:1 / /media/card rw - vfat /dev/sda1 rw\n");
        let said_mounted = said("8:0", &kernel(&scratch, &mounts));
        assert!(said_mounted.contains("mounted at /media/card"), "{said_mounted}");
        let scratch = Scratch::new();
        let kernel = kernel(&scratch, "24 1 8:1 / / rw - ext4 /dev/sda1 rw\n");
        assert!(said("8:0", &kernel).contains("this system runs from"));
    }

    #[test]
    fn swap_and_holders_are_refused() {
        let scratch = Scratch::new();
        let kernel = kernel(&scratch, IDLE);
        scratch.file("proc/swaps", b"Filename Type Size\n/dev/sda1 partition 1\n");
        assert!(said("8:0", &kernel).contains("swapoff"));
        scratch.file("proc/swaps", b"");
        scratch.file("sys/devices/sda/sda1/holders/dm-0", b"");
        assert!(said("8:0", &kernel).contains("part of dm-0"));
    }

    #[test]
    fn a_folder_is_no_disk_and_a_file_s_size_is_found() {
        let scratch = Scratch::new();
        let kernel = kernel(&scratch, IDLE);
        let refused = check(scratch.path(), &kernel).expect_err("refused");
        assert!(matches!(refused, Refused::NotADisk(_)));
        assert_eq!(check(&scratch.file("disk", &[0; 1000]), &kernel).expect("a file"), 1000);
    }
}
