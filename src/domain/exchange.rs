//! The facts of one conversation with a registry, and nothing that was concluded from them.
//!
//! Of a registry's answer only what stands here leaves `registry/`: the status, header values that
//! parsed, error codes and phrases of closed lists. Never a body, a URL or a header as sent:
//! registries reflect what they were sent, credentials included.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::certificate::Certificate;
use super::challenge::Challenge;
use super::image::Registry;
use super::rate_limit::RateLimit;

/// One step of the conversation, the `step` label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step {
    /// `GET /v2/` without a credential.
    Ping,
    /// The login: the scope-less token request, or `GET /v2/` with Basic.
    Token,
    /// `HEAD` of a manifest that pods use, its scoped token included.
    Manifest,
}

impl Step {
    /// Every step, in the order in which they happen.
    pub const ALL: [Self; 3] = [Self::Ping, Self::Token, Self::Manifest];

    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ping => "ping",
            Self::Token => "token",
            Self::Manifest => "manifest",
        }
    }
}

/// A manifest that pods use: repository and tag or digest.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Manifest {
    /// Path inside the registry, `library/nginx`.
    pub repository: String,
    /// Digest, or tag.
    pub reference: String,
}

/// What one conversation brought, in the order in which it was asked.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// Whom we talked to, as images name it.
    pub registry: Registry,
    /// Every request that was made or refused by policy.
    pub asked: Vec<Asked>,
    /// What the registry and its token endpoint showed, whether it was believed or not.
    pub certificates: Vec<Certificate>,
    /// From the first look-up to the last byte.
    pub took: Duration,
}

/// One request and its answer.
#[derive(Clone, Debug)]
pub struct Asked {
    /// What the request was for.
    pub step: Step,
    /// The manifest it was about; with [`Step::Manifest`] always there.
    pub manifest: Option<Manifest>,
    /// What the request was sent to get.
    pub purpose: Purpose,
    /// The answer, or why there is none.
    pub answer: Result<Response, NetworkFault>,
}

/// Requests of one step differ in what their refusal means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// `GET /v2/` without a credential.
    AnonymousPing,
    /// Token without scope, or `GET /v2/` with Basic: is the credential accepted at all?
    Login,
    /// Token for `repository:<name>:pull`.
    ScopedToken,
    /// `HEAD` of the manifest.
    Head,
    /// `GET` of the manifest, where the registry does not answer `HEAD` as it should
    /// ([`super::manifest_request`]).
    Get,
    /// Token for `repository:<name>:pull`, for nobody.
    AnonymousToken,
    /// `HEAD` of the manifest, for nobody.
    AnonymousHead,
}

/// The part of an HTTP answer that may leave `registry/`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// HTTP status code.
    pub status: u16,
    /// `WWW-Authenticate`, all headers of that name; without its texts where the request carried
    /// a credential.
    pub challenges: Vec<Challenge>,
    /// `Docker-Distribution-Api-Version` is there, or an error body in the registry's format; of a
    /// 200 also a body of JSON, or none, which is all that the specification asks for.
    pub speaks_registry: bool,
    /// The body is a web page: something in between answered, not the registry.
    pub html: bool,
    /// Codes of the OCI error body, known ones only.
    pub codes: Vec<ErrorCode>,
    /// Telling phrases of the body, known ones only.
    pub phrases: Vec<Phrase>,
    /// `Retry-After`, resolved against the time of the answer.
    pub retry_after: Option<DateTime<Utc>>,
    /// Quotas that its headers tell of, and whose they are.
    pub rate_limit: RateLimit,
    /// A token answer held a token; false when 200 came without one.
    pub token: bool,
    /// What its headers tell of the product that answered, known ones only.
    pub signs: Vec<Sign>,
}

closed! {
    /// Error codes of the distribution specification, and those that products add.
    ErrorCode {
        /// 401.
        Unauthorized => "UNAUTHORIZED",
        /// 403.
        Denied => "DENIED",
        /// 404: no such repository.
        NameUnknown => "NAME_UNKNOWN",
        /// 404: no such tag or digest.
        ManifestUnknown => "MANIFEST_UNKNOWN",
        /// 404 of Harbor.
        NotFound => "NOT_FOUND",
        /// 429.
        TooManyRequests => "TOOMANYREQUESTS",
        /// 405.
        Unsupported => "UNSUPPORTED",
        /// 503.
        Unavailable => "UNAVAILABLE",
        /// 500, or anything.
        Unknown => "UNKNOWN",
        /// 400.
        NameInvalid => "NAME_INVALID",
        /// 400.
        TagInvalid => "TAG_INVALID",
    }
}

