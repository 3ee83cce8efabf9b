//! The graph and the verdicts, copied into the flat rows that are shown.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::examination::{Counts, Examination};
use super::groups::{Group, Which};
use super::holder::Holder;
use super::inventory::why_no_login;
use super::mark::Mark;
use super::secrets::Secret;
use super::wiring::By;
use super::{Cluster, Named, Resource, Uid};
use crate::domain::docker_config::FaultKind;
use crate::domain::exchange::Step;
use crate::domain::expiry::Expiry;
use crate::domain::image::Registry;
use crate::domain::outcome::Outcome;
use crate::domain::quotas::Quotas;
use crate::domain::rows::{
    CredentialRow, GroupRow, Listed, ReferenceRow, RegistryRow, Rows, SecretRow, Skipped, Unsorted,
};
use crate::domain::verdict::{Verdict, Verdicts, Waits};

/// Labels of groups: the name of the owner, with its key where one Secret holds several credentials
/// for one registry.
pub(super) type Labels = HashMap<Group, Arc<str>>;

impl Cluster {
    /// What is shown of every credential. Whoever holds a lock puts it in order when that is gone.
    pub fn rows(
        &self,
        verdicts: &Verdicts,
        quotas: &Quotas,
        mut pods: Examination<'_>,
        listed: Listed,
        now: DateTime<Utc>,
    ) -> Unsorted {
        let labels = self.labels();
        let blocked = pods.blocked();
        let (pods, concerned) = pods.sums(&blocked);
        Unsorted::of(Rows {
            credentials: self.credential_rows(verdicts, &labels, &concerned, listed, now),
            groups: self.group_rows(verdicts, &labels, now),
            secrets: self.secret_rows(listed),
            references: if listed.secrets {
                self.reference_rows()
            } else {
                Vec::new()
            },
            registries: self.registry_rows(verdicts, now),
            quotas: self.quota_rows(verdicts, quotas, &labels, now),
            pods,
            objects: self.object_counts(),
        })
    }

    pub(super) fn labels(&self) -> Labels {
        let mut by_owner: HashMap<_, Vec<(&Group, &Holder)>> = HashMap::new();
        for (group, owner) in self.groups.iter() {
            let slot = (&*owner.namespace, &*owner.name, &group.registry);
            by_owner.entry(slot).or_default().push((group, owner));
        }
        let mut labels = Labels::with_capacity(by_owner.len());
        for groups in by_owner.into_values() {
            let is_ambiguous = groups.len() > 1;
            for (group, owner) in groups {
                let name = owner.to_string();
                let label = if is_ambiguous {
                    format!("{name}#{}", owner.key)
                } else {
                    name
                };
                labels.insert(group.clone(), label.into());
            }
        }
        labels
    }

