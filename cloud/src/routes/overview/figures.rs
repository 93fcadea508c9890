//! Sums as ratios and means.

use serde_json::{Value, json};

use crate::db::sums::Sums;
use crate::routes::stats::ratio;

/// What is shown of sums; null where there was nothing to divide by.
pub(super) fn figures(sums: &Sums) -> Value {
    let counts = &sums.counts;
    json!({
        "calls": counts.calls,
        "answered": counts.answered,
        "asr": ratio(counts.answered, counts.calls),
        "ner": ner(sums),
        "acd_seconds": ratio(counts.duration_us / 1000, counts.answered * 1000),
        "session_request_delay_ms": delay_ms(sums),
        "mos_mean": ratio(counts.mos_sum, counts.mos_calls * 100),
        "failed": sums.failed,
        "no_audio": counts.no_audio,
        "degraded": counts.degraded,
    })
}

/// Network effectiveness ratio (ITU-T E.425): answered, refused by the callee or given up by the
/// caller, of all.
pub(super) fn ner(sums: &Sums) -> Option<f64> {
    let counts = &sums.counts;
    ratio(counts.answered + counts.callee_refused + counts.cancelled, counts.calls)
}

/// Mean session request delay, milliseconds.
pub(super) fn delay_ms(sums: &Sums) -> Option<f64> {
    ratio(sums.delay_us, sums.delay_calls * 1000).map(|ms| (ms * 10.0).round() / 10.0)
}

/// With one decimal.
pub(super) fn rounded(figure: f64) -> f64 {
    (figure * 10.0).round() / 10.0
}
