//! What a person wants to see at a glance: findings, dates, quotas, and what cannot be seen.

use chrono::{DateTime, Utc};

use super::cause::Cause;
use super::findings::{Explained, Finding};
use super::image::Registry;
use super::rows::{QuotaRow, Rows, Skipped};
use super::watches::WatchHealth;
use std::collections::BTreeMap;

/// Findings that are told with their reasons at a time: more is neither read nor cheap.
pub const MOST_FINDINGS: usize = 200;

/// Which findings somebody wants to see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this namespace.
    pub namespace: Option<String>,
    /// Of this cause.
    pub cause: Option<Cause>,
    /// Of this registry.
    pub registry: Option<String>,
}

impl Filter {
    /// Some are left out by it.
    pub fn is_some(&self) -> bool {
        *self != Self::default()
    }

    /// Whether it is wanted.
    pub fn takes(&self, finding: &Finding) -> bool {
        let registry = finding.registry.as_ref().map(Registry::as_str);
        let is_there = self
            .namespace
            .as_deref()
            .is_none_or(|of| *of == *finding.namespace);
        let is_it = self.cause.is_none_or(|of| of == finding.diagnosis.cause);
        let is_from = self
            .registry
            .as_deref()
            .is_none_or(|of| Some(of) == registry);
        is_there && is_it && is_from
    }
}

/// A credential that tells a date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiring {
    /// `namespace/name`, or the file.
    pub secret: String,
    /// Where it is sent.
    pub registry: Registry,
    /// When.
    pub expires: DateTime<Utc>,
    /// Whom it concerns.
    pub pods: u64,
    /// Its login.
    pub works: Option<bool>,
}

/// Everything at a glance.
#[derive(Debug)]
pub struct Overview {
    /// Of when.
    pub now: DateTime<Utc>,
    /// Pods that wait, filtered, in order.
    pub blocked: Vec<Explained>,
    /// How many of these there are beyond.
    pub blocked_left_out: usize,
    /// Pods that could not be pulled again.
    pub at_risk: Vec<Explained>,
    /// How many of these there are beyond.
    pub at_risk_left_out: usize,
    /// All Pods that wait, whatever is filtered.
    pub pods_blocked: u64,
    /// All that are at risk.
    pub pods_at_risk: u64,
    /// Entries whose login is refused or past its date, in use.
    pub expired: u64,
    /// By date.
    pub expiring: Vec<Expiring>,
    /// By registry and account.
    pub quotas: Vec<QuotaRow>,
    /// What cannot be seen, a sentence each.
    pub unseen: Vec<String>,
    /// The newest conversation.
    pub last_probe: Option<DateTime<Utc>>,
    /// The next one.
    pub next_probe: Option<DateTime<Utc>>,
}

/// Findings to be told, and how many are left out.
#[derive(Debug, Default)]
pub struct Chosen {
    /// With their reasons.
    pub found: Vec<Explained>,
    /// More of them.
    pub left_out: usize,
}

impl Overview {
    /// Puts it together.
    pub fn of(
        (blocked, at_risk): (Chosen, Chosen),
        rows: Rows,
        watches: &BTreeMap<&'static str, WatchHealth>,
        now: DateTime<Utc>,
    ) -> Self {
        let in_use = |skipped: Option<Skipped>| skipped != Some(Skipped::NotReferenced);
        let used = || rows.credentials.iter().filter(|row| in_use(row.skipped));
        let mut expiring: Vec<_> = used()
            .filter_map(|row| {
                Some(Expiring {
                    secret: named(&row.namespace, &row.name),
                    registry: row.registry.clone(),
                    expires: row.expires?,
                    pods: row.pods.using,
                    works: row.valid,
                })
            })
            .collect();
        expiring.sort_by(|a, b| (a.expires, &a.secret).cmp(&(b.expires, &b.secret)));
        Self {
            now,
            pods_blocked: rows.pods.blocked.iter().map(|row| row.pods).sum(),
            pods_at_risk: rows.pods.at_risk.iter().map(|row| row.pods).sum(),
            expired: used().filter(|row| row.valid == Some(false)).count() as u64,
            unseen: unseen(&rows, watches),
            last_probe: rows.groups.iter().filter_map(|row| row.last_run).max(),
            next_probe: rows.groups.iter().filter_map(|row| row.next_run).min(),
            expiring,
            quotas: rows.quotas,
            blocked: blocked.found,
            blocked_left_out: blocked.left_out,
            at_risk: at_risk.found,
            at_risk_left_out: at_risk.left_out,
        }
    }
}

fn unseen(rows: &Rows, watches: &BTreeMap<&'static str, WatchHealth>) -> Vec<String> {
    let mut told = Vec::new();
    for (resource, health) in watches {
        if health.forbidden {
            told.push(format!(
                "The API server does not let us see {resource}: what hangs on them is unknown."
            ));
        } else if !health.up {
            told.push(format!(
                "The watch of {resource} is down: what is shown of them may be old."
            ));
        }
        if health.skipped > 0 {
            told.push(format!(
                "{} of {resource} could not be read and are left out.",
                health.skipped
            ));
        }
    }
    for row in &rows.registries {
        let registry = &row.registry;
        if row.is_vantage_blind == Some(true) {
            told.push(format!("{registry}: nodes pull from it, and we get no answer that tells anything. A fact about us, not about Pods."));
        } else if row.up == Some(false) {
            told.push(format!("{registry} does not answer us as a registry."));
        }
        if row.is_budget_exhausted {
            told.push(format!("{registry}: a login waits, since its account has had as many refusals as we allow ourselves."));
        }
    }
    let mut why: BTreeMap<Skipped, usize> = BTreeMap::new();
    for skipped in rows.credentials.iter().filter_map(|row| row.skipped) {
        *why.entry(skipped).or_default() += 1;
    }
    for (skipped, count) in why {
        let entries = if count == 1 {
            "entry is"
        } else {
            "entries are"
        };
        let reason = match skipped {
            // Nobody misses what nobody uses, nor what is known without asking.
            Skipped::NotReferenced | Skipped::ExpiredInside => continue,
            Skipped::Policy => {
                "our policy refuses its registry (--probe.allow, --probe.private, --probe.which)"
            }
            Skipped::Ignored => "an annotation asks for it",
            Skipped::Budget => "its namespace or account has no place for it now",
            Skipped::OpenshiftGenerated => "OpenShift makes and rotates it",
            Skipped::NodeLocal => "its registry is each node's own localhost",
        };
        told.push(format!("{count} {entries} not asked: {reason}."));
    }
    told
}

fn named(namespace: &str, name: &str) -> String {
    match namespace {
        "" => name.to_owned(),
        _ => format!("{namespace}/{name}"),
    }
}
