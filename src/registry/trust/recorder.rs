//! Verifies a registry's certificate as rustls does, says what it failed on as Go does, and notes
//! until when it is good.
//!
//! rustls does not tell which chain verified, and reqwest tells nothing of one that did not. So
//! webpki, which rustls asks too, is asked here.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, SignatureScheme};
use webpki::{EndEntityCert, KeyUsage};

use super::dates;
use super::roots::Roots;
use crate::domain::certificate::{Certificate, Validity};
use crate::registry::progress::Progress;

/// What is looked at of a chain, the leaf included. Real ones have two to four. webpki tries every
/// order of the rest: a maze of eight costs it 80 ms, one of ten 500 (unoptimised). rustls takes
/// 64 KiB of them at most.
const MOST_CERTIFICATES: usize = 8;

/// The verifier of one conversation.
#[derive(Debug)]
pub(in crate::registry) struct Recorder {
    roots: Arc<Roots>,
    algorithms: WebPkiSupportedAlgorithms,
    progress: Arc<Progress>,
    shown: Mutex<Vec<Certificate>>,
}

impl Recorder {
    pub(super) fn new(
        roots: Arc<Roots>,
        algorithms: WebPkiSupportedAlgorithms,
        progress: Arc<Progress>,
    ) -> Self {
        Self {
            roots,
            algorithms,
            progress,
            shown: Mutex::default(),
        }
    }

