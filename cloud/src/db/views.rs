//! Records of one call: by several sensors, and of its several legs.
//!
//! They share the column `legs` and overlap in time; a Call-ID that a phone uses for one call after
//! the other makes no call of them.

use ringside_protocol::cdr::{Boot, CallId, Fingerprint};
use ringside_protocol::time::{MICROS_PER_SECOND, UnixMicros};

use super::calls::{Calls, Row, Stored};
use super::search::{Kind, Position, Span, column, key, lossy, tables_of};
use super::{Connection, Db, Result, Value, loaded_time};
use crate::auth::Scope;

/// Records that are looked at for one page; those of a page that has more stand alone.
pub const MAX_VIEWS: usize = 4000;

/// A view ends so long before or after another one, at most: records of longer calls are found by
/// their end all the same.
const AROUND: u64 = 86_400 * MICROS_PER_SECOND;

/// Two records of one call may miss each other by so much.
const GAP: u64 = 2 * MICROS_PER_SECOND;

/// A record as far as its group is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// What the records of a call share.
    pub key: String,
    /// Where it stands in lists.
    pub position: Position,
    /// When it began.
    pub start_at: UnixMicros,
    /// SIP Call-ID.
    pub call_id: String,
    /// Whether it is one of those looked for.
    pub is_wanted: bool,
}

/// A record of a page: shown, with its other views, or not, because a newer one of its group is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// It stands for its call.
    First(Vec<View>),
    /// Another one does.
    Behind(CallId),
}

/// Where each record of a page stands, by their keys: of the records of a call that `matches`
/// accepts the newest within `span` is shown.
///
/// # Errors
/// The database's.
pub fn places(
    db: &Db,
    scope: &Scope,
    page: &[(String, Stored)],
    span: Span,
    matches: &dyn Fn(&Row<'_>) -> bool,
) -> Result<Vec<Place>> {
    let views = views(db, scope, page, span, matches)?;
    let place = |(key, stored): &(String, Stored)| {
        let same: Vec<_> = views.iter().filter(|view| view.key == column(key)).collect();
        let group = group(&same, stored.id);
        let newest = group.iter().filter(|view| view.is_wanted).max_by_key(|view| view.position);
        match newest {
            Some(newest) if newest.position.id() != stored.id => {
                Place::Behind(newest.position.id())
            }
            _ => {
                let others = group.into_iter().filter(|view| view.position.id() != stored.id);
                Place::First(others.cloned().collect())
            }
        }
    };
    Ok(page.iter().map(place).collect())
}

/// Those that overlap with a record, or with one that does.
fn group<'a>(views: &[&'a View], id: CallId) -> Vec<&'a View> {
    let mut found: Vec<_> = views.iter().filter(|view| view.position.id() == id).copied().collect();
    let mut at = 0;
    while at < found.len() {
        let one = found[at];
        for view in views {
            if overlap(one, view) && !found.contains(view) {
                found.push(view);
            }
        }
        at += 1;
    }
    found
}

fn overlap(a: &View, b: &View) -> bool {
    a.start_at <= b.position.ended_at.plus(GAP) && b.start_at <= a.position.ended_at.plus(GAP)
}

/// All records with the keys of a page, around its times; none where there are too many.
fn views(
    db: &Db,
    scope: &Scope,
    page: &[(String, Stored)],
    span: Span,
    matches: &dyn Fn(&Row<'_>) -> bool,
) -> Result<Vec<View>> {
    let ends = page.iter().map(|(_, stored)| stored.ended_at);
    let (Some(first), Some(last)) = (ends.clone().min(), ends.max()) else { return Ok(Vec::new()) };
    let around = Span {
        from: UnixMicros(first.0.saturating_sub(AROUND)),
        until: UnixMicros(last.0.saturating_add(AROUND)),
    };
    let connection = db.reader();
    let reader = connection.snapshot()?;
    let mut found = Vec::new();
    for table in tables_of(&reader, Calls::SERIES, around)? {
        of_table(&reader, scope, &table, page, &mut found, span, matches)?;
        if found.len() > MAX_VIEWS {
            return Ok(Vec::new());
        }
    }
    Ok(found)
}

fn of_table(
    reader: &Connection,
    scope: &Scope,
    table: &str,
    page: &[(String, Stored)],
    found: &mut Vec<View>,
    span: Span,
    matches: &dyn Fn(&Row<'_>) -> bool,
) -> Result<()> {
    // The number of places is one of a few, so that as few statements are kept.
    let places = page.len().next_power_of_two();
    let keys = page.iter().map(|(key, _)| column(key)).cycle().take(places);
    let values: Vec<_> =
        [Value::Integer(scope.customer().0)].into_iter().chain(keys.map(Value::Text)).collect();
    let list: Vec<_> = (2..places + 2).map(|place| format!("?{place}")).collect();
    let mut statement = reader.prepare_cached(&format!(
        "SELECT ended_at, device, boot, number, {}, legs, start_at FROM {table} WHERE customer = ?1 \
         AND legs IN ({}) LIMIT {}",
        Calls::COLUMNS,
        list.join(", "),
        MAX_VIEWS + 1
    ))?;
    let mut rows = statement.query(values.as_slice())?;
    while let Some(row) = rows.next()? {
        let (Some(device), Some(boot)) = (key(&row, 1)?, key(&row, 2)?) else { continue };
        let position = Position {
            ended_at: loaded_time(row.get(0)?),
            device: Fingerprint(device),
            boot: Boot(boot),
            number: row.get::<_, i64>(3)?.cast_unsigned(),
        };
        let seen = Calls::row(&position, &row)?;
        let is_within = span.from <= position.ended_at && position.ended_at < span.until;
        found.push(View {
            position,
            call_id: seen.call_id.to_owned(),
            is_wanted: is_within && matches(&seen),
            key: lossy(row.get_ref(14)?),
            start_at: loaded_time(row.get(15)?),
        });
    }
    Ok(())
}
