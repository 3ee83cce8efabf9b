//! Until when a credential works: every date that it or its Secret tells, and which one is shown.
//!
//! A date inside the credential (the ECR payload, a JWT's `exp`) is the registry's own word: once
//! it has passed, the credential is expired without being sent. A declared date (an annotation, a
//! data key beside the docker config) is a person's or a tool's word: it is shown and alerted on,
//! and never keeps a credential from being sent. Nothing here fails, and no value of a credential
//! is in what leaves: dates and closed words only.

mod instant;
mod jwt;
mod kind;
mod payload;

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::ExposeSecret;

use super::credential::Credential;
pub use kind::CredentialKind;

/// A credential is expired by the date inside it only when that date is so long past: clocks of
/// registries and ours differ, and registries grant leeway themselves.
pub const LEEWAY: TimeDelta = TimeDelta::minutes(5);

/// How far the date is believed, the `confidence` label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Confidence {
    /// It stands in the credential itself, in a format that is known.
    Exact,
    /// Somebody says so: an annotation, a data key, a format that is not documented.
    Declared,
    /// The credential proves that it has no end.
    Never,
    /// Nothing tells.
    Unknown,
    /// The date has passed and the login works.
    Doubtful,
}

impl Confidence {
    /// Every confidence.
    pub const ALL: [Self; 5] = [
        Self::Exact,
        Self::Declared,
        Self::Never,
        Self::Unknown,
        Self::Doubtful,
    ];

    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Declared => "declared",
            Self::Never => "never",
            Self::Unknown => "unknown",
            Self::Doubtful => "doubtful",
        }
    }
}

/// Where the date comes from, the `source` label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ExpirySource {
    /// From nowhere.
    None,
    /// `expiration` of the payload that is an ECR password.
    Ecr,
    /// `exp` of a JWT.
    Jwt,
    /// The date in a JFrog reference token, `reftkn:01:<unix seconds>:...`. Seen in the wild, not
    /// documented by JFrog and not verified: declared, never exact.
    ReferenceToken,
    /// An annotation of the Secret.
    Annotation,
    /// Another data key of the Secret, as external-secrets templates write it.
    DataKey,
}

impl ExpirySource {
    /// Every source.
    pub const ALL: [Self; 6] = [
        Self::None,
        Self::Ecr,
        Self::Jwt,
        Self::ReferenceToken,
        Self::Annotation,
        Self::DataKey,
    ];

    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Ecr => "ecr",
            Self::Jwt => "jwt",
            Self::ReferenceToken => "reference_token",
            Self::Annotation => "annotation",
            Self::DataKey => "data_key",
        }
    }
}

/// Where declared dates are looked for, each list in order of precedence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    /// Annotations of the Secret.
    pub annotations: Vec<String>,
    /// Data keys of the Secret, beside the docker config.
    pub data_keys: Vec<String>,
}

impl Default for Sources {
    /// Our own annotation, and the names that the generators of external-secrets use: `expires_at`
    /// (ECR), `expiry` (GCR, Quay); external-secrets generators/v1/{ecr,gcr,quay}.
    fn default() -> Self {
        Self {
            annotations: vec!["regcred-exporter.io/expires-at".to_owned()],
            data_keys: vec!["expires_at".to_owned(), "expiry".to_owned()],
        }
    }
}

/// What the Secret that holds a credential says about its date.
#[derive(Clone, Copy, Debug)]
pub struct Declared<'a> {
    /// Its annotations, at least those of [`Sources::annotations`].
    pub annotations: &'a BTreeMap<String, String>,
    /// Its data keys, at least those of [`Sources::data_keys`], base64 of the API taken off.
    pub data: &'a BTreeMap<String, String>,
}

impl Default for Declared<'static> {
    /// Nothing is said, as for a file.
    fn default() -> Self {
        static NOTHING: BTreeMap<String, String> = BTreeMap::new();
        Self {
            annotations: &NOTHING,
            data: &NOTHING,
        }
    }
}

/// Until when a credential works, as far as can be told without asking anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// The date that is shown.
    pub expires: Option<DateTime<Utc>>,
    /// When the credential was issued.
    pub issued: Option<DateTime<Utc>>,
    /// Where `expires` comes from.
    pub source: ExpirySource,
    /// How far it is believed before any login; see [`Expiry::believed`].
    pub confidence: Confidence,
    /// The date in the password itself: the only one that keeps a credential from being sent.
    pub inside: Option<DateTime<Utc>>,
}

