//! The conversation: ping, token, manifest.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex};

use hyper::body::Incoming;
use hyper::header::{ACCEPT, HOST, USER_AGENT};
use hyper::{Request, Response};
use serde_json::json;
use tokio::time::Instant;

use super::account::{Accounts, Login};
use super::answer::{Answer, On};
use super::behaviour::{Behaviour, Denial, Scheme};
use super::content::{MEDIA_TYPE, User};
use super::log::{Log, LoggedRequest, Place, Step};
use super::path::{Fill, Path, pulled_repository};
use crate::http::{Authorization, Body, header, query_pairs};
use crate::listener::lock;
use crate::{clock, objects};

/// One registry: what it is like, and what has happened to it.
pub(super) struct Server {
    pub(super) behaviour: Behaviour,
    pub(super) log: Log,
    tokens: HashMap<String, Grant>,
    pub(super) accounts: Accounts,
    hosts: Hosts,
}

/// host:port of each place; the same when the realm is not elsewhere.
#[derive(Clone, Debug)]
pub(super) struct Hosts {
    pub(super) registry: String,
    pub(super) realm: String,
}

/// What a token is good for.
#[derive(Clone)]
struct Grant {
    user: Option<String>,
    repositories: Vec<String>,
    until: Instant,
}

/// Who asks for a manifest, once that is settled.
struct Reader {
    user: Option<String>,
    repositories: Option<Vec<String>>,
}

/// What the Accept and Authorization headers and the request line say.
struct Asked<'a> {
    method: &'a str,
    query: &'a str,
    accept: Option<String>,
    authorization: Authorization,
}

pub(super) async fn answer(
    server: Arc<Mutex<Server>>,
    place: Place,
    request: Request<Incoming>,
) -> io::Result<Response<Body>> {
    let (answer, fill) = lock(&server).answer(place, &request);
    answer.send(|text| fill.apply(text)).await
}

impl Server {
    pub(super) fn new(behaviour: Behaviour, hosts: Hosts) -> Self {
        Self {
            behaviour,
            log: Log::default(),
            tokens: HashMap::new(),
            accounts: Accounts::default(),
            hosts,
        }
    }

    pub(super) fn set_hosts(&mut self, hosts: Hosts) {
        self.hosts = hosts;
    }

    fn answer(&mut self, place: Place, request: &Request<Incoming>) -> (Answer, Fill) {
        let asked = Asked {
            method: request.method().as_str(),
            query: request.uri().query().unwrap_or_default(),
            accept: header(request.headers(), &ACCEPT),
            authorization: Authorization::of(request.headers()),
        };
        let path = request.uri().path();
        let what = Path::parse(self.token_path(place), place, path);
        let step = what.step();
        let fill = self.fill(&what);
        let answer = match self.fixed(step, path, asked.authorization.user()) {
            Some(answer) => answer,
            None => {
                let usual = self.usual(&what, &asked);
                match step {
                    Step::Ping | Step::Manifest | Step::Tags => {
                        usual.header("docker-distribution-api-version", "registry/2.0")
                    }
                    Step::Token | Step::Other => usual,
                }
            }
        };
        self.log.record(LoggedRequest {
            place,
            step,
            method: asked.method.to_owned(),
            path: path.to_owned(),
            query: asked.query.to_owned(),
            host: header(request.headers(), &HOST),
            accept: asked.accept,
            user_agent: header(request.headers(), &USER_AGENT),
            scheme: asked.authorization.scheme().map(str::to_owned),
            user: asked.authorization.user().map(str::to_owned),
            status: answer.code(),
            at: Instant::now(),
        });
        (answer, fill)
    }

    /// The first fixed answer that fits, used once.
    fn fixed(&mut self, step: Step, path: &str, user: Option<&str>) -> Option<Answer> {
        let (_, answer) = self.behaviour.answers.iter_mut().find(|(on, answer)| {
            let fits = match on {
                On::Any => true,
                On::Path(each) => each == path,
                On::Step(each) => *each == step,
                On::User(each) => Some(each.as_str()) == user,
            };
            fits && answer.remaining != Some(0)
        })?;
        if let Some(remaining) = &mut answer.remaining {
            *remaining -= 1;
        }
        Some(answer.clone())
    }

    fn usual(&mut self, what: &Path<'_>, asked: &Asked<'_>) -> Answer {
        match *what {
            Path::Ping => match self.reader(asked) {
                Ok(Reader { user: None, .. }) if self.behaviour.scheme == Scheme::Basic => {
                    self.ask_for_credentials()
                }
                Ok(_) => Answer::status(200).json(&json!({})),
                Err(refusal) => refusal,
            },
            Path::Token => self.token(asked),
            Path::Manifest(repository, reference) => self
                .reader(asked)
                .and_then(|reader| self.manifest(&reader, repository, reference, asked))
                .unwrap_or_else(|refusal| refusal),
            Path::Tags(repository) => self
                .reader(asked)
                .and_then(|reader| self.check_rights(&reader, repository))
                .map_or_else(|refusal| refusal, |()| self.tags(repository)),
            Path::Other => Answer::status(404).text("404 page not found\n"),
        }
    }

