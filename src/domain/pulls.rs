//! What the pulls of pods say against our own answers: a login that is refused here works on a node,
//! or nodes reach a registry that tells us nothing.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::cluster::{Group, Pull};
use super::image::Registry;
use super::verdict::{Verdict, Verdicts};

/// How long a pull says that nodes reach its registry (docs/metrics.md,
/// `regcred_registry_vantage_blind`).
const RECENT: TimeDelta = TimeDelta::hours(1);

/// A login that was asked for because of a pull and refused again did not make it: the node has
/// another credential, and pulls are no reason to ask for so long. A refusal more in a day is what
/// the account's places can spare.
const UNEXPLAINED: TimeDelta = TimeDelta::hours(24);

/// One that was asked for and not refused since had no answer, or waits for a place: the next pull
/// is a reason again, yet not each of a hundred at once.
const UNANSWERED: TimeDelta = TimeDelta::minutes(5);

/// Which logins were asked for because of pulls, and when; what was pulled behind our back.
#[derive(Debug, Default)]
pub struct Pulls {
    unseen: HashMap<Registry, DateTime<Utc>>,
    rechecked: HashMap<Group, Recheck>,
}

/// A login that was asked for because of a pull.
#[derive(Clone, Copy, Debug)]
struct Recheck {
    at: DateTime<Utc>,
    /// How often it had been refused in a row by then.
    refusals: u32,
}

impl Pulls {
    /// A pod pulled while we got no conclusive answer from there. One before does not count: until a
    /// registry goes down, pods pull from it.
    pub fn went_unseen(&mut self, registry: &Registry, now: DateTime<Utc>) {
        self.unseen.insert(registry.clone(), now);
    }

    /// The registry tells us something again.
    pub fn is_seen(&mut self, registry: &Registry) {
        self.unseen.remove(registry);
    }

    /// Something was pulled since the registry told us something.
    pub fn has_unseen(&self, registry: &Registry) -> bool {
        self.unseen.contains_key(registry)
    }

    /// The same within the last hour.
    pub fn has_recent_unseen(&self, registry: &Registry, now: DateTime<Utc>) -> bool {
        let last = self.unseen.get(registry);
        last.is_some_and(|last| *last + RECENT > now)
    }

    /// The login, refused so often in a row, is asked for because of a pull.
    pub fn recheck(&mut self, group: &Group, refusals: u32, now: DateTime<Utc>) {
        let recheck = Recheck { at: now, refusals };
        self.rechecked.insert(group.clone(), recheck);
    }

    /// The credential is gone.
    pub fn forget(&mut self, group: &Group) {
        self.rechecked.remove(group);
    }

    /// Whether the login was asked for because of a pull since it is refused, and not long ago.
    fn was_in_vain(&self, group: &Group, verdict: &Verdict, now: DateTime<Utc>) -> bool {
        self.rechecked.get(group).is_some_and(|recheck| {
            let first = verdict.first_rejected();
            let is_of_this_refusal = first.is_none_or(|first| recheck.at >= first);
            let pause = match verdict.refusals() > recheck.refusals {
                true => UNEXPLAINED,
                false => UNANSWERED,
            };
            is_of_this_refusal && recheck.at + pause > now
        })
    }
}

