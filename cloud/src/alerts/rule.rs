//! An alert rule: what is measured, of which calls or sensors, when it is too much, and who hears.

use serde::{Deserialize, Serialize};

use super::measure::{About, Measure, Side};
use crate::filter::{Devices, Filter, Invalid};

/// Characters of a rule's name.
pub const MAX_NAME: usize = 100;

/// Bytes of each of a rule's filters.
pub const MAX_FILTER: usize = 2048;

/// The longest window, minutes: a day.
pub const MAX_WINDOW_MINUTES: u32 = 1440;

/// Windows that a rule looks back over, at most.
pub const MAX_WINDOWS: u32 = 5;

/// How bad it is that a rule fires.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Somebody should look today.
    #[default]
    Warning,
    /// Somebody should look now.
    Critical,
}

impl Severity {
    /// As stored and written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }

    /// The severity of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Info, Self::Warning, Self::Critical].into_iter().find(|it| it.name() == name)
    }
}

/// A rule, as the API and the database write it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What it is called; subjects of e-mails begin with it.
    pub name: String,
    /// What is measured.
    pub measure: Measure,
    /// Which calls, in the language of lists, as in an address: `flag=one_way&caller=%2B4930*`.
    /// Empty: all. Of measures of sensors only `sensor` is looked at.
    #[serde(default)]
    pub filter: String,
    /// For [`Measure::Share`]: among which calls.
    #[serde(default)]
    pub among: String,
    /// Which way is bad.
    pub side: Side,
    /// In the measure's unit.
    pub threshold: f64,
    /// Fewer calls in the window say nothing.
    #[serde(default)]
    pub least: u32,
    /// Minutes.
    pub window_minutes: u32,
    /// It fires when so many …
    #[serde(default = "one")]
    pub bad_windows: u32,
    /// … of the last so many windows are bad.
    #[serde(default = "one")]
    pub of_windows: u32,
    /// One alert for each sensor rather than one for all.
    #[serde(default)]
    pub by_sensor: bool,
    /// How bad it is.
    #[serde(default)]
    pub severity: Severity,
    /// Numbers of the channels that hear of it; `None`: all of the customer's.
    #[serde(default)]
    pub channels: Option<Vec<i64>>,
}

const fn one() -> u32 {
    1
}

impl Rule {
    /// Whether it has an alert for each sensor.
    #[must_use]
    pub const fn is_by_sensor(&self) -> bool {
        match self.measure.about() {
            About::Calls => self.by_sensor,
            About::Sensor => true,
            About::Customer => false,
        }
    }

    /// Whether a value is beyond the threshold.
    #[must_use]
    pub fn is_bad(&self, value: f64) -> bool {
        match self.side {
            Side::Above => value > self.threshold,
            Side::Below => value < self.threshold,
        }
    }

    /// Whether a value is so much better than the threshold that an alert may close.
    #[must_use]
    pub fn is_good(&self, value: f64) -> bool {
        let margin = self.measure.margin(self.threshold);
        match self.side {
            Side::Above => value <= (self.threshold - margin).max(0.0),
            Side::Below => value >= self.threshold + margin,
        }
    }

    /// Whether `one` is worse than `other`.
    #[must_use]
    pub fn is_worse(&self, one: f64, other: f64) -> bool {
        match self.side {
            Side::Above => one > other,
            Side::Below => one < other,
        }
    }

    /// Puts in order what may be left out, and refuses what means nothing.
    ///
    /// # Errors
    /// What must be changed, by the name of the field.
    pub fn check(mut self, devices: Devices<'_>) -> Result<Self, Invalid> {
        let invalid = |name: &str, allowed: String| Invalid { name: name.to_owned(), allowed };
        self.name = self.name.trim().to_owned();
        if self.name.is_empty() || self.name.chars().count() > MAX_NAME {
            return Err(invalid("name", format!("1 to {MAX_NAME} characters long")));
        }
        if self.name.chars().any(char::is_control) {
            return Err(invalid("name", "one line of text".to_owned()));
        }
        let (least, most) = self.measure.range();
        if self.measure.is_plain() {
            (self.threshold, self.side) = (0.0, Side::Above);
        } else if !(least..=most).contains(&self.threshold) {
            return Err(invalid("threshold", format!("a number from {least} to {most}")));
        }
        if !(1..=MAX_WINDOW_MINUTES).contains(&self.window_minutes) {
            let allowed = format!("a number of minutes from 1 to {MAX_WINDOW_MINUTES}");
            return Err(invalid("window_minutes", allowed));
        }
        if !(1..=MAX_WINDOWS).contains(&self.of_windows) {
            return Err(invalid("of_windows", format!("a number from 1 to {MAX_WINDOWS}")));
        }
        if !(1..=self.of_windows).contains(&self.bad_windows) {
            let allowed = "a number from 1 to of_windows".to_owned();
            return Err(invalid("bad_windows", allowed));
        }
        if self.measure != Measure::Share {
            self.among.clear();
        }
        for (name, text) in [("filter", &self.filter), ("among", &self.among)] {
            read_filter(text, devices).map_err(|error| invalid(name, error))?;
        }
        if self.measure.about() != About::Calls {
            let pairs = crate::routes::address_parameters(&self.filter).unwrap_or_default();
            if pairs.iter().any(|(name, _)| name != "sensor") {
                return Err(invalid(
                    "filter",
                    "sensor=… alone, for what is measured of sensors".to_owned(),
                ));
            }
        }
        self.by_sensor = self.is_by_sensor();
        Ok(self)
    }
}

