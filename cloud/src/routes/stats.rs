//! `GET /stats`: figures of a span of time.
//!
//! Ratios are of 0 to 1, and null where there was nothing to count: RFC 6076's Session
//! Establishment Ratio (§4.6), Session Establishment Effectiveness Ratio (§4.7) and Ineffective
//! Session Attempts (§4.8), and of telephony the answer-seizure ratio, the network effectiveness
//! ratio (ITU-T E.425) and the average call duration.

use std::collections::BTreeMap;

use ringside_protocol::time::{MICROS_PER_SECOND, UnixMicros};
use serde_json::{Value, json};

use super::listing::time;
use super::names::Names;
use super::reply::json_response;
use super::{Answer, ApiError, Context, health, mask, query};
use crate::auth::Scope;
use crate::db::search::{Span, visible};
use crate::db::stats::{self, Counts, Effort, HOUR};
use crate::db::{fleet, people};
use crate::filter::{Filter, NAMES};

/// Calls counted for one answer; beyond the hour that passes it, older hours are left out and
/// `partial` is true.
pub const MAX_ROWS_COUNTED: u64 = 2_000_000;

/// The span where none is asked for, seconds.
const DEFAULT_SPAN_SECONDS: u64 = 86_400;

pub(super) fn stats(context: &Context<'_>, scope: &Scope) -> Answer {
    let app = context.app;
    let sensors = fleet::sensors(&app.db, scope)?;
    let (span, filter) = asked(context, &Names::new(&sensors))?;
    let (hours, is_complete) = if filter.is_empty() {
        let effort = Effort { max_rows: MAX_ROWS_COUNTED, now: context.now };
        stats::by_hour(&app.db, scope, span, &app.hours, effort)?
    } else {
        stats::by_hour_where(&app.db, scope, span, &|row| filter.matches(row))?
    };
    let total = hours.iter().fold(Counts::default(), |total, (_, counts)| total.plus(*counts));
    let oldest = hours.last().map_or(span.from, |(hour, _)| *hour);
    let first = if is_complete { span.from } else { oldest };
    let hours = every_hour(&hours, first, span.until.min(context.now));
    let online: Vec<_> = sensors.iter().filter(|it| it.is_online(context.now)).collect();
    let limit = people::customer(&app.db, scope)?.channels;
    let mut body = figures(&total);
    body["from"] = json!(span.from.to_rfc3339());
    body["partial"] = json!(!is_complete);
    body["channels"] = json!({
        "now": if online.is_empty() {
            None
        } else {
            Some(online.iter().map(|it| health::channels(it)).sum::<u64>())
        },
        "limit": limit,
    });
    body["sensors"] = json!({
        "online": online.len(),
        "total": sensors.iter().filter(|sensor| !sensor.is_revoked).count(),
    });
    body["by_hour"] = hours.iter().map(hour).collect();
    Ok(json_response(200, &body))
}

/// Which calls: the span, and the filters of lists.
fn asked(context: &Context<'_>, names: &Names) -> Result<(Span, Filter), ApiError> {
    let mut filter = Filter::default();
    let visible = visible(context.now);
    let (mut from, mut until) = (None, visible.until);
    for (name, value) in query::parameters(&context.request.query)? {
        match name.as_str() {
            "from" => from = Some(time("from", &value)?),
            "to" => until = time("to", &value)?,
            name if NAMES.contains(&name) => {
                if context.masks {
                    mask::check_condition(name, &value)?;
                }
                filter.add(name, &value, &|it| names.device(it))?;
            }
            name => {
                let allowed = format!("from, to, {}", NAMES.join(", "));
                return Err(ApiError::parameter(name, &allowed));
            }
        }
    }
    let end = until.min(context.now);
    let day_before = UnixMicros(end.0.saturating_sub(DEFAULT_SPAN_SECONDS * MICROS_PER_SECOND));
    Ok((Span { from: from.unwrap_or(day_before).max(visible.from), until }, filter))
}

/// The hours from `first` to `end` in order, those without calls too: charts need them all.
fn every_hour(
    counted: &[(UnixMicros, Counts)],
    first: UnixMicros,
    end: UnixMicros,
) -> BTreeMap<UnixMicros, Counts> {
    let mut hours: BTreeMap<_, _> = counted.iter().copied().collect();
    let mut hour = UnixMicros(first.0 - first.0 % HOUR);
    while hour < end {
        hours.entry(hour).or_default();
        hour = hour.plus(HOUR);
    }
    hours
}

fn figures(total: &Counts) -> Value {
    let attempts = total.calls.saturating_sub(total.redirected);
    let effective = total.answered + total.callee_refused;
    json!({
        "calls": total.calls,
        "answered": total.answered,
        "asr": ratio(total.answered, total.calls),
        "ner": ratio(effective + total.cancelled, total.calls),
        "session_establishment_ratio": ratio(total.answered, attempts),
        "session_establishment_effectiveness_ratio": ratio(effective, attempts),
        "ineffective_session_attempts": ratio(total.ineffective, total.calls),
        "acd_seconds": ratio(total.duration_us / 1000, total.answered * 1000),
        "mos": {
            "excellent": total.excellent,
            "good": total.good,
            "fair": total.fair,
            "degraded": total.degraded,
            "no_audio": total.no_audio,
            "none": total.unrated,
        },
    })
}

fn hour((at, counts): (&UnixMicros, &Counts)) -> Value {
    json!({
        "at": at.to_rfc3339(),
        "calls": counts.calls,
        "answered": counts.answered,
        "mos_mean": ratio(counts.mos_sum, counts.mos_calls * 100),
    })
}

/// With four decimals; `None` where there was nothing.
pub(super) fn ratio(part: u64, whole: u64) -> Option<f64> {
    let parts = u128::from(part) * 10_000;
    let rounded = (parts + u128::from(whole) / 2).checked_div(u128::from(whole))?;
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let figure = rounded as f64 / 10_000.0;
    Some(figure)
}
