//! Which sensor is to install which package, ring after ring, and how far each is.
//!
//! ```text
//!  waiting --its ring opens--> offered --> downloading --> checking --> on_trial --> done
//!                                 |             |              |            +------> rolled_back
//!                                 +-------------+--------------+-------------------> refused
//!  waiting, offered, downloading --somebody cancels--> cancelled
//! ```
//!
//! The next ring opens when all of the present one are done. A sensor that goes back or refuses pauses
//! the rollout, until somebody lets it go on.

use ringside_protocol::cdr::Fingerprint;
use ringside_protocol::push::{Order, PIECE_BYTES, Progress};
use ringside_protocol::time::UnixMicros;
use ringside_protocol::words::plural;

use super::customers::audit;
use super::packages::{self, Package, stored};
use super::sensors::clip;
use super::{
    Connection, Customer, Db, OptionalExtension, Result, Row, bytes, loaded_time, params,
    stored_time,
};
use crate::auth::{Admin, Scope};

#[cfg(test)]
mod tests;

/// Rollouts of a customer that are remembered; the oldest that are over leave.
pub const MAX_ROLLOUTS: usize = 50;

/// Sensors of one rollout.
pub const MAX_SENSORS: usize = 2000;

/// How far a sensor has come is written down after so many pieces: each note is a commit.
const NOTED_EVERY: u64 = 4 * PIECE_BYTES as u64;

/// How far an order is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Its ring is not open.
    Waiting,
    /// The sensor is told when it is there.
    Offered,
    /// It fetches the package.
    Downloading,
    /// It looks at the package.
    Checking,
    /// The new program has to prove itself.
    OnTrial,
    /// It has.
    Done,
    /// It has not, and the old one runs.
    RolledBack,
    /// The sensor did not install it.
    Refused,
    /// Somebody has taken it back.
    Cancelled,
}

impl State {
    const ALL: [Self; 9] = [
        Self::Waiting,
        Self::Offered,
        Self::Downloading,
        Self::Checking,
        Self::OnTrial,
        Self::Done,
        Self::RolledBack,
        Self::Refused,
        Self::Cancelled,
    ];

    /// As it is stored and told.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Offered => "offered",
            Self::Downloading => "downloading",
            Self::Checking => "checking",
            Self::OnTrial => "on_trial",
            Self::Done => "done",
            Self::RolledBack => "rolled_back",
            Self::Refused => "refused",
            Self::Cancelled => "cancelled",
        }
    }

    fn named(name: &str) -> Self {
        // A word that is none ends the order.
        Self::ALL.into_iter().find(|state| state.name() == name).unwrap_or(Self::Cancelled)
    }

    /// Whether the sensor has to know of it.
    #[must_use]
    pub const fn is_told(self) -> bool {
        matches!(self, Self::Offered | Self::Downloading | Self::Checking | Self::OnTrial)
    }

    /// Whether nothing more comes of it.
    #[must_use]
    pub const fn is_over(self) -> bool {
        !self.is_told() && !matches!(self, Self::Waiting)
    }

    /// Whether it ended otherwise than it should.
    #[must_use]
    pub const fn is_failed(self) -> bool {
        matches!(self, Self::RolledBack | Self::Refused)
    }
}

/// One sensor's part of a rollout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderRow {
    /// Its number.
    pub number: u64,
    /// The rollout that it belongs to.
    pub rollout: i64,
    /// The sensor.
    pub device: Fingerprint,
    /// The package.
    pub package: i64,
    /// When it is its turn.
    pub ring: u8,
    /// How far it is.
    pub state: State,
    /// Why it failed.
    pub why: String,
    /// Bytes that the sensor has.
    pub fetched: u64,
    /// The last time that this changed.
    pub changed_at: UnixMicros,
}

/// A rollout with its sensors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rollout {
    /// Its number.
    pub id: i64,
    /// The package.
    pub package: i64,
    /// Its version.
    pub version: String,
    /// `running`, `paused`, `done` or `cancelled`.
    pub state: String,
    /// The newest ring that is open.
    pub ring: u8,
    /// Why it is paused.
    pub why: String,
    /// Who has begun it.
    pub created_by: String,
    /// When.
    pub created_at: UnixMicros,
    /// Ring by ring.
    pub orders: Vec<OrderRow>,
}

