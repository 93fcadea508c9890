//! A device becomes somebody's by its claim code.

use ringside_protocol::cdr::Fingerprint;
use ringside_protocol::message::Hello;
use ringside_protocol::time::UnixMicros;

use super::customers::audit;
use super::sensors::{clip, find, fingerprint, join};
use super::{Db, OptionalExtension, Result};
use crate::auth::Admin;

impl Db {
    /// The name of the customer that a device belongs to, revoked or not.
    ///
    /// # Errors
    /// The database's.
    pub fn customer_of(&self, device: Fingerprint) -> Result<Option<String>> {
        let reader = self.reader();
        let mut statement = reader.prepare_cached(
            "SELECT customer.name FROM sensor JOIN customer USING (customer) WHERE device = ?1",
        )?;
        statement.query_row([device.0], |row| row.get(0)).optional()
    }
}

/// Makes the device of `hello`, which has proved its key, a sensor of the administrator's customer;
/// false where it belongs to somebody already.
///
/// # Errors
/// The database's.
pub fn accept(db: &Db, admin: &Admin<'_>, hello: &Hello, now: UnixMicros) -> Result<bool> {
    let device = fingerprint(&hello.device_key);
    db.write(|tx| {
        if find(tx, device)?.is_some() {
            return Ok(false);
        }
        join(tx, admin.customer(), device, hello, now)?;
        let detail = format!("{} ({device})", clip(&hello.name));
        audit(tx, Some(admin.customer()), now, admin.who(), "sensor.claim", &detail)?;
        Ok(true)
    })
}
