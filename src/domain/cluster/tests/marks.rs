//! What is left alone, and what is told of it.

use super::*;

pub(super) const IGNORE: (&str, &str) = ("regcred-exporter.io/ignore", "true");
pub(super) const NO_PROBE: (&str, &str) = ("regcred-exporter.io/probe", "false");
const OPENSHIFT: (&str, &str) = (
    "openshift.io/internal-registry-auth-token.service-account",
    "default",
);

pub(super) type Wish = (&'static str, &'static str);

pub(super) fn wishing(mut change: Change, wishes: &[Wish]) -> Change {
    let wishes: BTreeMap<String, String> = wishes
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    match &mut change {
        Change::SecretApplied(_, seen) => seen.annotations = wishes,
        Change::ServiceAccountApplied(_, seen) => seen.annotations = wishes,
        Change::NamespaceApplied(_, seen) => seen.annotations = wishes,
        other => panic!("{other:?} carries no wish"),
    }
    change
}

pub(super) fn namespace(name: &str) -> Change {
    Change::NamespaceApplied(
        watch(Resource::Namespaces),
        NamespaceSeen {
            uid: uid(name),
            name: name.to_owned(),
            ..Default::default()
        },
    )
}

fn pull(path: &str) -> Change {
    secret(path, &config(&[("ghcr.io", "u", "p")]))
}

/// A broken entry beside one that is sent, with a date of its own.
fn dated(path: &str) -> Change {
    let entries = [("ghcr.io", "u", "p"), ("https://", "u", "p")];
    let mut change = secret(path, &config(&entries));
    if let Change::SecretApplied(_, seen) = &mut change {
        seen.expiry_data = BTreeMap::from([("expires_at".to_owned(), "2040-01-01".to_owned())]);
    }
    change
}

