//! Notices: what a Secret's owner is told by an Event of Kubernetes about the Secret.
//!
//! An Event is of a state that lasts. The API server forgets it after an hour, so that it is told anew
//! for as long as the state does, always under one name: whoever lists Events sees it once.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

use super::cluster::{Mark, Uid};
use super::docker_config::Effect;
use super::outcome::Outcome;
use super::rows::{CredentialRow, Rows, SecretRow, Skipped};

/// After so long a notice is told anew (kube-apiserver --event-ttl: 1 h).
const AGAIN: TimeDelta = TimeDelta::minutes(30);

/// After so long one that could not be told is tried again.
const AFTER_FAILURE: TimeDelta = TimeDelta::minutes(5);

/// So many are told in one round, and of one namespace: a tenant with a thousand broken Secrets delays
/// nobody else's.
const ROUND_MOST: usize = 100;
const NAMESPACE_MOST: usize = 10;

/// So many entries of one Secret are named.
const NAMED_MOST: usize = 3;

/// More bytes than that Events of events.k8s.io do not take (`note`).
const MESSAGE_MOST: usize = 1024;

closed! {
    /// What is told, the `reason` of the Event.
    Matter {
        /// A credential stops working soon.
        ExpiringSoon => "CredentialExpiringSoon",
        /// A credential has stopped working since its time is over.
        Expired => "CredentialExpired",
        /// A registry refuses a login.
        Rejected => "CredentialRejected",
        /// The kubelet can make nothing of an entry, or of the whole Secret.
        Malformed => "MalformedPullSecret",
    }
}

/// One Event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// `metadata.namespace` of the Secret.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// Its `metadata.uid`.
    pub uid: Uid,
    /// What is told.
    pub matter: Matter,
    /// The words; holds names, closed words and dates alone.
    pub message: String,
}

/// Which notice: a Secret that was made anew is another one.
type Key = (Arc<str>, Arc<str>, Uid, Matter);

impl Notice {
    fn key(&self) -> Key {
        let Self {
            namespace,
            name,
            uid,
            matter,
            ..
        } = self;
        (namespace.clone(), name.clone(), *uid, *matter)
    }
}

/// What was told, and when each is due again.
#[derive(Debug, Default)]
pub struct Notices {
    due: HashMap<Key, DateTime<Utc>>,
}

impl Notices {
    /// What is to be told now, never told first; what has ended is forgotten.
    pub fn due(&mut self, rows: &Rows, now: DateTime<Utc>) -> Vec<Notice> {
        let standing = standing(rows, now);
        let keys: BTreeSet<Key> = standing.iter().map(Notice::key).collect();
        self.due.retain(|key, _| keys.contains(key));
        let mut due: Vec<_> = standing
            .into_iter()
            .map(|notice| (self.due.get(&notice.key()).copied(), notice))
            .filter(|(due, _)| due.is_none_or(|at| at <= now))
            .collect();
        // A stable sort: of those never told the order is that of their names.
        due.sort_by_key(|(due, _)| *due);
        let mut of_namespace: HashMap<Arc<str>, usize> = HashMap::new();
        let has_turn = |notice: &Notice| {
            let told = of_namespace.entry(notice.namespace.clone()).or_default();
            *told += 1;
            *told <= NAMESPACE_MOST
        };
        let mut notices: Vec<Notice> = due.into_iter().map(|(_, notice)| notice).collect();
        notices.retain(has_turn);
        notices.truncate(ROUND_MOST);
        notices
    }

    /// It was told, or could not be.
    pub fn told(&mut self, notice: &Notice, is_told: bool, now: DateTime<Utc>) {
        let pause = match is_told {
            true => AGAIN,
            false => AFTER_FAILURE,
        };
        self.due.insert(notice.key(), now + pause);
    }
}

