//! An upgrade that the cloud pushes: fetched in pieces beside the records, then installed as `upgrade`
//! does.
//!
//! ```text
//!  data_dir/upgrade/pushed/order.json     the order that is being carried out
//!  data_dir/upgrade/pushed/package        its archive, as far as it has come
//!  data_dir/upgrade/pushed/package.minisig
//!  data_dir/upgrade/pushed/ready          for the service that installs it where this one may not
//! ```
//!
//! The cloud tells an order again in each session until it is over, so all of this can break off
//! anywhere: what has been fetched is kept, and after the restart on trial the same order finds out
//! how that ended. A thread of its own does the work, one at a time, slower than records and slower
//! still while packets are lost.

use core::time::Duration;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use ring::digest::{Context, SHA256};
use ringside_protocol::message::Refused;
use ringside_protocol::push::{
    MAX_PACKAGE_BYTES, MAX_SIGNATURE_BYTES, News, Order, PIECE_BYTES, PieceWanted, Progress,
};
use ringside_protocol::step::{Failure, Step};
use rustix::fs::{Access, access};
use serde::{Deserialize, Serialize};

use super::package::{self, Package, Policy};
use super::program::Program;
use super::state::{self, State};
use super::{install, report, service, uninterrupted};
use crate::store::atomic;
use crate::uplink::line::{Line, Talk};
use crate::version::SOFTWARE;

/// The unit that installs what this one has fetched, where the sensor runs without root.
const PATH_UNIT: &str = "/etc/systemd/system/ringside-sensor-upgrade.path";

/// A box's start scripts write this file: there the slots hold whole systems.
const OF_A_BOX: &str = "box-slots";

/// Between two looks at a trial.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What restarts may add to a trial's time.
const SLACK: Duration = Duration::from_secs(120);

/// Waits after a request that failed: doubling from the first to the last.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LAST_WAIT: Duration = Duration::from_secs(30);

/// Requests in a row that may fail; the cloud tells the order again a minute later.
const MAX_FAILURES: u32 = 12;

/// Between two pieces, at least; as long as the piece has taken, if that is more, so that at most half
/// of a slow line is used.
const PAUSE: Duration = Duration::from_millis(10);

/// Between two pieces while packets are lost.
const LONG_PAUSE: Duration = Duration::from_secs(1);

/// How often an order is begun anew whose installation broke off.
const MAX_ATTEMPTS: u32 = 3;

/// Whether the capture is losing packets just now.
pub type Pressure = Arc<dyn Fn() -> bool + Send + Sync>;

/// Carries out what the cloud orders.
pub struct Pushed {
    data_dir: PathBuf,
    /// This program's file as it was at the start.
    executable: PathBuf,
    key: Option<String>,
    trial: Duration,
    pressure: Pressure,
    /// The order that a thread is busy with.
    busy: Mutex<Option<u64>>,
}

/// What is kept of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    order: u64,
    /// How often its installation was begun.
    attempts: u32,
}

/// Why an order is not gone on with now.
#[derive(Debug)]
enum Stop {
    /// The cloud no longer wants it.
    NotWanted,
    /// It cannot be asked now; it tells the order again.
    Later(Failure),
    /// This side is at fault: the order is over, and the cloud hears why.
    Refused(String),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Refused(format!(
            "the package could not be kept ({error}): make room on the disk of data_dir"
        ))
    }
}

/// Who may replace the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Installer {
    /// This process.
    Own,
    /// A service of systemd that runs as root.
    Service,
}

impl Pushed {
    /// For the program that runs as `executable`, and `upgrade_key` of its configuration.
    #[must_use]
    pub fn new(
        data_dir: &Path,
        executable: PathBuf,
        key: Option<String>,
        trial: Duration,
        pressure: Pressure,
    ) -> Self {
        let busy = Mutex::new(None);
        Self { data_dir: data_dir.to_owned(), executable, key, trial, pressure, busy }
    }

