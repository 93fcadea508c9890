//! Where the chunks of each call stand, in sled: written when a segment is full, so that little is
//! written beside the packets themselves.
//!
//! | tree | key | value |
//! | --- | --- | --- |
//! | `calls` | boot, number, serial (big-endian) | places of the call's chunks in that segment |
//! | `segments` | serial, boot, number | nothing: what to remove when the segment is used again |
//! | `closed` | serial | the time of its latest packet: the segment is indexed as a whole |
//! | `pinned` | boot, number | nothing |
//!
//! Everything here can be read from the segments again, and is when the index is damaged.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use ringside_protocol::cdr::Boot;
use serde::{Deserialize, Serialize};

use super::chunk::CallKey;
use super::reader::MAX_CHUNKS;
use crate::store::atomic;

/// sled's page cache, bytes.
const CACHE_BYTES: u64 = 1 << 20;

/// One chunk of a call in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    /// Where its head begins.
    pub(super) at: u64,
    /// Bytes behind the head.
    pub(super) len: u32,
}

/// Chunks of a segment by call.
pub(super) type Places = HashMap<CallKey, Vec<Place>>;

/// Why the index cannot be used; a sentence for the log.
#[derive(Debug)]
pub(super) struct IndexError(String);

impl core::fmt::Display for IndexError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The open index.
pub(super) struct Index {
    db: sled::Db,
    calls: sled::Tree,
    segments: sled::Tree,
    closed: sled::Tree,
    pinned: sled::Tree,
}

impl Index {
    pub(super) fn open(directory: &Path) -> Result<Self, IndexError> {
        atomic::make_directory(directory).map_err(|error| IndexError(error.to_string()))?;
        guarded(|| {
            let db = sled::Config::new()
                .path(directory)
                .cache_capacity(CACHE_BYTES)
                .flush_every_ms(None)
                .mode(sled::Mode::LowSpace)
                .open()?;
            let tree = |name: &str| db.open_tree(name);
            Ok(Self {
                calls: tree("calls")?,
                segments: tree("segments")?,
                closed: tree("closed")?,
                pinned: tree("pinned")?,
                db,
            })
        })
    }

    /// Adds a full segment, and makes that last.
    pub(super) fn close_segment(
        &self,
        serial: u64,
        latest_at: u64,
        places: &Places,
    ) -> Result<(), IndexError> {
        guarded(|| {
            for (call, places) in places {
                let value = postcard::to_stdvec(places).unwrap_or_default();
                self.calls.insert(call_key(*call, serial), value)?;
                self.segments.insert(segment_key(serial, *call), &[])?;
            }
            self.closed.insert(serial.to_be_bytes(), &latest_at.to_be_bytes())?;
            self.db.flush().map(drop)
        })
    }

    /// Forgets a segment whose file is used again.
    pub(super) fn remove_segment(&self, serial: u64) -> Result<(), IndexError> {
        guarded(|| {
            self.closed.remove(serial.to_be_bytes())?;
            for key in self.segments.scan_prefix(serial.to_be_bytes()).keys() {
                let key = key?;
                self.segments.remove(&key)?;
                if let Some(call) = key.get(8..) {
                    self.calls.remove([call, &serial.to_be_bytes()].concat())?;
                }
            }
            Ok(())
        })
    }

    /// Forgets a call.
    pub(super) fn remove_call(&self, call: CallKey) -> Result<(), IndexError> {
        guarded(|| {
            for key in self.calls.scan_prefix(prefix(call)).keys() {
                let key = key?;
                self.calls.remove(&key)?;
                if let Some(serial) = key.get(24..) {
                    self.segments.remove([serial, &prefix(call)].concat())?;
                }
            }
            Ok(())
        })
    }

    /// Segments that are indexed as a whole, each with the time of its latest packet.
    pub(super) fn closed(&self) -> Result<HashMap<u64, u64>, IndexError> {
        guarded(|| {
            let number = |bytes: &[u8]| {
                bytes
                    .try_into()
                    .map(u64::from_be_bytes)
                    .map_err(|_| sled::Error::ReportableBug("a number is not 8 bytes".to_owned()))
            };
            self.closed
                .iter()
                .map(|pair| pair.and_then(|(serial, at)| Ok((number(&serial)?, number(&at)?))))
                .collect()
        })
    }

    /// Notes that a call is pinned, or is not.
    pub(super) fn pin(&self, call: CallKey, is_pinned: bool) -> Result<(), IndexError> {
        guarded(|| {
            if is_pinned {
                self.pinned.insert(prefix(call), &[])?;
            } else {
                self.pinned.remove(prefix(call))?;
            }
            self.db.flush().map(drop)
        })
    }

    /// The pinned calls.
    pub(super) fn pinned(&self) -> Result<Vec<CallKey>, IndexError> {
        guarded(|| self.pinned.iter().keys().map(|key| key.and_then(|key| call_of(&key))).collect())
    }

    /// The chunks of a call in full segments, oldest first.
    pub(super) fn places(&self, call: CallKey) -> Result<Vec<(u64, Place)>, IndexError> {
        guarded(|| {
            let mut found = Vec::new();
            for pair in self.calls.scan_prefix(prefix(call)) {
                let (key, value) = pair?;
                let serial = key.get(24..).and_then(|serial| serial.try_into().ok());
                let places: Option<Vec<Place>> = postcard::from_bytes(&value).ok();
                let Some((serial, places)) = serial.map(u64::from_be_bytes).zip(places) else {
                    return Err(sled::Error::ReportableBug("places are damaged".to_owned()));
                };
                found.extend(places.into_iter().map(|place| (serial, place)));
                if found.len() > MAX_CHUNKS {
                    break;
                }
            }
            Ok(found)
        })
    }
}

fn prefix((boot, number): CallKey) -> [u8; 24] {
    let Boot(boot) = boot;
    let mut key = [0; 24];
    key[..16].copy_from_slice(&boot);
    key[16..].copy_from_slice(&number.to_be_bytes());
    key
}

fn call_of(key: &[u8]) -> sled::Result<CallKey> {
    let call = key.split_at_checked(16).and_then(|(boot, number)| {
        Some((Boot(boot.try_into().ok()?), u64::from_be_bytes(number.try_into().ok()?)))
    });
    call.ok_or_else(|| sled::Error::ReportableBug("a call's key is not 24 bytes".to_owned()))
}

fn call_key(call: CallKey, serial: u64) -> [u8; 32] {
    let mut key = [0; 32];
    key[..24].copy_from_slice(&prefix(call));
    key[24..].copy_from_slice(&serial.to_be_bytes());
    key
}

fn segment_key(serial: u64, call: CallKey) -> [u8; 32] {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&serial.to_be_bytes());
    key[8..].copy_from_slice(&prefix(call));
    key
}

/// sled answers some faults of the disk with a panic; capture must go on.
fn guarded<T>(work: impl FnOnce() -> sled::Result<T>) -> Result<T, IndexError> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(|error| IndexError(error.to_string())),
        Err(_) => Err(IndexError("the index's library has given up".to_owned())),
    }
}
