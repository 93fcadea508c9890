//! Questions about peer relations, and how their records are kept.
//!
//! A relation has many records; the newest of each is marked ([`super::newest`]).

use ringside_protocol::PROTOCOL_VERSION;
use ringside_protocol::cdr::{CallId, Fingerprint};
use ringside_protocol::peer::{Peer, State};
use ringside_protocol::time::UnixMicros;

use super::cdrs::Origin;
use super::newest::{self, Place};
use super::search::{self, Kind, Position, column, lossy, text, visible};
use super::{
    Connection, Db, DbError, OptionalExtension, Result, Series, loaded_time, make_day, params,
    stored_time,
};
use crate::auth::Scope;

/// Records of peer relations.
#[derive(Clone, Copy, Debug)]
pub struct Peers;

/// What a filter can see of a record, borrowed from the index.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// The sensor that saw it.
    pub device: Fingerprint,
    /// Whether there is no later record of the same relation.
    pub is_newest: bool,
    /// As written on the wire.
    pub method: &'a str,
    /// The event package; empty where there is none.
    pub event: &'a str,
    /// `from to` of MESSAGE.
    pub users: &'a str,
    /// User-Agent of the one who asks and of the one who is asked, a line each.
    pub agents: &'a str,
    /// Who asks, without port.
    pub src: &'a str,
    /// Who is asked, without port.
    pub dst: &'a str,
    /// Number of [`State`].
    pub state: i64,
    /// Of the newest final response.
    pub status_code: Option<i64>,
    /// Since the record before.
    pub unanswered: i64,
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
    /// As written on the wire.
    pub method: String,
    /// The event package.
    pub event: String,
    /// Who asks, without port.
    pub src: String,
    /// Who is asked, without port.
    pub dst: String,
    /// Number of [`State`].
    pub state: i64,
    /// Of the record's encoding.
    pub version: i64,
    /// Postcard of [`Peer`].
    pub record: Vec<u8>,
}

/// The record with this id, if it is visible.
///
/// # Errors
/// The database's.
pub fn peer(db: &Db, scope: &Scope, id: CallId, now: UnixMicros) -> Result<Option<Stored>> {
    let span = visible(now);
    search::one::<Peers>(db, scope, id, span, |record| record.ended_at >= span.from)
}

/// The number of a state in the database; it never changes.
#[must_use]
pub const fn state(state: State) -> u8 {
    match state {
        State::Answering => 0,
        State::Refusing => 1,
        State::Silent => 2,
    }
}

impl Kind for Peers {
    const SERIES: Series = Series::Peers;
    const COLUMNS: &'static str =
        "is_newest, method, event, users, agents, src, dst, state, status_code, unanswered";
    type Row<'a> = Row<'a>;
    type Stored = Stored;

    fn row<'a>(position: &Position, row: &'a super::Row<'_>) -> Result<Row<'a>> {
        Ok(Row {
            device: position.device,
            is_newest: row.get(4)?,
            method: text(row.get_ref(5)?),
            event: text(row.get_ref(6)?),
            users: text(row.get_ref(7)?),
            agents: text(row.get_ref(8)?),
            src: text(row.get_ref(9)?),
            dst: text(row.get_ref(10)?),
            state: row.get(11)?,
            status_code: row.get(12)?,
            unanswered: row.get(13)?,
        })
    }

