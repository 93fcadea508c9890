//! Questions about registrations, and how their records are kept.
//!
//! A registration has many records; the newest of each is marked ([`super::newest`]).

use ringside_protocol::PROTOCOL_VERSION;
use ringside_protocol::cdr::{CallId, Fingerprint};
use ringside_protocol::registration::{Registration, State};
use ringside_protocol::time::UnixMicros;

use super::cdrs::Origin;
use super::newest::{self, Place};
use super::search::{self, Kind, Position, column, lossy, text, visible};
use super::{
    Connection, Db, DbError, OptionalExtension, Result, Series, loaded_time, make_day, params,
    stored_time,
};
use crate::auth::Scope;

/// Records of registrations.
#[derive(Clone, Copy, Debug)]
pub struct Registrations;

/// What a filter can see of a record, borrowed from the index.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// The sensor that saw it.
    pub device: Fingerprint,
    /// Whether there is no later record of the same registration.
    pub is_newest: bool,
    /// User part of the address-of-record.
    pub user: &'a str,
    /// Host part of the address-of-record.
    pub host: &'a str,
    /// Host of the Request-URI.
    pub registrar: &'a str,
    /// URI of Contact.
    pub contact: &'a str,
    /// User-Agent of the phone.
    pub agent: &'a str,
    /// `' ip ip '`.
    pub addresses: &'a str,
    /// Number of [`State`].
    pub state: i64,
    /// Of the newest attempt's final response.
    pub status_code: Option<i64>,
    /// Since the record before.
    pub failures: i64,
    /// Microseconds.
    pub round_trip_us: Option<i64>,
}

/// One record as it is kept.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The record's id.
    pub id: CallId,
    /// When it was made.
    pub ended_at: UnixMicros,
    /// When it came to the cloud.
    pub arrived_at: UnixMicros,
    /// User part of the address-of-record.
    pub user: String,
    /// Host part of the address-of-record.
    pub host: String,
    /// Host of the Request-URI.
    pub registrar: String,
    /// URI of Contact.
    pub contact: String,
    /// Number of [`State`].
    pub state: i64,
    /// Of the record's encoding.
    pub version: i64,
    /// Postcard of [`Registration`].
    pub record: Vec<u8>,
}

/// The record with this id, if it is visible.
///
/// # Errors
/// The database's.
pub fn registration(db: &Db, scope: &Scope, id: CallId, now: UnixMicros) -> Result<Option<Stored>> {
    let span = visible(now);
    search::one::<Registrations>(db, scope, id, span, |record| record.ended_at >= span.from)
}

/// The number of a state in the database; it never changes.
#[must_use]
pub const fn state(state: State) -> u8 {
    match state {
        State::Registered => 0,
        State::Failing => 1,
        State::Expired => 2,
        State::Unregistered => 3,
    }
}

impl Kind for Registrations {
    const SERIES: Series = Series::Registrations;
    const COLUMNS: &'static str = "is_newest, user, host, registrar, contact, agent, addresses, \
         state, status_code, failures, round_trip_us";
    type Row<'a> = Row<'a>;
    type Stored = Stored;

    fn row<'a>(position: &Position, row: &'a super::Row<'_>) -> Result<Row<'a>> {
        Ok(Row {
            device: position.device,
            is_newest: row.get(4)?,
            user: text(row.get_ref(5)?),
            host: text(row.get_ref(6)?),
            registrar: text(row.get_ref(7)?),
            contact: text(row.get_ref(8)?),
            agent: text(row.get_ref(9)?),
            addresses: text(row.get_ref(10)?),
            state: row.get(11)?,
            status_code: row.get(12)?,
            failures: row.get(13)?,
            round_trip_us: row.get(14)?,
        })
    }

    fn stored(
        reader: &Connection,
        scope: &Scope,
        table: &str,
        id: CallId,
    ) -> Result<Option<Stored>> {
        let mut statement = reader.prepare_cached(&format!(
            "SELECT ended_at, arrived_at, user, host, registrar, contact, state, version, record \
             FROM {table} WHERE customer = ?1 AND device = ?2 AND boot = ?3 AND number = ?4"
        ))?;
        let key = params![scope.customer().0, id.device.0, id.boot.0, id.number.cast_signed()];
        statement
            .query_row(key, |row| {
                Ok(Stored {
                    id,
                    ended_at: loaded_time(row.get(0)?),
                    arrived_at: loaded_time(row.get(1)?),
                    user: lossy(row.get_ref(2)?),
                    host: lossy(row.get_ref(3)?),
                    registrar: lossy(row.get_ref(4)?),
                    contact: lossy(row.get_ref(5)?),
                    state: row.get(6)?,
                    version: row.get(7)?,
                    record: row.get(8)?,
                })
            })
            .optional()
    }
}

