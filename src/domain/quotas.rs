//! The quotas of all accounts, and which manifest shows those of our own address.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use super::cluster::{Group, Target};
use super::exchange::Manifest;
use super::image::Registry;
use super::outcome::{Judgement, Outcome};
use super::rate_limit::{Payer, QuotaPolicy, QuotaStanding, Told};

/// Every quota that a registry has told of, by who pays.
#[derive(Debug, Default)]
pub struct Quotas {
    logins: HashMap<Group, QuotaStanding>,
    addresses: HashMap<Registry, QuotaStanding>,
    looked: HashMap<Registry, Looked>,
}

/// The last look at a manifest without a credential.
#[derive(Clone, Debug)]
pub struct Looked {
    /// Which.
    pub manifest: Manifest,
    /// It was there; only then does an answer tell of quotas.
    pub was_there: bool,
    /// When.
    pub at: DateTime<Utc>,
}

impl Quotas {
    /// Takes in a conversation without a credential: all of it is counted for our own address.
    pub fn told_anonymously(
        &mut self,
        registry: &Registry,
        judgement: &Judgement,
        now: DateTime<Utc>,
    ) {
        for news in &judgement.quotas {
            let own = self.addresses.entry(registry.clone()).or_default();
            own.record(news, now);
        }
    }

    /// Takes in a conversation about a credential. Its ping was sent without, and of an entry that
    /// has neither user name nor password everything.
    pub fn told(
        &mut self,
        group: &Group,
        target: &Target,
        judgement: &Judgement,
        now: DateTime<Utc>,
    ) {
        if target.credential.is_anonymous() {
            return self.told_anonymously(&group.registry, judgement, now);
        }
        for news in &judgement.quotas {
            let standing = match news.payer {
                Payer::Login => self.logins.entry(group.clone()).or_default(),
                Payer::Address => self.addresses.entry(group.registry.clone()).or_default(),
            };
            standing.record(news, now);
        }
    }

    /// Notes that a manifest was looked at for the quota of our own address.
    pub fn looked(
        &mut self,
        registry: &Registry,
        manifest: &Manifest,
        judgement: &Judgement,
        now: DateTime<Utc>,
    ) {
        let mut judged = judgement.manifests.iter();
        let was_there =
            judged.any(|(of, finding)| of == manifest && finding.outcome == Outcome::Ok);
        let looked = Looked {
            manifest: manifest.clone(),
            was_there,
            at: now,
        };
        self.looked.insert(registry.clone(), looked);
    }

    /// The last look at this registry.
    pub fn last_look(&self, registry: &Registry) -> Option<&Looked> {
        self.looked.get(registry)
    }

    /// What is believed at `now` of the account that a credential logs in to.
    pub fn of_login(
        &self,
        group: &Group,
        now: DateTime<Utc>,
    ) -> impl Iterator<Item = (QuotaPolicy, Told)> {
        let standing = self.logins.get(group);
        standing.into_iter().flat_map(move |known| known.at(now))
    }

    /// What is believed at `now` of our own address.
    pub fn of_address(
        &self,
        registry: &Registry,
        now: DateTime<Utc>,
    ) -> impl Iterator<Item = (QuotaPolicy, Told)> {
        let own = self.addresses.get(registry);
        own.into_iter().flat_map(move |known| known.at(now))
    }

    /// Before this, an account whose own quota is used up does not want to be asked for.
    pub fn login_waits(&self, group: &Group, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        wait(self.of_login(group, now))
    }

    /// The same for our own address.
    pub fn address_waits(&self, registry: &Registry, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        wait(self.of_address(registry, now))
    }

    /// The credential is gone.
    pub fn forget(&mut self, group: &Group) {
        self.logins.remove(group);
    }

    /// Nobody names the registry any more. When it was looked at is kept for as long as it is not to
    /// be looked at again, which is since `recent`: a pod that comes and goes is no look each time.
    pub fn forget_registry(&mut self, registry: &Registry, recent: DateTime<Utc>) {
        self.addresses.remove(registry);
        let addresses = &self.addresses;
        self.looked
            .retain(|registry, last| addresses.contains_key(registry) || last.at > recent);
    }
}

fn wait(told: impl Iterator<Item = (QuotaPolicy, Told)>) -> Option<DateTime<Utc>> {
    told.filter_map(|(_, told)| told.retry_after).max()
}
