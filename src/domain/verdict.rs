//! What the registries have said so far about each credential, and about themselves.
//!
//! Conclusive and inconclusive answers are kept apart here, once and for all: only
//! [`Verdict::record`] changes a verdict, and an inconclusive answer cannot reach the login's.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::anonymous::Anonymous;
use super::budget::Remembered;
use super::certificate::{Certificate, Certificates};
use super::cluster::Group;
use super::exchange::{Manifest, NetworkFault, Step};
use super::image::Registry;
use super::outcome::{self, Judgement, Meaning, Outcome, Situation};
use super::provider::Provider;
use super::pulls::Pulls;

/// A refused login is asked again after this, then after that, then always after the last
/// (docs/promises.md): the first is the confirmation.
const AFTER_CONFIRMED: [Duration; 2] = [Duration::from_secs(3600), Duration::from_secs(4 * 3600)];

/// A login that got no answer and may have been counted is asked again after its interval, then as
/// a refused one.
const AFTER_SILENCE: [Duration; 2] = AFTER_CONFIRMED;

/// Why a login that is due is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    /// Its account, or its registry, has used up its refusals.
    ForBudget,
    /// It may be refused, and cannot be written down before.
    ForLedger,
}

/// What is known of one credential at one registry.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    works: Option<bool>,
    refusal: Option<Refusal>,
    last_login: Option<Meaning>,
    fault: Option<NetworkFault>,
    steps: Vec<(Step, Outcome, Option<u16>)>,
    repositories: BTreeMap<Manifest, Probed>,
    last_run: Option<DateTime<Utc>>,
    last_success: Option<DateTime<Utc>>,
    next_run: Option<DateTime<Utc>>,
    waits: Option<Waits>,
    unanswered: u32,
}

/// The registry refuses the login: since when, how often in a row.
#[derive(Clone, Copy, Debug)]
struct Refusal {
    first: DateTime<Utc>,
    times: u32,
}

/// The last answer for one manifest.
#[derive(Clone, Copy, Debug)]
struct Probed {
    meaning: Meaning,
    at: DateTime<Utc>,
}

impl Verdict {
    /// Takes in one conversation. An inconclusive login leaves what is known of the credential as
    /// it was; a first refusal waits for its confirmation, so that 0 is shown once, and meant.
    pub fn record(&mut self, judgement: &Judgement, now: DateTime<Utc>) {
        self.last_run = Some(now);
        self.steps.clone_from(&judgement.steps);
        self.last_login = judgement.login;
        self.fault = judgement.fault;
        for (manifest, meaning) in &judgement.manifests {
            let probed = Probed {
                meaning: *meaning,
                at: now,
            };
            self.repositories.insert(manifest.clone(), probed);
        }
        match judgement.login.map(|login| login.outcome) {
            Some(Outcome::Ok) => {
                self.works = Some(true);
                self.refusal = None;
                self.last_success = Some(now);
            }
            Some(outcome) if outcome.is_refusal() => self.refused(now),
            Some(_) | None => {}
        }
    }

    /// The date inside the credential has passed: a conclusive `expired`, with nothing sent.
    pub fn record_expired_inside(&mut self, expired: DateTime<Utc>) {
        self.works = Some(false);
        self.last_login = Some(Meaning {
            may_mean: &[Situation::ExpiredCredential],
            ..Meaning::plain(Outcome::Expired)
        });
        self.fault = None;
        self.steps = vec![(Step::Token, Outcome::Expired, None)];
        self.refusal.get_or_insert(Refusal {
            first: expired,
            times: 2,
        });
    }

    /// An earlier process was refused with these very bytes: its verdict is the last conclusive
    /// answer, and stays until the next.
    pub fn remember(&mut self, remembered: &Remembered) {
        self.works = (remembered.times > 1).then_some(false);
        self.last_login = Some(Meaning::plain(Outcome::Unauthorized));
        self.last_run = Some(remembered.last);
        self.refusal = Some(Refusal {
            first: remembered.first,
            times: remembered.times,
        });
    }

    /// The newest login was sent, and whether it was refused is not known; or it had its answer.
    pub fn went_unanswered(&mut self, is_so: bool) {
        self.unanswered = if is_so { self.unanswered + 1 } else { 0 };
    }

    /// How long to leave a login alone that may have been refused several times without our
    /// knowing; `None` for one that was not.
    pub fn pause_after_silence(&self) -> Option<Duration> {
        match self.unanswered {
            0 | 1 => None,
            2 => Some(AFTER_SILENCE[0]),
            _ => Some(AFTER_SILENCE[1]),
        }
    }

    /// Why it is not sent, though it is due.
    pub fn waits(&self) -> Option<Waits> {
        self.waits
    }

    /// Notes why it is not sent, or that it is.
    pub fn wait_for(&mut self, what: Option<Waits>) {
        self.waits = what;
    }

    fn refused(&mut self, now: DateTime<Utc>) {
        let refusal = self.refusal.get_or_insert(Refusal {
            first: now,
            times: 0,
        });
        refusal.times += 1;
        if refusal.times > 1 {
            self.works = Some(false);
        }
    }

