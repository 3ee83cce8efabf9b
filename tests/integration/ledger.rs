//! Where the ledger is kept: a Lease of a stand-in and of a real API server, a file, and what the
//! real binary makes of them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use kube::Client;
use regcred_exporter::domain::cluster::ObjectName;
use regcred_exporter::files::state_file::{self, StateFile, StateFileError};
use regcred_exporter::kubernetes::client::Reason;
use regcred_exporter::kubernetes::lease::{Lease, Written};
use regcred_stand_ins::api_server::{ApiServer, Fault, Resource};
use regcred_stand_ins::objects::{docker_config, namespace, pod, pull_secret};
use regcred_stand_ins::registry::{Answer, Behaviour, Registry, Step};
use tempfile::TempDir;

use super::exporter::{Exporter, command};
use super::real_api_server::RealApiServer;
use super::watch::client_of;

fn lease(client: &Client, namespace: &str) -> Lease {
    let name = ObjectName {
        namespace: namespace.to_owned(),
        name: "regcred-exporter".to_owned(),
    };
    Lease::new(client.clone(), name)
}

fn over(text: &str) -> Result<Written, Reason> {
    Ok(Written::NotOver(Some(text.to_owned())))
}

/// Of two writers only one writes over what both have seen.
async fn one_of_two_writers_wins(client: &Client, namespace: &str) {
    let (mut first, mut second) = (lease(client, namespace), lease(client, namespace));
    assert_eq!(first.read().await, Ok(None));
    assert_eq!(second.read().await, Ok(None));
    assert_eq!(first.write("one").await, Ok(Written::Whole));
    assert_eq!(
        second.write("two").await,
        over("one"),
        "it was made meanwhile"
    );
    assert_eq!(second.write("two").await, Ok(Written::Whole));
    assert_eq!(
        first.write("three").await,
        over("two"),
        "it was changed meanwhile"
    );
    assert_eq!(first.read().await, Ok(Some("two".to_owned())));
    assert_eq!(first.write("three").await, Ok(Written::Whole));
    assert_eq!(first.write("four").await, Ok(Written::Whole));
    assert_eq!(
        lease(client, namespace).read().await,
        Ok(Some("four".to_owned()))
    );
    let long = "x".repeat(200 * 1024);
    assert_eq!(
        first.write(&long).await,
        Ok(Written::Whole),
        "as long as ours get"
    );
}

#[tokio::test]
async fn of_two_writers_of_a_lease_one_wins() {
    let api = ApiServer::start().await;
    let client = client_of(&api.kubeconfig()).await;
    one_of_two_writers_wins(&client, "a").await;
    assert!(api.delete(Resource::Leases, "a", "regcred-exporter"));
    let mut other = lease(&client, "a");
    assert_eq!(other.read().await, Ok(None));
}

#[tokio::test]
async fn of_two_writers_of_a_real_lease_one_wins() {
    let server = RealApiServer::shared().await;
    let client = client_of(&server.kubeconfig()).await;
    let request = http::Request::post("/api/v1/namespaces")
        .header("content-type", "application/json")
        .body(namespace("ledger").to_string().into_bytes().into())
        .unwrap();
    assert!(client.send(request).await.unwrap().status().is_success());
    one_of_two_writers_wins(&client, "ledger").await;
}

#[tokio::test]
async fn a_lease_that_is_deleted_is_made_anew() {
    let api = ApiServer::start().await;
    let mut lease = lease(&client_of(&api.kubeconfig()).await, "a");
    assert_eq!(lease.write("one").await, Ok(Written::Whole));
    api.delete(Resource::Leases, "a", "regcred-exporter");
    assert_eq!(lease.write("two").await, Ok(Written::Whole));
    assert_eq!(lease.read().await, Ok(Some("two".to_owned())));
}

#[test]
fn of_two_writers_of_a_file_one_wins() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("ledger");
    let open = || StateFile::new(path.clone());
    let (mut first, mut second) = (open(), open());
    assert_eq!(first.read().unwrap(), None);
    assert_eq!(second.read().unwrap(), None);
    assert_eq!(first.write("one").unwrap(), state_file::Written::Whole);
    let over = state_file::Written::NotOver(Some("one".to_owned()));
    assert_eq!(second.write("two").unwrap(), over);
    assert_eq!(second.write("two").unwrap(), state_file::Written::Whole);
    assert_eq!(open().read().unwrap().as_deref(), Some("two"));
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "{mode:o}");
}

