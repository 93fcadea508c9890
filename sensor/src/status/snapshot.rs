//! One look at the sensor.

use core::time::Duration;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use ringside_protocol::counters::Counter;
use ringside_protocol::message::{InterfaceHealth, UpgradeReport};
use ringside_protocol::slot::Slot;
use ringside_protocol::time::UnixMicros;
use serde_json::{Value, json};

use super::ticks::{Facts, Tick, ticks};
use crate::capture::probe;
use crate::clock::WallClock;
use crate::config::Loaded;
use crate::host::SensorHost;
use crate::store::outbox::Outbox;
use crate::upgrade::state::State;
use crate::uplink::{Health, Host, Settings, Status, Watch};
use crate::version;

/// Where everything that is shown comes from.
pub struct Sources {
    /// What analysis and capture publish.
    pub host: Arc<SensorHost>,
    /// Records that wait.
    pub outbox: Outbox,
    /// The uplink, where there is one.
    pub uplink: Option<Watch>,
    /// What it introduces itself with; for joining.
    pub settings: Settings,
    /// The device's fingerprint.
    pub fingerprint: String,
    /// The configuration.
    pub loaded: Loaded,
    /// What time it is.
    pub clock: WallClock,
    /// The sensor's start.
    pub started: Instant,
}

/// One look.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) at: UnixMicros,
    /// How old the analysis's figures are; `None` before the first ones.
    pub(super) age: Option<Duration>,
    pub(super) name: String,
    pub(super) fingerprint: String,
    pub(super) uptime: Duration,
    pub(super) ticks: [Tick; 5],
    pub(super) health: Health,
    pub(super) server: Option<String>,
    /// Nobody has accepted this device yet.
    pub(super) is_claiming: bool,
    pub(super) outbox: (u64, u64, u64),
    /// Each slot with what it holds and how it stands.
    pub(super) slots: Vec<(String, String)>,
    /// A provisioning file that was refused, line by line.
    pub(super) refused: Vec<String>,
}

impl Sources {
    pub(super) fn look(&self) -> Snapshot {
        let (health, published_at) = self.host.figures();
        let status = self.uplink.as_ref().and_then(Watch::status);
        let at = self.clock.now().wall;
        let figures = self.outbox.figures();
        Snapshot {
            at,
            age: published_at.map(|at| at.elapsed()),
            name: self.settings.name.clone(),
            fingerprint: self.fingerprint.clone(),
            uptime: self.started.elapsed(),
            ticks: self.ticks(at, &health, status.as_ref()),
            is_claiming: status.as_ref().is_some_and(|status| status.is_claiming),
            server: status.and_then(|status| status.server).map(|server| server.to_string()),
            outbox: (figures.outstanding(), figures.bytes, figures.max_bytes),
            health: Health { memory_bytes: self.host.health().memory_bytes, ..health },
            slots: self.slots(),
            refused: self.lines("provision/refused"),
        }
    }

    fn ticks(&self, now: UnixMicros, health: &Health, status: Option<&Status>) -> [Tick; 5] {
        let links: Vec<_> =
            self.loaded.config.interfaces.iter().map(|it| (it.clone(), probe::link(it))).collect();
        ticks(&Facts {
            now,
            links: &links,
            interfaces: &health.interfaces,
            uplink: status,
            counters: &health.counters,
            channels: health.channels,
            last_cdr_at: health.last_cdr_at,
        })
    }

    /// On a box what its start script has written; else the slots beside the program.
    fn slots(&self) -> Vec<(String, String)> {
        let of_box = self.lines("box-slots");
        if !of_box.is_empty() {
            let slot = |line: &String| {
                line.split_once(": ")
                    .map(|(slot, state)| (format!("Slot {slot}"), state.to_owned()))
            };
            return of_box.iter().filter_map(slot).collect();
        }
        let state = State::load(&self.settings.directory).ok().flatten();
        let line = |(state, slot): (&State, Slot)| {
            let version = state.version(slot).unwrap_or("?");
            (format!("Slot {slot}"), format!("{version}, {}", state.slots.state(slot)))
        };
        state.iter().flat_map(|state| Slot::ALL.map(|slot| (state, slot))).map(line).collect()
    }

    fn lines(&self, file: &str) -> Vec<String> {
        let path: PathBuf = self.settings.directory.join(file);
        let text = fs::read_to_string(path).unwrap_or_default();
        text.lines().filter(|line| !line.is_empty()).take(20).map(str::to_owned).collect()
    }
}

impl Snapshot {
    /// How the last upgrade ended, if there was one.
    pub(super) const fn upgrade(&self) -> Option<&UpgradeReport> {
        self.health.upgrade.as_ref()
    }

    pub(super) fn counter(&self, counter: Counter) -> u64 {
        self.health.counters.iter().find(|(it, _)| *it == counter).map_or(0, |(_, count)| *count)
    }

    pub(super) fn json(&self) -> Value {
        let interface = |it: &InterfaceHealth| {
            json!({
                "name": it.name, "frames": it.frames, "kernel_dropped": it.kernel_dropped,
                "fault": it.fault,
            })
        };
        let counters: serde_json::Map<_, _> =
            self.health.counters.iter().map(|(it, n)| (it.name().to_owned(), json!(n))).collect();
        json!({
            "at": self.at.to_rfc3339(),
            "figures_age_ms": self.age.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
            "name": self.name,
            "device": self.fingerprint,
            "software": version::SOFTWARE,
            "target": version::TARGET,
            "commit": version::COMMIT,
            "uptime_seconds": self.uptime.as_secs(),
            "ticks": self.ticks,
            "channels": self.health.channels,
            "memory_bytes": self.health.memory_bytes,
            "server": self.server,
            "waits_to_be_claimed": self.is_claiming,
            "outbox": { "cdrs": self.outbox.0, "bytes": self.outbox.1, "limit_bytes": self.outbox.2 },
            "interfaces": self.health.interfaces.iter().map(interface).collect::<Vec<_>>(),
            "counters": counters,
            "slots": self.slots.iter().map(|(slot, state)| json!({ "slot": slot, "state": state }))
                .collect::<Vec<_>>(),
            "upgrade": self.upgrade().map(UpgradeReport::sentence),
            "provisioning_refused": self.refused,
        })
    }
}