    /// The last conclusive answer to the login; `None` before the first, and while a first refusal
    /// of a credential never seen working is not confirmed.
    pub fn works(&self) -> Option<bool> {
        self.works
    }

    /// How long to leave a refused login alone; `None` for one that is not refused.
    pub fn pause_after_refusal(&self, confirm_after: Duration) -> Option<Duration> {
        Some(pause_after(self.refusal?.times, confirm_after))
    }

    /// This process saw it work, and no refusal since.
    pub fn is_proven(&self) -> bool {
        self.last_success.is_some() && self.refusal.is_none()
    }

    /// The outcome of the newest login, conclusive or not.
    pub fn last_login(&self) -> Option<Outcome> {
        self.last_login.map(|login| login.outcome)
    }

    /// The newest login with all that it leaves open.
    pub fn login_meaning(&self) -> Option<Meaning> {
        self.last_login
    }

    /// The manifests that were read.
    pub fn read(&self) -> impl Iterator<Item = &Manifest> {
        let all = self.repositories.iter();
        let read = all.filter(|(_, probed)| probed.meaning.outcome == Outcome::Ok);
        read.map(|(manifest, _)| manifest)
    }

    /// Its answers are not older than two of its own intervals.
    pub fn is_fresh_at(&self, now: DateTime<Utc>) -> bool {
        match (self.last_run, self.next_run) {
            (Some(last), Some(next)) => now < next + (next - last),
            _ => true,
        }
    }

    /// What the newest login may mean, if this was its outcome.
    pub fn left_open(&self, outcome: Option<Outcome>) -> &'static [Situation] {
        match self.last_login {
            Some(login) if Some(login.outcome) == outcome => login.may_mean,
            Some(_) | None => &[],
        }
    }

    /// The registry refuses the login, confirmed or not, or its date has passed.
    pub fn is_refused(&self) -> bool {
        self.refusal.is_some()
    }

    /// How often the login was refused in a row, as far as is known.
    pub fn refusals(&self) -> u32 {
        self.refusal.map_or(0, |refusal| refusal.times)
    }

    /// What exactly stands behind an outcome of the newest conversation: the way in which TLS, a
    /// name or a connection failed.
    pub fn fault_behind(&self, outcome: Outcome) -> Option<NetworkFault> {
        self.fault
            .filter(|fault| outcome::of_fault(*fault) == outcome)
    }

    /// Since when the login is refused.
    pub fn first_rejected(&self) -> Option<DateTime<Utc>> {
        self.refusal.map(|refusal| refusal.first)
    }

    /// The present outcome of each step that the newest conversation took.
    pub fn steps(&self) -> &[(Step, Outcome, Option<u16>)] {
        &self.steps
    }

    /// The newest conversation told nothing of the login, nor of what stands behind it.
    pub fn is_blind(&self) -> bool {
        let tells = |(_, outcome, _): &(Step, Outcome, _)| outcome.is_conclusive();
        let mut beyond = self.steps.iter().filter(|(step, ..)| *step != Step::Ping);
        !beyond.any(tells) && self.steps.last().is_some_and(|last| !tells(last))
    }

    /// The newest conversation.
    pub fn last_run(&self) -> Option<DateTime<Utc>> {
        self.last_run
    }

    /// There has been a conversation.
    pub fn was_asked(&self) -> bool {
        self.last_run.is_some()
    }

    /// The newest conversation whose login worked.
    pub fn last_success(&self) -> Option<DateTime<Utc>> {
        self.last_success
    }

    /// When the next conversation is planned.
    pub fn next_run(&self) -> Option<DateTime<Utc>> {
        self.next_run
    }

    /// Notes when the next conversation is planned.
    pub fn plan(&mut self, next: Option<DateTime<Utc>>) {
        self.next_run = next;
    }

    /// The last answer for one manifest.
    pub fn manifest(&self, manifest: &Manifest) -> Option<Outcome> {
        self.manifest_meaning(manifest)
            .map(|meaning| meaning.outcome)
    }

    /// The same with all that the answer leaves open.
    pub fn manifest_meaning(&self, manifest: &Manifest) -> Option<Meaning> {
        self.repositories.get(manifest).map(|probed| probed.meaning)
    }

    /// Of the manifests in use, those to ask now: never asked first, then the longest ago.
    pub fn turn(&self, in_use: impl Iterator<Item = Manifest>, most: usize) -> Vec<Manifest> {
        let mut all: Vec<_> = in_use
            .map(|manifest| {
                (
                    self.repositories.get(&manifest).map(|probed| probed.at),
                    manifest,
                )
            })
            .collect();
        all.sort();
        all.into_iter()
            .take(most)
            .map(|(_, manifest)| manifest)
            .collect()
    }

    /// Drops what was learned of manifests that no pod uses any more.
    pub fn keep_manifests(&mut self, in_use: impl Fn(&Manifest) -> bool) {
        self.repositories.retain(|manifest, _| in_use(manifest));
    }

    /// Repositories in use by their worst manifest outcome; `None` counts the never asked.
    pub fn repositories<'a>(
        &self,
        in_use: impl Iterator<Item = &'a Manifest>,
    ) -> BTreeMap<Option<Outcome>, u64> {
        let mut worst: BTreeMap<&str, Option<Outcome>> = BTreeMap::new();
        for manifest in in_use {
            let outcome = self.manifest(manifest);
            let slot = worst.entry(&manifest.repository).or_insert(outcome);
            *slot = (*slot).max(outcome);
        }
        let mut counts = BTreeMap::new();
        for outcome in worst.into_values() {
            *counts.entry(outcome).or_default() += 1;
        }
        counts
    }
}

