//! A real docker-registry with a private authority, and its twins whose TLS is wrong: the real binary
//! tells each from each.

use std::fs;
use std::path::Path;
use std::process::Command;

use chrono::DateTime;
use regcred_stand_ins::objects::docker_config;
use regcred_stand_ins::scrape::Page;
use regcred_stand_ins::tls::Ca;
use tempfile::TempDir;

use super::exporter::{Exporter, PATIENCE, command};
use super::real_registry::RealRegistry;
use super::registry::bench::Tunnel;

const NOT_AFTER: &str = "regcred_registry_certificate_not_after_timestamp_seconds";
const NOT_BEFORE: &str = "regcred_registry_certificate_not_before_timestamp_seconds";

/// The registry and its twins; `plain` stands behind a proxy, since who speaks plain HTTP on this
/// machine itself is asked so.
struct Twins {
    good: RealRegistry,
    expired: RealRegistry,
    early: RealRegistry,
    wrong_name: RealRegistry,
    unknown_ca: RealRegistry,
    plain: RealRegistry,
    proxy: Tunnel,
    folder: TempDir,
}

impl Twins {
    async fn start() -> Self {
        let users = [("bot", "right")];
        let host = ["127.0.0.1"];
        let ca = Ca::new();
        // it ends before the leaf does, and began after it
        let between = ca.intermediate((2025, 7, 1), (2033, 1, 1));
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("ca.pem"), ca.pem()).unwrap();
        let behind = async |pem| RealRegistry::behind(&users, pem).await;
        Self {
            good: behind(between.certificate(&host).pem()).await,
            expired: behind(ca.certificate(&host).expired().pem()).await,
            early: behind(ca.certificate(&host).not_yet_valid().pem()).await,
            wrong_name: behind(ca.certificate(&["registry.test"]).pem()).await,
            unknown_ca: behind(Ca::new().certificate(&host).pem()).await,
            plain: RealRegistry::plain(&users).await,
            proxy: Tunnel::by_port().await,
            folder,
        }
    }

    fn plain_host(&self) -> String {
        format!("192.0.2.7:{}", self.plain.port())
    }

    /// Those whose TLS fails, and on what.
    fn failing(&self) -> [(String, &'static str); 5] {
        [
            (self.expired.host(), "expired"),
            (self.early.host(), "not_yet_valid"),
            (self.wrong_name.host(), "wrong_name"),
            (self.unknown_ca.host(), "unknown_ca"),
            (self.plain_host(), "plain_http"),
        ]
    }

    fn config(&self) -> std::path::PathBuf {
        self.folder.path().join("config.json")
    }

    fn write_config(&self, hosts: &[String]) {
        let entries: Vec<_> = hosts.iter().map(|host| (&**host, "bot", "right")).collect();
        let new = self.folder.path().join("new");
        fs::write(&new, docker_config(&entries)).unwrap();
        fs::rename(new, self.config()).unwrap();
    }

    fn command(&self) -> Command {
        let mut command = command();
        command
            .env("SSL_CERT_FILE", self.folder.path().join("ca.pem"))
            .env("HTTPS_PROXY", format!("http://{}", self.proxy.address))
            .env("NO_PROXY", "127.0.0.1");
        command
    }
}

/// Midnight UTC.
fn date(text: &str) -> f64 {
    let date: DateTime<chrono::Utc> = format!("{text}T00:00:00Z").parse().unwrap();
    date.timestamp() as f64
}

fn ping_is(page: &Page, registry: &str, outcome: &str) -> bool {
    let labels = [
        ("registry", registry),
        ("step", "ping"),
        ("outcome", outcome),
    ];
    page.count("regcred_probe_outcome", &labels) == 1
}

fn docker_config_flag(path: &Path) -> String {
    format!("--docker-config={}", path.display())
}

