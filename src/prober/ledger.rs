//! The budget in use: no login that may be refused is sent before it is written down.
//!
//! Whoever keeps the ledger is asked by messages, one at a time and at most one a second; what is
//! due meanwhile goes into the next one. Without an answer, and without a keeper, such logins wait.

use std::collections::HashSet;
use std::mem;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::{mpsc, oneshot};
use tracing::{info, warn};

use crate::domain::budget::{Budget, EntryId, Limits, Login, Standing, Taken, Toll};
use crate::domain::cluster::Group;
use crate::domain::credential::AccountName;
use crate::domain::image::Registry;
use crate::domain::verdict::Waits;
use crate::metrics::Metrics;
use crate::registry::Request;

/// Without memory of what was refused before a start, nothing that may be refused is sent for the
/// shorter of the budget's windows (docs/promises.md).
const NO_MEMORY: TimeDelta = TimeDelta::minutes(30);

/// Between two writes: a Lease is an object of the API server like any other.
const BETWEEN_WRITES: TimeDelta = TimeDelta::seconds(1);

/// After a write or read that failed.
const RETRY: TimeDelta = TimeDelta::seconds(30);

/// Until some of a ledger that is full may be a day old.
const FULL_FOR: TimeDelta = TimeDelta::minutes(10);

/// What the prober asks of whoever keeps the ledger. One question at a time.
#[derive(Debug)]
pub enum Ask {
    /// What is kept; `None` where nothing was ever written.
    Read(oneshot::Sender<Result<Option<String>, Trouble>>),
    /// Keep this, if nobody else wrote since the last answer.
    Write(String, oneshot::Sender<Result<(), Trouble>>),
}

/// Why the ledger was not read or not written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Somebody else wrote meanwhile: this.
    Conflict(Option<String>),
    /// It did not work; words for the log, nothing of the ledger in them.
    Failed(String),
}

/// What was answered.
#[derive(Debug)]
pub(super) enum Answered {
    Read(Result<Option<String>, Trouble>),
    Written(Result<(), Trouble>),
}

#[derive(Debug)]
enum Asked {
    Read(oneshot::Receiver<Result<Option<String>, Trouble>>),
    Written(oneshot::Receiver<Result<(), Trouble>>),
}

/// A login that was entered.
#[derive(Clone, Debug)]
pub(super) struct Entered {
    pub(super) group: Group,
    pub(super) account: AccountName,
    pub(super) request: Request,
    pub(super) id: EntryId,
}

/// What an answer of the keeper changes for logins.
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// Not to be sent: each waits until then.
    pub(super) turned_away: Vec<(Group, DateTime<Utc>)>,
    /// The ledger is there again, or for the first time: these need not wait for it any longer.
    pub(super) opened: Vec<Group>,
    /// Accounts came in that are to be recognised.
    pub(super) has_news: bool,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Ledger {
    budget: Budget,
    metrics: Metrics,
    keeper: Option<mpsc::Sender<Ask>>,
    needs_memory: bool,
    began: Option<DateTime<Utc>>,
    is_read: bool,
    is_well: bool,
    has_memory: bool,
    retry_at: DateTime<Utc>,
    last_write: Option<DateTime<Utc>>,
    is_dirty: bool,
    unsaved: Vec<Entered>,
    saving: Vec<Entered>,
    ready: Vec<Entered>,
    asked: Option<Asked>,
    shut_out: HashSet<Group>,
}

impl Ledger {
    /// In memory only.
    pub(super) fn new(metrics: Metrics) -> Self {
        Self {
            budget: Budget::new(Limits::DAEMON, fastrand::u32(..)),
            metrics,
            keeper: None,
            needs_memory: true,
            began: None,
            is_read: false,
            is_well: true,
            has_memory: false,
            retry_at: DateTime::UNIX_EPOCH,
            last_write: None,
            is_dirty: false,
            unsaved: Vec::new(),
            saving: Vec::new(),
            ready: Vec::new(),
            asked: None,
            shut_out: HashSet::new(),
        }
    }

    pub(super) fn kept_by(&mut self, keeper: mpsc::Sender<Ask>) {
        self.keeper = Some(keeper);
    }

    /// A person has it run: it needs no memory, and tries nothing twice.
    pub(super) fn of_one_run(&mut self) {
        self.needs_memory = false;
        self.budget = Budget::new(Limits::ONE_RUN, fastrand::u32(..));
    }

    /// Another process may have written while we stood by.
    pub(super) fn read_anew(&mut self) {
        self.is_read = false;
    }

    /// Takes a place for a login, or says until when it waits and for what.
    pub(super) fn enter(
        &mut self,
        login: &Login<'_>,
        now: DateTime<Utc>,
    ) -> Result<EntryId, (DateTime<Utc>, Option<Waits>)> {
        if login.standing == Standing::Unproven
            && let Some(until) = self.closed_until(now)
        {
            self.shut_out.insert(login.group.clone());
            return Err((until, Some(Waits::ForLedger)));
        }
        self.shut_out.remove(login.group);
        self.budget.enter(login, now).map_err(|shortage| {
            let waits = match shortage.by {
                Taken::ByRefusals => Some(Waits::ForBudget),
                Taken::ByOthers => None,
            };
            (shortage.until, waits)
        })
    }

