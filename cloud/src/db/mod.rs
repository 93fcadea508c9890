//! The database: the questions we ask, and SQLite's answers.
//!
//! One folder, WAL, `synchronous=FULL`: what a commit has returned for survives a power cut. One
//! connection writes; readers have a few of their own and never wait for it. Customer and day are
//! in every key of a call (`docs/DECISIONS.md`, "Database keys").

use core::fmt;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ringside_protocol::time::UnixMicros;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

pub mod calls;
pub mod cdrs;
pub mod customers;
pub mod fleet;
pub mod intake;
pub mod leases;
mod newest;
pub mod peers;
pub mod people;
pub mod registrations;
pub mod rights;
pub mod rules;
pub mod search;
pub mod searches;
pub mod sensors;
pub mod shares;
pub mod stats;
pub mod sums;
pub mod tokens;
pub mod views;

/// The database's file in the service's folder; SQLite keeps two more beside it.
pub const DATABASE_FILE: &str = "ringside.db";

/// Connections that only read.
const READERS: usize = 4;

/// Prepared statements that a connection keeps: one insert for each day of the retention, and the
/// questions.
const STATEMENTS: usize = 64;

/// How long a statement waits for a lock that another process holds (a backup), milliseconds.
const BUSY_TIMEOUT_MS: u64 = 5000;

/// The schema that this build reads and writes.
const SCHEMA_VERSION: i64 = 10;

/// A customer's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Customer(pub i64);

/// The database of one service.
pub struct Db {
    writer: Mutex<Connection>,
    readers: Vec<Mutex<Connection>>,
    next_reader: core::sync::atomic::AtomicUsize,
}

/// Why the database could not answer.
#[derive(Debug)]
pub enum DbError {
    /// SQLite's own error.
    Sqlite(rusqlite::Error),
    /// The folder was written by a newer build.
    TooNew {
        /// Its schema.
        found: i64,
    },
    /// A stored record cannot be read.
    Damaged(&'static str),
    /// The system gives no random bytes.
    Random,
    /// The file cannot be made.
    File(std::io::Error),
    /// A customer has had all that is stored for it in a day.
    OverQuota(intake::Quota),
}

impl fmt::Display for DbError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(error) => write!(f, "database: {error}"),
            Self::TooNew { found } => write!(
                f,
                "the database has schema {found} and this build reads {SCHEMA_VERSION}: install \
                 the newer ringside-cloud that wrote it"
            ),
            Self::Damaged(what) => write!(f, "database: {what} is damaged"),
            Self::File(error) => write!(f, "the database's file cannot be made: {error}"),
            Self::Random => f.write_str("the system gives no random bytes"),
            Self::OverQuota(quota) => write!(f, "the customer is at its quota of {quota}"),
        }
    }
}

impl core::error::Error for DbError {}

impl From<rusqlite::Error> for DbError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// What a question of this module answers.
pub type Result<T> = core::result::Result<T, DbError>;

impl Db {
    /// Opens `ringside.db` in `folder`, which exists, and brings its schema up to date.
    ///
    /// # Errors
    /// [`DbError`], with a sentence for the person who starts the service.
    pub fn open(folder: &Path) -> Result<Self> {
        let path = folder.join(DATABASE_FILE);
        make_private(&path)?;
        let mut writer = Connection::open(&path)?;
        configure(&writer)?;
        writer.pragma_update(None, "journal_mode", "WAL")?;
        writer.pragma_update(None, "synchronous", "FULL")?;
        // What retention deletes is overwritten, not merely forgotten.
        writer.pragma_update(None, "secure_delete", true)?;
        migrate(&mut writer)?;
        let readers = (0..READERS)
            .map(|_| {
                let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
                let reader = Connection::open_with_flags(&path, flags)?;
                configure(&reader)?;
                Ok(Mutex::new(reader))
            })
            .collect::<Result<_>>()?;
        let next_reader = core::sync::atomic::AtomicUsize::new(0);
        Ok(Self { writer: Mutex::new(writer), readers, next_reader })
    }

