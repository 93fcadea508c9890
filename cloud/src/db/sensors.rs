//! Sensors: who they are, how they are, and how their last attempt to connect ended.

use ring::digest::{SHA256, digest};
use ringside_protocol::cdr::{Boot, Fingerprint};
use ringside_protocol::message::{Heartbeat, Hello};
use ringside_protocol::step::Failure;
use ringside_protocol::time::{MICROS_PER_SECOND, UnixMicros};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::customers::audit;
use super::{Customer, Db, Result, Row, bytes, loaded_time, params, stored_time};

mod steps;

pub(crate) use self::steps::{accepted, beat, claim_number, find, join};

/// Seconds between a sensor's heartbeats.
pub const HEARTBEAT_SECONDS: u16 = 30;

/// A sensor that has been silent for so many heartbeats is offline.
pub const MISSED_HEARTBEATS: u64 = 3;

/// Devices that belong to nobody are remembered up to this many; the oldest leave.
pub const MAX_STRANGERS: u32 = 1000;

/// Characters of a text that a device says about itself.
const MAX_TEXT: usize = 128;

/// Bytes of an encoded failure.
const MAX_FAILURE_BYTES: usize = 4096;

/// A device that belongs to a customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sensor {
    /// Fingerprint of its key.
    pub device: Fingerprint,
    /// Whose it is.
    pub customer: Customer,
    /// Its number within the customer, once it has had a session.
    pub id_sensor: Option<u16>,
    /// As it calls itself.
    pub name: String,
    /// Whether a person has shut it out.
    pub is_revoked: bool,
    /// When it joined.
    pub enrolled_at: UnixMicros,
    /// Its last session's boot.
    pub boot: Option<Boot>,
    /// Its product version, of its last session or of a later attempt that proved its key.
    pub software: String,
    /// Target triple of its binary.
    pub target: String,
    /// Git commit of its binary.
    pub commit: String,
    /// Where that came from.
    pub address: String,
    /// When its last session was opened.
    pub accepted_at: Option<UnixMicros>,
    /// Its last message of any kind.
    pub seen_at: Option<UnixMicros>,
    /// Its last heartbeat, with when it came.
    pub heartbeat: Option<(UnixMicros, Heartbeat)>,
    /// `ended_at` of its newest call.
    pub last_cdr_at: Option<UnixMicros>,
    /// Channels granted to it.
    pub lease_channels: u16,
    /// Channels held back for it: the larger grant that it has not yet given back.
    pub lease_reserved: u16,
    /// How its last attempt to connect was refused; `None` after a success.
    pub failure: Option<(UnixMicros, Failure)>,
    /// The last failure that it reported of steps that the cloud cannot see.
    pub reported: Option<(UnixMicros, Failure)>,
}

impl Sensor {
    /// Whether it was heard of within the last [`MISSED_HEARTBEATS`], and has not taken its leave.
    #[must_use]
    pub fn is_online(&self, now: UnixMicros) -> bool {
        !self.is_revoked && !self.has_left() && self.seen_at.is_some_and(|at| is_recent(at, now))
    }

    /// The last that was heard of it: a message, or an attempt to connect.
    #[must_use]
    pub fn heard_at(&self) -> Option<UnixMicros> {
        self.seen_at.max(self.failure.as_ref().map(|(at, _)| *at))
    }

    /// Whether the last that was heard of it is that it stops.
    #[must_use]
    pub fn has_left(&self) -> bool {
        self.heartbeat.as_ref().is_some_and(|(at, it)| it.is_leaving && self.seen_at <= Some(*at))
    }
}

/// Whether something at `at` is within the last [`MISSED_HEARTBEATS`].
#[must_use]
pub fn is_recent(at: UnixMicros, now: UnixMicros) -> bool {
    now.since(at) <= MISSED_HEARTBEATS * u64::from(HEARTBEAT_SECONDS) * MICROS_PER_SECOND
}

/// A device that tried and belongs to nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stranger {
    /// Fingerprint of the key that it showed.
    pub device: Fingerprint,
    /// As it calls itself.
    pub name: String,
    /// Where it came from.
    pub address: String,
    /// Its product version.
    pub software: String,
    /// Its target triple.
    pub target: String,
    /// Why it was refused.
    pub failure: Failure,
    /// When.
    pub at: UnixMicros,
}

/// The parts of a sensor's row that a request is checked against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whose it is.
    pub customer: Customer,
    /// Its number.
    pub id_sensor: Option<u16>,
    /// Whether a person has shut it out.
    pub is_revoked: bool,
}

/// The fingerprint of a device's Ed25519 public key.
#[must_use]
pub fn fingerprint(device_key: &[u8; 32]) -> Fingerprint {
    let hash = digest(&SHA256, device_key);
    let mut short = [0; 16];
    short.copy_from_slice(&hash.as_ref()[..16]);
    Fingerprint(short)
}

impl Db {
    /// How a device stands; `None` for one that belongs to nobody.
    ///
    /// # Errors
    /// The database's.
    pub fn standing(&self, device: Fingerprint) -> Result<Option<Standing>> {
        find(&self.reader(), device)
    }

