//! Where objects come from, and how much of them.

use std::path::{Path, PathBuf};

use super::given;
use crate::cli::{CheckArgs, RunArgs, SourceArgs};
use crate::config::complaints::Complaints;
use crate::config::{ClusterSource, Ledger, Scope, Source};
use crate::domain::cluster::ObjectName;

/// Files when one is named, else the cluster. Empty values, as templates leave them in the
/// environment, count as not given, here and below.
pub(super) fn source(args: &SourceArgs, complaints: &mut Complaints) -> Source {
    let files: Vec<PathBuf> = args
        .docker_config
        .iter()
        .filter(|path| !path.as_os_str().is_empty())
        .cloned()
        .collect();
    let given = |path: &Option<PathBuf>| path.clone().filter(|path| path != Path::new(""));
    let kubeconfig = given(&args.kubeconfig);
    let context = args.context.clone().filter(|name| !name.is_empty());
    if files.is_empty() {
        return Source::Cluster(ClusterSource {
            kubeconfig,
            context,
            ..ClusterSource::default()
        });
    }
    let useless = [
        ("--kubeconfig", kubeconfig.is_some()),
        ("--context", context.is_some()),
    ];
    for (flag, _) in useless.into_iter().filter(|(_, is_given)| *is_given) {
        complaints.add(flag, "there is no cluster where --docker-config is given");
    }
    Source::Files(files)
}

/// The daemon's source: with the namespaces that it watches.
pub(super) fn watched(args: &RunArgs, complaints: &mut Complaints) -> Source {
    let namespaces = namespaces("--namespaces", &args.namespaces, complaints);
    let excluded = namespaces_of_exclusion(args, &namespaces, complaints);
    match source(&args.source, complaints) {
        Source::Cluster(cluster) => Source::Cluster(ClusterSource {
            namespaces,
            excluded,
            ..cluster
        }),
        Source::Files(files) => {
            let useless = [
                ("--namespaces", namespaces),
                ("--exclude-namespaces", excluded),
            ];
            for (flag, _) in useless.iter().filter(|(_, names)| !names.is_empty()) {
                complaints.add(
                    flag,
                    "there are no namespaces where --docker-config is given",
                );
            }
            Source::Files(files)
        }
    }
}

/// Where the ledger of the daemon is kept.
pub(super) fn kept(args: &RunArgs, complaints: &mut Complaints) -> Ledger {
    const LEASE: &str = "--lease";
    let in_file = file(args.probe.state_file.as_deref());
    let Some(text) = args.lease.as_deref().filter(|text| !text.is_empty()) else {
        return in_file.unwrap_or_default();
    };
    if in_file.is_some() {
        complaints.add(LEASE, "excludes --state-file: there is one ledger");
    }
    if has_files(args) {
        complaints.add(LEASE, "there is no cluster where --docker-config is given");
    }
    match text.split_once('/') {
        Some((namespace, name)) if is_namespace(namespace) && is_object_name(name) => {
            Ledger::Lease(ObjectName {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
            })
        }
        _ => {
            complaints.about(LEASE, text, "is no NAMESPACE/NAME");
            Ledger::None
        }
    }
}

/// There is nobody to tell without a cluster.
pub(super) fn kubernetes_events(args: &RunArgs, complaints: &mut Complaints) -> bool {
    if args.kubernetes_events && has_files(args) {
        let problem = "there is no cluster where --docker-config is given";
        complaints.add("--kubernetes-events", problem);
    }
    args.kubernetes_events
}

fn has_files(args: &RunArgs) -> bool {
    let mut paths = args.source.docker_config.iter();
    paths.any(|path| path != Path::new(""))
}

/// `--state-file`, where one is given.
pub(super) fn file(path: Option<&Path>) -> Option<Ledger> {
    let path = path.filter(|path| !path.as_os_str().is_empty())?;
    Some(Ledger::File(path.to_owned()))
}

/// RFC 1123 subdomain, as the API server wants Leases to be named.
fn is_object_name(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(is_namespace)
}

fn namespaces_of_exclusion(
    args: &RunArgs,
    watched: &[String],
    complaints: &mut Complaints,
) -> Vec<String> {
    const FLAG: &str = "--exclude-namespaces";
    let excluded = namespaces(FLAG, &args.exclude_namespaces, complaints);
    for name in excluded.iter().filter(|name| watched.contains(name)) {
        complaints.about(FLAG, name, "is in --namespaces too");
    }
    excluded
}

fn namespaces(flag: &'static str, names: &[String], complaints: &mut Complaints) -> Vec<String> {
    let mut read: Vec<String> = Vec::new();
    for name in given(names) {
        if !is_namespace(name) {
            complaints.about(flag, name, "is no name of a namespace");
        } else if !read.iter().any(|other| other == name) {
            read.push(name.to_owned());
        }
    }
    read
}

/// RFC 1123 label, as the API server validates it.
fn is_namespace(name: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&name.len())
        && name.bytes().all(is_inner)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

pub(super) fn scope(args: &CheckArgs, source: &Source, complaints: &mut Complaints) -> Scope {
    const FLAG: &str = "--namespace";
    let names: Vec<String> = args.namespace.iter().cloned().collect();
    let namespace = namespaces(FLAG, &names, complaints).pop();
    if let Source::Files(_) = source {
        let useless = [
            (FLAG, namespace.is_some()),
            ("--all-namespaces", args.all_namespaces),
        ];
        for (flag, _) in useless.into_iter().filter(|(_, is_given)| *is_given) {
            complaints.add(
                flag,
                "there are no namespaces where --docker-config is given",
            );
        }
    }
    match (namespace, args.all_namespaces) {
        (Some(name), true) => {
            complaints.add(FLAG, "excludes --all-namespaces");
            Scope::Namespace(name)
        }
        (Some(name), false) => Scope::Namespace(name),
        (None, true) => {
            if !args.image.is_empty() {
                let problem = "an image is pulled in one namespace: give it with --namespace";
                complaints.add("--all-namespaces", problem);
            }
            Scope::AllNamespaces
        }
        (None, false) => Scope::CurrentNamespace,
    }
}
