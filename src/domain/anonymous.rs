//! What registries give to anybody: asked for the repositories that stand behind a refused login.
//!
//! A kubelet that has a credential for an image never pulls it without (k8s
//! pkg/kubelet/kuberuntime/kuberuntime_image.go: `PullImage`), so that a wrong credential keeps pods
//! from an image that everybody may read. Whether it does is asked here: each repository once an
//! interval, however many credentials are refused in front of it, and never with one of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, TimeDelta, Utc};

use super::cluster::Group;
use super::exchange::Manifest;
use super::image::Registry;
use super::outcome::{Meaning, Outcome};

/// How often is asked, and how much.
#[derive(Clone, Copy, Debug)]
pub struct Rhythm {
    /// A repository is tried once in this time.
    pub every: TimeDelta,
    /// Of one registry so many repositories in that time.
    pub most: usize,
}

/// What is known of all registries.
#[derive(Debug, Default)]
pub struct Anonymous(HashMap<Registry, Known>);

/// One registry.
#[derive(Debug, Default)]
struct Known {
    refused: BTreeSet<Group>,
    repositories: BTreeMap<String, Tried>,
}

/// One repository.
#[derive(Clone, Debug)]
struct Tried {
    at: DateTime<Utc>,
    /// The newest conclusive answer.
    answer: Option<Answer>,
}

/// What was answered to nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The tag or digest that was asked for.
    pub reference: String,
    /// What it means; conclusive.
    pub meaning: Meaning,
}

impl Anonymous {
    /// The registry refuses this login: what stands behind it is to be tried.
    pub fn refuse(&mut self, group: &Group) {
        let known = self.0.entry(group.registry.clone()).or_default();
        known.refused.insert(group.clone());
    }

    /// The login works, is gone, or nobody wants it any more. What was tried is kept for as long as
    /// it is not to be tried again.
    pub fn release(&mut self, group: &Group, rhythm: Rhythm, now: DateTime<Utc>) {
        let Some(known) = self.0.get_mut(&group.registry) else {
            return;
        };
        known.refused.remove(group);
        if known.refused.is_empty() {
            self.0.retain(|_, known| {
                !known.refused.is_empty() || !known.tries(rhythm, now).is_empty()
            });
        }
    }

    /// The logins that a registry refuses.
    pub fn refused(&self, registry: &Registry) -> impl Iterator<Item = &Group> {
        let known = self.0.get(registry);
        known.into_iter().flat_map(|known| &known.refused)
    }

    /// Of these manifests one for each repository whose turn it is: never tried first, then the
    /// longest ago.
    pub fn turn(
        &self,
        registry: &Registry,
        in_use: impl Iterator<Item = Manifest>,
        rhythm: Rhythm,
        now: DateTime<Utc>,
    ) -> Vec<Manifest> {
        let unknown = Known::default();
        let known = self.0.get(registry).unwrap_or(&unknown);
        let mut due: Vec<_> = one_each(in_use)
            .into_iter()
            .map(|(repository, manifest)| (known.due(&repository, rhythm, now), manifest))
            .filter(|(due, _)| due.is_none_or(|at| at <= now))
            .collect();
        due.sort();
        due.truncate(rhythm.most.saturating_sub(known.tries(rhythm, now).len()));
        due.into_iter().map(|(_, manifest)| manifest).collect()
    }

    /// When the next turn comes; `None` when there is nothing to try.
    pub fn next(
        &self,
        registry: &Registry,
        in_use: impl Iterator<Item = Manifest>,
        rhythm: Rhythm,
        now: DateTime<Utc>,
    ) -> Option<DateTime<Utc>> {
        let unknown = Known::default();
        let known = self.0.get(registry).unwrap_or(&unknown);
        let due = one_each(in_use)
            .into_keys()
            .map(|repository| known.due(&repository, rhythm, now).unwrap_or(now))
            .min()
            .filter(|_| rhythm.most > 0)?;
        let tries = known.tries(rhythm, now);
        let has_room = tries.len().checked_sub(rhythm.most);
        let room = has_room.map_or(now, |over| tries[over] + rhythm.every);
        Some(due.max(room).max(now))
    }

    /// These are being asked for now.
    pub fn begin(&mut self, registry: &Registry, turn: &[Manifest], now: DateTime<Utc>) {
        if turn.is_empty() {
            return;
        }
        let known = self.0.entry(registry.clone()).or_default();
        for manifest in turn {
            let tried = known.repositories.entry(manifest.repository.clone());
            let new = Tried {
                at: now,
                answer: None,
            };
            tried.or_insert(new).at = now;
        }
    }