/// Everything that is so now, in the order of names.
fn standing(rows: &Rows, now: DateTime<Utc>) -> Vec<Notice> {
    let secrets = rows.secrets.iter();
    // What was never applied has no uid, and no Event can be about a file.
    let secrets: BTreeMap<(&str, &str), &SecretRow> = secrets
        .filter(|row| row.uid != Uid::default() && !row.namespace.is_empty() && row.is_named)
        .map(|row| ((&*row.namespace, &*row.name), row))
        .collect();
    let mut found: BTreeMap<Key, Vec<String>> = BTreeMap::new();
    let mut note = |secret: &SecretRow, matter, text| {
        let key = (
            secret.namespace.clone(),
            secret.name.clone(),
            secret.uid,
            matter,
        );
        found.entry(key).or_default().push(text);
    };
    for row in &rows.credentials {
        let secret = secrets.get(&(&*row.namespace, &*row.name)).copied();
        if let Some(secret) = secret
            && let Some((matter, text)) = of_credential(row, secret, now)
        {
            note(secret, matter, text);
        }
    }
    for secret in secrets.into_values() {
        let faults = secret.faults.iter();
        for fault in faults.filter(|fault| fault.effect() > Effect::Suspicious) {
            let text = format!(
                "{}: {} {}",
                fault.as_str(),
                fault.explanation(),
                fault.fix()
            );
            note(secret, Matter::Malformed, text);
        }
    }
    found
        .into_iter()
        .map(|((namespace, name, uid, matter), texts)| Notice {
            namespace,
            name,
            uid,
            matter,
            message: message(&texts),
        })
        .collect()
}

/// The same rules as those of the alerts.
fn of_credential(
    row: &CredentialRow,
    secret: &SecretRow,
    now: DateTime<Utc>,
) -> Option<(Matter, String)> {
    let is_left_alone = matches!(
        row.skipped,
        Some(Skipped::NotReferenced | Skipped::OpenshiftGenerated)
    );
    if is_left_alone || row.mark == Some(Mark::Ignored) {
        return None;
    }
    let (key, registry) = (&row.key, &row.registry);
    let date = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
    let is_refused = row.valid == Some(false);
    match row.expires {
        Some(at) if at <= now && row.valid != Some(true) => {
            let text = format!(
                "The credential for {key} at {registry} expired at {}.",
                date(at)
            );
            Some((Matter::Expired, text))
        }
        _ if is_refused && row.outcome == Some(Outcome::Expired) => {
            let text = format!("{registry} says that the credential for {key} has expired.");
            Some((Matter::Expired, text))
        }
        _ if is_refused => {
            let text = format!("{registry} refuses the login of the entry {key}.");
            Some((Matter::Rejected, text))
        }
        Some(at) if at > now && warn_from(at, row.issued, secret.changed) <= now => {
            let text = format!(
                "The credential for {key} at {registry} expires at {}.",
                date(at)
            );
            Some((Matter::ExpiringSoon, text))
        }
        _ => None,
    }
}

/// A sixth of the lifetime before the end, at most 14 days; where nobody says when it was issued, 7
/// days, but a sixth of what can be seen of one that lives for less than two (alerts/regcred.rules.yaml:
/// `warn_from`).
fn warn_from(
    expires: DateTime<Utc>,
    issued: Option<DateTime<Utc>>,
    changed: Option<DateTime<Utc>>,
) -> DateTime<Utc> {
    let lifetime = |from: DateTime<Utc>| expires - from;
    let of_issued = issued
        .map(lifetime)
        .filter(|life| *life > TimeDelta::zero());
    let of_changed = changed
        .map(lifetime)
        .filter(|life| *life < TimeDelta::days(2));
    let before = match (of_issued, of_changed) {
        (Some(life), _) => (life / 6).min(TimeDelta::days(14)),
        (None, Some(life)) => (life / 6).max(TimeDelta::zero()),
        (None, None) => TimeDelta::days(7),
    };
    expires - before
}

