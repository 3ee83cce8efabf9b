//! The connection to the API server, and the closed reasons why it did not answer as asked.
//!
//! The only file that looks into kube's errors: they quote what they read (kubeconfig lines, exec
//! plugin output, bodies), so that none of them is printed anywhere. No retries here: kube's own
//! would hide 429, 503 and 504 from `watch_up`.

use std::error::Error as StdError;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONNECTION, CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{HeaderValue, Method, Request, Response, StatusCode, request};
use http_body_util::BodyExt;
use kube::client::{AuthError, Body};
use kube::config::{InClusterError, KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config, Error};
use tokio::time::timeout;

use super::whereabouts;
use crate::config::ClusterSource;
use crate::domain::policy::ApiServer;
use crate::domain::watches::WatchError;

/// TCP, proxy and TLS together. A node that drops packets must not hold a watch down for long.
const CONNECT: Duration = Duration::from_secs(10);

/// From request to headers. The API server gives up on a list after 60 s itself
/// (`--request-timeout`), and says so; waiting a little longer leaves the word to it.
const HEADERS: Duration = Duration::from_secs(65);

/// Between two pieces of a list's body.
pub(crate) const PIECE: Duration = Duration::from_secs(30);

/// No `Retry-After` of an API server holds us longer.
const RETRY_AFTER_MOST: Duration = Duration::from_secs(60);

/// Why there is no client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The file is absent or may not be read; the caller's to fix.
    #[error("failed to read kubeconfig `{}`", .0.display())]
    Kubeconfig(PathBuf),
    /// It is no YAML, or no kubeconfig, or several that do not fit together.
    #[error("invalid kubeconfig")]
    Syntax,
    /// The context is not there, or its cluster or user is not.
    #[error("no usable context `{0}` in the kubeconfig")]
    Context(String),
    /// Neither a pod's service account nor a kubeconfig.
    #[error("not in a cluster and no kubeconfig found")]
    Nowhere,
    /// In a cluster, but the service account's files cannot be used; see
    /// `automountServiceAccountToken`.
    #[error("failed to read the pod's service account files")]
    InCluster,
    /// Server or proxy address.
    #[error("invalid server or proxy address in the kubeconfig")]
    Address,
    /// Client certificate, key, CA, token file or exec plugin.
    #[error("failed to use the certificates or credentials of the kubeconfig")]
    Credentials,
    /// TLS could not be set up.
    #[error("failed to set up TLS for the API server")]
    Tls,
}

/// Why the API server did not answer as asked: closed, safe to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Reason {
    /// 401: our token or certificate is not (or no longer) taken.
    #[error("the API server refuses our credentials (401)")]
    Unauthorized,
    /// 403: a role is missing.
    #[error("the API server forbids it (403)")]
    Forbidden,
    /// 410: the resource version or the continue token is too old.
    #[error("the resource version is too old (410)")]
    Gone,
    /// 429.
    #[error("the API server throttles us (429)")]
    Throttled,
    /// Any other status that is no success.
    #[error("the API server answered with status {0}")]
    Status(u16),
    /// The name of the API server or its proxy does not resolve.
    #[error("failed to resolve the API server's name")]
    Dns,
    /// No connection, or it broke.
    #[error("failed to connect to the API server, or the connection broke")]
    Connection,
    /// No answer in time.
    #[error("the API server did not answer in time")]
    Timeout,
    /// TLS failed: unknown CA, wrong name, expired.
    #[error("TLS with the API server failed")]
    Tls,
    /// Our own token could not be had: token file, exec plugin.
    #[error("failed to obtain our own token for the API server")]
    Credentials,
    /// Nothing came past the idle deadline.
    #[error("the API server fell silent")]
    Silent,
    /// The answer is not what was asked for.
    #[error("the API server's answer is not what was asked for")]
    Malformed,
    /// Two streams in a row ended within a second.
    #[error("the watch ended at once, twice")]
    EndedAtOnce,
}

impl Reason {
    /// The `error` label.
    pub fn watch_error(self) -> WatchError {
        match self {
            Self::Unauthorized => WatchError::Unauthorized,
            Self::Forbidden => WatchError::Forbidden,
            Self::Gone => WatchError::Gone,
            Self::Throttled => WatchError::Throttled,
            Self::Status(_) => WatchError::Status,
            Self::Dns | Self::Connection | Self::Timeout | Self::Tls | Self::Credentials => {
                WatchError::Connection
            }
            Self::Silent => WatchError::Silent,
            Self::Malformed => WatchError::Malformed,
            Self::EndedAtOnce => WatchError::EndedAtOnce,
        }
    }