/// Begins a rollout to `devices`, in rings of one, a tenth and the rest where `in_rings`. Gives its
/// number; the device that has an order already is the inner error.
///
/// # Errors
/// The database's.
pub fn begin(
    db: &Db,
    admin: &Admin<'_>,
    package: &Package,
    devices: &[Fingerprint],
    in_rings: bool,
    now: UnixMicros,
) -> Result<core::result::Result<i64, Fingerprint>> {
    let customer = admin.customer();
    db.write(|tx| {
        for device in devices {
            if newest_of(tx, *device)?.is_some_and(|order| !order.state.is_over()) {
                return Ok(Err(*device));
            }
        }
        forget_old(tx, customer)?;
        let at = stored_time(now);
        let rollout: i64 = tx.query_row(
            "INSERT INTO rollout (customer, package, version, state, ring, why, created_by, \
             created_at, changed_at) VALUES (?1, ?2, ?3, 'running', 0, '', ?4, ?5, ?5) RETURNING \
             rollout",
            params![customer.0, package.id, package.version, admin.who(), at],
            |row| row.get(0),
        )?;
        for (place, device) in devices.iter().enumerate() {
            let ring = if in_rings { ring(place, devices.len()) } else { 0 };
            let state = if ring == 0 { State::Offered } else { State::Waiting };
            tx.execute(
                "INSERT INTO upgrade_order (number, rollout, customer, device, package, ring, \
                 state, why, fetched, changed_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, '', 0, ?8)",
                params![
                    next_number(tx, now)?,
                    rollout,
                    customer.0,
                    device.0,
                    package.id,
                    ring,
                    state.name(),
                    at
                ],
            )?;
        }
        let many = plural(devices.len(), "sensor");
        let detail = format!("{} to {many}", package.version);
        audit(tx, Some(customer), now, admin.who(), "upgrade.begin", &detail)?;
        Ok(Ok(rollout))
    })
}

/// One, then a tenth of all, then the rest.
const fn ring(place: usize, all: usize) -> u8 {
    if place == 0 {
        0
    } else if place < 1 + all.div_ceil(10) {
        1
    } else {
        2
    }
}

/// Lets a paused rollout go on, whatever has failed; false where there is none.
///
/// # Errors
/// The database's.
pub fn resume(db: &Db, admin: &Admin<'_>, id: i64, now: UnixMicros) -> Result<bool> {
    db.write(|tx| {
        let Some(rollout) = rollout_of(tx, admin.customer(), id)? else { return Ok(false) };
        if rollout.state != "paused" {
            return Ok(true);
        }
        set(tx, id, "running", "", rollout.ring, now)?;
        // The ring counts as done, whatever has failed in it.
        open_next(tx, id, now)?;
        let who = admin.who();
        audit(tx, Some(admin.customer()), now, who, "upgrade.resume", &rollout.version)?;
        Ok(true)
    })
}

/// Takes back what has not been fetched; what is installed already goes on. False where there is none.
///
/// # Errors
/// The database's.
pub fn cancel(db: &Db, admin: &Admin<'_>, id: i64, now: UnixMicros) -> Result<bool> {
    db.write(|tx| {
        let Some(rollout) = rollout_of(tx, admin.customer(), id)? else { return Ok(false) };
        tx.execute(
            "UPDATE upgrade_order SET state = 'cancelled', changed_at = ?2 WHERE rollout = ?1 AND \
             state IN ('waiting', 'offered', 'downloading')",
            params![id, stored_time(now)],
        )?;
        set(tx, id, "cancelled", "", rollout.ring, now)?;
        let who = admin.who();
        audit(tx, Some(admin.customer()), now, who, "upgrade.cancel", &rollout.version)?;
        Ok(true)
    })
}

