//! A JWT's own dates. No signature is checked: whoever holds the token can read its end, and the
//! registry alone decides whether it is genuine. Of its claims nothing but dates leaves this file.

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};

use super::instant;
use super::payload::LONGEST;
use super::{Confidence, Expiry, ExpirySource};

/// RFC 7515 leaves the padding out; tools that keep it are read too.
const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The dates of a JWT; `None` when the text is none.
pub(super) fn read(token: &[u8]) -> Option<Expiry> {
    let claims = claims(token)?;
    let number = |name: &str| claims.get(name).and_then(Value::as_number);
    let expires = number("exp").and_then(instant::numeric_date);
    let issued = number("iat")
        .or_else(|| number("nbf"))
        .and_then(instant::numeric_date)
        .filter(|issued| expires.is_none_or(|expires| *issued < expires));
    let (source, confidence) = match (expires, claims.contains_key("exp")) {
        (Some(_), _) => (ExpirySource::Jwt, Confidence::Exact),
        // RFC 7519 section 4.1.4: a JWT without `exp` does not end by itself, as the tokens of
        // ServiceAccounts before Kubernetes 1.24 do not.
        (None, false) => (ExpirySource::Jwt, Confidence::Never),
        // An `exp` that is no date of ours proves nothing.
        (None, true) => (ExpirySource::None, Confidence::Unknown),
    };
    Some(Expiry {
        expires,
        issued,
        source,
        confidence,
        inside: expires,
    })
}

/// The text has the form of a JWT: three parts, the first a header that names an algorithm.
pub(super) fn is_jwt(token: &[u8]) -> bool {
    claims(token).is_some()
}

fn claims(token: &[u8]) -> Option<Map<String, Value>> {
    let token = token.trim_ascii();
    if token.len() > LONGEST {
        return None;
    }
    let mut parts = token.split(|byte| *byte == b'.');
    let (header, payload, _signature) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || !object(header)?.contains_key("alg") {
        return None;
    }
    object(payload)
}

fn object(part: &[u8]) -> Option<Map<String, Value>> {
    serde_json::from_slice(&BASE64URL.decode(part).ok()?).ok()
}
