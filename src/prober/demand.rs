//! Checks on demand: somebody wants to know now.
//!
//! A demand moves a login that is planned to the front. Budgets and pace hold all the same, so that
//! nobody locks an account by asking.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::domain::demand::Demand;

/// Where demands are made. Clones share one list; the same demand twice is one.
#[derive(Clone, Debug)]
pub struct Demands {
    open: Arc<Mutex<HashSet<Demand>>>,
    wake: Arc<Notify>,
}

impl Demands {
    /// `wake` tells the prober of them.
    pub fn new(wake: Arc<Notify>) -> Self {
        Self {
            open: Arc::default(),
            wake,
        }
    }

    /// Wants this asked now. The prober answers within its budgets, or not before they allow it.
    pub fn ask(&self, demand: Demand) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.insert(demand);
        drop(open);
        self.wake.notify_one();
    }

    pub(super) fn take(&self) -> HashSet<Demand> {
        std::mem::take(&mut self.open.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