    /// Takes an order and returns at once; a thread does the rest.
    pub fn take(self: &Arc<Self>, order: Order, line: Line) {
        let mut busy = lock(&self.busy);
        if busy.is_some() {
            return;
        }
        *busy = Some(order.order);
        drop(busy);
        let pushed = Arc::clone(self);
        let spawned = std::thread::Builder::new().name("upgrade".to_owned()).spawn(move || {
            pushed.carry_out(&order, &line);
            *lock(&pushed.busy) = None;
        });
        if let Err(error) = spawned {
            log::error!("an upgrade could not be begun: {error}");
            *lock(&self.busy) = None;
        }
    }

    fn carry_out(&self, order: &Order, line: &Line) {
        log::info!("the cloud orders an upgrade to {}", order.version);
        let ended = self.pursue(order, line);
        let last = match ended {
            Ok(progress) => progress,
            Err(Stop::Refused(why)) => {
                log::error!("the upgrade to {} was not installed: {why}", order.version);
                Progress::Refused { why }
            }
            Err(Stop::NotWanted) => {
                log::info!("the upgrade to {} is no longer wanted", order.version);
                return self.forget();
            }
            Err(Stop::Later(failure)) => {
                log::info!("the upgrade to {} waits: {failure}", order.version);
                return;
            }
        };
        match self.tell(line, order, last) {
            Ok(()) | Err(Stop::NotWanted) => self.forget(),
            // Told again in the next session.
            Err(_) => {}
        }
    }

    /// Goes on where the order stands.
    fn pursue(&self, order: &Order, line: &Line) -> Result<Progress, Stop> {
        if order.bytes > MAX_PACKAGE_BYTES || order.signature.len() > MAX_SIGNATURE_BYTES {
            return Err(Stop::Refused("it is larger than any release".to_owned()));
        }
        fs::create_dir_all(self.folder())?;
        let kept = self.kept().filter(|kept| kept.order == order.order);
        let kept = match kept {
            Some(kept) => kept,
            None => {
                self.forget();
                fs::create_dir_all(self.folder())?;
                Kept { order: order.order, attempts: 0 }
            }
        };
        if kept.attempts > 0
            && let Some(ended) = self.outcome(order)?
        {
            return Ok(ended);
        }
        if kept.attempts >= MAX_ATTEMPTS {
            let why = "its installation broke off three times: see the sensor's log, and try \
                       `ringside-sensor upgrade` on it";
            return Err(Stop::Refused(why.to_owned()));
        }
        self.keep(&kept)?;
        let installer = self.installer()?;
        self.fetch(order, line)?;
        self.tell(line, order, Progress::Checking)?;
        let package = self.check(order)?;
        self.tell(line, order, Progress::OnTrial)?;
        self.keep(&Kept { attempts: kept.attempts + 1, ..kept })?;
        report::forget(&self.data_dir)?;
        self.install(installer, order, &package)?;
        drop(package);
        self.outcome(order)?.ok_or_else(|| {
            let why = "it was not tried: look at the sensor's log and at that of the service \
                       ringside-sensor-upgrade, and restart it";
            Stop::Refused(why.to_owned())
        })
    }

