//! A Pod, as far as pulling images goes.

use serde::de::MapAccess;

use super::json::{Field, Record};
use super::meta::{Keep, Metadata};
use crate::domain::cluster::{
    ConditionSeen, ContainerKind, ContainerSeen, ImageVolumeSeen, Phase, PodSeen, PullPolicy,
};

pub(super) const MIRROR: &str = "kubernetes.io/config.mirror";
pub(super) const TEMPLATE_HASH: &str = "pod-template-hash";

/// The API server bounds no message; the kubelet's own are cut at some KiB, runtimes' are not.
const MESSAGE_MOST: usize = 64 * 1024;

pub(super) struct Pod {
    meta: Metadata<'static>,
    spec: Spec,
    status: Status,
}

impl Default for Pod {
    fn default() -> Self {
        Self {
            meta: Metadata::keeping(Keep::Pod),
            spec: Spec::default(),
            status: Status::default(),
        }
    }
}

impl Pod {
    /// Spec and status joined by container name.
    pub(super) fn seen(self) -> PodSeen {
        let Self { meta, spec, status } = self;
        let mut statuses = status.containers;
        let mut containers = spec.containers;
        // Kinds in the order in which the kubelet starts them, each as written.
        containers.sort_by_key(|container| container.kind);
        for container in &mut containers {
            let of_container = |status: &(ContainerKind, ContainerStatus)| {
                status.0 == container.kind && status.1.name == container.name
            };
            if let Some(at) = statuses.iter().position(of_container) {
                statuses.swap_remove(at).1.join(container);
            }
        }
        let mut labels = meta.labels;
        PodSeen {
            uid: meta.uid,
            object: meta.object,
            created: meta.created,
            terminating: meta.terminating,
            owner: meta.owner,
            template_hash: labels.remove(TEMPLATE_HASH).filter(|hash| !hash.is_empty()),
            mirror: meta.annotations.contains_key(MIRROR),
            node: spec.node,
            phase: status.phase,
            conditions: status.conditions,
            service_account: spec.service_account.unwrap_or_else(|| "default".to_owned()),
            pull_secrets: spec.pull_secrets,
            containers,
            image_volumes: spec.image_volumes,
        }
    }
}

impl Record for Pod {
    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Field<'_, A>,
    ) -> Result<(), A::Error> {
        match name {
            "metadata" => value.record(&mut self.meta),
            "spec" => value.record(&mut self.spec),
            "status" => value.record(&mut self.status),
            _ => value.skip(),
        }
    }
}

#[derive(Default)]
struct Spec {
    node: Option<String>,
    service_account: Option<String>,
    pull_secrets: Vec<String>,
    containers: Vec<ContainerSeen>,
    image_volumes: Vec<ImageVolumeSeen>,
}

impl Record for Spec {
    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Field<'_, A>,
    ) -> Result<(), A::Error> {
        let mut containers = |kind, value: Field<'_, A>| {
            value.records(|container: Container| {
                self.containers.push(ContainerSeen {
                    kind,
                    ..container.0
                });
            })
        };
        match name {
            "nodeName" => value.some_text(&mut self.node),
            "serviceAccountName" => value.some_text(&mut self.service_account),
            "imagePullSecrets" => pull_secrets(value, &mut self.pull_secrets),
            "initContainers" => containers(ContainerKind::Init, value),
            "containers" => containers(ContainerKind::Main, value),
            "ephemeralContainers" => containers(ContainerKind::Ephemeral, value),
            "volumes" => value.records(|volume: Volume| {
                if volume.is_image {
                    self.image_volumes.push(volume.seen);
                }
            }),
            _ => value.skip(),
        }
    }
}

/// `imagePullSecrets[].name`, empty ones left out as the kubelet does.
pub(super) fn pull_secrets<'de, A: MapAccess<'de>>(
    value: Field<'_, A>,
    into: &mut Vec<String>,
) -> Result<(), A::Error> {
    value.records(|secret: Named| {
        if !secret.name.is_empty() {
            into.push(secret.name);
        }
    })
}

#[derive(Default)]
struct Named {
    name: String,
}

impl Record for Named {
    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Field<'_, A>,
    ) -> Result<(), A::Error> {
        match name {
            "name" => value.text(&mut self.name),
            _ => value.skip(),
        }
    }
}

#[derive(Default)]
struct Container(ContainerSeen);

impl Record for Container {
    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Field<'_, A>,
    ) -> Result<(), A::Error> {
        match name {
            "name" => value.text(&mut self.0.name),
            "image" => value.text(&mut self.0.image),
            "imagePullPolicy" => policy(value, &mut self.0.pull_policy),
            _ => value.skip(),
        }
    }
}

