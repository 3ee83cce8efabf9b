//! Which objects are asked for: the set of watches, their paths and their selectors.

use std::fmt::Write;

use crate::config::ClusterSource;
use crate::domain::cluster::{Resource, Watch};
use crate::domain::docker_config::SecretKind;

/// kube speaks HTTP/1.1 only, so that each watch is a connection: 20 namespaces are 120 of them.
/// Above, the cluster is watched whole and the rest dropped on arrival.
const NAMESPACES_MOST: usize = 20;

/// The kinds of the cluster, in the order in which they are first listed: what a pod names should
/// be known before the pod.
const ORDER: [Resource; 6] = [
    Resource::Namespaces,
    Resource::ServiceAccounts,
    Resource::DockerConfigJsonSecrets,
    Resource::DockerCfgSecrets,
    Resource::Pods,
    // Of Pods that are known by then.
    Resource::Events,
];

/// The watches of a cluster, in the order of their first lists.
pub fn watches(source: &ClusterSource) -> Vec<Watch> {
    let scopes: Vec<Option<String>> = match &wanted_namespaces(source)[..] {
        [] => vec![None],
        some if some.len() <= NAMESPACES_MOST => some.iter().cloned().map(Some).collect(),
        _ => vec![None],
    };
    ORDER
        .iter()
        .flat_map(|resource| {
            scopes.iter().map(|namespace| Watch {
                resource: *resource,
                namespace: namespace.clone(),
            })
        })
        .collect()
}

/// At what stage of the start a resource is first listed.
pub(super) fn stage(resource: Resource) -> usize {
    match resource {
        Resource::Namespaces => 0,
        Resource::ServiceAccounts => 1,
        Resource::DockerConfigJsonSecrets | Resource::DockerCfgSecrets => 2,
        Resource::Pods | Resource::Files => 3,
        Resource::Events => 4,
    }
}

/// The kind of pull secret that a watch is about.
pub(super) fn secret_kind(resource: Resource) -> Option<SecretKind> {
    match resource {
        Resource::DockerConfigJsonSecrets => Some(SecretKind::DockerConfigJson),
        Resource::DockerCfgSecrets => Some(SecretKind::DockerCfg),
        Resource::Namespaces
        | Resource::ServiceAccounts
        | Resource::Pods
        | Resource::Events
        | Resource::Files => None,
    }
}

fn wanted_namespaces(source: &ClusterSource) -> Vec<String> {
    let mut namespaces = source.namespaces.clone();
    namespaces.retain(|namespace| !source.excluded.contains(namespace));
    namespaces.sort();
    namespaces.dedup();
    namespaces
}

/// Which namespaces' objects are kept.
#[derive(Debug)]
pub(super) struct Scope {
    only: Vec<String>,
    has_only: bool,
    excluded: Vec<String>,
}

impl Scope {
    pub(super) fn of(source: &ClusterSource) -> Self {
        Self {
            only: wanted_namespaces(source),
            has_only: !source.namespaces.is_empty(),
            excluded: source.excluded.clone(),
        }
    }

    /// Whether objects of a namespace, or the namespace itself, are ours to see.
    pub(super) fn keeps(&self, namespace: &str) -> bool {
        let is_in = |list: &[String]| list.iter().any(|name| name == namespace);
        (!self.has_only || is_in(&self.only)) && !is_in(&self.excluded)
    }

    /// Path and selector, ready for more parameters.
    pub(super) fn path(&self, watch: &Watch) -> String {
        let collection = watch.resource.as_str();
        let mut path = match (&watch.namespace, watch.resource) {
            (Some(namespace), resource) if resource != Resource::Namespaces => {
                format!("/api/v1/namespaces/{}/{collection}?", escaped(namespace))
            }
            _ => format!("/api/v1/{collection}?"),
        };
        let selector = self.selector(watch);
        if !selector.is_empty() {
            path.push_str("fieldSelector=");
            path.push_str(&escaped(&selector));
            path.push('&');
        }
        path
    }

