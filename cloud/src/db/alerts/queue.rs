//! What channels have still to be told: of alerts, and of finished calls. Written in the
//! transaction that causes it, taken away when the receiver has it.

use ringside_protocol::cdr::{Boot, CallId, Fingerprint};
use ringside_protocol::time::{MICROS_PER_SECOND, UnixMicros};

use super::log::{self, Alert};
use super::{CHANNEL, StoredChannel, stored_channel};
use crate::auth::Scope;
use crate::db::customers::count;
use crate::db::{Connection, Customer, Db, Result, bytes, loaded_time, params, stored_time};

/// What one channel may have waiting of alerts; one more, and the oldest leave and are counted
/// (`notifications_dropped`).
pub const MAX_WAITING: u32 = 1000;

/// What one channel may have waiting of finished calls; further ones are counted
/// (`call_notifications_dropped`).
pub const MAX_CALLS_WAITING: u32 = 20_000;

/// An alert's first message waits for so long, seconds: what happens at the same time is in it too.
pub const GATHER_SECONDS: u64 = 20;

/// What is told in one message, at most.
pub const MAX_AT_ONCE: u32 = 200;

/// Something to tell of an alert.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// Its number.
    pub id: i64,
    /// The alert, as it is now.
    pub alert: Alert,
    /// It opened; else it closed.
    pub is_opening: bool,
    /// When it was written.
    pub created_at: UnixMicros,
    /// How often it was tried.
    pub attempts: u32,
}

/// A finished call to tell of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallDelivery {
    /// Its number.
    pub id: i64,
    /// The call.
    pub call: CallId,
    /// When it was written.
    pub created_at: UnixMicros,
    /// How often it was tried.
    pub attempts: u32,
}

/// One of the two queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// Of alerts.
    Alerts,
    /// Of finished calls.
    Calls,
}

impl Queue {
    const fn table(self) -> &'static str {
        match self {
            Self::Alerts => "alert_delivery",
            Self::Calls => "call_delivery",
        }
    }
}

/// Queues an alert's opening or closing for channels.
pub(super) fn push(
    tx: &Connection,
    customer: Customer,
    (alert, is_opening): (i64, bool),
    channels: &[i64],
    now: UnixMicros,
) -> Result<()> {
    for channel in channels {
        tx.prepare_cached(
            "INSERT INTO alert_delivery (customer, channel, alert, is_opening, created_at, due_at, \
             attempts) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0)",
        )?
        .execute(params![
            customer.0,
            channel,
            alert,
            is_opening,
            stored_time(now),
            stored_time(now.plus(GATHER_SECONDS * MICROS_PER_SECOND))
        ])?;
        let dropped = tx
            .prepare_cached(
                "DELETE FROM alert_delivery WHERE channel = ?1 AND delivery <= (SELECT delivery \
                 FROM alert_delivery WHERE channel = ?1 ORDER BY delivery DESC LIMIT 1 OFFSET ?2)",
            )?
            .execute(params![channel, MAX_WAITING])?;
        count(tx, customer, "notifications_dropped", u32::try_from(dropped).unwrap_or(u32::MAX))?;
    }
    Ok(())
}

