//! What one word of a kubelet costs: a status and an Event, as JSON from a watch to the counters.

use std::hint::black_box;

use chrono::{DateTime, TimeDelta, Utc};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use regcred_exporter::domain::cluster::{Change, Resource, Uid, Watch};
use regcred_exporter::kubernetes::decode::{self, Place};
use regcred_exporter::state::State;
use regcred_stand_ins::kubelet::{Container, Kubelet, Recorded};
use regcred_stand_ins::objects::pod;
use serde_json::{Value, json};

const IMAGE: &str = "registry.example.com/team/app:1";

fn begin() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).expect("a time of this century")
}

fn watch(resource: Resource) -> Watch {
    Watch {
        resource,
        namespace: None,
    }
}

/// Two lines of each: what comes next is never what was.
struct Lines {
    failed: Vec<u8>,
    backing_off: Vec<u8>,
    events: Vec<Vec<u8>>,
}

fn line(object: Value) -> Vec<u8> {
    json!({ "type": "MODIFIED", "object": object })
        .to_string()
        .into_bytes()
}

fn lines(uid: &str) -> Lines {
    let kubelet = Kubelet::V1_37;
    let cause = "failed to authorize: failed to fetch oauth token: unexpected status from GET request to \
                 https://registry.example.com/token: 401 Unauthorized";
    let error = kubelet.error(IMAGE, cause);
    let container = Container {
        pod: ("shop", "web-1", uid),
        name: "app",
        image: IMAGE,
    };
    let web = || {
        pod("shop", "web-1", IMAGE, &["pull"])
            .uid(uid)
            .padded_to(10_000)
    };
    let event = |count| {
        let seen = (begin(), begin() + TimeDelta::seconds(count));
        let recorded = Recorded {
            name: "web-1.17c0",
            count: count as u32,
            seen,
        };
        line(kubelet.event(&container, &error, recorded))
    };
    Lines {
        failed: line(kubelet.failed(web(), "app", &error).build()),
        backing_off: line(kubelet.backing_off(web(), &container, &error).build()),
        events: (1..=1_000).map(event).collect(),
    }
}

fn pod_of(line: &[u8]) -> Change {
    let decoded = decode::pod(line, Place::Line).expect("a Pod is JSON");
    Change::PodApplied(watch(Resource::Pods), decoded.record)
}

fn event_of(line: &[u8]) -> Change {
    let decoded = decode::event(line, Place::Line).expect("an Event is JSON");
    Change::EventApplied(watch(Resource::Events), decoded.record)
}

/// A state that knows so many Pods, all of which wait.
fn beside(pods: u128) -> State {
    let mut state = State::default();
    for resource in [Resource::Pods, Resource::Events] {
        state.take(Change::ListStarted(watch(resource)), begin());
        state.take(Change::ListFinished(watch(resource)), begin());
    }
    let lines = lines("22222222-2222-2222-2222-222222222222");
    for number in 0..pods {
        let Change::PodApplied(watch, mut seen) = pod_of(&lines.failed) else {
            continue;
        };
        seen.uid = Uid(number + 1);
        seen.object.name = format!("other-{number}");
        state.take(Change::PodApplied(watch, seen), begin());
    }
    state
}

fn happenings(criterion: &mut Criterion) {
    let lines = lines("11111111-1111-1111-1111-111111111111");
    for pods in [0, 10_000] {
        let mut group = criterion.benchmark_group(format!("beside {pods} Pods that wait"));
        let mut state = beside(pods);
        group.bench_function("attempt in a status, from JSON", |bencher| {
            bencher.iter(|| {
                let before = state.take(pod_of(&lines.backing_off), begin());
                let failed = state.take(pod_of(&lines.failed), begin());
                assert_eq!(failed.happened.len(), 1);
                black_box((before, failed));
            });
        });
        let mut counts = lines.events.iter().cycle();
        group.bench_function("Event, from JSON", |bencher| {
            bencher.iter_batched(
                || counts.next().expect("they go round"),
                |line| black_box(state.take(event_of(line), begin())),
                BatchSize::SmallInput,
            );
        });
        let mut counts = lines.events.iter().cycle();
        group.bench_function("Event, decoded", |bencher| {
            bencher.iter_batched(
                || event_of(counts.next().expect("they go round")),
                |event| black_box(state.take(event, begin())),
                BatchSize::SmallInput,
            );
        });
        group.bench_function("who waits, for a scrape", |bencher| {
            bencher.iter(|| black_box(state.examine(begin()).blocked().len()));
        });
        group.finish();
    }
}

criterion_group!(benches, happenings);
criterion_main!(benches);
