//! This sensor as it introduces itself: what the running sensor, `enrol` and `doctor` all do the
//! same way.

use std::path::PathBuf;

use ringside_protocol::claim::{self, CODE_SECONDS, Claim, MAX_CLAIM_SECONDS};
use ringside_protocol::message::{Challenge, Enrol, Hello, Prove};
use ringside_protocol::step::Failure;
use ringside_protocol::time::{MICROS_PER_SECOND, UnixMicros};
use ringside_protocol::token::Token;
use ringside_protocol::{OLDEST_PROTOCOL_VERSION, PROTOCOL_VERSION};
use rustls::pki_types::CertificateDer;

use super::ClaimCode;
use super::client::Client;
use super::connect::Network;
use super::tls::{Roots, public_key_sha256};
use crate::clock::WallClock;
use crate::identity::{Identity, Server, Trust};
use crate::version::{COMMIT, SOFTWARE, TARGET};

/// What the uplink needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The data directory: device key, trust, status.
    pub directory: PathBuf,
    /// `server_destination`, in failover order; empty: the one that enrolment has named.
    pub servers: Vec<Server>,
    /// `cloud_ca`: SHA-256 of the key of the CA that signs the cloud's certificate.
    pub ca: Option<[u8; 32]>,
    /// A token to enrol with when the cloud does not know the device.
    pub token: Option<Token>,
    /// `id_sensor`.
    pub id_sensor: Option<u16>,
    /// `name_sensor`, or the host's name.
    pub name: String,
    /// The way out.
    pub network: Network,
    /// What time it is.
    pub clock: WallClock,
}

/// Settings and key together.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) settings: Settings,
    pub(crate) identity: Identity,
}

/// A client, and what to keep once the cloud has accepted this device.
pub(crate) struct Called {
    pub(crate) client: Client,
    pub(crate) roots: Roots,
    /// A pin that was taken just now.
    pub(crate) pinned: Option<Trust>,
}

impl Caller {
    /// The servers to try, in order.
    pub(crate) fn servers(&self) -> Vec<Server> {
        if !self.settings.servers.is_empty() {
            return self.settings.servers.clone();
        }
        if let Some(token) = &self.settings.token {
            return vec![Server { host: token.host.clone(), port: token.port }];
        }
        self.trust().map(|trust| trust.server).into_iter().collect()
    }

    /// A client of `server` that trusts whom it should.
    ///
    /// A token, or a configuration, whose CA is not the pinned one pins its own first.
    pub(crate) fn call(&self, server: &Server, network: &Network) -> Result<Called, Failure> {
        let clock = &self.settings.clock;
        let trust = self.trust();
        let wanted = self.settings.token.as_ref().map(Token::pin);
        let (roots, pinned) = match (wanted.or(self.settings.ca.map(Some)), trust) {
            (Some(pin), trust) if !trust.as_ref().is_some_and(|trust| is_of(trust, pin)) => {
                let ca = pin.map(|pin| network.pin_ca(server, &pin, clock)).transpose()?;
                (roots_of(ca.clone()), Some(Trust { server: server.clone(), ca }))
            }
            (_, trust) => (roots_of(trust.and_then(|trust| trust.ca)), None),
        };
        let client = Client::new(server.clone(), &roots, network.clone(), clock)?;
        Ok(Called { client, roots, pinned })
    }

    /// Keeps a pin that has proved itself. A failure is logged: the session stands, and the next
    /// start pins again.
    pub(crate) fn keep(&self, pinned: Option<Trust>) {
        if let Some(trust) = pinned
            && let Err(error) = trust.store(&self.settings.directory)
        {
            log::error!("the server's certificate could not be kept: {error}");
        }
    }

    pub(crate) fn hello(&self, last_failure: Option<(UnixMicros, Failure)>) -> Hello {
        // An older cloud knows no such failure, and would not be able to read this.
        let last_failure =
            last_failure.filter(|(_, failure)| !matches!(failure, Failure::MessageRefused { .. }));
        Hello {
            device_key: self.identity.device_key(),
            boot: self.identity.boot(),
            sensor_time: self.settings.clock.now().wall,
            oldest_version: OLDEST_PROTOCOL_VERSION,
            newest_version: PROTOCOL_VERSION,
            id_sensor: self.settings.id_sensor,
            name: self.settings.name.clone(),
            software: SOFTWARE.to_owned(),
            target: TARGET.to_owned(),
            commit: COMMIT.to_owned(),
            last_failure,
        }
    }

    pub(crate) fn prove(&self, hello: Hello, challenge: &Challenge) -> Prove {
        let signature = self.identity.prove(&challenge.nonce);
        Prove { hello, nonce: challenge.nonce, signature }
    }

    /// The claim of this device in the hour of the challenge, and the code that people enter.
    pub(crate) fn claim(&self, hello: Hello, challenge: &Challenge) -> (Claim, ClaimCode) {
        let hour = claim::hour(challenge.cloud_time);
        let (code, code_signature) = self.identity.claim_code(hour);
        let until = UnixMicros((hour + 1) * CODE_SECONDS * MICROS_PER_SECOND);
        let prove = self.prove(hello, challenge);
        let claim = Claim { prove, hour, code_signature, wait_seconds: MAX_CLAIM_SECONDS };
        (claim, ClaimCode { code, until })
    }

    pub(crate) fn enrol(&self, hello: Hello, challenge: &Challenge, token: &Token) -> Enrol {
        Enrol { prove: self.prove(hello, challenge), secret: token.secret }
    }

    /// What enrolment has left; a damaged file is told, and public roots will not do in its place.
    pub(crate) fn trust(&self) -> Option<Trust> {
        Trust::load(&self.settings.directory).unwrap_or_else(|error| {
            log::error!("{error}");
            None
        })
    }
}

fn roots_of(ca: Option<CertificateDer<'static>>) -> Roots {
    ca.map_or(Roots::Public, Roots::Pinned)
}

/// Whether what would be pinned is pinned; `None`: the public authorities.
fn is_of(trust: &Trust, pin: Option<[u8; 32]>) -> bool {
    trust.ca.as_ref().map(public_key_sha256) == pin.map(Some)
}
