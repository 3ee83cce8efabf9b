//! Which pulls the graph tells of.

use super::*;

/// A pod of one container for each image, which wait or run.
fn puller(images: &[&str], secrets: &[&str], runs: bool) -> Change {
    let Change::PodApplied(watch, mut seen) = pod("a/app", images, secrets) else {
        unreachable!("pod applies a Pod");
    };
    for container in &mut seen.containers {
        container.pull_policy = PullPolicy::Always;
        container.running = runs;
    }
    Change::PodApplied(watch, seen)
}

fn pulls(cluster: &mut Cluster) -> BTreeMap<String, usize> {
    let pulls = cluster.changes().pulls.into_iter();
    pulls
        .map(|pull| (pull.registry.to_string(), pull.candidates.len()))
        .collect()
}

fn some(found: &[(&str, usize)]) -> BTreeMap<String, usize> {
    let own = |(registry, count): &(&str, usize)| ((*registry).to_owned(), *count);
    found.iter().map(own).collect()
}

#[test]
fn a_pull_names_the_credentials_that_the_kubelet_had_for_it() {
    let login = config(&[
        ("r.example", "ada", "one"),
        ("r.example/team", "bob", "two"),
    ]);
    let images = ["r.example/team/app", "r.example/else", "public.example/app"];
    let mut cluster = cluster([secret("a/pull", &login), puller(&images, &["pull"], false)]);
    assert_eq!(pulls(&mut cluster), some(&[]));
    assert!(!cluster.has_changes());
    cluster.apply(puller(&images[..1], &["pull"], true));
    assert_eq!(pulls(&mut cluster), some(&[]), "another pod than was seen");
    cluster.apply(puller(&images, &["pull"], false));
    pulls(&mut cluster);
    cluster.apply(puller(&images, &["pull"], true));
    assert!(cluster.has_changes());
    let found = cluster.changes().pulls.into_iter();
    let found: BTreeSet<String> = found
        .map(|pull| format!("{} {}", pull.registry, pull.candidates.len()))
        .collect();
    assert_eq!(
        found,
        strings(&["public.example 0", "r.example 1", "r.example 2"])
    );
    cluster.apply(puller(&images, &["pull"], true));
    assert_eq!(pulls(&mut cluster), some(&[]));
}

#[test]
fn a_thousand_pods_that_pull_alike_are_one_pull() {
    let login = config(&[("r.example", "ada", "one")]);
    let mut cluster = cluster([secret("a/pull", &login)]);
    for runs in [false, true] {
        for n in 0..1_000 {
            let Change::PodApplied(watch, mut seen) = puller(&["r.example/app"], &["pull"], runs)
            else {
                unreachable!("puller applies a Pod");
            };
            seen.uid = Uid(n);
            cluster.apply(Change::PodApplied(watch, seen));
        }
    }
    assert_eq!(pulls(&mut cluster), some(&[("r.example", 1)]));
}

#[test]
fn pods_that_run_when_they_are_listed_have_pulled_before_our_time() {
    let mut cluster = cluster([
        Change::ListStarted(watch(Resource::Pods)),
        puller(&["r.example/app"], &[], true),
        Change::ListFinished(watch(Resource::Pods)),
        puller(&["r.example/app"], &[], true),
    ]);
    assert_eq!(pulls(&mut cluster), some(&[]));
}
