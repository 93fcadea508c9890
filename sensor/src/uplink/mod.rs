//! From the outbox to the cloud's acknowledgement.
//!
//! ```text
//!   sender.rs    the thread "uplink"           session.rs   what to do next: pure
//!   poller.rs    the thread "uplink-poll"      backoff.rs   and when to try again
//!   caller.rs    who we are, whom we trust     status.rs    what people and `doctor` see
//!   client.rs    one request, one answer       announce.rs  what the log says
//!   line.rs      what is sent of a call
//!   transport.rs ureq's traits over connect    enrol.rs     joins a customer
//!   connect.rs   lookup, tcp, tls              tls.rs, der.rs  certificates
//! ```
//!
//! Two threads. `uplink` carries out what the [session machine](session) asks for: handshake,
//! heartbeats, batches. `uplink-poll` keeps one long poll open while there is a session, over a
//! connection of its own, so that a command never waits behind a batch.

use core::fmt;
use core::time::Duration;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Instant;

use ringside_protocol::claim::Code;
use ringside_protocol::counters::Counter;
use ringside_protocol::live::Live;
use ringside_protocol::message::{
    Heartbeat, InterfaceHealth, Lease, Refused, RuleSet, UpgradeReport,
};
use ringside_protocol::plausible;
use ringside_protocol::push::Order;
use ringside_protocol::retrieval::Retrieve;
use ringside_protocol::step::{Failure, Step};
use ringside_protocol::time::UnixMicros;

use crate::clock::Now;
use crate::identity::{Identity, IdentityError, Trust};
use crate::store::outbox::Outbox;

mod announce;
pub mod backoff;
pub(crate) mod caller;
pub mod client;
pub mod connect;
mod der;
pub mod enrol;
pub mod line;
mod poller;
mod sender;
pub mod session;
pub mod status;
pub mod tls;
mod transport;

pub use caller::Settings;
pub use connect::{Network, Timeouts};
pub use status::{Running, Status, StepState};

use announce::Announcer;
use caller::Caller;
use client::Client;
use line::Line;
use session::{Event, Session};
use status::RunLock;
use tls::Roots;

/// How long [`Uplink::stop`] leaves the session open for what is under way and a last heartbeat.
pub const LEAVE_PATIENCE: Duration = Duration::from_secs(1);

/// How long [`Uplink::stop`] waits for the threads after that; a connection attempt cannot be
/// hurried.
pub const STOP_PATIENCE: Duration = Duration::from_secs(2);

/// A thread `uplink` that has begun and ended nothing for so long hangs: every wait and every
/// request of it is shorter.
pub const LONGEST_SILENCE: Duration = Duration::from_secs(300);

/// What only the rest of the sensor knows.
pub trait Host: Send + Sync + 'static {
    /// The figures for a heartbeat.
    fn health(&self) -> Health;

    /// From now on this many channels may be tracked. Acknowledged as applied when it returns.
    fn apply(&self, lease: Lease);

    /// From now on these capture rules hold. What is applied of them, [`Host::rules`] tells.
    fn apply_rules(&self, rules: RuleSet);

    /// The version of the capture rules that are applied (0: none), and those that are not, by id
    /// and reason.
    fn rules(&self) -> (u64, Vec<(u64, String)>);

    /// The cloud wants another version here. Must not wait: the poll goes on afterwards.
    fn upgrade(&self, order: Order, line: Line) {
        log::debug!("an upgrade to {} is not for this sensor: {line:?}", order.version);
    }

    /// Somebody wants something of a call. Must not wait: the poll goes on afterwards.
    fn retrieve(&self, order: Retrieve, line: Line) {
        log::debug!("transfer {:02x?} is not for this sensor: {line:?}", order.transfer);
    }
}

/// The figures that a [`Host`] gives; clock, uptime and outbox are the uplink's own.
#[derive(Clone, Debug, Default)]
pub struct Health {
    /// Counters since the start; those of the outbox are replaced.
    pub counters: Vec<(Counter, u64)>,
    /// Calls in progress.
    pub channels: u16,
    /// Anonymous resident memory (RssAnon), bytes.
    pub memory_bytes: u64,
    /// What is captured from.
    pub interfaces: Vec<InterfaceHealth>,
    /// When the newest call ended, if one did.
    pub last_cdr_at: Option<UnixMicros>,
    /// How the last upgrade ended, if there was one.
    pub upgrade: Option<UpgradeReport>,
    /// How good the calls in progress are.
    pub live: Live,
}

