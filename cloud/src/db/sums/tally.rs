//! Records of one transaction on their way into sums.

use std::collections::{BTreeMap, BTreeSet};

use ringside_protocol::cdr::Fingerprint;
use ringside_protocol::time::{MICROS_PER_SECOND, UnixMicros};

use super::trouble::{self, Troubles};
use super::{COLUMNS, SLOT, Sums, begin, channels};
use crate::db::calls::Row;
use crate::db::stats::HOUR;
use crate::db::{Connection, Customer, Result, Value, loaded_time, stored_time};

/// What a sum needs of a record.
pub(in crate::db) struct Seen<'a> {
    /// What filters see of it.
    pub(in crate::db) row: Row<'a>,
    /// When the call began.
    pub(in crate::db) start_at: UnixMicros,
    /// Session request delay, microseconds.
    pub(in crate::db) delay: Option<u64>,
}

/// What the new records of a transaction add up to, of one customer.
pub(in crate::db) struct Tally {
    customer: Customer,
    /// Hours that the rebuild will add up with all their records.
    unsummed: BTreeSet<UnixMicros>,
    sums: BTreeMap<(Width, UnixMicros, Option<Fingerprint>), Sums>,
    busy: BTreeMap<UnixMicros, u64>,
    troubles: Troubles,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Width {
    Slot,
    Hour,
}

impl Width {
    const fn seconds(self) -> u64 {
        match self {
            Self::Slot => SLOT / MICROS_PER_SECOND,
            Self::Hour => HOUR / MICROS_PER_SECOND,
        }
    }
}

impl Tally {
    /// Of a transaction that stores records as they come.
    pub(in crate::db) fn open(tx: &Connection, customer: Customer) -> Result<Self> {
        let mut statement = tx.prepare_cached("SELECT at FROM unsummed")?;
        let mut rows = statement.query([])?;
        let mut unsummed = BTreeSet::new();
        while let Some(row) = rows.next()? {
            unsummed.insert(loaded_time(row.get(0)?));
        }
        Ok(Self { unsummed, ..Self::of_rebuild(customer) })
    }

    /// Of the rebuild itself.
    pub(super) fn of_rebuild(customer: Customer) -> Self {
        Self {
            customer,
            unsummed: BTreeSet::new(),
            sums: BTreeMap::new(),
            busy: BTreeMap::new(),
            troubles: Troubles::default(),
        }
    }

    /// Adds a record that was not there.
    pub(in crate::db) fn add(&mut self, seen: &Seen<'_>) {
        let row = &seen.row;
        let hour = begin(row.ended_at, HOUR);
        if self.unsummed.contains(&hour) {
            return;
        }
        let sums = Sums::of(row, seen.delay);
        let slot = begin(row.ended_at, SLOT);
        for key in [(Width::Slot, slot, None), (Width::Hour, hour, Some(row.device))] {
            let sum = self.sums.entry(key).or_default();
            *sum = sum.plus(sums);
        }
        channels::occupy(&mut self.busy, seen.start_at, row.ended_at);
        self.troubles.add(hour, row);
    }

    /// Writes it.
    pub(in crate::db) fn close(self, tx: &Connection) -> Result<()> {
        let mut statement = tx.prepare_cached(&addition())?;
        for ((width, at, device), sums) in &self.sums {
            let integer = |value: u64| Value::Integer(i64::try_from(value).unwrap_or(i64::MAX));
            let key = [
                Value::Integer(self.customer.0),
                integer(width.seconds()),
                Value::Integer(stored_time(*at)),
                Value::Blob(device.as_ref().map_or(&[], |device| device.0.as_slice())),
            ];
            let values: Vec<_> = key.into_iter().chain(sums.values().map(integer)).collect();
            statement.execute(values.as_slice())?;
        }
        channels::add_records(tx, self.customer, &self.busy)?;
        trouble::add(tx, self.customer, &self.troubles)
    }
}

/// Adds sums to those that are there.
fn addition() -> String {
    let places: Vec<_> = (1..=4 + COLUMNS.len()).map(|place| format!("?{place}")).collect();
    let sums = COLUMNS.map(|column| format!("{column} = call_sums.{column} + excluded.{column}"));
    format!(
        "INSERT INTO call_sums (customer, width, at, device, {}) VALUES ({}) ON CONFLICT \
         (customer, width, at, device) DO UPDATE SET {}",
        COLUMNS.join(", "),
        places.join(", "),
        sums.join(", ")
    )
}
