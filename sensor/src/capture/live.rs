//! Live capture: a thread for each interface, merged by time for the one analysis thread.
//!
//! ```text
//! eth0 ─ libpcap ─ ClockLine ─ Writer ─┐
//!                                      ├─ Inbox ─ Merge ─> poll(visit)
//! eth1 ─ libpcap ─ ClockLine ─ Writer ─┘
//! ```

use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time;

use embassy_time::Instant;
use pcap::{Active, BreakLoop, Capture};
use ringside_protocol::counters::Counter;

use super::Frame;
use super::clock::{ClockLine, ClockReading, ClockStart};
use super::handover::{Inbox, Shed, Signalling, Writer, handover};
use super::interface::{self, Fault, InterfaceSettings};
use super::merge::Merge;
use super::others;
use crate::counters::Counters;
use crate::limits::MAX_INTERFACES;

/// Frames taken from the kernel before the drop counters are looked at again.
const BATCH: usize = 4096;
/// A batch after which there is time for other things.
const SMALL_BATCH: u32 = 256;
/// Frames that share a reading of the clocks.
const FRAMES_PER_READING: u32 = 64;
/// How often libpcap is asked for its drop counters while frames keep coming.
const STATISTICS_EVERY: time::Duration = time::Duration::from_millis(250);

/// How long to wait before an interface is opened again: at first, and at most.
const RETRY: time::Duration = time::Duration::from_secs(1);
const MAX_RETRY: time::Duration = time::Duration::from_secs(30);

/// What to capture.
#[derive(Clone)]
pub struct LiveSettings {
    /// By name; `any` for all.
    pub interfaces: Vec<String>,
    /// For each of them.
    pub interface: InterfaceSettings,
    /// Where the frames' time line begins.
    pub started: ClockStart,
    /// Tells frames that carry SIP, which are dropped last: `decode::is_signalling`.
    pub is_signalling: Signalling,
}

/// Why capture does not start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LiveError {
    /// No interface is configured.
    NoInterface,
    /// More interfaces than there is room for.
    TooMany,
    /// None of the interfaces can be opened; this is why for the first one.
    Fault(Fault),
    /// The system gives no thread.
    NoThread,
}

impl fmt::Display for LiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoInterface => write!(f, "no interface is configured; set `interface`"),
            Self::TooMany => {
                write!(f, "at most {MAX_INTERFACES} interfaces can be captured from; name fewer")
            }
            Self::Fault(fault) => fault.fmt(f),
            Self::NoThread => {
                write!(f, "the system gives no thread; look at its limits (ulimit -u)")
            }
        }
    }
}

impl std::error::Error for LiveError {}

/// How an interface is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceStats {
    /// Its name.
    pub name: String,
    /// Frames captured.
    pub frames: u64,
    /// Frames that the kernel dropped because its ring was full.
    pub kernel_dropped: u64,
    /// Frames that the interface dropped.
    pub interface_dropped: u64,
    /// RTP frames dropped because analysis lagged behind.
    pub rtp_shed: u64,
    /// SIP frames dropped for the same reason.
    pub sip_shed: u64,
    /// Why nothing comes at present; it is tried again by itself.
    pub fault: Option<String>,
}

/// Capture that is running. Dropping it ends it.
pub struct Live {
    inbox: Inbox,
    merge: Merge,
    started: ClockStart,
    interfaces: Vec<Watched>,
    has_sip: bool,
}

struct Watched {
    status: Arc<Status>,
    thread: Option<JoinHandle<()>>,
}

/// What an interface's thread tells the others.
struct Status {
    name: String,
    frames: AtomicU64,
    kernel_dropped: AtomicU64,
    interface_dropped: AtomicU64,
    shed: Arc<Shed>,
    fault: Mutex<Option<Fault>>,
    is_stopping: AtomicBool,
    /// Frames between other hosts have come, or nobody can tell.
    shows_others: AtomicBool,
    started: time::Instant,
    /// Wakes the thread out of libpcap.
    wake: Mutex<Option<BreakLoop>>,
}

