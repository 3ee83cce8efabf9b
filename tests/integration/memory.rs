//! The peak of our memory from start to ready: a promise of 40 MiB with 1,000 pull secrets and 5,000
//! pods of 10 KB.

use std::time::Duration;

use regcred_stand_ins::api_server::ApiServer;

use super::exporter::{Exporter, command};

/// The promise, in KiB as the kernel counts.
const MOST: u64 = 40 * 1024;

#[tokio::test]
async fn a_start_with_a_thousand_secrets_and_five_thousand_pods_stays_below_forty_mebibytes() {
    let api = ApiServer::with_generated(1_000, 5_000, 10_000).await;
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    std::fs::write(&kubeconfig, api.kubeconfig()).unwrap();
    let exporter = Exporter::spawn(
        command()
            .env("MALLOC_ARENA_MAX", "2")
            .arg(format!("--kubeconfig={}", kubeconfig.display()))
            .arg("--probe.which=none"),
    )
    .await;
    exporter.ready().await;
    let all = |page: &regcred_stand_ins::scrape::Page| {
        page.value("regcred_objects", &[("resource", "pods")]) == Some(5_000.0)
            && page.value("regcred_objects", &[("resource", "secrets")]) == Some(1_000.0)
    };
    exporter
        .until("every object", Duration::from_secs(30), all)
        .await;
    let peak = peak_kib(exporter.pid());
    println!("peak RSS: {:.1} MiB", peak as f64 / 1024.0);
    assert!(peak <= MOST, "{peak} KiB at the peak");
}

/// `VmHWM` of /proc/PID/status.
fn peak_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