/// The customer's rollouts, the newest first.
///
/// # Errors
/// The database's.
pub fn list(db: &Db, scope: &Scope) -> Result<Vec<Rollout>> {
    let reader = db.reader();
    let mut statement = reader
        .prepare_cached("SELECT rollout FROM rollout WHERE customer = ?1 ORDER BY rollout DESC")?;
    let ids = statement.query_map([scope.customer().0], |row| row.get(0))?;
    let ids = ids.collect::<Result<Vec<i64>>>()?;
    let rollouts = ids.into_iter().map(|id| rollout_of(&reader, scope.customer(), id));
    Ok(rollouts.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
}

impl Db {
    /// The newest order of a sensor, with its package's length and version.
    ///
    /// # Errors
    /// The database's.
    pub fn order_of(&self, device: Fingerprint) -> Result<Option<(OrderRow, u64, String)>> {
        let reader = self.reader();
        let Some(order) = newest_of(&reader, device)? else { return Ok(None) };
        let package = packages::one(&reader, order.package)?;
        let version: Option<String> = reader
            .query_row("SELECT version FROM rollout WHERE rollout = ?1", [order.rollout], |row| {
                row.get(0)
            })
            .optional()?;
        let length = package.map_or(0, |package| package.bytes);
        Ok(Some((order, length, version.unwrap_or_default())))
    }

    /// What a sensor has to be told to install.
    ///
    /// # Errors
    /// The database's.
    pub fn order_for(&self, device: Fingerprint) -> Result<Option<Order>> {
        let reader = self.reader();
        let order = newest_of(&reader, device)?.filter(|order| order.state.is_told());
        let Some(order) = order else { return Ok(None) };
        let package = packages::one(&reader, order.package)?;
        Ok(package.map(|package| Order {
            order: order.number,
            version: package.version,
            bytes: package.bytes,
            sha256: package.sha256,
            signature: package.signature,
        }))
    }

    /// The piece that a sensor wants; empty where its order no longer stands. Answers whether there
    /// is something new for pages, too.
    ///
    /// # Errors
    /// The database's.
    pub fn fetch_piece(
        &self,
        device: Fingerprint,
        number: u64,
        offset: u64,
        now: UnixMicros,
    ) -> Result<(Vec<u8>, bool)> {
        let order = newest_of(&self.reader(), device)?;
        let order = order.filter(|it| it.number == number && it.state.is_told());
        let Some(order) = order else { return Ok((Vec::new(), false)) };
        if !offset.is_multiple_of(PIECE_BYTES as u64) {
            return Ok((Vec::new(), false));
        }
        let piece = packages::piece(self, order.package, offset)?;
        let is_news = order.state != State::Downloading || offset >= order.fetched + NOTED_EVERY;
        if is_news {
            self.write(|tx| {
                tx.execute(
                    "UPDATE upgrade_order SET state = 'downloading', fetched = ?2, changed_at = ?3 \
                     WHERE number = ?1",
                    params![stored(number), stored(offset), stored_time(now)],
                )?;
                Ok(())
            })?;
        }
        Ok((piece, is_news))
    }

    /// Notes how far a sensor is. Answers whether its order stands, and which sensors have something
    /// to be told now.
    ///
    /// # Errors
    /// The database's.
    pub fn note_progress(
        &self,
        device: Fingerprint,
        number: u64,
        progress: &Progress,
        now: UnixMicros,
    ) -> Result<(bool, Vec<Fingerprint>)> {
        self.write(|tx| {
            let order = newest_of(tx, device)?;
            let order = order.filter(|it| it.number == number && it.state.is_told());
            let Some(order) = order else { return Ok((false, Vec::new())) };
            let (state, why) = match progress {
                Progress::Checking => (State::Checking, ""),
                Progress::OnTrial => (State::OnTrial, ""),
                Progress::Done => (State::Done, ""),
                Progress::RolledBack { why } => (State::RolledBack, why.as_str()),
                Progress::Refused { why } => (State::Refused, why.as_str()),
            };
            let length = packages::one(tx, order.package)?.map_or(order.fetched, |it| it.bytes);
            tx.execute(
                "UPDATE upgrade_order SET state = ?2, why = ?3, fetched = ?4, changed_at = ?5 \
                 WHERE number = ?1",
                params![stored(number), state.name(), long(why), stored(length), stored_time(now)],
            )?;
            if !state.is_over() {
                return Ok((true, Vec::new()));
            }
            Ok((true, advance(tx, &order, now)?))
        })
    }
}

/// Opens the next ring, pauses, or ends a rollout after one of its sensors is through. Gives the
/// sensors whose turn it is.
fn advance(tx: &Connection, order: &OrderRow, now: UnixMicros) -> Result<Vec<Fingerprint>> {
    let customer: i64 =
        tx.query_row("SELECT customer FROM rollout WHERE rollout = ?1", [order.rollout], |row| {
            row.get(0)
        })?;
    let Some(rollout) = rollout_of(tx, Customer(customer), order.rollout)? else {
        return Ok(Vec::new());
    };
    let present = rollout.orders.iter().filter(|it| it.ring <= rollout.ring);
    let is_more = rollout.orders.iter().any(|it| it.state == State::Waiting);
    // What failed in an earlier ring, somebody has let pass.
    let of_ring = present.clone().filter(|it| it.ring == rollout.ring);
    let failed = of_ring.filter(|it| it.state.is_failed()).count();
    if rollout.state == "running" && is_more && failed > 0 {
        let why = format!(
            "{} did not take it: see why, and let it go on or cancel it",
            plural(failed, "sensor")
        );
        set(tx, rollout.id, "paused", &why, rollout.ring, now)?;
        return Ok(Vec::new());
    }
    if !present.clone().all(|it| it.state.is_over()) {
        return Ok(Vec::new());
    }
    if is_more && rollout.state == "running" {
        return open_next(tx, rollout.id, now);
    }
    if !is_more && rollout.state != "cancelled" {
        set(tx, rollout.id, "done", "", rollout.ring, now)?;
    }
    Ok(Vec::new())
}

/// Opens the next ring that has sensors, and gives these.
fn open_next(tx: &Connection, id: i64, now: UnixMicros) -> Result<Vec<Fingerprint>> {
    let next: Option<u8> = tx.query_row(
        "SELECT min(ring) FROM upgrade_order WHERE rollout = ?1 AND state = 'waiting'",
        [id],
        |row| row.get(0),
    )?;
    let Some(next) = next else { return Ok(Vec::new()) };
    set(tx, id, "running", "", next, now)?;
    let mut statement = tx.prepare_cached(
        "UPDATE upgrade_order SET state = 'offered', changed_at = ?3 WHERE rollout = ?1 AND ring = \
         ?2 AND state = 'waiting' RETURNING device",
    )?;
    let mut rows = statement.query(params![id, next, stored_time(now)])?;
    let mut devices = Vec::new();
    while let Some(row) = rows.next()? {
        let device: Vec<u8> = row.get(0)?;
        devices.push(Fingerprint(bytes(&device, "an order's device")?));
    }
    Ok(devices)
}

fn set(tx: &Connection, id: i64, state: &str, why: &str, ring: u8, now: UnixMicros) -> Result<()> {
    tx.execute(
        "UPDATE rollout SET state = ?2, why = ?3, ring = ?4, changed_at = ?5 WHERE rollout = ?1",
        params![id, state, why, ring, stored_time(now)],
    )?;
    Ok(())
}

/// Numbers go with time, so that none is given twice, whatever was forgotten.
fn next_number(tx: &Connection, now: UnixMicros) -> Result<i64> {
    let last: Option<i64> =
        tx.query_row("SELECT max(number) FROM upgrade_order", [], |row| row.get(0))?;
    Ok(stored_time(now).max(last.unwrap_or_default() + 1))
}

fn forget_old(tx: &Connection, customer: Customer) -> Result<()> {
    let mut statement = tx.prepare_cached(
        "SELECT rollout FROM rollout WHERE customer = ?1 AND state IN ('done', 'cancelled') ORDER \
         BY rollout DESC",
    )?;
    let old = statement.query_map([customer.0], |row| row.get(0))?;
    let old = old.collect::<Result<Vec<i64>>>()?;
    for id in old.into_iter().skip(MAX_ROLLOUTS - 1) {
        tx.execute("DELETE FROM upgrade_order WHERE rollout = ?1", [id])?;
        tx.execute("DELETE FROM rollout WHERE rollout = ?1", [id])?;
    }
    Ok(())
}

const ORDER: &str = "number, rollout, device, package, ring, state, why, fetched, changed_at";

fn newest_of(connection: &Connection, device: Fingerprint) -> Result<Option<OrderRow>> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {ORDER} FROM upgrade_order WHERE device = ?1 ORDER BY number DESC LIMIT 1"
    ))?;
    let mut rows = statement.query([device.0])?;
    rows.next()?.map(|row| load(&row)).transpose()
}

