//! What a look at all Pods costs (docs/adr/0042): beside a thousand that run and beside fifty thousand,
//! when all is well, when no login works any more, and when some wait. The ratio per Pod is what counts:
//! it must not grow with their number.

use std::hint::black_box;

use chrono::{DateTime, TimeDelta, Utc};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use regcred_exporter::domain::cluster::{
    Change, Cluster, ContainerSeen, ObjectName, PodSeen, Resource, SecretSeen, Uid, Watch,
};
use regcred_exporter::domain::docker_config::{self, SecretKind};
use regcred_exporter::domain::expiry::Sources;
use regcred_exporter::domain::image::Registry;
use regcred_exporter::domain::outcome::{Judgement, Meaning, Outcome};
use regcred_exporter::domain::provider::Provider;
use regcred_exporter::state::State;

const HOST: &str = "registry.example.com";

/// Pods of one workload.
const REPLICAS: usize = 10;

/// Workloads of one namespace.
const WORKLOADS: usize = 20;

fn now() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000)
}

fn watch(resource: Resource) -> Watch {
    Watch {
        resource,
        namespace: None,
    }
}

fn named(namespace: usize, name: &str) -> ObjectName {
    ObjectName {
        namespace: format!("team-{namespace}"),
        name: name.to_owned(),
    }
}

fn secret(namespace: usize) -> Change {
    let config = format!(
        "{{\"auths\":{{\"{HOST}\":{{\"username\":\"bot-{namespace}\",\"password\":\"x\"}}}}}}"
    );
    let seen = SecretSeen {
        uid: Uid(namespace as u128 + 1),
        object: named(namespace, "pull"),
        created: None,
        changed: None,
        kind: SecretKind::DockerConfigJson,
        docker_config: docker_config::parse(SecretKind::DockerConfigJson, Some(config.as_bytes())),
        expiry_data: [].into(),
        annotations: [].into(),
        labels: [].into(),
        owner: None,
    };
    Change::SecretApplied(watch(Resource::DockerConfigJsonSecrets), seen)
}

fn pod(number: usize, waits: bool) -> Change {
    let workload = number / REPLICAS;
    let reason = "ErrImagePull".to_owned();
    let message = format!("failed to resolve reference: {HOST}: 401 Unauthorized");
    let container = ContainerSeen {
        name: "app".to_owned(),
        image: format!("{HOST}/team/app-{workload}:1"),
        running: !waits,
        waiting_reason: waits.then_some(reason),
        waiting_message: waits.then_some(message),
        ..ContainerSeen::default()
    };
    let seen = PodSeen {
        uid: Uid(number as u128 + 1_000_000),
        object: named(workload / WORKLOADS, &format!("app-{number}")),
        service_account: "default".to_owned(),
        pull_secrets: vec!["pull".to_owned()],
        containers: vec![container],
        ..PodSeen::default()
    };
    Change::PodApplied(watch(Resource::Pods), seen)
}

fn answer(ping: Outcome, login: Option<Outcome>) -> Judgement {
    Judgement {
        provider: Provider::Unknown,
        ping,
        up: true,
        guards_all: true,
        login: login.map(Meaning::plain),
        manifests: Vec::new(),
        steps: Vec::new(),
        retry_after: None,
        quotas: Vec::new(),
        fault: None,
    }
}

/// So many Pods, of which one in so many waits, and what every login is answered.
fn cluster(pods: usize, one_waits_in: Option<usize>, login: Outcome) -> State {
    let cluster = Cluster::new(Sources::default(), Default::default()).without_caps();
    let mut state = State::new(cluster);
    let lists = [
        Resource::DockerConfigJsonSecrets,
        Resource::DockerCfgSecrets,
        Resource::Pods,
        Resource::ServiceAccounts,
    ];
    let namespaces = pods.div_ceil(REPLICAS * WORKLOADS);
    for namespace in 0..namespaces {
        state.take(secret(namespace), now());
    }
    for number in 0..pods {
        let waits = one_waits_in.is_some_and(|some| number % some == 0);
        state.take(pod(number, waits), now());
    }
    for list in lists {
        state.watches.expect(watch(list));
        state.watches.listed(&watch(list));
    }
    state.cluster.settle();
    let registry = Registry::from_domain(HOST);
    let ping = answer(Outcome::Unauthorized, None);
    state.verdicts.pinged(&registry, &ping);
    let groups: Vec<_> = state.cluster.groups().cloned().collect();
    assert_eq!(groups.len(), namespaces);
    for group in groups {
        let verdict = state.verdicts.entry(&group);
        // A refusal is believed when it is confirmed.
        for _ in 0..2 {
            verdict.record(&answer(Outcome::Ok, Some(login)), now());
        }
    }
    state
}

fn looking(criterion: &mut Criterion) {
    let cases = [
        ("all is well", None, Outcome::Ok),
        ("no login works", None, Outcome::Unauthorized),
        ("one in a hundred waits", Some(100), Outcome::Unauthorized),
    ];
    for (name, one_waits_in, login) in cases {
        let mut group = criterion.benchmark_group(format!("a scrape's rows, {name}"));
        group.sample_size(10);
        for pods in [1_000, 50_000] {
            let state = cluster(pods, one_waits_in, login);
            let later = now() + TimeDelta::minutes(5);
            let rows = state.rows(later).in_order();
            let sum = |rows: &[u64]| rows.iter().sum::<u64>();
            let at_risk: Vec<u64> = rows.pods.at_risk.iter().map(|row| row.pods).collect();
            let blocked: Vec<u64> = rows.pods.blocked.iter().map(|row| row.pods).collect();
            let waiting = one_waits_in.map_or(0, |some| pods / some) as u64;
            let failing = if login == Outcome::Ok { 0 } else { pods as u64 };
            assert_eq!((sum(&blocked), sum(&at_risk)), (waiting, failing - waiting));
            group.throughput(Throughput::Elements(pods as u64));
            group.bench_with_input(BenchmarkId::new("Pods", pods), &state, |bencher, state| {
                bencher.iter(|| black_box(state.rows(later)));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, looking);
criterion_main!(benches);
