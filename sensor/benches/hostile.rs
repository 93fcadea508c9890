//! CPU time that the sensor spends on hostile traffic: nanoseconds a frame and a byte, for each
//! attack of the tests (`tests/network/attack.rs`), beside one call that talks.
//!
//! Cases: those of `attack::ALL`, in that order; an argument picks those that hold it.

#[path = "../tests/network/mod.rs"]
mod network;

use network::attack::{self, Frames};
use network::{Call, Tap};
use rustix::time::{ClockId, clock_gettime};

/// The first tenth warms the tables.
const ROUNDS: u32 = 20_000;

fn main() {
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    println!("{:<40} {:>10} {:>10} {:>8}", "", "ns a frame", "slowest us", "ns a byte");
    for (name, round) in attack::ALL {
        if wanted.as_ref().is_none_or(|wanted| name.contains(wanted.as_str())) {
            measure(name, *round);
        }
    }
}

fn measure(name: &str, round: attack::Attack) {
    let mut tap = Tap::new("call");
    let mut call = Call::new("call", 0);
    call.begin(&mut tap);
    let (mut spent, mut frames, mut bytes, mut slowest) = (0, 0, 0, 0);
    for number in 0..ROUNDS {
        if number % 10 == 0 {
            call.talk(&mut tap);
        }
        let attack = Frames::of(round, number..number + 1);
        let begun = cpu_nanoseconds();
        attack.iter().for_each(|frame| tap.frame(frame));
        let took = cpu_nanoseconds() - begun;
        if number >= ROUNDS / 10 {
            spent += took;
            frames += attack.len();
            bytes += attack.iter().map(Vec::len).sum::<usize>();
            slowest = slowest.max(took);
        }
    }
    let per = |count: usize| spent / u64::try_from(count.max(1)).unwrap();
    println!("{name:<40} {:>10} {:>10} {:>8}", per(frames), slowest / 1000, per(bytes));
}

fn cpu_nanoseconds() -> u64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(now.tv_sec).unwrap() * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap()
}
