//! One look at all Pods: which wait and why, which could not be pulled again, whom a credential
//! concerns.
//!
//! Pods that are alike have one case between them, so that a look costs the Pods that wait, the shapes
//! of those that run, and one case for each need that is in trouble.

mod prospects;
mod sums;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::claims::ClaimId;
use super::mark::Mark;
use super::{Cluster, Known, Pod, Sight, Uid, case};
use crate::domain::attempts::{Attempts, Waiting as InTrouble};
use crate::domain::diagnosis::{
    self, Case, Detail, Moment, SETTLING, SecretId, Waiting, Word, evidence, judge,
};
use crate::domain::findings::{Explained, Finding, State};
use crate::domain::fix::{self, Patient};
use crate::domain::image::Reference;
use crate::domain::owner::Workload;
use crate::domain::pull_failure::{Reason, classify};
pub(super) use sums::Counts;

/// One look.
#[derive(Debug)]
pub struct Examination<'a> {
    cluster: &'a Cluster,
    attempts: &'a Attempts,
    known: Known<'a>,
    /// By claim and ServiceAccount.
    cases: HashMap<(ClaimId, Arc<str>), Option<Arc<Case>>>,
    readable: case::Readable<'a>,
    /// Which nodes started a container from which image; made when it is needed.
    on_nodes: Option<HashSet<(&'a str, &'a Reference)>>,
}

impl Cluster {
    /// Looks at all Pods.
    pub fn examine<'a>(&'a self, attempts: &'a Attempts, known: Known<'a>) -> Examination<'a> {
        Examination {
            cluster: self,
            attempts,
            known,
            cases: HashMap::new(),
            readable: case::Readable::default(),
            on_nodes: None,
        }
    }
}

impl<'a> Examination<'a> {
    /// The images that Pods wait for, each with its cause; in no order.
    pub fn blocked(&mut self) -> Vec<Finding> {
        let mut found = Vec::new();
        for (uid, waiting) in self.attempts.waiting() {
            let cluster = self.cluster;
            if cluster.mark_of(waiting.namespace, waiting.service_account) == Some(Mark::Ignored) {
                continue;
            }
            found.push(self.of_waiting(uid, &waiting));
        }
        found
    }

    fn of_waiting(&mut self, uid: Uid, in_trouble: &InTrouble<'_>) -> Finding {
        let pod = self.cluster.pods.get(&uid);
        let account: Arc<str> = match pod.and_then(|pod| self.account_of(pod)) {
            Some(account) => account,
            None => in_trouble.service_account.into(),
        };
        let claim = pod.and_then(|pod| {
            let claims = &self.cluster.claims;
            claims.id_of_image(pod.shape, in_trouble.image)
        });
        let case = claim.and_then(|claim| self.case(claim, &account));
        let (now, sight) = (self.known.now, self.known.sight);
        let lasts = |least| {
            let is_long_enough = |since| now - since >= least;
            sight == Sight::Once || in_trouble.since.is_none_or(is_long_enough)
        };
        let is_settled = lasts(SETTLING);
        let waiting = Waiting {
            reason: in_trouble.told.map(|told| told.reason),
            text: in_trouble.told.map_or("", |told| &told.text),
            is_settled,
            is_mirror: pod.is_some_and(|pod| pod.is_mirror),
        };
        let mut diagnosis = match &case {
            Some(case) => judge(case, &waiting),
            None => diagnosis::by_message(&waiting),
        };
        if waiting.reason == Some(Reason::NeverPull)
            && let Some(pod) = pod
            && self.is_on_node_of(pod, in_trouble.image)
        {
            diagnosis.detail = Some(Detail::Word(Word::NotVerified));
        }
        let is_told = lasts(diagnosis::told_after(diagnosis.cause));
        let would_work = case
            .as_deref()
            .and_then(|case| self.anonymous_would_work(case));
        Finding {
            state: State::Blocked,
            uid,
            namespace: in_trouble.namespace.clone(),
            pod: pod.map_or_else(Box::default, |pod| pod.name.clone()),
            container: in_trouble.container.into(),
            image: in_trouble.image.into(),
            registry: in_trouble.registry.cloned(),
            node: pod.and_then(|pod| pod.node.clone()),
            workload: workload(pod),
            service_account: account,
            diagnosis,
            since: in_trouble.since,
            is_first: in_trouble.is_first,
            is_settled,
            is_told,
            anonymous_would_work: would_work,
        }
    }

    /// Pods that run and could not be pulled again, on this node or on any; in no order.
    pub fn at_risk(&mut self, node: Option<&str>) -> Vec<Finding> {
        let risks = self.risks(&HashMap::new());
        let waiting: HashSet<Uid> = self.attempts.waiting().map(|(uid, _)| uid).collect();
        let cluster = self.cluster;
        let mut found = Vec::new();
        for (uid, pod) in &cluster.pods {
            let is_elsewhere = node.is_some_and(|node| pod.node.as_deref() != Some(node));
            if is_elsewhere || pod.is_terminating || waiting.contains(uid) {
                continue;
            }
            let Some(risk) = risks.get(&pod.shape) else {
                continue;
            };
            let claims = cluster.claims.of_shape(pod.shape);
            let place = claims.iter().position(|claim| *claim == risk.claim);
            let has_started = place.is_some_and(|place| pod.places.has_started(place));
            let Some(claim) = cluster.claims.get(risk.claim).filter(|_| has_started) else {
                continue;
            };
            let account = self.account_of(pod).unwrap_or_default();
            let case = self.case(risk.claim, &account);
            found.push(Finding {
                state: State::AtRisk,
                uid: *uid,
                namespace: pod.namespace.clone(),
                pod: pod.name.clone(),
                container: Box::default(),
                image: claim.image.to_string().into(),
                registry: Some(risk.registry.clone()),
                node: pod.node.clone(),
                workload: pod.workload.clone(),
                service_account: account,
                diagnosis: risk.diagnosis.clone(),
                since: None,
                is_first: true,
                is_settled: true,
                is_told: true,
                anonymous_would_work: case
                    .as_deref()
                    .and_then(|case| self.anonymous_would_work(case)),
            });
        }
        found
    }

