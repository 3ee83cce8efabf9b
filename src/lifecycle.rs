//! The life of the process: what is kept from others, when it is ready, who leads, how it ends.
//!
//! The first SIGTERM or SIGINT drains: a token is cancelled, and whoever holds it finishes what is
//! under way. The second ends the wait.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

// === harden ===

/// The kernel refused to protect our memory.
#[derive(Debug, thiserror::Error)]
pub enum HardenError {
    /// `prctl(PR_SET_DUMPABLE)`, which also keeps other processes of our user from tracing us.
    #[error("failed to turn off core dumps and ptrace")]
    Dumpable(#[source] io::Error),
    /// `setrlimit(RLIMIT_CORE)`.
    #[error("failed to set the size of core dumps to zero")]
    CoreLimit(#[source] io::Error),
}

/// Keeps passwords in our memory from core dumps and from processes of the same user.
///
/// /proc/self stays readable to ourselves, whoever we are, so that `process_*` goes on working.
pub fn harden() -> Result<(), HardenError> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(|error| HardenError::Dumpable(error.into()))?;
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, none).map_err(|error| HardenError::CoreLimit(error.into()))
}

// === signals ===

/// A signal handler could not be registered.
#[derive(Debug, thiserror::Error)]
#[error("failed to register a handler for {name}")]
pub struct SignalError {
    name: &'static str,
    source: io::Error,
}

/// The signals that end us, noted from the moment this exists.
#[must_use = "signals are noted and nothing comes of it until `drain` runs"]
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

/// A second signal came while we were draining: end now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aborted;

impl Signals {
    /// Takes over SIGTERM and SIGINT. Needs a tokio runtime.
    pub fn register() -> Result<Self, SignalError> {
        let register = |kind, name| signal(kind).map_err(|source| SignalError { name, source });
        Ok(Self {
            terminate: register(SignalKind::terminate(), "SIGTERM")?,
            interrupt: register(SignalKind::interrupt(), "SIGINT")?,
        })
    }

    /// Cancels `shutdown` at the first signal and returns at the second.
    pub async fn drain(mut self, shutdown: CancellationToken) -> Aborted {
        let signal = self.next().await;
        info!(signal, "Shutting down, a second signal ends this at once");
        shutdown.cancel();
        let signal = self.next().await;
        warn!(signal, "Ending at once");
        Aborted
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

// === readiness ===

/// A latch: set once, it falls only at shutdown. An API server that goes away later shows in
/// `watch_up`, not here, or Prometheus would lose the page when it matters.
#[derive(Clone, Debug)]
pub struct Readiness {
    reached: Arc<AtomicBool>,
    shutdown: CancellationToken,
}

impl Readiness {
    /// Not ready yet; falls for good when `shutdown` is cancelled.
    pub fn new(shutdown: CancellationToken) -> Self {
        Self {
            reached: Arc::default(),
            shutdown,
        }
    }

    /// Each watch has listed once, or was refused.
    pub fn reach(&self) {
        self.reached.store(true, Ordering::Release);
    }

    /// Whether traffic and rollouts may count on us.
    pub fn is_ready(&self) -> bool {
        self.reached.load(Ordering::Acquire) && !self.shutdown.is_cancelled()
    }
}

// === role ===

/// Whether we act, or keep ourselves ready to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Probes, notifies, writes the ledger.
    Leading,
    /// Watches and serves only.
    StandingBy,
}

/// The role of a process without leader election. It never changes: waiting for a change returns
/// an error at once.
pub fn always_leading() -> watch::Receiver<Role> {
    watch::channel(Role::Leading).1
}

#[cfg(test)]
mod tests {
    use rustix::process::{Signal, getpid, kill_process};

    use super::*;

    #[tokio::test]
    async fn the_first_signal_drains_and_the_second_aborts() {
        let signals = Signals::register().unwrap();
        let shutdown = CancellationToken::new();
        let draining = tokio::spawn(signals.drain(shutdown.clone()));

        kill_process(getpid(), Signal::TERM).unwrap();
        shutdown.cancelled().await;
        assert!(!draining.is_finished());

        kill_process(getpid(), Signal::INT).unwrap();
        assert_eq!(draining.await.unwrap(), Aborted);
    }

    #[test]
    fn readiness_is_a_latch_that_falls_only_at_shutdown() {
        let shutdown = CancellationToken::new();
        let readiness = Readiness::new(shutdown.clone());
        assert!(!readiness.is_ready());
        readiness.clone().reach();
        assert!(readiness.is_ready());
        shutdown.cancel();
        assert!(!readiness.is_ready());
        readiness.reach();
        assert!(!readiness.is_ready());
    }

    #[test]
    fn the_role_without_election_is_leading() {
        assert_eq!(*always_leading().borrow(), Role::Leading);
    }
}
