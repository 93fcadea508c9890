//! The direct way: an HTTPS page of the sensor's own, for people on site.
//!
//! ```text
//!  browser --/#TICKET--> page.js --POST /session--> ticket checked, used up; a cookie for 15 min
//!          --/call/N-->  page.rs                    the call, a player, downloads
//!          --/call/N/packets.pcapng, sound.wav-->   stream.rs, range.rs: any part, again and again
//!
//!   server.rs       connections: few, each with deadlines     site.rs  which page, and for whom
//!   certificate.rs  P-256, signed by itself, or the operator's
//! ```
//!
//! The ticket stands behind the `#` of the address, which a browser sends to nobody; a script of the
//! page posts it. It is checked without the cloud: signature, sensor, customer, way, its time, and
//! that it was not used before. What it opens is one call and one action, for one browser.

mod certificate;
mod page;
mod range;
mod server;
mod site;
mod stream;

#[cfg(test)]
mod tests;

use core::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;

use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use ringside_protocol::message;
use ringside_protocol::retrieval::{Action, Refusal, SignedTicket, Ticket, Way};

use super::session::{self, Print};
use super::{Pressure, Retrieval, lock, ticket};
use crate::store::ring::reader::StoredCall;
use certificate::Certificates;
use site::Site;

pub use certificate::{CertificateError, Names};

/// Answers that are sent at once; one more waits for a moment, and is told to come again.
pub const MAX_STREAMS: usize = 2;

/// What the page is made with.
#[derive(Clone, Debug)]
pub struct DirectSettings {
    /// The data directory.
    pub directory: PathBuf,
    /// The sensor's name.
    pub sensor: String,
    /// How browsers reach it.
    pub names: Names,
    /// The operator's certificate chain and key, PEM files.
    pub given: Option<(PathBuf, PathBuf)>,
}

/// The running page; it ends with the process.
#[derive(Clone)]
pub struct DirectPage {
    address: SocketAddr,
    certificates: Arc<Certificates>,
}

impl DirectPage {
    /// Serves on `listener` from now on.
    ///
    /// # Errors
    /// [`CertificateError`], a sentence for the person who starts the sensor.
    pub fn start(
        listener: TcpListener,
        settings: DirectSettings,
        retrieval: Arc<Retrieval>,
    ) -> Result<Self, CertificateError> {
        let address = listener.local_addr().map_err(CertificateError::Listener)?;
        let clock = retrieval.clock.clone();
        let certificates = Arc::new(Certificates::open(&settings, address, clock)?);
        let site = Arc::new(Site::new(retrieval, settings.sensor));
        server::start(listener, Arc::clone(&certificates), move |request| site.answer(request))
            .map_err(CertificateError::Listener)?;
        Ok(Self { address, certificates })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// How browsers reach it now, for the cloud; the certificate follows where that has changed.
    #[must_use]
    pub fn announced(&self) -> Option<message::DirectPage> {
        let page = self.certificates.announced();
        Some(page).filter(message::DirectPage::is_sound)
    }
}

impl fmt::Debug for DirectPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DirectPage({})", self.address)
    }
}

/// What a ticket has opened.
struct Opened {
    ticket: Ticket,
    /// For the browser alone.
    secret: [u8; 32],
}

impl Retrieval {
    /// Redeems a ticket of the direct way.
    fn redeem_direct(&self, text: &str) -> Result<Opened, Refusal> {
        let signed = SignedTicket::from_text(text).ok_or(Refusal::Forged)?;
        // A sensor that no cloud has accepted belongs to nobody.
        let grant = lock(&self.grant).clone().ok_or(Refusal::NotOurs)?;
        let now = grant.now().ok_or(Refusal::Expired)?;
        let granted = (self.identity.fingerprint(), grant.customer.as_str(), Way::Direct);
        let ticket = ticket::check(&signed, &grant.keys, granted, Some(now))?;
        if ticket.action == Action::Live {
            // It comes by the relay only.
            return Err(Refusal::NotSupported);
        }
        let mut secret = [0; 32];
        SystemRandom::new().fill(&mut secret).map_err(|_| Refusal::Disk)?;
        lock(&self.used).redeem(&ticket, now)?;
        let print = session::print(&self.stored(&ticket)?);
        let mut key = [0; 32];
        key.copy_from_slice(digest(&SHA256, &secret).as_ref());
        lock(&self.sessions).open(&ticket, key, print, now);
        Ok(Opened { ticket, secret })
    }

    /// The ticket of a session, for whoever holds its secret; `None` when its time is over, or this
    /// sensor belongs to another customer now.
    fn direct_session(&self, number: &[u8; 16], secret: &[u8]) -> Option<Ticket> {
        let grant = lock(&self.grant).clone()?;
        let ticket = lock(&self.sessions).ticket_of(number, secret, grant.now()?)?;
        (ticket.customer == grant.customer).then_some(ticket)
    }

    /// Bytes have gone out under a session.
    fn touch_direct(&self, number: &[u8; 16]) {
        let now = lock(&self.grant).as_ref().and_then(super::grant::Grant::now);
        if let Some(now) = now {
            lock(&self.sessions).touch(number, now);
        }
    }

    /// The call of a session, and its print.
    fn call_of(&self, ticket: &Ticket) -> Result<(StoredCall, Print), Refusal> {
        let stored = self.stored(ticket)?;
        let print = session::print(&stored);
        Ok((stored, print))
    }

    fn pressure(&self) -> Pressure {
        Arc::clone(&self.pressure)
    }
}

/// Reads bytes as a connection's: whether they are a request, with a part of a file of `length`
/// bytes where one is asked for.
#[must_use]
pub fn is_request(mut bytes: &[u8], length: u64) -> bool {
    let until = std::time::Instant::now() + core::time::Duration::from_secs(60);
    let from = core::net::IpAddr::V4(core::net::Ipv4Addr::LOCALHOST);
    let Ok(Some(Ok(request))) = crate::http::request::read(&mut bytes, from, until) else {
        return false;
    };
    match range::part(request.header("range"), length) {
        range::Part::Of(from, to) => from < to && to <= length,
        range::Part::Whole | range::Part::None => true,
    }
}

/// Where a listener is to be, while this process may still use a port below 1024.
///
/// # Errors
/// The system's.
pub fn listener(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address)
}
