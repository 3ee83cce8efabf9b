//! Pods that cannot start, and Pods that could not be started again.

use std::fmt;

use super::by_registry::OTHER;
use super::series::{Family, Page, family};
use crate::domain::diagnosis::Detail;
use crate::domain::image::Registry;
use crate::domain::rows::{
    AtRiskRow, BlockedNodesRow, BlockedRow, CredentialRow, OwnCredentialRow, StartedNodesRow,
    WorkloadRow,
};

pub(super) const BLOCKED: Family = family(
    "pods_blocked",
    "Pods that cannot start now for want of an image, by what keeps the first container that waits",
);
pub(super) const OWN_CREDENTIAL: Family = family(
    "pods_blocked_by_own_credential",
    "Of these, those whose image anybody may pull: the login that they bring is what blocks them",
);
pub(super) const WORKLOADS: Family = family(
    "workload_blocked_pods",
    "The same Pods by what they belong to, with the kind of the cause and the Secret to look at",
);
pub(super) const AT_RISK: Family = family(
    "pods_at_risk",
    "Pods that run from an image on their node and could not be pulled on another one",
);
pub(super) const BLOCKED_NODES: Family =
    family("blocked_nodes", "Nodes on which Pods wait for an image");
pub(super) const STARTED_NODES: Family = family(
    "started_nodes",
    "Nodes that have started a container from the registry; only while Pods wait for it",
);
const CONCERNED: Family = family(
    "credential_pods",
    "Pods for which a kubelet tries the entry: all of them, those that could not be pulled again, those that wait",
);

/// Pods that wait.
pub(super) fn blocked(page: &mut Page<'_>, rows: &[&BlockedRow]) -> fmt::Result {
    page.gauges(
        BLOCKED,
        rows.iter().map(|row| {
            let labels = [
                ("pod_namespace", &*row.namespace),
                ("registry", registry(row.registry.as_ref())),
                ("cause", row.cause.as_str()),
            ];
            (labels, row.pods)
        }),
    )
}

/// Pods whose own login keeps them from a public image.
pub(super) fn own_credential(page: &mut Page<'_>, rows: &[&OwnCredentialRow]) -> fmt::Result {
    page.gauges(
        OWN_CREDENTIAL,
        rows.iter().map(|row| {
            let labels = [
                ("pod_namespace", &*row.namespace),
                ("registry", row.registry.as_str()),
            ];
            (labels, row.pods)
        }),
    )
}

/// Pods that wait, by what they belong to.
pub(super) fn workloads(page: &mut Page<'_>, rows: &[&WorkloadRow]) -> fmt::Result {
    page.gauges(
        WORKLOADS,
        rows.iter().map(|row| {
            let labels = [
                ("pod_namespace", &*row.namespace),
                ("workload_kind", &*row.workload.kind),
                ("workload_name", &*row.workload.name),
                ("registry", registry(row.registry.as_ref())),
                ("cause", row.cause.as_str()),
                ("detail", row.detail.map_or("", Detail::as_str)),
                ("secret_name", row.secret.as_deref().unwrap_or_default()),
            ];
            (labels, row.pods)
        }),
    )
}

/// Pods that could not be pulled again.
pub(super) fn at_risk(page: &mut Page<'_>, rows: &[&AtRiskRow]) -> fmt::Result {
    page.gauges(
        AT_RISK,
        rows.iter().map(|row| {
            let labels = [
                ("pod_namespace", &*row.namespace),
                ("registry", row.registry.as_str()),
                ("cause", row.cause.as_str()),
            ];
            (labels, row.pods)
        }),
    )
}

/// Whether it is one node or all.
pub(super) fn nodes(
    page: &mut Page<'_>,
    blocked: &[&BlockedNodesRow],
    started: &[&StartedNodesRow],
) -> fmt::Result {
    page.gauges(
        BLOCKED_NODES,
        blocked.iter().map(|row| {
            let labels = [
                ("registry", row.registry.as_str()),
                ("cause", row.cause.as_str()),
            ];
            (labels, row.nodes)
        }),
    )?;
    page.gauges(
        STARTED_NODES,
        started
            .iter()
            .map(|row| ([("registry", row.registry.as_str())], row.nodes)),
    )
}

/// Whom each entry concerns; at zero, too.
pub(super) fn concerned<'r>(
    page: &mut Page<'_>,
    rows: impl Iterator<Item = &'r CredentialRow>,
) -> fmt::Result {
    page.gauges(
        CONCERNED,
        rows.flat_map(|row| {
            let states = [
                ("using", row.pods.using),
                ("at_risk", row.pods.at_risk),
                ("blocked", row.pods.blocked),
            ];
            states.map(|(state, pods)| {
                let labels = [
                    ("secret_namespace", &*row.namespace),
                    ("secret_name", &*row.name),
                    ("key", &*row.key),
                    ("registry", row.registry.as_str()),
                    ("state", state),
                ];
                (labels, pods)
            })
        }),
    )
}

fn registry(registry: Option<&Registry>) -> &str {
    registry.map_or(OTHER, Registry::as_str)
}
