//! Alerts: a customer's rules, channels and silences; what has fired ([`log`]); what channels have
//! still to be told ([`queue`]).

pub mod log;
pub mod queue;

use ringside_protocol::cdr::Fingerprint;
use ringside_protocol::time::UnixMicros;

use super::customers::audit;
use super::{
    Connection, Db, DbError, OptionalExtension, Result, Row, bytes, loaded_time, params,
    stored_time,
};
use crate::alerts::channel::Target;
use crate::alerts::ready;
use crate::alerts::rule::Rule;
use crate::auth::{Admin, Scope};

/// A rule as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredRule {
    /// Its number.
    pub id: i64,
    /// Which ready-made one it was.
    pub ready: Option<String>,
    /// What it does.
    pub rule: Rule,
    /// Whether it is in force.
    pub is_enabled: bool,
    /// Who changed it last; empty for a ready-made one that nobody has changed.
    pub changed_by: String,
    /// When.
    pub changed_at: UnixMicros,
}

/// A channel as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredChannel {
    /// Its number.
    pub id: i64,
    /// What it is called.
    pub name: String,
    /// Where to.
    pub target: Target,
    /// Finished calls that it is told of, as a filter; `None`: none.
    pub calls: Option<String>,
    /// Whether it is in use.
    pub is_enabled: bool,
    /// Who changed it last.
    pub changed_by: String,
    /// When.
    pub changed_at: UnixMicros,
    /// The last message, whatever became of it.
    pub tried_at: Option<UnixMicros>,
    /// The last that was taken.
    pub sent_at: Option<UnixMicros>,
    /// Why the last was not taken.
    pub error: Option<String>,
}

/// A silence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silence {
    /// Its number.
    pub id: i64,
    /// Of one rule; `None`: of all.
    pub rule: Option<i64>,
    /// Of one sensor; `None`: of all.
    pub device: Option<Fingerprint>,
    /// Its end.
    pub until: UnixMicros,
    /// Why.
    pub reason: String,
    /// Who.
    pub created_by: String,
    /// When.
    pub created_at: UnixMicros,
}

/// What is written of a channel.
#[derive(Clone, Debug, PartialEq)]
pub struct ChannelContent {
    /// What it is called.
    pub name: String,
    /// Where to.
    pub target: Target,
    /// As in [`StoredChannel::calls`].
    pub calls: Option<String>,
    /// Whether it is in use.
    pub is_enabled: bool,
}

impl Silence {
    /// Whether it is about an alert of this rule and sensor at `now`.
    #[must_use]
    pub fn covers(&self, rule: i64, device: Option<Fingerprint>, now: UnixMicros) -> bool {
        now < self.until
            && self.rule.is_none_or(|it| it == rule)
            && (self.device.is_none() || self.device == device)
    }
}

/// Gives a customer the ready-made rules that it has not been given yet.
///
/// # Errors
/// The database's.
pub fn give_ready(db: &Db, scope: &Scope, now: UnixMicros) -> Result<()> {
    let customer = scope.customer().0;
    let given_of = |connection: &Connection| -> Result<u32> {
        let mut statement =
            connection.prepare_cached("SELECT version FROM alert_ready WHERE customer = ?1")?;
        Ok(statement.query_row([customer], |row| row.get(0)).optional()?.unwrap_or(0))
    };
    if given_of(&db.reader())? >= ready::VERSION {
        return Ok(());
    }
    db.write(|tx| {
        let given = given_of(tx)?;
        for (version, ready) in ready::all() {
            if version > given {
                tx.execute(
                    "INSERT INTO alert_rule (customer, ready, content, is_enabled, changed_by, \
                     changed_at) VALUES (?1, ?2, ?3, 1, '', ?4)",
                    params![customer, ready.key, json(&ready.rule), stored_time(now)],
                )?;
            }
        }
        tx.execute(
            "INSERT INTO alert_ready (customer, version) VALUES (?1, ?2) ON CONFLICT (customer) \
             DO UPDATE SET version = excluded.version",
            params![customer, ready::VERSION],
        )?;
        Ok(())
    })
}

