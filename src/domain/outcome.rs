//! What the facts of a conversation mean.
//!
//! [`classify`] alone judges: a new registry quirk is a row of its [table] and of
//! docs/registries.md, never a change of I/O.

mod situation;
mod table;
#[cfg(test)]
mod tests;

use chrono::{DateTime, Utc};

pub use situation::{Meaning, Situation};
use table::At;

use super::challenge::{Challenge, Scheme};
use super::exchange::{Asked, Exchange, Manifest, NetworkFault, Phrase, Purpose, Response, Step};
use super::provider::Provider;
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
    /// Who answered, as far as host name and answers tell.
    pub provider: Provider,
    /// Of the anonymous ping. Says nothing about the credential, not even when it is `forbidden`.
    pub ping: Outcome,
    /// The registry answers anonymous `/v2/` in the registry protocol, whatever it says.
    pub up: bool,
    /// It asked the anonymous ping for Basic: nothing there is public, whatever is asked for.
    pub guards_all: bool,
    /// Of the login; `None` if none was tried: the ping failed, the credential is anonymous, or the
    /// registry asks for none at `/v2/` and no guarded manifest told either.
    pub login: Option<Meaning>,
    /// Of the manifests that were asked for, in that order.
    pub manifests: Vec<(Manifest, Meaning)>,
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

/// A meaning and the status that led to it, if there was an answer.
type Judged = (Meaning, Option<u16>);

