//! Backups of SQLite's file while the service runs, and their return.
//!
//! A backup is written under another name, checked and synced, and then named: a file with the name
//! that was asked for is whole. PostgreSQL has tools of its own for this.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::{DATABASE_FILE, SCHEMA_VERSION};

/// What is appended to the name of a backup that is not whole.
const PART: &str = ".part";

/// Copies the database in `folder` to `to`, as it is at one moment; answers its bytes.
///
/// # Errors
/// One sentence that says what to do.
pub fn backup(folder: &Path, to: &Path) -> Result<u64, String> {
    let from = folder.join(DATABASE_FILE);
    if !from.exists() {
        return Err(format!(
            "there is no database in {}: name the service's folder with --data",
            folder.display()
        ));
    }
    if to.exists() {
        return Err(format!("{} is there already: name another file", to.display()));
    }
    let part = part_of(to);
    let copied = copy_consistently(&from, &part).and_then(|()| finish(&part, to));
    if copied.is_err() {
        // Nobody is to take it for a backup.
        let _ = fs::remove_file(&part);
    }
    copied
}

/// Puts a backup into `folder`, which has no database; answers its schema.
///
/// # Errors
/// One sentence that says what to do.
pub fn restore(folder: &Path, from: &Path) -> Result<i64, String> {
    let to = folder.join(DATABASE_FILE);
    if to.exists() {
        return Err(format!(
            "{} has a database: move it and the two files beside it away first, or name another \
             folder with --data",
            folder.display()
        ));
    }
    let schema = check(from)?;
    fs::create_dir_all(folder).map_err(|error| words(folder, &error))?;
    let part = part_of(&to);
    let copied = copy_file(from, &part).and_then(|()| finish(&part, &to));
    if copied.is_err() {
        let _ = fs::remove_file(&part);
    }
    copied.map(|_| schema)
}

fn part_of(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(PART);
    PathBuf::from(name)
}

fn copy_consistently(from: &Path, part: &Path) -> Result<(), String> {
    // One that an earlier attempt left.
    let _ = fs::remove_file(part);
    private(part)?;
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let connection = rusqlite::Connection::open_with_flags(from, flags)
        .map_err(|error| format!("{}: {error}", from.display()))?;
    let name = part.to_str().ok_or_else(|| format!("{} is not UTF-8", part.display()))?;
    let version: i64 = connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(|error| format!("{}: {error}", from.display()))?;
    connection.execute("VACUUM INTO ?1", [name]).map_err(|error| {
        format!("the backup could not be written ({error}): see whether {name} has room")
    })?;
    match check(part)? {
        copied if copied == version => Ok(()),
        _ => Err(format!("{name} is not what was copied: look at the disk")),
    }
}

fn copy_file(from: &Path, to: &Path) -> Result<(), String> {
    private(to)?;
    fs::copy(from, to).map(drop).map_err(|error| words(to, &error))
}

/// An empty file that only this user may read.
fn private(path: &Path) -> Result<(), String> {
    let mut options = OpenOptions::new();
    let made = options.write(true).create(true).truncate(true).mode(0o600).open(path);
    made.map(drop).map_err(|error| words(path, &error))
}

/// Syncs `part` and gives it its name.
fn finish(part: &Path, to: &Path) -> Result<u64, String> {
    let named = File::open(part).and_then(|file| {
        file.sync_all()?;
        fs::rename(part, to)?;
        if let Some(folder) = to.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            File::open(folder)?.sync_all()?;
        }
        Ok(file.metadata()?.len())
    });
    named.map_err(|error| words(to, &error))
}

/// Whether a file is a whole database that this build can read; answers its schema.
fn check(path: &Path) -> Result<i64, String> {
    let broken = |what: String| {
        format!("{} is no whole backup ({what}): take an earlier one", path.display())
    };
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let connection = rusqlite::Connection::open_with_flags(path, flags)
        .map_err(|error| format!("{}: {error}", path.display()))?;
    let said: String = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(|error| broken(error.to_string()))?;
    if said != "ok" {
        return Err(broken(said));
    }
    let number = |name: &str| -> Result<i64, String> {
        let read = |row: &rusqlite::Row<'_>| row.get(0);
        connection.pragma_query_value(None, name, read).map_err(|error| broken(error.to_string()))
    };
    let bytes = fs::metadata(path).map_err(|error| words(path, &error))?.len();
    if i64::try_from(bytes) != Ok(number("page_count")? * number("page_size")?) {
        return Err(broken(format!("it has {bytes} bytes")));
    }
    let schema = number("user_version")?;
    match schema {
        0 => Err(broken("it is empty".to_owned())),
        schema if schema > SCHEMA_VERSION => Err(format!(
            "{} has schema {schema} and this build reads {SCHEMA_VERSION}: install the newer \
             ringside-cloud that wrote it",
            path.display()
        )),
        schema => Ok(schema),
    }
}

fn words(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use ringside_protocol::time::UnixMicros;

    use super::*;
    use crate::db::Db;
    use crate::db::tests::Folder;

    const NOW: UnixMicros = UnixMicros(1_795_000_000_000_000);

    fn with_customers(folder: &Folder) -> Db {
        let db = Db::open(&folder.0).expect("a database");
        for number in 0..200 {
            db.create_customer(&format!("Customer {number}"), NOW).expect("made");
        }
        db
    }

    #[test]
    fn a_backup_of_a_running_service_comes_back_whole() {
        let (folder, other) = (Folder::new(), Folder::new());
        let db = with_customers(&folder);
        let to = other.0.join("backup.db");
        backup(&folder.0, &to).expect("copied");
        db.create_customer("Later", NOW).expect("made");
        assert!(backup(&folder.0, &to).expect_err("there").contains("already"));
        let place = other.0.join("data");
        restore(&place, &to).expect("back");
        assert!(restore(&place, &to).expect_err("there").contains("move it"));
        let back = Db::open(&place).expect("a database");
        assert_eq!(back.customers().expect("asked").len(), 200);
    }

    #[test]
    fn a_half_written_backup_is_refused_wherever_it_ends() {
        let (folder, other) = (Folder::new(), Folder::new());
        drop(with_customers(&folder));
        let to = other.0.join("backup.db");
        let bytes = backup(&folder.0, &to).expect("copied");
        let half = other.0.join("half.db");
        for kept in [0, 1, 100, 4096, bytes / 2, bytes - 4096, bytes - 1] {
            fs::copy(&to, &half).expect("copied");
            let file = OpenOptions::new().write(true).open(&half).expect("opened");
            file.set_len(kept).expect("cut");
            let place = other.0.join("data");
            let sentence = restore(&place, &half).expect_err("refused");
            assert!(sentence.contains("no whole backup"), "{kept} of {bytes}: {sentence}");
            assert!(!place.join(DATABASE_FILE).exists());
        }
    }

    #[test]
    fn a_backup_that_has_no_room_leaves_nothing_with_its_name() {
        let folder = Folder::new();
        drop(with_customers(&folder));
        let sentence = backup(&folder.0, Path::new("/dev/full/backup.db")).expect_err("no folder");
        assert!(sentence.contains("/dev/full"), "{sentence}");
    }
}
