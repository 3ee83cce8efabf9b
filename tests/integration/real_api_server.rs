//! A real kube-apiserver over a real etcd, on loopback, for as long as this process lives.
//!
//! `make test` builds both and names them in `REGCRED_KUBE_APISERVER` and `REGCRED_ETCD`; how they
//! are started is told in tests/tools/README.md. Whatever ends this process, even a SIGKILL, closes
//! the pipe that their keeper reads, and the keeper ends them and removes their directory.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use serde_json::Value;
use tokio::sync::OnceCell;
use tokio::time::{Instant, sleep, timeout};

use crate::tools;
use crate::watch::client_of;

/// A start takes 2 to 4 s; a busy machine may take several times that.
const START: Duration = Duration::from_secs(90);

/// Attempts at a free port: between our look and its bind another may take it.
const PORTS: u32 = 5;

/// Runs a command until it ends or stdin closes; then removes a directory, if one is given.
const KEEPER: &str = r#"
directory=$1; shift
exec 3<&0
"$@" </dev/null 3<&- & pid=$!
{ read -r _ <&3; kill -9 "$pid"; } 2>/dev/null &
wait "$pid"
[ -z "$directory" ] || rm -rf "$directory"
"#;

/// A process that ends with its handle.
struct Kept {
    keeper: Child,
    stdin: Option<ChildStdin>,
}

