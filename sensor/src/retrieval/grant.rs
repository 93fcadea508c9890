//! In whose name tickets hold: the customer, the cloud's ticket keys and its clock, as it has told
//! them last. They stand in a small file, so that a ticket can be checked while the cloud is out of
//! reach, also after a start.

use std::io;
use std::path::Path;
use std::time::Instant;

use data_encoding::HEXLOWER;
use ringside_protocol::time::{MICROS_PER_SECOND, UnixMicros};
use serde::{Deserialize, Serialize};

use crate::clock::{WallClock, shifted};
use crate::store::atomic;

/// Its name in the data directory.
const FILE: &str = "granted.json";

/// The file is written again when the clocks differ by so much more than it says, microseconds.
const WORTH_WRITING: u64 = 5 * MICROS_PER_SECOND;

/// What the cloud has told.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    /// The customer's name.
    pub(super) customer: String,
    /// Ed25519 keys that sign tickets.
    pub(super) keys: Vec<[u8; 32]>,
    clock: CloudClock,
}

/// The cloud's clock.
#[derive(Clone, Debug)]
enum CloudClock {
    /// It was told in this run of the sensor.
    Told(UnixMicros, Instant),
    /// It was so many microseconds ahead of the own one.
    Ahead(WallClock, i64),
}

#[derive(Serialize, Deserialize)]
struct Saved {
    customer: String,
    keys: Vec<String>,
    cloud_ahead_us: i64,
}

impl Grant {
    /// What an earlier run has left; `None` where that is nothing, or nothing that can be read.
    pub(super) fn load(directory: &Path, clock: &WallClock) -> Option<Self> {
        let path = directory.join(FILE);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                log::warn!("{}: {error}: tickets wait for the cloud", path.display());
                return None;
            }
        };
        let saved: Saved = serde_json::from_slice(&text).ok()?;
        let key = |key: &String| HEXLOWER.decode(key.as_bytes()).ok()?.try_into().ok();
        let keys = saved.keys.iter().map(key).collect::<Option<_>>()?;
        let clock = CloudClock::Ahead(clock.clone(), saved.cloud_ahead_us);
        Some(Self { customer: saved.customer, keys, clock })
    }

    /// What the cloud tells now. `earlier` is replaced by it, on the disk where it differs.
    pub(super) fn told(
        earlier: Option<&Self>,
        customer: &str,
        keys: &[[u8; 32]],
        cloud: UnixMicros,
        own: &WallClock,
        directory: &Path,
    ) -> Self {
        let is_known = earlier.is_some_and(|earlier| {
            let reckoned = earlier.now().is_some_and(|at| at.0.abs_diff(cloud.0) < WORTH_WRITING);
            earlier.customer == customer && earlier.keys == keys && reckoned
        });
        if !is_known {
            let saved = Saved {
                customer: customer.to_owned(),
                keys: keys.iter().map(|key| HEXLOWER.encode(key)).collect(),
                cloud_ahead_us: cloud.0.wrapping_sub(own.now().wall.0).cast_signed(),
            };
            let written = serde_json::to_vec(&saved).map_err(io::Error::other);
            let written =
                written.and_then(|json| atomic::replace(&directory.join(FILE), &json, 0o600));
            if let Err(error) = written {
                log::warn!("tickets cannot be checked after a start without the cloud: {error}");
            }
        }
        let clock = CloudClock::Told(cloud, Instant::now());
        Self { customer: customer.to_owned(), keys: keys.to_vec(), clock }
    }

    /// The cloud has told its clock again.
    pub(super) fn set_clock(&mut self, cloud: UnixMicros) {
        self.clock = CloudClock::Told(cloud, Instant::now());
    }

    /// The time by the cloud's clock; `None` while nothing says it.
    pub(super) fn now(&self) -> Option<UnixMicros> {
        match &self.clock {
            CloudClock::Told(at, since) => {
                Some(at.plus(u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)))
            }
            CloudClock::Ahead(clock, ahead) => {
                let now = clock.now();
                now.is_set().then(|| shifted(now.wall, *ahead))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use embassy_time::Instant as Line;

    use super::*;
    use crate::clock::{EARLIEST_PLAUSIBLE, Now};
    use crate::store::test_dir::TestDir;

    fn clock(wall: u64) -> WallClock {
        WallClock::reading(move || Now { instant: Line::from_micros(0), wall: UnixMicros(wall) })
    }

    #[test]
    fn a_start_without_the_cloud_knows_customer_keys_and_clock() {
        let dir = TestDir::new();
        let own = EARLIEST_PLAUSIBLE.0 + 7_000_000;
        assert!(Grant::load(dir.path(), &clock(own)).is_none());
        let cloud = UnixMicros(own + 90_000_000);
        let told = Grant::told(None, "Acme", &[[1; 32], [2; 32]], cloud, &clock(own), dir.path());
        assert!(told.now().is_some_and(|now| now.since(cloud) < 5_000_000));
        let later = Grant::load(dir.path(), &clock(own + 1_000)).expect("it is there");
        assert_eq!((later.customer.as_str(), later.keys.len()), ("Acme", 2));
        assert_eq!(later.now(), Some(cloud.plus(1_000)));
        // Before its clock is set, a sensor says that it does not know the time.
        assert_eq!(Grant::load(dir.path(), &clock(3)).expect("there").now(), None);
    }

    #[test]
    fn the_file_is_written_where_something_is_new_in_it() {
        let dir = TestDir::new();
        let own = clock(EARLIEST_PLAUSIBLE.0);
        let cloud = EARLIEST_PLAUSIBLE;
        let first = Grant::told(None, "Acme", &[[1; 32]], cloud, &own, dir.path());
        let file = dir.path().join(FILE);
        std::fs::remove_file(&file).expect("it was written");
        let same = Grant::told(Some(&first), "Acme", &[[1; 32]], cloud, &own, dir.path());
        assert!(!file.exists());
        for (customer, key, at) in
            [("Other", 1, cloud), ("Acme", 2, cloud), ("Acme", 1, cloud.plus(60_000_000))]
        {
            drop(Grant::told(Some(&same), customer, &[[key; 32]], at, &own, dir.path()));
            std::fs::remove_file(&file).expect("it was written");
        }
    }
}