    /// All sensors, or those of one customer, by customer and number.
    ///
    /// # Errors
    /// The database's.
    pub fn list_sensors(&self, customer: Option<Customer>) -> Result<Vec<Sensor>> {
        let reader = self.reader();
        let mut statement = reader.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM sensor WHERE customer = coalesce(?1, customer) ORDER BY customer, \
             id_sensor, name"
        ))?;
        let mut rows = statement.query([customer.map(|customer| customer.0)])?;
        let mut sensors = Vec::new();
        while let Some(row) = rows.next()? {
            sensors.push(load(&row)?);
        }
        Ok(sensors)
    }

    /// One sensor.
    ///
    /// # Errors
    /// The database's.
    pub fn find_sensor(&self, device: Fingerprint) -> Result<Option<Sensor>> {
        let reader = self.reader();
        let mut statement =
            reader.prepare_cached(&format!("SELECT {COLUMNS} FROM sensor WHERE device = ?1"))?;
        let mut rows = statement.query([device.0])?;
        rows.next()?.map(|row| load(&row)).transpose()
    }

    /// Devices that tried and belong to nobody, the latest first.
    ///
    /// # Errors
    /// The database's.
    pub fn strangers(&self) -> Result<Vec<Stranger>> {
        let reader = self.reader();
        let mut statement = reader.prepare_cached(
            "SELECT device, name, address, software, target, failure, at FROM stranger ORDER BY \
             at DESC",
        )?;
        let mut rows = statement.query([])?;
        let mut strangers = Vec::new();
        while let Some(row) = rows.next()? {
            let device: Vec<u8> = row.get(0)?;
            let failure: Vec<u8> = row.get(5)?;
            strangers.push(Stranger {
                device: Fingerprint(bytes(&device, "a stranger's fingerprint")?),
                name: row.get(1)?,
                address: row.get(2)?,
                software: row.get(3)?,
                target: row.get(4)?,
                failure: decode(&failure).unwrap_or(Failure::NotEnrolled),
                at: loaded_time(row.get(6)?),
            });
        }
        Ok(strangers)
    }

    /// Notes how an attempt of a known device was refused; answers whether the device is known.
    ///
    /// # Errors
    /// The database's.
    pub fn note_failure(
        &self,
        device: Fingerprint,
        failure: &Failure,
        now: UnixMicros,
    ) -> Result<bool> {
        self.write(|tx| {
            let noted = tx
                .prepare_cached(
                    "UPDATE sensor SET failure = ?2, failure_at = ?3 WHERE device = ?1",
                )?
                .execute(params![device.0, encode(failure), stored_time(now)])?;
            Ok(noted == 1)
        })
    }

    /// Notes what a known device, which has proved its key, says about itself and from where, though
    /// it gets no session.
    ///
    /// # Errors
    /// The database's.
    pub fn note_attempt(&self, hello: &Hello, address: &str) -> Result<()> {
        self.write(|tx| {
            tx.prepare_cached(
                "UPDATE sensor SET name = ?2, software = ?3, target = ?4, \"commit\" = ?5, address \
                 = ?6 WHERE device = ?1",
            )?
            .execute(params![
                fingerprint(&hello.device_key).0,
                clip(&hello.name),
                clip(&hello.software),
                clip(&hello.target),
                clip(&hello.commit),
                address
            ])?;
            Ok(())
        })
    }

    /// Notes what a known device reports of steps that the cloud cannot see.
    ///
    /// # Errors
    /// The database's.
    pub fn note_report(
        &self,
        device: Fingerprint,
        failure: &Failure,
        at: UnixMicros,
    ) -> Result<()> {
        self.write(|tx| {
            tx.prepare_cached(
                "UPDATE sensor SET reported = ?2, reported_at = ?3 WHERE device = ?1",
            )?
            .execute(params![device.0, encode(failure), stored_time(at)])?;
            Ok(())
        })
    }

    /// Notes a device that belongs to nobody; at [`MAX_STRANGERS`] the oldest leave. One that has
    /// only said who it is (`failure` is `None`) keeps the failure of an earlier attempt.
    ///
    /// # Errors
    /// The database's.
    pub fn note_stranger(
        &self,
        hello: &Hello,
        address: &str,
        failure: Option<&Failure>,
        now: UnixMicros,
    ) -> Result<()> {
        self.write(|tx| {
            tx.prepare_cached(
                "INSERT INTO stranger (device, name, address, software, target, failure, at) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (device) DO UPDATE SET name = \
                 excluded.name, address = excluded.address, software = excluded.software, target \
                 = excluded.target, at = excluded.at, failure = CASE WHEN ?8 = 1 THEN \
                 excluded.failure ELSE stranger.failure END",
            )?
            .execute(params![
                fingerprint(&hello.device_key).0,
                clip(&hello.name),
                address,
                clip(&hello.software),
                clip(&hello.target),
                encode(failure.unwrap_or(&Failure::NotEnrolled)),
                stored_time(now),
                failure.is_some()
            ])?;
            tx.prepare_cached(
                "DELETE FROM stranger WHERE device NOT IN (SELECT device FROM stranger ORDER BY \
                 at DESC LIMIT ?1)",
            )?
            .execute([MAX_STRANGERS])?;
            Ok(())
        })
    }

    /// Shuts a device out, and gives its channels back; `false` when there is none.
    ///
    /// # Errors
    /// The database's.
    pub fn revoke_sensor(&self, device: Fingerprint, who: &str, now: UnixMicros) -> Result<bool> {
        self.write(|tx| {
            let Some(sensor) = find(tx, device)? else { return Ok(false) };
            tx.execute(
                "UPDATE sensor SET is_revoked = 1, channels = 0, lease_channels = 0, \
                 lease_reserved = 0, lease_serial = lease_serial + 1 WHERE device = ?1",
                [device.0],
            )?;
            audit(tx, Some(sensor.customer), now, who, "sensor.revoke", &device.to_string())?;
            Ok(true)
        })
    }

    /// Forgets a device, and so frees its number and its channels; its calls stay. `false` when
    /// there is none.
    ///
    /// # Errors
    /// The database's.
    pub fn remove_sensor(&self, device: Fingerprint, who: &str, now: UnixMicros) -> Result<bool> {
        self.write(|tx| {
            let Some(sensor) = find(tx, device)? else { return Ok(false) };
            tx.execute("DELETE FROM sensor WHERE device = ?1", [device.0])?;
            audit(tx, Some(sensor.customer), now, who, "sensor.remove", &device.to_string())?;
            Ok(true)
        })
    }
}

