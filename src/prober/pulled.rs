//! What pods that pull are to us: they contradict logins that are refused here, and they reach
//! registries that tell us nothing.
//!
//! Such logins are asked at once, and yet behind all others: a whole registry that is mended lets
//! many pods go at one time, and whoever waits for a first verdict waits no longer for that. Each
//! passes the gate as any login does.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::Prober;
use crate::domain::cluster::{Group, Pull};
use crate::domain::image::Registry;
use crate::domain::pulls;
use crate::domain::schedule::Job;
use crate::domain::verdict::Verdict;
use crate::state::State;

/// Takes in what pods pulled.
pub(super) fn note(
    state: &mut State,
    pulls: &[Pull],
    rechecks: &mut BTreeSet<Group>,
    now: DateTime<Utc>,
) {
    let registries: BTreeSet<&Registry> = pulls.iter().map(|pull| &pull.registry).collect();
    for registry in registries {
        let (cluster, verdicts) = (&state.cluster, &mut state.verdicts);
        if cluster.wants_registry(registry) && cluster.is_blind_to(registry, verdicts) {
            verdicts.pulls.went_unseen(registry, now);
        }
    }
    for pull in pulls {
        let refused = pulls::contradicted(&state.verdicts, pull, now);
        rechecks.extend(
            refused
                .into_iter()
                .filter(|group| state.cluster.wants(group)),
        );
    }
}

/// A registry has answered: once that tells something, what was pulled before is not unseen.
pub(super) fn look_up(state: &mut State, registry: &Registry) {
    // Seldom so, and then every login of the registry is looked at.
    if state.verdicts.pulls.has_unseen(registry)
        && !state.cluster.is_blind_to(registry, &state.verdicts)
    {
        state.verdicts.pulls.is_seen(registry);
    }
}

impl Prober {
    /// Asks what is to be asked again, one by one, as long as the pace keeps nobody waiting.
    pub(super) fn recheck(&mut self, now: DateTime<Utc>) {
        while !self.schedule.is_behind(now)
            && let Some(group) = self.rechecks.pop_first()
        {
            let job = Job::Login(group);
            if !self.schedule.knows(&job) || self.schedule.is_under_way(&job) {
                continue;
            }
            if let Job::Login(group) = &job {
                self.shared.update(|state| {
                    let refusals = state.verdicts.of(group).map_or(0, Verdict::refusals);
                    state.verdicts.pulls.recheck(group, refusals, now);
                });
            }
            self.ask_soon(&job, now);
            self.start_due(now);
        }
    }
}
