//! Why a pull failed, as far as one message tells: a closed vocabulary.

closed! {
    /// What the text of a failure alone establishes; the value of the label `reason`.
    Reason {
        /// The registry knows nobody by this credential, or was given none.
        Unauthorized => "unauthorized",
        /// The text says that a token or password has run out.
        Expired => "expired",
        /// The registry knows who asks, or does not care, and refuses.
        Forbidden => "forbidden",
        /// The registry says: too often.
        RateLimited => "rate_limited",
        /// The registry has no such repository, tag or blob, or says so.
        NotFound => "not_found",
        /// A name could not be resolved.
        Dns => "dns",
        /// An answer took too long.
        Timeout => "timeout",
        /// No way there, or it broke: refused, reset, no route, EOF, proxy.
        Connection => "connection",
        /// Certificates, or TLS and plain HTTP mixed up.
        Tls => "tls",
        /// The registry or its token endpoint failed, or answered nonsense.
        RegistryError => "registry_error",
        /// The kubelet could not read a pull secret.
        MalformedSecret => "malformed_secret",
        /// The image's name is none.
        InvalidImageName => "invalid_image_name",
        /// The image is there, but not for this kind of node.
        PlatformMismatch => "platform_mismatch",
        /// The node's disk has no room.
        NodeDiskFull => "node_disk_full",
        /// The kubelet's own limit of pulls.
        KubeletQps => "kubelet_qps",
        /// The pull policy forbids to pull.
        NeverPull => "never_pull",
        /// A policy of the node wants another signature.
        SignatureRejected => "signature_rejected",
        /// What came, or lies on the node, is not what the manifest says, or cannot be unpacked.
        CorruptImage => "corrupt_image",
        /// The pull was given up from this side.
        Cancelled => "cancelled",
        /// The kubelet waits before it tries again; no cause is told. Never counted.
        Backoff => "backoff",
        /// Nothing of the above is established.
        Other => "other",
    }
}
