//! Whose certificates we believe: the system's roots, read once.

mod dates;
mod recorder;
mod roots;

use std::fmt;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;

use super::progress::Progress;
pub(super) use recorder::Recorder;
use roots::Roots;

/// A set of trusted roots, ready for handshakes.
#[derive(Clone)]
pub struct Trust {
    roots: Arc<Roots>,
    /// Believes nobody until a conversation puts its recorder in.
    template: ClientConfig,
}

/// Why there is no [`Trust`].
#[derive(Debug, Error)]
pub enum TrustError {
    /// Without roots every registry would fail: better not to start. The operator mounts them, or
    /// sets `SSL_CERT_FILE` or `SSL_CERT_DIR`.
    #[error(
        "no CA certificate found: install the system's bundle, or set SSL_CERT_FILE or SSL_CERT_DIR"
    )]
    NoRoots(#[source] Option<rustls_native_certs::Error>),
    /// The TLS library refuses its own defaults; ours to fix.
    #[error("failed to set up TLS")]
    Setup(#[source] rustls::Error),
}

impl Trust {
    /// The system's roots, or those of `SSL_CERT_FILE` and `SSL_CERT_DIR`. Reads files: some
    /// milliseconds.
    pub fn native() -> Result<Self, TrustError> {
        let mut found = rustls_native_certs::load_native_certs();
        let why_none = found.errors.drain(..).next();
        Self::build(found.certs, why_none)
    }

    /// Just these roots.
    pub fn of(
        roots: impl IntoIterator<Item = CertificateDer<'static>>,
    ) -> Result<Self, TrustError> {
        Self::build(roots, None)
    }

    /// Verifies for one conversation, whose requests `progress` follows.
    pub(super) fn recorder(&self, progress: Arc<Progress>) -> Arc<Recorder> {
        let algorithms = self
            .template
            .crypto_provider()
            .signature_verification_algorithms;
        Arc::new(Recorder::new(Arc::clone(&self.roots), algorithms, progress))
    }

    /// What a conversation hands to its client.
    pub(super) fn config(&self, recorder: &Arc<Recorder>) -> ClientConfig {
        let mut config = self.template.clone();
        config.resumption = Resumption::store(recorder.progress());
        let verifier = Arc::clone(recorder);
        config.dangerous().set_certificate_verifier(verifier);
        config
    }

    fn build(
        roots: impl IntoIterator<Item = CertificateDer<'static>>,
        why_none: Option<rustls_native_certs::Error>,
    ) -> Result<Self, TrustError> {
        let roots: Roots = roots.into_iter().collect();
        if roots.is_empty() {
            return Err(TrustError::NoRoots(why_none));
        }
        // The provider is named and not taken from the process: a client must not depend on what
        // main installed.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut template = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(TrustError::Setup)?
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        // as containerd offers them
        template.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let roots = Arc::new(roots);
        Ok(Self { roots, template })
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust").finish_non_exhaustive()
    }
}
