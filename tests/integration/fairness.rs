//! Ten thousand Secrets of one namespace, and who stands beside them.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use regcred_exporter::domain::cluster::Change;
use regcred_stand_ins::api_server::ApiServer;
use regcred_stand_ins::objects::{docker_config, pod, pull_secret};
use regcred_stand_ins::registry::{Behaviour, Registry};
use regcred_stand_ins::scrape::Page;

use super::exporter::Exporter;
use super::keeper::Keeper;
use super::prober::{World, deploy, secret_named};

const CROWD: usize = 10_000;

fn registry() -> Behaviour {
    let crowd = (0..CROWD).fold(Behaviour::bearer(), |behaviour, n| {
        behaviour.user(&format!("crowd-{n}"), "right")
    });
    let others = (0..10).fold(crowd, |behaviour, n| {
        behaviour.user(&format!("team-{n}"), "right")
    });
    others.manifest("team/app", "1")
}

/// Ten thousand logins that all work, in one namespace.
fn crowd<'a>(hosts: &'a [&'a str]) -> impl Iterator<Item = Change> + 'a {
    (0..CROWD).map(|n| {
        let host = hosts[n % hosts.len()];
        let config = docker_config(&[(host, &format!("crowd-{n}"), "right")]);
        secret_named("crowd", &format!("pull-{n}"), &config)
    })
}

/// The others come when the crowd is there already; returns when each of them has its verdict.
async fn others_are_judged(registries: &[Registry], expected: TimeDelta) {
    let now: DateTime<Utc> = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    let day = Duration::from_secs(86_400);
    let mut world = World::of_all(now, Keeper::default(), |probe| probe.ping_interval = day);
    let hosts: Vec<_> = registries.iter().map(Registry::host).collect();
    world.apply(crowd(&hosts));
    world.settle();
    world.step().await;
    for n in 0..10 {
        let user = format!("team-{n}");
        world.apply(deploy(
            &user,
            &registries[n % registries.len()],
            &user,
            "right",
        ));
    }
    world.pass(expected).await;
    for n in 0..10 {
        let row = world.credential(&format!("team-{n}"));
        assert_eq!(row.valid, Some(true), "team-{n}");
    }
    // The crowd has its share, and is told of the rest.
    world.pass(TimeDelta::minutes(5)).await;
    let rows = world.rows().credentials;
    let of_crowd: Vec<_> = rows
        .iter()
        .filter(|row| &*row.namespace == "crowd")
        .collect();
    let judged = of_crowd
        .iter()
        .filter(|row| row.valid == Some(true))
        .count();
    let over = of_crowd.iter().filter(|row| row.skipped.is_some()).count();
    assert_eq!((judged, over), (64, CROWD - 64));
}

#[tokio::test]
async fn others_at_the_same_registry_have_their_verdicts_within_three_seconds() {
    others_are_judged(&[Registry::start(registry()).await], TimeDelta::seconds(3)).await;
}

#[tokio::test]
async fn others_have_them_where_the_crowd_is_at_many_registries() {
    let mut registries = Vec::new();
    for _ in 0..15 {
        registries.push(Registry::start(registry()).await);
    }
    others_are_judged(&registries, TimeDelta::seconds(3)).await;
}

#[tokio::test]
async fn the_binary_judges_others_beside_ten_thousand_secrets_of_one_namespace() {
    let registry = Registry::start(registry()).await;
    let api = ApiServer::start().await;
    let host = registry.host();
    for n in 0..CROWD {
        let config = docker_config(&[(host, &format!("crowd-{n}"), "right")]);
        api.apply(pull_secret("crowd", &format!("pull-{n}"), &config));
    }
    let names: Vec<_> = (0..CROWD).map(|n| format!("pull-{n}")).collect();
    let names: Vec<_> = names.iter().map(|name| &**name).collect();
    let image = format!("{host}/team/app:1");
    api.apply(pod("crowd", "app", &image, &names));
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    std::fs::write(&kubeconfig, api.kubeconfig()).unwrap();
    let exporter = Exporter::start(&kubeconfig, &[]).await;
    exporter.ready().await;
    for n in 0..10 {
        let user = format!("team-{n}");
        let config = docker_config(&[(host, &user, "right")]);
        api.apply(pull_secret(&user, "pull", &config));
        api.apply(pod(&user, "app", &image, &["pull"]));
    }
    let all = |page: &Page| {
        (0..10).all(|n| {
            let labels = [("secret_namespace", &*format!("team-{n}"))];
            page.value("regcred_credential_valid", &labels) == Some(1.0)
        })
    };
    let (took, _) = exporter
        .until("ten verdicts", Duration::from_secs(30), all)
        .await;
    println!("verdicts of the others after {took:?}");
}
