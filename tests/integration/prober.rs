//! The prober in process: a clock set by hand, real registries on real sockets, one step at a time.

mod look;
mod quota;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use regcred_exporter::clock::Clock;
use regcred_exporter::config::{Probe, Settings};
use regcred_exporter::domain::cluster::{
    Change, Cluster, ContainerSeen, ObjectName, PodSeen, Resource, SecretSeen, Uid, Watch, Which,
};
use regcred_exporter::domain::demand::Demand;
use regcred_exporter::domain::docker_config::{self, SecretKind};
use regcred_exporter::domain::expiry::Sources;
use regcred_exporter::domain::image::Registry as Name;
use regcred_exporter::domain::rows::{CredentialRow, GroupRow, Rows, Skipped};
use regcred_exporter::lifecycle::Role;
use regcred_exporter::metrics::Metrics;
use regcred_exporter::prober::Prober;
use regcred_exporter::registry::Client;
use regcred_exporter::state::{Shared, State};
use regcred_stand_ins::objects::docker_config;
use regcred_stand_ins::registry::{Answer, Behaviour, On, Registry, Step};
use regcred_stand_ins::scrape::Page;
use tokio::sync::watch;

use super::keeper::Keeper;
use super::settings;

const INTERVAL: TimeDelta = TimeDelta::minutes(15);

/// A cluster, a prober and a clock.
pub(super) struct World {
    shared: Shared,
    clock: Clock,
    prober: Prober,
    metrics: Metrics,
    role: watch::Sender<Role>,

    now: DateTime<Utc>,
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Probe)) -> Self {
        Self::over(change, |probe| Client::new(probe).unwrap())
    }

    /// With a ledger that has been written before, at this time.
    pub(super) fn at(now: DateTime<Utc>, keeper: Keeper, change: impl FnOnce(&mut Probe)) -> Self {
        Self::made(now, keeper, Which::Referenced, change, |probe| {
            Client::new(probe).unwrap()
        })
    }

    /// The same, and no Pod need name a Secret.
    pub(super) fn of_all(
        now: DateTime<Utc>,
        keeper: Keeper,
        change: impl FnOnce(&mut Probe),
    ) -> Self {
        Self::made(now, keeper, Which::All, change, |probe| {
            Client::new(probe).unwrap()
        })
    }

    /// The time that its clock shows.
    pub(super) fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// What it knows, for whoever brings its objects.
    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Every list has come in.
    pub(super) fn settle(&self) {
        self.shared.update(|state| state.cluster.settle());
    }

    /// With another way to registries.
    fn over(change: impl FnOnce(&mut Probe), client: impl FnOnce(&Probe) -> Client) -> Self {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        Self::made(now, Keeper::default(), Which::Referenced, change, client)
    }

    fn made(
        now: DateTime<Utc>,
        keeper: Keeper,
        which: Which,
        change: impl FnOnce(&mut Probe),
        client: impl FnOnce(&Probe) -> Client,
    ) -> Self {
        let mut settings: Settings = settings::allowing_loopback();
        change(&mut settings.probe);
        let clock = Clock::by_hand(now);
        let cluster = Cluster::new(Sources::default(), which);
        let shared = Shared::from(State::new(cluster));
        let metrics = {
            let clock = clock.clone();
            Metrics::new(shared.clone(), move || clock.now(), settings.probe.interval)
        };
        let client = client(&settings.probe);
        let role = watch::Sender::new(Role::Leading);
        let handout = watch::channel(Arc::new(settings)).1;
        let prober = Prober::new(
            shared.clone(),
            handout,
            role.subscribe(),
            client,
            clock.clone(),
            metrics.clone(),
            Arc::default(),
        )
        .with_ledger(keeper.open());
        Self {
            shared,
            clock,
            prober,
            metrics,
            role,

            now,
        }
    }

    pub(super) fn apply(&self, changes: impl IntoIterator<Item = Change>) {
        apply(&self.shared, changes);
    }

    /// Does all that is due now; returns when the next thing is.
    pub(super) async fn step(&mut self) -> Option<DateTime<Utc>> {
        self.prober.step(self.now).await
    }

    /// Lets this much time pass, doing everything when it is due.
    pub(super) async fn pass(&mut self, time: TimeDelta) {
        let end = self.now + time;
        while let Some(next) = self.step().await.filter(|next| *next <= end) {
            self.set(next);
        }
        self.set(end);
        self.step().await;
    }

    fn set(&mut self, now: DateTime<Utc>) {
        self.now = now;
        self.clock.set(now);
    }

    pub(super) fn rows(&self) -> Rows {
        self.shared.read(|state| state.rows(self.now)).in_order()
    }

    pub(super) fn credential(&self, namespace: &str) -> CredentialRow {
        let rows = self.rows();
        let mut fitting = rows
            .credentials
            .into_iter()
            .filter(|row| &*row.namespace == namespace);
        fitting.next().expect("the Secret has a credential")
    }

    pub(super) fn group(&self, credential: &str) -> GroupRow {
        let rows = self.rows();
        let mut fitting = rows
            .groups
            .into_iter()
            .filter(|row| &*row.credential == credential);
        fitting.next().expect("the credential is shown")
    }

    /// Somebody wants to know everything now.
    pub(super) fn demand_all(&self) {
        self.demand(Demand::All);
    }

    fn demand(&self, demand: Demand) {
        self.prober.demands().ask(demand);
    }

    /// A series without labels, as /metrics has it.
    pub(super) fn series(&self, name: &str) -> Option<f64> {
        Page::parse(&self.page()).value(name, &[])
    }

    /// A series of this registry alone.
    pub(super) fn series_of(&self, name: &str, registry: &Registry) -> Option<f64> {
        Page::parse(&self.page()).value(name, &[("registry", registry.host())])
    }

    /// The outcome of a step, by the label's spelling.
    fn outcome(&self, credential: &str, step: &str) -> Option<&'static str> {
        let row = self.group(credential);
        let found = row.steps.iter().find(|(taken, ..)| taken.as_str() == step);
        found.map(|(_, outcome, _)| outcome.as_str())
    }
}

