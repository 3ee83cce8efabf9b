//! What a watch or a file tells the graph: slim records of Kubernetes objects, and where a list
//! begins and ends.
//!
//! Decoders are total: a field that is null, missing or of another type has its default here, so
//! nothing in this file is ever an error.

use std::collections::BTreeMap;

use crate::domain::docker_config::{Parsed, SecretKind};
use chrono::{DateTime, Utc};

/// `metadata.uid` as a number; 0 where the object has none (files).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uid(pub u128);

/// One watch: what is watched, and where.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Watch {
    /// The kind of object.
    pub resource: Resource,
    /// The namespace, or the whole cluster.
    pub namespace: Option<String>,
}

/// What can be watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Resource {
    /// Namespaces.
    Namespaces,
    /// ServiceAccounts.
    ServiceAccounts,
    /// Secrets of type `kubernetes.io/dockerconfigjson`.
    DockerConfigJsonSecrets,
    /// Secrets of type `kubernetes.io/dockercfg`.
    DockerCfgSecrets,
    /// Pods that are not finished.
    Pods,
    /// Events that tell of a failure of a Pod.
    Events,
    /// Docker config files instead of a cluster.
    Files,
}

impl Resource {
    /// Every resource.
    pub const ALL: [Self; 7] = [
        Self::Namespaces,
        Self::ServiceAccounts,
        Self::DockerConfigJsonSecrets,
        Self::DockerCfgSecrets,
        Self::Pods,
        Self::Events,
        Self::Files,
    ];

    /// The `resource` label: the two Secret watches are one resource to an operator.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Namespaces => "namespaces",
            Self::ServiceAccounts => "serviceaccounts",
            Self::DockerConfigJsonSecrets | Self::DockerCfgSecrets => "secrets",
            Self::Pods => "pods",
            Self::Events => "events",
            Self::Files => "files",
        }
    }
}

/// One thing that happened.
#[derive(Debug)]
pub enum Change {
    /// A list begins: what its watch had and the list does not bring is swept at its end.
    ListStarted(Watch),
    /// A list ended whole.
    ListFinished(Watch),
    /// A Pod was added or modified.
    PodApplied(Watch, PodSeen),
    /// A Pod is gone.
    PodDeleted(Uid),
    /// An Event about a Pod was added or modified. That one is gone says nothing: it was forgotten.
    EventApplied(Watch, EventSeen),
    /// A Secret of a pull-secret type was added or modified.
    SecretApplied(Watch, SecretSeen),
    /// A Secret is gone; only the record of this very uid is removed.
    SecretDeleted(Uid, ObjectName),
    /// A ServiceAccount was added or modified.
    ServiceAccountApplied(Watch, ServiceAccountSeen),
    /// A ServiceAccount is gone.
    ServiceAccountDeleted(Uid, ObjectName),
    /// A Namespace was added or modified.
    NamespaceApplied(Watch, NamespaceSeen),
    /// A Namespace is gone.
    NamespaceDeleted(Uid, String),
    /// A name that a pod or ServiceAccount lists and no watch holds was asked for.
    NameLookedUp(ObjectName, Option<String>),
}

impl Change {
    /// The object that it brings, and the change that takes it away again; `None` where it brings none.
    pub fn brought(&self) -> Option<(ObjectName, Self)> {
        match self {
            Self::PodApplied(_, seen) => Some((seen.object.clone(), Self::PodDeleted(seen.uid))),
            Self::SecretApplied(_, seen) => {
                let object = seen.object.clone();
                Some((object.clone(), Self::SecretDeleted(seen.uid, object)))
            }
            Self::ServiceAccountApplied(_, seen) => {
                let object = seen.object.clone();
                Some((
                    object.clone(),
                    Self::ServiceAccountDeleted(seen.uid, object),
                ))
            }
            Self::NamespaceApplied(_, seen) => {
                let object = ObjectName {
                    namespace: String::new(),
                    name: seen.name.clone(),
                };
                Some((object, Self::NamespaceDeleted(seen.uid, seen.name.clone())))
            }
            Self::ListStarted(_)
            | Self::ListFinished(_)
            | Self::PodDeleted(_)
            | Self::EventApplied(..)
            | Self::SecretDeleted(..)
            | Self::ServiceAccountDeleted(..)
            | Self::NamespaceDeleted(..)
            | Self::NameLookedUp(..) => None,
        }
    }
}

/// Namespace and name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectName {
    /// Empty for docker config files and for cluster-scoped objects.
    pub namespace: String,
    /// The object's name, or the file's path.
    pub name: String,
}

/// The controller of an object: `metadata.ownerReferences[controller=true]`, else the first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct OwnerSeen {
    /// `ReplicaSet`, `ExternalSecret`, ...
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// `status.phase` of a Pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Not all containers run yet.
    #[default]
    Pending,
    /// At least one container runs.
    Running,
    /// All ended well; not watched.
    Succeeded,
    /// At least one failed for good; not watched.
    Failed,
    /// The node does not answer.
    Unknown,
}