/// Keeps a record under the day of `ended_at`, within a transaction; answers its bytes, or `None`
/// when it is there already.
pub(super) fn insert(
    tx: &Connection,
    origin: Origin,
    registration: &Registration,
    ended_at: UnixMicros,
    now: UnixMicros,
) -> Result<Option<usize>> {
    let table = make_day(tx, Series::Registrations, ended_at)?;
    let record =
        postcard::to_stdvec(registration).map_err(|_| DbError::Damaged("a record's encoding"))?;
    let Origin { customer, device, boot } = origin;
    let inserted = tx
        .prepare_cached(&format!(
            "INSERT INTO {table} (customer, device, boot, number, ended_at, arrived_at, is_newest, \
             user, host, registrar, contact, agent, addresses, state, status_code, failures, \
             round_trip_us, version, record) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, ?7, ?8, ?9, ?10, \
             ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18) \
             ON CONFLICT DO NOTHING"
        ))?
        .execute(params![
            customer.0,
            device.0,
            boot.0,
            registration.number.cast_signed(),
            stored_time(ended_at),
            stored_time(now),
            column(&registration.aor.user),
            column(&registration.aor.host),
            column(&registration.registrar),
            column(&registration.contact),
            column(registration.user_agent.as_deref().unwrap_or_default()),
            format!(" {} {} ", registration.src.ip(), registration.dst.ip()),
            state(registration.state),
            registration.status.as_ref().map(|status| status.code),
            registration.failures,
            registration.round_trip,
            PROTOCOL_VERSION,
            record
        ])?;
    if inserted == 1 {
        let place = Place { ended_at, boot, number: registration.number };
        newest::mark(tx, Series::Registrations, origin, &key(registration), place)?;
    }
    Ok((inserted == 1).then_some(record.len()))
}

/// What makes two records ones of the same registration.
fn key(registration: &Registration) -> String {
    let Registration { aor, registrar, contact, .. } = registration;
    let contact = contact.rsplit_once('@').map_or(contact.as_str(), |(_, host)| host);
    let address = contact.split([';', '>', '?']).next().unwrap_or_default();
    format!("{}@{} {registrar} {address}", aor.user, aor.host)
}

#[cfg(test)]
mod tests {
    use ringside_protocol::cdr::Boot;
    use ringside_protocol::message::Batch;

    use super::*;
    use crate::db::tests::Folder;

    const HOUR: u64 = 3_600_000_000;
    const NOW: UnixMicros = UnixMicros(20_000 * 24 * HOUR + HOUR / 2);

    fn record(number: u64, hours_ago: u64, contact: &str) -> Registration {
        Registration {
            number,
            first_at: UnixMicros(NOW.0 - hours_ago * HOUR),
            contact: contact.to_owned(),
            ..Registration::default()
        }
    }

    fn newest(db: &Db) -> Vec<u64> {
        let reader = db.reader();
        let mut found = Vec::new();
        for table in super::super::day_tables(&reader, Series::Registrations).expect("tables") {
            let mut statement = reader
                .prepare_cached(&format!(
                    "SELECT number FROM {table} WHERE is_newest = 1 ORDER BY number"
                ))
                .expect("a statement");
            let numbers = statement.query_map([], |row| row.get::<_, i64>(0)).expect("rows");
            found.extend(numbers.map(|number| number.expect("a number").cast_unsigned()));
        }
        found.sort_unstable();
        found
    }

    #[test]
    fn one_record_of_each_registration_is_the_newest_in_whatever_order_they_come() {
        let folder = Folder::new();
        let db = folder.open();
        let customer = db.create_customer("Acme", NOW).expect("made").expect("new");
        let store = |records: Vec<Registration>| {
            let batch = Batch::new(Boot([1; 16]), records);
            db.store_batch(customer, Fingerprint([2; 16]), &batch, NOW).expect("stored").stored
        };
        // The second crosses midnight; the contact's user part and parameters tell nothing apart.
        let yesterday = record(1, 1, "sip:a@192.0.2.1:5060;ob");
        let today = record(2, 0, "<sip:b@192.0.2.1:5060>");
        assert_eq!(store(vec![yesterday.clone(), today.clone()]), 2);
        assert_eq!(newest(&db), [2]);
        assert_eq!(store(vec![record(3, 2, "sip:a@192.0.2.1:5060"), today]), 1);
        assert_eq!(newest(&db), [2], "one that comes late is not the newest");
        store(vec![record(4, 0, "sip:a@192.0.2.9:5060")]);
        assert_eq!(newest(&db), [2, 4]);
        db.forget_newest(NOW).expect("forgotten");
        store(vec![record(5, 0, "sip:a@192.0.2.1:5060")]);
        assert_eq!(newest(&db), [2, 4, 5], "where the older stood was forgotten");
    }
}