    /// Who asks, or what they are told instead.
    fn reader(&mut self, asked: &Asked<'_>) -> Result<Reader, Answer> {
        let takes_basic = self.behaviour.scheme == Scheme::Basic || self.behaviour.basic_too;
        match &asked.authorization {
            _ if self.behaviour.scheme == Scheme::Open => Ok(Reader {
                user: None,
                repositories: None,
            }),
            Authorization::Basic { user, password } if takes_basic => {
                self.check_login(user, password)
                    .map_err(|refusal| self.challenged(refusal, ""))?;
                Ok(Reader {
                    user: Some(user.clone()),
                    repositories: None,
                })
            }
            Authorization::Bearer(token) if self.behaviour.scheme == Scheme::Bearer => {
                match self.tokens.get(token) {
                    Some(grant) if Instant::now() < grant.until => Ok(Reader {
                        user: grant.user.clone(),
                        repositories: Some(grant.repositories.clone()),
                    }),
                    _ => Err(self.challenged(
                        Answer::error(401, "UNAUTHORIZED", "authentication required"),
                        "invalid_token",
                    )),
                }
            }
            _ if self.behaviour.scheme == Scheme::Basic => Ok(Reader {
                user: None,
                repositories: None,
            }),
            _ => Err(self.ask_for_credentials()),
        }
    }

    fn token(&mut self, asked: &Asked<'_>) -> Answer {
        if asked.method != "GET" {
            return Answer::status(404).text("404 page not found\n");
        }
        let query = query_pairs(asked.query);
        let scopes: Vec<&str> = query
            .iter()
            .filter(|(name, _)| name == "scope")
            .flat_map(|(_, value)| value.split(' '))
            .filter(|scope| !scope.is_empty())
            .collect();
        let user = match &asked.authorization {
            Authorization::Basic { user, password } => match self.check_login(user, password) {
                Ok(()) => Some(user.clone()),
                Err(_) if self.behaviour.scope_hides_refusal && !scopes.is_empty() => None,
                Err(refusal) => return refusal,
            },
            _ if scopes.is_empty() && self.behaviour.anonymous_token_refusal.is_some() => {
                return self
                    .behaviour
                    .anonymous_token_refusal
                    .clone()
                    .unwrap_or_else(|| Answer::status(401));
            }
            _ => None,
        };
        let repositories: Vec<String> = scopes
            .iter()
            .filter_map(|scope| pulled_repository(scope))
            .filter(|repository| self.grants(user.as_deref(), repository))
            .map(str::to_owned)
            .collect();
        self.issue(user, repositories)
    }