/// What to do when neither configuration nor enrolment names a server.
pub const NO_SERVER: &str = "no server is known: run `ringside-sensor enrol` with a token, or set \
                             server_destination";

/// Why the uplink cannot be started. What the network does is no reason.
#[derive(Debug)]
pub enum UplinkError {
    /// Another sensor runs on the data directory.
    InUse,
    /// What enrolment has left cannot be read.
    Trust(IdentityError),
    /// The data directory cannot be used, or there is no thread.
    Io(io::Error),
}

impl fmt::Display for UplinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse => f.write_str(
                "another sensor runs on this data directory: stop it, or give this one a data \
                 directory of its own",
            ),
            Self::Trust(error) => fmt::Display::fmt(error, f),
            Self::Io(error) => write!(
                f,
                "the data directory cannot be used ({error}): give this user read and write access"
            ),
        }
    }
}

impl core::error::Error for UplinkError {}

/// The running uplink.
pub struct Uplink {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// What somebody enters in the cloud to accept this device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClaimCode {
    /// The code.
    pub code: Code,
    /// When it is followed by another one, by the cloud's clock.
    pub until: UnixMicros,
}

/// A look at an uplink from another thread.
#[derive(Clone)]
pub struct Watch(Weak<Shared>);

impl Watch {
    /// The present state; `None` when the uplink has ended.
    #[must_use]
    pub fn status(&self) -> Option<Status> {
        self.0.upgrade().map(|shared| lock(&shared.session).status().clone())
    }

    /// The claim code, as long as nobody has accepted it.
    #[must_use]
    pub fn claim_code(&self) -> Option<ClaimCode> {
        let shared = self.0.upgrade()?;
        let is_claiming = lock(&shared.session).status().is_claiming;
        let shown = *lock(&shared.claim);
        shown.filter(|_| is_claiming)
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Watch({:?})", self.status())
    }
}

/// What the two threads and the handle meet in.
struct Shared {
    caller: Caller,
    outbox: Outbox,
    host: Box<dyn Host>,
    started: Instant,
    session: Mutex<Session>,
    /// The session has changed, or the end has come.
    wake: Condvar,
    stopping: AtomicBool,
    /// When the thread `uplink` last began or ended something.
    progress_at: Mutex<Instant>,
    /// With whom the session is open: for the poll.
    open: Mutex<Option<OpenLink>>,
    /// The newest lease that the host has applied.
    lease: Mutex<Lease>,
    /// The claim code that this device shows, until somebody has accepted it.
    claim: Mutex<Option<ClaimCode>>,
    /// The cloud's clock, as it was told at this moment.
    cloud_clock: Mutex<Option<(UnixMicros, Instant)>>,
    /// To be shut when the uplink stops.
    clients: Mutex<[Option<Arc<Client>>; 2]>,
    publisher: Mutex<Publisher>,
    /// Threads that have ended.
    ended: Mutex<usize>,
    end: Condvar,
    _lock: RunLock,
}

/// An open session.
#[derive(Clone)]
struct OpenLink {
    session: [u8; 32],
    server: crate::identity::Server,
    roots: Roots,
    /// The customer's name.
    customer: String,
    ticket_keys: Vec<[u8; 32]>,
}

/// Which thread a client belongs to.
#[derive(Clone, Copy)]
enum Role {
    Sender,
    Poller,
}

#[derive(Default)]
struct Publisher {
    announcer: Announcer,
    written: Option<Status>,
}