/// How long to leave a login alone that was refused so often in a row.
pub fn pause_after(times: u32, confirm_after: Duration) -> Duration {
    match times {
        0 | 1 => confirm_after,
        2 => AFTER_CONFIRMED[0],
        _ => AFTER_CONFIRMED[1],
    }
}

/// What is known of a registry itself.
#[derive(Clone, Debug, Default)]
pub struct RegistryStanding {
    /// It answers `/v2/` in the registry protocol; `None` before the first ping, and when our own
    /// policy keeps us from asking.
    pub up: Option<bool>,
    /// The newest anonymous ping.
    pub last_ping: Option<Outcome>,
    /// As far as that ping told, nothing there is public.
    pub guards_all: bool,
    /// What exactly kept that ping from an answer.
    pub fault: Option<NetworkFault>,
    /// What its hosts showed, in pings and logins.
    pub certificates: Certificates,
    /// Who last answered in a way that told; `None` before.
    pub provider: Option<Provider>,
}

impl RegistryStanding {
    /// An answer that does not tell, such as none, leaves what was known.
    fn recognise(&mut self, provider: Provider) {
        if provider != Provider::Unknown {
            self.provider = Some(provider);
        }
    }
}

/// All verdicts of this process.
#[derive(Debug, Default)]
pub struct Verdicts {
    groups: HashMap<Group, Verdict>,
    registries: HashMap<Registry, RegistryStanding>,
    /// What stands behind refused logins and is public.
    pub anonymous: Anonymous,
    /// What pods that pull say against all this.
    pub pulls: Pulls,
}

impl Verdicts {
    /// The verdict on a credential.
    pub fn of(&self, group: &Group) -> Option<&Verdict> {
        self.groups.get(group)
    }

    /// The verdict on a credential, an empty one to begin with.
    pub fn entry(&mut self, group: &Group) -> &mut Verdict {
        if !self.groups.contains_key(group) {
            self.groups.insert(group.clone(), Verdict::default());
        }
        self.groups.get_mut(group).expect("inserted above")
    }

    /// The credential is gone, and with it what was said of it.
    pub fn forget(&mut self, group: &Group) {
        self.groups.remove(group);
        self.pulls.forget(group);
    }

    /// A registry.
    pub fn registry(&self, registry: &Registry) -> RegistryStanding {
        self.registries.get(registry).cloned().unwrap_or_default()
    }

    /// The same without a copy.
    pub fn standing(&self, registry: &Registry) -> Option<&RegistryStanding> {
        self.registries.get(registry)
    }

    /// The outcome of a registry's newest ping.
    pub fn last_ping(&self, registry: &Registry) -> Option<Outcome> {
        self.registries.get(registry)?.last_ping
    }

    /// Takes in an anonymous ping; true when the registry has just come back.
    pub fn pinged(&mut self, registry: &Registry, judgement: &Judgement) -> bool {
        let standing = self.registries.entry(registry.clone()).or_default();
        let was_up = standing.up;
        standing.recognise(judgement.provider);
        standing.last_ping = Some(judgement.ping);
        standing.guards_all = judgement.guards_all;
        standing.fault = judgement.fault;
        standing.up = (judgement.ping != Outcome::Blocked).then_some(judgement.up);
        was_up == Some(false) && standing.up == Some(true)
    }

    /// Takes in what the hosts of a registry showed.
    pub fn saw(&mut self, registry: &Registry, certificates: &[Certificate], now: DateTime<Utc>) {
        let standing = self.registries.entry(registry.clone()).or_default();
        standing.certificates.saw(certificates, now);
    }

    /// Who serves a registry: by its host name, or as its answers told.
    pub fn provider(&self, registry: &Registry) -> Provider {
        let told = self.registries.get(registry);
        told.and_then(|standing| standing.provider)
            .unwrap_or_else(|| Provider::named(registry))
    }

    /// Takes in who answered a conversation.
    pub fn recognise(&mut self, registry: &Registry, provider: Provider) {
        if let Some(standing) = self.registries.get_mut(registry) {
            standing.recognise(provider);
        }
    }

    /// Nobody names the registry any more.
    pub fn forget_registry(&mut self, registry: &Registry) {
        self.registries.remove(registry);
        self.pulls.is_seen(registry);
    }
}
