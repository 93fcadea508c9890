//! Alerts that are open, and those that were.

use ringside_protocol::cdr::Fingerprint;
use ringside_protocol::time::UnixMicros;

use super::{device, note, queue};
use crate::alerts::rule::Severity;
use crate::auth::Scope;
use crate::db::customers::count;
use crate::db::{Connection, Db, Result, Row, loaded_time, params, stored_time};
use crate::retention;

/// Alerts of a customer that are open at once; one more does not open, and is counted.
pub const MAX_OPEN: usize = 512;

/// Alerts of a customer that are remembered after they closed; the oldest leave.
pub const MAX_PAST: u32 = 2000;

/// One alert.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// Its number.
    pub id: i64,
    /// The rule that opened it; it may be gone.
    pub rule: i64,
    /// The sensor it is about; `None`: all.
    pub device: Option<Fingerprint>,
    /// The rule's name, then.
    pub name: String,
    /// The rule's severity, then.
    pub severity: Severity,
    /// What was measured.
    pub sentence: String,
    /// Path and query of the search behind it, without its end.
    pub link: String,
    /// The worst value so far.
    pub value: f64,
    /// The beginning of the window in which it opened.
    pub from: UnixMicros,
    /// When it opened.
    pub opened_at: UnixMicros,
    /// When it closed.
    pub closed_at: Option<UnixMicros>,
    /// Why.
    pub why_closed: Option<String>,
    /// Who acknowledged it, and when.
    pub seen: Option<(UnixMicros, String)>,
    /// What they wrote.
    pub note: Option<String>,
    /// Whether its opening was handed to the channels.
    pub is_told: bool,
}

/// What one look of the evaluation changes, written at once.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A new alert; its number, closing and acknowledgement are not read.
    Open(Alert),
    /// It has become worse, or a silence over it has ended: as it is now.
    Update(Alert),
    /// It closes.
    Close(Alert, &'static str),
    /// One more would be more than [`MAX_OPEN`]: it is counted (`alerts_over_limit`).
    OverLimit,
    /// The channels hear that it opened.
    TellOpened(i64, Vec<i64>),
    /// The channels hear that it closed.
    TellClosed(i64, Vec<i64>),
}

const COLUMNS: &str = "alert, rule, device, name, severity, sentence, link, value_milli, from_at, \
                       opened_at, closed_at, why_closed, seen_at, seen_by, note, is_told";

fn load(row: &Row<'_>) -> Result<Alert> {
    let seen_at = row.get::<_, Option<i64>>(12)?.map(loaded_time);
    Ok(Alert {
        id: row.get(0)?,
        rule: row.get(1)?,
        device: device(row, 2)?,
        name: row.get(3)?,
        severity: Severity::named(&row.get::<_, String>(4)?).unwrap_or_default(),
        sentence: row.get(5)?,
        link: row.get(6)?,
        value: unit(row.get(7)?),
        from: loaded_time(row.get(8)?),
        opened_at: loaded_time(row.get(9)?),
        closed_at: row.get::<_, Option<i64>>(10)?.map(loaded_time),
        why_closed: row.get(11)?,
        seen: seen_at.zip(row.get(13)?),
        note: row.get(14)?,
        is_told: row.get(15)?,
    })
}

/// The customer's open alerts, the newest first.
///
/// # Errors
/// The database's.
pub fn open(db: &Db, scope: &Scope) -> Result<Vec<Alert>> {
    select(
        &db.reader(),
        "customer = ?1 AND closed_at IS NULL ORDER BY opened_at DESC, alert DESC LIMIT ?2",
        (scope, MAX_OPEN),
    )
}

/// The customer's alerts that have closed, those that closed last first.
///
/// # Errors
/// The database's.
pub fn past(db: &Db, scope: &Scope, limit: usize) -> Result<Vec<Alert>> {
    select(
        &db.reader(),
        "customer = ?1 AND closed_at IS NOT NULL ORDER BY closed_at DESC, alert DESC LIMIT ?2",
        (scope, limit),
    )
}

/// One alert of the customer.
///
/// # Errors
/// The database's.
pub fn one(db: &Db, scope: &Scope, id: i64) -> Result<Option<Alert>> {
    let reader = db.reader();
    let sql = format!("SELECT {COLUMNS} FROM alert WHERE customer = ?1 AND alert = ?2");
    let mut statement = reader.prepare_cached(&sql)?;
    let mut rows = statement.query(params![scope.customer().0, id])?;
    rows.next()?.map(|row| load(&row)).transpose()
}

