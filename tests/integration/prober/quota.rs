//! What registries tell of quotas, from the answer on the socket to the text of /metrics.

use regcred_exporter::config::Repositories;
use regcred_exporter::registry::{Proxies, Trust};
use regcred_stand_ins::tls::Ca;

use super::*;
use crate::registry::bench::Tunnel;
use regcred_stand_ins::registry::LoggedRequest;

const START: i64 = 1_800_000_000;

impl World {
    fn with_own_quota(mut self) -> Self {
        self.prober = self.prober.with_own_quota();
        self
    }

    pub(crate) fn page(&self) -> String {
        let mut page = String::new();
        self.metrics.encode(&mut page).unwrap();
        page
    }

    /// `limit{account,policy} value` of each series of a registry, times as seconds from the start.
    fn quotas(&self, registry: &str) -> Vec<String> {
        let page = self.page();
        let series = page.lines().filter_map(|line| {
            let (name, rest) = line.strip_prefix("regcred_ratelimit_")?.split_once('{')?;
            let (labels, value) = rest.split_once("} ")?;
            let labels = labels.strip_prefix(&format!("registry=\"{registry}\","))?;
            let mut value: f64 = value.parse().unwrap();
            if name.ends_with("_timestamp_seconds") {
                value -= START as f64;
            }
            let name = name
                .trim_start_matches("requests_")
                .trim_end_matches("_seconds")
                .trim_end_matches("_timestamp");
            let labels = labels.replace("account=", "").replace("policy=", "");
            Some(format!(
                "{name}{{{}}} {}",
                labels.replace('"', ""),
                value.round()
            ))
        });
        let mut series: Vec<_> = series.collect();
        series.sort();
        series
    }
}

/// A cluster whose one credential gets this answer at this step.
async fn told(on: Step, answer: Answer) -> (World, Registry) {
    let registry = Registry::start(bearer().answer(on, answer)).await;
    let mut world = World::new();
    world.apply(deploy("a", &registry, "bot", "right"));
    world.step().await;
    (world, registry)
}

/// The series after this answer, and none of them after `window` seconds.
async fn check(on: Step, answer: Answer, expected: &[&str], window: i64) {
    let said = format!("{answer:?}");
    let (mut world, registry) = told(on, answer).await;
    let of = |world: &World| world.quotas(registry.host());
    let expected: Vec<_> = expected
        .iter()
        .map(|series| series.replace('{', "{a/pull,"))
        .collect();
    assert_eq!(of(&world), expected, "{said}");
    if window > 0 {
        world.set(world.now + TimeDelta::seconds(window - 1));
        assert_eq!(of(&world), expected, "{said}, a second before its end");
        world.set(world.now + TimeDelta::seconds(1));
        assert_eq!(of(&world).len(), 0, "{said}, at its end");
    }
}

fn headers(status: u16, headers: &[(&str, &str)]) -> Answer {
    let answer = Answer::status(status);
    headers
        .iter()
        .fold(answer, |answer, (name, value)| answer.header(name, value))
}

