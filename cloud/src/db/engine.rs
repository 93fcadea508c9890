//! Connections, statements and rows: what the questions of this module are written with.
//!
//! Two engines answer them. Their names and shapes are rusqlite's, so that a query reads the same
//! as it would there; how the engines' SQL differs is in [`super::dialect`].

use std::vec::IntoIter;

use rusqlite::types::ValueRef;

use super::postgres::Session;
use super::value::{FromValue, Params, Value};
use super::{DbError, Result};

/// A connection to the database.
pub struct Connection(Engine);

enum Engine {
    Sqlite(rusqlite::Connection),
    Postgres(Box<Session>),
}

/// A transaction: what is not committed when it is dropped has not happened.
pub struct Transaction<'c> {
    connection: &'c Connection,
    is_open: bool,
}

/// Whether a transaction will write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// One snapshot for several questions.
    Read,
    /// To write, alone.
    Write,
}

/// A prepared statement.
pub struct Statement<'c>(Prepared<'c>);

enum Prepared<'c> {
    Sqlite(rusqlite::CachedStatement<'c>),
    Postgres(&'c Session, String),
}

/// The rows that a statement gives, one after the other.
pub struct Rows<'s>(Answer<'s>);

enum Answer<'s> {
    Sqlite(rusqlite::Rows<'s>),
    Postgres { rows: Vec<postgres::Row>, next: usize },
}

/// One row.
pub struct Row<'r>(Source<'r>);

enum Source<'r> {
    Sqlite(&'r rusqlite::Row<'r>),
    Postgres(&'r postgres::Row),
}

impl Connection {
    /// A connection to a file of SQLite's.
    pub(super) const fn sqlite(connection: rusqlite::Connection) -> Self {
        Self(Engine::Sqlite(connection))
    }

    /// A connection to a server of PostgreSQL's.
    pub(super) fn postgres(session: Session) -> Self {
        Self(Engine::Postgres(Box::new(session)))
    }

    /// SQLite's own connection, where this is one.
    pub(super) const fn as_sqlite(&self) -> Option<&rusqlite::Connection> {
        match &self.0 {
            Engine::Sqlite(connection) => Some(connection),
            Engine::Postgres(_) => None,
        }
    }

    /// The session with PostgreSQL, where this is one.
    pub(super) const fn as_postgres(&self) -> Option<&Session> {
        match &self.0 {
            Engine::Sqlite(_) => None,
            Engine::Postgres(session) => Some(session),
        }
    }

    /// Prepares a statement, or finds it prepared.
    ///
    /// # Errors
    /// The database's.
    pub fn prepare_cached(&self, sql: &str) -> Result<Statement<'_>> {
        Ok(Statement(match &self.0 {
            Engine::Sqlite(connection) => Prepared::Sqlite(connection.prepare_cached(sql)?),
            Engine::Postgres(session) => Prepared::Postgres(session, sql.to_owned()),
        }))
    }

    /// Runs a statement; answers how many rows it changed.
    ///
    /// # Errors
    /// The database's.
    pub fn execute(&self, sql: &str, params: impl Params) -> Result<usize> {
        self.prepare_cached(sql)?.execute(params)
    }

    /// The first row that a statement gives, as `read` reads it.
    ///
    /// # Errors
    /// The database's and `read`'s; [`DbError::NoRow`], see [`OptionalExtension`].
    pub fn query_row<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> Result<T>,
    ) -> Result<T> {
        self.prepare_cached(sql)?.query_row(params, read)
    }

    /// Runs several statements without parameters.
    ///
    /// # Errors
    /// The database's.
    pub fn execute_batch(&self, sql: &str) -> Result<()> {
        match &self.0 {
            Engine::Sqlite(connection) => Ok(connection.execute_batch(sql)?),
            Engine::Postgres(session) => session.execute_batch(sql),
        }
    }

    /// A transaction that reads: all its questions see the same moment.
    ///
    /// # Errors
    /// The database's.
    pub fn snapshot(&self) -> Result<Transaction<'_>> {
        self.begin(Purpose::Read)
    }

    pub(super) fn begin(&self, purpose: Purpose) -> Result<Transaction<'_>> {
        match (&self.0, purpose) {
            (Engine::Sqlite(connection), Purpose::Read) => connection.execute_batch("BEGIN")?,
            (Engine::Sqlite(connection), Purpose::Write) => {
                connection.execute_batch("BEGIN IMMEDIATE")?;
            }
            (Engine::Postgres(session), purpose) => session.begin(purpose)?,
        }
        Ok(Transaction { connection: self, is_open: true })
    }
}

impl Transaction<'_> {
    /// Makes what was written last. On SQLite it is on the disk when this returns, on PostgreSQL as
    /// its `synchronous_commit` says, which is on.
    ///
    /// # Errors
    /// The database's: whether it was written is not known then.
    pub fn commit(mut self) -> Result<()> {
        self.end("COMMIT")
    }

    fn end(&mut self, how: &str) -> Result<()> {
        match &self.connection.0 {
            Engine::Sqlite(connection) => connection.execute_batch(how)?,
            Engine::Postgres(session) => session.end(how)?,
        }
        self.is_open = false;
        Ok(())
    }
}

