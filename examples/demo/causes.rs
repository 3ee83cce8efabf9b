//! Pods that wait, and Pods that could not be pulled again: the first scenario of every cause.

use std::collections::BTreeSet;
use std::path::Path;

use regcred_stand_ins::scenario::{Expected as Found, Scenario};

use super::{Builder, Expected};

const SCENARIOS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scenarios");

impl Builder {
    pub(super) async fn causes(&mut self) {
        let mut shown = BTreeSet::new();
        for scenario in Scenario::all(Path::new(SCENARIOS)) {
            let mut pods = scenario.expect.pods.values();
            let Some(found) = pods.next().cloned() else {
                continue;
            };
            // What nodes have themselves is a flag, and the demo gives none.
            let is_plain =
                scenario.expect.node_credentials.is_empty() && !scenario.name.starts_with("order-");
            if is_plain && shown.insert((found.state.clone(), found.cause.clone())) {
                self.cause(&scenario, &found).await;
            }
        }
    }

    async fn cause(&mut self, scenario: &Scenario, found: &Found) {
        let namespace = scenario.name.replace('_', "-");
        let registry = scenario.start().await;
        let host = registry.host().to_owned();
        self.registries.push(registry);
        self.api.apply_all(scenario.objects(&namespace, &host));
        let metric = match &*found.state {
            "at_risk" => "pods_at_risk",
            _ => "pods_blocked",
        };
        let expected = Expected {
            metric,
            labels: vec![
                ("pod_namespace", namespace.clone()),
                ("cause", found.cause.clone()),
            ],
            value: Some(1.0),
        };
        self.case(namespace, scenario.expect.title.clone(), vec![expected]);
    }
}