fn apply(shared: &Shared, changes: impl IntoIterator<Item = Change>) {
    shared.update(|state| {
        changes
            .into_iter()
            .for_each(|change| state.cluster.apply(change))
    });
}

fn watch_of(resource: Resource) -> Watch {
    Watch {
        resource,
        namespace: None,
    }
}

/// A pull secret `NAMESPACE/pull`.
pub(super) fn secret(namespace: &str, config: &str) -> Change {
    secret_of(namespace, "pull", config, None)
}

/// One of several of a namespace.
pub(super) fn secret_named(namespace: &str, name: &str, config: &str) -> Change {
    secret_of(namespace, name, config, None)
}

/// The same, last changed at this time.
pub(super) fn secret_changed(namespace: &str, config: &str, at: DateTime<Utc>) -> Change {
    secret_of(namespace, "pull", config, Some((at, String::new())))
}

fn secret_of(
    namespace: &str,
    name: &str,
    config: &str,
    changed: Option<(DateTime<Utc>, String)>,
) -> Change {
    Change::SecretApplied(
        watch_of(Resource::DockerConfigJsonSecrets),
        SecretSeen {
            uid: uid(&format!("{namespace}{}", name.trim_start_matches("pull"))),
            object: ObjectName {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
            },
            created: None,
            changed,
            kind: SecretKind::DockerConfigJson,
            docker_config: docker_config::parse(
                SecretKind::DockerConfigJson,
                Some(config.as_bytes()),
            ),
            expiry_data: Default::default(),
            annotations: Default::default(),
            labels: Default::default(),
            owner: None,
        },
    )
}

/// A pod `NAMESPACE/app` that names `pull`.
pub(super) fn pod(namespace: &str, image: &str) -> Change {
    Change::PodApplied(
        watch_of(Resource::Pods),
        PodSeen {
            uid: uid(namespace),
            object: ObjectName {
                namespace: namespace.to_owned(),
                name: "app".to_owned(),
            },
            pull_secrets: vec!["pull".to_owned()],
            containers: vec![ContainerSeen {
                image: image.to_owned(),
                ..Default::default()
            }],
            ..Default::default()
        },
    )
}

pub(super) fn deploy(
    namespace: &str,
    registry: &Registry,
    user: &str,
    password: &str,
) -> [Change; 2] {
    let host = registry.host();
    [
        secret(namespace, &docker_config(&[(host, user, password)])),
        pod(namespace, &format!("{host}/team/app:1")),
    ]
}

fn uid(text: &str) -> Uid {
    Uid(text.bytes().fold(1, |uid: u128, byte| {
        uid.wrapping_mul(257) + u128::from(byte)
    }))
}