impl Live {
    /// Opens the interfaces and starts a thread for each. One that cannot be opened is tried again
    /// by its thread, as long as another one works.
    ///
    /// # Errors
    /// None can be opened.
    pub fn start(settings: &LiveSettings) -> Result<Self, LiveError> {
        if settings.interfaces.len() > MAX_INTERFACES {
            return Err(LiveError::TooMany);
        }
        let count = u8::try_from(settings.interfaces.len()).map_err(|_| LiveError::TooMany)?;
        let opened: Vec<_> = settings
            .interfaces
            .iter()
            .map(|name| interface::open(name, &settings.interface))
            .collect();
        if opened.iter().all(Result::is_err) {
            let first = opened.into_iter().find_map(Result::err);
            return Err(first.map_or(LiveError::NoInterface, LiveError::Fault));
        }
        let (writers, inbox) = handover(count, &settings.is_signalling);
        let mut live = Self {
            inbox,
            merge: Merge::new(count),
            started: settings.started,
            interfaces: vec![],
            has_sip: false,
        };
        let parts = settings.interfaces.iter().zip(opened).zip(writers).zip(0..);
        for (((name, opened), (writer, shed)), number) in parts {
            let status = Arc::new(Status::new(name, shed));
            let sniffer = Sniffer {
                number,
                status: Arc::clone(&status),
                settings: settings.interface.clone(),
                clock: ClockLine::new(settings.started),
                writer,
            };
            let thread = thread::Builder::new()
                .name(format!("capture-{name}"))
                .spawn(move || sniffer.run(opened))
                .map_err(|_| LiveError::NoThread)?;
            live.interfaces.push(Watched { status, thread: Some(thread) });
        }
        Ok(live)
    }

    /// Shows frames in the order of their time, waiting for some up to `max_wait`. Returns how
    /// many; 0 when the wire was silent.
    pub fn poll(&mut self, max_wait: time::Duration, visit: &mut impl FnMut(&Frame<'_>)) -> usize {
        let deadline = time::Instant::now() + max_wait;
        loop {
            while let Some(block) = self.inbox.try_recv() {
                self.merge.push(block);
            }
            let now = self.started.now();
            let mut give_back = |block| self.inbox.give_back(block);
            let visited = self.merge.drain(now, visit, &mut give_back);
            let left = deadline.saturating_duration_since(time::Instant::now());
            if visited > 0 || left.is_zero() {
                return visited;
            }
            let hold = self.merge.hold(now).map_or(left, |hold| {
                time::Duration::from_micros(hold.as_micros()).max(time::Duration::from_millis(1))
            });
            if let Some(block) = self.inbox.recv_timeout(left.min(hold)) {
                self.merge.push(block);
            }
        }
    }

    /// The present moment on the frames' time line: `now` for analysis when the wire is silent.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.started.now()
    }

    /// SIP has come: whatever the interfaces show, it is what they should. On a PBX itself it is the
    /// machine's own traffic.
    pub const fn note_sip(&mut self) {
        self.has_sip = true;
    }

    /// How each interface is doing.
    #[must_use]
    pub fn stats(&self) -> Vec<InterfaceStats> {
        self.interfaces.iter().map(|watched| watched.status.stats(self.has_sip)).collect()
    }

    /// Puts the sums over all interfaces among the counters.
    pub fn count(&self, counters: &mut Counters) {
        let stats = self.stats();
        let sum = |field: fn(&InterfaceStats) -> u64| stats.iter().map(field).sum();
        counters.set(Counter::KernelDropped, sum(|stats| stats.kernel_dropped));
        counters.set(Counter::InterfaceDropped, sum(|stats| stats.interface_dropped));
        counters.set(Counter::RtpShed, sum(|stats| stats.rtp_shed));
        counters.set(Counter::SipShed, sum(|stats| stats.sip_shed));
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        for watched in &self.interfaces {
            watched.status.stop();
        }
        for watched in &mut self.interfaces {
            if let Some(thread) = watched.thread.take() {
                thread.thread().unpark();
                // A thread that panicked has said so itself.
                let _ = thread.join();
            }
        }
    }
}

