//! A plain HTTP/1.1 client that keeps what it got.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::HeaderMap;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time;

/// Nothing here takes longer.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

pub(crate) async fn get(url: &str) -> Reply {
    send("GET", url, &[], "").await.unwrap()
}

pub(crate) async fn get_with(url: &str, headers: &[(&str, &str)]) -> Reply {
    send("GET", url, headers, "").await.unwrap()
}

pub(crate) async fn send(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<Reply, String> {
    time::timeout(PATIENCE, async {
        let response = open(method, url, headers, body).await?;
        read(response).await
    })
    .await
    .expect("an answer in time")
}

/// The response up to its body.
pub(crate) async fn open(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<Response<Incoming>, String> {
    let (host, path) = split(url);
    let stream = TcpStream::connect(host)
        .await
        .map_err(|error| format!("connect: {error}"))?;
    open_on(stream, method, host, path, headers, body).await
}

pub(crate) async fn open_on(
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    method: &str,
    host: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<Response<Incoming>, String> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(io))
        .await
        .map_err(|error| format!("{error:?}"))?;
    tokio::spawn(connection);
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", host);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request
        .body(Full::new(Bytes::from(body.to_owned())))
        .unwrap();
    sender
        .send_request(request)
        .await
        .map_err(|error| format!("{error:?}"))
}

pub(crate) async fn read(response: Response<Incoming>) -> Result<Reply, String> {
    let (head, body) = response.into_parts();
    let body = body.collect().await.map_err(|error| format!("{error:?}"))?;
    Ok(Reply {
        status: head.status.as_u16(),
        headers: head.headers,
        body: body.to_bytes(),
    })
}

fn split(url: &str) -> (&str, &str) {
    let rest = url.strip_prefix("http://").expect("a plain URL");
    let slash = rest.find('/').expect("a path");
    rest.split_at(slash)
}

pub(crate) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// The lines of an open watch.
pub(crate) struct Watch {
    body: Incoming,
    buffer: Vec<u8>,
}

impl Watch {
    pub(crate) async fn open(url: &str) -> Self {
        let response = open("GET", url, &[], "").await.unwrap();
        assert_eq!(response.status(), 200);
        Self {
            body: response.into_body(),
            buffer: Vec::new(),
        }
    }

    /// The next line; None at the clean end of the stream.
    pub(crate) async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return Some(String::from_utf8(line).unwrap());
            }
            let frame = time::timeout(PATIENCE, self.body.frame())
                .await
                .expect("a line in time");
            let frame = frame?.expect("no break");
            self.buffer.extend_from_slice(frame.data_ref().unwrap());
        }
    }

    pub(crate) async fn event(&mut self) -> Value {
        let line = self.line().await.expect("the watch goes on");
        serde_json::from_str(&line).unwrap()
    }

    /// Reads until the stream breaks off without its end.
    pub(crate) async fn broken(&mut self) {
        while let Some(frame) = self.body.frame().await {
            if frame.is_err() {
                return;
            }
        }
        panic!("the stream ended cleanly");
    }

    /// `ADDED a`: type and name of the next event.
    pub(crate) async fn brief(&mut self) -> String {
        let event = self.event().await;
        let name = event["object"]["metadata"]["name"]
            .as_str()
            .unwrap_or_default();
        format!("{} {name}", event["type"].as_str().unwrap())
            .trim_end()
            .to_owned()
    }
}
