//! Links that show one call to whoever has them, until they expire or are revoked.
//!
//! Of a link's secret the database holds SHA-256 alone.

use ringside_protocol::cdr::CallId;
use ringside_protocol::time::{MICROS_PER_SECOND, UnixMicros};

use super::customers::audit;
use super::people::Sha256;
use super::{Customer, Db, OptionalExtension, Result, Row, loaded_time, params, stored_time};
use crate::auth::Scope;

/// Openings of a link within so many seconds are one line of the audit log.
const NOTE_EVERY_SECONDS: u64 = 60;

/// One link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// SHA-256 of its secret.
    pub hash: Sha256,
    /// Whose call it is.
    pub customer: Customer,
    /// Text of a [`CallId`].
    pub call: String,
    /// Whether it shows masked numbers.
    pub is_masked: bool,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: UnixMicros,
    /// Until when it opens.
    pub expires_at: UnixMicros,
    /// How often it was opened.
    pub opened: u64,
    /// When it was opened last.
    pub opened_at: Option<UnixMicros>,
}

const COLUMNS: &str = "secret_sha256, customer, call, is_masked, created_by, created_at, expires_at, opened, opened_at";

/// Keeps a link, unless the call has `at_most` already; those that have expired leave.
///
/// # Errors
/// The database's.
pub fn make(db: &Db, scope: &Scope, share: &Share, at_most: i64) -> Result<bool> {
    db.write(|tx| {
        tx.execute("DELETE FROM share WHERE expires_at <= ?1", [stored_time(share.created_at)])?;
        let there: i64 = tx.query_row(
            "SELECT count(*) FROM share WHERE customer = ?1 AND call = ?2",
            params![scope.customer().0, share.call],
            |row| row.get(0),
        )?;
        if there >= at_most {
            return Ok(false);
        }
        tx.execute(
            "INSERT INTO share (secret_sha256, customer, call, is_masked, created_by, created_at, \
             expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                share.hash,
                scope.customer().0,
                share.call,
                share.is_masked,
                scope.who(),
                stored_time(share.created_at),
                stored_time(share.expires_at)
            ],
        )?;
        let detail = format!("{} until {}", share.call, share.expires_at.to_the_second());
        audit(tx, Some(scope.customer()), share.created_at, scope.who(), "share.new", &detail)?;
        Ok(true)
    })
}

/// The links to a call that still open, the newest first.
///
/// # Errors
/// The database's.
pub fn of_call(db: &Db, scope: &Scope, call: CallId, now: UnixMicros) -> Result<Vec<Share>> {
    let connection = db.reader();
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM share WHERE customer = ?1 AND call = ?2 AND expires_at > ?3 ORDER BY \
         created_at DESC"
    ))?;
    let key = params![scope.customer().0, call.to_string(), stored_time(now)];
    let mut rows = statement.query(key)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(&row)?);
    }
    Ok(found)
}

/// Ends a link of a call; false where it has no such link.
///
/// # Errors
/// The database's.
pub fn revoke(db: &Db, scope: &Scope, share: &Share, now: UnixMicros) -> Result<()> {
    db.write(|tx| {
        tx.execute(
            "DELETE FROM share WHERE customer = ?1 AND secret_sha256 = ?2",
            params![scope.customer().0, share.hash],
        )?;
        audit(tx, Some(scope.customer()), now, scope.who(), "share.revoke", &share.call)
    })
}

/// The link with this hash, if it still opens; that it was opened is noted, with `from` where.
///
/// # Errors
/// The database's.
pub fn open(db: &Db, hash: &Sha256, from: &str, now: UnixMicros) -> Result<Option<Share>> {
    let found = find(db, hash, now)?;
    let Some(share) = found else { return Ok(None) };
    db.write(|tx| {
        tx.execute(
            "UPDATE share SET opened = opened + 1, opened_at = ?2 WHERE secret_sha256 = ?1",
            params![hash, stored_time(now)],
        )?;
        let is_told = share
            .opened_at
            .is_some_and(|at| now.since(at) < NOTE_EVERY_SECONDS * MICROS_PER_SECOND);
        if !is_told {
            let who = format!("link of {}", share.created_by);
            let detail = format!("{} from {from}", share.call);
            audit(tx, Some(share.customer), now, &who, "share.open", &detail)?;
        }
        Ok(())
    })?;
    Ok(Some(share))
}

fn find(db: &Db, hash: &Sha256, now: UnixMicros) -> Result<Option<Share>> {
    let connection = db.reader();
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM share WHERE secret_sha256 = ?1 AND expires_at > ?2"
    ))?;
    let key = params![hash, stored_time(now)];
    statement.query_row(key, read).optional()
}

fn read(row: &Row<'_>) -> Result<Share> {
    Ok(Share {
        hash: row.get(0)?,
        customer: Customer(row.get(1)?),
        call: row.get(2)?,
        is_masked: row.get(3)?,
        created_by: row.get(4)?,
        created_at: loaded_time(row.get(5)?),
        expires_at: loaded_time(row.get(6)?),
        opened: row.get::<_, i64>(7)?.unsigned_abs(),
        opened_at: row.get::<_, Option<i64>>(8)?.map(loaded_time),
    })
}
