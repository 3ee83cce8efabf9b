//! What every form of a report for people says in the same words.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

use super::printable::printable;
use super::{Answer, Asked, Candidate, ImageReport, Line};
use crate::domain::docker_config::{Effect, FaultKind};
use crate::domain::exchange::NetworkFault;
use crate::domain::expiry::{Confidence, Expiry};
use crate::domain::outcome::Outcome;
use crate::domain::rows::Skipped;

/// What came of asking.
pub(super) fn of_line(line: &Line) -> String {
    match line.answer {
        Answer::Given(Outcome::Ok) if line.refused_manifests > 0 => {
            format!("ok, {} repositories refused", line.refused_manifests)
        }
        Answer::Given(outcome) => given(outcome, line.fault),
        Answer::Skipped(skipped) => of_skipped(skipped),
        Answer::NotNeeded => "no login needed".to_owned(),
        Answer::NotAsked => "not asked".to_owned(),
        Answer::NoRegistry => "no image in use".to_owned(),
        Answer::Useless => "-".to_owned(),
        Answer::Missing => "no answer".to_owned(),
    }
}

/// What came of a candidate.
pub(super) fn of_candidate(image: &ImageReport, candidate: &Candidate) -> String {
    match candidate.outcome {
        Some(outcome) => given(outcome, candidate.fault),
        None if candidate.is_useless => "anonymous".to_owned(),
        None => match (image.asked, candidate.skipped) {
            (Asked::Nobody, _) => "not asked".to_owned(),
            (Asked::Registries, Some(skipped)) => of_skipped(skipped),
            (Asked::Registries, None) => "no answer".to_owned(),
        },
    }
}

fn of_skipped(skipped: Skipped) -> String {
    format!("skipped: {}", skipped.as_str())
}

/// Why a kubelet has nothing to try for an image.
pub(super) fn of_no_candidate(image: &ImageReport, is_poisoned: bool) -> &'static str {
    if is_poisoned {
        "The kubelet tries no entry: one of the Secrets cannot be read, and with it none is."
    } else if image.is_cut {
        "No entry matches of those that were read: one of the Secrets is too large."
    } else {
        "No entry matches: the kubelet pulls without a credential."
    }
}

/// `tls (expired)`: what exactly stands behind an outcome, where there was no answer.
fn given(outcome: Outcome, fault: Option<NetworkFault>) -> String {
    match fault {
        Some(NetworkFault::Other) | None => outcome.as_str().to_owned(),
        Some(fault) => format!("{} ({})", outcome.as_str(), fault.as_str()),
    }
}

/// Relative, absolute, and who says so.
pub(super) fn of_expiry(expiry: &Expiry, at: DateTime<Utc>) -> String {
    let Some(date) = expiry.expires else {
        return match expiry.confidence {
            Confidence::Never => "never",
            Confidence::Exact
            | Confidence::Declared
            | Confidence::Unknown
            | Confidence::Doubtful => "-",
        }
        .to_owned();
    };
    format!(
        "{} ({}, {})",
        relative(date - at),
        date.to_rfc3339_opts(SecondsFormat::Secs, true),
        expiry.source.as_str()
    )
}

/// A date to the second, as RFC 3339 has it.
pub(super) fn absolute(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// In the largest unit that is there at least twice: `in 36 h`, `3 d ago`.
pub(super) fn relative(left: TimeDelta) -> String {
    let seconds = left.num_seconds().unsigned_abs();
    let units = [("d", 86_400), ("h", 3_600), ("min", 60)];
    let (unit, size) = units
        .into_iter()
        .find(|(_, size)| seconds >= 2 * size)
        .unwrap_or(("s", 1));
    let count = seconds / size;
    if left < TimeDelta::zero() {
        format!("{count} {unit} ago")
    } else {
        format!("in {count} {unit}")
    }
}

/// A Secret that spoils the others.
pub(super) fn of_poison((source, kind): &(String, FaultKind)) -> String {
    format!(
        "{}: the kubelet uses none of its entries, and no other pull secret of a pod that names \
         it, until {} is fixed.",
        printable(source),
        kind.as_str()
    )
}

/// What a fault means, and what the kubelet does about it.
pub(super) fn of_fault(kind: FaultKind) -> String {
    let (word, effect) = (kind.as_str(), effect(kind.effect()));
    format!("{word} ({effect}): {}", kind.explanation())
}

fn effect(effect: Effect) -> &'static str {
    match effect {
        Effect::PoisonsAll => "the kubelet drops every pull secret of the pod",
        Effect::SecretIgnored => "the kubelet finds nothing in it",
        Effect::EntryUseless => "the entry is of no use to the kubelet",
        Effect::Suspicious => "the kubelet sends it as it is",
    }
}
