//! What was asked of registries lately, step by step: closed words and times, nothing that was sent or
//! answered.
//!
//! Of each registry the newest conversations are kept, and failures longer than what went well: an
//! operator comes when it works again.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::exchange::{NetworkFault, Step};
use super::image::Registry;
use super::outcome::{Judgement, Outcome};

/// Of one registry so many that went well, and as many that did not.
const MOST: usize = 10;

/// Registries of which anything is kept; a tenant can name as many as it likes.
const MOST_REGISTRIES: usize = 500;

closed! {
    /// What a conversation was for.
    Purpose {
        /// Does it answer?
        Ping => "ping",
        /// What anybody may read.
        Look => "look",
        /// A login, and manifests with it.
        Login => "login",
    }
}

/// One conversation.
#[derive(Clone, Debug)]
pub struct Logged {
    /// When it ended.
    pub at: DateTime<Utc>,
    /// What for.
    pub purpose: Purpose,
    /// The Secret, of a login: `namespace/name#key`.
    pub credential: Option<String>,
    /// Each step that was taken, and the status that decided.
    pub steps: Vec<(Step, Outcome, Option<u16>)>,
    /// What kept the last request from an answer.
    pub fault: Option<NetworkFault>,
    /// From the first look-up to the last byte.
    pub took: Duration,
}

/// All that is kept.
#[derive(Debug, Default)]
pub struct ProbeLog(BTreeMap<Registry, Kept>);

#[derive(Debug, Default)]
struct Kept {
    well: VecDeque<Logged>,
    failed: VecDeque<Logged>,
}

impl Logged {
    /// Of a conversation that was judged.
    pub fn of(
        judgement: &Judgement,
        (purpose, credential): (Purpose, Option<String>),
        took: Duration,
        at: DateTime<Utc>,
    ) -> Self {
        Self {
            at,
            purpose,
            credential,
            steps: judgement.steps.clone(),
            fault: judgement.fault,
            took,
        }
    }

    fn went_well(&self) -> bool {
        self.steps
            .iter()
            .all(|(_, outcome, _)| *outcome == Outcome::Ok)
    }
}

impl ProbeLog {
    /// Keeps it.
    pub fn keep(&mut self, registry: &Registry, logged: Logged) {
        if self.0.len() >= MOST_REGISTRIES && !self.0.contains_key(registry) {
            return;
        }
        let kept = self.0.entry(registry.clone()).or_default();
        let list = match logged.went_well() {
            true => &mut kept.well,
            false => &mut kept.failed,
        };
        list.push_front(logged);
        list.truncate(MOST);
    }

    /// Nobody names the registry any more.
    pub fn forget(&mut self, registry: &Registry) {
        self.0.remove(registry);
    }

    /// Of each registry all that is kept, the newest first.
    pub fn all(&self) -> impl Iterator<Item = (&Registry, Vec<&Logged>)> {
        self.0.iter().map(|(registry, kept)| {
            let mut all: Vec<_> = kept.well.iter().chain(&kept.failed).collect();
            all.sort_by_key(|logged| std::cmp::Reverse(logged.at));
            (registry, all)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logged(second: i64, outcome: Outcome) -> Logged {
        Logged {
            at: DateTime::from_timestamp(second, 0).unwrap(),
            purpose: Purpose::Ping,
            credential: None,
            steps: vec![(Step::Ping, outcome, None)],
            fault: None,
            took: Duration::ZERO,
        }
    }

    #[test]
    fn a_failure_outlives_what_goes_well_after_it() {
        let (mut log, registry) = (ProbeLog::default(), Registry::from_domain("r.example"));
        log.keep(&registry, logged(0, Outcome::Timeout));
        for second in 1..100 {
            log.keep(&registry, logged(second, Outcome::Ok));
        }
        let (_, all) = log.all().next().unwrap();
        assert_eq!(all.len(), MOST + 1);
        assert_eq!(all.last().unwrap().steps[0].1, Outcome::Timeout);
        assert!(all.is_sorted_by(|a, b| a.at >= b.at));
        log.forget(&registry);
        assert_eq!(log.all().count(), 0);
    }

    #[test]
    fn registries_are_bounded() {
        let mut log = ProbeLog::default();
        for number in 0..2 * MOST_REGISTRIES {
            let registry = Registry::from_domain(&format!("r{number}.example"));
            log.keep(&registry, logged(0, Outcome::Ok));
        }
        assert_eq!(log.all().count(), MOST_REGISTRIES);
    }
}
