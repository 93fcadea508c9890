//! Every setting that Ringside uses, once: name, kind, range, sentence.
//!
//! The parser, `config check` and `docs/CONFIG.md` all come from [`SETTINGS`]; the defaults are
//! those of [`Config::default`].

use core::ops::RangeInclusive;
use core::time::Duration;
use std::path::PathBuf;

use log::LevelFilter;

use super::value::{self, Ports};
use super::{Config, Server};

/// One setting.
pub(super) struct Setting {
    /// As written in the file.
    pub(super) name: &'static str,
    /// The part of the documentation that it stands in.
    pub(super) area: Area,
    /// What it does, one sentence.
    pub(super) sentence: &'static str,
    /// Which values it takes, and where they go.
    pub(super) kind: Kind,
}

/// The parts of the documentation, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Area {
    Identity,
    Capture,
    Calls,
    Cloud,
    Storage,
    Process,
}

impl Area {
    pub(super) const ALL: [Self; 6] =
        [Self::Identity, Self::Capture, Self::Calls, Self::Cloud, Self::Storage, Self::Process];

    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Identity => "Identity",
            Self::Capture => "Capture",
            Self::Calls => "Calls",
            Self::Cloud => "Cloud",
            Self::Storage => "Storage",
            Self::Process => "Process",
        }
    }
}

/// Where a value of type `T` stands in a [`Config`].
type Field<T> = fn(&mut Config) -> &mut T;

