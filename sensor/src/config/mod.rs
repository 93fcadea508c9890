//! `sensor.conf`: what is configured, in the syntax and with the keys of `voipmonitor.conf`.
//!
//! [`read`] tells every setting apart: understood, ignored for a reason, or unknown. Everything
//! that is wrong is told at once.

mod check;
mod docs;
mod effective;
mod ignored;
mod ini;
mod notes;
mod setting;
mod table;
mod value;

use core::fmt;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

pub use check::{check_json, check_table};
pub use docs::reference;
pub use effective::{Config, Server, Timeouts};
pub use ignored::Reason;
pub use value::Ports;

use ringside_protocol::nearest::nearest;
use setting::Setting;

/// A larger file is no configuration, bytes.
pub const MAX_FILE_BYTES: u64 = 1 << 20;

/// Unknown settings for which what was meant is looked for, which takes long: a file with more of
/// them is none of this program's.
const MAX_GUESSES: usize = 100;

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
    let Reading { mut loaded, problems, .. } = reading;
    notes::add(&mut loaded, &lines.entries);
    loaded.notes.sort_by_key(|note| note.line.unwrap_or(usize::MAX));
    (loaded, problems)
}

#[derive(Default)]
struct Reading {
    loaded: Loaded,
    problems: Vec<Problem>,
    /// Names of [`Loaded::unknown`].
    unknown: HashSet<String>,
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
        } else if self.unknown.insert(entry.key.clone()) {
            let may_guess = self.loaded.unknown.len() < MAX_GUESSES;
            let nearest = may_guess.then(|| nearest(&entry.key, known_names())).flatten();
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
        match setting.apply(&mut self.loaded.config, &entry.value, first) {
            Ok(()) => self.loaded.understood.push(line),
            Err(says) => self.problems.push(Problem {
                line: Some(entry.line),
                key: line.key,
                value: if setting.is_secret() { String::new() } else { entry.value.clone() },
                says,
            }),
        }
    }
}

fn known_names() -> impl Iterator<Item = &'static str> {
    table::SETTINGS.iter().map(|setting| setting.name).chain(ignored::names().map(|(name, _)| name))
}

#[cfg(test)]
mod tests;
