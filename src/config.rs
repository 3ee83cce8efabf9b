//! What the program needs, made from what was typed.
//!
//! [`Settings`] is one immutable value: a unit of work reads it once at its start, so that nothing
//! ever sees half of a change.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use crate::domain::cluster::Which;
use crate::domain::expiry::Sources;
use crate::domain::policy::Policy;

/// Everything that can be set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where objects come from.
    pub source: Source,
    /// What is probed, how often, and whom we may contact.
    pub probe: Probe,
    /// Where declared expiry dates stand.
    pub expiry: Sources,
    /// The listeners.
    pub web: Web,
    /// Time that open requests and conversations have at shutdown.
    pub grace: Duration,
}

/// Where Secrets come from.
#[derive(Clone, Debug)]
pub enum Source {
    /// A cluster.
    Cluster(ClusterSource),
    /// Docker config files or directories of them.
    Files(Vec<PathBuf>),
}

/// How to reach the cluster, and how much of it is read.
#[derive(Clone, Debug, Default)]
pub struct ClusterSource {
    /// `--kubeconfig`; else in-cluster, `KUBECONFIG`, `~/.kube/config`.
    pub kubeconfig: Option<PathBuf>,
    /// `--context`.
    pub context: Option<String>,
    /// Only these namespaces; empty means all.
    pub namespaces: Vec<String>,
    /// Never these: part of the selectors, so that their objects are not even sent to us.
    pub excluded: Vec<String>,
}

/// Probing.
#[derive(Clone, Debug)]
pub struct Probe {
    /// Logins and manifests.
    pub interval: Duration,
    /// Anonymous pings.
    pub ping_interval: Duration,
    /// Which Secrets.
    pub which: Which,
    /// Which manifests.
    pub repositories: Repositories,
    /// Whom we may contact.
    pub policy: Policy,
    /// A login that is refused for the first time is asked once more after this, before it is
    /// believed.
    pub confirm_after: Duration,
    /// Conversations with one registry at a time.
    pub per_registry: usize,
    /// TCP and TLS together.
    pub connect_timeout: Duration,
    /// One request, from look-up to last byte.
    pub step_timeout: Duration,
}

/// `--probe.repositories`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repositories {
    /// Those that pods use, at most 50 per credential and interval, in turn.
    Used,
    /// One per credential and interval, in turn.
    One,
    /// Logins only.
    None,
}

/// The metrics listener.
#[derive(Clone, Debug)]
pub struct Web {
    /// `--web.listen-address`, repeatable.
    pub listen: Vec<SocketAddr>,
    /// `--web.telemetry-path`.
    pub telemetry_path: String,
}
