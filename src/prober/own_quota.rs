//! The quota of our own address: one manifest that some pod pulls without a credential is asked for
//! once an interval, and the answer tells what is left.
//!
//! One registry, one manifest, HEAD, no credential. Nothing is concluded from it about any pod.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use crate::domain::anonymous::Rhythm;
use crate::domain::exchange::Manifest;
use crate::domain::image::Registry;
use crate::domain::outcome::Judgement;
use crate::domain::quotas::Looked;
use crate::state::State;

/// The manifests that are being looked at.
#[derive(Debug, Default)]
pub(super) struct OwnQuota {
    is_watched: bool,
    under_way: HashMap<Registry, Manifest>,
}

impl OwnQuota {
    pub(super) fn watched() -> Self {
        Self {
            is_watched: true,
            ..Self::default()
        }
    }

    /// When to look at a registry next; `None` where no pod pulls without a credential. A pod that
    /// comes and goes is no look each time.
    pub(super) fn next(
        &self,
        state: &State,
        registry: &Registry,
        rhythm: Rhythm,
        now: DateTime<Utc>,
    ) -> Option<DateTime<Utc>> {
        let may_look = self.is_watched && rhythm.most > 0;
        let pulled = state.cluster.anonymous_manifest(registry, None);
        pulled.filter(|_| may_look)?;
        // A clock that was set back holds nothing up for longer.
        let last = state.quotas.last_look(registry);
        let next = last.map(|last| last.at.min(now) + rhythm.every);
        Some(next.map_or(now, |next| next.max(now)))
    }

    /// The manifest to look at, if it is time: the last one if it is still pulled and was there,
    /// else the next, so that one that is gone or private does not stand in the way.
    pub(super) fn turn(
        &mut self,
        state: &State,
        registry: &Registry,
        rhythm: Rhythm,
        now: DateTime<Utc>,
    ) -> Option<Manifest> {
        self.next(state, registry, rhythm, now)
            .filter(|next| *next <= now)?;
        let last = state.quotas.last_look(registry);
        let stays = |last: &&Looked| {
            last.was_there && state.cluster.pulls_anonymously(registry, &last.manifest)
        };
        let manifest = match last.filter(stays) {
            Some(last) => &last.manifest,
            None => {
                let after = last.map(|last| &last.manifest);
                state.cluster.anonymous_manifest(registry, after)?
            }
        };
        self.under_way.insert(registry.clone(), manifest.clone());
        Some(manifest.clone())
    }

    /// Takes in a look, whatever it was made for.
    pub(super) fn looked(
        &mut self,
        state: &mut State,
        registry: &Registry,
        judgement: &Judgement,
        now: DateTime<Utc>,
    ) {
        let manifest = self.under_way.remove(registry);
        if !state.cluster.wants_registry(registry) {
            return;
        }
        let quotas = &mut state.quotas;
        quotas.told_anonymously(registry, judgement, now);
        if let Some(manifest) = manifest {
            quotas.looked(registry, &manifest, judgement, now);
        }
    }
}
