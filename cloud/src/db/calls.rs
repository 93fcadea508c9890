//! Questions about calls.

use ringside_protocol::cdr::{Boot, CallId, Fingerprint};
use ringside_protocol::time::UnixMicros;

use super::search::{self, Kind, Position, Span, lossy, text, visible};
use super::{Connection, Db, OptionalExtension, Result, Series, loaded_time, params, stored_time};
use crate::auth::Scope;

/// Legs of one call that are shown.
pub const MAX_LEGS: usize = 16;

/// Microseconds.
const DAY: u64 = 86_400_000_000;

/// Records of calls.
#[derive(Clone, Copy, Debug)]
pub struct Calls;

/// What a filter can see of a call, borrowed from the index.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// When it ended.
    pub ended_at: UnixMicros,
    /// The sensor that saw it.
    pub device: Fingerprint,
    /// User part of From.
    pub caller: &'a str,
    /// User part of To.
    pub callee: &'a str,
    /// SIP Call-ID.
    pub call_id: &'a str,
    /// `' ip ip ip '`.
    pub addresses: &'a str,
    /// Of the final response.
    pub status_code: Option<i64>,
    /// Number of [`ringside_protocol::cdr::EndedBy`].
    pub ended_by: i64,
    /// Whether it was answered.
    pub answered: bool,
    /// Answer to end, microseconds.
    pub duration_us: Option<i64>,
    /// The worst direction's, 1/100.
    pub mos: Option<i64>,
    /// Bits of [`ringside_protocol::cdr::flags`].
    pub flags: u32,
}

/// One call as it is kept.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The call's id.
    pub id: CallId,
    /// When it ended.
    pub ended_at: UnixMicros,
    /// When it began, or was first seen.
    pub start_at: UnixMicros,
    /// When it came to the cloud.
    pub arrived_at: UnixMicros,
    /// SIP Call-ID.
    pub call_id: String,
    /// User part of From.
    pub caller: String,
    /// User part of To.
    pub callee: String,
    /// Of the final response.
    pub status_code: Option<i64>,
    /// Number of [`ringside_protocol::cdr::EndedBy`].
    pub ended_by: i64,
    /// Answer to end, microseconds.
    pub duration_us: Option<i64>,
    /// Bits of [`ringside_protocol::cdr::flags`].
    pub flags: i64,
    /// Of the record's encoding.
    pub version: i64,
    /// Postcard of [`ringside_protocol::cdr::Cdr`].
    pub record: Vec<u8>,
}

/// The call with this id, if it is visible.
///
/// # Errors
/// The database's.
pub fn call(db: &Db, scope: &Scope, id: CallId, now: UnixMicros) -> Result<Option<Stored>> {
    let span = visible(now);
    search::one::<Calls>(db, scope, id, span, |call| call.ended_at >= span.from)
}

/// Calls that share this key, as the legs of one call do, and ended within a day of `around`; at
/// most [`MAX_LEGS`], the earliest first.
///
/// # Errors
/// The database's.
pub fn legs(
    db: &Db,
    scope: &Scope,
    key: &str,
    around: UnixMicros,
    now: UnixMicros,
) -> Result<Vec<Stored>> {
    let connection = db.reader();
    let reader = connection.snapshot()?;
    let from = UnixMicros(around.0.saturating_sub(DAY)).max(visible(now).from);
    let until = UnixMicros(around.0.saturating_add(DAY));
    let mut found = Vec::new();
    for table in search::tables_of(&reader, Series::Calls, Span { from, until })? {
        let mut statement = reader.prepare_cached(&format!(
            "SELECT device, boot, number FROM {table} INDEXED BY {table}_legs WHERE customer = ?1 \
             AND legs = ?2 AND ended_at >= ?3 LIMIT {MAX_LEGS}"
        ))?;
        let key = params![scope.customer().0, search::column(key), stored_time(from)];
        let mut rows = statement.query(key)?;
        while let Some(row) = rows.next()? {
            let (Some(device), Some(boot)) = (search::key(&row, 0)?, search::key(&row, 1)?) else {
                continue;
            };
            let (device, boot) = (Fingerprint(device), Boot(boot));
            let number = row.get::<_, i64>(2)?.cast_unsigned();
            let id = CallId { device, boot, number };
            found.extend(Calls::stored(&reader, scope, &table, id)?);
        }
    }
    found.sort_by_key(|call| (call.start_at, call.id));
    found.truncate(MAX_LEGS);
    Ok(found)
}

impl Kind for Calls {
    const SERIES: Series = Series::Calls;
    const COLUMNS: &'static str = "caller, callee, call_id, addresses, status_code, ended_by, \
         answered, duration_us, mos, flags";
    type Row<'a> = Row<'a>;
    type Stored = Stored;

    fn row<'a>(position: &Position, row: &'a super::Row<'_>) -> Result<Row<'a>> {
        Ok(Row {
            ended_at: position.ended_at,
            device: position.device,
            caller: text(row.get_ref(4)?),
            callee: text(row.get_ref(5)?),
            call_id: text(row.get_ref(6)?),
            addresses: text(row.get_ref(7)?),
            status_code: row.get(8)?,
            ended_by: row.get(9)?,
            answered: row.get(10)?,
            duration_us: row.get(11)?,
            mos: row.get(12)?,
            flags: u32::try_from(row.get::<_, i64>(13)?).unwrap_or(0),
        })
    }

    fn stored(
        reader: &Connection,
        scope: &Scope,
        table: &str,
        id: CallId,
    ) -> Result<Option<Stored>> {
        let mut statement = reader.prepare_cached(&format!(
            "SELECT ended_at, start_at, arrived_at, call_id, caller, callee, status_code, ended_by, \
             duration_us, flags, version, record FROM {table} \
             WHERE customer = ?1 AND device = ?2 AND boot = ?3 AND number = ?4"
        ))?;
        let key = params![scope.customer().0, id.device.0, id.boot.0, id.number.cast_signed()];
        statement
            .query_row(key, |row| {
                Ok(Stored {
                    id,
                    ended_at: loaded_time(row.get(0)?),
                    start_at: loaded_time(row.get(1)?),
                    arrived_at: loaded_time(row.get(2)?),
                    call_id: lossy(row.get_ref(3)?),
                    caller: lossy(row.get_ref(4)?),
                    callee: lossy(row.get_ref(5)?),
                    status_code: row.get(6)?,
                    ended_by: row.get(7)?,
                    duration_us: row.get(8)?,
                    flags: row.get(9)?,
                    version: row.get(10)?,
                    record: row.get(11)?,
                })
            })
            .optional()
    }
}
