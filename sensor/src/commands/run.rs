//! `ringside-sensor run`: the sensor, live or with a capture file in the interface's place.
//!
//! ```text
//!  capture threads --> analysis (this thread) --> outbox's thread --> uplink's two threads
//! ```

use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant as Clock;

use embassy_time::Instant;
use ringside_protocol::cdr::Fingerprint;
use ringside_protocol::counters::Counter;
use ringside_protocol::message::{InterfaceHealth, RuleSet};
use ringside_protocol::record::Record;
use ringside_protocol::words::plural;

use super::{
    DONE, Device, FAILED, Stop, analysis_settings, analyze, decode_options, interface_settings,
    keeper_of, load, port_set, rules_of, uplink_settings,
};
use crate::analysis::Analysis;
use crate::capture::clock::ClockStart;
use crate::capture::file::{FileError, FileSource};
use crate::capture::hep::HepListener;
use crate::capture::live::{InterfaceStats, Live, LiveError, LiveSettings};
use crate::capture::privileges;
use crate::cli::Speed;
use crate::clock::WallClock;
use crate::config::{Config, Loaded};
use crate::counters::Counters;
use crate::decode::is_signalling;
use crate::host::SensorHost;
use crate::identity::{Identity, Trust};
use crate::keep::Keeper;
use crate::logging;
use crate::retrieval::Retrieval;
use crate::rules::{RuleBook, pushed};
use crate::status::{Sources, StatusPage};
use crate::store::outbox::{Outbox, OutboxSettings};
use crate::upgrade::launch::{self, Launch, Launcher};
use crate::upgrade::pushed::Pushed;
use crate::upgrade::report;
use crate::upgrade::signs::{Signs, Teller};
use crate::uplink::Uplink;
use crate::watchdog::Watchdog;

/// Between two looks at health, signals and the lease.
const HOUSEKEEPING_EVERY: Duration = Duration::from_secs(1);

/// Between two looks at how good the calls in progress are.
const LIVE_EVERY: Duration = Duration::from_secs(10);

/// How long the analysis waits for frames before it looks at deadlines.
const POLL_FOR: Duration = Duration::from_millis(100);

/// Before interfaces that could not be opened are tried again; doubles up to the second.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(30);

/// How long records that exist may still be sent when the sensor is told to stop.
const DRAIN_PATIENCE: Duration = Duration::from_secs(5);

/// Between two lines about what is still to be acknowledged, with a file.
const PROGRESS_EVERY: Duration = Duration::from_secs(10);

pub(super) fn run(
    config: Option<&Path>,
    read: Option<&Path>,
    speed: Speed,
    rules: Option<&Path>,
) -> Result<u8, Stop> {
    let loaded = load(config)?;
    let rules = rules.map(rules_of).transpose()?;
    logging::start(loaded.config.log_level);
    for note in &loaded.notes {
        log::info!("configuration: {note}");
    }
    let signals = Signals::register()?;
    let launcher = Launcher {
        // Asked now: an upgrade puts another file under this name.
        executable: std::env::current_exe().map_err(Stop::failed)?,
        arguments: std::env::args_os().skip(1).collect(),
        data_dir: &loaded.config.data_dir,
        trial: loaded.config.upgrade_trial,
        stopping: &signals.stopping,
    };
    match launcher.launch() {
        Ok(Launch::Myself) => {}
        Ok(Launch::Ended(code)) => return Ok(code),
        Err(error) => return Err(Stop::failed(format!("the other slot's program: {error}"))),
    }
    let ended = match read {
        Some(path) => {
            let source = analyze::open(path)?;
            launch::end_with_parent().map_err(Stop::failed)?;
            let sensor = Sensor::start(&loaded.config, read.is_some(), rules, &signals.stopping)?;
            sensor.read(source, speed)
        }
        None => live(&loaded, rules, &signals.stopping),
    };
    match signals.starts_again.load(Ordering::Relaxed) {
        true => start_again(&launcher, &loaded.config),
        false => ended,
    }
}

/// What the system tells the sensor.
struct Signals {
    /// SIGTERM, SIGINT and SIGHUP: it is to end.
    stopping: Arc<AtomicBool>,
    /// SIGHUP: and to begin again, with the program that is there then.
    starts_again: Arc<AtomicBool>,
}

