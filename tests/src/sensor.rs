//! `ringside-sensor` with a data directory and a configuration of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::folder::Folder;
use crate::processes::{Process, program, run};

/// One device.
#[derive(Debug)]
pub struct Sensor {
    /// `name_sensor`.
    pub name: String,
    folder: Folder,
    settings: Vec<(String, String)>,
    /// Put before the program: another network, for example.
    wrapper: Vec<String>,
    /// In the place of the one that was built.
    program: Option<PathBuf>,
}

/// What a command came to.
#[derive(Debug)]
pub struct Said {
    /// Exit code.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Sensor {
    /// A device that has not been started yet.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let folder = Folder::new();
        let data = folder.join("data").display().to_string();
        let settings = [("name_sensor", name), ("data_dir", &data), ("interface", "lo")];
        let settings = settings.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec();
        Self { name: name.to_owned(), folder, settings, wrapper: Vec::new(), program: None }
    }

    /// A device that has joined with `token`.
    ///
    /// # Panics
    /// Where it may not.
    #[must_use]
    pub fn joined(name: &str, token: &str) -> Self {
        let sensor = Self::new(name);
        let said = sensor.enrol(token);
        assert_eq!(said.code, Some(0), "{}", said.err);
        sensor
    }

    /// The same device a second time: its data directory is copied.
    ///
    /// # Panics
    /// Where a file cannot be copied.
    #[must_use]
    pub fn cloned(&self, name: &str) -> Self {
        let other = Self::new(name);
        copy_folder(&self.data(), &other.data());
        other
    }

    /// With this line in the configuration.
    #[must_use]
    pub fn with(mut self, key: &str, value: &str) -> Self {
        self.settings.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Without this setting, whoever has made it.
    #[must_use]
    pub fn without(mut self, key: &str) -> Self {
        self.settings.retain(|(known, _)| known != key);
        self
    }

    /// With the cloud at `host` and `port`, whatever enrolment has named.
    #[must_use]
    pub fn toward(self, host: &str, port: u16) -> Self {
        self.with("server_destination", host).with("server_destination_port", &port.to_string())
    }

    /// Without what [`Sensor::toward`] has set.
    #[must_use]
    pub fn back(mut self) -> Self {
        self.settings.retain(|(key, _)| !key.starts_with("server_destination"));
        self
    }

    /// In a network that has only its own loopback interface, which is down. Needs root.
    #[must_use]
    pub fn without_network(mut self) -> Self {
        self.wrapper = vec!["unshare".to_owned(), "--net".to_owned()];
        self
    }

    /// With this file as its program.
    #[must_use]
    pub fn with_program(mut self, program: &Path) -> Self {
        self.program = Some(program.to_owned());
        self
    }

    /// Its data directory.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The ids of the records that came to exist, one a line.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.folder.join("journal")
    }

    /// `run`, with a capture file in the interface's place where one is given.
    #[must_use]
    pub fn run(&self, read: Option<&Path>, speed: &str) -> Process {
        let mut arguments = vec!["run".to_owned()];
        if let Some(path) = read {
            let path = path.display().to_string();
            arguments.extend(["--read".to_owned(), path, "--speed".to_owned(), speed.to_owned()]);
        }
        let mut command = self.command(&arguments);
        Process::start(&self.name, command.env("RINGSIDE_OUTBOX_JOURNAL", self.journal()))
    }

    /// `enrol`.
    #[must_use]
    pub fn enrol(&self, token: &str) -> Said {
        self.said(&["enrol", "--token", token])
    }

    /// `doctor --format json`: the exit code, and what it prints.
    ///
    /// # Panics
    /// Where that is not JSON.
    #[must_use]
    pub fn doctor(&self) -> (Option<i32>, Value) {
        let said = self.said(&["doctor", "--format", "json"]);
        let report = serde_json::from_str(&said.out);
        (said.code, report.unwrap_or_else(|error| panic!("{error}: {said:?}")))
    }

    /// Runs a command with this sensor's configuration to its end.
    ///
    /// # Panics
    /// Where it does not start.
    #[must_use]
    pub fn said(&self, words: &[&str]) -> Said {
        let words: Vec<_> = words.iter().map(|&word| word.to_owned()).collect();
        let output = self.command(&words).output().expect("it starts");
        Said {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// A command with this sensor's configuration, not yet started.
    ///
    /// # Panics
    /// Where the configuration cannot be written.
    #[must_use]
    pub fn command(&self, words: &[String]) -> Command {
        let config = self.folder.join("sensor.conf");
        let lines = self.settings.iter().map(|(key, value)| format!("{key} = {value}\n"));
        fs::write(&config, lines.collect::<String>()).expect("the configuration can be written");
        let sensor = self.program.clone().unwrap_or_else(|| program("ringside-sensor"));
        let mut command = match self.wrapper.split_first() {
            None => Command::new(sensor),
            Some((wrapper, arguments)) => {
                let mut command = Command::new(wrapper);
                command.args(arguments).arg(sensor);
                command
            }
        };
        command.args(words).arg("--config").arg(config);
        command
    }
}

/// `analyze --format json`: one object a call.
///
/// # Panics
/// Where it fails.
#[must_use]
pub fn analyze(capture: &Path) -> Vec<Value> {
    let capture = capture.display().to_string();
    let output = run("ringside-sensor", &["analyze", "--format", "json", &capture], "");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// `version`.
#[must_use]
pub fn version() -> String {
    let output = run("ringside-sensor", &["version"], "");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder can be made");
    for entry in fs::read_dir(from).expect("a folder can be listed") {
        let entry = entry.expect("a folder can be listed");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a file can be copied");
        }
    }
}
