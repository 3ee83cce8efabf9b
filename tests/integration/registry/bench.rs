//! What the tests of the conversation share.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, Utc};
use regcred_exporter::config::{Probe, Repositories, Which};
use regcred_exporter::domain::certificate::{Certificate, Validity};
use regcred_exporter::domain::credential::Credential;
use regcred_exporter::domain::exchange::{Exchange, Manifest, NetworkFault, Purpose};
use regcred_exporter::domain::image::Registry;
use regcred_exporter::domain::outcome::{Judgement, classify};
use regcred_exporter::domain::policy::{Policy, Target};
use regcred_exporter::registry::{Client, Proxies, Request, Trust};
use regcred_stand_ins::registry::{self as stand_in, Behaviour, LoggedRequest};
use regcred_stand_ins::tls::Ca;
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The password that must show up nowhere.
pub(super) const PASSWORD: &str = "canary-8f3b";

pub(super) fn now() -> DateTime<Utc> {
    "2026-11-23T08:00:00Z".parse().unwrap()
}

pub(super) fn targets(texts: &[&str]) -> Vec<Target> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

/// A policy under which the stand-ins, which all stand on 127.0.0.1, may be asked.
pub(super) fn open_policy() -> Policy {
    Policy {
        allow: targets(&["127.0.0.1", "localhost"]),
        ..Policy::default()
    }
}

/// A client that trusts one authority, or more, and knows no proxy.
pub(super) struct Bench {
    pub(super) ca: Arc<Ca>,
    pub(super) more_roots: Vec<CertificateDer<'static>>,
    pub(super) policy: Policy,
    pub(super) proxies: Proxies,
    pub(super) timeout: Duration,
}

impl Bench {
    pub(super) fn new() -> Self {
        Self {
            ca: Arc::new(Ca::new()),
            more_roots: Vec::new(),
            policy: open_policy(),
            proxies: Proxies::none(),
            timeout: Duration::from_secs(10),
        }
    }

    pub(super) fn with_policy(policy: Policy) -> Self {
        Self {
            policy,
            ..Self::new()
        }
    }

    /// For tests in which a time-out is what is waited for.
    pub(super) fn impatient() -> Self {
        Self {
            timeout: Duration::from_secs(1),
            ..Self::new()
        }
    }

    pub(super) fn client(&self) -> Client {
        let probe = Probe {
            interval: Duration::from_secs(900),
            ping_interval: Duration::from_secs(60),
            which: Which::Referenced,
            repositories: Repositories::Used,
            policy: self.policy.clone(),
            confirm_after: Duration::from_secs(300),
            per_registry: 1,
            connect_timeout: self.timeout,
            step_timeout: self.timeout,
        };
        let more = self.more_roots.clone();
        let trust = Trust::of(more.into_iter().chain([self.ca.der()])).unwrap();
        Client::with(&probe, trust, self.proxies.clone())
    }

    /// A registry behind TLS with a good certificate.
    pub(super) async fn start(&self, behaviour: Behaviour) -> stand_in::Registry {
        let tls = self.ca.server_config(&["127.0.0.1", "localhost"]);
        stand_in::Registry::start(behaviour.tls(tls)).await
    }

    /// Converses as `user` with [`PASSWORD`].
    pub(super) async fn converse(&self, host: &str, user: &str, wants: &[&str]) -> Exchange {
        self.converse_as(
            host,
            Credential::basic(user.as_bytes(), PASSWORD.as_bytes()),
            wants,
        )
        .await
    }

    pub(super) async fn converse_as(
        &self,
        host: &str,
        credential: Credential,
        wants: &[&str],
    ) -> Exchange {
        let request = Request {
            registry: Registry::from_domain(host),
            credential: Arc::new(credential),
            manifests: wants.iter().copied().map(manifest).collect(),
            in_use: true,
            now: now(),
        };
        let stop = CancellationToken::new();
        self.client().converse(request, stop).await
    }

    /// Asks for manifests as anybody may.
    pub(super) async fn look(&self, host: &str, wants: &[&str]) -> Exchange {
        let registry = Registry::from_domain(host);
        let manifests: Vec<_> = wants.iter().copied().map(manifest).collect();
        let client = self.client();
        client.look(&registry, &manifests, true, now()).await
    }

    pub(super) async fn ping(&self, host: &str) -> Exchange {
        let registry = Registry::from_domain(host);
        self.client().ping(&registry, true, now()).await
    }
}

/// `org/app:1.0`.
fn manifest(text: &str) -> Manifest {
    let (repository, reference) = text.split_once(':').unwrap();
    Manifest {
        repository: repository.to_owned(),
        reference: reference.to_owned(),
    }
}

/// `ping login manifest,manifest`, with `-` for what was not asked.
pub(super) fn verdict(exchange: &Exchange) -> String {
    let Judgement {
        ping,
        login,
        manifests,
        ..
    } = classify(exchange);
    let manifests: Vec<_> = manifests
        .iter()
        .map(|(_, one)| one.outcome.as_str())
        .collect();
    format!(
        "{} {} {}",
        ping.as_str(),
        login.map_or("-", |one| one.outcome.as_str()),
        if manifests.is_empty() {
            "-".to_owned()
        } else {
            manifests.join(",")
        }
    )
}

/// Why the last request brought nothing.
pub(super) fn fault(exchange: &Exchange) -> Option<NetworkFault> {
    exchange.asked.last().unwrap().answer.clone().err()
}

pub(super) fn purposes(exchange: &Exchange) -> Vec<Purpose> {
    exchange.asked.iter().map(|asked| asked.purpose).collect()
}

