//! One session with a server of PostgreSQL's.
//!
//! It connects when it is first asked something, and again when the server was gone: a question
//! outside of a transaction is then asked once more. A transaction that was under way has failed,
//! and its caller says so.

use core::cell::RefCell;
use core::time::Duration;
use std::collections::HashMap;

use ::postgres as client;
use client::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use client::{Client, Config, NoTls};

use super::engine::Purpose;
use super::value::Value;
use super::{DbError, Result, dialect};

/// How long the server may take to answer a connection, seconds.
const CONNECT_TIMEOUT_SECONDS: u64 = 5;

/// Prepared statements that a session keeps; when full, all are prepared anew.
const MAX_STATEMENTS: usize = 512;

/// The class of our advisory locks, so that they are nobody else's: "ring" in ASCII.
const LOCK_CLASS: i32 = 0x7269_6e67;

type Error = Box<dyn core::error::Error + Sync + Send>;

/// A session, open or not.
pub(super) struct Session {
    config: Config,
    inner: RefCell<Inner>,
}

#[derive(Default)]
struct Inner {
    client: Option<Client>,
    /// By text and by the kinds of their parameters.
    statements: HashMap<(String, Vec<Kind>), client::Statement>,
    in_transaction: bool,
}

/// What a parameter is; NULL leaves it to the server.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Null,
    Integer,
    Text,
    Blob,
}

/// Reads the address of a server.
///
/// # Errors
/// One sentence that says what to change.
pub(super) fn config(url: &str) -> core::result::Result<Config, String> {
    let mut config: Config = url.parse().map_err(|error: client::Error| {
        // The address may hold a password, so it is not repeated.
        format!(
            "--database is no address of a PostgreSQL server ({}): write it as \
             postgresql://USER:PASSWORD@HOST/DATABASE",
            words(&error)
        )
    })?;
    if config.get_ssl_mode() == client::config::SslMode::Require {
        return Err("--database asks for sslmode=require, which this build does not speak: reach \
                    the server by its Unix socket, by a private network, or through a tunnel"
            .to_owned());
    }
    config.connect_timeout(Duration::from_secs(CONNECT_TIMEOUT_SECONDS));
    config.application_name("ringside-cloud");
    Ok(config)
}

impl Session {
    /// Connects when it is first needed.
    pub(super) fn new(config: Config) -> Self {
        Self { config, inner: RefCell::default() }
    }

