//! Every scenario with a clock set by hand: objects as an API server has them, a prober that asks a
//! registry on a real socket, and what is then found.

use std::fmt::Write as _;

use chrono::TimeDelta;
use regcred_exporter::domain::cluster::{Change, Resource, Watch};
use regcred_exporter::domain::diagnosis::Detail;
use regcred_exporter::domain::diagnosis::SETTLING;
use regcred_exporter::domain::docker_config::SecretKind;
use regcred_exporter::domain::findings::Explained;
use regcred_exporter::domain::node_credentials::NodeCredentials;
use regcred_exporter::kubernetes::decode::{self, Place, Wanted};
use regcred_stand_ins::scenario::{Expected, Scenario};
use regcred_stand_ins::scrape::Page;
use serde_json::Value;

use crate::prober::World;

const RESOURCES: [Resource; 6] = [
    Resource::Namespaces,
    Resource::ServiceAccounts,
    Resource::DockerConfigJsonSecrets,
    Resource::DockerCfgSecrets,
    Resource::Pods,
    Resource::Events,
];

fn watch(resource: Resource) -> Watch {
    Watch {
        resource,
        namespace: None,
    }
}

/// An object as a list has it; `None` where no watch of ours would bring it.
pub(super) fn change(object: &Value) -> Option<Change> {
    let json = object.to_string();
    let (json, wanted) = (json.as_bytes(), Wanted::least());
    let place = Place::Item;
    let secret = |kind, resource| {
        let decoded = decode::secret(json, place, kind, &wanted).unwrap();
        Some(Change::SecretApplied(watch(resource), decoded.record?))
    };
    Some(match object["kind"].as_str().unwrap() {
        "Namespace" => {
            let decoded = decode::namespace(json, place, &wanted).unwrap();
            Change::NamespaceApplied(watch(Resource::Namespaces), decoded.record)
        }
        "ServiceAccount" => {
            let decoded = decode::service_account(json, place, &wanted).unwrap();
            Change::ServiceAccountApplied(watch(Resource::ServiceAccounts), decoded.record)
        }
        "Pod" => {
            let decoded = decode::pod(json, place).unwrap();
            Change::PodApplied(watch(Resource::Pods), decoded.record)
        }
        "Event" => {
            let decoded = decode::event(json, place).unwrap();
            Change::EventApplied(watch(Resource::Events), decoded.record)
        }
        "Secret" => match object["type"].as_str().unwrap() {
            "kubernetes.io/dockerconfigjson" => {
                return secret(
                    SecretKind::DockerConfigJson,
                    Resource::DockerConfigJsonSecrets,
                );
            }
            "kubernetes.io/dockercfg" => {
                return secret(SecretKind::DockerCfg, Resource::DockerCfgSecrets);
            }
            // What the API server says when it is asked for the name.
            other => {
                let name = decode::pod(json, place).unwrap().record.object;
                Change::NameLookedUp(name, Some(other.to_owned()))
            }
        },
        other => panic!("no scenario has a {other}"),
    })
}

/// Brings these objects as the first lists of all watches do, and what the API server says of names
/// that no list brought.
pub(crate) fn begin(world: &World, objects: &[Value], node_credentials: NodeCredentials) {
    list(world, objects, node_credentials);
    look_up(world, objects);
    world.settle();
}

fn list(world: &World, objects: &[Value], node_credentials: NodeCredentials) {
    let now = world.now();
    let listed: Vec<_> = objects.iter().filter_map(change).collect();
    world.shared().update(|state| {
        state.node_credentials = node_credentials;
        for resource in RESOURCES {
            state.watches.expect(watch(resource));
            state.take(Change::ListStarted(watch(resource)), now);
        }
        for change in listed {
            if !is_answer(&change) {
                state.take(change, now);
            }
        }
        for resource in RESOURCES {
            state.take(Change::ListFinished(watch(resource)), now);
            state.watches.listed(&watch(resource));
        }
    });
}

fn look_up(world: &World, objects: &[Value]) {
    let now = world.now();
    let answers: Vec<_> = objects
        .iter()
        .filter_map(change)
        .filter(is_answer)
        .collect();
    world.shared().update(|state| {
        for answer in answers {
            state.take(answer, now);
        }
        for name in state.cluster.unanswered() {
            state.take(Change::NameLookedUp(name, None), now);
        }
    });
}

fn is_answer(change: &Change) -> bool {
    matches!(change, Change::NameLookedUp(..))
}

/// What is found, and the page.
async fn look(scenario: &Scenario) -> (Vec<Explained>, Page, String) {
    let registry = scenario.start().await;
    let host = registry.host().to_owned();
    let mut world = World::new();
    let objects = scenario.objects("ns", &host);
    let patterns = scenario.expect.node_credentials.iter();
    let patterns = patterns.map(|one| one.replace("{registry}", &host));
    begin(&world, &objects, NodeCredentials::only(patterns));
    world
        .pass(TimeDelta::seconds(scenario.expect.after_seconds.into()))
        .await;
    (explained(&world), Page::parse(&world.page()), host)
}

fn explained(world: &World) -> Vec<Explained> {
    let now = world.now();
    world.shared().read(|state| {
        let mut examination = state.examine(now);
        let mut found = examination.blocked();
        found.extend(examination.at_risk(None));
        found
            .into_iter()
            .map(|one| examination.explain(one))
            .collect()
    })
}

