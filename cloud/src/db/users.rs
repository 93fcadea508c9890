//! A customer's people, as an administrator sees and changes them.

use ringside_protocol::time::UnixMicros;

use super::customers::{Role, audit};
use super::rights::Rights;
use super::{
    Connection, Customer, Db, OptionalExtension, Result, loaded_time, params, stored_time,
};
use crate::auth::{Admin, Scope};

/// People of one customer.
pub const MAX_USERS: usize = 500;

/// A person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// What they log in with.
    pub login: String,
    /// What they may do.
    pub role: Role,
    /// What they may have of calls, and do to sensors.
    pub rights: Rights,
    /// Somebody has shut them out.
    pub is_disabled: bool,
    /// When they were added.
    pub created_at: UnixMicros,
    /// When they last logged in.
    pub logged_in_at: Option<UnixMicros>,
}

/// A change of a person; what is `None` stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// What they may do.
    pub role: Option<Role>,
    /// What they may have.
    pub rights: Option<Rights>,
    /// Whether they are shut out.
    pub is_disabled: Option<bool>,
}

/// What became of somebody new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// They can log in.
    Here,
    /// Somebody has this login, perhaps of another customer.
    Taken,
    /// There are [`MAX_USERS`].
    Full,
}

/// The customer's people, by login.
///
/// # Errors
/// The database's.
pub fn list(db: &Db, admin: &Admin<'_>) -> Result<Vec<Person>> {
    let reader = db.reader();
    let mut statement = reader.prepare_cached(
        "SELECT login, role, rights, is_disabled, created_at, logged_in_at FROM user WHERE \
         customer = ?1 ORDER BY login",
    )?;
    let people = statement.query_map([admin.customer().0], |row| {
        let (role, rights): (String, String) = (row.get(1)?, row.get(2)?);
        Ok(Person {
            login: row.get(0)?,
            // A word that is no role, or no right, gives none.
            role: Role::named(&role).unwrap_or_default(),
            rights: Rights::named(&rights).unwrap_or_default(),
            is_disabled: row.get(3)?,
            created_at: loaded_time(row.get(4)?),
            logged_in_at: row.get::<_, Option<i64>>(5)?.map(loaded_time),
        })
    })?;
    people.collect::<Result<_>>()
}

/// Somebody of the customer.
///
/// # Errors
/// The database's.
pub fn find(db: &Db, admin: &Admin<'_>, login: &str) -> Result<Option<Person>> {
    Ok(list(db, admin)?.into_iter().find(|it| it.login.eq_ignore_ascii_case(login)))
}

/// Adds somebody; `password` is a hash.
///
/// # Errors
/// The database's.
pub fn add(
    db: &Db,
    admin: &Admin<'_>,
    login: &str,
    password: &str,
    (role, rights): (Role, Rights),
    now: UnixMicros,
) -> Result<Added> {
    if list(db, admin)?.len() >= MAX_USERS {
        return Ok(Added::Full);
    }
    db.write(|tx| {
        let made = tx.execute(
            "INSERT INTO user (customer, login, password, role, created_at, rights) VALUES (?1, \
             ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
            params![
                admin.customer().0,
                login,
                password,
                role.name(),
                stored_time(now),
                rights.names().join(" ")
            ],
        )?;
        if made == 0 {
            return Ok(Added::Taken);
        }
        let detail = format!("{login}: {}", told(role, rights));
        audit(tx, Some(admin.customer()), now, admin.who(), "user.add", &detail)?;
        Ok(Added::Here)
    })
}

/// Changes a person, who was found. Whoever is shut out, or gets another role, is logged out.
///
/// # Errors
/// The database's.
pub fn change(
    db: &Db,
    admin: &Admin<'_>,
    person: &Person,
    change: Change,
    now: UnixMicros,
) -> Result<()> {
    let role = change.role.unwrap_or(person.role);
    let rights = change.rights.unwrap_or(person.rights);
    let is_disabled = change.is_disabled.unwrap_or(person.is_disabled);
    db.write(|tx| {
        tx.execute(
            "UPDATE user SET role = ?3, rights = ?4, is_disabled = ?5 WHERE customer = ?1 AND \
             lower(login) = lower(?2)",
            params![
                admin.customer().0,
                person.login,
                role.name(),
                rights.names().join(" "),
                is_disabled
            ],
        )?;
        if is_disabled || role != person.role {
            log_out(tx, admin.customer(), &person.login)?;
        }
        let who = admin.who();
        let note = |action: &str, detail: &str| {
            audit(tx, Some(admin.customer()), now, who, action, detail)
        };
        if role != person.role || rights != person.rights {
            note("user.rights", &format!("{}: {}", person.login, told(role, rights)))?;
        }
        if is_disabled != person.is_disabled {
            let action = if is_disabled { "user.disable" } else { "user.enable" };
            note(action, &person.login)?;
        }
        Ok(())
    })
}

/// Gives somebody who was found another password (a hash), and logs them out.
///
/// # Errors
/// The database's.
pub fn set_password(
    db: &Db,
    scope: &Scope,
    login: &str,
    password: &str,
    now: UnixMicros,
) -> Result<()> {
    db.write(|tx| {
        tx.execute(
            "UPDATE user SET password = ?3 WHERE customer = ?1 AND lower(login) = lower(?2)",
            params![scope.customer().0, login, password],
        )?;
        log_out(tx, scope.customer(), login)?;
        audit(tx, Some(scope.customer()), now, scope.who(), "user.passwd", login)
    })
}

/// The password (a hash) of whoever asks; `None` for a program.
///
/// # Errors
/// The database's.
pub fn own_password(db: &Db, scope: &Scope) -> Result<Option<String>> {
    let reader = db.reader();
    let mut statement = reader.prepare_cached(
        "SELECT password FROM user WHERE customer = ?1 AND lower(login) = lower(?2)",
    )?;
    let found = statement.query_row(params![scope.customer().0, scope.who()], |row| row.get(0));
    found.optional()
}

fn log_out(tx: &Connection, customer: Customer, login: &str) -> Result<()> {
    tx.execute(
        "DELETE FROM login_session WHERE user IN (SELECT user FROM user WHERE customer = ?1 AND \
         lower(login) = lower(?2))",
        params![customer.0, login],
    )?;
    Ok(())
}

fn told(role: Role, rights: Rights) -> String {
    let names = rights.names();
    let names = if names.is_empty() { "no rights".to_owned() } else { names.join(", ") };
    format!("{}, {names}", role.name())
}