impl Expiry {
    /// Nothing is known.
    pub const UNKNOWN: Self = Self {
        expires: None,
        issued: None,
        source: ExpirySource::None,
        confidence: Confidence::Unknown,
        inside: None,
    };

    /// Reads every date and decides which is shown: an annotation, the date inside the password,
    /// a data key, the date inside a token that the kubelet does not send.
    ///
    /// An annotation cannot make a credential outlive the date inside it: where both are there the
    /// earlier is shown, so that nobody is told of a date on which pulls have long failed.
    pub fn of(credential: &Credential, declared: &Declared<'_>, sources: &Sources) -> Self {
        let password = inside(credential.password().expose_secret());
        let annotated = first_of(
            &sources.annotations,
            declared.annotations,
            ExpirySource::Annotation,
        );
        match (password, annotated) {
            (Some(password), Some(annotated)) if password.outlives(&annotated) => Self {
                issued: password
                    .issued
                    .filter(|date| Some(*date) < annotated.expires),
                inside: password.inside,
                ..annotated
            },
            (None, Some(annotated)) => annotated,
            (Some(password), _) if password.expires.is_some() => password,
            (password, _) => first_of(&sources.data_keys, declared.data, ExpirySource::DataKey)
                .or(password)
                .or_else(|| unsent(credential))
                .unwrap_or(Self::UNKNOWN),
        }
    }

    /// The date inside the credential has passed: expired, conclusively, without being sent.
    pub fn is_expired_inside_at(&self, now: DateTime<Utc>) -> bool {
        self.inside.is_some_and(|date| is_past(date, now))
    }

    /// When the date inside the credential will have passed; `None` if it has, or there is none.
    pub fn expires_inside_after(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let over = self.inside?.checked_add_signed(LEEWAY)?;
        (over > now).then_some(over)
    }

    /// How far the date is believed in the light of the newest conclusive login: a date that has
    /// passed is doubtful while the login works.
    pub fn believed(&self, login_works: Option<bool>, now: DateTime<Utc>) -> Confidence {
        // Expired inside is never sent, so a login that worked did so before that date.
        let contradicted = login_works == Some(true)
            && !self.is_expired_inside_at(now)
            && self.expires.is_some_and(|date| is_past(date, now));
        if contradicted {
            Confidence::Doubtful
        } else {
            self.confidence
        }
    }

    fn declared(expires: DateTime<Utc>, source: ExpirySource) -> Self {
        Self {
            expires: Some(expires),
            source,
            confidence: Confidence::Declared,
            ..Self::UNKNOWN
        }
    }

    /// It ends later than a declared date, or has no end that is known.
    fn outlives(&self, declared: &Self) -> bool {
        self.expires.is_none_or(|end| Some(end) > declared.expires)
    }
}

/// Tells the sort of a credential by its form alone.
pub fn kind(credential: &Credential) -> CredentialKind {
    let username = credential.username().expose_secret();
    let password = credential.password().expose_secret();
    if !password.is_empty() {
        kind::of_password(username, password)
    } else if credential.identity_token().is_some() {
        CredentialKind::IdentityToken
    } else if credential.registry_token().is_some() {
        CredentialKind::RegistryToken
    } else if username.is_empty() {
        CredentialKind::Anonymous
    } else {
        CredentialKind::Basic
    }
}

fn is_past(date: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    now.signed_duration_since(date) >= LEEWAY
}

/// The date inside a password.
fn inside(password: &[u8]) -> Option<Expiry> {
    payload::ecr(password)
        .or_else(|| jwt::read(password))
        .or_else(|| payload::reference_token(password))
}

/// The date inside a token that stands in the entry and is not sent: the kubelet fills in user name
/// and password only (k8s pkg/credentialprovider/keyring.go `Add`), so such an entry pulls
/// anonymously, and this date decides nothing.
fn unsent(credential: &Credential) -> Option<Expiry> {
    [credential.identity_token(), credential.registry_token()]
        .into_iter()
        .flatten()
        .find_map(|token| inside(token.expose_secret()))
        .map(|expiry| Expiry {
            inside: None,
            ..expiry
        })
}

/// The first of `names` that has a value which is a date.
fn first_of(
    names: &[String],
    values: &BTreeMap<String, String>,
    source: ExpirySource,
) -> Option<Expiry> {
    names
        .iter()
        .filter_map(|name| values.get(name))
        .find_map(|value| instant::declared(value))
        .map(|expires| Expiry::declared(expires, source))
}
