//! Checks on demand: somebody wants to know now.
//!
//! A demand moves a login that is planned to the front. Budgets and pace hold all the same, so that
//! nobody locks an account by asking.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::domain::cluster::Group;
use crate::domain::image::Registry;

/// What is to be asked now.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Demand {
    /// Every credential.
    All,
    /// Every credential of a registry.
    Registry(Registry),
    /// One credential at one registry.
    Credential(Group),
}

impl Demand {
    pub(super) fn is_for(&self, group: &Group) -> bool {
        match self {
            Self::All => true,
            Self::Registry(registry) => group.registry == *registry,
            Self::Credential(wanted) => wanted == group,
        }
    }
}

/// Where demands are made. Clones share one list; the same demand twice is one.
#[derive(Clone, Debug)]
pub struct Demands {
    open: Arc<Mutex<HashSet<Demand>>>,
    wake: Arc<Notify>,
}

impl Demands {
    pub(super) fn new(wake: Arc<Notify>) -> Self {
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