impl Status {
    fn new(name: &str, shed: Arc<Shed>) -> Self {
        Self {
            name: name.to_owned(),
            frames: AtomicU64::new(0),
            kernel_dropped: AtomicU64::new(0),
            interface_dropped: AtomicU64::new(0),
            shed,
            fault: Mutex::new(None),
            is_stopping: AtomicBool::new(false),
            shows_others: AtomicBool::new(others::own_address(name).is_none()),
            started: time::Instant::now(),
            wake: Mutex::new(None),
        }
    }

    fn stats(&self, has_sip: bool) -> InterfaceStats {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        InterfaceStats {
            name: self.name.clone(),
            frames: load(&self.frames),
            kernel_dropped: load(&self.kernel_dropped),
            interface_dropped: load(&self.interface_dropped),
            rtp_shed: load(&self.shed.rtp),
            sip_shed: load(&self.shed.sip),
            fault: self.fault(has_sip).as_ref().map(Fault::to_string),
        }
    }

    /// What keeps frames away. That an interface went down is no error to libpcap, which waits
    /// until it is up again.
    fn fault(&self, has_sip: bool) -> Option<Fault> {
        let told = lock(&self.fault).clone();
        let down = || Fault::Down { interface: self.name.clone() };
        let own = || Fault::OnlyOwn { interface: self.name.clone() };
        told.or_else(|| (!interface::is_up(&self.name)).then(down))
            .or_else(|| self.shows_only_own(has_sip, self.started.elapsed()).then(own))
    }

    fn shows_only_own(&self, has_sip: bool, watched_for: time::Duration) -> bool {
        !has_sip && watched_for >= others::PATIENCE && !self.shows_others.load(Ordering::Relaxed)
    }

    fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::SeqCst)
    }

    /// Ends the thread: wakes it out of libpcap, or finds it before it goes there again.
    fn stop(&self) {
        self.is_stopping.store(true, Ordering::SeqCst);
        if let Some(wake) = &*lock(&self.wake) {
            wake.breakloop();
        }
    }
}

/// What is guarded stays whole even if a thread panicked: each is replaced at once.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An interface's thread.
struct Sniffer {
    number: u8,
    status: Arc<Status>,
    settings: InterfaceSettings,
    clock: ClockLine,
    writer: Writer,
}

impl Sniffer {
    /// Captures until it is stopped; opens the interface again when it goes away.
    fn run(mut self, mut opened: Result<Capture<Active>, Fault>) {
        let mut retry = RETRY;
        loop {
            let fault = match opened {
                Ok(capture) => {
                    self.report(None);
                    retry = RETRY;
                    self.capture(capture)
                }
                Err(fault) => fault,
            };
            if self.status.is_stopping() {
                return;
            }
            self.report(Some(fault));
            thread::park_timeout(retry);
            if self.status.is_stopping() {
                return;
            }
            retry = MAX_RETRY.min(retry * 2);
            opened = interface::open(&self.status.name, &self.settings);
        }
    }

    /// Tells the state of the interface; the log says so when it changes.
    fn report(&self, fault: Option<Fault>) {
        let mut known = lock(&self.status.fault);
        if *known != fault {
            match &fault {
                Some(fault) => log::warn!("{fault}"),
                None => log::info!("capturing on {} again", self.status.name),
            }
            *known = fault;
        }
    }

    /// Captures until the interface fails or the thread is stopped.
    fn capture(&mut self, mut capture: Capture<Active>) -> Fault {
        *lock(&self.status.wake) = Some(capture.breakloop_handle());
        let mut drops = Drops::default();
        let error = loop {
            // Looked at after the handle above is in place, so that no stop is missed.
            if self.status.is_stopping() {
                break pcap::Error::NoMorePackets;
            }
            match self.take_batch(&mut capture) {
                Ok(frames) => drops.ask(&mut capture, &self.status, frames),
                Err(error) => break error,
            }
        };
        *lock(&self.status.wake) = None;
        interface::diagnose(&self.status.name, &error)
    }

