//! A setting: which values it takes, where they go, and how it is shown.

use core::ops::RangeInclusive;
use std::path::PathBuf;

use log::LevelFilter;
use serde_json::{Value, json};

use super::value::{self, Ports};
use super::{Config, Server};
use crate::limits::MAX_INTERFACES;

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
    Device,
}

impl Area {
    pub(super) const ALL: [Self; 7] = [
        Self::Identity,
        Self::Capture,
        Self::Calls,
        Self::Cloud,
        Self::Storage,
        Self::Process,
        Self::Device,
    ];

    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Identity => "Identity",
            Self::Capture => "Capture",
            Self::Calls => "Calls",
            Self::Cloud => "Cloud",
            Self::Storage => "Storage",
            Self::Process => "Process",
            Self::Device => "Status page, upgrades, watchdog",
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

pub(super) const MEBIBYTE: u64 = 1 << 20;

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

    /// The effective value for programs: null where there is none, whether one is set for a secret.
    pub(super) fn json(&self, config: &Config) -> Value {
        let mut config = config.clone();
        let config = &mut config;
        match &self.kind {
            Kind::Flag(field) => json!(*field(config)),
            Kind::Number { get, .. } => json!(get(config)),
            Kind::Text { field, .. } => json!(field(config)),
            Kind::Secret { field, .. } => json!(field(config).is_some()),
            Kind::Interfaces(field) => json!(field(config)),
            Kind::Ports(_) | Kind::Servers(_) | Kind::Directory(_) | Kind::Level(_) => {
                json!(self.show(config))
            }
        }
    }

    /// The unit of its numbers; empty where there is none.
    pub(super) const fn unit(&self) -> &'static str {
        match &self.kind {
            Kind::Number { unit, .. } => unit,
            _ => "",
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

/// A token of ours must be whole; one of another service is kept, and `notes` says so.
fn token(text: &str) -> Result<String, String> {
    if text.starts_with("rs1-")
        && let Err(error) = text.parse::<ringside_protocol::token::Token>()
    {
        return Err(format!("copy the whole token once more: {error}"));
    }
    value::at_most(text, 1024)
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