/// The customer's rules, by their numbers.
///
/// # Errors
/// The database's.
pub fn rules(db: &Db, scope: &Scope) -> Result<Vec<StoredRule>> {
    let reader = db.reader();
    let mut statement = reader.prepare_cached(
        "SELECT rule, ready, content, is_enabled, changed_by, changed_at FROM alert_rule WHERE \
         customer = ?1 ORDER BY rule",
    )?;
    let mut rows = statement.query([scope.customer().0])?;
    let mut rules = Vec::new();
    while let Some(row) = rows.next()? {
        rules.push(StoredRule {
            id: row.get(0)?,
            ready: row.get(1)?,
            rule: from_json(&row.get::<_, String>(2)?, "an alert's rule")?,
            is_enabled: row.get(3)?,
            changed_by: row.get(4)?,
            changed_at: loaded_time(row.get(5)?),
        });
    }
    Ok(rules)
}

/// Adds a rule; answers its number, or `None` when there are `limit` already.
///
/// # Errors
/// The database's.
pub fn add_rule(
    db: &Db,
    admin: &Admin<'_>,
    (rule, is_enabled): (&Rule, bool),
    limit: usize,
    now: UnixMicros,
) -> Result<Option<i64>> {
    db.write(|tx| {
        if is_full(tx, "alert_rule", admin, limit)? {
            return Ok(None);
        }
        let id = tx.query_row(
            "INSERT INTO alert_rule (customer, content, is_enabled, changed_by, changed_at) \
             VALUES (?1, ?2, ?3, ?4, ?5) RETURNING rule",
            params![admin.customer().0, json(rule), is_enabled, admin.who(), stored_time(now)],
            |row| row.get(0),
        )?;
        note(tx, admin, "alert_rule.new", &format!("{id}: {}", rule.name), now)?;
        Ok(Some(id))
    })
}

/// Replaces a rule's content; false where the customer has no such rule.
///
/// # Errors
/// The database's.
pub fn change_rule(
    db: &Db,
    admin: &Admin<'_>,
    id: i64,
    (rule, is_enabled): (&Rule, bool),
    now: UnixMicros,
) -> Result<bool> {
    db.write(|tx| {
        let changed = tx.execute(
            "UPDATE alert_rule SET content = ?3, is_enabled = ?4, changed_by = ?5, changed_at = ?6 \
             WHERE customer = ?1 AND rule = ?2",
            params![admin.customer().0, id, json(rule), is_enabled, admin.who(), stored_time(now)],
        )?;
        if changed == 1 {
            let state = if is_enabled { "" } else { ", switched off" };
            note(tx, admin, "alert_rule.change", &format!("{id}: {}{state}", rule.name), now)?;
        }
        Ok(changed == 1)
    })
}

/// Deletes a rule; false where the customer has no such rule.
///
/// # Errors
/// The database's.
pub fn delete_rule(db: &Db, admin: &Admin<'_>, id: i64, now: UnixMicros) -> Result<bool> {
    delete(db, admin, ("alert_rule", "rule"), id, now)
}

/// The customer's channels, by their numbers.
///
/// # Errors
/// The database's.
pub fn channels(db: &Db, scope: &Scope) -> Result<Vec<StoredChannel>> {
    let reader = db.reader();
    let mut statement = reader.prepare_cached(&format!(
        "SELECT {CHANNEL} FROM alert_channel WHERE customer = ?1 ORDER BY channel"
    ))?;
    let mut rows = statement.query([scope.customer().0])?;
    let mut channels = Vec::new();
    while let Some(row) = rows.next()? {
        channels.push(stored_channel(&row)?);
    }
    Ok(channels)
}

const CHANNEL: &str = "channel, name, target, calls, is_enabled, changed_by, changed_at, tried_at, \
                       sent_at, error";

