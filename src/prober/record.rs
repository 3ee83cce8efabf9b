//! What is learned when a conversation ends: what it cost, what it says, and when the next one is due.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use tracing::{debug, info, warn};

use super::gate::Paid;
use super::{Begun, Ended, Prober, pulled};
use crate::config::Probe;
use crate::domain::budget::{self, Toll};
use crate::domain::cluster::Group;
use crate::domain::exchange::{Exchange, NetworkFault, Step};
use crate::domain::image::Registry;
use crate::domain::outcome::{Judgement, Outcome};
use crate::domain::probe_log::{Logged, Purpose};
use crate::domain::rate_limit::QuotaNews;
use crate::domain::schedule::{self, Job};
use crate::metrics::Task;
use crate::state::State;

impl Prober {
    pub(super) fn ended(&mut self, ended: Ended) {
        let now = self.clock.now();
        let (id, conversation) = match ended {
            Ok((id, conversation)) => (id, Some(conversation)),
            Err(error) => (error.id(), None),
        };
        let Some(Begun { job, paid }) = self.begun.remove(&id) else {
            return;
        };
        let settings = Arc::clone(&self.settings.borrow());
        let Some((exchange, judgement)) = conversation else {
            self.panicked(&job, paid, &settings.probe, now);
            return;
        };
        self.aside.release(&job);
        self.log(&job, &exchange, &judgement, now);
        // A used-up quota is one account's: the others are asked as before.
        let is_quota = judgement.quotas.iter().any(QuotaNews::is_used_up);
        if let Some(until) = judgement.retry_after.filter(|_| !is_quota) {
            self.schedule.hold(&exchange.registry, until, now);
            self.show_plans(&self.schedule.waiting_for(&exchange.registry));
        }
        match job {
            Job::Ping(registry) => {
                self.pinged(&registry, &exchange, &judgement, &settings.probe, now)
            }
            Job::Look(registry) => self.looked(&registry, &exchange, &judgement, now),
            Job::Login(group) => {
                if let Some(paid) = paid {
                    self.pay(&group, &paid, budget::toll(&exchange, &judgement), now);
                }
                // Our own end kept it from being sent: that is no news of it.
                if self.stop.is_cancelled() && judgement.login.is_none() {
                    return;
                }
                self.logged_in(&group, &exchange, &judgement, &settings.probe, now)
            }
        }
    }

    /// Keeps what was asked, for whoever wants to know why; not of whom nobody may tell.
    fn log(&self, job: &Job, exchange: &Exchange, judgement: &Judgement, now: DateTime<Utc>) {
        self.shared.update(|state| {
            let what = match job {
                Job::Ping(_) => (Purpose::Ping, None),
                Job::Look(_) => (Purpose::Look, None),
                Job::Login(group) if state.cluster.wants(group) => {
                    let target = state.cluster.target(group);
                    (Purpose::Login, target.map(|target| target.holder))
                }
                Job::Login(_) => return,
            };
            let logged = Logged::of(judgement, what, exchange.took, now);
            state.probe_log.keep(&exchange.registry, logged);
        });
    }

    /// The payload of a panic may hold anything: it is counted, and never shown.
    fn panicked(&mut self, job: &Job, paid: Option<Paid>, probe: &Probe, now: DateTime<Utc>) {
        self.metrics.panics.caught(Task::Conversation);
        let interval = match job {
            Job::Ping(_) => probe.ping_interval,
            Job::Look(_) | Job::Login(_) => probe.interval,
        };
        // Nobody would take out again what nobody wants any more.
        let until = match self.schedule.knows(job) {
            true => self.aside.put(job, interval, now),
            false => now,
        };
        let mut credential = None;
        if let Job::Login(group) = job {
            // Whoever wants it left alone by now does not want it named either.
            let target = self.shared.read(|state| {
                let is_wanted = state.cluster.wants(group);
                state.cluster.target(group).filter(|_| is_wanted)
            });
            credential = target.map(|target| target.holder);
            if let Some(paid) = paid {
                self.pay(group, &paid, Toll::Unanswered, now);
            }
        }
        let (kind, registry) = (job_kind(job), job.registry());
        warn!(job = kind, credential, %registry, %until, "A conversation panicked, set aside");
        self.schedule.finished(job, until, now);
        self.show_plans([job]);
    }

    fn pinged(
        &mut self,
        registry: &Registry,
        exchange: &Exchange,
        judgement: &Judgement,
        probe: &Probe,
        now: DateTime<Utc>,
    ) {
        self.metrics.probe.finished(exchange, &outcomes(judgement));
        let job = Job::Ping(registry.clone());
        let jitter = probe.ping_interval.mul_f64(fastrand::f64() / 20.0);
        if self
            .schedule
            .finished(&job, now + probe.ping_interval + jitter, now)
            .is_none()
        {
            return;
        }
        let before = self.shared.read(|state| state.verdicts.registry(registry));
        let is_back = self.shared.update(|state| {
            state.quotas.told_anonymously(registry, judgement, now);
            state.verdicts.saw(registry, &exchange.certificates, now);
            let is_back = state.verdicts.pinged(registry, judgement);
            pulled::look_up(state, registry);
            is_back
        });
        // A certificate that was renewed for another name is news, although both times it is `tls`.
        if (before.last_ping, before.fault) != (Some(judgement.ping), judgement.fault) {
            let (outcome, fault) = (judgement.ping.as_str(), fault(judgement));
            info!(%registry, outcome, fault, "Registry ping outcome changed");
        }
        if is_back {
            self.hasten_inconclusive(registry, now);
        }
    }