    /// Takes what the kernel has, waiting for the first frame.
    fn take_batch(&mut self, capture: &mut Capture<Active>) -> Result<u32, pcap::Error> {
        let link_type = interface::link_type(capture);
        let (number, clock, writer) = (self.number, &mut self.clock, &mut self.writer);
        let (status, mut reading) = (&self.status, None);
        // Looked for until the first one comes.
        let mut own = (!status.shows_others.load(Ordering::Relaxed))
            .then(|| others::own_address(&status.name))
            .flatten();
        let mut frames: u32 = 0;
        let result = capture.dispatch(Some(BATCH), |packet| {
            let now = match reading {
                Some(reading) if !frames.is_multiple_of(FRAMES_PER_READING) => reading,
                _ => *reading.insert(ClockReading::now()),
            };
            frames += 1;
            if own.is_some_and(|own| others::is_of_others(link_type, packet.data, own)) {
                status.shows_others.store(true, Ordering::Relaxed);
                own = None;
            }
            let seconds = u64::try_from(packet.header.ts.tv_sec).unwrap_or(0);
            let micros = u64::try_from(packet.header.ts.tv_usec).unwrap_or(0);
            let wall_us = seconds * 1_000_000 + micros;
            writer.write(&Frame {
                at: clock.place(wall_us, now.wall_us, now.monotonic_us),
                interface: number,
                link_type,
                original_len: packet.header.len.max(packet.header.caplen),
                bytes: packet.data,
            });
        });
        status.frames.fetch_add(frames.into(), Ordering::Relaxed);
        writer.flush();
        result.map(|_| frames)
    }
}

/// libpcap's drop counters: 32 bits, since the interface was opened.
#[derive(Default)]
struct Drops {
    kernel: u32,
    interface: u32,
    asked_at: Option<time::Instant>,
}

impl Drops {
    /// Adds what has been dropped since it was last asked. A small batch means that there is time
    /// to ask, and that no other may come for long.
    fn ask(&mut self, capture: &mut Capture<Active>, status: &Status, frames: u32) {
        let is_recent = |at: time::Instant| at.elapsed() < STATISTICS_EVERY;
        if frames > SMALL_BATCH && self.asked_at.is_some_and(is_recent) {
            return;
        }
        self.asked_at = Some(time::Instant::now());
        let Ok(now) = capture.stats() else { return };
        let add = |total: &AtomicU64, now: u32, before: &mut u32| {
            total.fetch_add(now.wrapping_sub(*before).into(), Ordering::Relaxed);
            *before = now;
        };
        add(&status.kernel_dropped, now.dropped, &mut self.kernel);
        add(&status.interface_dropped, now.if_dropped, &mut self.interface);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_that_shows_only_its_own_traffic_says_so_after_a_minute() {
        let status = Status::new("eth-own", Arc::default());
        status.shows_others.store(false, Ordering::Relaxed);
        assert!(status.shows_only_own(false, others::PATIENCE));
        assert!(!status.shows_only_own(false, others::PATIENCE / 2), "too early to tell");
        assert!(!status.shows_only_own(true, others::PATIENCE), "on the PBX itself");
        status.shows_others.store(true, Ordering::Relaxed);
        assert!(!status.shows_only_own(false, others::PATIENCE));
        let unknown = Status::new("any", Arc::default());
        assert!(!unknown.shows_only_own(false, others::PATIENCE), "it has no address");
    }

    fn start(interfaces: &[&str]) -> LiveError {
        let settings = LiveSettings {
            interfaces: interfaces.iter().map(|&name| name.to_owned()).collect(),
            interface: InterfaceSettings {
                snap_len: 3200,
                promiscuous: true,
                ring_mib: 1,
                filter: None,
            },
            started: ClockStart::measure(),
            is_signalling: Arc::new(|_| true),
        };
        Live::start(&settings).err().expect("nothing to capture from")
    }

    #[test]
    fn capture_does_not_start_without_an_interface() {
        assert_eq!(start(&[]), LiveError::NoInterface);
        assert!(matches!(start(&["eth-nowhere"]), LiveError::Fault(Fault::Missing { .. })));
        assert_eq!(start(&["lo"; MAX_INTERFACES + 1]), LiveError::TooMany);
    }
}
