//! Pods that are gone, or were never seen, while an Event may still tell of them again.
//!
//! A list of Events brings what was counted before, for as long as the API server keeps it: an hour
//! after its last write (`--event-ttl`), and the last write may come late.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::cluster::Uid;

/// How long after its end, or the last Event about it, a Pod is remembered.
const KEPT: TimeDelta = TimeDelta::hours(2);

/// So many are remembered of one namespace: who may write Events there can invent Pods, and must not
/// make us forget those of others. What an Event beyond that tells is not counted.
const MOST: u32 = 2_000;

/// Whether a Pod that departed at `at` need not be remembered any more.
pub(super) fn is_over(at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    now - at >= KEPT
}

#[derive(Debug, Default)]
pub(super) struct Departed {
    /// In the order in which they are to be looked at.
    queue: VecDeque<(DateTime<Utc>, Uid, Arc<str>)>,
    by_namespace: HashMap<Arc<str>, u32>,
}

impl Departed {
    /// One more of this namespace; `false` when it has no room.
    pub(super) fn add(&mut self, uid: Uid, namespace: Arc<str>, now: DateTime<Utc>) -> bool {
        let count = self.by_namespace.entry(Arc::clone(&namespace)).or_default();
        if *count >= MOST {
            return false;
        }
        *count += 1;
        self.queue.push_back((now, uid, namespace));
        true
    }

    /// One that only Events had told of was seen.
    pub(super) fn is_back(&mut self, namespace: &Arc<str>) {
        self.one_less(namespace);
    }

    /// Looks at all whose time has come. `departed` tells since when one is, or lets go of it if that
    /// is long enough; `None` when it is not.
    pub(super) fn forget(
        &mut self,
        now: DateTime<Utc>,
        mut departed: impl FnMut(Uid) -> Option<DateTime<Utc>>,
    ) {
        while let Some((at, ..)) = self.queue.front()
            && is_over(*at, now)
        {
            let Some((_, uid, namespace)) = self.queue.pop_front() else {
                return;
            };
            match departed(uid) {
                Some(at) if is_over(at, now) => self.one_less(&namespace),
                // Another Event told of it.
                Some(at) => self.queue.push_back((at, uid, namespace)),
                None => {}
            }
        }
    }

    fn one_less(&mut self, namespace: &Arc<str>) {
        if let Some(count) = self.by_namespace.get_mut(namespace) {
            *count -= 1;
            if *count == 0 {
                self.by_namespace.remove(namespace);
            }
        }
    }
}

#[cfg(test)]
impl Departed {
    /// How many there are to look at, and of how many it is known that they are gone.
    pub(super) fn len(&self) -> (usize, u32) {
        (self.queue.len(), self.by_namespace.values().sum())
    }
}
