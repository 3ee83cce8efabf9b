//! Lives of Pods as a watch tells them, line by line, and how many attempts they are.
//!
//! Every line is JSON as an API server sends it, through the decoders into the state; time is set by
//! hand. The words are those that kubelets write (`regcred_stand_ins::kubelet`).

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use regcred_exporter::domain::attempts::Happening;
use regcred_exporter::domain::cluster::{Change, Resource, Watch};
use regcred_exporter::kubernetes::decode::{self, Place};
use regcred_exporter::state::State;
use regcred_stand_ins::kubelet::{Container, Kubelet, Recorded};
use regcred_stand_ins::objects::{PodBuilder, event, pod};
use serde_json::{Value, json};

const UID: &str = "11111111-1111-1111-1111-111111111111";
const IMAGE: &str = "registry.example.com/team/app:1";
const APP: Container<'_> = Container {
    pod: ("shop", "web-1", UID),
    name: "app",
    image: IMAGE,
};
const SIDE: Container<'_> = Container {
    name: "side",
    ..APP
};

fn begin() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn web() -> PodBuilder {
    let created = (begin() + TimeDelta::seconds(1)).to_rfc3339();
    pod("shop", "web-1", IMAGE, &[])
        .uid(UID)
        .created_at(&created)
}

fn error(kubelet: Kubelet) -> String {
    let cause = "failed to authorize: failed to fetch anonymous token: unexpected status from GET request to \
                 https://registry.example.com/token?service=registry: 401 Unauthorized";
    kubelet.error(IMAGE, cause)
}

/// An exporter that is told of Pods and Events by their watches.
struct Replay {
    state: State,
    now: DateTime<Utc>,
    /// Attempts by reason.
    counted: BTreeMap<&'static str, u64>,
    recoveries: usize,
}

impl Replay {
    /// Started at the beginning, in a cluster with these Pods and Events.
    fn start(pods: &[Value], events: &[Value]) -> Self {
        let mut replay = Self {
            state: State::default(),
            now: begin(),
            counted: BTreeMap::new(),
            recoveries: 0,
        };
        replay.list(pods, events);
        replay
    }

    /// Ended and started anew in a cluster with these.
    fn restart(&mut self, pods: &[Value], events: &[Value]) {
        self.state = State::default();
        self.list(pods, events);
    }

    /// Both watches list.
    fn list(&mut self, pods: &[Value], events: &[Value]) {
        for (resource, items) in [(Resource::Pods, pods), (Resource::Events, events)] {
            self.take(Change::ListStarted(watch(resource)));
            for item in items {
                self.object(resource, item.to_string().as_bytes(), Place::Item);
            }
            self.take(Change::ListFinished(watch(resource)));
        }
    }

    /// A line of the watch of Pods.
    fn pod(&mut self, pod: PodBuilder) {
        self.line(Resource::Pods, pod.build());
    }

    /// A line of the watch of Events.
    fn event(&mut self, event: Value) {
        self.line(Resource::Events, event);
    }

    fn line(&mut self, resource: Resource, object: Value) {
        let line = json!({ "type": "MODIFIED", "object": object }).to_string();
        self.object(resource, line.as_bytes(), Place::Line);
    }

    fn object(&mut self, resource: Resource, json: &[u8], place: Place) {
        let change = match resource {
            Resource::Pods => {
                Change::PodApplied(watch(resource), decode::pod(json, place).unwrap().record)
            }
            _ => Change::EventApplied(watch(resource), decode::event(json, place).unwrap().record),
        };
        self.take(change);
    }

    fn take(&mut self, change: Change) {
        for happening in self.state.take(change, self.now).happened {
            match happening {
                Happening::Failed {
                    registry,
                    reason,
                    attempts,
                    ..
                } => {
                    assert_eq!(registry.unwrap().as_str(), "registry.example.com");
                    *self.counted.entry(reason.as_str()).or_default() += attempts;
                }
                Happening::Recovered { .. } => self.recoveries += 1,
            }
        }
    }

    fn pass(&mut self, seconds: i64) {
        self.now += TimeDelta::seconds(seconds);
    }

    fn attempts(&self) -> u64 {
        self.counted.values().sum()
    }

    fn blocked(&self) -> u64 {
        let rows = self.state.rows(self.now).in_order();
        rows.pods.blocked.iter().map(|row| row.pods).sum()
    }
}

fn watch(resource: Resource) -> Watch {
    Watch {
        resource,
        namespace: None,
    }
}

/// An attempt that fails, 10 s of its trace, and the back-off after it.
fn attempt(replay: &mut Replay, kubelet: Kubelet) {
    replay.pod(kubelet.failed(web(), "app", &error(kubelet)));
    replay.pass(11);
    replay.pod(kubelet.backing_off(web(), &APP, &error(kubelet)));
}

/// Counted so far by the recorder under this name.
fn counted(
    replay: &Replay,
    kubelet: Kubelet,
    container: &Container<'_>,
    name: &str,
    count: u32,
) -> Value {
    let recorded = Recorded {
        name,
        count,
        seen: (begin() + TimeDelta::seconds(2), replay.now),
    };
    kubelet.event(container, &error(kubelet), recorded)
}