fn stored_channel(row: &Row<'_>) -> Result<StoredChannel> {
    Ok(StoredChannel {
        id: row.get(0)?,
        name: row.get(1)?,
        target: from_json(&row.get::<_, String>(2)?, "an alert's channel")?,
        calls: row.get(3)?,
        is_enabled: row.get(4)?,
        changed_by: row.get(5)?,
        changed_at: loaded_time(row.get(6)?),
        tried_at: row.get::<_, Option<i64>>(7)?.map(loaded_time),
        sent_at: row.get::<_, Option<i64>>(8)?.map(loaded_time),
        error: row.get(9)?,
    })
}

/// Adds a channel; answers its number, or `None` when there are `limit` already.
///
/// # Errors
/// The database's.
pub fn add_channel(
    db: &Db,
    admin: &Admin<'_>,
    content: &ChannelContent,
    limit: usize,
    now: UnixMicros,
) -> Result<Option<i64>> {
    db.write(|tx| {
        if is_full(tx, "alert_channel", admin, limit)? {
            return Ok(None);
        }
        let id = tx.query_row(
            "INSERT INTO alert_channel (customer, name, target, calls, is_enabled, changed_by, \
             changed_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) RETURNING channel",
            params![
                admin.customer().0,
                content.name,
                json(&content.target),
                content.calls,
                content.is_enabled,
                admin.who(),
                stored_time(now)
            ],
            |row| row.get(0),
        )?;
        note(tx, admin, "alert_channel.new", &detail(id, content), now)?;
        Ok(Some(id))
    })
}

/// Replaces a channel's content; false where the customer has no such channel.
///
/// # Errors
/// The database's.
pub fn change_channel(
    db: &Db,
    admin: &Admin<'_>,
    id: i64,
    content: &ChannelContent,
    now: UnixMicros,
) -> Result<bool> {
    db.write(|tx| {
        let changed = tx.execute(
            "UPDATE alert_channel SET name = ?3, target = ?4, calls = ?5, is_enabled = ?6, \
             changed_by = ?7, changed_at = ?8, error = NULL WHERE customer = ?1 AND channel = ?2",
            params![
                admin.customer().0,
                id,
                content.name,
                json(&content.target),
                content.calls,
                content.is_enabled,
                admin.who(),
                stored_time(now)
            ],
        )?;
        if changed == 1 {
            note(tx, admin, "alert_channel.change", &detail(id, content), now)?;
        }
        Ok(changed == 1)
    })
}

/// Deletes a channel and what it had still to be told; false where the customer has no such
/// channel.
///
/// # Errors
/// The database's.
pub fn delete_channel(db: &Db, admin: &Admin<'_>, id: i64, now: UnixMicros) -> Result<bool> {
    delete(db, admin, ("alert_channel", "channel"), id, now)
}

fn detail(id: i64, content: &ChannelContent) -> String {
    format!("{id}: {}, {}", content.name, content.target.words())
}

/// The customer's silences that are not over, by their ends.
///
/// # Errors
/// The database's.
pub fn silences(db: &Db, scope: &Scope, now: UnixMicros) -> Result<Vec<Silence>> {
    let reader = db.reader();
    let mut statement = reader.prepare_cached(
        "SELECT silence, rule, device, until_at, reason, created_by, created_at FROM alert_silence \
         WHERE customer = ?1 AND until_at > ?2 ORDER BY until_at, silence",
    )?;
    let mut rows = statement.query(params![scope.customer().0, stored_time(now)])?;
    let mut silences = Vec::new();
    while let Some(row) = rows.next()? {
        silences.push(Silence {
            id: row.get(0)?,
            rule: row.get(1)?,
            device: device(&row, 2)?,
            until: loaded_time(row.get(3)?),
            reason: row.get(4)?,
            created_by: row.get(5)?,
            created_at: loaded_time(row.get(6)?),
        });
    }
    Ok(silences)
}

