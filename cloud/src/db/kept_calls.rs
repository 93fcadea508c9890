//! Calls that somebody keeps just after their end, although no rule has: the sensor holds them for
//! some minutes, and the record, which is older, does not say that they are kept.

use ringside_protocol::cdr::{Boot, CallId, Fingerprint};
use ringside_protocol::retrieval::{KeepCall, KeptCall, KeptSize};
use ringside_protocol::time::{MICROS_PER_SECOND, UnixMicros};

use super::{Customer, Db, OptionalExtension, Result, bytes, params, stored_time};
use crate::auth::Scope;

/// A sensor that was told and says nothing is told again after so long.
const TELL_AGAIN: u64 = 5 * MICROS_PER_SECOND;

/// And no more after this: a call is held for an hour at most.
const TELL_FOR: u64 = 60 * MICROS_PER_SECOND;

/// What is older goes: so are its records.
const KEPT_FOR: u64 = 26 * 86_400 * MICROS_PER_SECOND;

/// Calls that a sensor is told of at once.
const MAX_TOLD: i64 = 8;

/// How it stands with a call that somebody wants to keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The sensor is asked.
    Asked,
    /// It is kept.
    Kept {
        /// Who wanted it.
        who: String,
        /// How much there is of it.
        size: KeptSize,
    },
    /// The sensor did not have it any more.
    Gone,
}

/// How it stands with a call; `None` where nobody has asked.
///
/// # Errors
/// The database's.
pub fn claim(db: &Db, scope: &Scope, call: CallId) -> Result<Option<Claim>> {
    let reader = db.reader();
    let mut statement = reader.prepare_cached(
        "SELECT state, who, packets, bytes FROM claimed WHERE customer = ?1 AND device = ?2 AND \
         boot = ?3 AND number = ?4",
    )?;
    let key = params![scope.customer().0, call.device.0, call.boot.0, number(call)];
    let found = statement.query_row(key, |row| {
        let state: String = row.get(0)?;
        Ok(match state.as_str() {
            "kept" => {
                let bytes: i64 = row.get(3)?;
                let bytes = u64::try_from(bytes).unwrap_or_default();
                Claim::Kept { who: row.get(1)?, size: KeptSize { packets: row.get(2)?, bytes } }
            }
            "gone" => Claim::Gone,
            _ => Claim::Asked,
        })
    });
    found.optional()
}

impl Db {
    /// Somebody wants a call to be kept. One that is kept stays so.
    ///
    /// # Errors
    /// The database's.
    pub fn ask_claim(
        &self,
        customer: Customer,
        call: CallId,
        who: &str,
        now: UnixMicros,
    ) -> Result<()> {
        self.write(|tx| {
            let oldest = UnixMicros(now.0.saturating_sub(KEPT_FOR));
            tx.execute("DELETE FROM claimed WHERE at < ?1", [stored_time(oldest)])?;
            tx.execute(
                "INSERT INTO claimed (customer, device, boot, number, at, who, state) VALUES \
                 (?1, ?2, ?3, ?4, ?5, ?6, 'asked') ON CONFLICT (customer, device, boot, number) DO \
                 UPDATE SET at = ?5, who = ?6, state = 'asked', told_at = 0 WHERE claimed.state <> \
                 'kept'",
                params![
                    customer.0,
                    call.device.0,
                    call.boot.0,
                    number(call),
                    stored_time(now),
                    who
                ],
            )?;
            Ok(())
        })
    }