/// A lock whose holder has panicked is taken over: what it guards is changed in single steps.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Uplink {
    /// Starts both threads. Without any server they wait until enrolment names one.
    ///
    /// # Errors
    /// Every [`UplinkError`].
    pub fn start(
        settings: Settings,
        identity: Identity,
        outbox: Outbox,
        host: impl Host,
    ) -> Result<Self, UplinkError> {
        let run_lock = RunLock::take(&settings.directory).map_err(UplinkError::Io)?;
        let run_lock = run_lock.ok_or(UplinkError::InUse)?;
        Trust::load(&settings.directory).map_err(UplinkError::Trust)?;
        let caller = Caller { settings, identity };
        let servers = caller.servers();
        if servers.is_empty() {
            log::warn!("{NO_SERVER}");
        }
        let [a, b, c, d, e, f, g, h, ..] = caller.identity.boot().0;
        let config = session::Config {
            servers,
            has_token: caller.settings.token.is_some(),
            can_claim: true,
            seed: u64::from_be_bytes([a, b, c, d, e, f, g, h]),
        };
        let session = Session::new(config, caller.settings.clock.now().instant);
        let shared = Arc::new(Shared {
            caller,
            outbox,
            host: Box::new(host),
            started: Instant::now(),
            session: Mutex::new(session),
            wake: Condvar::new(),
            stopping: AtomicBool::new(false),
            progress_at: Mutex::new(Instant::now()),
            open: Mutex::new(None),
            lease: Mutex::new(Lease::default()),
            claim: Mutex::new(None),
            cloud_clock: Mutex::new(None),
            clients: Mutex::new([None, None]),
            publisher: Mutex::new(Publisher::default()),
            ended: Mutex::new(0),
            end: Condvar::new(),
            _lock: run_lock,
        });
        shared.publish();
        let weak = Arc::downgrade(&shared);
        shared.outbox.on_stored(move || {
            if let Some(shared) = weak.upgrade() {
                shared.handle(Event::RecordsStored);
            }
        });
        let mut uplink = Self { shared, threads: Vec::new() };
        uplink.spawn("uplink", sender::run).map_err(UplinkError::Io)?;
        uplink.spawn("uplink-poll", poller::run).map_err(UplinkError::Io)?;
        Ok(uplink)
    }

    /// The present state, for people.
    #[must_use]
    pub fn status(&self) -> Status {
        lock(&self.shared.session).status().clone()
    }

    /// For somebody else to look at it, who keeps nothing of it alive.
    #[must_use]
    pub fn watch(&self) -> Watch {
        Watch(Arc::downgrade(&self.shared))
    }

    /// Whether the thread `uplink` makes progress, whatever the network does.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        lock(&self.shared.progress_at).elapsed() < LONGEST_SILENCE
    }

    /// Waits until every record is acknowledged; false when `patience` was over first.
    #[must_use]
    pub fn wait_until_drained(&self, patience: Duration) -> bool {
        self.shared.outbox.flush();
        self.shared.outbox.wait_until(patience, |figures| figures.outstanding() == 0)
    }

    /// Ends both threads, and tells the cloud so. What is still under way after [`LEAVE_PATIENCE`]
    /// is broken off, and waited for at most [`STOP_PATIENCE`].
    pub fn stop(mut self) {
        self.end();
    }

    fn spawn(&mut self, name: &str, work: fn(&Arc<Shared>)) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            while catch_unwind(AssertUnwindSafe(|| work(&shared))).is_err() {
                // A fault of ours: said by the panic itself. Capture goes on, and so does this,
                // with a new handshake.
                let failure = Failure::Interrupted { detail: "internal fault".to_owned() };
                shared.handle(Event::Failed(Refused { failure, retry_after_seconds: 0 }));
            }
            *lock(&shared.ended) += 1;
            shared.end.notify_all();
        })?;
        self.threads.push(thread);
        Ok(())
    }

    fn end(&mut self) {
        let threads = core::mem::take(&mut self.threads);
        if threads.is_empty() {
            return;
        }
        self.shared.stop();
        let have_all_ended = self.shared.have_ended(threads.len(), LEAVE_PATIENCE) || {
            self.shared.shut(Role::Sender);
            self.shared.have_ended(threads.len(), STOP_PATIENCE)
        };
        if have_all_ended {
            for thread in threads {
                if thread.join().is_err() {
                    log::error!("a thread of the uplink has failed");
                }
            }
        }
    }
}

impl Drop for Uplink {
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Debug for Uplink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Uplink({:?})", self.status())
    }
}

impl Shared {
    fn now(&self) -> Now {
        self.caller.settings.clock.now()
    }