fn rollout_of(connection: &Connection, customer: Customer, id: i64) -> Result<Option<Rollout>> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {ORDER} FROM upgrade_order WHERE rollout = ?1 ORDER BY ring, number"
    ))?;
    let mut rows = statement.query([id])?;
    let mut orders = Vec::new();
    while let Some(row) = rows.next()? {
        orders.push(load(&row)?);
    }
    let mut statement = connection.prepare_cached(
        "SELECT package, version, state, ring, why, created_by, created_at FROM rollout WHERE \
         rollout = ?1 AND customer = ?2",
    )?;
    let found = statement.query_row(params![id, customer.0], |row| {
        Ok(Rollout {
            id,
            package: row.get(0)?,
            version: row.get(1)?,
            state: row.get(2)?,
            ring: row.get(3)?,
            why: row.get(4)?,
            created_by: row.get(5)?,
            created_at: loaded_time(row.get(6)?),
            orders,
        })
    });
    found.optional()
}

fn load(row: &Row<'_>) -> Result<OrderRow> {
    let device: Vec<u8> = row.get("device")?;
    let state: String = row.get("state")?;
    let number = |name: &str| -> Result<u64> {
        Ok(u64::try_from(row.get::<_, i64>(name)?).unwrap_or_default())
    };
    Ok(OrderRow {
        number: number("number")?,
        rollout: row.get("rollout")?,
        device: Fingerprint(bytes(&device, "an order's device")?),
        package: row.get("package")?,
        ring: row.get("ring")?,
        state: State::named(&state),
        why: row.get("why")?,
        fetched: number("fetched")?,
        changed_at: loaded_time(row.get("changed_at")?),
    })
}

/// A sensor's reason, on one line.
fn long(why: &str) -> String {
    // Twice as long as what a device says about itself: it tells what to do, too.
    let (head, rest) = why.split_at(why.char_indices().nth(128).map_or(why.len(), |(at, _)| at));
    clip(head) + &clip(rest)
}
