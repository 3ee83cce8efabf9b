//! One conversation's HTTP: resolver, TLS, proxy and bounds, and an answer as facts.
//!
//! A client of its own for each conversation costs microseconds (measured: 1.6 µs) and buys that
//! nothing is shared between credentials: connections live as long as the conversation.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderValue};
use reqwest::{Method, Url, redirect, retry};
use secrecy::SecretString;
use tokio::time::Instant;

use super::answer::{self, Raw};
use super::api_servers::ApiServers;
use super::fault::{self, Route};
use super::progress::Progress;
use super::proxies::{self, Proxies};
use super::resolver::{self, Vetting};
use super::trust::{Recorder, Trust};
use crate::domain::certificate::Certificate;
use crate::domain::exchange::{NetworkFault, Response};
use crate::domain::policy::{self, Contact, Policy};

/// What is read of a body; a token with many scopes has some 16 KiB.
const MAX_BODY_BYTES: usize = 64 * 1024;
/// A registry sends a dozen. hyper bounds their bytes itself.
const MAX_HEADERS: usize = 64;
/// The same for HTTP/2, in bytes.
const MAX_HEADER_LIST_BYTES: u32 = 16 * 1024;

const USER_AGENT: &str = concat!("regcred-exporter/", env!("CARGO_PKG_VERSION"));

/// Bounds of one request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Look-up, TCP and TLS together.
    pub(super) connect: Duration,
    /// From look-up to last byte.
    pub(super) step: Duration,
}

/// The way to registries for one conversation.
pub(super) struct Transport {
    policy: Arc<Policy>,
    api_servers: Arc<ApiServers>,
    trust: Trust,
    proxies: Proxies,
    bounds: Bounds,
    progress: Arc<Progress>,
    recorder: Arc<Recorder>,
    /// By the proxy that it goes through, if any; one conversation needs one or two.
    clients: Vec<(Option<String>, reqwest::Client)>,
    began: (DateTime<Utc>, Instant),
}

/// One request.
pub(super) struct Ask {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) contact: Contact,
    pub(super) accept: Option<HeaderValue>,
    pub(super) authorization: Option<HeaderValue>,
    /// The answer is to hold a token.
    pub(super) wants_token: bool,
}

/// Its answer.
pub(super) struct Answer {
    pub(super) response: Response,
    pub(super) token: Option<SecretString>,
}

impl Transport {
    pub(super) fn new(
        policy: Arc<Policy>,
        api_servers: Arc<ApiServers>,
        trust: Trust,
        proxies: Proxies,
        bounds: Bounds,
        now: DateTime<Utc>,
    ) -> Self {
        let progress = Arc::new(Progress::default());
        Self {
            policy,
            api_servers,
            recorder: trust.recorder(Arc::clone(&progress)),
            trust,
            proxies,
            bounds,
            progress,
            clients: Vec::new(),
            began: (now, Instant::now()),
        }
    }

    /// Since the conversation began.
    pub(super) fn took(&self) -> Duration {
        self.began.1.elapsed()
    }

    /// Whether anything but a public address was talked to.
    pub(super) fn is_inward(&self) -> bool {
        self.progress.is_inward()
    }

    /// What each host showed in its last handshake.
    pub(super) fn certificates(&self) -> Vec<Certificate> {
        self.recorder.shown()
    }

    /// Asks once.
    pub(super) async fn send(&mut self, mut ask: Ask) -> Result<Answer, NetworkFault> {
        let patience = self.bounds.connect;
        ask.contact = self
            .api_servers
            .beside(ask.contact, &self.policy, patience)
            .await;
        self.policy
            .judge_host(&ask.contact)
            .map_err(NetworkFault::Blocked)?;
        if ask.contact.literal().is_some_and(policy::is_inward) {
            self.progress.turned_inward();
        }
        self.progress.begin(ask.contact.clone());
        let (client, route) = self.client(&ask).await?;
        let wants_token = ask.wants_token;
        let authorized = ask.authorization.is_some();
        let mut request = client.request(ask.method, ask.url);
        if let Some(accept) = ask.accept {
            request = request.header(ACCEPT, accept);
        }
        if let Some(authorization) = ask.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let sent = request.send().await;
        let mut response =
            sent.map_err(|error| fault::fault_of(&error, self.progress.reached(), route))?;
        let (body, cut_by) = self.read_body(&mut response, route).await;
        let raw = Raw {
            status: response.status().as_u16(),
            headers: response.headers(),
            body: &body,
            at: self.now(),
        };
        let mut facts = answer::read(&raw);
        if authorized {
            facts = answer::without_reflections(facts);
            facts.rate_limit.payer = answer::payer(response.headers());
        }
        let mut token = None;
        if wants_token && facts.status == 200 {
            // A head is an answer, whatever becomes of its body; a token is only whole.
            cut_by.map_or(Ok(()), Err)?;
            token = answer::token(&body);
            facts.token = token.is_some();
        }
        Ok(Answer {
            response: facts,
            token,
        })
    }

