//! What the status of a pod proves of pulls: an image came from its registry just now.
//!
//! Most starts prove nothing. A node that has the image starts a container without asking anybody
//! (`IfNotPresent`), and a container that is restarted was pulled when it was first started. Two
//! things are taken for a pull: the first start of a container whose policy is `Always`, since the
//! kubelet then asks the registry each time; and a container that runs after it waited for a pull
//! that failed, though another pod may have brought the image to the node meanwhile. What was so when
//! a pod was first seen is no news.

use super::groups::Group;
use super::{ContainerSeen, PullPolicy};
use crate::domain::image::Registry;

/// Reasons to wait of a container whose pull has failed (k8s pkg/kubelet/images/types.go). Not those
/// of an image that came and was turned down, nor of one that is never pulled.
const FAILED: [&str; 3] = ["ErrImagePull", "ImagePullBackOff", "RegistryUnavailable"];

/// A pod pulled an image just now.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pull {
    /// From where.
    pub registry: Registry,
    /// The credentials that the kubelet tries for it, in its order; which of them it was, and
    /// whether it was one of the node's own, nobody says.
    pub candidates: Vec<Group>,
}

/// How far the first 64 containers of a pod have come, two bits each: few pods have more, and no
/// status may make a pod dear.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    started: u64,
    failing: u64,
}

/// How far one container has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Stage {
    /// It was started at some time.
    has_started: bool,
    /// Its newest pull that we know of failed.
    is_failing: bool,
}

impl Progress {
    /// As a pod is seen first.
    pub(super) fn of(containers: &[ContainerSeen]) -> Self {
        let mut progress = Self::default();
        for (place, container) in containers.iter().enumerate().take(64) {
            progress.set(place, Stage::default().after(container));
        }
        progress
    }

    /// Takes in a newer status; returns the containers whose image was pulled since.
    pub(super) fn advance<'c>(
        &mut self,
        containers: &'c [ContainerSeen],
    ) -> Vec<&'c ContainerSeen> {
        let mut pulled = Vec::new();
        for (place, container) in containers.iter().enumerate().take(64) {
            let before = self.at(place);
            self.set(place, before.after(container));
            if before.has_pulled(container) {
                pulled.push(container);
            }
        }
        pulled
    }

    fn at(self, place: usize) -> Stage {
        Stage {
            has_started: self.started >> place & 1 == 1,
            is_failing: self.failing >> place & 1 == 1,
        }
    }

    fn set(&mut self, place: usize, stage: Stage) {
        let put =
            |bits: &mut u64, bit: bool| *bits = *bits & !(1 << place) | u64::from(bit) << place;
        put(&mut self.started, stage.has_started);
        put(&mut self.failing, stage.is_failing);
    }
}

impl Stage {
    /// The registry gave the image since this stage.
    fn has_pulled(self, now: &ContainerSeen) -> bool {
        let starts_first = !self.has_started && has_started(now);
        let is_asked = if self.is_failing {
            // After a restart of the kubelet it waits for other reasons, and has pulled nothing:
            // that it was started before is no proof.
            now.running || starts_first
        } else {
            starts_first && now.pull_policy == PullPolicy::Always
        };
        is_asked && now.pull_policy != PullPolicy::Never && !is_failing(now)
    }

    fn after(self, now: &ContainerSeen) -> Self {
        Self {
            has_started: self.has_started || has_started(now),
            is_failing: is_failing(now) || self.is_failing && !self.has_pulled(now),
        }
    }
}

/// One that ended at once was never seen running: the image it came from stays in its status.
pub(super) fn has_started(container: &ContainerSeen) -> bool {
    container.running || container.restarts > 0 || !container.image_id.is_empty()
}

fn is_failing(container: &ContainerSeen) -> bool {
    let reason = container.waiting_reason.as_deref();
    reason.is_some_and(|reason| FAILED.contains(&reason))
}

