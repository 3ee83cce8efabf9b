//! Does what is due: takes jobs from the schedule, lets `registry` hold the conversations, has their
//! facts judged, and writes the verdicts into the state.
//!
//! A step is everything that is due at one time; [`Prober::run`] only sleeps between steps. Nothing
//! here is asked again on failure: what is asked again, and when, is the schedule's business.

mod adopt;
mod demand;
mod gate;
mod ledger;
mod look;
mod own_quota;
mod pulled;
mod record;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::{Probe, Repositories, Settings};
use crate::domain::budget::Changes;
use crate::domain::cluster::Group;
use crate::domain::exchange::Exchange;
use crate::domain::outcome::{self, Judgement};
use crate::domain::schedule::{self, Aside, Job, Schedule};
use crate::domain::verdict::Verdict;
use crate::lifecycle::Role;
use crate::metrics::Metrics;
use crate::registry::{Client, Request};
use crate::state::Shared;
pub use demand::Demands;
use gate::Paid;
use ledger::{Answered, Ledger};
pub use ledger::{Ask, Trouble};
use own_quota::OwnQuota;

/// Manifests that one conversation asks for, the rest having its turn next time (docs/cli.md,
/// `--probe.repositories`).
const MOST_MANIFESTS: usize = 50;

/// Logs in where it is due, and pings.
#[derive(Debug)]
pub struct Prober {
    shared: Shared,
    settings: watch::Receiver<Arc<Settings>>,
    role: watch::Receiver<Role>,
    client: Arc<Client>,
    clock: Clock,
    metrics: Metrics,
    wake: Arc<Notify>,
    schedule: Schedule,
    under_way: JoinSet<(Exchange, Judgement)>,
    aside: Aside,
    begun: HashMap<Id, Begun>,
    /// Changed while their login was under way: looked at when it has ended, or each change would
    /// be one login more.
    held_over: HashSet<Group>,
    /// Logins that a pull contradicts, to be asked when the pace has a place to spare.
    rechecks: BTreeSet<Group>,
    own_quota: OwnQuota,
    ledger: Ledger,
    changes: Changes,
    demands: Demands,
    kept_house: DateTime<Utc>,
    /// Conversations send nothing more.
    stop: CancellationToken,
    /// Every list has come in once: before that, a login would miss the manifests of pods that are
    /// still on their way.
    began: bool,
}

/// A job under way.
#[derive(Debug)]
struct Begun {
    job: Job,
    /// The place of a login in its account's budget.
    paid: Option<Paid>,
}

/// A conversation with what it says; an error where it panicked.
type Ended = Result<(Id, (Exchange, Judgement)), JoinError>;

/// What a step waits for.
enum Happening {
    Ended(Ended),
    Answered(Answered),
}

impl Prober {
    /// A prober with nothing planned; `wake` tells it that the cluster changed.
    pub fn new(
        shared: Shared,
        settings: watch::Receiver<Arc<Settings>>,
        role: watch::Receiver<Role>,
        client: Client,
        clock: Clock,
        metrics: Metrics,
        wake: Arc<Notify>,
    ) -> Self {
        let per_registry = settings.borrow().probe.per_registry;
        Self {
            shared,
            settings,
            role,
            client: Arc::new(client),
            clock,
            ledger: Ledger::new(metrics.clone()),
            demands: Demands::new(Arc::clone(&wake)),
            metrics,
            wake,
            schedule: Schedule::new(per_registry),
            under_way: JoinSet::new(),
            aside: Aside::default(),
            begun: HashMap::new(),
            held_over: HashSet::new(),
            rechecks: BTreeSet::new(),
            own_quota: OwnQuota::default(),
            changes: Changes::default(),
            kept_house: DateTime::UNIX_EPOCH,
            stop: CancellationToken::new(),
            began: false,
        }
    }

    /// Looks after the quota of our own address, too: for `/metrics`, which shows it.
    #[must_use]
    pub fn with_own_quota(mut self) -> Self {
        self.own_quota = OwnQuota::watched();
        self
    }

    /// Refusals are remembered by whoever listens to these questions. Without a keeper nothing that
    /// may be refused is sent within 30 min of the start.
    #[must_use]
    pub fn with_ledger(mut self, keeper: mpsc::Sender<Ask>) -> Self {
        self.ledger.kept_by(keeper);
        self
    }

