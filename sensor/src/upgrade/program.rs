//! The program's file as a link to one of two slots beside it.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};

use ringside_protocol::slot::Slot;

use super::Steps;
use crate::store::atomic::sync_directory;

/// Where the program and its slots are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// What is started: the link, or a plain file as long as nothing was ever upgraded.
    path: PathBuf,
}

impl Program {
    /// The program that the file `executable` belongs to, and the slot that this file is, if it is
    /// one.
    #[must_use]
    pub fn of(executable: &Path) -> (Self, Option<Slot>) {
        let slot =
            executable.extension().and_then(|end| end.to_str()).and_then(|end| end.parse().ok());
        let path = match slot {
            Some(_) => executable.with_extension(""),
            None => executable.to_owned(),
        };
        (Self { path }, slot)
    }

    /// What is started.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A slot's file.
    #[must_use]
    pub fn file(&self, slot: Slot) -> PathBuf {
        self.beside(slot.name())
    }

    /// The slot that the link leads to; `None` where the program is a plain file.
    #[must_use]
    pub fn current(&self) -> Option<Slot> {
        let target = fs::read_link(&self.path).ok()?;
        Slot::ALL.into_iter().find(|&slot| target.file_name() == self.file(slot).file_name())
    }

    /// Makes a plain file slot `A` and the link to it.
    ///
    /// # Errors
    /// The system's; the program is then as it was.
    pub fn adopt(&self, steps: Steps<'_>) -> io::Result<Slot> {
        if let Some(slot) = self.current() {
            return Ok(slot);
        }
        let program = fs::read(&self.path)?;
        self.fill(Slot::A, &program, steps)?;
        self.point_to(Slot::A, steps)?;
        Ok(Slot::A)
    }

    /// Puts `program` into a slot: whole, or not at all.
    ///
    /// # Errors
    /// The system's; the slot is then as it was.
    pub fn fill(&self, slot: Slot, program: &[u8], steps: Steps<'_>) -> io::Result<()> {
        let new = self.beside(&format!("{slot}.new"));
        steps("create the new file")?;
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o755);
        let mut file = options.open(&new)?;
        let (half, rest) = program.split_at(program.len() / 2);
        file.write_all(half)?;
        steps("write the second half")?;
        file.write_all(rest)?;
        steps("sync the new file")?;
        file.sync_all()?;
        drop(file);
        if fs::read(&new)? != program {
            return Err(io::Error::other(
                "what was written reads back differently: check the disk",
            ));
        }
        steps("rename the new file")?;
        fs::rename(&new, self.file(slot))?;
        steps("sync the folder")?;
        sync_directory(self.folder())
    }

    /// Makes the link lead to `slot`, in one step.
    ///
    /// # Errors
    /// The system's; the link is then as it was.
    pub fn point_to(&self, slot: Slot, steps: Steps<'_>) -> io::Result<()> {
        let new = self.beside("link.new");
        steps("remove an old link.new")?;
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        steps("make the link")?;
        // Relative: the folder may be seen under another name.
        let target = self.file(slot);
        symlink(target.file_name().ok_or(io::ErrorKind::InvalidInput)?, &new)?;
        steps("rename the link")?;
        fs::rename(&new, &self.path)?;
        steps("sync the folder")?;
        sync_directory(self.folder())
    }

    fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }

    fn beside(&self, end: &str) -> PathBuf {
        let mut name = self.path.file_name().map_or_else(OsString::new, ToOwned::to_owned);
        name.push(".");
        name.push(end);
        self.path.with_file_name(name)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::store::test_dir::TestDir;
    use crate::upgrade::uninterrupted;

    #[test]
    fn a_plain_file_becomes_slot_a_and_a_link() {
        let dir = TestDir::new();
        let path = dir.path().join("sensor-1.2");
        fs::write(&path, b"old").expect("write");
        let (program, slot) = Program::of(&path);
        assert_eq!((slot, program.current()), (None, None));
        assert_eq!(program.adopt(&uninterrupted).expect("adopted"), Slot::A);
        assert_eq!(program.current(), Some(Slot::A));
        program.fill(Slot::B, b"new", &uninterrupted).expect("filled");
        assert_eq!(fs::read(&path).expect("read"), b"old");
        program.point_to(Slot::B, &uninterrupted).expect("pointed");
        assert_eq!(fs::read(&path).expect("read"), b"new");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o755);
        assert_eq!(Program::of(&program.file(Slot::B)), (program.clone(), Some(Slot::B)));
        assert_eq!(fs::read_dir(dir.path()).expect("list").count(), 3, "nothing is left over");
    }
}
