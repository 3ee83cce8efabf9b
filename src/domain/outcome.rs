//! What the facts of a conversation mean.

/// The verdict on one step, the `outcome` label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// It worked.
    Ok,
    /// The registry does not know this login.
    Unauthorized,
    /// The registry, or the date inside the credential, says that it is over.
    Expired,
    /// The login works, this is not allowed.
    Forbidden,
    /// Too many failed logins, suspended, banned.
    LockedOut,
    /// 429 or a quota.
    RateLimited,
    /// 404.
    NotFound,
    /// The name did not resolve.
    Dns,
    /// No answer within the bound.
    Timeout,
    /// Refused, reset, no route, closed, proxy.
    Connection,
    /// TLS failed.
    Tls,
    /// 5xx, or nonsense.
    RegistryError,
    /// Our own policy refused the target.
    Blocked,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 13] = [
        Self::Ok,
        Self::Unauthorized,
        Self::Expired,
        Self::Forbidden,
        Self::LockedOut,
        Self::RateLimited,
        Self::NotFound,
        Self::Dns,
        Self::Timeout,
        Self::Connection,
        Self::Tls,
        Self::RegistryError,
        Self::Blocked,
    ];

    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unauthorized => "unauthorized",
            Self::Expired => "expired",
            Self::Forbidden => "forbidden",
            Self::LockedOut => "locked_out",
            Self::RateLimited => "rate_limited",
            Self::NotFound => "not_found",
            Self::Dns => "dns",
            Self::Timeout => "timeout",
            Self::Connection => "connection",
            Self::Tls => "tls",
            Self::RegistryError => "registry_error",
            Self::Blocked => "blocked",
        }
    }

    /// Says something about the credential; the rest says something about the way to the registry.
    pub fn is_conclusive(self) -> bool {
        match self {
            Self::Ok
            | Self::Unauthorized
            | Self::Expired
            | Self::Forbidden
            | Self::LockedOut
            | Self::NotFound => true,
            Self::RateLimited
            | Self::Dns
            | Self::Timeout
            | Self::Connection
            | Self::Tls
            | Self::RegistryError
            | Self::Blocked => false,
        }
    }

    /// The registry refused the login itself.
    pub fn is_refusal(self) -> bool {
        matches!(
            self,
            Self::Unauthorized | Self::Expired | Self::Forbidden | Self::LockedOut
        )
    }
}
