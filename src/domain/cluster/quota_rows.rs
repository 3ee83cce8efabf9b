//! Quotas under the names of their accounts.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::rows::Labels;
use super::{Cluster, Group};
use crate::domain::image::Registry;
use crate::domain::quotas::Quotas;
use crate::domain::rate_limit::{QuotaPolicy, Told};
use crate::domain::rows::QuotaRow;
use crate::domain::verdict::{Verdict, Verdicts};

/// The `account` of our own address; no account is called so.
const ANONYMOUS: &str = "anonymous";

/// Nowhere else is a user name known to be an account that may be named.
const DOCKER_HUB: &str = "docker.io";

type Account = (Registry, Arc<str>, QuotaPolicy);

impl Cluster {
    /// Each policy of each account once: several credentials of one account tell of one quota, and
    /// the newest word counts.
    pub(super) fn quota_rows(
        &self,
        verdicts: &Verdicts,
        quotas: &Quotas,
        labels: &Labels,
        now: DateTime<Utc>,
    ) -> Vec<QuotaRow> {
        let mut newest: BTreeMap<Account, Told> = BTreeMap::new();
        let wanted = labels.iter().filter(|(group, _)| self.groups.wants(group));
        for (group, label) in wanted {
            let mut told = quotas.of_login(group, now).peekable();
            if told.peek().is_none() {
                continue;
            }
            let account = self.account(verdicts, group, label);
            for (policy, told) in told {
                let key = (group.registry.clone(), account.clone(), policy);
                keep_newest(&mut newest, key, told);
            }
        }
        for registry in self.groups.registries() {
            for (policy, told) in quotas.of_address(registry, now) {
                let key = (registry.clone(), ANONYMOUS.into(), policy);
                keep_newest(&mut newest, key, told);
            }
        }
        newest
            .into_iter()
            .map(|((registry, account, policy), told)| QuotaRow {
                registry,
                account,
                policy,
                told,
            })
            .collect()
    }

    /// A Docker ID only once Docker Hub has taken it with its password: whatever stands where the
    /// user name should, a password among them, is no user name before.
    fn account(&self, verdicts: &Verdicts, group: &Group, label: &Arc<str>) -> Arc<str> {
        let has_worked = || {
            let verdict = verdicts.of(group);
            verdict.and_then(Verdict::last_success).is_some()
        };
        let docker_id = || {
            let credential = self.credentials.get(group.credential)?;
            credential.docker_id().filter(|id| *id != ANONYMOUS)
        };
        if group.registry.as_str() != DOCKER_HUB || !has_worked() {
            return label.clone();
        }
        docker_id().map_or_else(|| label.clone(), Arc::from)
    }
}

fn keep_newest(newest: &mut BTreeMap<Account, Told>, key: Account, told: Told) {
    let known = newest.entry(key).or_insert(told);
    if known.observed < told.observed {
        *known = told;
    }
}