    /// No request whatever would fare better now.
    pub(crate) fn is_unreachable(self) -> bool {
        match self {
            Self::Dns | Self::Connection | Self::Timeout | Self::Tls | Self::Credentials => true,
            Self::Unauthorized
            | Self::Forbidden
            | Self::Gone
            | Self::Throttled
            | Self::Status(_)
            | Self::Silent
            | Self::Malformed
            | Self::EndedAtOnce => false,
        }
    }

    /// The reason of a status, in an answer's head or in a `Status` object.
    pub(crate) fn of_status(code: u16) -> Self {
        match code {
            401 => Self::Unauthorized,
            403 => Self::Forbidden,
            410 => Self::Gone,
            429 => Self::Throttled,
            other => Self::Status(other),
        }
    }
}

/// A request that did not get what it asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// Why.
    pub(crate) reason: Reason,
    /// When the API server wants to be asked again.
    pub(crate) retry_after: Option<Duration>,
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        Self {
            reason,
            retry_after: None,
        }
    }
}

/// The way to an API server.
#[derive(Clone)]
pub struct Connection {
    /// Asks it.
    pub client: Client,
    /// Where it stands, if its URL says so.
    pub api_server: Option<ApiServer>,
}

/// Makes the client; sends nothing yet.
///
/// `--kubeconfig` wins, then the pod's service account, then `KUBECONFIG` and `~/.kube/config`. A
/// context that was named is one of a kubeconfig.
pub async fn connect(source: &ClusterSource) -> Result<Connection, ConnectError> {
    let mut config = read_config(source).await?;
    let api_server = whereabouts::of(&config.cluster_url);
    config.connect_timeout = Some(CONNECT);
    // Watches are silent for a minute by nature; their idle deadline is `watch`'s own.
    config.read_timeout = None;
    config.default_retry = false;
    config.headers.push((
        USER_AGENT,
        HeaderValue::from_static(concat!("regcred-exporter/", env!("CARGO_PKG_VERSION"))),
    ));
    let client = Client::try_from(config).map_err(|error| client_error(&error))?;
    Ok(Connection { client, api_server })
}

async fn read_config(source: &ClusterSource) -> Result<Config, ConnectError> {
    let context = source.context.clone();
    let named = |error| kubeconfig_error(error, source);
    let options = KubeConfigOptions {
        context,
        ..KubeConfigOptions::default()
    };
    if let Some(path) = &source.kubeconfig {
        let kubeconfig = Kubeconfig::read_from(path).map_err(named)?;
        return Config::from_custom_kubeconfig(kubeconfig, &options)
            .await
            .map_err(named);
    }
    if source.context.is_none() && std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() {
        return Config::incluster().map_err(in_cluster_error);
    }
    Config::from_kubeconfig(&options).await.map_err(named)
}

fn in_cluster_error(error: InClusterError) -> ConnectError {
    match error {
        InClusterError::ReadEnvironmentVariable(_) => ConnectError::Nowhere,
        InClusterError::ParseClusterPort(_) | InClusterError::ParseClusterUrl(_) => {
            ConnectError::Address
        }
        InClusterError::ReadDefaultNamespace(_)
        | InClusterError::ReadCertificateBundle(_)
        | InClusterError::ParseCertificates(_) => ConnectError::InCluster,
    }
}

fn kubeconfig_error(error: KubeconfigError, source: &ClusterSource) -> ConnectError {
    match error {
        KubeconfigError::CurrentContextNotSet
        | KubeconfigError::LoadContext(_)
        | KubeconfigError::LoadClusterOfContext(_) => {
            ConnectError::Context(source.context.clone().unwrap_or_default())
        }
        KubeconfigError::KindMismatch
        | KubeconfigError::ApiVersionMismatch
        | KubeconfigError::Parse(_) => ConnectError::Syntax,
        KubeconfigError::FindPath => ConnectError::Nowhere,
        KubeconfigError::ReadConfig(error, path) => {
            let asked_for = source.kubeconfig.is_some() || source.context.is_some();
            if error.kind() == io::ErrorKind::NotFound && !asked_for {
                ConnectError::Nowhere
            } else {
                ConnectError::Kubeconfig(path)
            }
        }
        KubeconfigError::MissingClusterUrl
        | KubeconfigError::ParseClusterUrl(_)
        | KubeconfigError::ParseProxyUrl(_)
        | KubeconfigError::ParseNoProxy(_) => ConnectError::Address,
        KubeconfigError::LoadCertificateAuthority(_)
        | KubeconfigError::LoadClientCertificate(_)
        | KubeconfigError::LoadClientKey(_)
        | KubeconfigError::ParseCertificates(_) => ConnectError::Credentials,
    }
}

