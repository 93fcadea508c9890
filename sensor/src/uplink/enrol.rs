//! `ringside-sensor enrol`: one line from the cloud joins this device to a customer.

use core::fmt;
use std::path::Path;

use ringside_protocol::message::Enrolled;
use ringside_protocol::step::{Failure, MAX_CLOCK_SKEW_SECONDS};
use ringside_protocol::time::MICROS_PER_SECOND;
use ringside_protocol::token::Token;

use super::caller::{Called, Caller};
use super::{Running, Settings};
use crate::identity::{Identity, IdentityError, Server};

/// Why enrolment did not happen.
#[derive(Debug)]
pub enum EnrolError {
    /// A step to the cloud failed.
    Failed(Failure),
    /// The data directory is at fault.
    Identity(IdentityError),
}

impl fmt::Display for EnrolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(failure) => fmt::Display::fmt(failure, f),
            Self::Identity(error) => fmt::Display::fmt(error, f),
        }
    }
}

impl core::error::Error for EnrolError {}

impl From<Failure> for EnrolError {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<IdentityError> for EnrolError {
    fn from(error: IdentityError) -> Self {
        Self::Identity(error)
    }
}

/// Shows `token` to its server (or to `server` in its place) and keeps what the device needs to
/// trust it from then on. A sensor that runs meanwhile connects by itself with its next attempt.
///
/// # Errors
/// Every [`EnrolError`].
pub fn enrol(
    token: &str,
    server: Option<Server>,
    mut settings: Settings,
) -> Result<Enrolled, EnrolError> {
    let token: Token = token.parse().map_err(|error: ringside_protocol::token::TokenError| {
        Failure::TokenMalformed { detail: error.to_string() }
    })?;
    let server = server.unwrap_or_else(|| Server { host: token.host.clone(), port: token.port });
    let identity = own_identity(&settings.directory)?;
    settings.token = Some(token.clone());
    let caller = Caller { settings, identity };
    let Called { client, pinned, .. } = caller.call(&server, &caller.settings.network)?;
    let hello = caller.hello(None);
    let challenge = client.ask(&hello, None).map_err(|refused| refused.failure)?;
    let sensor_time = caller.settings.clock.now().wall;
    let skew = sensor_time.0.abs_diff(challenge.cloud_time.0);
    if skew > MAX_CLOCK_SKEW_SECONDS * MICROS_PER_SECOND {
        let cloud_time = challenge.cloud_time;
        return Err(Failure::ClockSkew { sensor_time, cloud_time }.into());
    }
    let enrolled = client
        .ask(&caller.enrol(hello, &challenge, &token), None)
        .map_err(|refused| refused.failure)?;
    if let Some(trust) = pinned {
        trust.store(&caller.settings.directory)?;
    }
    Ok(enrolled)
}

/// This device; with the boot of the sensor that runs, if one does: two boots that speak at once
/// would look like a clone.
pub(crate) fn own_identity(directory: &Path) -> Result<Identity, IdentityError> {
    let identity = Identity::load_or_create(directory)?;
    let running = Running::read(directory)
        .map_err(|error| IdentityError::Io { path: directory.to_owned(), error })?;
    Ok(match running {
        Some(running) => identity.with_boot(running.boot),
        None => identity,
    })
}
