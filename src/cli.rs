//! What was typed: the flags of each command, their environment names and their help.
//!
//! Values stay text here and are read by `config`, so that wrong usage is told with every complaint
//! at once. No flag takes a password: arguments are seen by everybody on the machine.

mod read;

use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{Args, Parser, Subcommand};
pub use read::{Stop, definition};

/// Says for each image pull secret whether its logins work, until when, and what is wrong with it
#[derive(Clone, Debug, Parser)]
#[command(
    name = "regcred-exporter",
    version,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true,
    max_term_width = 100
)]
pub struct Cli {
    /// What to do; `run` when nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The flags of `run`, when nothing is said.
    #[command(flatten)]
    pub run: RunArgs,
}

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Watch the cluster, or docker config files, and serve metrics (the default)
    Run(Box<RunArgs>),
    /// Look once, say what works, and exit
    #[command(after_help = CHECK_EXIT_CODES)]
    Check(Box<CheckArgs>),
    /// Say why Pods cannot pull, or could not be pulled again, and what to do
    #[command(after_help = EXPLAIN_EXIT_CODES)]
    Explain(Box<ExplainArgs>),
    /// Read messages about failed pulls from stdin, one a line, and say what each means
    #[command(after_help = CLASSIFY_READS)]
    Classify,
    /// Read flags and environment as `run` does, and print the settings they give
    CheckConfig(Box<RunArgs>),
}

const CHECK_EXIT_CODES: &str = "\
Exit codes:
  0   all that was asked for works, but for what --fail-on does not name
  1   something was found that --fail-on names; by default a login that is refused or expired, a
      useless entry, a listed Secret that is missing, an image that no entry matches; or nothing
      could be begun: no kubeconfig, an unreadable CA
  2   none of that, but something could not be told (no answer, an unreadable file), or the answer
      could not be written
  64  wrong usage";

const EXPLAIN_EXIT_CODES: &str = "\
Exit codes:
  0   nothing is found of what was asked about
  1   something is found whose cause is proven; or nothing could be begun: no kubeconfig, no such Pod
  2   none of that, but something waits whose cause is not proven, or something could not be read, or
      the answer could not be written
  64  wrong usage";

const CLASSIFY_READS: &str = "\
A line is a message as kubelet, runtime or kubectl write it, or a JSON object with that in `message`,
such as an event. Of a line 64 KiB are read. Each has one line of JSON as its answer: `reason`;
`registry`, the host whose answer decided; `image`, as written there; null where the text has none.

Exit codes:
  0   every line has its answer
  2   stdin could not be read, or stdout not written
  64  wrong usage";

