//! `ringside-sensor enrol`: joins a customer.

use std::path::Path;

use super::{DONE, Stop, load, print, uplink_settings};
use crate::identity::Server;
use crate::uplink::enrol::enrol as join;

pub(super) fn enrol(server: Option<&str>, token: &str, config: Option<&Path>) -> Result<u8, Stop> {
    let config = load(config)?.config;
    let server = server
        .map(|text| {
            text.parse::<Server>().map_err(|error| Stop::wrong(format!("--server: {error}")))
        })
        .transpose()?;
    let directory = config.data_dir.clone();
    let enrolled =
        join(token, server, uplink_settings(&config, directory)).map_err(Stop::failed)?;
    print(&format!(
        "This sensor belongs to {} now. `ringside-sensor doctor` shows each step to the cloud; \
         `ringside-sensor run` starts it.\n",
        enrolled.customer
    ))?;
    Ok(DONE)
}
