//! Conversations that panic. No answer is known that makes one: here the conversation itself does.
//! And what is said of one that ends.

use std::sync::Once;

use regcred_stand_ins::tls::Ca;

use crate::cli::{Cli, Command};
use crate::domain::budget::{Budget, Limits, Login, Standing};
use crate::domain::cluster::{
    Change, Cluster, ObjectName, Resource, SecretSeen, Uid, Watch, Which,
};
use crate::domain::credential::AccountName;
use crate::domain::docker_config::{self, SecretKind};
use crate::domain::exchange::{Asked, Exchange, Purpose, Response, Step};
use crate::domain::expiry::Sources;
use crate::domain::image::Registry;
use crate::log::tests::{log, said};
use crate::registry::{Proxies, Trust};
use crate::state::State;

use super::*;

/// Policy refuses it: nobody is asked.
const ON_LOOPBACK: &str = "127.0.0.1:9";

fn prober(clock: &Clock) -> Prober {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    let cli = Cli::read(["regcred-exporter"]).unwrap();
    let Command::Run(arguments) = cli.into_command() else {
        unreachable!("the default command is `run`");
    };
    let settings = Settings::try_from_args(&arguments).unwrap();
    let shared = Shared::from(State::new(Cluster::new(Sources::default(), Which::All)));
    let trust = Trust::of([Ca::new().der()]).unwrap();
    let client = Client::with(&settings.probe, trust, Proxies::none());
    let metrics = {
        let clock = clock.clone();
        Metrics::new(shared.clone(), move || clock.now(), settings.probe.interval)
    };
    Prober::new(
        shared,
        watch::channel(Arc::new(settings)).1,
        watch::channel(Role::Leading).1,
        client,
        clock.clone(),
        metrics,
        Arc::default(),
    )
}

/// `a/pull`, with a login.
fn secret() -> Change {
    let config = format!(r#"{{"auths":{{"{ON_LOOPBACK}":{{"auth":"YWRhOng="}}}}}}"#);
    let kind = SecretKind::DockerConfigJson;
    let watch = Watch {
        resource: Resource::DockerConfigJsonSecrets,
        namespace: None,
    };
    let seen = SecretSeen {
        uid: Uid(1),
        object: ObjectName {
            namespace: "a".to_owned(),
            name: "pull".to_owned(),
        },
        created: None,
        changed: None,
        kind,
        docker_config: docker_config::parse(kind, Some(config.as_bytes())),
        expiry_data: Default::default(),
        annotations: Default::default(),
        labels: Default::default(),
        owner: None,
    };
    Change::SecretApplied(watch, seen)
}

/// It wants nothing told of it.
fn ignored() -> Change {
    let mut change = secret();
    if let Change::SecretApplied(_, seen) = &mut change {
        let wish = ("regcred-exporter.io/ignore", "true");
        seen.annotations = [wish]
            .map(|(name, value)| (name.into(), value.into()))
            .into();
    }
    change
}

/// A login that went like this ends; what is said of it.
fn said_of(prober: &mut Prober, job: &Job, status: u16) -> String {
    let exchange = Exchange {
        registry: job.registry().clone(),
        asked: vec![Asked {
            step: Step::Token,
            manifest: None,
            purpose: Purpose::Login,
            answer: Ok(Response {
                status,
                ..Response::default()
            }),
        }],
        certificates: Vec::new(),
        took: std::time::Duration::ZERO,
    };
    said(log(tracing::Level::INFO), || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.build().unwrap().block_on(async {
            prober.spawn(job.clone(), None, async { exchange });
            let ended = prober.under_way.join_next_with_id().await.unwrap();
            prober.ended(ended);
        });
    })
}

#[test]
fn what_is_ignored_meanwhile_is_not_named_when_its_login_ends() {
    let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    let mut prober = prober(&Clock::by_hand(now));
    let login = prober.shared.update(|state| {
        state.cluster.apply(secret());
        let group = state.cluster.groups().next().cloned();
        Job::Login(group.unwrap())
    });
    let text = said_of(&mut prober, &login, 200);
    assert!(
        text.contains("Login outcome changed\" credential=a/pull"),
        "{text}"
    );
    prober.shared.update(|state| state.cluster.apply(ignored()));
    assert_eq!(said_of(&mut prober, &login, 401), "");
    let text = said(log(tracing::Level::INFO), || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let panic = panic_at(&mut prober, &login, now);
        runtime.build().unwrap().block_on(panic);
    });
    assert!(text.contains("A conversation panicked"), "{text}");
    assert!(!text.contains("a/pull"), "{text}");
}