    /// Asks a question.
    pub(super) fn query(&self, sql: &str, params: &[Value<'_>]) -> Result<Vec<client::Row>> {
        self.ask(|inner| {
            let statement = inner.prepare(sql, params)?;
            inner.client()?.query(&statement, &as_dyn(params)).map_err(DbError::from)
        })
    }

    /// Runs a statement; answers how many rows it changed.
    pub(super) fn execute(&self, sql: &str, params: &[Value<'_>]) -> Result<usize> {
        let changed = self.ask(|inner| {
            let statement = inner.prepare(sql, params)?;
            inner.client()?.execute(&statement, &as_dyn(params)).map_err(DbError::from)
        })?;
        Ok(usize::try_from(changed).unwrap_or(usize::MAX))
    }

    /// Runs several statements.
    pub(super) fn execute_batch(&self, sql: &str) -> Result<()> {
        let sql = dialect::postgres(sql);
        self.run(&sql)
    }

    /// Runs statements that are PostgreSQL's own.
    pub(super) fn run(&self, sql: &str) -> Result<()> {
        self.ask(|inner| inner.client()?.batch_execute(sql).map_err(DbError::from))
    }

    /// Begins a transaction. One that reads sees one moment. One that writes is alone: until it
    /// ends, all others wait, those of other processes too.
    pub(super) fn begin(&self, purpose: Purpose) -> Result<()> {
        let begun = self.run(&match purpose {
            Purpose::Read => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY".to_owned(),
            Purpose::Write => {
                format!("BEGIN; SELECT pg_advisory_xact_lock({LOCK_CLASS}, 0)")
            }
        });
        let mut inner = self.inner.borrow_mut();
        match &begun {
            Ok(()) => inner.in_transaction = true,
            // Whether half of it was done is not known.
            Err(_) => inner.client = None,
        }
        begun
    }

    /// Ends a transaction.
    pub(super) fn end(&self, how: &str) -> Result<()> {
        let ended = self.run(how);
        self.inner.borrow_mut().in_transaction = false;
        ended
    }

    /// Waits for a notification and answers what it says; `None` after `patience`.
    pub(super) fn wait(&self, patience: Duration) -> Result<Option<String>> {
        use client::fallible_iterator::FallibleIterator;
        let mut inner = self.inner.borrow_mut();
        let Some(client) = &mut inner.client else { return Err(DbError::Gone) };
        let next = client.notifications().timeout_iter(patience).next()?;
        if next.is_none() && client.is_closed() {
            return Err(DbError::Gone);
        }
        Ok(next.map(|notification| notification.payload().to_owned()))
    }

    /// Does `work`; if the server turns out to have been gone, and nothing had begun, once more.
    fn ask<T>(&self, work: impl Fn(&mut Inner) -> Result<T>) -> Result<T> {
        let mut inner = self.inner.borrow_mut();
        let was_open = inner.is_open();
        if !was_open {
            if inner.in_transaction {
                return Err(DbError::Gone);
            }
            inner.connect(&self.config)?;
        }
        let answer = work(&mut inner);
        if answer.is_ok() || inner.is_open() {
            return answer;
        }
        if !was_open || inner.in_transaction {
            return Err(DbError::Gone);
        }
        inner.connect(&self.config)?;
        work(&mut inner)
    }
}

impl Inner {
    fn is_open(&self) -> bool {
        self.client.as_ref().is_some_and(|client| !client.is_closed())
    }

    fn connect(&mut self, config: &Config) -> Result<()> {
        self.statements.clear();
        self.client = None;
        let mut client = config.connect(NoTls)?;
        // What a commit has returned for survives a power cut.
        client.batch_execute("SET synchronous_commit = on; SET client_min_messages = warning")?;
        self.client = Some(client);
        Ok(())
    }

    fn client(&mut self) -> Result<&mut Client> {
        self.client.as_mut().ok_or(DbError::Gone)
    }

    fn prepare(&mut self, sql: &str, params: &[Value<'_>]) -> Result<client::Statement> {
        let kinds: Vec<_> = params.iter().map(|value| kind(*value)).collect();
        let key = (sql.to_owned(), kinds);
        if let Some(known) = self.statements.get(&key) {
            return Ok(known.clone());
        }
        let types: Vec<_> = key.1.iter().map(|kind| of_kind(*kind)).collect();
        let statement = self.client()?.prepare_typed(&dialect::postgres(sql), &types)?;
        if self.statements.len() >= MAX_STATEMENTS {
            self.statements.clear();
        }
        self.statements.insert(key, statement.clone());
        Ok(statement)
    }
}

const fn kind(value: Value<'_>) -> Kind {
    match value {
        Value::Null => Kind::Null,
        Value::Integer(_) => Kind::Integer,
        Value::Text(_) => Kind::Text,
        Value::Blob(_) => Kind::Blob,
    }
}

const fn of_kind(kind: Kind) -> Type {
    match kind {
        Kind::Null => Type::UNKNOWN,
        Kind::Integer => Type::INT8,
        Kind::Text => Type::TEXT,
        Kind::Blob => Type::BYTEA,
    }
}

fn as_dyn<'a>(params: &'a [Value<'_>]) -> Vec<&'a (dyn ToSql + Sync)> {
    params.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
}

impl ToSql for Value<'_> {
    fn to_sql(&self, _: &Type, out: &mut bytes::BytesMut) -> core::result::Result<IsNull, Error> {
        match self {
            Self::Null => return Ok(IsNull::Yes),
            Self::Integer(number) => out.extend_from_slice(&number.to_be_bytes()),
            // The one character that a text of PostgreSQL's cannot have.
            Self::Text(text) if text.contains('\0') => {
                out.extend_from_slice(text.replace('\0', "\u{fffd}").as_bytes());
            }
            Self::Text(text) => out.extend_from_slice(text.as_bytes()),
            Self::Blob(bytes) => out.extend_from_slice(bytes),
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for Value<'a> {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> core::result::Result<Self, Error> {
        Ok(match *ty {
            Type::INT8 => Self::Integer(i64::from_be_bytes(raw.try_into()?)),
            Type::INT4 => Self::Integer(i32::from_be_bytes(raw.try_into()?).into()),
            Type::BOOL => Self::Integer(i64::from(raw != [0])),
            Type::BYTEA => Self::Blob(raw),
            _ => Self::Text(core::str::from_utf8(raw)?),
        })
    }

    fn from_sql_null(_: &Type) -> core::result::Result<Self, Error> {
        Ok(Self::Null)
    }

    fn accepts(ty: &Type) -> bool {
        [Type::INT8, Type::INT4, Type::BOOL, Type::BYTEA, Type::TEXT, Type::VARCHAR, Type::NAME]
            .contains(ty)
    }
}

/// What the server said, without the statement.
pub(super) fn words(error: &client::Error) -> String {
    use core::error::Error as _;
    match (error.as_db_error(), error.source()) {
        (Some(said), _) => said.message().to_owned(),
        (None, Some(source)) => format!("{error}: {source}"),
        (None, None) => error.to_string(),
    }
}

/// What the operator can do about an error that the server is to blame for.
pub(super) fn remedy(error: &client::Error) -> Option<&'static str> {
    let Some(state) = error.code() else {
        return Some("the server of PostgreSQL's cannot be reached; see whether it runs");
    };
    match &state.code()[..2] {
        // Connection, shutdown.
        "08" | "57" => Some("the server of PostgreSQL's has ended the connection"),
        "53" => Some("the server of PostgreSQL's is out of disk, memory or connections"),
        "58" | "XX" => Some("the server of PostgreSQL's reports a fault; look at its log"),
        "25" => Some("the server of PostgreSQL's takes no writes; name its primary"),
        _ => None,
    }
}
