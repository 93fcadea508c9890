//! Whom the uplink trusts: the pinned CA, or the public ones, and how the pin is taken.
//!
//! rustls tells that a certificate's time is wrong before it looks at who signed it. The
//! [`Verifier`] here therefore asks a second time, as if it were the middle of the certificate's
//! validity: only if everything else is right is it the clock's fault.

use core::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use ring::digest;
use ringside_protocol::time::{MICROS_PER_SECOND, UnixMicros};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, ring as provider, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, RootCertStore,
    SignatureScheme,
};

use super::der::Certificate;
use crate::clock::WallClock;

/// The authorities that may have signed the server's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Roots {
    /// Those that browsers trust.
    Public,
    /// The one that enrolment has pinned, and no other.
    Pinned(CertificateDer<'static>),
}

/// "The certificate is right, but not now." Travels inside [`CertificateError::Other`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WrongTime {
    pub(super) sensor_time: UnixMicros,
    pub(super) not_before: UnixMicros,
    pub(super) not_after: UnixMicros,
}

impl fmt::Display for WrongTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("certificate not valid at this sensor's time")
    }
}

impl core::error::Error for WrongTime {}

/// A client configuration that trusts `roots` and tells the time by `clock`.
///
/// # Errors
/// rustls's, where the pinned certificate is none.
pub(super) fn config(roots: &Roots, clock: &WallClock) -> Result<ClientConfig, Error> {
    let mut store = RootCertStore::empty();
    match roots {
        Roots::Public => store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Roots::Pinned(ca) => store.add(ca.clone())?,
    }
    let provider = Arc::new(provider::default_provider());
    let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider.clone())
        .build()
        .map_err(|error| Error::General(error.to_string()))?;
    configured(provider, clock, Arc::new(Verifier { inner }))
}

/// A client configuration that accepts whoever answers, and keeps the certificates. For a
/// connection that sends no application data.
pub(super) fn capturing(clock: &WallClock, chain: &Arc<Chain>) -> Result<ClientConfig, Error> {
    let provider = Arc::new(provider::default_provider());
    let capture = Capture { provider: provider.clone(), chain: Arc::clone(chain) };
    configured(provider, clock, Arc::new(capture))
}

fn configured(
    provider: Arc<CryptoProvider>,
    clock: &WallClock,
    verifier: Arc<dyn ServerCertVerifier>,
) -> Result<ClientConfig, Error> {
    Ok(ClientConfig::builder_with_details(provider, Arc::new(Time(clock.clone())))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth())
}

/// SHA-256 of a certificate's SubjectPublicKeyInfo: what tokens pin.
#[must_use]
pub fn public_key_sha256(certificate: &CertificateDer<'_>) -> Option<[u8; 32]> {
    let certificate = Certificate::parse(certificate).ok()?;
    let hash = digest::digest(&digest::SHA256, certificate.public_key_info);
    hash.as_ref().try_into().ok()
}

/// The certificates that a server has sent, its own first.
#[derive(Debug, Default)]
pub(super) struct Chain(Mutex<Vec<CertificateDer<'static>>>);

impl Chain {
    /// The one whose key has this hash.
    pub(super) fn find(&self, public_key: &[u8; 32]) -> Option<CertificateDer<'static>> {
        let chain = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        chain.iter().find(|one| public_key_sha256(one).as_ref() == Some(public_key)).cloned()
    }
}

#[derive(Debug)]
struct Time(WallClock);

impl TimeProvider for Time {
    fn current_time(&self) -> Option<UnixTime> {
        Some(unix_time(self.0.now().wall))
    }
}

fn unix_time(at: UnixMicros) -> UnixTime {
    UnixTime::since_unix_epoch(core::time::Duration::from_micros(at.0))
}

/// rustls's own verifier, asked twice where the time is wrong.
#[derive(Debug)]
struct Verifier {
    inner: Arc<WebPkiServerVerifier>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verify = |at| {
            let inner = &self.inner;
            inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, at)
        };
        let error = match verify(now) {
            Err(error) if is_about_time(&error) => error,
            result => return result,
        };
        let Ok(Certificate { not_before, not_after, .. }) = Certificate::parse(end_entity) else {
            return Err(error);
        };
        let middle = not_before.plus(not_after.since(not_before) / 2);
        match verify(unix_time(middle)) {
            Err(other) if !is_about_time(&other) => Err(other),
            _ => {
                let sensor_time = UnixMicros(now.as_secs() * MICROS_PER_SECOND);
                let wrong = WrongTime { sensor_time, not_before, not_after };
                Err(CertificateError::Other(OtherError(Arc::new(wrong))).into())
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

fn is_about_time(error: &Error) -> bool {
    use CertificateError::{Expired, ExpiredContext, NotValidYet, NotValidYetContext};
    matches!(
        error,
        Error::InvalidCertificate(
            Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. }
        )
    )
}

/// Keeps the chain and accepts it; signatures of the handshake are verified as ever.
#[derive(Debug)]
struct Capture {
    provider: Arc<CryptoProvider>,
    chain: Arc<Chain>,
}

impl ServerCertVerifier for Capture {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let mut chain = self.chain.0.lock().unwrap_or_else(PoisonError::into_inner);
        *chain = [end_entity]
            .into_iter()
            .chain(intermediates)
            .map(|certificate| certificate.clone().into_owned())
            .collect();
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