fn policy<'de, A: MapAccess<'de>>(
    value: Field<'_, A>,
    into: &mut PullPolicy,
) -> Result<(), A::Error> {
    value.text_with(|text| {
        *into = match text {
            "Always" => PullPolicy::Always,
            "Never" => PullPolicy::Never,
            _ => PullPolicy::IfNotPresent,
        };
        matches!(text, "Always" | "Never" | "IfNotPresent" | "")
    })
}

#[derive(Default)]
struct Volume {
    seen: ImageVolumeSeen,
    is_image: bool,
}

impl Record for Volume {
    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Field<'_, A>,
    ) -> Result<(), A::Error> {
        match name {
            "name" => value.text(&mut self.seen.name),
            "image" => value.record(&mut ImageSource(self)),
            _ => value.skip(),
        }
    }
}

struct ImageSource<'a>(&'a mut Volume);

impl Record for ImageSource<'_> {
    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Field<'_, A>,
    ) -> Result<(), A::Error> {
        match name {
            "reference" => {
                value.text(&mut self.0.seen.image)?;
                // Without a reference nothing is pulled.
                self.0.is_image = !self.0.seen.image.is_empty();
                Ok(())
            }
            "pullPolicy" => policy(value, &mut self.0.seen.pull_policy),
            _ => value.skip(),
        }
    }
}

#[derive(Default)]
struct Status {
    phase: Phase,
    conditions: Vec<ConditionSeen>,
    containers: Vec<(ContainerKind, ContainerStatus)>,
}

impl Record for Status {
    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Field<'_, A>,
    ) -> Result<(), A::Error> {
        let mut statuses = |kind, value: Field<'_, A>| {
            value.records(|status: ContainerStatus| self.containers.push((kind, status)))
        };
        match name {
            "phase" => value.text_with(|text| {
                let phase = phase(text);
                self.phase = phase.unwrap_or_default();
                phase.is_some()
            }),
            "conditions" => value.records(|condition: Condition| {
                if !condition.is_true {
                    self.conditions.push(condition.seen);
                }
            }),
            "initContainerStatuses" => statuses(ContainerKind::Init, value),
            "containerStatuses" => statuses(ContainerKind::Main, value),
            "ephemeralContainerStatuses" => statuses(ContainerKind::Ephemeral, value),
            _ => value.skip(),
        }
    }
}

fn phase(text: &str) -> Option<Phase> {
    match text {
        "Pending" | "" => Some(Phase::Pending),
        "Running" => Some(Phase::Running),
        "Succeeded" => Some(Phase::Succeeded),
        "Failed" => Some(Phase::Failed),
        "Unknown" => Some(Phase::Unknown),
        _ => None,
    }
}

#[derive(Default)]
struct Condition {
    seen: ConditionSeen,
    is_true: bool,
}

impl Record for Condition {
    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Field<'_, A>,
    ) -> Result<(), A::Error> {
        match name {
            "type" => value.text(&mut self.seen.kind),
            "reason" => value.text(&mut self.seen.reason),
            "status" => value.text_with(|text| {
                self.is_true = text == "True";
                true
            }),
            _ => value.skip(),
        }
    }
}

#[derive(Default)]
struct ContainerStatus {
    name: String,
    image_id: String,
    restarts: u32,
    state: ContainerState,
}

impl ContainerStatus {
    fn join(self, container: &mut ContainerSeen) {
        container.image_id = self.image_id;
        container.restarts = self.restarts;
        container.running = self.state.running;
        if self.state.waits {
            container.waiting_reason = Some(self.state.waiting.reason);
            container.waiting_message =
                Some(self.state.waiting.message).filter(|message| !message.is_empty());
        }
    }
}

impl Record for ContainerStatus {
    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Field<'_, A>,
    ) -> Result<(), A::Error> {
        match name {
            "name" => value.text(&mut self.name),
            "imageID" => value.text(&mut self.image_id),
            "restartCount" => value.number(&mut self.restarts),
            "state" => value.record(&mut self.state),
            _ => value.skip(),
        }
    }
}

#[derive(Default)]
struct ContainerState {
    waits: bool,
    waiting: Waiting,
    running: bool,
}

impl Record for ContainerState {
    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Field<'_, A>,
    ) -> Result<(), A::Error> {
        match name {
            "waiting" => {
                value.record(&mut self.waiting)?;
                self.waits = !self.waiting.reason.is_empty() || !self.waiting.message.is_empty();
                Ok(())
            }
            "running" => value.found_object(&mut self.running),
            _ => value.skip(),
        }
    }
}

#[derive(Default)]
struct Waiting {
    reason: String,
    message: String,
}

impl Record for Waiting {
    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Field<'_, A>,
    ) -> Result<(), A::Error> {
        match name {
            // With a malformed secret, kubelets from 1.33 on put the raw error text here.
            "reason" => value.cut_text(MESSAGE_MOST, &mut self.reason),
            "message" => value.cut_text(MESSAGE_MOST, &mut self.message),
            _ => value.skip(),
        }
    }
}
