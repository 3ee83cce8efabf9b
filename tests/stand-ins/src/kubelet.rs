//! What kubelets of several versions write of a pull that failed, in a Pod's status and in Events.
//!
//! The words are those of kubelet and containerd; the sources are named in
//! `tests/fixtures/pull_messages`. What differs between versions:
//!
//! | kubelet, runtime | prefix of an error without a code of its own | message while it backs off | Event |
//! |---|---|---|---|
//! | 1.20, containerd 1.4 | `rpc error: code = Unknown desc = ` | the image alone | without `reportingComponent` |
//! | 1.28, containerd 1.7 | the same | the image alone | with it |
//! | 1.32, containerd 1.7 | none | the image, `ErrImagePull` and the error | with it |
//! | 1.37, containerd 2.x | none, and `failed to resolve image` | the same | with it |

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::clock::rfc3339;
use crate::objects::{EventBuilder, PodBuilder, event};

/// A kubelet with its runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kubelet {
    /// With containerd 1.4.
    V1_20,
    /// With containerd 1.7.
    V1_28,
    /// With containerd 1.7.
    V1_32,
    /// With containerd 2.x.
    V1_37,
}

/// An Event of a recorder, which keeps its name for as long as it counts.
#[derive(Clone, Copy, Debug)]
pub struct Recorded<'a> {
    /// The Event's name.
    pub name: &'a str,
    /// How often it was seen.
    pub count: u32,
    /// First and last.
    pub seen: (DateTime<Utc>, DateTime<Utc>),
}

/// A container and its image.
#[derive(Clone, Copy, Debug)]
pub struct Container<'a> {
    /// Namespace, name and uid of its Pod.
    pub pod: (&'a str, &'a str, &'a str),
    /// Its name.
    pub name: &'a str,
    /// With registry and tag.
    pub image: &'a str,
}

impl Kubelet {
    /// Every version.
    pub const ALL: [Self; 4] = [Self::V1_20, Self::V1_28, Self::V1_32, Self::V1_37];

    /// What its runtime says when an image cannot be resolved, for this cause.
    pub fn error(self, image: &str, cause: &str) -> String {
        let prefix = match self {
            Self::V1_20 | Self::V1_28 => "rpc error: code = Unknown desc = ",
            Self::V1_32 | Self::V1_37 => "",
        };
        let step = match self {
            Self::V1_37 => "failed to resolve image".to_owned(),
            Self::V1_20 | Self::V1_28 | Self::V1_32 => {
                format!("failed to resolve reference \"{image}\"")
            }
        };
        format!("{prefix}failed to pull and unpack image \"{image}\": {step}: {cause}")
    }

    /// The Pod as it stands when an attempt has just failed with this error.
    pub fn failed(self, pod: PodBuilder, container: &str, error: &str) -> PodBuilder {
        pod.waiting_in(container, "ErrImagePull", error)
    }

    /// The Pod as it stands until the next attempt.
    pub fn backing_off(
        self,
        pod: PodBuilder,
        container: &Container<'_>,
        error: &str,
    ) -> PodBuilder {
        let image = container.image;
        let message = match self {
            Self::V1_20 | Self::V1_28 => format!("Back-off pulling image \"{image}\""),
            Self::V1_32 | Self::V1_37 => {
                format!("Back-off pulling image \"{image}\": ErrImagePull: {error}")
            }
        };
        pod.waiting_in(container.name, "ImagePullBackOff", &message)
    }

    /// The Event about an attempt that failed with this error.
    pub fn event(self, container: &Container<'_>, error: &str, recorded: Recorded<'_>) -> Value {
        let Container { pod, name, image } = *container;
        let message = format!("Failed to pull image \"{image}\": {error}");
        let (first, last) = recorded.seen;
        let event: EventBuilder = event(pod.0, pod.1, "Failed", &message)
            .name(recorded.name)
            .pod_uid(pod.2)
            .field_path(&format!("spec.containers{{{name}}}"))
            .count(recorded.count)
            .seen(&rfc3339(first), &rfc3339(last));
        let mut event = event.build();
        if self == Self::V1_20 {
            event["reportingComponent"] = json!("");
            event["reportingInstance"] = json!("");
        }
        event
    }
}