/// Takes a job that is due, and its conversation panics.
async fn panic_at(prober: &mut Prober, job: &Job, now: DateTime<Utc>) {
    prober.schedule.hasten(job, now);
    assert_eq!(prober.schedule.take_due(now), std::slice::from_ref(job));
    prober.spawn(job.clone(), None, async { panic!("S3CRET") });
    let ended = prober.under_way.join_next_with_id().await.unwrap();
    prober.ended(ended);
}

/// The place that a login has taken in its account's budget.
fn pays(prober: &mut Prober, job: &Job, now: DateTime<Utc>) -> Option<Paid> {
    let Job::Login(group) = job else { return None };
    let target = prober.shared.read(|state| state.cluster.target(group));
    let account = AccountName::of(&target?.credential)?;
    let login = Login {
        group,
        account: &account,
        holders: &["a/pull#r".to_owned()],
        standing: Standing::Unproven,
        first_rejected: None,
    };
    let id = prober.ledger.enter(&login, now).ok()?;
    Some(Paid {
        id,
        account,
        is_written: false,
    })
}

/// It was sent, and nobody will know what was answered.
async fn a_login_that_panics_has_its_accounts_place() {
    let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    let mut prober = prober(&Clock::by_hand(now));
    // Places are what is looked at, not who remembers them.
    prober.ledger.of_one_run();
    *prober.ledger.budget() = Budget::new(Limits::DAEMON, 1);
    let login = prober.shared.update(|state| {
        state.cluster.apply(secret());
        let group = state.cluster.groups().next().cloned();
        Job::Login(group.unwrap())
    });
    for place in 0..2 {
        let paid = pays(&mut prober, &login, now);
        assert!(paid.is_some(), "place {place}");
        prober.schedule.hasten(&login, now);
        prober.schedule.take_due(now);
        prober.spawn(login.clone(), paid, async { panic!("S3CRET") });
        let ended = prober.under_way.join_next_with_id().await.unwrap();
        prober.ended(ended);
        prober.schedule.forget(&login);
    }
    assert!(pays(&mut prober, &login, now).is_none());
}

fn panics(prober: &Prober) -> String {
    let mut page = String::new();
    prober.metrics.encode(&mut page).unwrap();
    let mut lines = page.lines();
    let line = lines.find(|line| line.contains(r#"task="conversation""#));
    line.unwrap().to_owned()
}

#[test]
fn what_panics_is_counted_named_paid_for_and_set_aside_for_twice_as_long_each_time() {
    // One test of all: what a line was written for is known on this thread alone.
    let lines = said(log(tracing::Level::WARN), || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.build().unwrap().block_on(async {
            each_panic_is_set_aside().await;
            a_login_that_panics_has_its_accounts_place().await;
        });
    });
    assert_eq!(lines.lines().count(), 11, "{lines}");
    for line in lines.lines() {
        let names_secret = line.contains("credential=a/pull#127.0.0.1:9");
        assert_eq!(names_secret, line.contains("job=login"), "{line}");
        assert!(line.contains("registry=127.0.0.1:9 "), "{line}");
    }
    assert!(!lines.contains("S3CRET"), "{lines}");
}

async fn each_panic_is_set_aside() {
    let start = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    let clock = Clock::by_hand(start);
    let mut prober = prober(&clock);
    let registry = Registry::from_domain(ON_LOOPBACK);
    let login = prober.shared.update(|state| {
        state.cluster.apply(secret());
        let group = state.cluster.groups().next().cloned();
        Job::Login(group.unwrap())
    });
    let ping = Job::Ping(registry);
    let mut now = start;
    for (login_minutes, ping_minutes) in [(15, 1), (30, 2), (60, 4), (120, 8)] {
        for (job, minutes) in [(&ping, ping_minutes), (&login, login_minutes)] {
            clock.set(now);
            panic_at(&mut prober, job, now).await;
            let until = now + TimeDelta::minutes(minutes);
            assert_eq!(prober.schedule.planned_for(job), Some(until), "{job:?}");

            // Whoever wants it sooner does not get it.
            let sooner = until - TimeDelta::seconds(1);
            prober.schedule.hasten(job, sooner);
            prober.start_due(sooner);
            assert!(prober.under_way.is_empty() && !prober.ledger.is_asking());
            assert_eq!(prober.schedule.planned_for(job), Some(until), "{job:?}");
            prober.schedule.forget(job);
        }
        now += TimeDelta::minutes(login_minutes);
    }
    assert!(panics(&prober).ends_with(" 8"), "{}", panics(&prober));

    // One that ends otherwise, whatever came of it, is like any other again.
    clock.set(now);
    prober.schedule.hasten(&ping, now);
    prober.start_due(now);
    let ended = prober.under_way.join_next_with_id().await.unwrap();
    prober.ended(ended);
    panic_at(&mut prober, &ping, now).await;
    let until = now + TimeDelta::minutes(1);
    assert_eq!(prober.schedule.planned_for(&ping), Some(until));
}
