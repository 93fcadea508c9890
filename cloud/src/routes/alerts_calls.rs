//! Finished calls for webhooks: which of them, and what is told of each.

use serde_json::Value;

use super::calls::decoded;
use super::listing::Listed;
use super::names::Names;
use crate::db::calls::{Calls, Row, Stored};
use crate::db::cdrs::{addresses, worst_mos};
use crate::db::sensors::Sensor;
use crate::filter::Filter;

/// A call as lists show it.
pub(crate) fn call_summary(call: &Stored, sensors: &[Sensor]) -> Value {
    Calls::summary(call, &Names::new(sensors))
}

/// Whether a filter chooses a call.
pub(crate) fn call_fits(call: &Stored, filter: &Filter) -> bool {
    let Some(cdr) = decoded(call) else { return false };
    filter.matches(&Row {
        ended_at: call.ended_at,
        device: call.id.device,
        caller: &call.caller,
        callee: &call.callee,
        call_id: &call.call_id,
        addresses: &addresses(&cdr),
        status_code: call.status_code,
        ended_by: call.ended_by,
        answered: cdr.answered.is_some(),
        duration_us: call.duration_us,
        mos: worst_mos(&cdr).map(i64::from),
        flags: cdr.flags,
    })
}
