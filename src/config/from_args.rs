//! From what was typed to what the program needs, with every complaint at once.

mod fail_on;
mod probe;
mod source;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::complaints::Complaints;
use super::{
    Check, Complaint, Explain, ExplainOutput, Log, LogFormat, Output, Probe, Process, Question,
    Scope, Settings, Source, Web, Which,
};
use crate::cli::{CheckArgs, ExpiryArgs, ExplainArgs, LogArgs, NodeArgs, ProbeArgs, RunArgs};
use crate::domain::cluster::ObjectName;
use crate::domain::expiry::Sources;
use crate::domain::image::Reference;
use crate::domain::node_credentials::{self, NodeCredentials};
use fail_on::fail_on;
use probe::probe;
use source::{file, kept, kubernetes_events, scope, source, watched};

/// Shorter intervals hammer, longer ones than a month are typing errors.
const INTERVALS: (Duration, Duration) = (
    Duration::from_secs(1),
    Duration::from_secs(30 * 24 * 60 * 60),
);

/// A kubelet kills after 30 s by default; the end leaves room for those who raise it.
const GRACE_PERIODS: (Duration, Duration) = (Duration::ZERO, Duration::from_secs(600));

/// Paths that the metrics listener answers itself.
const TAKEN_PATHS: [&str; 6] = [
    "/",
    "/livez",
    "/readyz",
    "/healthz",
    "/-/healthy",
    "/-/ready",
];

/// For a program that waits most of the time; each more costs a stack.
const WORKERS: usize = 2;

impl Settings {
    /// What the daemon needs, from the flags of `run`.
    pub fn try_from_args(args: &RunArgs) -> Result<Self, Vec<Complaint>> {
        let mut complaints = Complaints::default();
        let source = watched(args, &mut complaints);
        let which = match source {
            Source::Cluster(_) => Which::Referenced,
            Source::Files(_) => Which::All,
        };
        let probe = Probe {
            interval: complaints.duration("--probe.interval", &args.probe_interval, INTERVALS),
            ping_interval: complaints.duration(
                "--probe.ping-interval",
                &args.probe_ping_interval,
                INTERVALS,
            ),
            confirm_after: complaints.duration(
                "--probe.confirm-after",
                &args.probe_confirm_after,
                INTERVALS,
            ),
            ..probe(&args.probe, which, &source, &mut complaints)
        };
        let settings = Self {
            source,
            probe,
            ledger: kept(args, &mut complaints),
            kubernetes_events: kubernetes_events(args, &mut complaints),
            node_credentials: node_credentials(&args.nodes, &mut complaints),
            expiry: expiry(&args.expiry, &mut complaints),
            web: web(args, &mut complaints),
            grace: complaints.duration(
                "--shutdown.grace-period",
                &args.shutdown_grace_period,
                GRACE_PERIODS,
            ),
            log: log(&args.log, tracing::Level::INFO, &mut complaints),
            process: Process {
                workers: workers(&args.runtime_workers, &mut complaints),
                core_dumps: args.debug_allow_core_dumps,
            },
        };
        complaints.none_or(settings)
    }
}

impl Check {
    /// What `check` needs, from its flags.
    pub fn try_from_args(args: &CheckArgs) -> Result<Self, Vec<Complaint>> {
        let mut complaints = Complaints::default();
        let source = source(&args.source, &mut complaints);
        let scope = scope(args, &source, &mut complaints);
        // Who names one namespace, or a file, asks about all that is in it.
        let which = match (&source, &scope) {
            (Source::Cluster(_), Scope::AllNamespaces) => Which::Referenced,
            _ => Which::All,
        };
        let mut probe = probe(&args.probe, which, &source, &mut complaints);
        // A refusal is said as it is: nobody waits for its confirmation.
        probe.confirm_after = INTERVALS.1;
        if args.offline {
            probe.which = Which::None;
        } else if !args.image.is_empty() || !args.filename.is_empty() {
            probe.which = Which::InUse;
        }
        let manifests = manifests(args, &source, &mut complaints);
        let check = Self {
            settings: Settings {
                node_credentials: node_credentials(&args.nodes, &mut complaints),
                ..one_shot(source, probe, Parts::of(args), &mut complaints)
            },
            scope,
            images: images(&args.image, &mut complaints),
            manifests,
            offline: args.offline,
            output: complaints.one_of(
                "--output",
                &args.output,
                &[
                    ("table", Output::Table),
                    ("json", Output::Json),
                    ("junit", Output::Junit),
                ],
            ),
            fail_on: fail_on(&args.fail_on, &mut complaints),
        };
        complaints.none_or(check)
    }
}

