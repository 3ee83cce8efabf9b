//! Conversations with registries: what was asked, how long it took, how it ended.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::by_registry::ByRegistry;
use super::series::{Family, Page, family};
use crate::domain::exchange::{Exchange, NetworkFault, Step};
use crate::domain::image::Registry;
use crate::domain::outcome::Outcome;

const PROBES: Family = family(
    "probes",
    "Conversations with the registry, by the outcome of the first step that failed; each credential once however many Secrets hold it",
);
const REQUESTS: Family = family(
    "registry_requests",
    "HTTP requests made to the registry and its token endpoint; code none means no answer",
);
const DURATION: Family = family(
    "probe_duration_seconds",
    "Duration of a conversation, from the first look-up to the last byte",
);
const REFUSALS: Family = family(
    "login_refusals",
    "Logins that the registry refused; registries lock accounts after too many",
);
const INTERVAL: Family = family(
    "probe_interval_seconds",
    "Planned time between two logins of one credential; probes run on this timer, not on scrapes",
);

const LEDGER: Family = family(
    "ledger_up",
    "Whether the ledger of refused logins can be read and written; while it cannot, no login that may be refused is sent; absent without a ledger",
);

/// Upper bounds in seconds. A registry in the same region answers ping and login in 50 ms, one
/// across an ocean in half a second; a request is given up after 10 s, so that what lies above the
/// bound of ten hung more than once or asked for many manifests.
const BOUNDS: [f64; 6] = [0.1, 0.25, 1.0, 2.5, 10.0, f64::INFINITY];

/// Status codes counted apart per registry and step; the rest is `other`. Honest registries use
/// about eight; a hostile one shall not choose how many series we have.
const MOST_CODES: usize = 12;

/// Counters of conversations; clones share them.
#[derive(Clone, Debug)]
pub struct Probes {
    counts: Arc<Mutex<ByRegistry<Counts>>>,
    interval: Duration,
    ledger: Arc<Mutex<Option<bool>>>,
}

#[derive(Clone, Debug, Default)]
struct Counts {
    outcomes: [u64; Outcome::ALL.len()],
    requests: [Requests; Step::ALL.len()],
    buckets: [u64; BOUNDS.len()],
    took: Duration,
    refusals: u64,
}

/// Requests of one step by status code.
#[derive(Clone, Debug, Default)]
struct Requests {
    unanswered: u64,
    answered: BTreeMap<u16, u64>,
    other: u64,
}

impl Probes {
    pub(super) fn new(interval: Duration) -> Self {
        Self {
            counts: Arc::default(),
            interval,
            ledger: Arc::default(),
        }
    }

    /// A conversation ended. `outcomes` are those of its steps, in the order in which they were
    /// taken; a step that was taken for several manifests may be there several times.
    pub fn finished(&self, exchange: &Exchange, outcomes: &[(Step, Outcome)]) {
        let mut table = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        table.of(&exchange.registry).record(exchange, outcomes);
    }

    /// A registry was asked without a credential: its requests count, no probe was made.
    pub fn looked(&self, exchange: &Exchange) {
        let mut table = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        table.of(&exchange.registry).record_requests(exchange);
    }

    /// The ledger can be read and written, or cannot.
    pub fn ledger_is(&self, up: bool) {
        *self.ledger.lock().unwrap_or_else(PoisonError::into_inner) = Some(up);
    }