#[test]
fn a_link_in_the_place_of_the_new_text_is_not_followed() {
    let folder = TempDir::new().unwrap();
    let (path, victim) = (folder.path().join("ledger"), folder.path().join("victim"));
    fs::write(&victim, "precious").unwrap();
    std::os::unix::fs::symlink(&victim, folder.path().join("ledger.tmp")).unwrap();
    let mut file = StateFile::new(path.clone());
    assert_eq!(file.write("one").unwrap(), state_file::Written::Whole);
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    assert_eq!(fs::read_to_string(&path).unwrap(), "one");
    assert!(fs::symlink_metadata(&path).unwrap().is_file());
}

#[test]
fn a_file_that_cannot_be_kept_is_named_and_lost_is_nothing() {
    let folder = TempDir::new().unwrap();
    let told = |error: StateFileError| format!("{:#}", anyhow::Error::from(error));
    let nowhere = folder.path().join("none/ledger");
    let error = told(StateFile::new(nowhere.clone()).write("x").unwrap_err());
    assert!(error.contains(&*nowhere.to_string_lossy()), "{error}");

    let large = folder.path().join("large");
    fs::write(&large, vec![b'x'; 2 << 20]).unwrap();
    let error = told(StateFile::new(large.clone()).read().unwrap_err());
    assert!(
        error.contains("is no state file") || error.contains("no state file"),
        "{error}"
    );
    assert_eq!(fs::metadata(&large).unwrap().len(), 2 << 20);
}

/// A cluster in which twenty Secrets hold twenty wrong passwords of one account.
async fn world(folder: &Path) -> (ApiServer, Registry) {
    let registry = Registry::start(Behaviour::bearer().user("bot", "right")).await;
    let api = ApiServer::start().await;
    for n in 0..20 {
        let config = docker_config(&[(registry.host(), "bot", &format!("stale-{n}"))]);
        let namespace = format!("team-{n}");
        api.apply(pull_secret(&namespace, "pull", &config));
        let image = format!("{}/team/app:1", registry.host());
        api.apply(pod(&namespace, "app", &image, &["pull"]));
    }
    fs::write(folder.join("kubeconfig"), api.kubeconfig()).unwrap();
    (api, registry)
}

#[tokio::test]
async fn the_binary_remembers_in_a_lease_what_was_refused_before_it_was_killed() {
    let folder = TempDir::new().unwrap();
    let (api, registry) = world(folder.path()).await;
    let kubeconfig = folder.path().join("kubeconfig");
    for _ in 0..3 {
        let exporter = Exporter::start(&kubeconfig, &["--lease=kube/regcred"]).await;
        let patience = Duration::from_secs(30);
        let waits = |page: &regcred_stand_ins::scrape::Page| {
            page.value("regcred_ledger_up", &[]) == Some(1.0)
                && page.count("regcred_credential_skipped", &[("why", "budget")]) >= 18
        };
        exporter.until("logins that wait", patience, waits).await;
        // Ends with its handle, by SIGKILL.
    }
    assert_eq!(registry.refused_logins("bot"), 2);
    let lease = api.find(Resource::Leases, "kube", "regcred").unwrap();
    let ledger = lease["metadata"]["annotations"]["regcred-exporter.io/ledger"].as_str();
    let ledger = ledger.unwrap();
    assert!(ledger.contains("/pull#"), "{ledger}");
    assert!(
        !ledger.contains("bot") && !ledger.contains("stale"),
        "{ledger}"
    );
}

/// Without its answer a login counts as refused: three ends right after the start would leave a good
/// credential without a verdict for half an hour.
#[tokio::test]
async fn an_end_waits_for_the_answers_of_logins_and_writes_them_down() {
    let folder = TempDir::new().unwrap();
    let registry = Registry::start(Behaviour::bearer().user("bot", "right")).await;
    let config = docker_config(&[(registry.host(), "bot", "right")]);
    fs::write(folder.path().join("config.json"), config).unwrap();
    let flags = [
        format!(
            "--docker-config={}",
            folder.path().join("config.json").display()
        ),
        format!("--state-file={}", folder.path().join("ledger").display()),
    ];
    let flags: Vec<_> = flags.iter().map(String::as_str).collect();
    let token = || Answer::status(200).json(&serde_json::json!({ "token": "t" }));
    for ends in 0..3 {
        registry.answer(Step::Token, token().delayed(Duration::from_secs(1)).once());
        let exporter = Exporter::start_with(&flags).await;
        let is_under_way = |registry: &Registry| registry.count(Step::Token) > ends;
        registry.until("a login under way", is_under_way).await;
        assert!(exporter.terminate().await.success());
    }
    let exporter = Exporter::start_with(&flags).await;
    let is_valid = |page: &regcred_stand_ins::scrape::Page| {
        page.value("regcred_credential_valid", &[]) == Some(1.0)
    };
    let patience = Duration::from_secs(20);
    exporter.until("the verdict", patience, is_valid).await;
    assert_eq!(registry.all_refused_logins(), 0);
}

