//! The schedule's clock: the system's, or one set by hand.
//!
//! The only place that reads the wall clock. Time-outs of sockets are `tokio::time` and always
//! real: a paused tokio clock fails real reads at once.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};

/// Wall time for schedule, dates and metrics.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    ByHand(Arc<Mutex<DateTime<Utc>>>),
}

impl Clock {
    /// The system's.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// Stands still until [`Clock::set`].
    pub fn by_hand(now: DateTime<Utc>) -> Self {
        Self(Source::ByHand(Arc::new(Mutex::new(now))))
    }

    /// Sets a clock that stands by hand; the system's is left alone.
    pub fn set(&self, now: DateTime<Utc>) {
        if let Source::ByHand(time) = &self.0 {
            *time.lock().unwrap_or_else(PoisonError::into_inner) = now;
        }
    }

    /// The present time.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the wall clock"
    )]
    pub fn now(&self) -> DateTime<Utc> {
        match &self.0 {
            Source::System => Utc::now(),
            Source::ByHand(time) => *time.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// Waits until the clock shows `at`, looking again at least every minute: the wall clock may be
    /// set while we wait, and a wait ends when it is set back. A clock that stands by hand is its
    /// test's to move: its waits end at once.
    pub async fn sleep_until(&self, at: DateTime<Utc>) {
        if let Source::ByHand(_) = self.0 {
            return;
        }
        let mut now = self.now();
        while let Ok(left) = (at - now).to_std() {
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(Duration::from_secs(60))).await;
            let before = now;
            now = self.now();
            if now < before {
                return;
            }
        }
    }
}