/// What differs from what is expected, in lines; nothing where all is as it must be.
fn differences(scenario: &Scenario, found: &[Explained], page: &Page, host: &str) -> String {
    let mut told = String::new();
    for one in found {
        let finding = &one.finding;
        if !scenario.expect.pods.contains_key(&*finding.pod) {
            let cause = finding.diagnosis.cause.as_str();
            writeln!(
                told,
                "  {} is {}: {cause} {:#?}",
                finding.pod,
                finding.state.as_str(),
                one.evidence
            )
            .unwrap();
        }
    }
    for (pod, expected) in &scenario.expect.pods {
        let is_it = |one: &&Explained| *one.finding.pod == **pod && one.finding.is_first;
        match found.iter().find(is_it) {
            Some(one) => told.push_str(&of_pod(one, expected, host)),
            None => writeln!(told, "  nothing is found of {pod}").unwrap(),
        }
    }
    for series in &scenario.expect.series {
        let series = series.replace("{ns}", "ns").replace("{registry}", host);
        if !has(page, &series) {
            writeln!(told, "  the page does not have {series}").unwrap();
        }
    }
    told
}

/// Whether the page has this sample, written as it would be.
fn has(page: &Page, sample: &str) -> bool {
    let wanted = Page::parse(sample);
    let wanted = wanted.series.first().expect("it is a sample");
    let mut series = page.series.iter();
    series.any(|one| {
        (&one.name, &one.labels, one.value) == (&wanted.name, &wanted.labels, wanted.value)
    })
}

fn of_pod(one: &Explained, expected: &Expected, host: &str) -> String {
    let mut told = String::new();
    let fill = |text: &str| text.replace("{ns}", "ns").replace("{registry}", host);
    let finding = &one.finding;
    let diagnosis = &finding.diagnosis;
    let secret = diagnosis.secret.as_ref().map(ToString::to_string);
    let facts = [
        ("state", finding.state.as_str(), expected.state.clone()),
        ("cause", diagnosis.cause.as_str(), expected.cause.clone()),
        (
            "detail",
            diagnosis.detail.map_or("", Detail::as_str),
            expected.detail.clone(),
        ),
        (
            "secret",
            secret.as_deref().unwrap_or_default(),
            fill(&expected.secret),
        ),
    ];
    for (what, found, wanted) in facts {
        if found != wanted {
            writeln!(told, "  {what} is {found:?}, not {wanted:?}").unwrap();
        }
    }
    if finding.anonymous_would_work != expected.anonymous_would_work
        && expected.anonymous_would_work.is_some()
    {
        writeln!(
            told,
            "  anonymous_would_work is {:?}",
            finding.anonymous_would_work
        )
        .unwrap();
    }
    for piece in expected.evidence.iter().map(|piece| fill(piece)) {
        if !one.evidence.iter().any(|line| line.contains(&piece)) {
            writeln!(told, "  no evidence has {piece:?}").unwrap();
        }
    }
    let steps = || {
        let commands = one.fix.iter().filter_map(|step| step.command.as_deref());
        one.fix.iter().map(|step| &*step.text).chain(commands)
    };
    for piece in expected.fix.iter().map(|piece| fill(piece)) {
        if !steps().any(|line| line.contains(&piece)) {
            writeln!(told, "  no step has {piece:?}").unwrap();
        }
    }
    if one.fix.is_empty() {
        writeln!(told, "  nothing says what to do").unwrap();
    }
    if !told.is_empty() {
        writeln!(told, "  {:#?}\n  {:#?}", one.evidence, one.fix).unwrap();
    }
    told
}

#[tokio::test]
async fn each_is_found() {
    let mut failed = String::new();
    let scenarios = super::all();
    for scenario in &scenarios {
        let (found, page, host) = look(scenario).await;
        let told = differences(scenario, &found, &page, &host);
        if !told.is_empty() {
            writeln!(
                failed,
                "{}: {}\n{told}",
                scenario.name, scenario.expect.title
            )
            .unwrap();
        }
    }
    assert!(failed.is_empty(), "of {}:\n{failed}", scenarios.len());
}

/// What is looked at before it has settled must be unknown.
#[test]
fn what_has_settled_is_looked_at() {
    for scenario in super::all() {
        let is_settled = i64::from(scenario.expect.after_seconds) > SETTLING.num_seconds();
        let mut pods = scenario.expect.pods.values();
        assert!(
            is_settled || pods.all(|pod| pod.cause == "unknown"),
            "{}",
            scenario.name
        );
    }
}

#[tokio::test]
async fn a_name_is_not_called_absent_before_it_was_looked_up() {
    let scenarios = super::all();
    let mut scenarios = scenarios.iter();
    let scenario = scenarios.find(|one| one.name == "missing_pull_secret-named_absent");
    let scenario = scenario.unwrap();
    let registry = scenario.start().await;
    let mut world = World::new();
    let objects = scenario.objects("ns", registry.host());
    list(&world, &objects, NodeCredentials::only([]));
    world.settle();
    world.pass(TimeDelta::minutes(2)).await;
    let found = explained(&world);
    assert_eq!(found[0].finding.diagnosis.cause.as_str(), "unknown");
    let evidence = found[0].evidence.join("\n");
    let said = "Whether there is a Secret pull is not known yet";
    assert!(evidence.contains(said), "{evidence}");
    look_up(&world, &objects);
    let found = explained(&world);
    assert_eq!(
        found[0].finding.diagnosis.cause.as_str(),
        "missing_pull_secret"
    );
}
