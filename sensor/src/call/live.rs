//! Calls in progress as the heartbeat tells them: the figures that their records would have if they
//! ended now, from the same code.

use embassy_time::Instant;
use ringside_protocol::band::Band;
use ringside_protocol::cdr::Score;
use ringside_protocol::limits::MAX_LIVE_DISPLAY;
use ringside_protocol::live::{Live, LiveCall, MAX_LIVE_CALLS};
use ringside_protocol::time::UnixMicros;

use super::cdr::party;
use super::entry::{Call, PartyText};
use super::flows::Flow;
use super::slab::Slot;
use super::table::CallTable;

impl CallTable {
    /// How good the calls in progress are. Looks at every stream once: some 10 ms with 2000 calls.
    #[must_use]
    pub fn live(&self, now: Instant) -> Live {
        let mut live = Live { at: Some(UnixMicros(now.as_micros())), ..Live::default() };
        // Those without a MOS behind all that have one.
        let mut order: Vec<(u16, u64, Slot)> = Vec::new();
        for (slot, call) in self.calls.iter().filter(|(_, call)| call.dialog.is_in_progress()) {
            let mos = self.worst(call).map(|(score, _)| score.mos);
            *live.count_mut(mos.map(Band::of_mos)) += 1;
            order.push((mos.unwrap_or(u16::MAX), call.number, slot));
        }
        order.sort_unstable();
        order.truncate(MAX_LIVE_CALLS);
        live.worst = order.iter().filter_map(|&(_, _, slot)| self.live_call(slot)).collect();
        live
    }

    /// The stream with the lowest MOS: [`ringside_protocol::cdr::Cdr::worst`] of a call that has
    /// not ended.
    fn worst(&self, call: &Call) -> Option<(Score, &Flow)> {
        let streams = call.streams.iter().filter_map(|&slot| self.flows.get(slot));
        streams
            .filter_map(|flow| Some((flow.stream.live_score()?, flow)))
            .min_by_key(|(score, _)| (score.mos, score.r))
    }

    fn live_call(&self, slot: Slot) -> Option<LiveCall> {
        let call = self.calls.get(slot)?;
        let (score, flow) = self.worst(call).unzip();
        let name = |party: PartyText| {
            let user = call.texts.string(party.user);
            if user.is_empty() { call.texts.string(party.host) } else { user }
        };
        let display = |side| {
            let mut name = party(call, side).display.unwrap_or_default();
            name.truncate(name.floor_char_boundary(MAX_LIVE_DISPLAY));
            name
        };
        let (expected, lost) = flow.map(|flow| flow.stream.losses()).unwrap_or_default();
        Some(LiveCall {
            number: call.number,
            caller: name(call.caller),
            callee: name(call.callee),
            first_at: UnixMicros(call.first_at),
            answered_at: call.dialog.answered.map(UnixMicros),
            mos: score.map(|score| score.mos),
            expected,
            lost,
            jitter_max: flow.and_then(|flow| flow.stream.jitter_max()),
            is_unreliable: flow.is_some_and(|flow| flow.capture_lost() > 0),
            caller_display: display(call.caller),
            callee_display: display(call.callee),
        })
    }
}
