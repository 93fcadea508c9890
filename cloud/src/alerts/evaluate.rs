//! One look at all rules: what opens, what closes, who is to hear of it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use ringside_protocol::cdr::Fingerprint;
use ringside_protocol::time::{MICROS_PER_SECOND, UnixMicros};
use ringside_protocol::words::plural;

use super::measure::{About, Measure};
use super::rule::{Rule, read_filter};
use super::sensors::Past;
use super::state::{Hold, Step, Verdict, Watch};
use super::tally::{Window, count};
use super::words;
use crate::auth::Scope;
use crate::db::alerts::log::{self as kept, Alert, Change, MAX_OPEN};
use crate::db::alerts::{self as stored, Silence, StoredRule};
use crate::db::calls::Row;
use crate::db::customers::CustomerRow;
use crate::db::sensors::Sensor;
use crate::db::{Customer, Db, Result};
use crate::events::{Events, Kind};
use crate::filter::Filter;

/// Between two looks, seconds.
pub const LOOK_EVERY_SECONDS: u64 = 30;

/// Between two times at which old alerts are forgotten, seconds.
const EXPIRE_EVERY_SECONDS: u64 = 3600;

/// A worse value is written down when it differs by this part.
const NOTABLE: f64 = 0.1;

/// Looks at the rules of all customers.
pub struct Evaluator {
    db: Arc<Db>,
    events: Arc<Events>,
    /// Silence of sensors counts from here on: while this service was away it heard of none.
    started_at: UnixMicros,
    known: HashMap<Customer, Known>,
}

/// What is remembered of a customer between two looks.
#[derive(Default)]
struct Known {
    windows: HashMap<i64, (UnixMicros, Window)>,
    watches: HashMap<Group, Watch>,
    past: Past,
    /// Of the changes of calls, when they were counted last.
    serial: Option<u64>,
    expired_at: UnixMicros,
}

/// A rule, and the sensor of which it is one alert.
type Group = (i64, Option<Fingerprint>);

/// What a rule says of a group.
struct Finding {
    verdict: Verdict,
    value: f64,
    sentence: String,
    from: UnixMicros,
}

/// A customer with what a look needs of it.
struct Scene<'a> {
    row: &'a CustomerRow,
    sensors: Vec<Sensor>,
    certificate_expires_at: Option<UnixMicros>,
    started_at: UnixMicros,
    now: UnixMicros,
}

impl Evaluator {
    /// Has looked at nothing yet.
    #[must_use]
    pub fn new(db: Arc<Db>, events: Arc<Events>, started_at: UnixMicros) -> Self {
        Self { db, events, started_at, known: HashMap::new() }
    }

    /// Looks once. A customer whose rules cannot be looked at holds up no other.
    pub fn look(&mut self, certificate_expires_at: Option<UnixMicros>, now: UnixMicros) {
        let customers = match self.db.customers() {
            Ok(customers) => customers,
            Err(error) => return log::error!("alerts were not looked at: {error}"),
        };
        let there: HashSet<_> = customers.iter().map(|row| row.customer).collect();
        self.known.retain(|customer, _| there.contains(customer));
        for row in &customers {
            if let Err(error) = self.customer(row, certificate_expires_at, now) {
                log::error!("alerts of {} were not looked at: {error}", row.name);
            }
        }
    }