    /// How the trial has ended; `None` where there was none.
    fn outcome(&self, order: &Order) -> Result<Option<Progress>, Stop> {
        let begun = Instant::now();
        loop {
            if let Some(report) = report::load(&self.data_dir).filter(|it| it.to == order.version) {
                self.point_to_what_runs();
                return Ok(Some(match report.failure {
                    None => Progress::Done,
                    Some(why) => Progress::RolledBack { why },
                }));
            }
            let state = State::load(&self.data_dir)?;
            let is_on_trial = state.is_some_and(|state| state.slots.on_trial().is_some());
            if !is_on_trial && !self.folder().join("ready").exists() {
                return Ok(None);
            }
            if begun.elapsed() > self.trial + SLACK {
                return Ok(None);
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Fetches what is missing of the package.
    fn fetch(&self, order: &Order, line: &Line) -> Result<(), Stop> {
        let mut file = self.open_package(order)?;
        let mut have = file.seek(SeekFrom::End(0))?;
        if have > 0 {
            log::info!("{have} of {} bytes of the package are here already", order.bytes);
        }
        let mut asking = Asking::new(line);
        while have < order.bytes {
            let begun = Instant::now();
            let wanted = PieceWanted { order: order.order, offset: have };
            let piece = asking.ask(|talk| talk.ask(&wanted))?.bytes;
            let left = order.bytes - have;
            if piece.is_empty() {
                return Err(Stop::NotWanted);
            }
            if piece.len() as u64 != left.min(PIECE_BYTES as u64) {
                let detail = "a piece has another length than it should".to_owned();
                return Err(Stop::Later(Failure::CloudFault { detail }));
            }
            file.write_all(&piece)?;
            have += piece.len() as u64;
            let pause = if (self.pressure)() { LONG_PAUSE } else { PAUSE };
            std::thread::sleep(pause.max(begun.elapsed().min(LONG_PAUSE)));
        }
        file.sync_all()?;
        Ok(())
    }

    /// The package's file, without the half of a piece.
    fn open_package(&self, order: &Order) -> io::Result<File> {
        let path = self.package();
        let file = OpenOptions::new().create(true).append(true).read(true).open(path)?;
        let length = file.metadata()?.len();
        let pieces = length / PIECE_BYTES as u64 * PIECE_BYTES as u64;
        if length > order.bytes {
            file.set_len(0)?;
        } else if length != order.bytes && length != pieces {
            file.set_len(pieces)?;
        }
        Ok(file)
    }

    /// Whether what was fetched is what was ordered, and signed by somebody whom this sensor trusts.
    fn check(&self, order: &Order) -> Result<Package, Stop> {
        let mut bytes = Vec::new();
        File::open(self.package())?.take(order.bytes + 1).read_to_end(&mut bytes)?;
        let mut hash = Context::new(&SHA256);
        hash.update(&bytes);
        if hash.finish().as_ref() != order.sha256 {
            fs::remove_file(self.package())?;
            let why = "what was fetched is not the package that was ordered: order it again";
            return Err(Stop::Refused(why.to_owned()));
        }
        let policy =
            Policy { key: self.key.clone(), running: SOFTWARE.to_owned(), allows_downgrade: false };
        let package = package::check(&bytes, &order.signature, &policy)
            .map_err(|error| Stop::Refused(error.to_string()))?;
        if package.version != order.version {
            let why = format!("its signature says that it is {}", package.version);
            return Err(Stop::Refused(why));
        }
        Ok(package)
    }

    /// Puts the package on trial: from then on this process may end at any moment.
    fn install(&self, by: Installer, order: &Order, package: &Package) -> Result<(), Stop> {
        let refused = |error: &dyn core::fmt::Display| Stop::Refused(error.to_string());
        match by {
            Installer::Service => {
                let beside = self.folder().join("package.minisig");
                atomic::replace(&beside, order.signature.as_bytes(), 0o600)?;
                atomic::replace(&self.folder().join("ready"), b"", 0o600)?;
            }
            Installer::Own => {
                let (program, _) = Program::of(&self.executable);
                install::install(&program, &self.data_dir, package, SOFTWARE, &uninterrupted)
                    .map_err(|error| refused(&error))?;
                service::restart(&self.data_dir).map_err(|error| {
                    let why =
                        format!("it is installed, but the sensor could not be restarted ({error})");
                    refused(&why)
                })?;
            }
        }
        Ok(())
    }

    /// Who may replace the program here.
    fn installer(&self) -> Result<Installer, Stop> {
        if self.data_dir.join(OF_A_BOX).exists() {
            let why =
                "it is a box, whose system is upgraded as a whole: bring the bundle on a stick";
            return Err(Stop::Refused(why.to_owned()));
        }
        let (program, _) = Program::of(&self.executable);
        let folder = program.path().parent().unwrap_or(Path::new("/"));
        if access(folder, Access::WRITE_OK).is_ok() {
            return Ok(Installer::Own);
        }
        if Path::new(PATH_UNIT).exists() {
            return Ok(Installer::Service);
        }
        let why = format!(
            "the sensor may not write to {}: run `ringside-sensor install` on it as root, which adds \
             the service that may",
            folder.display()
        );
        Err(Stop::Refused(why))
    }

    /// The link follows what has proved itself, where this process may change it.
    fn point_to_what_runs(&self) {
        let (program, _) = Program::of(&self.executable);
        let next = State::load(&self.data_dir).ok().flatten().map(|state| state.slots.next());
        if let (Some(next), Some(current)) = (next, program.current())
            && next != current
            && let Err(error) = program.point_to(next, &uninterrupted)
        {
            log::debug!("the program's link stays as it is: {error}");
        }
    }

    fn tell(&self, line: &Line, order: &Order, progress: Progress) -> Result<(), Stop> {
        let news = News { order: order.order, progress };
        let noted = Asking::new(line).ask(|talk| talk.ask(&news))?;
        if noted.stands { Ok(()) } else { Err(Stop::NotWanted) }
    }

    fn kept(&self) -> Option<Kept> {
        let text = fs::read(self.folder().join("order.json")).ok()?;
        serde_json::from_slice(&text).ok()
    }

    fn keep(&self, kept: &Kept) -> io::Result<()> {
        atomic::replace(&self.folder().join("order.json"), &serde_json::to_vec(kept)?, 0o600)
    }

    /// The order is over: nothing of it stays on the disk.
    fn forget(&self) {
        match fs::remove_dir_all(self.folder()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                log::warn!("what is left of an upgrade could not be removed: {error}");
            }
            _ => {}
        }
    }

    fn folder(&self) -> PathBuf {
        state::folder(&self.data_dir).join("pushed")
    }

    fn package(&self) -> PathBuf {
        self.folder().join("package")
    }
}

impl core::fmt::Debug for Pushed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Pushed({})", self.executable.display())
    }
}

