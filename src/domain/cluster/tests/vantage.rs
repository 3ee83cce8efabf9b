//! Whether our own answers from a registry tell anything.

use super::*;
use crate::domain::exchange::Step;
use crate::domain::outcome::{Judgement, Meaning, Outcome};
use crate::domain::provider::Provider;

/// A conversation by the outcomes of its steps: ping, login, manifest.
fn judgement(outcomes: &[Outcome]) -> Judgement {
    let steps = Step::ALL.into_iter().zip(outcomes);
    Judgement {
        provider: Provider::Unknown,
        ping: outcomes[0],
        up: outcomes[0] == Outcome::Ok,
        guards_all: false,
        login: outcomes.get(1).copied().map(Meaning::plain),
        manifests: Vec::new(),
        steps: steps
            .map(|(step, outcome)| (step, *outcome, None))
            .collect(),
        retry_after: None,
        quotas: Vec::new(),
        fault: None,
    }
}

/// A registry with two logins that are asked for.
struct Scene {
    cluster: Cluster,
    registry: Registry,
    verdicts: Verdicts,
}

impl Scene {
    fn of(host: &str) -> Self {
        let login = |user| config(&[(host, user, "p")]);
        let image = format!("{host}/app");
        Self {
            cluster: cluster([
                secret("a/pull", &login("ada")),
                secret("b/pull", &login("bob")),
                pod("a/app", &[&image], &["pull"]),
                pod("b/app", &[&image], &["pull"]),
            ]),
            registry: Registry::from_domain(host),
            verdicts: Verdicts::default(),
        }
    }

    fn ping(&mut self, outcome: Outcome) {
        let judgement = judgement(&[outcome]);
        self.verdicts.pinged(&self.registry, &judgement);
    }

    fn login(&mut self, namespace: &str, outcomes: &[Outcome], seconds: i64) {
        let labels = self.cluster.labels().into_iter();
        let mut own = labels.filter(|(_, label)| label.starts_with(namespace));
        let (group, _) = own.next().unwrap();
        let verdict = self.verdicts.entry(&group);
        verdict.record(&judgement(outcomes), at(seconds));
    }

    fn is_blind(&self) -> bool {
        self.cluster.is_blind_to(&self.registry, &self.verdicts)
    }
}

#[test]
fn a_ping_that_tells_nothing_is_blind_whatever_logins_said_before() {
    let mut scene = Scene::of("r.example");
    assert!(!scene.is_blind(), "nothing was asked");
    scene.login("a", &[Outcome::Ok, Outcome::Ok], 0);
    for outcome in Outcome::ALL {
        scene.ping(outcome);
        assert_eq!(scene.is_blind(), !outcome.is_conclusive(), "{outcome:?}");
    }
}

#[test]
fn logins_that_all_tell_nothing_are_blind_though_pings_are_answered() {
    use Outcome::{NotFound, Ok, RateLimited, Timeout, Unauthorized};
    let mut scene = Scene::of("r.example");
    scene.ping(Ok);
    scene.login("a", &[Ok, Timeout], 0);
    assert!(scene.is_blind());
    for told in [
        &[Ok, Ok][..],
        &[Ok, Unauthorized],
        &[Ok],
        &[Ok, Ok, Timeout],
        &[Ok, RateLimited, NotFound],
    ] {
        scene.login("b", told, 0);
        assert!(!scene.is_blind(), "{told:?}");
    }
    scene.login("b", &[Ok, RateLimited], 0);
    assert!(scene.is_blind());
}

#[test]
fn an_answer_that_is_an_hour_older_than_the_newest_tells_nothing_of_now() {
    use Outcome::{Ok, Timeout, Unauthorized};
    let mut scene = Scene::of("r.example");
    scene.ping(Ok);
    scene.login("b", &[Ok, Unauthorized], 0);
    scene.login("a", &[Ok, Timeout], 3599);
    assert!(!scene.is_blind());
    scene.login("a", &[Ok, Timeout], 3600);
    assert!(scene.is_blind());
}

#[test]
fn what_is_shown_needs_a_pull_behind_our_back_and_a_registry_that_we_ask() {
    let mut scene = Scene::of("r.example");
    let shown = |scene: &Scene, seconds| {
        let now = at(seconds);
        scene.cluster.vantage(&scene.registry, &scene.verdicts, now)
    };
    assert_eq!(shown(&scene, 0), Some(false));
    scene.ping(Outcome::Dns);
    assert_eq!(shown(&scene, 0), Some(false));
    scene.verdicts.pulls.went_unseen(&scene.registry, at(0));
    assert_eq!(shown(&scene, 3599), Some(true));
    assert_eq!(shown(&scene, 3600), Some(false));
    scene.ping(Outcome::Ok);
    assert_eq!(shown(&scene, 0), Some(false), "we see again");
    for namespace in ["a", "b"] {
        scene
            .cluster
            .apply(pod_deleted(&format!("{namespace}/app")));
    }
    assert_eq!(shown(&scene, 0), None, "nobody needs it");
}

#[test]
fn a_nodes_own_registry_is_none_that_we_should_see() {
    let mut scene = Scene::of("localhost:5000");
    scene.ping(Outcome::Blocked);
    scene.verdicts.pulls.went_unseen(&scene.registry, at(0));
    let shown = |scene: &Scene| {
        scene
            .cluster
            .vantage(&scene.registry, &scene.verdicts, at(1))
    };
    assert_eq!(shown(&scene), None);
    scene.ping(Outcome::Connection);
    assert_eq!(shown(&scene), Some(true), "we were told to ask it");
}
