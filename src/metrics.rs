//! Everything that /metrics shows: counters that happenings push, and mirrors of the state.
//!
//! The names and labels of docs/metrics.md are spelled here and below, nowhere else. A caller says
//! what happened ([`Probes::finished`], [`Panics::caught`]), never a label or a number. Gauges
//! mirror rows that a scrape copies out under the state's lock and encodes after the lock is gone,
//! so that a series vanishes with its object. No label set ever appears twice.

mod by_registry;
mod certificate;
mod credential;
mod mirror;
mod pods;
mod probe;
mod process;
mod pull;
mod quota;
mod series;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;

use crate::domain::rows::Rows;
use crate::domain::watches::WatchHealth;
use crate::state::Shared;

use mirror::Mirror;
pub use probe::Probes;
use process::Process;
pub use process::{Panics, Task};
pub use pull::Pulls;

/// What a scrape copies out of the state.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// Credentials, Secrets, references, registries, quotas.
    pub rows: Rows,
    /// Watches, by resource.
    pub watches: BTreeMap<&'static str, WatchHealth>,
    /// Namespaces that have counters and are not there any more.
    pub gone: BTreeSet<Arc<str>>,
}

/// A handle on all metrics of this process; clones share one set of numbers.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Conversations with registries.
    pub probe: Probes,
    /// What Pods went through to get their images.
    pub pull: Pulls,
    /// Units of work that panicked.
    pub panics: Panics,
    prom: Arc<Registry>,
}

impl Metrics {
    /// Metrics that mirror this state as it is at `now`. `interval` is the time between two logins of
    /// a credential.
    pub fn new(
        shared: Shared,
        now: impl Fn() -> DateTime<Utc> + Send + Sync + 'static,
        interval: Duration,
    ) -> Self {
        let pull = Pulls::default();
        let counted = pull.clone();
        Self::with(pull, interval, move || {
            let now = now();
            let mut gone = counted.namespaces();
            let (rows, watches) = shared.read(|state| {
                state.retain_gone(&mut gone);
                (state.rows(now), state.watches.by_resource())
            });
            let rows = rows.in_order();
            Snapshot {
                rows,
                watches,
                gone,
            }
        })
    }

    /// Metrics that mirror what `look` copies out of the state, asked once per scrape. `interval` is
    /// the time between two logins of a credential.
    pub fn of(interval: Duration, look: impl Fn() -> Snapshot + Send + Sync + 'static) -> Self {
        Self::with(Pulls::default(), interval, look)
    }

    fn with(
        pull: Pulls,
        interval: Duration,
        look: impl Fn() -> Snapshot + Send + Sync + 'static,
    ) -> Self {
        let probe = Probes::new(interval);
        let panics = Panics::default();
        let mut prom = Registry::default();
        prom.register_collector(Box::new(Process::of_this_process()));
        prom.sub_registry_with_prefix("regcred")
            .register_collector(Box::new(Mirror::new(
                probe.clone(),
                pull.clone(),
                panics.clone(),
                look,
            )));
        Self {
            probe,
            pull,
            panics,
            prom: Arc::new(prom),
        }
    }

    /// Writes all metrics as OpenMetrics 1.0 text, in small pieces.
    pub fn encode(&self, mut out: &mut dyn fmt::Write) -> fmt::Result {
        text::encode(&mut out, &self.prom)
    }
}
