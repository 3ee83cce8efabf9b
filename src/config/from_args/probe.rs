//! What is probed, and whom we may contact.

use std::time::Duration;

use super::{INTERVALS, given};
use crate::cli::ProbeArgs;
use crate::config::complaints::Complaints;
use crate::config::{Probe, Repositories, Source, Which};
use crate::domain::policy::{Loopback, Policy, Private, Target};

/// Conversations with one registry at a time: a burst that a small Harbor bears.
const PER_REGISTRY: usize = 4;

/// TCP and TLS together: SYNs go out at 0, 1 and 3 seconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A refusal may be the registry's bad minute; two five minutes apart are not (docs/promises.md).
const CONFIRM_AFTER: Duration = Duration::from_secs(5 * 60);

/// One request. Harbor alone sleeps 1.5 s after a failed login, Quay backs off exponentially.
const STEP_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) fn probe(
    args: &ProbeArgs,
    which: Which,
    source: &Source,
    complaints: &mut Complaints,
) -> Probe {
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
        api_servers: Vec::new(),
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
