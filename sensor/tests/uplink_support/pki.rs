//! Authorities and certificates, generated for one test.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// A CA.
pub(crate) struct Pki {
    params: CertificateParams,
    key: KeyPair,
    pub(crate) ca: CertificateDer<'static>,
}

/// From the first of January of one year to that of another.
pub(crate) type Years = (i32, i32);

pub(crate) const VALID: Years = (2020, 2080);

impl Pki {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().expect("key");
        let mut params = CertificateParams::new(Vec::new()).expect("params");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "Test CA");
        let ca = params.self_signed(&key).expect("CA").der().clone();
        Self { params, key, ca }
    }

    /// SHA-256 of the CA's SubjectPublicKeyInfo.
    pub(crate) fn ca_key_sha256(&self) -> [u8; 32] {
        ringside_sensor::uplink::tls::public_key_sha256(&self.ca).expect("a certificate")
    }

    /// A server that presents a certificate for `name`, with the CA behind it.
    pub(crate) fn server(&self, name: &str, valid: Years) -> Arc<ServerConfig> {
        let key = KeyPair::generate().expect("key");
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("params");
        params.not_before = rcgen::date_time_ymd(valid.0, 1, 1);
        params.not_after = rcgen::date_time_ymd(valid.1, 1, 1);
        let issuer = Issuer::from_params(&self.params, &self.key);
        let leaf = params.signed_by(&key, &issuer).expect("leaf").der().clone();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![leaf, self.ca.clone()], key)
            .expect("certificate and key");
        Arc::new(config)
    }
}
