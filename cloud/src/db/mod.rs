//! The database: the questions we ask, and the answers of SQLite or PostgreSQL.
//!
//! SQLite is one file, WAL, `synchronous=FULL`: what a commit has returned for survives a power cut.
//! One connection writes; readers have a few of their own and never wait for it. PostgreSQL is asked
//! through as many sessions; a transaction that writes is alone there too, over all processes.
//! Customer and day are in every key of a call (`docs/DECISIONS.md`, "Database keys").
//!
//! # How to write a query
//!
//! ```ignore
//! use super::{Connection, Db, OptionalExtension, Result, params};
//!
//! // One question: a connection that reads.
//! let reader = db.reader();
//! let name: Option<String> = reader
//!     .prepare_cached("SELECT name FROM customer WHERE customer = ?1")?
//!     .query_row([customer.0], |row| row.get(0))
//!     .optional()?;
//! // Several that must see the same moment: `let reader = connection.snapshot()?`.
//! // Whatever writes: one transaction, on the disk when it returns.
//! db.write(|tx| tx.execute("UPDATE customer SET name = ?2 WHERE customer = ?1", params![1, "A"]))?;
//! ```
//!
//! - Write SQLite's SQL, of which both understand: `ON CONFLICT`, `RETURNING`, `CASE WHEN`,
//!   `coalesce`, `count(*) FILTER (WHERE …)`, parameters `?1`, `?2`. Not: `INSERT OR …`, `iif`,
//!   `ifnull`, `max(a, b)`, `LIMIT -1`, `rowid`, a last row's id (take `RETURNING`).
//!   [`dialect`] replaces the words that are left.
//! - Truth is a number, 0 or 1: write `is_revoked = 0`, not `NOT is_revoked`. A sum is
//!   `CAST(sum(x) AS INTEGER)`.
//! - `ON CONFLICT DO UPDATE` names its target, and the old row's columns with their table
//!   (`customer_counter.value`).
//! - A new table goes into a `.sql` file of its own and one line of [`migrate`]: `INTEGER`, `TEXT`,
//!   `BLOB`, `STRICT`. One with rows for every call has a [`Series`], and its customer leads every key.
//! - Coming from rusqlite: `rusqlite::Result` is [`Result`], `unchecked_transaction` is
//!   [`Connection::snapshot`], and [`Rows::next`] gives a row, not a reference to one.

use core::fmt;
use core::sync::atomic::{AtomicUsize, Ordering};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use ringside_protocol::time::{MICROS_PER_SECOND, UnixMicros};

use self::engine::Purpose;

pub mod alerts;
pub mod backup;
pub mod calls;
pub mod cdrs;
pub mod claims;
pub mod customers;
mod dialect;
mod engine;
pub mod erase;
pub mod fleet;
mod hours;
pub mod intake;
pub mod kept_calls;
pub mod leases;
mod migrate;
mod newest;
pub mod packages;
pub mod peers;
pub mod people;
mod postgres;
pub mod proof;
pub mod registrations;
pub mod rights;
pub mod rules;
pub mod search;
pub mod searches;
pub mod sensors;
pub mod several;
pub mod shares;
mod sqlite;
pub mod stats;
pub mod sums;
pub mod terms;
pub mod tokens;
pub mod upgrades;
pub mod users;
mod value;
pub mod views;

pub use self::engine::{Column, Connection, OptionalExtension, Row, Rows, Statement, Transaction};
pub use self::migrate::SCHEMA_VERSION;
pub use self::sqlite::DATABASE_FILE;
pub use self::value::{FromValue, Params, ToValue, Value};
pub use crate::params;

/// Connections that only read.
const READERS: usize = 4;

/// A customer's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Customer(pub i64);

/// Where the data is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// In the service's folder, by SQLite.
    #[default]
    Folder,
    /// By the server of PostgreSQL's that this address names.
    Server(Server),
}

/// The address of a server of PostgreSQL's. It may hold a password, and is not printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Server(String);

