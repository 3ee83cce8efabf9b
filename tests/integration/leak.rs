//! A secret never leaves: canaries in Secrets of every shape, and every output searched for them.

use std::path::Path;
use std::time::Duration;

use regcred_stand_ins::api_server::ApiServer;
use regcred_stand_ins::objects::{
    base64, docker_config, dockercfg, dockercfg_secret, opaque_secret, pod, pull_secret,
    service_account,
};
use regcred_stand_ins::registry::{Answer, Behaviour, Registry, Step};
use regcred_stand_ins::scrape;
use ring::digest::{SHA256, digest};

use super::exporter::{Exporter, command};

/// Nothing else on any page looks like this.
const CANARY: &str = "c4n4ry-Pa55w0rd-7f3a";

/// A user name that is its password and its token.
const ALL_IN_ONE: &str = "c4n4ry-all-in-one-91bd";

/// Every spelling in which a canary could get out.
fn spellings() -> Vec<String> {
    let mut all = Vec::new();
    for canary in [CANARY, ALL_IN_ONE] {
        let hash = digest(&SHA256, canary.as_bytes());
        let hex: String = hash
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let pair = base64(&format!("bot:{canary}"));
        let one = base64(&format!("{canary}:{canary}"));
        let percent: String = canary.bytes().map(|byte| format!("%{byte:02X}")).collect();
        all.extend([canary.to_owned(), base64(canary), hex, pair, one, percent]);
    }
    // Base64 of a longer text has that of its parts inside, but for the edges.
    all.iter()
        .map(|text| text.trim_end_matches('=').to_owned())
        .collect()
}

fn assert_clean(place: &str, text: &str) {
    for spelling in spellings() {
        assert!(!text.contains(&spelling), "{place} holds {spelling}");
    }
}

/// Secrets that are read, refused, malformed, expired, of the wrong type; registries that send back
/// what they were sent.
async fn world() -> (ApiServer, Vec<Registry>) {
    let api = ApiServer::start().await;
    let right = Registry::start(
        Behaviour::bearer()
            .user("bot", CANARY)
            .user(ALL_IN_ONE, ALL_IN_ONE)
            .manifest("team/app", "1"),
    )
    .await;
    let wrong = Registry::start(Behaviour::basic()).await;
    let echo = Answer::error(
        403,
        "DENIED",
        &format!("user bot with {CANARY} is not known"),
    )
    .header("x-echo", CANARY)
    .header(
        "location",
        &format!("https://example.com/?password={CANARY}"),
    );
    let echoing = Registry::start(Behaviour::bearer().answer(Step::Token, echo)).await;
    let host = right.host();
    let secrets = [
        ("right", docker_config(&[(host, "bot", CANARY)])),
        (
            "all-in-one",
            docker_config(&[(host, ALL_IN_ONE, ALL_IN_ONE)]),
        ),
        ("wrong", docker_config(&[(wrong.host(), "bot", CANARY)])),
        ("echo", docker_config(&[(echoing.host(), "bot", CANARY)])),
        (
            "token",
            format!(
                r#"{{"auths":{{"{host}":{{"username":"{CANARY}","password":"{CANARY}","identitytoken":"{CANARY}","registrytoken":"{CANARY}"}}}}}}"#
            ),
        ),
        (
            "string-entry",
            format!(r#"{{"auths":{{"{host}":"{}"}}}}"#, base64(CANARY)),
        ),
        (
            "plain-auth",
            format!(r#"{{"auths":{{"{host}":{{"auth":"bot:{CANARY}"}}}}}}"#),
        ),
        (
            "number",
            format!(r#"{{"auths":{{"{host}":{{"auth":7,"password":"{CANARY}"}}}}}}"#),
        ),
        ("no-json", CANARY.to_owned()),
        (
            "user-info",
            docker_config(&[(&format!("https://bot:{CANARY}@{host}"), "bot", CANARY)]),
        ),
        (
            "bare-token",
            format!(
                r#"{{"auths":{{"{host}":{{"auth":"{}"}}}}}}"#,
                base64(CANARY)
            ),
        ),
    ];
    for (namespace, config) in secrets {
        api.apply(pull_secret(namespace, "pull", &config));
        api.apply(pod(
            namespace,
            "app",
            &format!("{host}/team/app:1"),
            &["pull", "other"],
        ));
        api.apply(service_account(namespace, "default", &["pull"]));
        api.apply(opaque_secret(namespace, "other", &[("password", CANARY)]));
    }
    api.apply(dockercfg_secret(
        "legacy",
        "pull",
        &dockercfg(&[(host, "bot", CANARY)]),
    ));
    api.apply(service_account("legacy", "default", &["pull"]));
    (api, vec![right, wrong, echoing])
}

#[tokio::test]
async fn no_canary_is_in_any_log_line_page_or_argument() {
    let (api, _registries) = world().await;
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    std::fs::write(&kubeconfig, api.kubeconfig()).unwrap();
    for format in ["logfmt", "json"] {
        let flags = [
            "--log.level=trace",
            &*format!("--log.format={format}"),
            "--probe.confirm-after=1s",
        ];
        let exporter = Exporter::start(&kubeconfig, &flags).await;
        let refused = ("regcred_credential_valid", [("secret_namespace", "wrong")]);
        let patience = Duration::from_secs(30);
        let echoed = [
            ("credential", "echo/pull"),
            ("step", "token"),
            ("outcome", "forbidden"),
        ];
        let wanted = |page: &scrape::Page| {
            page.value(refused.0, &refused.1) == Some(0.0)
                && page.count("regcred_probe_outcome", &echoed) == 1
                && page.count("regcred_secret_fault", &[("fault", "wrong_secret_type")]) >= 10
                && page.value(
                    "regcred_credential_valid",
                    &[("secret_namespace", "all-in-one")],
                ) == Some(1.0)
        };
        exporter.until("all verdicts", patience, wanted).await;
        for path in ["/", "/metrics", "/readyz", "/livez", "/nothing"] {
            let (_, body) = scrape::get(exporter.address(), path).await.unwrap();
            assert_clean(path, &body);
        }
        for file in ["cmdline", "environ"] {
            let bytes = std::fs::read(format!("/proc/{}/{file}", exporter.pid())).unwrap();
            assert_clean(file, &String::from_utf8_lossy(&bytes));
        }
        let log = exporter.log();
        assert!(
            log.contains("Login outcome changed"),
            "the log speaks:\n{log}"
        );
        assert_clean("the log", &log);
    }
}

#[tokio::test]
async fn no_canary_is_in_what_check_prints() {
    let (_api, registries) = world().await;
    let host = registries[0].host();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let wrong = docker_config(&[
        (registries[1].host(), "bot", CANARY),
        (host, ALL_IN_ONE, ALL_IN_ONE),
    ]);
    let broken = format!(r#"{{"auths":{{"{host}":{{"auth":"bot:{CANARY}"}},"x.io":"{CANARY}"}}}}"#);
    let paths = [
        file("wrong.json", &wrong),
        file("broken.json", &broken),
        file("text.json", CANARY),
    ];
    for output in ["table", "json"] {
        for path in &paths {
            let told = check(path, output);
            assert_clean("stdout", &String::from_utf8_lossy(&told.stdout));
            assert_clean("stderr", &String::from_utf8_lossy(&told.stderr));
            assert!(!told.stdout.is_empty());
        }
    }
}

fn check(path: &Path, output: &str) -> std::process::Output {
    command()
        .args([
            "check",
            "--log.level=trace",
            "-o",
            output,
            "--docker-config",
        ])
        .arg(path)
        .output()
        .expect("the binary runs")
}