fn client_error(error: &Error) -> ConnectError {
    match error {
        Error::Auth(_) | Error::InferKubeconfig(_) => ConnectError::Credentials,
        Error::ProxyProtocolUnsupported { .. } | Error::ProxyProtocolDisabled { .. } => {
            ConnectError::Address
        }
        _ => ConnectError::Tls,
    }
}

/// Sends a GET and waits for a good status; anything else is a reason.
pub(crate) async fn get(
    client: &Client,
    path_and_query: &str,
    accept: &'static str,
) -> Result<Response<Body>, Refusal> {
    let request = Request::get(path_and_query).header(ACCEPT, accept);
    answer(client, request).await
}

/// The same over a connection that is closed after it: its buffers, which hold what was read until
/// something overwrites it, are freed with it. For Secrets.
pub(crate) async fn get_alone(
    client: &Client,
    path_and_query: &str,
    accept: &'static str,
) -> Result<Response<Body>, Refusal> {
    let request = Request::get(path_and_query)
        .header(ACCEPT, accept)
        .header(CONNECTION, "close");
    answer(client, request).await
}

async fn answer(client: &Client, request: request::Builder) -> Result<Response<Body>, Refusal> {
    let request = request
        // From 1.37 on watch streams are gzipped line by line if we let them.
        .header(ACCEPT_ENCODING, "identity")
        .body(Body::empty())
        .map_err(|_| Reason::Malformed)?;
    let response = match timeout(HEADERS, client.send(request)).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => return Err(reason_of(&error).into()),
        Err(_) => return Err(Reason::Timeout.into()),
    };
    if response.status() == StatusCode::OK {
        return Ok(response);
    }
    Err(Refusal {
        reason: Reason::of_status(response.status().as_u16()),
        retry_after: retry_after(&response),
    })
}

/// Sends a request with or without a JSON body, which for PATCH is a merge patch, and takes in the
/// whole of a good answer, at most `most` bytes of it.
pub(crate) async fn send(
    client: &Client,
    method: Method,
    path: &str,
    body: Option<Vec<u8>>,
    most: usize,
) -> Result<Vec<u8>, Reason> {
    let content = match method {
        Method::PATCH => "application/merge-patch+json",
        _ => "application/json",
    };
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(ACCEPT, "application/json")
        .header(ACCEPT_ENCODING, "identity")
        .header(CONTENT_TYPE, content)
        .body(body.map_or_else(Body::empty, Body::from))
        .map_err(|_| Reason::Malformed)?;
    let response = match timeout(HEADERS, client.send(request)).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => return Err(reason_of(&error)),
        Err(_) => return Err(Reason::Timeout),
    };
    if !response.status().is_success() {
        return Err(Reason::of_status(response.status().as_u16()));
    }
    short_body(response.into_body(), most).await
}

fn retry_after(response: &Response<Body>) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    let wait = Duration::from_secs(seconds.trim().parse().ok()?);
    Some(wait.min(RETRY_AFTER_MOST))
}

/// The next piece of a body; `None` at its end.
pub(crate) async fn piece(body: &mut Body) -> Result<Option<Bytes>, Reason> {
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => {
                if let Ok(bytes) = frame.into_data() {
                    return Ok(Some(bytes));
                }
            }
            Err(error) => return Err(reason_of(&error)),
        }
    }
    Ok(None)
}

/// The whole of a short body.
pub(crate) async fn short_body(mut body: Body, most: usize) -> Result<Vec<u8>, Reason> {
    let mut whole = Vec::new();
    while let Some(bytes) = timeout(PIECE, piece(&mut body))
        .await
        .map_err(|_| Reason::Timeout)??
    {
        if whole.len() + bytes.len() > most {
            return Err(Reason::Malformed);
        }
        whole.extend_from_slice(&bytes);
    }
    Ok(whole)
}

/// What an error of kube is made of, told from its chain by type.
fn reason_of(error: &Error) -> Reason {
    if matches!(error, Error::Auth(_)) {
        return Reason::Credentials;
    }
    let mut link: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = link {
        if let Some(reason) = reason_of_link(error) {
            return reason;
        }
        link = error.source();
    }
    Reason::Connection
}

fn reason_of_link(error: &(dyn StdError + 'static)) -> Option<Reason> {
    if error.is::<AuthError>() {
        return Some(Reason::Credentials);
    }
    if error.is::<rustls::Error>() {
        return Some(Reason::Tls);
    }
    if let Some(error) = error.downcast_ref::<io::Error>() {
        if error.kind() == io::ErrorKind::TimedOut {
            return Some(Reason::Timeout);
        }
        // An io::Error's `source` skips what it wraps.
        return error.get_ref().and_then(|inner| reason_of_link(inner));
    }
    // hyper-util's ConnectError is private; its text is fixed and names no value.
    (error.to_string() == "dns error").then_some(Reason::Dns)
}