impl Server {
    /// Reads `postgresql://USER:PASSWORD@HOST/DATABASE`.
    ///
    /// # Errors
    /// One sentence that says what to change.
    pub fn parse(url: &str) -> core::result::Result<Self, String> {
        postgres::config(url).map(|_| Self(url.to_owned()))
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Server")
    }
}

/// The database of one service.
pub struct Db {
    writer: Mutex<Connection>,
    readers: Vec<Mutex<Connection>>,
    next_reader: AtomicUsize,
    /// Of the server, where there is one.
    config: Option<::postgres::Config>,
    trouble: Mutex<Option<Trouble>>,
}

/// Why nothing can be written, since when the last attempts have failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// The first of them.
    pub since: SystemTime,
    /// What is wrong and what to do.
    pub sentence: String,
}

/// Why the database could not answer.
#[derive(Debug)]
pub enum DbError {
    /// SQLite's own error.
    Sqlite(rusqlite::Error),
    /// What PostgreSQL said.
    Postgres(::postgres::Error),
    /// The server's address is none.
    Server(String),
    /// The server of PostgreSQL's is gone.
    Gone,
    /// There is no such row.
    NoRow,
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
            Self::Postgres(error) => write!(f, "database: {}", postgres::words(error)),
            Self::Server(sentence) => f.write_str(sentence),
            Self::Gone => f.write_str("the connection to the database's server was lost"),
            Self::NoRow => f.write_str("database: a row that should be there is not"),
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

impl DbError {
    /// What the operator can do, where the error is not the fault of what was asked.
    #[must_use]
    pub fn remedy(&self) -> Option<&'static str> {
        use rusqlite::ErrorCode::{
            CannotOpen, DatabaseBusy, DatabaseCorrupt, DatabaseLocked, DiskFull, NotADatabase,
            PermissionDenied, ReadOnly, SystemIoFailure,
        };
        match self {
            Self::Gone => Some("start the server of PostgreSQL's, or see why it cannot be reached"),
            Self::Postgres(error) => postgres::remedy(error),
            Self::Sqlite(error) => match error.sqlite_error_code()? {
                DiskFull => Some("the disk is full; make room, nothing else is needed"),
                SystemIoFailure => Some("the disk fails; look at the kernel's log"),
                ReadOnly | PermissionDenied | CannotOpen => {
                    Some("the service may not write its folder; look at its owner and mount")
                }
                DatabaseBusy | DatabaseLocked => Some("another program holds the database; end it"),
                DatabaseCorrupt | NotADatabase => {
                    Some("the database is damaged; restore a backup (ringside-cloud restore)")
                }
                _ => None,
            },
            _ => None,
        }
    }
}

impl From<rusqlite::Error> for DbError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<::postgres::Error> for DbError {
    fn from(error: ::postgres::Error) -> Self {
        Self::Postgres(error)
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
        let writer = sqlite::writer(folder)?;
        let readers = (0..READERS).map(|_| sqlite::reader(folder)).collect::<Result<Vec<_>>>()?;
        Ok(Self::of(writer, readers, None))
    }

    /// Opens the database of a server, and brings its schema up to date.
    ///
    /// # Errors
    /// [`DbError`], with a sentence for the person who starts the service.
    pub fn connect(server: &Server) -> Result<Self> {
        let config = postgres::config(&server.0).map_err(DbError::Server)?;
        let session = || Connection::postgres(postgres::Session::new(config.clone()));
        let writer = session();
        migrate::migrate(&writer)?;
        let readers = (0..READERS).map(|_| session()).collect();
        Ok(Self::of(writer, readers, Some(config)))
    }

    /// Opens the database at `place`, in `folder` if it is kept there.
    ///
    /// # Errors
    /// [`DbError`], with a sentence for the person who starts the service.
    pub fn open_at(place: &Place, folder: &Path) -> Result<Self> {
        match place {
            Place::Folder => Self::open(folder),
            Place::Server(server) => Self::connect(server),
        }
    }

