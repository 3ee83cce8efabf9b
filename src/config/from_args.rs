//! From what was typed to what the program needs, with every complaint at once.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::complaints::Complaints;
use super::{
    Check, ClusterSource, Complaint, Log, LogFormat, Output, Probe, Process, Repositories, Scope,
    Settings, Source, Web, Which,
};
use crate::cli::{CheckArgs, ExpiryArgs, LogArgs, ProbeArgs, RunArgs, SourceArgs};
use crate::domain::expiry::Sources;
use crate::domain::image::Reference;
use crate::domain::policy::{Loopback, Policy, Private, Target};

/// Conversations with one registry at a time: a burst that a small Harbor bears.
const PER_REGISTRY: usize = 4;

/// TCP and TLS together: SYNs go out at 0, 1 and 3 seconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A refusal may be the registry's bad minute; two five minutes apart are not (contract section 6).
const CONFIRM_AFTER: Duration = Duration::from_secs(5 * 60);

/// One request. Harbor alone sleeps 1.5 s after a failed login, Quay backs off exponentially.
const STEP_TIMEOUT: Duration = Duration::from_secs(10);

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
        if args.offline {
            probe.which = Which::None;
        }
        let check = Self {
            settings: Settings {
                source,
                probe,
                expiry: expiry(&args.expiry, &mut complaints),
                web: Web {
                    listen: Vec::new(),
                    telemetry_path: String::new(),
                },
                grace: Duration::ZERO,
                log: log(&args.log, tracing::Level::WARN, &mut complaints),
                process: Process {
                    workers: WORKERS,
                    core_dumps: false,
                },
            },
            scope,
            images: images(&args.image, &mut complaints),
            offline: args.offline,
            output: complaints.one_of(
                "--output",
                &args.output,
                &[("table", Output::Table), ("json", Output::Json)],
            ),
        };
        complaints.none_or(check)
    }
}

/// Files when one is named, else the cluster. Empty values, as templates leave them in the
/// environment, count as not given, here and below.
fn source(args: &SourceArgs, complaints: &mut Complaints) -> Source {
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
fn watched(args: &RunArgs, complaints: &mut Complaints) -> Source {
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

fn scope(args: &CheckArgs, source: &Source, complaints: &mut Complaints) -> Scope {
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

fn probe(args: &ProbeArgs, which: Which, source: &Source, complaints: &mut Complaints) -> Probe {
    let names = [
        ("referenced", Which::Referenced),
        ("all", Which::All),
        ("none", Which::None),
    ];
    let which = match args.which.as_deref().filter(|which| !which.is_empty()) {
        Some(named) => complaints.one_of("--probe.which", named, &names),
        None => which,
    };
    let repositories = complaints.one_of(
        "--probe.repositories",
        &args.repositories,
        &[
            ("used", Repositories::Used),
            ("one", Repositories::One),
            ("none", Repositories::None),
        ],
    );
    Probe {
        // One pass has no intervals; the daemon sets its own.
        interval: INTERVALS.1,
        ping_interval: INTERVALS.1,
        which,
        repositories,
        policy: policy(args, source, complaints),
        confirm_after: CONFIRM_AFTER,
        per_registry: PER_REGISTRY,
        connect_timeout: CONNECT_TIMEOUT,
        step_timeout: STEP_TIMEOUT,
    }
}

/// Whom we may contact. A file is the user's own and so is the machine: its loopback and private
/// registries are meant. In a cluster, loopback is the node's and private addresses are the
/// operator's: what a tenant's Secret names is not allowed to lead there.
fn policy(args: &ProbeArgs, source: &Source, complaints: &mut Complaints) -> Policy {
    let (private, loopback) = match source {
        Source::Cluster(_) => (Private::Used, Loopback::Refused),
        Source::Files(_) => (Private::All, Loopback::Allowed),
    };
    let names = [
        ("used", Private::Used),
        ("all", Private::All),
        ("none", Private::None),
    ];
    Policy {
        allow: targets("--probe.allow", &args.allow, complaints),
        deny: targets("--probe.deny", &args.deny, complaints),
        plain_http: targets("--probe.plain-http", &args.plain_http, complaints),
        private: match args.private.as_deref().filter(|named| !named.is_empty()) {
            Some(named) => complaints.one_of("--probe.private", named, &names),
            None => private,
        },
        loopback,
    }
}

fn targets(flag: &'static str, texts: &[String], complaints: &mut Complaints) -> Vec<Target> {
    let mut targets = Vec::new();
    for text in given(texts) {
        match text.parse() {
            Ok(target) => targets.push(target),
            Err(error) => complaints.about(flag, text, &format!("names nobody: {error}")),
        }
    }
    targets
}

fn expiry(args: &ExpiryArgs, complaints: &mut Complaints) -> Sources {
    Sources {
        annotations: names("--expiry.annotation", &args.annotation, complaints),
        data_keys: names("--expiry.data-key", &args.data_key, complaints),
    }
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
    }
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