    /// How far the request under way has come.
    pub(super) fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    /// What each host showed in its last handshake.
    pub(in crate::registry) fn shown(&self) -> Vec<Certificate> {
        self.shown
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// A proxy's own certificate is nobody's business here.
    fn note(&self, server: &ServerName<'_>, validity: Option<Validity>) {
        let contact = self.progress.contact();
        let Some((contact, validity)) = contact.zip(validity) else {
            return;
        };
        if !self.progress.is_with(server) {
            return;
        }
        let host: Arc<str> = contact.endpoint().into();
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.retain(|known| known.host != host);
        shown.push(Certificate { host, validity });
    }

    /// The validity of the chain that verified, or what is wrong first in Go's order: the leaf's
    /// dates, its name, the chain (crypto/x509, `Certificate.Verify`). The kubelet reports what Go
    /// found, and we are to name the same.
    fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        server: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<Option<Validity>, webpki::Error> {
        let own = dates::of(leaf);
        check_dates(own, now)?;
        let certificate = EndEntityCert::try_from(leaf)?;
        certificate.verify_is_valid_for_subject_name(server)?;
        match self.verify_chain(&certificate, rest, own, now) {
            // `openssl req -x509` makes an authority that is its own leaf. Who has put that very
            // certificate among the roots means it, and containerd takes it (docs/adr/0028).
            Err(webpki::Error::CaUsedAsEndEntity) if self.roots.hold(leaf, own) => Ok(own),
            verified => verified,
        }
    }

    /// A way to a root that is valid itself: Go wants that too, webpki knows no dates of roots.
    fn verify_chain(
        &self,
        certificate: &EndEntityCert<'_>,
        rest: &[CertificateDer<'_>],
        own: Option<Validity>,
        now: UnixTime,
    ) -> Result<Option<Validity>, webpki::Error> {
        let path = certificate.verify_for_usage(
            self.algorithms.all,
            self.roots.anchors(),
            rest,
            now,
            KeyUsage::server_auth(),
            None,
            Some(&|path| check_dates(self.roots.validity(path.anchor()), now)),
        )?;
        let links = path.intermediate_certificates();
        let links = links.map(|link| dates::of(&link.der()));
        Ok(links
            .chain([self.roots.validity(path.anchor())])
            .chain([own])
            .flatten()
            .reduce(Validity::within))
    }
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let most = intermediates.len().min(MOST_CERTIFICATES - 1);
        let verified = self.verify(end_entity, &intermediates[..most], server_name, now);
        match verified {
            Ok(validity) => {
                self.note(server_name, validity);
                Ok(ServerCertVerified::assertion())
            }
            Err(error) => {
                self.note(server_name, dates::of(end_entity));
                Err(Error::InvalidCertificate(certificate_error(error)))
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Dates that nobody could read are nobody's fault: webpki refuses what it cannot read itself.
fn check_dates(validity: Option<Validity>, now: UnixTime) -> Result<(), webpki::Error> {
    let Some(validity) = validity else {
        return Ok(());
    };
    let (not_before, not_after) = (unix(validity.not_before), unix(validity.not_after));
    if now < not_before {
        let time = now;
        return Err(webpki::Error::CertNotValidYet { time, not_before });
    }
    if now > not_after {
        let time = now;
        return Err(webpki::Error::CertExpired { time, not_after });
    }
    Ok(())
}

fn unix(date: DateTime<Utc>) -> UnixTime {
    let seconds = u64::try_from(date.timestamp()).unwrap_or_default();
    UnixTime::since_unix_epoch(Duration::from_secs(seconds))
}

/// What rustls would have said, so that the peer gets the alert that it should, but for those
/// that say less than they mean.
fn certificate_error(error: webpki::Error) -> CertificateError {
    match error {
        webpki::Error::CertExpired { time, not_after } => {
            CertificateError::ExpiredContext { time, not_after }
        }
        webpki::Error::CertNotValidYet { time, not_before } => {
            CertificateError::NotValidYetContext { time, not_before }
        }
        webpki::Error::InvalidCertValidity => CertificateError::Expired,
        // Version 1 has no alternative names, and nobody reads the common name any more.
        webpki::Error::CertNotValidForName(_) | webpki::Error::UnsupportedCertVersion => {
            CertificateError::NotValidForName
        }
        // A bad signature is the work of another authority of the same name: the private CA was
        // made anew. A CA as its own leaf is one that nobody here trusts. The rest is a search that
        // found no way to a root within its bounds.
        webpki::Error::UnknownIssuer
        | webpki::Error::InvalidSignatureForPublicKey
        | webpki::Error::CaUsedAsEndEntity
        | webpki::Error::MaximumPathDepthExceeded
        | webpki::Error::MaximumPathBuildCallsExceeded
        | webpki::Error::MaximumSignatureChecksExceeded => CertificateError::UnknownIssuer,
        other => CertificateError::Other(OtherError(Arc::new(other))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rustls_hears_what_it_would_have_said_and_three_things_more_exactly() {
        let check = |error: webpki::Error, expected: CertificateError| {
            let text = format!("{error:?}");
            assert_eq!(certificate_error(error), expected, "{text}");
        };
        let unknown = || CertificateError::UnknownIssuer;
        check(webpki::Error::UnknownIssuer, unknown());
        check(webpki::Error::InvalidSignatureForPublicKey, unknown());
        check(webpki::Error::CaUsedAsEndEntity, unknown());
        check(webpki::Error::MaximumPathDepthExceeded, unknown());
        check(
            webpki::Error::InvalidCertValidity,
            CertificateError::Expired,
        );
        // what `openssl x509 -req` made for long without an extension file
        let no_name = CertificateError::NotValidForName;
        check(webpki::Error::UnsupportedCertVersion, no_name);
        let other = certificate_error(webpki::Error::BadDer);
        assert!(matches!(other, CertificateError::Other(_)));
    }

    #[test]
    fn dates_include_their_ends() {
        let date = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        let validity = Validity {
            not_before: date(100),
            not_after: date(200),
        };
        let check = |now, is_valid| {
            let now = UnixTime::since_unix_epoch(Duration::from_secs(now));
            assert_eq!(check_dates(Some(validity), now).is_ok(), is_valid);
        };
        check(99, false);
        check(100, true);
        check(200, true);
        check(201, false);
    }
}
