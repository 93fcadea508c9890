//! `config check` and `doctor`: what is configured, and what works.

use std::path::Path;

use super::{DONE, FAILED, Stop, WRONG, load, print, uplink_settings};
use crate::cli::Format;
use crate::config::{self, Loaded};
use crate::doctor::{self, StepReport};
use crate::terminal::Style;

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
    reports.extend(doctor::cloud_steps(uplink_settings(&config, directory)));
    let text = match format {
        Format::Json => doctor::json(&reports) + "\n",
        _ => doctor::table(&reports),
    };
    print(&text)?;
    Ok(if doctor::is_all_ok(&reports) { DONE } else { FAILED })
}

fn capture_steps(_config: &crate::config::Config) -> Vec<StepReport> {
    Vec::new()
}
