//! Capture rules: a customer's list, its version, and which sensors apply it.

use ringside_protocol::cdr::Fingerprint;
use ringside_protocol::message::{RuleSet, RuleText};
use ringside_protocol::time::UnixMicros;
use ringside_protocol::words::plural;

use super::customers::audit;
use super::sensors::encode;
use super::{
    Connection, Customer, Db, DbError, OptionalExtension, Result, Row, loaded_time, params,
    stored_time,
};
use crate::auth::{Admin, Scope};

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRule {
    /// Its number.
    pub id: u64,
    /// Its text form.
    pub text: String,
    /// Sensors that apply it; `None`: all.
    pub sensors: Option<Vec<Fingerprint>>,
    /// Whether it is in force.
    pub is_enabled: bool,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: UnixMicros,
    /// Who changed it last.
    pub changed_by: String,
    /// When.
    pub changed_at: UnixMicros,
}

/// What a rule is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// Its text form, as it is printed.
    pub text: String,
    /// Sensors that apply it; `None`: all.
    pub sensors: Option<Vec<Fingerprint>>,
    /// Whether it is in force.
    pub is_enabled: bool,
}

/// What a sensor has said of its rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// The version that it applies.
    pub version: u64,
    /// Rules that it does not apply, and why.
    pub refused: Vec<(u64, String)>,
}

/// The customer's rules, by their numbers.
///
/// # Errors
/// The database's.
pub fn list(db: &Db, scope: &Scope) -> Result<Vec<StoredRule>> {
    of_customer(&db.reader(), scope.customer())
}

/// The version of the customer's rules; 0 as long as there has been none.
///
/// # Errors
/// The database's.
pub fn version(db: &Db, scope: &Scope) -> Result<u64> {
    version_of(&db.reader(), scope.customer())
}

/// Adds a rule; answers its number, or `None` when there are `limit` already.
///
/// # Errors
/// The database's.
pub fn add(
    db: &Db,
    admin: &Admin<'_>,
    content: &Content,
    limit: usize,
    now: UnixMicros,
) -> Result<Option<u64>> {
    db.write(|tx| {
        if of_customer(tx, admin.customer())?.len() >= limit {
            return Ok(None);
        }
        let id: u64 = tx.query_row(
            "INSERT INTO rule (customer, text, sensors, is_enabled, created_by, created_at, \
             changed_by, changed_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?5, ?6) RETURNING rule",
            params![
                admin.customer().0,
                content.text,
                content.sensors.as_deref().map(joined),
                content.is_enabled,
                admin.who(),
                stored_time(now)
            ],
            |row| row.get(0),
        )?;
        note(tx, admin, "rule.new", &detail(id, content), now)?;
        Ok(Some(id))
    })
}

/// Replaces a rule's content; false where the customer has no such rule.
///
/// # Errors
/// The database's.
pub fn change(
    db: &Db,
    admin: &Admin<'_>,
    id: u64,
    content: &Content,
    now: UnixMicros,
) -> Result<bool> {
    db.write(|tx| {
        let changed = tx.execute(
            "UPDATE rule SET text = ?3, sensors = ?4, is_enabled = ?5, changed_by = ?6, \
             changed_at = ?7 WHERE customer = ?1 AND rule = ?2",
            params![
                admin.customer().0,
                stored_id(id),
                content.text,
                content.sensors.as_deref().map(joined),
                content.is_enabled,
                admin.who(),
                stored_time(now)
            ],
        )?;
        if changed == 1 {
            note(tx, admin, "rule.change", &detail(id, content), now)?;
        }
        Ok(changed == 1)
    })
}

/// Deletes a rule; false where the customer has no such rule.
///
/// # Errors
/// The database's.
pub fn delete(db: &Db, admin: &Admin<'_>, id: u64, now: UnixMicros) -> Result<bool> {
    db.write(|tx| {
        let text: Option<String> = tx
            .query_row(
                "DELETE FROM rule WHERE customer = ?1 AND rule = ?2 RETURNING text",
                params![admin.customer().0, stored_id(id)],
                |row| row.get(0),
            )
            .optional()?;
        let Some(text) = text else { return Ok(false) };
        note(tx, admin, "rule.delete", &format!("{id}: {text}"), now)?;
        Ok(true)
    })
}

impl Db {
    /// The rules that a sensor is to apply, if that is another version than `applied`. Customers
    /// who never had one are not spoken of.
    ///
    /// # Errors
    /// The database's.
    pub fn rules_for(
        &self,
        customer: Customer,
        device: Fingerprint,
        applied: u64,
    ) -> Result<Option<RuleSet>> {
        let connection = self.reader();
        // One snapshot: version and rules belong together.
        let reader = connection.snapshot()?;
        let version = version_of(&reader, customer)?;
        if version == applied {
            return Ok(None);
        }
        let is_meant = |rule: &StoredRule| {
            rule.is_enabled && rule.sensors.as_ref().is_none_or(|sensors| sensors.contains(&device))
        };
        let rules = of_customer(&reader, customer)?.into_iter().filter(is_meant);
        let rules = rules.map(|rule| RuleText { id: rule.id, text: rule.text }).collect();
        Ok(Some(RuleSet { version, rules }))
    }

