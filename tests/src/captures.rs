//! Generated captures as files.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::folder::Folder;
use crate::generate::{Plan, Truth, write};

/// A plan whose calls were made an hour ago: the cloud keeps them for 25 days.
///
/// # Panics
/// Where the clock is before 1970.
#[must_use]
pub fn recent(calls: u32, talk_ms: u64, every_us: u64, seed: u64) -> Plan {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
    let start = since_epoch.saturating_sub(Duration::from_secs(3600));
    let start_us = u64::try_from(start.as_micros()).expect("it is before the year 500,000");
    Plan { calls, talk_ms, every_us, loss_permille: 20, seed, start_us }
}

/// Writes the capture into `folder`; answers its path and what each call came to.
///
/// # Panics
/// Where it cannot be written.
#[must_use]
pub fn write_file(folder: &Folder, plan: &Plan) -> (PathBuf, Vec<Truth>) {
    let path = folder.join(&format!("{}-{}.pcap", plan.calls, plan.seed));
    let mut file = BufWriter::new(File::create(&path).expect("a file can be made"));
    let truth = write(plan, &mut file).expect("the capture can be written");
    file.flush().expect("the capture can be written");
    (path, truth)
}
