//! How often the bytes that an entry of a Secret holds are other ones.
//!
//! New bytes are asked for at once, so that a corrected password shows at once. Whatever rewrites a
//! Secret all the time gets two such logins an hour; its third change waits.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::cluster::Group;
use crate::domain::image::Registry;

/// New bytes of one holder that are asked for at once within [`WITHIN`].
const MOST: usize = 2;
const WITHIN: TimeDelta = TimeDelta::hours(1);

/// What each holder holds, and when new bytes of it were asked for.
#[derive(Debug, Default)]
pub struct Changes(HashMap<(Registry, String), Holder>);

#[derive(Debug)]
struct Holder {
    group: Group,
    /// The group's bytes came after others.
    is_change: bool,
    asked: Vec<DateTime<Utc>>,
}

impl Changes {
    /// A credential that was never asked for is to be: when it may be, at the earliest.
    pub fn seen(&mut self, holder: &str, group: &Group, now: DateTime<Utc>) -> DateTime<Utc> {
        let key = (group.registry.clone(), holder.to_owned());
        let held = self.0.entry(key).or_insert_with(|| Holder {
            group: group.clone(),
            is_change: false,
            asked: Vec::new(),
        });
        if held.group != *group {
            held.group = group.clone();
            held.is_change = true;
        }
        held.asked.retain(|at| *at + WITHIN > now);
        match held.asked.first() {
            Some(first) if held.is_change && held.asked.len() >= MOST => *first + WITHIN,
            _ => now,
        }
    }

    /// A credential that was never asked for is being asked for now.
    pub fn asked(&mut self, holder: &str, group: &Group, now: DateTime<Utc>) {
        let key = (group.registry.clone(), holder.to_owned());
        if let Some(held) = self.0.get_mut(&key)
            && held.is_change
            && held.group == *group
        {
            held.asked.push(now);
            held.is_change = false;
        }
    }

    /// Forgets holders that are gone and whose last change is an hour ago.
    pub fn keep(&mut self, is_held: impl Fn(&Group) -> bool, now: DateTime<Utc>) {
        self.0.retain(|_, held| {
            let is_recent = held.asked.iter().any(|at| *at + WITHIN > now);
            is_recent || is_held(&held.group)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::samples;

    fn groups(count: usize) -> Vec<Group> {
        samples::groups("r.example.com", count)
    }

    fn minute(number: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::minutes(number)
    }

    #[test]
    fn two_changes_an_hour_are_asked_for_at_once_and_the_third_waits() {
        let (groups, mut changes) = (groups(200), Changes::default());
        let mut ask = |number: usize, at: i64| {
            let due = changes.seen("a/pull#r", &groups[number], minute(at));
            if due <= minute(at) {
                changes.asked("a/pull#r", &groups[number], minute(at));
            }
            due
        };
        assert_eq!(ask(0, 0), minute(0), "the first is no change");
        assert_eq!(ask(1, 1), minute(1));
        assert_eq!(ask(2, 2), minute(2));
        for number in 3..60 {
            assert_eq!(
                ask(number, 3),
                minute(61),
                "waits, and makes nobody wait longer"
            );
        }
        assert_eq!(ask(60, 61), minute(61));
        assert_eq!(ask(61, 61), minute(62));
    }

    #[test]
    fn the_same_bytes_again_are_no_change() {
        let (groups, mut changes) = (groups(1), Changes::default());
        for number in 0..100 {
            let at = minute(number);
            assert_eq!(changes.seen("a/pull#r", &groups[0], at), at);
            changes.asked("a/pull#r", &groups[0], at);
        }
    }

    #[test]
    fn a_holder_that_is_deleted_and_made_again_is_the_same_for_an_hour() {
        let (groups, mut changes) = (groups(4), Changes::default());
        for (number, group) in groups.iter().enumerate().take(3) {
            let at = minute(number as i64);
            assert_eq!(changes.seen("a/pull#r", group, at), at);
            changes.asked("a/pull#r", group, at);
        }
        changes.keep(|_| false, minute(3));
        assert_eq!(changes.seen("a/pull#r", &groups[3], minute(3)), minute(61));
        changes.keep(|_| false, minute(62));
        assert_eq!(changes.seen("a/pull#r", &groups[0], minute(62)), minute(62));
    }
}