/// A Pod, as far as pulling images goes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PodSeen {
    /// `metadata.uid`.
    pub uid: Uid,
    /// Namespace and name.
    pub object: ObjectName,
    /// `metadata.creationTimestamp`.
    pub created: Option<DateTime<Utc>>,
    /// `metadata.deletionTimestamp` is set.
    pub terminating: bool,
    /// Its controller.
    pub owner: Option<OwnerSeen>,
    /// Label `pod-template-hash`: with it the Deployment's name can be told from the ReplicaSet's.
    pub template_hash: Option<String>,
    /// Annotation `kubernetes.io/config.mirror`: pulled with the node's credentials.
    pub mirror: bool,
    /// `spec.nodeName`.
    pub node: Option<String>,
    /// `status.phase`.
    pub phase: Phase,
    /// Conditions that are not `True`, by type, with their reason.
    pub conditions: Vec<ConditionSeen>,
    /// `spec.serviceAccountName`, `default` when empty.
    pub service_account: String,
    /// `spec.imagePullSecrets[].name` in order, empty names left out as the kubelet does.
    pub pull_secrets: Vec<String>,
    /// Init containers, containers and ephemeral containers, in this order.
    pub containers: Vec<ContainerSeen>,
    /// `spec.volumes[].image.reference`.
    pub image_volumes: Vec<ImageVolumeSeen>,
}

/// A Pod condition that is not `True`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConditionSeen {
    /// `PodScheduled`, `Initialized`, ...
    pub kind: String,
    /// Its reason.
    pub reason: String,
}

/// Which list of the spec a container stands in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ContainerKind {
    /// `spec.initContainers`.
    Init,
    /// `spec.containers`.
    #[default]
    Main,
    /// `spec.ephemeralContainers`.
    Ephemeral,
}

/// `imagePullPolicy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PullPolicy {
    /// The registry is asked at each start.
    Always,
    /// Only when the node does not have the image.
    #[default]
    IfNotPresent,
    /// Never pulled.
    Never,
}

/// One container of a Pod: its spec joined with its status by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerSeen {
    /// Which list it stands in.
    pub kind: ContainerKind,
    /// Its name.
    pub name: String,
    /// `image` of the spec, as written.
    pub image: String,
    /// `imagePullPolicy`.
    pub pull_policy: PullPolicy,
    /// `status.imageID`, empty until it was pulled.
    pub image_id: String,
    /// `state.waiting.reason`.
    pub waiting_reason: Option<String>,
    /// `state.waiting.message`, at most 64 KiB.
    pub waiting_message: Option<String>,
    /// `state.running` is set.
    pub running: bool,
    /// `restartCount`.
    pub restarts: u32,
}

/// A volume whose source is an image (KEP-4639).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageVolumeSeen {
    /// The volume's name.
    pub name: String,
    /// `image.reference`.
    pub image: String,
    /// `image.pullPolicy`.
    pub pull_policy: PullPolicy,
}

/// A Secret of one of the two pull-secret types.
#[derive(Debug)]
pub struct SecretSeen {
    /// `metadata.uid`.
    pub uid: Uid,
    /// Namespace and name.
    pub object: ObjectName,
    /// `metadata.creationTimestamp`.
    pub created: Option<DateTime<Utc>>,
    /// Newest `managedFields[].time` whose `fieldsV1` has `f:data`, with its manager.
    pub changed: Option<(DateTime<Utc>, String)>,
    /// Which of the two types.
    pub kind: SecretKind,
    /// What stands under the type's data key. Read where the object is decoded, so that whatever a
    /// tenant wrote is one unit of work that may fail alone.
    pub docker_config: Parsed,
    /// Values of the other data keys that the expiry rules name (`expires_at`, `expiry`, ...), at
    /// most 64 bytes each.
    pub expiry_data: BTreeMap<String, String>,
    /// Annotations of the allow list only.
    pub annotations: BTreeMap<String, String>,
    /// Labels of the allow list only: owners are told by them.
    pub labels: BTreeMap<String, String>,
    /// Its controller.
    pub owner: Option<OwnerSeen>,
}

/// A ServiceAccount.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceAccountSeen {
    /// `metadata.uid`.
    pub uid: Uid,
    /// Namespace and name.
    pub object: ObjectName,
    /// `imagePullSecrets[].name` in order.
    pub pull_secrets: Vec<String>,
    /// Annotations of the allow list only.
    pub annotations: BTreeMap<String, String>,
}

/// A Namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamespaceSeen {
    /// `metadata.uid`.
    pub uid: Uid,
    /// Its name.
    pub name: String,
    /// `status.phase` is `Terminating`.
    pub terminating: bool,
    /// Annotations of the allow list only.
    pub annotations: BTreeMap<String, String>,
}

/// A core/v1 Event about a Pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventSeen {
    /// Namespace and name.
    pub object: ObjectName,
    /// `involvedObject.uid`.
    pub pod: Uid,
    /// `involvedObject.name`.
    pub pod_name: String,
    /// `involvedObject.fieldPath`.
    pub field_path: String,
    /// `type` is `Warning`.
    pub warning: bool,
    /// `reason`.
    pub reason: String,
    /// `message`, at most 64 KiB.
    pub message: String,
    /// The larger of `count` and `series.count`, at least 1.
    pub count: u32,
    /// `firstTimestamp`, else `eventTime`.
    pub first: Option<DateTime<Utc>>,
    /// `lastTimestamp`, else `series.lastObservedTime`, else `eventTime`.
    pub last: Option<DateTime<Utc>>,
    /// `source.component`, else `reportingComponent`.
    pub component: String,
    /// `source.host`, else `reportingInstance`.
    pub node: String,
}