/// Of each credential why nothing is sent for it, whether its date is told, and of how many Secrets
/// faults are told.
fn told(cluster: &Cluster) -> (Vec<(Option<&'static str>, bool)>, usize) {
    let rows = rows(cluster);
    let credentials = rows.credentials.iter();
    let credentials = credentials.map(|row| {
        let why = row.skipped.map(Skipped::as_str);
        (why, row.expires.is_some())
    });
    let faulty = rows.secrets.iter().filter(|row| !row.faults.is_empty());
    (credentials.collect(), faulty.count())
}

/// A Secret that its Pod's ServiceAccount lists, and that its Pod names.
fn world(on_secret: &[Wish], on_account: &[Wish], on_namespace: &[Wish]) -> Vec<Change> {
    vec![
        wishing(namespace("a"), on_namespace),
        wishing(account("a/default", &["pull"]), on_account),
        wishing(dated("a/pull"), on_secret),
        pod("a/web", &["ghcr.io/org/app:1"], &["pull"]),
    ]
}

#[test]
fn a_wish_on_a_secret_its_account_or_its_namespace_is_obeyed_and_shown() {
    let (asked, quiet, silent) = (None, Some("ignored"), Some("ignored"));
    type Wishes = [&'static [Wish]; 3];
    let rows: [(Wishes, Option<&str>, bool, usize); 9] = [
        ([&[], &[], &[]], asked, true, 1),
        ([&[NO_PROBE], &[], &[]], quiet, true, 1),
        ([&[], &[NO_PROBE], &[]], quiet, true, 1),
        ([&[], &[], &[NO_PROBE]], quiet, true, 1),
        ([&[IGNORE], &[], &[]], silent, false, 0),
        ([&[], &[IGNORE], &[]], silent, false, 0),
        ([&[], &[], &[IGNORE]], silent, false, 0),
        ([&[NO_PROBE], &[], &[IGNORE]], silent, false, 0),
        (
            [&[("regcred-exporter.io/probe", "no")], &[], &[]],
            asked,
            true,
            1,
        ),
    ];
    for (wishes, why, has_date, faulty) in rows {
        let [on_secret, on_account, on_namespace] = wishes;
        let cluster = cluster(world(on_secret, on_account, on_namespace));
        assert_eq!(
            told(&cluster),
            (vec![(why, has_date)], faulty),
            "{wishes:?}"
        );
        assert_eq!(wanted(&cluster).is_empty(), why.is_some(), "{wishes:?}");
        let groups = self::rows(&cluster).groups.len();
        assert_eq!(groups, usize::from(has_date), "{wishes:?}");
    }
}

#[test]
fn a_wish_counts_from_when_it_is_made_until_it_is_taken_back() {
    for number in 0..3 {
        for wish in [IGNORE, NO_PROBE] {
            let mut cluster = cluster(world(&[], &[], &[]));
            cluster.settle();
            let before = essence(&cluster);
            let mut wishes: [&[Wish]; 3] = [&[]; 3];
            let wish = [wish];
            wishes[number] = &wish;
            let [on_secret, on_account, on_namespace] = wishes;
            cluster.changes();
            let marked = world(on_secret, on_account, on_namespace);
            marked.into_iter().for_each(|change| cluster.apply(change));
            assert!(wanted(&cluster).is_empty(), "{wishes:?}");
            assert_eq!(cluster.changes().groups.len(), 1, "the prober is told");
            let back = world(&[], &[], &[]);
            back.into_iter().for_each(|change| cluster.apply(change));
            assert_eq!(essence(&cluster), before, "{wishes:?}");
            assert_eq!(cluster.changes().groups.len(), 1, "the prober is told");
            assert_eq!(cluster.credentials.len(), 1);
        }
    }
}

fn list(resource: Resource) -> [Change; 2] {
    let of = |change: fn(Watch) -> Change| change(watch(resource));
    [of(Change::ListStarted), of(Change::ListFinished)]
}

/// The world without a Namespace or a ServiceAccount that had a wish: told as its end, and as a list
/// without it.
fn bereft(wish: Wish) -> Vec<(Cluster, Change)> {
    let ends = |is_namespace: bool| match is_namespace {
        true => (Resource::Namespaces, deletion("3:a"), namespace("a")),
        false => {
            let again = account("a/default", &["pull"]);
            (Resource::ServiceAccounts, deletion("1:a/default"), again)
        }
    };
    let mut found = Vec::new();
    for (is_namespace, is_listed) in [(true, true), (true, false), (false, true), (false, false)] {
        let mut cluster = match is_namespace {
            true => cluster(world(&[], &[], &[wish])),
            false => cluster(world(&[], &[wish], &[])),
        };
        let (resource, end, again) = ends(is_namespace);
        match is_listed {
            true => list(resource).map(|change| cluster.apply(change)).len(),
            false => [cluster.apply(end)].len(),
        };
        found.push((cluster, again));
    }
    found
}

#[test]
fn what_is_left_of_a_namespace_or_an_account_is_left_alone_on() {
    let ghcr = Registry::from_domain("ghcr.io");
    for wish in [IGNORE, NO_PROBE] {
        for (mut cluster, again) in bereft(wish) {
            let is_silent =
                |cluster: &Cluster| wanted(cluster).is_empty() && !cluster.wants_registry(&ghcr);
            assert!(is_silent(&cluster), "{wish:?} {again:?}");
            assert_eq!(told(&cluster).0[0].1, wish == NO_PROBE, "{again:?}");
            cluster.apply(pod("a/late", &["ghcr.io/org/late"], &["pull"]));
            assert!(is_silent(&cluster), "{wish:?} {again:?}");
            cluster.apply(again);
            assert_eq!(wanted(&cluster).len(), 1, "one of its name has no wish");
            assert!(cluster.departed.is_empty());
        }
    }
}

#[test]
fn a_wish_ends_with_the_last_that_it_is_about() {
    let last = ["0:a/web", "1:a/default", "2:a/pull"];
    for first in 0..3 {
        for (mut cluster, again) in bereft(NO_PROBE) {
            for number in 0..3 {
                if first == 0 {
                    // It is there to the last, and told again.
                    cluster.apply(dated("a/pull"));
                }
                if matches!(again, Change::NamespaceApplied(..)) {
                    cluster.apply(account("a/late", &["pull"]));
                }
                assert!(wanted(&cluster).is_empty());
                cluster.apply(deletion("1:a/late"));
                cluster.apply(deletion(last[(first + number) % 3]));
            }
            assert!(cluster.departed.is_empty(), "{first}");
            cluster.apply(pull("a/pull"));
            cluster.apply(account("a/default", &["pull"]));
            assert_eq!(wanted(&cluster).len(), 1);
        }
    }
    let mut alone = cluster([wishing(namespace("a"), &[IGNORE]), pull("b/pull")]);
    alone.apply(deletion("3:a"));
    assert!(alone.departed.is_empty(), "it had nothing");
}

#[test]
fn what_others_hold_is_asked_for_them_and_under_their_name() {
    for wish in [IGNORE, NO_PROBE] {
        for is_settled in [false, true] {
            let older = |wishes: &[Wish]| {
                let config = config(&[("ghcr.io", "u", "p")]);
                wishing(secret_created("mallory/pull", &config, at(-9)), wishes)
            };
            let mut cluster = cluster([
                older(&[]),
                account("mallory/default", &["pull"]),
                pod("mallory/web", &["ghcr.io/mallory/app"], &["pull"]),
                pull("b/pull"),
                account("b/default", &["pull"]),
                pod("b/web", &["ghcr.io/b/app"], &["pull"]),
            ]);
            if is_settled {
                cluster.settle();
            }
            assert_eq!(wanted(&cluster), strings(&["mallory/pull@ghcr.io"]));
            cluster.apply(older(&[wish]));
            assert_eq!(wanted(&cluster), strings(&["b/pull@ghcr.io"]));
            let rows = rows(&cluster);
            let credentials = rows.credentials.iter();
            let why: Vec<_> = credentials
                .map(|row| (&*row.namespace, &*row.credential, row.skipped))
                .collect();
            let mallory = Some(Skipped::Ignored);
            assert_eq!(why, [("b", "b/pull", None), ("mallory", "b/pull", mallory)]);
            assert_eq!(rows.groups.len(), 1);
            let (group, _) = cluster.labels().into_iter().next().unwrap();
            let manifests = cluster.manifests(&group);
            let asked: Vec<_> = manifests.map(|one| &*one.repository).collect();
            assert_eq!(asked, ["b/app"], "not those of whoever wants nothing asked");
            cluster.apply(older(&[]));
            let name = if is_settled { "b" } else { "mallory" };
            assert_eq!(
                wanted(&cluster),
                strings(&[&format!("{name}/pull@ghcr.io")])
            );
            cluster.apply(secret_deleted("b/pull"));
            assert_eq!(wanted(&cluster), strings(&["mallory/pull@ghcr.io"]));
        }
    }
}

#[test]
fn a_newcomer_without_a_mark_takes_the_name_from_one_with() {
    let mut cluster = cluster([wishing(pull("a/pull"), &[IGNORE])]);
    cluster.settle();
    cluster.apply(secret_created(
        "b/pull",
        &config(&[("ghcr.io", "u", "p")]),
        at(99),
    ));
    let rows = rows(&cluster);
    assert_eq!(&*rows.groups[0].credential, "b/pull");
}

#[test]
fn an_account_speaks_for_what_it_names_and_its_pods_but_for_nobody_else() {
    let mut cluster = cluster([
        pull("a/pull"),
        wishing(account("a/default", &["pull"]), &[NO_PROBE]),
        pod(
            "a/web",
            &["quay.io/x", "ghcr.io/org/app"],
            &["pull", "gone"],
        ),
    ]);
    let quay = Registry::from_domain("quay.io");
    assert!(wanted(&cluster).is_empty() && !cluster.wants_registry(&quay));
    let missing = |cluster: &Cluster| rows(cluster).references.len();
    assert_eq!(missing(&cluster), 1, "a fault is told");
    cluster.apply(wishing(account("a/default", &["pull"]), &[IGNORE]));
    assert_eq!((missing(&cluster), cluster.unresolved().len()), (0, 0));
    cluster.apply(account("a/other", &["pull", "gone"]));
    assert_eq!(wanted(&cluster), strings(&["a/pull@ghcr.io"]));
    assert_eq!(missing(&cluster), 1);
    let labels = cluster.labels();
    let (group, _) = labels.iter().next().unwrap();
    assert_eq!(
        cluster.manifests(group).count(),
        0,
        "its pods are left alone"
    );
    cluster.apply(account("a/default", &["pull"]));
    assert_eq!(cluster.manifests(group).count(), 1);
    assert!(cluster.wants_registry(&quay));
}

#[test]
fn what_has_a_mark_takes_no_place_of_its_namespace() {
    let mut cluster = cluster((0..100).flat_map(|n| {
        let path = format!("a/s-{n:03}");
        let config = config(&[("ghcr.io", &format!("u-{n}"), "p")]);
        let wishes: &[Wish] = if n < 50 { &[NO_PROBE] } else { &[] };
        let name = &path["a/".len()..];
        [
            wishing(secret_created(&path, &config, at(n)), wishes),
            account(&path, &[name]),
        ]
    }));
    assert_eq!(wanted(&cluster).len(), 50);
    cluster.settle();
    let first = secret_created("a/s-000", &config(&[("ghcr.io", "u-0", "p")]), at(0));
    cluster.apply(first);
    assert_eq!(wanted(&cluster).len(), 51);
}

#[test]
fn all_does_not_mean_those_that_want_nothing_sent() {
    let mut cluster = Cluster::new(Sources::default(), Which::All);
    cluster.apply(wishing(pull("a/pull"), &[NO_PROBE]));
    assert!(wanted(&cluster).is_empty());
    let why = |cluster: &Cluster| rows(cluster).credentials[0].skipped;
    assert_eq!(why(&cluster), Some(Skipped::Ignored));
    cluster.apply(wishing(pull("a/pull"), &[]));
    assert_eq!((wanted(&cluster).len(), why(&cluster)), (1, None));
}

#[test]
fn where_secrets_count_that_nobody_names_nobody_silences_one_by_naming_it() {
    for which in [Which::All, Which::None] {
        let changes = |wishes: [&[Wish]; 3]| {
            let mut cluster = Cluster::new(Sources::default(), which);
            cluster.apply(dated("a/pull"));
            let before = (told(&cluster), wanted(&cluster));
            let changes = world(wishes[0], wishes[1], wishes[2]);
            changes.into_iter().for_each(|change| cluster.apply(change));
            (before, (told(&cluster), wanted(&cluster)), cluster)
        };
        for wish in [IGNORE, NO_PROBE] {
            let (before, after, cluster) = changes([&[], &[wish], &[]]);
            assert_eq!(before, after, "{which:?} {wish:?}");
            let groups = cluster.groups();
            let manifests = groups.flat_map(|group| cluster.manifests(group));
            assert_eq!(manifests.count(), 0, "its Pods are left alone");
        }
        for wishes in [[&[IGNORE][..], &[], &[]], [&[], &[], &[IGNORE]]] {
            let (before, after, _) = changes(wishes);
            assert_ne!(before.0, after.0, "{which:?}: the owner's wish counts");
        }
    }
}

#[test]
fn what_openshift_generated_is_told_and_not_asked() {
    let mut generated = dated("a/default-dockercfg-x1");
    if let Change::SecretApplied(to, seen) = &mut generated {
        to.resource = Resource::DockerCfgSecrets;
        seen.kind = SecretKind::DockerCfg;
    }
    let cluster = cluster([
        wishing(generated, &[OPENSHIFT]),
        account("a/default", &["default-dockercfg-x1"]),
    ]);
    assert!(wanted(&cluster).is_empty());
    let why = Some("openshift_generated");
    assert_eq!(told(&cluster), (vec![(why, true)], 1));
    let registry = Registry::from_domain("ghcr.io");
    assert!(!cluster.wants_registry(&registry));
}

#[test]
fn nobody_need_name_what_is_ignored_to_have_it_shown() {
    let alone = |wish| told(&cluster([wishing(dated("a/pull"), &[wish])]));
    assert_eq!(alone(IGNORE), (vec![(Some("ignored"), false)], 0));
    assert_eq!(alone(NO_PROBE), (vec![(Some("not_referenced"), true)], 1));
    let within = [wishing(namespace("a"), &[IGNORE]), dated("a/pull")];
    assert_eq!(told(&cluster(within)), alone(IGNORE));
}