    fn issue(&mut self, user: Option<String>, repositories: Vec<String>) -> Answer {
        let lifetime = self.behaviour.token_lifetime;
        let now = clock::now();
        let number = self.tokens.len();
        let token = if self.behaviour.opaque_tokens {
            format!("stand-in-token-{number}")
        } else {
            let access: serde_json::Value = repositories
                .iter()
                .map(|name| json!({ "type": "repository", "name": name, "actions": ["pull"] }))
                .collect();
            objects::jwt_of(&json!({
                "iss": "stand-in",
                "aud": self.behaviour.service,
                "iat": now.timestamp(),
                "exp": now.timestamp() + i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX / 2),
                "jti": number.to_string(),
                "access": access,
            }))
        };
        let grant = Grant {
            user,
            repositories,
            until: Instant::now() + lifetime,
        };
        self.tokens.insert(token.clone(), grant);
        let mut body = json!({
            "expires_in": lifetime.as_secs(),
            "issued_at": clock::rfc3339(now),
        });
        for field in &self.behaviour.token_fields {
            body[field] = json!(token);
        }
        Answer::status(200).json(&body)
    }

    fn manifest(
        &mut self,
        reader: &Reader,
        repository: &str,
        reference: &str,
        asked: &Asked<'_>,
    ) -> Result<Answer, Answer> {
        self.check_rights(reader, repository)?;
        let quota = self.behaviour.quota;
        let mut answer = match quota {
            Some(quota) => {
                let account = reader.user.as_deref().unwrap_or_default();
                self.accounts
                    .count_pull(quota, account, asked.method == "GET")?
            }
            None => Answer::status(200),
        };
        let found = self.behaviour.repositories[repository].find(reference);
        let (digest, manifest) = found.ok_or_else(|| self.behaviour.missing_tag.clone())?;
        let is_acceptable = asked
            .accept
            .as_ref()
            .is_none_or(|accept| accept.contains(MEDIA_TYPE) || accept.contains("*/*"));
        if !is_acceptable {
            return Err(Answer::error(
                404,
                "MANIFEST_UNKNOWN",
                "OCI index found, but accept header does not support OCI indexes",
            ));
        }
        answer = answer
            .header("docker-content-digest", digest)
            .header("etag", &format!("\"{digest}\""))
            .body(MEDIA_TYPE, manifest.clone());
        Ok(answer)
    }

    fn tags(&self, repository: &str) -> Answer {
        let tags = &self.behaviour.repositories[repository].tags;
        let tags: Vec<&String> = tags.keys().collect();
        Answer::status(200).json(&json!({ "name": repository, "tags": tags }))
    }

    /// The repository exists and the reader may read it.
    fn check_rights(&self, reader: &Reader, repository: &str) -> Result<(), Answer> {
        let may_read = self.behaviour.scheme == Scheme::Open
            || match &reader.repositories {
                Some(repositories) => repositories.iter().any(|each| each == repository),
                None => self.grants(reader.user.as_deref(), repository),
            };
        if !may_read {
            let is_nobody = reader.user.is_none() && reader.repositories.is_none();
            return Err(if is_nobody {
                self.ask_for_credentials()
            } else {
                self.denied(&self.behaviour.no_rights)
            });
        }
        if self.exists(repository) {
            Ok(())
        } else {
            Err(self.denied(&self.behaviour.missing_repository))
        }
    }

    /// Whether this user, or nobody, may pull; a registry that hides what is missing grants only
    /// what is there.
    fn grants(&self, user: Option<&str>, repository: &str) -> bool {
        let is_public = self
            .behaviour
            .repositories
            .get(repository)
            .is_some_and(|found| found.is_public);
        let is_hidden = matches!(self.behaviour.missing_repository, Denial::InsufficientScope)
            && !self.exists(repository);
        let may_read = user
            .and_then(|user| self.behaviour.users.get(user))
            .is_some_and(|user| user.may_read(repository));
        (is_public || may_read) && !is_hidden
    }

    fn exists(&self, repository: &str) -> bool {
        self.behaviour
            .repositories
            .get(repository)
            .is_some_and(super::content::Repository::exists)
    }

    fn check_login(&mut self, user: &str, password: &str) -> Result<(), Answer> {
        let Behaviour {
            users,
            lockout_after,
            ..
        } = &self.behaviour;
        let login = self
            .accounts
            .log_in(users.get(user), *lockout_after, user, password);
        let tally = self.log.tally_mut(user);
        match login {
            Login::Accepted => tally.accepted += 1,
            Login::Expired | Login::Locked | Login::Refused => tally.refused += 1,
        }
        match login {
            Login::Accepted => Ok(()),
            Login::Locked => Err(self.behaviour.locked_login.clone()),
            Login::Refused => Err(self.behaviour.refused_login.clone()),
            Login::Expired => {
                let expired = self.behaviour.expired_login.as_ref();
                Err(expired.unwrap_or(&self.behaviour.refused_login).clone())
            }
        }
    }

    pub(super) fn user_mut(&mut self, user: &str) -> &mut User {
        let found = self.behaviour.users.get_mut(user);
        found.unwrap_or_else(|| panic!("the registry has no user `{user}`"))
    }

    fn ask_for_credentials(&self) -> Answer {
        self.challenged(self.behaviour.no_credentials.clone(), "")
    }

    fn denied(&self, denial: &Denial) -> Answer {
        match denial {
            Denial::Fixed(answer) => self.challenged(answer.clone(), ""),
            Denial::InsufficientScope => self.challenged(
                Answer::error(
                    401,
                    "UNAUTHORIZED",
                    "authentication required: requested access to the resource is denied",
                ),
                "insufficient_scope",
            ),
        }
    }

    /// With the challenge, if it is a 401 without one.
    fn challenged(&self, answer: Answer, error: &str) -> Answer {
        if !answer.is_unauthorized() || answer.has_header("www-authenticate") {
            return answer;
        }
        let error = if error.is_empty() {
            String::new()
        } else {
            format!(",error=\"{error}\"")
        };
        self.behaviour
            .challenge
            .iter()
            .fold(answer, |answer, header| {
                answer.header("www-authenticate", &header.replace("{error}", &error))
            })
    }

    /// Where this place answers for tokens, if it does.
    fn token_path(&self, place: Place) -> Option<&str> {
        let has_tokens = match place {
            Place::Realm => true,
            Place::Registry => !self.behaviour.realm_elsewhere,
        };
        (has_tokens && self.behaviour.scheme == Scheme::Bearer)
            .then_some(self.behaviour.realm_path.as_str())
    }

    fn fill(&self, what: &Path<'_>) -> Fill {
        let scheme = if self.behaviour.tls.is_some() {
            "https"
        } else {
            "http"
        };
        let scope = match what {
            Path::Manifest(repository, _) | Path::Tags(repository) => {
                format!(",scope=\"repository:{repository}:pull\"")
            }
            Path::Ping | Path::Token | Path::Other => String::new(),
        };
        Fill([
            (
                "{realm}",
                format!(
                    "{scheme}://{}{}",
                    self.hosts.realm, self.behaviour.realm_path
                ),
            ),
            ("{service}", self.behaviour.service.clone()),
            ("{host}", self.hosts.registry.clone()),
            ("{scope}", scope),
            ("{error}", String::new()),
        ])
    }
}
