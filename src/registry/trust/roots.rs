//! The authorities that we believe, and until when they are good themselves.

use std::ptr;

use rustls::pki_types::{CertificateDer, TrustAnchor};

use super::dates;
use crate::domain::certificate::Validity;

/// Trusted roots; the dates of each stand at its place.
#[derive(Debug, Default)]
pub(super) struct Roots {
    anchors: Vec<TrustAnchor<'static>>,
    validities: Vec<Option<Validity>>,
}

impl Roots {
    pub(super) fn is_empty(&self) -> bool {
        self.anchors.is_empty()
    }

    /// In the order given.
    pub(super) fn anchors(&self) -> &[TrustAnchor<'static>] {
        &self.anchors
    }

    /// The dates of one of [`Self::anchors`]. By its place: a root that was renewed stands there
    /// twice with the same name and key.
    pub(super) fn validity(&self, anchor: &TrustAnchor<'_>) -> Option<Validity> {
        let place = self.anchors.iter().position(|own| ptr::eq(own, anchor))?;
        self.validities[place]
    }

    /// Whether this very certificate is one of them: same name, same key, same dates.
    pub(super) fn hold(&self, certificate: &CertificateDer<'_>, dates: Option<Validity>) -> bool {
        let Ok(anchor) = webpki::anchor_from_trusted_cert(certificate) else {
            return false;
        };
        let mut all = self.anchors.iter().zip(&self.validities);
        all.any(|(own, validity)| *own == anchor && *validity == dates)
    }
}

/// What cannot be read is left out, as every TLS library does: system bundles hold oddities.
impl FromIterator<CertificateDer<'static>> for Roots {
    fn from_iter<T: IntoIterator<Item = CertificateDer<'static>>>(certificates: T) -> Self {
        let mut roots = Self::default();
        for certificate in certificates {
            if let Ok(anchor) = webpki::anchor_from_trusted_cert(&certificate) {
                roots.anchors.push(anchor.to_owned());
                roots.validities.push(dates::of(&certificate));
            }
        }
        roots
    }
}
