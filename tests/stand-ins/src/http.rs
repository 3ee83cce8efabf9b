//! HTTP/1.1 bodies and connections, as both stand-ins use them.

use std::convert::Infallible;
use std::future::Future;
use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderName};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

/// A response body; an error in it breaks the connection off.
pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// A body of known length.
pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into())
        .map_err(|never: Infallible| match never {})
        .boxed_unsync()
}

/// A chunked body, one chunk for each item.
pub(crate) fn chunked(chunks: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Body {
    StreamBody::new(chunks.map(|chunk| chunk.map(Frame::data))).boxed_unsync()
}

/// Serves one connection until it ends; an error of `answer` closes it without an answer.
pub(crate) async fn serve<I, F, R>(io: I, answer: F)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Fn(Request<Incoming>) -> R,
    R: Future<Output = io::Result<Response<Body>>>,
{
    // Callers go away as they like; that is no fault of the stand-in.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(io), service_fn(answer))
        .await;
}

/// A header's value, if it came.
pub(crate) fn header(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let value = headers.get(name)?;
    Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// The pairs of a query string, decoded, in order.
pub(crate) fn query_pairs(query: &str) -> Vec<(String, String)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (
                decode(&name.replace('+', " ")),
                decode(&value.replace('+', " ")),
            )
        })
        .collect()
}

/// Resolves `%41` escapes; what is no escape stays.
pub(crate) fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escape = (bytes[at] == b'%')
            .then(|| text.get(at + 1..at + 3))
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        decoded.push(escape.unwrap_or(bytes[at]));
        at += if escape.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// The Authorization header taken apart.
pub(crate) enum Authorization {
    /// None was sent.
    Absent,
    /// Basic with a readable pair.
    Basic { user: String, password: String },
    /// Bearer.
    Bearer(String),
    /// Anything else; the scheme in lower case.
    Other(String),
}

impl Authorization {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let Some(value) = header(headers, &AUTHORIZATION) else {
            return Self::Absent;
        };
        let (scheme, rest) = value.split_once(' ').unwrap_or((value.as_str(), ""));
        match scheme.to_ascii_lowercase().as_str() {
            "basic" => STANDARD
                .decode(rest.trim())
                .ok()
                .and_then(|pair| {
                    let pair = String::from_utf8_lossy(&pair).into_owned();
                    let (user, password) = pair.split_once(':')?;
                    Some(Self::Basic {
                        user: user.to_owned(),
                        password: password.to_owned(),
                    })
                })
                .unwrap_or_else(|| Self::Other("basic".to_owned())),
            "bearer" => Self::Bearer(rest.trim().to_owned()),
            scheme => Self::Other(scheme.to_owned()),
        }
    }

    /// The scheme in lower case.
    pub(crate) fn scheme(&self) -> Option<&str> {
        match self {
            Self::Absent => None,
            Self::Basic { .. } => Some("basic"),
            Self::Bearer(_) => Some("bearer"),
            Self::Other(scheme) => Some(scheme),
        }
    }

    /// The user name of a Basic pair.
    pub(crate) fn user(&self) -> Option<&str> {
        match self {
            Self::Basic { user, .. } => Some(user),
            _ => None,
        }
    }
}
