//! The requests of a conversation: where each goes, and whether it may go there with a credential.

use reqwest::header::HeaderValue;
use reqwest::{Method, Url};

use super::Conversation;
use crate::domain::challenge::Realm;
use crate::domain::exchange::{ChallengeFault, Manifest, NetworkFault};
use crate::domain::policy::{Contact, Policy, Reach, Rule};
use crate::registry::transport::Ask;

/// What containerd accepts as a manifest (core/remotes/docker/resolver.go); schema 1 is gone.
const MANIFEST_TYPES: HeaderValue = HeaderValue::from_static(
    "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.docker.distribution.manifest.v2+json",
);

impl Conversation<'_> {
    /// `HEAD` or `GET` of a manifest.
    pub(super) fn ask_manifest(
        &self,
        method: Method,
        manifest: &Manifest,
        authorization: Option<HeaderValue>,
    ) -> Result<Ask, NetworkFault> {
        let (mut url, contact) = self.base()?;
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty()
                .extend(manifest.repository.split('/'))
                .push("manifests")
                .push(&manifest.reference);
        }
        Ok(Ask {
            method,
            url,
            contact,
            accept: Some(MANIFEST_TYPES),
            authorization,
            wants_token: false,
        })
    }

    /// `GET` of a token, with a scope or, as a login, without.
    pub(super) fn ask_for_token(
        &self,
        realm: &Realm,
        service: Option<&str>,
        scope: Option<&str>,
        basic: Option<&HeaderValue>,
    ) -> Result<Ask, NetworkFault> {
        let url = Url::parse(&realm.with_query(service, scope))
            .map_err(|_| NetworkFault::Challenge(ChallengeFault::InvalidRealm))?;
        let contact = self.realm_contact(&url)?;
        Ok(Ask {
            method: Method::GET,
            url,
            contact,
            accept: None,
            authorization: basic.cloned(),
            wants_token: true,
        })
    }

    /// Whom the URL of a token request names, if a credential may go there.
    fn realm_contact(&self, realm: &Url) -> Result<Contact, NetworkFault> {
        let host = realm.host_str().unwrap_or_default();
        let port = realm.port_or_known_default().unwrap_or_default();
        let contact = Contact::new(host, port, self.in_use).within(self.reach(realm)?);
        let may_be_plain = registry_may_be_plain(self.policy, self.plain, &contact);
        if realm.scheme() != "https" && !may_be_plain {
            return Err(NetworkFault::Blocked(Rule::Scheme));
        }
        Ok(contact)
    }

    /// How far inward a realm may lie: as far as the registry that names it.
    fn reach(&self, realm: &Url) -> Result<Reach, NetworkFault> {
        let (base, registry) = self.base()?;
        Ok(
            if realm.host_str() == base.host_str() || registry.is_loopback() {
                Reach::Loopback
            } else if self.transport.is_inward() {
                Reach::Private
            } else {
                Reach::Public
            },
        )
    }

    /// `https://<endpoint>/v2/` and whom it names.
    pub(super) fn base(&self) -> Result<(Url, Contact), NetworkFault> {
        let malformed = NetworkFault::Blocked(Rule::Malformed);
        let scheme = if self.plain { "http" } else { "https" };
        let endpoint = self.registry.endpoint();
        let url = Url::parse(&format!("{scheme}://{endpoint}/v2/")).map_err(|_| malformed)?;
        // an endpoint that was no host[:port] shows elsewhere in the URL
        let only_host = url.path() == "/v2/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        let host = url.host_str().filter(|_| only_host).ok_or(malformed)?;
        let port = url.port_or_known_default().ok_or(malformed)?;
        let contact = Contact::new(host, port, self.in_use);
        Ok((url, contact))
    }
}

/// Plain HTTP only behind a registry that speaks it itself, to a host that may.
fn registry_may_be_plain(policy: &Policy, plain: bool, contact: &Contact) -> bool {
    plain && (policy.is_plain_http(contact) || policy.may_fall_back(contact))
}
