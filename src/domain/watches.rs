//! How each watch fares: what `regcred_watch_*` and readiness say.

use std::collections::{BTreeMap, HashMap};

use super::cluster::{Resource, Watch};

/// Why a watch or list ended, the `error` label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WatchError {
    /// 410, in the stream or as status: listed again.
    Gone,
    /// 401: our own token or certificate is not taken, which says nothing of our rights.
    Unauthorized,
    /// 403.
    Forbidden,
    /// 429.
    Throttled,
    /// Any other status that is no success.
    Status,
    /// No connection, reset, TLS.
    Connection,
    /// Nothing came, not even a bookmark, past the idle deadline.
    Silent,
    /// The answer was no list and no watch stream; or a docker config file that cannot be read.
    Malformed,
    /// Ended within a second of its start, twice in a row.
    EndedAtOnce,
}

impl WatchError {
    /// Every error.
    pub const ALL: [Self; 9] = [
        Self::Gone,
        Self::Unauthorized,
        Self::Forbidden,
        Self::Throttled,
        Self::Status,
        Self::Connection,
        Self::Silent,
        Self::Malformed,
        Self::EndedAtOnce,
    ];

    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::Throttled => "throttled",
            Self::Status => "status",
            Self::Connection => "connection",
            Self::Silent => "silent",
            Self::Malformed => "malformed",
            Self::EndedAtOnce => "ended_at_once",
        }
    }
}

/// One watch, or the sum of a resource's watches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatchHealth {
    /// A list came in whole or a stream was opened, and nothing has failed since.
    pub up: bool,
    /// The API server refuses it to us.
    pub forbidden: bool,
    /// Listed once, ever.
    pub listed: bool,
    /// Items set aside since the start: too long, or not to be read.
    pub skipped: u64,
    /// Ends by error since the start.
    pub restarts: BTreeMap<WatchError, u64>,
}

/// All watches of this process.
#[derive(Debug, Default)]
pub struct Watches {
    by_watch: HashMap<Watch, WatchHealth>,
}

impl Watches {
    /// Announces a watch before it runs, so that readiness waits for it and its series exist.
    pub fn expect(&mut self, watch: Watch) {
        self.by_watch.entry(watch).or_default();
    }

    /// A list ended whole.
    pub fn listed(&mut self, watch: &Watch) {
        let health = self.health(watch);
        health.listed = true;
        health.up = true;
        health.forbidden = false;
    }

    /// A stream is open.
    pub fn opened(&mut self, watch: &Watch) {
        let health = self.health(watch);
        health.up = true;
        health.forbidden = false;
    }

    /// A list or stream ended by an error; after a 410 too nothing is seen until the next list.
    pub fn failed(&mut self, watch: &Watch, error: WatchError) {
        let health = self.health(watch);
        *health.restarts.entry(error).or_default() += 1;
        health.up = false;
        health.forbidden = error == WatchError::Forbidden;
    }

    /// An item was set aside.
    pub fn skipped(&mut self, watch: &Watch) {
        self.health(watch).skipped += 1;
    }

    /// Each watch has listed once or was refused.
    pub fn is_ready(&self) -> bool {
        !self.by_watch.is_empty()
            && self
                .by_watch
                .values()
                .all(|health| health.listed || health.forbidden)
    }

    /// One watch.
    pub fn of(&self, watch: &Watch) -> Option<&WatchHealth> {
        self.by_watch.get(watch)
    }

    /// By resource: up if all its watches are, forbidden if one is, restarts summed.
    pub fn by_resource(&self) -> BTreeMap<&'static str, WatchHealth> {
        let mut sums: BTreeMap<&'static str, WatchHealth> = BTreeMap::new();
        for (watch, health) in &self.by_watch {
            let Some(sum) = sums.get_mut(watch.resource.as_str()) else {
                sums.insert(watch.resource.as_str(), health.clone());
                continue;
            };
            sum.up &= health.up;
            sum.forbidden |= health.forbidden;
            sum.listed &= health.listed;
            sum.skipped += health.skipped;
            for (error, count) in &health.restarts {
                *sum.restarts.entry(*error).or_default() += count;
            }
        }
        sums
    }

    /// Whether every watch of a resource has listed.
    pub fn has_listed(&self, resource: Resource) -> bool {
        let mut watches = self
            .by_watch
            .iter()
            .filter(|(watch, _)| watch.resource == resource)
            .peekable();
        watches.peek().is_some() && watches.all(|(_, health)| health.listed)
    }

    fn health(&mut self, watch: &Watch) -> &mut WatchHealth {
        self.by_watch.entry(watch.clone()).or_default()
    }
}