impl Kept {
    fn start(command: &mut Vec<String>, log: &Path, remove: Option<&Path>) -> Self {
        let log = File::options().create(true).append(true).open(log).unwrap();
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER, "keeper"])
            .arg(remove.unwrap_or_else(|| Path::new("")))
            .args(command)
            .stdin(Stdio::piped())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("sh starts");
        let stdin = keeper.stdin.take();
        Self { keeper, stdin }
    }

    fn has_ended(&mut self) -> bool {
        self.keeper.try_wait().unwrap().is_some()
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// See the module.
pub(crate) struct RealApiServer {
    directory: PathBuf,
    port: Mutex<u16>,
    server: Mutex<Option<Kept>>,
    _etcd: Kept,
}

/// The token of `system:masters`.
const ADMIN: &str = "admin-token";
/// The token of a user without any right.
const NOBODY: &str = "nobody-token";

impl RealApiServer {
    /// The one that tests share. It is never stopped: use namespaces of your own, and
    /// [`Self::start`] for what disturbs others.
    pub(crate) async fn shared() -> &'static Self {
        static SHARED: OnceCell<RealApiServer> = OnceCell::const_new();
        SHARED.get_or_init(Self::start).await
    }

    /// One of your own; ready.
    pub(crate) async fn start() -> Self {
        let (etcd, _) = (
            tools::path("REGCRED_ETCD"),
            tools::path("REGCRED_KUBE_APISERVER"),
        );
        // /tmp rather than TMPDIR: the path of a socket has at most 107 bytes.
        let directory = tempfile::Builder::new()
            .prefix("regcred-")
            .tempdir_in("/tmp")
            .unwrap()
            .keep();
        let key = Command::new("openssl")
            .args(["genrsa", "-out"])
            .arg(directory.join("sa.key"))
            .arg("2048")
            .output()
            .expect("openssl runs");
        assert!(key.status.success());
        fs::write(
            directory.join("tokens.csv"),
            format!("{ADMIN},admin,admin,\"system:masters\"\n{NOBODY},nobody,nobody\n"),
        )
        .unwrap();
        let at = |name: &str| format!("unix://{}", directory.join(name).display());
        let mut etcd = vec![
            etcd,
            format!("--data-dir={}", directory.join("etcd").display()),
            "--unsafe-no-fsync".to_owned(),
            "--log-level=fatal".to_owned(),
            format!("--listen-client-urls={}", at("etcd.sock")),
            format!("--advertise-client-urls={}", at("etcd.sock")),
            format!("--listen-peer-urls={}", at("peer.sock")),
        ];
        let etcd = Kept::start(&mut etcd, &directory.join("log"), Some(&directory));
        let real = Self {
            directory,
            port: Mutex::new(0),
            server: Mutex::new(None),
            _etcd: etcd,
        };
        real.start_again().await;
        real
    }

    /// Ends the API server; etcd keeps what there is.
    pub(crate) fn stop(&self) {
        drop(lock(&self.server).take());
    }

    /// Starts the API server over what etcd has, on the same port when it has had one.
    pub(crate) async fn start_again(&self) {
        for _ in 0..PORTS {
            let port = match *lock(&self.port) {
                0 => free_port(),
                port => port,
            };
            *lock(&self.port) = port;
            *lock(&self.server) = Some(self.server(port));
            if self.becomes_ready().await {
                return;
            }
            self.stop();
            *lock(&self.port) = 0;
        }
        panic!("the API server does not start: {}", self.log());
    }

    /// Who may write whatever a test needs.
    pub(crate) async fn admin(&self) -> Admin {
        Admin(client_of(&self.kubeconfig()).await)
    }

    /// A kubeconfig of an administrator.
    pub(crate) fn kubeconfig(&self) -> String {
        self.kubeconfig_of(ADMIN)
    }

    /// A kubeconfig of a user without any right.
    pub(crate) fn kubeconfig_of_nobody(&self) -> String {
        self.kubeconfig_of(NOBODY)
    }

    /// A kubeconfig with this bearer token.
    pub(crate) fn kubeconfig_of(&self, token: &str) -> String {
        let ca = self.directory.join("certs/apiserver.crt");
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: real\n\
             clusters:\n- name: real\n  cluster:\n    server: https://127.0.0.1:{}\n    \
             certificate-authority: {}\n\
             users:\n- name: real\n  user:\n    token: {token}\n\
             contexts:\n- name: real\n  context:\n    cluster: real\n    user: real\n",
            *lock(&self.port),
            ca.display()
        )
    }

    /// Compacts etcd to its newest revision: older resource versions of what is not in the watch
    /// cache (Events) and older continue tokens are 410 from now on.
    pub(crate) fn compact(&self) {
        let range = self.etcd("/v3/kv/range", r#"{"key":"AA=="}"#);
        let (_, rest) = range
            .split_once(r#""revision":""#)
            .expect("etcd tells its revision");
        let (revision, _) = rest.split_once('"').unwrap();
        let compact = format!(r#"{{"revision":"{revision}","physical":true}}"#);
        let answer = self.etcd("/v3/kv/compaction", &compact);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    fn etcd(&self, path: &str, body: &str) -> String {
        let mut socket = UnixStream::connect(self.directory.join("etcd.sock")).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        write!(
            socket,
            "POST {path} HTTP/1.1\r\nHost: etcd\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        answer
    }

    fn server(&self, port: u16) -> Kept {
        let at = |name: &str| self.directory.join(name).display().to_string();
        let mut command = vec![
            tools::path("REGCRED_KUBE_APISERVER"),
            format!("--etcd-servers=unix://{}", at("etcd.sock")),
            "--etcd-compaction-interval=0".to_owned(),
            "--bind-address=127.0.0.1".to_owned(),
            "--advertise-address=127.0.0.1".to_owned(),
            format!("--secure-port={port}"),
            "--endpoint-reconciler-type=none".to_owned(),
            "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
            format!("--cert-dir={}", at("certs")),
            format!("--token-auth-file={}", at("tokens.csv")),
            "--authorization-mode=RBAC".to_owned(),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            format!("--service-account-key-file={}", at("sa.key")),
            format!("--service-account-signing-key-file={}", at("sa.key")),
        ];
        Kept::start(&mut command, &self.directory.join("log"), None)
    }

    /// False when the process ended: its port was taken.
    async fn becomes_ready(&self) -> bool {
        let deadline = Instant::now() + START;
        let certificate = self.directory.join("certs/apiserver.crt");
        while Instant::now() < deadline {
            if lock(&self.server).as_mut().is_none_or(Kept::has_ended) {
                return false;
            }
            if certificate.exists() && self.is_ready().await {
                return true;
            }
            sleep(Duration::from_millis(50)).await;
        }
        panic!("the API server is not ready in {START:?}: {}", self.log());
    }

    async fn is_ready(&self) -> bool {
        let client: Client = client_of(&self.kubeconfig()).await;
        let request = Request::get("/readyz").body(Body::empty()).unwrap();
        let answer = timeout(Duration::from_secs(5), client.send(request)).await;
        matches!(answer, Ok(Ok(response)) if response.status() == StatusCode::OK)
    }

    /// The end of what both processes wrote.
    fn log(&self) -> String {
        let log = fs::read(self.directory.join("log")).unwrap_or_default();
        String::from_utf8_lossy(&log[log.len().saturating_sub(2_000)..]).into_owned()
    }
}

/// Writes objects as they are.
pub(crate) struct Admin(Client);

impl Admin {
    /// Sends an object, or a merge patch; returns the answer, which must be a success.
    pub(crate) async fn send(&self, method: Method, path: &str, body: &Value) -> Value {
        let kind = match method {
            Method::PATCH => "application/merge-patch+json",
            _ => "application/json",
        };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", kind)
            .body(Body::from(body.to_string().into_bytes()))
            .unwrap();
        let answer = self.0.send(request).await;
        let (head, body) = answer.expect("the API server answers").into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&body);
        assert!(head.status.is_success(), "{path}: {}: {text}", head.status);
        serde_json::from_slice(&body).unwrap()
    }
}

fn free_port() -> u16 {
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.local_addr().unwrap().port()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
