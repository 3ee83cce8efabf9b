//! What the status of a container says of its pull.

use crate::domain::cluster::{ContainerSeen, PodSeen};
use crate::domain::image::Reference;
use crate::domain::pull_failure::classify;

/// Waiting reasons of an attempt that has just failed (k8s pkg/kubelet/images/types.go, cri-api
/// pkg/errors). They stay until the next sync, some 10 to 15 s.
const FAILED: [&str; 6] = [
    "ErrImagePull",
    "ErrImageNeverPull",
    "InvalidImageName",
    "ImageInspectError",
    "RegistryUnavailable",
    "SignatureValidationFailed",
];

/// The kubelet waits before the next attempt.
const BACK_OFF: &str = "ImagePullBackOff";

/// How a container stands with its image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Stage {
    /// It waits for something else, or does not wait.
    #[default]
    Elsewhere,
    /// Its newest attempt has failed.
    Failed,
    /// The same, and the next one is put off.
    BackingOff,
    /// It runs.
    Running,
}

impl Stage {
    /// As its status says.
    pub(super) fn of(container: &ContainerSeen) -> Self {
        match container.waiting_reason.as_deref() {
            Some(BACK_OFF) => Self::BackingOff,
            Some(reason) if is_failed(reason) => Self::Failed,
            None if container.running => Self::Running,
            _ => Self::Elsewhere,
        }
    }

    /// It waits for an image that could not be pulled.
    pub(super) fn is_trouble(self) -> bool {
        matches!(self, Self::Failed | Self::BackingOff)
    }
}

/// Kubelets from 1.33 on give the raw text of an error that they meet before they ask a runtime, a
/// pull secret that cannot be read, as the reason: of all that can keep a container from starting
/// only pulling does that (kuberuntime startContainer), and no other reason is more than one word.
fn is_failed(reason: &str) -> bool {
    FAILED.contains(&reason) || reason.contains(char::is_whitespace)
}

/// A container of the Pod waits for an image that could not be pulled.
pub(super) fn is_any_in_trouble(pod: &PodSeen) -> bool {
    let mut containers = pod.containers.iter();
    containers.any(|container| Stage::of(container).is_trouble())
}

/// The image that a container waits for: its own, or that of an image volume which it mounts. Volumes are
/// pulled before any container, and what fails shows on the container alone (KEP-4639); the message names
/// the image.
pub(crate) fn waits_for<'a>(pod: &'a PodSeen, container: &'a ContainerSeen) -> &'a str {
    let own = &container.image;
    if pod.image_volumes.is_empty() || !Stage::of(container).is_trouble() {
        return own;
    }
    let parsed = |image: &str| Reference::parse(image).ok();
    let told = classify(&text(container)).image;
    let told = told.as_deref().and_then(parsed);
    let is_told = |image: &str| told.is_some() && parsed(image) == told;
    let mut volumes = pod.image_volumes.iter();
    let volume = volumes.find(|volume| is_told(&volume.image));
    match volume {
        Some(volume) if !is_told(own) => &volume.image,
        Some(_) | None => own,
    }
}

/// What the status says of the failure, as newer kubelets put it together themselves.
pub(super) fn text(container: &ContainerSeen) -> String {
    let reason = container.waiting_reason.as_deref().unwrap_or_default();
    match container.waiting_message.as_deref() {
        // It repeats `ErrImagePull: ...` where it tells a cause.
        Some(message) if reason == BACK_OFF => message.to_owned(),
        Some(message) if message != reason => format!("{reason}: {message}"),
        _ => reason.to_owned(),
    }
}