/// A registry with one user and one image.
pub(super) async fn registry(user: &str, password: &str) -> Registry {
    Registry::start(
        Behaviour::basic()
            .user(user, password)
            .manifest("team/app", "1"),
    )
    .await
}

fn bearer() -> Behaviour {
    Behaviour::bearer()
        .user("bot", "right")
        .manifest("team/app", "1")
}

#[tokio::test]
async fn one_namespace_with_a_revoked_secret_fails_and_only_it() {
    let registry = Registry::start(bearer()).await;
    let mut world = World::new();
    world.apply(deploy("good", &registry, "bot", "right"));
    world.apply(deploy("revoked", &registry, "bot", "revoked"));
    world.pass(TimeDelta::minutes(6)).await;
    assert_eq!(world.credential("good").valid, Some(true));
    assert_eq!(world.outcome("good/pull", "manifest"), Some("ok"));
    assert_eq!(world.credential("revoked").valid, Some(false));
    assert_eq!(world.outcome("revoked/pull", "token"), Some("unauthorized"));
}

#[tokio::test]
async fn a_product_is_shown_by_its_answers_and_kept_while_it_gives_none() {
    let answers = Behaviour::harbor().user("bot", "right");
    let registry = Registry::start(answers.manifest("team/app", "1")).await;
    let mut world = World::new();
    world.apply(deploy("a", &registry, "bot", "right"));
    assert_eq!(world.credential("a").provider, "unknown", "not asked yet");
    world.step().await;
    assert_eq!(world.credential("a").provider, "harbor");
    registry.answer(On::Any, Answer::status(503).html("<html>"));
    world.pass(INTERVAL).await;
    assert_eq!(world.credential("a").provider, "harbor");
}

#[tokio::test]
async fn logins_that_all_come_at_once_are_none_of_them_left_waiting() {
    let behaviour = (0..300).fold(bearer(), |one, n| one.user(&format!("bot-{n}"), "right"));
    let registry = Registry::start(behaviour).await;
    let mut world = World::with(|probe| probe.ping_interval = Duration::from_secs(86_400));
    for n in 0..300 {
        let user = format!("bot-{n}");
        world.apply(deploy(&format!("team-{n}"), &registry, &user, "right"));
    }
    // We get to run every three seconds only, and owe five logins a second all the same.
    for _ in 0..30 {
        world.step().await;
        world.set(world.now + TimeDelta::seconds(3));
    }
    let rows = world.rows().credentials;
    let judged = rows.iter().filter(|row| row.valid == Some(true)).count();
    assert_eq!(judged, 300);
}

#[tokio::test]
async fn two_thousand_copies_are_one_login_per_interval_and_two_thousand_results() {
    let registry = Registry::start(bearer()).await;
    let mut world = World::with(|probe| probe.ping_interval = Duration::from_secs(86_400));
    for n in 0..2000 {
        world.apply(deploy(&format!("team-{n}"), &registry, "bot", "right"));
    }
    world.step().await;
    let logins = || registry.logins("bot");
    let first = logins();
    assert_eq!(first, 2, "one login, and a token for the one manifest");
    assert_eq!(
        world
            .rows()
            .credentials
            .iter()
            .filter(|row| row.valid == Some(true))
            .count(),
        2000
    );
    // The phase may bring the second login after half an interval; then one each.
    world.pass(INTERVAL * 3 / 2).await;
    let settled = logins();
    world.pass(INTERVAL * 10).await;
    let per_interval = (logins() - settled) as f64 / first as f64 / 10.0;
    assert!(
        (0.9..=1.1).contains(&per_interval),
        "{per_interval} conversations an interval"
    );
}

