//! A certificate authority for one test: certificates with any fault that a sensor may meet.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType, IsCa, Issuer,
    KeyPair,
};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::folder::Folder;

const DAY: Duration = Duration::from_secs(86_400);

/// When a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// From yesterday to tomorrow.
    Now,
    /// Until yesterday.
    Past,
    /// From tomorrow on.
    Future,
}

/// A CA.
pub struct Authority {
    params: CertificateParams,
    key: KeyPair,
    certificate: Certificate,
}

/// A server's certificate and key.
pub struct Issued {
    key: KeyPair,
    leaf: Certificate,
    chain_pem: String,
    config: Arc<ServerConfig>,
}

impl Authority {
    /// A new one, with a key of its own.
    ///
    /// # Panics
    /// Where none can be made.
    #[must_use]
    pub fn new() -> Self {
        let key = KeyPair::generate().expect("a key can be made");
        let mut params = CertificateParams::new(Vec::new()).expect("no name is wrong");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "Ringside tests");
        let certificate = params.self_signed(&key).expect("a CA can be made");
        Self { params, key, certificate }
    }

    /// Its certificate.
    #[must_use]
    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// A certificate for `names`.
    ///
    /// # Panics
    /// Where none can be made.
    #[must_use]
    pub fn issue(&self, names: &[&str], validity: Validity) -> Issued {
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("the names are right");
        let now = SystemTime::now();
        let (from, until) = match validity {
            Validity::Now => (now - DAY, now + DAY),
            Validity::Past => (now - 3 * DAY, now - DAY),
            Validity::Future => (now + DAY, now + 3 * DAY),
        };
        (params.not_before, params.not_after) = (from.into(), until.into());
        let key = KeyPair::generate().expect("a key can be made");
        let issuer = Issuer::from_params(&self.params, &self.key);
        let leaf = params.signed_by(&key, &issuer).expect("a certificate can be made");
        let chain_pem = leaf.pem() + &self.pem();
        let chain = vec![leaf.der().clone(), self.certificate.der().clone()];
        let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has ciphers")
            .with_no_client_auth()
            .with_single_cert(chain, private)
            .expect("certificate and key fit");
        Issued { key, leaf, chain_pem, config: Arc::new(config) }
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Issued {
    /// To serve with.
    #[must_use]
    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// The certificate itself, DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        self.leaf.der()
    }

    /// Writes what `--tls-cert` and `--tls-key` take.
    ///
    /// # Panics
    /// Where it cannot be written.
    #[must_use]
    pub fn write(&self, folder: &Folder) -> (PathBuf, PathBuf) {
        let (chain, key) = (folder.join("chain.pem"), folder.join("key.pem"));
        std::fs::write(&chain, &self.chain_pem).expect("the chain can be written");
        std::fs::write(&key, self.key.serialize_pem()).expect("the key can be written");
        (chain, key)
    }
}
