//! What the cluster newly wants is planned, and what it does not want any more is forgotten.

use std::collections::BTreeSet;
use std::mem;

use chrono::{DateTime, TimeDelta, Utc};

use super::{Prober, gate, pulled};
use crate::domain::cluster::Group;
use crate::domain::image::Registry;
use crate::domain::outcome::Outcome;
use crate::domain::schedule::Job;
use crate::state::State;

/// A manifest that no conversation has asked for yet is asked within this part of the interval:
/// soon after a deployment, and yet a namespace whose images change all the time costs its account
/// five logins an interval and not one per image.
const NEW_MANIFEST_PART: u32 = 5;

/// Pods that fail one after the other are no reason to ask for what was answered more often than
/// this.
const AFTER_FAILURE: TimeDelta = TimeDelta::seconds(30);

/// Nor for a manifest that a Pod waits for, and that nobody has asked for yet: its cause hangs on it.
const AFTER_FAILURE_OF_NEW: TimeDelta = TimeDelta::seconds(4);

/// What a look at the changes comes to.
#[derive(Default)]
struct Adopted {
    plans: Vec<(Job, DateTime<Utc>)>,
    gone: Vec<Job>,
    /// Registries at which another anonymous question may be due.
    looks: BTreeSet<Registry>,
}

impl Prober {
    /// Plans what the cluster newly wants, and forgets what it does not want any more.
    pub(super) fn adopt(&mut self, now: DateTime<Utc>) {
        let has_changes = self.shared.read(|state| state.cluster.has_changes());
        if !has_changes && self.held_over.is_empty() {
            return;
        }
        let shared = self.shared.clone();
        let adopted = shared.update(|state| self.take_changes(state, now));
        adopted
            .gone
            .iter()
            .for_each(|job| self.schedule.forget(job));
        for (job, at) in &adopted.plans {
            self.schedule.hasten(job, *at);
        }
        self.show_plans(adopted.plans.iter().map(|(job, _)| job));
        for registry in &adopted.looks {
            self.plan_look(registry, now);
        }
    }

    fn take_changes(&mut self, state: &mut State, now: DateTime<Utc>) -> Adopted {
        let mut adopted = Adopted::default();
        let changes = state.cluster.changes();
        pulled::note(state, &changes.pulls, &mut self.rechecks, now);
        for group in changes.failures {
            adopted.plans.extend(self.after_failure(state, &group, now));
        }
        let mut groups = mem::take(&mut self.held_over);
        groups.extend(changes.groups);
        for group in groups {
            if self.schedule.is_under_way(&Job::Login(group.clone())) {
                self.held_over.insert(group);
            } else if state.cluster.wants(&group) {
                self.want(state, group, &mut adopted, now);
            } else {
                self.let_go(state, group, &mut adopted, now);
            }
        }
        for registry in changes.registries {
            self.take_registry(state, registry, &mut adopted, now);
        }
        adopted
    }

    fn want(&mut self, state: &mut State, group: Group, adopted: &mut Adopted, now: DateTime<Utc>) {
        let at = self.wanted_at(state, &group, now);
        let job = Job::Login(group.clone());
        if let Some(namespace) = state.cluster.namespace_of(&group) {
            self.schedule.belongs_to(&job, namespace);
        }
        let wait = state.quotas.login_waits(&group, now);
        let at = at.map(|at| wait.map_or(at, |wait| wait.max(at)));
        adopted.plans.extend(at.map(|at| (job, at)));
        if state.verdicts.entry(&group).is_refused() {
            state.verdicts.anonymous.refuse(&group);
            adopted.looks.insert(group.registry);
        }
    }

    /// A node's pull has just failed with a login that works as far as we know: whether it still does,
    /// and may read that manifest, is asked at once. One that is refused, or was never asked, has its
    /// own time.
    fn after_failure(
        &self,
        state: &State,
        group: &Group,
        now: DateTime<Utc>,
    ) -> Option<(Job, DateTime<Utc>)> {
        let verdict = state.verdicts.of(group)?;
        let is_doubted = verdict.is_proven() && state.cluster.wants(group);
        let is_new = |manifest| verdict.manifest(manifest).is_none();
        let pause = match state.cluster.manifests(group).any(is_new) {
            true => AFTER_FAILURE_OF_NEW,
            false => AFTER_FAILURE,
        };
        let at = (verdict.last_run()? + pause).max(now);
        let wait = state.quotas.login_waits(group, now);
        let at = wait.map_or(at, |wait| wait.max(at));
        is_doubted.then(|| (Job::Login(group.clone()), at))
    }

    /// When a login is to be asked for what has changed; `None` when that is no reason.
    fn wanted_at(
        &mut self,
        state: &mut State,
        group: &Group,
        now: DateTime<Utc>,
    ) -> Option<DateTime<Utc>> {
        let (new_manifest_after, confirm_after) = {
            let probe = &self.settings.borrow().probe;
            (probe.interval / NEW_MANIFEST_PART, probe.confirm_after)
        };
        let met = gate::meet(state, self.ledger.budget(), group, confirm_after);
        let holder = state.cluster.holders(group).next();
        let first = holder.map_or(now, |(name, _)| self.changes.seen(&name, group, now));
        let first = met.map_or(first, |at| at.max(first));
        let verdict = state.verdicts.entry(group);
        verdict.keep_manifests(|manifest| state.cluster.uses_manifest(group, manifest));
        let at = match verdict.last_run() {
            None => Some(first),
            // Of a login that does not work, a new manifest is no reason to ask again.
            Some(last) if verdict.last_login() == Some(Outcome::Ok) => state
                .cluster
                .manifests(group)
                .any(|manifest| verdict.manifest(manifest).is_none())
                .then(|| now.max(last + new_manifest_after)),
            Some(_) => None,
        };
        // Wanted again: not before it would have been, had it been wanted all the time.
        let again = verdict.next_run().map_or(first, |next| next.max(now));
        let is_new = !self.schedule.knows(&Job::Login(group.clone()));
        at.into_iter().chain(is_new.then_some(again)).min()
    }

    fn let_go(
        &mut self,
        state: &mut State,
        group: Group,
        adopted: &mut Adopted,
        now: DateTime<Utc>,
    ) {
        let job = Job::Login(group.clone());
        // While a Secret holds it, what was learned is kept and not shown: a job whose pod comes
        // every minute must not log in every minute.
        if !state.cluster.holds(&group) {
            state.verdicts.forget(&group);
            state.quotas.forget(&group);
            self.aside.release(&job);
        }
        state.verdicts.anonymous.release(&group, self.rhythm(), now);
        self.ledger.forget(&group);
        adopted.looks.insert(group.registry);
        adopted.gone.push(job);
    }

    fn take_registry(
        &mut self,
        state: &mut State,
        registry: Registry,
        adopted: &mut Adopted,
        now: DateTime<Utc>,
    ) {
        let ping = Job::Ping(registry.clone());
        if !state.cluster.wants_registry(&registry) {
            state.verdicts.forget_registry(&registry);
            state.probe_log.forget(&registry);
            state
                .quotas
                .forget_registry(&registry, now - self.rhythm().every);
            self.aside.release(&ping);
            self.aside.release(&Job::Look(registry.clone()));
            adopted.gone.push(ping);
        } else if !self.schedule.knows(&ping) {
            adopted.plans.push((ping, now));
        }
        // Whether pods pull from it without a credential may be what has changed.
        adopted.looks.insert(registry);
    }
}
