//! People and what they hold: users, their sessions, API tokens, enrolment tokens, the audit log.
//!
//! Questions about a customer's things take a [`Scope`]. Those that `auth` asks before there is
//! one, and those of the command line, name the customer.

use ringside_protocol::time::UnixMicros;

use super::customers::{Role, audit};
use super::{Customer, Db, OptionalExtension, Result, Row, loaded_time, params, stored_time};
use crate::auth::{Admin, Scope};

/// SHA-256 of a secret: all that is kept of one.
pub type Sha256 = [u8; 32];

/// A user, as login needs it.
#[derive(Clone, Debug)]
pub struct User {
    /// Its number.
    pub user: i64,
    /// Whose.
    pub customer: Customer,
    /// As it was first written.
    pub login: String,
    /// PHC string.
    pub password: String,
    /// What it may do.
    pub role: Role,
    /// Somebody has shut it out.
    pub is_disabled: bool,
}

/// A session of a browser.
#[derive(Clone, Debug)]
pub struct Session {
    /// Whose customer.
    pub customer: Customer,
    /// The user's login.
    pub login: String,
    /// What the user may do.
    pub role: Role,
    /// What requests other than GET must carry.
    pub csrf: String,
    /// The last request that was noted.
    pub seen_at: UnixMicros,
    /// The end, whatever happens.
    pub expires_at: UnixMicros,
}

/// A token of a program.
#[derive(Clone, Debug)]
pub struct ApiToken {
    /// Whose.
    pub customer: Customer,
    /// Its name.
    pub name: String,
    /// The end, if it has one.
    pub expires_at: Option<UnixMicros>,
}

/// An enrolment token that was made and not used.
#[derive(Clone, Debug)]
pub struct OutstandingToken {
    /// SHA-256 of its secret.
    pub hash: Sha256,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: UnixMicros,
    /// Until when it may be used.
    pub expires_at: UnixMicros,
}

/// One line of the audit log.
#[derive(Clone, Debug)]
pub struct AuditEntry {
    /// Its number.
    pub entry: i64,
    /// When.
    pub at: UnixMicros,
    /// Who did it.
    pub who: String,
    /// What.
    pub action: String,
    /// To what.
    pub detail: String,
}

/// A customer's name and limit.
#[derive(Clone, Debug)]
pub struct CustomerFacts {
    /// For people.
    pub name: String,
    /// Concurrent channels over all sensors.
    pub channels: u16,
}

/// An API token as lists show it.
#[derive(Clone, Debug)]
pub struct ListedApiToken {
    /// SHA-256 of its text.
    pub hash: Sha256,
    /// What it is for.
    pub name: String,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: UnixMicros,
    /// Until when it reads, if there is an end.
    pub expires_at: Option<UnixMicros>,
}

/// Keeps an API token, by the hash of its text.
///
/// # Errors
/// The database's.
pub fn create_api_token(
    db: &Db,
    hash: &Sha256,
    token: &ApiToken,
    created_by: &str,
    now: UnixMicros,
) -> Result<()> {
    db.write(|tx| {
        tx.execute(
            "INSERT INTO api_token (token_sha256, customer, name, created_by, created_at, \
             expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                hash,
                token.customer.0,
                token.name,
                created_by,
                stored_time(now),
                token.expires_at.map(stored_time)
            ],
        )?;
        audit(tx, Some(token.customer), now, created_by, "api_token.new", &token.name)
    })
}

/// The customer's API tokens, the newest first.
///
/// # Errors
/// The database's.
pub fn api_tokens(db: &Db, admin: &Admin<'_>) -> Result<Vec<ListedApiToken>> {
    let reader = db.reader();
    let mut statement = reader.prepare_cached(
        "SELECT token_sha256, name, created_by, created_at, expires_at FROM api_token \
         WHERE customer = ?1 ORDER BY created_at DESC, token_sha256",
    )?;
    let tokens = statement.query_map([admin.customer().0], |row| {
        Ok(ListedApiToken {
            hash: row.get(0)?,
            name: row.get(1)?,
            created_by: row.get(2)?,
            created_at: loaded_time(row.get(3)?),
            expires_at: row.get::<_, Option<i64>>(4)?.map(loaded_time),
        })
    })?;
    tokens.collect::<Result<_>>()
}