fn message(texts: &[String]) -> String {
    let (named, more) = texts.split_at(texts.len().min(NAMED_MOST));
    let mut message = named.join(" ");
    if !more.is_empty() {
        message.push_str(&format!(" And {} more.", more.len()));
    }
    message.truncate(message.floor_char_boundary(MESSAGE_MOST));
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::docker_config::FaultKind;
    use crate::domain::image::Registry;
    use crate::domain::rows::PodCounts;

    const DAY: TimeDelta = TimeDelta::days(1);

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap()
    }

    fn secret(namespace: &str, name: &str) -> SecretRow {
        SecretRow {
            namespace: namespace.into(),
            name: name.into(),
            uid: Uid(7),
            is_named: true,
            faults: [].into_iter().collect(),
            changed: None,
        }
    }

    fn credential(namespace: &str, name: &str) -> CredentialRow {
        CredentialRow {
            namespace: namespace.into(),
            name: name.into(),
            key: "quay.io".into(),
            registry: Registry::from_domain("quay.io"),
            kind: "basic",
            provider: "quay",
            credential: format!("{namespace}/{name}").into(),
            mark: None,
            skipped: None,
            valid: Some(true),
            outcome: Some(Outcome::Ok),
            expires: None,
            issued: None,
            pods: PodCounts::default(),
        }
    }

    fn rows(credentials: Vec<CredentialRow>, secrets: Vec<SecretRow>) -> Rows {
        Rows {
            credentials,
            secrets,
            ..Rows::default()
        }
    }

    fn matters(change: impl FnOnce(&mut CredentialRow, &mut SecretRow)) -> Vec<&'static str> {
        let (mut row, mut of) = (credential("shop", "pull"), secret("shop", "pull"));
        change(&mut row, &mut of);
        let notices = Notices::default().due(&rows(vec![row], vec![of]), now());
        notices
            .iter()
            .map(|notice| notice.matter.as_str())
            .collect()
    }

    #[test]
    fn what_is_told_is_what_alerts() {
        let (ended, tomorrow) = (Some(now() - DAY), Some(now() + DAY));
        assert_eq!(matters(|_, _| {}), [""; 0]);
        assert_eq!(
            matters(|row, _| row.valid = Some(false)),
            ["CredentialRejected"]
        );
        assert_eq!(matters(|row, _| row.valid = None), [""; 0]);
        assert_eq!(
            matters(|row, _| row.expires = tomorrow),
            ["CredentialExpiringSoon"]
        );
        let in_eight_days = Some(now() + DAY * 8);
        assert_eq!(matters(|row, _| row.expires = in_eight_days), [""; 0]);
        // The date has passed, and the login works all the same: the date is wrong.
        assert_eq!(matters(|row, _| row.expires = ended), [""; 0]);
        let expired = |row: &mut CredentialRow| (row.expires, row.valid) = (ended, Some(false));
        assert_eq!(matters(|row, _| expired(row)), ["CredentialExpired"]);
        let said = |row: &mut CredentialRow| {
            (row.outcome, row.valid) = (Some(Outcome::Expired), Some(false));
        };
        assert_eq!(matters(|row, _| said(row)), ["CredentialExpired"]);
        let unused = |row: &mut CredentialRow| {
            expired(row);
            row.skipped = Some(Skipped::NotReferenced);
        };
        assert_eq!(matters(|row, _| unused(row)), [""; 0]);
        let ignored = |row: &mut CredentialRow| {
            expired(row);
            row.mark = Some(Mark::Ignored);
        };
        assert_eq!(matters(|row, _| ignored(row)), [""; 0]);
        let fault = |kind: FaultKind| matters(|_, of| of.faults = [kind].into_iter().collect());
        assert_eq!(fault(FaultKind::InvalidJson), ["MalformedPullSecret"]);
        assert_eq!(fault(FaultKind::Whitespace), [""; 0], "it is pulled with");
        assert_eq!(
            matters(|_, of| {
                of.faults = [FaultKind::InvalidJson].into_iter().collect();
                of.is_named = false;
            }),
            [""; 0]
        );
        // A file, and a Secret of another type.
        assert_eq!(
            matters(|row, of| {
                row.valid = Some(false);
                of.uid = Uid::default();
            }),
            [""; 0]
        );
    }

    #[test]
    fn a_token_that_renews_itself_is_not_always_about_to_expire() {
        let hours = TimeDelta::hours;
        let at = |left: i64, life: i64| {
            let expires = now() + hours(left);
            (expires, expires - hours(life))
        };
        for (left, life, is_soon) in [(10, 12, false), (3, 12, false), (1, 12, true)] {
            let (expires, from) = at(left, life);
            for is_issued in [true, false] {
                let (issued, changed) = match is_issued {
                    true => (Some(from), None),
                    false => (None, Some(from)),
                };
                let soon = warn_from(expires, issued, changed) <= now();
                assert_eq!(soon, is_soon, "{left} h of {life} h left");
            }
        }
        // A year: 14 days.
        let (expires, from) = at(24 * 15, 24 * 365);
        assert!(warn_from(expires, Some(from), None) > now());
        assert!(warn_from(expires - DAY, Some(from), None) <= now());
    }

    #[test]
    fn it_is_told_anew_while_it_lasts_and_forgotten_when_it_ends() {
        let mut refused = credential("shop", "pull");
        refused.valid = Some(false);
        let bad = rows(vec![refused], vec![secret("shop", "pull")]);
        let good = rows(
            vec![credential("shop", "pull")],
            vec![secret("shop", "pull")],
        );
        let mut notices = Notices::default();
        let first = notices.due(&bad, now());
        assert_eq!(first.len(), 1);
        assert_eq!(
            first[0].message,
            "quay.io refuses the login of the entry quay.io."
        );
        notices.told(&first[0], true, now());
        let in_minutes = |minutes| now() + TimeDelta::minutes(minutes);
        assert!(notices.due(&bad, in_minutes(29)).is_empty());
        assert_eq!(notices.due(&bad, in_minutes(30)), first);
        assert!(notices.due(&good, in_minutes(31)).is_empty());
        assert_eq!(notices.due(&bad, in_minutes(32)), first, "it is news again");
        notices.told(&first[0], false, in_minutes(32));
        assert!(notices.due(&bad, in_minutes(36)).is_empty());
        assert_eq!(notices.due(&bad, in_minutes(37)), first);
    }

    #[test]
    fn a_tenant_with_many_delays_nobody() {
        let name = |n: usize| format!("pull-{n:04}");
        let all =
            |namespace: &'static str, count: usize| (0..count).map(move |n| (namespace, name(n)));
        let names: Vec<_> = all("aaa", 500).chain(all("shop", 3)).collect();
        let credentials = names.iter().map(|(namespace, name)| {
            let mut row = credential(namespace, name);
            row.valid = Some(false);
            row
        });
        let secrets = names
            .iter()
            .map(|(namespace, name)| secret(namespace, name));
        let rows = rows(credentials.collect(), secrets.collect());
        let mut notices = Notices::default();
        let first = notices.due(&rows, now());
        let of = |found: &[Notice], namespace: &str| {
            let is_of = |notice: &&Notice| &*notice.namespace == namespace;
            found.iter().filter(is_of).count()
        };
        assert_eq!((of(&first, "aaa"), of(&first, "shop")), (10, 3));
        for notice in &first {
            notices.told(notice, true, now());
        }
        let second = notices.due(&rows, now());
        assert_eq!((of(&second, "aaa"), of(&second, "shop")), (10, 0));
        assert!(second.iter().all(|notice| !first.contains(notice)));
    }

    #[test]
    fn a_message_has_an_end() {
        let texts = vec!["ä".repeat(400); 5];
        let message = message(&texts);
        assert!(message.len() <= MESSAGE_MOST);
        let short = super::message(&[
            "a".to_owned(),
            "b".to_owned(),
            "c".to_owned(),
            "d".to_owned(),
        ]);
        assert_eq!(short, "a b c And 1 more.");
    }
}
