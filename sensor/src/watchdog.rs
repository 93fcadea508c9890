//! The hardware watchdog (Linux, `Documentation/watchdog/watchdog-api.rst`), fed by the sensor's own
//! progress: whoever feeds it has just been round the analysis loop and has looked at the uplink's
//! thread. A device that is no longer fed resets the box.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// Written before the device is closed, it says that the silence to come is meant ("magic close").
const MAGIC_CLOSE: &[u8] = b"V";

/// An open watchdog. Dropping it stops the device, where the driver allows that.
#[derive(Debug)]
pub struct Watchdog {
    device: File,
    is_hungry: bool,
}

impl Watchdog {
    /// Opens the device: from now on it wants to be fed.
    ///
    /// # Errors
    /// The system's.
    pub fn open(path: &Path) -> io::Result<Self> {
        let device = OpenOptions::new().write(true).open(path)?;
        Ok(Self { device, is_hungry: false })
    }

    /// Feeds it, if the uplink lives. The caller is the analysis, which so lives too.
    pub fn feed(&mut self, is_uplink_alive: bool) {
        if !is_uplink_alive {
            if !self.is_hungry {
                log::error!("the uplink's thread hangs: the watchdog is no longer fed");
            }
            self.is_hungry = true;
            return;
        }
        self.is_hungry = false;
        if let Err(error) = self.device.write_all(b"\0") {
            log::error!("the watchdog cannot be fed: {error}");
        }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        // A sensor that panics or hangs is not one that was told to end.
        if !std::thread::panicking() && !self.is_hungry {
            drop(self.device.write_all(MAGIC_CLOSE));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::test_dir::TestDir;

    #[test]
    fn it_is_fed_as_long_as_both_make_progress_and_closed_in_order() {
        let dir = TestDir::new();
        let path = dir.path().join("watchdog");
        std::fs::write(&path, b"").expect("write");
        let written = || std::fs::read(&path).expect("read");
        let mut watchdog = Watchdog::open(&path).expect("open");
        watchdog.feed(true);
        watchdog.feed(true);
        assert_eq!(written(), b"\0\0");
        watchdog.feed(false);
        assert_eq!(written(), b"\0\0", "a hanging uplink starves it");
        watchdog.feed(true);
        drop(watchdog);
        assert_eq!(written(), b"\0\0\0V");
    }

    #[test]
    fn a_hanging_sensor_that_ends_does_not_stop_the_device() {
        let dir = TestDir::new();
        let path = dir.path().join("watchdog");
        std::fs::write(&path, b"").expect("write");
        let mut watchdog = Watchdog::open(&path).expect("open");
        watchdog.feed(false);
        drop(watchdog);
        assert_eq!(std::fs::read(&path).expect("read"), b"");
        assert!(Watchdog::open(&dir.path().join("none")).is_err());
    }
}