    /// Takes in what was answered; an inconclusive answer leaves what is known as it was. Returns
    /// how many repositories have turned out to be public that were not known to be.
    pub fn record(&mut self, registry: &Registry, judged: &[(Manifest, Meaning)]) -> usize {
        let Some(known) = self.0.get_mut(registry) else {
            return 0;
        };
        let mut found = 0;
        for (manifest, meaning) in judged {
            if let Some(tried) = known.repositories.get_mut(&manifest.repository)
                && meaning.outcome.is_conclusive()
            {
                let is_new = meaning.outcome == Outcome::Ok && !tried.is_public();
                found += usize::from(is_new);
                tried.answer = Some(Answer {
                    reference: manifest.reference.clone(),
                    meaning: *meaning,
                });
            }
        }
        found
    }

    /// Drops what was tried of repositories that nothing needs any more, once it could be tried
    /// again.
    pub fn keep(
        &mut self,
        registry: &Registry,
        in_use: impl Iterator<Item = Manifest>,
        rhythm: Rhythm,
        now: DateTime<Utc>,
    ) {
        let in_use = one_each(in_use);
        if let Some(known) = self.0.get_mut(registry) {
            known.repositories.retain(|repository, tried| {
                tried.at > now - rhythm.every || in_use.contains_key(repository)
            });
            if known.refused.is_empty() && known.repositories.is_empty() {
                self.0.remove(registry);
            }
        }
    }

    /// Whether the repository can be pulled from without a credential: true only on proof, false on
    /// a refusal. `None` where nobody asked, or the answer says neither: a 404 may hide a private
    /// repository, and may be about the one tag that was asked for.
    pub fn would_work(&self, registry: &Registry, repository: &str) -> Option<bool> {
        match self.answer(registry, repository)?.meaning.outcome {
            Outcome::Ok => Some(true),
            outcome if outcome.is_refusal() => Some(false),
            _ => None,
        }
    }

    /// The newest conclusive answer about a repository.
    pub fn answer(&self, registry: &Registry, repository: &str) -> Option<&Answer> {
        let tried = self.0.get(registry)?.repositories.get(repository)?;
        tried.answer.as_ref()
    }
}

impl Tried {
    fn is_public(&self) -> bool {
        let answer = self.answer.as_ref();
        answer.is_some_and(|answer| answer.meaning.outcome == Outcome::Ok)
    }
}

impl Known {
    /// When a repository may be tried again, `None` for one that never was. A clock that was set
    /// back holds nothing up for longer.
    fn due(&self, repository: &str, rhythm: Rhythm, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let tried = self.repositories.get(repository)?;
        Some(tried.at.min(now) + rhythm.every)
    }

    /// The tries that count against the most, oldest first.
    fn tries(&self, rhythm: Rhythm, now: DateTime<Utc>) -> Vec<DateTime<Utc>> {
        let tries = self.repositories.values().map(|tried| tried.at.min(now));
        let mut recent: Vec<_> = tries.filter(|at| *at > now - rhythm.every).collect();
        recent.sort();
        recent
    }
}

