//! `sensor.conf`: what is configured, in the syntax and with the keys of `voipmonitor.conf`.
//!
//! [`read`] tells every setting apart: understood, ignored for a reason, or unknown. Everything
//! that is wrong is told at once.

mod check;
mod docs;
mod ignored;
mod ini;
mod nearest;
mod notes;
mod table;
mod value;

use core::fmt;
use core::time::Duration;
use std::path::{Path, PathBuf};

use log::LevelFilter;
use ringside_protocol::DEFAULT_PORT;
use ringside_protocol::token::Token;

pub use check::{check_json, check_table};
pub use docs::reference;
pub use ignored::Reason;
pub use table::MAX_INTERFACES;
pub use value::Ports;

use table::Setting;

/// A larger file is no configuration, bytes.
pub const MAX_FILE_BYTES: u64 = 1 << 20;

/// What is configured, with defaults in place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `id_sensor`; `None`: the cloud gives one.
    pub id_sensor: Option<u16>,
    /// `name_sensor`; `None`: the host's name.
    pub name_sensor: Option<String>,
    /// `interface`; empty: none configured.
    pub interfaces: Vec<String>,
    /// `promisc`.
    pub promisc: bool,
    /// `snaplen`, bytes.
    pub snaplen: u32,
    /// `filter`: a BPF expression that libpcap accepts.
    pub filter: Option<String>,
    /// `sipport`.
    pub sip_ports: Ports,
    /// `ringbuffer`, MB for each interface.
    pub ringbuffer_mb: u32,
    /// The `*timeout` settings.
    pub timeouts: Timeouts,
    /// `dtmf2db`: whether digits go into records.
    pub dtmf: bool,
    /// `packetbuffer_sender`, as written; see [`Config::uplink_on`].
    pub packetbuffer_sender: bool,
    /// `server_destination`, as written; see [`Config::servers`].
    pub server_destination: Vec<Server>,
    /// `server_destination_port`, as written.
    pub server_destination_port: Option<u16>,
    /// `cloud_token`, as written; see [`Config::enrolment_token`].
    pub cloud_token: Option<String>,
    /// `cloud_host`, as written.
    pub cloud_host: Option<String>,
    /// `cloud_router_port`, as written.
    pub cloud_router_port: Option<u16>,
    /// `data_dir`.
    pub data_dir: PathBuf,
    /// `outbox_max_bytes`, as written; see [`Config::outbox_bytes`].
    pub outbox_max_bytes: u64,
    /// `maxpoolsize`, as written, MB.
    pub maxpoolsize_mb: Option<u64>,
    /// `user` to become once the interfaces are open.
    pub user: Option<String>,
    /// `log_level`.
    pub log_level: LevelFilter,
}

/// When a call is closed that nobody ends properly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// `absolute_timeout`: since its first packet.
    pub absolute: Duration,
    /// `onewaytimeout`: since an INVITE that got no response.
    pub one_way: Duration,
    /// `rtptimeout`: since its last media packet.
    pub rtp: Duration,
    /// `sipwithoutrtptimeout`: since the answer, when no media came.
    pub sip_without_rtp: Duration,
    /// `bye_timeout`: since an unconfirmed BYE.
    pub bye: Duration,
    /// `bye_confirmed_timeout`: since a confirmed BYE.
    pub bye_confirmed: Duration,
}

/// One server of `server_destination`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// A name or address; IPv6 without brackets.
    pub host: String,
    /// As written; `None`: the common one.
    pub port: Option<u16>,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.port, self.host.contains(':')) {
            (None, _) => f.write_str(&self.host),
            (Some(port), false) => write!(f, "{}:{port}", self.host),
            (Some(port), true) => write!(f, "[{}]:{port}", self.host),
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            absolute: Duration::from_secs(14_400),
            one_way: Duration::from_secs(15),
            rtp: Duration::from_secs(300),
            sip_without_rtp: Duration::from_secs(3600),
            bye: Duration::from_secs(32),
            bye_confirmed: Duration::from_secs(32),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            id_sensor: None,
            name_sensor: None,
            interfaces: Vec::new(),
            promisc: true,
            snaplen: Self::DEFAULT_SNAPLEN,
            filter: None,
            sip_ports: Ports::one(5060),
            ringbuffer_mb: 50,
            timeouts: Timeouts::default(),
            dtmf: true,
            packetbuffer_sender: false,
            server_destination: Vec::new(),
            server_destination_port: None,
            cloud_token: None,
            cloud_host: None,
            cloud_router_port: None,
            data_dir: PathBuf::from("/var/lib/ringside"),
            outbox_max_bytes: 256 << 20,
            maxpoolsize_mb: None,
            user: None,
            log_level: LevelFilter::Info,
        }
    }
}