/// Reads a filter as it stands in an address.
///
/// # Errors
/// The end of a sentence that begins "filter must be".
pub fn read_filter(text: &str, devices: Devices<'_>) -> Result<Filter, String> {
    if text.len() > MAX_FILTER {
        return Err(format!("at most {MAX_FILTER} bytes long"));
    }
    let mut filter = Filter::default();
    let pairs = crate::routes::address_parameters(text)
        .ok_or("written as in an address, as in flag=one_way&caller=%2B4930*")?;
    for (name, value) in pairs {
        let said = |invalid: Invalid| {
            format!("a filter of calls, in which {} must be {}", invalid.name, invalid.allowed)
        };
        filter.add(&name, &value, devices).map_err(said)?;
    }
    Ok(filter)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// More than five per cent of the answered calls are degraded.
    pub(crate) fn bad_share() -> Rule {
        Rule {
            name: "Bad quality".to_owned(),
            measure: Measure::Share,
            filter: "band=degraded".to_owned(),
            among: "answered=true".to_owned(),
            side: Side::Above,
            threshold: 5.0,
            least: 20,
            window_minutes: 15,
            bad_windows: 1,
            of_windows: 1,
            by_sensor: false,
            severity: Severity::Warning,
            channels: None,
        }
    }

    #[test]
    fn a_rule_that_means_nothing_is_refused_by_the_name_of_its_field() {
        let refused = |rule: Rule| rule.check(&|_| None).expect_err("refused").name;
        let with = |change: &dyn Fn(&mut Rule)| {
            let mut rule = bad_share();
            change(&mut rule);
            rule
        };
        assert!(bad_share().check(&|_| None).is_ok());
        for (field, rule) in [
            ("name", with(&|rule| rule.name = " ".to_owned())),
            ("name", with(&|rule| rule.name = "a\r\nBcc: b@example.net".to_owned())),
            ("name", with(&|rule| rule.name = "x".repeat(MAX_NAME + 1))),
            ("threshold", with(&|rule| rule.threshold = 101.0)),
            ("threshold", with(&|rule| rule.threshold = f64::NAN)),
            ("window_minutes", with(&|rule| rule.window_minutes = 0)),
            ("window_minutes", with(&|rule| rule.window_minutes = MAX_WINDOW_MINUTES + 1)),
            ("of_windows", with(&|rule| rule.of_windows = MAX_WINDOWS + 1)),
            ("bad_windows", with(&|rule| rule.bad_windows = 2)),
            ("filter", with(&|rule| rule.filter = "colour=red".to_owned())),
            ("among", with(&|rule| rule.among = "status=%zz".to_owned())),
            ("filter", with(&|rule| rule.filter = format!("q={}", "x".repeat(MAX_FILTER)))),
        ] {
            assert_eq!(refused(rule), field);
        }
    }

    #[test]
    fn a_value_between_threshold_and_margin_is_neither_bad_nor_good() {
        let rule = bad_share();
        let judged = |value| (rule.is_bad(value), rule.is_good(value));
        assert_eq!(judged(5.1), (true, false));
        assert_eq!(judged(4.8), (false, false));
        assert_eq!(judged(4.5), (false, true));
        let below = Rule { measure: Measure::Mos, side: Side::Below, threshold: 3.6, ..rule };
        assert!(below.is_bad(3.5) && !below.is_good(3.62) && below.is_good(3.7));
    }
}
