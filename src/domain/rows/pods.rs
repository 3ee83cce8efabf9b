//! Rows about Pods: how many wait, why, and whom it concerns.

use std::sync::Arc;

use crate::domain::cause::Cause;
use crate::domain::diagnosis::Detail;
use crate::domain::image::Registry;
use crate::domain::owner::Workload;

/// Everything that is shown of Pods.
#[derive(Debug, Default)]
pub struct PodRows {
    /// Pods that cannot start, by namespace, registry and cause.
    pub blocked: Vec<BlockedRow>,
    /// Of these, those whose image is public.
    pub own_credential: Vec<OwnCredentialRow>,
    /// The same Pods by what they belong to.
    pub workloads: Vec<WorkloadRow>,
    /// Pods that run and could not be pulled again.
    pub at_risk: Vec<AtRiskRow>,
    /// Nodes on which Pods wait.
    pub blocked_nodes: Vec<BlockedNodesRow>,
    /// Nodes that have started something from a registry that Pods wait for.
    pub started_nodes: Vec<StartedNodesRow>,
}

/// Pods that wait for an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockedRow {
    /// `pod_namespace`.
    pub namespace: Arc<str>,
    /// `registry`; `None` where the image's name is none.
    pub registry: Option<Registry>,
    /// `cause`.
    pub cause: Cause,
    /// How many.
    pub pods: u64,
}

/// Pods that wait for a public image since their own login is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnCredentialRow {
    /// `pod_namespace`.
    pub namespace: Arc<str>,
    /// `registry`.
    pub registry: Registry,
    /// How many.
    pub pods: u64,
}

/// Pods of one workload that wait for an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkloadRow {
    /// `pod_namespace`.
    pub namespace: Arc<str>,
    /// `workload_kind` and `workload_name`.
    pub workload: Workload,
    /// `registry`; `None` where the image's name is none.
    pub registry: Option<Registry>,
    /// `cause`.
    pub cause: Cause,
    /// `detail`.
    pub detail: Option<Detail>,
    /// `secret_name`: the Secret that is to be looked at.
    pub secret: Option<Arc<str>>,
    /// How many.
    pub pods: u64,
}

/// Pods that run from an image on their node, and could not be pulled on another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AtRiskRow {
    /// `pod_namespace`.
    pub namespace: Arc<str>,
    /// `registry`.
    pub registry: Registry,
    /// `cause`.
    pub cause: Cause,
    /// How many.
    pub pods: u64,
}

/// Nodes on which Pods wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockedNodesRow {
    /// `registry`.
    pub registry: Registry,
    /// `cause`.
    pub cause: Cause,
    /// Distinct nodes.
    pub nodes: u64,
}

/// Nodes that have started a container from a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartedNodesRow {
    /// `registry`.
    pub registry: Registry,
    /// Distinct nodes.
    pub nodes: u64,
}

/// Whom an entry concerns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PodCounts {
    /// Pods for which the kubelet tries it.
    pub using: u64,
    /// Of these, those that run and could not be pulled again.
    pub at_risk: u64,
    /// Of these, those that wait.
    pub blocked: u64,
}