#[tokio::test]
async fn a_manifest_tells_its_quota_or_none() {
    let ok = |sent: &[(&str, &str)]| headers(200, sent);
    let six_hours = [
        "limit{6h} 100",
        "observed{6h} 0",
        "remaining{6h} 76",
        "window{6h} 21600",
    ];
    let hub = |limit, remaining| {
        ok(&[
            ("ratelimit-limit", limit),
            ("ratelimit-remaining", remaining),
            (
                "docker-ratelimit-source",
                "a9c2bcf0-6d0e-4d0a-8f3e-0f7b8a1f2c3d",
            ),
        ])
    };
    let step = Step::Manifest;
    check(step, hub("100;w=21600", "76;w=21600"), &six_hours, 21_600).await;
    // a paid plan
    check(step, ok(&[]), &[], 0).await;
    check(step, hub("", ""), &[], 0).await;
    check(step, hub(";w=21600", ";w=21600"), &[], 0).await;
    let no_window = [
        "limit{unknown} 100",
        "observed{unknown} 0",
        "remaining{unknown} 76",
    ];
    check(step, hub("100", "76"), &no_window, 3600).await;
    for nonsense in ["-100;w=21600", "NaN", "1e9;w=21600", "100;w=485009h"] {
        check(step, hub(nonsense, nonsense), &[], 0).await;
    }
    check(step, hub(&"100;w=1,".repeat(60), "5;w=0"), &[], 0).await;

    let several = ok(&[
        (
            "RateLimit-Policy",
            "\"burst\";q=100;w=3600, \"daily\";q=1000;w=3600;qu=\"bytes\"",
        ),
        ("RateLimit", "\"burst\";r=50;t=30, \"daily\";r=900;t=4000"),
    ]);
    let hour = [
        "limit{1h} 100",
        "observed{1h} 0",
        "remaining{1h} 50",
        "window{1h} 3600",
    ];
    check(step, several, &hour, 3600).await;
    let several = ok(&[
        ("RateLimit-Limit", "10, 10;w=3600, 50;w=7200"),
        ("RateLimit-Remaining", "9"),
    ]);
    let two = [
        "limit{1h} 10",
        "limit{other} 50",
        "observed{1h} 0",
        "observed{other} 0",
        "remaining{1h} 9",
        "window{1h} 3600",
        "window{other} 7200",
    ];
    check(step, several, &two, 0).await;
    let gitlab = ok(&[
        ("RateLimit-Limit", "60"),
        ("RateLimit-Remaining", "59"),
        ("RateLimit-Reset", &(START + 45).to_string()),
        ("RateLimit-Name", "throttle_authenticated"),
    ]);
    let until_reset = [
        "limit{unknown} 60",
        "observed{unknown} 0",
        "remaining{unknown} 59",
    ];
    check(step, gitlab, &until_reset, 0).await;
    let acr = ok(&[("x-ms-ratelimit-remaining-calls-per-second", "166.6")]);
    check(
        step,
        acr,
        &["observed{1s} 0", "remaining{1s} 166", "window{1s} 1"],
        0,
    )
    .await;
}

#[tokio::test]
async fn a_429_tells_when_to_come_back_and_names_a_quota_or_does_not() {
    let step = Step::Manifest;
    let after = |text: &str| headers(429, &[("retry-after", text)]);
    check(step, headers(429, &[]), &[], 0).await;
    check(step, after("120"), &["retry_after{unknown} 120"], 3600).await;
    let date = DateTime::from_timestamp(START + 90, 0).unwrap();
    let date = date.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    check(step, after(&date), &["retry_after{unknown} 90"], 3600).await;
    check(step, after("485009h"), &[], 0).await;
    check(step, after("-5"), &[], 0).await;
    check(
        step,
        after("99999999"),
        &["retry_after{unknown} 3600"],
        3600,
    )
    .await;
    let spent = headers(
        429,
        &[
            ("ratelimit-limit", "100;w=21600"),
            ("ratelimit-remaining", "0;w=21600"),
            ("retry-after", "120"),
        ],
    );
    let none_left = [
        "limit{6h} 100",
        "observed{6h} 0",
        "remaining{6h} 0",
        "retry_after{6h} 120",
        "window{6h} 21600",
    ];
    check(step, spent, &none_left, 21_600).await;

    // HEAD has no body; a token endpoint's answer has
    let step = Step::Token;
    let said = |text: &str| Answer::error(429, "TOOMANYREQUESTS", text);
    let named = said("You have reached your pull rate limit. You may increase the limit ...");
    check(
        step,
        named,
        &["observed{unknown} 0", "remaining{unknown} 0"],
        3600,
    )
    .await;
    let ghcr =
        Answer::status(429).text("toomanyrequests: retry-after: 985.86us, allowed: 44000/minute");
    let spent = [
        "limit{1m} 44000",
        "observed{1m} 0",
        "remaining{1m} 0",
        "retry_after{1m} 0",
        "window{1m} 60",
    ];
    check(step, ghcr, &spent, 60).await;
    check(step, said("too many requests"), &[], 0).await;
    let lockout = said("too many failed login attempts for username or IP address")
        .header("retry-after", "120")
        .header("ratelimit-limit", "100;w=21600")
        .header("ratelimit-remaining", "0;w=21600");
    check(step, lockout.clone(), &[], 0).await;
    let (world, _registry) = told(step, lockout).await;
    assert_eq!(world.outcome("a/pull", "token"), Some("locked_out"));
}