    /// For a command that a person runs: at most one login of each account may be refused, and
    /// nothing waits for half an hour.
    #[must_use]
    pub fn for_one_run(mut self) -> Self {
        self.ledger.of_one_run();
        self
    }

    /// Listens to these demands.
    #[must_use]
    pub fn with_demands(mut self, demands: Demands) -> Self {
        self.demands = demands;
        self
    }

    /// Where to ask for a check now.
    pub fn demands(&self) -> Demands {
        self.demands.clone()
    }

    /// Steps whenever something is due, something changed, or a conversation ended.
    pub async fn run(mut self, shutdown: CancellationToken) {
        loop {
            let now = self.clock.now();
            if self.has_begun() {
                self.begin(now);
            }
            let next = self.next_due(now).unwrap_or(now + TimeDelta::hours(1));
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                Some(ended) = self.under_way.join_next_with_id() => self.ended(ended),
                answered = self.ledger.heard() => self.settle(answered, self.clock.now()),
                () = self.wake.notified() => {}
                // Whoever led meanwhile has written the ledger.
                Ok(()) = self.role.changed() => self.ledger.read_anew(),
                () = self.clock.sleep_until(next) => {}
            }
        }
        self.finish().await;
    }

    /// Sends nothing more, and waits for the logins under way: what they cost is known by their
    /// answers alone, and without them good credentials would count as refused after the next start.
    /// Whoever runs us decides for how long.
    async fn finish(&mut self) {
        self.stop.cancel();
        loop {
            self.ledger.withdraw_unsent();
            let now = self.clock.now();
            if !self.has_logins_under_way() && !self.ledger.is_behind(now) {
                break;
            }
            self.ledger.work(now);
            let next = self.ledger.due(now).unwrap_or(now + TimeDelta::hours(1));
            tokio::select! {
                Some(ended) = self.under_way.join_next_with_id() => self.ended(ended),
                answered = self.ledger.heard() => self.settle(answered, self.clock.now()),
                () = self.clock.sleep_until(next) => {}
            }
        }
        // The answers to anonymous questions would be seen by nobody.
        self.under_way.shutdown().await;
    }

    fn has_logins_under_way(&self) -> bool {
        self.begun.values().any(|begun| begun.paid.is_some())
    }

    /// Does all that is due at `now`; returns when the next thing is due. The whole of a one-shot
    /// command's probing, and of a test's day.
    pub async fn step(&mut self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.begin(now);
        while let Some(happening) = self.happening().await {
            match happening {
                Happening::Ended(ended) => self.ended(ended),
                Happening::Answered(answered) => self.settle(answered, now),
            }
            self.begin(now);
        }
        self.next_due(now)
    }

    /// The next end or answer; `None` when nothing is waited for.
    async fn happening(&mut self) -> Option<Happening> {
        if self.under_way.is_empty() && !self.ledger.is_asking() {
            return None;
        }
        tokio::select! {
            Some(ended) = self.under_way.join_next_with_id() => Some(Happening::Ended(ended)),
            answered = self.ledger.heard() => Some(Happening::Answered(answered)),
        }
    }

    /// Begins all that can be begun now.
    fn begin(&mut self, now: DateTime<Utc>) {
        self.adopt(now);
        if *self.role.borrow() == Role::StandingBy {
            return;
        }
        self.take_demands(now);
        self.start_due(now);
        self.recheck(now);
        self.ledger.work(now);
        self.send_written(now);
        self.keep_house(now);
    }

    fn has_begun(&mut self) -> bool {
        if !self.began && self.shared.read(|state| state.watches.is_ready()) {
            self.shared.update(|state| state.cluster.settle());
            self.began = true;
        }
        self.began
    }

    /// Shows when each login that was asked before comes next, after something has moved it.
    fn show_plans<'j>(&self, jobs: impl IntoIterator<Item = &'j Job>) {
        self.shared.update(|state| {
            for job in jobs {
                if let Job::Login(group) = job
                    && let Some(at) = self.schedule.planned_for(job)
                    && state.verdicts.of(group).is_some_and(Verdict::was_asked)
                {
                    state.verdicts.entry(group).plan(Some(at));
                }
            }
        });
    }

    /// When there will be something to start; never while another process does it.
    fn next_due(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let leads = *self.role.borrow() == Role::Leading;
        let recheck = (!self.rechecks.is_empty()).then(|| self.schedule.recovered_at().max(now));
        let due = [self.schedule.next_due(now), self.ledger.due(now), recheck];
        due.into_iter().flatten().min().filter(|_| leads)
    }

    fn start_due(&mut self, now: DateTime<Utc>) {
        let settings = Arc::clone(&self.settings.borrow());
        if let Some(back) = self.schedule.follow(now) {
            self.ledger.budget().follow(back);
            self.aside.follow(back);
            self.show_plans(self.schedule.jobs());
        }
        loop {
            let due = self.schedule.take_due(now);
            if due.is_empty() {
                break;
            }
            for job in due {
                self.start(job, &settings.probe, now);
            }
        }
    }

    fn start(&mut self, job: Job, probe: &Probe, now: DateTime<Utc>) {
        if let Some(until) = self.aside.until(&job, now) {
            self.put_off(&job, until, now);
            return;
        }
        let client = Arc::clone(&self.client);
        let shared = &self.shared;
        let in_use = shared.read(|state| state.cluster.uses_registry(job.registry()));
        match &job {
            Job::Ping(registry) => {
                let registry = registry.clone();
                let ping = async move { client.ping(&registry, in_use, now).await };
                self.spawn(job, None, ping);
            }
            Job::Look(registry) => {
                let manifests = self.look(registry, now);
                if manifests.is_empty() {
                    self.end_look(registry, now);
                    return;
                }
                let registry = registry.clone();
                let look = async move { client.look(&registry, &manifests, in_use, now).await };
                self.spawn(job, None, look);
            }
            Job::Login(group) => {
                let Some(request) = self.request(group, probe, now) else {
                    self.skipped(&job, group, probe, now);
                    return;
                };
                self.enter(group, request, now);
            }
        }
    }

    /// Has a conversation. What was answered is judged where a panic is caught: it is one unit of
    /// work, which may fail alone.
    fn spawn(
        &mut self,
        job: Job,
        paid: Option<Paid>,
        conversation: impl Future<Output = Exchange> + Send + 'static,
    ) {
        let task = self.under_way.spawn(async move {
            let exchange = conversation.await;
            let judgement = outcome::classify(&exchange);
            (exchange, judgement)
        });
        self.begun.insert(task.id(), Begun { job, paid });
    }

    /// A job that was taken is not begun: it is set aside until then.
    fn put_off(&mut self, job: &Job, until: DateTime<Utc>, now: DateTime<Utc>) {
        match job {
            Job::Login(_) => self.schedule.turned_away(job, until, now),
            Job::Ping(_) | Job::Look(_) => drop(self.schedule.finished(job, until, now)),
        }
        self.show_plans([job]);
    }

    /// What to ask; `None` when the credential's own date has passed, or when it is gone.
    fn request(&self, group: &Group, probe: &Probe, now: DateTime<Utc>) -> Option<Request> {
        self.shared.read(|state| {
            let target = state.cluster.target(group)?;
            if target.expiry.is_expired_inside_at(now) {
                return None;
            }
            let most = match probe.repositories {
                Repositories::Used => MOST_MANIFESTS,
                Repositories::One => 1,
                Repositories::None => 0,
            };
            let manifests = state.cluster.manifests(group).cloned();
            let manifests = match state.verdicts.of(group) {
                Some(verdict) => verdict.turn(manifests, most),
                None => manifests.take(most).collect(),
            };
            Some(Request {
                registry: group.registry.clone(),
                credential: target.credential,
                manifests,
                in_use: target.in_use,
                now,
            })
        })
    }

    /// Expired by its own date: a verdict without a conversation.
    fn skipped(&mut self, job: &Job, group: &Group, probe: &Probe, now: DateTime<Utc>) {
        let target = self.shared.read(|state| state.cluster.target(group));
        let holder = target.as_ref().map(|target| &target.holder);
        let phase_of = (holder, &group.registry);
        let next = schedule::next_in_phase(&phase_of, probe.interval, fastrand::f64(), now);
        let next = self.schedule.finished(job, next, now);
        self.shared.update(|state| {
            if let Some(expired) = target.and_then(|target| target.expiry.inside) {
                let verdict = state.verdicts.entry(group);
                verdict.record_expired_inside(expired);
                verdict.plan(next);
            }
        });
        self.look_behind(group, now);
    }
}
