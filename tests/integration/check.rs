//! `check` against real sockets: what it says, in which words, with which exit code.

use std::fs;
use std::path::PathBuf;
use std::sync::Once;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use regcred_exporter::cli::{Cli, Command};
use regcred_exporter::clock::Clock;
use regcred_exporter::command::{Exit, check, check_config};
use regcred_exporter::config::{Check, Output};
use regcred_exporter::domain::shortcoming::{FailOn, Shortcoming};
use regcred_exporter::report::table::{self, Colours};
use regcred_exporter::report::{Report, json, junit};
use regcred_stand_ins::api_server::{ApiServer, Fault, Resource};
use regcred_stand_ins::objects;
use regcred_stand_ins::registry::{Answer, Behaviour, Registry, Step};
use regcred_stand_ins::tls::Ca;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{exporter, junit as ci};

const CANARY: &str = "c4n4ry-pa55word";

/// Two hours after the ECR payload of [`expired`] ended.
fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_757_154_499, 0).unwrap()
}

/// A registry with a user `good`, one image, and nothing else.
async fn registry() -> Registry {
    Registry::start(
        Behaviour::basic()
            .user("good", CANARY)
            .user_for("narrow", CANARY, &["org/other"])
            .manifest("org/app", "1.0"),
    )
    .await
}

/// A docker config in a directory of its own.
pub(crate) struct Config {
    path: PathBuf,
    _directory: TempDir,
}

impl Config {
    pub(crate) fn of(content: &str) -> Self {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("config.json");
        fs::write(&path, content).unwrap();
        Self {
            path,
            _directory: directory,
        }
    }

    pub(crate) fn with(entries: &[(&str, &str)]) -> Self {
        let auths: Vec<String> = entries
            .iter()
            .map(|(key, auth)| format!("{}:{{\"auth\":\"{auth}\"}}", json!(key)))
            .collect();
        Self::of(&format!("{{\"auths\":{{{}}}}}", auths.join(",")))
    }

    pub(crate) fn source(&self) -> &str {
        self.path.to_str().unwrap()
    }
}

pub(crate) fn basic(username: &str, password: &str) -> String {
    STANDARD.encode(format!("{username}:{password}"))
}