/// `GET /v2/ basic:user`, one line a request.
pub(super) fn lines(requests: &[LoggedRequest]) -> Vec<String> {
    let line = |request: &LoggedRequest| {
        let query = match request.query.as_str() {
            "" => String::new(),
            query => format!("?{query}"),
        };
        let who = match (&request.scheme, &request.user) {
            (None, _) => String::new(),
            (Some(scheme), None) => format!(" {scheme}"),
            (Some(scheme), Some(user)) => format!(" {scheme}:{user}"),
        };
        format!("{} {}{query}{who}", request.method, request.path)
    };
    requests.iter().map(line).collect()
}

/// A listener that answers what it hears with the same bytes on every connection, and counts.
pub(super) struct Raw {
    pub(super) address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    heard: Arc<Mutex<Vec<u8>>>,
    task: JoinHandle<()>,
}

impl Raw {
    pub(super) async fn start(answer: &str) -> Self {
        Self::start_at("127.0.0.1:0", &[answer.as_bytes()]).await
    }

    /// Each answer follows one more thing heard; after the last one it closes.
    pub(super) async fn start_at(address: &str, answers: &[&[u8]]) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepted = Arc::new(AtomicUsize::new(0));
        let heard = Arc::default();
        let answers: Vec<_> = answers.iter().map(|answer| answer.to_vec()).collect();
        let task = tokio::spawn(serve(
            listener,
            answers,
            Arc::clone(&accepted),
            Arc::clone(&heard),
        ));
        Self {
            address,
            accepted,
            heard,
            task,
        }
    }

    pub(super) fn host(&self) -> String {
        self.address.to_string()
    }

    pub(super) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// What was heard before the last answer.
    pub(super) fn heard(&self) -> String {
        String::from_utf8_lossy(&self.heard.lock().unwrap()).into_owned()
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    listener: TcpListener,
    answers: Vec<Vec<u8>>,
    accepted: Arc<AtomicUsize>,
    heard: Arc<Mutex<Vec<u8>>>,
) {
    while let Ok((mut stream, _)) = listener.accept().await {
        accepted.fetch_add(1, Ordering::SeqCst);
        let answers = answers.clone();
        let heard = Arc::clone(&heard);
        tokio::spawn(async move {
            let mut buffer = [0; 8192];
            for answer in answers {
                let Ok(length) = stream.read(&mut buffer).await else {
                    return;
                };
                heard.lock().unwrap().extend_from_slice(&buffer[..length]);
                let _ = stream.write_all(&answer).await;
            }
            let _ = stream.shutdown().await;
            // until the peer is gone: a socket closed on unread bytes resets
            while matches!(stream.read(&mut buffer).await, Ok(1..)) {}
        });
    }
}

/// A listener whose backlog is full, so that a further SYN is dropped: what a packet filter does.
pub(super) struct Blackhole {
    pub(super) address: SocketAddr,
    _listener: TcpListener,
    _waiting: Vec<TcpStream>,
}

impl Blackhole {
    pub(super) async fn start() -> Self {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut waiting = Vec::new();
        let patience = Duration::from_millis(500);
        while let Ok(stream) = tokio::time::timeout(patience, TcpStream::connect(address)).await {
            waiting.push(stream.unwrap());
        }
        Self {
            address,
            _listener: listener,
            _waiting: waiting,
        }
    }
}

/// What each host showed: `host not_before not_after`, days only.
pub(super) fn shown(exchange: &Exchange) -> Vec<String> {
    let line = |certificate: &Certificate| {
        let Validity {
            not_before,
            not_after,
        } = certificate.validity;
        let (from, until) = (not_before.date_naive(), not_after.date_naive());
        format!("{} {from} {until}", certificate.host)
    };
    exchange.certificates.iter().map(line).collect()
}

/// A proxy that takes every CONNECT to one place, whatever host it names.
pub(crate) struct Tunnel {
    pub(crate) address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Tunnel {
    pub(crate) async fn to(place: &str) -> Self {
        Self::start(Some(place.to_owned()), false).await
    }

    /// The same, and it refuses who asks for an address.
    pub(crate) async fn by_name_to(place: &str) -> Self {
        Self::start(Some(place.to_owned()), true).await
    }

    /// To 127.0.0.1, at the port that the CONNECT names.
    pub(crate) async fn by_port() -> Self {
        Self::start(None, false).await
    }

    async fn start(place: Option<String>, is_by_name: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::default();
        let task = tokio::spawn(tunnel(listener, place, is_by_name, Arc::clone(&heads)));
        Self {
            address,
            heads,
            task,
        }
    }

    /// What was asked of it, each head whole.
    pub(super) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn tunnel(
    listener: TcpListener,
    place: Option<String>,
    is_by_name: bool,
    heads: Arc<Mutex<Vec<String>>>,
) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let place = place.clone();
        let heads = Arc::clone(&heads);
        tokio::spawn(async move {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            let head = String::from_utf8(head).unwrap();
            let port = head.split([':', ' ']).nth(2).unwrap();
            let target = head.split(' ').nth(1).unwrap();
            if is_by_name && target.parse::<SocketAddr>().is_ok() {
                heads.lock().unwrap().push(head);
                let refusal = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n";
                return stream.write_all(refusal).await.unwrap();
            }
            let place = place.unwrap_or_else(|| format!("127.0.0.1:{port}"));
            heads.lock().unwrap().push(head);
            let mut behind = TcpStream::connect(place).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut stream, &mut behind).await;
        });
    }
}
