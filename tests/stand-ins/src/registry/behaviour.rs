//! What a registry is like: how it asks for credentials, how it refuses, what it holds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;

use super::answer::{Answer, On};
use super::content::{Access, Repository, User};
use super::wire::Wire;

/// Builds a registry; start from the kind that is nearest and change what differs.
///
/// ```
/// use regcred_stand_ins::registry::{Answer, Behaviour, Step};
///
/// let registry = Behaviour::bearer()
///     .user("bot", "pass")
///     .manifest("org/app", "1.0")
///     .realm_elsewhere()
///     .answer(Step::Token, Answer::status(500).once());
/// # let _ = registry;
/// ```
#[derive(Clone)]
#[must_use]
pub struct Behaviour {
    pub(super) scheme: Scheme,
    pub(super) challenge: Vec<String>,
    pub(super) service: String,
    pub(super) realm_path: String,
    pub(super) realm_elsewhere: bool,
    pub(super) basic_too: bool,
    pub(super) token_fields: Vec<String>,
    pub(super) token_lifetime: Duration,
    pub(super) opaque_tokens: bool,
    pub(super) no_credentials: Answer,
    pub(super) refused_login: Answer,
    pub(super) expired_login: Option<Answer>,
    pub(super) locked_login: Answer,
    pub(super) lockout_after: Option<usize>,
    pub(super) anonymous_token_refusal: Option<Answer>,
    pub(super) scope_hides_refusal: bool,
    pub(super) no_rights: Denial,
    pub(super) missing_repository: Denial,
    pub(super) missing_tag: Answer,
    pub(super) quota: Option<Quota>,
    pub(super) users: BTreeMap<String, User>,
    pub(super) repositories: BTreeMap<String, Repository>,
    pub(super) answers: Vec<(On, Answer)>,
    pub(super) wire: Wire,
    pub(super) realm_wire: Wire,
    pub(super) tls: Option<Arc<ServerConfig>>,
    pub(super) realm_tls: Option<Arc<ServerConfig>>,
    pub(super) name: String,
    pub(super) realm_name: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    /// Nobody is asked.
    Open,
    Basic,
    Bearer,
}

/// How a manifest is refused.
#[derive(Clone, Debug)]
pub(super) enum Denial {
    /// 401 with a challenge that says `insufficient_scope`.
    InsufficientScope,
    Fixed(Answer),
}

/// A pull quota as Docker Hub counts it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quota {
    pub(super) limit: u64,
    pub(super) window_seconds: u64,
}

impl Behaviour {
    /// The distribution registry without authentication.
    pub fn open() -> Self {
        Self {
            scheme: Scheme::Open,
            challenge: Vec::new(),
            service: "stand-in".to_owned(),
            realm_path: "/token".to_owned(),
            realm_elsewhere: false,
            basic_too: false,
            token_fields: vec!["token".to_owned()],
            token_lifetime: Duration::from_secs(300),
            opaque_tokens: false,
            no_credentials: Answer::error(401, "UNAUTHORIZED", "authentication required"),
            refused_login: Answer::error(401, "UNAUTHORIZED", "authentication required"),
            expired_login: None,
            locked_login: Answer::status(429)
                .text("too many failed login attempts for username or IP address"),
            lockout_after: None,
            anonymous_token_refusal: None,
            scope_hides_refusal: false,
            no_rights: Denial::InsufficientScope,
            missing_repository: Denial::Fixed(Answer::error(
                404,
                "NAME_UNKNOWN",
                "repository name not known to registry",
            )),
            missing_tag: Answer::error(404, "MANIFEST_UNKNOWN", "manifest unknown"),
            quota: None,
            users: BTreeMap::new(),
            repositories: BTreeMap::new(),
            answers: Vec::new(),
            wire: Wire::Http,
            realm_wire: Wire::Http,
            tls: None,
            realm_tls: None,
            name: "127.0.0.1".to_owned(),
            realm_name: None,
        }
    }

    /// The distribution registry behind htpasswd: 401 with a Basic challenge for everything.
    pub fn basic() -> Self {
        Self {
            scheme: Scheme::Basic,
            challenge: vec!["Basic realm=\"Registry Realm\"".to_owned()],
            ..Self::open()
        }
    }

    /// The distribution registry with a token server, by default on its own listener.
    pub fn bearer() -> Self {
        Self {
            scheme: Scheme::Bearer,
            challenge: vec![
                "Bearer realm=\"{realm}\",service=\"{service}\"{scope}{error}".to_owned(),
            ],
            ..Self::open()
        }
    }

    /// With a user who may read every repository.
    pub fn user(mut self, name: &str, password: &str) -> Self {
        self.users
            .insert(name.to_owned(), User::new(password, Access::All));
        self
    }

    /// With a user who may read these repositories only.
    pub fn user_for(mut self, name: &str, password: &str, repositories: &[&str]) -> Self {
        let repositories: BTreeSet<String> =
            repositories.iter().map(|each| (*each).to_owned()).collect();
        self.users.insert(
            name.to_owned(),
            User::new(password, Access::Only(repositories)),
        );
        self
    }

