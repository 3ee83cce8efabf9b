//! Passwords that are base64 of something with a date in it.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use chrono::TimeDelta;
use serde_json::{Map, Value};

use super::instant;
use super::{Confidence, Expiry, ExpirySource};

/// The longest password that is looked into. ECR's have about 2 KiB, the JWTs of cloud registries
/// up to 8 KiB; a header that carries more is refused by most servers.
pub(super) const LONGEST: usize = 64 * 1024;

/// AWS documents that an authorization token is valid for 12 hours (API reference of ECR,
/// AuthorizationData), so its issue time is known too.
const ECR_LIFETIME: TimeDelta = TimeDelta::hours(12);

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// An ECR password: base64 of `{"payload":...,"datakey":...,"version":"2","type":"DATA_KEY",
/// "expiration":1757147299}`. The user name is `AWS`, but what counts is what is inside.
pub(super) fn ecr(password: &[u8]) -> Option<Expiry> {
    let expiration = ecr_payload(password)?.remove("expiration")?;
    let Some(expires) = instant::seconds_or_milliseconds(&expiration) else {
        return Some(Expiry::UNKNOWN);
    };
    Some(Expiry {
        expires: Some(expires),
        issued: Some(expires - ECR_LIFETIME),
        source: ExpirySource::Ecr,
        confidence: Confidence::Exact,
        inside: Some(expires),
    })
}

/// The password has the form of ECR's, its date readable or not.
pub(super) fn is_ecr(password: &[u8]) -> bool {
    ecr_payload(password).is_some_and(|payload| payload.contains_key("expiration"))
}

/// A JFrog reference token: base64 of `reftkn:01:<unix seconds, 0 for none>:<random>`. The form is
/// not documented, so that its date never keeps a credential from being sent, and 0 proves nothing.
pub(super) fn reference_token(password: &[u8]) -> Option<Expiry> {
    let date = reference_date(password)?;
    Some(match instant::seconds(&date) {
        Some(expires) => Expiry::declared(expires, ExpirySource::ReferenceToken),
        None => Expiry::UNKNOWN,
    })
}

/// The password has the form of a JFrog reference token.
pub(super) fn is_reference_token(password: &[u8]) -> bool {
    reference_date(password).is_some()
}

fn ecr_payload(password: &[u8]) -> Option<Map<String, Value>> {
    serde_json::from_slice(&decoded(password)?).ok()
}

fn reference_date(password: &[u8]) -> Option<String> {
    let token = String::from_utf8(decoded(password)?).ok()?;
    let (date, _random) = token.strip_prefix("reftkn:01:")?.split_once(':')?;
    Some(date.to_owned())
}

fn decoded(password: &[u8]) -> Option<Vec<u8>> {
    let password = password.trim_ascii();
    if password.is_empty() || password.len() > LONGEST {
        return None;
    }
    BASE64.decode(password).ok()
}
