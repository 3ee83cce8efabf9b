//! Faults: what goes wrong, for which resource, verb and namespace, and how often.

use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::watch;

use super::query::Query;
use super::resource::Resource;
use super::route::{Route, Verb};
use super::status::Failure;
use crate::listener::lock;

/// Something that goes wrong with requests for a resource, until it is healed or used up.
///
/// ```
/// use regcred_stand_ins::api_server::{Fault, Resource, Verb};
///
/// let fault = Fault::forbidden(Resource::Secrets).only(Verb::Watch).in_namespace("team-a").once();
/// # let _ = fault;
/// ```
#[derive(Clone, Debug)]
#[must_use = "a fault does nothing until it is injected"]
pub struct Fault {
    pub(crate) what: What,
    resource: Resource,
    verbs: Vec<Verb>,
    namespace: Option<String>,
    selector: Option<String>,
    remaining: Option<usize>,
}

#[derive(Clone, Debug)]
pub(crate) enum What {
    Forbidden,
    Failure(Box<Failure>),
    GoneInStream,
    EndWatchAtOnce,
    Silence,
    GarbageLine,
    SlowList(Duration),
    HugeItem(usize),
    BrokenList,
    ExpiredContinue,
    Hang,
}

const READS: [Verb; 3] = [Verb::Get, Verb::List, Verb::Watch];
const ALL: [Verb; 7] = [
    Verb::Create,
    Verb::Delete,
    Verb::Get,
    Verb::List,
    Verb::Patch,
    Verb::Update,
    Verb::Watch,
];

impl Fault {
    /// 403, worded as by RBAC; every verb.
    pub fn forbidden(resource: Resource) -> Self {
        Self::new(resource, &ALL, What::Forbidden)
    }

    /// HTTP 410 as the status of the watch call.
    pub fn gone_as_status(resource: Resource) -> Self {
        let gone = Failure::new(410, "Expired", "too old resource version: 1 (2)");
        Self::new(resource, &[Verb::Watch], What::Failure(Box::new(gone)))
    }

    /// An ERROR event of code 410 in a 200 stream, which then ends; watches opened from now on.
    pub fn gone_in_stream(resource: Resource) -> Self {
        Self::new(resource, &[Verb::Watch], What::GoneInStream)
    }

    /// 200 and the immediate, clean end of the stream.
    pub fn end_watch_at_once(resource: Resource) -> Self {
        Self::new(resource, &[Verb::Watch], What::EndWatchAtOnce)
    }

    /// Streams stay open and say nothing: no change, no bookmark, no end at the time-out. Open
    /// watches fall silent too; what they missed comes when the fault is healed.
    pub fn silence(resource: Resource) -> Self {
        Self::new(resource, &[Verb::Watch], What::Silence)
    }

    /// A watch begins with a line that is no JSON and goes on as usual.
    pub fn garbage_line(resource: Resource) -> Self {
        Self::new(resource, &[Verb::Watch], What::GarbageLine)
    }

    /// A pause before each item of a list.
    pub fn slow_list(resource: Resource, pause: Duration) -> Self {
        Self::new(resource, &[Verb::List], What::SlowList(pause))
    }

    /// The first item of each page grows by `bytes`.
    pub fn huge_item(resource: Resource, bytes: usize) -> Self {
        Self::new(resource, &[Verb::List], What::HugeItem(bytes))
    }

    /// The connection breaks in the middle of a list, inside an item.
    pub fn broken_list(resource: Resource) -> Self {
        Self::new(resource, &[Verb::List], What::BrokenList)
    }

    /// 410 for the second page of a list.
    pub fn expired_continue(resource: Resource) -> Self {
        Self::new(resource, &[Verb::List], What::ExpiredContinue)
    }

    /// 429 with Retry-After; every verb.
    pub fn too_many_requests(resource: Resource, retry_after_seconds: u32) -> Self {
        let failure = Failure::too_many_requests(retry_after_seconds);
        Self::new(resource, &ALL, What::Failure(Box::new(failure)))
    }

    /// 500; every verb.
    pub fn internal_error(resource: Resource) -> Self {
        Self::status(
            resource,
            500,
            "InternalError",
            "Internal error occurred: etcdserver: request timed out",
        )
    }