    fn of(
        writer: Connection,
        readers: Vec<Connection>,
        config: Option<::postgres::Config>,
    ) -> Self {
        Self {
            writer: Mutex::new(writer),
            readers: readers.into_iter().map(Mutex::new).collect(),
            next_reader: AtomicUsize::new(0),
            config,
            trouble: Mutex::default(),
        }
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
        let writer = self.writer();
        let written: Result<T> = (|| {
            let transaction = writer.begin(Purpose::Write)?;
            let answer = work(&transaction)?;
            transaction.commit()?;
            Ok(answer)
        })();
        self.note(written.as_ref().err());
        written
    }

    /// Why nothing can be written, if the last attempt has failed for a reason that is not its own.
    #[must_use]
    pub fn trouble(&self) -> Option<Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, error: Option<&DbError>) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        match error.map(DbError::remedy) {
            // It was written.
            None => *trouble = None,
            Some(Some(remedy)) => {
                let sentence = error.map_or_else(String::new, |error| format!("{error}: {remedy}"));
                let since = trouble.as_ref().map_or_else(SystemTime::now, |known| known.since);
                if trouble.is_none() {
                    log::error!("nothing can be written: {sentence}");
                }
                *trouble = Some(Trouble { since, sentence });
            }
            // What was asked for was wrong, not the database.
            Some(None) => {}
        }
    }

    /// One of the connections that only read.
    pub fn reader(&self) -> MutexGuard<'_, Connection> {
        for reader in &self.readers {
            if let Ok(free) = reader.try_lock() {
                return free;
            }
        }
        let turn = self.next_reader.fetch_add(1, Ordering::Relaxed);
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

    /// The statements that make a day's table.
    const fn schema(self) -> &'static str {
        match self {
            Self::Calls => include_str!("cdr_day.sql"),
            Self::Registrations => include_str!("registration_day.sql"),
            Self::Peers => include_str!("peer_day.sql"),
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
    match connection.as_postgres() {
        None => sqlite::day_tables(connection, series),
        Some(_) => {
            let mut statement = connection.prepare_cached(
                "SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid \
                 WHERE inhparent = to_regclass(?1) ORDER BY relname DESC",
            )?;
            statement.query_map([dialect::parent(series)], |row| row.get(0))?.collect()
        }
    }
}

/// The moments from and until which a day's table has records.
fn bounds_of_day(table: &str) -> Option<(UnixMicros, UnixMicros)> {
    let digits = table.rsplit('_').next()?;
    let (year, rest) = digits.split_at_checked(4)?;
    let (month, day) = rest.split_at_checked(2)?;
    let from = UnixMicros::from_date(&format!("{year}-{month}-{day}"))?;
    Some((from, from.plus(86_400 * MICROS_PER_SECOND)))
}

/// Makes the table of the day of `at`, if it is not there; answers its name.
pub(crate) fn make_day(tx: &Connection, series: Series, at: UnixMicros) -> Result<String> {
    let table = day_table(series, at);
    match tx.as_postgres() {
        None => {
            if sqlite::has_table(tx, &table)? {
                return Ok(table);
            }
            let day = format!("{}DAY", series.prefix());
            tx.execute_batch(&series.schema().replace(&day, &table))?;
            if series == Series::Calls {
                let terms = include_str!("term_day.sql").replace("term_DAY", &terms::table(&table));
                tx.execute_batch(&terms)?;
                note_counted(tx, &table)?;
            }
        }
        Some(session) => {
            let known: bool = tx
                .prepare_cached("SELECT to_regclass(?1) IS NOT NULL")?
                .query_row([&table], |row| row.get(0))?;
            if !known {
                session.run(&dialect::postgres_day(series, &table, at.day()))?;
                if series == Series::Calls {
                    note_counted(tx, &table)?;
                }
            }
        }
    }
    Ok(table)
}

fn note_counted(tx: &Connection, table: &str) -> Result<()> {
    tx.execute("INSERT INTO counted_day (name) VALUES (?1) ON CONFLICT DO NOTHING", [table])?;
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
pub(crate) mod tests;
