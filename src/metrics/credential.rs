//! What is known of each credential, each Secret and each name that leads nowhere.

use std::fmt;

use chrono::{DateTime, Utc};

use super::pods;
use super::series::{Family, Label, Page, family, seconds};
use crate::domain::cluster::Mark;
use crate::domain::exchange::Step;
use crate::domain::outcome::Outcome;
use crate::domain::rows::{CredentialRow, GroupRow, ReferenceRow, RegistryRow, SecretRow};

pub(super) const INFO: Family = family(
    "credential_info",
    "An entry of a pull secret; credential joins it with what is true of the credential itself, once however many Secrets hold it",
);
const VALID: Family = family(
    "credential_valid",
    "Last conclusive answer to the login: 1 works, 0 is refused or past its date; absent before the first",
);
const SKIPPED: Family = family(
    "credential_skipped",
    "The credential is not probed, and why",
);
const EXPIRES: Family = family(
    "credential_expiry_timestamp_seconds",
    "Unix time at which the credential stops working; absent when unknown",
);
const ISSUED: Family = family(
    "credential_issued_timestamp_seconds",
    "Unix time at which the credential was issued; absent when unknown",
);
pub(super) const EXPIRY_INFO: Family = family(
    "credential_expiry_info",
    "Where the expiry date comes from and how far it is believed; always there",
);
const REPOSITORIES: Family = family(
    "credential_repositories",
    "Repositories in use by the last outcome for their manifest",
);
const FIRST_REJECTED: Family = family(
    "credential_first_rejected_timestamp_seconds",
    "Unix time since which the registry refuses the credential",
);
pub(super) const OUTCOME: Family = family(
    "probe_outcome",
    "The present outcome of each step of the last probes",
);
const STATUS: Family = family(
    "probe_http_status_code",
    "HTTP status that decided the step; absent when there was no answer",
);
const LAST_RUN: Family = family(
    "probe_last_run_timestamp_seconds",
    "Unix time of the last probe",
);
const LAST_SUCCESS: Family = family(
    "probe_last_success_timestamp_seconds",
    "Unix time of the last probe whose login worked",
);
const NEXT_RUN: Family = family(
    "probe_next_run_timestamp_seconds",
    "Unix time at which the next probe is due; well past means that probing hangs",
);
pub(super) const FAULT: Family = family(
    "secret_fault",
    "Something wrong in a pull secret, and what it does to a kubelet",
);
const CHANGED: Family = family(
    "secret_last_change_timestamp_seconds",
    "Unix time; the data of the pull secret is not older than this",
);
pub(super) const MISSING: Family = family(
    "reference_missing",
    "ServiceAccounts or Pods that name a Secret that is absent or of another type",
);
const EXHAUSTED: Family = family(
    "login_budget_exhausted",
    "1 while a login waits since its account, or the registry, has had as many refusals as we allow ourselves",
);
pub(super) const UP: Family = family(
    "registry_up",
    "1 if the registry answers an anonymous ping in the registry protocol, whatever it says",
);

const VANTAGE: Family = family(
    "registry_vantage_blind",
    "1 while pods pull from the registry and the exporter gets no conclusive answer from it",
);

/// What is told by Secret, key and registry.
pub(super) fn credentials(page: &mut Page<'_>, rows: &[&CredentialRow]) -> fmt::Result {
    let told = rows.iter().filter(|row| row.mark != Some(Mark::Ignored));
    page.ones(INFO, told.clone().map(|row| info(row)))?;
    pods::concerned(page, told.copied())?;
    let valid = rows.iter().filter_map(|row| Some((cred(row), row.valid?)));
    page.gauges(
        VALID,
        valid.map(|(labels, valid)| (labels, u64::from(valid))),
    )?;
    page.ones(
        SKIPPED,
        rows.iter().filter_map(|row| {
            let [namespace, name, key, registry] = cred(row);
            let why = ("why", row.skipped?.as_str());
            Some([namespace, name, key, registry, why])
        }),
    )?;
    let expires = rows
        .iter()
        .filter_map(|row| Some((cred(row), seconds(row.expires?))));
    page.gauges(EXPIRES, expires)?;
    let issued = rows
        .iter()
        .filter_map(|row| Some((cred(row), seconds(row.issued?))));
    page.gauges(ISSUED, issued)
}

