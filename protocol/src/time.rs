//! Points in time as they travel: microseconds since the Unix epoch, UTC.

use serde::{Deserialize, Serialize};

/// Microseconds in a second.
pub const MICROS_PER_SECOND: u64 = 1_000_000;

/// A point in time, microseconds since 1970-01-01T00:00:00Z.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct UnixMicros(pub u64);

impl UnixMicros {
    /// The time `micros` later.
    #[must_use]
    pub const fn plus(self, micros: u64) -> Self {
        Self(self.0.saturating_add(micros))
    }

    /// Microseconds from `earlier` to `self`, 0 if `earlier` is the later one.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Whole days since the epoch: the partition that a record with this `ended_at` belongs to.
    #[must_use]
    pub const fn day(self) -> u64 {
        self.0 / (86_400 * MICROS_PER_SECOND)
    }

    /// Midnight at the beginning of a day counted from the epoch.
    #[must_use]
    pub const fn of_day(day: u64) -> Self {
        Self(day.saturating_mul(86_400 * MICROS_PER_SECOND))
    }

    /// Midnight at the beginning of a date, as in `2026-11-23`; `None` where the calendar has no
    /// such day, and before 1970.
    #[must_use]
    pub fn from_date(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '-');
        let mut number = |digits: usize| -> Option<u64> {
            let part = parts.next().filter(|part| part.len() == digits)?;
            part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok())?
        };
        let (year, month, day) = (number(4)?, number(2)?, number(2)?);
        if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
            return None;
        }
        let days = days_from_civil(year, month, day);
        (civil_from_days(days) == (year, month, day)).then_some(Self::of_day(days))
    }

    /// RFC 3339 in UTC with six decimals, as in `2026-11-23T08:00:57.960454Z`.
    #[must_use]
    pub fn to_rfc3339(self) -> String {
        let seconds = self.0 / MICROS_PER_SECOND;
        let (year, month, day) = civil_from_days(seconds / 86_400);
        let of_day = seconds % 86_400;
        format!(
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:06}Z",
            of_day / 3600,
            of_day / 60 % 60,
            of_day % 60,
            self.0 % MICROS_PER_SECOND
        )
    }

    /// The same without fractions, for sentences, as in `2026-11-23T08:00:57Z`.
    #[must_use]
    pub fn to_the_second(self) -> String {
        format!("{}Z", &self.to_rfc3339()[..19])
    }

    /// The date alone, as in `2026-11-23`.
    #[must_use]
    pub fn to_date(self) -> String {
        self.to_rfc3339()[..10].to_owned()
    }
}

/// The proleptic Gregorian date of a day counted from 1970-01-01.
const fn civil_from_days(days: u64) -> (u64, u64, u64) {
    // Years begin on 1 March here, so that the leap day is the year's last.
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

/// The day, counted from 1970-01-01, of a Gregorian date from then on.
const fn days_from_civil(year: u64, month: u64, day: u64) -> u64 {
    let year = if month <= 2 { year - 1 } else { year };
    let shifted_month = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    let year_of_era = year % 400;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    year / 400 * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_read_back() {
        for day in (0..60_000).step_by(37).chain(11_000..11_400) {
            let midnight = UnixMicros::of_day(day);
            assert_eq!(UnixMicros::from_date(&midnight.to_date()), Some(midnight));
        }
        for wrong in ["2026-02-29", "2026-13-01", "2026-1-01", "1969-12-31", "2026-01-32", "x", ""]
        {
            assert_eq!(UnixMicros::from_date(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(UnixMicros(0).to_rfc3339(), "1970-01-01T00:00:00.000000Z");
        assert_eq!(UnixMicros(951_782_400_000_000).to_date(), "2000-02-29");
        assert_eq!(UnixMicros(1_795_420_859_453_875).to_rfc3339(), "2026-11-23T08:00:59.453875Z");
        assert_eq!(UnixMicros(1_740_787_199_999_999).to_rfc3339(), "2025-02-28T23:59:59.999999Z");
    }

    #[test]
    fn a_day_ends_at_midnight_utc() {
        assert_eq!(UnixMicros(86_399_999_999).day(), 0);
        assert_eq!(UnixMicros(86_400_000_000).day(), 1);
    }
}