    /// The one connection that writes.
    pub fn writer(&self) -> MutexGuard<'_, Connection> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `work` in one transaction; what it wrote is on the disk when this returns.
    ///
    /// # Errors
    /// What `work` returns, or the commit; nothing is written then.
    pub fn write<T>(&self, work: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        let mut writer = self.writer();
        let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let answer = work(&transaction)?;
        transaction.commit()?;
        Ok(answer)
    }

    /// One of the connections that only read.
    pub fn reader(&self) -> MutexGuard<'_, Connection> {
        for reader in &self.readers {
            if let Ok(free) = reader.try_lock() {
                return free;
            }
        }
        let turn = self.next_reader.fetch_add(1, core::sync::atomic::Ordering::Relaxed);
        self.readers[turn % READERS].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A kind of record that has a table for each day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Series {
    /// Calls, by their end.
    Calls,
    /// Registrations, by the time at which the record was made.
    Registrations,
    /// Peer relations, by the time at which the record was made.
    Peers,
}

impl Series {
    /// Every kind.
    pub const ALL: &'static [Self] = &[Self::Calls, Self::Registrations, Self::Peers];

    /// What its tables' names begin with; the date as `YYYYMMDD` follows.
    #[must_use]
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Calls => "cdr_",
            Self::Registrations => "registration_",
            Self::Peers => "peer_",
        }
    }

    /// The table that says where the newest record of each stands; calls have none.
    fn newest_table(self) -> String {
        format!("{}newest", self.prefix())
    }
}

/// The name of the table that holds the records of the day of `at` (UTC).
pub fn day_table(series: Series, at: UnixMicros) -> String {
    format!("{}{}", series.prefix(), at.to_date().replace('-', ""))
}

/// The day tables of a series that exist, newest first.
pub fn day_tables(connection: &Connection, series: Series) -> Result<Vec<String>> {
    let mut statement = connection.prepare_cached(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB \
         ?1 || '[0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]' ORDER BY name DESC",
    )?;
    let names = statement.query_map([series.prefix()], |row| row.get(0))?;
    Ok(names.collect::<rusqlite::Result<_>>()?)
}

/// Only this user may read the file, and those that SQLite makes beside it with the same mode.
fn make_private(path: &Path) -> Result<()> {
    let mut options = OpenOptions::new();
    let made = options.create(true).append(true).mode(0o600).open(path);
    made.map(drop).map_err(DbError::File)
}

fn configure(connection: &Connection) -> Result<()> {
    connection.busy_timeout(core::time::Duration::from_millis(BUSY_TIMEOUT_MS))?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "cache_size", -4096)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(())
}

/// Two processes may come here at once (the service and `admin`): the version is read inside the
/// transaction that changes it.
fn migrate(connection: &mut Connection) -> Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found > SCHEMA_VERSION {
        return Err(DbError::TooNew { found });
    }
    if found < 1 {
        transaction.execute_batch(include_str!("schema.sql"))?;
    }
    if found < 2 {
        transaction.execute_batch(include_str!("registrations.sql"))?;
        for table in day_tables(&transaction, Series::Calls)? {
            let column = "ADD COLUMN legs TEXT NOT NULL DEFAULT ''";
            transaction.execute_batch(&format!("ALTER TABLE {table} {column}"))?;
        }
    }
    if found < 3 {
        transaction.execute_batch(include_str!("rules.sql"))?;
    }
    if found < 4 {
        transaction.execute_batch(include_str!("intake.sql"))?;
    }
    if found < 5 {
        transaction.execute_batch(include_str!("rights.sql"))?;
    }
    if found < 6 {
        transaction.execute_batch(include_str!("peers.sql"))?;
    }
    if found < 10 {
        transaction.execute_batch(include_str!("sums.sql"))?;
        sums::note_unsummed(&transaction)?;
        transaction.execute_batch(include_str!("shares.sql"))?;
    }
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    transaction.commit()?;
    Ok(())
}

