//! `ringside-sensor install`: a service of this machine.

use std::path::Path;
use std::process::{Command, Stdio};

use super::{Stop, load, print};
use crate::identity::Trust;
use crate::upgrade::setup::{Setup, Wish};

pub(super) fn install(wish: Wish) -> Result<u8, Stop> {
    // What is wrong with the configuration is told before anything is stopped.
    let config = load(None)?.config;
    let has_joined = matches!(Trust::load(&config.data_dir), Ok(Some(_)));
    if wish != Wish::Install && config.interfaces.is_empty() {
        return Err(Stop::wrong(
            "no interface is configured: write `interface = eth0` (the mirror port) into the \
             configuration",
        ));
    }
    if wish == Wish::TakeOver && !has_joined && !config.uplink_on() {
        return Err(Stop::wrong(
            "this sensor belongs to no cloud yet: run `ringside-sensor enrol` with a token first",
        ));
    }
    let run = |program: &str, words: &[&str]| {
        let mut command = Command::new(program);
        command.args(words).stdin(Stdio::null()).stdout(Stdio::null());
        command.status().map(|status| status.success())
    };
    let (root, trial) = (Path::new("/"), config.upgrade_trial);
    Setup { root, data_dir: &config.data_dir, trial, run: &run }
        .carry_out(wish)
        .map_err(Stop::failed)?;
    print(match wish {
        Wish::Install => {
            "Installed. Join a cloud with `ringside-sensor enrol`, then start it with \
                          `ringside-sensor install`.\n"
        }
        Wish::Start => "Installed and healthy.\n",
        Wish::TakeOver => "The sensor has taken VoIPmonitor's place, and is healthy.\n",
    })
}