const COLUMNS: &str = "device, customer, id_sensor, name, is_revoked, enrolled_at, boot, software, \
                       target, \"commit\", address, accepted_at, seen_at, heartbeat, \
                       heartbeat_at, last_cdr_at, lease_channels, lease_reserved, failure, \
                       failure_at, reported, reported_at";

fn load(row: &Row<'_>) -> Result<Sensor> {
    let device: Vec<u8> = row.get("device")?;
    let boot: Option<Vec<u8>> = row.get("boot")?;
    let boot = boot.map(|boot| bytes(&boot, "a sensor's boot").map(Boot)).transpose()?;
    let time = |name: &str| -> Result<Option<UnixMicros>> {
        Ok(row.get::<_, Option<i64>>(name)?.map(loaded_time))
    };
    Ok(Sensor {
        device: Fingerprint(bytes(&device, "a sensor's fingerprint")?),
        customer: Customer(row.get("customer")?),
        id_sensor: row.get("id_sensor")?,
        name: row.get("name")?,
        is_revoked: row.get("is_revoked")?,
        enrolled_at: loaded_time(row.get("enrolled_at")?),
        boot,
        software: row.get("software")?,
        target: row.get("target")?,
        commit: row.get("commit")?,
        address: row.get("address")?,
        accepted_at: time("accepted_at")?,
        seen_at: time("seen_at")?,
        heartbeat: dated(row, "heartbeat_at", "heartbeat")?,
        last_cdr_at: time("last_cdr_at")?,
        lease_channels: row.get("lease_channels")?,
        lease_reserved: row.get("lease_reserved")?,
        failure: dated(row, "failure_at", "failure")?,
        reported: dated(row, "reported_at", "reported")?,
    })
}

/// A stored message with its time. One that this build cannot read counts as absent.
fn dated<T: DeserializeOwned>(
    row: &Row<'_>,
    at: &str,
    message: &str,
) -> Result<Option<(UnixMicros, T)>> {
    let at: Option<i64> = row.get(at)?;
    let message: Option<Vec<u8>> = row.get(message)?;
    Ok(at.map(loaded_time).zip(message.and_then(|stored| decode(&stored))))
}

/// A text that a device says, short and on one line.
pub(crate) fn clip(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_TEXT).collect()
}

/// A message as it is kept.
pub(crate) fn encode<T: Serialize>(message: &T) -> Vec<u8> {
    postcard::to_stdvec(message).unwrap_or_default()
}

/// Whether a heartbeat as it is kept was the sensor's last word.
pub(super) fn says_leave(stored: &[u8]) -> bool {
    decode::<Heartbeat>(stored).is_some_and(|heartbeat| heartbeat.is_leaving)
}

fn decode<T: DeserializeOwned>(stored: &[u8]) -> Option<T> {
    postcard::take_from_bytes(stored).ok().map(|(message, _)| message)
}

/// Whether a failure that a device reports is short enough to keep.
#[must_use]
pub fn is_keepable(failure: &Failure) -> bool {
    encode(failure).len() <= MAX_FAILURE_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_device_says_about_itself_is_short_and_on_one_line() {
        assert_eq!(clip("gate\n1\u{1b}[31m"), "gate 1 [31m");
        assert_eq!(clip(&"\u{1f4de}".repeat(1000)).chars().count(), MAX_TEXT);
    }
}
