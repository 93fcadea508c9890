//! SQLite: one file in the service's folder.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rusqlite::OpenFlags;

use super::{Connection, DbError, Result, Series, migrate};

/// The database's file in the service's folder; SQLite keeps two more beside it.
pub const DATABASE_FILE: &str = "ringside.db";

/// Prepared statements that a connection keeps: one insert for each day of the retention, and the
/// questions.
const STATEMENTS: usize = 64;

/// Pages that the writer keeps: what the calls of some ten minutes write of indexes, so that few pages
/// are written twice.
const WRITER_CACHE_KIB: i64 = 32 << 10;

/// Pages that a reader keeps, besides those that the system does.
const READER_CACHE_KIB: i64 = 8 << 10;

/// How long a statement waits for a lock that another process holds (a backup), milliseconds.
const BUSY_TIMEOUT_MS: u64 = 5000;

/// Opens the connection that writes, and brings the schema up to date.
pub(super) fn writer(folder: &Path) -> Result<Connection> {
    let path = folder.join(DATABASE_FILE);
    make_private(&path)?;
    let writer = rusqlite::Connection::open(&path)?;
    configure(&writer)?;
    writer.pragma_update(None, "journal_mode", "WAL")?;
    writer.pragma_update(None, "synchronous", "FULL")?;
    // What retention deletes is overwritten, not merely forgotten.
    writer.pragma_update(None, "secure_delete", true)?;
    writer.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    let writer = Connection::sqlite(writer);
    migrate::migrate(&writer)?;
    Ok(writer)
}

/// Opens a connection that only reads.
pub(super) fn reader(folder: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let reader = rusqlite::Connection::open_with_flags(folder.join(DATABASE_FILE), flags)?;
    configure(&reader)?;
    reader.pragma_update(None, "cache_size", -READER_CACHE_KIB)?;
    Ok(Connection::sqlite(reader))
}

/// Only this user may read the file, and those that SQLite makes beside it with the same mode.
fn make_private(path: &Path) -> Result<()> {
    let mut options = OpenOptions::new();
    let made = options.create(true).append(true).mode(0o600).open(path);
    made.map(drop).map_err(DbError::File)
}

fn configure(connection: &rusqlite::Connection) -> Result<()> {
    connection.busy_timeout(core::time::Duration::from_millis(BUSY_TIMEOUT_MS))?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(())
}

pub(super) fn day_tables(connection: &Connection, series: Series) -> Result<Vec<String>> {
    let mut statement = connection.prepare_cached(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB \
         ?1 || '[0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]' ORDER BY name DESC",
    )?;
    statement.query_map([series.prefix()], |row| row.get(0))?.collect()
}

pub(super) fn has_table(connection: &Connection, name: &str) -> Result<bool> {
    let mut statement = connection
        .prepare_cached("SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?1")?;
    statement.query_row([name], |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use crate::db::Db;
    use crate::db::tests::Folder;

    #[test]
    fn a_commit_is_synced_and_what_is_deleted_is_overwritten() {
        let folder = Folder::new();
        let db = Db::open(&folder.0).expect("a database");
        let writer = db.writer();
        let pragma = |name: &str| -> String {
            let writer = writer.as_sqlite().expect("SQLite");
            let read = |row: &rusqlite::Row<'_>| row.get::<_, rusqlite::types::Value>(0);
            format!("{:?}", writer.pragma_query_value(None, name, read).expect("a pragma"))
        };
        assert_eq!(pragma("journal_mode"), "Text(\"wal\")");
        assert_eq!(pragma("synchronous"), "Integer(2)");
        assert_eq!(pragma("secure_delete"), "Integer(1)");
    }
}