/// The first manifest of each repository: whether it is public does not depend on the tag.
fn one_each(manifests: impl Iterator<Item = Manifest>) -> BTreeMap<String, Manifest> {
    let mut first: BTreeMap<String, Manifest> = BTreeMap::new();
    for manifest in manifests {
        match first.get_mut(&manifest.repository) {
            Some(known) if *known <= manifest => {}
            Some(known) => *known = manifest,
            None => {
                first.insert(manifest.repository.clone(), manifest);
            }
        }
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::credential::{Credential, Credentials};

    const RHYTHM: Rhythm = Rhythm {
        every: TimeDelta::minutes(15),
        most: 2,
    };

    fn at(minutes: i64) -> DateTime<Utc> {
        let start: DateTime<Utc> = "2026-11-23T08:00:00Z".parse().unwrap();
        start + TimeDelta::minutes(minutes)
    }

    fn registry() -> Registry {
        Registry::from_domain("r.example.com")
    }

    fn group(name: &str) -> Group {
        Group {
            registry: registry(),
            credential: Credentials::default().intern(Credential::basic(name.as_bytes(), b"x")),
        }
    }

    fn manifest(text: &str) -> Manifest {
        let (repository, reference) = text.split_once(':').unwrap();
        Manifest {
            repository: repository.to_owned(),
            reference: reference.to_owned(),
        }
    }

    fn in_use(texts: &[&str]) -> impl Iterator<Item = Manifest> + use<> {
        let manifests: Vec<_> = texts.iter().map(|text| manifest(text)).collect();
        manifests.into_iter()
    }

    /// Takes and begins a turn, and returns the repositories asked for, with the next turn's minute.
    fn turn(known: &mut Anonymous, used: &[&str], minute: i64) -> (String, Option<i64>) {
        let now = at(minute);
        let turn = known.turn(&registry(), in_use(used), RHYTHM, now);
        if !turn.is_empty() {
            known.begin(&registry(), &turn, now);
        }
        let next = known.next(&registry(), in_use(used), RHYTHM, now);
        let asked: Vec<_> = turn.into_iter().map(|one| one.repository).collect();
        (
            asked.join(" "),
            next.map(|next| (next - at(0)).num_minutes()),
        )
    }

    #[test]
    fn each_repository_has_its_turn_once_an_interval_and_two_of_them_at_most() {
        let mut known = Anonymous::default();
        known.refuse(&group("bot"));
        let mut check = |minute, used: &[&str], asked: &str, next| {
            let found = turn(&mut known, used, minute);
            assert_eq!(found, (asked.to_owned(), next), "at {minute}");
        };
        check(0, &["a:1"], "a", Some(15));
        check(1, &["a:1", "a:2"], "", Some(15)); // another tag is no other repository
        check(3, &["a:1", "b:1", "c:1"], "b", Some(15)); // at once, up to the most
        check(14, &["a:1", "b:1", "c:1"], "", Some(15));
        check(15, &["a:1", "b:1", "c:1"], "c", Some(18)); // never tried first
        check(18, &["a:1", "b:1", "c:1"], "a", Some(30));
        check(20, &[], "", None);
    }

    #[test]
    fn a_clock_set_back_by_a_day_holds_nothing_up() {
        let mut known = Anonymous::default();
        known.refuse(&group("bot"));
        assert_eq!(turn(&mut known, &["a:1"], 1440), ("a".into(), Some(1455)));
        assert_eq!(turn(&mut known, &["a:1"], 0), (String::new(), Some(15)));
    }

    #[test]
    fn only_proof_is_true_and_only_a_refusal_is_false() {
        let check = |outcomes: &[Outcome], expected| {
            let mut known = Anonymous::default();
            known.refuse(&group("bot"));
            known.begin(&registry(), &[manifest("a:1")], at(0));
            for outcome in outcomes {
                let judged = (manifest("a:1"), Meaning::plain(*outcome));
                known.record(&registry(), &[judged]);
            }
            assert_eq!(known.would_work(&registry(), "a"), expected, "{outcomes:?}");
            assert_eq!(known.would_work(&registry(), "b"), None);
        };
        check(&[], None);
        check(&[Outcome::Ok], Some(true));
        check(&[Outcome::Unauthorized], Some(false));
        check(&[Outcome::Forbidden], Some(false));
        check(&[Outcome::NotFound], None);
        check(&[Outcome::Ok, Outcome::NotFound], None);
        for silent in [
            Outcome::RateLimited,
            Outcome::Timeout,
            Outcome::RegistryError,
        ] {
            check(&[silent], None);
            check(&[Outcome::Ok, silent], Some(true));
        }
    }

    #[test]
    fn what_was_tried_outlives_the_refusal_until_it_may_be_tried_again() {
        let mut known = Anonymous::default();
        let bot = group("bot");
        known.refuse(&bot);
        turn(&mut known, &["a:1"], 0);
        known.release(&bot, RHYTHM, at(1));
        assert_eq!(known.refused(&registry()).count(), 0);
        known.refuse(&bot);
        assert_eq!(turn(&mut known, &["a:1"], 2), (String::new(), Some(15)));
        known.keep(&registry(), in_use(&[]), RHYTHM, at(14));
        assert_eq!(turn(&mut known, &["a:1"], 14).0, "");
        known.keep(&registry(), in_use(&[]), RHYTHM, at(15));
        known.release(&bot, RHYTHM, at(15));
        assert!(known.0.is_empty(), "nothing is left of it");
    }
}