/// Which values a setting takes, and where they go.
pub(super) enum Kind {
    /// Yes or no.
    Flag(Field<bool>),
    /// A whole number.
    Number {
        range: RangeInclusive<u64>,
        unit: &'static str,
        /// The number that means "none", and what that is.
        off: Option<(&'static str, &'static str)>,
        set: fn(&mut Config, Option<u64>),
        get: fn(&Config) -> Option<u64>,
    },
    /// A text that `read` accepts.
    Text {
        allowed: &'static str,
        absent: &'static str,
        read: fn(&str) -> Result<String, String>,
        field: Field<Option<String>>,
    },
    /// A text that is never shown.
    Secret { allowed: &'static str, field: Field<Option<String>> },
    /// Interfaces; lines add up.
    Interfaces(Field<Vec<String>>),
    /// Ports; lines add up.
    Ports(Field<Ports>),
    /// Servers; lines add up.
    Servers(Field<Vec<Server>>),
    /// A directory.
    Directory(Field<PathBuf>),
    /// How much is logged.
    Level(Field<LevelFilter>),
}

/// Interfaces that are captured on at once; each has a ring of its own.
pub const MAX_INTERFACES: usize = 16;

/// A timeout that is longer keeps a lost call's slot for no use.
const MAX_TIMEOUT_SECONDS: u64 = 7 * 86_400;

const MEBIBYTE: u64 = 1 << 20;

const fn seconds(set: fn(&mut Config, Option<u64>), get: fn(&Config) -> Option<u64>) -> Kind {
    Kind::Number { range: 1..=MAX_TIMEOUT_SECONDS, unit: "s", off: None, set, get }
}

const fn port(set: fn(&mut Config, Option<u64>), get: fn(&Config) -> Option<u64>) -> Kind {
    Kind::Number { range: 1..=65_535, unit: "", off: None, set, get }
}

/// The number as a narrower type; the ranges above leave nothing to cut.
fn narrow<T: TryFrom<u64>>(number: Option<u64>) -> Option<T> {
    number.and_then(|number| T::try_from(number).ok())
}

macro_rules! timeout {
    ($field:ident) => {
        seconds(
            |config, n| config.timeouts.$field = Duration::from_secs(n.unwrap_or_default()),
            |config| Some(config.timeouts.$field.as_secs()),
        )
    };
}

/// Every setting that is used, by area.
pub(super) static SETTINGS: &[Setting] = &[
    Setting {
        name: "id_sensor",
        area: Area::Identity,
        sentence: "This sensor's number within its customer; without one the cloud gives the \
                   lowest that is free.",
        kind: Kind::Number {
            range: 1..=65_535,
            unit: "",
            off: Some(("-1", "given by the cloud")),
            set: |config, n| config.id_sensor = narrow(n),
            get: |config| config.id_sensor.map(u64::from),
        },
    },
    Setting {
        name: "name_sensor",
        area: Area::Identity,
        sentence: "The sensor's name on the cloud's pages.",
        kind: Kind::Text {
            allowed: "a text of up to 255 bytes",
            absent: "the host's name",
            read: |text| at_most(text, 255),
            field: |config| &mut config.name_sensor,
        },
    },
    Setting {
        name: "interface",
        area: Area::Capture,
        sentence: "The interfaces to capture on; `any` is all of them. Several, such as a TX and \
                   an RX tap, are merged by time. Lines add up.",
        kind: Kind::Interfaces(|config| &mut config.interfaces),
    },
    Setting {
        name: "promisc",
        area: Area::Capture,
        sentence: "Take frames that are addressed to others too, as a mirror port's are.",
        kind: Kind::Flag(|config| &mut config.promisc),
    },
    Setting {
        name: "snaplen",
        area: Area::Capture,
        sentence: "Bytes of a frame that are captured. The default holds what a kernel that joins \
                   TCP segments hands over; VoIPmonitor's is 3200.",
        kind: Kind::Number {
            range: 128..=262_144,
            unit: "bytes",
            off: Some(("0", "the default")),
            set: |config, n| config.snaplen = narrow(n).unwrap_or(Config::DEFAULT_SNAPLEN),
            get: |config| Some(u64::from(config.snaplen)),
        },
    },
    Setting {
        name: "filter",
        area: Area::Capture,
        sentence: "A BPF expression; frames that do not match are not captured. Tagged frames \
                   match only after `vlan and`, as in `udp or (vlan and udp)`.",
        kind: Kind::Text {
            allowed: "a BPF expression (pcap-filter(7))",
            absent: "everything",
            read: value::filter,
            field: |config| &mut config.filter,
        },
    },
    Setting {
        name: "sipport",
        area: Area::Capture,
        sentence: "The ports on which SIP is read, UDP and TCP. Lines add up.",
        kind: Kind::Ports(|config| &mut config.sip_ports),
    },
    Setting {
        name: "ringbuffer",
        area: Area::Capture,
        sentence: "Memory that the kernel holds frames in until they are read, for each interface.",
        kind: Kind::Number {
            range: 1..=2000,
            unit: "MB",
            off: None,
            set: |config, n| config.ringbuffer_mb = narrow(n).unwrap_or_default(),
            get: |config| Some(u64::from(config.ringbuffer_mb)),
        },
    },
    Setting {
        name: "absolute_timeout",
        area: Area::Calls,
        sentence: "A call that is older is closed.",
        kind: timeout!(absolute),
    },
    Setting {
        name: "onewaytimeout",
        area: Area::Calls,
        sentence: "An INVITE that nobody has answered for so long is closed.",
        kind: timeout!(one_way),
    },
    Setting {
        name: "rtptimeout",
        area: Area::Calls,
        sentence: "A call whose media has stopped for so long, with no BYE, is closed.",
        kind: timeout!(rtp),
    },
    Setting {
        name: "sipwithoutrtptimeout",
        area: Area::Calls,
        sentence: "An answered call without any media is closed after so long.",
        kind: timeout!(sip_without_rtp),
    },
    Setting {
        name: "bye_timeout",
        area: Area::Calls,
        sentence: "How long packets still belong to a call after a BYE that nobody confirms (the \
                   default is 64 T1, RFC 3261 §17.1.2.2; VoIPmonitor's is 1200).",
        kind: timeout!(bye),
    },
    Setting {
        name: "bye_confirmed_timeout",
        area: Area::Calls,
        sentence: "The same after a confirmed BYE (VoIPmonitor's default is 600).",
        kind: timeout!(bye_confirmed),
    },
    Setting {
        name: "dtmf2db",
        area: Area::Calls,
        sentence: "Put dialled digits into records (VoIPmonitor's default is no).",
        kind: Kind::Flag(|config| &mut config.dtmf),
    },
    Setting {
        name: "packetbuffer_sender",
        area: Area::Cloud,
        sentence: "Send call records to the cloud. Unlike VoIPmonitor, raw packets are never sent.",
        kind: Kind::Flag(|config| &mut config.packetbuffer_sender),
    },
    Setting {
        name: "server_destination",
        area: Area::Cloud,
        sentence: "The cloud's servers, the first that answers is used. Lines add up.",
        kind: Kind::Servers(|config| &mut config.server_destination),
    },
    Setting {
        name: "server_destination_port",
        area: Area::Cloud,
        sentence: "Port of servers in `server_destination` that name none (VoIPmonitor's default \
                   is 60024).",
        kind: port(
            |config, n| config.server_destination_port = narrow(n),
            |config| config.server_destination_port.map(u64::from),
        ),
    },
    Setting {
        name: "cloud_token",
        area: Area::Cloud,
        sentence: "The enrolment token that the cloud made for this sensor; it switches the uplink \
                   on and names the server.",
        kind: Kind::Secret {
            allowed: "a token as the cloud shows it (rs1-…)",
            field: |config| &mut config.cloud_token,
        },
    },
    Setting {
        name: "cloud_host",
        area: Area::Cloud,
        sentence: "The cloud's server where `server_destination` is not set.",
        kind: Kind::Text {
            allowed: "a name or address",
            absent: "not set",
            read: value::host,
            field: |config| &mut config.cloud_host,
        },
    },
    Setting {
        name: "cloud_router_port",
        area: Area::Cloud,
        sentence: "Port of `cloud_host`.",
        kind: port(
            |config, n| config.cloud_router_port = narrow(n),
            |config| config.cloud_router_port.map(u64::from),
        ),
    },
    Setting {
        name: "data_dir",
        area: Area::Storage,
        sentence: "Where the sensor keeps its key and records that wait for the cloud. A \
                   `spooldir` of VoIPmonitor is not used and not touched.",
        kind: Kind::Directory(|config| &mut config.data_dir),
    },
    Setting {
        name: "outbox_max_bytes",
        area: Area::Storage,
        sentence: "Room for records that wait for the cloud; when it is full the oldest leave.",
        kind: Kind::Number {
            range: MEBIBYTE..=1 << 40,
            unit: "bytes",
            off: None,
            set: |config, n| config.outbox_max_bytes = n.unwrap_or_default(),
            get: |config| Some(config.outbox_max_bytes),
        },
    },
    Setting {
        name: "maxpoolsize",
        area: Area::Storage,
        sentence: "An upper bound for everything that is kept in `data_dir`; the smaller of this \
                   and `outbox_max_bytes` holds.",
        kind: Kind::Number {
            range: 1..=1 << 30,
            unit: "MB",
            off: Some(("0", "no further bound")),
            set: |config, n| config.maxpoolsize_mb = n,
            get: |config| config.maxpoolsize_mb,
        },
    },
    Setting {
        name: "user",
        area: Area::Process,
        sentence: "The user that the sensor becomes once its interfaces are open.",
        kind: Kind::Text {
            allowed: "a user's name",
            absent: "not changed",
            read: user,
            field: |config| &mut config.user,
        },
    },
    Setting {
        name: "log_level",
        area: Area::Process,
        sentence: "What is logged: this and everything more severe.",
        kind: Kind::Level(|config| &mut config.log_level),
    },
];

/// The setting of this name.
pub(super) fn setting(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}

impl Setting {
    /// Whether several lines add up, instead of the first one holding.
    pub(super) const fn adds_up(&self) -> bool {
        matches!(self.kind, Kind::Interfaces(_) | Kind::Ports(_) | Kind::Servers(_))
    }

