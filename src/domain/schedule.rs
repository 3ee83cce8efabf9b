//! What is due: logins, one per credential and registry, and anonymous pings, one per registry.
//!
//! `now` comes in, jobs come out. A lane per registry, so that taking what is due costs the number
//! of registries, not the number of credentials waiting behind a busy one; in each lane, and over all
//! of them, namespaces have their turns.

mod aside;
#[cfg(test)]
mod tests;
mod turns;

use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::cluster::Group;
use super::image::Registry;
pub use aside::Aside;
use turns::{Served, Turns};

/// Logins a second, over all registries, once the burst is used up: 600 credentials have their
/// verdict within two minutes of a start (docs/promises.md).
const LOGINS_PER_SECOND: u32 = 5;

/// Logins that may start at once: what one deployment brings along is judged without waiting.
const BURST: u32 = 20;

/// The longest that a `Retry-After` is obeyed; a clamp, since some registries have sent years
/// (jetstack/version-checker#376).
const LONGEST_HOLD: TimeDelta = TimeDelta::hours(1);

/// A clock is adjusted by less than this all the time; by more, it was set.
const SET_BACK: TimeDelta = TimeDelta::seconds(10);

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Job {
    /// Ask a registry for `/v2/` without a credential.
    Ping(Registry),
    /// Ask a registry, without a credential, for what stands behind logins that it refuses, and for
    /// one manifest of those that pods pull so.
    Look(Registry),
    /// Log in, and look at manifests.
    Login(Group),
}

impl Job {
    /// Whom it is had with.
    pub fn registry(&self) -> &Registry {
        match self {
            Self::Ping(registry) | Self::Look(registry) => registry,
            Self::Login(group) => &group.registry,
        }
    }
}

/// All that is planned, waiting or under way.
#[derive(Debug)]
pub struct Schedule {
    lanes: HashMap<Registry, Lane>,
    planned: HashMap<Job, Planned>,
    /// The namespace in whose turn a login has its place.
    homes: HashMap<Job, Arc<str>>,
    served: Served,
    /// When the next login would start if logins were spaced evenly.
    pace: DateTime<Utc>,
    /// The newest time that was told.
    seen: DateTime<Utc>,
    per_registry: usize,
}

type Queue = BTreeSet<(DateTime<Utc>, Job)>;

/// What waits for one registry.
#[derive(Debug, Default)]
struct Lane {
    /// Apart, and first: a registry that hangs is told by its ping, which must not wait until a
    /// thousand logins have timed out. Looks are here as well: nobody's account is in them.
    pings: Queue,
    logins: Turns,
    under_way: usize,
    held_until: Option<DateTime<Utc>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Planned {
    At(DateTime<Utc>),
    UnderWay,
    /// Under way, and asked for again meanwhile.
    UnderWayAgain,
}

impl Schedule {
    /// Nothing planned; at most `per_registry` conversations with one registry at a time.
    pub fn new(per_registry: usize) -> Self {
        Self {
            lanes: HashMap::new(),
            planned: HashMap::new(),
            homes: HashMap::new(),
            served: Served::default(),
            pace: DateTime::UNIX_EPOCH,
            seen: DateTime::UNIX_EPOCH,
            per_registry: per_registry.max(1),
        }
    }

    /// From now on a login has its place in the turn of this namespace.
    pub fn belongs_to(&mut self, job: &Job, namespace: &Arc<str>) {
        if self.homes.get(job) == Some(namespace) {
            return;
        }
        let waiting = match self.planned.get(job) {
            Some(Planned::At(at)) => Some(*at),
            _ => None,
        };
        waiting.iter().for_each(|at| self.take_out(job, *at));
        self.homes.insert(job.clone(), namespace.clone());
        waiting.iter().for_each(|at| self.put_in(job, *at));
    }

    /// Plans a job, earlier if it was planned later; one that is under way is done once more.
    pub fn hasten(&mut self, job: &Job, at: DateTime<Utc>) {
        match self.planned.get(job) {
            Some(Planned::At(planned)) if *planned <= at => {}
            Some(Planned::At(_)) | None => self.plan(job, at),
            Some(Planned::UnderWay | Planned::UnderWayAgain) => {
                self.planned.insert(job.clone(), Planned::UnderWayAgain);
            }
        }
    }