    /// What is known of a credential that nobody looks after is old, and not shown.
    fn verdict<'v>(&self, verdicts: &'v Verdicts, group: &Group) -> Option<&'v Verdict> {
        verdicts.of(group).filter(|_| self.groups.wants(group))
    }

    fn credential_rows(
        &self,
        verdicts: &Verdicts,
        labels: &Labels,
        concerned: &Counts,
        listed: Listed,
        now: DateTime<Utc>,
    ) -> Vec<CredentialRow> {
        let mut rows = Vec::with_capacity(labels.len());
        for (group, label) in labels {
            let verdict = self.verdict(verdicts, group);
            for holder in self.groups.holders(group) {
                let slot = (Arc::clone(holder), group.registry.clone());
                let name = Named {
                    namespace: holder.namespace.clone(),
                    name: holder.name.clone(),
                };
                let Some(entry) = self
                    .secrets
                    .get(&name)
                    .and_then(|secret| secret.entry(&holder.key, group.credential))
                else {
                    continue;
                };
                // What others have asked is no news of one that has a mark.
                let verdict = verdict.filter(|_| holder.mark.is_none());
                let expiry = match holder.mark {
                    Some(Mark::Ignored) => Expiry::UNKNOWN,
                    _ => entry.expiry,
                };
                rows.push(CredentialRow {
                    namespace: holder.namespace.clone(),
                    name: holder.name.clone(),
                    key: holder.key.clone(),
                    registry: group.registry.clone(),
                    kind: entry.kind.as_str(),
                    provider: verdicts.provider(&group.registry).as_str(),
                    credential: label.clone(),
                    mark: holder.mark,
                    skipped: match holder.mark {
                        None => self.skipped(group, &expiry, verdict, listed, now),
                        Some(mark) => Some(self.left_alone(&name, mark, listed)),
                    },
                    valid: works(verdict, &expiry, now),
                    outcome: outcome(verdict, &expiry, now),
                    expires: expiry.expires,
                    issued: expiry.issued,
                    pods: concerned.get(&slot).copied().unwrap_or_default(),
                });
            }
        }
        rows
    }

    fn group_rows(
        &self,
        verdicts: &Verdicts,
        labels: &Labels,
        now: DateTime<Utc>,
    ) -> Vec<GroupRow> {
        let unseen = Verdict::default();
        let is_told = |group: &Group| {
            let owner = self.groups.owner(group);
            owner.is_some_and(|owner| owner.mark != Some(Mark::Ignored))
        };
        labels
            .iter()
            .filter(|(group, _)| is_told(group))
            .map(|(group, label)| {
                let verdict = self.verdict(verdicts, group).unwrap_or(&unseen);
                let expiry = self
                    .groups
                    .owner(group)
                    .and_then(|owner| self.expiry_of(owner, group))
                    .unwrap_or(Expiry::UNKNOWN);
                GroupRow {
                    credential: label.clone(),
                    registry: group.registry.clone(),
                    repositories: verdict.repositories(self.groups.manifests(group)),
                    source: expiry.source,
                    confidence: expiry.believed(verdict.works(), now),
                    first_rejected: verdict.first_rejected(),
                    steps: verdict.steps().to_vec(),
                    last_run: verdict.last_run(),
                    last_success: verdict.last_success(),
                    next_run: verdict.next_run(),
                }
            })
            .collect()
    }

    /// Why nothing is sent for the sake of a Secret that has a mark. That nobody names it comes first
    /// where something is told of it: what nobody uses is no matter for an alert.
    fn left_alone(&self, secret: &Named, mark: Mark, listed: Listed) -> Skipped {
        let is_idle = self.groups.which() == Which::Referenced
            && listed.referrers
            && !self.wiring.is_named(secret);
        match mark {
            Mark::NotProbed if is_idle => Skipped::NotReferenced,
            mark => mark.skipped(),
        }
    }

    fn skipped(
        &self,
        group: &Group,
        expiry: &Expiry,
        verdict: Option<&Verdict>,
        listed: Listed,
        now: DateTime<Utc>,
    ) -> Option<Skipped> {
        let blocked = verdict.and_then(|verdict| {
            let mut steps = verdict.steps().iter();
            steps
                .find(|(_, outcome, _)| *outcome == Outcome::Blocked)
                .map(|(step, ..)| *step)
        });
        match self.groups.which() {
            Which::None => Some(Skipped::Policy),
            Which::Referenced if listed.referrers && !self.groups.is_referenced(group) => {
                Some(Skipped::NotReferenced)
            }
            _ if expiry.is_expired_inside_at(now) => Some(Skipped::ExpiredInside),
            _ if self.groups.is_over_caps(group) => Some(Skipped::Budget),
            // Further on it is the token endpoint that was refused.
            _ if blocked == Some(Step::Ping) && group.registry.is_loopback() => {
                Some(Skipped::NodeLocal)
            }
            _ if blocked.is_some() => Some(Skipped::Policy),
            _ => verdict.and_then(Verdict::waits).map(|_| Skipped::Budget),
        }
    }

    fn secret_rows(&self, listed: Listed) -> Vec<SecretRow> {
        let is_told = |secret: &Secret| secret.mark != Some(Mark::Ignored);
        let told = self.secrets.iter().filter(|(_, secret)| is_told(secret));
        let held = told.map(|(name, secret)| SecretRow {
            namespace: name.namespace.clone(),
            name: name.name.clone(),
            uid: secret.record.uid,
            is_named: !listed.referrers || self.wiring.is_named(name),
            faults: secret.faults,
            changed: secret.changed,
        });
        let of_other_types = self.wiring.of_other_types().map(|name| SecretRow {
            namespace: name.namespace.clone(),
            name: name.name.clone(),
            uid: Uid::default(),
            is_named: true,
            faults: [FaultKind::WrongSecretType].into_iter().collect(),
            changed: None,
        });
        held.chain(of_other_types).collect()
    }

    fn reference_rows(&self) -> Vec<ReferenceRow> {
        let mut rows = Vec::new();
        for name in self.wiring.unusable() {
            for (kind, by) in [("Pod", By::Pod), ("ServiceAccount", By::ServiceAccount)] {
                let count = self.wiring.told(name, by);
                if count > 0 {
                    rows.push(ReferenceRow {
                        namespace: name.namespace.clone(),
                        kind,
                        name: name.name.clone(),
                        count: count.into(),
                    });
                }
            }
        }
        rows
    }

    fn registry_rows(&self, verdicts: &Verdicts, now: DateTime<Utc>) -> Vec<RegistryRow> {
        let waits = |group: &&Group| {
            let verdict = self.verdict(verdicts, group);
            verdict.and_then(Verdict::waits) == Some(Waits::ForBudget)
        };
        let groups = self.groups.iter().map(|(group, _)| group).filter(waits);
        let exhausted: HashSet<&Registry> = groups.map(|group| &group.registry).collect();
        self.groups
            .registries()
            .map(|registry| {
                let standing = verdicts.registry(registry);
                RegistryRow {
                    registry: registry.clone(),
                    in_use: self.groups.uses_registry(registry),
                    up: standing.up,
                    is_vantage_blind: self.vantage(registry, verdicts, now),
                    is_budget_exhausted: exhausted.contains(registry),
                    certificates: standing.certificates.by_host(),
                }
            })
            .collect()
    }

    fn object_counts(&self) -> BTreeMap<&'static str, u64> {
        BTreeMap::from([
            (Resource::Pods.as_str(), self.pods.len() as u64),
            (
                Resource::DockerConfigJsonSecrets.as_str(),
                self.secrets.len() as u64,
            ),
            (
                Resource::ServiceAccounts.as_str(),
                self.service_accounts.len() as u64,
            ),
            (Resource::Namespaces.as_str(), self.namespaces.len() as u64),
        ])
    }
}

/// A date inside the credential that has passed decides before any verdict.
fn works(verdict: Option<&Verdict>, expiry: &Expiry, now: DateTime<Utc>) -> Option<bool> {
    if expiry.is_expired_inside_at(now) {
        return Some(false);
    }
    verdict.and_then(Verdict::works)
}

pub(super) fn outcome(
    verdict: Option<&Verdict>,
    expiry: &Expiry,
    now: DateTime<Utc>,
) -> Option<Outcome> {
    if expiry.is_expired_inside_at(now) {
        return Some(Outcome::Expired);
    }
    let steps = verdict?.steps();
    let of = |wanted| {
        steps
            .iter()
            .find(|(step, ..)| *step == wanted)
            .map(|(_, outcome, _)| *outcome)
    };
    // A login that was not reached leaves the ping to say why.
    of(Step::Token).or_else(|| why_no_login(of(Step::Ping)?))
}
