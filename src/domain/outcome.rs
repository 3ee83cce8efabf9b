//! What the facts of a conversation mean.
//!
//! [`classify`] alone judges: a new registry quirk is a row of its test and a line here, never a
//! change of I/O.

#[cfg(test)]
mod tests;

use chrono::{DateTime, Utc};

use super::challenge::{Challenge, ChallengeError, Scheme};
use super::exchange::{Asked, Exchange, Manifest, NetworkFault, Phrase, Purpose, Response, Step};
use super::rate_limit::{self, QuotaNews};

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

/// What the facts of one conversation mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// Of the anonymous ping. Says nothing about the credential, not even when it is `forbidden`.
    pub ping: Outcome,
    /// The registry answers anonymous `/v2/` in the registry protocol, whatever it says.
    pub up: bool,
    /// Of the login; `None` if none was tried: the ping failed, the credential is anonymous, or the
    /// registry asks for none at `/v2/` and no guarded manifest told either.
    pub login: Option<Outcome>,
    /// Of the manifests that were asked for, in that order.
    pub manifests: Vec<(Manifest, Outcome)>,
    /// Each step that was taken, with the status of the answer that decided; of several manifests
    /// the one that fared worst.
    pub steps: Vec<(Step, Outcome, Option<u16>)>,
    /// The latest time before which the registry does not want to be asked again, as it said it:
    /// whoever obeys clamps it.
    pub retry_after: Option<DateTime<Utc>>,
    /// What was told of quotas, by who pays.
    pub quotas: Vec<QuotaNews>,
    /// What exactly kept the last request from an answer.
    pub fault: Option<NetworkFault>,
}

/// Judges a conversation. What holds for Docker Hub, for distribution with htpasswd or token, and
/// for whatever behaves like them (distribution's docs/content/spec/auth, handlers/app.go; docker/hub-feedback#814).
pub fn classify(exchange: &Exchange) -> Judgement {
    let last = |purpose| exchange.asked.iter().rfind(|one| one.purpose == purpose);
    let pinged = last(Purpose::AnonymousPing);
    let ping = pinged.map_or(Outcome::RegistryError, |one| of(&one.answer, of_ping));
    let mut steps = vec![(Step::Ping, ping, pinged.and_then(status))];

    let scheme = followed_scheme(exchange);
    let login = match last(Purpose::Login) {
        Some(one) => Some((
            of(&one.answer, |answer| of_login(scheme, answer)),
            status(one),
        )),
        None => login_by_manifest(exchange, scheme),
    };
    steps.extend(login.map(|(outcome, status)| (Step::Token, outcome, status)));
    let login = login.map(|(outcome, _)| outcome);

    let judged = manifests(exchange, login);
    let worst = judged
        .iter()
        .max_by_key(|(_, outcome, _)| severity(*outcome));
    steps.extend(worst.map(|(_, outcome, status)| (Step::Manifest, *outcome, *status)));

    Judgement {
        ping,
        up: pinged.is_some_and(|one| one.answer.as_ref().is_ok_and(is_registry)),
        login,
        manifests: judged
            .into_iter()
            .map(|(manifest, outcome, _)| (manifest, outcome))
            .collect(),
        steps,
        retry_after: exchange
            .asked
            .iter()
            .filter_map(|one| one.answer.as_ref().ok()?.retry_after)
            .max(),
        quotas: rate_limit::news(exchange, is_lockout),
        fault: exchange.fault(),
    }
}

/// The login where an open `/v2/` takes any and a manifest is guarded with Basic: asked for without
/// a credential it was refused, and the next answer, to the credential, tells. 401 may mean missing
/// permission too; but nowhere else does this registry look at a login, and one that may be wrong
/// is not to be sent every quarter of an hour.
fn login_by_manifest(
    exchange: &Exchange,
    scheme: Option<Scheme>,
) -> Option<(Outcome, Option<u16>)> {
    let status_of = |asked: &Asked| match asked.purpose {
        Purpose::Head => status(asked),
        Purpose::AnonymousPing
        | Purpose::Login
        | Purpose::ScopedToken
        | Purpose::AnonymousToken
        | Purpose::AnonymousHead => None,
    };
    let mut pairs = exchange.asked.windows(2);
    let guarded = pairs
        .find(|pair| pair[0].manifest == pair[1].manifest && status_of(&pair[0]) == Some(401))?;
    match (scheme, status_of(&guarded[1])?) {
        (Some(Scheme::Basic), 200) => Some((Outcome::Ok, Some(200))),
        (Some(Scheme::Basic), 401) => Some((Outcome::Unauthorized, Some(401))),
        _ => None,
    }
}

/// The last word about each manifest, in the order in which they were first asked for.
fn manifests(exchange: &Exchange, login: Option<Outcome>) -> Vec<(Manifest, Outcome, Option<u16>)> {
    let mut judged: Vec<(Manifest, Outcome, Option<u16>)> = Vec::new();
    for asked in &exchange.asked {
        let Some(manifest) = &asked.manifest else {
            continue;
        };
        let outcome = of(&asked.answer, |answer| match asked.purpose {
            Purpose::ScopedToken | Purpose::AnonymousToken => of_scoped_token(login, answer),
            Purpose::AnonymousHead => of_anonymous(answer),
            Purpose::Head | Purpose::AnonymousPing | Purpose::Login => of_manifest(login, answer),
        });
        let row = (manifest.clone(), outcome, status(asked));
        match judged.iter_mut().find(|(known, ..)| known == manifest) {
            Some(known) => *known = row,
            None => judged.push(row),
        }
    }
    judged
}