#[tokio::test]
async fn who_wants_to_know_now_is_answered_within_the_budget_and_once() {
    let registry = registry("bot", "right").await;
    let mut world = World::with(|probe| probe.interval = Duration::from_secs(86_400));
    world.apply(deploy("shop", &registry, "bot", "right"));
    world.step().await;
    assert_eq!(world.credential("shop").valid, Some(true));
    registry.set_password("bot", "new");
    let secret = |namespace: &str| {
        let (namespace, name) = (namespace.to_owned(), "pull".to_owned());
        Demand::Secret(ObjectName { namespace, name })
    };
    world.demand(secret("shop"));
    world.pass(TimeDelta::seconds(5)).await;
    assert_eq!(
        registry.refused_logins("bot"),
        0,
        "it was asked just before"
    );
    world.pass(TimeDelta::seconds(5)).await;
    world.demand(secret("other"));
    world.step().await;
    assert_eq!(registry.refused_logins("bot"), 0, "another one is wanted");
    // Two places of its account, then none for half an hour.
    for expected in [1, 2, 2, 2] {
        world.demand(secret("shop"));
        world.demand(Demand::Registry(Name::from_domain(registry.host())));
        world.step().await;
        assert_eq!(registry.refused_logins("bot"), expected);
        world.pass(TimeDelta::seconds(10)).await;
    }
    assert_eq!(world.credential("shop").valid, Some(false));
    assert_eq!(world.credential("shop").skipped, Some(Skipped::Budget));
}

#[tokio::test]
async fn a_refused_login_is_confirmed_after_five_minutes_and_then_left_alone() {
    let registry = Registry::start(bearer()).await;
    let mut world = World::new();
    world.apply(deploy("a", &registry, "bot", "wrong"));
    world.step().await;
    assert_eq!(registry.refused_logins("bot"), 1);
    assert_eq!(world.credential("a").valid, None, "not believed yet");
    assert_eq!(
        world.outcome("a/pull", "token"),
        Some("unauthorized"),
        "and said all the same"
    );
    assert_eq!(world.group("a/pull").first_rejected, Some(world.now));

    world.pass(TimeDelta::seconds(299)).await;
    assert_eq!(registry.refused_logins("bot"), 1);
    world.pass(TimeDelta::seconds(1)).await;
    assert_eq!(registry.refused_logins("bot"), 2);
    assert_eq!(world.credential("a").valid, Some(false));

    world.pass(TimeDelta::minutes(59)).await;
    assert_eq!(registry.refused_logins("bot"), 2);
    world
        .pass(TimeDelta::hours(24) - TimeDelta::minutes(64))
        .await;
    assert_eq!(registry.refused_logins("bot"), 8, "in 24 hours");
}

#[tokio::test]
async fn what_changes_while_a_login_is_under_way_is_no_reason_for_a_second_one() {
    let slow = Answer::status(401).delayed(Duration::from_millis(300));
    let registry = Registry::start(bearer().answer(Step::Token, slow)).await;
    let mut world = World::new();
    world.apply(deploy("a", &registry, "bot", "wrong"));
    let shared = world.shared.clone();
    let copied = async {
        while registry.requests().is_empty() {
            tokio::task::yield_now().await;
        }
        apply(&shared, deploy("b", &registry, "bot", "wrong"));
    };
    tokio::join!(world.step(), copied);
    let mut logins = registry.requests();
    logins.retain(|request| request.user.is_some());
    assert_eq!(logins.len(), 1);
    assert_eq!(world.credential("b").valid, None, "not confirmed");
}

/// The same Secret, and nothing is to be sent for it.
fn unasked(mut change: Change) -> Change {
    if let Change::SecretApplied(_, seen) = &mut change {
        let annotation = "regcred-exporter.io/probe".to_owned();
        seen.annotations.insert(annotation, "false".to_owned());
    }
    change
}

#[tokio::test]
async fn what_others_have_asked_is_no_verdict_on_a_copy_that_wants_nothing_sent() {
    let registry = Registry::start(bearer()).await;
    let mut world = World::new();
    let [secret, app] = deploy("a", &registry, "bot", "right");
    world.apply([unasked(secret), app]);
    world.apply(deploy("b", &registry, "bot", "right"));
    world.step().await;
    assert_eq!(world.credential("b").valid, Some(true));
    let copy = world.credential("a");
    assert_eq!((copy.valid, copy.outcome), (None, None));
    assert_eq!(world.outcome("b/pull", "token"), Some("ok"));
}