#[tokio::test]
async fn the_next_answer_ends_a_wait_and_a_credential_takes_its_quota_along() {
    let spent = headers(429, &[("retry-after", "120")]).once();
    let registry = Registry::start(bearer().quota(100, 21_600).answer(Step::Manifest, spent)).await;
    let mut world = World::new();
    world.apply(deploy("a", &registry, "bot", "right"));
    world.step().await;
    assert_eq!(
        world.quotas(registry.host()),
        ["retry_after{a/pull,unknown} 120"]
    );
    world.pass(INTERVAL * 2).await;
    let shown = world.quotas(registry.host());
    assert!(
        shown.contains(&"remaining{a/pull,6h} 100".to_owned()),
        "{shown:?}"
    );
    assert!(
        !shown.iter().any(|line| line.starts_with("retry_after")),
        "{shown:?}"
    );
    world.apply([
        Change::PodDeleted(uid("a")),
        Change::SecretDeleted(
            uid("a"),
            ObjectName {
                namespace: "a".to_owned(),
                name: "pull".to_owned(),
            },
        ),
    ]);
    assert_eq!(world.quotas(registry.host()).len(), 0);
}

// === Docker Hub's accounts ===

/// A world in which every road leads to this Docker Hub.
async fn hub(behaviour: Behaviour) -> (World, Registry, Tunnel) {
    let ca = Ca::new();
    let name = "registry-1.docker.io";
    let hub = behaviour
        .quota(200, 21_600)
        .named(name)
        .tls(ca.server_config(&[name]));
    let hub = Registry::start(hub).await;
    let tunnel = Tunnel::to(&format!("127.0.0.1:{}", hub.port())).await;
    let proxies = Proxies::all(&format!("http://{}", tunnel.address), "");
    let trust = Trust::of([ca.der()]).unwrap();
    let world = World::over(|_| {}, |probe| Client::with(probe, trust, proxies));
    (world.with_own_quota(), hub, tunnel)
}

fn deploy_hub(namespace: &str, user: &str, password: &str) -> [Change; 2] {
    let config = docker_config(&[("https://index.docker.io/v1/", user, password)]);
    [secret(namespace, &config), pod(namespace, "team/app:1")]
}

#[tokio::test]
async fn two_secrets_of_one_docker_id_show_one_quota_and_the_newest_word() {
    let (mut world, hub, _tunnel) = hub(bearer().user("acmebot", "first")).await;
    world.apply(deploy_hub("a", "acmebot", "first"));
    world.step().await;
    assert_eq!(
        world.quotas("docker.io"),
        [
            "limit{acmebot,6h} 200",
            "observed{acmebot,6h} 0",
            "remaining{acmebot,6h} 200",
            "window{acmebot,6h} 21600",
        ]
    );
    hub.set_password("acmebot", "second");
    hub.spend_quota("acmebot", 50);
    world.set(world.now + TimeDelta::seconds(60));
    world.apply(deploy_hub("b", "acmebot", "second"));
    world.step().await;
    assert_eq!(
        world.quotas("docker.io"),
        [
            "limit{acmebot,6h} 200",
            "observed{acmebot,6h} 60",
            "remaining{acmebot,6h} 150",
            "window{acmebot,6h} 21600",
        ]
    );
}

#[tokio::test]
async fn a_user_name_that_is_the_secret_is_shown_nowhere() {
    let users = bearer()
        .user("hunter22", "Hunter22")
        .user("ada@example.com", "x");
    let (mut world, _hub, _tunnel) = hub(users).await;
    world.apply(deploy_hub("a", "hunter22", "Hunter22"));
    world.apply(deploy_hub("b", "ada@example.com", "x"));
    world.step().await;
    let shown = world.quotas("docker.io");
    assert!(
        shown.contains(&"remaining{a/pull,6h} 200".to_owned()),
        "{shown:?}"
    );
    assert!(
        shown.contains(&"remaining{b/pull,6h} 200".to_owned()),
        "{shown:?}"
    );
    let page = world.page();
    assert!(!page.contains("unter22") && !page.contains("ada@"));
}

#[tokio::test]
async fn a_user_name_is_an_account_only_once_the_registry_has_taken_it() {
    let wait = headers(429, &[("retry-after", "120")]);
    let (mut world, _hub, _tunnel) = hub(bearer().answer(Step::Token, wait)).await;
    world.apply(deploy_hub("a", "c0ffee", "acmebot"));
    world.step().await;
    assert_eq!(
        world.quotas("docker.io"),
        ["retry_after{a/pull,unknown} 120"]
    );
}

