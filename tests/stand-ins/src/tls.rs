//! A private certification authority, and server certificates good and bad.
//!
//! ```
//! use regcred_stand_ins::tls::Ca;
//!
//! let ca = Ca::new();
//! let good = ca.server_config(&["127.0.0.1", "registry.test"]);
//! let expired = ca.certificate(&["127.0.0.1"]).expired().server_config();
//! let wrong_name = ca.server_config(&["other.test"]);
//! let unknown_ca = Ca::new().server_config(&["127.0.0.1"]);
//! # let _ = (good, expired, wrong_name, unknown_ca, ca.pem());
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// A certification authority; each has its own key.
pub struct Ca {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Ca {
    /// A new one, with a name of its own: of two with one name, a client that trusts the first finds
    /// a bad signature in the second's work, not an unknown issuer.
    pub fn new() -> Self {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params
            .distinguished_name
            .push(DnType::CommonName, format!("Stand-in CA {number}"));
        let issuer = CertifiedIssuer::self_signed(params, new_key())
            .expect("a fresh key signs its own certificate");
        Self { issuer }
    }

    /// Its certificate, to be trusted.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// Its certificate in DER.
    pub fn der(&self) -> CertificateDer<'static> {
        self.issuer.der().clone()
    }

    /// A valid certificate for these names and addresses, ready to serve.
    pub fn server_config(&self, names: &[&str]) -> Arc<ServerConfig> {
        self.certificate(names).server_config()
    }

    /// A certificate for these names and addresses, valid from 2025 to 2035 unless said otherwise.
    ///
    /// # Panics
    /// When a name cannot stand in a certificate.
    pub fn certificate(&self, names: &[&str]) -> CertificateBuilder<'_> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("the names fit a certificate");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, "Stand-in server");
        CertificateBuilder { ca: self, params }.valid((2025, 1, 1), (2035, 1, 1))
    }
}

impl Default for Ca {
    fn default() -> Self {
        Self::new()
    }
}

/// Builds a server certificate.
#[must_use]
pub struct CertificateBuilder<'a> {
    ca: &'a Ca,
    params: CertificateParams,
}

impl CertificateBuilder<'_> {
    /// Valid from and until midnight UTC of these days (year, month, day).
    pub fn valid(mut self, from: (i32, u8, u8), until: (i32, u8, u8)) -> Self {
        self.params.not_before = date_time_ymd(from.0, from.1, from.2);
        self.params.not_after = date_time_ymd(until.0, until.1, until.2);
        self
    }

    /// Expired since 2022.
    pub fn expired(self) -> Self {
        self.valid((2021, 1, 1), (2022, 1, 1))
    }

    /// Valid from 2040 on.
    pub fn not_yet_valid(self) -> Self {
        self.valid((2040, 1, 1), (2041, 1, 1))
    }

    /// Signed: the certificate and its key, PEM, for a server that reads files.
    pub fn pem(self) -> (String, String) {
        let key = new_key();
        let leaf = self
            .params
            .signed_by(&key, &self.ca.issuer)
            .expect("the CA signs what it is given");
        (leaf.pem(), key.serialize_pem())
    }

    /// Signed, with the CA's certificate behind it, HTTP/1.1 only.
    pub fn server_config(self) -> Arc<ServerConfig> {
        let key = new_key();
        let leaf = self
            .params
            .signed_by(&key, &self.ca.issuer)
            .expect("the CA signs what it is given");
        let chain = vec![leaf.der().clone(), self.ca.der()];
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring speaks TLS 1.2 and 1.3")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("the key is the certificate's");
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Arc::new(config)
    }
}

fn new_key() -> KeyPair {
    KeyPair::generate().expect("ring makes P-256 keys")
}
