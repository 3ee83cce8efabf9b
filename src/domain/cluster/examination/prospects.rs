//! What is to be expected of workloads that are not applied yet: what a kubelet would do for their Pods
//! on a node that has none of their images.

use std::sync::Arc;

use super::Examination;
use crate::domain::cluster::mark::Mark;
use crate::domain::cluster::{ContainerSeen, PodSeen, PullPolicy};
use crate::domain::diagnosis::{
    Case, Diagnosis, Moment, Waiting, by_message, evidence, would_not_pull,
};
use crate::domain::findings::{Finding, Outlook, Prospect, State};
use crate::domain::image::Reference;
use crate::domain::owner::{Workload, workload};
use crate::domain::pull_failure::Reason;

impl Examination<'_> {
    /// A prospect for each image of a Pod that stands for a workload, in the order in which a kubelet
    /// would pull them. The Pod must have been taken in by the cluster.
    pub fn prospects(&mut self, planned: &PodSeen) -> Vec<Prospect> {
        let containers = planned.containers.iter();
        containers
            .map(|container| self.prospect(planned, container))
            .collect()
    }

    fn prospect(&mut self, planned: &PodSeen, container: &ContainerSeen) -> Prospect {
        let namespace: Arc<str> = planned.object.namespace.as_str().into();
        let mark = self.cluster.mark_of(&namespace, &planned.service_account);
        let account: Arc<str> = planned.service_account.as_str().into();
        let case = self.case_of(planned, &container.image, &account);
        let outlook = if mark == Some(Mark::Ignored) {
            Outlook::Ignored
        } else if container.pull_policy == PullPolicy::Never {
            Outlook::NeverPulled
        } else {
            self.outlook(planned, container, case.as_deref())
        };
        Prospect {
            namespace,
            workload: workload_of(planned),
            container: container.name.as_str().into(),
            image: container.image.as_str().into(),
            names_absent: case.is_some_and(|case| case.names_absent()),
            outlook,
        }
    }

    fn case_of(&mut self, planned: &PodSeen, image: &str, account: &Arc<str>) -> Option<Arc<Case>> {
        let pod = self.cluster.pods.get(&planned.uid)?;
        let claim = self.cluster.claims.id_of_image(pod.shape, image)?;
        self.case(claim, account)
    }

    fn outlook(
        &mut self,
        planned: &PodSeen,
        container: &ContainerSeen,
        case: Option<&Case>,
    ) -> Outlook {
        let diagnosis = match case {
            Some(case) => match would_not_pull(case) {
                Some(diagnosis) => diagnosis,
                None => return Outlook::Pulls(evidence(case, Moment::Planned, None)),
            },
            None => no_image(),
        };
        let would_work = case.and_then(|case| self.anonymous_would_work(case));
        let registry = Reference::parse(&container.image).ok();
        let finding = Finding {
            state: State::Planned,
            uid: planned.uid,
            namespace: planned.object.namespace.as_str().into(),
            pod: Box::default(),
            container: container.name.as_str().into(),
            image: container.image.as_str().into(),
            registry: registry.map(|image| image.registry().clone()),
            node: None,
            workload: workload_of(planned),
            service_account: planned.service_account.as_str().into(),
            diagnosis,
            since: None,
            is_first: true,
            is_settled: true,
            is_told: true,
            anonymous_would_work: would_work,
        };
        Outlook::Told(Box::new(self.explain(finding)))
    }
}

fn workload_of(planned: &PodSeen) -> Workload {
    let (kind, name) = workload(planned);
    Workload {
        kind: kind.into(),
        name: name.into(),
    }
}

/// What is no image has no case: each node would say so.
fn no_image() -> Diagnosis {
    by_message(&Waiting {
        reason: Some(Reason::InvalidImageName),
        text: "",
        is_settled: true,
        is_mirror: false,
    })
}