impl core::ops::Deref for Transaction<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if self.is_open {
            // A connection that cannot even do this is broken, and what it had begun is gone.
            let _ = self.end("ROLLBACK");
        }
    }
}

impl Statement<'_> {
    /// Runs it; answers how many rows it changed.
    ///
    /// # Errors
    /// The database's.
    pub fn execute(&mut self, params: impl Params) -> Result<usize> {
        match &mut self.0 {
            Prepared::Sqlite(statement) => {
                Ok(statement.execute(rusqlite::params_from_iter(params.values()))?)
            }
            Prepared::Postgres(session, sql) => session.execute(sql, &params.values()),
        }
    }

    /// The rows that it gives.
    ///
    /// # Errors
    /// The database's.
    pub fn query(&mut self, params: impl Params) -> Result<Rows<'_>> {
        Ok(Rows(match &mut self.0 {
            Prepared::Sqlite(statement) => {
                Answer::Sqlite(statement.query(rusqlite::params_from_iter(params.values()))?)
            }
            Prepared::Postgres(session, sql) => {
                Answer::Postgres { rows: session.query(sql, &params.values())?, next: 0 }
            }
        }))
    }

    /// The first row that it gives, as `read` reads it.
    ///
    /// # Errors
    /// The database's and `read`'s; [`DbError::NoRow`], see [`OptionalExtension`].
    pub fn query_row<T>(
        &mut self,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> Result<T>,
    ) -> Result<T> {
        match self.query(params)?.next()? {
            Some(row) => read(&row),
            None => Err(DbError::NoRow),
        }
    }

    /// All the rows that it gives, as `read` reads them.
    ///
    /// # Errors
    /// The database's.
    pub fn query_map<T>(
        &mut self,
        params: impl Params,
        mut read: impl FnMut(&Row<'_>) -> Result<T>,
    ) -> Result<IntoIter<Result<T>>> {
        let mut rows = self.query(params)?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            all.push(read(&row));
        }
        Ok(all.into_iter())
    }
}

impl Rows<'_> {
    /// The next row.
    ///
    /// # Errors
    /// The database's.
    #[expect(clippy::should_implement_trait, reason = "a row is borrowed from the rows")]
    pub fn next(&mut self) -> Result<Option<Row<'_>>> {
        match &mut self.0 {
            Answer::Sqlite(rows) => Ok(rows.next()?.map(|row| Row(Source::Sqlite(row)))),
            Answer::Postgres { rows, next } => {
                let row = rows.get(*next);
                *next += 1;
                Ok(row.map(|row| Row(Source::Postgres(row))))
            }
        }
    }
}

impl Row<'_> {
    /// A column, read as a `T`.
    ///
    /// # Errors
    /// [`DbError::Damaged`] for one that is none, and for a column that is not there.
    pub fn get<C: Column, T: FromValue>(&self, column: C) -> Result<T> {
        T::from_value(self.get_ref(column)?)
    }

    /// A column as it is.
    ///
    /// # Errors
    /// [`DbError::Damaged`] for a column that is not there.
    pub fn get_ref<C: Column>(&self, column: C) -> Result<Value<'_>> {
        match &self.0 {
            Source::Sqlite(row) => column.of_sqlite(row),
            Source::Postgres(row) => column.of_postgres(row),
        }
    }
}

/// What names a column: its place, from 0, or its name.
pub trait Column {
    #[doc(hidden)]
    fn of_sqlite<'r>(self, row: &'r rusqlite::Row<'_>) -> Result<Value<'r>>;
    #[doc(hidden)]
    fn of_postgres(self, row: &postgres::Row) -> Result<Value<'_>>;
}

impl Column for usize {
    fn of_sqlite<'r>(self, row: &'r rusqlite::Row<'_>) -> Result<Value<'r>> {
        of_sqlite(row.get_ref(self)?)
    }

    fn of_postgres(self, row: &postgres::Row) -> Result<Value<'_>> {
        Ok(row.try_get(self)?)
    }
}

impl Column for &str {
    fn of_sqlite<'r>(self, row: &'r rusqlite::Row<'_>) -> Result<Value<'r>> {
        of_sqlite(row.get_ref(self)?)
    }

    fn of_postgres(self, row: &postgres::Row) -> Result<Value<'_>> {
        Ok(row.try_get(self)?)
    }
}

fn of_sqlite(value: ValueRef<'_>) -> Result<Value<'_>> {
    Ok(match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(_) => return Err(DbError::Damaged("a column of whole numbers")),
        ValueRef::Text(bytes) => match core::str::from_utf8(bytes) {
            Ok(text) => Value::Text(text),
            Err(_) => Value::Blob(bytes),
        },
        ValueRef::Blob(bytes) => Value::Blob(bytes),
    })
}

impl rusqlite::ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        Ok(rusqlite::types::ToSqlOutput::Borrowed(match *self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// Turns "there is no such row" into `None`.
pub trait OptionalExtension<T> {
    /// The row, if there is one.
    ///
    /// # Errors
    /// Every other one.
    fn optional(self) -> Result<Option<T>>;
}

impl<T> OptionalExtension<T> for Result<T> {
    fn optional(self) -> Result<Option<T>> {
        match self {
            Ok(row) => Ok(Some(row)),
            Err(DbError::NoRow) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
