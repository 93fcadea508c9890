//! Hostile networks: whatever comes, nothing panics, memory stays as it was, what was wrong is
//! counted by its reason, and a call that behaves well comes out right beside it.

#[path = "../network/mod.rs"]
mod network;

mod files;
mod floods;
mod oddities;
mod time;
mod torture;

use network::attack::{Attack, Frames};
use network::{Call, Tap};

/// Memory that may come to be used while a flood goes on, with all tables warm: queues and
/// buffers that grow to a size that they had not reached before.
const MAX_GROWTH: i64 = 256 << 10;

/// What one round may allocate at a time: some records.
const MAX_AT_ONCE: u64 = 4 << 20;

/// Between two rounds of an attack, microseconds: 10,000 rounds a second.
const ROUND: u64 = 100;

/// Goes through an attack of `rounds` beside a call that talks, twice: memory may grow during the
/// first time. The call has ended then and its record is there.
fn beside_a_call(attack: Attack, rounds: u32) -> (Tap, Call) {
    let mut tap = Tap::new("call");
    let mut call = Call::new("call", 0);
    call.begin(&mut tap);
    run(&mut tap, &mut call, attack, 0..rounds);
    let grown = run(&mut tap, &mut call, attack, rounds..2 * rounds);
    assert!(grown <= MAX_GROWTH, "{grown} bytes were kept");
    call.end(&mut tap);
    (tap, call)
}

/// Gives by how many bytes the memory grew.
fn run(tap: &mut Tap, call: &mut Call, attack: Attack, rounds: core::ops::Range<u32>) -> i64 {
    let mut grown = 0;
    for round in rounds {
        let mut frames = Frames::of(attack, round..round + 1);
        let is_due = tap.now % 20_000 < ROUND;
        frames.extend(call.packets().into_iter().filter(|_| is_due));
        call.packets -= u16::from(!is_due);
        let info = allocation_counter::measure(|| {
            frames.iter().for_each(|frame| tap.frame(frame));
            tap.pass(ROUND);
        });
        assert!(info.bytes_max <= MAX_AT_ONCE, "round {round}: {info:?}");
        grown += info.bytes_current;
    }
    grown
}
