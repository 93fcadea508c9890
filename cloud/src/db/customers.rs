//! Customers, their people, and what the service remembers about itself.

use ringside_protocol::time::UnixMicros;

use super::rights::Rights;
use super::{
    Connection, Customer, Db, OptionalExtension, Result, loaded_time, params, stored_time,
};

/// One customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomerRow {
    /// Its number.
    pub customer: Customer,
    /// Its name, unique.
    pub name: String,
    /// Calls in progress over all its sensors, at most.
    pub channels: u16,
    /// When it was made.
    pub created_at: UnixMicros,
}

/// What a person may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// Sees calls and sensors.
    #[default]
    Viewer,
    /// Adds sensors and people too.
    Admin,
}

impl Role {
    /// As stored and written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Admin => "admin",
        }
    }

    /// The role of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Viewer, Self::Admin].into_iter().find(|role| role.name() == name)
    }
}

/// One person, as lists show them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRow {
    /// What they log in with.
    pub login: String,
    /// Their customer's name.
    pub customer: String,
    /// `admin` or `viewer`.
    pub role: String,
    /// When they were added.
    pub created_at: UnixMicros,
}

impl Db {
    /// Makes a customer; `None` when the name is taken.
    ///
    /// # Errors
    /// The database's.
    pub fn create_customer(&self, name: &str, now: UnixMicros) -> Result<Option<Customer>> {
        self.write(|tx| {
            let made = tx
                .query_row(
                    "INSERT INTO customer (name, created_at) VALUES (?1, ?2) ON CONFLICT (name) DO \
                     NOTHING RETURNING customer",
                    params![name, stored_time(now)],
                    |row| row.get(0),
                )
                .optional()?;
            let Some(customer) = made.map(Customer) else { return Ok(None) };
            audit(tx, Some(customer), now, "command line", "customer.add", name)?;
            Ok(Some(customer))
        })
    }

    /// All customers, by name.
    ///
    /// # Errors
    /// The database's.
    pub fn customers(&self) -> Result<Vec<CustomerRow>> {
        let reader = self.reader();
        let mut statement = reader.prepare_cached(
            "SELECT customer, name, channels, created_at FROM customer ORDER BY name",
        )?;
        let rows = statement.query_map([], |row| {
            Ok(CustomerRow {
                customer: Customer(row.get(0)?),
                name: row.get(1)?,
                channels: row.get(2)?,
                created_at: loaded_time(row.get(3)?),
            })
        })?;
        rows.collect::<Result<_>>()
    }

    /// The customer of that name.
    ///
    /// # Errors
    /// The database's.
    pub fn customer_named(&self, name: &str) -> Result<Option<Customer>> {
        let reader = self.reader();
        let found = reader
            .query_row("SELECT customer FROM customer WHERE name = ?1", [name], |row| row.get(0))
            .optional()?;
        Ok(found.map(Customer))
    }

    /// Adds a person; `false` when the login is taken. `password` is a hash.
    ///
    /// # Errors
    /// The database's.
    pub fn create_user(
        &self,
        customer: Customer,
        login: &str,
        password: &str,
        role: Role,
        now: UnixMicros,
    ) -> Result<bool> {
        let rights = Rights::of_role(role).names().join(" ");
        self.write(|tx| {
            let made = tx.execute(
                "INSERT INTO user (customer, login, password, role, created_at, rights) VALUES \
                 (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
                params![customer.0, login, password, role.name(), stored_time(now), rights],
            )?;
            if made == 1 {
                audit(tx, Some(customer), now, "command line", "user.add", login)?;
            }
            Ok(made == 1)
        })
    }

    /// All people, or those of one customer, by customer and login.
    ///
    /// # Errors
    /// The database's.
    pub fn list_users(&self, customer: Option<Customer>) -> Result<Vec<UserRow>> {
        let reader = self.reader();
        let mut statement = reader.prepare_cached(
            "SELECT login, name, role, user.created_at FROM user JOIN customer USING (customer) \
             WHERE customer = coalesce(?1, customer) ORDER BY name, lower(login)",
        )?;
        let rows = statement.query_map([customer.map(|customer| customer.0)], |row| {
            Ok(UserRow {
                login: row.get(0)?,
                customer: row.get(1)?,
                role: row.get(2)?,
                created_at: loaded_time(row.get(3)?),
            })
        })?;
        rows.collect::<Result<_>>()
    }

    /// Gives a person a new password (a hash) and ends their logins; `false` when there is no such
    /// person.
    ///
    /// # Errors
    /// The database's.
    pub fn set_user_password(&self, login: &str, password: &str, now: UnixMicros) -> Result<bool> {
        self.write(|tx| {
            let user: Option<(i64, i64)> = tx
                .query_row(
                    "SELECT user, customer FROM user WHERE lower(login) = lower(?1)",
                    [login],
                    |row| Ok((row.get(0)?, row.get(1)?)),
                )
                .optional()?;
            let Some((user, customer)) = user else { return Ok(false) };
            tx.execute("UPDATE user SET password = ?2 WHERE user = ?1", params![user, password])?;
            tx.execute("DELETE FROM login_session WHERE user = ?1", [user])?;
            audit(tx, Some(Customer(customer)), now, "command line", "user.passwd", login)?;
            Ok(true)
        })
    }

