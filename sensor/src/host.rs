//! What analysis and capture tell the uplink, and the lease that it hands back.

use core::time::Duration;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use ringside_protocol::counters::Counter;
use ringside_protocol::live::Live;
use ringside_protocol::message::{InterfaceHealth, Lease, RuleSet, UpgradeReport};
use ringside_protocol::push::Order;
use ringside_protocol::record::Record;
use ringside_protocol::retrieval::Retrieve;

use crate::counters::Counters;
use crate::retrieval::Retrieval;
use crate::store::ring::reader::Finder;
use crate::upgrade::pushed::Pushed;
use crate::uplink::line::Line;
use crate::uplink::{Health, Host};

/// How long the uplink waits for the analysis to apply rules before it asks the cloud again.
const APPLY_PATIENCE: Duration = Duration::from_secs(5);

/// Packets that should have been analysed or stored, and were not.
const LOSSES: [Counter; 6] = [
    Counter::KernelDropped,
    Counter::InterfaceDropped,
    Counter::RtpShed,
    Counter::SipShed,
    Counter::HepDropped,
    Counter::StoreChunksDropped,
];

/// Capture rules between the uplink, which brings them, and the analysis, which applies them.
#[derive(Debug, Default)]
struct Rules {
    /// To be applied.
    brought: Option<RuleSet>,
    applied: u64,
    refused: Vec<(u64, String)>,
}

/// Shared between the analysis thread, which writes figures once a second, and the uplink's.
#[derive(Debug, Default)]
pub struct SensorHost {
    health: Mutex<Health>,
    /// When the analysis last published its figures.
    published_at: Mutex<Option<Instant>>,
    lease: Mutex<Option<Lease>>,
    rules: Mutex<Rules>,
    rules_applied: Condvar,
    /// Packets lost up to the last figures, and whether that was more than before.
    lost: AtomicU64,
    is_losing: AtomicBool,
    retrieval: OnceLock<Arc<Retrieval>>,
    upgrades: OnceLock<Arc<Pushed>>,
}

impl SensorHost {
    /// Replaces the analysis's figures.
    pub fn publish(&self, counters: &Counters, channels: u16) {
        let lost = LOSSES.into_iter().map(|counter| counters.of(counter)).sum();
        self.is_losing.store(lost > self.lost.swap(lost, Ordering::Relaxed), Ordering::Relaxed);
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

    /// Capture rules that are to be applied, once.
    #[must_use]
    pub fn take_rules(&self) -> Option<RuleSet> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner).brought.take()
    }

    /// Notes which rules are applied, and which of them are not.
    pub fn note_rules(&self, version: u64, refused: Vec<(u64, String)>) {
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        rules.applied = version;
        rules.refused = refused;
        self.rules_applied.notify_all();
    }

    /// Whether packets were lost in the last second.
    #[must_use]
    pub fn is_losing(&self) -> bool {
        self.is_losing.load(Ordering::Relaxed)
    }

    /// Calls can be asked for from now on.
    pub fn serve_calls(&self, retrieval: Arc<Retrieval>) {
        // There is one store, and one who reads from it.
        let _ = self.retrieval.set(retrieval);
    }

    /// The cloud may order upgrades from now on.
    pub fn take_upgrades(&self, upgrades: Arc<Pushed>) {
        // There is one program, and one who replaces it.
        let _ = self.upgrades.set(upgrades);
    }

    /// The store is open.
    pub fn use_finder(&self, finder: Option<Finder>) {
        if let Some(retrieval) = self.retrieval.get() {
            retrieval.use_finder(finder);
        }
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

    fn apply_rules(&self, brought: RuleSet) {
        let version = brought.version;
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        rules.brought = Some(brought);
        let waited = self
            .rules_applied
            .wait_timeout_while(rules, APPLY_PATIENCE, |rules| rules.applied != version);
        drop(waited);
    }

    fn rules(&self) -> (u64, Vec<(u64, String)>) {
        let rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        (rules.applied, rules.refused.clone())
    }

    fn upgrade(&self, order: Order, line: Line) {
        if let Some(upgrades) = self.upgrades.get() {
            upgrades.take(order, line);
        }
    }

    fn retrieve(&self, order: Retrieve, line: Line) {
        if let Some(retrieval) = self.retrieval.get() {
            retrieval.take(order, line);
        }
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
