//! Logins that a pull contradicts: refused here, and a pod pulled with the Secret all the same.
//!
//! They are asked at once, and yet behind all others: a whole registry that is mended lets many pods
//! go at one time, and whoever waits for a first verdict waits no longer for that. Each passes the
//! gate as any login does.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::Prober;
use crate::domain::cluster::{Group, Pull};
use crate::domain::pulls;
use crate::domain::schedule::Job;
use crate::state::State;

/// Takes in what pods pulled.
pub(super) fn note(
    state: &State,
    pulls: &[Pull],
    rechecks: &mut BTreeSet<Group>,
    now: DateTime<Utc>,
) {
    for pull in pulls {
        let refused = pulls::contradicted(&state.verdicts, pull, now);
        rechecks.extend(
            refused
                .into_iter()
                .filter(|group| state.cluster.wants(group)),
        );
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
                self.shared
                    .update(|state| state.verdicts.pulls.recheck(group, now));
            }
            self.ask_soon(&job, now);
            self.start_due(now);
        }
    }
}