    fn stored(
        reader: &Connection,
        scope: &Scope,
        table: &str,
        id: CallId,
    ) -> Result<Option<Stored>> {
        let mut statement = reader.prepare_cached(&format!(
            "SELECT ended_at, arrived_at, method, event, src, dst, state, version, record \
             FROM {table} WHERE customer = ?1 AND device = ?2 AND boot = ?3 AND number = ?4"
        ))?;
        let key = params![scope.customer().0, id.device.0, id.boot.0, id.number.cast_signed()];
        statement
            .query_row(key, |row| {
                Ok(Stored {
                    id,
                    ended_at: loaded_time(row.get(0)?),
                    arrived_at: loaded_time(row.get(1)?),
                    method: lossy(row.get_ref(2)?),
                    event: lossy(row.get_ref(3)?),
                    src: lossy(row.get_ref(4)?),
                    dst: lossy(row.get_ref(5)?),
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
    peer: &Peer,
    ended_at: UnixMicros,
    now: UnixMicros,
) -> Result<Option<usize>> {
    let table = make_day(tx, Series::Peers, ended_at)?;
    let record = postcard::to_stdvec(peer).map_err(|_| DbError::Damaged("a record's encoding"))?;
    let Origin { customer, device, boot } = origin;
    let users = two(&peer.from, &peer.to, " ");
    let inserted = tx
        .prepare_cached(&format!(
            "INSERT INTO {table} (customer, device, boot, number, ended_at, arrived_at, is_newest, \
             method, event, users, agents, src, dst, state, status_code, unanswered, version, \
             record) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, \
             ?16, ?17) ON CONFLICT DO NOTHING"
        ))?
        .execute(params![
            customer.0,
            device.0,
            boot.0,
            peer.number.cast_signed(),
            stored_time(ended_at),
            stored_time(now),
            peer.method.as_str(),
            column(peer.event.as_deref().unwrap_or_default()),
            column(&users),
            column(&two(&peer.user_agent, &peer.peer_agent, "\n")),
            peer.src.ip().to_string(),
            peer.dst.ip().to_string(),
            state(peer.state),
            peer.status.as_ref().map(|status| status.code),
            peer.unanswered,
            PROTOCOL_VERSION,
            record
        ])?;
    if inserted == 1 {
        let place = Place { ended_at, boot, number: peer.number };
        newest::mark(tx, Series::Peers, origin, &key(peer, &users), place)?;
    }
    Ok((inserted == 1).then_some(record.len()))
}

/// What makes two records ones of the same relation, as the sensor has it.
fn key(peer: &Peer, users: &str) -> String {
    let event = peer.event.as_deref().unwrap_or_default();
    let (src, dst) = (peer.src.ip(), peer.dst);
    format!("{} {src} {dst} {event} {users}", peer.method.as_str())
}

fn two(one: &Option<String>, other: &Option<String>, between: &str) -> String {
    let [one, other] = [one, other].map(|text| text.as_deref().unwrap_or_default());
    if one.is_empty() && other.is_empty() { String::new() } else { [one, other].join(between) }
}

#[cfg(test)]
mod tests {
    use ringside_protocol::cdr::Boot;
    use ringside_protocol::message::Batch;

    use super::*;
    use crate::db::day_table;
    use crate::db::tests::Folder;

    const NOW: UnixMicros = UnixMicros(20_000 * 86_400_000_000);

    #[test]
    fn one_record_of_each_relation_is_the_newest() {
        let folder = Folder::new();
        let db = folder.open();
        let customer = db.create_customer("Acme", NOW).expect("made").expect("new");
        let record = |number, src: &str, dst: &str| Peer {
            number,
            first_at: UnixMicros(NOW.0 + number),
            src: src.parse().expect("an address"),
            dst: dst.parse().expect("an address"),
            ..Peer::default()
        };
        let batch = Batch::new(
            Boot([1; 16]),
            [
                record(1, "192.0.2.1:5060", "192.0.2.5:5060"),
                // From another port: the same relation; to another: not.
                record(2, "192.0.2.1:6060", "192.0.2.5:5060"),
                record(3, "192.0.2.1:5060", "192.0.2.5:5080"),
            ],
        );
        let ack = db.store_batch(customer, Fingerprint([2; 16]), &batch, NOW).expect("stored");
        assert_eq!(ack.stored, 3);
        let table = day_table(Series::Peers, NOW);
        let reader = db.reader();
        let mut statement = reader
            .prepare_cached(&format!(
                "SELECT number FROM {table} WHERE is_newest = 1 ORDER BY number"
            ))
            .expect("a statement");
        let numbers: Vec<i64> = statement
            .query_map([], |row| row.get(0))
            .expect("rows")
            .collect::<Result<_>>()
            .expect("numbers");
        assert_eq!(numbers, [2, 3]);
    }
}
