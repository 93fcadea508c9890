//! What each command does, with everything that it needs from the outside.

mod analyze;
mod check;
mod enrol;
mod install;
mod provision;
mod run;
mod store;
mod upgrade;

pub use upgrade::{SlotsAsked, Upgrade};

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use ringside_protocol::cdr::{Boot, Fingerprint};
use ringside_protocol::rule::text::parse_file;

use crate::analysis::AnalysisSettings;
use crate::call::CallSettings;
use crate::capture::interface::InterfaceSettings;
use crate::cli::{self, Command};
use crate::config::{self, Config, Loaded, Ports};
use crate::decode::{Options, PortSet};
use crate::identity::Identity;
use crate::keep::{Keeper, Origin};
use crate::rules::{NumberedRule, RuleBook};
use crate::store::ring::key::DeviceKey;
use crate::store::ring::{FOLDER, Ring, RingSettings};
use crate::uplink::{Network, Settings};
use crate::{clock, identity, version};

/// Done.
pub const DONE: u8 = 0;
/// It failed.
pub const FAILED: u8 = 1;
/// Wrong usage or configuration.
pub const WRONG: u8 = 2;

/// Why a command ends early: its exit code, and a sentence for standard error.
#[derive(Debug)]
struct Stop {
    code: u8,
    sentence: String,
}

impl Stop {
    fn failed(sentence: impl ToString) -> Self {
        Self { code: FAILED, sentence: sentence.to_string() }
    }

    /// Standard output cannot be written. A reader that has gone (`| head`) is told nothing.
    #[expect(clippy::needless_pass_by_value, reason = "for map_err")]
    fn output(error: std::io::Error) -> Self {
        let is_gone = error.kind() == std::io::ErrorKind::BrokenPipe;
        let sentence = if is_gone { String::new() } else { format!("standard output: {error}") };
        Self { code: if is_gone { DONE } else { FAILED }, sentence }
    }

    fn wrong(sentence: impl ToString) -> Self {
        Self { code: WRONG, sentence: sentence.to_string() }
    }
}

/// Does what the arguments after the program's name ask for.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    clock::init();
    let done = match cli::parse(arguments) {
        Ok(command) => dispatch(command),
        Err(sentence) => Err(Stop::wrong(format!("{sentence} (see ringside-sensor --help)"))),
    };
    match done {
        Ok(code) => code.into(),
        Err(stop) => {
            if !stop.sentence.is_empty() {
                eprintln!("ringside-sensor: {}", stop.sentence);
            }
            stop.code.into()
        }
    }
}

fn dispatch(command: Command) -> Result<u8, Stop> {
    match command {
        Command::Help => print(cli::USAGE),
        Command::Version => print(&(version::line() + "\n")),
        Command::Analyze { files, format, records, config, rules, store } => {
            let rules = rules.as_deref();
            let config = config.as_deref();
            analyze::analyze(&files, format, records, config, rules, store.as_deref())
        }
        Command::Run { config, read, speed, rules } => {
            run::run(config.as_deref(), read.as_deref(), speed, rules.as_deref())
        }
        Command::Store { command, directory, config } => {
            store::store(&command, directory, config.as_deref())
        }
        Command::Doctor { config, format } => check::doctor(config.as_deref(), format),
        Command::ConfigCheck { file, format } => check::config(file.as_deref(), format),
        Command::Upgrade { asked, config } => upgrade::upgrade(&asked, config.as_deref()),
        Command::Install(wish) => install::install(wish),
        Command::Slots { asked, config } => upgrade::slots(&asked, config.as_deref()),
        Command::Provision { file, into } => provision::provision(&file, &into),
        Command::Enrol { server, token, config } => {
            enrol::enrol(server.as_deref(), &token, config.as_deref())
        }
    }
}

/// Writes to standard output.
fn print(text: &str) -> Result<u8, Stop> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Stop::output)?;
    Ok(DONE)
}

/// The configuration that a command works with: the named file, the machine's, or defaults.
fn load(named: Option<&Path>) -> Result<Loaded, Stop> {
    let path = named.map(Path::to_path_buf).or_else(|| config::default_file(Path::new("/")));
    let Some(path) = path else { return Ok(Loaded::default()) };
    config::load(&path).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        Stop::wrong(format!("{}:\n  {}", path.display(), lines.join("\n  ")))
    })
}