/// Flags of the daemon.
#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    /// Where objects come from.
    #[command(flatten)]
    pub source: SourceArgs,

    /// Watch only these namespaces
    #[arg(
        long = "namespaces",
        env = "REGCRED_NAMESPACES",
        value_name = "NS,...",
        value_delimiter = ',',
        help_heading = CLUSTER
    )]
    pub namespaces: Vec<String>,

    /// Never read these namespaces
    #[arg(
        long = "exclude-namespaces",
        env = "REGCRED_EXCLUDE_NAMESPACES",
        value_name = "NS,...",
        value_delimiter = ',',
        help_heading = CLUSTER
    )]
    pub exclude_namespaces: Vec<String>,

    /// Write an Event on a Secret whose credential expires soon, has expired or is refused, or that is
    /// malformed; needs the rights to create and patch Events
    #[arg(
        long = "kubernetes-events",
        env = "REGCRED_KUBERNETES_EVENTS",
        value_parser = BoolishValueParser::new(),
        help_heading = CLUSTER
    )]
    pub kubernetes_events: bool,

    /// Time between two logins with a credential, and between two looks at a manifest
    #[arg(
        long = "probe.interval",
        env = "REGCRED_PROBE_INTERVAL",
        value_name = "DURATION",
        default_value = "15m",
        help_heading = PROBING
    )]
    pub probe_interval: String,

    /// Time between two anonymous pings of a registry
    #[arg(
        long = "probe.ping-interval",
        env = "REGCRED_PROBE_PING_INTERVAL",
        value_name = "DURATION",
        default_value = "1m",
        help_heading = PROBING
    )]
    pub probe_ping_interval: String,

    /// Time after which a login that was refused for the first time is tried once more, before it
    /// is believed
    #[arg(
        long = "probe.confirm-after",
        env = "REGCRED_PROBE_CONFIRM_AFTER",
        value_name = "DURATION",
        default_value = "5m",
        help_heading = PROBING
    )]
    pub probe_confirm_after: String,

    /// Keep the ledger of refused logins in this Lease, which is made where it is not there
    #[arg(
        long = "lease",
        env = "REGCRED_LEASE",
        value_name = "NAMESPACE/NAME",
        help_heading = PROBING
    )]
    pub lease: Option<String>,

    /// What is probed, and whom we may contact.
    #[command(flatten)]
    pub probe: ProbeArgs,

    /// What nodes have themselves.
    #[command(flatten)]
    pub nodes: NodeArgs,

    /// Where declared dates stand.
    #[command(flatten)]
    pub expiry: ExpiryArgs,

    /// Address to serve the status page on, `HOST:PORT` or `:PORT`; it shows every tenant's names, and
    /// kubectl port-forward reaches it; empty turns it off
    #[arg(
        long = "status.listen-address",
        env = "REGCRED_STATUS_LISTEN_ADDRESS",
        value_name = "ADDRESS",
        default_value = "127.0.0.1:10188",
        help_heading = WEB
    )]
    pub status_listen_address: String,

    /// Address to serve metrics on, `HOST:PORT` or `:PORT`; repeatable
    #[arg(
        long = "web.listen-address",
        env = "REGCRED_WEB_LISTEN_ADDRESS",
        value_name = "ADDRESS",
        value_delimiter = ',',
        default_value = ":10187",
        help_heading = WEB
    )]
    pub web_listen_address: Vec<String>,

    /// Path of the metrics
    #[arg(
        long = "web.telemetry-path",
        env = "REGCRED_WEB_TELEMETRY_PATH",
        value_name = "PATH",
        default_value = "/metrics",
        help_heading = WEB
    )]
    pub web_telemetry_path: String,

    /// The log.
    #[command(flatten)]
    pub log: LogArgs,

    /// Threads that do the work
    #[arg(
        long = "runtime.workers",
        env = "REGCRED_RUNTIME_WORKERS",
        value_name = "N",
        default_value = "2",
        help_heading = PROCESS
    )]
    pub runtime_workers: String,

    /// Time that open requests and conversations have at shutdown
    #[arg(
        long = "shutdown.grace-period",
        env = "REGCRED_SHUTDOWN_GRACE_PERIOD",
        value_name = "DURATION",
        default_value = "20s",
        help_heading = PROCESS
    )]
    pub shutdown_grace_period: String,

    /// Leave core dumps and ptrace on: a dump holds every password
    #[arg(
        long = "debug.allow-core-dumps",
        env = "REGCRED_DEBUG_ALLOW_CORE_DUMPS",
        value_parser = BoolishValueParser::new(),
        help_heading = PROCESS
    )]
    pub debug_allow_core_dumps: bool,
}

/// Flags of `check`.
#[derive(Args, Clone, Debug)]
pub struct CheckArgs {
    /// Where objects come from.
    #[command(flatten)]
    pub source: SourceArgs,

    /// Look at this namespace instead of the one of the current context
    #[arg(short = 'n', long = "namespace", value_name = "NS", help_heading = CLUSTER)]
    pub namespace: Option<String>,

    /// Look at all namespaces
    #[arg(short = 'A', long = "all-namespaces", help_heading = CLUSTER)]
    pub all_namespaces: bool,

    /// Say which entries the kubelet would try for this image, in order, and what each answers;
    /// repeatable
    #[arg(long = "image", value_name = "REF", num_args = 1..)]
    pub image: Vec<String>,

    /// Say whether the workloads of this manifest could pull their images, with what the cluster and
    /// the manifest hold; a directory too, or `-` for stdin; repeatable
    #[arg(short = 'f', long = "filename", value_name = "PATH")]
    pub filename: Vec<PathBuf>,

    /// Contact no registry: faults and dates only
    #[arg(long = "offline")]
    pub offline: bool,

