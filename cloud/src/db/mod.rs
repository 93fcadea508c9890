//! The database: the questions we ask, and SQLite's answers.
//!
//! One folder, WAL, `synchronous=FULL`: what a commit has returned for survives a power cut. One
//! connection writes; readers have a few of their own and never wait for it. Customer and day are
//! in every key of a call (`docs/DECISIONS.md`, "Database keys").

use core::fmt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ringside_protocol::time::UnixMicros;
use rusqlite::{Connection, OpenFlags};

/// Connections that only read.
const READERS: usize = 4;

/// How long a statement waits for a lock that another process holds (a backup), milliseconds.
const BUSY_TIMEOUT_MS: u64 = 5000;

/// The schema that this build reads and writes.
const SCHEMA_VERSION: i64 = 1;

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
        let path = folder.join("ringside.db");
        let mut writer = Connection::open(&path)?;
        configure(&writer)?;
        writer.pragma_update(None, "journal_mode", "WAL")?;
        writer.pragma_update(None, "synchronous", "FULL")?;
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

/// The name of the table that holds the calls which ended on the day of `at` (UTC).
pub fn day_table(at: UnixMicros) -> String {
    format!("cdr_{}", at.to_date().replace('-', ""))
}

/// The day tables that exist, newest first, each with its date as `YYYYMMDD`.
pub fn day_tables(connection: &Connection) -> Result<Vec<String>> {
    let mut statement = connection.prepare_cached(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB \
         'cdr_[0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]' ORDER BY name DESC",
    )?;
    let names = statement.query_map([], |row| row.get(0))?;
    Ok(names.collect::<rusqlite::Result<_>>()?)
}

fn configure(connection: &Connection) -> Result<()> {
    connection.busy_timeout(core::time::Duration::from_millis(BUSY_TIMEOUT_MS))?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "cache_size", -4096)?;
    Ok(())
}

fn migrate(connection: &mut Connection) -> Result<()> {
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found > SCHEMA_VERSION {
        return Err(DbError::TooNew { found });
    }
    if found < 1 {
        let transaction = connection.transaction()?;
        transaction.execute_batch(include_str!("schema.sql"))?;
        transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
        transaction.commit()?;
    }
    Ok(())
}