/// An ECR password whose date has passed.
fn expired() -> String {
    let payload = format!(r#"{{"payload":"{CANARY}","expiration":1757147299}}"#);
    basic("AWS", &STANDARD.encode(payload))
}

fn asked(line: &str) -> Check {
    let args = ["regcred-exporter", "check"].into_iter();
    let cli = Cli::read(args.chain(line.split_whitespace())).unwrap();
    let Command::Check(args) = cli.into_command() else {
        panic!("{line}");
    };
    Check::try_from_args(&args).unwrap()
}

pub(crate) async fn checked(line: &str) -> Report {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    let report = check::check(&asked(line), &Clock::by_hand(now()))
        .await
        .unwrap();
    let xml = junit::write(&report);
    let said = format!(
        "{report:?}{}{}{xml}",
        written(&report),
        json::write(&report)
    );
    for secret in [CANARY, &STANDARD.encode(CANARY)] {
        assert!(!said.contains(secret), "{said}");
    }
    let cases = ci::read(&xml);
    let expected = match (ci::count(&cases, "failure"), ci::count(&cases, "error")) {
        (0, 0) => 0,
        (0, _) => 2,
        _ => 1,
    };
    if report.expires_within.is_none() {
        assert_eq!(exit(&report), expected, "JUnit says the same: {xml}");
    }
    report
}

fn exit(report: &Report) -> u8 {
    Exit::from(report.upshot(&FailOn::default())).code()
}

fn written(report: &Report) -> String {
    table::write(report, Colours::None)
}

fn read(report: &Report) -> Value {
    serde_json::from_str(&json::write(report)).unwrap()
}

/// Good, wrong, expired and malformed: what the issue must show.
pub(crate) async fn mixed() -> (Registry, Config) {
    let registry = registry().await;
    let host = registry.host();
    let config = Config::with(&[
        (&format!("{host}/good"), &basic("good", CANARY)),
        (&format!("{host}/wrong"), &basic("wrong", "guess")),
        (&format!("{host}/expired"), &expired()),
        ("ghcr.io", "{{ .auth }}"),
    ]);
    (registry, config)
}

#[tokio::test]
async fn one_good_one_wrong_one_expired_one_malformed() {
    let (registry, config) = mixed().await;
    let report = checked(&format!("--docker-config {}", config.source())).await;
    let host = registry.host();
    let entry = |registry: &str, key: &str, outcome: Value, faults: Value| {
        json!({
            "source": config.source(),
            "registry": registry,
            "key": key,
            "outcome": outcome,
            "faults": faults,
            "expires_at": null,
            "expiry_source": "none",
        })
    };
    let mut expired = entry(
        host,
        &format!("{host}/expired"),
        json!("expired"),
        json!([]),
    );
    expired["expires_at"] = json!("2025-09-06T08:28:19Z");
    expired["expiry_source"] = json!("ecr");
    assert_eq!(
        read(&report),
        json!({"credentials": [
            entry(host, &format!("{host}/good"), json!("ok"), json!([])),
            entry(host, &format!("{host}/wrong"), json!("unauthorized"), json!([])),
            expired,
            entry("ghcr.io", "ghcr.io", Value::Null, json!(["auth_placeholder"])),
        ]})
    );
    assert_eq!(exit(&report), 1);
    assert_eq!(
        (registry.logins("good"), registry.refused_logins("wrong")),
        (1, 1)
    );
    assert_eq!(
        registry.refused_logins("AWS"),
        0,
        "an expired credential is not sent"
    );
}

#[tokio::test]
async fn the_table_says_it_to_people() {
    let (registry, config) = mixed().await;
    let report = checked(&format!("--docker-config {}", config.source())).await;
    let text = written(&report)
        .replace(config.source(), "FILE")
        .replace(registry.host(), "HOST");
    let rows: Vec<Vec<&str>> = text
        .lines()
        .take(5)
        .map(|line| {
            line.split("  ")
                .map(str::trim)
                .filter(|cell| !cell.is_empty())
                .collect()
        })
        .collect();
    assert_eq!(
        rows,
        [
            vec!["SOURCE", "REGISTRY", "KEY", "OUTCOME", "EXPIRES", "FAULTS"],
            vec!["FILE", "HOST", "HOST/good", "ok", "-"],
            vec!["FILE", "HOST", "HOST/wrong", "unauthorized", "-"],
            vec![
                "FILE",
                "HOST",
                "HOST/expired",
                "expired",
                "2 h ago (2025-09-06T08:28:19Z, ecr)"
            ],
            vec!["FILE", "ghcr.io", "ghcr.io", "-", "-", "auth_placeholder"],
        ]
    );
    let below: Vec<&str> = text.lines().skip(5).collect();
    assert_eq!(
        below,
        [
            "",
            "FILE, HOST/wrong: HOST refuses alike a wrong password and a credential that has \
             expired or was revoked.",
            "",
            "FILE: the kubelet uses none of its entries, and no other pull secret of a pod that \
             names it, until auth_placeholder is fixed.",
            "",
            "auth_placeholder (the kubelet drops every pull secret of the pod): `auth` is a \
             placeholder that nobody has replaced.",
            "    Render the template, then create the Secret again.",
        ]
    );
}

#[test]
fn columns_are_aligned_whatever_is_in_them() {
    let config = Config::with(&[
        ("a.example", &basic("u", "p")),
        ("longer.example/path", &basic("u", "p")),
    ]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let line = format!("--offline --docker-config {}", config.source());
    let text = written(&runtime.block_on(checked(&line)));
    let mut columns: Vec<usize> = text
        .lines()
        .take(3)
        .map(|line| {
            line.find("not asked")
                .or_else(|| line.find("OUTCOME"))
                .unwrap()
        })
        .collect();
    columns.dedup();
    assert_eq!(columns.len(), 1, "{text}");
    assert!(text.lines().all(|line| !line.ends_with(' ')), "{text}");
}

#[tokio::test]
async fn all_that_works_is_zero() {
    let registry = registry().await;
    let config = Config::with(&[(registry.host(), &basic("good", CANARY))]);
    let report = checked(&format!("--docker-config {}", config.source())).await;
    assert_eq!(read(&report)["credentials"][0]["outcome"], "ok");
    assert_eq!(exit(&report), 0);
}

#[tokio::test]
async fn a_registry_without_login_accepts_any() {
    let registry = Registry::start(Behaviour::open()).await;
    let config = Config::with(&[(registry.host(), &basic("good", CANARY))]);
    let report = checked(&format!("--docker-config {}", config.source())).await;
    assert_eq!(read(&report)["credentials"][0]["outcome"], Value::Null);
    assert!(written(&report).contains("no login needed"));
    assert_eq!(exit(&report), 0);
}

#[tokio::test]
async fn what_cannot_be_told_is_two() {
    let registry = registry().await;
    let config = Config::with(&[(registry.host(), &basic("good", CANARY))]);
    registry.stop().await;
    let report = checked(&format!("--docker-config {}", config.source())).await;
    assert_eq!(read(&report)["credentials"][0]["outcome"], "connection");
    assert!(written(&report).contains("connection (refused)"));
    assert_eq!(exit(&report), 2);

    let report = checked("--docker-config /nowhere/config.json").await;
    assert_eq!(exit(&report), 2);
    let failures: Vec<String> = report.failures().collect();
    assert_eq!(failures.len(), 1);
    assert!(failures[0].starts_with("failed to read `/nowhere/config.json`: No such file"));
    assert_eq!(written(&report), "", "nobody knows what is there");
    assert_eq!(read(&report), json!({"credentials": []}));
}

#[tokio::test]
async fn what_exactly_stands_behind_tls_is_told_for_entries_and_for_images() {
    let tls = Ca::new().server_config(&["127.0.0.1"]);
    let registry = Registry::start(Behaviour::basic().tls(tls)).await;
    let config = Config::with(&[(registry.host(), &basic("good", CANARY))]);
    for about in [String::new(), format!(" --image {}/app:1", registry.host())] {
        let report = checked(&format!("--docker-config {}{about}", config.source())).await;
        let table = written(&report);
        assert!(table.contains("tls (unknown_ca)"), "{table}");
        assert_eq!(exit(&report), 2);
    }
}

#[test]
fn what_could_not_be_read_is_told_beside_the_report() {
    for (output, expected) in [("table", ""), ("json", "{\"credentials\":[]}\n")] {
        let ended = exporter::command()
            .args(["check", "--docker-config", "/no\x1bwhere", "-o", output])
            .output()
            .unwrap();
        let told = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(String::from_utf8(ended.stdout).unwrap(), expected);
        let failure = "regcred-exporter: failed to read `/no\\u{1b}where`: No such file";
        assert!(told.starts_with(failure), "{told}");
        assert_eq!((ended.status.code(), told.lines().count()), (Some(2), 1));
    }
}

#[tokio::test]
async fn what_does_not_work_outweighs_what_cannot_be_told() {
    let registry = registry().await;
    let config = Config::with(&[(registry.host(), &basic("wrong", "guess"))]);
    let line = format!(
        "--docker-config {} --docker-config /nowhere",
        config.source()
    );
    let report = checked(&line).await;
    assert_eq!(exit(&report), 1);
    assert_eq!(read(&report)["credentials"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn offline_contacts_nobody() {
    let (registry, config) = mixed().await;
    let report = checked(&format!("--offline --docker-config {}", config.source())).await;
    let credentials = &read(&report)["credentials"];
    assert_eq!(credentials[0]["outcome"], Value::Null);
    assert_eq!(credentials[2]["outcome"], "expired");
    assert_eq!(exit(&report), 1);
    assert_eq!(registry.connections(), 0);

    let sound = Config::with(&[(registry.host(), &basic("good", CANARY))]);
    let report = checked(&format!("--offline --docker-config {}", sound.source())).await;
    assert_eq!(exit(&report), 0);
    assert!(written(&report).contains("not asked"));
}

#[tokio::test]
async fn an_unreadable_whole_and_useless_entries_have_a_line() {
    for (content, key, fault) in [
        ("{", Value::Null, "invalid_json"),
        ("{}", Value::Null, "no_auths"),
        (r#"{"auths":{}}"#, Value::Null, "no_entries"),
        (
            r#"{"auths":{"ghcr.io":{}}}"#,
            json!("ghcr.io"),
            "empty_entry",
        ),
        (
            r#"{"auths":{"GHCR.io":{"auth":"dTpw"}}}"#,
            json!("GHCR.io"),
            "key_upper_case_host",
        ),
        (
            r#"{"auths":{"ghcr io":{"auth":"dTpw"}}}"#,
            json!("ghcr io"),
            "key_invalid",
        ),
        (
            r#"{"auths":{"ghcr.io":{"auth":"dTpw"}},"HttpHeaders":[]}"#,
            Value::Null,
            "http_headers_not_strings",
        ),
    ] {
        let config = Config::of(content);
        let report = checked(&format!("--offline --docker-config {}", config.source())).await;
        let credentials = read(&report)["credentials"].as_array().unwrap().clone();
        let faulty = credentials.last().unwrap();
        assert_eq!(faulty["faults"], json!([fault]), "{content}");
        assert_eq!(faulty["key"], key, "{content}");
        assert_eq!(faulty["outcome"], Value::Null, "{content}");
        assert_eq!(exit(&report), 1, "{content}");
        assert!(
            written(&report).contains(&format!("{fault} (")),
            "{content}"
        );
    }
}

#[tokio::test]
async fn a_suspicious_entry_is_said_and_no_failure() {
    let registry = registry().await;
    let config = Config::of(&format!(
        r#"{{"auths":{{"{}":{{"auth":"{}","username":"other"}}}}}}"#,
        registry.host(),
        basic("good", CANARY)
    ));
    let report = checked(&format!("--docker-config {}", config.source())).await;
    let credential = &read(&report)["credentials"][0];
    assert_eq!(credential["outcome"], "ok");
    assert_eq!(credential["faults"], json!(["auth_contradicts"]));
    assert_eq!(exit(&report), 0);
}

#[tokio::test]
async fn entries_of_one_key_have_their_own_answers() {
    let registry = registry().await;
    let host = registry.host();
    let written_as = [
        host.to_owned(),
        format!("https://{host}/v1/"),
        format!("http://{host}"),
    ];
    let logins = [basic("good", CANARY), basic("wrong", "guess"), expired()];
    for order in [[0, 1, 2], [2, 0, 1], [1, 2, 0]] {
        let entries: Vec<(&str, &str)> = written_as
            .iter()
            .zip(order)
            .map(|(key, login)| (&**key, &*logins[login]))
            .collect();
        let config = Config::with(&entries);
        let line = format!("--docker-config {}", config.source());
        let report = checked(&line).await;
        let told = |list: &Value| -> Vec<(String, String)> {
            let word = |entry: &Value, field: &str| entry[field].as_str().unwrap().to_owned();
            let list = list.as_array().unwrap().iter();
            list.map(|entry| (word(entry, "key"), word(entry, "outcome")))
                .collect()
        };
        let words = ["ok", "unauthorized", "expired"];
        let expected: Vec<(String, String)> = written_as
            .iter()
            .zip(order)
            .map(|(key, login)| (key.clone(), words[login].to_owned()))
            .collect();
        assert_eq!(told(&read(&report)["credentials"]), expected);
        assert_eq!(exit(&report), 1);

        let report = checked(&format!("{line} --image {host}/org/app:1.0")).await;
        assert_eq!(told(&read(&report)["candidates"]), expected);
    }
}

#[tokio::test]
async fn a_glob_that_no_image_needs_has_a_line() {
    let config = Config::with(&[("*.example.com", &basic("u", "p"))]);
    let report = checked(&format!("--docker-config {}", config.source())).await;
    let credential = &read(&report)["credentials"][0];
    assert_eq!(
        (&credential["registry"], &credential["key"]),
        (&Value::Null, &json!("*.example.com"))
    );
    assert!(written(&report).contains("no image in use"));
    assert_eq!(exit(&report), 2, "nobody could be asked");

    let report = checked(&format!("--offline --docker-config {}", config.source())).await;
    assert!(written(&report).contains("not asked"));
    assert_eq!(exit(&report), 0, "nobody was to be asked");
}

#[tokio::test]
async fn what_is_too_large_to_be_read_whole_is_two() {
    let registry = registry().await;
    let hosts: Vec<String> = (0..513)
        .map(|n| format!("{}/{n:03}", registry.host()))
        .collect();
    let login = basic("good", CANARY);
    let entries: Vec<_> = hosts.iter().map(|host| (&**host, &*login)).collect();
    let config = Config::with(&entries);
    let line = format!("--docker-config {}", config.source());
    let report = checked(&line).await;
    let credentials = read(&report)["credentials"].as_array().unwrap().clone();
    let (whole, entries) = credentials.split_last().unwrap();
    assert_eq!(whole["faults"], json!(["too_large"]));
    assert!(entries.iter().all(|entry| entry["outcome"] == "ok"));
    assert_eq!(exit(&report), 2);

    let image = format!("{line} --offline --image {}", registry.host());
    let report = checked(&format!("{image}/511/app")).await;
    assert_eq!(exit(&report), 0, "one that is read and sound is enough");
    let report = checked(&format!("{image}/512/app")).await;
    assert!(written(&report).contains("No entry matches of those that were read"));
    assert_eq!(exit(&report), 2);
}

#[tokio::test]
async fn no_key_commands_a_terminal() {
    let config =
        Config::of("{\"auths\":{\"ev\\u001b[31mil\\u202e.example\\u009b\":{\"auth\":\"dTpw\"}}}");
    let report = checked(&format!("--offline --docker-config {}", config.source())).await;
    for text in [written(&report), json::write(&report)] {
        let is_fit = |c: char| c == '\n' || (' '..='~').contains(&c);
        assert!(text.chars().all(is_fit), "{text:?}");
        assert!(text.contains(".example"), "{text}");
    }
}

#[tokio::test]
async fn colours_are_for_terminals() {
    let (_registry, config) = mixed().await;
    let report = checked(&format!("--docker-config {}", config.source())).await;
    let coloured = table::write(&report, Colours::Shown);
    for word in ["\x1b[32mok\x1b[0m", "\x1b[31munauthorized\x1b[0m"] {
        assert!(coloured.contains(word), "{coloured:?}");
    }
    assert!(
        !check::written(&report, Output::Table).contains('\x1b'),
        "stdout is a pipe here"
    );
}

#[tokio::test]
async fn an_image_has_candidates_in_the_order_of_the_kubelet() {
    let registry = registry().await;
    let host = registry.host();
    let config = Config::with(&[
        (host, &basic("good", CANARY)),
        (&format!("{host}/org"), &basic("narrow", CANARY)),
        (&format!("{host}/org/app"), &expired()),
        (&format!("{host}/other"), &basic("wrong", "guess")),
    ]);
    let report = checked(&format!(
        "--docker-config {} --image {host}/org/app:1.0",
        config.source()
    ))
    .await;
    let candidate = |key: &str, outcome: &str, expires_at: Value| json!({"source": config.source(), "key": format!("{host}{key}"), "outcome": outcome, "expires_at": expires_at});
    assert_eq!(
        read(&report),
        json!({
            "image": format!("{host}/org/app:1.0"),
            "candidates": [
                candidate("/org/app", "expired", json!("2025-09-06T08:28:19Z")),
                candidate("/org", "forbidden", Value::Null),
                candidate("", "ok", Value::Null),
            ],
            "near_misses": [
                {"source": config.source(), "key": format!("{host}/other"), "rule": "path_prefix"},
            ],
        })
    );
    assert_eq!(exit(&report), 0, "one that works is enough");
    let text = written(&report);
    assert!(text.contains("Keys that nearly match:"), "{text}");
}

#[tokio::test]
async fn a_refused_login_in_front_of_a_public_image_is_said() {
    let registry = Registry::start(
        Behaviour::bearer()
            .user("good", CANARY)
            .manifest("org/app", "1.0")
            .manifest("org/own", "1.0")
            .public("org/app"),
    )
    .await;
    let host = registry.host();
    let config = Config::with(&[(host, &basic("wrong", "guess"))]);
    let line = format!("--docker-config {} --image {host}", config.source());
    let check = async |image: &str, would_work: bool| {
        let report = checked(&format!("{line}/{image}")).await;
        assert_eq!(read(&report)["anonymous_would_work"], would_work, "{image}");
        let is_said = written(&report).contains("anybody may pull it");
        assert_eq!(is_said, would_work, "{image}");
        assert_eq!(exit(&report), 1, "the kubelet does not pull without it");
    };
    check("org/app:1.0", true).await;
    check("org/own:1.0", false).await;
    let good = Config::with(&[(host, &basic("good", CANARY))]);
    let line = format!(
        "--docker-config {} --image {host}/org/app:1.0",
        good.source()
    );
    let report = checked(&line).await;
    assert_eq!(read(&report)["anonymous_would_work"], Value::Null);
}

#[tokio::test]
async fn an_image_sends_no_other_credential() {
    let registry = registry().await;
    let (host, stranger) = (registry.host(), Registry::start(Behaviour::basic()).await);
    let config = Config::with(&[
        (host, &basic("good", CANARY)),
        (&format!("{host}/other"), &basic("wrong", "guess")),
        (stranger.host(), &basic("wrong", "guess")),
    ]);
    let report = checked(&format!(
        "--docker-config {} --image {host}/org/app:1.0",
        config.source()
    ))
    .await;
    assert_eq!(exit(&report), 0);
    assert_eq!(registry.refused_logins("wrong"), 0);
    assert_eq!(stranger.connections(), 0);
}

#[tokio::test]
async fn an_image_that_no_candidate_can_pull_is_one() {
    let registry = registry().await;
    let host = registry.host();
    let wrong = Config::with(&[(host, &basic("wrong", "guess"))]);
    let line = |config: &Config, image: &str| {
        format!("--docker-config {} --image {host}/{image}", config.source())
    };
    let report = checked(&line(&wrong, "org/app:1.0")).await;
    assert_eq!(read(&report)["candidates"][0]["outcome"], "unauthorized");
    assert_eq!(exit(&report), 1);

    let good = Config::with(&[(host, &basic("good", CANARY))]);
    let report = checked(&line(&good, "org/app:2.0")).await;
    assert_eq!(read(&report)["candidates"][0]["outcome"], "not_found");
    assert_eq!(exit(&report), 1);

    registry.stop().await;
    let report = checked(&line(&good, "org/app:1.0")).await;
    assert_eq!(read(&report)["candidates"][0]["outcome"], "connection");
    assert_eq!(exit(&report), 2);
}

#[tokio::test]
async fn an_image_without_candidates_is_one() {
    let config = Config::with(&[("GHCR.io", &basic("u", "p")), ("quay.io", &basic("u", "p"))]);
    let report = checked(&format!(
        "--offline --docker-config {} --image ghcr.io/org/app",
        config.source()
    ))
    .await;
    assert_eq!(
        read(&report),
        json!({
            "image": "ghcr.io/org/app",
            "candidates": [],
            "near_misses": [{"source": config.source(), "key": "GHCR.io", "rule": "upper_case_host"}],
        })
    );
    assert_eq!(exit(&report), 1);
    assert!(written(&report).contains("No entry matches"));
}

#[tokio::test]
async fn a_malformed_entry_takes_every_candidate_away() {
    let (registry, config) = mixed().await;
    let image = format!("{}/good/app", registry.host());
    let report = checked(&format!(
        "--docker-config {} --image {image}",
        config.source()
    ))
    .await;
    assert_eq!(read(&report)["candidates"], json!([]));
    assert_eq!(exit(&report), 1);
    let text = written(&report);
    assert!(text.contains("The kubelet tries no entry"), "{text}");
    assert!(text.contains("until auth_placeholder is fixed"), "{text}");
}

#[tokio::test]
async fn an_empty_entry_is_tried_anonymously() {
    let config = Config::of(r#"{"auths":{"ghcr.io":{}}}"#);
    let report = checked(&format!(
        "--offline --docker-config {} --image ghcr.io/org/app",
        config.source()
    ))
    .await;
    assert_eq!(read(&report)["candidates"][0]["outcome"], Value::Null);
    assert!(written(&report).contains("anonymous"));
    assert_eq!(exit(&report), 1);
}

#[tokio::test]
async fn two_images_are_two_objects_and_offline_says_nothing_of_them() {
    let config = Config::with(&[
        ("ghcr.io", &basic("u", "p")),
        ("docker.io", &basic("u", "p")),
    ]);
    let line = format!(
        "--offline --docker-config {} --image ghcr.io/org/app nginx",
        config.source()
    );
    let report = checked(&line).await;
    let text = json::write(&report);
    let images: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(images[0]["image"], "ghcr.io/org/app");
    assert_eq!(images[1]["image"], "docker.io/library/nginx");
    assert_eq!(images[1]["candidates"][0]["key"], "docker.io");
    assert_eq!(exit(&report), 0);
}

#[tokio::test]
async fn each_thing_that_is_wrong_is_found_by_its_word() {
    let (registry, config) = mixed().await;
    let host = registry.host();
    let (wrong, good) = (basic("wrong", "guess"), basic("good", CANARY));
    let check = async |config: &Config, rest: &str, expected: &[Shortcoming]| {
        let line = format!("--docker-config {} {rest}", config.source());
        let found: Vec<Shortcoming> = checked(&line).await.shortcomings().into_iter().collect();
        assert_eq!(found, expected, "{rest}");
    };
    let image = format!("--image {host}/org/app:1.0");
    let of = |entries: &[(&str, &str)]| Config::with(entries);
    check(&config, "", &[Shortcoming::Refused, Shortcoming::Fault]).await;
    // A malformed entry takes every candidate away.
    check(
        &config,
        &image,
        &[Shortcoming::Fault, Shortcoming::NoCandidate],
    )
    .await;
    check(
        &of(&[("quay.io", &good)]),
        &image,
        &[Shortcoming::NoCandidate],
    )
    .await;
    check(&of(&[(host, &wrong)]), &image, &[Shortcoming::Refused]).await;
    check(&of(&[(host, &good)]), &image, &[]).await;
    check(
        &of(&[(host, &good)]),
        &format!("{image}0"),
        &[Shortcoming::Refused],
    )
    .await;
    let empty = Config::of(&format!(r#"{{"auths":{{"{host}":{{}}}}}}"#));
    check(&empty, &image, &[Shortcoming::Fault]).await;
    let nowhere = "--docker-config /nowhere";
    check(&of(&[(host, &good)]), nowhere, &[Shortcoming::Unreadable]).await;

    let soon = format!(
        r#"{{"payload":"{CANARY}","expiration":{}}}"#,
        now().timestamp() + 3600
    );
    let soon = basic("AWS", &STANDARD.encode(soon));
    let offline = format!("--offline {image} --fail-on expires=");
    let org = format!("{host}/org");
    check(
        &of(&[(host, &soon)]),
        &format!("{offline}2h"),
        &[Shortcoming::Expires],
    )
    .await;
    check(&of(&[(host, &soon)]), &format!("{offline}1m"), &[]).await;
    check(
        &of(&[(host, &soon), (&org, &good)]),
        &format!("{offline}2h"),
        &[],
    )
    .await;
    check(
        &of(&[(host, &soon)]),
        "--offline --fail-on expires=2h",
        &[Shortcoming::Expires],
    )
    .await;
    registry.stop().await;
    check(&of(&[(host, &good)]), &image, &[Shortcoming::Inconclusive]).await;
}

#[tokio::test]
async fn a_registry_that_wants_quiet_is_not_waited_for() {
    let registry = registry().await;
    let refusal = Answer::status(429).header("retry-after", "600");
    registry.change(|behaviour| behaviour.no_credentials(refusal));
    let config = Config::with(&[(registry.host(), &basic("good", CANARY))]);
    let report = checked(&format!("--docker-config {}", config.source())).await;
    assert_eq!(exit(&report), 2);
}

#[tokio::test]
async fn a_refused_ping_says_nothing_of_the_login() {
    let config = |registry: &Registry| Config::with(&[(registry.host(), &basic("good", CANARY))]);
    for refusal in [
        Answer::error(403, "DENIED", "denied"),
        Answer::error(404, "NOT_FOUND", "not found"),
        Answer::status(404),
        Answer::error(429, "TOOMANYREQUESTS", "too many failed login attempts"),
    ] {
        let said = format!("{refusal:?}");
        let registry = Registry::start(Behaviour::basic().answer(Step::Ping, refusal)).await;
        let config = config(&registry);
        let line = format!("--docker-config {}", config.source());
        let report = checked(&line).await;
        let outcome = &read(&report)["credentials"][0]["outcome"];
        assert_eq!(
            (outcome, exit(&report)),
            (&json!("registry_error"), 2),
            "{said}"
        );

        let image = format!("{line} --image {}/org/app", registry.host());
        let report = checked(&image).await;
        let outcome = &read(&report)["candidates"][0]["outcome"];
        assert_eq!(
            (outcome, exit(&report)),
            (&json!("registry_error"), 2),
            "{said}"
        );
    }
}

#[test]
fn a_cluster_that_is_not_there_is_a_failed_start() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let asked = asked("-n shop --kubeconfig /nowhere/kubeconfig");
    let error = runtime
        .block_on(check::check(&asked, &Clock::by_hand(now())))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "failed to read kubeconfig `/nowhere/kubeconfig`"
    );
}

#[test]
fn check_config_prints_what_it_read() {
    let args = |line: &str| {
        let args = ["regcred-exporter", "check-config"].into_iter();
        match Cli::read(args.chain(line.split_whitespace()))
            .unwrap()
            .into_command()
        {
            Command::CheckConfig(args) => *args,
            other => panic!("{other:?}"),
        }
    };
    let text = check_config::check_config(&args("--probe.interval 1h")).unwrap();
    assert!(
        text.contains("--probe.interval=1h\n") && text.contains("--probe.which=referenced\n"),
        "{text}"
    );
    let complaints =
        check_config::check_config(&args("--probe.interval 1x --log.level x")).unwrap_err();
    assert_eq!(complaints.len(), 2);
}

/// A cluster with a namespace `shop` of four Secrets, and the kubeconfig for it.
async fn cluster(registry: &Registry) -> (ApiServer, Config) {
    let host = registry.host();
    let api = ApiServer::start().await;
    let config = |user: &str, password: &str| objects::docker_config(&[(host, user, password)]);
    api.apply(objects::namespace("shop"));
    api.apply(objects::namespace("other"));
    api.apply(objects::pull_secret(
        "shop",
        "good",
        &config("good", CANARY),
    ));
    api.apply(objects::pull_secret(
        "shop",
        "wrong",
        &config("wrong", "guess"),
    ));
    api.apply(objects::pull_secret(
        "other",
        "also-wrong",
        &config("other", "guess"),
    ));
    api.apply(objects::opaque_secret("shop", "opaque", &[("a", "b")]));
    api.apply(objects::service_account(
        "shop",
        "default",
        &["opaque", "gone", "good"],
    ));
    let kubeconfig = Config::of(&api.kubeconfig());
    (api, kubeconfig)
}

fn sources(report: &Report) -> Vec<(String, Value, Value)> {
    let credentials = read(report)["credentials"].as_array().unwrap().clone();
    credentials
        .into_iter()
        .map(|credential| {
            let source = credential["source"].as_str().unwrap().to_owned();
            (
                source,
                credential["outcome"].clone(),
                credential["faults"].clone(),
            )
        })
        .collect()
}

#[tokio::test]
async fn a_namespace_is_looked_at_whole() {
    let registry = registry().await;
    let (_api, kubeconfig) = cluster(&registry).await;
    let allow = format!(
        "--kubeconfig {} --probe.allow 127.0.0.1",
        kubeconfig.source()
    );
    let report = checked(&format!("-n shop {allow}")).await;
    assert_eq!(
        sources(&report),
        [
            ("shop/good".to_owned(), json!("ok"), json!([])),
            ("shop/wrong".to_owned(), json!("unauthorized"), json!([])),
            (
                "shop/opaque".to_owned(),
                Value::Null,
                json!(["wrong_secret_type"])
            ),
        ]
    );
    assert_eq!(exit(&report), 1);

    let all = checked(&format!("-A {allow}")).await;
    let found = sources(&all);
    assert!(
        found.contains(&("other/also-wrong".to_owned(), Value::Null, json!([]))),
        "{found:?}"
    );
    assert!(written(&all).contains("skipped: not_referenced"));
    assert_eq!(registry.refused_logins("other"), 0);
}

#[tokio::test]
async fn loopback_is_the_nodes_in_a_cluster() {
    let registry = registry().await;
    let (_api, kubeconfig) = cluster(&registry).await;
    let report = checked(&format!("-n other --kubeconfig {}", kubeconfig.source())).await;
    assert_eq!(
        sources(&report),
        [("other/also-wrong".to_owned(), json!("blocked"), json!([]))]
    );
    assert_eq!((exit(&report), registry.connections()), (2, 0));
}

#[tokio::test]
async fn what_pods_pull_without_a_credential_is_the_daemons_business() {
    let registry = registry().await;
    let (api, kubeconfig) = cluster(&registry).await;
    let image = format!("{}/org/public:1.0", registry.host());
    api.apply(objects::pod("shop", "bare", &image, &[]));
    let allow = "--probe.allow 127.0.0.1";
    let kubeconfig = kubeconfig.source();
    checked(&format!("-n shop --kubeconfig {kubeconfig} {allow}")).await;
    let requests = registry.requests();
    assert!(!requests.is_empty());
    let bare = requests
        .iter()
        .filter(|request| request.path.contains("org/public"));
    assert_eq!(bare.count(), 0, "no quota is shown, and none looked at");
}

#[tokio::test]
async fn an_image_is_tried_with_the_list_of_the_service_account() {
    let registry = registry().await;
    let (_api, kubeconfig) = cluster(&registry).await;
    let image = format!("{}/org/app:1.0", registry.host());
    let allow = format!(
        "--kubeconfig {} --probe.allow 127.0.0.1",
        kubeconfig.source()
    );
    let report = checked(&format!("-n shop --image {image} {allow}")).await;
    assert_eq!(
        read(&report)["candidates"],
        json!([{"source": "shop/good", "key": registry.host(), "outcome": "ok", "expires_at": null}])
    );
    assert_eq!((exit(&report), registry.refused_logins("wrong")), (0, 0));
    let text = written(&report);
    for name in ["opaque", "gone"] {
        assert!(
            text.contains(&format!("lists {name}, which is no pull secret")),
            "{text}"
        );
    }

    let report = checked(&format!("-n other --image {image} {allow}")).await;
    assert_eq!(read(&report)["candidates"][0]["outcome"], "unauthorized");
    assert!(written(&report).contains("a pod must name them itself"));
}

#[tokio::test]
async fn what_may_not_be_listed_is_two() {
    let registry = registry().await;
    let (api, kubeconfig) = cluster(&registry).await;
    api.inject(Fault::forbidden(Resource::Pods));
    let report = checked(&format!(
        "-n shop --offline --kubeconfig {}",
        kubeconfig.source()
    ))
    .await;
    assert_eq!(
        report.unreadable,
        ["failed to list pods: the API server forbids it (403)"]
    );
    api.inject(Fault::forbidden(Resource::Secrets));
    let report = checked(&format!(
        "-n shop --offline --kubeconfig {}",
        kubeconfig.source()
    ))
    .await;
    assert_eq!(exit(&report), 2);
}

#[tokio::test]
async fn a_namespace_that_is_not_there_is_two() {
    let registry = registry().await;
    let (api, kubeconfig) = cluster(&registry).await;
    let line = format!("-n nowhere --kubeconfig {}", kubeconfig.source());
    let report = checked(&line).await;
    assert_eq!(report.unreadable, ["no such namespace `nowhere`"]);
    assert_eq!((exit(&report), &*written(&report)), (2, ""));

    let report = checked(&format!("{line} --image ghcr.io/org/app")).await;
    assert_eq!(report.unreadable, ["no such namespace `nowhere`"]);
    assert_eq!((exit(&report), &*written(&report)), (2, ""));

    // Whoever may not see Namespace objects misses nothing but their annotations.
    api.inject(Fault::forbidden(Resource::Namespaces));
    let unseen = "The Namespace shop may not be read: its annotations are not seen.";
    for more in ["", "--image ghcr.io/org/app --offline"] {
        let line = format!("-n shop --kubeconfig {} {more}", kubeconfig.source());
        let mut seen = checked(&line).await;
        assert_eq!(seen.unreadable, [""; 0]);
        for text in [written(&seen), junit::write(&seen)] {
            assert!(text.contains(unseen), "{text}");
        }
        api.heal_all();
        let whole = checked(&line).await;
        seen.notes.retain(|note| note != unseen);
        assert_eq!(written(&seen), written(&whole));
        assert_eq!(exit(&seen), exit(&whole));
        api.inject(Fault::forbidden(Resource::Namespaces));
    }
}

#[tokio::test]
async fn an_empty_namespace_has_no_pull_secrets() {
    let api = ApiServer::start().await;
    api.apply(objects::namespace("empty"));
    let kubeconfig = Config::of(&api.kubeconfig());
    let report = checked(&format!("-n empty --kubeconfig {}", kubeconfig.source())).await;
    assert_eq!(written(&report), "No pull secrets found.\n");
    assert_eq!(exit(&report), 0);
}

#[tokio::test]
async fn a_name_that_is_listed_and_cannot_be_used_is_one() {
    let api = ApiServer::start().await;
    api.apply(objects::namespace("shop"));
    api.apply(objects::opaque_secret("shop", "opaque", &[("a", "b")]));
    api.apply(objects::service_account("shop", "default", &["gone"]));
    for name in ["a", "b"] {
        api.apply(objects::pod("shop", name, "ghcr.io/org/app", &["gone"]));
    }
    let kubeconfig = Config::of(&api.kubeconfig());
    let line = format!("-n shop --offline --kubeconfig {}", kubeconfig.source());
    let report = checked(&line).await;
    assert_eq!(
        written(&report),
        "Listed as pull secrets, and absent or of another type:\n\
         NAMESPACE  KIND            COUNT  SECRET\n\
         shop       Pod             2      gone\n\
         shop       ServiceAccount  1      gone\n"
    );
    let reference = |kind: &str, name: &str, count: u64| json!({"namespace": "shop", "kind": kind, "name": name, "count": count});
    assert_eq!(
        read(&report),
        json!({
            "credentials": [],
            "references": [reference("Pod", "gone", 2), reference("ServiceAccount", "gone", 1)],
        })
    );
    assert_eq!(exit(&report), 1);

    api.apply(objects::pull_secret(
        "shop",
        "gone",
        &objects::docker_config(&[("ghcr.io", "u", "p")]),
    ));
    let report = checked(&line).await;
    assert_eq!(
        (exit(&report), &read(&report)["references"]),
        (0, &Value::Null)
    );

    api.apply(objects::service_account("shop", "default", &["opaque"]));
    let report = checked(&line).await;
    assert_eq!(
        read(&report)["references"],
        json!([reference("ServiceAccount", "opaque", 1)])
    );
    let text = written(&report);
    let (credentials, below) = (text.find("shop/opaque"), text.find("COUNT"));
    assert!(credentials < below && credentials.is_some(), "{text}");
    assert_eq!(exit(&report), 1);

    api.inject(Fault::forbidden(Resource::Secrets));
    let report = checked(&line).await;
    assert_eq!(read(&report), json!({"credentials": []}));
    assert_eq!(exit(&report), 2, "nobody knows what is there");
}

#[tokio::test]
async fn what_wants_to_be_left_alone_is_shown_and_no_failure() {
    let registry = registry().await;
    let api = ApiServer::start().await;
    let host = registry.host();
    let wrong = objects::docker_config(&[(host, "wrong", "guess"), ("https://", "u", "p")]);
    let secret = |name: &str| objects::pull_secret("shop", name, &wrong);
    api.apply(objects::namespace("shop"));
    api.apply(objects::annotated(
        secret("ignored"),
        "regcred-exporter.io/ignore",
        "true",
    ));
    let kubeconfig = Config::of(&api.kubeconfig());
    let line = format!(
        "-n shop --probe.allow 127.0.0.1 --kubeconfig {}",
        kubeconfig.source()
    );
    let report = checked(&line).await;
    let shown = |name: &str| ("shop/".to_owned() + name, Value::Null, json!([]));
    assert_eq!(sources(&report), [shown("ignored")]);
    assert!(written(&report).contains("skipped: ignored"));
    assert_eq!(exit(&report), 0);

    api.apply(objects::annotated(
        secret("unasked"),
        "regcred-exporter.io/probe",
        "false",
    ));
    let report = checked(&line).await;
    let found = sources(&report);
    assert!(found.contains(&shown("unasked")), "{found:?}");
    assert_eq!((found.len(), exit(&report)), (3, 1), "its fault is told");
    assert_eq!(registry.logins("wrong"), 0);
}

#[tokio::test]
async fn an_image_whose_candidates_want_to_be_left_alone_is_no_failure() {
    let registry = registry().await;
    let host = registry.host();
    let config = Config::of("");
    let near = format!("{host}/org/application");
    let wrong = objects::docker_config(&[(host, "wrong", "guess"), (&near, "wrong", "guess")]);
    // With a date of its own, and a key that nearly matches.
    let secret = |namespace: &str, name: &str| {
        let secret = objects::pull_secret(namespace, name, &wrong);
        objects::annotated(secret, "regcred-exporter.io/expires-at", "2040-01-01")
    };
    let (ignore, no_probe) = (
        ("regcred-exporter.io/ignore", "true"),
        ("regcred-exporter.io/probe", "false"),
    );
    let wishing = |object: Value, (name, value)| objects::annotated(object, name, value);
    let account = |namespace: &str| objects::service_account(namespace, "default", &["pull"]);
    let api = ApiServer::start().await;
    fs::write(&config.path, api.kubeconfig()).unwrap();
    for (namespace, wish) in [("ignored", ignore), ("unasked", no_probe)] {
        api.apply(objects::namespace(namespace));
        api.apply(wishing(secret(namespace, "pull"), wish));
        api.apply(account(namespace));
    }
    // Others name the Secret: only its Pods are to be left alone.
    api.apply(objects::namespace("account"));
    api.apply(secret("account", "pull"));
    api.apply(wishing(account("account"), no_probe));
    api.apply(objects::service_account("account", "other", &["pull"]));
    let asked = async |namespace: &str, more: &str| {
        let line = format!("-n {namespace} --probe.allow 127.0.0.1 --image {host}/org/app:1.0");
        checked(&format!("{line} --kubeconfig {} {more}", config.source())).await
    };
    for (namespace, expires, near_misses) in [
        ("ignored", Value::Null, 0),
        ("unasked", json!("2040-01-01T00:00:00Z"), 1),
        ("account", json!("2040-01-01T00:00:00Z"), 1),
    ] {
        let report = asked(namespace, "").await;
        let found = read(&report);
        let candidate = &found["candidates"][0];
        assert_eq!(candidate["outcome"], Value::Null, "{found}");
        assert_eq!(candidate["expires_at"], expires, "{found}");
        let near = found["near_misses"].as_array().unwrap();
        assert_eq!(near.len(), near_misses, "{found}");
        assert!(written(&report).contains("skipped: ignored"), "{found}");
        assert_eq!(ci::read(&junit::write(&report))[0].ending, "skipped");
        assert_eq!(exit(&report), 0, "{namespace}");
        let offline = asked(namespace, "--offline").await;
        assert!(written(&offline).contains("not asked"), "{found}");
    }
    assert_eq!(registry.logins("wrong"), 0);

    api.apply(objects::pull_secret("unasked", "bad", "[]"));
    api.apply(objects::service_account(
        "unasked",
        "default",
        &["pull", "bad"],
    ));
    assert_eq!(exit(&asked("unasked", "").await), 1, "poison is told");
    let poison = objects::pull_secret("ignored", "bad", "[]");
    api.apply(wishing(poison, ignore));
    api.apply(objects::service_account(
        "ignored",
        "default",
        &["pull", "bad"],
    ));
    let report = asked("ignored", "").await;
    assert_eq!((exit(&report), report.poisonous.len()), (0, 0));
}
