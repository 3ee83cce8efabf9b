//! What pulls of pods do to logins, and to our own sight.
//!
//! Pods of a stand-in cluster come through the real watches, the registry is a real socket and
//! counts, the clock is set by hand.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use regcred_exporter::config::ClusterSource;
use regcred_exporter::domain::cluster::{
    Change, ContainerSeen, ObjectName, PodSeen, PullPolicy, Resource, Uid, Watch,
};
use regcred_exporter::kubernetes::decode::Wanted;
use regcred_exporter::kubernetes::watch::{Sink, Watcher};
use regcred_stand_ins::api_server::ApiServer;
use regcred_stand_ins::eventually;
use regcred_stand_ins::objects::{PodBuilder, docker_config, pod, pull_secret};
use regcred_stand_ins::registry::{Answer, Behaviour, Registry, Step};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::keeper::Keeper;
use super::prober::{World, deploy, secret_named};
use super::watch::client_of;

fn begin() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn registry() -> Behaviour {
    Behaviour::bearer()
        .user("bot", "right")
        .user("other", "right")
        .manifest("team/app", "1")
}

/// A world whose objects come from a cluster: one Pod that waits for a pull with a Secret whose
/// password is none yet.
struct Rig {
    world: World,
    api: ApiServer,
    registry: Registry,
    shutdown: CancellationToken,
    _watches: JoinSet<()>,
}

impl Rig {
    async fn start() -> Self {
        let (api, registry) = (ApiServer::start().await, Registry::start(registry()).await);
        let world = World::at(begin(), Keeper::default(), |_| {});
        let shared = world.shared().clone();
        let sink = Sink::new(move |changes: Vec<Change>| {
            shared.update(|state| {
                changes
                    .into_iter()
                    .for_each(|change| state.cluster.apply(change));
            });
        });
        let client = client_of(&api.kubeconfig()).await;
        let (source, shutdown) = (ClusterSource::default(), CancellationToken::new());
        let mut watches = JoinSet::new();
        for watcher in Watcher::all(&client, &source, Wanted::least(), world.shared(), &sink) {
            watches.spawn(watcher.run(shutdown.clone()));
        }
        let config = docker_config(&[(registry.host(), "bot", "mended")]);
        api.apply(pull_secret("a", "pull", &config));
        let rig = Self {
            world,
            api,
            registry,
            shutdown,
            _watches: watches,
        };
        rig.api.apply(rig.pod().waiting("ImagePullBackOff", "401"));
        rig.holds("pods", 1).await;
        rig.holds("secrets", 1).await;
        rig
    }

    fn pod(&self) -> PodBuilder {
        let image = format!("{}/team/app:1", self.registry.host());
        pod("a", "app", &image, &["pull"]).uid("11111111-1111-1111-1111-111111111111")
    }

    async fn holds(&self, resource: &str, count: u64) {
        eventually(resource, || {
            self.world.rows().objects.get(resource) == Some(&count)
        })
        .await;
    }

