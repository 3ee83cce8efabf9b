//! Of which objects something has been said in the log that is to be said once.
//!
//! Each namespace has its own bound, so that none has the others unheard; what is gone takes its
//! place with it.

use std::collections::{HashMap, HashSet};

use crate::domain::cluster::Uid;

/// Objects of a namespace that are remembered: of more than these nothing is said.
const MOST: usize = 20;

/// Objects of one watch.
#[derive(Debug, Default)]
pub(super) struct Told {
    by_namespace: HashMap<String, HashSet<Uid>>,
    /// Of these a list that has begun has said so again; none while there is no list.
    confirmed: Option<HashSet<Uid>>,
}

impl Told {
    /// It has not been said of this object, and now it has.
    pub(super) fn is_news(&mut self, uid: Uid, namespace: &str) -> bool {
        let told = self.by_namespace.entry(namespace.to_owned()).or_default();
        let is_news = told.len() < MOST && told.insert(uid);
        if let Some(confirmed) = &mut self.confirmed
            && told.contains(&uid)
        {
            confirmed.insert(uid);
        }
        is_news
    }

    /// The object is gone.
    pub(super) fn forget(&mut self, uid: Uid, namespace: &str) {
        if let Some(told) = self.by_namespace.get_mut(namespace) {
            told.remove(&uid);
            if told.is_empty() {
                self.by_namespace.remove(namespace);
            }
        }
    }

    /// A list begins: it brings all that there is.
    pub(super) fn list_started(&mut self) {
        self.confirmed = Some(HashSet::new());
    }

    /// What the list did not bring is gone.
    pub(super) fn list_finished(&mut self) {
        let Some(confirmed) = self.confirmed.take() else {
            return;
        };
        self.by_namespace.retain(|_, told| {
            told.retain(|uid| confirmed.contains(uid));
            !told.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn news(told: &mut Told, uids: std::ops::Range<u128>, namespace: &str) -> usize {
        uids.filter(|uid| told.is_news(Uid(*uid), namespace))
            .count()
    }

    #[test]
    fn each_is_told_once_and_no_namespace_mutes_another() {
        let mut told = Told::default();
        assert_eq!(news(&mut told, 0..3, "a"), 3);
        assert_eq!(news(&mut told, 0..3, "a"), 0);
        assert_eq!(news(&mut told, 3..5_000, "a"), MOST - 3);
        assert_eq!(news(&mut told, 5_000..5_001, "b"), 1);
    }

    #[test]
    fn what_is_gone_gives_its_place_back() {
        let mut told = Told::default();
        news(&mut told, 0..100, "a");
        told.forget(Uid(7), "a");
        assert_eq!(news(&mut told, 100..102, "a"), 1);
        (0..200).for_each(|uid| told.forget(Uid(uid), "a"));
        assert!(told.by_namespace.is_empty());
    }

    #[test]
    fn a_list_gives_back_the_places_of_what_it_does_not_bring() {
        let mut told = Told::default();
        news(&mut told, 0..100, "a");
        news(&mut told, 100..101, "b");
        told.list_started();
        assert_eq!(news(&mut told, 0..2, "a"), 0, "told before the list");
        told.list_finished();
        assert_eq!(news(&mut told, 0..100, "a"), MOST - 2);
        assert!(!told.by_namespace.contains_key("b"));
    }
}