/// It waits since a pull failed. Kubelets from 1.33 on give the raw text of an error that they meet
/// before they ask a runtime as the reason, which is then more than one word.
pub(super) fn is_waiting(container: &ContainerSeen) -> bool {
    let reason = container.waiting_reason.as_deref();
    is_failing(container) || reason.is_some_and(|reason| reason.contains(char::is_whitespace))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A status in a word: the reason of one that waits, else `running`; `ended` ran and does not
    /// any more.
    fn seen(policy: PullPolicy, status: &str) -> ContainerSeen {
        let has_run = matches!(status, "running" | "ended" | "CrashLoopBackOff");
        ContainerSeen {
            pull_policy: policy,
            image_id: if has_run {
                "r.example/app@sha256:1"
            } else {
                ""
            }
            .to_owned(),
            waiting_reason: (!matches!(status, "running" | "ended")).then(|| status.to_owned()),
            running: status == "running",
            ..ContainerSeen::default()
        }
    }

    /// The places in a pod's life, told from 0, at which a pull is proven.
    #[track_caller]
    fn check(policy: PullPolicy, life: &[&str], expected: &[usize]) {
        let mut progress = Progress::of(&[seen(policy, life[0])]);
        let mut proven = Vec::new();
        for (place, status) in life.iter().enumerate().skip(1) {
            if !progress.advance(&[seen(policy, status)]).is_empty() {
                proven.push(place);
            }
        }
        assert_eq!(proven, expected, "{policy:?}: {life:?}");
    }

    #[test]
    fn a_first_start_proves_a_pull_where_the_registry_is_always_asked() {
        use PullPolicy::{Always, IfNotPresent, Never};
        let life = ["ContainerCreating", "running", "running"];
        check(Always, &life, &[1]);
        check(IfNotPresent, &life, &[]);
        check(Never, &life, &[]);
        check(Always, &["PodInitializing", "ended", "ended"], &[1]);
        check(Always, &["ContainerCreating", "CrashLoopBackOff"], &[1]);
    }

    #[test]
    fn a_start_after_a_failed_pull_proves_one() {
        use PullPolicy::{Always, IfNotPresent, Never};
        let life = ["ErrImagePull", "ImagePullBackOff", "running"];
        check(Always, &life, &[2]);
        check(IfNotPresent, &life, &[2]);
        check(Never, &life, &[]);
        check(IfNotPresent, &["ImagePullBackOff", "ended"], &[1]);
        check(IfNotPresent, &["RegistryUnavailable", "running"], &[1]);
        // The kubelet was restarted and has forgotten why it waits.
        let life = ["ImagePullBackOff", "ContainerCreating", "running"];
        check(IfNotPresent, &life, &[2]);
    }

    #[test]
    fn a_pull_that_fails_otherwise_was_none() {
        use PullPolicy::IfNotPresent;
        for reason in ["ErrImageNeverPull", "InvalidImageName", "ImageInspectError"] {
            check(IfNotPresent, &[reason, "running"], &[]);
        }
    }

    #[test]
    fn what_runs_when_it_is_first_seen_is_no_news() {
        use PullPolicy::{Always, IfNotPresent};
        for policy in [Always, IfNotPresent] {
            check(policy, &["running", "running"], &[]);
            check(policy, &["ended", "ended"], &[]);
        }
    }

    #[test]
    fn a_restart_is_no_pull_unless_one_failed_before() {
        use PullPolicy::{Always, IfNotPresent};
        for policy in [Always, IfNotPresent] {
            let mut life = vec!["running"];
            life.extend(["ended", "CrashLoopBackOff", "running"].repeat(100));
            check(policy, &life, &[]);
            let life = ["running", "ended", "ErrImagePull", "ended", "running"];
            check(policy, &life, &[4]);
        }
    }

    #[test]
    fn each_container_goes_its_own_way() {
        let two = |first: &str, second: &str| {
            [first, second].map(|status| seen(PullPolicy::Always, status))
        };
        let mut progress = Progress::of(&two("ContainerCreating", "ErrImagePull"));
        let pods = [two("running", "ErrImagePull"), two("running", "running")];
        let [first, second] = pods.each_ref().map(|pod| progress.advance(pod).len());
        assert_eq!((first, second), (1, 1));
        assert!(progress.at(0).has_started && !progress.at(1).is_failing);
    }

    #[test]
    fn containers_past_the_sixty_fourth_are_not_followed() {
        let many = |status| vec![seen(PullPolicy::Always, status); 70];
        let mut progress = Progress::of(&many("ContainerCreating"));
        assert_eq!(progress.advance(&many("running")).len(), 64);
        assert_eq!(progress.advance(&many("running")).len(), 0);
    }
}
