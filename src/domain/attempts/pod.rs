//! One Pod in trouble: what its status and its Events have told of attempts.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::Happening;
use super::spoken::Spoken;
use super::waiting::{self, Stage};
use crate::domain::cluster::{ContainerSeen, PodSeen};
use crate::domain::image::{Reference, Registry};
use crate::domain::pull_failure::{Reason, classify};

/// Each distinct message about a Pod is an Event of its own, and some registries put a number of its
/// own into each. Attempts beyond so many names are told by the status alone.
const NAMES_MOST: usize = 64;

/// What is kept of a message. Kubernetes cuts those of Events at 1 KiB too.
const TEXT_MOST: usize = 1024;

/// A Pod that is in trouble, or was.
#[derive(Debug)]
pub(super) struct Trouble {
    namespace: Arc<str>,
    service_account: Arc<str>,
    /// Of the list that brought it last.
    epoch: u32,
    /// Made after our start, so that all of its attempts are ours to count.
    is_new: bool,
    is_terminating: bool,
    /// Since when it is not there, or was heard of last without being seen.
    departed: Option<DateTime<Utc>>,
    containers: Vec<Container>,
    /// The count of each Event, by its name: a recorder keeps the name for as long as it counts,
    /// also when it writes one anew that was forgotten.
    events: Vec<(Box<str>, u32)>,
    /// By its containers: the sum of max(T, E).
    reached: u64,
    /// By its Events: the sum of E, with those that are about no container.
    heard: u64,
    counted: u64,
}

#[derive(Debug, Default)]
struct Container {
    name: Box<str>,
    image: Box<str>,
    registry: Option<Registry>,
    /// Where it stands in the Pod.
    place: usize,
    stage: Stage,
    /// It had been started when it was last in trouble.
    had_started: bool,
    transitions: u64,
    events: u64,
    /// Its first failure since it last ran.
    since: Option<DateTime<Utc>>,
    told: Option<Told>,
}

/// What a message told of why a container waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// What it says.
    pub reason: Reason,
    /// Its first KiB.
    pub text: Box<str>,
    /// When it was said.
    at: Option<DateTime<Utc>>,
}

/// A Pod that waits for an image: by the first of its containers that does.
#[derive(Debug)]
pub struct Waiting<'a> {
    /// Its namespace.
    pub namespace: &'a Arc<str>,
    /// Its ServiceAccount.
    pub service_account: &'a str,
    /// The container that waits.
    pub container: &'a str,
    /// Its image, as written.
    pub image: &'a str,
    /// That of the image; `None` where its name is none.
    pub registry: Option<&'a Registry>,
    /// Why; `None` before any message told.
    pub told: Option<&'a Told>,
    /// Its first failure since it last ran, as far as we know.
    pub since: Option<DateTime<Utc>>,
    /// The Pod is counted by it.
    pub is_first: bool,
}

/// A Pod as a watch brought it.
pub(super) struct Seen<'a> {
    pub(super) pod: &'a PodSeen,
    pub(super) service_account: Arc<str>,
    pub(super) epoch: u32,
    /// It was so at our start: nothing is counted.
    pub(super) is_beginning: bool,
    pub(super) is_new: bool,
    pub(super) now: DateTime<Utc>,
}

impl Trouble {
    /// One of which nothing is known yet.
    pub(super) fn of(namespace: Arc<str>) -> Self {
        Self {
            namespace,
            service_account: Arc::from(""),
            epoch: 0,
            is_new: false,
            is_terminating: false,
            departed: None,
            containers: Vec::new(),
            events: Vec::new(),
            reached: 0,
            heard: 0,
            counted: 0,
        }
    }

    pub(super) fn namespace(&self) -> &Arc<str> {
        &self.namespace
    }

    /// Empty until it was seen.
    pub(super) fn service_account(&self) -> &str {
        &self.service_account
    }

    pub(super) fn is_new(&self) -> bool {
        self.is_new
    }

    /// It is there, and the list of this number did not bring it.
    pub(super) fn is_older_than(&self, epoch: u32) -> bool {
        self.departed.is_none() && self.epoch < epoch
    }

    pub(super) fn is_departed(&self) -> bool {
        self.departed.is_some()
    }

