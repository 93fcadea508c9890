//! What a rule counts of calls, in slices of time, so that a look at a window adds up a few sums.
//!
//! A window is cut into [`SLICES`] slices of whole minutes. A look counts the newest slices anew
//! (calls come a few minutes late) and leaves the older ones as they are: the cost follows the
//! calls of some minutes, not those of the window. Calls that come later than [`LATE_SECONDS`] are
//! missing in an alert's figures, never in lists. After a start, and when rules have changed, the
//! whole window is counted, at most [`MAX_ROWS_SCANNED`] calls of it.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

use ringside_protocol::cdr::Fingerprint;
use ringside_protocol::time::{MICROS_PER_SECOND, UnixMicros};

use super::measure::Measure;
use super::rule::Rule;
use crate::auth::Scope;
use crate::db::calls::{Calls, Row};
use crate::db::search::{Bounds, MAX_ROWS_SCANNED, Span, search};
use crate::db::stats::Counts;
use crate::db::{Db, Result};
use crate::filter::Filter;

/// Slices of a window.
pub const SLICES: u64 = 12;

/// A call that comes later than this after its end is not counted any more, seconds.
pub const LATE_SECONDS: u64 = 300;

/// Sums (a rule's, of a slice and a sensor) that one customer's rules hold, at most: 20 MiB. When
/// full, all are forgotten and the windows counted anew.
pub const MAX_SUMS: usize = 131_072;

const MINUTE: u64 = 60 * MICROS_PER_SECOND;

/// The calls of a slice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// Those that `among` chooses.
    pub among: u64,
    /// Those that `filter` chooses too.
    pub fitting: Counts,
}

impl Sum {
    const fn plus(self, other: Self) -> Self {
        Self { among: self.among + other.among, fitting: self.fitting.plus(other.fitting) }
    }

