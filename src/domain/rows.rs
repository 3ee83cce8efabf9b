//! Flat rows: how every credential stands, copied out of the state under its lock so that a
//! scrape, a table or a page is written after the lock is gone.
//!
//! A row is what one label set of docs/metrics.md shows. No two rows of a list have the same labels.

mod pods;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::certificate::Certificate;
use super::cluster::{Mark, Uid};
use super::docker_config::FaultSet;
use super::exchange::Step;
use super::expiry::{Confidence, ExpirySource};
use super::image::Registry;
use super::outcome::Outcome;
use super::rate_limit::{QuotaPolicy, Told};
pub use pods::*;

/// Everything that is shown of credentials.
#[derive(Debug, Default)]
pub struct Rows {
    /// One per (Secret, key, registry).
    pub credentials: Vec<CredentialRow>,
    /// One per (credential, registry).
    pub groups: Vec<GroupRow>,
    /// One per Secret.
    pub secrets: Vec<SecretRow>,
    /// Names that pods or ServiceAccounts list and that are not there.
    pub references: Vec<ReferenceRow>,
    /// One per registry that a credential or an image names.
    pub registries: Vec<RegistryRow>,
    /// One per (registry, account, policy).
    pub quotas: Vec<QuotaRow>,
    /// Pods that cannot start, or could not be started again.
    pub pods: PodRows,
    /// Objects held, by resource.
    pub objects: BTreeMap<&'static str, u64>,
}

/// Rows as they were copied: in no order, and with labels that may be there twice.
#[derive(Debug)]
#[must_use = "nothing is shown before it is in order"]
pub struct Unsorted(Rows);

impl Unsorted {
    pub(super) fn of(rows: Rows) -> Self {
        Self(rows)
    }

    /// In the order of their labels, each once. Nothing of this needs the state.
    pub fn in_order(self) -> Rows {
        let Self(mut rows) = self;
        keep_worst(
            &mut rows.credentials,
            |a, b| a.labels().cmp(&b.labels()),
            |row| badness(row.valid),
        );
        keep_worst(
            &mut rows.groups,
            |a, b| (&a.credential, &a.registry).cmp(&(&b.credential, &b.registry)),
            |row| u8::from(row.first_rejected.is_some()),
        );
        rows.secrets
            .sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
        rows.registries.sort_by(|a, b| a.registry.cmp(&b.registry));
        rows
    }
}

/// Sorts by labels and keeps the worst of those that share them: two spellings of one key in one
/// Secret are two credentials under one name, and the kubelet tries them in random order.
fn keep_worst<R>(rows: &mut Vec<R>, by_labels: fn(&R, &R) -> Ordering, badness: impl Fn(&R) -> u8) {
    rows.sort_by(|a, b| by_labels(a, b).then_with(|| badness(b).cmp(&badness(a))));
    rows.dedup_by(|later, earlier| by_labels(later, earlier).is_eq());
}

fn badness(valid: Option<bool>) -> u8 {
    match valid {
        Some(true) => 0,
        None => 1,
        Some(false) => 2,
    }
}

/// What has come in whole, so that what is not there is absent and not merely on its way, or
/// forbidden to us.
#[derive(Clone, Copy, Debug)]
pub struct Listed {
    /// Secrets of both types.
    pub secrets: bool,
    /// Pods and ServiceAccounts: whatever can name a Secret.
    pub referrers: bool,
}

impl Listed {
    /// Everything.
    pub const ALL: Self = Self {
        secrets: true,
        referrers: true,
    };
}

/// One entry of one Secret at one registry: the labels CRED.
#[derive(Clone, Debug)]
pub struct CredentialRow {
    /// `secret_namespace`; empty for files.
    pub namespace: Arc<str>,
    /// `secret_name`; the path for files.
    pub name: Arc<str>,
    /// Normalised key.
    pub key: Arc<str>,
    /// `registry`.
    pub registry: Registry,
    /// `kind`: what sort of credential it is.
    pub kind: &'static str,
    /// `provider`.
    pub provider: &'static str,
    /// `credential`: its group.
    pub credential: Arc<str>,
    /// Why nothing is sent for this Secret's sake; of one that is ignored, only that is shown.
    pub mark: Option<Mark>,
    /// Why it is not probed.
    pub skipped: Option<Skipped>,
    /// The last conclusive answer to its login, confirmed; `None` before the first.
    pub valid: Option<bool>,
    /// The newest answer to the login, conclusive or not; for reports.
    pub outcome: Option<Outcome>,
    /// When it stops working.
    pub expires: Option<DateTime<Utc>>,
    /// When it was issued.
    pub issued: Option<DateTime<Utc>>,
    /// Whom it concerns.
    pub pods: PodCounts,
}