    /// A registry that has come back owes an answer to every login that got none meanwhile.
    fn hasten_inconclusive(&mut self, registry: &Registry, now: DateTime<Utc>) {
        for job in self.schedule.waiting_for(registry) {
            let Job::Login(group) = &job else { continue };
            let got_none = self.shared.read(|state| {
                let verdict = state.verdicts.of(group);
                verdict.is_some_and(|verdict| {
                    !verdict.last_login().is_some_and(Outcome::is_conclusive)
                })
            });
            if got_none {
                self.ask_soon(&job, now);
            }
        }
    }

    fn logged_in(
        &mut self,
        group: &Group,
        exchange: &Exchange,
        judgement: &Judgement,
        probe: &Probe,
        now: DateTime<Utc>,
    ) {
        self.metrics.probe.finished(exchange, &outcomes(judgement));
        let job = Job::Login(group.clone());
        let learned = self
            .shared
            .update(|state| learn(state, group, exchange, judgement, probe, now));
        self.schedule.finished(&job, learned.next, now);
        self.show_plans([&job]);
        self.look_behind(group, now);
        learned.tell(&group.registry, judgement);
    }
}

/// What a login's answer changed.
struct Learned {
    /// The outcome before.
    before: Option<Outcome>,
    holder: String,
    /// Still; what nobody wants any more, or its owner wants left alone, is no news.
    is_wanted: bool,
    next: DateTime<Utc>,
}

fn learn(
    state: &mut State,
    group: &Group,
    exchange: &Exchange,
    judgement: &Judgement,
    probe: &Probe,
    now: DateTime<Utc>,
) -> Learned {
    let registry = &group.registry;
    let target = state.cluster.target(group);
    if let Some(target) = &target {
        state.quotas.told(group, target, judgement, now);
    }
    // gone while it was asked: nobody would forget it again
    if state.cluster.wants_registry(registry) {
        state.verdicts.saw(registry, &exchange.certificates, now);
    }
    state.verdicts.recognise(registry, judgement.provider);
    let verdict = state.verdicts.entry(group);
    let before = verdict.last_login();
    verdict.record(judgement, now);
    let pause = verdict
        .pause_after_refusal(probe.confirm_after)
        .or_else(|| verdict.pause_after_silence());
    pulled::look_up(state, registry);
    let holder = target.as_ref().map(|target| target.holder.clone());
    let next = match pause {
        Some(pause) => now + TimeDelta::from_std(pause).unwrap_or(TimeDelta::MAX),
        None => {
            let phase_of = (&holder, registry);
            schedule::next_in_phase(&phase_of, probe.interval, fastrand::f64(), now)
        }
    };
    let wait = state.quotas.login_waits(group, now);
    let next = wait.map_or(next, |wait| wait.max(next));
    // Its verdict turns when its date passes, not at the next login.
    let expires = target.and_then(|target| target.expiry.expires_inside_after(now));
    Learned {
        before,
        is_wanted: state.cluster.wants(group),
        next: expires.map_or(next, |expires| expires.min(next)),
        holder: holder.unwrap_or_default(),
    }
}

impl Learned {
    /// The step that got furthest, and why there was no answer: closed words, nothing received.
    fn tell(&self, registry: &Registry, judgement: &Judgement) {
        let credential = &self.holder;
        let (step, outcome, status) = furthest(judgement);
        let (fault, doubt) = (fault(judgement), doubt(judgement));
        let is_news = self.before != judgement.login.map(|login| login.outcome);
        if !is_news || !self.is_wanted {
            debug!(credential, %registry, step, outcome, status, doubt, fault, "Probed");
        } else {
            info!(credential, %registry, step, outcome, status, doubt, fault, "Login outcome changed");
        }
    }
}

fn job_kind(job: &Job) -> &'static str {
    match job {
        Job::Ping(_) => "ping",
        Job::Look(_) => "look",
        Job::Login(_) => "login",
    }
}

/// The last step of a conversation, its outcome and the status that decided.
fn furthest(judgement: &Judgement) -> (Option<&'static str>, Option<&'static str>, Option<u16>) {
    let last = judgement.steps.last();
    let step = last.map(|(step, ..)| step.as_str());
    let outcome = last.map(|(_, outcome, _)| outcome.as_str());
    (step, outcome, last.and_then(|(.., status)| *status))
}

/// What exactly kept the last request from an answer, in a closed word.
fn fault(judgement: &Judgement) -> Option<&'static str> {
    judgement.fault.map(NetworkFault::as_str)
}

/// What the refused login may mean besides, where the registry answers several things alike.
fn doubt(judgement: &Judgement) -> Option<String> {
    let doubt = judgement.login.map(|login| login.doubt());
    doubt.filter(|doubt| !doubt.is_empty())
}

/// The outcomes of a conversation's steps, in the order in which they were taken.
fn outcomes(judgement: &Judgement) -> Vec<(Step, Outcome)> {
    judgement
        .steps
        .iter()
        .copied()
        .map(|(step, outcome, _)| (step, outcome))
        .collect()
}
