//! Tickets that were redeemed: a small file, replaced as a whole, so that a restart forgets none.
//!
//! A ticket need not be remembered once its time is over, which is a minute after it was made; the
//! file therefore holds a handful. What is still kept then ([`KEPT_AFTER`]) covers a clock of the
//! cloud that is set back.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use ringside_protocol::retrieval::{Refusal, Ticket};
use ringside_protocol::time::{MICROS_PER_SECOND, UnixMicros};

use crate::store::atomic;

/// Its name in the data directory.
const FILE: &str = "tickets";

/// How long a ticket is remembered after its own end, microseconds.
const KEPT_AFTER: u64 = 3600 * MICROS_PER_SECOND;

/// Tickets that are remembered, at most: further ones are refused, since one that is forgotten could
/// be redeemed twice.
pub(super) const MAX_USED: usize = 4096;

/// Which tickets were redeemed.
#[derive(Debug)]
pub(super) struct Used {
    path: PathBuf,
    /// By number: when they may be forgotten.
    until: HashMap<[u8; 16], UnixMicros>,
}

impl Used {
    /// What an earlier start has left.
    pub(super) fn open(directory: &Path) -> Self {
        let path = directory.join(FILE);
        let until = match std::fs::read_to_string(&path) {
            Ok(text) => text.lines().filter_map(line).collect(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => HashMap::new(),
            Err(error) => {
                log::error!("{}: {error}: tickets may be redeemed twice", path.display());
                HashMap::new()
            }
        };
        Self { path, until }
    }

    /// Redeems a ticket; from then on it is on the disk that it was.
    pub(super) fn redeem(&mut self, ticket: &Ticket, now: UnixMicros) -> Result<(), Refusal> {
        self.until.retain(|_, until| now < *until);
        if self.until.contains_key(&ticket.number) {
            return Err(Refusal::Used);
        }
        if self.until.len() >= MAX_USED {
            return Err(Refusal::Busy);
        }
        self.until.insert(ticket.number, ticket.expires_at.plus(KEPT_AFTER));
        let lines = self
            .until
            .iter()
            .map(|(number, until)| format!("{} {}\n", HEXLOWER.encode(number), until.0));
        let text: String = lines.collect();
        atomic::replace(&self.path, text.as_bytes(), 0o600).map_err(|error| {
            log::error!("{}: {error}: nothing is sent", self.path.display());
            Refusal::Disk
        })
    }
}

fn line(line: &str) -> Option<([u8; 16], UnixMicros)> {
    let (number, until) = line.split_once(' ')?;
    let number = HEXLOWER.decode(number.as_bytes()).ok()?.try_into().ok()?;
    Some((number, UnixMicros(until.parse().ok()?)))
}
