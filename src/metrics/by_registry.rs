//! Counters kept per registry: bounded, at zero from the start, and forgotten when no one asks.
//!
//! `prometheus_client`'s `Family` can do none of the three: it never forgets a label set.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::image::Registry;

/// Registries that have counters of their own; the rest shares [`OTHER`].
///
/// Some 40 series each: 200 are as many series as a cluster of 1,000 credentials has.
pub(super) const MOST: usize = 200;

/// The `registry` label of those over [`MOST`]. No image names a registry so: it has no dot.
pub(super) const OTHER: &str = "other";

/// How long counters outlive the last name of their registry, so that an object that is replaced
/// does not reset them.
pub(super) const KEPT: Duration = Duration::from_secs(60 * 60);

/// One `T` per registry.
#[derive(Debug, Default)]
pub(super) struct ByRegistry<T> {
    own: BTreeMap<Registry, Own<T>>,
    /// Only once it was needed, and from then on: a counter does not vanish.
    other: Option<T>,
}

#[derive(Debug, Default)]
struct Own<T> {
    counts: T,
    unnamed_since: Option<Instant>,
}

impl<T: Default + Clone> ByRegistry<T> {
    /// Where this registry's happenings are counted.
    pub(super) fn of(&mut self, registry: &Registry) -> &mut T {
        if !self.has_room_for(registry) {
            return self.other();
        }
        let own = self.own.entry(registry.clone()).or_default();
        own.unnamed_since = None;
        &mut own.counts
    }

    /// Where the happenings of those without counters of their own are counted.
    pub(super) fn other(&mut self) -> &mut T {
        self.other.get_or_insert_default()
    }

    /// Takes in the registries that are named now, forgets those that have not been for an hour.
    /// Returns how many are left without counters of their own.
    pub(super) fn named(&mut self, registries: &BTreeSet<&Registry>, now: Instant) -> u64 {
        self.own.retain(|registry, own| {
            if registries.contains(registry) {
                own.unnamed_since = None;
                return true;
            }
            now - *own.unnamed_since.get_or_insert(now) < KEPT
        });
        let mut left_out = 0;
        for registry in registries {
            left_out += u64::from(!self.has_room_for(registry));
            self.of(registry);
        }
        left_out
    }

    /// A copy of all counts by the `registry` label.
    pub(super) fn all(&self) -> Vec<(String, T)> {
        let own = self.own.iter();
        own.map(|(registry, own)| (registry.as_str().to_owned(), own.counts.clone()))
            .chain(
                self.other
                    .iter()
                    .map(|other| (OTHER.to_owned(), other.clone())),
            )
            .collect()
    }

    fn has_room_for(&self, registry: &Registry) -> bool {
        let free = self.own.len() < MOST || self.own.contains_key(registry);
        free && registry.as_str() != OTHER
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry(number: usize) -> Registry {
        Registry::from_domain(&format!("r{number}.example.com"))
    }

    fn named(table: &mut ByRegistry<u64>, registries: &[Registry], now: Instant) -> u64 {
        table.named(&registries.iter().collect(), now)
    }

    #[test]
    fn the_registry_after_the_last_place_shares_other() {
        let mut table = ByRegistry::<u64>::default();
        for number in 0..MOST + 2 {
            *table.of(&registry(number)) += 1;
        }
        let all = table.all();
        assert_eq!(all.len(), MOST + 1);
        assert_eq!(all.last(), Some(&("other".to_owned(), 2)));
    }

    #[test]
    fn a_registry_that_is_called_other_does_not_make_a_second_other() {
        let mut table = ByRegistry::<u64>::default();
        *table.of(&Registry::from_domain("other")) += 1;
        assert_eq!(table.all(), [("other".to_owned(), 1)]);
    }

    #[test]
    fn a_named_registry_is_there_at_zero_and_left_out_ones_are_told() {
        let mut table = ByRegistry::default();
        let all: Vec<_> = (0..MOST + 3).map(registry).collect();
        assert_eq!(named(&mut table, &all[..2], Instant::now()), 0);
        assert_eq!(table.all()[0], ("r0.example.com".to_owned(), 0));
        assert_eq!(named(&mut table, &all, Instant::now()), 3);
    }

    #[test]
    fn counters_outlive_the_last_name_by_an_hour_and_not_more() {
        let mut table = ByRegistry::default();
        let one = [registry(1)];
        let start = Instant::now();
        named(&mut table, &one, start);
        *table.of(&one[0]) += 7;
        named(&mut table, &[], start);
        named(&mut table, &[], start + KEPT - Duration::from_millis(1));
        assert_eq!(table.all()[0].1, 7);
        named(&mut table, &[], start + KEPT);
        assert!(table.all().is_empty());
    }

    #[test]
    fn a_name_or_a_happening_within_the_hour_starts_it_anew() {
        let mut table = ByRegistry::default();
        let one = [registry(1)];
        let start = Instant::now();
        named(&mut table, &one, start);
        named(&mut table, &[], start);
        named(&mut table, &one, start + KEPT / 2);
        named(&mut table, &[], start + KEPT);
        *table.of(&one[0]) += 1;
        named(&mut table, &[], start + 2 * KEPT);
        assert_eq!(table.all()[0].1, 1);
    }
}
