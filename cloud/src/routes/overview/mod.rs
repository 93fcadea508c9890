//! `GET /overview`: how things stand, in a sentence and in figures over time.
//!
//! Everything comes from sums that are kept with the records ([`crate::db::sums`]), so it costs the
//! same whether a day has a thousand calls or a million. The span's ends lie on whole five minutes,
//! those of sensors, numbers and addresses on whole hours; the answer says which.

mod figures;
mod verdict;

use std::collections::BTreeMap;

use ringside_protocol::cdr::Fingerprint;
use ringside_protocol::time::{MICROS_PER_SECOND, UnixMicros};
use serde_json::{Value, json};

use self::figures::{figures, rounded};
use self::verdict::{Facts, Finding, SensorFacts};
use super::listing::time;
use super::reply::json_response;
use super::sensors::State;
use super::{Answer, ApiError, Context, health, query};
use crate::auth::Scope;
use crate::db::search::{self, Span, visible};
use crate::db::sensors::Sensor;
use crate::db::stats::HOUR;
use crate::db::sums::trouble::{self, Kind, Measure};
use crate::db::sums::{self, BAD_AUDIO_FILTER, Channels, FAILED_FILTER, SLOT, Sums, begin};
use crate::db::{Series, fleet, people};

/// The span where none is asked for, microseconds.
const DEFAULT_SPAN: u64 = 24 * HOUR;

/// Sensors, numbers and addresses in a list of the worst.
const MOST_LISTED: u32 = 10;

/// Calls that a sensor must have had to be among the worst.
const LEAST_CALLS_OF_A_SENSOR: u64 = 20;

/// For spans of at most so many microseconds the points of charts are so far apart, so that there
/// are a hundred at most.
const POINTS: &[(u64, u64)] =
    &[(8 * HOUR, SLOT), (2 * 24 * HOUR, HOUR / 2), (8 * 24 * HOUR, 2 * HOUR), (u64::MAX, 6 * HOUR)];

pub(super) fn overview(context: &Context<'_>, scope: &Scope) -> Answer {
    let span = asked(context)?;
    let db = &context.app.db;
    let (now, length) = (context.now, span.until.since(span.from));
    let before = Span { from: UnixMicros(span.from.0.saturating_sub(length)), until: span.from };
    // What is older than the retention is gone, so there is nothing to compare with.
    let has_before = before.from >= visible(now).from;
    let first = if has_before { before.from } else { span.from };
    let both = Span { from: first, until: span.until };
    let slots = sums::over_time(db, scope, both)?;
    let used = sums::channels(db, scope, both)?;
    let sensors = fleet::sensors(db, scope)?;
    let hours = hours_of(span);
    let by_sensor = sums::by_sensor(db, scope, hours)?;
    let before_by_sensor = if has_before {
        sums::by_sensor(db, scope, Span { from: hours_of(before).from, until: hours.from })?
    } else {
        BTreeMap::new()
    };
    let point = POINTS.iter().find(|(longest, _)| length <= *longest).map_or(HOUR, |it| it.1);
    let part = |part: Span| Part::of(part, point, &slots, &used);
    let (present, past) = (part(span), has_before.then(|| part(before)));
    let troubles = Troubles::read(context, scope, hours)?;
    let facts = Facts {
        now,
        span,
        total: present.total,
        before: past.as_ref().map(|past| past.total),
        limit: people::customer(db, scope)?.channels,
        channels: channels_now(&sensors, now),
        busiest: present.busiest,
        last_call: search::newest(db, scope, Series::Calls, now)?,
        sensors: sensor_facts(&sensors, &by_sensor, &before_by_sensor, now),
        failing: troubles.first(Measure::Failed),
        bad: troubles.first(Measure::BadAudio),
    };
    let mut findings = verdict::findings(&facts).into_iter();
    let verdict = findings.next().unwrap_or_else(|| verdict::all_well(&facts));
    let body = json!({
        "from": span.from.to_rfc3339(),
        "to": span.until.to_rfc3339(),
        "verdict": finding(&verdict),
        "findings": findings.map(|it| finding(&it)).collect::<Vec<_>>(),
        "figures": figures(&present.total),
        "channels": {
            "now": facts.channels,
            "limit": facts.limit,
            "busiest": facts.busiest.map(|(at, channels)| json!({
                "at": at.to_rfc3339(),
                "channels": rounded(channels),
            })),
        },
        "point_seconds": point / MICROS_PER_SECOND,
        "points": present.points,
        "before": past.map(|past| json!({
            "from": before.from.to_rfc3339(),
            "figures": figures(&past.total),
            "points": past.points,
        })),
        "hours": { "from": hours.from.to_rfc3339(), "to": hours.until.to_rfc3339() },
        "filters": {
            "failed": FAILED_FILTER.iter().copied().collect::<BTreeMap<_, _>>(),
            "bad_audio": BAD_AUDIO_FILTER.iter().copied().collect::<BTreeMap<_, _>>(),
        },
        "sensors": sensors_object(&facts.sensors),
        "numbers": troubles.object(Kind::Number),
        "addresses": troubles.object(Kind::Address),
    });
    Ok(json_response(200, &body))
}