/// Takes an API token away.
///
/// # Errors
/// The database's.
pub fn revoke_api_token(
    db: &Db,
    admin: &Admin<'_>,
    token: &ListedApiToken,
    now: UnixMicros,
) -> Result<()> {
    db.write(|tx| {
        tx.execute(
            "DELETE FROM api_token WHERE customer = ?1 AND token_sha256 = ?2",
            params![admin.customer().0, token.hash],
        )?;
        audit(tx, Some(admin.customer()), now, admin.who(), "api_token.revoke", &token.name)
    })
}

/// The user with this login, in any case of letters.
pub(crate) fn user(db: &Db, login: &str) -> Result<Option<User>> {
    let reader = db.reader();
    let mut statement = reader.prepare_cached(
        "SELECT user, customer, login, password, role, is_disabled FROM user WHERE lower(login) = \
         lower(?1)",
    )?;
    statement
        .query_row([login], |row| {
            Ok(User {
                user: row.get(0)?,
                customer: Customer(row.get(1)?),
                login: row.get(2)?,
                password: row.get(3)?,
                role: role(row, 4)?,
                is_disabled: row.get(5)?,
            })
        })
        .optional()
}

/// Opens a session for `user`, who keeps at most `at_most`: the one unused for longest leaves.
pub(crate) fn open_session(
    db: &Db,
    session: &Sha256,
    user: i64,
    csrf: &str,
    (now, expires_at): (UnixMicros, UnixMicros),
    at_most: usize,
) -> Result<()> {
    db.write(|transaction| {
        transaction
            .execute("DELETE FROM login_session WHERE expires_at <= ?1", [stored_time(now)])?;
        transaction.execute(
            "DELETE FROM login_session WHERE user = ?1 AND session_sha256 NOT IN \
             (SELECT session_sha256 FROM login_session WHERE user = ?1 ORDER BY seen_at DESC LIMIT \
             ?2)",
            params![user, at_most.saturating_sub(1)],
        )?;
        transaction.execute(
        "INSERT INTO login_session (session_sha256, user, csrf, created_at, seen_at, expires_at) \
         VALUES (?1, ?2, ?3, ?4, ?4, ?5)",
        params![session, user, csrf, stored_time(now), stored_time(expires_at)],
    )?;
        transaction.execute(
            "UPDATE user SET logged_in_at = ?2 WHERE user = ?1",
            params![user, stored_time(now)],
        )?;
        Ok(())
    })
}

/// The session with this hash, over or not.
pub(crate) fn session(db: &Db, session: &Sha256) -> Result<Option<Session>> {
    let reader = db.reader();
    let mut statement = reader.prepare_cached(
        "SELECT customer, login, role, csrf, seen_at, expires_at \
         FROM login_session JOIN user USING (user) WHERE session_sha256 = ?1 AND is_disabled = 0",
    )?;
    statement
        .query_row([session], |row| {
            Ok(Session {
                customer: Customer(row.get(0)?),
                login: row.get(1)?,
                role: role(row, 2)?,
                csrf: row.get(3)?,
                seen_at: loaded_time(row.get(4)?),
                expires_at: loaded_time(row.get(5)?),
            })
        })
        .optional()
}

/// Notes that a session is in use.
pub(crate) fn touch_session(db: &Db, session: &Sha256, now: UnixMicros) -> Result<()> {
    db.writer().execute(
        "UPDATE login_session SET seen_at = ?2 WHERE session_sha256 = ?1",
        params![session, stored_time(now)],
    )?;
    Ok(())
}

/// Ends a session.
pub(crate) fn close_session(db: &Db, session: &Sha256) -> Result<()> {
    db.writer().execute("DELETE FROM login_session WHERE session_sha256 = ?1", [session])?;
    Ok(())
}

/// The API token with this hash, over or not.
pub(crate) fn api_token(db: &Db, token: &Sha256) -> Result<Option<ApiToken>> {
    let reader = db.reader();
    let mut statement = reader.prepare_cached(
        "SELECT customer, name, expires_at FROM api_token WHERE token_sha256 = ?1",
    )?;
    statement
        .query_row([token], |row| {
            Ok(ApiToken {
                customer: Customer(row.get(0)?),
                name: row.get(1)?,
                expires_at: row.get::<_, Option<i64>>(2)?.map(loaded_time),
            })
        })
        .optional()
}

/// The customer that `scope` is about.
///
/// # Errors
/// The database's.
pub fn customer(db: &Db, scope: &Scope) -> Result<CustomerFacts> {
    let reader = db.reader();
    let mut statement =
        reader.prepare_cached("SELECT name, channels FROM customer WHERE customer = ?1")?;
    statement.query_row([scope.customer().0], |row| {
        Ok(CustomerFacts { name: row.get(0)?, channels: row.get(1)? })
    })
}

