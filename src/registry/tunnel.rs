//! The way through a proxy to an address that we have vetted.
//!
//! A proxy that is asked for a name looks it up again, and a name that changes its address between
//! two look-ups leads it anywhere. So it is asked for the address (`CONNECT 192.0.2.7:443`), while
//! name, certificate and `Host` stay the name's; reqwest has no such way, so this one is hyper's. A
//! proxy that refuses addresses filters by name: what a name leads to is then its to guard, and the
//! caller asks it by name.

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
use tokio::net::TcpStream;
use tokio::task::JoinSet;
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

/// Asks the proxy for one address after the other. What drives the connection to the proxy is put
/// into `drivers` and ends with it.
pub(super) async fn open(
    proxy: &Intercept,
    addresses: &[SocketAddr],
    tls: &Arc<ClientConfig>,
    user_agent: &'static str,
    drivers: &mut JoinSet<()>,
) -> Result<Tunnel, NoTunnel> {
    for address in addresses.iter().take(ADDRESSES_MOST) {
        let stream = reach(proxy, tls).await.ok_or(NoTunnel::Proxy)?;
        let answer = connect(proxy, stream, *address, user_agent, drivers).await;
        let (status, response) = answer.ok_or(NoTunnel::Proxy)?;
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
async fn reach(proxy: &Intercept, tls: &Arc<ClientConfig>) -> Option<Box<dyn Stream>> {
    let uri = proxy.uri();
    let is_tls = uri.scheme_str() == Some("https");
    let host = uri.host()?.trim_start_matches('[').trim_end_matches(']');
    let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
    let stream = TcpStream::connect((host, port)).await.ok()?;
    let _ = stream.set_nodelay(true);
    if !is_tls {
        return Some(Box::new(stream));
    }
    let name = ServerName::try_from(host.to_owned()).ok()?;
    let stream = TlsConnector::from(Arc::clone(tls)).connect(name, stream);
    Some(Box::new(stream.await.ok()?))
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
    let mut tls = tls.clone();
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
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