    pub(super) fn departed(&self) -> Option<DateTime<Utc>> {
        self.departed
    }

    /// It is not there (any more).
    pub(super) fn depart(&mut self, now: DateTime<Utc>) {
        self.departed = Some(now);
        for container in &mut self.containers {
            container.stage = Stage::Elsewhere;
            container.told = None;
        }
    }

    /// Takes in its status.
    pub(super) fn seen(&mut self, seen: Seen<'_>) -> Vec<Happening> {
        self.departed = None;
        self.epoch = seen.epoch;
        self.is_new = seen.is_new;
        self.is_terminating = seen.pod.terminating;
        self.service_account = Arc::clone(&seen.service_account);
        let mut happened = Vec::new();
        for (place, container) in seen.pod.containers.iter().enumerate() {
            let stage = Stage::of(container);
            let known = self
                .containers
                .iter()
                .position(|of| *of.name == *container.name);
            let Some(at) = known.or_else(|| stage.is_trouble().then(|| self.add(&container.name)))
            else {
                continue;
            };
            let known = &mut self.containers[at];
            known.place = place;
            known.is_of(waiting::waits_for(seen.pod, container));
            let before = known.attempts();
            if let Some(recovered) = known.advance(container, stage, seen.now, seen.is_beginning) {
                happened.push(recovered);
            }
            let after = known.attempts();
            self.reached += after - before;
            let (registry, reason) = (known.registry.clone(), known.reason());
            happened.extend(self.grown(registry, reason));
        }
        happened
    }

    /// Takes in an Event, of whose count so much is ours if its name is new.
    pub(super) fn heard(
        &mut self,
        spoken: &Spoken<'_>,
        fresh: u64,
        now: DateTime<Utc>,
    ) -> Option<Happening> {
        let event = spoken.event;
        self.departed = self.departed.map(|_| now);
        let delta = self.news(&event.object.name, event.count, fresh)?;
        let classified = classify(&event.message);
        let image = classified.image.as_deref().unwrap_or_default();
        let mut registry = registry_of(image);
        let told = Told::of(classified.reason, &event.message, event.last);
        if let Some(name) = spoken.container {
            let known = self.containers.iter().position(|of| *of.name == *name);
            let at = known.unwrap_or_else(|| self.add(name));
            let container = &mut self.containers[at];
            if container.image.is_empty() {
                container.is_of(image);
            }
            registry = container.registry.clone();
            let before = container.attempts();
            container.events += delta;
            self.reached += container.attempts() - before;
            container.hear(told, event.first);
        }
        self.heard += delta;
        self.grown(registry, classified.reason)
    }

    /// How far the count of an Event has grown; `None` when there is no room for its name.
    fn news(&mut self, name: &str, count: u32, fresh: u64) -> Option<u64> {
        if let Some((_, known)) = self.events.iter_mut().find(|(known, _)| **known == *name) {
            let before = std::mem::replace(known, count);
            // A lower one is another recorder's, which began anew under this name.
            return Some(count.checked_sub(before).unwrap_or(count).into());
        }
        if self.events.len() >= NAMES_MOST {
            return None;
        }
        self.events.push((name.into(), count));
        Some(fresh)
    }

    /// Its containers that wait for an image, in the kubelet's order.
    pub(super) fn waiting(&self) -> impl Iterator<Item = Waiting<'_>> {
        let is_here = self.departed.is_none() && !self.is_terminating;
        let in_trouble = |container: &&Container| is_here && container.stage.is_trouble();
        let mut waiting: Vec<_> = self.containers.iter().filter(in_trouble).collect();
        waiting.sort_by_key(|container| container.place);
        waiting
            .into_iter()
            .enumerate()
            .map(|(number, container)| Waiting {
                namespace: &self.namespace,
                service_account: &self.service_account,
                container: &container.name,
                image: &container.image,
                registry: container.registry.as_ref(),
                told: container.told.as_ref(),
                since: container.since,
                is_first: number == 0,
            })
    }

    pub(super) fn told(&self, container: &str) -> Option<&Told> {
        let mut containers = self.containers.iter();
        containers.find(|of| *of.name == *container)?.told.as_ref()
    }

    /// Attempts that failed, as far as either source tells. Events about no container raise the
    /// Pod's own sum only.
    fn attempts(&self) -> u64 {
        self.reached.max(self.heard)
    }

    fn grown(&mut self, registry: Option<Registry>, reason: Reason) -> Option<Happening> {
        let attempts = self.attempts();
        let more = attempts - std::mem::replace(&mut self.counted, attempts);
        (more > 0).then(|| Happening::Failed {
            namespace: Arc::clone(&self.namespace),
            registry,
            reason,
            attempts: more,
        })
    }

    /// Its place in `containers`.
    fn add(&mut self, name: &str) -> usize {
        self.containers.push(Container {
            name: name.into(),
            place: usize::MAX,
            ..Container::default()
        });
        self.containers.len() - 1
    }
}

