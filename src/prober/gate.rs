//! The gate that every login passes: its account has a place for it, and it is written down.
//!
//! What the budget and the ledger decide is done here: a login is sent, waits until it is written
//! down, or comes again when there is a place.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};

use super::Prober;
use super::ledger::{Answered, Entered};
use crate::domain::budget::{Budget, EntryId, Login, MOST_HOLDERS, Standing, Toll};
use crate::domain::cluster::Group;
use crate::domain::credential::AccountName;
use crate::domain::image::Registry;
use crate::domain::schedule::Job;
use crate::domain::verdict::{self, Verdict, Waits};
use crate::registry::Request;
use crate::state::State;

/// Asked again sooner, a login has the same answer: who presses a button ten times logs in once.
const SAME_ANSWER: TimeDelta = TimeDelta::seconds(10);

/// No login that was turned away comes again sooner, whoever says when.
const AT_LEAST: TimeDelta = TimeDelta::seconds(1);

/// Between two looks for holders that are gone.
const HOUSEKEEPING: TimeDelta = TimeDelta::hours(1);

/// A login under way that has its place in the budget.
#[derive(Debug)]
pub(super) struct Paid {
    pub(super) id: EntryId,
    pub(super) account: AccountName,
    pub(super) is_written: bool,
}

impl Prober {
    /// Sends a login, has it written down first, or lets it wait.
    pub(super) fn enter(&mut self, group: &Group, request: Request, now: DateTime<Utc>) {
        let job = Job::Login(group.clone());
        let Some(account) = AccountName::of(&request.credential) else {
            // Nobody's account is in it.
            self.converse(job, request, None);
            return;
        };
        let (holders, standing, first_rejected, is_first) = self.shared.read(|state| {
            let verdict = state.verdicts.of(group);
            let is_proven = verdict.is_some_and(Verdict::is_proven);
            (
                holders(state, group),
                if is_proven {
                    Standing::Proven
                } else {
                    Standing::Unproven
                },
                verdict.and_then(Verdict::first_rejected),
                !verdict.is_some_and(Verdict::was_asked),
            )
        });
        let login = Login {
            group,
            account: &account,
            holders: &holders,
            standing,
            first_rejected,
        };
        match self.ledger.enter(&login, now) {
            Err((until, waits)) => {
                self.put_off(&job, until.max(now + AT_LEAST), now);
                self.waits(group, waits);
            }
            Ok(id) => {
                if let Some(holder) = holders.first().filter(|_| is_first) {
                    self.changes.asked(holder, group, now);
                }
                self.waits(group, None);
                if self.ledger.is_written_first(standing) {
                    self.schedule.leave_place(&job);
                    self.ledger.write_first(Entered {
                        group: group.clone(),
                        account,
                        request,
                        id,
                    });
                } else {
                    let paid = Paid {
                        id,
                        account,
                        is_written: false,
                    };
                    self.converse(job, request, Some(paid));
                }
            }
        }
    }

    fn converse(&mut self, job: Job, request: Request, paid: Option<Paid>) {
        let client = std::sync::Arc::clone(&self.client);
        let stop = self.stop.clone();
        let conversation = async move { client.converse(request, stop).await };
        self.spawn(job, paid, conversation);
    }

    /// Sends what is written down, as far as the registries have places.
    pub(super) fn send_written(&mut self, now: DateTime<Utc>) {
        let shared = &self.shared;
        let schedule = &mut self.schedule;
        let mut ready = Vec::new();
        let mut put_off = Vec::new();
        self.ledger.take_written(|entered| {
            // Whoever wanted it may have changed their mind while it was written down.
            if !shared.read(|state| state.cluster.wants(&entered.group)) {
                put_off.push((entered.group.clone(), entered.id, now));
                return true;
            }
            if let Some(until) = schedule.held_until(&entered.group.registry, now) {
                put_off.push((entered.group.clone(), entered.id, until));
                return true;
            }
            let may_start = schedule.take_place(&Job::Login(entered.group.clone()), now);
            if may_start {
                ready.push(entered.clone());
            }
            may_start
        });
        for entered in ready {
            let request = Request {
                now,
                ..entered.request
            };
            let paid = Paid {
                id: entered.id,
                account: entered.account,
                is_written: true,
            };
            self.converse(Job::Login(entered.group), request, Some(paid));
        }
        for (group, id, until) in put_off {
            self.ledger.withdraw(id);
            self.turned_away_later(&group, until, now);
            self.offer_places(&group.registry, now);
        }
    }

    /// There is a place again, or may be: whoever waits for one at this registry is asked.
    fn offer_places(&mut self, registry: &Registry, now: DateTime<Utc>) {
        for next in self.ledger.next_waiting(registry, now) {
            self.ask_soon(&Job::Login(next), now);
        }
    }

    fn turned_away_later(&mut self, group: &Group, until: DateTime<Utc>, now: DateTime<Utc>) {
        let job = Job::Login(group.clone());
        let until = until.max(now + AT_LEAST);
        self.schedule.turned_away_later(&job, until, now);
        self.show_plans([&job]);
    }

    /// A login had its answer, or will never have one: what it cost, and who may go next.
    pub(super) fn pay(&mut self, group: &Group, paid: &Paid, toll: Toll, now: DateTime<Utc>) {
        let has_given_back = self.ledger.answered(paid.id, toll, now);
        if paid.is_written || !has_given_back {
            self.ledger.touch();
        }
        self.shared.update(|state| {
            let verdict = state.verdicts.entry(group);
            verdict.went_unanswered(toll == Toll::Unanswered);
        });
        if has_given_back {
            self.offer_places(&group.registry, now);
        } else {
            // Whoever waited for this very answer now waits for a place, and is told until when.
            for other in self.ledger.waiting_with(&group.registry, &paid.account) {
                self.ask_soon(&Job::Login(other), now);
            }
        }
    }

