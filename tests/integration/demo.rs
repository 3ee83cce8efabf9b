//! The demo's world, and what the real binary says of it: one case of everything.

#[path = "../../examples/demo/cases.rs"]
mod cases;

use std::time::Duration;

use regcred_exporter::clock::Clock;
use regcred_stand_ins::scrape::Page;
use tempfile::TempDir;

use super::exporter::Exporter;

/// A registry that never answers is given up after ten seconds, and a refused login is asked again
/// after two.
const PATIENCE: Duration = Duration::from_secs(60);

/// The flags that the demo gives, but for the address.
const FLAGS: [&str; 2] = ["--probe.confirm-after=2s", "--probe.ping-interval=5s"];

/// The demo's world with an exporter that has settled on it.
pub(crate) struct Demo {
    /// Kept alive; dropped after the exporter.
    pub(crate) exporter: Exporter,
    pub(crate) page: Page,
    pub(crate) world: cases::World,
    _folder: TempDir,
}

/// Starts the world and waits until every case shows what it must.
pub(crate) async fn settled(flags: &[&str]) -> Demo {
    let world = cases::world(Clock::system().now()).await;
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    std::fs::write(&kubeconfig, world.api.kubeconfig()).unwrap();
    let flags: Vec<_> = FLAGS.into_iter().chain(flags.iter().copied()).collect();
    let exporter = Exporter::start(&kubeconfig, &flags).await;
    let (_, mut page) = exporter
        .until("readiness", PATIENCE, |page| !page.series.is_empty())
        .await;
    for case in &world.cases {
        let is_shown = |page: &Page| case.shows.iter().all(|expected| expected.is_shown(page));
        page = exporter.until(&case.title, PATIENCE, is_shown).await.1;
    }
    Demo {
        exporter,
        page,
        world,
        _folder: folder,
    }
}

#[tokio::test]
async fn every_case_shows_what_it_must() {
    let demo = settled(&[]).await;
    assert_eq!(demo.page.duplicates(), [""; 0]);
    assert_eq!(demo.exporter.status("/readyz").await, 200);
    for resource in ["namespaces", "pods", "secrets", "serviceaccounts", "events"] {
        let up = demo
            .page
            .value("regcred_watch_up", &[("resource", resource)]);
        assert_eq!(up, Some(1.0), "{resource}");
    }
    let secrets = demo
        .page
        .value("regcred_objects", &[("resource", "secrets")]);
    assert!(
        secrets >= Some(demo.world.cases.len() as f64 - 16.0),
        "{secrets:?} for {} cases",
        demo.world.cases.len()
    );
    for registry in &demo.world.registries {
        let refused = registry.all_refused_logins();
        assert!(refused <= 6, "{} refused {refused} logins", registry.host());
    }
}
