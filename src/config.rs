//! What the program needs, made from what was typed.
//!
//! [`Settings`] is one immutable value: a unit of work reads it once at its start, so that nothing
//! ever sees half of a change.

mod complaints;
mod duration;
mod effective;
mod from_args;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use crate::domain::cluster::ObjectName;
pub use crate::domain::cluster::Which;
use crate::domain::expiry::Sources;
pub use crate::domain::findings::Question;
use crate::domain::image::Reference;
use crate::domain::node_credentials::NodeCredentials;
use crate::domain::policy::{ApiServer, Policy};
use crate::domain::shortcoming::FailOn;

/// Everything that can be set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where objects come from.
    pub source: Source,
    /// What is probed, how often, and whom we may contact.
    pub probe: Probe,
    /// Where refused logins are remembered.
    pub ledger: Ledger,
    /// `--kubernetes-events`: owners of Secrets are told by Events.
    pub kubernetes_events: bool,
    /// What nodes have themselves.
    pub node_credentials: NodeCredentials,
    /// Where declared expiry dates stand.
    pub expiry: Sources,
    /// The listeners.
    pub web: Web,
    /// Time that open requests and conversations have at shutdown.
    pub grace: Duration,
    /// What is logged, and how.
    pub log: Log,
    /// What the process itself is given.
    pub process: Process,
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

impl Probe {
    /// The same, knowing what no registry is; the way to the cluster tells.
    #[must_use]
    pub fn apart_from(&self, api_servers: Vec<ApiServer>) -> Self {
        let mut probe = self.clone();
        probe.policy.api_servers = api_servers;
        probe
    }
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

/// Where the ledger of refused logins is kept while the process is away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Ledger {
    /// Nowhere: it dies with the process.
    #[default]
    None,
    /// `--lease`: in an annotation of this Lease.
    Lease(ObjectName),
    /// `--state-file`.
    File(PathBuf),
}

/// The listeners.
#[derive(Clone, Debug)]
pub struct Web {
    /// `--web.listen-address`, repeatable.
    pub listen: Vec<SocketAddr>,
    /// `--web.telemetry-path`.
    pub telemetry_path: String,
    /// `--status.listen-address`; none turns it off.
    pub status: Option<SocketAddr>,
}

/// The log, on stderr.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log {
    /// `--log.format`.
    pub format: LogFormat,
    /// `--log.level`.
    pub level: tracing::Level,
    /// `--log.unsafe-wire`: HTTP and TLS libraries may speak below INFO.
    pub unsafe_wire: bool,
}

/// `--log.format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// `key=value`.
    Logfmt,
    /// One JSON object a line.
    Json,
}

/// What the process itself is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    /// Threads that do the work.
    pub workers: usize,
    /// `--debug.allow-core-dumps`.
    pub core_dumps: bool,
}

/// What `check` was asked.
#[derive(Clone, Debug)]
pub struct Check {
    /// The same as the daemon's.
    pub settings: Settings,
    /// How much of the cluster; of no meaning with files.
    pub scope: Scope,
    /// Which images; without any, and without manifests, all credentials.
    pub images: Vec<Reference>,
    /// Workloads that are not applied yet.
    pub manifests: Vec<PathBuf>,
    /// No registry is contacted.
    pub offline: bool,
    /// How the answer is written.
    pub output: Output,
    /// Which shortcomings make it fail.
    pub fail_on: FailOn,
}

/// What `explain` needs.
#[derive(Clone, Debug)]
pub struct Explain {
    /// The same as the daemon's.
    pub settings: Settings,
    /// What is asked.
    pub question: Question,
    /// No registry is contacted.
    pub offline: bool,
    /// How the answer is written.
    pub output: ExplainOutput,
}

/// `explain --output`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExplainOutput {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// How much of the cluster `check` looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The namespace of the kubeconfig's current context, else `default`.
    CurrentNamespace,
    /// One namespace.
    Namespace(String),
    /// All of them.
    AllNamespaces,
}

/// `check --output`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// For people.
    Table,
    /// For machines.
    Json,
    /// For CI systems.
    Junit,
}

/// What is wrong with one flag. Whoever typed it can fix it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{flag}: {problem}")]
pub struct Complaint {
    /// The flag, with its dashes.
    pub flag: &'static str,
    /// Its value's problem.
    pub problem: String,
}