#[tokio::test]
async fn what_is_counted_by_address_is_no_quota_of_the_account() {
    let by_address = headers(
        200,
        &[
            ("ratelimit-limit", "100;w=21600"),
            ("ratelimit-remaining", "7;w=21600"),
            ("docker-ratelimit-source", "192.0.2.1"),
        ],
    );
    let (world, registry) = told(Step::Manifest, by_address).await;
    let shown = world.quotas(registry.host());
    assert!(
        shown.contains(&"remaining{anonymous,6h} 7".to_owned()),
        "{shown:?}"
    );
    assert_eq!(shown.len(), 4);
    assert!(!world.page().contains("192.0.2.1"));
}

// === our own address ===

/// Pods that have no pull secret, one per image.
fn bare(registry: &Registry, repositories: &[&str]) -> Vec<Change> {
    let images = repositories.iter().map(|repository| {
        let image = format!("{}/{repository}:1", registry.host());
        pod(repository, &image)
    });
    images.collect()
}

fn public_hub() -> Behaviour {
    bearer().public("team/app").quota(100, 21_600)
}

#[tokio::test]
async fn a_pod_without_a_credential_is_one_head_an_interval() {
    let registry = Registry::start(public_hub().manifest("team/web", "1")).await;
    let mut world = World::new().with_own_quota();
    world.apply(bare(&registry, &["team/app", "team/app2"]));
    world.step().await;
    let expected = [
        "limit{anonymous,6h} 100",
        "observed{anonymous,6h} 0",
        "remaining{anonymous,6h} 100",
        "window{anonymous,6h} 21600",
    ];
    assert_eq!(world.quotas(registry.host()), expected);
    world.pass(INTERVAL * 8).await;
    let requests = registry.requests();
    let asked: Vec<_> = requests
        .iter()
        .filter(|request| request.step == Step::Manifest)
        .collect();
    assert_eq!(asked.len(), 9, "one an interval");
    assert!(asked.iter().all(|request| request.method == "HEAD"));
    assert!(requests.iter().all(|request| request.user.is_none()));
    let shown = world.quotas(registry.host());
    assert!(
        shown.contains(&"remaining{anonymous,6h} 100".to_owned()),
        "HEAD is no pull"
    );

    // A pod that comes every minute is no look a minute.
    registry.forget_requests();
    for _ in 0..10 {
        world.apply(["team/app", "team/app2"].map(|name| Change::PodDeleted(uid(name))));
        world.pass(TimeDelta::seconds(20)).await;
        assert_eq!(
            world.quotas(registry.host()).len(),
            0,
            "gone with its registry"
        );
        world.apply(bare(&registry, &["team/app"]));
        world.pass(TimeDelta::seconds(20)).await;
    }
    assert_eq!(registry.count(Step::Manifest), 0);
}

#[tokio::test]
async fn a_look_is_never_a_get_whatever_becomes_of_its_head() {
    for status in [401, 403, 404, 405, 501] {
        let refused = Answer::status(status).text("no");
        let registry = Registry::start(public_hub().answer(Step::Manifest, refused)).await;
        let mut world = World::new().with_own_quota();
        world.apply(bare(&registry, &["team/app"]));
        world.step().await;
        let mut asked = registry.requests();
        asked.retain(|request| request.step == Step::Manifest);
        assert!(!asked.is_empty());
        assert!(asked.iter().all(|one| one.method == "HEAD"), "{status}");
    }
}

#[tokio::test]
async fn an_image_that_is_not_there_gives_way_to_the_next() {
    let registry = Registry::start(public_hub().manifest("a/private", "1")).await;
    let mut world = World::new().with_own_quota();
    world.apply(bare(&registry, &["a/private", "team/app"]));
    world.step().await;
    assert_eq!(world.quotas(registry.host()).len(), 0);
    world.pass(INTERVAL).await;
    assert_eq!(world.quotas(registry.host()).len(), 4);
    world.pass(INTERVAL * 3).await;
    let requests = registry.requests();
    let private = requests.iter().filter(|one| one.path.contains("private"));
    assert_eq!(private.count(), 1);
}