impl CredentialRow {
    fn labels(&self) -> (&str, &str, &str, &Registry) {
        (&self.namespace, &self.name, &self.key, &self.registry)
    }
}

/// Why a credential is not probed, the `why` label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Skipped {
    /// No Pod and no ServiceAccount names the Secret.
    NotReferenced,
    /// The date inside it has passed: it is expired without being sent.
    ExpiredInside,
    /// Our policy refuses the target, or everything (`--probe.which none`).
    Policy,
    /// An annotation asks for it.
    Ignored,
    /// Its namespaces have no place for it (64 credentials and 20 registries each); or its login may
    /// be refused, and its account or registry has used up its refusals, or it cannot be entered in
    /// the ledger.
    Budget,
    /// OpenShift makes and rotates it.
    OpenshiftGenerated,
    /// The registry is the node's own localhost.
    NodeLocal,
}

impl Skipped {
    /// Every reason.
    pub const ALL: [Self; 7] = [
        Self::NotReferenced,
        Self::ExpiredInside,
        Self::Policy,
        Self::Ignored,
        Self::Budget,
        Self::OpenshiftGenerated,
        Self::NodeLocal,
    ];

    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotReferenced => "not_referenced",
            Self::ExpiredInside => "expired_inside",
            Self::Policy => "policy",
            Self::Ignored => "ignored",
            Self::Budget => "budget",
            Self::OpenshiftGenerated => "openshift_generated",
            Self::NodeLocal => "node_local",
        }
    }
}

/// One credential at one registry: the labels GROUP.
#[derive(Clone, Debug)]
pub struct GroupRow {
    /// `credential`.
    pub credential: Arc<str>,
    /// `registry`.
    pub registry: Registry,
    /// Repositories in use by their last manifest outcome; `None` is `not_probed`.
    pub repositories: BTreeMap<Option<Outcome>, u64>,
    /// Where its date comes from.
    pub source: ExpirySource,
    /// How far its date is believed.
    pub confidence: Confidence,
    /// Since when the registry refuses it.
    pub first_rejected: Option<DateTime<Utc>>,
    /// The present outcome of each step that was taken, with the HTTP status that decided.
    pub steps: Vec<(Step, Outcome, Option<u16>)>,
    /// Last conversation.
    pub last_run: Option<DateTime<Utc>>,
    /// Last conversation whose login worked.
    pub last_success: Option<DateTime<Utc>>,
    /// Next conversation; `None` when none is planned.
    pub next_run: Option<DateTime<Utc>>,
}

/// One Secret.
#[derive(Clone, Debug)]
pub struct SecretRow {
    /// `secret_namespace`.
    pub namespace: Arc<str>,
    /// `secret_name`.
    pub name: Arc<str>,
    /// `metadata.uid`; 0 of a file, and of a Secret of another type, of which we know the name alone.
    pub uid: Uid,
    /// A Pod or a ServiceAccount names it, or that is not known.
    pub is_named: bool,
    /// Its faults, each kind once.
    pub faults: FaultSet,
    /// Its data is not older than this.
    pub changed: Option<DateTime<Utc>>,
}

/// A Secret's name that is listed and cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReferenceRow {
    /// `pod_namespace`.
    pub namespace: Arc<str>,
    /// `kind`: `Pod` or `ServiceAccount`.
    pub kind: &'static str,
    /// `name` of the Secret.
    pub name: Arc<str>,
    /// How many list it.
    pub count: u64,
}

/// One quota of one account.
#[derive(Clone, Debug)]
pub struct QuotaRow {
    /// `registry`.
    pub registry: Registry,
    /// `account`: a Docker ID, the name of a credential's group, or `anonymous`.
    pub account: Arc<str>,
    /// `policy`.
    pub policy: QuotaPolicy,
    /// What was told of it.
    pub told: Told,
}

/// One registry.
#[derive(Clone, Debug)]
pub struct RegistryRow {
    /// `registry`.
    pub registry: Registry,
    /// A Pod's image names it.
    pub in_use: bool,
    /// It answers `/v2/` in the registry protocol; `None` before the first ping.
    pub up: Option<bool>,
    /// Pods pulled from it within the last hour, and we get no conclusive answer; `None` where we do
    /// not ask it.
    pub is_vantage_blind: Option<bool>,
    /// What its hosts showed, each host once.
    pub certificates: Vec<Certificate>,
    /// A login waits since the account's or the registry's refusals are used up.
    pub is_budget_exhausted: bool,
}