/// Of what comes after a login nothing is owed to its account: an end does not wait for it, or the
/// time to end in would pass with the login's answer unwritten.
#[tokio::test]
async fn an_end_does_not_wait_for_all_manifests_behind_a_login() {
    let folder = TempDir::new().unwrap();
    let registry = Registry::start(Behaviour::bearer().user("bot", "right")).await;
    let slow = Answer::status(404).delayed(Duration::from_millis(500));
    registry.answer(Step::Manifest, slow);
    let api = ApiServer::start().await;
    let config = docker_config(&[(registry.host(), "bot", "right")]);
    api.apply(pull_secret("shop", "pull", &config));
    for n in 0..20 {
        let image = format!("{}/team/app-{n}:1", registry.host());
        api.apply(pod("shop", &format!("app-{n}"), &image, &["pull"]));
    }
    let kubeconfig = folder.path().join("kubeconfig");
    fs::write(&kubeconfig, api.kubeconfig()).unwrap();
    let ledger = folder.path().join("ledger");
    let flag = format!("--state-file={}", ledger.display());
    let exporter = Exporter::start(&kubeconfig, &[&flag]).await;
    let has_logged_in = |registry: &Registry| registry.count(Step::Manifest) > 0;
    registry.until("the first manifest", has_logged_in).await;
    assert!(exporter.terminate().await.success());
    let asked = registry.count(Step::Manifest);
    assert!(asked < 10, "{asked} manifests");
    let ledger = fs::read_to_string(ledger).unwrap();
    assert!(ledger.contains(r#""accounts":[]"#), "{ledger}");
}

#[tokio::test]
async fn a_lease_that_may_not_be_written_keeps_every_login_back() {
    let folder = TempDir::new().unwrap();
    let (api, registry) = world(folder.path()).await;
    api.inject(Fault::forbidden(Resource::Leases));
    let kubeconfig = folder.path().join("kubeconfig");
    let exporter = Exporter::start(&kubeconfig, &["--lease=kube/regcred"]).await;
    let patience = Duration::from_secs(30);
    let waits = |page: &regcred_stand_ins::scrape::Page| {
        page.value("regcred_ledger_up", &[]) == Some(0.0)
            && page.count("regcred_credential_skipped", &[("why", "budget")]) == 20
    };
    exporter.until("logins that wait", patience, waits).await;
    assert_eq!(registry.all_refused_logins(), 0);
    assert!(exporter.log().contains("403"), "{}", exporter.log());
}

#[tokio::test]
async fn check_has_an_account_refused_once_and_shares_a_state_file() {
    let registry = Registry::start(Behaviour::bearer().user("bot", "right")).await;
    let folder = TempDir::new().unwrap();
    for n in 0..20 {
        let config = docker_config(&[(registry.host(), "bot", &format!("stale-{n}"))]);
        fs::write(folder.path().join(format!("{n}.json")), config).unwrap();
    }
    let check = async |flags: &[&str]| {
        let mut command = command();
        command
            .args(["check", "--docker-config"])
            .arg(folder.path())
            .args(flags);
        // The registry answers on this thread.
        let told = tokio::task::spawn_blocking(move || command.output()).await;
        let told = told.unwrap().expect("the binary runs");
        (told.status.code(), String::from_utf8(told.stdout).unwrap())
    };
    let (code, told) = check(&[]).await;
    assert_eq!(code, Some(1), "{told}");
    assert_eq!(registry.refused_logins("bot"), 1);

    let state = format!("--state-file={}", folder.path().join("ledger").display());
    for _ in 0..50 {
        check(&[&state]).await;
    }
    assert_eq!(
        registry.refused_logins("bot"),
        3,
        "two more in half an hour"
    );
    let (code, told) = check(&[&state]).await;
    assert_eq!(code, Some(2), "nothing could be told: {told}");
}