/// What the analysis is told. `is_sip_anywhere`: see [`AnalysisSettings`].
fn analysis_settings(config: &Config, is_sip_anywhere: bool, seed: u64) -> AnalysisSettings {
    let micros =
        |duration: core::time::Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    AnalysisSettings {
        sip_ports: port_set(&config.sip_ports),
        is_sip_anywhere,
        decode: decode_options(config),
        call: CallSettings {
            absolute_timeout: micros(config.timeouts.absolute),
            no_response_timeout: micros(config.timeouts.one_way),
            rtp_timeout: micros(config.timeouts.rtp),
            sip_without_rtp_timeout: micros(config.timeouts.sip_without_rtp),
            seed,
        },
        has_registrations: config.registrations,
        peer_methods: config.peer_methods,
        leg_header: config.leg_header.clone(),
    }
}

/// The capture rules of a file.
fn rules_of(path: &Path) -> Result<RuleBook, Stop> {
    let named = |says: &dyn core::fmt::Display| Stop::wrong(format!("{}: {says}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| named(&error))?;
    let rules = parse_file(&text).map_err(|errors| {
        let lines = errors.iter().map(|(line, error)| format!("\n  line {line}, {error}"));
        named(&lines.collect::<String>())
    })?;
    let numbered = (1..).zip(rules).map(|(id, rule)| NumberedRule { id, rule }).collect();
    RuleBook::compile(numbered).map_err(|error| named(&error))
}

/// What keeping packets needs to know of the device.
#[derive(Clone)]
struct Device {
    fingerprint: Fingerprint,
    boot: Boot,
    secret: zeroize::Zeroizing<[u8; 32]>,
}

impl Device {
    fn of(identity: &Identity) -> Self {
        Self {
            fingerprint: identity.fingerprint(),
            boot: identity.boot(),
            secret: zeroize::Zeroizing::new(identity.storage_secret()),
        }
    }
}

/// Keeps what rules say in the store of a data directory; counts it only where the configuration
/// leaves no room for one.
fn keeper_of(
    rules: RuleBook,
    config: &Config,
    directory: &Path,
    device: &Device,
    waits: bool,
) -> Result<Keeper, Stop> {
    let ring = ring_of(config, directory, device, waits)?;
    let sensor = config.name_sensor.clone().unwrap_or_else(host_name);
    Ok(Keeper::new(rules, ring, Origin { device: device.fingerprint, sensor }))
}

fn ring_of(
    config: &Config,
    directory: &Path,
    device: &Device,
    waits: bool,
) -> Result<Option<Ring>, Stop> {
    let Some(max_bytes) = config.store_bytes() else {
        log::warn!("maxpoolsize leaves no room for packets: capture rules keep none");
        return Ok(None);
    };
    let settings = RingSettings {
        directory: directory.join(FOLDER),
        max_bytes,
        max_days: config.max_pool_days,
        device: device.fingerprint,
        boot: device.boot,
        device_key: config.store_encryption.then(|| DeviceKey::new(*device.secret)),
        waits,
    };
    Ring::open(settings).map(Some).map_err(Stop::failed)
}

/// What is read besides SIP and RTP as they are.
fn decode_options(config: &Config) -> Options {
    Options {
        hep_ports: hep_ports(config),
        websocket_ports: port_set(&config.websocket_ports),
        deduplicate: config.deduplicate,
    }
}

/// The ports on which HEP in captured packets is read: what the sensor receives itself is not read
/// a second time where it is captured.
fn hep_ports(config: &Config) -> PortSet {
    let mut set = PortSet::new();
    for range in config.hep_ports.ranges() {
        for port in range.clone().filter(|&port| !config.hep || port != config.hep_bind_port) {
            set.insert(port);
        }
    }
    set
}

/// Configured ports as a set.
fn port_set(ports: &Ports) -> PortSet {
    let mut set = PortSet::new();
    for range in ports.ranges() {
        set.insert_range(range.clone());
    }
    set
}

/// What an interface is opened with.
fn interface_settings(config: &Config) -> InterfaceSettings {
    InterfaceSettings {
        snap_len: config.snaplen,
        promiscuous: config.promisc,
        ring_mib: config.ringbuffer_mb,
        filter: config.filter.clone(),
    }
}

/// What the uplink is told.
fn uplink_settings(config: &Config, directory: PathBuf) -> Settings {
    let servers =
        config.servers().into_iter().map(|(host, port)| identity::Server { host, port }).collect();
    Settings {
        directory,
        servers,
        ca: config.cloud_ca_sha256(),
        token: config.enrolment_token(),
        id_sensor: config.id_sensor,
        name: config.name_sensor.clone().unwrap_or_else(host_name),
        network: Network::default(),
        clock: clock::WallClock::system(),
    }
}

/// The machine's own name.
fn host_name() -> String {
    let uname = rustix::system::uname();
    uname.nodename().to_string_lossy().into_owned()
}
