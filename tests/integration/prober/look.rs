//! What is asked for nobody, once a login is refused.

use std::collections::BTreeSet;

use regcred_exporter::domain::image;

use super::*;
use regcred_stand_ins::registry::LoggedRequest;

/// A token server with one public and one private repository.
fn half_public() -> Behaviour {
    bearer().public("team/app").manifest("team/own", "1")
}

fn would_work(world: &World, registry: &Registry, repository: &str) -> Option<bool> {
    let host = image::Registry::from_domain(registry.host());
    world
        .shared
        .read(|state| state.verdicts.anonymous.would_work(&host, repository))
}

/// Manifests that were asked for, in their order.
fn heads(registry: &Registry) -> Vec<LoggedRequest> {
    let mut requests = registry.requests();
    requests.retain(|request| request.step == Step::Manifest);
    requests
}

fn deploy_wrong(world: &World, registry: &Registry, namespace: &str, repository: &str) {
    let host = registry.host();
    let config = docker_config(&[(host, &format!("bot-{namespace}"), "wrong")]);
    world.apply([
        secret(namespace, &config),
        pod(namespace, &format!("{host}/{repository}:1")),
    ]);
}

#[tokio::test]
async fn behind_a_refused_login_is_looked_once_and_without_it() {
    let registry = Registry::start(half_public()).await;
    let mut world = World::new();
    deploy_wrong(&world, &registry, "a", "team/app");
    deploy_wrong(&world, &registry, "b", "team/app");
    deploy_wrong(&world, &registry, "c", "team/own");
    world.step().await;
    assert_eq!(would_work(&world, &registry, "team/app"), Some(true));
    assert_eq!(would_work(&world, &registry, "team/own"), Some(false));
    assert_eq!(registry.all_refused_logins(), 3);
    let asked = heads(&registry);
    assert_eq!(asked.len(), 2, "once for two credentials: {asked:?}");
    let methods: Vec<_> = asked.iter().map(|request| &*request.method).collect();
    assert_eq!(methods, ["HEAD", "HEAD"]);
    assert!(asked.iter().all(|request| request.user.is_none()));
}

#[tokio::test]
async fn it_is_looked_again_once_an_interval_and_not_after_the_login_works() {
    let registry = Registry::start(half_public()).await;
    let mut world = World::with(|probe| probe.ping_interval = Duration::from_secs(86_400));
    deploy_wrong(&world, &registry, "a", "team/app");
    world.step().await;
    for interval in 1..=4 {
        world.pass(INTERVAL - TimeDelta::seconds(1)).await;
        assert_eq!(heads(&registry).len(), interval);
        world.pass(TimeDelta::seconds(1)).await;
        assert_eq!(heads(&registry).len(), interval + 1);
    }
    let config = docker_config(&[(registry.host(), "bot", "right")]);
    world.apply([secret("a", &config)]);
    world.step().await;
    assert_eq!(world.credential("a").valid, Some(true));
    registry.forget_requests();
    world.pass(INTERVAL * 2).await;
    let mut tokens = registry.requests();
    tokens.retain(|request| request.step == Step::Token);
    assert!(tokens.iter().all(|request| request.user.is_some()));
}

#[tokio::test]
async fn pods_that_come_and_go_are_no_looks_of_their_own() {
    let registry = Registry::start(half_public()).await;
    let mut world = World::new();
    deploy_wrong(&world, &registry, "a", "team/app");
    world.step().await;
    for _ in 0..14 {
        world.apply([Change::PodDeleted(uid("a"))]);
        world.pass(TimeDelta::seconds(30)).await;
        world.apply([pod("a", &format!("{}/team/app:1", registry.host()))]);
        world.pass(TimeDelta::seconds(29)).await;
    }
    assert_eq!(heads(&registry).len(), 1);
}

#[tokio::test]
async fn fifty_repositories_an_interval_have_their_turn() {
    let registry = Registry::start(Behaviour::basic().user("bot", "right")).await;
    let mut world = World::new();
    let host = registry.host();
    world.apply([secret("a", &docker_config(&[(host, "bot", "wrong")]))]);
    for n in 0..120 {
        let mut change = pod("a", &format!("{host}/team/app-{n}:1"));
        if let Change::PodApplied(_, pod) = &mut change {
            pod.uid = Uid(1000 + n);
        }
        world.apply([change]);
    }
    world.step().await;
    assert_eq!(heads(&registry).len(), 50);
    world.pass(INTERVAL - TimeDelta::seconds(1)).await;
    assert_eq!(heads(&registry).len(), 50);
    world.pass(INTERVAL * 2).await;
    let paths: BTreeSet<_> = heads(&registry)
        .into_iter()
        .map(|request| request.path)
        .collect();
    assert_eq!(paths.len(), 120, "each had its turn");
}

#[tokio::test]
async fn a_date_inside_that_has_passed_is_looked_behind_as_well() {
    let registry = Registry::start(half_public()).await;
    let mut world = World::new();
    let token = regcred_stand_ins::objects::ecr_password(world.now.timestamp() - 3600);
    world.apply(deploy("a", &registry, "AWS", &token));
    world.pass(INTERVAL * 2).await;
    assert_eq!(would_work(&world, &registry, "team/app"), Some(true));
    assert!(
        registry
            .requests()
            .iter()
            .all(|request| request.user.is_none())
    );
    assert!(heads(&registry).len() <= 3);
}

#[tokio::test]
async fn a_page_for_everybody_is_no_public_image() {
    let page = Answer::status(200).html("<html>Please log in</html>");
    let registry = Registry::start(half_public().answer(Step::Manifest, page)).await;
    let mut world = World::new();
    deploy_wrong(&world, &registry, "a", "team/app");
    world.step().await;
    assert_eq!(heads(&registry).len(), 1);
    assert_eq!(would_work(&world, &registry, "team/app"), None);
}

#[tokio::test]
async fn a_registry_that_is_gone_takes_no_answer_with_it() {
    let registry = Registry::start(half_public()).await;
    let mut world = World::new();
    deploy_wrong(&world, &registry, "a", "team/app");
    world.step().await;
    registry.stop().await;
    world.pass(INTERVAL * 2).await;
    assert_eq!(would_work(&world, &registry, "team/app"), Some(true));
}
