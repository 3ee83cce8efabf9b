//! An HTTP answer to facts: of closed lists, and bounded.

mod quota;

use chrono::{DateTime, Utc};
use reqwest::header::{CONTENT_TYPE, HeaderMap, WWW_AUTHENTICATE};
use secrecy::SecretString;
use serde::Deserialize;

pub(super) use quota::payer;

use super::{retry_after, signs};
use crate::domain::challenge::Challenge;
use crate::domain::exchange::{ErrorCode, Phrase, Response};

/// The head of an answer and as much of its body as was read.
pub(super) struct Raw<'a> {
    pub(super) status: u16,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a [u8],
    /// When it came.
    pub(super) at: DateTime<Utc>,
}

/// Texts that tell, in lower case. A registry writes what it likes; these were seen.
const PHRASES: &[(&str, Phrase)] = &[
    (
        "too many failed login attempts",
        Phrase::TooManyFailedLogins,
    ),
    ("too many login attempts", Phrase::TooManyFailedLogins),
    ("token has expired", Phrase::TokenExpired),
    ("token is expired", Phrase::TokenExpired),
    ("token expired", Phrase::TokenExpired),
    ("expired token", Phrase::TokenExpired),
    ("password has expired", Phrase::TokenExpired),
    ("credentials have expired", Phrase::TokenExpired),
    ("incorrect username or password", Phrase::IncorrectPassword),
    ("reached your pull rate limit", Phrase::PullLimit),
    (
        "reached your unauthenticated pull rate limit",
        Phrase::PullLimit,
    ),
    (
        "blocked due to recurrent login failures",
        Phrase::LoginBlocked,
    ),
    ("is not allowed access", Phrase::AddressNotAllowed),
    ("authentication required", Phrase::AuthenticationRequired),
];

/// The facts of an answer to a request without a credential.
pub(super) fn read(raw: &Raw<'_>) -> Response {
    let text = String::from_utf8_lossy(raw.body).to_ascii_lowercase();
    let errors = serde_json::from_slice::<Errors>(raw.body).ok();
    let html = is_html(raw.headers, &text);
    Response {
        status: raw.status,
        challenges: challenges(raw.headers),
        speaks_registry: raw.headers.contains_key("docker-distribution-api-version")
            || errors.as_ref().is_some_and(Errors::are_of_a_registry)
            || (raw.status == 200 && !html && is_bare_or_json(raw.body)),
        html,
        codes: errors.as_ref().map(Errors::known).unwrap_or_default(),
        phrases: phrases(&text),
        retry_after: retry_after::read(raw, &text),
        rate_limit: quota::read(raw.status, raw.headers, &text, raw.at),
        token: false,
        signs: signs::read(raw.headers),
    }
}

/// Takes out what an answer may have reflected of the credential that it answers.
pub(super) fn without_reflections(mut response: Response) -> Response {
    for challenge in &mut response.challenges {
        *challenge = challenge.without_texts();
    }
    response
}

/// The token of a token answer, under either of its names.
pub(super) fn token(body: &[u8]) -> Option<SecretString> {
    token_text(body).map(SecretString::from)
}

fn token_text(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Answer {
        token: Option<String>,
        access_token: Option<String>,
    }
    let answer: Answer = serde_json::from_slice(body).ok()?;
    let named = [answer.token, answer.access_token];
    named.into_iter().flatten().find(|text| !text.is_empty())
}

/// The error body of the distribution specification; whatever else stands there is left.
#[derive(Deserialize)]
struct Errors {
    errors: Vec<OneError>,
}

#[derive(Deserialize)]
struct OneError {
    code: Option<serde_json::Value>,
}

impl Errors {
    fn are_of_a_registry(&self) -> bool {
        self.errors.iter().any(|one| one.text().is_some())
    }

    fn known(&self) -> Vec<ErrorCode> {
        let is_here = |code: &ErrorCode| {
            let mut texts = self.errors.iter().filter_map(OneError::text);
            texts.any(|text| text == code.as_str())
        };
        ErrorCode::ALL.iter().copied().filter(is_here).collect()
    }
}

impl OneError {
    fn text(&self) -> Option<&str> {
        self.code.as_ref()?.as_str()
    }
}

fn challenges(headers: &HeaderMap) -> Vec<Challenge> {
    let values: Vec<_> = headers
        .get_all(WWW_AUTHENTICATE)
        .iter()
        .map(|value| String::from_utf8_lossy(value.as_bytes()))
        .collect();
    Challenge::parse_all(values.iter().map(AsRef::as_ref))
}

fn phrases(text: &str) -> Vec<Phrase> {
    let mut found: Vec<Phrase> = PHRASES
        .iter()
        .filter(|(needle, _)| text.contains(needle))
        .map(|(_, phrase)| *phrase)
        .collect();
    if text.trim() == "forbidden" {
        found.push(Phrase::BareForbidden);
    }
    found.dedup();
    found
}