    /// What makes the exit code 1: `refused`, `fault`, `missing`, `no-candidate`, `inconclusive`,
    /// `expires=DURATION`, or `none`; repeatable, replaces the default
    #[arg(
        long = "fail-on",
        env = "REGCRED_FAIL_ON",
        value_name = "FINDING,...",
        value_delimiter = ',',
        default_value = "refused,fault,missing,no-candidate"
    )]
    pub fail_on: Vec<String>,

    /// `table`, `json` or `junit`
    #[arg(
        short = 'o',
        long = "output",
        value_name = "FORMAT",
        default_value = "table"
    )]
    pub output: String,

    /// What is probed, and whom we may contact.
    #[command(flatten)]
    pub probe: ProbeArgs,

    /// What nodes have themselves.
    #[command(flatten)]
    pub nodes: NodeArgs,

    /// Where declared dates stand.
    #[command(flatten)]
    pub expiry: ExpiryArgs,

    /// The log.
    #[command(flatten)]
    pub log: LogArgs,
}

/// Flags of `explain`.
#[derive(Args, Clone, Debug)]
pub struct ExplainArgs {
    /// `pod NAMESPACE/NAME`: that Pod
    #[arg(value_name = "pod NS/NAME", num_args = 0..)]
    pub what: Vec<String>,

    /// Every Pod that waits for an image
    #[arg(long = "all")]
    pub all: bool,

    /// Pods that run and could not be pulled again: may their node be drained?
    #[arg(long = "at-risk")]
    pub at_risk: bool,

    /// With --at-risk: Pods of this node only
    #[arg(long = "node", value_name = "NODE")]
    pub node: Option<String>,

    /// Contact no registry: what no answer proves is `unknown`
    #[arg(long = "offline")]
    pub offline: bool,

    /// `text` or `json`
    #[arg(
        short = 'o',
        long = "output",
        value_name = "FORMAT",
        default_value = "text"
    )]
    pub output: String,

    /// Where objects come from.
    #[command(flatten)]
    pub source: SourceArgs,

    /// What is probed, and whom we may contact.
    #[command(flatten)]
    pub probe: ProbeArgs,

    /// What nodes have themselves.
    #[command(flatten)]
    pub nodes: NodeArgs,

    /// Where declared dates stand.
    #[command(flatten)]
    pub expiry: ExpiryArgs,

    /// The log.
    #[command(flatten)]
    pub log: LogArgs,
}

const CLUSTER: &str = "Cluster";
const PROBING: &str = "Probing";
const DATES: &str = "Dates";
const WEB: &str = "Web";
const LOG: &str = "Log";
const PROCESS: &str = "Process";

/// Where objects come from.
#[derive(Args, Clone, Debug)]
pub struct SourceArgs {
    /// Read this docker config file, or each of this directory, instead of a cluster; repeatable
    #[arg(
        long = "docker-config",
        env = "REGCRED_DOCKER_CONFIG",
        value_name = "PATH"
    )]
    pub docker_config: Vec<PathBuf>,

    /// Kubeconfig file; without it the cluster we run in, `KUBECONFIG`, or ~/.kube/config
    #[arg(
        long = "kubeconfig",
        env = "REGCRED_KUBECONFIG",
        value_name = "PATH",
        help_heading = CLUSTER
    )]
    pub kubeconfig: Option<PathBuf>,

    /// Context of the kubeconfig, instead of its current one
    #[arg(long = "context", env = "REGCRED_CONTEXT", value_name = "NAME", help_heading = CLUSTER)]
    pub context: Option<String>,
}

