//! `generate --calls N [--seconds 30] [--at-once N] [--loss PERMILLE] [--seed N]
//! [--start SECONDS]`: a pcap file on standard output, its first call at SECONDS since 1970.

use std::io::{BufWriter, Write};
use std::process::ExitCode;

use lexopt::prelude::*;
use ringside_tests::generate::{Plan, write};

fn plan() -> Result<Plan, lexopt::Error> {
    let (mut calls, mut seconds, mut at_once, mut loss, mut seed) = (100, 30, 100, 10, 1);
    let mut start = 1_790_000_000;
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("calls") => calls = parser.value()?.parse()?,
            Long("seconds") => seconds = parser.value()?.parse()?,
            Long("at-once") => at_once = parser.value()?.parse()?,
            Long("loss") => loss = parser.value()?.parse()?,
            Long("seed") => seed = parser.value()?.parse()?,
            Long("start") => start = parser.value()?.parse()?,
            other => return Err(other.unexpected()),
        }
    }
    Ok(Plan {
        calls,
        talk_ms: seconds * 1000,
        every_us: seconds * 1_000_000 / u64::max(at_once, 1),
        loss_permille: loss,
        seed,
        start_us: start * 1_000_000,
    })
}

fn main() -> ExitCode {
    let plan = match plan() {
        Ok(plan) => plan,
        Err(error) => {
            eprintln!("generate: {error}");
            return ExitCode::from(2);
        }
    };
    let mut out = BufWriter::with_capacity(1 << 20, std::io::stdout().lock());
    match write(&plan, &mut out).and_then(|_| out.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("generate: {error}");
            ExitCode::FAILURE
        }
    }
}
