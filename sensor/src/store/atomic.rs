//! Small files that a power cut leaves either as they were or as they are to be.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, fchown, lchown};
use std::path::Path;

/// Replaces the file at `path`: writes a temporary file beside it, syncs that, renames it, and
/// syncs the directory. The file has permission bits `mode` from its first moment, and the
/// directory's owner: what root writes on the sensor's behalf, the sensor can read.
///
/// # Errors
/// The system's; the file is then as it was.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let directory = directory_of(path);
    let mut name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let temporary = directory.join(name);
    let written = write_synced(&temporary, bytes, mode).and_then(|()| fs::rename(&temporary, path));
    if let Err(error) = written {
        // What was half written must not stay; that it failed is told by `error`.
        drop(fs::remove_file(&temporary));
        return Err(error);
    }
    sync_directory(directory)
}

/// Makes `path` and its parents, closed to other users.
///
/// # Errors
/// The system's.
pub fn make_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Makes `path`, closed to other users, with the owner of the directory that it is in: what root
/// makes on the sensor's behalf, the sensor can read.
///
/// # Errors
/// The system's.
pub fn make_directory_for_owner(path: &Path) -> io::Result<()> {
    make_directory(path)?;
    let owner = fs::metadata(directory_of(path))?;
    if fs::metadata(path)?.uid() != owner.uid() {
        // Only root may; for anybody else it stays the maker's.
        drop(lchown(path, Some(owner.uid()), Some(owner.gid())));
    }
    Ok(())
}

/// Makes entries of `directory` (new files, renames) survive a power cut.
///
/// # Errors
/// The system's.
pub fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

fn write_synced(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path)?;
    let owner = fs::metadata(directory_of(path))?;
    if file.metadata()?.uid() != owner.uid() {
        // Only root may; for anybody else the file stays the writer's.
        drop(fchown(&file, Some(owner.uid()), Some(owner.gid())));
    }
    file.write_all(bytes)?;
    file.sync_all()
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::store::test_dir::TestDir;

    #[test]
    fn a_replaced_file_has_the_new_bytes_its_mode_and_no_leftovers() {
        let dir = TestDir::new();
        let path = dir.path().join("file");
        replace(&path, b"old", 0o644).expect("write");
        replace(&path, b"new", 0o600).expect("write");
        assert_eq!(fs::read(&path).expect("read"), b"new");
        let mode = fs::metadata(&path).expect("metadata").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).expect("list").count(), 1);
    }

    #[test]
    fn a_directory_that_root_makes_belongs_to_its_parent_s_owner() {
        let dir = TestDir::new();
        let parent = dir.path().join("parent");
        make_directory(&parent).expect("mkdir");
        if lchown(&parent, Some(65_534), Some(65_534)).is_err() {
            println!("skipped: only root gives directories away");
            return;
        }
        make_directory_for_owner(&parent.join("inside")).expect("mkdir");
        assert_eq!(fs::metadata(parent.join("inside")).expect("there").uid(), 65_534);
    }

    #[test]
    fn a_file_that_cannot_be_replaced_stays_and_leaves_nothing_behind() {
        let dir = TestDir::new();
        let path = dir.path().join("taken");
        fs::create_dir(&path).expect("mkdir");
        fs::write(path.join("inside"), b"x").expect("write");
        assert!(replace(&path, b"new", 0o600).is_err());
        assert_eq!(fs::read_dir(dir.path()).expect("list").count(), 1);
    }
}