/// 72 attempts in its status and 4 Events, as measured on a kubelet 1.20 that wrote none after 91 s.
#[test]
fn a_pod_that_fails_for_six_hours_is_as_many_attempts_as_its_status_showed() {
    for kubelet in Kubelet::ALL {
        let mut replay = Replay::start(&[], &[]);
        replay.pod(web());
        for number in 1..=72 {
            attempt(&mut replay, kubelet);
            if number <= 4 {
                let event = counted(&replay, kubelet, &APP, "web-1.17c0", number);
                replay.event(event);
            }
            assert_eq!((replay.attempts(), replay.blocked()), (number.into(), 1));
            replay.pass(289);
        }
        assert_eq!(
            replay.counted,
            BTreeMap::from([("unauthorized", 72)]),
            "{kubelet:?}"
        );
    }
}

#[test]
fn an_event_of_fifty_about_a_pod_whose_status_was_never_seen_is_fifty() {
    for kubelet in Kubelet::ALL {
        let mut replay = Replay::start(&[], &[]);
        replay.pass(4_000);
        let event = counted(&replay, kubelet, &APP, "web-1.17c0", 50);
        replay.event(event);
        assert_eq!(
            (replay.attempts(), replay.blocked()),
            (50, 0),
            "{kubelet:?}"
        );
    }
}

#[test]
fn lists_that_come_again_add_nothing() {
    let kubelet = Kubelet::V1_28;
    let mut replay = Replay::start(&[], &[]);
    attempt(&mut replay, kubelet);
    attempt(&mut replay, kubelet);
    let events = [counted(&replay, kubelet, &APP, "web-1.17c0", 2)];
    replay.event(events[0].clone());
    let pods = [kubelet.backing_off(web(), &APP, &error(kubelet)).build()];
    for _ in 0..10 {
        replay.pass(60);
        replay.list(&pods, &events);
    }
    assert_eq!((replay.attempts(), replay.blocked()), (2, 1));
}

/// The API server forgets an Event an hour after its last write; the recorder does not, and writes it
/// anew under its name with all that it counted meanwhile (client-go tools/record).
#[test]
fn an_event_that_was_forgotten_and_comes_again_with_27_after_22_adds_five() {
    let kubelet = Kubelet::V1_32;
    let mut replay = Replay::start(&[], &[]);
    let event = counted(&replay, kubelet, &APP, "web-1.17c0", 22);
    replay.event(event);
    assert_eq!(replay.attempts(), 22);
    replay.pass(3_600);
    // What a DELETED line would say is not even a change.
    replay.list(&[web().build()], &[]);
    replay.pass(3_300);
    let event = counted(&replay, kubelet, &APP, "web-1.17c0", 27);
    replay.event(event);
    assert_eq!(replay.attempts(), 27);
}

#[test]
fn a_healthy_pod_whose_kubelet_misses_a_secret_11_399_times_is_none() {
    let mut replay = Replay::start(&[], &[]);
    replay.pod(web().running());
    let missing = event(
        "shop",
        "web-1",
        "FailedToRetrieveImagePullSecret",
        "Unable to retrieve some image pull secrets (regcred); attempting to pull the image may not succeed.",
    );
    replay.event(missing.pod_uid(UID).count(11_399).build());
    assert_eq!((replay.attempts(), replay.blocked()), (0, 0));
}

#[test]
fn a_restart_of_ours_adds_nothing() {
    for kubelet in Kubelet::ALL {
        let mut replay = Replay::start(&[], &[]);
        for _ in 0..5 {
            attempt(&mut replay, kubelet);
        }
        let events = [counted(&replay, kubelet, &APP, "web-1.17c0", 5)];
        replay.event(events[0].clone());
        assert_eq!(replay.attempts(), 5);
        for pod in [
            kubelet.failed(web(), "app", &error(kubelet)),
            kubelet.backing_off(web(), &APP, &error(kubelet)),
        ] {
            replay.pass(30);
            replay.restart(&[pod.build()], &events);
            assert_eq!((replay.attempts(), replay.blocked()), (5, 1), "{kubelet:?}");
        }
        // The next attempt is one, whoever tells of it.
        attempt(&mut replay, kubelet);
        let event = counted(&replay, kubelet, &APP, "web-1.17c0", 6);
        replay.event(event);
        assert_eq!(replay.attempts(), 6, "{kubelet:?}");
    }
}

#[test]
fn two_containers_with_one_image_in_one_pod_are_two() {
    let kubelet = Kubelet::V1_37;
    let mut replay = Replay::start(&[], &[]);
    let text = error(kubelet);
    let both = kubelet.failed(web().container("side", IMAGE), "app", &text);
    replay.pod(kubelet.failed(both, "side", &text));
    for (container, name) in [(APP, "web-1.17c0"), (SIDE, "web-1.17c1")] {
        let event = counted(&replay, kubelet, &container, name, 1);
        replay.event(event);
    }
    assert_eq!((replay.attempts(), replay.blocked()), (2, 1));
}

#[test]
fn a_pod_that_runs_at_last_has_recovered_and_blocks_no_more() {
    let mut replay = Replay::start(&[], &[]);
    attempt(&mut replay, Kubelet::V1_28);
    replay.pass(60);
    replay.pod(web().running());
    assert_eq!(
        (replay.attempts(), replay.blocked(), replay.recoveries),
        (1, 0, 1)
    );
}