    /// A finding with its reasons and what to do about it.
    pub fn explain(&mut self, finding: Finding) -> Explained {
        let pod = self.cluster.pods.get(&finding.uid);
        let claim = pod.and_then(|pod| {
            let claims = &self.cluster.claims;
            claims.id_of_image(pod.shape, &finding.image)
        });
        let told = self.attempts.told(finding.uid, &finding.container);
        let told = told.filter(|_| finding.state == State::Blocked);
        let waiting = Waiting {
            reason: told.map(|told| told.reason),
            text: told.map_or("", |told| &told.text),
            is_settled: finding.is_settled,
            is_mirror: pod.is_some_and(|pod| pod.is_mirror),
        };
        let answered_by = told.and_then(|told| classify(&told.text).registry);
        let patient = Patient {
            namespace: &finding.namespace,
            pod: &finding.pod,
            workload: &finding.workload,
            service_account: &finding.service_account,
            node: finding.node.as_deref(),
            asked: answered_by.as_ref(),
            is_planned: finding.state == State::Planned,
        };
        let case = claim.and_then(|claim| self.case(claim, &finding.service_account));
        let moment = match finding.state {
            State::Blocked => Moment::Waits(&waiting),
            State::AtRisk => Moment::Runs,
            State::Planned => Moment::Planned,
        };
        let (evidence, fix) = match &case {
            Some(case) => {
                let mut case = Case::clone(case);
                case.nearest = self.nearest(&case);
                (
                    evidence(&case, moment, Some(&finding.diagnosis)),
                    fix::steps(&finding.diagnosis, &case, &patient),
                )
            }
            None => (
                diagnosis::node_said(&waiting).into_iter().collect(),
                fix::without_case(&finding.diagnosis, &finding.image, &patient),
            ),
        };
        let owner = finding.diagnosis.secret.as_ref();
        let owner = owner.and_then(|secret| self.owner_of(secret));
        Explained {
            answered_by,
            owner,
            evidence,
            fix,
            finding,
        }
    }

    /// For each image of a Pod what a kubelet does, step by step.
    pub fn evidence_of(&mut self, uid: Uid) -> Vec<(String, Vec<String>)> {
        let Some(pod) = self.cluster.pods.get(&uid) else {
            return Vec::new();
        };
        let account = self.account_of(pod).unwrap_or_default();
        let claims = self.cluster.claims.of_shape(pod.shape).iter();
        let cases = claims.filter_map(|claim| self.case(*claim, &account));
        cases
            .map(|case| (case.image.to_string(), evidence(&case, Moment::Runs, None)))
            .collect()
    }

    fn case(&mut self, claim: ClaimId, account: &Arc<str>) -> Option<Arc<Case>> {
        let key = (claim, Arc::clone(account));
        if let Some(case) = self.cases.get(&key) {
            return case.clone();
        }
        let case = self
            .cluster
            .case(claim, account, &mut self.readable, self.known)
            .map(Arc::new);
        self.cases.insert(key, case.clone());
        case
    }

    fn account_of(&self, pod: &Pod) -> Option<Arc<str>> {
        Some(self.cluster.claims.account_of(pod.shape)?.name)
    }

    /// A node has the image whose pull this Pod forbids.
    fn is_on_node_of(&mut self, pod: &Pod, image: &str) -> bool {
        let (Some(node), Ok(image)) = (&pod.node, Reference::parse(image)) else {
            return false;
        };
        let cluster = self.cluster;
        let on_nodes = self.on_nodes.get_or_insert_with(|| {
            let mut on_nodes = HashSet::new();
            for pod in cluster.pods.values() {
                let Some(node) = pod.node.as_deref() else {
                    continue;
                };
                for (place, image) in cluster.claims.images_of(pod.shape).iter().enumerate() {
                    if pod.places.has_started(place) {
                        on_nodes.insert((node, &**image));
                    }
                }
            }
            on_nodes
        });
        on_nodes.contains(&(&**node, &image))
    }

    /// Of logins that fail: whether the image could be pulled without them.
    fn anonymous_would_work(&self, case: &Case) -> Option<bool> {
        if case.candidates.is_empty() {
            return None;
        }
        let (registry, repository) = (case.image.registry(), case.image.repository());
        self.known
            .verdicts
            .anonymous
            .would_work(registry, repository)
    }

    fn nearest(&self, case: &Case) -> Option<Arc<str>> {
        let (registry, repository) = (case.image.registry(), case.image.repository());
        let names = self.cluster.groups.started(registry);
        diagnosis::nearest(repository, names).map(Arc::from)
    }

    fn owner_of(&self, secret: &SecretId) -> Option<String> {
        let named = super::Named {
            namespace: secret.namespace.clone(),
            name: secret.name.clone(),
        };
        let held = self.cluster.secrets.get(&named)?;
        let is_told = held.mark != Some(Mark::Ignored);
        let owner = held.owner.as_ref().filter(|_| is_told)?;
        Some(owner.to_string())
    }
}

fn workload(pod: Option<&Pod>) -> Workload {
    match pod {
        Some(pod) => pod.workload.clone(),
        None => Workload {
            kind: Arc::from("Pod"),
            name: Arc::from(""),
        },
    }
}
