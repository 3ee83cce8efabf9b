//! Debian's docker-registry (distribution) behind htpasswd, plain or behind TLS, on loopback.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use regcred_stand_ins::tls::Ca;
use reqwest::{Client, Method, StatusCode};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::tools;

/// A start takes 0.1 s.
const START: Duration = Duration::from_secs(20);

/// The bytes of an image without layers, config and manifest.
const CONFIG: &str = "{}";

/// A running registry; ends with its handle.
pub(crate) struct RealRegistry {
    directory: TempDir,
    port: u16,
    process: Option<Child>,
    is_tls: bool,
}

impl RealRegistry {
    /// Plain HTTP; these users with their passwords.
    pub(crate) async fn plain(users: &[(&str, &str)]) -> Self {
        Self::start(users, None).await
    }

    /// TLS with a certificate for 127.0.0.1 of a CA of its own, [`Self::ca`].
    pub(crate) async fn tls(users: &[(&str, &str)]) -> Self {
        let ca = Ca::new();
        let registry = Self::behind(users, ca.certificate(&["127.0.0.1"]).pem()).await;
        fs::write(registry.ca(), ca.pem()).unwrap();
        registry
    }

    /// TLS with this chain and key, PEM, good or not.
    pub(crate) async fn behind(users: &[(&str, &str)], certificate: (String, String)) -> Self {
        Self::start(users, Some(certificate)).await
    }

    /// `127.0.0.1:PORT`.
    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The port on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The CA's certificate, PEM; where [`Self::tls`] has put one.
    pub(crate) fn ca(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// Replaces all users; the registry reads the file anew with the next login.
    pub(crate) fn set_users(&self, users: &[(&str, &str)]) {
        let lines: String = users
            .iter()
            .map(|(user, password)| htpasswd(user, password))
            .collect();
        let new = self.directory.path().join("htpasswd.new");
        fs::write(&new, lines).unwrap();
        fs::rename(new, self.directory.path().join("htpasswd")).unwrap();
    }

    /// How many requests with this path and status it has answered, by its access log.
    pub(crate) fn answered(&self, path: &str, status: u16) -> usize {
        let log = fs::read_to_string(self.directory.path().join("log")).unwrap();
        let request = format!("\"GET {path} HTTP/1.1\" {status} ");
        log.lines().filter(|line| line.contains(&request)).count()
    }

    /// Pushes an image without layers.
    pub(crate) async fn push(&self, user: &str, password: &str, repository: &str, tag: &str) {
        let digest = sha256(CONFIG);
        let base = format!("{}/v2/{repository}", self.url());
        let client = self.client();
        let send = async |method, url: String, kind: &str, body: String| {
            let request = client.request(method, url).basic_auth(user, Some(password));
            request
                .header("content-type", kind)
                .body(body)
                .send()
                .await
                .expect("the registry answers")
        };
        let upload = send(
            Method::POST,
            format!("{base}/blobs/uploads/"),
            "",
            String::new(),
        )
        .await;
        let place = upload.headers()["location"].to_str().unwrap().to_owned();
        let place = if place.starts_with("http") {
            place
        } else {
            format!("{}{place}", self.url())
        };
        let put = format!("{place}&digest={digest}");
        let stored = send(
            Method::PUT,
            put,
            "application/octet-stream",
            CONFIG.to_owned(),
        )
        .await;
        assert_eq!(stored.status(), StatusCode::CREATED);
        let kind = "application/vnd.docker.distribution.manifest.v2+json";
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"{kind}","config":{{"mediaType":"application/vnd.docker.container.image.v1+json","size":{},"digest":"{digest}"}},"layers":[]}}"#,
            CONFIG.len()
        );
        let pushed = send(
            Method::PUT,
            format!("{base}/manifests/{tag}"),
            kind,
            manifest,
        )
        .await;
        assert_eq!(pushed.status(), StatusCode::CREATED);
    }

    /// Ends it; its port is free for [`Self::start_again`].
    pub(crate) fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // Both fail only when it has ended already.
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Starts it over the same files.
    pub(crate) async fn start_again(&mut self) {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.directory.path().join("log"))
            .unwrap();
        let process = Command::new(tools::path("REGCRED_DOCKER_REGISTRY"))
            .arg("serve")
            .arg(self.directory.path().join("config.yml"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("docker-registry starts");
        self.process = Some(process);
        let deadline = Instant::now() + START;
        while !self.answers().await {
            assert!(
                Instant::now() < deadline,
                "docker-registry does not start: {}",
                self.log()
            );
            sleep(Duration::from_millis(20)).await;
        }
    }

    async fn start(users: &[(&str, &str)], certificate: Option<(String, String)>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = socket.local_addr().unwrap().port();
        drop(socket);
        let at = |name: &str| directory.path().join(name).display().to_string();
        let is_tls = certificate.is_some();
        let tls = certificate.map_or_else(String::new, |(chain, key)| {
            fs::write(at("server.pem"), chain).unwrap();
            fs::write(at("server.key"), key).unwrap();
            format!(
                "  tls:\n    certificate: {}\n    key: {}\n",
                at("server.pem"),
                at("server.key")
            )
        });
        let config = format!(
            "version: 0.1\nlog:\n  accesslog:\n    disabled: false\n  level: error\n\
             storage:\n  filesystem:\n    rootdirectory: {}\n\
             auth:\n  htpasswd:\n    realm: test\n    path: {}\n\
             http:\n  addr: 127.0.0.1:{port}\n  secret: test\n{tls}",
            at("storage"),
            at("htpasswd"),
        );
        fs::write(directory.path().join("config.yml"), config).unwrap();
        let mut registry = Self {
            directory,
            port,
            process: None,
            is_tls,
        };
        registry.set_users(users);
        registry.start_again().await;
        registry
    }

    /// Takes connections. Whether its certificate is good is for the test to see.
    async fn answers(&self) -> bool {
        let address = (Ipv4Addr::LOCALHOST, self.port);
        tokio::net::TcpStream::connect(address).await.is_ok()
    }

    fn url(&self) -> String {
        format!(
            "{}://{}",
            if self.is_tls { "https" } else { "http" },
            self.host()
        )
    }

    fn client(&self) -> Client {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(10));
        if self.is_tls {
            let ca = fs::read(self.ca()).unwrap();
            let ca = reqwest::Certificate::from_pem(&ca).unwrap();
            builder = builder.tls_certs_only([ca]);
        }
        builder.build().unwrap()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }
}

impl Drop for RealRegistry {
    fn drop(&mut self) {
        self.stop();
    }
}

/// One line of an htpasswd file; bcrypt at its lowest cost, as nothing is protected here.
fn htpasswd(user: &str, password: &str) -> String {
    let told = Command::new(tools::path("REGCRED_HTPASSWD"))
        .args(["-nbB", "-C", "4", user, password])
        .output()
        .expect("htpasswd runs");
    format!("{}\n", String::from_utf8(told.stdout).unwrap().trim())
}

fn sha256(text: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    let hex: String = digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("sha256:{hex}")
}