impl Signals {
    fn register() -> Result<Self, Stop> {
        use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
        let signals = Self { stopping: Arc::default(), starts_again: Arc::default() };
        for signal in [SIGTERM, SIGINT, SIGHUP] {
            signal_hook::flag::register(signal, Arc::clone(&signals.stopping))
                .map_err(Stop::failed)?;
        }
        signal_hook::flag::register(SIGHUP, Arc::clone(&signals.starts_again))
            .map_err(Stop::failed)?;
        Ok(signals)
    }
}

/// Begins again after SIGHUP.
fn start_again(launcher: &Launcher<'_>, config: &Config) -> Result<u8, Stop> {
    if launch::is_child() {
        return Ok(launch::START_AGAIN);
    }
    if config.user.is_some() {
        // What became another user cannot become root again.
        log::info!("told to start again: whatever starts this sensor has to do it");
        return Ok(FAILED);
    }
    log::info!("starting again");
    Err(Stop::failed(launcher.start_again()))
}

/// Captures until a signal ends it. Rights are given up before the first thread starts.
fn live(loaded: &Loaded, rules: Option<RuleBook>, stopping: &Arc<AtomicBool>) -> Result<u8, Stop> {
    let config = &loaded.config;
    if config.interfaces.is_empty() && !config.hep {
        return Err(Stop::wrong(
            "no interface is configured: write `interface = eth0` (the mirror port) into the \
             configuration, or `hep = yes` where a PBX sends HEP",
        ));
    }
    let watchdog = open_watchdog(config)?;
    let status = status_listener(config);
    if let Some(user) = &config.user {
        privileges::give_to(user, &config.data_dir).map_err(|error| {
            Stop::failed(format!("{} for {user}: {error}", config.data_dir.display()))
        })?;
        privileges::drop_to(user).map_err(Stop::failed)?;
    }
    launch::end_with_parent().map_err(Stop::failed)?;
    let settings = live_settings(config);
    let started = settings.started;
    let mut source = Source { live: None, hep: hep_listener(config)?, started };
    // Before all that takes time: what passes from now on is kept until the analysis begins.
    let mut fault = source.open(&settings).err();
    let mut sensor = Sensor::start(config, false, rules, stopping)?;
    sensor.watchdog = watchdog;
    sensor.serve_status(status, loaded);
    let mut pause = FIRST_RETRY;
    while let Some(error) = fault {
        if sensor.is_stopping() {
            return Err(Stop::failed(error));
        }
        // A box may be faster than its network card: it goes on trying, and says so.
        log::error!("{error}");
        sensor.host.publish_interfaces(faulty(config, &error.to_string()));
        sensor.wait_for_interfaces(pause, &error.to_string());
        pause = (pause * 2).min(LAST_RETRY);
        fault = source.open(&settings).err();
    }
    sensor.capture(source)
}

/// The running sensor but for its source of frames.
struct Sensor {
    config: Config,
    device: Device,
    /// Rules of a file hold in place of the cloud's.
    has_own_rules: bool,
    analysis: Analysis,
    outbox: Outbox,
    uplink: Option<Uplink>,
    host: Arc<SensorHost>,
    stopping: Arc<AtomicBool>,
    housekeeping_at: Clock,
    live_at: Clock,
    is_file: bool,
    /// `dtmf2db`.
    keeps_digits: bool,
    data_dir: PathBuf,
    fingerprint: Fingerprint,
    teller: Teller,
    watchdog: Option<Watchdog>,
}

