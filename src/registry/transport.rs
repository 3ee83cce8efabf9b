//! One conversation's HTTP: resolver, TLS, proxy and bounds, and an answer as facts.
//!
//! A client of its own for each conversation costs microseconds (measured: 1.6 µs) and buys that
//! nothing is shared between credentials: connections live as long as the conversation.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use hyper_util::client::proxy::matcher::Intercept;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue, USER_AGENT};
use reqwest::{Method, Url, redirect, retry};
use secrecy::SecretString;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

use super::answer::{self, Raw};
use super::api_servers::ApiServers;
use super::fault::{self, Route};
use super::progress::{Progress, Reached};
use super::proxies::{self, Proxies};
use super::resolver::{self, Vetting};
use super::trust::{Recorder, Trust};
use super::tunnel::{self, NoTunnel};
use crate::domain::certificate::Certificate;
use crate::domain::exchange::{NetworkFault, Response, Stage};
use crate::domain::policy::{self, Contact, Policy};

/// What is read of a body; a token with many scopes has some 16 KiB.
const MAX_BODY_BYTES: usize = 64 * 1024;
/// A registry sends a dozen. hyper bounds their bytes itself.
const MAX_HEADERS: usize = 64;
/// The same for HTTP/2, in bytes.
const MAX_HEADER_LIST_BYTES: u32 = 16 * 1024;

const PRODUCT: &str = concat!("regcred-exporter/", env!("CARGO_PKG_VERSION"));

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
    /// Drive the connections of tunnels, and end with the conversation.
    drivers: JoinSet<()>,
    /// The proxy will not have addresses.
    is_by_name: bool,
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

impl Ask {
    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, HeaderValue::from_static(PRODUCT));
        // As reqwest has it by itself, so that a registry sees the same whichever way is taken.
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        let own = [(ACCEPT, &self.accept), (AUTHORIZATION, &self.authorization)];
        for (name, value) in own {
            if let Some(value) = value {
                headers.insert(name, value.clone());
            }
        }
        headers
    }
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
            drivers: JoinSet::new(),
            is_by_name: false,
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
        let wants_token = ask.wants_token;
        let authorized = ask.authorization.is_some();
        let until = Instant::now() + self.bounds.step;
        let (mut response, route) = self.respond(ask, until).await?;
        let (body, cut_by) = self.read_body(&mut response, route, until).await;
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

    /// The head of the answer, and how the request went out.
    async fn respond(
        &mut self,
        ask: Ask,
        until: Instant,
    ) -> Result<(reqwest::Response, Route), NetworkFault> {
        let Some(proxy) = self.proxies.before(&ask.url) else {
            let client = self.client(None)?;
            return Ok((
                self.send_by(client, ask, Route::Direct).await?,
                Route::Direct,
            ));
        };
        // One bound for all of it: the look-up, the way by address, and that by name after it.
        let late = NetworkFault::Timeout(Stage::Answer);
        let vetted = self.judge_behind_proxy(&ask.contact).await?;
        let client = self.client(Some(&proxy))?;
        let is_pinned = ask.url.scheme() == "https" && !vetted.is_empty();
        if is_pinned && !self.is_by_name {
            let sent = self.send_to(&proxy, &vetted, &ask);
            let sent = timeout_at(until, sent).await;
            match sent.unwrap_or(Err(late))? {
                Some(response) => return Ok((response, Route::Proxied)),
                None => self.is_by_name = true,
            }
        }
        let sent = timeout_at(until, self.send_by(client, ask, Route::Proxied)).await;
        Ok((sent.unwrap_or(Err(late))?, Route::Proxied))
    }

    /// By reqwest: straight, or through a proxy that resolves.
    async fn send_by(
        &self,
        client: reqwest::Client,
        ask: Ask,
        route: Route,
    ) -> Result<reqwest::Response, NetworkFault> {
        let headers = ask.headers();
        let request = client.request(ask.method, ask.url).headers(headers);
        let sent = request.send().await;
        sent.map_err(|error| fault::fault_of(&error, self.progress.reached(), route))
    }

    /// Through a proxy, to one of these addresses; `None` when the proxy is to be asked by name.
    async fn send_to(
        &mut self,
        proxy: &Intercept,
        addresses: &[SocketAddr],
        ask: &Ask,
    ) -> Result<Option<reqwest::Response>, NetworkFault> {
        let tls = self.trust.config(&self.recorder);
        let until = Instant::now() + self.bounds.connect;
        let driven = (&mut self.drivers, until);
        let connect = async {
            let tunnel = match tunnel::open(proxy, addresses, &tls, PRODUCT, driven).await {
                Ok(tunnel) => tunnel,
                Err(NoTunnel::ByNameOnly) => return Ok(None),
                Err(NoTunnel::Proxy) => return Err(NetworkFault::Proxy),
            };
            let secured = tunnel::secure(tunnel, ask.contact.host(), &tls).await;
            secured
                .map(Some)
                .map_err(|error| fault::fault_behind(&error))
        };
        let connected = timeout_at(until, connect).await;
        let late = || match self.progress.reached() {
            Reached::Handshake => NetworkFault::Timeout(Stage::Tls),
            _ => NetworkFault::Proxy,
        };
        let Some(stream) = connected.map_err(|_| late())?? else {
            return Ok(None);
        };
        let request = tunnel::request(ask.method.clone(), &ask.url, ask.headers());
        let request = request.ok_or(NetworkFault::Other)?;
        let answer = tunnel::ask(stream, request, MAX_HEADERS, &mut self.drivers).await;
        let answer = answer.map_err(|error| fault::fault_behind(&error))?;
        Ok(Some(answer.map(reqwest::Body::wrap).into()))
    }

    /// The client for requests that go through this proxy, or straight.
    fn client(&mut self, intercept: Option<&Intercept>) -> Result<reqwest::Client, NetworkFault> {
        let key = intercept.map(|proxy| proxy.uri().to_string());
        if let Some((_, client)) = self.clients.iter().find(|(known, _)| *known == key) {
            return Ok(client.clone());
        }
        let proxy = intercept.map(proxies::through).transpose();
        let client = self.build(proxy.map_err(|_| NetworkFault::Proxy)?)?;
        self.clients.push((key, client.clone()));
        Ok(client)
    }

    /// The addresses that a name has for us, each of which must do; none for a literal, and none where
    /// our resolver has no answer: a cluster behind a proxy often has no outside DNS, so that no answer
    /// is no refusal.
    async fn judge_behind_proxy(&self, contact: &Contact) -> Result<Vec<SocketAddr>, NetworkFault> {
        if contact.literal().is_some() {
            return Ok(Vec::new());
        }
        let look_up = resolver::look_up(contact.host(), contact.port());
        let Ok(Ok(addresses)) = timeout(self.bounds.connect, look_up).await else {
            return Ok(Vec::new());
        };
        for address in &addresses {
            self.policy
                .judge_address(contact, address.ip())
                .map_err(NetworkFault::Blocked)?;
            if policy::is_inward(address.ip()) {
                self.progress.turned_inward();
            }
        }
        Ok(addresses)
    }

    fn build(&self, proxy: Option<reqwest::Proxy>) -> Result<reqwest::Client, NetworkFault> {
        let tls = self.trust.config(&self.recorder);
        let builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .user_agent(PRODUCT)
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
        until: Instant,
    ) -> (Vec<u8>, Option<NetworkFault>) {
        let mut body = Vec::new();
        loop {
            let Ok(piece) = timeout_at(until, response.chunk()).await else {
                return (body, Some(NetworkFault::Timeout(Stage::Answer)));
            };
            match piece {
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