fn status(asked: &Asked) -> Option<u16> {
    asked.answer.as_ref().ok().map(|answer| answer.status)
}

fn of(answer: &Result<Response, NetworkFault>, judge: impl Fn(&Response) -> Outcome) -> Outcome {
    match answer {
        Ok(response) => judge(response),
        Err(fault) => of_fault(*fault),
    }
}

/// How the login was sent: as the first challenge asked for that came without a credential.
fn followed_scheme(exchange: &Exchange) -> Option<Scheme> {
    exchange
        .asked
        .iter()
        .filter_map(|one| one.answer.as_ref().ok())
        .find_map(|answer| Challenge::followed(&answer.challenges))
        .map(|challenge| challenge.scheme)
}

/// A captive portal answers too, with 200 and a page.
fn is_registry(answer: &Response) -> bool {
    answer.speaks_registry || (answer.status == 401 && !answer.challenges.is_empty())
}

fn of_ping(answer: &Response) -> Outcome {
    match answer.status {
        200 | 401 if is_registry(answer) => Outcome::Ok,
        403 if is_registry(answer) => Outcome::Forbidden,
        404 => Outcome::NotFound,
        429 => of_too_many(answer),
        _ => Outcome::RegistryError,
    }
}

fn of_login(scheme: Option<Scheme>, answer: &Response) -> Outcome {
    match answer.status {
        200 if scheme == Some(Scheme::Bearer) && answer.token => Outcome::Ok,
        200 if scheme == Some(Scheme::Basic) && is_registry(answer) => Outcome::Ok,
        // a page with 401 is nginx before a registry, and means it
        401 => of_refusal(answer, Outcome::Unauthorized),
        // a page with 403 is a firewall, which knows nothing of credentials
        403 if !answer.html => of_refusal(answer, Outcome::Forbidden),
        429 => of_too_many(answer),
        // 404 at a token endpoint says that there is none; nothing about the credential
        _ => Outcome::RegistryError,
    }
}

/// The login went well, so a refusal here is one of this repository. Harbor gives 200 and an
/// anonymous token instead, and the manifest tells.
fn of_scoped_token(login: Option<Outcome>, answer: &Response) -> Outcome {
    match answer.status {
        401 => of_missing_right(login, answer),
        403 if !answer.html => of_refusal(answer, Outcome::Forbidden),
        429 => of_too_many(answer),
        _ => Outcome::RegistryError,
    }
}

fn of_manifest(login: Option<Outcome>, answer: &Response) -> Outcome {
    let says = |error| answer.challenges.iter().any(|one| one.error == Some(error));
    match answer.status {
        200 => Outcome::Ok,
        // The token is a second old: its clock or its keys are not the token server's.
        401 if says(ChallengeError::InvalidToken) => Outcome::RegistryError,
        401 if says(ChallengeError::InsufficientScope) => Outcome::Forbidden,
        401 => of_missing_right(login, answer),
        403 if !answer.html => of_refusal(answer, Outcome::Forbidden),
        404 if !answer.html => Outcome::NotFound,
        429 => of_too_many(answer),
        // 3xx to another host is legal and is not followed: it tells nothing either way.
        _ => Outcome::RegistryError,
    }
}

/// That anybody may read is believed of a registry alone: a portal gives its page to anybody too.
fn of_anonymous(answer: &Response) -> Outcome {
    match answer.status {
        200 if !is_registry(answer) => Outcome::RegistryError,
        _ => of_manifest(None, answer),
    }
}

/// 401 after a good login is missing permission (distribution, Harbor, Quay, every Basic registry);
/// without one it is what it says.
fn of_missing_right(login: Option<Outcome>, answer: &Response) -> Outcome {
    match login {
        Some(Outcome::Ok) => of_refusal(answer, Outcome::Forbidden),
        _ => of_refusal(answer, Outcome::Unauthorized),
    }
}

fn is_lockout(answer: &Response) -> bool {
    answer.phrases.contains(&Phrase::TooManyFailedLogins)
}

fn of_refusal(answer: &Response, plain: Outcome) -> Outcome {
    if is_lockout(answer) {
        Outcome::LockedOut
    } else if answer.phrases.contains(&Phrase::TokenExpired) {
        Outcome::Expired
    } else {
        plain
    }
}

/// Docker Hub's lockout is a 429 too (docker/hub-feedback#814).
fn of_too_many(answer: &Response) -> Outcome {
    if is_lockout(answer) {
        Outcome::LockedOut
    } else {
        Outcome::RateLimited
    }
}

/// What a request without an answer comes to.
pub(super) fn of_fault(fault: NetworkFault) -> Outcome {
    match fault {
        NetworkFault::Dns(_) => Outcome::Dns,
        NetworkFault::Timeout(_) => Outcome::Timeout,
        NetworkFault::Refused
        | NetworkFault::Closed
        | NetworkFault::Unreachable
        | NetworkFault::Proxy
        | NetworkFault::Other => Outcome::Connection,
        NetworkFault::Tls(_) => Outcome::Tls,
        NetworkFault::NotHttp | NetworkFault::TooLarge | NetworkFault::Challenge(_) => {
            Outcome::RegistryError
        }
        NetworkFault::Blocked(_) => Outcome::Blocked,
    }
}

/// Conclusive failures before inconclusive ones before success.
fn severity(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Ok => 0,
        inconclusive if !inconclusive.is_conclusive() => 1,
        Outcome::NotFound => 2,
        _ => 3,
    }
}
