//! The channels granted to sensors, as they are kept: written before they are sent.

use ringside_protocol::cdr::Fingerprint;
use ringside_protocol::message::{Heartbeat, Hello, Lease};
use ringside_protocol::step::Failure;
use ringside_protocol::time::UnixMicros;

use super::{
    Connection, Customer, Db, OptionalExtension, Result, bytes, loaded_time, params, sensors, sums,
};
use crate::uplink::lease::{Share, reallocate};

/// A grant as it stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Grant {
    /// What the sensor is told.
    pub lease: Lease,
    /// Channels held back for it until it acknowledges.
    pub reserved: u16,
}

/// A session may be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// Whose sensor it is.
    pub customer: Customer,
    /// Its name.
    pub customer_name: String,
    /// The sensor's number.
    pub id_sensor: u16,
    /// Its share.
    pub lease: Lease,
    /// Sensors that are to be told of their grants.
    pub changed: Vec<Fingerprint>,
}

/// A heartbeat is noted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beaten {
    /// The sensor's share.
    pub lease: Lease,
    /// Sensors that are to be told of their grants.
    pub changed: Vec<Fingerprint>,
}

impl Db {
    /// Admits a device that has proved its key: checks that it belongs to a customer and is not
    /// shut out, gives it its number and its channels.
    ///
    /// # Errors
    /// The database's; a refusal is the inner error, and nothing is written then.
    pub fn admit(
        &self,
        device: Fingerprint,
        hello: &Hello,
        address: &str,
        now: UnixMicros,
    ) -> Result<core::result::Result<Admitted, Failure>> {
        self.write(|tx| {
            let Some(sensor) = sensors::find(tx, device)? else {
                return Ok(Err(Failure::NotEnrolled));
            };
            if sensor.is_revoked {
                return Ok(Err(Failure::Revoked));
            }
            let customer = sensor.customer;
            let claimed =
                sensors::claim_number(tx, customer, device, sensor.id_sensor, hello.id_sensor)?;
            let id_sensor = match claimed {
                Ok(id_sensor) => id_sensor,
                Err(failure) => return Ok(Err(failure)),
            };
            sensors::accepted(tx, device, hello, address, now)?;
            let changed = share_out(tx, customer, device, now)?;
            let customer_name = tx.query_row(
                "SELECT name FROM customer WHERE customer = ?1",
                [customer.0],
                |row| row.get(0),
            )?;
            let lease = grant(tx, device)?.unwrap_or_default().lease;
            Ok(Ok(Admitted { customer, customer_name, id_sensor, lease, changed }))
        })
    }

    /// Notes a heartbeat and shares the customer's channels out anew. A sensor that leaves gives its
    /// own back: it believes in none when it starts again.
    ///
    /// # Errors
    /// The database's.
    pub fn heartbeat(
        &self,
        customer: Customer,
        device: Fingerprint,
        heartbeat: &Heartbeat,
        now: UnixMicros,
    ) -> Result<Beaten> {
        self.write(|tx| {
            sums::sample(tx, customer, device, heartbeat.channels, now)?;
            sensors::beat(tx, device, heartbeat, now)?;
            if heartbeat.is_leaving {
                give_back(tx, device)?;
            }
            let changed = share_out(tx, customer, device, now)?;
            Ok(Beaten { lease: grant(tx, device)?.unwrap_or_default().lease, changed })
        })
    }

    /// A sensor's grant as it stands; `None` for a device that belongs to nobody.
    ///
    /// # Errors
    /// The database's.
    pub fn grant(&self, device: Fingerprint) -> Result<Option<Grant>> {
        grant(&self.reader(), device)
    }
}

fn give_back(tx: &Connection, device: Fingerprint) -> Result<()> {
    tx.prepare_cached(
        "UPDATE sensor SET lease_serial = (lease_serial + 1) & 4294967295, lease_channels = 0, \
         lease_reserved = 0, channels = 0 WHERE device = ?1",
    )?
    .execute([device.0])?;
    Ok(())
}

/// Shares a customer's channels out anew; answers who is to be told. `device` learns of its grant
/// by the answer that it waits for, and is told once more only if it has channels to give back, so
/// that it acknowledges at once.
fn share_out(
    tx: &Connection,
    customer: Customer,
    device: Fingerprint,
    now: UnixMicros,
) -> Result<Vec<Fingerprint>> {
    let total: u16 = tx
        .prepare_cached("SELECT channels FROM customer WHERE customer = ?1")?
        .query_row([customer.0], |row| row.get(0))?;
    let (devices, mut shares) = load(tx, customer, now)?;
    let mut store = tx.prepare_cached(
        "UPDATE sensor SET lease_serial = ?2, lease_channels = ?3, lease_reserved = ?4 WHERE \
         device = ?1",
    )?;
    let mut changed = Vec::new();
    for index in reallocate(total, &mut shares) {
        let share = shares[index];
        store.execute(params![devices[index].0, share.serial, share.channels, share.reserved])?;
        if devices[index] != device || share.reserved > share.channels {
            changed.push(devices[index]);
        }
    }
    Ok(changed)
}

fn load(
    tx: &Connection,
    customer: Customer,
    now: UnixMicros,
) -> Result<(Vec<Fingerprint>, Vec<Share>)> {
    let mut statement = tx.prepare_cached(
        "SELECT device, lease_serial, lease_channels, lease_reserved, channels, seen_at, \
         CASE WHEN lease_reserved = 0 AND heartbeat_at >= seen_at THEN heartbeat END FROM sensor WHERE \
         customer = ?1 AND is_revoked = 0 ORDER BY device",
    )?;
    let mut rows = statement.query([customer.0])?;
    let (mut devices, mut shares) = (Vec::new(), Vec::new());
    while let Some(row) = rows.next()? {
        let device: Vec<u8> = row.get(0)?;
        devices.push(Fingerprint(bytes(&device, "a sensor's fingerprint")?));
        let seen_at: Option<i64> = row.get(5)?;
        // Read for those only that have nothing: a sensor that has left is one of them.
        let last_word: Option<Vec<u8>> = row.get(6)?;
        let has_left = last_word.is_some_and(|stored| sensors::says_leave(&stored));
        shares.push(Share {
            serial: row.get(1)?,
            channels: row.get(2)?,
            reserved: row.get(3)?,
            in_use: row.get(4)?,
            is_online: !has_left
                && seen_at.is_some_and(|at| sensors::is_recent(loaded_time(at), now)),
        });
    }
    Ok((devices, shares))
}

fn grant(connection: &Connection, device: Fingerprint) -> Result<Option<Grant>> {
    let row = connection
        .prepare_cached(
            "SELECT lease_serial, lease_channels, lease_reserved FROM sensor WHERE device = ?1",
        )?
        .query_row([device.0], |row| {
            let lease = Lease { serial: row.get(0)?, channels: row.get(1)? };
            Ok(Grant { lease, reserved: row.get(2)? })
        })
        .optional()?;
    Ok(row)
}
