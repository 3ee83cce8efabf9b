//! The logins that wait for one registry: namespaces have their turns, and in a namespace the
//! longest due is first.
//!
//! Whoever was served the longest ago goes first, so that ten thousand Secrets of one namespace are
//! one place in the line. Nothing here costs more than the logarithm of what waits.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::mem;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::{Job, Queue};

/// Namespaces that are remembered before the first sweep.
const FIRST_SWEEP: usize = 64;

/// When each namespace was served last, over all registries; one that is not there never was.
#[derive(Debug)]
pub(super) struct Served {
    turns: HashMap<Arc<str>, u64>,
    turn: u64,
    /// Swept once it has grown to this.
    sweep_at: usize,
}

impl Default for Served {
    fn default() -> Self {
        Self {
            turns: HashMap::new(),
            turn: 0,
            sweep_at: FIRST_SWEEP,
        }
    }
}

impl Served {
    fn last(&self, namespace: &Arc<str>) -> u64 {
        self.turns.get(namespace).copied().unwrap_or_default()
    }

    /// A namespace has had its turn.
    pub(super) fn serve(&mut self, namespace: Arc<str>) {
        self.turn += 1;
        self.turns.insert(namespace, self.turn);
    }

    /// Namespaces come and go: those without a job may have to be forgotten.
    pub(super) fn has_grown(&self) -> bool {
        self.len() >= self.sweep_at
    }

    pub(super) fn len(&self) -> usize {
        self.turns.len()
    }

    /// Forgets all others; the next time when there are twice as many, so that what a sweep costs is
    /// shared by as many turns.
    pub(super) fn keep(&mut self, namespaces: &HashSet<&Arc<str>>) {
        self.turns.retain(|name, _| namespaces.contains(name));
        self.sweep_at = FIRST_SWEEP.max(2 * self.turns.len());
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Turns {
    queues: HashMap<Arc<str>, Queue>,
    /// Namespaces whose first login is not known to be due, by its time.
    early: BTreeSet<(DateTime<Utc>, Arc<str>)>,
    /// Those whose first login is due, by when they were served last; some of it may be old.
    due: BTreeSet<(u64, Arc<str>)>,
    /// Where each of these stands.
    places: HashMap<Arc<str>, u64>,
}

impl Turns {
    pub(super) fn is_empty(&self) -> bool {
        self.queues.is_empty()
    }

    pub(super) fn jobs(&self) -> impl Iterator<Item = &Job> {
        self.queues.values().flatten().map(|(_, job)| job)
    }

    pub(super) fn insert(&mut self, at: DateTime<Utc>, job: Job, namespace: &Arc<str>) {
        let before = self.first_of(namespace);
        self.queues
            .entry(namespace.clone())
            .or_default()
            .insert((at, job));
        self.moved(namespace, before);
    }

    pub(super) fn remove(&mut self, at: DateTime<Utc>, job: &Job, namespace: &Arc<str>) {
        let before = self.first_of(namespace);
        if let Some(queue) = self.queues.get_mut(namespace) {
            queue.remove(&(at, job.clone()));
        }
        self.moved(namespace, before);
    }

    /// The earliest time of any of them.
    pub(super) fn first(&self) -> Option<DateTime<Utc>> {
        let due = self.due.iter().filter_map(|(_, name)| self.first_of(name));
        let early = self.early.first().map(|(at, _)| *at);
        // Of those that are due one will do: it is in the past.
        due.take(1).chain(early).min()
    }

    /// Whose turn it is, with when it was served last and since when it waits.
    pub(super) fn next(
        &mut self,
        served: &Served,
        now: DateTime<Utc>,
    ) -> Option<(u64, DateTime<Utc>, Arc<str>)> {
        while let Some((at, _)) = self.early.first()
            && *at <= now
            && let Some((_, name)) = self.early.pop_first()
        {
            self.place(served.last(&name), name);
        }
        loop {
            let (then, name) = self.due.first()?.clone();
            let last = served.last(&name);
            if then != last {
                // It was served at another registry meanwhile.
                self.due.remove(&(then, name.clone()));
                self.place(last, name);
                continue;
            }
            return Some((last, self.first_of(&name)?, name));
        }
    }

    /// Takes the first login of a namespace.
    pub(super) fn take(&mut self, namespace: &Arc<str>) -> Option<Job> {
        let before = self.first_of(namespace);
        let (_, job) = self.queues.get_mut(namespace)?.pop_first()?;
        self.moved(namespace, before);
        Some(job)
    }

    /// Follows a clock that was set back.
    pub(super) fn follow(&mut self, back: TimeDelta) {
        self.due.clear();
        self.places.clear();
        self.early.clear();
        for (name, queue) in &mut self.queues {
            let waiting = mem::take(queue).into_iter();
            *queue = waiting.map(|(at, job)| (at - back, job)).collect();
            let first = queue.first().map(|(at, _)| (*at, name.clone()));
            self.early.extend(first);
        }
    }

    fn place(&mut self, last: u64, name: Arc<str>) {
        self.places.insert(name.clone(), last);
        self.due.insert((last, name));
    }

    fn first_of(&self, namespace: &Arc<str>) -> Option<DateTime<Utc>> {
        let queue = self.queues.get(namespace)?;
        queue.first().map(|(at, _)| *at)
    }

    /// A namespace's first login may be another one now.
    fn moved(&mut self, namespace: &Arc<str>, before: Option<DateTime<Utc>>) {
        let first = self.first_of(namespace);
        if first == before {
            return;
        }
        let was_early = before.is_some_and(|at| self.early.remove(&(at, namespace.clone())));
        if !was_early && let Some(place) = self.places.remove(namespace) {
            self.due.remove(&(place, namespace.clone()));
        }
        match first {
            Some(at) => drop(self.early.insert((at, namespace.clone()))),
            None => drop(self.queues.remove(namespace)),
        }
    }
}
