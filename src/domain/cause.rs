//! Why a pod cannot pull: the verdict, where a [`Reason`] is what one message says.

use super::pull_failure::Reason;

closed! {
    /// The root cause of a pod that waits for an image; the value of the label `cause`.
    Cause {
        /// Nothing that the pod names exists, and nothing in its namespace would do.
        MissingPullSecret => "missing_pull_secret",
        /// A Secret of the namespace would do; the pod names others.
        SecretNotReferenced => "secret_not_referenced",
        /// A Secret of the namespace would do; the pod names none, nor does its ServiceAccount.
        ServiceAccountNotConfigured => "service_account_not_configured",
        /// The ServiceAccount names a Secret that would do, but did not when the pod was made.
        StalePod => "stale_pod",
        /// The Secret that the pod names is in another namespace.
        SecretInOtherNamespace => "secret_in_other_namespace",
        /// The Secrets are sound, and their keys mean other images.
        RegistryMismatch => "registry_mismatch",
        /// The kubelet cannot read a pull secret, or sends nothing useful of it.
        MalformedSecret => "malformed_secret",
        /// The credential has run out.
        ExpiredCredentials => "expired_credentials",
        /// The registry refuses the login.
        InvalidCredentials => "invalid_credentials",
        /// The registry has locked the account.
        LockedOut => "locked_out",
        /// The login works and may not read this repository.
        PermissionDenied => "permission_denied",
        /// The registry says the same of "not for you" and "not there", and nothing settles it.
        DeniedOrAbsent => "denied_or_absent",
        /// The registry has no such repository, tag or digest.
        ImageNotFound => "image_not_found",
        /// A quota is used up.
        RateLimited => "rate_limited",
        /// The node does not reach the registry.
        Network => "network",
        /// The node does not trust the registry, or speaks another protocol with it.
        Tls => "tls",
        /// The registry, or its token endpoint, fails.
        RegistryUnavailable => "registry_unavailable",
        /// The image's name is none.
        InvalidImageName => "invalid_image_name",
        /// There is no such image for this kind of node.
        PlatformMismatch => "platform_mismatch",
        /// The pull policy forbids to pull.
        ImageNeverPull => "image_never_pull",
        /// The node wants another signature.
        SignatureRejected => "signature_rejected",
        /// What came is broken.
        CorruptImage => "corrupt_image",
        /// The node has no room, or its kubelet pulls too often.
        Node => "node",
        /// None of the above is proven.
        Unknown => "unknown",
    }
}

impl Cause {
    /// A credential, or the way in which a Pod comes by it, is what is wrong: it stays so until
    /// somebody mends it, and shows at the next pull only.
    pub fn is_of_credentials(self) -> bool {
        matches!(
            self,
            Self::MissingPullSecret
                | Self::SecretNotReferenced
                | Self::ServiceAccountNotConfigured
                | Self::StalePod
                | Self::SecretInOtherNamespace
                | Self::RegistryMismatch
                | Self::MalformedSecret
                | Self::ExpiredCredentials
                | Self::InvalidCredentials
                | Self::LockedOut
                | Self::PermissionDenied
        )
    }

    /// What it is, in a sentence.
    pub fn explanation(self) -> &'static str {
        match self {
            Self::MissingPullSecret => {
                "Nothing that the Pod names exists, and nothing in its namespace would do."
            }
            Self::SecretNotReferenced => {
                "A Secret of the namespace would do, and the Pod names others."
            }
            Self::ServiceAccountNotConfigured => {
                "A Secret of the namespace would do; the Pod names none, nor does its ServiceAccount."
            }
            Self::StalePod => {
                "The ServiceAccount lists a Secret that would do, and did not when the Pod was made."
            }
            Self::SecretInOtherNamespace => {
                "The Secret that the Pod names is in another namespace."
            }
            Self::RegistryMismatch => {
                "The Secrets that the Pod names are sound, and none of their keys means this image."
            }
            Self::MalformedSecret => {
                "The kubelet cannot read a pull secret, or sends nothing useful of it."
            }
            Self::ExpiredCredentials => "The credential has run out.",
            Self::InvalidCredentials => "The registry refuses the login.",
            Self::LockedOut => "The registry takes no login of this account now.",
            Self::PermissionDenied => "The login works, and may not read this repository.",
            Self::DeniedOrAbsent => {
                "The registry says the same of what is not there and of what is not for the Pod."
            }
            Self::ImageNotFound => "The registry has no such repository, tag or digest.",
            Self::RateLimited => "A quota is used up, or there were too many requests.",
            Self::Network => "The node does not reach the registry.",
            Self::Tls => {
                "The node does not trust the registry, or speaks another protocol with it."
            }
            Self::RegistryUnavailable => "The registry, or its token endpoint, fails.",
            Self::InvalidImageName => "The image's name is none.",
            Self::PlatformMismatch => "There is no such image for this kind of node.",
            Self::ImageNeverPull => {
                "The pull policy forbids to pull, and the node has nothing to give to the Pod."
            }
            Self::SignatureRejected => "A policy of the node wants another signature.",
            Self::CorruptImage => "What comes is not what the manifest says.",
            Self::Node => "The node has no room, or its kubelet pulls too often.",
            Self::Unknown => "None of the causes is proven.",
        }
    }

    /// It goes by itself as a rule, or may: what it wants is patience before a person.
    pub fn heals_itself(self) -> bool {
        matches!(
            self,
            Self::LockedOut
                | Self::RateLimited
                | Self::Network
                | Self::Tls
                | Self::RegistryUnavailable
                | Self::Node
                | Self::CorruptImage
                | Self::Unknown
        )
    }

    /// What one message proves by itself. Whether a login is wrong, expired, missing or not allowed
    /// it never does: nine causes have one text.
    pub fn told_by(reason: Reason) -> Self {
        match reason {
            Reason::MalformedSecret => Self::MalformedSecret,
            Reason::RateLimited => Self::RateLimited,
            Reason::Dns | Reason::Timeout | Reason::Connection => Self::Network,
            Reason::Tls => Self::Tls,
            Reason::RegistryError => Self::RegistryUnavailable,
            Reason::InvalidImageName => Self::InvalidImageName,
            Reason::PlatformMismatch => Self::PlatformMismatch,
            Reason::NodeDiskFull | Reason::KubeletQps => Self::Node,
            Reason::NeverPull => Self::ImageNeverPull,
            Reason::SignatureRejected => Self::SignatureRejected,
            Reason::CorruptImage => Self::CorruptImage,
            Reason::Unauthorized
            | Reason::Expired
            | Reason::Forbidden
            | Reason::NotFound
            | Reason::Cancelled
            | Reason::Backoff
            | Reason::Other => Self::Unknown,
        }
    }
}