    /// What is counted.
    pub(super) fn budget(&mut self) -> &mut Budget {
        &mut self.budget
    }

    /// Whether a login of this standing is written down before it is sent.
    pub(super) fn is_written_first(&self, standing: Standing) -> bool {
        standing == Standing::Unproven && self.keeper.is_some()
    }

    /// To be sent once it is written down.
    pub(super) fn write_first(&mut self, entered: Entered) {
        self.unsaved.push(entered);
    }

    /// The answer to a login that was entered; whether it gave its place back.
    pub(super) fn answered(&mut self, id: EntryId, toll: Toll, now: DateTime<Utc>) -> bool {
        self.budget.answered(id, toll, now)
    }

    /// A login that was entered is not sent.
    pub(super) fn withdraw(&mut self, id: EntryId) {
        self.budget.withdraw(id);
        self.touch();
    }

    /// Takes back what was entered and has not left, as far as it is not being written.
    pub(super) fn withdraw_unsent(&mut self) {
        let unsent = self.unsaved.drain(..).chain(self.ready.drain(..));
        for entered in unsent.collect::<Vec<_>>() {
            self.withdraw(entered.id);
        }
    }

    /// What was learned is not all written down, and could be.
    pub(super) fn is_behind(&self, now: DateTime<Utc>) -> bool {
        let is_writing = matches!(self.asked, Some(Asked::Written(_)));
        let may_write = self.is_well && self.must_stand_until(now).is_none();
        self.is_read && may_write && (is_writing || self.is_dirty)
    }

    /// What was read was no ledger, and who starts next is to wait for it as we do: until then it is
    /// not written over.
    fn must_stand_until(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let is_no_ledger = self.is_read && !self.has_memory;
        self.closed_until(now).filter(|_| is_no_ledger)
    }

    /// The logins that wait at this registry and have a place now.
    pub(super) fn next_waiting(&self, registry: &Registry, now: DateTime<Utc>) -> Vec<Group> {
        self.budget.next_waiting(registry, now)
    }

    /// The logins that wait for a place of this account.
    pub(super) fn waiting_with(&self, registry: &Registry, account: &AccountName) -> Vec<Group> {
        self.budget.waiting_with(registry, account)
    }

    /// Something to be written down, when there is time.
    pub(super) fn touch(&mut self) {
        self.is_dirty = self.keeper.is_some();
    }

    /// Nobody wants the login any more.
    pub(super) fn forget(&mut self, group: &Group) {
        self.budget.stop_waiting(group);
        self.shut_out.remove(group);
    }

    /// Takes out of what is written down, oldest first, what `takes` takes.
    pub(super) fn take_written(&mut self, mut takes: impl FnMut(&Entered) -> bool) {
        self.ready.retain(|entered| !takes(entered));
    }

    /// Until when no login that may be refused is sent; `None` when they are.
    fn closed_until(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let needs_memory = self.needs_memory || self.keeper.is_some();
        if needs_memory && !(self.is_read && self.has_memory) {
            let reading = self.keeper.is_some() && !self.is_read;
            let until = self.began.unwrap_or(now) + NO_MEMORY;
            // Where it is only on its way, its answer opens.
            let until = if reading { now + RETRY } else { until };
            if until > now {
                return Some(until);
            }
        }
        let is_failing = self.keeper.is_some() && !self.is_well;
        (is_failing && self.retry_at > now).then_some(self.retry_at)
    }

    /// Asks what is to be asked now.
    pub(super) fn work(&mut self, now: DateTime<Utc>) {
        self.began.get_or_insert(now);
        if self.asked.is_some() || self.due(now).is_none_or(|due| due > now) {
            return;
        }
        let Some(keeper) = self.keeper.clone() else {
            return;
        };
        if self.is_read {
            self.write(&keeper, now);
        } else {
            let (sender, receiver) = oneshot::channel();
            // A keeper that is gone drops the question, which is answer enough.
            let _ = keeper.try_send(Ask::Read(sender));
            self.asked = Some(Asked::Read(receiver));
        }
    }

    fn write(&mut self, keeper: &mpsc::Sender<Ask>, now: DateTime<Utc>) {
        self.is_dirty = false;
        self.last_write = Some(now);
        self.saving = mem::take(&mut self.unsaved);
        let (sender, receiver) = oneshot::channel();
        match self.budget.to_text(now) {
            Ok(text) => {
                let _ = keeper.try_send(Ask::Write(text, sender));
            }
            Err(_full) => {
                let _ = sender.send(Err(Trouble::Failed("it is full".to_owned())));
            }
        }
        self.asked = Some(Asked::Written(receiver));
    }