#[tokio::test]
async fn a_wish_that_comes_while_a_login_is_under_way_hides_its_answer_until_it_is_taken_back() {
    let slow = Answer::status(401).delayed(Duration::from_millis(300));
    let registry = Registry::start(bearer().answer(Step::Token, slow)).await;
    let mut world = World::new();
    world.apply(deploy("a", &registry, "bot", "wrong"));
    let [secret, _] = deploy("a", &registry, "bot", "wrong");
    let shared = world.shared.clone();
    let wished = async {
        while registry.requests().is_empty() {
            tokio::task::yield_now().await;
        }
        apply(&shared, [unasked(secret)]);
    };
    tokio::join!(world.step(), wished);
    let logins = || {
        let requests = registry.requests();
        requests.iter().filter(|one| one.user.is_some()).count()
    };
    assert_eq!(logins(), 1);
    assert!(
        world.group("a/pull").steps.is_empty(),
        "what it said is hidden"
    );
    world.pass(TimeDelta::hours(5)).await;
    assert_eq!(logins(), 1, "nor is it confirmed");
    let [secret, _] = deploy("a", &registry, "bot", "wrong");
    world.apply([secret]);
    world.step().await;
    assert_eq!(logins(), 2, "confirmed, late");
    assert_eq!(world.credential("a").valid, Some(false));
}

#[tokio::test]
async fn a_wish_that_comes_while_a_login_is_written_down_keeps_it_from_being_sent() {
    let registry = Registry::start(bearer()).await;
    let keeper = Keeper::default();
    let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    let mut world = World::at(now, keeper.clone(), |_| {});
    world.apply(deploy("a", &registry, "bot", "wrong"));
    let [secret, _] = deploy("a", &registry, "bot", "wrong");
    let shared = world.shared.clone();
    keeper.on_next_write(move || apply(&shared, [unasked(secret)]));
    world.pass(TimeDelta::hours(5)).await;
    assert_eq!(registry.refused_logins("bot"), 0);
    for namespace in ["b", "c"] {
        // Had the place been kept, there were none for the second of these.
        world.apply(deploy(namespace, &registry, "bot", namespace));
        world.step().await;
    }
    world.pass(TimeDelta::seconds(2)).await;
    assert_eq!(
        registry.refused_logins("bot"),
        2,
        "its place was given back"
    );
}

#[tokio::test]
async fn pods_that_come_and_go_are_no_logins_of_their_own() {
    let registry = Registry::start(bearer()).await;
    let mut world = World::new();
    world.apply(deploy("good", &registry, "bot", "right"));
    world.apply(deploy("bad", &registry, "bot", "wrong"));
    world.step().await;
    let image = format!("{}/team/app:1", registry.host());
    let good = || registry.logins("bot") - registry.refused_logins("bot");
    let first = good();
    for _ in 0..30 {
        for namespace in ["good", "bad"] {
            world.apply([Change::PodDeleted(uid(namespace))]);
        }
        world.pass(TimeDelta::seconds(30)).await;
        assert_eq!(world.credential("good").valid, None, "not looked after");
        for namespace in ["good", "bad"] {
            world.apply([pod(namespace, &image)]);
        }
        world.pass(TimeDelta::seconds(30)).await;
        assert_eq!(world.credential("good").valid, Some(true));
    }
    assert_eq!(registry.refused_logins("bot"), 2, "in half an hour");
    assert!(good() <= 4 * first, "{} logins in two intervals", good());
}

#[tokio::test]
async fn a_good_login_that_is_refused_once_stays_valid_until_confirmed() {
    let registry = Registry::start(bearer()).await;
    let mut world = World::new();
    world.apply(deploy("a", &registry, "bot", "right"));
    world.step().await;
    registry.revoke("bot");
    while registry.refused_logins("bot") == 0 {
        world.pass(TimeDelta::minutes(1)).await;
    }
    assert_eq!(
        world.credential("a").valid,
        Some(true),
        "one refusal may be the registry's fault"
    );
    world.pass(TimeDelta::minutes(5)).await;
    assert_eq!(world.credential("a").valid, Some(false));
    assert_eq!(registry.refused_logins("bot"), 2);
}

#[tokio::test]
async fn a_rotated_password_is_asked_for_at_once_and_the_old_verdict_is_gone() {
    let registry = Registry::start(bearer()).await;
    let mut world = World::new();
    world.apply(deploy("a", &registry, "bot", "wrong"));
    world.pass(TimeDelta::minutes(31)).await;
    assert_eq!(world.credential("a").valid, Some(false));
    world.apply([secret(
        "a",
        &docker_config(&[(registry.host(), "bot", "right")]),
    )]);
    world.step().await;
    assert_eq!(world.credential("a").valid, Some(true));
    assert_eq!(world.group("a/pull").first_rejected, None);
    assert_eq!(world.rows().groups.len(), 1);
}

