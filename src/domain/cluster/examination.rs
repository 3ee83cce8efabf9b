//! One look at all Pods: which wait and why, which could not be pulled again, whom a credential
//! concerns.
//!
//! Pods that are alike have one case between them, so that a look costs the Pods that wait, the shapes
//! of those that run, and one case for each need that is in trouble.

mod prospects;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::claims::{ClaimId, ShapeId};
use super::groups::{Group, manifest_of};
use super::holder::Holder;
use super::mark::Mark;
use super::{Cluster, Known, Pod, Sight, Uid, case};
use crate::domain::attempts::{Attempts, Waiting as InTrouble};
use crate::domain::diagnosis::{
    self, Case, Detail, Diagnosis, Moment, SETTLING, SecretId, Waiting, Word, evidence, judge,
    would_fail,
};
use crate::domain::findings::{Explained, Finding, State};
use crate::domain::fix::{self, Patient};
use crate::domain::image::{Reference, Registry};
use crate::domain::owner::Workload;
use crate::domain::pull_failure::{Reason, classify};
use crate::domain::rows::{
    AtRiskRow, BlockedNodesRow, BlockedRow, OwnCredentialRow, PodCounts, PodRows, StartedNodesRow,
    WorkloadRow,
};

/// What each entry means to Pods, by whose it is and for which registry.
pub(super) type Counts = HashMap<(Arc<Holder>, Registry), PodCounts>;

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

