//! `config check` and `doctor`: what is configured, and what works.

use std::path::Path;

use super::{DONE, FAILED, Stop, WRONG, interface_settings, load, print, uplink_settings};
use crate::capture::probe::{Check, probe};
use crate::cli::Format;
use crate::config::{self, Config, Loaded};
use crate::doctor::{self, StepReport};
use crate::terminal::Style;
use crate::upgrade::report;

/// Says what a configuration means. Without a file, that of this machine; without one here, the
/// defaults.
pub(super) fn config(file: Option<&Path>, format: Format) -> Result<u8, Stop> {
    let path = file.map(Path::to_path_buf).or_else(|| config::default_file(Path::new("/")));
    let (loaded, problems) = match &path {
        Some(path) => config::open(path),
        None => (Loaded::default(), Vec::new()),
    };
    let name = path.map_or_else(
        || "no configuration file: defaults".to_owned(),
        |path| path.display().to_string(),
    );
    let text = match format {
        Format::Json => config::check_json(&name, &loaded, &problems) + "\n",
        _ => config::check_table(&name, &loaded, &problems, Style::of_stdout().columns),
    };
    print(&text)?;
    Ok(if problems.is_empty() { DONE } else { WRONG })
}

/// Takes every step to the cloud, and tries the capture.
pub(super) fn doctor(config: Option<&Path>, format: Format) -> Result<u8, Stop> {
    let Loaded { config, .. } = load(config)?;
    let mut reports = capture_steps(&config);
    let directory = config.data_dir.clone();
    reports.extend(upgrade_step(&directory));
    reports.extend(doctor::cloud_steps(uplink_settings(&config, directory)));
    let text = match format {
        Format::Json => doctor::json(&reports) + "\n",
        _ => doctor::table(&reports, Style::of_stdout()),
    };
    print(&text)?;
    Ok(if doctor::is_all_ok(&reports) { DONE } else { FAILED })
}

/// The last upgrade, if it failed.
fn upgrade_step(directory: &Path) -> Option<StepReport> {
    let report = report::load(directory).filter(|report| report.failure.is_some())?;
    let next = "try another release, or let this go: ringside-sensor upgrade --forget";
    Some(StepReport::failed("upgrade", format!("{}; {next}", report.sentence())))
}

/// The capture's own checks.
fn capture_steps(config: &Config) -> Vec<StepReport> {
    if config.interfaces.is_empty() && config.hep {
        let sentence = format!("packets come by HEP on port {} alone", config.hep_bind_port);
        return vec![StepReport::ok("capture", sentence)];
    }
    if config.interfaces.is_empty() {
        let sentence = "no interface is configured: write `interface = eth0` (the mirror port) \
                        into the configuration";
        return vec![StepReport::failed("capture", sentence)];
    }
    let settings = interface_settings(config);
    let report = |check: Check| {
        let report = if check.ok { StepReport::ok } else { StepReport::failed };
        report(check.name, check.sentence)
    };
    probe(&config.interfaces, &settings).into_iter().map(report).collect()
}