impl Sensor {
    fn start(
        config: &Config,
        is_file: bool,
        rules: Option<RuleBook>,
        stopping: &Arc<AtomicBool>,
    ) -> Result<Self, Stop> {
        let directory = config.data_dir.clone();
        let identity = Identity::load_or_create(&directory).map_err(Stop::failed)?;
        log::info!("device {}, boot {}", identity.fingerprint(), identity.boot());
        let outbox = Outbox::open(
            &directory,
            OutboxSettings {
                max_bytes: config.outbox_bytes(),
                device: identity.fingerprint(),
                boot: identity.boot(),
                clock: (!is_file).then(WallClock::system),
                journal: std::env::var_os("RINGSIDE_OUTBOX_JOURNAL").map(Into::into),
            },
        )
        .map_err(Stop::failed)?;
        let (seed, fingerprint) = (random_seed()?, identity.fingerprint());
        let device = Device::of(&identity);
        let mut analysis = Analysis::new(analysis_settings(config, false, seed));
        let has_own_rules = rules.is_some();
        if let Some(rules) = rules {
            let rules_held = plural(rules.len(), "capture rule");
            log::info!("in force: {rules_held} of a file, and none of the cloud's");
            analysis.set_keeper(keeper_of(rules, config, &directory, &device, is_file)?);
        }
        let host = Arc::new(SensorHost::default());
        host.publish_upgrade(report::load(&directory));
        let remembered = pushed::load(&directory);
        let has_joined = matches!(Trust::load(&directory), Ok(Some(_)));
        let is_on = config.uplink_on() || has_joined;
        let uplink = if is_on || !is_file {
            serve_calls(&host, &directory)?;
            if !is_file {
                take_upgrades(&host, config)?;
            }
            let mut settings = uplink_settings(config, directory);
            if !is_on {
                // Servers of a file that switches the uplink off are not dialled; one that `enrol`
                // names later is.
                settings.servers.clear();
            }
            let uplink = Uplink::start(settings, identity, outbox.clone(), Arc::clone(&host));
            Some(uplink.map_err(Stop::failed)?)
        } else {
            let directory = config.data_dir.display();
            log::warn!("the uplink is off: records stay in {directory}");
            None
        };
        let mut sensor = Self {
            config: config.clone(),
            device,
            has_own_rules,
            analysis,
            outbox,
            uplink,
            host,
            stopping: Arc::clone(stopping),
            housekeeping_at: Clock::now(),
            live_at: Clock::now(),
            is_file,
            keeps_digits: config.dtmf,
            data_dir: config.data_dir.clone(),
            fingerprint,
            teller: Teller::new(&config.data_dir),
            watchdog: None,
        };
        sensor.publish_finder();
        if let Some(set) = remembered {
            sensor.apply_rules(&set);
        }
        Ok(sensor)
    }

    /// Lets calls be found in the store, where one is open.
    fn publish_finder(&mut self) {
        let ring = self.analysis.keeper().and_then(Keeper::ring);
        self.host.use_finder(ring.and_then(|ring| ring.finder()));
    }

    /// Puts the cloud's rules in force, for calls in progress, too.
    fn apply_rules(&mut self, set: &RuleSet) {
        if self.has_own_rules {
            let why = "this sensor was started with rules of a file".to_owned();
            self.host.note_rules(set.version, vec![(0, why)]);
            return;
        }
        let (book, refused) = pushed::compile(set);
        log::info!("{}, {} not understood", plural(book.len(), "capture rule"), refused.len());
        if self.analysis.keeper().is_some() {
            self.analysis.replace_rules(book);
        } else if !book.is_empty() {
            let directory = &self.config.data_dir;
            match keeper_of(book, &self.config, directory, &self.device, self.is_file) {
                Ok(keeper) => {
                    self.analysis.set_keeper(keeper);
                    self.publish_finder();
                }
                Err(stop) => {
                    log::error!("capture rules are not applied: {}", stop.sentence);
                    self.host.note_rules(set.version, vec![(0, stop.sentence)]);
                    return;
                }
            }
        }
        self.host.note_rules(set.version, refused);
    }

    /// Analyses what the interfaces see until a signal comes; calls in progress become records.
    fn capture(mut self, mut source: Source) -> Result<u8, Stop> {
        let mut lost = 0;
        while !self.is_stopping() {
            source.poll(&mut self.analysis);
            self.analysis.handle_timeout(source.started.now());
            self.store_records();
            if Clock::now() >= self.housekeeping_at {
                source.count(self.analysis.counters());
                if self.analysis.counters().of(Counter::SipMessages) > 0 {
                    source.note_sip();
                }
                let lost_now = captured_without(self.analysis.counters());
                self.analysis.note_capture(lost_now > lost);
                lost = lost_now;
                let interfaces = source.health();
                let fault = interfaces.iter().find_map(|interface| interface.fault.clone());
                self.host.publish_interfaces(interfaces);
                self.show_progress(fault);
            }
            self.housekeep_if_due();
        }
        let cut = self.analysis.table().in_progress();
        log::info!("told to stop with {} in progress: each makes a record", plural(cut, "call"));
        drop(source);
        self.analysis.finish();
        self.store_records();
        self.housekeep();
        self.outbox.flush();
        if let Some(uplink) = self.uplink.take() {
            if !uplink.wait_until_drained(DRAIN_PATIENCE) {
                let left = plural(self.outbox.figures().outstanding(), "record");
                log::info!("left on disk for the next start: {left}");
            }
            uplink.stop();
        }
        Ok(DONE)
    }