#[tokio::test]
async fn each_twin_is_told_apart_and_the_dates_are_on_the_page() {
    let twins = Twins::start().await;
    let failing = twins.failing();
    let good = twins.good.host();
    let hosts = failing.iter().map(|(host, _)| host.clone());
    twins.write_config(&hosts.chain([good.clone()]).collect::<Vec<_>>());
    let config = docker_config_flag(&twins.config());
    let exporter = Exporter::spawn(twins.command().arg(&config)).await;

    let is_whole = |page: &Page| {
        ping_is(page, &good, "ok") && failing.iter().all(|(host, _)| ping_is(page, host, "tls"))
    };
    let (_, page) = exporter.until("six outcomes", PATIENCE, is_whole).await;
    let valid = |registry: &str| page.value("regcred_credential_valid", &[("registry", registry)]);
    assert_eq!(valid(&good), Some(1.0));
    for (host, fault) in &failing {
        assert_eq!(
            valid(host),
            None,
            "{fault}: no verdict on what was never sent"
        );
        let up = page.value("regcred_registry_up", &[("registry", host)]);
        assert_eq!(up, Some(0.0), "{fault}");
        let log = exporter.log();
        let told = log.lines().any(|line| {
            line.contains("Registry ping outcome changed")
                && line.contains(&format!("registry={host} "))
                && line.contains("outcome=tls")
                && line.contains(&format!("fault={fault}"))
        });
        assert!(told, "{fault}: {log}");
    }
    assert_eq!(
        twins.plain.answered("/v2/", 200),
        0,
        "no password in the clear"
    );
    assert_eq!(twins.plain.answered("/v2/", 401), 0);

    let dates = |registry: &str| {
        let labels = [("registry", registry), ("host", registry)];
        (
            page.value(NOT_BEFORE, &labels),
            page.value(NOT_AFTER, &labels),
        )
    };
    let check = |registry: &RealRegistry, from: &str, until: &str| {
        let expected = (Some(date(from)), Some(date(until)));
        assert_eq!(dates(&registry.host()), expected);
    };
    check(&twins.good, "2025-07-01", "2033-01-01");
    check(&twins.expired, "2021-01-01", "2022-01-01");
    check(&twins.early, "2040-01-01", "2041-01-01");
    check(&twins.wrong_name, "2025-01-01", "2035-01-01");
    check(&twins.unknown_ca, "2025-01-01", "2035-01-01");
    assert_eq!(dates(&twins.plain_host()), (None, None));
    assert_eq!(
        (page.count(NOT_AFTER, &[]), page.count(NOT_BEFORE, &[])),
        (5, 5)
    );

    // they go with their registries
    twins.write_config(std::slice::from_ref(&good));
    let are_gone =
        |page: &Page| page.count(NOT_AFTER, &[]) == 1 && page.count(NOT_BEFORE, &[]) == 1;
    let (_, page) = exporter
        .until("their dates to go", PATIENCE, are_gone)
        .await;
    let labels = [("registry", &*good), ("host", &*good)];
    assert_eq!(page.value(NOT_AFTER, &labels), Some(date("2033-01-01")));
}

#[tokio::test]
async fn check_tells_them_apart_too() {
    let twins = Twins::start().await;
    let failing = twins.failing();
    let hosts = failing.iter().map(|(host, _)| host.clone());
    twins.write_config(&hosts.chain([twins.good.host()]).collect::<Vec<_>>());
    let config = docker_config_flag(&twins.config());
    let mut command = twins.command();
    command.args(["check", &config]);
    let ended = tokio::task::spawn_blocking(move || command.output()).await;
    let ended = ended.unwrap().unwrap();
    let table = String::from_utf8(ended.stdout).unwrap();
    let told = |host: &str| {
        table
            .lines()
            .find(|line| line.contains(host))
            .unwrap_or_default()
    };
    for (host, fault) in &failing {
        let expected = format!("tls ({fault})");
        assert!(told(host).contains(&expected), "{expected}: {table}");
    }
    let good = told(&twins.good.host());
    assert!(good.contains(" ok ") && !good.contains("tls"), "{table}");
    assert_eq!(
        ended.status.code(),
        Some(2),
        "nothing is refused, five are not known"
    );
}