/// The span that is asked for, on whole five minutes; it ends no later than the one that is on.
fn asked(context: &Context<'_>) -> Result<Span, ApiError> {
    let (mut from, mut until) = (None, context.now);
    for (name, value) in query::parameters(&context.request.query)? {
        match name.as_str() {
            "from" => from = Some(time("from", &value)?),
            "to" => until = until.min(time("to", &value)?),
            name => return Err(ApiError::parameter(name, "from or to")),
        }
    }
    let until = begin(until, SLOT).plus(SLOT);
    let from = from.unwrap_or(UnixMicros(until.0.saturating_sub(DEFAULT_SPAN)));
    // The five minutes in which the retention ends are half gone.
    let oldest = begin(visible(context.now).from, SLOT).plus(SLOT);
    Ok(Span { from: begin(from, SLOT).max(oldest).min(until), until })
}

/// The whole hours that hold a span.
const fn hours_of(span: Span) -> Span {
    let last = UnixMicros(span.until.0.saturating_sub(1));
    Span { from: begin(span.from, HOUR), until: begin(last, HOUR).plus(HOUR) }
}

/// One span's total and the points of its charts.
struct Part {
    total: Sums,
    busiest: Option<(UnixMicros, f64)>,
    points: Vec<Value>,
}

impl Part {
    fn of(span: Span, point: u64, slots: &[(UnixMicros, Sums)], used: &[Channels]) -> Self {
        let is_within = |at: UnixMicros| span.from <= at && at < span.until;
        let mut points = BTreeMap::<UnixMicros, (Sums, Option<f64>)>::new();
        let mut at = begin(span.from, point);
        while at < span.until {
            points.entry(at).or_default();
            at = at.plus(point);
        }
        let mut total = Sums::default();
        for (at, sums) in slots.iter().filter(|(at, _)| is_within(*at)) {
            total = total.plus(*sums);
            let (sum, _) = points.entry(begin(*at, point)).or_default();
            *sum = sum.plus(*sums);
        }
        let mut busiest: Option<(UnixMicros, f64)> = None;
        for used in used.iter().filter(|used| is_within(used.at)) {
            let mean = used.mean();
            if busiest.is_none_or(|(_, most)| mean > most) {
                busiest = Some((used.at, mean));
            }
            let (_, most) = points.entry(begin(used.at, point)).or_default();
            *most = Some(most.map_or(mean, |most| most.max(mean)));
        }
        let points = points.into_iter().map(|(at, (sums, channels))| {
            let mut object = figures(&sums);
            object["at"] = json!(at.to_rfc3339());
            object["channels"] = json!(channels.map(rounded));
            object
        });
        Self { total, busiest, points: points.collect() }
    }
}

/// Calls in progress at all sensors that are there; `None` where none is.
fn channels_now(sensors: &[Sensor], now: UnixMicros) -> Option<u64> {
    let mut online = sensors.iter().filter(|sensor| sensor.is_online(now)).peekable();
    online.peek()?;
    Some(online.map(health::channels).sum())
}