    /// When there is something to ask; `None` while a question is open, or without one.
    pub(super) fn due(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        if self.asked.is_some() || self.keeper.is_none() {
            return None;
        }
        if !self.is_read {
            return Some(self.retry_at.max(now));
        }
        let is_wanted = self.is_dirty || !self.unsaved.is_empty();
        let next = self.last_write.map_or(now, |last| last + BETWEEN_WRITES);
        let stands = self.must_stand_until(now).unwrap_or(now);
        is_wanted.then(|| next.max(self.retry_at).max(stands).max(now))
    }

    /// A question is open.
    pub(super) fn is_asking(&self) -> bool {
        self.asked.is_some()
    }

    /// The answer to the open question; waits for ever without one.
    pub(super) async fn heard(&mut self) -> Answered {
        let answered = match &mut self.asked {
            None => std::future::pending().await,
            Some(Asked::Read(answer)) => Answered::Read(answer.await.unwrap_or_else(|_| gone())),
            Some(Asked::Written(answer)) => {
                Answered::Written(answer.await.unwrap_or_else(|_| gone()))
            }
        };
        self.asked = None;
        answered
    }

    /// Takes an answer in.
    pub(super) fn settle(&mut self, answered: Answered, now: DateTime<Utc>) -> Turn {
        match answered {
            Answered::Read(Ok(text)) => {
                self.is_read = true;
                self.has_memory = self.take_in(text.as_deref(), now);
                let mut turn = self.well(now);
                turn.has_news = true;
                turn
            }
            Answered::Read(Err(trouble)) => {
                self.failed("read", &trouble, now + RETRY);
                Turn::default()
            }
            Answered::Written(Ok(())) => {
                self.ready.extend(mem::take(&mut self.saving));
                self.well(now)
            }
            Answered::Written(Err(Trouble::Conflict(text))) => self.fenced(text.as_deref(), now),
            Answered::Written(Err(trouble)) => {
                let until = match self.budget.to_text(now) {
                    Ok(_) => now + RETRY,
                    Err(_full) => now + FULL_FOR,
                };
                self.failed("write", &trouble, until);
                // What was learned is still to be written.
                self.is_dirty = true;
                let mut entered = mem::take(&mut self.saving);
                entered.append(&mut self.unsaved);
                Turn {
                    turned_away: self.withdrawn(entered, until),
                    ..Turn::default()
                }
            }
        }
    }

    /// Another process wrote: what it entered counts, and what of ours does not fit beside it is not
    /// sent.
    fn fenced(&mut self, text: Option<&str>, now: DateTime<Utc>) -> Turn {
        info!("Another process has written the ledger, taking in what it says");
        self.take_in(text, now);
        self.is_dirty = true;
        let mut over = Vec::new();
        for entered in mem::take(&mut self.saving) {
            if self.budget.fits(entered.id, now) {
                self.unsaved.push(entered);
            } else {
                self.budget.withdraw(entered.id);
                over.push((entered.group, now + BETWEEN_WRITES));
            }
        }
        Turn {
            turned_away: over,
            has_news: true,
            ..Turn::default()
        }
    }

    fn withdrawn(
        &mut self,
        entered: Vec<Entered>,
        until: DateTime<Utc>,
    ) -> Vec<(Group, DateTime<Utc>)> {
        let withdraw = |entered: Entered| {
            self.budget.withdraw(entered.id);
            self.shut_out.insert(entered.group.clone());
            (entered.group, until)
        };
        entered.into_iter().map(withdraw).collect()
    }

    /// False where it was no ledger, so that nothing is remembered.
    fn take_in(&mut self, text: Option<&str>, now: DateTime<Utc>) -> bool {
        let Some(text) = text else {
            return true;
        };
        let is_whole = self.budget.take_in(text, now).is_ok();
        if !is_whole {
            warn!(
                "What is kept is no ledger: no login is sent in the first 30 min after the start, then it is written over"
            );
            self.is_dirty = true;
        }
        is_whole
    }

    fn well(&mut self, now: DateTime<Utc>) -> Turn {
        if !self.is_well {
            info!("The ledger is read and written again");
        }
        self.is_well = true;
        self.retry_at = now;
        self.metrics
            .probe
            .ledger_is(self.closed_until(now).is_none());
        let opened = match self.closed_until(now) {
            None => mem::take(&mut self.shut_out).into_iter().collect(),
            Some(_) => Vec::new(),
        };
        Turn {
            opened,
            ..Turn::default()
        }
    }

    fn failed(&mut self, what: &str, trouble: &Trouble, until: DateTime<Utc>) {
        let why = match trouble {
            Trouble::Conflict(_) => "another process writes it",
            Trouble::Failed(why) => why,
        };
        if self.is_well {
            warn!(
                why,
                "Failed to {what} the ledger: no login that may be refused is sent"
            );
        }
        self.is_well = false;
        self.retry_at = until;
        self.metrics.probe.ledger_is(false);
    }
}

fn gone<T>() -> Result<T, Trouble> {
    Err(Trouble::Failed("its keeper has ended".to_owned()))
}
