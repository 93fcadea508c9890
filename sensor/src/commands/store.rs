//! `ringside-sensor store`: what the ring store has, a call out of it, and whether it is whole.
//!
//! All three only read, and work beside a running sensor.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use ringside_protocol::cdr::CallId;
use ringside_protocol::time::UnixMicros;
use ringside_protocol::words::plural;
use serde_json::json;

use super::{DONE, FAILED, Stop, load, print};
use crate::audio;
use crate::cli::{ExportFormat, Format, StoreCommand};
use crate::config::Config;
use crate::identity::Identity;
use crate::store::export::export;
use crate::store::ring::FOLDER;
use crate::store::ring::catalog::Catalog;
use crate::store::ring::chunk::CallKey;
use crate::store::ring::facts::Facts;
use crate::store::ring::key::DeviceKey;
use crate::terminal::{fit, printable};

pub(super) fn store(
    command: &StoreCommand,
    directory: Option<PathBuf>,
    config: Option<&Path>,
) -> Result<u8, Stop> {
    let mut config = load(config)?.config;
    config.data_dir = directory.unwrap_or(config.data_dir);
    let directory = config.data_dir.join(FOLDER);
    if !directory.is_dir() {
        return Err(Stop::failed(format!(
            "there is no store in {}: packets are kept once a capture rule matches",
            config.data_dir.display()
        )));
    }
    let catalog = Catalog::read(&directory, device_key(&config)?.as_ref())
        .map_err(|error| Stop::failed(format!("{}: {error}", directory.display())))?;
    match command {
        StoreCommand::List { format } => list(&catalog, *format),
        StoreCommand::Export { call, format, output } => {
            export_call(&catalog, call, *format, output.as_ref())
        }
        StoreCommand::Verify => verify(&catalog),
    }
}

/// What opens an encrypted store; nothing before the sensor's first start.
fn device_key(config: &Config) -> Result<Option<DeviceKey>, Stop> {
    let identity = Identity::load(&config.data_dir).map_err(Stop::failed)?;
    Ok(identity.map(|identity| DeviceKey::new(identity.storage_secret())))
}

fn id_of((boot, number): CallKey, facts: &Facts) -> String {
    CallId { device: facts.device, boot, number }.to_string()
}

fn list(catalog: &Catalog, format: Format) -> Result<u8, Stop> {
    let mut calls: Vec<_> = catalog.kept().collect();
    calls.sort_by_key(|(_, facts, _)| facts.first_at);
    let mut text = String::new();
    if format != Format::Json {
        let _ = writeln!(
            text,
            "{}  {}  {}  {}  {}  CALL-ID",
            fit("FIRST PACKET", 19),
            fit("FROM", 16),
            fit("TO", 16),
            fit("BYTES", 10),
            fit("RULE", 16),
        );
    }
    for (key, facts, entry) in calls {
        let first_at = UnixMicros(facts.first_at).to_rfc3339();
        let _ = match format {
            Format::Json => writeln!(
                text,
                "{}",
                json!({
                    "id": id_of(key, facts),
                    "call_id": facts.call_id,
                    "caller": facts.caller,
                    "callee": facts.callee,
                    "first_at": first_at,
                    "last_at": UnixMicros(facts.last_at).to_rfc3339(),
                    "rule_id": facts.rule_id,
                    "rule": facts.rule,
                    "packets": facts.packets,
                    "bytes": facts.bytes,
                    "dropped": facts.dropped,
                    "is_over": facts.is_over,
                    "is_pinned": entry.is_pinned,
                })
            ),
            _ => writeln!(
                text,
                "{}  {}  {}  {}  {}  {}",
                first_at[..19].replace('T', " "),
                fit(&printable(&facts.caller), 16),
                fit(&printable(&facts.callee), 16),
                fit(&facts.bytes.to_string(), 10),
                fit(&rule_name(facts), 16),
                printable(&facts.call_id),
            ),
        };
    }
    print(&text)
}

fn export_call(
    catalog: &Catalog,
    call: &str,
    format: ExportFormat,
    output: Option<&PathBuf>,
) -> Result<u8, Stop> {
    let Some((key, facts)) = catalog.find(call) else {
        return Err(Stop::failed(format!(
            "the store has no call {call}: `ringside-sensor store list` shows those that it has"
        )));
    };
    if output.is_none() && io::stdout().is_terminal() {
        return Err(Stop::wrong(
            "it would go to the terminal: name a file with --output, or redirect",
        ));
    }
    let id = id_of(key, facts);
    let said = match format {
        ExportFormat::Packets(format) => {
            let packets = catalog.packets(key).map_err(Stop::failed)?;
            let ordered = packets.in_order();
            write(output, |out| export(format, &id, facts, &ordered, out))?;
            format!(
                "{} of call {id}{}",
                plural(ordered.len(), "packet"),
                left_out(packets.missing_chunks)
            )
        }
        ExportFormat::Wav | ExportFormat::Overview => {
            let mut sound = audio::open(catalog, key).map_err(Stop::failed)?;
            if format == ExportFormat::Wav {
                write(output, |out| sound.write_range(0..u64::MAX, out))?;
            } else {
                let overview = sound.overview().map_err(Stop::failed)?;
                write(output, |out| out.write_all(overview.bytes()))?;
            }
            let seconds = sound.samples() / u64::from(sound.rate());
            let left_out = left_out(sound.missing());
            format!("{seconds} s of call {id} at {} Hz{left_out}", sound.rate())
        }
    };
    eprintln!("{said}");
    Ok(DONE)
}

/// What is said of pieces that the disk has lost.
fn left_out(missing: u32) -> String {
    if missing == 0 {
        String::new()
    } else {
        format!(", {} left out", plural(missing, "damaged piece"))
    }
}

/// Into a file, or to standard output.
fn write<E: core::fmt::Display>(
    output: Option<&PathBuf>,
    content: impl FnOnce(&mut dyn Write) -> Result<(), E>,
) -> Result<(), Stop> {
    let Some(path) = output else {
        let mut out = BufWriter::new(io::stdout().lock());
        content(&mut out).map_err(Stop::failed)?;
        return out.flush().map_err(Stop::failed);
    };
    let failed =
        |error: &dyn core::fmt::Display| Stop::failed(format!("{}: {error}", path.display()));
    let mut out = BufWriter::new(File::create(path).map_err(|error| failed(&error))?);
    content(&mut out).map_err(|error| failed(&error))?;
    out.flush().map_err(|error| failed(&error))
}

fn verify(catalog: &Catalog) -> Result<u8, Stop> {
    let mut text = String::new();
    let mut damaged = 0;
    for (segment, scan) in &catalog.segments {
        damaged += scan.damaged;
        if scan.damaged > 0 {
            let _ = writeln!(
                text,
                "{}: {} between {}",
                segment.path.display(),
                plural(scan.damaged, "damaged place"),
                plural(scan.chunks, "whole chunk")
            );
        }
    }
    let chunks: u64 = catalog.segments.iter().map(|(_, scan)| scan.chunks).sum();
    let _ = writeln!(
        text,
        "{}, {}, {}, {}",
        plural(catalog.segments.len(), "segment"),
        plural(chunks, "whole chunk"),
        plural(damaged, "damaged place"),
        plural(catalog.kept().count(), "call")
    );
    print(&text)?;
    Ok(if damaged == 0 { DONE } else { FAILED })
}

/// What people call the rule that keeps a call; one without a name by its number.
fn rule_name(facts: &Facts) -> String {
    if facts.rule.is_empty() {
        format!("rule {}", facts.rule_id)
    } else {
        printable(&facts.rule).into_owned()
    }
}
