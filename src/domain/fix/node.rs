//! What to do about a node, and about what only a node can say.

use super::{Fix, Step, never, quote, run, say};
use crate::domain::diagnosis::{Detail, Word};

impl Fix<'_> {
    pub(super) fn platform(&self) -> Vec<Step> {
        let node = self.patient.node.unwrap_or("its node");
        vec![say(format!(
            "Push {} for the platform of {node} too, or keep the Pod to nodes of another (nodeSelector kubernetes.io/arch).",
            self.case.image
        ))]
    }

    pub(super) fn never(&self) -> Vec<Step> {
        vec![self.image(&never(self.found, &self.case.image.to_string()))]
    }

    pub(super) fn node(&self) -> Vec<Step> {
        let node = self.patient.node.unwrap_or("The node");
        match self.found.detail {
            Some(Detail::Word(Word::KubeletQps)) => vec![say(format!(
                "{node} pulls more often than its kubelet allows: raise registryPullQPS and registryBurst, or wait."
            ))],
            _ => {
                let mut steps = vec![say(format!(
                    "{node} has no room for the image: free its disk, or make it larger."
                ))];
                if let Some(name) = self.patient.node {
                    steps.push(run(
                        "What it says of itself:",
                        format!("kubectl describe node {}", quote(name)),
                    ));
                }
                steps
            }
        }
    }
}