/// One request after the other over a connection that is opened again when it breaks.
struct Asking<'a> {
    line: &'a Line,
    talk: Option<Talk>,
    failures: u32,
}

impl<'a> Asking<'a> {
    const fn new(line: &'a Line) -> Self {
        Self { line, talk: None, failures: 0 }
    }

    fn ask<A>(&mut self, ask: impl Fn(&Talk) -> Result<A, Refused>) -> Result<A, Stop> {
        loop {
            let answered = match self.talk.take() {
                Some(talk) => Ok(talk),
                None => self.line.open(),
            }
            .and_then(|talk| {
                let answer = ask(&talk).map_err(|refused| refused.failure)?;
                self.talk = Some(talk);
                Ok(answer)
            });
            match answered {
                Ok(answer) => {
                    self.failures = 0;
                    return Ok(answer);
                }
                Err(failure) if self.failures >= MAX_FAILURES || is_over(&failure) => {
                    return Err(Stop::Later(failure));
                }
                Err(failure) => {
                    log::debug!("upgrade: {failure}");
                    let wait = FIRST_WAIT * 2_u32.saturating_pow(self.failures);
                    self.failures += 1;
                    std::thread::sleep(wait.min(LAST_WAIT));
                }
            }
        }
    }
}

/// Whether a failure is the cloud's word about the session: the next one brings the order again.
fn is_over(failure: &Failure) -> bool {
    matches!(failure, Failure::SessionEnded)
        || matches!(failure.step(), Step::Enrolment | Step::SensorId)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