    /// Plans a job that waits for now, or for when its account's quota is there again.
    pub(super) fn ask_soon(&mut self, job: &Job, now: DateTime<Utc>) {
        if !self.schedule.knows(job) || self.schedule.is_under_way(job) {
            return;
        }
        let wait = match job {
            Job::Login(group) => self
                .shared
                .read(|state| state.quotas.login_waits(group, now)),
            Job::Ping(_) | Job::Look(_) => None,
        };
        self.schedule
            .hasten(job, wait.map_or(now, |wait| wait.max(now)));
        self.show_plans([job]);
    }

    /// Moves what somebody wants to know to the front, but for what has just been asked.
    pub(super) fn take_demands(&mut self, now: DateTime<Utc>) {
        let demands = self.demands.take();
        if demands.is_empty() {
            return;
        }
        let jobs = self.schedule.jobs();
        let wanted: Vec<Job> = self.shared.read(|state| {
            let is_news = |group: &Group| {
                let last = state.verdicts.of(group).and_then(Verdict::last_run);
                last.is_none_or(|last| now - last >= SAME_ANSWER)
            };
            let is_wanted = |job: &&Job| match job {
                Job::Login(group) => {
                    let is_for = |demand| state.cluster.is_for(demand, group);
                    is_news(group) && demands.iter().any(is_for)
                }
                Job::Ping(_) | Job::Look(_) => false,
            };
            jobs.filter(is_wanted).cloned().collect()
        });
        for job in &wanted {
            self.ask_soon(job, now);
        }
    }

    /// Takes in what the ledger's keeper answered.
    pub(super) fn settle(&mut self, answered: Answered, now: DateTime<Utc>) {
        let turn = self.ledger.settle(answered, now);
        for (group, until) in &turn.turned_away {
            self.turned_away_later(group, *until, now);
            self.waits(group, Some(Waits::ForLedger));
        }
        let met = match turn.has_news {
            true => self.recognise_all(now),
            false => HashSet::new(),
        };
        let opened = turn.opened.into_iter().map(Job::Login);
        for job in opened.filter(|job| !met.contains(job)) {
            self.ask_soon(&job, now);
        }
    }

    /// Accounts have come in that nobody here has met: whose are they? Returns the logins that an
    /// earlier process made, which have their next time from it.
    fn recognise_all(&mut self, now: DateTime<Utc>) -> HashSet<Job> {
        let confirm_after = self.settings.borrow().probe.confirm_after;
        let budget = self.ledger.budget();
        let plans: Vec<_> = self.shared.update(|state| {
            let groups: Vec<Group> = state.cluster.groups().cloned().collect();
            let met = groups.into_iter().filter_map(|group| {
                let at = meet(state, budget, &group, confirm_after)?;
                Some((Job::Login(group), at))
            });
            met.collect()
        });
        for (job, at) in &plans {
            if self.schedule.knows(job) && !self.schedule.is_under_way(job) {
                self.schedule.postpone(job, (*at).max(now));
            }
        }
        self.show_plans(plans.iter().map(|(job, _)| job));
        plans.into_iter().map(|(job, _)| job).collect()
    }

    /// Forgets, once in a while, what holders held that are gone.
    pub(super) fn keep_house(&mut self, now: DateTime<Utc>) {
        if self.kept_house <= now && now < self.kept_house + HOUSEKEEPING {
            return;
        }
        self.kept_house = now;
        let changes = &mut self.changes;
        self.shared
            .read(|state| changes.keep(|group| state.cluster.holds(group), now));
    }

    pub(super) fn waits(&self, group: &Group, what: Option<Waits>) {
        let is_so = |state: &State| state.verdicts.of(group).and_then(Verdict::waits) == what;
        if !self.shared.read(is_so) {
            self.shared
                .update(|state| state.verdicts.entry(group).wait_for(what));
        }
    }
}

/// The ledger may know a credential that this process never asked for: it takes over what an
/// earlier one learned. Returns when it is to be asked then.
pub(super) fn meet(
    state: &mut State,
    budget: &mut Budget,
    group: &Group,
    confirm_after: std::time::Duration,
) -> Option<DateTime<Utc>> {
    let target = state.cluster.target(group)?;
    let account = AccountName::of(&target.credential)?;
    let held: Vec<_> = state.cluster.holders(group).take(MOST_HOLDERS).collect();
    let names: Vec<_> = held.iter().map(|(name, _)| name).collect();
    budget.recognise(&group.registry, &account, &names);
    let is_new = |verdict: &Verdict| !verdict.was_asked();
    if !state.verdicts.of(group).is_none_or(is_new) {
        return None;
    }
    let remembered = budget.remembered(&group.registry, held.into_iter())?;
    let pause = verdict::pause_after(remembered.times, confirm_after);
    let next = remembered.last + TimeDelta::from_std(pause).unwrap_or(TimeDelta::MAX);
    if remembered.is_certain {
        let verdict = state.verdicts.entry(group);
        verdict.remember(&remembered);
        verdict.plan(Some(next));
    }
    Some(next)
}

fn holders(state: &State, group: &Group) -> Vec<String> {
    let holders = state.cluster.holders(group).take(MOST_HOLDERS);
    holders.map(|(name, _)| name).collect()
}
