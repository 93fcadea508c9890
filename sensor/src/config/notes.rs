//! What a person who wrote this file should hear, although nothing in it is wrong.

use std::path::Path;

use ringside_protocol::DEFAULT_PORT;

use super::ini::{Entry, Reason, Skipped};
use super::{Config, Loaded, Note, ignored};

/// A line that the reader passed over.
pub(super) fn skipped(skipped: &Skipped) -> Note {
    let says = match &skipped.reason {
        Reason::NoKey => "not read: a setting is KEY = VALUE".to_owned(),
        Reason::Section(name) => {
            format!("nothing under [{name}] is read: settings stand under [general]")
        }
    };
    Note { line: Some(skipped.line), key: String::new(), says }
}

/// Adds everything that follows from the settings.
pub(super) fn add(loaded: &mut Loaded, entries: &[Entry]) {
    for entry in entries {
        let is_said = loaded.notes.iter().any(|note| note.key == entry.key);
        if let Some(says) = ignored::warning(&entry.key, &entry.value)
            && !is_said
        {
            let note =
                Note { line: Some(entry.line), key: entry.key.clone(), says: says.to_owned() };
            loaded.notes.push(note);
        }
    }
    let config = loaded.config.clone();
    for (key, says) in about(&config) {
        let line = loaded.understood.iter().find(|line| line.key == key).map(|line| line.line);
        loaded.notes.push(Note { line, key: key.to_owned(), says });
    }
}

/// VoIPmonitor reads `voipmonitor/conf.d` beside its file too.
pub(super) fn beside(path: &Path) -> Option<Note> {
    let directory = path.parent()?.join("voipmonitor/conf.d");
    let is_theirs = path.file_name().is_some_and(|name| name == "voipmonitor.conf");
    (is_theirs && directory.is_dir()).then(|| Note {
        line: None,
        key: String::new(),
        says: format!("{} is not read: only this file is", directory.display()),
    })
}

/// Sentences about settings and how they work together.
fn about(config: &Config) -> Vec<(&'static str, String)> {
    let mut notes = Vec::new();
    let mut note = |key, says: &str| notes.push((key, says.to_owned()));
    if config.interfaces.is_empty() && !config.hep {
        note("interface", "not set: `run` needs one, `analyze` and `run --read` do not");
    }
    if config.packetbuffer_sender {
        note("packetbuffer_sender", "call records are sent to the cloud; raw packets never are");
    }
    if config.uplink_on() && config.servers().is_empty() {
        note("server_destination", "not set, nor is cloud_host: no server is known to send to");
    }
    let destination = &config.server_destination;
    if !destination.is_empty() && !config.uplink_on() {
        note(
            "server_destination",
            "this alone sends nothing: `ringside-sensor enrol`, a cloud_token, a cloud_ca or \
             packetbuffer_sender = yes switches the uplink on",
        );
    }
    if config.server_destination_port.is_none()
        && destination.iter().any(|server| server.port.is_none())
    {
        let says = format!(
            "server_destination_port is not set: port {DEFAULT_PORT} is used (VoIPmonitor's \
             default was 60024)"
        );
        note("server_destination", &says);
    }
    if !destination.is_empty() && config.cloud_host.is_some() {
        note("cloud_host", "not used: server_destination holds");
    }
    match (&config.cloud_token, config.enrolment_token()) {
        (Some(_), None) => note(
            "cloud_token",
            "this is no token of Ringside's cloud (those begin with rs1-): make one there, under \
             Sensors",
        ),
        (Some(_), Some(token)) if !config.servers().contains(&(token.host.clone(), token.port)) => {
            let says =
                format!("made by {}:{}, which is not among the servers", token.host, token.port);
            note("cloud_token", &says);
        }
        _ => {}
    }
    if config.outbox_bytes() < config.outbox_max_bytes {
        let says = format!("records that wait for the cloud get {} bytes", config.outbox_bytes());
        note("maxpoolsize", &says);
    }
    match config.store_bytes() {
        None => note("maxpoolsize", "leaves no room for packets: capture rules keep none"),
        Some(bytes) if config.maxpoolsize_mb.is_some() && config.store_max_bytes != Some(bytes) => {
            note("maxpoolsize", &format!("packets that rules keep get up to {bytes} bytes of it"));
        }
        Some(_) => {}
    }
    notes
}
