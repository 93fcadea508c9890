//! What all filters have in common: conditions that must all hold, and may be turned round.

use ringside_protocol::cdr::Fingerprint;

use crate::db::terms::Range;

use super::parse::{MAX_CONDITIONS, MAX_VALUE_LEN, Result, invalid};

/// Finds the sensor with a number.
pub type Devices<'a> = &'a dyn Fn(u64) -> Option<Fingerprint>;

/// One condition of a kind of record.
pub trait Test: Sized {
    /// What it looks at.
    type Row<'a>;

    /// Reads the condition `name` = `value`, the value without a leading `!`.
    ///
    /// # Errors
    /// [`super::Invalid`].
    fn read(name: &str, value: &str, devices: Devices<'_>) -> Result<Self>;

    /// What a value without a `!` has to be, where it may have none.
    fn only_plain(&self) -> Option<&'static str> {
        None
    }

    /// Whether it holds.
    fn matches(&self, row: &Self::Row<'_>) -> bool;

    /// The terms of which a record has one where this holds, the fewer records they find the lower
    /// the rank; `None` where there are no such terms.
    fn terms(&self) -> Option<(Rank, Vec<Range>)> {
        None
    }
}

/// How few records a condition's terms find, for choosing among conditions.
pub type Rank = u8;

/// A condition of records of which the newest of each thing is what holds now.
pub trait NewestTest: Test {
    /// Whether no later record of the same thing is there.
    fn is_newest(row: &Self::Row<'_>) -> bool;
}

/// Conditions that must all hold.
#[derive(Clone, Debug)]
pub struct Conditions<T> {
    /// (negated, test).
    conditions: Vec<(bool, T)>,
}

/// The same, of the newest record of each thing only, unless `history=true` asks for all of them.
#[derive(Clone, Debug)]
pub struct NewestOnly<T> {
    conditions: Conditions<T>,
    has_history: bool,
}

impl<T> Default for Conditions<T> {
    fn default() -> Self {
        Self { conditions: Vec::new() }
    }
}

impl<T> Default for NewestOnly<T> {
    fn default() -> Self {
        Self { conditions: Conditions::default(), has_history: false }
    }
}

impl<T: Test> Conditions<T> {
    /// Whether there is none: every record is one of those looked for.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.conditions.is_empty()
    }

    /// Adds the condition `name` = `value`.
    ///
    /// # Errors
    /// [`super::Invalid`].
    pub fn add(&mut self, name: &str, value: &str, devices: Devices<'_>) -> Result<()> {
        if value.len() > MAX_VALUE_LEN {
            return Err(invalid(name, format!("at most {MAX_VALUE_LEN} bytes long")));
        }
        if self.conditions.len() >= MAX_CONDITIONS {
            return Err(invalid(name, format!("one of at most {MAX_CONDITIONS} conditions")));
        }
        let (is_negated, value) = match value.strip_prefix('!') {
            Some(value) => (true, value),
            None => (false, value),
        };
        let test = T::read(name, value, devices)?;
        if let Some(allowed) = test.only_plain().filter(|_| is_negated) {
            return Err(invalid(name, allowed));
        }
        self.conditions.push((is_negated, test));
        Ok(())
    }

    /// The terms of which every record that is looked for has one; none where all records have to be
    /// looked at.
    #[must_use]
    pub fn terms(&self) -> Vec<Range> {
        let plain = self.conditions.iter().filter(|(is_negated, _)| !is_negated);
        let ranked = plain.filter_map(|(_, test)| test.terms());
        ranked.min_by_key(|(rank, _)| *rank).map_or_else(Vec::new, |(_, terms)| terms)
    }

    /// Whether the record is one of those looked for.
    #[must_use]
    pub fn matches(&self, row: &T::Row<'_>) -> bool {
        self.conditions.iter().all(|(is_negated, test)| test.matches(row) != *is_negated)
    }
}

impl<T: NewestTest> NewestOnly<T> {
    /// Adds the condition `name` = `value`, or `history`.
    ///
    /// # Errors
    /// [`super::Invalid`].
    pub fn add(&mut self, name: &str, value: &str, devices: Devices<'_>) -> Result<()> {
        if name == "history" {
            self.has_history = truth(name, value)?;
            return Ok(());
        }
        self.conditions.add(name, value, devices)
    }

    /// Whether the record is one of those looked for.
    #[must_use]
    pub fn matches(&self, row: &T::Row<'_>) -> bool {
        (T::is_newest(row) || self.has_history) && self.conditions.matches(row)
    }
}

/// `true` or `false`.
pub(super) fn truth(name: &str, value: &str) -> Result<bool> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(invalid(name, "true or false")),
    }
}