    fn customer(
        &mut self,
        row: &CustomerRow,
        certificate_expires_at: Option<UnixMicros>,
        now: UnixMicros,
    ) -> Result<()> {
        let scope = Scope::of_service(row.customer);
        let db = Arc::clone(&self.db);
        stored::give_ready(&db, &scope, now)?;
        let mut rules = stored::rules(&db, &scope)?;
        rules.retain(|rule| rule.is_enabled);
        let sensors: Vec<_> = db.list_sensors(Some(row.customer))?;
        let sensors = sensors.into_iter().filter(|sensor| !sensor.is_revoked).collect();
        let started_at = self.started_at;
        let scene = Scene { row, sensors, certificate_expires_at, started_at, now };
        // Read before the calls: one that comes meanwhile is counted at the next look.
        let serial = self.events.serials(row.customer).calls;
        let known = self.known.entry(row.customer).or_default();
        known.past.note(&scene.sensors, now);
        known.past.retain(|device| scene.sensors.iter().any(|sensor| sensor.device == device));
        known.follow(&rules, &scene);
        known.count(&db, &scope, serial, now)?;
        let mut changes = Vec::new();
        let open = kept::open(&db, &scope)?;
        let silences = stored::silences(&db, &scope, now)?;
        let judge = Judge { rules: &rules, open: &open, silences: &silences, scene: &scene };
        let channels: Vec<_> = stored::channels(&db, &scope)?
            .into_iter()
            .filter(|channel| channel.is_enabled)
            .map(|channel| (channel.id, channel.calls.is_none()))
            .collect();
        judge.all(known, &channels, &mut changes);
        if !changes.is_empty() {
            let opened = kept::write(&db, &scope, &changes, now)?;
            let closed = changes.iter().filter(|it| matches!(it, Change::Close(..))).count();
            if !opened.is_empty() || closed > 0 {
                let opened = plural(opened.len(), "alert");
                log::info!("{}: {opened} opened, {closed} closed", row.name);
                self.events.bump(row.customer, Kind::Sensors);
            }
        }
        if now.since(known.expired_at) >= EXPIRE_EVERY_SECONDS * MICROS_PER_SECOND {
            kept::expire(&db, &scope, now)?;
            known.expired_at = now;
        }
        Ok(())
    }
}

impl Known {
    /// Windows of rules that are new or changed begin anew.
    fn follow(&mut self, rules: &[StoredRule], scene: &Scene<'_>) {
        let of_calls = |rule: &&StoredRule| rule.rule.measure.about() == About::Calls;
        let there: HashMap<_, _> =
            rules.iter().filter(of_calls).map(|rule| (rule.id, rule)).collect();
        self.windows.retain(|id, (changed_at, _)| {
            there.get(id).is_some_and(|rule| rule.changed_at == *changed_at)
        });
        for (id, rule) in there {
            if !self.windows.contains_key(&id)
                && let Some(window) = window(&rule.rule, &scene.sensors)
            {
                self.windows.insert(id, (rule.changed_at, window));
            }
        }
        let ids: HashSet<_> = rules.iter().map(|rule| rule.id).collect();
        self.watches.retain(|(rule, _), _| ids.contains(rule));
    }

    fn count(&mut self, db: &Db, scope: &Scope, serial: u64, now: UnixMicros) -> Result<()> {
        let is_new = self.windows.values().any(|(_, window)| !window.is_counted());
        if self.windows.is_empty() || (!is_new && self.serial == Some(serial)) {
            return Ok(());
        }
        let mut windows: Vec<_> = self.windows.values_mut().map(|(_, window)| window).collect();
        count(db, scope, &mut windows, now)?;
        self.serial = Some(serial);
        Ok(())
    }
}

/// The window of a rule of calls; `None` where its filter names a sensor that is gone.
pub(super) fn window(rule: &Rule, sensors: &[Sensor]) -> Option<Window> {
    let (filter, among) = filters(rule, sensors)?;
    Some(Window::new(rule.clone(), filter, among))
}

fn filters(rule: &Rule, sensors: &[Sensor]) -> Option<(Filter, Filter)> {
    let device = |number: u64| {
        let numbered = sensors.iter().find(|it| it.id_sensor.map(u64::from) == Some(number));
        numbered.map(|sensor| sensor.device)
    };
    let read = |text: &str| read_filter(text, &device).ok();
    read(&rule.filter).zip(read(&rule.among))
}

/// A look at one customer.
struct Judge<'a> {
    rules: &'a [StoredRule],
    open: &'a [Alert],
    silences: &'a [Silence],
    scene: &'a Scene<'a>,
}