    /// Reads a capture file and waits until every record is acknowledged.
    fn read(mut self, mut source: FileSource, speed: Speed) -> Result<u8, Stop> {
        let mut pace = Pace::new(speed);
        let mut is_whole = true;
        loop {
            match source.next_frame() {
                Ok(Some(frame)) => {
                    pace.wait_for(frame.at, &self.stopping);
                    self.analysis.handle_frame(&frame);
                }
                Ok(None) => break,
                Err(error) => {
                    log::error!("{error}");
                    is_whole = matches!(error, FileError::Truncated { .. });
                    break;
                }
            }
            self.store_records();
            if Clock::now() >= self.housekeeping_at {
                self.show_progress(None);
            }
            self.housekeep_if_due();
            if self.is_stopping() {
                break;
            }
        }
        self.analysis.finish();
        self.store_records();
        self.housekeep();
        self.outbox.flush();
        let is_drained = self.drain();
        if let Some(uplink) = self.uplink.take() {
            uplink.stop();
        }
        Ok(if is_drained && is_whole { DONE } else { FAILED })
    }

    /// Waits for the acknowledgement of every record, and says what it waits for.
    fn drain(&self) -> bool {
        let Some(uplink) = &self.uplink else { return true };
        while !uplink.wait_until_drained(PROGRESS_EVERY) {
            let waiting = plural(self.outbox.figures().outstanding(), "record");
            let status = uplink.status();
            match status.failed() {
                Some(failure) => log::warn!("waiting to be sent: {waiting}: {failure}"),
                None => log::info!("waiting to be sent: {waiting}"),
            }
            if self.is_stopping() {
                return false;
            }
        }
        log::info!("every record is acknowledged");
        true
    }

    fn store_records(&mut self) {
        while let Some(mut record) = self.analysis.poll_record() {
            if let Record::Call(cdr) = &mut record
                && !self.keeps_digits
            {
                cdr.dtmf.clear();
            }
            self.host.note_record(&record);
            self.outbox.push(record);
        }
    }

    /// Starts the status page. A sensor without one captures all the same.
    fn serve_status(&self, listener: Option<TcpListener>, loaded: &Loaded) {
        let Some(listener) = listener else { return };
        let sources = Sources {
            host: Arc::clone(&self.host),
            outbox: self.outbox.clone(),
            uplink: self.uplink.as_ref().map(Uplink::watch),
            settings: uplink_settings(&loaded.config, self.data_dir.clone()),
            fingerprint: self.fingerprint.to_string(),
            loaded: loaded.clone(),
            clock: WallClock::system(),
            started: Clock::now(),
        };
        match StatusPage::start(listener, sources) {
            Ok(page) => log::info!("the status page is at http://{}/", page.address()),
            Err(error) => log::error!("there is no status page: {error}"),
        }
    }

    /// Tells whoever judges this start what it has come to, and feeds the watchdog: the analysis
    /// has come round.
    fn show_progress(&mut self, capture_fault: Option<String>) {
        // Whoever has started this program on trial writes the report when it has proved itself.
        self.host.publish_upgrade(report::load(&self.data_dir));
        let status = self.uplink.as_ref().map(Uplink::status);
        if let Err(error) = self.teller.tell(Signs::of(capture_fault, status.as_ref())) {
            log::debug!("health could not be written: {error}");
        }
        if let Some(watchdog) = &mut self.watchdog {
            watchdog.feed(self.uplink.as_ref().is_none_or(Uplink::is_alive));
        }
    }

