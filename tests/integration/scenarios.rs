//! Scenarios: a cluster and a registry from files, and the one cause that must be found
//! (tests/scenarios/README.md).

mod fixes;
mod in_process;
mod latency;
mod on_an_api_server;
mod quiet;

pub(crate) use in_process::begin;

use std::collections::BTreeMap;
use std::path::Path;

use regcred_exporter::domain::cause::Cause;
use regcred_stand_ins::scenario::Scenario;

/// Every scenario.
fn all() -> Vec<Scenario> {
    Scenario::all(Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/scenarios"
    )))
}

#[test]
fn every_cause_has_two_cases_and_a_near_miss() {
    let mut cases: BTreeMap<&str, usize> = BTreeMap::new();
    let scenarios = all();
    for scenario in &scenarios {
        for expected in scenario.expect.pods.values() {
            *cases.entry(&expected.cause).or_default() += 1;
        }
    }
    for cause in Cause::ALL {
        let found = cases.get(cause.as_str()).copied().unwrap_or_default();
        assert!(found >= 2, "{}: {found} cases", cause.as_str());
    }
}

#[test]
fn nine_causes_have_one_and_the_same_text() {
    let mut causes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for scenario in all() {
        for object in scenario.objects("ns", "registry.example.com") {
            if object["kind"] != "Event" {
                continue;
            }
            let message = object["message"].as_str().unwrap_or_default();
            let (_, text) = message.rsplit_once("pulling from host").unwrap_or_default();
            let pod = object["involvedObject"]["name"]
                .as_str()
                .unwrap_or_default();
            if let Some(expected) = scenario.expect.pods.get(pod) {
                let causes = causes.entry(text.to_owned()).or_default();
                causes.push(expected.cause.clone());
            }
        }
    }
    let same = causes
        .get_mut(" registry.example.com failed with status code [manifests 1]: 401 Unauthorized")
        .expect("the text is there");
    same.sort();
    same.dedup();
    same.retain(|cause| cause != "unknown");
    assert!(same.len() >= 9, "{same:?}");
}