/// Judges a conversation, by the habits of whoever answered.
pub fn classify(exchange: &Exchange) -> Judgement {
    let provider = Provider::of(&exchange.registry, &exchange.asked);
    let last = |purpose| exchange.asked.iter().rfind(|one| one.purpose == purpose);
    let pinged = last(Purpose::AnonymousPing);
    let ping = pinged.map_or(Meaning::plain(Outcome::RegistryError), |one| {
        of(&one.answer, |answer| of_ping(provider, answer))
    });
    let mut steps = vec![(Step::Ping, ping.outcome, pinged.and_then(status))];

    let scheme = followed_scheme(exchange);
    let login = match last(Purpose::Login) {
        Some(one) => Some((
            of(&one.answer, |answer| of_login(provider, scheme, answer)),
            status(one),
        )),
        None => login_by_manifest(exchange, scheme),
    };
    steps.extend(login.map(|(login, status)| (Step::Token, login.outcome, status)));
    let login = login.map(|(login, _)| login);

    let judged = manifests(exchange, provider, login);
    let worst = judged
        .iter()
        .max_by_key(|(_, (meaning, _))| severity(meaning.outcome));
    steps.extend(worst.map(|(_, (meaning, status))| (Step::Manifest, meaning.outcome, *status)));

    Judgement {
        provider,
        ping: ping.outcome,
        up: pinged.is_some_and(|one| one.answer.as_ref().is_ok_and(is_registry)),
        guards_all: pinged.is_some_and(|one| one.answer.as_ref().is_ok_and(guards_all)),
        login,
        manifests: judged
            .into_iter()
            .map(|(manifest, (meaning, _))| (manifest, meaning))
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

/// Whether several things have this status for a manifest, and only the body tells them apart.
pub(super) fn body_decides(provider: Provider, status: u16) -> bool {
    table::body_decides(provider, status)
}

/// The login where an open `/v2/` takes any and a manifest is guarded with Basic: asked for without
/// a credential it was refused, and the next answer, to the credential, tells. 401 may mean missing
/// permission too; but nowhere else does this registry look at a login, and one that may be wrong
/// is not to be sent every quarter of an hour.
fn login_by_manifest(exchange: &Exchange, scheme: Option<Scheme>) -> Option<Judged> {
    const MAY_MEAN: &[Situation] = &[
        Situation::WrongPassword,
        Situation::ExpiredCredential,
        Situation::NoRight,
    ];
    let status_of = |asked: &Asked| match asked.purpose {
        Purpose::Head | Purpose::Get => status(asked),
        Purpose::AnonymousPing
        | Purpose::Login
        | Purpose::ScopedToken
        | Purpose::AnonymousToken
        | Purpose::AnonymousHead => None,
    };
    let mut pairs = exchange.asked.windows(2);
    let guarded = pairs
        .find(|pair| pair[0].manifest == pair[1].manifest && status_of(&pair[0]) == Some(401))?;
    let meaning = match (scheme, status_of(&guarded[1])?) {
        (Some(Scheme::Basic), 200) => Meaning::plain(Outcome::Ok),
        (Some(Scheme::Basic), 401) => Meaning {
            may_mean: MAY_MEAN,
            ..Meaning::plain(Outcome::Unauthorized)
        },
        _ => return None,
    };
    Some((meaning, status_of(&guarded[1])))
}

/// The last word about each manifest, in the order in which they were first asked for. A `GET` that
/// brought no answer leaves what its `HEAD` had brought.
fn manifests(
    exchange: &Exchange,
    provider: Provider,
    login: Option<Meaning>,
) -> Vec<(Manifest, Judged)> {
    let mut judged: Vec<(Manifest, Judged)> = Vec::new();
    for asked in &exchange.asked {
        let Some(manifest) = &asked.manifest else {
            continue;
        };
        let meaning = of(&asked.answer, |answer| match asked.purpose {
            Purpose::ScopedToken | Purpose::AnonymousToken => {
                of_scoped_token(provider, login, answer)
            }
            Purpose::AnonymousHead => of_anonymous(provider, answer),
            Purpose::Head | Purpose::Get | Purpose::AnonymousPing | Purpose::Login => {
                of_manifest(provider, login, answer)
            }
        });
        let row = (meaning, status(asked));
        let adds_nothing = asked.purpose == Purpose::Get && asked.answer.is_err();
        match judged.iter_mut().find(|(known, _)| known == manifest) {
            Some(_) if adds_nothing => {}
            Some((_, known)) => *known = row,
            None => judged.push((manifest.clone(), row)),
        }
    }
    judged
}

fn status(asked: &Asked) -> Option<u16> {
    asked.answer.as_ref().ok().map(|answer| answer.status)
}

fn of(answer: &Result<Response, NetworkFault>, judge: impl Fn(&Response) -> Meaning) -> Meaning {
    match answer {
        Ok(response) => judge(response),
        Err(fault) => Meaning::plain(of_fault(*fault)),
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

/// A registry that asks for Basic at `/v2/` has one door (RFC 9110 section 11.6.1: the realm is the
/// whole of it), where one that sends to a token endpoint gives tokens to anybody as it likes.
fn guards_all(answer: &Response) -> bool {
    let followed = Challenge::followed(&answer.challenges);
    answer.status == 401 && followed.is_some_and(|challenge| challenge.scheme == Scheme::Basic)
}

fn of_ping(provider: Provider, answer: &Response) -> Meaning {
    if let Some(told) = by_table(provider, At::Ping, answer) {
        return told;
    }
    Meaning::plain(match answer.status {
        200 | 401 if is_registry(answer) => Outcome::Ok,
        403 if is_registry(answer) => Outcome::Forbidden,
        404 => Outcome::NotFound,
        _ => Outcome::RegistryError,
    })
}

fn of_login(provider: Provider, scheme: Option<Scheme>, answer: &Response) -> Meaning {
    let is_good = match scheme {
        Some(Scheme::Bearer) => answer.token,
        Some(Scheme::Basic) => is_registry(answer),
        Some(Scheme::Other) | None => false,
    };
    match answer.status {
        200 if is_good => Meaning::plain(Outcome::Ok),
        // 404 at a token endpoint says that there is none; nothing about the credential
        _ => told_or_error(provider, At::Login, answer),
    }
}

/// The login went well, so a refusal here is one of this repository. Harbor gives 200 and an
/// anonymous token instead, and the manifest tells.
fn of_scoped_token(provider: Provider, login: Option<Meaning>, answer: &Response) -> Meaning {
    let at = match is_good(login) {
        true => At::Token,
        false => At::TokenForNobody,
    };
    told_or_error(provider, at, answer)
}

fn of_manifest(provider: Provider, login: Option<Meaning>, answer: &Response) -> Meaning {
    let at = match is_good(login) {
        true => At::Manifest,
        false => At::ManifestForNobody,
    };
    match answer.status {
        200 => Meaning::plain(Outcome::Ok),
        // 3xx to another host is legal and is not followed: it tells nothing either way.
        _ => told_or_error(provider, at, answer),
    }
}

/// That anybody may read is believed of a registry alone: a portal gives its page to anybody too.
fn of_anonymous(provider: Provider, answer: &Response) -> Meaning {
    match answer.status {
        200 if !is_registry(answer) => Meaning::plain(Outcome::RegistryError),
        _ => of_manifest(provider, None, answer),
    }
}

fn is_good(login: Option<Meaning>) -> bool {
    login.is_some_and(|login| login.outcome == Outcome::Ok)
}

/// Says itself that logins are held back: no quota.
fn is_lockout(answer: &Response) -> bool {
    let says = |phrase| answer.phrases.contains(&phrase);
    says(Phrase::TooManyFailedLogins) || says(Phrase::LoginBlocked)
}

fn told_or_error(provider: Provider, at: At, answer: &Response) -> Meaning {
    by_table(provider, at, answer).unwrap_or(Meaning::plain(Outcome::RegistryError))
}

/// A page with 401 is nginx before a registry, and means it. One with 403 is a firewall, one with 404
/// some other site: they know nothing of credentials.
fn by_table(provider: Provider, at: At, answer: &Response) -> Option<Meaning> {
    if answer.html && matches!(answer.status, 403 | 404) {
        return None;
    }
    table::look_up(provider, at, answer)
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
