//! Why a pull failed, as far as one message tells: a closed vocabulary.

/// What the text of a failure alone establishes; the value of the label `reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// The registry knows nobody by this credential, or was given none.
    Unauthorized,
    /// The text says that a token or password has run out.
    Expired,
    /// The registry knows who asks, or does not care, and refuses.
    Forbidden,
    /// The registry says: too often.
    RateLimited,
    /// The registry has no such repository, tag or blob, or says so.
    NotFound,
    /// A name could not be resolved.
    Dns,
    /// An answer took too long.
    Timeout,
    /// No way there, or it broke: refused, reset, no route, EOF, proxy.
    Connection,
    /// Certificates, or TLS and plain HTTP mixed up.
    Tls,
    /// The registry or its token endpoint failed, or answered nonsense.
    RegistryError,
    /// The kubelet could not read a pull secret.
    MalformedSecret,
    /// The image's name is none.
    InvalidImageName,
    /// The image is there, but not for this kind of node.
    PlatformMismatch,
    /// The node's disk has no room.
    NodeDiskFull,
    /// The kubelet's own limit of pulls.
    KubeletQps,
    /// The pull policy forbids to pull.
    NeverPull,
    /// A policy of the node wants another signature.
    SignatureRejected,
    /// What came, or lies on the node, is not what the manifest says, or cannot be unpacked.
    CorruptImage,
    /// The pull was given up from this side.
    Cancelled,
    /// The kubelet waits before it tries again; no cause is told. Never counted.
    Backoff,
    /// Nothing of the above is established.
    Other,
}

impl Reason {
    /// Every reason, in the order in which documents list them.
    pub const ALL: [Self; 21] = [
        Self::Unauthorized,
        Self::Expired,
        Self::Forbidden,
        Self::RateLimited,
        Self::NotFound,
        Self::Dns,
        Self::Timeout,
        Self::Connection,
        Self::Tls,
        Self::RegistryError,
        Self::MalformedSecret,
        Self::InvalidImageName,
        Self::PlatformMismatch,
        Self::NodeDiskFull,
        Self::KubeletQps,
        Self::NeverPull,
        Self::SignatureRejected,
        Self::CorruptImage,
        Self::Cancelled,
        Self::Backoff,
        Self::Other,
    ];

    /// The word, as labels and reports spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unauthorized => "unauthorized",
            Self::Expired => "expired",
            Self::Forbidden => "forbidden",
            Self::RateLimited => "rate_limited",
            Self::NotFound => "not_found",
            Self::Dns => "dns",
            Self::Timeout => "timeout",
            Self::Connection => "connection",
            Self::Tls => "tls",
            Self::RegistryError => "registry_error",
            Self::MalformedSecret => "malformed_secret",
            Self::InvalidImageName => "invalid_image_name",
            Self::PlatformMismatch => "platform_mismatch",
            Self::NodeDiskFull => "node_disk_full",
            Self::KubeletQps => "kubelet_qps",
            Self::NeverPull => "never_pull",
            Self::SignatureRejected => "signature_rejected",
            Self::CorruptImage => "corrupt_image",
            Self::Cancelled => "cancelled",
            Self::Backoff => "backoff",
            Self::Other => "other",
        }
    }
}