impl Explain {
    /// What `explain` needs, from its flags.
    pub fn try_from_args(args: &ExplainArgs) -> Result<Self, Vec<Complaint>> {
        let mut complaints = Complaints::default();
        let source = source(&args.source, &mut complaints);
        if let Source::Files(_) = source {
            complaints.add("--docker-config", "there are no Pods in files");
        }
        let mut probe = probe(&args.probe, Which::Referenced, &source, &mut complaints);
        // A refusal is said as it is: nobody waits for its confirmation.
        probe.confirm_after = INTERVALS.1;
        if args.offline {
            probe.which = Which::None;
        }
        let parts = Parts {
            probe: &args.probe,
            expiry: &args.expiry,
            log: &args.log,
        };
        let explain = Self {
            question: question(args, &mut complaints),
            settings: Settings {
                node_credentials: node_credentials(&args.nodes, &mut complaints),
                ..one_shot(source, probe, parts, &mut complaints)
            },
            offline: args.offline,
            output: complaints.one_of(
                "--output",
                &args.output,
                &[("text", ExplainOutput::Text), ("json", ExplainOutput::Json)],
            ),
        };
        complaints.none_or(explain)
    }
}

/// What is asked: one thing, and only one.
fn question(args: &ExplainArgs, complaints: &mut Complaints) -> Question {
    const WHAT: &str = "explain";
    if args.node.is_some() && !args.at_risk {
        complaints.add("--node", "goes with --at-risk");
    }
    let words: Vec<_> = args.what.iter().map(String::as_str).collect();
    let pod = match &words[..] {
        [] => None,
        ["pod" | "pods", name] => match name.split_once('/') {
            Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() => {
                Some(Question::Pod(ObjectName {
                    namespace: namespace.to_owned(),
                    name: name.to_owned(),
                }))
            }
            _ => {
                complaints.about(WHAT, name, "is no NAMESPACE/NAME");
                None
            }
        },
        _ => {
            complaints.about(WHAT, &words.join(" "), "is not `pod NAMESPACE/NAME`");
            None
        }
    };
    let node = args.node.clone();
    let asked = [
        pod,
        args.all.then_some(Question::All),
        args.at_risk.then_some(Question::AtRisk { node }),
    ];
    let mut asked = asked.into_iter().flatten();
    let first = asked.next();
    if asked.next().is_some() {
        complaints.add(WHAT, "one of `pod NAMESPACE/NAME`, --all and --at-risk");
    } else if first.is_none() && words.is_empty() {
        complaints.add(WHAT, "say which: `pod NAMESPACE/NAME`, --all or --at-risk");
    }
    first.unwrap_or(Question::All)
}

/// The flags that one-shot commands share.
struct Parts<'a> {
    probe: &'a ProbeArgs,
    expiry: &'a ExpiryArgs,
    log: &'a LogArgs,
}

impl<'a> Parts<'a> {
    fn of(args: &'a CheckArgs) -> Self {
        Self {
            probe: &args.probe,
            expiry: &args.expiry,
            log: &args.log,
        }
    }
}

/// Settings of a command that looks once: no listener, and nothing that goes on.
fn one_shot(
    source: Source,
    probe: Probe,
    parts: Parts<'_>,
    complaints: &mut Complaints,
) -> Settings {
    Settings {
        source,
        probe,
        ledger: file(parts.probe.state_file.as_deref()).unwrap_or_default(),
        kubernetes_events: false,
        node_credentials: NodeCredentials::default(),
        expiry: expiry(parts.expiry, complaints),
        web: Web {
            listen: Vec::new(),
            telemetry_path: String::new(),
            status: None,
        },
        grace: Duration::ZERO,
        log: log(parts.log, tracing::Level::WARN, complaints),
        process: Process {
            workers: WORKERS,
            core_dumps: false,
        },
    }
}

fn expiry(args: &ExpiryArgs, complaints: &mut Complaints) -> Sources {
    Sources {
        annotations: names("--expiry.annotation", &args.annotation, complaints),
        data_keys: names("--expiry.data-key", &args.data_key, complaints),
    }
}

fn node_credentials(args: &NodeArgs, complaints: &mut Complaints) -> NodeCredentials {
    const FLAG: &str = "--node-credentials";
    let mut credentials = NodeCredentials::only([]);
    for pattern in given(&args.node_credentials) {
        if pattern == NodeCredentials::CLOUDS {
            credentials = credentials.with(NodeCredentials::default().patterns().to_vec());
        } else if node_credentials::is_pattern(pattern) {
            credentials = credentials.with([pattern.to_owned()]);
        } else {
            complaints.about(FLAG, pattern, "is no pattern that a kubelet could read");
        }
    }
    credentials
}