#[tokio::test]
async fn the_same_bytes_again_are_not_asked_for() {
    let registry = Registry::start(bearer()).await;
    let mut world = World::new();
    world.apply(deploy("a", &registry, "bot", "right"));
    world.step().await;
    let logins = registry.logins("bot");
    for _ in 0..50 {
        world.apply([secret(
            "a",
            &docker_config(&[(registry.host(), "bot", "right")]),
        )]);
        world.step().await;
    }
    assert_eq!(registry.logins("bot"), logins);
}

#[tokio::test]
async fn a_registry_gone_for_an_hour_takes_no_verdict_with_it() {
    let registry = Registry::start(bearer()).await;
    let mut world = World::new();
    world.apply(deploy("a", &registry, "bot", "right"));
    world.step().await;
    registry.stop().await;
    world.pass(TimeDelta::hours(1)).await;
    assert_eq!(
        world.credential("a").valid,
        Some(true),
        "says nothing about the credential"
    );
    assert_eq!(world.rows().registries[0].up, Some(false));
    assert_eq!(world.outcome("a/pull", "ping"), Some("connection"));

    registry.start_again().await;
    world.pass(TimeDelta::seconds(70)).await;
    assert_eq!(world.rows().registries[0].up, Some(true));
    assert_eq!(
        world.outcome("a/pull", "token"),
        Some("ok"),
        "asked as soon as it is back"
    );
}

#[tokio::test]
async fn a_captive_portal_is_asked_for_no_image() {
    let page = Answer::status(200).html("<html>Please log in</html>");
    let registry = Registry::start(Behaviour::basic().answer(On::Any, page)).await;
    let mut world = World::new();
    world.apply(deploy("a", &registry, "bot", "right"));
    world.step().await;
    assert_eq!(world.outcome("a/pull", "ping"), Some("registry_error"));
    assert_eq!(world.outcome("a/pull", "manifest"), None);
    assert_eq!(world.credential("a").valid, None);
    assert_eq!(world.rows().registries[0].up, Some(false));
}

#[tokio::test]
async fn who_stands_by_asks_nobody_until_it_leads() {
    let registry = Registry::start(bearer()).await;
    let mut world = World::new();
    world.role.send_replace(Role::StandingBy);
    world.apply(deploy("a", &registry, "bot", "right"));
    assert_eq!(world.step().await, None);
    assert_eq!(registry.requests().len(), 0);
    world.role.send_replace(Role::Leading);
    world.step().await;
    assert_eq!(world.credential("a").valid, Some(true));
}

#[tokio::test]
async fn a_registry_that_asks_for_quiet_gets_it() {
    let behaviour = bearer().answer(Step::Token, Answer::too_many_requests(1800).once());
    let registry = Registry::start(behaviour).await;
    let mut world = World::new();
    world.apply(deploy("a", &registry, "bot", "right"));
    world.step().await;
    let asked = registry.requests().len();
    let quiet_until = world.now + TimeDelta::seconds(1800);
    assert!(world.group("a/pull").next_run >= Some(quiet_until));
    world.pass(TimeDelta::seconds(1799)).await;
    assert_eq!(registry.requests().len(), asked, "not even a ping");
    assert_eq!(world.credential("a").valid, None);
    world.pass(TimeDelta::seconds(1) + INTERVAL).await;
    assert_eq!(world.credential("a").valid, Some(true));
}

#[tokio::test]
async fn manifests_take_turns_fifty_at_a_time() {
    let registry = Registry::start(Behaviour::basic().user("bot", "right")).await;
    let mut world = World::new();
    let host = registry.host();
    world.apply([secret("a", &docker_config(&[(host, "bot", "right")]))]);
    for n in 0..120 {
        let mut change = pod("a", &format!("{host}/team/app-{n}:1"));
        if let Change::PodApplied(_, pod) = &mut change {
            pod.uid = Uid(1000 + n);
        }
        world.apply([change]);
    }
    world.step().await;
    let asked = || {
        registry
            .requests()
            .iter()
            .filter(|request| request.step == Step::Manifest)
            .count()
    };
    assert_eq!(asked(), 50);
    world.pass(INTERVAL * 4).await;
    let row = world.group("a/pull");
    assert_eq!(row.repositories.get(&None), None, "each had its turn");
    assert_eq!(row.repositories.values().sum::<u64>(), 120);
}

