//! Behind refused logins, and where there is none though one is needed: what anybody may read of the
//! repositories in use, asked without a credential. With it, one manifest that pods pull so, for the quota of our own address.
//!
//! One look per registry, however many of its credentials are refused; which repositories have
//! their turn is decided in [`anonymous`](crate::domain::anonymous).

use chrono::{DateTime, TimeDelta, Utc};
use tracing::info;

use super::{MOST_MANIFESTS, Prober};
use crate::config::Repositories;
use crate::domain::anonymous::Rhythm;
use crate::domain::cluster::Group;
use crate::domain::exchange::{Exchange, Manifest};
use crate::domain::image::Registry;
use crate::domain::outcome::Judgement;
use crate::domain::schedule::Job;
use crate::domain::verdict::Verdict;
use crate::state::State;

impl Prober {
    pub(super) fn rhythm(&self) -> Rhythm {
        let probe = &self.settings.borrow().probe;
        Rhythm {
            every: TimeDelta::from_std(probe.interval).unwrap_or(TimeDelta::MAX),
            most: match probe.repositories {
                Repositories::Used => MOST_MANIFESTS,
                Repositories::One => 1,
                Repositories::None => 0,
            },
        }
    }

    /// A login has had its answer: from now on what stands behind it is looked at, or no more.
    pub(super) fn look_behind(&mut self, group: &Group, now: DateTime<Utc>) {
        let rhythm = self.rhythm();
        self.shared.update(|state| {
            let is_refused = state.verdicts.of(group).is_some_and(Verdict::is_refused);
            if is_refused && state.cluster.wants(group) {
                state.verdicts.anonymous.refuse(group);
            } else {
                state.verdicts.anonymous.release(group, rhythm, now);
            }
        });
        self.plan_look(&group.registry, now);
    }

    /// Plans the next look at a registry, or none where nothing is refused.
    pub(super) fn plan_look(&mut self, registry: &Registry, now: DateTime<Utc>) {
        let job = Job::Look(registry.clone());
        match self.next_look(registry, now) {
            Some(next) => self.schedule.hasten(&job, next),
            None => self.schedule.forget(&job),
        }
    }

    /// Ends a look, or one for which there was nothing to ask, and plans the next.
    pub(super) fn end_look(&mut self, registry: &Registry, now: DateTime<Utc>) {
        let job = Job::Look(registry.clone());
        let next = self.next_look(registry, now);
        if next.is_none() {
            self.schedule.forget(&job);
        }
        self.schedule.finished(&job, next.unwrap_or(now), now);
    }

    fn next_look(&self, registry: &Registry, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let rhythm = self.rhythm();
        self.shared.read(|state| {
            let in_use = in_question(state, registry).into_iter();
            let anonymous = &state.verdicts.anonymous;
            let behind = anonymous.next(registry, in_use, rhythm, now);
            let own = self.own_quota.next(state, registry, rhythm, now);
            let next = behind.into_iter().chain(own).min()?;
            let wait = state.quotas.address_waits(registry, now);
            Some(wait.map_or(next, |wait| wait.max(next)))
        })
    }

    /// What to ask for; nothing when no repository has its turn.
    pub(super) fn look(&mut self, registry: &Registry, now: DateTime<Utc>) -> Vec<Manifest> {
        let rhythm = self.rhythm();
        self.shared.update(|state| {
            let in_use = in_question(state, registry);
            let anonymous = &mut state.verdicts.anonymous;
            anonymous.keep(registry, in_use.iter().cloned(), rhythm, now);
            let mut turn = anonymous.turn(registry, in_use.into_iter(), rhythm, now);
            anonymous.begin(registry, &turn, now);
            let own = self.own_quota.turn(state, registry, rhythm, now);
            turn.extend(own.filter(|manifest| !turn.contains(manifest)));
            turn
        })
    }

    pub(super) fn looked(
        &mut self,
        registry: &Registry,
        exchange: &Exchange,
        judgement: &Judgement,
        now: DateTime<Utc>,
    ) {
        self.metrics.probe.looked(exchange);
        let public = self.shared.update(|state| {
            self.own_quota.looked(state, registry, judgement, now);
            let anonymous = &mut state.verdicts.anonymous;
            anonymous.record(registry, &judgement.manifests)
        });
        if public > 0 {
            info!(%registry, repositories = public, "A refused login stands before public images");
        }
        self.end_look(registry, now);
    }
}

/// The manifests of which it matters whether they are public: those in use of every login that the
/// registry refuses, and those that pods wait for, or were meant to have a login for, without one.
fn in_question(state: &State, registry: &Registry) -> Vec<Manifest> {
    let refused = state.verdicts.anonymous.refused(registry);
    refused
        .flat_map(|group| state.cluster.manifests(group))
        .chain(state.cluster.questions(registry))
        .cloned()
        .collect()
}