/// What is probed, and whom we may contact.
#[derive(Args, Clone, Debug)]
pub struct ProbeArgs {
    /// Secrets to log in with: `referenced` by a Pod or ServiceAccount, `all`, or `none`; by
    /// default `referenced`, and `all` of a file or of the one namespace that `check` looks at
    #[arg(
        long = "probe.which",
        env = "REGCRED_PROBE_WHICH",
        value_name = "WHICH",
        help_heading = PROBING
    )]
    pub which: Option<String>,

    /// Manifests to ask for: those that Pods have `used`, `one` of them in turn, or `none`
    #[arg(
        long = "probe.repositories",
        env = "REGCRED_PROBE_REPOSITORIES",
        value_name = "REPOSITORIES",
        default_value = "used",
        help_heading = PROBING
    )]
    pub repositories: String,

    /// Contact this host or network, whatever address it has; the API server and ports of cluster
    /// components only as HOST:PORT; repeatable
    #[arg(
        long = "probe.allow",
        env = "REGCRED_PROBE_ALLOW",
        value_name = "HOST|CIDR",
        value_delimiter = ',',
        help_heading = PROBING
    )]
    pub allow: Vec<String>,

    /// Never contact this host or network; wins over --probe.allow; repeatable
    #[arg(
        long = "probe.deny",
        env = "REGCRED_PROBE_DENY",
        value_name = "HOST|CIDR",
        value_delimiter = ',',
        help_heading = PROBING
    )]
    pub deny: Vec<String>,

    /// Registries that may have private addresses: those `used` by an image of a Pod, `all`, or
    /// `none`; by default `used`, and `all` with files
    #[arg(
        long = "probe.private",
        env = "REGCRED_PROBE_PRIVATE",
        value_name = "PRIVATE",
        help_heading = PROBING
    )]
    pub private: Option<String>,

    /// Keep the ledger of refused logins in this file, so that no restart makes us send a wrong
    /// password too often; several processes may share it
    #[arg(
        long = "state-file",
        env = "REGCRED_STATE_FILE",
        value_name = "PATH",
        help_heading = PROBING
    )]
    pub state_file: Option<PathBuf>,

    /// Speak plain HTTP to this host: passwords go over the network as they are; repeatable
    #[arg(
        long = "probe.plain-http",
        env = "REGCRED_PROBE_PLAIN_HTTP",
        value_name = "HOST",
        value_delimiter = ',',
        help_heading = PROBING
    )]
    pub plain_http: Vec<String>,
}

/// Where declared dates stand.
#[derive(Args, Clone, Debug)]
pub struct ExpiryArgs {
    /// Annotation of a Secret that says until when its credentials work, as RFC 3339, a day or Unix
    /// seconds; the first that is there counts; repeatable, replaces the default
    #[arg(
        long = "expiry.annotation",
        env = "REGCRED_EXPIRY_ANNOTATION",
        value_name = "NAME",
        value_delimiter = ',',
        default_value = "regcred-exporter.io/expires-at",
        help_heading = DATES
    )]
    pub annotation: Vec<String>,

    /// Data key of a Secret that says the same; repeatable, replaces the default
    #[arg(
        long = "expiry.data-key",
        env = "REGCRED_EXPIRY_DATA_KEY",
        value_name = "KEY",
        value_delimiter = ',',
        default_value = "expires_at,expiry",
        help_heading = DATES
    )]
    pub data_key: Vec<String>,
}

/// What nodes have themselves.
#[derive(Args, Clone, Debug)]
pub struct NodeArgs {
    /// Images that nodes may have a credential of their own for, as `matchImages` of a kubelet's
    /// CredentialProviderConfig has them; `clouds` stands for ECR, Artifact Registry, GCR and ACR. A
    /// Pod without a pull secret for them is not called wrong; repeatable, replaces the default
    #[arg(
        long = "node-credentials",
        env = "REGCRED_NODE_CREDENTIALS",
        value_name = "PATTERN",
        value_delimiter = ',',
        default_value = "clouds",
        help_heading = CLUSTER
    )]
    pub node_credentials: Vec<String>,
}

/// The log, on stderr.
#[derive(Args, Clone, Debug)]
pub struct LogArgs {
    /// `logfmt` or `json`
    #[arg(
        long = "log.format",
        env = "REGCRED_LOG_FORMAT",
        value_name = "FORMAT",
        default_value = "logfmt",
        help_heading = LOG
    )]
    pub format: String,

    /// `error`, `warn`, `info`, `debug` or `trace`; by default `info`, and `warn` for `check`
    #[arg(
        long = "log.level",
        env = "REGCRED_LOG_LEVEL",
        value_name = "LEVEL",
        help_heading = LOG
    )]
    pub level: Option<String>,

    /// Let the HTTP and TLS libraries log below `info`: what goes over the wire is in it
    #[arg(
        long = "log.unsafe-wire",
        env = "REGCRED_LOG_UNSAFE_WIRE",
        value_parser = BoolishValueParser::new(),
        help_heading = LOG
    )]
    pub unsafe_wire: bool,
}