/// What is told by credential and registry.
pub(super) fn groups(page: &mut Page<'_>, rows: &[&GroupRow]) -> fmt::Result {
    page.ones(
        EXPIRY_INFO,
        rows.iter().map(|row| {
            let [credential, registry] = group(row);
            let source = ("source", row.source.as_str());
            [
                credential,
                registry,
                source,
                ("confidence", row.confidence.as_str()),
            ]
        }),
    )?;
    page.gauges(
        REPOSITORIES,
        rows.iter().flat_map(|row| {
            let [credential, registry] = group(row);
            row.repositories.iter().map(move |(outcome, count)| {
                let outcome = outcome.map_or("not_probed", Outcome::as_str);
                ([credential, registry, ("outcome", outcome)], *count)
            })
        }),
    )?;
    page.gauges(FIRST_REJECTED, times(rows, |row| row.first_rejected))?;
    page.ones(
        OUTCOME,
        rows.iter().flat_map(|row| {
            let [credential, registry] = group(row);
            steps(row).map(move |(step, outcome, _)| {
                let outcome = ("outcome", outcome.as_str());
                [credential, registry, ("step", step.as_str()), outcome]
            })
        }),
    )?;
    page.gauges(
        STATUS,
        rows.iter().flat_map(|row| {
            let [credential, registry] = group(row);
            steps(row).filter_map(move |(step, _, status)| {
                let labels = [credential, registry, ("step", step.as_str())];
                Some((labels, u64::from((*status)?)))
            })
        }),
    )?;
    page.gauges(LAST_RUN, times(rows, |row| row.last_run))?;
    page.gauges(LAST_SUCCESS, times(rows, |row| row.last_success))?;
    page.gauges(NEXT_RUN, times(rows, |row| row.next_run))
}

/// What is told by Secret.
pub(super) fn secrets(page: &mut Page<'_>, rows: &[&SecretRow]) -> fmt::Result {
    page.ones(
        FAULT,
        rows.iter().flat_map(|row| {
            let [namespace, name] = secret(row);
            row.faults.iter().map(move |fault| {
                let effect = ("effect", fault.effect().as_str());
                [namespace, name, ("fault", fault.as_str()), effect]
            })
        }),
    )?;
    let changed = rows
        .iter()
        .filter_map(|row| Some((secret(row), seconds(row.changed?))));
    page.gauges(CHANGED, changed)
}

/// Names of Secrets that lead nowhere.
pub(super) fn references(page: &mut Page<'_>, rows: &[&ReferenceRow]) -> fmt::Result {
    page.gauges(
        MISSING,
        rows.iter().map(|row| {
            let namespace = ("pod_namespace", &*row.namespace);
            let labels = [namespace, ("kind", row.kind), ("name", &*row.name)];
            (labels, row.count)
        }),
    )
}

/// Whether the registries answer.
pub(super) fn registries(page: &mut Page<'_>, rows: &[&RegistryRow]) -> fmt::Result {
    let up = rows
        .iter()
        .filter_map(|row| Some((row.registry.as_str(), row.up?)));
    page.gauges(
        UP,
        up.map(|(registry, up)| ([("registry", registry)], u64::from(up))),
    )?;
    let vantage = rows
        .iter()
        .filter_map(|row| Some((row.registry.as_str(), row.is_vantage_blind?)));
    page.gauges(
        VANTAGE,
        vantage.map(|(registry, blind)| ([("registry", registry)], u64::from(blind))),
    )?;
    page.gauges(
        EXHAUSTED,
        rows.iter().map(|row| {
            let registry = ("registry", row.registry.as_str());
            ([registry], u64::from(row.is_budget_exhausted))
        }),
    )
}

/// The steps of a row, each once.
pub(super) fn steps(row: &GroupRow) -> impl Iterator<Item = &(Step, Outcome, Option<u16>)> {
    let of = |step: Step| row.steps.iter().find(move |(taken, ..)| *taken == step);
    Step::ALL.into_iter().filter_map(of)
}

fn times<'r>(
    rows: &[&'r GroupRow],
    time: impl Fn(&GroupRow) -> Option<DateTime<Utc>>,
) -> impl Iterator<Item = ([Label<'r>; 2], f64)> {
    let known = move |row: &&'r GroupRow| Some((group(row), seconds(time(row)?)));
    rows.iter().filter_map(known)
}

fn cred(row: &CredentialRow) -> [Label<'_>; 4] {
    [
        ("secret_namespace", &row.namespace),
        ("secret_name", &row.name),
        ("key", &row.key),
        ("registry", row.registry.as_str()),
    ]
}

fn info(row: &CredentialRow) -> [Label<'_>; 7] {
    let [namespace, name, key, registry] = cred(row);
    let (kind, provider) = (("kind", row.kind), ("provider", row.provider));
    let credential = ("credential", &*row.credential);
    [namespace, name, key, registry, kind, provider, credential]
}

fn group(row: &GroupRow) -> [Label<'_>; 2] {
    [
        ("credential", &row.credential),
        ("registry", row.registry.as_str()),
    ]
}

fn secret(row: &SecretRow) -> [Label<'_>; 2] {
    [
        ("secret_namespace", &row.namespace),
        ("secret_name", &row.name),
    ]
}
