//! Enrolment tokens: what lets a device join a customer, once.
//!
//! The database keeps SHA-256 of a token's secret, never the secret.

use ring::digest::{SHA256, digest};
use ringside_protocol::cdr::Fingerprint;
use ringside_protocol::message::Hello;
use ringside_protocol::step::Failure;
use ringside_protocol::time::{MICROS_PER_SECOND, UnixMicros};

use super::customers::audit;
use super::{
    Connection, Customer, Db, OptionalExtension, Result, loaded_time, params, sensors, stored_time,
};

/// How long a token can be used, seconds.
pub const TOKEN_SECONDS: u64 = 7 * 86_400;

/// A device has joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// Whom.
    pub customer: Customer,
    /// Its name.
    pub name: String,
}

struct TokenRow {
    customer: Customer,
    name: String,
    expires_at: UnixMicros,
    used_by: Option<Vec<u8>>,
}

impl Db {
    /// Keeps a new token of `customer`; answers when it expires.
    ///
    /// # Errors
    /// The database's.
    pub fn create_enrolment_token(
        &self,
        customer: Customer,
        secret: &[u8; 16],
        created_by: &str,
        now: UnixMicros,
    ) -> Result<UnixMicros> {
        let expires_at = now.plus(TOKEN_SECONDS * MICROS_PER_SECOND);
        self.write(|tx| {
            // Tokens that expired unused are of no interest after as long again.
            let forgotten = now.0.saturating_sub(TOKEN_SECONDS * MICROS_PER_SECOND);
            tx.execute(
                "DELETE FROM enrolment_token WHERE used_by IS NULL AND expires_at < ?1",
                [stored_time(UnixMicros(forgotten))],
            )?;
            tx.execute(
                "INSERT INTO enrolment_token (secret_sha256, customer, created_by, created_at, \
                 expires_at) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![
                    sha256(secret),
                    customer.0,
                    created_by,
                    stored_time(now),
                    stored_time(expires_at)
                ],
            )?;
            audit(tx, Some(customer), now, created_by, "token.new", "")?;
            Ok(expires_at)
        })
    }

    /// Lets the device of `hello`, which has proved its key, join by a token.
    ///
    /// A token is used by one device; the same device may repeat it, since its answer may have
    /// been lost. A revoked device needs a new one; it keeps its number when it comes back to its
    /// customer.
    ///
    /// # Errors
    /// The database's; a refusal is the inner error.
    pub fn enrol(
        &self,
        secret: &[u8; 16],
        device: Fingerprint,
        hello: &Hello,
        now: UnixMicros,
    ) -> Result<core::result::Result<Joined, Failure>> {
        self.write(|tx| {
            let hash = sha256(secret);
            let Some(token) = find(tx, &hash)? else { return Ok(Err(Failure::TokenUnknown)) };
            let joined = Joined { customer: token.customer, name: token.name };
            if let Some(user) = token.used_by {
                return if user == device.0 {
                    repeat(tx, device, joined)
                } else {
                    Ok(Err(Failure::TokenUsed))
                };
            }
            if token.expires_at <= now {
                return Ok(Err(Failure::TokenExpired { at: token.expires_at }));
            }
            tx.execute(
                "UPDATE enrolment_token SET used_by = ?2, used_at = ?3 WHERE secret_sha256 = ?1",
                params![hash, device.0, stored_time(now)],
            )?;
            sensors::join(tx, token.customer, device, hello, now)?;
            let who = format!("device {device}");
            audit(
                tx,
                Some(token.customer),
                now,
                &who,
                "sensor.enrol",
                &sensors::clip(&hello.name),
            )?;
            Ok(Ok(joined))
        })
    }
}

/// The same device shows its token again: fine while it still belongs to that customer.
fn repeat(
    tx: &Connection,
    device: Fingerprint,
    joined: Joined,
) -> Result<core::result::Result<Joined, Failure>> {
    Ok(match sensors::find(tx, device)? {
        Some(sensor) if sensor.is_revoked => Err(Failure::Revoked),
        Some(sensor) if sensor.customer == joined.customer => Ok(joined),
        _ => Err(Failure::TokenUsed),
    })
}

fn find(tx: &Connection, hash: &[u8]) -> Result<Option<TokenRow>> {
    let row = tx
        .prepare_cached(
            "SELECT customer, name, expires_at, used_by FROM enrolment_token JOIN customer USING \
             (customer) WHERE secret_sha256 = ?1",
        )?
        .query_row([hash], |row| {
            Ok(TokenRow {
                customer: Customer(row.get(0)?),
                name: row.get(1)?,
                expires_at: loaded_time(row.get(2)?),
                used_by: row.get(3)?,
            })
        })
        .optional()?;
    Ok(row)
}

fn sha256(secret: &[u8; 16]) -> Vec<u8> {
    digest(&SHA256, secret).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::tests::Folder;

    #[test]
    fn tokens_that_expired_unused_are_forgotten_a_week_later() {
        let folder = Folder::new();
        let db = folder.open();
        let start = UnixMicros(1_795_009_600_000_000);
        let customer = db.create_customer("Acme", start).expect("made").expect("new");
        let make = |first: u8, now| {
            db.create_enrolment_token(customer, &[first; 16], "test", now).expect("made")
        };
        let expires_at = make(1, start);
        assert_eq!(expires_at, start.plus(TOKEN_SECONDS * MICROS_PER_SECOND));
        let kept = |first: u8| find(&db.reader(), &sha256(&[first; 16])).expect("asked").is_some();
        let forgotten_at = expires_at.plus(TOKEN_SECONDS * MICROS_PER_SECOND);
        make(2, forgotten_at);
        assert!(kept(1));
        make(3, forgotten_at.plus(1));
        assert!(!kept(1) && kept(2) && kept(3));
    }
}
