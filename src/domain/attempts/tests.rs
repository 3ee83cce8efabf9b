//! The state machine, fed with what watches bring.

use std::collections::BTreeMap;

use super::*;
use crate::domain::cluster::{ContainerSeen, ObjectName};

const UNAUTHORIZED: &str = "failed to pull and unpack image \"r.example/app:1\": failed to resolve reference \
     \"r.example/app:1\": unexpected status from HEAD request to https://r.example/v2/app/manifests/1: \
     401 Unauthorized";

fn second(of: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + of, 0).unwrap()
}

fn watch(resource: Resource) -> Watch {
    Watch {
        resource,
        namespace: None,
    }
}

fn container(name: &str, status: &str) -> ContainerSeen {
    ContainerSeen {
        name: name.to_owned(),
        image: "r.example/app:1".to_owned(),
        image_id: if status == "running" {
            "r.example/app@sha256:1"
        } else {
            ""
        }
        .to_owned(),
        waiting_reason: (!matches!(status, "running" | "ended")).then(|| status.to_owned()),
        waiting_message: (status == "ErrImagePull").then(|| UNAUTHORIZED.to_owned()),
        running: status == "running",
        ..ContainerSeen::default()
    }
}

/// What happened, told in sums.
#[derive(Debug, Default)]
struct Heard {
    attempts: Attempts,
    at: i64,
    failed: BTreeMap<(String, &'static str), u64>,
    recovered: Vec<i64>,
    is_ignored: bool,
}

impl Heard {
    /// Pods and Events have been listed, and there were none.
    fn watching() -> Self {
        let mut heard = Self::default();
        heard.lists(&[]);
        heard
    }

    /// Both are listed, and these changes come of it.
    fn lists(&mut self, changes: &[fn(&mut Self)]) {
        for resource in [Resource::Pods, Resource::Events] {
            self.take(Change::ListStarted(watch(resource)));
        }
        changes.iter().for_each(|change| change(self));
        for resource in [Resource::Pods, Resource::Events] {
            self.take(Change::ListFinished(watch(resource)));
        }
    }

    fn take(&mut self, change: Change) {
        let ignored = self.is_ignored;
        for happening in self
            .attempts
            .observe(&change, second(self.at), |_, _| ignored)
        {
            match happening {
                Happening::Failed {
                    registry,
                    reason,
                    attempts,
                    ..
                } => {
                    let registry =
                        registry.map_or_else(String::new, |registry| registry.to_string());
                    *self.failed.entry((registry, reason.as_str())).or_default() += attempts;
                }
                Happening::Recovered { after, .. } => self.recovered.push(after.num_seconds()),
            }
        }
    }

    fn pod(&mut self, uid: u128, statuses: &[(&str, &str)]) {
        let created = second(if uid < 10 { -100 } else { 0 });
        let containers = statuses
            .iter()
            .map(|(name, status)| container(name, status));
        self.take(Change::PodApplied(
            watch(Resource::Pods),
            PodSeen {
                uid: Uid(uid),
                object: ObjectName {
                    namespace: "shop".to_owned(),
                    name: uid.to_string(),
                },
                created: Some(created),
                service_account: "default".to_owned(),
                containers: containers.collect(),
                ..PodSeen::default()
            },
        ));
    }

    fn app(&mut self, uid: u128, status: &str) {
        self.pod(uid, &[("app", status)]);
    }

    fn event(&mut self, uid: u128, name: &str, field: &str, count: u32) {
        self.event_with(uid, name, field, count, self.at, "");
    }

    fn event_with(
        &mut self,
        uid: u128,
        name: &str,
        field: &str,
        count: u32,
        first: i64,
        prefix: &str,
    ) {
        self.take(Change::EventApplied(
            watch(Resource::Events),
            EventSeen {
                object: ObjectName {
                    namespace: "shop".to_owned(),
                    name: name.to_owned(),
                },
                pod: Uid(uid),
                field_path: field.to_owned(),
                warning: true,
                reason: "Failed".to_owned(),
                message: format!(
                    "{prefix}Failed to pull image \"r.example/app:1\": {UNAUTHORIZED}"
                ),
                count,
                first: Some(second(first)),
                last: Some(second(self.at)),
                component: "kubelet".to_owned(),
                ..EventSeen::default()
            },
        ));
    }

    fn total(&self) -> u64 {
        self.failed.values().sum()
    }

