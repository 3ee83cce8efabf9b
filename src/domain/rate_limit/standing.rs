//! What is known of one account's quotas at one registry, and until when.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::{Limited, Quota, QuotaNews, QuotaPolicy};
use crate::domain::schedule;

/// How long a quota is believed whose window nobody told: the time for which a `Retry-After` is
/// obeyed, too.
const UNKNOWN_WINDOW: Duration = Duration::from_secs(3600);

/// The newest word on each policy of one account. At most as many as one answer may name.
#[derive(Clone, Debug, Default)]
pub struct QuotaStanding(BTreeMap<QuotaPolicy, Told>);

/// One policy as it was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// The quota; neither limit nor remaining where only a `Retry-After` came.
    pub quota: Quota,
    /// When it was told.
    pub observed: DateTime<Utc>,
    /// Before this the registry does not want to be asked again; an hour after `observed` at most.
    pub retry_after: Option<DateTime<Utc>>,
}

impl QuotaStanding {
    /// Takes in what a conversation told. An answer that names quotas names them all; one without
    /// leaves what is known, since images of some publishers are not counted.
    pub fn record(&mut self, news: &QuotaNews, now: DateTime<Utc>) {
        if !news.quotas.is_empty() {
            let told = news.quotas.iter().map(|quota| (quota.policy(), *quota));
            self.0 = told
                .map(|(policy, quota)| (policy, Told::of(quota, now)))
                .collect();
        }
        match news.limited {
            Some(limited) => self.limit(limited, now),
            None if news.only_ping => self.drop_untold(),
            None => self.answered(),
        }
    }

    /// What is still believed at `now`.
    pub fn at(&self, now: DateTime<Utc>) -> impl Iterator<Item = (QuotaPolicy, Told)> {
        let believed = move |told: &Told| match now < told.ends() {
            true => Some(*told),
            // A long wait outlives a short window.
            false => (told.retry_after > Some(now)).then(|| Told {
                quota: Quota::default(),
                ..*told
            }),
        };
        let all = self.0.iter();
        all.filter_map(move |(policy, told)| Some((*policy, believed(told)?)))
    }

    fn limit(&mut self, limited: Limited, now: DateTime<Utc>) {
        if limited.names_quota {
            self.exhaust(now);
        }
        let Some(retry_after) = limited.retry_after else {
            return;
        };
        let retry_after = Some(schedule::obeyed(retry_after, now));
        let is_exhausted = |told: &Told| told.quota.remaining == Some(0) && now < told.ends();
        if !self.0.values().any(is_exhausted) {
            let told = self.0.entry(QuotaPolicy::UNKNOWN);
            told.or_insert_with(|| Told::of(Quota::default(), now))
                .retry_after = retry_after;
        }
        for told in self.0.values_mut().filter(|told| is_exhausted(told)) {
            told.retry_after = retry_after;
        }
    }

    /// A quota is used up: the one that says so, else the one that is nearest to it, else one that
    /// nothing else is known of.
    fn exhaust(&mut self, now: DateTime<Utc>) {
        self.0.retain(|_, told| now < told.ends());
        let tightest = self
            .0
            .iter_mut()
            .min_by_key(|(_, told)| told.quota.share_left());
        match tightest {
            Some((_, told)) => {
                told.quota.remaining = Some(0);
                told.observed = now;
            }
            None => {
                let used_up = Quota {
                    remaining: Some(0),
                    ..Quota::default()
                };
                self.0.insert(QuotaPolicy::UNKNOWN, Told::of(used_up, now));
            }
        }
    }

    /// The registry answers again: nothing is to be waited for.
    fn answered(&mut self) {
        for told in self.0.values_mut() {
            told.retry_after = None;
        }
        self.drop_untold();
    }

    /// The registry speaks to us again; a quota that is used up stays so.
    fn drop_untold(&mut self) {
        self.0.retain(|_, told| told.quota.is_told());
    }
}

impl Told {
    fn of(quota: Quota, observed: DateTime<Utc>) -> Self {
        Self {
            quota,
            observed,
            retry_after: None,
        }
    }

    /// One window after it was told, what is left is another number.
    fn ends(&self) -> DateTime<Utc> {
        let window = self.quota.window.or(self.quota.resets_after);
        let window = TimeDelta::from_std(window.unwrap_or(UNKNOWN_WINDOW));
        let ends = window
            .ok()
            .and_then(|window| self.observed.checked_add_signed(window));
        ends.unwrap_or(self.observed)
    }
}