fn is_html(headers: &HeaderMap, text: &str) -> bool {
    let declared = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.to_ascii_lowercase().starts_with("text/html"));
    let text = text.trim_start_matches('\u{feff}').trim_start();
    // an error body in JSON that is declared as a page is none
    let is_page = text.starts_with("<!doctype html") || text.starts_with("<html");
    is_page || (declared && !text.starts_with('{'))
}

/// distribution answers `{}`, Quay `true`, some nothing.
fn is_bare_or_json(body: &[u8]) -> bool {
    body.iter().all(u8::is_ascii_whitespace)
        || serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at() -> DateTime<Utc> {
        "2026-11-23T08:00:00Z".parse().unwrap()
    }

    fn read_one(status: u16, headers: &[(&'static str, &str)], body: &str) -> Response {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        read(&Raw {
            status,
            headers: &map,
            body: body.as_bytes(),
            at: at(),
        })
    }

    #[test]
    fn a_registry_is_known_by_header_error_body_or_bare_answer() {
        let check = |status, headers: &[(&'static str, &str)], body, registry, html| {
            let response = read_one(status, headers, body);
            let said = (response.speaks_registry, response.html);
            assert_eq!(said, (registry, html), "{status} {headers:?} {body}");
        };
        let version = ("docker-distribution-api-version", "registry/2.0");
        let page = ("content-type", "text/html; charset=utf-8");
        check(200, &[version], "{}", true, false);
        check(200, &[], "{}", true, false);
        check(200, &[], "true", true, false);
        check(200, &[], "", true, false);
        check(200, &[page], "", false, true);
        check(200, &[], "<html>log in</html>", false, true);
        check(200, &[], "\u{feff}\n<!DOCTYPE html>", false, true);
        check(200, &[], "welcome", false, false);
        check(401, &[], "", false, false);
        check(401, &[version], "Not Authorized", true, false);
        check(
            429,
            &[],
            r#"{"errors":[{"code":"TOOMANYREQUESTS"}]}"#,
            true,
            false,
        );
        check(503, &[], r#"{"errors":[{"code":"ODD"}]}"#, true, false);
        check(
            403,
            &[page],
            r#"{"errors":[{"code":"DENIED"}]}"#,
            true,
            false,
        );
        check(403, &[], r#"{"errors":[]}"#, false, false);
        check(403, &[], r#"{"errors":"no"}"#, false, false);
        check(403, &[], r#"{"errors":[{"code":7}]}"#, false, false);
        check(502, &[page], "bad gateway", false, true);
    }

    #[test]
    fn codes_and_phrases_come_from_closed_lists() {
        let check = |body: &str, codes: &[ErrorCode], phrases: &[Phrase]| {
            let response = read_one(400, &[], body);
            assert_eq!(response.codes, codes, "{body}");
            assert_eq!(response.phrases, phrases, "{body}");
        };
        check(
            r#"{"errors":[{"code":"UNAUTHORIZED","message":"canary"},{"code":"SECRET"},{"code":"UNAUTHORIZED"}]}"#,
            &[ErrorCode::Unauthorized],
            &[],
        );
        check(
            r#"{"details":"incorrect username or password"}"#,
            &[],
            &[Phrase::IncorrectPassword],
        );
        check(
            r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"Too many failed login attempts for username or IP address"}]}"#,
            &[ErrorCode::TooManyRequests],
            &[Phrase::TooManyFailedLogins],
        );
        check(
            "denied: Your Authorization Token has expired. Reauthenticate and try again.",
            &[],
            &[Phrase::TokenExpired],
        );
        check(
            "You have reached your pull rate limit.",
            &[],
            &[Phrase::PullLimit],
        );
        check(
            r#"{"errors":[{"status":403,"message":"This request is blocked due to recurrent login failures, please try again in 5 seconds"}]}"#,
            &[],
            &[Phrase::LoginBlocked],
        );
        check("Forbidden\n", &[], &[Phrase::BareForbidden]);
        check("access forbidden", &[], &[]);
        check("the certificate has expired", &[], &[]);
        check("", &[], &[]);
    }

    #[test]
    fn a_token_has_either_name() {
        let check = |body: &str, expected: Option<&str>| {
            assert_eq!(token_text(body.as_bytes()).as_deref(), expected, "{body}");
        };
        check(r#"{"token":"a"}"#, Some("a"));
        check(r#"{"access_token":"b","expires_in":300}"#, Some("b"));
        check(r#"{"token":"a","access_token":"b"}"#, Some("a"));
        check(r#"{"token":null,"access_token":"b"}"#, Some("b"));
        check(r#"{"token":"","access_token":"b"}"#, Some("b"));
        check(r#"{"token":""}"#, None);
        check("{}", None);
        check(r#"{"token":7}"#, None);
        check("<html>", None);
        check("", None);
    }

    #[test]
    fn what_answers_a_credential_keeps_no_texts() {
        let headers = [(
            "www-authenticate",
            r#"Bearer realm="https://a/canary",error=invalid_token"#,
        )];
        let kept = without_reflections(read_one(401, &headers, ""));
        assert_eq!(kept.challenges[0].realm, None);
        assert!(kept.challenges[0].error.is_some());
    }
}
