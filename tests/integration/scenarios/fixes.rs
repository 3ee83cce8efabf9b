//! What `explain` prints is run: each command as it stands, by a shell, with the real kubectl against a
//! real API server. Only docker is a stand-in, which would ask a person for a password.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output};

use http::Method;
use serde_json::Value;

use super::on_an_api_server::Stage;
use crate::real_api_server::RealApiServer;
use crate::{exporter, tools};

/// What docker leaves behind when somebody has logged in.
const DOCKER: &str = r#"#!/bin/sh
[ "$1 $3" = "--config login" ] || exit 64
mkdir -p "$2"
printf '{"auths":{"%s":{"auth":"%s"}}}' "${4:-https://index.docker.io/v1/}" "$(printf bot:right | base64)" >"$2/config.json"
"#;

/// What no API server without its controllers and nodes can do; a Pod is gone when its node says so.
const NOT_HERE: [&str; 7] = [
    " delete pod ",
    "kubectl debug ",
    "kubectl describe node",
    " rollout restart ",
    " annotate externalsecret ",
    " get deployment/",
    " get statefulset/",
];

/// Scenarios whose commands mend all that is to be mended, and the cause by then: what the Pod names
/// works now, and its node tries again; or the Pod still has to be made anew.
const MENDED: [(&str, &str); 9] = [
    ("malformed_secret-newline_in_the_password", "unknown"),
    ("invalid_credentials-wrong_password", "unknown"),
    ("malformed_secret-auth_instead_of_auths", "unknown"),
    ("malformed_secret-entry_for_the_image_is_empty", "unknown"),
    ("missing_pull_secret-named_absent", "unknown"),
    ("missing_pull_secret-none_named", ""),
    ("secret_in_other_namespace-copied_nowhere", "unknown"),
    ("service_account_not_configured-lists_another", "stale_pod"),
    ("service_account_not_configured-lists_none", "stale_pod"),
];

struct World {
    server: RealApiServer,
    folder: tempfile::TempDir,
    path: String,
}

impl World {
    async fn new() -> Self {
        let server = RealApiServer::start().await;
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("kubeconfig"), server.kubeconfig()).unwrap();
        let programs = folder.path().join("bin");
        fs::create_dir(&programs).unwrap();
        symlink(tools::path("REGCRED_KUBECTL"), programs.join("kubectl")).unwrap();
        symlink(tools::path("REGCRED_JQ"), programs.join("jq")).unwrap();
        let docker = programs.join("docker");
        fs::write(&docker, DOCKER).unwrap();
        fs::set_permissions(&docker, fs::Permissions::from_mode(0o755)).unwrap();
        let inherited = std::env::var("PATH").unwrap();
        Self {
            path: format!("{}:{inherited}", programs.display()),
            server,
            folder,
        }
    }

    /// Every finding of a namespace.
    async fn explain(&self) -> BTreeMap<String, Vec<Value>> {
        let mut command = exporter::command();
        command
            .args([
                "explain",
                "--all",
                "-o",
                "json",
                "--probe.allow=127.0.0.0/8",
            ])
            .arg(format!("--kubeconfig={}", self.kubeconfig().display()));
        let output = run(command).await;
        let found: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
        let mut by_namespace: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for one in found {
            let namespace = one["namespace"].as_str().unwrap().to_owned();
            by_namespace.entry(namespace).or_default().push(one);
        }
        by_namespace
    }

    fn kubeconfig(&self) -> std::path::PathBuf {
        self.folder.path().join("kubeconfig")
    }

    /// As a person does who pastes it into a terminal.
    async fn paste(&self, line: &str, at: &Path) -> Output {
        let mut command = Command::new("sh");
        command
            .args(["-c", line])
            .current_dir(at)
            .env("PATH", &self.path)
            .env("HOME", at)
            .env("KUBECONFIG", self.kubeconfig());
        run(command).await
    }
}

async fn run(mut command: Command) -> Output {
    let running = tokio::task::spawn_blocking(move || command.output().unwrap());
    running.await.unwrap()
}

fn commands(finding: &Value) -> Vec<&str> {
    let steps = finding["fix"].as_array().unwrap();
    let commands = steps.iter().filter_map(|step| step["command"].as_str());
    commands
        .filter(|line| !NOT_HERE.iter().any(|part| line.contains(part)))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_works_as_it_is_printed_and_mends_what_it_says() {
    let world = World::new().await;
    let admin = world.server.admin().await;
    let mut stages = Vec::new();
    for scenario in super::all() {
        if scenario.expect.only_in_process.is_none() {
            let stage = Stage::of(scenario).await;
            stage.make(&admin).await;
            stages.push(stage);
        }
    }
    let (mut ran, mut failed) = (0, Vec::new());
    for (namespace, findings) in world.explain().await {
        // A person mends one finding after the other, each in a folder of its own.
        for finding in &findings {
            let at = tempfile::tempdir().unwrap();
            for line in commands(finding) {
                let output = world.paste(line, at.path()).await;
                ran += 1;
                if !output.status.success() {
                    let told = String::from_utf8_lossy(&output.stderr);
                    failed.push(format!("{namespace}: {line}\n    {told}"));
                }
            }
            assert!(!at.path().join("pull-login").exists(), "{namespace}");
        }
    }
    assert_eq!(failed, Vec::<String>::new(), "of {ran}");
    assert!(ran > 60, "{ran} commands");

    let found = world.explain().await;
    for (name, expected) in MENDED {
        let stage = stages.iter().find(|stage| stage.scenario.name == name);
        let namespace = &stage.unwrap().namespace;
        let causes = found.get(namespace).into_iter().flatten();
        let causes: Vec<_> = causes.map(|one| one["cause"].as_str().unwrap()).collect();
        match expected {
            // Whoever makes the Pod anew decides.
            "" => assert!(!causes.contains(&"missing_pull_secret"), "{name}"),
            expected => assert_eq!(causes, [expected], "{name}: {:#?}", found.get(namespace)),
        }
    }
    let path =
        "/api/v1/namespaces/s-service-account-not-configured-lists-another/serviceaccounts/runner";
    let account = admin.send(Method::GET, path, &Value::Null).await;
    let listed = account["imagePullSecrets"].as_array().unwrap();
    let listed: Vec<_> = listed.iter().map(|one| &one["name"]).collect();
    assert_eq!(listed, ["other", "pull"], "what it listed before is kept");
}
