//! Attempts to pull that failed, each counted once, and who waits for one now.

use std::sync::Arc;

use chrono::TimeDelta;

use super::image::Registry;
use super::pull_failure::Reason;

/// What came to light by one change: counters move by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// Pulls failed.
    Failed {
        /// Of a pod in this namespace.
        namespace: Arc<str>,
        /// That of the image; `None` where its name is none.
        registry: Option<Registry>,
        /// What the newest of their messages says.
        reason: Reason,
        /// So many attempts, at least one.
        attempts: u64,
    },
    /// A container runs whose pulls had failed.
    Recovered {
        /// That of the image.
        registry: Registry,
        /// Since its first failure that we know of; never negative.
        after: TimeDelta,
    },
}