    /// Whether its value must not be shown.
    pub(super) const fn is_secret(&self) -> bool {
        matches!(self.kind, Kind::Secret { .. })
    }

    /// Puts a value into `config`; `first` on the first line of this setting.
    ///
    /// # Errors
    /// What would have been right.
    pub(super) fn apply(&self, config: &mut Config, text: &str, first: bool) -> Result<(), String> {
        match &self.kind {
            Kind::Flag(field) => *field(config) = value::flag(text)?,
            Kind::Number { range, unit, off, set, .. } => match off {
                Some((none, _)) if *none == text => set(config, None),
                Some((none, meaning)) => set(
                    config,
                    Some(
                        value::number(text, range, unit)
                            .map_err(|says| format!("{says}, or {none} ({meaning})"))?,
                    ),
                ),
                None => set(config, Some(value::number(text, range, unit)?)),
            },
            Kind::Text { read, field, .. } => *field(config) = Some(read(text)?),
            Kind::Secret { field, .. } => *field(config) = Some(token(text)?),
            Kind::Interfaces(field) => interfaces(field(config), text, first)?,
            Kind::Ports(field) => {
                let mut ports = field(config).clone();
                if first {
                    ports.clear();
                }
                ports.extend(text)?;
                *field(config) = ports;
            }
            Kind::Servers(field) => servers(field(config), text, first)?,
            Kind::Directory(field) => *field(config) = directory(text)?,
            Kind::Level(field) => {
                *field(config) = text.parse().map_err(|_| format!("write {LEVELS}"))?;
            }
        }
        Ok(())
    }

