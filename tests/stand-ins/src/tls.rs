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
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, CustomExtension, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ServerConfig, SupportedProtocolVersion, version};

/// A certification authority; each has its own key.
pub struct Ca {
    issuer: CertifiedIssuer<'static, KeyPair>,
    name: String,
    /// Its issuer, that one's issuer, and so on.
    above: Vec<CertificateDer<'static>>,
}

impl Ca {
    /// A new one that is valid all the time.
    pub fn new() -> Self {
        Self::valid((1975, 1, 1), (4096, 1, 1))
    }

    /// A new one that is valid from and until midnight UTC of these days (year, month, day).
    pub fn valid(from: (i32, u8, u8), until: (i32, u8, u8)) -> Self {
        Self::named(new_name(), from, until)
    }

    /// One of the same name with another key, as when an authority was made anew.
    pub fn namesake(&self) -> Self {
        Self::named(self.name.clone(), (1975, 1, 1), (4096, 1, 1))
    }

    fn named(name: String, from: (i32, u8, u8), until: (i32, u8, u8)) -> Self {
        let issuer = CertifiedIssuer::self_signed(authority(&name, from, until), new_key())
            .expect("a fresh key signs its own certificate");
        Self {
            issuer,
            name,
            above: Vec::new(),
        }
    }

    /// Its certificate made anew over the same key, valid from and until midnight UTC of these days.
    pub fn renewed(&self, from: (i32, u8, u8), until: (i32, u8, u8)) -> CertificateDer<'static> {
        let renewed = authority(&self.name, from, until)
            .self_signed(self.issuer.key())
            .expect("the key signs its own certificate");
        renewed.der().clone()
    }

    /// One below it, which shows its own certificate behind those that it signs.
    pub fn intermediate(&self, from: (i32, u8, u8), until: (i32, u8, u8)) -> Self {
        let name = new_name();
        let params = authority(&name, from, until);
        let issuer = CertifiedIssuer::signed_by(params, new_key(), &self.issuer)
            .expect("the CA signs what it is given");
        let above = std::iter::once(self.der()).chain(self.above.clone());
        Self {
            issuer,
            name,
            above: above.collect(),
        }
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

    /// Larger by this much, in a comment that nobody reads.
    pub fn padded(mut self, bytes: usize) -> Self {
        // netscape-comment
        let oid = [2, 16, 840, 1, 113_730, 1, 13];
        let comment = CustomExtension::from_oid_content(&oid, vec![b'x'; bytes]);
        self.params.custom_extensions.push(comment);
        self
    }

    /// Signed, in DER; its key is thrown away.
    pub fn der(self) -> CertificateDer<'static> {
        self.signed().0.der().clone()
    }

    /// Signed: the chain below the root, and the key, PEM, for a server that reads files.
    pub fn pem(self) -> (String, String) {
        let between = match self.ca.above.is_empty() {
            true => String::new(),
            false => self.ca.pem(),
        };
        let (leaf, key) = self.signed();
        (leaf.pem() + &between, key.serialize_pem())
    }

    /// Signed, with the CA's certificate and those above it behind, HTTP/1.1 only.
    pub fn server_config(self) -> Arc<ServerConfig> {
        let chain = std::iter::once(self.ca.der()).chain(self.ca.above.clone());
        let chain = chain.collect();
        self.followed_by(chain)
    }

    /// Signed, with whatever is given behind it.
    pub fn followed_by(self, rest: Vec<CertificateDer<'static>>) -> Arc<ServerConfig> {
        let (leaf, key) = self.signed();
        let chain = std::iter::once(leaf.der().clone()).chain(rest).collect();
        server_config(chain, &key, &[&version::TLS13, &version::TLS12])
    }

    /// The same for a server that knows nothing newer than TLS 1.2.
    pub fn server_config_1_2(self) -> Arc<ServerConfig> {
        let ca = self.ca.der();
        let (leaf, key) = self.signed();
        server_config(vec![leaf.der().clone(), ca], &key, &[&version::TLS12])
    }

    fn signed(self) -> (Certificate, KeyPair) {
        let key = new_key();
        let leaf = self
            .params
            .signed_by(&key, &self.ca.issuer)
            .expect("the CA signs what it is given");
        (leaf, key)
    }
}

/// A server that shows a certificate whose key it has not.
///
/// # Panics
/// Never: the key is made here.
pub fn stolen(certificate: CertificateDer<'static>) -> Arc<ServerConfig> {
    let key = PrivateKeyDer::Pkcs8(new_key().serialize_der().into());
    let key = ring::sign::any_supported_type(&key).expect("ring reads what it made");
    let shown = SingleCertAndKey::from(CertifiedKey::new(vec![certificate], key));
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring speaks TLS 1.2 and 1.3")
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(shown));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}

/// A certificate that signed itself, as `openssl req -x509` makes it: an authority and its own leaf.
pub struct SelfSigned {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl SelfSigned {
    /// For these names and addresses, valid from and until midnight UTC of these days.
    ///
    /// # Panics
    /// When a name cannot stand in a certificate.
    pub fn new(names: &[&str], from: (i32, u8, u8), until: (i32, u8, u8)) -> Self {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("the names fit a certificate");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.not_before = date_time_ymd(from.0, from.1, from.2);
        params.not_after = date_time_ymd(until.0, until.1, until.2);
        let issuer = CertifiedIssuer::self_signed(params, new_key())
            .expect("a fresh key signs its own certificate");
        Self { issuer }
    }

    /// In DER, to be trusted.
    pub fn der(&self) -> CertificateDer<'static> {
        self.issuer.der().clone()
    }

    /// Ready to serve.
    pub fn server_config(&self) -> Arc<ServerConfig> {
        let versions = [&version::TLS13, &version::TLS12];
        server_config(vec![self.der()], self.issuer.key(), &versions)
    }
}

fn server_config(
    chain: Vec<CertificateDer<'static>>,
    key: &KeyPair,
    versions: &[&'static SupportedProtocolVersion],
) -> Arc<ServerConfig> {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .expect("ring speaks TLS 1.2 and 1.3")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("the key is the certificate's");
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}

/// Of two with one name, a client that trusts the first finds a bad signature in the second's work,
/// not an unknown issuer.
fn new_name() -> String {
    static MADE: AtomicUsize = AtomicUsize::new(0);
    format!("Stand-in CA {}", MADE.fetch_add(1, Ordering::Relaxed))
}

fn authority(name: &str, from: (i32, u8, u8), until: (i32, u8, u8)) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = date_time_ymd(from.0, from.1, from.2);
    params.not_after = date_time_ymd(until.0, until.1, until.2);
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn new_key() -> KeyPair {
    KeyPair::generate().expect("ring makes P-256 keys")
}