    /// The cloud has told its clock.
    fn note_cloud_time(&self, at: UnixMicros) {
        *lock(&self.cloud_clock) = Some((at, Instant::now()));
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Gives the machine an event, and everybody its consequences.
    fn handle(&self, event: Event) {
        let now = self.now();
        let mut session = lock(&self.session);
        let before = session.open_session();
        session.handle(event, now);
        let is_over = before.is_some() && session.open_session() != before;
        drop(session);
        if is_over && let Some(client) = lock(&self.clients)[Role::Poller as usize].take() {
            // Its poll would wait for the news of a session that is no more.
            client.shut_down();
        }
        self.publish();
        self.wake.notify_all();
    }

    /// Logs and writes down what is new in the status.
    fn publish(&self) {
        let mut publisher = lock(&self.publisher);
        let status = lock(&self.session).status().clone();
        if let Some((level, words)) = publisher.announcer.news(&status) {
            log::log!(level, "{words}");
        }
        if publisher.written.as_ref().is_some_and(|written| is_alike(written, &status)) {
            return;
        }
        let running = Running { boot: self.caller.identity.boot(), status };
        if let Err(error) = running.write(&self.caller.settings.directory) {
            log::debug!("the status for doctor could not be written: {error}");
        }
        publisher.written = Some(running.status);
    }

    /// Hands a lease to the host unless it has a newer one.
    fn apply(&self, lease: Lease, is_new_session: bool) {
        let mut applied = lock(&self.lease);
        if is_new_session || session::is_newer(lease, *applied) {
            self.host.apply(lease);
            *applied = lease;
        }
    }

    fn heartbeat(&self, is_leaving: bool) -> Heartbeat {
        let health = self.host.health();
        let figures = self.outbox.figures();
        let own = figures.counters();
        let others = health.counters.into_iter().filter(|(c, _)| own.iter().all(|(o, _)| o != c));
        let counters = others.chain(own).filter(|&(_, count)| count > 0).collect();
        let mut heartbeat = Heartbeat {
            sensor_time: self.now().wall,
            uptime_seconds: self.started.elapsed().as_secs(),
            counters,
            channels: health.channels,
            lease_serial: lock(&self.lease).serial,
            outbox_cdrs: figures.outstanding(),
            outbox_bytes: (figures.bytes, figures.max_bytes),
            memory_bytes: health.memory_bytes,
            interfaces: health.interfaces,
            last_cdr_at: health.last_cdr_at,
            upgrade: health.upgrade,
            is_leaving,
            live: health.live,
        };
        if let Some(cut) = plausible::cut(&mut heartbeat) {
            log::debug!("the heartbeat was cut: {cut}");
        }
        heartbeat
    }

    /// Makes `client` end when the uplink stops.
    fn register(&self, role: Role, client: &Arc<Client>) {
        lock(&self.clients)[role as usize] = Some(Arc::clone(client));
        if self.is_stopping() {
            client.shut_down();
        }
    }

    fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.shut(Role::Poller);
        if lock(&self.session).open_session().is_none() {
            // There is nobody to take leave of, and a claim would wait for its answer.
            self.shut(Role::Sender);
        }
        // Whoever looks at `stopping` and then waits holds this lock in between.
        drop(lock(&self.session));
        self.wake.notify_all();
    }

    fn shut(&self, role: Role) {
        if let Some(client) = &lock(&self.clients)[role as usize] {
            client.shut_down();
        }
    }

    /// Waits until `count` threads have ended; false when `patience` was over first.
    fn have_ended(&self, count: usize, patience: Duration) -> bool {
        let ended = lock(&self.ended);
        let waited = self.end.wait_timeout_while(ended, patience, |ended| *ended < count);
        *waited.unwrap_or_else(PoisonError::into_inner).0 == count
    }
}

/// Whether `doctor` would say the same of both. Retries of what failed before are not written
/// down one by one: flash wears out.
fn is_alike(a: &Status, b: &Status) -> bool {
    let failure = |status: &Status| status.last_failure.clone().map(|(_, failure)| failure);
    let is_same = match (failure(a), failure(b)) {
        (Some(a), Some(b)) => a == b || (a.code() == b.code() && a.step() == Step::Clock),
        (a, b) => a == b,
    };
    is_same
        && a.connected_since == b.connected_since
        && a.is_claiming == b.is_claiming
        && a.acknowledged_at.is_some() == b.acknowledged_at.is_some()
}