    /// Lets time pass without any interface.
    fn wait_for_interfaces(&mut self, pause: Duration, fault: &str) {
        let until = Clock::now() + pause;
        while !self.is_stopping() {
            self.show_progress(Some(fault.to_owned()));
            let left = until.saturating_duration_since(Clock::now());
            if left.is_zero() {
                return;
            }
            std::thread::sleep(left.min(POLL_FOR));
        }
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    fn housekeep_if_due(&mut self) {
        let now = Clock::now();
        if now >= self.housekeeping_at {
            self.housekeeping_at = now + HOUSEKEEPING_EVERY;
            self.housekeep();
        }
    }

    /// Publishes health, and applies the newest lease. A file is not bound by leases.
    fn housekeep(&mut self) {
        if let Some(ring) = self.analysis.keeper().and_then(Keeper::ring) {
            for (counter, value) in ring.figures().counters() {
                self.analysis.counters().set(counter, value);
            }
        }
        if let Some(set) = self.host.take_rules() {
            if let Err(error) = pushed::save(&self.config.data_dir, &set) {
                log::warn!("capture rules are not kept for the next start: {error}");
            }
            self.apply_rules(&set);
        }
        let channels = self.analysis.table().in_progress();
        self.host.publish(self.analysis.counters(), channels);
        let now = Clock::now();
        if now >= self.live_at {
            self.live_at = now + LIVE_EVERY;
            self.host.publish_live(self.analysis.live());
        }
        if !self.is_file {
            self.analysis.table().set_allowance(self.host.allowance());
        }
    }
}

/// Answers whoever asks for a call's packets.
fn serve_calls(host: &Arc<SensorHost>, directory: &Path) -> Result<(), Stop> {
    let Some(identity) = Identity::load(directory).map_err(Stop::failed)? else { return Ok(()) };
    let told = Arc::downgrade(host);
    let pressure = Arc::new(move || told.upgrade().is_some_and(|host| host.is_losing()));
    let retrieval = Retrieval::new(identity, directory.to_owned(), pressure);
    host.serve_calls(Arc::new(retrieval));
    Ok(())
}

/// Lets the cloud order upgrades of this program.
fn take_upgrades(host: &Arc<SensorHost>, config: &Config) -> Result<(), Stop> {
    // Asked now: an upgrade puts another file under this name.
    let executable = std::env::current_exe().map_err(Stop::failed)?;
    let told = Arc::downgrade(host);
    let pressure = Arc::new(move || told.upgrade().is_some_and(|host| host.is_losing()));
    let (key, trial) = (config.upgrade_key.clone(), config.upgrade_trial);
    let upgrades = Pushed::new(&config.data_dir, executable, key, trial, pressure);
    host.take_upgrades(Arc::new(upgrades));
    Ok(())
}

/// Where the status page will be, while this process may still use a port below 1024.
fn status_listener(config: &Config) -> Option<TcpListener> {
    let address = config.status_address()?;
    let told = |error: &std::io::Error| {
        log::warn!("there is no status page at {address} ({error}): set status_bind, or no");
    };
    TcpListener::bind(address).inspect_err(told).ok()
}

/// The watchdog, while this process may still open it.
fn open_watchdog(config: &Config) -> Result<Option<Watchdog>, Stop> {
    let Some(path) = &config.watchdog else { return Ok(None) };
    let opened = Watchdog::open(Path::new(path));
    opened.map(Some).map_err(|error| {
        Stop::failed(format!(
            "the watchdog {path} cannot be opened ({error}): start the sensor as \
                              root, or leave `watchdog_device` out"
        ))
    })
}

/// Where packets come from.
struct Source {
    live: Option<Live>,
    hep: Option<HepListener>,
    /// Where their time line begins.
    started: ClockStart,
}

impl Source {
    /// Opens the interfaces, where some are configured.
    fn open(&mut self, settings: &LiveSettings) -> Result<(), LiveError> {
        if !settings.interfaces.is_empty() {
            self.live = Some(Live::start(settings)?);
        }
        log::info!("capturing from {}", self.names().join(", "));
        Ok(())
    }

