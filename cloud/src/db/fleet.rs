//! A customer's sensors as its people see them, and the devices that belong to nobody.

use ringside_protocol::cdr::Fingerprint;
use ringside_protocol::time::UnixMicros;

use super::sensors::{Sensor, Stranger};
use super::{Db, OptionalExtension, Result, params};
use crate::auth::{Admin, Scope};

/// All sensors of the customer, by their numbers.
///
/// # Errors
/// The database's.
pub fn sensors(db: &Db, scope: &Scope) -> Result<Vec<Sensor>> {
    db.list_sensors(Some(scope.customer()))
}

/// One sensor of the customer.
///
/// # Errors
/// The database's.
pub fn sensor(db: &Db, scope: &Scope, device: Fingerprint) -> Result<Option<Sensor>> {
    let found = db.find_sensor(device)?;
    Ok(found.filter(|sensor| sensor.customer == scope.customer()))
}

/// The Ed25519 key of a sensor of the customer.
///
/// # Errors
/// The database's.
pub fn device_key(db: &Db, scope: &Scope, device: Fingerprint) -> Result<Option<Vec<u8>>> {
    let reader = db.reader();
    let mut statement = reader
        .prepare_cached("SELECT device_key FROM sensor WHERE customer = ?1 AND device = ?2")?;
    let found = statement.query_row(params![scope.customer().0, device.0], |row| row.get(0));
    found.optional()
}

/// Revokes a sensor of the customer; false where it has no such sensor.
///
/// # Errors
/// The database's.
pub fn revoke(db: &Db, admin: &Admin<'_>, device: Fingerprint, now: UnixMicros) -> Result<bool> {
    if sensor(db, admin, device)?.is_none() {
        return Ok(false);
    }
    db.revoke_sensor(device, admin.who(), now)
}

/// Devices that belong to nobody, those that tried last first, and how many customers the service
/// has: with more than one, an administrator may be shown only those that are near.
///
/// # Errors
/// The database's.
pub fn strangers(db: &Db, _admin: &Admin<'_>) -> Result<(Vec<Stranger>, usize)> {
    Ok((db.strangers()?, db.customers()?.len()))
}
