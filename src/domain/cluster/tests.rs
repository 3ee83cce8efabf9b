//! The graph, fed with changes in every order.

mod caps;
mod marks;
mod pulls;
mod vantage;

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::domain::attempts::Attempts;
use crate::domain::docker_config::{self, SecretKind};
use crate::domain::node_credentials::NodeCredentials;
use crate::domain::quotas::Quotas;
use crate::domain::rows::{Listed, Rows, Skipped};
use crate::domain::verdict::Verdicts;

fn watch(resource: Resource) -> Watch {
    Watch {
        resource,
        namespace: None,
    }
}

fn object(path: &str) -> ObjectName {
    let (namespace, name) = path.split_once('/').unwrap();
    ObjectName {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    }
}

/// A uid that differs from object to object.
fn uid(path: &str) -> Uid {
    Uid(path.bytes().fold(7, |uid: u128, byte| {
        uid.wrapping_mul(257) + u128::from(byte)
    }))
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

fn config(entries: &[(&str, &str, &str)]) -> String {
    let entries: Vec<_> = entries
        .iter()
        .map(|(key, user, password)| {
            format!(r#""{key}":{{"username":"{user}","password":"{password}"}}"#)
        })
        .collect();
    format!(r#"{{"auths":{{{}}}}}"#, entries.join(","))
}

fn secret(path: &str, config: &str) -> Change {
    secret_created(path, config, at(0))
}

fn secret_created(path: &str, config: &str, created: DateTime<Utc>) -> Change {
    Change::SecretApplied(
        watch(Resource::DockerConfigJsonSecrets),
        SecretSeen {
            uid: uid(path),
            object: object(path),
            created: Some(created),
            changed: None,
            kind: SecretKind::DockerConfigJson,
            docker_config: docker_config::parse(
                SecretKind::DockerConfigJson,
                Some(config.as_bytes()),
            ),
            expiry_data: BTreeMap::new(),
            annotations: BTreeMap::new(),
            labels: BTreeMap::new(),
            owner: None,
        },
    )
}

fn secret_deleted(path: &str) -> Change {
    Change::SecretDeleted(uid(path), object(path))
}

fn pod(path: &str, images: &[&str], secrets: &[&str]) -> Change {
    let container = |image: &&str| ContainerSeen {
        image: (*image).to_owned(),
        ..Default::default()
    };
    Change::PodApplied(
        watch(Resource::Pods),
        PodSeen {
            uid: uid(path),
            object: object(path),
            service_account: "default".to_owned(),
            pull_secrets: secrets.iter().map(|name| (*name).to_owned()).collect(),
            containers: images.iter().map(container).collect(),
            ..Default::default()
        },
    )
}

fn pod_deleted(path: &str) -> Change {
    Change::PodDeleted(uid(path))
}

fn account(path: &str, secrets: &[&str]) -> Change {
    Change::ServiceAccountApplied(
        watch(Resource::ServiceAccounts),
        ServiceAccountSeen {
            uid: uid(path),
            object: object(path),
            pull_secrets: secrets.iter().map(|name| (*name).to_owned()).collect(),
            ..Default::default()
        },
    )
}

fn cluster(changes: impl IntoIterator<Item = Change>) -> Cluster {
    cluster_of(Which::Referenced, changes)
}

fn cluster_of(which: Which, changes: impl IntoIterator<Item = Change>) -> Cluster {
    let mut cluster = Cluster::new(Sources::default(), which);
    changes.into_iter().for_each(|change| cluster.apply(change));
    cluster
}

fn rows(cluster: &Cluster) -> Rows {
    rows_of(cluster, Listed::ALL)
}

fn rows_of(cluster: &Cluster, listed: Listed) -> Rows {
    let (attempts, verdicts) = (Attempts::default(), Verdicts::default());
    let known = Known {
        verdicts: &verdicts,
        node_credentials: &NodeCredentials::default(),
        has_secrets: listed.secrets,
        sight: Sight::Watched,
        now: at(0),
    };
    let pods = cluster.examine(&attempts, known);
    cluster
        .rows(&verdicts, &Quotas::default(), pods, listed, at(0))
        .in_order()
}

/// `credential@registry` of every group that is to be probed.
fn wanted(cluster: &Cluster) -> BTreeSet<String> {
    let labels = cluster.labels();
    labels
        .iter()
        .filter(|(group, _)| cluster.wants(group))
        .map(|(group, label)| format!("{label}@{}", group.registry))
        .collect()
}

fn strings(items: &[&str]) -> BTreeSet<String> {
    items.iter().map(|item| (*item).to_owned()).collect()
}

#[test]
fn a_secret_that_nothing_names_is_shown_and_not_wanted() {
    let cluster = cluster([secret("a/pull", &config(&[("ghcr.io", "u", "p")]))]);
    assert_eq!(wanted(&cluster), strings(&[]));
    assert_eq!(
        rows(&cluster).credentials[0].skipped,
        Some(Skipped::NotReferenced)
    );
}

#[test]
fn a_pod_or_a_service_account_makes_it_wanted_in_any_order() {
    let secret = || secret("a/pull", &config(&[("ghcr.io", "u", "p")]));
    let pod = || pod("a/web", &["ghcr.io/org/app:1"], &["pull"]);
    for changes in [
        vec![secret(), pod()],
        vec![pod(), secret()],
        vec![secret(), account("a/default", &["pull"])],
        vec![account("a/default", &["pull"]), secret()],
    ] {
        assert_eq!(wanted(&cluster(changes)), strings(&["a/pull@ghcr.io"]));
    }
}

#[test]
fn it_is_wanted_no_more_once_its_last_pod_is_gone() {
    let mut cluster = cluster([
        secret("a/pull", &config(&[("ghcr.io", "u", "p")])),
        pod("a/one", &["ghcr.io/org/app:1"], &["pull"]),
        pod("a/two", &["ghcr.io/org/app:1"], &["pull"]),
    ]);
    cluster.apply(pod_deleted("a/one"));
    assert_eq!(wanted(&cluster), strings(&["a/pull@ghcr.io"]));
    cluster.apply(pod_deleted("a/two"));
    assert_eq!(wanted(&cluster), strings(&[]));
    assert_eq!(
        rows(&cluster).credentials[0].skipped,
        Some(Skipped::NotReferenced)
    );
}

#[test]
fn copies_in_many_namespaces_are_one_group_named_after_the_oldest() {
    let mut cluster = cluster((0..2000).flat_map(|n| {
        let created = at(if n == 1234 { -1 } else { n });
        [
            secret_created(
                &format!("team-{n}/pull"),
                &config(&[("ghcr.io", "u", "p")]),
                created,
            ),
            account(&format!("team-{n}/default"), &["pull"]),
        ]
    }));
    assert_eq!(wanted(&cluster), strings(&["team-1234/pull@ghcr.io"]));
    assert_eq!(rows(&cluster).credentials.len(), 2000);

    cluster.settle();
    cluster.apply(secret_created(
        "older/pull",
        &config(&[("ghcr.io", "u", "p")]),
        at(-99),
    ));
    assert_eq!(
        wanted(&cluster),
        strings(&["team-1234/pull@ghcr.io"]),
        "a label stays"
    );
    cluster.apply(secret_deleted("team-1234/pull"));
    assert_eq!(wanted(&cluster), strings(&["older/pull@ghcr.io"]));
}

#[test]
fn manifests_in_use_follow_the_pods() {
    let mut cluster = cluster([
        secret("a/pull", &config(&[("ghcr.io", "u", "p")])),
        pod(
            "a/one",
            &[
                "ghcr.io/org/app:1",
                "nginx",
                "ghcr.io/org/side@sha256:0123456789012345678901234567890123456789012345678901234567890123",
            ],
            &["pull"],
        ),
        pod("a/two", &["ghcr.io/org/app:1"], &["pull"]),
    ]);
    let manifests = |cluster: &Cluster| -> Vec<String> {
        let labels = cluster.labels();
        let Some(group) = labels.keys().next() else {
            return Vec::new();
        };
        cluster
            .manifests(group)
            .map(|m| format!("{}:{}", m.repository, m.reference))
            .collect()
    };
    assert_eq!(manifests(&cluster).len(), 2);
    cluster.apply(pod_deleted("a/one"));
    assert_eq!(manifests(&cluster), ["org/app:1"]);
    cluster.apply(pod_deleted("a/two"));
    assert_eq!(manifests(&cluster), [""; 0]);
}

#[test]
fn a_glob_key_has_one_series_for_each_registry_that_images_name() {
    let cluster = cluster([
        secret("a/pull", &config(&[("*.example.com", "u", "p")])),
        pod(
            "a/one",
            &[
                "eu.example.com/app",
                "us.example.com/app",
                "example.com/app",
            ],
            &["pull"],
        ),
    ]);
    let rows = rows(&cluster);
    let shown: Vec<_> = rows
        .credentials
        .iter()
        .map(|row| (&*row.key, row.registry.as_str()))
        .collect();
    assert_eq!(
        shown,
        [
            ("*.example.com", "eu.example.com"),
            ("*.example.com", "us.example.com")
        ]
    );
}

#[test]
fn two_credentials_of_one_secret_for_one_registry_are_told_apart_by_their_keys() {
    let both = [("ghcr.io/a", "u", "p"), ("ghcr.io/b", "u", "q")];
    let cluster = cluster([
        secret("a/pull", &config(&both)),
        account("a/default", &["pull"]),
    ]);
    let expected = strings(&["a/pull#ghcr.io/a@ghcr.io", "a/pull#ghcr.io/b@ghcr.io"]);
    assert_eq!(wanted(&cluster), expected);
}

#[test]
fn keys_that_fold_to_one_show_one_row_and_a_fault() {
    let both = [("ghcr.io", "u", "p"), ("https://ghcr.io/v1/", "u", "q")];
    let cluster = cluster([
        secret("a/pull", &config(&both)),
        account("a/default", &["pull"]),
    ]);
    let rows = rows(&cluster);
    assert_eq!(rows.credentials.len(), 1);
    assert_eq!(rows.groups.len(), 1);
    let faults: Vec<_> = rows.secrets[0]
        .faults
        .iter()
        .map(|kind| kind.as_str())
        .collect();
    assert_eq!(faults, ["duplicate_key"]);
}

#[test]
fn docker_hub_is_one_registry_under_all_its_names() {
    let cluster = cluster([
        secret(
            "a/pull",
            &config(&[("https://index.docker.io/v1/", "u", "p")]),
        ),
        pod(
            "a/one",
            &["nginx", "docker.io/org/app", "index.docker.io/org/app"],
            &["pull"],
        ),
    ]);
    assert_eq!(wanted(&cluster), strings(&["a/pull@docker.io"]));
}

#[test]
fn docker_hub_credentials_never_go_to_localhost() {
    let cluster = cluster([
        secret(
            "a/pull",
            &config(&[("https://index.docker.io/v1/", "u", "p")]),
        ),
        pod("a/one", &["localhost/app"], &["pull"]),
    ]);
    assert_eq!(wanted(&cluster), strings(&["a/pull@docker.io"]));
}

#[test]
fn the_same_bytes_again_change_nothing() {
    let secret = || secret("a/pull", &config(&[("ghcr.io", "u", "p")]));
    let mut cluster = cluster([secret(), pod("a/one", &["ghcr.io/app"], &["pull"])]);
    cluster.changes();
    cluster.apply(secret());
    cluster.apply(pod("a/one", &["ghcr.io/app"], &["pull"]));
    let changes = cluster.changes();
    assert!(changes.groups.is_empty(), "{changes:?}");
    assert_eq!(cluster.credentials.len(), 1);
}

#[test]
fn other_bytes_are_another_group_and_the_old_one_goes() {
    let mut cluster = cluster([
        secret("a/pull", &config(&[("ghcr.io", "u", "p")])),
        pod("a/one", &["ghcr.io/app"], &["pull"]),
    ]);
    let before = cluster.changes().groups;
    cluster.apply(secret("a/pull", &config(&[("ghcr.io", "u", "rotated")])));
    let after = cluster.changes().groups;
    assert_eq!(before.len(), 1);
    assert_eq!(after.len(), 2, "the old and the new");
    assert!(!cluster.wants(&before[0]));
    assert_eq!(wanted(&cluster), strings(&["a/pull@ghcr.io"]));
    assert_eq!(cluster.credentials.len(), 1);
}

#[test]
fn a_poisoned_sibling_leaves_a_pod_without_candidates_and_the_login_wanted() {
    let cluster = cluster([
        secret("a/good", &config(&[("ghcr.io", "u", "p")])),
        secret("a/bad", r#"{"auths":{"ghcr.io":{"auth":"???"}}}"#),
        pod("a/one", &["ghcr.io/app"], &["good", "bad"]),
    ]);
    let labels = cluster.labels();
    let (group, _) = labels.iter().next().unwrap();
    assert_eq!(cluster.manifests(group).count(), 0);
    assert_eq!(wanted(&cluster), strings(&["a/good@ghcr.io"]));
}

#[test]
fn names_that_are_not_there_are_told_with_who_lists_them() {
    let mut cluster = cluster([
        pod("a/one", &["ghcr.io/app"], &["typo", "typo"]),
        pod("a/two", &["ghcr.io/app"], &["typo"]),
        account("a/default", &["typo"]),
    ]);
    let told = |cluster: &Cluster| -> Vec<(&'static str, String, u64)> {
        let rows = rows(cluster);
        rows.references
            .iter()
            .map(|row| (row.kind, row.name.to_string(), row.count))
            .collect()
    };
    let typo = "typo".to_owned();
    assert_eq!(
        told(&cluster),
        [("Pod", typo.clone(), 2), ("ServiceAccount", typo, 1)]
    );
    assert_eq!(cluster.unresolved(), [object("a/typo")]);

    cluster.apply(Change::NameLookedUp(
        object("a/typo"),
        Some("Opaque".to_owned()),
    ));
    let secrets = rows(&cluster).secrets;
    let faults: Vec<_> = secrets[0].faults.iter().map(|kind| kind.as_str()).collect();
    assert_eq!(faults, ["wrong_secret_type"]);

    cluster.apply(secret("a/typo", &config(&[("ghcr.io", "u", "p")])));
    assert_eq!(told(&cluster), []);
    cluster.apply(secret_deleted("a/typo"));
    assert_eq!(told(&cluster).len(), 2);
}

#[test]
fn a_pull_secret_that_no_watch_brings_is_of_no_wrong_type() {
    let mut cluster = cluster([pod("a/one", &["ghcr.io/app"], &["late"])]);
    let looked_up =
        |kind: Option<&str>| Change::NameLookedUp(object("a/late"), kind.map(str::to_owned));
    for kind in ["kubernetes.io/dockerconfigjson", "kubernetes.io/dockercfg"] {
        cluster.apply(looked_up(Some(kind)));
        let rows = rows(&cluster);
        assert!(rows.secrets.is_empty(), "{:?}", rows.secrets);
        assert!(rows.references.is_empty(), "{:?}", rows.references);
        assert_eq!(cluster.unresolved(), [object("a/late")], "asked again");
    }
    cluster.apply(looked_up(None));
    assert_eq!(rows(&cluster).references.len(), 1);
}

#[test]
fn nothing_is_missing_before_all_secrets_have_come_in() {
    let cluster = cluster([pod("a/one", &["ghcr.io/app"], &["pull"])]);
    let listed = Listed {
        secrets: false,
        referrers: true,
    };
    let rows = rows_of(&cluster, listed);
    assert!(rows.references.is_empty());
}

#[test]
fn nothing_is_unreferenced_before_all_that_could_name_it_has_come_in() {
    let cluster = cluster([secret("a/pull", &config(&[("ghcr.io", "u", "p")]))]);
    let listed = Listed {
        secrets: true,
        referrers: false,
    };
    let rows = rows_of(&cluster, listed);
    assert_eq!(rows.credentials[0].skipped, None);
}

#[test]
fn a_list_sweeps_what_it_did_not_bring_and_only_of_its_own_watch() {
    let list = |resource| Change::ListStarted(watch(resource));
    let end = |resource| Change::ListFinished(watch(resource));
    let json = Resource::DockerConfigJsonSecrets;
    let mut cluster = cluster([
        list(json),
        secret("a/kept", &config(&[("ghcr.io", "u", "p")])),
        secret("a/gone", &config(&[("ghcr.io", "u", "p")])),
        end(json),
        pod("a/one", &["ghcr.io/app"], &["kept"]),
    ]);
    cluster.apply(list(json));
    cluster.apply(secret("a/kept", &config(&[("ghcr.io", "u", "p")])));
    cluster.apply(end(json));
    cluster.apply(list(Resource::DockerCfgSecrets));
    cluster.apply(end(Resource::DockerCfgSecrets));
    assert_eq!(
        rows(&cluster).objects,
        BTreeMap::from([
            ("namespaces", 0),
            ("pods", 1),
            ("secrets", 1),
            ("serviceaccounts", 0),
        ])
    );
    cluster.apply(list(Resource::Pods));
    cluster.apply(end(Resource::Pods));
    assert_eq!(rows(&cluster).objects["pods"], 0);
}

#[test]
fn a_late_delete_of_the_other_watch_does_not_remove_the_new_secret() {
    let mut cluster = cluster([secret("a/pull", &config(&[("ghcr.io", "u", "p")]))]);
    cluster.apply(Change::SecretDeleted(Uid(99), object("a/pull")));
    assert_eq!(rows(&cluster).secrets.len(), 1);
}

#[test]
fn a_late_word_of_the_other_watch_does_not_replace_the_new_secret() {
    let with = |key: &str| config(&[(key, "u", "p")]);
    let mut cluster = cluster([secret_created("a/pull", &with("new.example"), at(9))]);
    let Change::SecretApplied(_, mut old) = secret("a/pull", &with("old.example")) else {
        unreachable!()
    };
    old.uid = Uid(99);
    let other = watch(Resource::DockerCfgSecrets);
    cluster.apply(Change::SecretApplied(other, old));
    cluster.apply(Change::SecretDeleted(Uid(99), object("a/pull")));
    assert_eq!(
        rows(&cluster).credentials[0].registry.as_str(),
        "new.example"
    );
}

#[test]
fn a_registry_is_wanted_while_an_image_or_a_wanted_credential_names_it() {
    let quay = Registry::from_domain("quay.io");
    let mut cluster = cluster([pod("a/one", &["quay.io/app"], &[])]);
    assert!(cluster.wants_registry(&quay) && cluster.uses_registry(&quay));
    cluster.apply(secret("a/pull", &config(&[("quay.io", "u", "p")])));
    cluster.apply(account("a/default", &["pull"]));
    cluster.apply(pod_deleted("a/one"));
    assert!(cluster.wants_registry(&quay) && !cluster.uses_registry(&quay));
    cluster.changes();
    cluster.apply(account("a/default", &[]));
    assert!(
        !cluster.wants_registry(&quay),
        "a Secret that nothing names makes nobody ask its registry"
    );
    assert_eq!(cluster.changes().registries, std::slice::from_ref(&quay));
    cluster.apply(account("a/default", &["pull"]));
    assert!(cluster.wants_registry(&quay));
    assert_eq!(cluster.changes().registries, std::slice::from_ref(&quay));
    cluster.apply(secret_deleted("a/pull"));
    assert!(!cluster.wants_registry(&quay));
    assert_eq!(cluster.groups.registries().count(), 0);
}

#[test]
fn a_thousand_pods_of_one_template_are_one_shape() {
    let cluster = cluster(
        (0..1000).map(|n| pod(&format!("a/web-{n}"), &["ghcr.io/app", "nginx"], &["pull"])),
    );
    assert_eq!(cluster.claims.sizes(), (2, 1));
}

/// Whatever happened, in whatever order, the graph is what it would be had the present objects
/// simply been listed.
#[test]
fn the_graph_is_the_same_however_it_came_about() {
    for seed in 0..40 {
        let which = [Which::Referenced, Which::All][seed as usize % 2];
        let cluster = |changes: Vec<Change>| cluster_of(which, changes);
        let mut random = fastrand::Rng::with_seed(seed);
        let mut present: BTreeMap<String, Make> = BTreeMap::new();
        // Gone, while something of theirs is present.
        let mut departed: BTreeMap<String, Make> = BTreeMap::new();
        let mut grown = cluster(Vec::new());
        for _ in 0..200 {
            let (key, make, delete) = random_object(&mut random);
            if random.bool() {
                if let Some(make) = present.remove(&key) {
                    grown.apply(delete);
                    departed.insert(key, make);
                }
            } else {
                grown.apply(make());
                departed.remove(&key);
                present.insert(key, make);
            }
            departed.retain(|gone, _| present.keys().any(|key| is_under(key, gone)));
        }
        let makes = departed.values().chain(present.values());
        let mut listed = cluster(makes.map(|make| make()).collect());
        departed.keys().for_each(|key| listed.apply(deletion(key)));
        assert_eq!(essence(&grown), essence(&listed), "seed {seed}");
        present.keys().for_each(|key| grown.apply(deletion(key)));
        assert!(
            grown.groups.iter().next().is_none(),
            "seed {seed}: groups are left over"
        );
        assert_eq!(grown.groups.registries().count(), 0, "seed {seed}");
        assert_eq!(grown.claims.sizes(), (0, 0), "seed {seed}");
        assert_eq!(grown.credentials.len(), 0, "seed {seed}");
        assert!(grown.unresolved().is_empty(), "seed {seed}");
        assert!(grown.departed.is_empty(), "seed {seed}");
    }
}

type Make = Box<dyn Fn() -> Change>;

fn random_object(random: &mut fastrand::Rng) -> (String, Make, Change) {
    const KEYS: [&str; 4] = ["ghcr.io", "https://ghcr.io", "*.io", "ghcr.io/org"];
    const IMAGES: [&str; 5] = [
        "ghcr.io/org/app:1",
        "ghcr.io/org/app:2",
        "quay.io/x",
        "nginx",
        "BAD",
    ];
    let namespace = ["a", "b"][random.usize(..2)];
    let names = ["one", "two", "three"];
    let path = format!("{namespace}/{}", names[random.usize(..3)]);
    let mut picked = |from: &[&'static str]| -> Vec<&'static str> {
        from.iter().copied().filter(|_| random.bool()).collect()
    };
    let (secrets, images, keys) = (picked(&names), picked(&IMAGES), picked(&KEYS));
    let (kind, is_broken) = (random.u8(..4), random.u8(..8) == 0);
    let wish = [&[][..], &[marks::IGNORE], &[marks::NO_PROBE]][random.usize(..3)];
    let password = ["p", "q"][random.usize(..2)];
    let path = match kind {
        // That of the Pods among them.
        1 => path.replace("one", "default"),
        3 => namespace.to_owned(),
        _ => path,
    };
    let key = format!("{kind}:{path}");
    let gone = deletion(&key);
    let make: Make = match kind {
        0 => Box::new(move || pod(&path, &images, &secrets)),
        1 => Box::new(move || marks::wishing(account(&path, &secrets), wish)),
        3 => Box::new(move || marks::wishing(marks::namespace(&path), wish)),
        _ => Box::new(move || {
            let entries: Vec<_> = keys.iter().map(|key| (*key, "u", password)).collect();
            let text = if is_broken {
                "[]".to_owned()
            } else {
                config(&entries)
            };
            marks::wishing(secret(&path, &text), wish)
        }),
    };
    (key, make, gone)
}

/// One of `random_object` is in a Namespace, or is a Pod of a ServiceAccount.
fn is_under(key: &str, above: &str) -> bool {
    let (kind, path) = key.split_once(':').unwrap();
    let (namespace, _) = path.split_once('/').unwrap_or_default();
    let account = format!("1:{namespace}/default");
    above == format!("3:{namespace}") || (kind == "0" && above == account)
}

fn deletion(key: &str) -> Change {
    let (kind, path) = key.split_once(':').unwrap();
    match kind {
        "0" => pod_deleted(path),
        "1" => Change::ServiceAccountDeleted(uid(path), object(path)),
        "3" => Change::NamespaceDeleted(uid(path), path.to_owned()),
        _ => secret_deleted(path),
    }
}

/// All that can be seen of a graph, with names in place of ids.
fn essence(cluster: &Cluster) -> String {
    let labels: BTreeMap<_, _> = cluster
        .labels()
        .into_iter()
        .map(|(group, label)| ((label, group.registry.clone()), group))
        .collect();
    let groups: Vec<_> = labels
        .iter()
        .map(|(label, group)| {
            let holders: Vec<_> = cluster.groups.holders(group).collect();
            let manifests: Vec<_> = cluster.manifests(group).collect();
            format!(
                "{label:?} {} {holders:?} {manifests:?}",
                cluster.wants(group)
            )
        })
        .collect();
    let mut registries: Vec<_> = cluster
        .groups
        .registries()
        .map(|registry| (registry, cluster.uses_registry(registry)))
        .collect();
    registries.sort();
    let rows = rows(cluster);
    let why: Vec<_> = rows.credentials.iter().map(|row| row.skipped).collect();
    format!(
        "{groups:#?} {registries:?} {why:?} {:?} {:?} {:?}",
        rows.secrets, rows.references, rows.objects
    )
}

/// What would be looked at of a registry without a credential, going round once.
fn anonymous(cluster: &Cluster, registry: &str) -> String {
    let registry = Registry::from_domain(registry);
    let mut found: Vec<&Manifest> = Vec::new();
    while let Some(next) = cluster.anonymous_manifest(&registry, found.last().copied())
        && !found.contains(&next)
    {
        found.push(next);
    }
    let names = found.iter().map(|manifest| &*manifest.repository);
    names.collect::<Vec<_>>().join(" ")
}

#[test]
fn what_pods_pull_without_a_credential_is_known_at_each_step() {
    let ghcr = config(&[("ghcr.io", "bot", "x")]);
    let steps: Vec<(Change, &str)> = vec![
        (
            pod("a/one", &["ghcr.io/o/web", "quay.io/o/x"], &["pull"]),
            "o/web",
        ),
        (pod("a/two", &["ghcr.io/o/web"], &["pull"]), "o/web"),
        (pod("b/one", &["ghcr.io/o/app"], &[]), "o/app o/web"),
        (secret("a/pull", &ghcr), "o/app"),
        (secret("b/pull", &ghcr), "o/app"),
        (secret_deleted("a/pull"), "o/app o/web"),
        (pod_deleted("a/one"), "o/app o/web"),
        (pod_deleted("a/two"), "o/app"),
        (pod("b/one", &["ghcr.io/o/app"], &["pull"]), ""),
        (pod("b/one", &["ghcr.io/o/app"], &[]), "o/app"),
        (pod_deleted("b/one"), ""),
    ];
    let mut cluster = cluster([]);
    for (number, (change, expected)) in steps.into_iter().enumerate() {
        let before = anonymous(&cluster, "ghcr.io").is_empty();
        cluster.changes();
        cluster.apply(change);
        assert_eq!(anonymous(&cluster, "ghcr.io"), expected, "step {number}");
        if before != expected.is_empty() {
            let told = cluster.changes().registries;
            assert!(
                told.contains(&Registry::from_domain("ghcr.io")),
                "step {number}"
            );
        }
    }
}

#[test]
fn nothing_is_looked_at_where_nothing_is_to_be_probed() {
    let mut cluster = Cluster::new(Sources::default(), Which::None);
    cluster.apply(pod("a/one", &["ghcr.io/o/web"], &[]));
    assert_eq!(anonymous(&cluster, "ghcr.io"), "");
}