    /// The number of a customer's counter, 0 when nothing was counted.
    ///
    /// # Errors
    /// The database's.
    pub fn counted(&self, customer: Customer, name: &str) -> Result<u64> {
        let reader = self.reader();
        let value: Option<i64> = reader
            .query_row(
                "SELECT value FROM customer_counter WHERE customer = ?1 AND name = ?2",
                params![customer.0, name],
                |row| row.get(0),
            )
            .optional()?;
        Ok(value.map_or(0, i64::unsigned_abs))
    }

    /// What the service keeps under `name`; the first time, what `make` gives.
    ///
    /// # Errors
    /// The database's.
    pub fn secret(&self, name: &str, make: impl FnOnce() -> Vec<u8>) -> Result<Vec<u8>> {
        self.write(|tx| {
            if let Some(value) = find_secret(tx, name)? {
                return Ok(value);
            }
            let value = make();
            tx.execute("INSERT INTO secret (name, value) VALUES (?1, ?2)", params![name, value])?;
            Ok(value)
        })
    }

    /// Remembers `value` under `name`, in place of what was there.
    ///
    /// # Errors
    /// The database's.
    pub fn remember(&self, name: &str, value: &[u8]) -> Result<()> {
        self.write(|tx| {
            tx.execute(
                "INSERT INTO secret (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET \
                 value = excluded.value",
                params![name, value],
            )?;
            Ok(())
        })
    }

    /// What was remembered under `name`.
    ///
    /// # Errors
    /// The database's.
    pub fn remembered(&self, name: &str) -> Result<Option<Vec<u8>>> {
        find_secret(&self.reader(), name)
    }
}

fn find_secret(connection: &Connection, name: &str) -> Result<Option<Vec<u8>>> {
    let value =
        connection.query_row("SELECT value FROM secret WHERE name = ?1", [name], |row| row.get(0));
    value.optional()
}

/// Adds to one of a customer's counters.
pub(crate) fn count(tx: &Connection, customer: Customer, name: &str, more: u32) -> Result<()> {
    if more > 0 {
        tx.prepare_cached(
            "INSERT INTO customer_counter (customer, name, value) VALUES (?1, ?2, ?3) ON CONFLICT \
             (customer, name) DO UPDATE SET value = customer_counter.value + excluded.value",
        )?
        .execute(params![customer.0, name, more])?;
    }
    Ok(())
}

/// Notes who did what, in the transaction that does it.
pub(crate) fn audit(
    tx: &Connection,
    customer: Option<Customer>,
    now: UnixMicros,
    who: &str,
    action: &str,
    detail: &str,
) -> Result<()> {
    tx.prepare_cached(
        "INSERT INTO audit (customer, at, who, action, detail) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![
        customer.map(|customer| customer.0),
        stored_time(now),
        who,
        action,
        detail
    ])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::tests::Folder;

    const NOW: UnixMicros = UnixMicros(1_795_000_000_000_000);

    #[test]
    fn names_and_logins_are_unique() {
        let folder = Folder::new();
        let db = folder.open();
        let acme = db.create_customer("Acme", NOW).expect("made").expect("new");
        assert_eq!(db.create_customer("Acme", NOW).expect("asked"), None);
        assert_eq!(db.customer_named("Acme").expect("asked"), Some(acme));
        assert_eq!(db.customers().expect("asked")[0].channels, 2000);
        assert!(db.create_user(acme, "eva", "hash", Role::Admin, NOW).expect("made"));
        assert!(!db.create_user(acme, "EVA", "hash", Role::Viewer, NOW).expect("asked"));
        let users = db.list_users(Some(acme)).expect("asked");
        assert_eq!((users.len(), users[0].role.as_str()), (1, "admin"));
    }

    #[test]
    fn a_new_password_ends_every_login() {
        let folder = Folder::new();
        let db = folder.open();
        let acme = db.create_customer("Acme", NOW).expect("made").expect("new");
        db.create_user(acme, "eva", "old", Role::Admin, NOW).expect("made");
        db.writer()
            .execute("INSERT INTO login_session VALUES (x'00', 1, 'c', 1, 1, 2)", [])
            .expect("a login");
        assert!(db.set_user_password("eva", "new", NOW).expect("set"));
        assert!(!db.set_user_password("nobody", "new", NOW).expect("asked"));
        let logins: i64 = db
            .reader()
            .query_row("SELECT count(*) FROM login_session", [], |row| row.get(0))
            .expect("a count");
        assert_eq!(logins, 0);
    }

    #[test]
    fn a_secret_is_made_once() {
        let folder = Folder::new();
        let db = folder.open();
        assert_eq!(db.secret("key", || vec![1]).expect("made"), [1]);
        assert_eq!(db.secret("key", || vec![2]).expect("kept"), [1]);
        db.remember("server", b"a").expect("kept");
        db.remember("server", b"b").expect("replaced");
        assert_eq!(db.remembered("server").expect("asked"), Some(b"b".to_vec()));
        assert_eq!(folder.open().secret("key", || vec![3]).expect("kept"), [1]);
    }

    #[test]
    fn counters_add_up() {
        let folder = Folder::new();
        let db = folder.open();
        let acme = db.create_customer("Acme", NOW).expect("made").expect("new");
        for more in [2, 0, 3] {
            db.write(|tx| count(tx, acme, "expired", more)).expect("counted");
        }
        assert_eq!(db.counted(acme, "expired").expect("asked"), 5);
        assert_eq!(db.counted(acme, "other").expect("asked"), 0);
    }
}
