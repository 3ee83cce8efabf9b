//! An operator's proxy: resolves and connects wherever it is asked to, and remembers where that was.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// See the module; ends with its handle.
pub(super) struct Proxy {
    address: SocketAddr,
    asked: Arc<Mutex<BTreeSet<String>>>,
    task: JoinHandle<()>,
}

impl Proxy {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::<Mutex<BTreeSet<String>>>::default();
        let noted = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&noted)));
            }
        });
        Self {
            address,
            asked,
            task,
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// `host:port` of each request, as written.
    pub(super) fn asked(&self) -> BTreeSet<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// `CONNECT host:port`, or `GET http://host:port/...` which goes on as it came.
async fn serve(mut stream: TcpStream, asked: Arc<Mutex<BTreeSet<String>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else {
            return;
        };
        head.push(byte);
    }
    let text = String::from_utf8_lossy(&head).into_owned();
    let target = text.split(' ').nth(1).unwrap_or_default();
    let is_tunnel = text.starts_with("CONNECT ");
    let bare = target.trim_start_matches("http://");
    let authority = bare.split('/').next().unwrap_or_default();
    let place = match authority.rsplit_once(':') {
        Some((_, port)) if port.parse::<u16>().is_ok() => authority.to_owned(),
        _ => format!("{authority}:80"),
    };
    asked.lock().unwrap().insert(place.clone());
    let Ok(mut behind) = TcpStream::connect(&place).await else {
        let _ = stream.write_all(b"HTTP/1.1 502 Bad Gateway\r\n\r\n").await;
        return;
    };
    let begun = match is_tunnel {
        true => stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await,
        false => behind.write_all(&head).await,
    };
    if begun.is_ok() {
        let _ = copy_bidirectional(&mut stream, &mut behind).await;
    }
}
