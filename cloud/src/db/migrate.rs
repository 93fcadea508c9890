//! The schema, from every earlier one forward.

use super::engine::Purpose;
use super::{Connection, DbError, Result, Series, day_tables, dialect, sums};

/// The schema that this build reads and writes.
pub const SCHEMA_VERSION: i64 = 15;

/// What each schema adds, in order. Both engines run all of them.
const STEPS: &[(i64, &str)] = &[
    (1, include_str!("schema.sql")),
    (2, include_str!("registrations.sql")),
    (3, include_str!("rules.sql")),
    (4, include_str!("intake.sql")),
    (5, include_str!("rights.sql")),
    (6, include_str!("peers.sql")),
    (7, include_str!("upgrades.sql")),
    (8, include_str!("users.sql")),
    (9, include_str!("logins.sql")),
    (10, include_str!("hours.sql")),
    (11, include_str!("retention.sql")),
    (12, include_str!("retrieval.sql")),
    (13, include_str!("alerts.sql")),
    (14, include_str!("sums.sql")),
    (15, include_str!("shares.sql")),
];

/// The schema since which there is PostgreSQL: it has the tables of all days from the start.
const DAYS_SINCE: i64 = 9;

/// The schema since which calls are summed up: those of earlier days are later.
const SUMS_SINCE: i64 = 14;

/// Brings the schema up to date. Two processes may come here at once (the service and `admin`): the
/// version is read inside the transaction that changes it.
pub(super) fn migrate(connection: &Connection) -> Result<()> {
    let transaction = connection.begin(Purpose::Write)?;
    let found = version(&transaction)?;
    if found > SCHEMA_VERSION {
        return Err(DbError::TooNew { found });
    }
    for (schema, sql) in STEPS {
        if found < *schema {
            match transaction.as_postgres() {
                None => transaction.execute_batch(sql)?,
                Some(session) => session.run(&dialect::postgres_schema(sql))?,
            }
            after(&transaction, *schema)?;
        }
    }
    if found < SCHEMA_VERSION {
        set_version(&transaction)?;
    }
    transaction.commit()
}

/// What a step needs besides its statements.
fn after(tx: &Connection, schema: i64) -> Result<()> {
    match (schema, tx.as_postgres()) {
        (2, None) => {
            for table in day_tables(tx, Series::Calls)? {
                let column = "ADD COLUMN legs TEXT NOT NULL DEFAULT ''";
                tx.execute_batch(&format!("ALTER TABLE {table} {column}"))?;
            }
        }
        (DAYS_SINCE, Some(session)) => {
            for &series in Series::ALL {
                session.run(&dialect::postgres_days(series, series.schema()))?;
            }
        }
        _ => {}
    }
    if schema == SUMS_SINCE {
        sums::note_unsummed(tx)?;
    }
    Ok(())
}

fn version(tx: &Connection) -> Result<i64> {
    match tx.as_sqlite() {
        Some(sqlite) => Ok(sqlite.pragma_query_value(None, "user_version", |row| row.get(0))?),
        None => {
            tx.execute_batch("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER)")?;
            tx.query_row("SELECT coalesce(max(version), 0) FROM schema_version", [], |row| {
                row.get(0)
            })
        }
    }
}

fn set_version(tx: &Connection) -> Result<()> {
    match tx.as_sqlite() {
        Some(sqlite) => Ok(sqlite.pragma_update(None, "user_version", SCHEMA_VERSION)?),
        None => {
            tx.execute("INSERT INTO schema_version (version) VALUES (?1)", [SCHEMA_VERSION])?;
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::db::Db;
    use crate::db::sqlite::DATABASE_FILE;
    use crate::db::tests::Folder;

    #[test]
    fn a_database_of_schema_1_goes_on() {
        let folder = Folder::new();
        {
            let path = folder.0.join(DATABASE_FILE);
            let old = rusqlite::Connection::open(path).expect("a database");
            old.execute_batch(include_str!("schema.sql")).expect("a schema");
            let day = include_str!("cdr_day.sql").replace("cdr_DAY", "cdr_20261124");
            old.execute_batch(&day).expect("a day");
            let undone = "DROP INDEX cdr_20261124_legs; ALTER TABLE cdr_20261124 DROP COLUMN legs";
            old.execute_batch(undone).expect("as it was");
            old.pragma_update(None, "user_version", 1).expect("a pragma");
        }
        let db = Db::open(&folder.0).expect("it goes on");
        let count = "SELECT count(*) FROM cdr_20261124 WHERE legs = ''";
        let rows: i64 = db.reader().query_row(count, [], |row| row.get(0)).expect("a count");
        assert_eq!(rows, 0);
        drop(db);
        Db::open(&folder.0).expect("it goes on again");
    }

    #[test]
    fn a_database_of_a_newer_build_is_refused_with_what_to_do() {
        let folder = Folder::new();
        let db = folder.open();
        let writer = db.writer();
        match writer.as_sqlite() {
            Some(sqlite) => sqlite.pragma_update(None, "user_version", 99).expect("a pragma"),
            None => {
                let newer = "INSERT INTO schema_version VALUES (99)";
                writer.execute_batch(newer).expect("a newer version");
            }
        }
        let refused = folder.try_open().err().expect("refused");
        assert!(refused.to_string().contains("install the newer ringside-cloud"), "{refused}");
    }
}
