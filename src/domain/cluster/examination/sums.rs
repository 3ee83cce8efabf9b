//! Sums over Pods: how many wait and why, how many could not be pulled again, whom each credential
//! concerns.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::Examination;
use crate::domain::cluster::claims::{ClaimId, ShapeId};
use crate::domain::cluster::groups::{Group, manifest_of};
use crate::domain::cluster::holder::Holder;
use crate::domain::diagnosis::{Diagnosis, would_fail};
use crate::domain::findings::Finding;
use crate::domain::image::Registry;
use crate::domain::rows::{
    AtRiskRow, BlockedNodesRow, BlockedRow, OwnCredentialRow, PodCounts, PodRows, StartedNodesRow,
    WorkloadRow,
};

/// What each entry means to Pods, by whose it is and for which registry.
pub(in crate::domain::cluster) type Counts = HashMap<(Arc<Holder>, Registry), PodCounts>;

/// Pods of one shape that could not be pulled again.
#[derive(Debug)]
pub(super) struct Risk {
    pub(super) claim: ClaimId,
    pub(super) registry: Registry,
    pub(super) diagnosis: Diagnosis,
    pods: u32,
}

impl Examination<'_> {
    /// What is counted of Pods, and what each entry means to them.
    pub(in crate::domain::cluster) fn sums(&mut self, blocked: &[Finding]) -> (PodRows, Counts) {
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
    pub(super) fn risks(&mut self, waiting: &HashMap<ShapeId, u32>) -> HashMap<ShapeId, Risk> {
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