/// Names of annotations or data keys: a prefix and a slash at most, nothing odd.
fn names(flag: &'static str, names: &[String], complaints: &mut Complaints) -> Vec<String> {
    let is_odd = |byte: u8| !(byte.is_ascii_alphanumeric() || b"-_./".contains(&byte));
    for name in given(names) {
        if name.len() > 317 || name.bytes().any(is_odd) || name.matches('/').count() > 1 {
            complaints.about(flag, name, "is no name of an annotation or data key");
        } else if name.starts_with(".docker") {
            complaints.about(flag, name, "is the docker config itself");
        }
    }
    given(names).map(str::to_owned).collect()
}

fn web(args: &RunArgs, complaints: &mut Complaints) -> Web {
    const LISTEN: &str = "--web.listen-address";
    const PATH: &str = "--web.telemetry-path";
    let mut listen = Vec::new();
    for address in given(&args.web_listen_address) {
        match listen_address(address) {
            Some(address) => listen.push(address),
            None => complaints.about(
                LISTEN,
                address,
                "is no HOST:PORT or :PORT, HOST an IP address",
            ),
        }
    }
    if given(&args.web_listen_address).next().is_none() {
        complaints.add(LISTEN, "is empty");
    }
    let telemetry_path = args.web_telemetry_path.clone();
    let is_odd = |byte: u8| byte.is_ascii_control() || b" ?#\"<>\\".contains(&byte);
    if !telemetry_path.starts_with('/')
        || !telemetry_path.is_ascii()
        || telemetry_path.bytes().any(is_odd)
    {
        complaints.about(PATH, &telemetry_path, "is no path such as /metrics");
    } else if TAKEN_PATHS.contains(&telemetry_path.as_str()) {
        complaints.about(PATH, &telemetry_path, "has another page already");
    }
    Web {
        listen,
        telemetry_path,
        status: status(args, complaints),
    }
}

/// Empty turns it off.
fn status(args: &RunArgs, complaints: &mut Complaints) -> Option<SocketAddr> {
    let text = args.status_listen_address.trim();
    if text.is_empty() {
        return None;
    }
    let address = listen_address(text);
    if address.is_none() {
        let problem = "is no HOST:PORT or :PORT, HOST an IP address";
        complaints.about("--status.listen-address", text, problem);
    }
    address
}

/// `:PORT` is every address, IPv4 ones too, as in Go.
fn listen_address(text: &str) -> Option<SocketAddr> {
    let port = |port: &str| port.parse::<u16>().ok();
    match text.rsplit_once(':') {
        Some(("", number)) => Some((Ipv6Addr::UNSPECIFIED, port(number)?).into()),
        Some(("localhost", number)) => Some((Ipv4Addr::LOCALHOST, port(number)?).into()),
        _ => text.parse().ok(),
    }
}

fn log(args: &LogArgs, level: tracing::Level, complaints: &mut Complaints) -> Log {
    use tracing::Level;

    let levels = [
        ("error", Level::ERROR),
        ("warn", Level::WARN),
        ("info", Level::INFO),
        ("debug", Level::DEBUG),
        ("trace", Level::TRACE),
    ];
    Log {
        format: complaints.one_of(
            "--log.format",
            &args.format,
            &[("logfmt", LogFormat::Logfmt), ("json", LogFormat::Json)],
        ),
        level: match args.level.as_deref().filter(|level| !level.is_empty()) {
            Some(named) => complaints.one_of("--log.level", named, &levels),
            None => level,
        },
        unsafe_wire: args.unsafe_wire,
    }
}

fn workers(text: &str, complaints: &mut Complaints) -> usize {
    match text.parse() {
        Ok(workers) if (1..=64).contains(&workers) => workers,
        _ => {
            complaints.about("--runtime.workers", text, "is no number from 1 to 64");
            WORKERS
        }
    }
}

/// What is to be applied is held against a cluster, and asked about alone.
fn manifests(args: &CheckArgs, source: &Source, complaints: &mut Complaints) -> Vec<PathBuf> {
    const FLAG: &str = "--filename";
    if args.filename.is_empty() {
        return Vec::new();
    }
    if let Source::Files(_) = source {
        complaints.add(FLAG, "there is no cluster where --docker-config is given");
    }
    if !args.image.is_empty() {
        complaints.add(FLAG, "excludes --image");
    }
    if args
        .fail_on
        .iter()
        .any(|word| word.trim().starts_with("expires="))
    {
        let problem = "`expires` is about credentials, and --filename about workloads";
        complaints.add("--fail-on", problem);
    }
    args.filename.clone()
}

fn images(images: &[String], complaints: &mut Complaints) -> Vec<Reference> {
    let mut references = Vec::new();
    for image in images {
        match Reference::parse(image) {
            Ok(reference) => references.push(reference),
            Err(error) => complaints.about("--image", image, &format!("cannot be pulled: {error}")),
        }
    }
    references
}

/// The values that are not empty.
fn given(values: &[String]) -> impl Iterator<Item = &str> {
    values
        .iter()
        .map(|value| value.trim())
        .filter(|value| !value.is_empty())
}