    /// The measure's value, and of how many calls; `None` where there were none to measure.
    #[must_use]
    pub fn value(&self, measure: Measure) -> (Option<f64>, u64) {
        let Counts { calls, answered, .. } = self.fitting;
        let effective = answered + self.fitting.callee_refused + self.fitting.cancelled;
        match measure {
            Measure::Share => (ratio(calls * 100, self.among), self.among),
            Measure::Calls => (ratio(calls, 1), calls),
            Measure::Mos => {
                let rated = self.fitting.mos_calls;
                (ratio(self.fitting.mos_sum, rated * 100), rated)
            }
            Measure::Asr => (ratio(answered * 100, calls), calls),
            Measure::Ner => (ratio(effective * 100, calls), calls),
            Measure::Acd => {
                let seconds = self.fitting.duration_us / MICROS_PER_SECOND;
                (ratio(seconds, answered), answered)
            }
            _ => (None, 0),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// A rule of calls with what it has counted.
#[derive(Debug)]
pub struct Window {
    /// The rule.
    pub rule: Rule,
    filter: Filter,
    among: Filter,
    /// Microseconds of a slice.
    slice: u64,
    /// Slices of the window.
    slices: u64,
    sums: BTreeMap<u64, HashMap<Option<Fingerprint>, Sum>>,
    /// Everything from here on has been counted; `None`: nothing yet.
    counted: Option<UnixMicros>,
    /// Slices that are kept besides those that the rule looks at.
    more: u64,
}

/// What a window shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seen {
    /// The measure's value; `None` where there was nothing to measure.
    pub value: Option<f64>,
    /// Of how many calls.
    pub sample: u64,
    /// Of them, those that `filter` chooses.
    pub fitting: u64,
    /// The window's beginning.
    pub from: UnixMicros,
    /// How many of the rule's windows are bad, this one included.
    pub bad_windows: u32,
}

impl Window {
    /// Counts nothing yet.
    #[must_use]
    pub fn new(rule: Rule, filter: Filter, among: Filter) -> Self {
        let minutes = u64::from(rule.window_minutes);
        let slice = (minutes / SLICES).max(1) * MINUTE;
        let slices = (minutes * MINUTE).div_ceil(slice);
        Self { rule, filter, among, slice, slices, sums: BTreeMap::new(), counted: None, more: 0 }
    }

    /// Keeps the sums of so much time more than the rule needs, for a look at the past.
    #[must_use]
    pub fn keeping(mut self, micros: u64) -> Self {
        self.more = micros.div_ceil(self.slice);
        self
    }

    /// Microseconds between two looks that differ.
    #[must_use]
    pub const fn slice(&self) -> u64 {
        self.slice
    }

    /// The sensors that have a sum, and `None` for all of them together.
    #[must_use]
    pub fn groups(&self) -> Vec<Option<Fingerprint>> {
        if !self.rule.by_sensor {
            return vec![None];
        }
        let mut groups: Vec<_> = self.sums.values().flat_map(HashMap::keys).copied().collect();
        groups.sort_unstable();
        groups.dedup();
        groups
    }

    /// Whether its calls have been counted once.
    #[must_use]
    pub const fn is_counted(&self) -> bool {
        self.counted.is_some()
    }

    fn held(&self) -> usize {
        self.sums.values().map(HashMap::len).sum()
    }

    fn forget(&mut self) {
        self.sums.clear();
        self.counted = None;
    }

    /// The first slice that a look at `now` needs.
    fn first_slice(&self, now: UnixMicros) -> u64 {
        let behind = self.slices * u64::from(self.rule.of_windows) + self.more;
        (now.0 / self.slice).saturating_sub(behind)
    }

    /// From where the calls must be counted anew, and room for them.
    fn begin(&mut self, now: UnixMicros) -> UnixMicros {
        let first = self.first_slice(now);
        self.sums = self.sums.split_off(&first);
        let late = UnixMicros(now.0.saturating_sub(LATE_SECONDS * MICROS_PER_SECOND));
        let anew = match self.counted {
            Some(counted) => (late.0.min(counted.0) / self.slice).max(first),
            None => first,
        };
        self.sums.split_off(&anew);
        UnixMicros(anew * self.slice)
    }

    fn add(&mut self, row: &Row<'_>) {
        if !self.among.matches(row) {
            return;
        }
        let group = self.rule.by_sensor.then_some(row.device);
        let slice = self.sums.entry(row.ended_at.0 / self.slice).or_default();
        let sum = slice.entry(group).or_default();
        sum.among += 1;
        if self.filter.matches(row) {
            sum.fitting = sum.fitting.plus(Counts::of(row));
        }
    }

    /// The window that ends at `now`, and how many of those before it were bad.
    #[must_use]
    pub fn see(&self, group: Option<Fingerprint>, now: UnixMicros) -> Seen {
        let last = now.0 / self.slice;
        let sum_of = |first: u64, until: u64| {
            let slices = self.sums.range(first..until);
            let sums = slices.filter_map(|(_, groups)| groups.get(&group));
            sums.fold(Sum::default(), |all, sum| all.plus(*sum))
        };
        // The present slice has only begun: the window takes it in addition.
        let first = last.saturating_sub(self.slices);
        let newest = sum_of(first, last + 1);
        let is_bad = |sum: Sum| {
            let (value, sample) = sum.value(self.rule.measure);
            sample >= u64::from(self.rule.least) && value.is_some_and(|it| self.rule.is_bad(it))
        };
        let mut bad_windows = u32::from(is_bad(newest));
        for window in 1..u64::from(self.rule.of_windows) {
            let until = first.saturating_sub((window - 1) * self.slices);
            bad_windows += u32::from(is_bad(sum_of(until.saturating_sub(self.slices), until)));
        }
        let (value, sample) = newest.value(self.rule.measure);
        let from = UnixMicros(first * self.slice);
        Seen { value, sample, fitting: newest.fitting.calls, from, bad_windows }
    }
}

/// Counts for all windows in one walk over the newest calls; whether it came to its end. Where it
/// did not, the oldest calls of the windows are missing.
///
/// # Errors
/// The database's.
pub fn count(db: &Db, scope: &Scope, windows: &mut [&mut Window], now: UnixMicros) -> Result<bool> {
    if windows.iter().map(|window| window.held()).sum::<usize>() > MAX_SUMS {
        windows.iter_mut().for_each(|window| window.forget());
    }
    let begins: Vec<_> = windows.iter_mut().map(|window| window.begin(now)).collect();
    let Some(from) = begins.iter().min().copied() else { return Ok(true) };
    let bounds = Bounds { matches: 1, rows: MAX_ROWS_SCANNED };
    let cell = RefCell::new(&mut *windows);
    let page = search::<Calls>(db, scope, Span { from, until: now }, None, bounds, &|row| {
        for (window, begin) in cell.borrow_mut().iter_mut().zip(&begins) {
            if row.ended_at >= *begin {
                window.add(row);
            }
        }
        // Nothing is listed.
        false
    })?;
    for window in windows {
        window.counted = Some(now);
    }
    Ok(page.next.is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::rule::tests::bad_share;

    const NOW: UnixMicros = UnixMicros(1_795_521_600_000_000);

    fn row(minutes_ago: u64, mos: i64) -> Row<'static> {
        Row {
            ended_at: UnixMicros(NOW.0 - minutes_ago * MINUTE),
            device: Fingerprint([1; 16]),
            caller: "1",
            callee: "2",
            call_id: "3",
            addresses: " 192.0.2.1 ",
            status_code: Some(200),
            ended_by: 0,
            answered: true,
            duration_us: Some(60_000_000),
            mos: Some(mos),
            flags: 0,
        }
    }

    fn window(change: impl Fn(&mut Rule)) -> Window {
        let mut rule = bad_share();
        change(&mut rule);
        let filter = |text: &str| crate::alerts::rule::read_filter(text, &|_| None).expect("read");
        let (fits, among) = (filter(&rule.filter), filter(&rule.among));
        Window::new(rule, fits, among)
    }

    #[test]
    fn a_window_sees_its_calls_and_no_older_ones() {
        let mut window = window(|rule| rule.least = 2);
        for (minutes_ago, mos) in [(1, 250), (14, 430), (14, 430), (14, 430), (40, 250)] {
            window.add(&row(minutes_ago, mos));
        }
        let seen = window.see(None, NOW);
        assert_eq!((seen.value, seen.sample, seen.fitting), (Some(25.0), 4, 1));
        assert_eq!((seen.bad_windows, seen.from.0), (1, NOW.0 - 15 * MINUTE));
        assert_eq!(window.see(None, UnixMicros(NOW.0 + 60 * MINUTE)).value, None);
    }

    #[test]
    fn three_calls_are_no_sample() {
        let mut window = window(|_| {});
        (0..3).for_each(|_| window.add(&row(1, 250)));
        let seen = window.see(None, NOW);
        assert_eq!((seen.value, seen.sample, seen.bad_windows), (Some(100.0), 3, 0));
    }

    #[test]
    fn bad_windows_are_counted_one_by_one() {
        let mut window = window(|rule| (rule.least, rule.of_windows) = (1, 5));
        for minutes_ago in [1, 20, 50] {
            window.add(&row(minutes_ago, 250));
        }
        assert_eq!(window.see(None, NOW).bad_windows, 3);
    }

    #[test]
    fn each_sensor_has_sums_of_its_own() {
        let mut window = window(|rule| rule.by_sensor = true);
        window.add(&row(1, 250));
        let group = Some(Fingerprint([1; 16]));
        assert_eq!(window.groups(), [group]);
        assert_eq!(window.see(group, NOW).sample, 1);
        assert_eq!(window.see(None, NOW).sample, 0);
    }

    #[test]
    fn only_the_newest_slices_are_counted_anew() {
        let mut window = window(|rule| rule.window_minutes = 60);
        assert_eq!(window.begin(NOW).0, NOW.0 - 60 * MINUTE);
        window.counted = Some(NOW);
        window.add(&row(30, 250));
        window.add(&row(1, 250));
        let later = UnixMicros(NOW.0 + MINUTE);
        assert_eq!(window.begin(later).0, NOW.0 - 5 * MINUTE);
        assert_eq!(window.see(None, later).sample, 1);
    }

    #[test]
    fn values_of_measures() {
        let mut window = window(|rule| (rule.filter, rule.among) = (String::new(), String::new()));
        window.add(&row(1, 250));
        window.add(&Row {
            answered: false,
            mos: None,
            duration_us: None,
            status_code: Some(486),
            ..row(1, 0)
        });
        let sum = window.sums.values().next().expect("a slice")[&None];
        let value = |measure| sum.value(measure).0;
        assert_eq!(value(Measure::Share), Some(100.0));
        assert_eq!(value(Measure::Calls), Some(2.0));
        assert_eq!(value(Measure::Mos), Some(2.5));
        assert_eq!(value(Measure::Asr), Some(50.0));
        assert_eq!(value(Measure::Ner), Some(100.0));
        assert_eq!(value(Measure::Acd), Some(60.0));
        assert_eq!(Sum::default().value(Measure::Asr), (None, 0));
    }
}