    /// Any other Status; every verb.
    pub fn status(resource: Resource, code: u16, reason: &str, message: &str) -> Self {
        let failure = Failure::new(code, reason, message);
        Self::new(resource, &ALL, What::Failure(Box::new(failure)))
    }

    /// The request is never answered; reads.
    pub fn hang(resource: Resource) -> Self {
        Self::new(resource, &READS, What::Hang)
    }

    fn new(resource: Resource, verbs: &[Verb], what: What) -> Self {
        Self {
            what,
            resource,
            verbs: verbs.to_vec(),
            namespace: None,
            selector: None,
            remaining: None,
        }
    }

    /// Only requests of this verb.
    pub fn only(mut self, verb: Verb) -> Self {
        self.verbs = vec![verb];
        self
    }

    /// Only requests for this namespace; cluster-wide ones are spared.
    pub fn in_namespace(mut self, namespace: &str) -> Self {
        self.namespace = Some(namespace.to_owned());
        self
    }

    /// Only requests whose field selector contains this text, such as `type=kubernetes.io/dockercfg`.
    pub fn selecting(mut self, text: &str) -> Self {
        self.selector = Some(text.to_owned());
        self
    }

    /// Only the next `count` requests that it fits.
    pub fn times(mut self, count: usize) -> Self {
        self.remaining = Some(count);
        self
    }

    /// Only the next request that it fits.
    pub fn once(self) -> Self {
        self.times(1)
    }

    fn fits(&self, route: &Route, verb: Verb, query: &Query) -> bool {
        self.resource == route.resource
            && self.verbs.contains(&verb)
            && (self.namespace.is_none() || self.namespace == route.namespace)
            && self
                .selector
                .as_ref()
                .is_none_or(|selector| query.selector_text.contains(selector.as_str()))
            && (query.continues.is_some() || !matches!(self.what, What::ExpiredContinue))
    }
}

/// Names an injected fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultId(usize);

/// The faults in force.
pub(crate) struct Faults {
    active: Mutex<Vec<Active>>,
    changed: watch::Sender<()>,
}

struct Active {
    fault: Fault,
    struck: usize,
    healed: bool,
}

impl Active {
    fn is_in_force(&self) -> bool {
        !self.healed && self.fault.remaining != Some(0)
    }
}

impl Faults {
    pub(crate) fn new() -> Self {
        Self {
            active: Mutex::new(Vec::new()),
            changed: watch::Sender::new(()),
        }
    }

    pub(crate) fn inject(&self, fault: Fault) -> FaultId {
        let mut active = lock(&self.active);
        active.push(Active {
            fault,
            struck: 0,
            healed: false,
        });
        let id = FaultId(active.len() - 1);
        drop(active);
        self.changed.send_replace(());
        id
    }

    pub(crate) fn heal(&self, which: impl Fn(FaultId, Resource) -> bool) {
        for (index, each) in lock(&self.active).iter_mut().enumerate() {
            each.healed |= which(FaultId(index), each.fault.resource);
        }
        self.changed.send_replace(());
    }

    pub(crate) fn struck(&self, id: FaultId) -> usize {
        lock(&self.active)[id.0].struck
    }

    /// The first fault that fits, used once.
    pub(crate) fn strike(
        &self,
        route: &Route,
        verb: Verb,
        query: &Query,
    ) -> Option<(FaultId, What)> {
        let mut active = lock(&self.active);
        let (index, hit) = active
            .iter_mut()
            .enumerate()
            .find(|(_, each)| each.is_in_force() && each.fault.fits(route, verb, query))?;
        hit.struck += 1;
        if let Some(remaining) = &mut hit.fault.remaining {
            *remaining -= 1;
        }
        Some((FaultId(index), hit.fault.what.clone()))
    }

    /// Whether a watch is to hold its tongue: struck by a silence when it was opened (`by`), or
    /// under one that has no count.
    pub(crate) fn silences(&self, route: &Route, query: &Query, by: Option<FaultId>) -> bool {
        lock(&self.active).iter().enumerate().any(|(index, each)| {
            !each.healed
                && matches!(each.fault.what, What::Silence)
                && (by == Some(FaultId(index))
                    || (each.fault.remaining.is_none()
                        && each.fault.fits(route, Verb::Watch, query)))
        })
    }

    /// Wakes whenever a fault comes or goes.
    pub(crate) fn subscribe(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }
}