    fn blocked(&self) -> u64 {
        let waiting = self.attempts.waiting();
        waiting.filter(|(_, waiting)| waiting.is_first).count() as u64
    }
}

const APP: &str = "spec.containers{app}";

#[test]
fn each_transition_into_a_failed_pull_is_an_attempt_and_what_lies_between_is_none() {
    let mut heard = Heard::watching();
    for status in [
        "ContainerCreating",
        "ErrImagePull",
        "ErrImagePull",
        "ImagePullBackOff",
        "ErrImagePull",
        "ImagePullBackOff",
    ] {
        heard.app(10, status);
    }
    assert_eq!(
        heard.failed,
        BTreeMap::from([(("r.example".to_owned(), "unauthorized"), 2)])
    );
    assert_eq!(heard.blocked(), 1);
}

#[test]
fn every_reason_of_a_failed_pull_counts_and_others_do_not() {
    for (status, attempts) in [
        ("ErrImagePull", 1),
        ("ErrImageNeverPull", 1),
        ("InvalidImageName", 1),
        ("ImageInspectError", 1),
        ("RegistryUnavailable", 1),
        ("SignatureValidationFailed", 1),
        ("illegal base64 data at input byte 4", 1),
        ("ImagePullBackOff", 0),
        ("CrashLoopBackOff", 0),
        ("CreateContainerConfigError", 0),
        ("PodInitializing", 0),
    ] {
        let mut heard = Heard::watching();
        heard.app(10, status);
        assert_eq!(heard.total(), attempts, "{status}");
    }
}

#[test]
fn the_larger_of_the_two_sources_counts_whichever_comes_first() {
    // Three attempts by the status, five by the Events, in every order.
    for order in 0..8_u32 {
        let mut heard = Heard::watching();
        for step in 0..3 {
            let events = |heard: &mut Heard| heard.event(10, "app.1", APP, 2 * step + 1);
            if order >> step & 1 == 0 {
                events(&mut heard);
            }
            heard.app(10, "ErrImagePull");
            heard.app(10, "ImagePullBackOff");
            if order >> step & 1 == 1 {
                events(&mut heard);
            }
        }
        assert_eq!(heard.total(), 5, "{order:b}");
    }
}

#[test]
fn what_was_so_at_our_start_is_not_counted() {
    let mut heard = Heard::default();
    heard.lists(&[
        |heard| heard.app(1, "ErrImagePull"),
        |heard| heard.event_with(1, "app.1", APP, 27, -90, ""),
        |heard| heard.event_with(2, "gone.1", APP, 3, -90, ""),
    ]);
    assert_eq!((heard.total(), heard.blocked()), (0, 1));
    heard.app(1, "ErrImagePull");
    assert_eq!(heard.total(), 0);
    heard.app(1, "ImagePullBackOff");
    heard.app(1, "ErrImagePull");
    heard.event_with(1, "app.1", APP, 28, -90, "");
    assert_eq!(heard.total(), 1, "either source tells of it");
}

#[test]
fn an_event_that_began_before_our_start_brings_one_attempt_when_it_is_new_to_us() {
    let mut heard = Heard::default();
    heard.lists(&[|heard| heard.app(1, "ImagePullBackOff")]);
    heard.at = 10;
    heard.event_with(1, "app.1", APP, 27, -7_000, "");
    assert_eq!(heard.total(), 1);
    heard.event_with(1, "app.1", APP, 29, -7_000, "");
    assert_eq!(heard.total(), 3);
}

#[test]
fn a_list_that_comes_again_adds_nothing_and_finds_what_was_missed() {
    let mut heard = Heard::watching();
    heard.app(10, "ErrImagePull");
    heard.app(10, "ImagePullBackOff");
    heard.event(10, "app.1", APP, 1);
    heard.lists(&[
        |heard| heard.app(10, "ImagePullBackOff"),
        |heard| heard.app(11, "ErrImagePull"),
        |heard| heard.event(10, "app.1", APP, 1),
    ]);
    assert_eq!(heard.total(), 2);
    heard.lists(&[|heard| heard.app(10, "ErrImagePull")]);
    assert_eq!(heard.total(), 3);
    assert_eq!(heard.blocked(), 1, "11 is gone");
}

#[test]
fn a_pod_that_is_gone_is_not_counted_again_by_its_events() {
    let mut heard = Heard::watching();
    heard.app(10, "ErrImagePull");
    heard.event(10, "app.1", APP, 1);
    heard.take(Change::PodDeleted(Uid(10)));
    heard.at = 3_000;
    heard.lists(&[|heard| heard.event(10, "app.1", APP, 1)]);
    assert_eq!((heard.total(), heard.blocked()), (1, 0));
    heard.event(10, "app.1", APP, 2);
    assert_eq!(heard.total(), 2, "late, and news");
}

#[test]
fn what_is_gone_for_long_is_forgotten() {
    let mut heard = Heard::watching();
    heard.app(10, "ErrImagePull");
    heard.take(Change::PodDeleted(Uid(10)));
    heard.event(11, "b.1", APP, 50);
    assert_eq!((heard.total(), heard.attempts.pods.len()), (51, 2));
    heard.at = 7_000;
    heard.event(11, "b.1", APP, 50);
    heard.at = 8_000;
    heard.event(12, "c.1", APP, 1);
    let left: Vec<Uid> = heard.attempts.pods.keys().copied().collect();
    assert!(
        !left.contains(&Uid(10)) && left.contains(&Uid(11)),
        "{left:?}"
    );
    heard.at = 20_000;
    heard.event(13, "d.1", APP, 1);
    assert_eq!(heard.attempts.pods.len(), 1);
    assert_eq!(heard.attempts.departed.len(), (1, 1));
}

#[test]
fn a_pod_that_events_told_of_first_is_one_pod_when_it_is_seen() {
    let mut heard = Heard::watching();
    heard.event(10, "app.1", APP, 1);
    heard.app(10, "ErrImagePull");
    assert_eq!((heard.total(), heard.blocked()), (1, 1));
    heard.take(Change::PodDeleted(Uid(10)));
    heard.at = 90_000;
    heard.event(11, "b.1", APP, 1);
    assert_eq!(heard.attempts.departed.len(), (1, 1));
}

#[test]
fn who_invents_pods_is_bounded_and_takes_no_room_of_others() {
    let mut heard = Heard::watching();
    for uid in 100..5_000 {
        heard.event(uid, "x.1", APP, 1);
    }
    assert_eq!(heard.total(), 2_000);
    assert_eq!(heard.attempts.pods.len(), 2_000);
    heard.app(10, "ErrImagePull");
    assert_eq!(heard.total(), 2_001, "what is seen always counts");
}

#[test]
fn two_containers_with_one_image_are_two() {
    let mut heard = Heard::watching();
    heard.pod(10, &[("app", "ErrImagePull"), ("side", "ErrImagePull")]);
    heard.event(10, "app.1", APP, 1);
    heard.event(10, "side.1", "spec.containers{side}", 1);
    assert_eq!((heard.total(), heard.blocked()), (2, 1));
}

#[test]
fn events_about_no_container_raise_the_sum_of_the_pod() {
    let mut heard = Heard::watching();
    heard.pod(10, &[("app", "ErrImagePull"), ("side", "ErrImagePull")]);
    let combined = "(combined from similar events): ";
    heard.event_with(10, "all", APP, 2, 0, combined);
    assert_eq!(heard.total(), 2, "the same two");
    heard.event_with(10, "all", APP, 7, 0, combined);
    assert_eq!(heard.total(), 7);
    heard.event(11, "volume.1", "", 3);
    assert_eq!(heard.total(), 10);
}

#[test]
fn a_back_off_that_is_told_as_an_event_is_no_failure() {
    let mut heard = Heard::watching();
    for (reason, message, component) in [
        (
            "BackOff",
            "Back-off pulling image \"r.example/app:1\"",
            "kubelet",
        ),
        ("Failed", "Error: ImagePullBackOff", "kubelet"),
        ("Failed", "Error: ErrImagePull", "kubelet"),
        (
            "FailedToRetrieveImagePullSecret",
            "Unable to retrieve some image pull secrets",
            "kubelet",
        ),
        (
            "Failed",
            "Failed to pull image \"r.example/app:1\": 401",
            "someone-else",
        ),
    ] {
        heard.take(Change::EventApplied(
            watch(Resource::Events),
            EventSeen {
                pod: Uid(10),
                field_path: APP.to_owned(),
                warning: true,
                reason: reason.to_owned(),
                message: message.to_owned(),
                count: 11_399,
                component: component.to_owned(),
                ..EventSeen::default()
            },
        ));
    }
    assert_eq!((heard.total(), heard.attempts.pods.len()), (0, 0));
}

#[test]
fn distinct_messages_beyond_a_bound_are_told_by_the_status_alone() {
    let mut heard = Heard::watching();
    for number in 0..1_000 {
        heard.event(10, &format!("app.{number}"), APP, 1);
    }
    assert_eq!(heard.total(), 64);
    for _ in 0..100 {
        heard.app(10, "ErrImagePull");
        heard.app(10, "ImagePullBackOff");
    }
    assert_eq!(heard.total(), 100);
}

#[test]
fn a_recovery_is_told_once_and_from_the_first_failure_on() {
    let mut heard = Heard::watching();
    for (at, status) in [
        (0, "ErrImagePull"),
        (20, "ImagePullBackOff"),
        (40, "ErrImagePull"),
        (95, "running"),
        (99, "running"),
    ] {
        heard.at = at;
        heard.app(10, status);
    }
    assert_eq!((&heard.recovered[..], heard.blocked()), (&[95][..], 0));
    // The kubelet was restarted, and has forgotten why the container waits.
    for (at, status) in [
        (100, "ErrImagePull"),
        (110, "ContainerCreating"),
        (130, "running"),
    ] {
        heard.at = at;
        heard.app(10, status);
    }
    assert_eq!(heard.recovered, [95, 30]);
}

#[test]
fn a_recovery_that_was_over_before_we_looked_counts_and_one_that_never_ran_does_not() {
    let mut heard = Heard::watching();
    heard.app(10, "ErrImagePull");
    let mut done = container("app", "ended");
    done.image_id = "r.example/app@sha256:1".to_owned();
    let pod = PodSeen {
        uid: Uid(10),
        containers: vec![done],
        ..PodSeen::default()
    };
    heard.take(Change::PodApplied(watch(Resource::Pods), pod));
    assert_eq!(heard.recovered, [0]);
    heard.app(11, "ErrImagePull");
    heard.app(11, "ContainerCreating");
    heard.take(Change::PodDeleted(Uid(11)));
    assert_eq!(heard.recovered, [0]);
}

#[test]
fn the_cause_that_was_told_stays_until_the_container_waits_no_more() {
    let mut heard = Heard::watching();
    let reason = |heard: &Heard| heard.attempts.told(Uid(10), "app").map(|told| told.reason);
    heard.app(10, "ErrImagePull");
    heard.app(10, "ImagePullBackOff");
    assert_eq!(reason(&heard), Some(Reason::Unauthorized));
    heard.app(10, "ContainerCreating");
    assert_eq!(reason(&heard), Some(Reason::Unauthorized));
    heard.app(10, "running");
    assert_eq!(reason(&heard), None);
}

#[test]
fn at_our_start_events_tell_what_an_old_kubelet_does_not_repeat() {
    let mut heard = Heard::default();
    heard.lists(&[
        |heard| heard.app(1, "ImagePullBackOff"),
        |heard| heard.event_with(1, "app.1", APP, 4, -90, ""),
    ]);
    let told = heard.attempts.told(Uid(1), "app").map(|told| told.reason);
    assert_eq!(told, Some(Reason::Unauthorized));
}

#[test]
fn what_is_ignored_is_not_counted() {
    let mut heard = Heard {
        is_ignored: true,
        ..Heard::watching()
    };
    heard.app(10, "ErrImagePull");
    heard.event(10, "app.1", APP, 5);
    heard.event(11, "b.1", APP, 5);
    assert_eq!(heard.total(), 0);
}

#[test]
fn a_pod_that_is_to_end_is_not_blocked() {
    let mut heard = Heard::watching();
    heard.app(10, "ErrImagePull");
    let pod = PodSeen {
        uid: Uid(10),
        terminating: true,
        containers: vec![container("app", "ErrImagePull")],
        ..PodSeen::default()
    };
    heard.take(Change::PodApplied(watch(Resource::Pods), pod));
    assert_eq!(heard.blocked(), 0);
}

#[test]
fn the_first_container_that_waits_decides_for_the_pod() {
    let mut heard = Heard::watching();
    heard.pod(10, &[("init", "running"), ("side", "ErrImagePull")]);
    heard.pod(10, &[("init", "ErrImagePull"), ("side", "ErrImagePull")]);
    let waiting: Vec<_> = heard
        .attempts
        .waiting()
        .map(|(_, waiting)| (waiting.container, waiting.is_first))
        .collect();
    assert_eq!(waiting, [("init", true), ("side", false)]);
}