fn sensor_facts(
    sensors: &[Sensor],
    sums: &BTreeMap<Fingerprint, Sums>,
    before: &BTreeMap<Fingerprint, Sums>,
    now: UnixMicros,
) -> Vec<SensorFacts> {
    let there = sensors.iter().filter(|sensor| !sensor.is_revoked);
    there
        .map(|sensor| SensorFacts {
            device: sensor.device,
            id_sensor: sensor.id_sensor,
            name: sensor.name.clone(),
            state: State::of(sensor, now),
            heard_at: sensor.heard_at(),
            sums: sums.get(&sensor.device).copied().unwrap_or_default(),
            before: before.get(&sensor.device).copied(),
        })
        .collect()
}

fn sensors_object(sensors: &[SensorFacts]) -> Value {
    let mut worst: Vec<_> = sensors
        .iter()
        .filter(|it| it.sums.counts.calls >= LEAST_CALLS_OF_A_SENSOR && it.bad() > 0)
        .collect();
    // By the share of bad calls: a.bad / a.calls > b.bad / b.calls, without a division.
    worst.sort_by_key(|it| {
        core::cmp::Reverse(u128::from(it.bad()) * 1_000_000 / u128::from(it.sums.counts.calls))
    });
    worst.truncate(MOST_LISTED as usize);
    let named = |it: &SensorFacts| json!({ "id": it.device.to_string(), "name": it.name, "id_sensor": it.id_sensor });
    let object = |it: &SensorFacts| {
        json!({
            "sensor": named(it),
            "figures": figures(&it.sums),
            "before": it.before.as_ref().map(figures),
        })
    };
    let away = sensors.iter().filter(|it| it.state != State::Online);
    let away = away.map(|it| {
        json!({
            "sensor": named(it),
            "state": it.state.name(),
            "heard_at": it.heard_at.map(UnixMicros::to_rfc3339),
        })
    });
    json!({
        "total": sensors.len(),
        "online": sensors.iter().filter(|it| it.state == State::Online).count(),
        "away": away.collect::<Vec<_>>(),
        "worst": worst.into_iter().map(object).collect::<Vec<_>>(),
    })
}

/// The numbers and addresses with the most bad calls.
struct Troubles(Vec<(Kind, Measure, Names)>);

/// Each with how many bad calls it has, the worst first.
type Names = Vec<(String, u64)>;

impl Troubles {
    fn read(context: &Context<'_>, scope: &Scope, hours: Span) -> Result<Self, ApiError> {
        let mut all = Vec::new();
        for kind in [Kind::Number, Kind::Address] {
            for measure in [Measure::Failed, Measure::BadAudio] {
                let db = &context.app.db;
                let worst = trouble::worst(db, scope, (kind, measure), hours, MOST_LISTED)?;
                all.push((kind, measure, worst));
            }
        }
        Ok(Self(all))
    }

    fn of(&self, kind: Kind, measure: Measure) -> &[(String, u64)] {
        let found = self.0.iter().find(|it| (it.0, it.1) == (kind, measure));
        found.map_or(&[], |(_, _, names)| names)
    }

    /// The number with the most of such calls.
    fn first(&self, measure: Measure) -> Option<(String, u64)> {
        self.of(Kind::Number, measure).first().cloned()
    }

    fn object(&self, kind: Kind) -> Value {
        let field = match kind {
            Kind::Number => "number",
            Kind::Address => "address",
        };
        let list = |measure| {
            let names = self.of(kind, measure).iter();
            names.map(|(name, calls)| json!({ field: name, "calls": calls })).collect::<Vec<_>>()
        };
        json!({ "failed": list(Measure::Failed), "bad_audio": list(Measure::BadAudio) })
    }
}

fn finding(finding: &Finding) -> Value {
    json!({
        "severity": finding.severity.name(),
        "sentence": finding.sentence,
        "reasons": finding.reasons,
        "next": finding.next.as_ref().map(|next| json!({ "text": next.text, "page": next.page })),
    })
}