    /// Writes all counters, and returns how many registries are without counters of their own.
    pub(super) fn encode(
        &self,
        page: &mut Page<'_>,
        registries: &BTreeSet<&Registry>,
        now: Instant,
    ) -> Result<u64, fmt::Error> {
        let (left_out, all) = {
            let mut table = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
            (table.named(registries, now), table.all())
        };
        page.gauge(INTERVAL, self.interval.as_secs_f64())?;
        let ledger = *self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(up) = ledger {
            page.gauge(LEDGER, u64::from(up))?;
        }
        page.counters(
            PROBES,
            all.iter().flat_map(|(registry, counts)| {
                Outcome::ALL
                    .iter()
                    .zip(counts.outcomes)
                    .map(|(outcome, count)| {
                        let outcome = ("outcome", outcome.as_str());
                        ([("registry", registry.as_str()), outcome], count)
                    })
            }),
        )?;
        let requests = requests(&all);
        page.counters(
            REQUESTS,
            requests.iter().map(|(registry, step, code, count)| {
                let (step, code) = (("step", step.as_str()), ("code", code.as_str()));
                ([("registry", *registry), step, code], *count)
            }),
        )?;
        page.histograms(
            DURATION,
            all.iter()
                .map(|(registry, counts)| ([("registry", registry.as_str())], counts.histogram())),
        )?;
        page.counters(
            REFUSALS,
            all.iter()
                .map(|(registry, counts)| ([("registry", registry.as_str())], counts.refusals)),
        )?;
        Ok(left_out)
    }

    /// The families that leave registries out, as `dropped_series` names them.
    pub(super) const CAPPED: [&str; 4] = [PROBES.name, REQUESTS.name, DURATION.name, REFUSALS.name];
}

impl Counts {
    fn record(&mut self, exchange: &Exchange, outcomes: &[(Step, Outcome)]) {
        let failed = outcomes.iter().find(|(_, outcome)| *outcome != Outcome::Ok);
        let decisive = failed.map_or(Outcome::Ok, |(_, outcome)| *outcome);
        if let Some(place) = Outcome::ALL.iter().position(|known| *known == decisive) {
            self.outcomes[place] += 1;
        }
        self.refusals += outcomes
            .iter()
            .filter(|(step, outcome)| *step == Step::Token && outcome.is_refusal())
            .count() as u64;
        self.took += exchange.took;
        let seconds = exchange.took.as_secs_f64();
        if let Some(place) = BOUNDS.iter().position(|bound| seconds <= *bound) {
            self.buckets[place] += 1;
        }
        self.record_requests(exchange);
    }

    fn record_requests(&mut self, exchange: &Exchange) {
        for asked in &exchange.asked {
            let code = match &asked.answer {
                Ok(response) => Some(response.status),
                Err(NetworkFault::Blocked(_)) => continue, // never sent
                Err(_) => None,
            };
            if let Some(place) = Step::ALL.iter().position(|step| *step == asked.step) {
                self.requests[place].record(code);
            }
        }
    }

    /// Sum, count, and the count within each bucket.
    fn histogram(&self) -> (f64, u64, [(f64, u64); BOUNDS.len()]) {
        let mut buckets = [(0.0, 0); BOUNDS.len()];
        for (bucket, counted) in buckets.iter_mut().zip(BOUNDS.into_iter().zip(self.buckets)) {
            *bucket = counted;
        }
        let count = self.buckets.iter().sum();
        (self.took.as_secs_f64(), count, buckets)
    }
}

impl Requests {
    fn record(&mut self, code: Option<u16>) {
        let count = match code {
            None => &mut self.unanswered,
            Some(code) if self.has_room_for(code) => self.answered.entry(code).or_default(),
            Some(_) => &mut self.other,
        };
        *count += 1;
    }

    fn has_room_for(&self, code: u16) -> bool {
        self.answered.len() < MOST_CODES || self.answered.contains_key(&code)
    }

    /// The counts by the `code` label; `none` is there from the start.
    fn by_code(&self) -> impl Iterator<Item = (String, u64)> {
        let other = (self.other > 0).then(|| ("other".to_owned(), self.other));
        std::iter::once(("none".to_owned(), self.unanswered))
            .chain(
                self.answered
                    .iter()
                    .map(|(code, count)| (code.to_string(), *count)),
            )
            .chain(other)
    }
}

fn requests(all: &[(String, Counts)]) -> Vec<(&str, Step, String, u64)> {
    let by_step = all.iter().flat_map(|(registry, counts)| {
        let steps = Step::ALL.into_iter().zip(&counts.requests);
        steps.map(move |(step, requests)| (registry.as_str(), step, requests))
    });
    by_step
        .flat_map(|(registry, step, requests)| {
            let codes = requests.by_code();
            codes.map(move |(code, count)| (registry, step, code, count))
        })
        .collect()
}
