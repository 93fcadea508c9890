//! `run --early FILE`: a box captures before it has found its disk.
//!
//! FILE names the interfaces that the board has; the sensor opens them at once and waits for the file
//! of `--config`, which the start scripts write when they have mounted the disk and read what the
//! technician wrote. What passes meanwhile is kept, unless that file names other interfaces.

use core::time::Duration;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::run::{Source, live_settings};
use super::{Stop, interface_settings, load};
use crate::config::Config;
use crate::logging;

/// Between two looks for the file.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Open interfaces, and what they were opened with.
pub(super) struct Early {
    source: Source,
    config: Config,
}

/// Opens the interfaces of `early` and waits until `config` is there, or the sensor is to stop.
/// `None` where there is nothing to wait for, or the interfaces cannot be opened yet.
pub(super) fn capture(
    early: &Path,
    config: &Path,
    stopping: &AtomicBool,
) -> Result<Option<Early>, Stop> {
    if config.exists() {
        return Ok(None);
    }
    let loaded = load(Some(early))?;
    logging::start(loaded.config.log_level);
    let settings = live_settings(&loaded.config);
    let mut source = Source::new(None, settings.started);
    let opened = source.open(&settings);
    while !config.exists() && !stopping.load(Ordering::Relaxed) {
        std::thread::sleep(LOOK_EVERY);
    }
    // The reason is told when they are opened again.
    Ok(opened.is_ok().then_some(Early { source, config: loaded.config }))
}

impl Early {
    /// The source, where `config` would open the same.
    pub(super) fn for_config(self, config: &Config) -> Option<Source> {
        let is_same = self.config.interfaces == config.interfaces
            && interface_settings(&self.config) == interface_settings(config)
            && self.config.sip_ports == config.sip_ports
            && config.user.is_none();
        is_same.then_some(self.source)
    }
}
