//! What enrolment, handshake and heartbeats write: each is a part of a larger transaction.

use ringside_protocol::cdr::Fingerprint;
use ringside_protocol::message::{Heartbeat, Hello};
use ringside_protocol::step::Failure;
use ringside_protocol::time::UnixMicros;

use super::{Standing, clip, encode};
use crate::db::intake::forget_notices;
use crate::db::{Connection, Customer, OptionalExtension, Result, params, stored_time};

/// How a device stands.
pub(crate) fn find(connection: &Connection, device: Fingerprint) -> Result<Option<Standing>> {
    let row = connection
        .prepare_cached("SELECT customer, id_sensor, is_revoked FROM sensor WHERE device = ?1")?
        .query_row([device.0], |row| {
            Ok(Standing {
                customer: Customer(row.get(0)?),
                id_sensor: row.get(1)?,
                is_revoked: row.get(2)?,
            })
        })
        .optional()?;
    Ok(row)
}

/// Makes a device a sensor of `customer`. One that comes back to its customer keeps its number; one
/// that moves gives up number and channels.
pub(crate) fn join(
    tx: &Connection,
    customer: Customer,
    device: Fingerprint,
    hello: &Hello,
    now: UnixMicros,
) -> Result<()> {
    tx.execute(
        "INSERT INTO sensor (device, customer, device_key, name, enrolled_at) VALUES (?1, ?2, ?3, \
         ?4, ?5) ON CONFLICT (device) DO UPDATE SET
           id_sensor = CASE WHEN sensor.customer = excluded.customer THEN sensor.id_sensor END,
           lease_channels = CASE WHEN sensor.customer = excluded.customer THEN
             sensor.lease_channels ELSE 0 END,
           lease_reserved = CASE WHEN sensor.customer = excluded.customer THEN
             sensor.lease_reserved ELSE 0 END,
           lease_serial = sensor.lease_serial + 1,
           customer = excluded.customer, name = excluded.name, is_revoked = 0,
           enrolled_at = excluded.enrolled_at, failure = NULL, failure_at = NULL",
        params![device.0, customer.0, hello.device_key, clip(&hello.name), stored_time(now)],
    )?;
    tx.execute("DELETE FROM stranger WHERE device = ?1", [device.0])?;
    forget_notices(tx, device)
}

/// The number for a device of `customer`: the one it asks for, else its own, else the lowest free.
pub(crate) fn claim_number(
    tx: &Connection,
    customer: Customer,
    device: Fingerprint,
    own: Option<u16>,
    asked: Option<u16>,
) -> Result<core::result::Result<u16, Failure>> {
    let id_sensor = match (asked, own) {
        (Some(asked), _) => asked,
        (None, Some(own)) => return Ok(Ok(own)),
        (None, None) => match lowest_free(tx, customer)? {
            Some(free) => free,
            None => {
                let limit = format!("{} sensors of a customer", u16::MAX);
                return Ok(Err(Failure::Busy { limit }));
            }
        },
    };
    let other: Option<String> = tx
        .query_row(
            "SELECT name FROM sensor WHERE customer = ?1 AND id_sensor = ?2 AND device <> ?3",
            params![customer.0, id_sensor, device.0],
            |row| row.get(0),
        )
        .optional()?;
    if let Some(by) = other {
        return Ok(Err(Failure::IdTaken { id_sensor, by }));
    }
    tx.execute("UPDATE sensor SET id_sensor = ?2 WHERE device = ?1", params![device.0, id_sensor])?;
    Ok(Ok(id_sensor))
}

fn lowest_free(tx: &Connection, customer: Customer) -> Result<Option<u16>> {
    let mut statement = tx.prepare_cached(
        "SELECT id_sensor FROM sensor WHERE customer = ?1 AND id_sensor >= 1 ORDER BY id_sensor",
    )?;
    let taken = statement.query_map([customer.0], |row| row.get::<_, u16>(0))?;
    let mut free = 1;
    for number in taken {
        if number? != free {
            break;
        }
        let Some(next) = free.checked_add(1) else { return Ok(None) };
        free = next;
    }
    Ok(Some(free))
}

/// Notes that a session is open.
pub(crate) fn accepted(
    tx: &Connection,
    device: Fingerprint,
    hello: &Hello,
    address: &str,
    now: UnixMicros,
) -> Result<()> {
    tx.prepare_cached(
        "UPDATE sensor SET boot = ?2, name = ?3, software = ?4, target = ?5, \"commit\" = ?6, \
         address = ?7, accepted_at = ?8, seen_at = ?8, failure = NULL, failure_at = NULL WHERE \
         device = ?1",
    )?
    .execute(params![
        device.0,
        hello.boot.0,
        clip(&hello.name),
        clip(&hello.software),
        clip(&hello.target),
        clip(&hello.commit),
        address,
        stored_time(now)
    ])?;
    Ok(())
}

/// Notes a heartbeat, and the lease that it acknowledges.
pub(crate) fn beat(
    tx: &Connection,
    device: Fingerprint,
    heartbeat: &Heartbeat,
    now: UnixMicros,
) -> Result<()> {
    tx.prepare_cached(
        "UPDATE sensor SET heartbeat = ?2, heartbeat_at = ?3, seen_at = ?3, channels = ?4, \
         lease_reserved = CASE WHEN lease_serial = ?5 THEN lease_channels ELSE lease_reserved END \
         WHERE device = ?1",
    )?
    .execute(params![
        device.0,
        encode(heartbeat),
        stored_time(now),
        heartbeat.channels,
        heartbeat.lease_serial
    ])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::tests::Folder;

    #[test]
    fn numbers_are_given_from_the_lowest_and_end_at_65535() {
        let folder = Folder::new();
        let db = folder.open();
        let customer = db.create_customer("Acme", UnixMicros(1)).expect("made").expect("new");
        let device = Fingerprint([0xff; 16]);
        let claim = |own, asked| {
            db.write(|tx| claim_number(tx, customer, device, own, asked)).expect("asked")
        };
        let fill = |from: u32, to: u32| {
            let sql = "INSERT INTO sensor (device, customer, device_key, id_sensor, name, \
                       enrolled_at) WITH RECURSIVE n (n) AS (SELECT ?1 UNION ALL SELECT n + 1 \
                       FROM n WHERE n < ?2) SELECT CAST(CAST(n AS TEXT) AS BLOB), ?3, x'00', n, 'x', 1 FROM n";
            db.writer().execute(sql, params![from, to, customer.0]).expect("filled");
        };
        assert_eq!(claim(None, None), Ok(1));
        fill(0, 2);
        fill(4, 65_535);
        assert_eq!(claim(None, None), Ok(3), "0 is given to nobody who has not asked for it");
        fill(3, 3);
        assert!(matches!(claim(None, None), Err(Failure::Busy { .. })));
        assert_eq!(claim(Some(9), None), Ok(9));
        assert!(matches!(claim(None, Some(0)), Err(Failure::IdTaken { id_sensor: 0, .. })));
    }
}