    /// With a manifest, readable by this tag and by its digest.
    pub fn manifest(mut self, repository: &str, tag: &str) -> Self {
        self.repositories
            .entry(repository.to_owned())
            .or_default()
            .add(repository, tag);
        self
    }

    /// With a repository that everyone may read, if it has manifests.
    pub fn public(mut self, repository: &str) -> Self {
        self.repositories
            .entry(repository.to_owned())
            .or_default()
            .is_public = true;
        self
    }

    /// A fixed answer before all else; of several that fit a request the oldest is given.
    pub fn answer(mut self, on: impl Into<On>, answer: Answer) -> Self {
        self.answers.push((on.into(), answer));
        self
    }

    /// These WWW-Authenticate headers with each 401, one header each. `{realm}`, `{service}`,
    /// `{host}`, `{scope}` and `{error}` are filled in (the last two with their leading comma); none
    /// at all is a 401 without challenge.
    pub fn challenge(mut self, headers: &[&str]) -> Self {
        self.challenge = headers.iter().map(|each| (*each).to_owned()).collect();
        self
    }

    /// The token server listens on a port of its own.
    pub fn realm_elsewhere(mut self) -> Self {
        self.realm_elsewhere = true;
        self
    }

    /// The path of the token server.
    pub fn realm_path(mut self, path: &str) -> Self {
        self.realm_path = path.to_owned();
        self
    }

    /// The service of the challenge.
    pub fn service(mut self, service: &str) -> Self {
        self.service = service.to_owned();
        self
    }

    /// A Bearer registry that also takes Basic on its own paths, as ACR and Nexus do.
    pub fn basic_too(mut self) -> Self {
        self.basic_too = true;
        self
    }

    /// The fields that carry the token: `token`, `access_token`, both, or none.
    pub fn token_fields(mut self, fields: &[&str]) -> Self {
        self.token_fields = fields.iter().map(|each| (*each).to_owned()).collect();
        self
    }

    /// How long a token is taken.
    pub fn token_lifetime(mut self, lifetime: Duration) -> Self {
        self.token_lifetime = lifetime;
        self
    }

    /// Tokens that are no JWT.
    pub fn opaque_tokens(mut self) -> Self {
        self.opaque_tokens = true;
        self
    }

    /// The body and status for requests without credentials; a 401 carries the challenge.
    pub fn no_credentials(mut self, answer: Answer) -> Self {
        self.no_credentials = answer;
        self
    }

    /// What a wrong user name or password gets, where credentials are checked.
    pub fn refused_login(mut self, answer: Answer) -> Self {
        self.refused_login = answer;
        self
    }

    /// What an expired user gets; otherwise the same as a wrong password.
    pub fn expired_login(mut self, answer: Answer) -> Self {
        self.expired_login = Some(answer);
        self
    }

    /// What a locked user gets, whatever the password.
    pub fn locked_login(mut self, answer: Answer) -> Self {
        self.locked_login = answer;
        self
    }

    /// A user is locked after so many refused logins in a row.
    pub fn lockout_after(mut self, failures: usize) -> Self {
        self.lockout_after = Some(failures);
        self
    }

    /// What a token request without credentials and scope gets.
    pub fn anonymous_token_refusal(mut self, answer: Answer) -> Self {
        self.anonymous_token_refusal = Some(answer);
        self
    }

    /// What a reader without rights gets for a manifest.
    pub fn no_rights(mut self, answer: Answer) -> Self {
        self.no_rights = Denial::Fixed(answer);
        self
    }

    /// What is said of a repository that does not exist.
    pub fn missing_repository(mut self, answer: Answer) -> Self {
        self.missing_repository = Denial::Fixed(answer);
        self
    }

    /// A pull quota for each account: GETs of manifests count, HEADs do not, both carry the headers.
    pub fn quota(mut self, limit: u64, window_seconds: u64) -> Self {
        self.quota = Some(Quota {
            limit,
            window_seconds,
        });
        self
    }

    /// What happens below HTTP on the registry's listener.
    pub fn wire(mut self, wire: Wire) -> Self {
        self.wire = wire;
        self
    }

    /// What happens below HTTP on the token server's own listener.
    pub fn realm_wire(mut self, wire: Wire) -> Self {
        self.realm_wire = wire;
        self
    }

    /// TLS on every listener.
    pub fn tls(mut self, config: Arc<ServerConfig>) -> Self {
        self.tls = Some(config);
        self
    }

    /// Another TLS on the token server's own listener.
    pub fn realm_tls(mut self, config: Arc<ServerConfig>) -> Self {
        self.realm_tls = Some(config);
        self
    }

    /// The name it goes by instead of 127.0.0.1, in `host()` and in its realm; who asks must resolve
    /// it to 127.0.0.1.
    pub fn named(mut self, name: &str) -> Self {
        self.name = name.to_owned();
        self
    }

    /// The name its token server goes by, elsewhere, as Docker Hub's `auth` does.
    pub fn realm_named(mut self, name: &str) -> Self {
        self.realm_name = Some(name.to_owned());
        self.realm_elsewhere()
    }
}