/// The logins that are shown as refused and that a pull contradicts. None where another of its
/// credentials works, and explains it. A first refusal is left to its confirmation, a matter of
/// minutes: nothing is said yet that could be wrong.
pub fn contradicted(verdicts: &Verdicts, pull: &Pull, now: DateTime<Utc>) -> Vec<Group> {
    let verdict = |group: &Group| verdicts.of(group);
    let works = |group: &Group| verdict(group).is_some_and(Verdict::is_proven);
    if pull.candidates.iter().any(works) {
        return Vec::new();
    }
    let is_news = |group: &&Group| {
        verdict(group).is_some_and(|verdict| {
            let is_shown = verdict.is_refused() && verdict.works() == Some(false);
            is_shown && !verdicts.pulls.was_in_vain(group, verdict, now)
        })
    };
    pull.candidates.iter().filter(is_news).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::budget::Remembered;
    use crate::domain::outcome::{Judgement, Meaning, Outcome};
    use crate::domain::provider::Provider;
    use crate::domain::samples;

    fn minute(number: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::minutes(number)
    }

    fn groups(count: usize) -> Vec<Group> {
        samples::groups("r.example.com", count)
    }

    fn pull(groups: &[Group]) -> Pull {
        Pull {
            registry: Registry::from_domain("r.example.com"),
            candidates: groups.to_vec(),
        }
    }

    /// Refused so often, first at minute 0.
    fn refuse(verdicts: &mut Verdicts, group: &Group, times: u32) {
        verdicts.entry(group).remember(&Remembered {
            first: minute(0),
            last: minute(5),
            times,
            is_certain: true,
        });
    }

    fn answer(verdicts: &mut Verdicts, group: &Group, outcome: Outcome, now: DateTime<Utc>) {
        let judgement = Judgement {
            provider: Provider::Unknown,
            ping: Outcome::Ok,
            up: true,
            guards_all: false,
            login: Some(Meaning::plain(outcome)),
            manifests: Vec::new(),
            steps: Vec::new(),
            retry_after: None,
            quotas: Vec::new(),
            fault: None,
        };
        verdicts.entry(group).record(&judgement, now);
    }

    #[test]
    fn a_pull_contradicts_what_is_shown_as_refused_and_nothing_else() {
        let (groups, mut verdicts) = (groups(4), Verdicts::default());
        refuse(&mut verdicts, &groups[0], 2);
        refuse(&mut verdicts, &groups[1], 1);
        answer(&mut verdicts, &groups[2], Outcome::Timeout, minute(5));
        let found = contradicted(&verdicts, &pull(&groups), minute(40));
        assert_eq!(found, groups[..1]);
    }

    #[test]
    fn a_login_that_works_explains_the_pull() {
        let (groups, mut verdicts) = (groups(2), Verdicts::default());
        refuse(&mut verdicts, &groups[0], 2);
        answer(&mut verdicts, &groups[1], Outcome::Ok, minute(5));
        assert_eq!(
            contradicted(&verdicts, &pull(&groups), minute(40)),
            Vec::<Group>::new()
        );
        assert_eq!(
            contradicted(&verdicts, &pull(&groups[..1]), minute(40)),
            groups[..1]
        );
        // It worked once and is refused now: it explains nothing any more.
        answer(&mut verdicts, &groups[1], Outcome::Unauthorized, minute(30));
        assert_eq!(
            contradicted(&verdicts, &pull(&groups), minute(40)),
            groups[..1]
        );
    }

    #[test]
    fn what_was_asked_for_in_vain_is_left_alone_for_a_day_or_until_it_has_worked() {
        let (groups, mut verdicts) = (groups(1), Verdicts::default());
        refuse(&mut verdicts, &groups[0], 2);
        let is_news = |verdicts: &Verdicts, at| {
            let found = contradicted(verdicts, &pull(&groups), minute(at));
            !found.is_empty()
        };
        assert!(is_news(&verdicts, 40));
        verdicts.pulls.recheck(&groups[0], 2, minute(40));
        answer(&mut verdicts, &groups[0], Outcome::Unauthorized, minute(40));
        assert!(!is_news(&verdicts, 41));
        assert!(!is_news(&verdicts, 40 + 24 * 60 - 1));
        assert!(is_news(&verdicts, 40 + 24 * 60));

        answer(&mut verdicts, &groups[0], Outcome::Ok, minute(50));
        answer(&mut verdicts, &groups[0], Outcome::Unauthorized, minute(60));
        answer(&mut verdicts, &groups[0], Outcome::Unauthorized, minute(65));
        assert!(is_news(&verdicts, 70), "another refusal");
    }

    #[test]
    fn what_was_asked_for_and_had_no_answer_is_asked_for_at_the_next_pull() {
        let (groups, mut verdicts) = (groups(1), Verdicts::default());
        refuse(&mut verdicts, &groups[0], 2);
        verdicts.pulls.recheck(&groups[0], 2, minute(40));
        answer(
            &mut verdicts,
            &groups[0],
            Outcome::RegistryError,
            minute(40),
        );
        let is_news = |at| !contradicted(&verdicts, &pull(&groups), minute(at)).is_empty();
        assert!(!is_news(44));
        assert!(is_news(45));
    }

    #[test]
    fn what_is_gone_is_forgotten() {
        let (groups, mut verdicts) = (groups(1), Verdicts::default());
        verdicts.pulls.recheck(&groups[0], 2, minute(0));
        verdicts.forget(&groups[0]);
        assert!(verdicts.pulls.rechecked.is_empty());
    }

    #[test]
    fn a_pull_behind_our_back_counts_for_an_hour_or_until_we_see() {
        let (registry, mut verdicts) = (Registry::from_domain("r.example"), Verdicts::default());
        let counts =
            |verdicts: &Verdicts, at| verdicts.pulls.has_recent_unseen(&registry, minute(at));
        assert!(!counts(&verdicts, 0));
        verdicts.pulls.went_unseen(&registry, minute(0));
        assert!(counts(&verdicts, 59) && !counts(&verdicts, 60));
        verdicts.pulls.went_unseen(&registry, minute(30));
        assert!(counts(&verdicts, 89));
        verdicts.pulls.is_seen(&registry);
        assert!(!counts(&verdicts, 31) && !verdicts.pulls.has_unseen(&registry));
        verdicts.pulls.went_unseen(&registry, minute(40));
        verdicts.forget_registry(&registry);
        assert!(!verdicts.pulls.has_unseen(&registry), "it is gone");
    }
}
