//! The resources that are served, and what is fixed about each.

/// A resource of the stand-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resource {
    /// core/v1 Events; as on a real server they get no bookmarks.
    Events,
    /// coordination.k8s.io/v1 Leases.
    Leases,
    /// core/v1 Namespaces.
    Namespaces,
    /// core/v1 Pods.
    Pods,
    /// core/v1 Secrets.
    Secrets,
    /// core/v1 ServiceAccounts.
    ServiceAccounts,
}

impl Resource {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Events,
        Self::Leases,
        Self::Namespaces,
        Self::Pods,
        Self::Secrets,
        Self::ServiceAccounts,
    ];

    /// The word in paths: `secrets`.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Leases => "leases",
            Self::Namespaces => "namespaces",
            Self::Pods => "pods",
            Self::Secrets => "secrets",
            Self::ServiceAccounts => "serviceaccounts",
        }
    }

    /// The word in objects: `Secret`.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Events => "Event",
            Self::Leases => "Lease",
            Self::Namespaces => "Namespace",
            Self::Pods => "Pod",
            Self::Secrets => "Secret",
            Self::ServiceAccounts => "ServiceAccount",
        }
    }

    /// `v1` or `coordination.k8s.io/v1`.
    pub fn api_version(self) -> &'static str {
        match self {
            Self::Leases => "coordination.k8s.io/v1",
            _ => "v1",
        }
    }

    /// The API group; empty for core.
    pub(crate) fn group(self) -> &'static str {
        match self {
            Self::Leases => "coordination.k8s.io",
            _ => "",
        }
    }

    /// `leases.coordination.k8s.io`, as error texts name it.
    pub(crate) fn qualified(self) -> String {
        match self.group() {
            "" => self.plural().to_owned(),
            group => format!("{}.{group}", self.plural()),
        }
    }

    pub(crate) fn is_namespaced(self) -> bool {
        self != Self::Namespaces
    }

    /// Events are not in a real server's watch cache, so their watches carry no bookmarks.
    pub(crate) fn has_bookmarks(self) -> bool {
        self != Self::Events
    }

    /// Kinds whose storage refuses an update that names no resourceVersion.
    pub(crate) fn needs_version_to_update(self) -> bool {
        self == Self::Leases
    }

    pub(crate) fn of_kind(kind: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|each| each.kind() == kind)
    }

    pub(crate) fn of_plural(group: &str, plural: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|each| each.group() == group && each.plural() == plural)
    }

    /// The field labels that selectors may name, besides those of the metadata.
    pub(crate) fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Events => &[
                "involvedObject.kind",
                "involvedObject.namespace",
                "involvedObject.name",
                "involvedObject.uid",
                "involvedObject.apiVersion",
                "involvedObject.resourceVersion",
                "involvedObject.fieldPath",
                "reason",
                "reportingComponent",
                "source",
                "type",
            ],
            Self::Namespaces => &["status.phase"],
            Self::Pods => &[
                "spec.nodeName",
                "spec.restartPolicy",
                "spec.schedulerName",
                "spec.serviceAccountName",
                "status.phase",
                "status.podIP",
                "status.nominatedNodeName",
            ],
            Self::Secrets => &["type"],
            Self::Leases | Self::ServiceAccounts => &[],
        }
    }
}
