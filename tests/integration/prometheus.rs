//! A real Prometheus with our rules, scraping the real binary in the demo's world.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use regcred_stand_ins::scrape;
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::{demo, tools};

/// Rules are evaluated each second; the slowest looks at two evaluations of others.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running Prometheus; ends with its handle.
struct Prometheus {
    address: String,
    process: Child,
    folder: TempDir,
}

impl Prometheus {
    /// Scrapes one target each second, under the rules that we ship, every `for` at zero.
    async fn start(target: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        let rules = script("tests/ops/queries.py")
            .args(["--fast-rules", &at("rules.yaml")])
            .output()
            .expect("python runs");
        assert!(
            rules.status.success(),
            "{}",
            String::from_utf8_lossy(&rules.stderr)
        );
        let config = format!(
            "global:\n  scrape_interval: 1s\n  evaluation_interval: 1s\n\
             rule_files: [{}]\n\
             scrape_configs:\n- job_name: regcred-exporter\n  static_configs:\n  \
             - targets: [\"{target}\"]\n    labels: {{cluster: demo}}\n",
            at("rules.yaml"),
        );
        fs::write(at("prometheus.yml"), config).unwrap();
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = socket.local_addr().unwrap().to_string();
        drop(socket);
        let log = fs::File::create(at("log")).unwrap();
        let process = Command::new(tools::path("REGCRED_PROMETHEUS"))
            .arg(format!("--config.file={}", at("prometheus.yml")))
            .arg(format!("--storage.tsdb.path={}", at("data")))
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("prometheus starts");
        let prometheus = Self {
            address,
            process,
            folder,
        };
        prometheus.until("an answer", |_| true).await;
        prometheus
    }

    /// The alerts that fire, by name and labels.
    async fn firing(&self) -> Option<Vec<(String, BTreeMap<String, String>)>> {
        let (status, body) = scrape::get(&self.address, "/api/v1/alerts").await.ok()?;
        let answer: Value = serde_json::from_str(&body).ok().filter(|_| status == 200)?;
        let alerts = answer["data"]["alerts"].as_array()?.iter();
        Some(
            alerts
                .filter(|alert| alert["state"] == "firing")
                .map(of_alert)
                .collect(),
        )
    }

    async fn until(
        &self,
        what: &str,
        wanted: impl Fn(&[(String, BTreeMap<String, String>)]) -> bool,
    ) -> Vec<(String, BTreeMap<String, String>)> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let firing = self.firing().await;
            if let Some(firing) = firing.as_ref().filter(|firing| wanted(firing)) {
                return firing.clone();
            }
            let log = || fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(
                Instant::now() < deadline,
                "no {what}; firing: {firing:#?}\n{}",
                log()
            );
            sleep(Duration::from_millis(200)).await;
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn of_alert(alert: &Value) -> (String, BTreeMap<String, String>) {
    let mut labels: BTreeMap<String, String> =
        serde_json::from_value(alert["labels"].clone()).expect("labels are texts");
    (labels.remove("alertname").unwrap_or_default(), labels)
}

/// A script of ours under the Python that `make test` has set up.
fn script(path: &str) -> Command {
    let mut command = Command::new(tools::path("REGCRED_PYTHON"));
    command
        .arg(format!("{}/{path}", env!("CARGO_MANIFEST_DIR")))
        .env("PROMTOOL", tools::path("REGCRED_PROMTOOL"));
    command
}

#[tokio::test]
async fn the_right_alerts_fire_for_the_right_credentials_and_every_query_is_answered() {
    let demo = demo::settled(&[]).await;
    let prometheus = Prometheus::start(demo.exporter.address()).await;
    let names = |firing: &[(String, BTreeMap<String, String>)], alert: &str| -> Vec<String> {
        let fitting = firing.iter().filter(|(name, _)| name == alert);
        let mut names: Vec<_> = fitting
            .map(|(_, labels)| labels["credential"].clone())
            .collect();
        names.sort();
        names
    };
    let firing = prometheus
        .until("expired and rejected credentials", |firing| {
            names(firing, "RegcredCredentialExpired").len() >= 3
                && names(firing, "RegcredCredentialRejected").len() >= 4
                && ["RegcredQuotaLow", "RegcredRateLimited"]
                    .iter()
                    .all(|alert| firing.iter().any(|(name, _)| name == alert))
        })
        .await;
    assert_eq!(
        names(&firing, "RegcredCredentialExpired"),
        [
            "at-risk-expired/pull",
            "expired-credentials-date-inside/pull",
            "expired/pull"
        ]
    );
    assert_eq!(
        names(&firing, "RegcredCredentialExpiresSoon"),
        ["expires-soon/pull"]
    );
    let rejected = names(&firing, "RegcredCredentialRejected");
    for credential in [
        "unauthorized-basic/pull",
        "unauthorized-token/pull",
        "locked-out/pull",
    ] {
        assert!(
            rejected.iter().any(|name| name == credential),
            "{credential}: {rejected:?}"
        );
    }
    for credential in [
        "ok-basic/pull",
        "ok-token/pull",
        "not-referenced/pull",
        "dns/pull",
    ] {
        assert!(
            !rejected.iter().any(|name| name == credential),
            "{credential}: {rejected:?}"
        );
    }
    for (alert, credential) in [
        ("RegcredCredentialExpired", "expired/pull"),
        ("RegcredCredentialRejected", "unauthorized-token/pull"),
    ] {
        let (_, labels) = firing
            .iter()
            .find(|(name, labels)| name == alert && labels["credential"] == credential)
            .unwrap();
        let found: Vec<_> = labels.keys().map(String::as_str).collect();
        assert_eq!(
            found,
            ["cluster", "credential", "job", "registry", "severity"],
            "{alert}"
        );
        assert_eq!(
            (&*labels["cluster"], &*labels["job"]),
            ("demo", "regcred-exporter")
        );
    }

    // The low quota of one account; the one registry that answers 429 and means no lockout.
    let of = |alert: &str, label: &str| -> Vec<String> {
        let fitting = firing.iter().filter(|(name, _)| name == alert);
        fitting.map(|(_, labels)| labels[label].clone()).collect()
    };
    assert_eq!(of("RegcredQuotaLow", "account"), ["quota-low/pull"]);
    assert_eq!(of("RegcredRateLimited", "registry").len(), 1);

    // On a thread of its own: the world goes on meanwhile, Pods fail and recover.
    let mut queries = script("tests/ops/queries.py");
    queries.args(["--url", &format!("http://{}", prometheus.address)]);
    let asked = tokio::task::spawn_blocking(move || queries.output());
    let asked = asked.await.expect("nobody panics").expect("python runs");
    let told = [asked.stdout, asked.stderr].concat();
    assert!(asked.status.success(), "{}", String::from_utf8_lossy(&told));
}
