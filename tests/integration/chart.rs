//! The chart on a real API server: installed as an operator does, and the real binary run as the pod
//! would be, under its ServiceAccount and with its arguments.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use regcred_stand_ins::scrape::Page;
use serde::Deserialize;

use super::exporter::{Exporter, command};
use super::real_api_server::RealApiServer;
use super::tools;

/// What the installed pod would be given.
#[derive(Deserialize)]
struct Installed {
    token: String,
    args: Vec<String>,
}

fn install(kubeconfig: &Path, flags: &[&str]) -> String {
    let done = Command::new(tools::path("REGCRED_PYTHON"))
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/ops/chart_install.py"
        ))
        .args(flags)
        .env("KUBECONFIG", kubeconfig)
        .output()
        .expect("python runs");
    let told = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{flags:?}: {told}");
    String::from_utf8(done.stdout).expect("the script prints text")
}

#[tokio::test]
async fn the_binary_runs_with_the_rights_and_arguments_that_the_chart_gives() {
    let server = RealApiServer::start().await;
    let folder = tempfile::tempdir().unwrap();
    let admin = folder.path().join("admin");
    std::fs::write(&admin, server.kubeconfig()).unwrap();
    // Installs, upgrades, rolls back and takes away again, with every claim it makes on the way.
    install(&admin, &[]);

    let told = install(&admin, &["--install-only"]);
    let installed: Installed = serde_json::from_str(&told).expect("it says what the pod gets");
    let own = folder.path().join("own");
    std::fs::write(&own, server.kubeconfig_of(&installed.token)).unwrap();
    let exporter = Exporter::spawn(
        command()
            .args(&installed.args)
            .arg(format!("--kubeconfig={}", own.display())),
    )
    .await;
    exporter.ready().await;
    let may_all = |page: &Page| {
        ["namespaces", "pods", "secrets", "serviceaccounts", "events"]
            .iter()
            .all(|resource| {
                let labels = [("resource", *resource)];
                page.value("regcred_watch_up", &labels) == Some(1.0)
                    && page.value("regcred_watch_forbidden", &labels) == Some(0.0)
            })
    };
    // A role is known to the API server some milliseconds after it was made.
    let (_, page) = exporter
        .until("every watch", Duration::from_secs(60), may_all)
        .await;
    assert!(page.value("regcred_objects", &[("resource", "namespaces")]) >= Some(4.0));
    install(&admin, &["--uninstall"]);
}
