//! `explain` over sockets: the real binary, an API server and registries of scenarios.

use std::path::Path;
use std::process::Output;

use regcred_exporter::cli::{Cli, Command};
use regcred_exporter::config::{Explain, Question};
use regcred_exporter::domain::cluster::ObjectName;
use regcred_stand_ins::api_server::{ApiServer, Fault, Resource};
use regcred_stand_ins::objects::{namespace, pod, pull_secret, service_account};
use regcred_stand_ins::registry::{Behaviour, Registry};
use regcred_stand_ins::scenario::Scenario;
use serde_json::Value;
use tempfile::TempDir;

use super::exporter;

/// A cluster, its registries, and the way to it.
struct World {
    api: ApiServer,
    registries: Vec<Registry>,
    folder: TempDir,
}

impl World {
    async fn new() -> Self {
        let api = ApiServer::start().await;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("kubeconfig"), api.kubeconfig()).unwrap();
        Self {
            api,
            registries: Vec::new(),
            folder,
        }
    }

    /// With the scenarios of these names, each in a namespace of the same name.
    async fn of(names: &[&str]) -> Self {
        let mut world = Self::new().await;
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scenarios");
        for scenario in Scenario::all(Path::new(folder)) {
            if names.contains(&&*scenario.name) {
                let registry = scenario.start().await;
                let namespace = scenario.name.replace('_', "-");
                world
                    .api
                    .apply_all(scenario.objects(&namespace, registry.host()));
                world.registries.push(registry);
            }
        }
        assert_eq!(world.registries.len(), names.len());
        world
    }

    async fn explain(&self, flags: &[&str]) -> Output {
        let mut command = exporter::command();
        command
            .arg("explain")
            .args(flags)
            .arg(format!(
                "--kubeconfig={}",
                self.folder.path().join("kubeconfig").display()
            ))
            .arg("--probe.allow=127.0.0.0/8");
        // The stand-ins answer on this runtime meanwhile.
        let running = tokio::task::spawn_blocking(move || command.output().unwrap());
        running.await.unwrap()
    }
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn findings(output: &Output) -> Vec<Value> {
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_reads_like_a_colleague_and_says_what_to_do() {
    let world = World::of(&["service_account_not_configured-lists_another"]).await;
    let name = "service-account-not-configured-lists-another/web";
    let output = world.explain(&["pod", name]).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = stdout(&output);
    for piece in [
        "Deployment web",
        "container app waits for 127.0.0.1:",
        "Cause: service_account_not_configured",
        "The node says unauthorized: Failed to pull image",
        "The Pod names no pull secret",
        "Secret pull of this namespace has a key",
        "kubectl -n service-account-not-configured-lists-another get serviceaccount runner",
        "rollout restart deployment/web",
    ] {
        assert!(text.contains(piece), "{piece:?} in\n{text}");
    }
    assert!(!text.contains("right"), "a password:\n{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_wait_are_a_list_of_objects() {
    let names = [
        "invalid_credentials-wrong_password",
        "permission_denied-proven_by_another_login",
        "network-dns",
        "healthy-good_secret",
    ];
    let world = World::of(&names).await;
    let output = world.explain(&["--all", "-o", "json"]).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let found = findings(&output);
    let causes: Vec<_> = found
        .iter()
        .map(|one| one["cause"].as_str().unwrap())
        .collect();
    assert_eq!(
        causes,
        ["invalid_credentials", "permission_denied", "network"]
    );
    let first = &found[0];
    let keys: Vec<_> = first
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let mut expected = [
        "namespace",
        "pod",
        "container",
        "node",
        "workload",
        "state",
        "cause",
        "detail",
        "image",
        "registry",
        "answered_by",
        "secret",
        "owner",
        "evidence",
        "fix",
        "anonymous_would_work",
    ];
    expected.sort_unstable();
    assert_eq!(keys, expected);
    assert_eq!(first["state"], "blocked");
    assert_eq!(first["workload"]["kind"], "Pod");
    assert_eq!(first["secret"], "invalid-credentials-wrong-password/pull");
    assert_eq!(found[2]["detail"], "dns");
    assert!(
        found
            .iter()
            .all(|one| !one["fix"].as_array().unwrap().is_empty())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_be_drained_is_told_by_node() {
    let world = World::of(&["at_risk-revoked", "healthy-good_secret"]).await;
    let output = world
        .explain(&["--at-risk", "--node", "node-1", "-o", "json"])
        .await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let found = findings(&output);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["state"], "at_risk");
    assert_eq!(found[0]["cause"], "invalid_credentials");
    assert_eq!(found[0]["namespace"], "at-risk-revoked");
    let output = world.explain(&["--at-risk", "--node", "node-2"]).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(stdout(&output).starts_with("Every Pod of this node could be pulled"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_healthy_pod_is_told_with_what_it_pulls() {
    let world = World::of(&["healthy-good_secret"]).await;
    let output = world.explain(&["pod", "healthy-good-secret/web"]).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = stdout(&output);
    assert!(
        text.starts_with("healthy-good-secret/web waits for no image."),
        "{text}"
    );
    assert!(
        text.contains("the login works, and reads the image"),
        "{text}"
    );
    let output = world
        .explain(&["pod", "healthy-good-secret/web", "-o", "json"])
        .await;
    assert_eq!(findings(&output), Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_not_there_is_named() {
    let world = World::of(&["healthy-good_secret"]).await;
    let output = world.explain(&["pod", "shop/gone"]).await;
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("there is no Pod `shop/gone`"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_be_read_is_not_called_absent() {
    let world = World::of(&["missing_pull_secret-named_absent"]).await;
    world.api.inject(Fault::forbidden(Resource::Secrets));
    let output = world.explain(&["--all"]).await;
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let text = stdout(&output);
    assert!(text.contains("Cause: unknown"), "{text}");
    assert!(
        text.contains("Whether there is a Secret pull is not known"),
        "{text}"
    );
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("failed to list secrets"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_see_pods_is_not_told_that_there_are_none() {
    let world = World::of(&["missing_pull_secret-named_absent"]).await;
    world.api.inject(Fault::forbidden(Resource::Pods));
    let name = "missing-pull-secret-named-absent/web";
    for flags in [
        &["pod", name][..],
        &["--all"],
        &["--at-risk", "--node", "node-1"],
    ] {
        let output = world.explain(flags).await;
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert_eq!(stdout(&output), "Nothing is found in what could be read.\n");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(told.contains("failed to list pods"), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_old_kubelet_told_by_an_event_alone_counts() {
    let world = World::of(&["network-timeout"]).await;
    let output = world.explain(&["--all", "-o", "json", "--offline"]).await;
    let found = findings(&output);
    assert_eq!(found[0]["cause"], "network", "{found:?}");
    assert_eq!(found[0]["detail"], "timeout");
}

/// What a shell makes of a command, word by word.
fn words(command: &str) -> Vec<String> {
    let script = format!("set -f; printf '%s\\0' {command}");
    let output = std::process::Command::new("sh")
        .args(["-c", &script])
        .output()
        .unwrap();
    assert!(output.status.success(), "{command}: {output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_terminator('\0').map(str::to_owned).collect()
}

/// The simple commands of a pipeline: what stands between its bars, but for those in quotes.
fn parts(command: &str) -> Vec<&str> {
    let (mut parts, mut from, mut quote) = (Vec::new(), 0, None);
    for (at, c) in command.char_indices() {
        match (quote, c) {
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            (None, '|') => {
                parts.push(&command[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&command[from..]);
    parts
}

#[tokio::test(flavor = "multi_thread")]
async fn names_and_messages_of_a_tenant_neither_reach_the_terminal_nor_the_shell() {
    let mut world = World::new().await;
    let registry = Registry::start(Behaviour::basic().manifest("team/app", "1")).await;
    let image = format!("{}/team/app:1", registry.host());
    let evil = "$(touch owned);`id`'\u{202e}\u{7}\u{1b}[31m</script>";
    let message = format!(
        "pulling from host {} failed: 401 Unauthorized {evil}{}",
        registry.host(),
        "x".repeat(70_000)
    );
    let secret = "it's;$(id)";
    let web = pod("shop", "web-1", &image, &[secret])
        .node("node;reboot")
        .waiting("ErrImagePull", &message);
    world
        .api
        .apply_all([namespace("shop"), service_account("shop", "default", &[])]);
    world.api.apply(pull_secret(
        "shop",
        secret,
        "{\"auths\":{\"quay.io\":{\"auth\":\"user:password\"}}}",
    ));
    world.api.apply(web);
    world.registries.push(registry);
    let output = world.explain(&["--all"]).await;
    let text = stdout(&output);
    let is_plain = |c: char| c == '\n' || (!c.is_control() && c != '\u{202e}');
    assert!(text.chars().all(is_plain), "{text:?}");
    let output = world.explain(&["--all", "-o", "json"]).await;
    let found = findings(&output);
    let steps = found[0]["fix"].as_array().unwrap();
    let commands: Vec<_> = steps
        .iter()
        .filter_map(|step| step["command"].as_str())
        .collect();
    assert!(!commands.is_empty());
    for command in commands {
        for part in parts(command) {
            let words = words(part);
            let is_name = |word: &String| word.contains("it's");
            assert!(
                words
                    .iter()
                    .filter(|word| is_name(word))
                    .all(|word| word == secret),
                "{words:?}"
            );
        }
    }
    assert!(!Path::new("owned").exists());
}

#[test]
fn usage_is_one_question() {
    let read = |flags: &[&str]| {
        let words = ["regcred-exporter", "explain"]
            .into_iter()
            .chain(flags.iter().copied());
        let Ok(Command::Explain(args)) = Cli::read(words).map(Cli::into_command) else {
            panic!("explain is a command");
        };
        Explain::try_from_args(&args)
            .map(|asked| asked.question)
            .map_err(|complaints| complaints.len())
    };
    let pod = ObjectName {
        namespace: "shop".to_owned(),
        name: "web".to_owned(),
    };
    assert_eq!(read(&["pod", "shop/web"]), Ok(Question::Pod(pod)));
    assert_eq!(read(&["--all"]), Ok(Question::All));
    let node = Some("n1".to_owned());
    assert_eq!(
        read(&["--at-risk", "--node=n1"]),
        Ok(Question::AtRisk { node })
    );
    for wrong in [
        &[][..],
        &["pod", "web"],
        &["secret", "a/b"],
        &["--all", "--at-risk"],
        &["--all", "--node=n"],
    ] {
        assert!(read(wrong).is_err(), "{wrong:?}");
    }
}