impl Judge<'_> {
    fn all(&self, known: &mut Known, channels: &[(i64, bool)], changes: &mut Vec<Change>) {
        let mut looked_at = HashSet::new();
        let mut places = MAX_OPEN.saturating_sub(self.open.len());
        for rule in self.rules {
            for device in self.groups(&rule.rule) {
                let group = (rule.id, device);
                looked_at.insert(group);
                let finding = self.finding(rule, device, known);
                let told = channels_of(&rule.rule, channels);
                self.step(known, rule, device, finding, (&told, &mut places), changes);
            }
        }
        for alert in self.open {
            if !looked_at.contains(&(alert.rule, alert.device)) {
                let rule = self.rules.iter().find(|rule| rule.id == alert.rule);
                let why = match rule {
                    None => "Its rule was deleted or switched off.",
                    Some(_) => "Its sensor is no longer one of those that the rule looks at.",
                };
                let told = rule.map_or_else(
                    || {
                        channels
                            .iter()
                            .filter(|(_, is_usual)| *is_usual)
                            .map(|(id, _)| *id)
                            .collect()
                    },
                    |rule| channels_of(&rule.rule, channels),
                );
                self.close(alert, why, &told, changes);
                known.watches.remove(&(alert.rule, alert.device));
            }
        }
    }

    fn groups(&self, rule: &Rule) -> Vec<Option<Fingerprint>> {
        if !rule.is_by_sensor() {
            return vec![None];
        }
        let devices = self.scene.sensors.iter().map(|sensor| sensor.device);
        if rule.measure.about() == About::Calls || rule.filter.is_empty() {
            return devices.map(Some).collect();
        }
        let chosen = filters(rule, &self.scene.sensors);
        let is_chosen = |device: &Fingerprint| {
            chosen.as_ref().is_some_and(|(filter, _)| filter.matches(&only(*device)))
        };
        devices.filter(is_chosen).map(Some).collect()
    }

    fn finding(
        &self,
        rule: &StoredRule,
        device: Option<Fingerprint>,
        known: &Known,
    ) -> Option<Finding> {
        let now = self.scene.now;
        let rule_of = &rule.rule;
        match rule_of.measure.about() {
            About::Calls => {
                let (_, window) = known.windows.get(&rule.id)?;
                let seen = window.see(device, now);
                let is_sample = seen.sample >= u64::from(rule_of.least);
                let value = seen.value.filter(|_| is_sample);
                let verdict = match value {
                    _ if seen.bad_windows >= rule_of.bad_windows => Verdict::Bad,
                    None => Verdict::Untold,
                    Some(value) if rule_of.is_good(value) => Verdict::Good,
                    Some(_) => Verdict::Between,
                };
                let sentence = words::of_calls(rule_of, &seen, now);
                Some(Finding { verdict, value: value?, sentence, from: seen.from })
            }
            About::Sensor => {
                let sensor = self.scene.sensors.iter().find(|it| Some(it.device) == device)?;
                let window = rule_of.window_minutes;
                let reading = known.past.read(rule_of.measure, sensor, window, now)?;
                // A silence that began before this service did may be this service's own.
                if rule_of.measure == Measure::Offline
                    && rule_of.is_bad(reading.value)
                    && !rule_of.is_bad(self.scene.minutes_up())
                {
                    return None;
                }
                Some(self.state(rule_of, reading.value, &reading.sentence))
            }
            About::Customer => {
                let (value, sentence) = self.scene.whole(rule_of.measure)?;
                Some(self.state(rule_of, value, &sentence))
            }
        }
    }

    fn state(&self, rule: &Rule, value: f64, sentence: &str) -> Finding {
        let verdict = if rule.is_bad(value) {
            Verdict::Bad
        } else if rule.is_good(value) {
            Verdict::Good
        } else {
            Verdict::Between
        };
        let sentence = words::of_state(rule, value, sentence);
        Finding { verdict, value, sentence, from: self.scene.now }
    }

    fn step(
        &self,
        known: &mut Known,
        rule: &StoredRule,
        device: Option<Fingerprint>,
        finding: Option<Finding>,
        (told, places): (&[i64], &mut usize),
        changes: &mut Vec<Change>,
    ) {
        let now = self.scene.now;
        let alert = self.open.iter().find(|it| it.rule == rule.id && it.device == device);
        let verdict = finding.as_ref().map_or(Verdict::Untold, |finding| finding.verdict);
        let watch = known.watches.entry((rule.id, device)).or_default();
        match (watch.look(alert.is_some(), verdict, hold(&rule.rule), now), alert, finding) {
            (Step::Open, None, Some(finding)) => {
                if *places == 0 {
                    changes.push(Change::OverLimit);
                    return;
                }
                *places -= 1;
                changes.push(Change::Open(self.alert(rule, device, finding)));
                if !self.is_silenced(rule.id, device) {
                    changes.push(Change::TellOpened(0, told.to_vec()));
                }
            }
            (Step::Recovered, Some(alert), _) => {
                self.close(alert, "It is well again.", told, changes);
            }
            (Step::Faded, Some(alert), _) => {
                let why = "There is too little to tell whether it is well again.";
                self.close(alert, why, told, changes);
            }
            (_, Some(alert), finding) => {
                if let Some(finding) = finding
                    && rule.rule.is_worse(finding.value, alert.value)
                    && (finding.value - alert.value).abs() > alert.value.abs() * NOTABLE
                {
                    let (value, sentence) = (finding.value, finding.sentence);
                    changes.push(Change::Update(Alert { value, sentence, ..alert.clone() }));
                }
                if !alert.is_told && !self.is_silenced(rule.id, device) {
                    changes.push(Change::TellOpened(alert.id, told.to_vec()));
                }
            }
            _ => {}
        }
    }

    fn alert(&self, rule: &StoredRule, device: Option<Fingerprint>, finding: Finding) -> Alert {
        Alert {
            id: 0,
            rule: rule.id,
            device,
            name: rule.rule.name.clone(),
            severity: rule.rule.severity,
            sentence: finding.sentence,
            link: words::link(&rule.rule, device, finding.from),
            value: finding.value,
            from: finding.from,
            opened_at: self.scene.now,
            closed_at: None,
            why_closed: None,
            seen: None,
            note: None,
            is_told: false,
        }
    }

    fn close(&self, alert: &Alert, why: &'static str, told: &[i64], changes: &mut Vec<Change>) {
        changes.push(Change::Close(alert.clone(), why));
        if alert.is_told && !self.is_silenced(alert.rule, alert.device) {
            changes.push(Change::TellClosed(alert.id, told.to_vec()));
        }
    }

    fn is_silenced(&self, rule: i64, device: Option<Fingerprint>) -> bool {
        self.silences.iter().any(|silence| silence.covers(rule, device, self.scene.now))
    }
}