    /// Plans a job that waits for another time, be it later.
    pub fn postpone(&mut self, job: &Job, at: DateTime<Utc>) {
        if let Some(Planned::At(_)) = self.planned.get(job) {
            self.plan(job, at);
        }
    }

    /// Whether the job is planned or under way.
    pub fn knows(&self, job: &Job) -> bool {
        self.planned.contains_key(job)
    }

    /// Whether the job has been taken and has not ended.
    pub fn is_under_way(&self, job: &Job) -> bool {
        matches!(
            self.planned.get(job),
            Some(Planned::UnderWay | Planned::UnderWayAgain)
        )
    }

    /// Nobody wants the job any more. One that is under way ends by itself.
    pub fn forget(&mut self, job: &Job) {
        if let Some(Planned::At(at)) = self.planned.remove(job) {
            self.take_out(job, at);
        }
        self.homes.remove(job);
        self.drop_idle_lane(job.registry());
    }

    /// Follows a clock that was set back, so that what is planned comes after as long a wait as
    /// before and not a day later; by how much it was.
    pub fn follow(&mut self, now: DateTime<Utc>) -> Option<TimeDelta> {
        let back = self.seen - now;
        self.seen = now;
        if back < SET_BACK {
            return None;
        }
        self.pace -= back;
        for lane in self.lanes.values_mut() {
            lane.held_until = lane.held_until.map(|until| until - back);
            let waiting = mem::take(&mut lane.pings).into_iter();
            lane.pings = waiting.map(|(at, job)| (at - back, job)).collect();
            lane.logins.follow(back);
        }
        for planned in self.planned.values_mut() {
            if let Planned::At(at) = planned {
                *at -= back;
            }
        }
        Some(back)
    }

    /// Takes what may start now: due, its registry neither busy nor held, logins within the pace.
    pub fn take_due(&mut self, now: DateTime<Utc>) -> Vec<Job> {
        let mut taken = Vec::new();
        for lane in self.lanes.values_mut() {
            while lane.may_start(now, self.per_registry)
                && let Some(ping) = lane.take_ping(now)
            {
                lane.under_way += 1;
                taken.push(ping);
            }
        }
        while pace_allows(self.pace, now)
            && let Some(login) = self.take_login(now)
        {
            self.pace = self.pace.max(now) + pace_step();
            taken.push(login);
        }
        for job in &taken {
            self.planned.insert(job.clone(), Planned::UnderWay);
        }
        taken
    }

    /// The login of the namespace that was served the longest ago; of several registries the one
    /// that it has waited for the longest.
    fn take_login(&mut self, now: DateTime<Utc>) -> Option<Job> {
        let (served, per_registry) = (&self.served, self.per_registry);
        let lanes = self.lanes.iter_mut();
        let turns = lanes.filter_map(|(registry, lane)| {
            let may_start = lane.may_start(now, per_registry);
            let (last, since, name) = lane.logins.next(served, now).filter(|_| may_start)?;
            Some((last, since, name, registry))
        });
        let (_, _, namespace, registry) = turns.min()?;
        let registry = registry.clone();
        let lane = self.lanes.get_mut(&registry)?;
        let login = lane.logins.take(&namespace)?;
        lane.under_way += 1;
        self.served.serve(namespace);
        if self.served.has_grown() {
            self.served.keep(&self.homes.values().collect());
        }
        Some(login)
    }