    /// The effective value, with its unit; what holds instead where there is none.
    pub(super) fn show(&self, config: &Config) -> String {
        let mut config = config.clone();
        let config = &mut config;
        match &self.kind {
            Kind::Flag(field) => if *field(config) { "yes" } else { "no" }.to_owned(),
            Kind::Number { unit, off, get, .. } => match (get(config), off) {
                (Some(number), _) if unit.is_empty() => number.to_string(),
                (Some(number), _) if *unit == "bytes" && number % MEBIBYTE == 0 => {
                    format!("{number} bytes ({} MiB)", number / MEBIBYTE)
                }
                (Some(number), _) => format!("{number} {unit}"),
                (None, Some((_, meaning))) => (*meaning).to_owned(),
                (None, None) => ringside_protocol::DEFAULT_PORT.to_string(),
            },
            Kind::Text { absent, field, .. } => {
                field(config).clone().unwrap_or_else(|| (*absent).to_owned())
            }
            Kind::Secret { field, .. } => match field(config) {
                Some(_) => "set, not shown".to_owned(),
                None => "none".to_owned(),
            },
            Kind::Interfaces(field) => or_none(field(config).join(", ")),
            Kind::Ports(field) => field(config).to_string(),
            Kind::Servers(field) => {
                let servers: Vec<_> = field(config).iter().map(Server::to_string).collect();
                or_none(servers.join(", "))
            }
            Kind::Directory(field) => field(config).display().to_string(),
            Kind::Level(field) => field(config).to_string().to_lowercase(),
        }
    }

    /// Which values it takes, a few words for the documentation.
    pub(super) fn allowed(&self) -> String {
        match &self.kind {
            Kind::Flag(_) => "yes or no".to_owned(),
            Kind::Number { range, unit, off, .. } => {
                let mut text = format!("{} to {}", range.start(), range.end());
                if !unit.is_empty() {
                    text = format!("{text} {unit}");
                }
                if let Some((none, meaning)) = off {
                    text = format!("{text}, or {none}: {meaning}");
                }
                text
            }
            Kind::Text { allowed, .. } | Kind::Secret { allowed, .. } => (*allowed).to_owned(),
            Kind::Interfaces(_) => format!("up to {MAX_INTERFACES} names, with commas between"),
            Kind::Ports(_) => "ports and FROM-TO ranges, with commas between".to_owned(),
            Kind::Servers(_) => "HOST or HOST:PORT, with commas between".to_owned(),
            Kind::Directory(_) => "an absolute path".to_owned(),
            Kind::Level(_) => LEVELS.to_owned(),
        }
    }
}

const LEVELS: &str = "off, error, warn, info, debug or trace";

fn or_none(text: String) -> String {
    if text.is_empty() { "none".to_owned() } else { text }
}

fn at_most(text: &str, bytes: usize) -> Result<String, String> {
    if text.len() <= bytes && !text.chars().any(char::is_control) {
        Ok(text.to_owned())
    } else {
        Err(format!("write a text of at most {bytes} bytes, without control characters"))
    }
}

/// A user's name as useradd(8) takes it.
fn user(text: &str) -> Result<String, String> {
    let fits = (1..=32).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.$".contains(&byte))
        && !text.starts_with('-');
    if fits { Ok(text.to_owned()) } else { Err("write the name of a user".to_owned()) }
}

/// A token of ours must be whole; one of another service is kept, and `notes` says so.
fn token(text: &str) -> Result<String, String> {
    if text.starts_with("rs1-")
        && let Err(error) = text.parse::<ringside_protocol::token::Token>()
    {
        return Err(format!("copy the whole token once more: {error}"));
    }
    at_most(text, 1024)
}

fn interfaces(to: &mut Vec<String>, text: &str, first: bool) -> Result<(), String> {
    let mut names = if first { Vec::new() } else { to.clone() };
    for name in value::list(text) {
        let name = value::interface(name)?;
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if names.len() > MAX_INTERFACES {
        return Err(format!("name at most {MAX_INTERFACES} interfaces"));
    }
    *to = names;
    Ok(())
}

fn servers(to: &mut Vec<Server>, text: &str, first: bool) -> Result<(), String> {
    let mut servers = if first { Vec::new() } else { to.clone() };
    for part in value::list(text) {
        let (host, port) = value::server(part)?;
        let server = Server { host, port };
        if !servers.contains(&server) {
            servers.push(server);
        }
    }
    *to = servers;
    Ok(())
}

fn directory(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    if path.is_absolute() && !text.contains('\0') {
        Ok(path)
    } else {
        Err("write an absolute path, such as /var/lib/ringside".to_owned())
    }
}