#[tokio::test]
async fn nobody_is_looked_at_where_every_pod_has_a_credential_or_nothing_is_to_be_probed() {
    let registry = Registry::start(public_hub()).await;
    let heads = || registry.count(Step::Manifest);
    let mut world = World::with(|probe| probe.repositories = Repositories::None).with_own_quota();
    world.apply(bare(&registry, &["team/app"]));
    world.pass(INTERVAL).await;
    assert_eq!(heads(), 0, "--probe.repositories none");

    let mut world = World::new().with_own_quota();
    world.apply(deploy("a", &registry, "bot", "right"));
    world.step().await;
    let before = heads();
    assert_eq!(before, 1, "with the credential");
    assert!(
        !world
            .quotas(registry.host())
            .iter()
            .any(|line| line.contains("anonymous"))
    );
    // The Secret goes: from now on the pod pulls without.
    world.apply([Change::SecretDeleted(
        uid("a"),
        ObjectName {
            namespace: "a".to_owned(),
            name: "pull".to_owned(),
        },
    )]);
    world.step().await;
    assert_eq!(heads(), 2);
    let shown = world.quotas(registry.host());
    assert!(
        shown.iter().all(|line| line.contains("anonymous")) && shown.len() == 4,
        "{shown:?}"
    );
}

#[tokio::test]
async fn a_used_up_quota_makes_nobody_else_wait() {
    let spent = headers(
        429,
        &[
            ("ratelimit-limit", "100;w=21600"),
            ("ratelimit-remaining", "0;w=21600"),
            ("retry-after", "3000"),
        ],
    );
    let users = Behaviour::basic()
        .user("bot", "right")
        .user("other", "right")
        .manifest("team/app", "1")
        .answer(On::User("bot".to_owned()), spent);
    let registry = Registry::start(users).await;
    let mut world = World::new();
    world.apply(deploy("a", &registry, "bot", "right"));
    world.apply(deploy("b", &registry, "other", "right"));
    world.step().await;
    assert_eq!(world.outcome("b/pull", "manifest"), Some("ok"));
    let waits = world.now + TimeDelta::seconds(3000);
    assert!(world.group("a/pull").next_run >= Some(waits));
    registry.forget_requests();
    let of = |user: &str| {
        let requests = registry.requests();
        let of = |one: &&LoggedRequest| one.user.as_deref() == Some(user);
        requests.iter().filter(of).count()
    };
    // Neither a new image nor who wants to know is a reason to come earlier.
    world.demand_all();
    let image = format!("{}/team/other:1", registry.host());
    let mut change = pod("a", &image);
    if let Change::PodApplied(_, pod) = &mut change {
        pod.uid = Uid(1000);
    }
    world.apply([change]);
    world.pass(TimeDelta::seconds(2999)).await;
    assert_eq!(of("bot"), 0);
    assert!(of("other") >= 4, "login and manifest, at least twice");
    assert!(registry.count(Step::Ping) >= 49, "the registry is there");
    world.pass(INTERVAL * 2).await;
    assert_eq!(of("bot"), 1);
}

#[tokio::test]
async fn our_own_used_up_quota_stops_looks_and_nothing_else() {
    let spent = headers(
        429,
        &[
            ("ratelimit-limit", "100;w=21600"),
            ("ratelimit-remaining", "0;w=21600"),
            ("retry-after", "3000"),
        ],
    );
    let registry = Registry::start(public_hub().answer(Step::Manifest, spent)).await;
    let mut world = World::new().with_own_quota();
    world.apply(bare(&registry, &["team/app"]));
    world.step().await;
    world.pass(TimeDelta::seconds(2999)).await;
    assert_eq!(registry.count(Step::Manifest), 1);
    assert!(registry.count(Step::Ping) >= 48);
    let shown = world.quotas(registry.host());
    let wait = "retry_after{anonymous,6h} 3000".to_owned();
    assert!(shown.contains(&wait), "pings are no answer: {shown:?}");
    world.pass(TimeDelta::seconds(2)).await;
    assert_eq!(registry.count(Step::Manifest), 2);
}

#[tokio::test]
async fn a_limited_address_is_left_in_peace_and_is_told() {
    let registry = Registry::start(public_hub()).await;
    registry.spend_quota("", 100);
    let mut world = World::new().with_own_quota();
    world.apply(bare(&registry, &["team/app"]));
    world.step().await;
    let shown = world.quotas(registry.host());
    assert!(
        shown.contains(&"remaining{anonymous,6h} 0".to_owned()),
        "{shown:?}"
    );
    registry.answer(Step::Manifest, Answer::too_many_requests(1800));
    world.pass(INTERVAL).await;
    registry.forget_requests();
    let shown = world.quotas(registry.host());
    let wait = "retry_after{anonymous,6h} ";
    assert!(shown.iter().any(|line| line.starts_with(wait)), "{shown:?}");
    world.pass(TimeDelta::seconds(1799)).await;
    assert_eq!(registry.requests().len(), 0, "not even a ping");
}