/// A time as it is stored. Times that SQLite cannot hold lie beyond the year 292,000.
pub fn stored_time(at: UnixMicros) -> i64 {
    i64::try_from(at.0).unwrap_or(i64::MAX)
}

/// A stored time.
pub fn loaded_time(stored: i64) -> UnixMicros {
    UnixMicros(u64::try_from(stored).unwrap_or(0))
}

/// A column of bytes of a fixed length.
pub(crate) fn bytes<const N: usize>(column: &[u8], what: &'static str) -> Result<[u8; N]> {
    column.try_into().map_err(|_| DbError::Damaged(what))
}

#[cfg(test)]
pub(crate) mod tests {
    use std::path::PathBuf;

    use super::*;

    /// A folder of a test's own, gone when it ends.
    pub(crate) struct Folder(pub(crate) PathBuf);

    impl Folder {
        pub(crate) fn new() -> Self {
            static NEXT: core::sync::atomic::AtomicU32 = core::sync::atomic::AtomicU32::new(0);
            let turn = NEXT.fetch_add(1, core::sync::atomic::Ordering::Relaxed);
            let name = format!("ringside-cloud-{}-{turn}", std::process::id());
            let path = std::env::temp_dir().join(name);
            std::fs::create_dir_all(&path).expect("a temporary folder");
            Self(path)
        }

        pub(crate) fn open(&self) -> Db {
            Db::open(&self.0).expect("a database")
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            // A folder that stays behind fails no test.
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_commit_is_synced_and_a_failed_transaction_leaves_nothing() {
        let folder = Folder::new();
        let db = folder.open();
        let pragma = |name: &str| -> String {
            let writer = db.writer();
            writer
                .pragma_query_value(None, name, |row| {
                    row.get::<_, rusqlite::types::Value>(0).map(|value| format!("{value:?}"))
                })
                .expect("a pragma")
        };
        assert_eq!(pragma("journal_mode"), "Text(\"wal\")");
        assert_eq!(pragma("synchronous"), "Integer(2)");
        assert_eq!(pragma("secure_delete"), "Integer(1)");
        let failed: Result<()> = db.write(|tx| {
            tx.execute("INSERT INTO secret VALUES ('x', x'00')", [])?;
            Err(DbError::Damaged("test"))
        });
        assert!(failed.is_err());
        let rows: i64 = db
            .reader()
            .query_row("SELECT count(*) FROM secret", [], |row| row.get(0))
            .expect("a count");
        assert_eq!(rows, 0);
    }

    #[test]
    fn a_database_of_schema_1_goes_on() {
        let folder = Folder::new();
        {
            let old = Connection::open(folder.0.join(DATABASE_FILE)).expect("a database");
            old.execute_batch(include_str!("schema.sql")).expect("a schema");
            let day = include_str!("cdr_day.sql").replace("cdr_DAY", "cdr_20261124");
            old.execute_batch(&day).expect("a day");
            let undone = "DROP INDEX cdr_20261124_legs; ALTER TABLE cdr_20261124 DROP COLUMN legs";
            old.execute_batch(undone).expect("as it was");
            old.pragma_update(None, "user_version", 1).expect("a pragma");
        }
        let reader = folder.open();
        let count = "SELECT count(*) FROM cdr_20261124 WHERE legs = ''";
        let rows: i64 = reader.reader().query_row(count, [], |row| row.get(0)).expect("a count");
        assert_eq!(rows, 0);
        folder.open();
    }

    #[test]
    fn a_database_of_a_newer_build_is_refused_with_what_to_do() {
        let folder = Folder::new();
        folder.open().writer().pragma_update(None, "user_version", 99).expect("a pragma");
        let refused = Db::open(&folder.0).err().expect("refused");
        assert!(refused.to_string().contains("install the newer ringside-cloud"), "{refused}");
    }
}