#[tokio::test]
async fn the_next_run_that_is_shown_is_the_one_that_comes() {
    let registry = Registry::start(bearer()).await;
    let mut world = World::new();
    world.apply(deploy("a", &registry, "bot", "right"));
    world.step().await;
    let mut other = pod("a", &format!("{}/team/other:1", registry.host()));
    if let Change::PodApplied(_, pod) = &mut other {
        pod.uid = Uid(1000);
    }
    world.apply([other]);
    world.step().await;
    let shown = world.group("a/pull").next_run.unwrap();
    assert_eq!(shown, world.now + INTERVAL / 5, "for the new manifest");
    world.pass(shown - world.now).await;
    assert_eq!(world.group("a/pull").last_run, Some(shown));
}

/// In the past it would say that probing hangs.
#[tokio::test]
async fn a_login_that_waits_for_a_place_shows_when_it_may_have_one() {
    let registry = Registry::start(bearer()).await;
    let mut world = World::new();
    world.apply(deploy("a", &registry, "bot", "stale-1"));
    world.apply(deploy("b", &registry, "bot", "stale-2"));
    world.step().await;
    let free = world.now + TimeDelta::minutes(30);
    world.pass(TimeDelta::minutes(6)).await;
    for name in ["a/pull", "b/pull"] {
        let shown = world.group(name).next_run.unwrap();
        assert!(shown >= free, "{name}: {shown}");
        assert!(shown <= free + TimeDelta::minutes(11), "{name}: {shown}");
    }
}

#[tokio::test]
async fn a_clock_that_is_set_back_holds_up_nothing() {
    let registry = Registry::start(bearer()).await;
    let mut world = World::new();
    world.apply(deploy("a", &registry, "bot", "right"));
    world.step().await;
    let asked = (registry.count(Step::Ping), registry.logins("bot"));
    world.set(world.now - TimeDelta::days(1));
    world.step().await;
    let next = world.group("a/pull").next_run;
    assert!(next <= Some(world.now + INTERVAL * 2), "{next:?}");
    world.pass(INTERVAL * 2).await;
    let again = (registry.count(Step::Ping), registry.logins("bot"));
    assert!(again.0 > asked.0 + 20 && again.1 > asked.1, "{again:?}");
}

#[tokio::test]
async fn what_nobody_names_any_more_is_not_asked_and_not_shown() {
    let registry = Registry::start(bearer()).await;
    let mut world = World::new();
    world.apply(deploy("a", &registry, "bot", "right"));
    world.step().await;
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
    assert!(
        world.rows().credentials.is_empty(),
        "gone at the next scrape"
    );
    world.pass(TimeDelta::seconds(1)).await;
    assert_eq!(world.step().await, None, "nothing is due ever again");
}

#[tokio::test]
async fn a_date_inside_that_has_passed_is_a_verdict_without_a_request() {
    let registry = Registry::start(Behaviour::basic().user("AWS", "x")).await;
    let mut world = World::with(|probe| probe.ping_interval = Duration::from_secs(86_400));
    let token = regcred_stand_ins::objects::ecr_password(world.now.timestamp() - 3600);
    world.apply(deploy("a", &registry, "AWS", &token));
    world.pass(INTERVAL * 4).await;
    assert_eq!(world.credential("a").valid, Some(false));
    assert_eq!(world.outcome("a/pull", "token"), Some("expired"));
    assert_eq!(
        registry
            .requests()
            .iter()
            .filter(|request| request.user.is_some())
            .count(),
        0
    );
}

#[tokio::test]
async fn a_date_inside_that_passes_while_we_watch_turns_the_verdict() {
    let token_end = 1_800_000_000 + 600;
    let token = regcred_stand_ins::objects::ecr_password(token_end);
    let registry = Registry::start(Behaviour::basic().user("AWS", &token)).await;
    let mut world = World::new();
    world.apply(deploy("a", &registry, "AWS", &token));
    world.step().await;
    assert_eq!(world.credential("a").valid, Some(true));
    world.pass(TimeDelta::seconds(600 + 299)).await;
    assert_eq!(
        world.credential("a").valid,
        Some(true),
        "clocks differ by up to five minutes"
    );
    world.pass(TimeDelta::seconds(1)).await;
    assert_eq!(world.credential("a").valid, Some(false));
    assert_eq!(world.outcome("a/pull", "token"), Some("expired"));
}