closed! {
    /// Phrases of error bodies that change the meaning of a status.
    Phrase {
        /// Docker Hub's lockout, a 429 that is no quota (docker/hub-feedback#814, #2217).
        TooManyFailedLogins => "too_many_failed_logins",
        /// ECR and others say that the token is past its date.
        TokenExpired => "token_expired",
        /// Docker Hub: "incorrect username or password".
        IncorrectPassword => "incorrect_password",
        /// A pull quota is used up.
        PullLimit => "pull_limit",
        /// Artifactory: "This request is blocked due to recurrent login failures".
        LoginBlocked => "login_blocked",
        /// The whole body is "Forbidden": how GitLab answers a banned address
        /// (gitlab-org/gitlab#21799).
        BareForbidden => "bare_forbidden",
        /// Azure: "client with IP ... is not allowed access".
        AddressNotAllowed => "address_not_allowed",
        /// distribution's words for 401, and those of much that is built on it.
        AuthenticationRequired => "authentication_required",
    }
}

closed! {
    /// Headers that name a product, or what it counts.
    Sign {
        /// `Docker-Distribution-Api-Version`: most registries send it.
        ApiVersion => "api_version",
        /// `X-JFrog-Version`, `X-Artifactory-Id`, `X-Artifactory-Node-Id`, `Server: Artifactory/7`.
        Artifactory => "artifactory",
        /// `Server: Nexus/3`.
        Nexus => "nexus",
        /// `GitLab-Container-Registry-Version` (container-registry, docs/spec/gitlab).
        Gitlab => "gitlab",
        /// `Access-Control-Allow-Headers` with zot's own `X-ZOT-API-CLIENT` (zot pkg/api/constants).
        Zot => "zot",
        /// `X-GitHub-Request-Id`.
        Github => "github",
        /// `RateLimit-Limit`, `RateLimit-Remaining` or `Docker-RateLimit-Source`: pulls are counted.
        PullsCounted => "pulls_counted",
    }
}

/// Why a request brought no HTTP answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NetworkFault {
    /// The name did not resolve.
    Dns(DnsFault),
    /// Nothing came within the bound.
    Timeout(Stage),
    /// TCP connection refused.
    Refused,
    /// Connection reset or closed before the answer was whole.
    Closed,
    /// No route to host, network unreachable.
    Unreachable,
    /// The proxy refused, or could not be reached.
    Proxy,
    /// TLS failed.
    Tls(TlsFault),
    /// The peer speaks no HTTP.
    NotHttp,
    /// Header over our bounds, or a token answer: any other body that is too long is cut.
    TooLarge,
    /// 401 without a challenge that we or a kubelet could follow.
    Challenge(ChallengeFault),
    /// Our own policy refused the target; nothing was sent.
    Blocked(super::policy::Rule),
    /// Anything else, so that nothing is guessed.
    Other,
}

closed! {
    /// What the resolver said.
    DnsFault {
        /// NXDOMAIN.
        NoSuchHost => "no_such_host",
        /// The name exists without an address.
        NoAddress => "no_address",
        /// SERVFAIL, REFUSED, or no answer.
        Unanswered => "unanswered",
    }
}

closed! {
    /// What was under way when the bound was reached.
    Stage {
        /// TCP connection.
        Connect => "connect",
        /// TLS handshake.
        Tls => "tls",
        /// Waiting for the answer.
        Answer => "answer",
    }
}

closed! {
    /// What the handshake failed on.
    TlsFault {
        /// No known authority signed the chain.
        UnknownCa => "unknown_ca",
        /// Past its notAfter.
        Expired => "expired",
        /// Before its notBefore.
        NotYetValid => "not_yet_valid",
        /// The certificate is for other names.
        WrongName => "wrong_name",
        /// The port speaks plain HTTP.
        PlainHttp => "plain_http",
        /// Versions, ciphers, alerts.
        Protocol => "protocol",
    }
}

closed! {
    /// Why a challenge could not be followed.
    ChallengeFault {
        /// No `WWW-Authenticate` at all.
        Missing => "missing",
        /// Neither Basic nor Bearer.
        UnsupportedScheme => "unsupported_scheme",
        /// A realm that is no absolute http(s) URL.
        InvalidRealm => "invalid_realm",
    }
}

impl Exchange {
    /// Why the last request brought no answer.
    pub fn fault(&self) -> Option<NetworkFault> {
        self.asked.last()?.answer.as_ref().err().copied()
    }
}

impl NetworkFault {
    /// What exactly, in a word of the closed lists; the outcome says the rest.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dns(fault) => fault.as_str(),
            Self::Timeout(stage) => stage.as_str(),
            Self::Refused => "refused",
            Self::Closed => "closed",
            Self::Unreachable => "unreachable",
            Self::Proxy => "proxy",
            Self::Tls(fault) => fault.as_str(),
            Self::NotHttp => "not_http",
            Self::TooLarge => "too_large",
            Self::Challenge(fault) => fault.as_str(),
            Self::Blocked(rule) => rule.as_str(),
            Self::Other => "other",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