    /// What a sensor is to keep, now.
    ///
    /// # Errors
    /// The database's.
    pub fn due_claims(
        &self,
        customer: Customer,
        device: Fingerprint,
        now: UnixMicros,
    ) -> Result<Vec<KeepCall>> {
        let since = |micros: u64| stored_time(UnixMicros(now.0.saturating_sub(micros)));
        let due: Vec<(Vec<u8>, i64, String)> = {
            let reader = self.reader();
            let mut statement = reader.prepare_cached(
                "SELECT boot, number, who FROM claimed WHERE customer = ?1 AND device = ?2 AND \
                 state = 'asked' AND at >= ?3 AND told_at <= ?4 ORDER BY at LIMIT ?5",
            )?;
            let wanted =
                params![customer.0, device.0, since(TELL_FOR), since(TELL_AGAIN), MAX_TOLD];
            let rows =
                statement.query_map(wanted, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            rows.collect::<Result<_>>()?
        };
        if due.is_empty() {
            return Ok(Vec::new());
        }
        self.write(|tx| {
            due.iter()
                .map(|(boot, number, who)| {
                    tx.execute(
                        "UPDATE claimed SET told_at = ?5 WHERE customer = ?1 AND device = ?2 AND \
                         boot = ?3 AND number = ?4",
                        params![customer.0, device.0, boot, number, stored_time(now)],
                    )?;
                    let boot = Boot(bytes(boot, "a call that is to be kept")?);
                    let number = u64::try_from(*number).unwrap_or_default();
                    Ok(KeepCall { call: CallId { device, boot, number }, who: who.clone() })
                })
                .collect()
        })
    }

    /// A sensor says what came of it; whether that was asked for.
    ///
    /// # Errors
    /// The database's.
    pub fn answer_claim(&self, customer: Customer, answer: &KeptCall) -> Result<bool> {
        let KeptCall { call, kept } = answer;
        let size = kept.unwrap_or_default();
        let state = if kept.is_some() { "kept" } else { "gone" };
        self.write(|tx| {
            let changed = tx.execute(
                "UPDATE claimed SET state = ?5, packets = ?6, bytes = ?7 WHERE customer = ?1 AND \
                 device = ?2 AND boot = ?3 AND number = ?4 AND state = 'asked'",
                params![
                    customer.0,
                    call.device.0,
                    call.boot.0,
                    number(*call),
                    state,
                    size.packets,
                    i64::try_from(size.bytes).unwrap_or(i64::MAX)
                ],
            )?;
            Ok(changed > 0)
        })
    }
}

fn number(call: CallId) -> i64 {
    i64::try_from(call.number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::scope_of_test;
    use crate::db::tests::Folder;

    const NOW: UnixMicros = UnixMicros(1_795_420_859_000_000);
    const DEVICE: Fingerprint = Fingerprint([3; 16]);

    fn call(number: u64) -> CallId {
        CallId { device: DEVICE, boot: Boot([4; 16]), number }
    }

    #[test]
    fn a_sensor_is_told_until_it_answers_and_a_kept_call_stays_kept() {
        let folder = Folder::new();
        let db = folder.open();
        let customer = db.create_customer("Acme", NOW).expect("a customer").expect("a name");
        let scope = scope_of_test(customer);
        let after = |seconds: u64| NOW.plus(seconds * MICROS_PER_SECOND);
        let due =
            |seconds: u64| db.due_claims(customer, DEVICE, after(seconds)).expect("asked").len();
        let state = || claim(&db, &scope, call(7)).expect("asked");
        assert_eq!(state(), None);
        db.ask_claim(customer, call(7), "eva", NOW).expect("noted");
        assert_eq!((due(0), due(0), due(4), due(5)), (1, 0, 0, 1), "again, where nothing is said");
        assert_eq!(due(61), 0, "it is too late");
        let size = KeptSize { packets: 9, bytes: 1800 };
        let kept = KeptCall { call: call(7), kept: Some(size) };
        assert!(!db.answer_claim(Customer(99), &kept).expect("noted"));
        assert!(db.answer_claim(customer, &kept).expect("noted"));
        let says = Some(Claim::Kept { who: "eva".to_owned(), size });
        assert_eq!(state(), says);
        assert!(!db.answer_claim(customer, &KeptCall { kept: None, ..kept }).expect("noted"));
        db.ask_claim(customer, call(7), "otto", after(70)).expect("noted");
        assert_eq!((state(), due(70)), (says, 0));

        db.ask_claim(customer, call(8), "eva", NOW).expect("noted");
        let gone = KeptCall { call: call(8), kept: None };
        assert!(db.answer_claim(customer, &gone).expect("noted"));
        assert_eq!(claim(&db, &scope, call(8)).expect("asked"), Some(Claim::Gone));
        let late = UnixMicros(NOW.0 + KEPT_FOR + 1);
        db.ask_claim(customer, call(9), "eva", late).expect("noted");
        assert_eq!(state(), None, "its time is over");
    }
}
