//! The way to the cloud for what is sent of a call, and for an upgrade that comes from there:
//! connections of their own, so that neither records nor the poll wait behind them.

use core::fmt;
use core::time::Duration;
use std::io::Read;
use std::time::Instant;

use data_encoding::HEXLOWER;
use ringside_protocol::message::Refused;
use ringside_protocol::retrieval::Refuse;
use ringside_protocol::step::Failure;
use ringside_protocol::time::UnixMicros;

use super::client::{Client, Request};
use super::connect::Network;
use super::{OpenLink, Shared, lock};
use crate::clock::WallClock;

/// How long the cloud may take nothing of a transfer: longer than it waits for a slow browser.
const STALL: Duration = Duration::from_secs(60);

/// A line to the cloud with which a session is open.
pub struct Line {
    link: OpenLink,
    network: Network,
    clock: WallClock,
    cloud_clock: Option<(UnixMicros, Instant)>,
}

impl Line {
    pub(super) fn of(shared: &Shared, link: &OpenLink) -> Self {
        let settings = &shared.caller.settings;
        Self {
            link: link.clone(),
            network: settings.network.clone(),
            clock: settings.clock.clone(),
            cloud_clock: *lock(&shared.cloud_clock),
        }
    }

    /// The customer that this sensor belongs to.
    #[must_use]
    pub fn customer(&self) -> &str {
        &self.link.customer
    }

    /// The keys that the cloud signs tickets with.
    #[must_use]
    pub fn ticket_keys(&self) -> &[[u8; 32]] {
        &self.link.ticket_keys
    }

    /// The time by the cloud's clock; `None` as long as it has not told it.
    #[must_use]
    pub fn cloud_now(&self) -> Option<UnixMicros> {
        let (told, at) = self.cloud_clock?;
        let since = u64::try_from(at.elapsed().as_micros()).unwrap_or(u64::MAX);
        Some(told.plus(since))
    }

    /// Sends a transfer, and waits until its browser has all of it.
    ///
    /// # Errors
    /// It was not taken to its end.
    pub fn send(&self, transfer: [u8; 16], body: &mut dyn Read) -> Result<(), Failure> {
        let path = format!("/uplink/transfer/{}", HEXLOWER.encode(&transfer));
        self.client()?.pour(&path, &self.link.session, body, STALL)
    }

    /// Tells the cloud that a transfer does not come.
    ///
    /// # Errors
    /// It was not told.
    pub fn refuse(&self, refuse: &Refuse) -> Result<(), Refused> {
        let client = self.client();
        let client = client.map_err(|failure| Refused { failure, retry_after_seconds: 0 })?;
        client.ask(refuse, Some(&self.link.session)).map(|_| ())
    }

    /// A connection for one request after the other.
    ///
    /// # Errors
    /// What is pinned is no certificate.
    pub fn open(&self) -> Result<Talk, Failure> {
        Ok(Talk { client: self.client()?, session: self.link.session })
    }

    fn client(&self) -> Result<Client, Failure> {
        let OpenLink { server, roots, .. } = &self.link;
        Client::new(server.clone(), roots, self.network.clone(), &self.clock)
    }
}

/// Requests within the session, over a connection of their own.
#[derive(Debug)]
pub struct Talk {
    client: Client,
    session: [u8; 32],
}

impl Talk {
    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// What the cloud says when it refuses, or why it could not be asked.
    pub fn ask<R: Request>(&self, request: &R) -> Result<R::Answer, Refused> {
        self.client.ask(request, Some(&self.session))
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Line({})", self.link.server)
    }
}