    /// The client for this request, and how it goes out.
    async fn client(&mut self, ask: &Ask) -> Result<(reqwest::Client, Route), NetworkFault> {
        let intercept = self.proxies.before(&ask.url);
        let route = match intercept {
            Some(_) => Route::Proxied,
            None => Route::Direct,
        };
        if route == Route::Proxied {
            self.judge_behind_proxy(&ask.contact).await?;
        }
        let key = intercept.as_ref().map(|proxy| proxy.uri().to_string());
        if let Some((_, client)) = self.clients.iter().find(|(known, _)| *known == key) {
            return Ok((client.clone(), route));
        }
        let proxy = intercept.as_ref().map(proxies::through).transpose();
        let client = self.build(proxy.map_err(|_| NetworkFault::Proxy)?)?;
        self.clients.push((key, client.clone()));
        Ok((client, route))
    }

    /// The proxy resolves; where our own resolver has an answer too, each of its addresses must do.
    /// A cluster behind a proxy often has no outside DNS, so that no answer is no refusal.
    async fn judge_behind_proxy(&self, contact: &Contact) -> Result<(), NetworkFault> {
        if contact.literal().is_some() {
            return Ok(());
        }
        let look_up = resolver::look_up(contact.host(), contact.port());
        let Ok(Ok(addresses)) = tokio::time::timeout(self.bounds.connect, look_up).await else {
            return Ok(());
        };
        for address in addresses {
            self.policy
                .judge_address(contact, address.ip())
                .map_err(NetworkFault::Blocked)?;
            if policy::is_inward(address.ip()) {
                self.progress.turned_inward();
            }
        }
        Ok(())
    }

    fn build(&self, proxy: Option<reqwest::Proxy>) -> Result<reqwest::Client, NetworkFault> {
        let tls = self.trust.config(&self.recorder);
        let builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .user_agent(USER_AGENT)
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .referer(false)
            .no_proxy()
            .connect_timeout(self.bounds.connect)
            .timeout(self.bounds.step)
            .http1_max_headers(MAX_HEADERS)
            .http2_max_header_list_size(MAX_HEADER_LIST_BYTES);
        let builder = match proxy {
            // the operator's address: no tenant chose it
            Some(proxy) => builder.proxy(proxy),
            None => builder.dns_resolver(Arc::new(Vetting {
                policy: Arc::clone(&self.policy),
                progress: Arc::clone(&self.progress),
            })),
        };
        builder.build().map_err(|_| NetworkFault::Other)
    }

    /// As much of the body as we read, and what cut it short.
    async fn read_body(
        &self,
        response: &mut reqwest::Response,
        route: Route,
    ) -> (Vec<u8>, Option<NetworkFault>) {
        let mut body = Vec::new();
        loop {
            match response.chunk().await {
                Ok(None) => return (body, None),
                Ok(Some(chunk)) => {
                    let room = MAX_BODY_BYTES - body.len();
                    body.extend_from_slice(&chunk[..chunk.len().min(room)]);
                    if chunk.len() > room {
                        return (body, Some(NetworkFault::TooLarge));
                    }
                }
                Err(error) => {
                    let fault = fault::fault_of(&error, self.progress.reached(), route);
                    return (body, Some(fault));
                }
            }
        }
    }

    fn now(&self) -> DateTime<Utc> {
        let (now, began) = self.began;
        now + began.elapsed()
    }
}