    /// Everything that the cluster told so far has come in.
    async fn caught_up(&self, mark: u64) {
        let image = format!("{}/team/app:1", self.registry.host());
        self.api
            .apply(pod("z", &format!("mark-{mark}"), &image, &[]));
        self.holds("pods", mark + 1).await;
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

#[tokio::test]
async fn a_refused_login_is_asked_again_at_once_when_a_pod_pulls_with_it() {
    let mut rig = Rig::start().await;
    rig.world.pass(TimeDelta::minutes(40)).await;
    assert_eq!(rig.world.credential("a").valid, Some(false));
    // The account is mended at the registry: the Secret's bytes were right all the time.
    rig.registry.set_password("bot", "mended");
    rig.world.pass(TimeDelta::minutes(1)).await;
    assert_eq!(rig.registry.logins("bot"), 0, "nobody knows of it");

    rig.api.apply(rig.pod().running());
    rig.caught_up(1).await;
    rig.world.step().await;
    assert!(rig.registry.logins("bot") > 0);
    assert_eq!(rig.world.credential("a").valid, Some(true));
}

#[tokio::test]
async fn with_the_accounts_places_used_up_it_waits_for_one() {
    let mut rig = Rig::start().await;
    rig.world.pass(TimeDelta::minutes(6)).await;
    assert_eq!(rig.registry.refused_logins("bot"), 2, "all of half an hour");
    rig.registry.set_password("bot", "mended");
    rig.api.apply(rig.pod().running());
    rig.caught_up(1).await;
    rig.world.pass(TimeDelta::minutes(23)).await;
    assert_eq!(rig.registry.logins("bot"), 0);
    let skipped = rig.world.credential("a").skipped;
    assert_eq!(skipped.map(|why| why.as_str()), Some("budget"));
    rig.world.pass(TimeDelta::minutes(2)).await;
    assert_eq!(rig.world.credential("a").valid, Some(true));
}

#[tokio::test]
async fn a_container_that_restarts_a_hundred_times_costs_no_login_more() {
    let mut rig = Rig::start().await;
    rig.world.pass(TimeDelta::minutes(40)).await;
    let pod = rig.pod().pull_policy("Always");
    let always = || pod.clone();
    rig.api.apply(always().running());
    for _ in 0..100 {
        rig.api.apply(
            always()
                .running()
                .waiting_in("app", "CrashLoopBackOff", "")
                .image_id("r.example/app@sha256:1"),
        );
        rig.api.apply(always().running());
    }
    rig.caught_up(1).await;
    rig.world.step().await;
    assert_eq!(rig.registry.refused_logins("bot"), 3, "for the first start");

    // Its pulls fail and work in turn: some other credential of the node's is good.
    for round in 0..50 {
        rig.api.apply(always().waiting("ImagePullBackOff", "429"));
        rig.api.apply(always().running());
        rig.caught_up(round + 2).await;
        rig.world.pass(TimeDelta::minutes(4)).await;
    }
    assert_eq!(rig.registry.refused_logins("bot"), 3, "until its next time");
    rig.world.pass(TimeDelta::hours(17)).await;
    let refused = rig.registry.refused_logins("bot");
    assert!((7..=8).contains(&refused), "{refused}");
}

const VANTAGE: &str = "regcred_registry_vantage_blind";

#[tokio::test]
async fn a_registry_that_nodes_reach_and_we_do_not_is_a_fact_about_us() {
    let mut rig = Rig::start().await;
    rig.registry.set_password("bot", "mended");
    let pull = async |rig: &mut Rig, mark| {
        rig.api.apply(rig.pod().waiting("ErrImagePull", "timeout"));
        rig.api.apply(rig.pod().running());
        rig.caught_up(mark).await;
        rig.world.step().await;
    };
    let blind = |rig: &Rig| rig.world.series_of(VANTAGE, &rig.registry);
    rig.world.pass(TimeDelta::minutes(2)).await;
    pull(&mut rig, 1).await;
    assert_eq!(blind(&rig), Some(0.0));

    rig.registry.stop().await;
    rig.world.pass(TimeDelta::minutes(2)).await;
    assert_eq!(
        rig.world.series_of("regcred_registry_up", &rig.registry),
        Some(0.0)
    );
    assert_eq!(blind(&rig), Some(0.0), "it may be down for everybody");
    pull(&mut rig, 2).await;
    assert_eq!(blind(&rig), Some(1.0));
    assert_eq!(
        rig.world.credential("a").valid,
        Some(true),
        "nothing about the pods"
    );
    rig.world.pass(TimeDelta::minutes(61)).await;
    assert_eq!(blind(&rig), Some(0.0), "nobody knows any more");
    pull(&mut rig, 3).await;
    assert_eq!(blind(&rig), Some(1.0));

    rig.registry.start_again().await;
    rig.world.pass(TimeDelta::minutes(2)).await;
    assert_eq!(blind(&rig), Some(0.0));
    rig.registry.stop().await;
    rig.world.pass(TimeDelta::minutes(2)).await;
    assert_eq!(blind(&rig), Some(0.0), "what was pulled before is over");
}

#[tokio::test]
async fn a_token_endpoint_that_nodes_reach_and_we_do_not_is_the_same() {
    let mut rig = Rig::start().await;
    rig.registry.set_password("bot", "mended");
    rig.world.pass(TimeDelta::minutes(1)).await;
    rig.registry.answer(Step::Token, Answer::status(503));
    rig.world.pass(TimeDelta::minutes(25)).await;
    assert_eq!(
        rig.world.series_of("regcred_registry_up", &rig.registry),
        Some(1.0)
    );
    rig.api.apply(rig.pod().running());
    rig.caught_up(1).await;
    rig.world.step().await;
    assert_eq!(rig.world.series_of(VANTAGE, &rig.registry), Some(1.0));
    rig.registry.clear_answers();
    rig.world.pass(TimeDelta::minutes(25)).await;
    assert_eq!(rig.world.series_of(VANTAGE, &rig.registry), Some(0.0));
}

fn uid(text: &str) -> Uid {
    Uid(text.bytes().fold(3, |uid: u128, byte| {
        uid.wrapping_mul(257) + u128::from(byte)
    }))
}

/// A Pod `NAMESPACE/puller` that always pulls with these Secrets: it waits, or it runs.
fn puller(namespace: &str, image: &str, secrets: &[&str], runs: Option<&str>) -> Change {
    let container = ContainerSeen {
        image: image.to_owned(),
        pull_policy: PullPolicy::Always,
        running: runs.is_some(),
        ..Default::default()
    };
    let watch = Watch {
        resource: Resource::Pods,
        namespace: None,
    };
    Change::PodApplied(
        watch,
        PodSeen {
            uid: uid(namespace),
            object: ObjectName {
                namespace: namespace.to_owned(),
                name: "puller".to_owned(),
            },
            pull_secrets: secrets.iter().map(|name| (*name).to_owned()).collect(),
            containers: vec![container],
            ..Default::default()
        },
    )
}

fn starts(namespace: &str, image: &str, secrets: &[&str]) -> [Change; 2] {
    [None, Some("runs")].map(|runs| puller(namespace, image, secrets, runs))
}

#[tokio::test]
async fn a_pull_that_another_credential_explains_is_no_news() {
    let registry = Registry::start(registry()).await;
    let mut world = World::at(begin(), Keeper::default(), |_| {});
    let host = registry.host();
    world.apply(deploy("a", &registry, "bot", "wrong"));
    let good = docker_config(&[(host, "other", "right")]);
    world.apply([secret_named("a", "good", &good)]);
    let image = format!("{host}/team/app:1");
    world.apply([puller("a", &image, &["pull", "good"], None)]);
    world.pass(TimeDelta::minutes(40)).await;
    assert_eq!(registry.refused_logins("bot"), 2);

    world.apply(starts("a", &image, &["pull", "good"]));
    world.pass(TimeDelta::minutes(1)).await;
    assert_eq!(registry.refused_logins("bot"), 2);
    // Alone, it is: nothing else that we see could have been it.
    world.apply(starts("a", &image, &["pull"]));
    world.pass(TimeDelta::seconds(2)).await;
    assert_eq!(registry.refused_logins("bot"), 3);
}

#[tokio::test]
async fn a_first_refusal_is_left_to_its_confirmation() {
    let registry = Registry::start(registry()).await;
    let mut world = World::at(begin(), Keeper::default(), |_| {});
    world.apply(deploy("a", &registry, "bot", "wrong"));
    world.step().await;
    let image = format!("{}/team/app:1", registry.host());
    world.apply(starts("a", &image, &["pull"]));
    world.pass(TimeDelta::minutes(4)).await;
    assert_eq!(registry.refused_logins("bot"), 1);
    assert_eq!(world.credential("a").valid, None);
}

#[tokio::test]
async fn whoever_waits_for_a_first_verdict_waits_no_longer_for_pulls() {
    let users = (0..500).fold(registry(), |all, n| all.user(&format!("new-{n}"), "right"));
    let registry = Registry::start(users).await;
    let mut mended = Vec::new();
    for _ in 0..3 {
        let users = (0..10).fold(Behaviour::bearer(), |all, n| {
            all.user(&format!("bot-{n}"), "right")
        });
        mended.push(Registry::start(users.manifest("team/app", "1")).await);
    }
    let day = Duration::from_secs(86_400);
    let mut world = World::at(begin(), Keeper::default(), |probe| {
        probe.ping_interval = day
    });
    let refused = |n: usize| {
        (
            format!("old-{n}"),
            &mended[n / 10],
            format!("bot-{}", n % 10),
        )
    };
    for n in 0..30 {
        let (namespace, registry, user) = refused(n);
        world.apply(deploy(&namespace, registry, &user, "mended"));
    }
    world.pass(TimeDelta::minutes(40)).await;
    let sum = || -> usize {
        let one = |registry: &Registry| registry.all_refused_logins();
        mended.iter().map(one).sum()
    };
    assert_eq!(sum(), 60);

    for n in 0..30 {
        let (namespace, registry, user) = refused(n);
        registry.set_password(&user, "mended");
        let image = format!("{}/team/app:1", registry.host());
        world.apply(starts(&namespace, &image, &["pull"]));
    }
    for n in 0..500 {
        let user = format!("new-{n}");
        world.apply(deploy(&user, &registry, &user, "right"));
    }
    // Twenty at once, then five a second: the last of the 500 after 96 seconds, and one more until
    // it is written down.
    world.pass(TimeDelta::milliseconds(97_100)).await;
    let judged = (0..500).filter(|n| world.credential(&format!("new-{n}")).valid == Some(true));
    assert_eq!(judged.count(), 500);
    world.pass(TimeDelta::seconds(8)).await;
    let seen = (0..30).filter(|n| world.credential(&refused(*n).0).valid == Some(true));
    assert_eq!(seen.count(), 30);
}