/// Adds a silence, whose number and maker are filled in; `None` when there are `limit` already.
///
/// # Errors
/// The database's.
pub fn add_silence(
    db: &Db,
    admin: &Admin<'_>,
    wanted: &Silence,
    limit: usize,
    now: UnixMicros,
) -> Result<Option<i64>> {
    let customer = admin.customer().0;
    db.write(|tx| {
        tx.execute(
            "DELETE FROM alert_silence WHERE customer = ?1 AND until_at <= ?2",
            params![customer, stored_time(now)],
        )?;
        if is_full(tx, "alert_silence", admin, limit)? {
            return Ok(None);
        }
        let id = tx.query_row(
            "INSERT INTO alert_silence (customer, rule, device, until_at, reason, created_by, \
             created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) RETURNING silence",
            params![
                customer,
                wanted.rule,
                wanted.device.map(|device| device.0),
                stored_time(wanted.until),
                wanted.reason,
                admin.who(),
                stored_time(now)
            ],
            |row| row.get(0),
        )?;
        let until = wanted.until.to_the_second();
        note(
            tx,
            admin,
            "alert_silence.new",
            &format!("{id}: until {until}, {}", wanted.reason),
            now,
        )?;
        Ok(Some(id))
    })
}

/// Ends a silence; false where the customer has no such silence.
///
/// # Errors
/// The database's.
pub fn end_silence(db: &Db, admin: &Admin<'_>, id: i64, now: UnixMicros) -> Result<bool> {
    delete(db, admin, ("alert_silence", "silence"), id, now)
}

/// Takes or keeps the turn to look at alerts and to tell channels, of which several processes over
/// one database have one; whether it is ours until `until`.
///
/// # Errors
/// The database's.
pub fn take_turn(db: &Db, holder: &str, until: UnixMicros, now: UnixMicros) -> Result<bool> {
    db.write(|tx| {
        let taken = tx.execute(
            "INSERT INTO alert_turn (turn, holder, until_at) VALUES (1, ?1, ?2) ON CONFLICT (turn) \
             DO UPDATE SET holder = ?1, until_at = ?2 WHERE alert_turn.holder = ?1 OR \
             alert_turn.until_at <= ?3",
            params![holder, stored_time(until), stored_time(now)],
        )?;
        Ok(taken == 1)
    })
}

fn delete(
    db: &Db,
    admin: &Admin<'_>,
    (table, key): (&str, &str),
    id: i64,
    now: UnixMicros,
) -> Result<bool> {
    let customer = admin.customer().0;
    db.write(|tx| {
        let sql = format!("DELETE FROM {table} WHERE customer = ?1 AND {key} = ?2");
        if tx.execute(&sql, params![customer, id])? == 0 {
            return Ok(false);
        }
        if key == "channel" {
            for queue in ["alert_delivery", "call_delivery"] {
                let sql = format!("DELETE FROM {queue} WHERE customer = ?1 AND channel = ?2");
                tx.execute(&sql, params![customer, id])?;
            }
        }
        note(tx, admin, &format!("{table}.delete"), &id.to_string(), now)?;
        Ok(true)
    })
}

fn is_full(tx: &Connection, table: &str, scope: &Scope, limit: usize) -> Result<bool> {
    let sql = format!("SELECT count(*) FROM {table} WHERE customer = ?1");
    let there: i64 = tx.query_row(&sql, [scope.customer().0], |row| row.get(0))?;
    Ok(usize::try_from(there).unwrap_or(usize::MAX) >= limit)
}

fn note(tx: &Connection, scope: &Scope, action: &str, detail: &str, now: UnixMicros) -> Result<()> {
    audit(tx, Some(scope.customer()), now, scope.who(), action, detail)
}

fn device(row: &Row<'_>, column: usize) -> Result<Option<Fingerprint>> {
    let column: Option<Vec<u8>> = row.get(column)?;
    column.map(|it| bytes(&it, "an alert's sensor").map(Fingerprint)).transpose()
}

/// Rules and targets are plain data: they always become JSON.
fn json(content: &impl serde::Serialize) -> String {
    serde_json::to_string(content).unwrap_or_default()
}

fn from_json<T: serde::de::DeserializeOwned>(text: &str, what: &'static str) -> Result<T> {
    serde_json::from_str(text).map_err(|_| DbError::Damaged(what))
}