    /// Notes what a sensor applies; whether that is news.
    ///
    /// # Errors
    /// The database's.
    pub fn note_rules(
        &self,
        device: Fingerprint,
        applied: &Applied,
        now: UnixMicros,
    ) -> Result<bool> {
        if self.rules_of(device)?.as_ref() == Some(applied) {
            return Ok(false);
        }
        self.write(|tx| {
            tx.execute(
                "INSERT INTO sensor_rules (device, version, refused, at) VALUES (?1, ?2, ?3, ?4) \
                 ON CONFLICT (device) DO UPDATE SET version = ?2, refused = ?3, at = ?4",
                params![
                    device.0,
                    stored_id(applied.version),
                    encode(&applied.refused),
                    stored_time(now)
                ],
            )?;
            Ok(true)
        })
    }

    /// What a sensor has said that it applies.
    ///
    /// # Errors
    /// The database's.
    pub fn rules_of(&self, device: Fingerprint) -> Result<Option<Applied>> {
        let reader = self.reader();
        let row = reader
            .prepare_cached("SELECT version, refused FROM sensor_rules WHERE device = ?1")?
            .query_row([device.0], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?)))
            .optional()?;
        let Some((version, refused)) = row else { return Ok(None) };
        let refused =
            postcard::from_bytes(&refused).map_err(|_| DbError::Damaged("a sensor's rules"))?;
        Ok(Some(Applied { version: u64::try_from(version).unwrap_or_default(), refused }))
    }
}

fn of_customer(connection: &Connection, customer: Customer) -> Result<Vec<StoredRule>> {
    let mut statement = connection.prepare_cached(
        "SELECT rule, text, sensors, is_enabled, created_by, created_at, changed_by, changed_at \
         FROM rule WHERE customer = ?1 ORDER BY rule",
    )?;
    let rules = statement.query_map([customer.0], stored)?;
    rules.collect::<Result<_>>()
}

fn stored(row: &Row<'_>) -> Result<StoredRule> {
    let sensors: Option<Vec<u8>> = row.get(2)?;
    let fingerprints = |bytes: Vec<u8>| {
        let chunks = bytes.chunks_exact(16).filter_map(|chunk| chunk.try_into().ok());
        chunks.map(Fingerprint).collect()
    };
    Ok(StoredRule {
        id: u64::try_from(row.get::<_, i64>(0)?).unwrap_or_default(),
        text: row.get(1)?,
        sensors: sensors.map(fingerprints),
        is_enabled: row.get(3)?,
        created_by: row.get(4)?,
        created_at: loaded_time(row.get(5)?),
        changed_by: row.get(6)?,
        changed_at: loaded_time(row.get(7)?),
    })
}

/// The upper half is the customer's number, so that a sensor which changes customers knows.
fn version_of(connection: &Connection, customer: Customer) -> Result<u64> {
    let changes: Option<u32> = connection
        .prepare_cached("SELECT changes FROM rule_changes WHERE customer = ?1")?
        .query_row([customer.0], |row| row.get(0))
        .optional()?;
    let customer = u64::try_from(customer.0).unwrap_or_default();
    Ok(changes.map_or(0, |changes| customer << 32 | u64::from(changes)))
}

/// Counts a change and writes it into the audit log.
fn note(
    tx: &Connection,
    admin: &Admin<'_>,
    action: &str,
    detail: &str,
    now: UnixMicros,
) -> Result<()> {
    tx.execute(
        "INSERT INTO rule_changes (customer, changes) VALUES (?1, 1) ON CONFLICT (customer) DO \
         UPDATE SET changes = rule_changes.changes + 1",
        [admin.customer().0],
    )?;
    audit(tx, Some(admin.customer()), now, admin.who(), action, detail)
}

fn detail(id: u64, content: &Content) -> String {
    let whom = match &content.sensors {
        None => String::new(),
        Some(sensors) => format!(", on {}", plural(sensors.len(), "sensor")),
    };
    let state = if content.is_enabled { "" } else { ", switched off" };
    format!("{id}: {}{whom}{state}", content.text)
}

fn joined(sensors: &[Fingerprint]) -> Vec<u8> {
    sensors.iter().flat_map(|sensor| sensor.0).collect()
}

fn stored_id(id: u64) -> i64 {
    i64::try_from(id).unwrap_or(i64::MAX)
}