/// Pods of one shape that could not be pulled again.
#[derive(Debug)]
struct Risk {
    claim: ClaimId,
    registry: Registry,
    diagnosis: Diagnosis,
    pods: u32,
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
        let patient = Patient {
            namespace: &finding.namespace,
            pod: &finding.pod,
            workload: &finding.workload,
            service_account: &finding.service_account,
            node: finding.node.as_deref(),
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
            answered_by: told.and_then(|told| classify(&told.text).registry),
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

    /// What is counted of Pods, and what each entry means to them.
    pub(super) fn sums(&mut self, blocked: &[Finding]) -> (PodRows, Counts) {
        let firsts: Vec<&Finding> = blocked.iter().filter(|found| found.is_first).collect();
        let mut by_shape: HashMap<ShapeId, u32> = HashMap::new();
        for found in &firsts {
            if let Some(pod) = self.cluster.pods.get(&found.uid) {
                *by_shape.entry(pod.shape).or_default() += 1;
            }
        }
        let risks = self.risks(&by_shape);
        let counts = self.counts(&firsts, &risks);
        let rows = PodRows {
            blocked: blocked_rows(&firsts),
            own_credential: own_credential_rows(&firsts),
            workloads: workload_rows(&firsts),
            at_risk: self.at_risk_rows(&risks),
            blocked_nodes: blocked_nodes(&firsts),
            started_nodes: self.started_nodes(&firsts),
        };
        (rows, counts)
    }

    /// The shapes whose Pods run and could not be pulled again, without those of them that wait.
    fn risks(&mut self, waiting: &HashMap<ShapeId, u32>) -> HashMap<ShapeId, Risk> {
        let mut risks = HashMap::new();
        for (id, shape) in self.cluster.claims.shapes() {
            let running = shape.pods() - waiting.get(&id).copied().unwrap_or_default();
            for (claim, standing) in shape.claims() {
                let pods = standing.started.min(running);
                if pods == 0 || !self.may_fail(claim) {
                    continue;
                }
                let Some(case) = self.case(claim, shape.account()) else {
                    continue;
                };
                if let Some(diagnosis) = would_fail(&case) {
                    let registry = case.image.registry().clone();
                    let risk = Risk {
                        claim,
                        registry,
                        diagnosis,
                        pods,
                    };
                    risks.insert(id, risk);
                    break;
                }
            }
        }
        risks
    }

    /// It is worth a closer look: nothing of it is known to work.
    fn may_fail(&self, claim: ClaimId) -> bool {
        let Some(claim) = self.cluster.claims.get(claim) else {
            return false;
        };
        if claim.candidates.is_empty() {
            return !claim.secrets.is_empty();
        }
        let manifest = manifest_of(&claim.image);
        claim.candidates.iter().all(|candidate| {
            let group = Group {
                registry: claim.image.registry().clone(),
                credential: candidate.credential,
            };
            self.known.verdicts.of(&group).is_some_and(|verdict| {
                let answer = verdict.manifest(&manifest);
                verdict.is_refused() || answer.is_some_and(|answer| answer.is_conclusive())
            })
        })
    }

    fn counts(&self, blocked: &[&Finding], risks: &HashMap<ShapeId, Risk>) -> Counts {
        let claims = &self.cluster.claims;
        let mut counts = Counts::new();
        let holders = |claim: ClaimId| {
            let claim = claims.get(claim);
            claim.into_iter().flat_map(|claim| {
                let registry = claim.image.registry();
                let candidates = claim.candidates.iter();
                candidates.map(|one| (Arc::clone(&one.holder), registry.clone()))
            })
        };
        for (id, shape) in claims.shapes() {
            let concerned: HashSet<_> = shape
                .claims()
                .flat_map(|(claim, _)| holders(claim))
                .collect();
            for entry in concerned {
                counts.entry(entry).or_default().using += u64::from(shape.pods());
            }
            if let Some(risk) = risks.get(&id) {
                for entry in holders(risk.claim).collect::<HashSet<_>>() {
                    counts.entry(entry).or_default().at_risk += u64::from(risk.pods);
                }
            }
        }
        for found in blocked {
            let pod = self.cluster.pods.get(&found.uid);
            let claim = pod.and_then(|pod| claims.id_of_image(pod.shape, &found.image));
            let entries = claim.into_iter().flat_map(holders);
            for entry in entries.collect::<HashSet<_>>() {
                counts.entry(entry).or_default().blocked += 1;
            }
        }
        counts
    }

    fn at_risk_rows(&self, risks: &HashMap<ShapeId, Risk>) -> Vec<AtRiskRow> {
        let mut sums = BTreeMap::new();
        for risk in risks.values() {
            if let Some(claim) = self.cluster.claims.get(risk.claim) {
                let labels = (&claim.namespace, &risk.registry, risk.diagnosis.cause);
                *sums.entry(labels).or_insert(0) += u64::from(risk.pods);
            }
        }
        let rows = sums.into_iter();
        rows.map(|((namespace, registry, cause), pods)| AtRiskRow {
            namespace: namespace.clone(),
            registry: registry.clone(),
            cause,
            pods,
        })
        .collect()
    }

    /// Nodes that started a container from a registry that Pods wait for: whether it is one node that
    /// fails, or all.
    fn started_nodes(&self, blocked: &[&Finding]) -> Vec<StartedNodesRow> {
        let waited: HashSet<&Registry> = blocked
            .iter()
            .filter_map(|found| found.registry.as_ref())
            .collect();
        if waited.is_empty() {
            return Vec::new();
        }
        let mut nodes: BTreeMap<&Registry, HashSet<&str>> = BTreeMap::new();
        for pod in self.cluster.pods.values() {
            let Some(node) = pod.node.as_deref() else {
                continue;
            };
            for (place, image) in self.cluster.claims.images_of(pod.shape).iter().enumerate() {
                if waited.contains(image.registry()) && pod.places.has_started(place) {
                    nodes.entry(image.registry()).or_default().insert(node);
                }
            }
        }
        let rows = nodes.into_iter();
        rows.map(|(registry, nodes)| StartedNodesRow {
            registry: registry.clone(),
            nodes: nodes.len() as u64,
        })
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

fn blocked_rows(firsts: &[&Finding]) -> Vec<BlockedRow> {
    let mut sums = BTreeMap::new();
    for found in firsts {
        let labels = (&found.namespace, &found.registry, found.diagnosis.cause);
        *sums.entry(labels).or_insert(0) += 1;
    }
    let rows = sums.into_iter();
    rows.map(|((namespace, registry, cause), pods)| BlockedRow {
        namespace: namespace.clone(),
        registry: registry.clone(),
        cause,
        pods,
    })
    .collect()
}

fn own_credential_rows(firsts: &[&Finding]) -> Vec<OwnCredentialRow> {
    let mut sums = BTreeMap::new();
    let is_own = |found: &&&Finding| {
        found.anonymous_would_work == Some(true) && found.diagnosis.cause.is_of_credentials()
    };
    for found in firsts.iter().filter(is_own) {
        if let Some(registry) = &found.registry {
            *sums.entry((&found.namespace, registry)).or_insert(0) += 1;
        }
    }
    let rows = sums.into_iter();
    rows.map(|((namespace, registry), pods)| OwnCredentialRow {
        namespace: namespace.clone(),
        registry: registry.clone(),
        pods,
    })
    .collect()
}

fn workload_rows(firsts: &[&Finding]) -> Vec<WorkloadRow> {
    let mut sums = BTreeMap::new();
    for found in firsts {
        let diagnosis = &found.diagnosis;
        let secret = diagnosis.secret.as_ref().map(|secret| &secret.name);
        let labels = (
            &found.namespace,
            &found.workload,
            &found.registry,
            diagnosis.cause,
            diagnosis.detail,
            secret,
        );
        *sums.entry(labels).or_insert(0) += 1;
    }
    let rows = sums.into_iter();
    rows.map(
        |((namespace, workload, registry, cause, detail, secret), pods)| WorkloadRow {
            namespace: namespace.clone(),
            workload: workload.clone(),
            registry: registry.clone(),
            cause,
            detail,
            secret: secret.cloned(),
            pods,
        },
    )
    .collect()
}

fn blocked_nodes(firsts: &[&Finding]) -> Vec<BlockedNodesRow> {
    let mut nodes: BTreeMap<_, HashSet<&str>> = BTreeMap::new();
    for found in firsts {
        if let (Some(registry), Some(node)) = (&found.registry, &found.node) {
            let labels = (registry, found.diagnosis.cause);
            nodes.entry(labels).or_default().insert(node);
        }
    }
    let rows = nodes.into_iter();
    rows.map(|((registry, cause), nodes)| BlockedNodesRow {
        registry: registry.clone(),
        cause,
        nodes: nodes.len() as u64,
    })
    .collect()
}
