//! Searches that people keep under a name.

use ringside_protocol::time::UnixMicros;

use super::customers::audit;
use super::{Db, Result, loaded_time, params, stored_time};
use crate::auth::Scope;

/// One kept search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    /// Names it in addresses.
    pub id: String,
    /// Whether the whole customer sees it, or only who keeps it.
    pub is_common: bool,
    /// What people call it.
    pub name: String,
    /// The part of the page's address after the `?`.
    pub query: String,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: UnixMicros,
}

/// Those of the customer and of who asks, by name.
///
/// # Errors
/// The database's.
pub fn list(db: &Db, scope: &Scope) -> Result<Vec<Search>> {
    let connection = db.reader();
    let mut statement = connection.prepare_cached(
        "SELECT search, login, name, query, created_by, created_at FROM saved_search WHERE \
         customer = ?1 AND (login = '' OR login = ?2) ORDER BY name, login",
    )?;
    let mut rows = statement.query(params![scope.customer().0, scope.who()])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(Search {
            id: row.get(0)?,
            is_common: row.get::<_, String>(1)?.is_empty(),
            name: row.get(2)?,
            query: row.get(3)?,
            created_by: row.get(4)?,
            created_at: loaded_time(row.get(5)?),
        });
    }
    Ok(found)
}

/// Keeps a search; one of the same name and owner is replaced.
///
/// # Errors
/// The database's.
pub fn keep(db: &Db, scope: &Scope, search: &Search) -> Result<()> {
    let login = if search.is_common { "" } else { scope.who() };
    db.write(|tx| {
        tx.execute(
            "INSERT INTO saved_search (search, customer, login, name, query, created_by, \
             created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (customer, login, name) DO \
             UPDATE SET query = excluded.query, created_by = excluded.created_by, created_at = \
             excluded.created_at",
            params![
                search.id,
                scope.customer().0,
                login,
                search.name,
                search.query,
                search.created_by,
                stored_time(search.created_at)
            ],
        )?;
        if search.is_common {
            let customer = Some(scope.customer());
            audit(tx, customer, search.created_at, scope.who(), "search.keep", &search.name)?;
        }
        Ok(())
    })
}

/// Forgets a search.
///
/// # Errors
/// The database's.
pub fn forget(db: &Db, scope: &Scope, search: &Search, now: UnixMicros) -> Result<()> {
    db.write(|tx| {
        tx.execute(
            "DELETE FROM saved_search WHERE customer = ?1 AND search = ?2",
            params![scope.customer().0, search.id],
        )?;
        if search.is_common {
            audit(tx, Some(scope.customer()), now, scope.who(), "search.forget", &search.name)?;
        }
        Ok(())
    })
}
