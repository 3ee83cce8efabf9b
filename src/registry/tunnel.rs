//! The way through a proxy to an address that we have vetted.
//!
//! A proxy that is asked for a name looks it up again, and a name that changes its address between
//! two look-ups leads it anywhere. So it is asked for the address (`CONNECT 192.0.2.7:443`), while
//! name, certificate and `Host` stay the name's; reqwest has no such way, so this one is hyper's. A
//! proxy that refuses addresses filters by name: what a name leads to is then its to guard, and the
//! caller asks it by name.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{HOST, PROXY_AUTHORIZATION, USER_AGENT};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::upgrade::{self, Upgraded};
use hyper_util::client::proxy::matcher::Intercept;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How many of a name's addresses a proxy is asked for.
const ADDRESSES_MOST: usize = 3;

/// Why there is no tunnel.
#[derive(Debug)]
pub(super) enum NoTunnel {
    /// The proxy will not have addresses: it is to be asked by name.
    ByNameOnly,
    /// The proxy cannot be reached, wants other credentials, or reaches nobody itself.
    Proxy,
}

/// A tunnel through which TLS can speak.
pub(super) type Tunnel = TokioIo<Upgraded>;

/// Bytes both ways.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Asks the proxy for one address after the other, each with its share of the time that is left. What
/// drives the connection to the proxy is put into `drivers` and ends with it.
pub(super) async fn open(
    proxy: &Intercept,
    addresses: &[SocketAddr],
    tls: &ClientConfig,
    user_agent: &'static str,
    (drivers, until): (&mut JoinSet<()>, Instant),
) -> Result<Tunnel, NoTunnel> {
    let tls = Arc::new(over_http1(tls));
    let chosen = alternating(addresses);
    for (number, address) in chosen.iter().enumerate() {
        let share = share(until, chosen.len() - number);
        let asked = async {
            let stream = reach(proxy, &tls, share).await?;
            connect(proxy, stream, *address, user_agent, drivers).await
        };
        // A proxy that cannot be reached, or hangs at this address, may do better with the next.
        let Ok(Some((status, response))) = timeout_at(share, asked).await else {
            continue;
        };
        if status.is_success() {
            let upgraded = upgrade::on(response).await;
            return upgraded.map(TokioIo::new).map_err(|_| NoTunnel::Proxy);
        }
        if refuses_addresses(status) {
            return Err(NoTunnel::ByNameOnly);
        }
        if status.is_client_error() {
            return Err(NoTunnel::Proxy);
        }
    }
    Err(NoTunnel::Proxy)
}

/// The first addresses, one family after the other: where a proxy reaches only one of them, the second
/// try does (RFC 8305 section 4).
fn alternating(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (mut first, mut second): (VecDeque<_>, VecDeque<_>) = addresses
        .iter()
        .copied()
        .partition(|one| one.is_ipv6() == first_is_v6);
    let mut chosen = Vec::new();
    while chosen.len() < ADDRESSES_MOST && !(first.is_empty() && second.is_empty()) {
        chosen.extend(first.pop_front());
        std::mem::swap(&mut first, &mut second);
    }
    chosen
}

/// When the next of so many tries is over, so that one that hangs leaves time for the others.
fn share(until: Instant, tries: usize) -> Instant {
    let now = Instant::now();
    let left = until.saturating_duration_since(now);
    now + left / u32::try_from(tries.max(1)).unwrap_or(u32::MAX)
}

/// The same, offering HTTP/1.1 alone: what follows is spoken so, to the proxy as to the registry.
fn over_http1(tls: &ClientConfig) -> ClientConfig {
    let mut tls = tls.clone();
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    tls
}

/// An answer to CONNECT that is about what was asked for. 407 is about who asks, 408 and 429 are
/// about when; 5xx is what a proxy says that got no connection.
fn refuses_addresses(status: StatusCode) -> bool {
    status.is_client_error()
        && !matches!(
            status,
            StatusCode::PROXY_AUTHENTICATION_REQUIRED
                | StatusCode::REQUEST_TIMEOUT
                | StatusCode::TOO_MANY_REQUESTS
        )
}