impl Container {
    fn attempts(&self) -> u64 {
        self.transitions.max(self.events)
    }

    fn reason(&self) -> Reason {
        self.told.as_ref().map_or(Reason::Other, |told| told.reason)
    }

    /// With another image it begins anew, but for what was counted.
    fn is_of(&mut self, image: &str) {
        if *self.image == *image {
            return;
        }
        if !self.image.is_empty() {
            (self.since, self.told) = (None, None);
        }
        self.image = image.into();
        self.registry = registry_of(image);
    }

    /// Takes in its status; tells of the recovery, if it is one.
    fn advance(
        &mut self,
        now_seen: &ContainerSeen,
        stage: Stage,
        now: DateTime<Utc>,
        is_beginning: bool,
    ) -> Option<Happening> {
        let before = std::mem::replace(&mut self.stage, stage);
        if stage.is_trouble() {
            self.had_started = has_started(now_seen);
            self.since.get_or_insert(now);
            let is_attempt = stage == Stage::Failed && before != Stage::Failed;
            self.transitions += u64::from(is_attempt && !is_beginning);
            self.read(now_seen, now);
            return None;
        }
        if now_seen.waiting_reason.is_none() {
            self.told = None;
        }
        // One that ended at once was never seen running.
        let runs = stage == Stage::Running || has_started(now_seen) && !self.had_started;
        let since = self.since.take_if(|_| runs)?;
        Some(Happening::Recovered {
            registry: self.registry.clone()?,
            after: (now - since).max(chrono::TimeDelta::zero()),
        })
    }

    /// Reads what its status says of the failure, once for each text.
    fn read(&mut self, status: &ContainerSeen, now: DateTime<Utc>) {
        let text = waiting::text(status);
        if self
            .told
            .as_ref()
            .is_some_and(|told| *told.text == *beginning(&text))
        {
            return;
        }
        let reason = classify(&text).reason;
        // Kubelets before 1.32 say nothing while they wait; what they said before is still so.
        let is_silent = reason == Reason::Backoff
            || status.waiting_message.is_none() && reason == Reason::Other;
        if !is_silent || self.told.is_none() && reason != Reason::Backoff {
            self.told = Some(Told::of(reason, &text, Some(now)));
        }
    }

    /// Takes in what an Event says of the failure, if nothing newer is known.
    fn hear(&mut self, told: Told, first: Option<DateTime<Utc>>) {
        if self.stage == Stage::Running {
            return;
        }
        if let (Some(since), Some(first)) = (self.since, first) {
            self.since = Some(since.min(first));
        }
        let is_newer = match (&self.told, told.at) {
            (None, _) => true,
            (Some(known), at) => at >= known.at,
        };
        if is_newer {
            self.told = Some(told);
        }
    }
}

impl Told {
    fn of(reason: Reason, text: &str, at: Option<DateTime<Utc>>) -> Self {
        Self {
            reason,
            text: beginning(text).into(),
            at,
        }
    }
}

fn beginning(text: &str) -> &str {
    &text[..text.floor_char_boundary(TEXT_MOST)]
}

fn registry_of(image: &str) -> Option<Registry> {
    Some(Reference::parse(image).ok()?.registry().clone())
}

fn has_started(container: &ContainerSeen) -> bool {
    container.running || container.restarts > 0 || !container.image_id.is_empty()
}
