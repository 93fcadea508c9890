//! Who leaves when the table of calls is full, or as many are in progress as the lease allows.

use std::collections::VecDeque;

use ringside_protocol::counters::Counter;

use super::dialog::State;
use super::entry::Call;
use super::flows::Flows;
use super::slab::{Slab, Slot};
use crate::limits::MAX_CALLS;

/// A call with a packet within this time talks and stays, microseconds.
pub const IDLE_FROM: u64 = 10_000_000;

/// The same for one of which no media was ever seen, or that is on hold: where a mirror port shows
/// SIP only, nobody hears from a call between its ACK and its BYE.
pub const UNHEARD_IDLE_FROM: u64 = 300_000_000;

/// Between two searches for an idle call, microseconds: under a flood of INVITEs each would look
/// at every call.
const SEARCH_EVERY: u64 = 100_000;

/// Calls that one search for places looks at.
const SEARCHED: usize = 64;

/// Calls in the order in which they may leave. An entry whose call has gone or moved on is passed
/// over when its turn comes.
#[derive(Debug)]
pub struct Room {
    /// By number, which tells whether the slot still holds the same call.
    ended: VecDeque<(Slot, u64)>,
    begun: VecDeque<(Slot, u64)>,
    search_at: u64,
}

/// Entries, stale ones included, after which the stale are thrown out.
const MAX_ENTRIES: usize = 2 * MAX_CALLS;

impl Default for Room {
    fn default() -> Self {
        Self {
            ended: VecDeque::with_capacity(MAX_ENTRIES + 1),
            begun: VecDeque::with_capacity(MAX_ENTRIES + 1),
            search_at: 0,
        }
    }
}

impl Room {
    /// A call has begun.
    pub fn note_begun(&mut self, slot: Slot, number: u64) {
        push(&mut self.begun, slot, number);
    }

    /// A call has ended and lingers.
    pub fn note_ended(&mut self, slot: Slot, number: u64) {
        push(&mut self.ended, slot, number);
    }

    /// The oldest unanswered call that holds places for media, but for one, among the next few. It
    /// becomes the last to be chosen.
    pub fn next_with_places(&mut self, calls: &Slab<Call>, but: Slot) -> Option<Slot> {
        for _ in 0..self.begun.len().min(SEARCHED) {
            let (slot, number) = self.begun.pop_front()?;
            let call = calls.get(slot).filter(|call| call.number == number && is_unanswered(call));
            let Some(call) = call else { continue };
            self.begun.push_back((slot, number));
            if slot != but && !call.media_slots.is_empty() {
                return Some(slot);
            }
        }
        None
    }

    /// The call that leaves, and what is counted; `None` when all calls talk.
    pub fn choose(
        &mut self,
        now: u64,
        calls: &Slab<Call>,
        flows: &Flows,
    ) -> Option<(Slot, Counter)> {
        let is_over = |state| matches!(state, State::Refused | State::Ended);
        if let Some(slot) = pop(&mut self.ended, calls, |call| is_over(call.dialog.state())) {
            return Some((slot, Counter::EvictedEnded));
        }
        self.choose_in_progress(now, calls, flows)
    }

    /// The same, of calls in progress only.
    pub fn choose_in_progress(
        &mut self,
        now: u64,
        calls: &Slab<Call>,
        flows: &Flows,
    ) -> Option<(Slot, Counter)> {
        if let Some(slot) = pop(&mut self.begun, calls, is_unanswered) {
            return Some((slot, Counter::EvictedUnanswered));
        }
        // A clock that went back makes nobody wait.
        if (1..=SEARCH_EVERY).contains(&self.search_at.saturating_sub(now)) {
            return None;
        }
        self.search_at = now + SEARCH_EVERY;
        calls
            .iter()
            .filter(|(_, call)| call.dialog.is_in_progress())
            .map(|(slot, call)| (idle_from(call, flows), call.number, slot))
            .min()
            .filter(|&(idle_from, ..)| idle_from <= now)
            .map(|(.., slot)| (slot, Counter::EvictedIdle))
    }
}

/// From when on a call counts as idle unless something more comes.
fn idle_from(call: &Call, flows: &Flows) -> u64 {
    let streams = call.streams.iter().filter_map(|&stream| flows.get(stream));
    let last_media = streams.map(|flow| flow.stream.last_at().as_micros()).max();
    let is_unheard = last_media.is_none() || call.media.is_held();
    let patience = if is_unheard { UNHEARD_IDLE_FROM } else { IDLE_FROM };
    call.dialog.last_at.max(last_media.unwrap_or(0)) + patience
}

const fn is_unanswered(call: &Call) -> bool {
    call.dialog.is_unanswered()
}

fn push(queue: &mut VecDeque<(Slot, u64)>, slot: Slot, number: u64) {
    if queue.len() == MAX_ENTRIES {
        // Slots are reused: only the newest entry of each can be meant.
        let mut newest = vec![0; MAX_CALLS];
        for &(slot, number) in queue.iter() {
            newest[usize::from(slot)] = number;
        }
        queue.retain(|&(slot, number)| newest[usize::from(slot)] == number);
    }
    queue.push_back((slot, number));
}

fn pop(
    queue: &mut VecDeque<(Slot, u64)>,
    calls: &Slab<Call>,
    may_leave: impl Fn(&Call) -> bool,
) -> Option<Slot> {
    while let Some((slot, number)) = queue.pop_front() {
        let call = calls.get(slot).filter(|call| call.number == number);
        if call.is_some_and(&may_leave) {
            return Some(slot);
        }
    }
    None
}
