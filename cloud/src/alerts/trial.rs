//! What a rule would have done in the last day.

use ringside_protocol::cdr::Fingerprint;
use ringside_protocol::time::{MICROS_PER_SECOND, UnixMicros};

use super::evaluate::{hold, window};
use super::rule::Rule;
use super::state::{Step, Verdict, Watch};
use super::tally::count;
use super::words;
use crate::auth::Scope;
use crate::db::sensors::Sensor;
use crate::db::{Db, Result};

/// How far back it is tried, seconds.
pub const TRIAL_SECONDS: u64 = 86_400;

/// Alerts that are named.
pub const MAX_NAMED: usize = 20;

/// One alert that would have been.
#[derive(Clone, Debug, PartialEq)]
pub struct Would {
    /// The sensor.
    pub device: Option<Fingerprint>,
    /// When it would have opened.
    pub opened_at: UnixMicros,
    /// When it would have closed; `None`: it would be open.
    pub closed_at: Option<UnixMicros>,
    /// What it would have said.
    pub sentence: String,
    /// The search behind it.
    pub link: String,
}

/// What came of a trial.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// How often it would have fired.
    pub fired: usize,
    /// The newest of them, [`MAX_NAMED`] at most.
    pub named: Vec<Would>,
    /// Since when calls were looked at.
    pub from: UnixMicros,
    /// Whether the oldest calls of the day were left out.
    pub is_partial: bool,
    /// What it measures now: the last finding, of the worst group.
    pub present: Option<String>,
}

/// Tries a rule of calls on the last day.
///
/// # Errors
/// The database's.
pub fn run(
    db: &Db,
    scope: &Scope,
    rule: &Rule,
    sensors: &[Sensor],
    now: UnixMicros,
) -> Result<Option<Trial>> {
    let day = TRIAL_SECONDS * MICROS_PER_SECOND;
    let Some(counted) = window(rule, sensors) else { return Ok(None) };
    let mut counted = counted.keeping(day);
    let is_partial = !count(db, scope, &mut [&mut counted], now)?;
    let from = UnixMicros(now.0.saturating_sub(day));
    let mut all = Vec::new();
    let mut present: Option<(f64, String)> = None;
    let groups = counted.groups();
    for device in groups {
        let mut watch = Watch::default();
        let mut open: Option<Would> = None;
        let mut at = from;
        while at <= now {
            let seen = counted.see(device, at);
            let value = seen.value.filter(|_| seen.sample >= u64::from(rule.least));
            let verdict = match value {
                _ if seen.bad_windows >= rule.bad_windows => Verdict::Bad,
                None => Verdict::Untold,
                Some(value) if rule.is_good(value) => Verdict::Good,
                Some(_) => Verdict::Between,
            };
            match watch.look(open.is_some(), verdict, hold(rule), at) {
                Step::Open => {
                    let sentence = words::of_calls(rule, &seen, at);
                    let link = words::link(rule, device, seen.from);
                    open = Some(Would { device, opened_at: at, closed_at: None, sentence, link });
                }
                Step::Recovered | Step::Faded => {
                    all.extend(open.take().map(|would| Would { closed_at: Some(at), ..would }));
                }
                Step::Stay => {}
            }
            at = at.plus(counted.slice());
        }
        all.extend(open);
        let seen = counted.see(device, now);
        if let Some(value) = seen.value
            && present.as_ref().is_none_or(|(other, _)| rule.is_worse(value, *other))
        {
            present = Some((value, words::of_calls(rule, &seen, now)));
        }
    }
    all.sort_by_key(|would| core::cmp::Reverse(would.opened_at));
    let fired = all.len();
    all.truncate(MAX_NAMED);
    let present = present.map(|(_, sentence)| sentence);
    Ok(Some(Trial { fired, named: all, from, is_partial, present }))
}
