//! Places of a namespace: who has one, and that the rest is shown.

use super::*;

/// One entry for `host` in `a/s-NUMBER`, as old as its number is small.
fn numbered(namespace: &str, number: i64, host: &str) -> [Change; 2] {
    let path = format!("{namespace}/s-{number:03}");
    let user = format!("user-{number}");
    [
        secret_created(&path, &config(&[(host, &user, "p")]), at(number)),
        account(&path, &[path.split_once('/').unwrap().1]),
    ]
}

fn settled(changes: impl IntoIterator<Item = [Change; 2]>) -> Cluster {
    let mut cluster = cluster(changes.into_iter().flatten());
    cluster.settle();
    cluster
}

/// Numbers of the Secrets whose credentials are asked.
fn asked(cluster: &Cluster) -> Vec<i64> {
    let wanted = wanted(cluster).into_iter();
    let mut numbers: Vec<_> = wanted
        .map(|label| label["a/s-".len()..][.."000".len()].parse().unwrap())
        .collect();
    numbers.sort_unstable();
    numbers
}

fn over(cluster: &Cluster) -> usize {
    let rows = rows(cluster).credentials;
    rows.iter()
        .filter(|row| row.skipped == Some(Skipped::Budget))
        .count()
}

#[test]
fn the_oldest_sixty_four_credentials_of_a_namespace_are_asked_whatever_comes_first() {
    // 37 and 100 have no divisor in common: each number once, up and down.
    for order in [0, 1].map(|first| (first..first + 100).map(|n| n * 37 % 100)) {
        let cluster = settled(order.map(|n| numbered("a", n, "ghcr.io")));
        assert_eq!(asked(&cluster), (0..64).collect::<Vec<_>>());
        assert_eq!(over(&cluster), 36);
    }
}

#[test]
fn a_newcomer_waits_until_one_leaves() {
    let mut cluster = settled((10..80).map(|n| numbered("a", n, "ghcr.io")));
    let before = asked(&cluster);
    numbered("a", 1, "ghcr.io")
        .into_iter()
        .for_each(|change| cluster.apply(change));
    assert_eq!(asked(&cluster), before, "older, and yet a newcomer");
    cluster.changes();
    cluster.apply(secret_deleted("a/s-020"));
    let mut after = before;
    after.retain(|number| *number != 20);
    after.insert(0, 1);
    assert_eq!(asked(&cluster), after);
    assert_eq!(
        cluster.changes().groups.len(),
        2,
        "who left and who came in are told, and nobody else"
    );
}

#[test]
fn twenty_hosts_of_a_namespace_are_asked() {
    let host = |n| format!("r-{n:02}.example");
    let mut cluster = settled((0..30).map(|n| numbered("a", n, &host(n))));
    let pinged = |cluster: &Cluster| {
        let hosts = (0..40).map(host);
        hosts
            .filter(|host| cluster.wants_registry(&Registry::from_domain(host)))
            .count()
    };
    assert_eq!(asked(&cluster), (0..20).collect::<Vec<_>>());
    assert_eq!((pinged(&cluster), over(&cluster)), (20, 10));
    let mut younger = pod("a/app", &["r-35.example/x"], &[]);
    if let Change::PodApplied(_, pod) = &mut younger {
        pod.created = Some(at(50));
    }
    cluster.apply(younger);
    assert_eq!(pinged(&cluster), 20, "a Pod's image is a host like another");
    cluster.apply(pod("b/app", &["r-35.example/x"], &[]));
    assert_eq!(pinged(&cluster), 21, "another namespace has places too");
    cluster.apply(pod_deleted("b/app"));
    cluster.apply(secret_deleted("a/s-003"));
    assert_eq!(asked(&cluster).last(), Some(&20));
    assert_eq!(pinged(&cluster), 20);
}

#[test]
fn the_hosts_of_pods_are_capped_alone() {
    let images: Vec<_> = (0..50).map(|n| format!("r-{n:02}.example/x")).collect();
    let images: Vec<_> = images.iter().map(|image| &**image).collect();
    let cluster = cluster([pod("a/app", &images, &[])]);
    let registries = cluster.groups.registries();
    let pinged = registries.filter(|registry| cluster.wants_registry(registry));
    assert_eq!(pinged.count(), 20);
}

#[test]
fn one_credential_at_many_hosts_has_one_place() {
    let entries: Vec<_> = (0..15).map(|n| format!("r-{n}.example")).collect();
    let entries: Vec<_> = entries.iter().map(|host| (&**host, "u", "p")).collect();
    let mut changes: Vec<_> = (10..73).map(|n| numbered("a", n, "ghcr.io")).collect();
    changes.push([
        secret_created("a/s-001", &config(&entries), at(1)),
        account("a/s-001", &["s-001"]),
    ]);
    assert_eq!(wanted(&settled(changes)).len(), 63 + 15);
}

#[test]
fn what_another_namespace_has_a_place_for_is_asked_and_shown_for_both() {
    let mut cluster = settled((0..70).map(|n| numbered("a", n, "ghcr.io")));
    assert_eq!(over(&cluster), 6);
    numbered("b", 69, "ghcr.io")
        .into_iter()
        .for_each(|change| cluster.apply(change));
    assert_eq!(over(&cluster), 5);
    cluster.apply(secret_deleted("b/s-069"));
    assert_eq!(over(&cluster), 6);
}

#[test]
fn files_have_no_caps_nor_has_a_look_that_somebody_waits_for() {
    let changes = || (0..100).map(|n| numbered("a", n, &format!("r-{n}.example")));
    let mut looked = Cluster::new(Sources::default(), Which::Referenced).without_caps();
    changes().flatten().for_each(|change| looked.apply(change));
    assert_eq!(wanted(&looked).len(), 100);
    let mut files = Cluster::new(Sources::default(), Which::All);
    for n in 0..100 {
        let host = format!("r-{n}.example");
        files.apply(secret(&format!("/{n}"), &config(&[(&host, "u", "p")])));
    }
    assert_eq!(wanted(&files).len(), 100);
}

#[test]
fn what_leaves_leaves_nothing_behind() {
    let mut cluster = settled((0..100).map(|n| numbered("a", n, &format!("r-{n}.example"))));
    for n in 0..100 {
        cluster.apply(secret_deleted(&format!("a/s-{n:03}")));
    }
    assert_eq!(wanted(&cluster).len(), 0);
    assert_eq!(cluster.groups.registries().count(), 0);
    assert!(cluster.groups.caps_are_idle());
}
