//! Talks to registries: what is shared by all conversations, and the only place that looks into a
//! credential.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use tokio_util::sync::CancellationToken;

use super::api_servers::ApiServers;
use super::conversation::Conversation;
use super::proxies::Proxies;
use super::transport::{Bounds, Transport};
use super::trust::{Trust, TrustError};
use crate::config::Probe;
use crate::domain::credential::Credential;
use crate::domain::exchange::{Exchange, Manifest};
use crate::domain::image::Registry;
use crate::domain::policy::Policy;

/// Talks to registries. Cheap to clone; holds no connection and no credential.
#[derive(Clone, Debug)]
pub struct Client {
    trust: Trust,
    proxies: Proxies,
    policy: Arc<Policy>,
    api_servers: Arc<ApiServers>,
    bounds: Bounds,
}

/// A conversation to be had.
#[derive(Clone, Debug)]
pub struct Request {
    /// With whom.
    pub registry: Registry,
    /// As whom. Identity and registry tokens are not sent: the kubelet ignores them, and an entry
    /// that has nothing else is anonymous to it.
    pub credential: Arc<Credential>,
    /// What to ask for once the login works.
    pub manifests: Vec<Manifest>,
    /// A Pod's image names this registry.
    pub in_use: bool,
    /// The time at which the conversation begins, for `Retry-After`.
    pub now: DateTime<Utc>,
}

impl Client {
    /// With the system's roots and the environment's proxies. Reads files: make one, not one per
    /// conversation.
    pub fn new(probe: &Probe) -> Result<Self, TrustError> {
        Ok(Self::with(probe, Trust::native()?, Proxies::from_env()))
    }

    /// With other roots or proxies.
    pub fn with(probe: &Probe, trust: Trust, proxies: Proxies) -> Self {
        let step = probe.step_timeout;
        Self {
            trust,
            proxies,
            policy: Arc::new(probe.policy.clone()),
            api_servers: Arc::default(),
            bounds: Bounds {
                // below the whole, so that a time-out tells what it waited for
                connect: probe.connect_timeout.min(step * 9 / 10),
                step,
            },
        }
    }

    /// Asks whether the registry is there, without a credential. `in_use` if a Pod's image names
    /// it.
    pub async fn ping(&self, registry: &Registry, in_use: bool, now: DateTime<Utc>) -> Exchange {
        let mut conversation = self.begin(registry, in_use, now);
        conversation.ping().await;
        conversation.end()
    }

    /// Asks for manifests as anybody may, without a credential.
    pub async fn look(
        &self,
        registry: &Registry,
        manifests: &[Manifest],
        in_use: bool,
        now: DateTime<Utc>,
    ) -> Exchange {
        let mut conversation = self.begin(registry, in_use, now);
        let _ended = conversation.hold(None, manifests).await;
        conversation.end()
    }

    /// The whole conversation. Once `stop` is cancelled nothing more is sent: what is asked already
    /// is waited for.
    pub async fn converse(&self, request: Request, stop: CancellationToken) -> Exchange {
        let Request {
            registry,
            credential,
            manifests,
            in_use,
            now,
        } = request;
        let mut conversation = self.begin(&registry, in_use, now).until(stop);
        // Where it ends early is written in what was asked.
        let _ended = conversation.hold(basic(&credential), &manifests).await;
        conversation.end()
    }

    fn begin<'a>(
        &'a self,
        registry: &'a Registry,
        in_use: bool,
        now: DateTime<Utc>,
    ) -> Conversation<'a> {
        let transport = Transport::new(
            Arc::clone(&self.policy),
            Arc::clone(&self.api_servers),
            self.trust.clone(),
            self.proxies.clone(),
            self.bounds,
            now,
        );
        Conversation::new(transport, &self.policy, registry, in_use)
    }
}

/// The `Authorization` of a login; any bytes will do, since they are sent in base64.
fn basic(credential: &Credential) -> Option<HeaderValue> {
    if credential.is_anonymous() {
        return None;
    }
    let mut pair = credential.username().expose_secret().to_vec();
    pair.push(b':');
    pair.extend_from_slice(credential.password().expose_secret());
    sensitive(&format!("Basic {}", STANDARD.encode(pair)))
}

/// A token that no header can carry is none.
pub(super) fn bearer(token: &SecretString) -> Option<HeaderValue> {
    sensitive(&format!("Bearer {}", token.expose_secret()))
}

fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}