/// Keeps an enrolment token and answers when it expires; `None` where `at_most` are outstanding.
///
/// # Errors
/// The database's.
pub fn create_enrolment_token(
    db: &Db,
    admin: &Admin<'_>,
    secret: &[u8; 16],
    now: UnixMicros,
    at_most: usize,
) -> Result<Option<UnixMicros>> {
    if outstanding_tokens(db, admin, now)?.len() >= at_most {
        return Ok(None);
    }
    db.create_enrolment_token(admin.customer(), secret, admin.who(), now).map(Some)
}

/// The enrolment tokens that may still be used, the newest first.
///
/// # Errors
/// The database's.
pub fn outstanding_tokens(
    db: &Db,
    admin: &Admin<'_>,
    now: UnixMicros,
) -> Result<Vec<OutstandingToken>> {
    let reader = db.reader();
    let mut statement = reader.prepare_cached(
        "SELECT secret_sha256, created_by, created_at, expires_at FROM enrolment_token \
         WHERE customer = ?1 AND used_at IS NULL AND expires_at > ?2 ORDER BY created_at DESC",
    )?;
    let tokens = statement.query_map(params![admin.customer().0, stored_time(now)], |row| {
        Ok(OutstandingToken {
            hash: row.get(0)?,
            created_by: row.get(1)?,
            created_at: loaded_time(row.get(2)?),
            expires_at: loaded_time(row.get(3)?),
        })
    })?;
    tokens.collect::<Result<_>>()
}

/// Takes an enrolment token back that nobody has used.
///
/// # Errors
/// The database's.
pub fn revoke_enrolment_token(
    db: &Db,
    admin: &Admin<'_>,
    token: &OutstandingToken,
    now: UnixMicros,
) -> Result<()> {
    db.write(|tx| {
        tx.execute(
            "DELETE FROM enrolment_token WHERE customer = ?1 AND secret_sha256 = ?2 AND used_at IS \
             NULL",
            params![admin.customer().0, token.hash],
        )?;
        audit(tx, Some(admin.customer()), now, admin.who(), "token.revoke", &token.created_by)
    })
}

/// Which entries of the audit log are looked for; what is `None` does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Who did it.
    pub who: Option<String>,
    /// What was done, or the word before the dot: `user` means `user.add` and all others.
    pub action: Option<String>,
    /// Not before.
    pub from: Option<UnixMicros>,
    /// Before.
    pub to: Option<UnixMicros>,
}

/// The customer's audit log before an entry, the newest first.
///
/// # Errors
/// The database's.
pub fn audit_log(
    db: &Db,
    admin: &Admin<'_>,
    filter: &AuditFilter,
    before: Option<i64>,
    limit: usize,
) -> Result<Vec<AuditEntry>> {
    let reader = db.reader();
    let mut statement = reader.prepare_cached(
        "SELECT entry, at, who, action, detail FROM audit \
         WHERE customer = ?1 AND entry < ?2 AND at >= ?4 AND at < ?5 AND (?6 = '' OR who = ?6) AND \
         (?7 = '' OR action = ?7 OR substr(action, 1, length(?7) + 1) = ?7 || '.') \
         ORDER BY entry DESC LIMIT ?3",
    )?;
    let wanted = params![
        admin.customer().0,
        before.unwrap_or(i64::MAX),
        limit,
        filter.from.map_or(0, stored_time),
        filter.to.map_or(i64::MAX, stored_time),
        filter.who.as_deref().unwrap_or_default(),
        filter.action.as_deref().unwrap_or_default(),
    ];
    let entries = statement.query_map(wanted, |row| {
        Ok(AuditEntry {
            entry: row.get(0)?,
            at: loaded_time(row.get(1)?),
            who: row.get(2)?,
            action: row.get(3)?,
            detail: row.get(4)?,
        })
    })?;
    entries.collect::<Result<_>>()
}

/// Writes an entry of the audit log; no customer where nobody's is known.
pub(crate) fn note(
    db: &Db,
    customer: Option<Customer>,
    now: UnixMicros,
    who: &str,
    action: &str,
    detail: &str,
) -> Result<()> {
    db.write(|tx| audit(tx, customer, now, who, action, detail))
}

fn role(row: &Row<'_>, column: usize) -> Result<Role> {
    // A word that is no role gets the lesser rights.
    Ok(Role::named(row.get_ref(column)?.as_str()?).unwrap_or_default())
}