impl Scene<'_> {
    fn minutes_up(&self) -> f64 {
        let seconds = self.now.since(self.started_at) / MICROS_PER_SECOND;
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        let minutes = seconds as f64 / 60.0;
        minutes
    }

    /// What is measured of all sensors together.
    fn whole(&self, measure: Measure) -> Option<(f64, String)> {
        match measure {
            Measure::Channels => {
                let online = self.sensors.iter().filter(|sensor| sensor.is_online(self.now));
                let heartbeats = online.filter_map(|sensor| sensor.heartbeat.as_ref());
                let busy: u32 = heartbeats.map(|(_, it)| u32::from(it.channels)).sum();
                let limit = self.row.channels;
                let value = f64::from(busy) * 100.0 / f64::from(limit.max(1));
                Some((value, format!("{busy} of {limit} channels are in use.")))
            }
            Measure::Certificate => {
                let end = self.certificate_expires_at?;
                let days = end.since(self.now) / (86_400 * MICROS_PER_SECOND);
                #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
                let value = days as f64;
                let sentence = format!(
                    "The certificate of this service expires at {}; sensors cannot connect then: \
                     tell its operator.",
                    words::minute(end)
                );
                Some((value, sentence))
            }
            _ => None,
        }
    }
}

/// The channels that hear of a rule: those it names, else all that are not for finished calls.
fn channels_of(rule: &Rule, channels: &[(i64, bool)]) -> Vec<i64> {
    let is_meant = |(id, is_usual): &&(i64, bool)| {
        rule.channels.as_ref().map_or(*is_usual, |named| named.contains(id))
    };
    channels.iter().filter(is_meant).map(|(id, _)| *id).collect()
}

/// How long a rule's value must be good before its alert closes.
pub(super) fn hold(rule: &Rule) -> Hold {
    match rule.measure.about() {
        About::Calls => Hold { good: 300, untold: (u64::from(rule.window_minutes) * 60).max(600) },
        _ => Hold { good: 60, untold: 3600 },
    }
}

/// A row of which only the sensor is there, for filters that name sensors.
fn only(device: Fingerprint) -> Row<'static> {
    Row {
        ended_at: UnixMicros(0),
        device,
        caller: "",
        callee: "",
        call_id: "",
        addresses: "",
        status_code: None,
        ended_by: 0,
        answered: false,
        duration_us: None,
        mos: None,
        flags: 0,
    }
}