/// The customer's channels that are told of finished calls, with how many each has waiting.
pub(crate) fn call_channels(tx: &Connection, customer: Customer) -> Result<Vec<(i64, u32)>> {
    let mut statement = tx.prepare_cached(
        "SELECT channel, (SELECT count(*) FROM call_delivery WHERE \
         call_delivery.channel = alert_channel.channel) FROM alert_channel WHERE customer = ?1 AND \
         calls IS NOT NULL AND is_enabled <> 0",
    )?;
    let found = statement.query_map([customer.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
    found.collect()
}

/// Queues a finished call for the channels that [`call_channels`] named; how many of these were
/// full.
pub(crate) fn push_call(
    tx: &Connection,
    customer: Customer,
    call: CallId,
    channels: &mut [(i64, u32)],
    now: UnixMicros,
) -> Result<u32> {
    let mut dropped = 0;
    for (channel, waiting) in channels {
        if *waiting >= MAX_CALLS_WAITING {
            dropped += 1;
            continue;
        }
        *waiting += 1;
        tx.prepare_cached(
            "INSERT INTO call_delivery (customer, channel, device, boot, number, created_at, \
             due_at, attempts) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, 0)",
        )?
        .execute(params![
            customer.0,
            *channel,
            call.device.0,
            call.boot.0,
            call.number.cast_signed(),
            stored_time(now)
        ])?;
    }
    Ok(dropped)
}

impl Db {
    /// The channels that have something due, those that wait longest first: one of each customer.
    ///
    /// # Errors
    /// The database's.
    pub fn due_channels(
        &self,
        queue: Queue,
        now: UnixMicros,
        limit: usize,
    ) -> Result<Vec<(Customer, StoredChannel)>> {
        let reader = self.reader();
        let mut statement = reader.prepare_cached(&format!(
            "SELECT {CHANNEL}, alert_channel.customer FROM alert_channel JOIN (SELECT channel AS \
             waiting, min(due_at) AS due FROM {} WHERE due_at <= ?1 GROUP BY channel) AS q ON \
             q.waiting = alert_channel.channel WHERE is_enabled <> 0 ORDER BY due, channel",
            queue.table()
        ))?;
        let mut rows = statement.query([stored_time(now)])?;
        let mut found: Vec<(Customer, StoredChannel)> = Vec::new();
        while let Some(row) = rows.next()? {
            let customer = Customer(row.get(10)?);
            if found.iter().all(|(other, _)| *other != customer) {
                found.push((customer, stored_channel(&row)?));
            }
            if found.len() == limit {
                break;
            }
        }
        Ok(found)
    }

    /// Puts off what a channel is due to be told.
    ///
    /// # Errors
    /// The database's.
    pub fn put_off(&self, queue: Queue, channel: i64, until: UnixMicros) -> Result<()> {
        let sql =
            format!("UPDATE {} SET due_at = ?2 WHERE channel = ?1 AND due_at < ?2", queue.table());
        self.write(|tx| {
            tx.execute(&sql, params![channel, stored_time(until)])?;
            Ok(())
        })
    }

    /// Takes away what a channel has been told, and notes that it has.
    ///
    /// # Errors
    /// The database's.
    pub fn told(&self, queue: Queue, channel: i64, ids: &[i64], now: UnixMicros) -> Result<()> {
        self.write(|tx| {
            remove(tx, queue, ids)?;
            tx.execute(
                "UPDATE alert_channel SET tried_at = ?2, sent_at = ?2, error = NULL WHERE \
                 channel = ?1",
                params![channel, stored_time(now)],
            )?;
            Ok(())
        })
    }

    /// Notes that a channel did not take what it was told: again at `again`, except what is given
    /// up, which is counted.
    ///
    /// # Errors
    /// The database's.
    pub fn not_told(
        &self,
        queue: Queue,
        (customer, channel): (Customer, i64),
        (error, given_up): (&str, &[i64]),
        again: UnixMicros,
        now: UnixMicros,
    ) -> Result<()> {
        let sql = format!(
            "UPDATE {} SET due_at = ?2, attempts = attempts + 1 WHERE channel = ?1 AND due_at <= ?2",
            queue.table()
        );
        self.write(|tx| {
            remove(tx, queue, given_up)?;
            let many = u32::try_from(given_up.len()).unwrap_or(u32::MAX);
            count(tx, customer, "notifications_failed", many)?;
            tx.execute(&sql, params![channel, stored_time(again)])?;
            tx.execute(
                "UPDATE alert_channel SET tried_at = ?2, error = ?3 WHERE channel = ?1",
                params![channel, stored_time(now), error],
            )?;
            Ok(())
        })
    }
}

fn remove(tx: &Connection, queue: Queue, ids: &[i64]) -> Result<()> {
    let sql = format!("DELETE FROM {} WHERE delivery = ?1", queue.table());
    let mut statement = tx.prepare_cached(&sql)?;
    for id in ids {
        statement.execute([id])?;
    }
    Ok(())
}

/// What a channel has to be told of alerts, in order; those that are not due yet go along. And the
/// numbers of deliveries whose alert is gone.
///
/// # Errors
/// The database's.
pub fn waiting(db: &Db, scope: &Scope, channel: i64) -> Result<(Vec<Delivery>, Vec<i64>)> {
    let (mut found, mut orphans) = (Vec::new(), Vec::new());
    for (id, alert, is_opening, created_at, attempts) in rows(db, scope, channel)? {
        match log::one(db, scope, alert)? {
            Some(alert) => found.push(Delivery { id, alert, is_opening, created_at, attempts }),
            None => orphans.push(id),
        }
    }
    Ok((found, orphans))
}

type DeliveryRow = (i64, i64, bool, UnixMicros, u32);

fn rows(db: &Db, scope: &Scope, channel: i64) -> Result<Vec<DeliveryRow>> {
    let reader = db.reader();
    let mut statement = reader.prepare_cached(
        "SELECT delivery, alert, is_opening, created_at, attempts FROM alert_delivery WHERE \
         customer = ?1 AND channel = ?2 ORDER BY delivery LIMIT ?3",
    )?;
    let found = statement.query_map(params![scope.customer().0, channel, MAX_AT_ONCE], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, loaded_time(row.get(3)?), row.get(4)?))
    })?;
    found.collect()
}

/// Finished calls that a channel is due to be told of, in order, `limit` at most.
///
/// # Errors
/// The database's.
pub fn waiting_calls(
    db: &Db,
    scope: &Scope,
    channel: i64,
    limit: u32,
) -> Result<Vec<CallDelivery>> {
    let reader = db.reader();
    let mut statement = reader.prepare_cached(
        "SELECT delivery, device, boot, number, created_at, attempts FROM call_delivery WHERE \
         customer = ?1 AND channel = ?2 ORDER BY delivery LIMIT ?3",
    )?;
    let mut rows = statement.query(params![scope.customer().0, channel, limit])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let (device, boot): (Vec<u8>, Vec<u8>) = (row.get(1)?, row.get(2)?);
        let call = CallId {
            device: Fingerprint(bytes(&device, "a call's sensor")?),
            boot: Boot(bytes(&boot, "a call's boot")?),
            number: row.get::<_, i64>(3)?.cast_unsigned(),
        };
        let created_at = loaded_time(row.get(4)?);
        found.push(CallDelivery { id: row.get(0)?, call, created_at, attempts: row.get(5)? });
    }
    Ok(found)
}

/// How much each of the customer's channels has waiting, of both kinds.
///
/// # Errors
/// The database's.
pub fn lengths(db: &Db, scope: &Scope) -> Result<Vec<(i64, u64)>> {
    let reader = db.reader();
    let mut statement = reader.prepare_cached(
        "SELECT channel, count(*) FROM (SELECT channel FROM alert_delivery WHERE customer = ?1 \
         UNION ALL SELECT channel FROM call_delivery WHERE customer = ?1) AS q GROUP BY channel",
    )?;
    let found = statement.query_map([scope.customer().0], |row| {
        Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs()))
    })?;
    found.collect()
}