/// A connection to the proxy itself: the operator's address, which no tenant chose.
async fn reach(
    proxy: &Intercept,
    tls: &Arc<ClientConfig>,
    until: Instant,
) -> Option<Box<dyn Stream>> {
    let uri = proxy.uri();
    let is_tls = uri.scheme_str() == Some("https");
    let host = uri.host()?.trim_start_matches('[').trim_end_matches(']');
    let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
    let addresses: Vec<_> = lookup_host((host, port)).await.ok()?.collect();
    let stream = first_that_answers(&alternating(&addresses), until).await?;
    let _ = stream.set_nodelay(true);
    if !is_tls {
        return Some(Box::new(stream));
    }
    let name = ServerName::try_from(host.to_owned()).ok()?;
    let stream = TlsConnector::from(Arc::clone(tls)).connect(name, stream);
    Some(Box::new(stream.await.ok()?))
}

async fn first_that_answers(addresses: &[SocketAddr], until: Instant) -> Option<TcpStream> {
    for (number, address) in addresses.iter().enumerate() {
        let share = share(until, addresses.len() - number);
        if let Ok(Ok(stream)) = timeout_at(share, TcpStream::connect(address)).await {
            return Some(stream);
        }
    }
    None
}

async fn connect(
    proxy: &Intercept,
    stream: Box<dyn Stream>,
    address: SocketAddr,
    user_agent: &'static str,
    drivers: &mut JoinSet<()>,
) -> Option<(StatusCode, Response<Incoming>)> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    drivers.spawn(async move {
        // Whatever ends it shows in the request or in the tunnel.
        let _ = connection.with_upgrades().await;
    });
    let mut request = Request::builder()
        .method(Method::CONNECT)
        .uri(address.to_string())
        .header(HOST, address.to_string())
        .header(USER_AGENT, user_agent);
    if let Some(authorization) = proxy.basic_auth() {
        request = request.header(PROXY_AUTHORIZATION, authorization);
    }
    let request = request.body(Empty::<Bytes>::new()).ok()?;
    let response = sender.send_request(request).await.ok()?;
    Some((response.status(), response))
}

/// TLS with the registry through the tunnel, for HTTP/1.1.
pub(super) async fn secure(
    tunnel: Tunnel,
    host: &str,
    tls: &ClientConfig,
) -> io::Result<TlsStream<Tunnel>> {
    let tls = over_http1(tls);
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    TlsConnector::from(Arc::new(tls))
        .connect(name, tunnel)
        .await
}

/// Sends one request over it.
pub(super) async fn ask(
    stream: TlsStream<Tunnel>,
    request: Request<Empty<Bytes>>,
    headers_most: usize,
    drivers: &mut JoinSet<()>,
) -> Result<Response<Incoming>, hyper::Error> {
    let mut builder = http1::Builder::new();
    builder.max_headers(headers_most);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
    drivers.spawn(async move {
        let _ = connection.await;
    });
    sender.send_request(request).await
}

/// A request as it stands on the wire behind a tunnel.
pub(super) fn request(
    method: Method,
    url: &reqwest::Url,
    headers: HeaderMap,
) -> Option<Request<Empty<Bytes>>> {
    let target = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let host = match url.port() {
        Some(port) => format!("{}:{port}", url.host_str()?),
        None => url.host_str()?.to_owned(),
    };
    let mut request = Request::builder().method(method).uri(target);
    request = request.header(HOST, host);
    let mut request = request.body(Empty::new()).ok()?;
    request.headers_mut().extend(headers);
    Some(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns_and_few_are_tried() {
        let check = |given: &[&str], expected: &[&str]| {
            let parse = |texts: &[&str]| -> Vec<SocketAddr> {
                texts.iter().map(|text| text.parse().unwrap()).collect()
            };
            assert_eq!(alternating(&parse(given)), parse(expected), "{given:?}");
        };
        check(&[], &[]);
        check(
            &["[::1]:1", "[::2]:1", "1.1.1.1:1"],
            &["[::1]:1", "1.1.1.1:1", "[::2]:1"],
        );
        check(
            &["1.1.1.1:1", "1.1.1.2:1", "1.1.1.3:1", "1.1.1.4:1"],
            &["1.1.1.1:1", "1.1.1.2:1", "1.1.1.3:1"],
        );
        check(&["1.1.1.1:1", "[::1]:1"], &["1.1.1.1:1", "[::1]:1"]);
    }

    #[test]
    fn a_proxy_over_tls_is_offered_what_it_is_spoken_to_in() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut tls = ClientConfig::builder()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        assert_eq!(over_http1(&tls).alpn_protocols, [b"http/1.1".to_vec()]);
    }
}