    /// Hands everything that has come to the analysis, waiting for some up to [`POLL_FOR`].
    fn poll(&mut self, analysis: &mut Analysis) {
        let Self { live, hep, started } = self;
        let patience = if live.is_some() { Duration::ZERO } else { POLL_FOR };
        if let Some(live) = live {
            live.poll(POLL_FOR, &mut |frame| analysis.handle_frame(frame));
        }
        if let Some(hep) = hep {
            hep.drain(patience, &mut |message| analysis.handle_hep(started.now(), message));
        }
    }

    fn names(&self) -> Vec<String> {
        let stats = self.live.iter().flat_map(|live| live.stats()).map(|stats| stats.name);
        stats.chain(self.hep.iter().map(|hep| format!("HEP on {}", hep.address()))).collect()
    }

    fn count(&mut self, counters: &mut Counters) {
        if let Some(live) = &mut self.live {
            live.count(counters);
        }
        if let Some(hep) = &self.hep {
            hep.count(counters);
        }
    }

    /// SIP has been seen.
    fn note_sip(&mut self) {
        if let Some(live) = &mut self.live {
            live.note_sip();
        }
    }

    fn health(&self) -> Vec<InterfaceHealth> {
        self.live.iter().flat_map(|live| live.stats()).map(health).collect()
    }
}

/// The listener for HEP, where one is configured.
fn hep_listener(config: &Config) -> Result<Option<HepListener>, Stop> {
    if !config.hep {
        return Ok(None);
    }
    let ip = match &config.hep_bind_ip {
        Some(ip) => {
            ip.parse().map_err(|_| Stop::wrong(format!("hep_bind_ip = {ip}: no address")))?
        }
        None => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    };
    HepListener::start(ip, config.hep_bind_port).map(Some).map_err(Stop::failed)
}

/// What the interfaces are opened with.
fn live_settings(config: &Config) -> LiveSettings {
    let (ports, options) = (port_set(&config.sip_ports), decode_options(config));
    LiveSettings {
        interfaces: config.interfaces.clone(),
        interface: interface_settings(config),
        started: ClockStart::measure(),
        is_signalling: Arc::new(move |frame| is_signalling(frame, &ports, &options)),
    }
}

/// Frames that the sensor should have analysed and did not get.
fn captured_without(counters: &Counters) -> u64 {
    [
        Counter::KernelDropped,
        Counter::InterfaceDropped,
        Counter::RtpShed,
        Counter::SipShed,
        Counter::HepDropped,
    ]
    .into_iter()
    .map(|counter| counters.of(counter))
    .sum()
}

fn health(stats: InterfaceStats) -> InterfaceHealth {
    InterfaceHealth {
        name: stats.name,
        frames: stats.frames,
        kernel_dropped: stats.kernel_dropped,
        fault: stats.fault,
    }
}

/// Every interface with why it does not capture.
fn faulty(config: &Config, why: &str) -> Vec<InterfaceHealth> {
    let health = |name: &String| InterfaceHealth {
        name: name.clone(),
        frames: 0,
        kernel_dropped: 0,
        fault: Some(why.to_owned()),
    };
    config.interfaces.iter().map(health).collect()
}

/// Holds a file's frames back until their time, or not at all.
struct Pace {
    speed: Speed,
    start: Option<(Instant, Clock)>,
}

impl Pace {
    const fn new(speed: Speed) -> Self {
        Self { speed, start: None }
    }

    fn wait_for(&mut self, at: Instant, stopping: &AtomicBool) {
        if self.speed == Speed::Max {
            return;
        }
        let &mut (first, began) = self.start.get_or_insert_with(|| (at, Clock::now()));
        let ahead = Duration::from_micros(at.saturating_duration_since(first).as_micros());
        let due = began + ahead;
        while !stopping.load(Ordering::Relaxed) {
            let left = due.saturating_duration_since(Clock::now());
            if left.is_zero() {
                return;
            }
            std::thread::sleep(left.min(HOUSEKEEPING_EVERY));
        }
    }
}

/// A seed for the hashes that nobody outside knows.
fn random_seed() -> Result<u64, Stop> {
    use ring::rand::{SecureRandom, SystemRandom};
    let mut bytes = [0; 8];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| Stop::failed("the system gives no random bytes"))?;
    Ok(u64::from_ne_bytes(bytes))
}