fn select(reader: &Connection, which: &str, (scope, limit): (&Scope, usize)) -> Result<Vec<Alert>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement =
        reader.prepare_cached(&format!("SELECT {COLUMNS} FROM alert WHERE {which}"))?;
    let mut rows = statement.query(params![scope.customer().0, limit])?;
    let mut alerts = Vec::new();
    while let Some(row) = rows.next()? {
        alerts.push(load(&row)?);
    }
    Ok(alerts)
}

/// Notes that a person has seen an alert; false where the customer has no such alert.
///
/// # Errors
/// The database's.
pub fn acknowledge(
    db: &Db,
    scope: &Scope,
    id: i64,
    text: Option<&str>,
    now: UnixMicros,
) -> Result<bool> {
    db.write(|tx| {
        let changed = tx.execute(
            "UPDATE alert SET seen_at = ?3, seen_by = ?4, note = ?5 WHERE customer = ?1 AND \
             alert = ?2",
            params![scope.customer().0, id, stored_time(now), scope.who(), text],
        )?;
        if changed == 1 {
            note(tx, scope, "alert.acknowledge", &id.to_string(), now)?;
        }
        Ok(changed == 1)
    })
}

/// Writes what a look has changed; the numbers of those that opened, in order. `TellOpened(0, …)`
/// is about the alert that was opened last.
///
/// # Errors
/// The database's; nothing is written then.
pub fn write(db: &Db, scope: &Scope, changes: &[Change], now: UnixMicros) -> Result<Vec<i64>> {
    let customer = scope.customer();
    db.write(|tx| {
        let mut opened = Vec::new();
        for change in changes {
            match change {
                Change::Open(alert) => opened.push(insert(tx, scope, alert)?),
                Change::Update(alert) => {
                    tx.execute(
                        "UPDATE alert SET value_milli = ?3, sentence = ?4 WHERE customer = ?1 AND \
                         alert = ?2",
                        params![customer.0, alert.id, milli(alert.value), alert.sentence],
                    )?;
                }
                Change::Close(alert, why) => {
                    tx.execute(
                        "UPDATE alert SET closed_at = ?3, why_closed = ?4 WHERE customer = ?1 AND \
                         alert = ?2",
                        params![customer.0, alert.id, stored_time(now), why],
                    )?;
                }
                Change::OverLimit => count(tx, customer, "alerts_over_limit", 1)?,
                Change::TellOpened(alert, channels) => {
                    let alert =
                        if *alert == 0 { opened.last().copied().unwrap_or(0) } else { *alert };
                    let sql = "UPDATE alert SET is_told = 1 WHERE customer = ?1 AND alert = ?2";
                    tx.execute(sql, params![customer.0, alert])?;
                    queue::push(tx, customer, (alert, true), channels, now)?;
                }
                Change::TellClosed(alert, channels) => {
                    queue::push(tx, customer, (*alert, false), channels, now)?;
                }
            }
        }
        Ok(opened)
    })
}

/// As it is stored: neither engine is asked for fractions.
#[expect(clippy::cast_possible_truncation, reason = "a value beyond i64 is stored as its end")]
fn milli(value: f64) -> i64 {
    (value * 1000.0) as i64
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn unit(milli: i64) -> f64 {
    milli as f64 / 1000.0
}

fn insert(tx: &Connection, scope: &Scope, alert: &Alert) -> Result<i64> {
    tx.query_row(
        "INSERT INTO alert (customer, rule, device, name, severity, sentence, link, \
         value_milli, from_at, opened_at, is_told) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 0) \
         RETURNING alert",
        params![
            scope.customer().0,
            alert.rule,
            alert.device.map(|device| device.0),
            alert.name,
            alert.severity.name(),
            alert.sentence,
            alert.link,
            milli(alert.value),
            stored_time(alert.from),
            stored_time(alert.opened_at)
        ],
        |row| row.get(0),
    )
}

/// Forgets alerts that closed before calls of that time are shown, and those beyond
/// [`MAX_PAST`].
///
/// # Errors
/// The database's.
pub fn expire(db: &Db, scope: &Scope, now: UnixMicros) -> Result<()> {
    let customer = scope.customer().0;
    let kept = i64::from(MAX_PAST);
    db.write(|tx| {
        tx.execute(
            "DELETE FROM alert WHERE customer = ?1 AND closed_at <= ?2",
            params![customer, stored_time(retention::visible_after(now))],
        )?;
        tx.execute(
            "DELETE FROM alert WHERE customer = ?1 AND closed_at IS NOT NULL AND alert NOT IN \
             (SELECT alert FROM alert WHERE customer = ?1 AND closed_at IS NOT NULL ORDER BY \
             closed_at DESC, alert DESC LIMIT ?2)",
            params![customer, kept],
        )?;
        Ok(())
    })
}
