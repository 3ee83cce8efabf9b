//! A cluster in which nothing is wrong: nothing is found, whatever we ourselves do not see.

use chrono::TimeDelta;
use regcred_exporter::domain::findings::Finding;
use regcred_exporter::domain::node_credentials::NodeCredentials;
use regcred_stand_ins::kubelet::Kubelet;
use regcred_stand_ins::objects::{
    PodBuilder, docker_config, namespace, pod, pull_secret, service_account,
};
use regcred_stand_ins::registry::{Behaviour, Registry, Wire};
use regcred_stand_ins::tls::Ca;
use serde_json::Value;

use super::in_process::{begin, change};
use crate::prober::World;

/// Pods that run, and those of a roll-out.
const PODS: usize = 1_000;
const ROLLED: usize = 200;

/// Four registries: one for everybody, one with logins in Secrets, and two with logins that only
/// nodes have.
struct City {
    world: World,
    open: Registry,
    guarded: Registry,
    of_nodes: [Registry; 2],
}

impl City {
    async fn new() -> Self {
        let private = || {
            Behaviour::bearer()
                .user("node", "right")
                .manifest("team/app", "1")
        };
        let open = Behaviour::docker_hub()
            .manifest("library/nginx", "1")
            .public("library/nginx");
        let guarded = Behaviour::bearer()
            .user("bot", "right")
            .manifest("team/app", "1");
        Self::of(open, guarded, [private(), private()]).await
    }

    async fn of(open: Behaviour, guarded: Behaviour, of_nodes: [Behaviour; 2]) -> Self {
        let [first, second] = of_nodes;
        Self {
            world: World::new(),
            open: Registry::start(open).await,
            guarded: Registry::start(guarded).await,
            of_nodes: [Registry::start(first).await, Registry::start(second).await],
        }
    }

    fn pod(&self, number: usize, name: &str) -> PodBuilder {
        let there = format!("team-{}", number % 20);
        let node = format!("node-{}", number % 50);
        let (image, secrets): (_, &[&str]) = match number % 4 {
            0 => (format!("{}/library/nginx:1", self.open.host()), &[]),
            1 => (format!("{}/team/app:1", self.guarded.host()), &["pull"]),
            2 => (format!("{}/team/app:1", self.of_nodes[0].host()), &[]),
            _ => (format!("{}/team/app:1", self.of_nodes[1].host()), &[]),
        };
        let uid = format!("00000000-0000-4000-8000-{number:012}");
        pod(&there, name, &image, secrets).node(&node).uid(&uid)
    }

    /// The objects of a cluster that runs.
    fn objects(&self) -> Vec<Value> {
        let mut objects = Vec::new();
        let config = docker_config(&[(self.guarded.host(), "bot", "right")]);
        for number in 0..20 {
            let there = format!("team-{number}");
            objects.push(namespace(&there));
            objects.push(service_account(&there, "default", &[]));
            objects.push(pull_secret(&there, "pull", &config));
        }
        objects.extend(
            (0..PODS).map(|number| self.pod(number, &format!("web-{number}")).running().build()),
        );
        objects
    }

    /// Everything has been listed, and asked once.
    async fn begin(&mut self) {
        let patterns = self
            .of_nodes
            .iter()
            .map(|registry| registry.host().to_owned());
        let credentials = NodeCredentials::only(patterns);
        begin(&self.world, &self.objects(), credentials);
        self.world.pass(TimeDelta::minutes(20)).await;
    }

    fn apply(&self, pods: impl Iterator<Item = PodBuilder>) {
        let now = self.world.now();
        self.world.shared().update(|state| {
            for pod in pods {
                drop(state.take(change(&pod.build()).expect("a Pod is watched"), now));
            }
        });
    }

    /// A roll-out whose first attempts fail and whose second ones do not.
    async fn roll_out(&mut self) {
        let kubelet = Kubelet::V1_37;
        let new = |city: &Self, number| city.pod(PODS + number, &format!("new-{number}"));
        let cause =
            "pulling from host registry failed with status code [manifests 1]: 401 Unauthorized";
        let city = &*self;
        let failed = (0..ROLLED).map(|number| {
            let error = kubelet.error("app", cause);
            kubelet.failed(new(city, number), "app", &error)
        });
        city.apply(failed);
        for _ in 0..12 {
            self.world.pass(TimeDelta::seconds(1)).await;
            assert_eq!(self.told(), Vec::<String>::new());
        }
        let city = &*self;
        city.apply((0..ROLLED).map(|number| new(city, number).running()));
        self.world.pass(TimeDelta::minutes(20)).await;
        assert_eq!(self.told(), Vec::<String>::new());
    }

    /// What is found and told of.
    fn told(&self) -> Vec<String> {
        let now = self.world.now();
        self.world.shared().read(|state| {
            let mut examination = state.examine(now);
            let mut found = examination.blocked();
            found.extend(examination.at_risk(None));
            let told = found.into_iter().filter(|finding| finding.is_told);
            told.map(|finding: Finding| {
                let diagnosis = &finding.diagnosis;
                format!("{} {}: {diagnosis:?}", finding.state.as_str(), finding.pod)
            })
            .collect()
        })
    }
}

#[tokio::test]
async fn nothing_is_found_where_nothing_is_wrong() {
    let mut city = City::new().await;
    city.begin().await;
    assert_eq!(city.told(), Vec::<String>::new());
    city.roll_out().await;
}

#[tokio::test]
async fn our_own_egress_puts_nobody_at_risk() {
    let mut city = City::new().await;
    city.begin().await;
    city.guarded.set_wire(Wire::Close);
    city.world.pass(TimeDelta::minutes(60)).await;
    assert_eq!(city.told(), Vec::<String>::new());
    city.roll_out().await;
}

#[tokio::test]
async fn a_ca_that_only_nodes_trust_puts_nobody_at_risk() {
    let authority = Ca::new();
    let guarded = Behaviour::bearer()
        .user("bot", "right")
        .manifest("team/app", "1");
    let guarded = guarded.tls(authority.server_config(&["127.0.0.1"]));
    let open = Behaviour::docker_hub()
        .manifest("library/nginx", "1")
        .public("library/nginx");
    let private = || {
        Behaviour::bearer()
            .user("node", "right")
            .manifest("team/app", "1")
    };
    let mut city = City::of(open, guarded, [private(), private()]).await;
    city.begin().await;
    assert_eq!(city.told(), Vec::<String>::new());
    city.roll_out().await;
}
