//! Fixed answers: a status, headers and a body, or one of the ways not to answer.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};
use tokio::time;

use super::log::Step;
use crate::http::{Body, chunked, full};

/// Which requests a fixed answer is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum On {
    /// Every request.
    Any,
    /// Requests for exactly this path.
    Path(String),
    /// Requests that are this step of a conversation.
    Step(Step),
    /// Requests with a Basic pair of this user name.
    User(String),
}

impl From<Step> for On {
    fn from(step: Step) -> Self {
        Self::Step(step)
    }
}

impl From<&str> for On {
    fn from(path: &str) -> Self {
        Self::Path(path.to_owned())
    }
}

/// A fixed answer. `{realm}`, `{service}` and `{host}` in header values are filled in.
///
/// ```
/// use regcred_stand_ins::registry::Answer;
///
/// let locked = Answer::status(403).text("suspended").header("x-reason", "login");
/// let twice = Answer::too_many_requests(30).times(2);
/// # let _ = (locked, twice);
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Answer {
    status: StatusCode,
    headers: Vec<(HeaderName, String)>,
    payload: Payload,
    delay: Option<Duration>,
    pub(super) remaining: Option<usize>,
}

#[derive(Clone, Debug)]
enum Payload {
    Bytes(Bytes),
    /// So many bytes of nothing.
    Huge(usize),
    /// One byte at a time.
    Slow(Bytes, Duration),
    /// Breaks off after these bytes of a longer body.
    Broken(Bytes),
    Never,
    Close,
}

impl Answer {
    /// An answer with this status and an empty body.
    ///
    /// # Panics
    /// When the status is none of HTTP.
    pub fn status(status: u16) -> Self {
        Self {
            status: StatusCode::from_u16(status).expect("the status has three digits"),
            headers: Vec::new(),
            payload: Payload::Bytes(Bytes::new()),
            delay: None,
            remaining: None,
        }
    }

    /// The error body of the registry protocol.
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        Self::status(status).json(&json!({
            "errors": [{ "code": code, "message": message }],
        }))
    }

    /// 429 with Retry-After in seconds.
    pub fn too_many_requests(retry_after_seconds: u32) -> Self {
        Self::error(429, "TOOMANYREQUESTS", "too many requests")
            .header(RETRY_AFTER.as_str(), &retry_after_seconds.to_string())
    }

    /// 307 to another place.
    pub fn redirect(location: &str) -> Self {
        Self::status(307).header("location", location)
    }

    /// The request arrives and is never answered.
    pub fn never() -> Self {
        Self {
            payload: Payload::Never,
            ..Self::status(200)
        }
    }

    /// The connection is closed instead of an answer.
    pub fn close() -> Self {
        Self {
            payload: Payload::Close,
            ..Self::status(200)
        }
    }

    /// With one more header; the same name may come several times.
    ///
    /// # Panics
    /// When the name is none of HTTP.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("the name fits a header");
        self.headers.push((name, value.to_owned()));
        self
    }

    /// With a header of so many bytes.
    pub fn huge_header(self, bytes: usize) -> Self {
        self.header("x-huge", &"x".repeat(bytes))
    }

    /// With this JSON body.
    pub fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    /// With this plain text.
    pub fn text(self, body: &str) -> Self {
        self.body("text/plain; charset=utf-8", body.to_owned())
    }

    /// With this HTML page.
    pub fn html(self, body: &str) -> Self {
        self.body("text/html", body.to_owned())
    }

    /// With this body of any type.
    pub fn body(mut self, content_type: &str, body: impl Into<Bytes>) -> Self {
        self.payload = Payload::Bytes(body.into());
        self.header(CONTENT_TYPE.as_str(), content_type)
    }

    /// With a body of so many bytes.
    pub fn huge_body(mut self, bytes: usize) -> Self {
        self.payload = Payload::Huge(bytes);
        self
    }

    /// With a body that comes one byte at a time.
    pub fn slow_body(mut self, body: &str, pause: Duration) -> Self {
        self.payload = Payload::Slow(body.to_owned().into(), pause);
        self
    }

    /// With a body that breaks off, and the connection with it.
    pub fn broken_body(mut self, body: &str) -> Self {
        self.payload = Payload::Broken(body.to_owned().into());
        self
    }

    /// Sent only after this time.
    pub fn delayed(mut self, delay: Duration) -> Self {
        self.delay = Some(delay);
        self
    }

    /// Only for the next `count` requests it fits; later ones get the usual answer.
    pub fn times(mut self, count: usize) -> Self {
        self.remaining = Some(count);
        self
    }

    /// Only for the next request it fits.
    pub fn once(self) -> Self {
        self.times(1)
    }

    pub(super) fn code(&self) -> Option<u16> {
        (!matches!(self.payload, Payload::Never | Payload::Close)).then(|| self.status.as_u16())
    }

    pub(super) fn is_unauthorized(&self) -> bool {
        self.status == StatusCode::UNAUTHORIZED
    }

    pub(super) fn has_header(&self, name: &str) -> bool {
        self.headers.iter().any(|(each, _)| each.as_str() == name)
    }

    /// Sends it; `fill` resolves the placeholders of header values.
    pub(super) async fn send(self, fill: impl Fn(&str) -> String) -> io::Result<Response<Body>> {
        if let Some(delay) = self.delay {
            time::sleep(delay).await;
        }
        let body = match self.payload {
            Payload::Bytes(bytes) => full(bytes),
            Payload::Huge(bytes) => huge(bytes),
            Payload::Slow(bytes, pause) => slow(bytes, pause),
            Payload::Broken(bytes) => chunked(stream::iter([
                Ok(bytes),
                Err(io::ErrorKind::ConnectionReset.into()),
            ])),
            Payload::Never => std::future::pending().await,
            Payload::Close => return Err(io::ErrorKind::ConnectionAborted.into()),
        };
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        for (name, value) in self.headers {
            let value =
                HeaderValue::from_bytes(fill(&value).as_bytes()).expect("the value fits a header");
            response.headers_mut().append(name, value);
        }
        Ok(response)
    }
}

fn huge(bytes: usize) -> Body {
    const PIECE: usize = 64 * 1024;
    let piece = Bytes::from(vec![b'x'; PIECE]);
    chunked(stream::unfold(bytes, move |left| {
        let piece = piece.slice(..left.min(PIECE));
        async move { (left > 0).then(|| (Ok(piece.clone()), left - piece.len())) }
    }))
}

fn slow(bytes: Bytes, pause: Duration) -> Body {
    chunked(stream::unfold(bytes, move |mut left| async move {
        time::sleep(pause).await;
        (!left.is_empty()).then(|| (Ok(left.split_to(1)), left))
    }))
}