impl Config {
    /// Holds the largest frame that a kernel with receive offload hands over.
    const DEFAULT_SNAPLEN: u32 = 65_535;

    /// Whether records are to be sent: `packetbuffer_sender = yes` or a `cloud_token`.
    #[must_use]
    pub const fn uplink_on(&self) -> bool {
        self.packetbuffer_sender || self.cloud_token.is_some()
    }

    /// The cloud's servers with their ports, the first to be tried first: `server_destination`,
    /// else `cloud_host`, else the one that the token names; empty where none of them is set.
    #[must_use]
    pub fn servers(&self) -> Vec<(String, u16)> {
        let common = self.server_destination_port.unwrap_or(DEFAULT_PORT);
        if !self.server_destination.is_empty() {
            let with_port = |server: &Server| (server.host.clone(), server.port.unwrap_or(common));
            return self.server_destination.iter().map(with_port).collect();
        }
        if let Some(host) = &self.cloud_host {
            return vec![(host.clone(), self.cloud_router_port.unwrap_or(DEFAULT_PORT))];
        }
        self.enrolment_token().map(|token| (token.host, token.port)).into_iter().collect()
    }

    /// `cloud_token`, where it is one of ours.
    #[must_use]
    pub fn enrolment_token(&self) -> Option<Token> {
        self.cloud_token.as_deref().and_then(|text| text.parse().ok())
    }

    /// Room for records that wait for the cloud: the smaller of `outbox_max_bytes` and
    /// `maxpoolsize`.
    #[must_use]
    pub fn outbox_bytes(&self) -> u64 {
        let pool = self.maxpoolsize_mb.map_or(u64::MAX, |mb| mb.saturating_mul(1 << 20));
        self.outbox_max_bytes.min(pool)
    }
}

/// A file that was read, with everything there is to say about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// What holds.
    pub config: Config,
    /// Settings that Ringside uses, in the file's order.
    pub understood: Vec<Line>,
    /// Settings that it knows and does not use.
    pub ignored: Vec<(Line, Reason)>,
    /// Settings that it does not know.
    pub unknown: Vec<Unknown>,
    /// What people should hear, in the file's order.
    pub notes: Vec<Note>,
}

/// Where a setting stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its name.
    pub key: String,
    /// The line, counted from 1.
    pub line: usize,
}

/// A name that is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// As written, in lower case.
    pub key: String,
    /// Where it stands first, counted from 1.
    pub line: usize,
    /// What was perhaps meant.
    pub nearest: Option<&'static str>,
}

/// One sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The line that it is about, if it is about one.
    pub line: Option<usize>,
    /// The setting that it is about; may be empty.
    pub key: String,
    /// What is so.
    pub says: String,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line, counted from 1; `None` when the file itself is the problem.
    pub line: Option<usize>,
    /// The setting; empty when the file itself is the problem.
    pub key: String,
    /// Its value; empty for a secret.
    pub value: String,
    /// What would be right.
    pub says: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.value.is_empty()) {
            (None, _) => f.write_str(&self.says),
            (Some(line), true) => write!(f, "line {line}: {}: {}", self.key, self.says),
            (Some(line), false) => {
                write!(f, "line {line}: {} = {}: {}", self.key, self.value, self.says)
            }
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.says)
    }
}