    /// A job ended: its next time, unless it was forgotten or hastened meanwhile. Returns when it
    /// is planned.
    pub fn finished(
        &mut self,
        job: &Job,
        next: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Option<DateTime<Utc>> {
        self.leave_place(job);
        self.plan_next(job, next, now)
    }

    fn plan_next(
        &mut self,
        job: &Job,
        next: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Option<DateTime<Utc>> {
        let at = match self.planned.get(job) {
            Some(Planned::UnderWay) => next,
            Some(Planned::UnderWayAgain) => now,
            // Forgotten, or forgotten and wanted again.
            Some(Planned::At(at)) => return Some(*at),
            None => {
                self.drop_idle_lane(job.registry());
                return None;
            }
        };
        self.plan(job, at);
        Some(at)
    }

    /// A login that was taken is not begun after all: it comes again at `at`, and what it took of
    /// the pace is given back.
    pub fn turned_away(&mut self, job: &Job, at: DateTime<Utc>, now: DateTime<Utc>) {
        self.leave_place(job);
        self.turned_away_later(job, at, now);
    }

    /// The same for one that has left its place.
    pub fn turned_away_later(&mut self, job: &Job, at: DateTime<Utc>, now: DateTime<Utc>) {
        self.pace -= pace_step();
        self.plan_next(job, at, now);
    }

    /// A job that was taken has to wait for something else than its registry, and leaves its place
    /// there to others until [`Schedule::take_place`].
    pub fn leave_place(&mut self, job: &Job) {
        if let Some(lane) = self.lanes.get_mut(job.registry()) {
            lane.under_way = lane.under_way.saturating_sub(1);
        }
    }

    /// Until when the registry wants quiet, if it does.
    pub fn held_until(&self, registry: &Registry, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let lane = self.lanes.get(registry)?;
        lane.held_until.filter(|until| *until > now)
    }

    /// Takes the place again; false while there is none.
    pub fn take_place(&mut self, job: &Job, now: DateTime<Utc>) -> bool {
        let per_registry = self.per_registry;
        let lane = self.lanes.entry(job.registry().clone()).or_default();
        let is_free = lane.may_start(now, per_registry);
        lane.under_way += usize::from(is_free);
        is_free
    }

    /// The registry asked for quiet (`Retry-After`): nothing is sent to it before, an hour at most.
    pub fn hold(&mut self, registry: &Registry, until: DateTime<Utc>, now: DateTime<Utc>) {
        if let Some(lane) = self.lanes.get_mut(registry) {
            // Conversations that were under way together are told different times.
            lane.held_until = lane.held_until.max(Some(obeyed(until, now)));
        }
    }

    /// When there will be something to take, provided that nothing else happens before. A registry
    /// that is busy counts when one of its jobs ends, not here.
    pub fn next_due(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.lanes
            .values()
            .filter(|lane| lane.under_way < self.per_registry)
            .filter_map(|lane| {
                let ping = lane.pings.first().map(|(at, _)| *at);
                let login = lane.logins.first();
                let login = login.map(|at| at.max(self.pace - pace_burst()));
                let at = ping.into_iter().chain(login).min()?;
                Some(at.max(lane.held_until.unwrap_or(at)).max(now))
            })
            .min()
    }

    /// Logins are due, and those before them have used more than the even pace: what starts now in
    /// their stead makes them wait longer. Where a registry that hangs keeps them, the pace recovers.
    pub fn is_behind(&self, now: DateTime<Utc>) -> bool {
        let is_due = |lane: &Lane| {
            let is_held = lane.held_until.is_some_and(|until| until > now);
            !is_held && lane.logins.first().is_some_and(|at| at <= now)
        };
        self.pace > now && self.lanes.values().any(is_due)
    }

    /// When it is behind no more, if nothing starts before.
    pub fn recovered_at(&self) -> DateTime<Utc> {
        self.pace
    }

    /// When a job that waits starts at the earliest; `None` when it does not wait.
    pub fn planned_for(&self, job: &Job) -> Option<DateTime<Utc>> {
        let Planned::At(at) = *self.planned.get(job)? else {
            return None;
        };
        let lane = self.lanes.get(job.registry());
        Some(at.max(lane.and_then(|lane| lane.held_until).unwrap_or(at)))
    }

    /// What is planned for one registry and not under way.
    pub fn waiting_for(&self, registry: &Registry) -> Vec<Job> {
        let lane = self.lanes.get(registry);
        lane.into_iter()
            .flat_map(|lane| {
                let pings = lane.pings.iter().map(|(_, job)| job);
                pings.chain(lane.logins.jobs())
            })
            .cloned()
            .collect()
    }

    /// Every job that is planned or under way.
    pub fn jobs(&self) -> impl Iterator<Item = &Job> {
        self.planned.keys()
    }

    /// Jobs that are planned or under way.
    pub fn len(&self) -> usize {
        self.planned.len()
    }

    /// Nothing is planned and nothing under way.
    pub fn is_empty(&self) -> bool {
        self.planned.is_empty()
    }

    fn plan(&mut self, job: &Job, at: DateTime<Utc>) {
        if let Some(Planned::At(before)) = self.planned.insert(job.clone(), Planned::At(at)) {
            self.take_out(job, before);
        }
        self.put_in(job, at);
    }

    fn put_in(&mut self, job: &Job, at: DateTime<Utc>) {
        let home = self.home(job);
        let lane = self.lanes.entry(job.registry().clone()).or_default();
        match job {
            Job::Ping(_) | Job::Look(_) => drop(lane.pings.insert((at, job.clone()))),
            Job::Login(_) => lane.logins.insert(at, job.clone(), &home),
        }
    }

    fn take_out(&mut self, job: &Job, at: DateTime<Utc>) {
        let home = self.home(job);
        let Some(lane) = self.lanes.get_mut(job.registry()) else {
            return;
        };
        match job {
            Job::Ping(_) | Job::Look(_) => drop(lane.pings.remove(&(at, job.clone()))),
            Job::Login(_) => lane.logins.remove(at, job, &home),
        }
    }

    /// Files have no namespace, and share one turn.
    fn home(&self, job: &Job) -> Arc<str> {
        self.homes.get(job).cloned().unwrap_or_default()
    }

    fn drop_idle_lane(&mut self, registry: &Registry) {
        if self.lanes.get(registry).is_some_and(Lane::is_idle) {
            self.lanes.remove(registry);
        }
    }
}

impl Lane {
    fn take_ping(&mut self, now: DateTime<Utc>) -> Option<Job> {
        self.pings.first().filter(|(at, _)| *at <= now)?;
        self.pings.pop_first().map(|(_, job)| job)
    }

    fn is_idle(&self) -> bool {
        self.pings.is_empty() && self.logins.is_empty() && self.under_way == 0
    }

    fn may_start(&self, now: DateTime<Utc>, per_registry: usize) -> bool {
        self.under_way < per_registry && self.held_until.is_none_or(|until| until <= now)
    }
}

/// The time until which a `Retry-After` that came at `now` is obeyed.
pub fn obeyed(retry_after: DateTime<Utc>, now: DateTime<Utc>) -> DateTime<Utc> {
    retry_after.clamp(now, now + LONGEST_HOLD)
}

/// The next regular time of a credential: its own phase of the interval, at least half an interval
/// away. The phase comes from the name of its holder, so that it survives a restart; `jitter` in
/// 0..1 moves it by up to a twentieth of the interval.
pub fn next_in_phase(
    phase_of: &impl Hash,
    interval: Duration,
    jitter: f64,
    now: DateTime<Utc>,
) -> DateTime<Utc> {
    let interval = i64::try_from(interval.as_millis())
        .unwrap_or(i64::MAX)
        .max(1);
    let mut hasher = DefaultHasher::new();
    phase_of.hash(&mut hasher);
    let phase = i64::try_from(hasher.finish() % interval.unsigned_abs()).unwrap_or_default();
    let earliest = now.timestamp_millis() + interval / 2;
    let slot = earliest + (phase - earliest).rem_euclid(interval);
    let jitter = (jitter.clamp(0.0, 1.0) * interval as f64 / 20.0) as i64;
    DateTime::from_timestamp_millis(slot + jitter).unwrap_or(now)
}

fn pace_step() -> TimeDelta {
    TimeDelta::milliseconds(i64::from(1000 / LOGINS_PER_SECOND))
}

fn pace_burst() -> TimeDelta {
    pace_step() * i32::try_from(BURST - 1).unwrap_or(0)
}

/// The generic cell rate algorithm: a start is allowed while the evenly spaced time of the next one
/// is not further ahead than the burst.
fn pace_allows(pace: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    pace - pace_burst() <= now
}
