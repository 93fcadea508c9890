//! What analysis and capture tell the uplink, and the lease that it hands back.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use ringside_protocol::live::Live;
use ringside_protocol::message::{InterfaceHealth, Lease, UpgradeReport};
use ringside_protocol::record::Record;

use crate::counters::Counters;
use crate::uplink::{Health, Host};

/// Shared between the analysis thread, which writes figures once a second, and the uplink's.
#[derive(Debug, Default)]
pub struct SensorHost {
    health: Mutex<Health>,
    /// When the analysis last published its figures.
    published_at: Mutex<Option<Instant>>,
    lease: Mutex<Option<Lease>>,
}

impl SensorHost {
    /// Replaces the analysis's figures.
    pub fn publish(&self, counters: &Counters, channels: u16) {
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        health.counters.clear();
        health.counters.extend(counters.non_zero());
        health.channels = channels;
        drop(health);
        let mut published_at = self.published_at.lock().unwrap_or_else(PoisonError::into_inner);
        *published_at = Some(Instant::now());
    }

    /// The figures as they were last published, and when that was.
    #[must_use]
    pub fn figures(&self) -> (Health, Option<Instant>) {
        let published_at = *self.published_at.lock().unwrap_or_else(PoisonError::into_inner);
        (self.health.lock().unwrap_or_else(PoisonError::into_inner).clone(), published_at)
    }

    /// Replaces the capture's figures.
    pub fn publish_interfaces(&self, interfaces: Vec<InterfaceHealth>) {
        self.health.lock().unwrap_or_else(PoisonError::into_inner).interfaces = interfaces;
    }

    /// Tells the cloud how the last upgrade ended.
    pub fn publish_upgrade(&self, report: Option<UpgradeReport>) {
        self.health.lock().unwrap_or_else(PoisonError::into_inner).upgrade = report;
    }

    /// Replaces what is known of the calls in progress.
    pub fn publish_live(&self, live: Live) {
        self.health.lock().unwrap_or_else(PoisonError::into_inner).live = live;
    }

    /// Notes when the newest call ended.
    pub fn note_record(&self, record: &Record) {
        if !matches!(record, Record::Call(_)) {
            return;
        }
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        health.last_cdr_at = health.last_cdr_at.max(Some(record.ended_at()));
    }

    /// Channels that may be tracked; `None` as long as nobody has granted any.
    #[must_use]
    pub fn allowance(&self) -> Option<u16> {
        self.lease.lock().unwrap_or_else(PoisonError::into_inner).map(|lease| lease.channels)
    }
}

impl Host for Arc<SensorHost> {
    fn health(&self) -> Health {
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner).clone();
        health.memory_bytes = anonymous_memory().unwrap_or(0);
        health
    }

    fn apply(&self, lease: Lease) {
        *self.lease.lock().unwrap_or_else(PoisonError::into_inner) = Some(lease);
    }
}

/// RssAnon of this process, bytes; `None` where the kernel does not tell.
#[must_use]
pub fn anonymous_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}
