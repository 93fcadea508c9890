//! Files that are there whole or not at all.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use super::TlsError;

/// For what everybody may read.
pub(super) const PUBLIC: u32 = 0o644;

/// For keys.
pub(super) const SECRET: u32 = 0o600;

pub(super) fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|error| TlsError::Read(path.to_path_buf(), error))
}

/// Writes beside the file and renames, so that a power cut leaves the old one or the new one.
pub(super) fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), TlsError> {
    replace(path, bytes, mode).map_err(|error| TlsError::Write(path.to_path_buf(), error))
}

fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let beside = path.with_extension("new");
    if let Err(error) = fs::remove_file(&beside)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// Makes the folder, for this user only, if it is not there.
pub(super) fn make_folder(path: &Path) -> Result<(), TlsError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| TlsError::Write(path.to_path_buf(), error))
}
