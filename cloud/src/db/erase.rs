//! Erasing what is kept of one number, on request (GDPR, article 17).
//!
//! SQLite overwrites the bytes as they are deleted (`secure_delete`), PostgreSQL at its next vacuum.

use ringside_protocol::time::UnixMicros;

use super::customers::audit;
use super::search::{self, Kind};
use super::stats::{Counts, HOUR};
use super::{Customer, Db, Result, Series, calls::Calls, day_tables, hours, params, sums, terms};

/// Records that one transaction erases, so that arriving batches wait for milliseconds only.
const SLICE: usize = 500;

/// What was erased.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Erased {
    /// Calls from or to the number.
    pub calls: usize,
    /// Records of its registrations.
    pub registrations: usize,
}

impl Db {
    /// Erases a customer's calls from and to a number and its registrations, and notes who asked for
    /// it. The log has the number's last two digits only.
    ///
    /// # Errors
    /// The database's; what was erased before stays so, and asking again erases the rest.
    pub fn erase_number(
        &self,
        customer: Customer,
        number: &str,
        who: &str,
        now: UnixMicros,
    ) -> Result<Erased> {
        let mut erased = Erased::default();
        for table in self.days(Series::Calls)? {
            erased.calls += self.erase_calls(customer, &table, number)?;
        }
        for table in self.days(Series::Registrations)? {
            erased.registrations += self.write(|tx| {
                tx.execute(
                    &format!("DELETE FROM {table} WHERE customer = ?1 AND lower(user) = lower(?2)"),
                    params![customer.0, search::column(number)],
                )
            })?;
        }
        self.write(|tx| {
            // Its key begins with the address-of-record.
            let key = format!("{}@", number.to_ascii_lowercase());
            tx.execute(
                "DELETE FROM registration_newest WHERE customer = ?1 AND \
                 lower(substr(key, 1, length(?2))) = ?2",
                params![customer.0, key],
            )?;
            sums::trouble::forget(tx, customer, number)?;
            let end: String = {
                let chars: Vec<_> = number.chars().collect();
                chars[chars.len().saturating_sub(2)..].iter().collect()
            };
            let Erased { calls, registrations } = erased;
            let detail = format!(
                "a number that ends in {end}: {calls} calls, {registrations} \
                                  records of registrations"
            );
            audit(tx, Some(customer), now, who, "number.erase", &detail)
        })?;
        self.truncate_log()?;
        Ok(erased)
    }

    fn erase_calls(&self, customer: Customer, table: &str, number: &str) -> Result<usize> {
        let mut erased = 0;
        loop {
            let more = self.erase_some(customer, table, number)?;
            erased += more;
            if more == 0 {
                return Ok(erased);
            }
        }
    }

    /// Erases up to [`SLICE`] calls of a day, with what they added to their hours and their terms.
    fn erase_some(&self, customer: Customer, table: &str, number: &str) -> Result<usize> {
        let found: Vec<_> = {
            let reader = self.reader();
            if !day_tables(&reader, Series::Calls)?.iter().any(|there| there == table) {
                return Ok(0);
            }
            let mut statement = reader.prepare_cached(&format!(
                "SELECT ended_at, device, boot, number, {} FROM {table} WHERE customer = ?1 AND \
                 (lower(caller) = lower(?2) OR lower(callee) = lower(?2)) LIMIT {SLICE}",
                Calls::COLUMNS
            ))?;
            let mut rows = statement.query(params![customer.0, search::column(number)])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                let Some(position) = search::position(&row)? else { continue };
                found.push((position, Counts::of(&Calls::row(&position, &row)?)));
            }
            found
        };
        self.write(|tx| {
            let is_counted = hours::is_counted(tx, table)?;
            let mut erased = 0;
            for (position, counts) in &found {
                let key = params![
                    customer.0,
                    position.device.0,
                    position.boot.0,
                    position.number.cast_signed()
                ];
                let which = "customer = ?1 AND device = ?2 AND boot = ?3 AND number = ?4";
                if is_counted && tx.as_sqlite().is_some() {
                    tx.execute(
                        &format!(
                            "DELETE FROM {} WHERE customer = ?1 AND bucket = ?5 AND call = (SELECT \
                             rowid FROM {table} WHERE {which})",
                            terms::table(table)
                        ),
                        params![
                            customer.0,
                            position.device.0,
                            position.boot.0,
                            position.number.cast_signed(),
                            terms::bucket(position.ended_at)
                        ],
                    )?;
                }
                let deleted = tx.execute(&format!("DELETE FROM {table} WHERE {which}"), key)?;
                if deleted == 1 && is_counted {
                    let hour = UnixMicros(position.ended_at.0 - position.ended_at.0 % HOUR);
                    hours::add(tx, customer, hour, counts, -1)?;
                }
                erased += deleted;
            }
            Ok(erased)
        })
    }
}