    fn selector(&self, watch: &Watch) -> String {
        let mut terms = match watch.resource {
            Resource::Pods => vec![
                "status.phase!=Succeeded".to_owned(),
                "status.phase!=Failed".to_owned(),
            ],
            Resource::Events => vec![
                "involvedObject.kind=Pod".to_owned(),
                "type=Warning".to_owned(),
                "reason=Failed".to_owned(),
            ],
            Resource::Namespaces => watch
                .namespace
                .iter()
                .map(|name| format!("metadata.name={name}"))
                .collect(),
            resource => secret_kind(resource)
                .map(|kind| format!("type={}", kind.type_name()))
                .into_iter()
                .collect(),
        };
        // Namespaces have no `metadata.namespace`: theirs are dropped on arrival.
        if watch.namespace.is_none() && watch.resource != Resource::Namespaces {
            terms.extend(
                self.excluded
                    .iter()
                    .map(|namespace| format!("metadata.namespace!={namespace}")),
            );
        }
        terms.join(",")
    }
}

/// Percent-encodes all but the unreserved characters of RFC 3986.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(namespaces: &[&str], excluded: &[&str]) -> ClusterSource {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        ClusterSource {
            namespaces: owned(namespaces),
            excluded: owned(excluded),
            ..ClusterSource::default()
        }
    }

    fn watch(resource: Resource, namespace: Option<&str>) -> Watch {
        Watch {
            resource,
            namespace: namespace.map(str::to_owned),
        }
    }

    #[test]
    fn an_excluded_namespace_is_part_of_the_selector() {
        let scope = Scope::of(&source(&[], &["kube-system", "x"]));
        let path = |resource| scope.path(&watch(resource, None));
        assert_eq!(
            path(Resource::DockerConfigJsonSecrets),
            "/api/v1/secrets?fieldSelector=type%3Dkubernetes.io%2Fdockerconfigjson\
             %2Cmetadata.namespace%21%3Dkube-system%2Cmetadata.namespace%21%3Dx&"
        );
        assert_eq!(
            path(Resource::Pods),
            "/api/v1/pods?fieldSelector=status.phase%21%3DSucceeded%2Cstatus.phase%21%3DFailed\
             %2Cmetadata.namespace%21%3Dkube-system%2Cmetadata.namespace%21%3Dx&"
        );
        assert_eq!(
            path(Resource::Events),
            "/api/v1/events?fieldSelector=involvedObject.kind%3DPod%2Ctype%3DWarning%2Creason%3DFailed\
             %2Cmetadata.namespace%21%3Dkube-system%2Cmetadata.namespace%21%3Dx&"
        );
        assert_eq!(path(Resource::Namespaces), "/api/v1/namespaces?");
        assert!(!scope.keeps("kube-system"));
        assert!(scope.keeps("default"));
    }

    #[test]
    fn some_namespaces_have_watches_of_their_own() {
        let source = source(&["b", "a", "b", "x"], &["x"]);
        let all = watches(&source);
        assert_eq!(all.len(), 12);
        assert_eq!(all[0], watch(Resource::Namespaces, Some("a")));
        assert_eq!(all[9], watch(Resource::Pods, Some("b")));
        assert_eq!(all[11], watch(Resource::Events, Some("b")));
        let scope = Scope::of(&source);
        assert_eq!(
            scope.path(&all[0]),
            "/api/v1/namespaces?fieldSelector=metadata.name%3Da&"
        );
        assert_eq!(
            scope.path(&watch(Resource::ServiceAccounts, Some("a"))),
            "/api/v1/namespaces/a/serviceaccounts?"
        );
        assert!(!scope.keeps("x") && !scope.keeps("c") && scope.keeps("a"));
    }

    #[test]
    fn many_namespaces_are_taken_from_the_whole_cluster() {
        let names: Vec<String> = (0..21).map(|n| format!("n{n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert_eq!(watches(&source(&names[..20], &[])).len(), 120);
        let all = watches(&source(&names, &[]));
        assert_eq!(all.len(), 6);
        assert!(all.iter().all(|watch| watch.namespace.is_none()));
        let scope = Scope::of(&source(&names, &[]));
        assert!(scope.keeps("n20") && !scope.keeps("other"));
    }

    #[test]
    fn excluding_all_that_is_wanted_leaves_nothing() {
        let scope = Scope::of(&source(&["a"], &["a"]));
        assert!(!scope.keeps("a") && !scope.keeps("b"));
    }
}