/// The file that is read when none is named: `etc/ringside/sensor.conf` under `root` (which is `/`
/// outside tests), or `etc/voipmonitor.conf` where that exists alone.
#[must_use]
pub fn default_file(root: &Path) -> Option<PathBuf> {
    ["etc/ringside/sensor.conf", "etc/voipmonitor.conf"]
        .into_iter()
        .map(|name| root.join(name))
        .find(|path| path.is_file())
}

/// Reads a configuration file for use.
///
/// # Errors
/// Everything that is wrong with it, each a sentence.
pub fn load(path: &Path) -> Result<Loaded, Vec<Problem>> {
    let (loaded, problems) = open(path);
    if problems.is_empty() { Ok(loaded) } else { Err(problems) }
}

/// Reads a configuration file for [`check_table`] and [`check_json`]: what holds, and everything
/// that is wrong with it.
#[must_use]
pub fn open(path: &Path) -> (Loaded, Vec<Problem>) {
    match bytes_of(path) {
        Ok(bytes) => {
            let (mut loaded, problems) = read(&bytes);
            loaded.notes.extend(notes::beside(path));
            (loaded, problems)
        }
        Err(problem) => (Loaded::default(), vec![problem]),
    }
}

fn bytes_of(path: &Path) -> Result<Vec<u8>, Problem> {
    use std::io::Read as _;
    let file_problem =
        |says| Problem { line: None, key: String::new(), value: String::new(), says };
    let unreadable =
        |error: std::io::Error| file_problem(format!("{} cannot be read: {error}", path.display()));
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        let mebibytes = MAX_FILE_BYTES >> 20;
        let says = format!(
            "{} is larger than {mebibytes} MiB: that is no configuration file",
            path.display()
        );
        return Err(file_problem(says));
    }
    Ok(bytes)
}

/// Reads the bytes of a configuration file: what holds, and everything that is wrong. Where a
/// value is wrong, the default holds.
#[must_use]
pub fn read(bytes: &[u8]) -> (Loaded, Vec<Problem>) {
    let lines = ini::parse(bytes);
    let mut reading = Reading::default();
    for entry in &lines.entries {
        reading.entry(entry);
    }
    for skipped in &lines.skipped {
        reading.loaded.notes.push(notes::skipped(skipped));
    }
    let Reading { mut loaded, problems } = reading;
    notes::add(&mut loaded, &lines.entries);
    loaded.notes.sort_by_key(|note| note.line.unwrap_or(usize::MAX));
    (loaded, problems)
}

#[derive(Default)]
struct Reading {
    loaded: Loaded,
    problems: Vec<Problem>,
}

impl Reading {
    fn entry(&mut self, entry: &ini::Entry) {
        let line = Line { key: entry.key.clone(), line: entry.line };
        if let Some(setting) = table::setting(&entry.key) {
            if !entry.value.is_empty() {
                self.understood(setting, entry, line);
            }
        } else if let Some(reason) = ignored::reason(&entry.key) {
            self.loaded.ignored.push((line, reason));
        } else if !self.loaded.unknown.iter().any(|unknown| unknown.key == entry.key) {
            let nearest = nearest::nearest(&entry.key, known_names());
            self.loaded.unknown.push(Unknown { key: line.key, line: line.line, nearest });
        }
    }

    fn understood(&mut self, setting: &Setting, entry: &ini::Entry, line: Line) {
        let earlier = self.loaded.understood.iter().find(|earlier| earlier.key == entry.key);
        if let Some(earlier) = earlier
            && !setting.adds_up()
        {
            let says = format!("not used: line {} holds", earlier.line);
            self.loaded.notes.push(Note { line: Some(entry.line), key: line.key, says });
            return;
        }
        let first = earlier.is_none();
        if let Err(says) = setting.apply(&mut self.loaded.config, &entry.value, first) {
            self.problems.push(Problem {
                line: Some(entry.line),
                key: entry.key.clone(),
                value: if setting.is_secret() { String::new() } else { entry.value.clone() },
                says,
            });
        }
        self.loaded.understood.push(line);
    }
}

fn known_names() -> impl Iterator<Item = &'static str> {
    table::SETTINGS.iter().map(|setting| setting.name).chain(ignored::names().map(|(name, _)| name))
}

#[cfg(test)]
mod tests;
