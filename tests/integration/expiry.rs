//! Every date of a credential, and which one is shown.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use regcred_exporter::domain::credential::Credential;
use regcred_exporter::domain::expiry::{
    self, Confidence, CredentialKind, Declared, Expiry, ExpirySource, Sources,
};

const CANARY: &str = "c4n4ry-pa55word";

fn at(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

fn jwt(claims: &str) -> String {
    jwt_with(r#"{"alg":"RS256","typ":"JWT"}"#, claims)
}

fn jwt_with(header: &str, claims: &str) -> String {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.c2lnbmF0dXJl", part(header), part(claims))
}

fn ecr(expiration: &str) -> String {
    format!(
        r#"{{"payload":"{CANARY}","datakey":"AQEB","version":"2","type":"DATA_KEY","expiration":{expiration}}}"#
    )
}

fn of(username: &str, password: &str) -> Expiry {
    declared(username, password, &[], &[])
}

fn declared(
    username: &str,
    password: &str,
    annotations: &[(&str, &str)],
    data: &[(&str, &str)],
) -> Expiry {
    let map = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    };
    Expiry::of(
        &Credential::basic(username.as_bytes(), password.as_bytes()),
        &Declared {
            annotations: &map(annotations),
            data: &map(data),
        },
        &Sources::default(),
    )
}

/// What a row says: expires, issued, source, confidence.
type Told<'a> = (Option<&'a str>, Option<&'a str>, ExpirySource, Confidence);

const NOTHING: Told<'static> = (None, None, ExpirySource::None, Confidence::Unknown);

fn check(claim: &str, expiry: Expiry, told: Told<'_>) {
    let (expires, issued, source, confidence) = told;
    assert_eq!(expiry.expires, expires.map(at), "{claim}: expires");
    assert_eq!(expiry.issued, issued.map(at), "{claim}: issued");
    assert_eq!(expiry.source, source, "{claim}: source");
    assert_eq!(expiry.confidence, confidence, "{claim}: confidence");
}

#[test]
fn ecr_payload_tells_its_end() {
    let exact = (
        Some("2025-09-06T08:28:19Z"),
        Some("2025-09-05T20:28:19Z"),
        ExpirySource::Ecr,
        Confidence::Exact,
    );
    let seconds = ecr("1757147299");
    let rows = [
        ("seconds", STANDARD.encode(&seconds), exact),
        ("no padding", STANDARD_NO_PAD.encode(&seconds), exact),
        ("newline", format!("{}\n", STANDARD.encode(&seconds)), exact),
        ("milliseconds", STANDARD.encode(ecr("1757147299000")), exact),
        ("a string", STANDARD.encode(ecr(r#""1757147299""#)), exact),
        ("a float", STANDARD.encode(ecr("1757147299.5")), exact),
        ("negative", STANDARD.encode(ecr("-5")), NOTHING),
        ("zero", STANDARD.encode(ecr("0")), NOTHING),
        ("absurd", STANDARD.encode(ecr("1e300")), NOTHING),
        ("no number", STANDARD.encode(ecr(r#""soon""#)), NOTHING),
        ("infinite", STANDARD.encode(ecr(r#""inf""#)), NOTHING),
        ("null", STANDARD.encode(ecr("null")), NOTHING),
        ("a list", STANDARD.encode("[1757147299]"), NOTHING),
        (
            "no expiration",
            STANDARD.encode(r#"{"payload":"x"}"#),
            NOTHING,
        ),
        ("cut off", STANDARD.encode(&seconds[..40]), NOTHING),
        ("not base64", seconds.clone(), NOTHING),
        ("empty", String::new(), NOTHING),
    ];
    for (claim, password, told) in &rows {
        check(claim, of("AWS", password), *told);
    }
    check("another user", of("robot", &rows[0].1), exact);
}

#[test]
fn jwt_tells_its_end() {
    let exact = |issued| {
        (
            Some("2027-01-02T03:04:05Z"),
            issued,
            ExpirySource::Jwt,
            Confidence::Exact,
        )
    };
    let never = |issued| (None, issued, ExpirySource::Jwt, Confidence::Never);
    let issued = Some("2027-01-01T03:04:05Z");
    let rows = [
        ("exp", jwt(r#"{"exp":1798859045}"#), exact(None)),
        (
            "iat",
            jwt(r#"{"exp":1798859045,"iat":1798772645}"#),
            exact(issued),
        ),
        (
            "nbf",
            jwt(r#"{"exp":1798859045,"nbf":1798772645}"#),
            exact(issued),
        ),
        ("float", jwt(r#"{"exp":1798859045.75}"#), exact(None)),
        (
            "iat after exp",
            jwt(r#"{"exp":1798859045,"iat":1798859046}"#),
            exact(None),
        ),
        (
            "odd iat",
            jwt(r#"{"exp":1798859045,"iat":"x"}"#),
            exact(None),
        ),
        (
            "newline",
            format!("{}\n", jwt(r#"{"exp":1798859045}"#)),
            exact(None),
        ),
        (
            "the last wins",
            jwt(r#"{"exp":1,"exp":1798859045}"#),
            exact(None),
        ),
        (
            "no exp",
            jwt(r#"{"iat":1798772645,"iss":"kubernetes/serviceaccount"}"#),
            never(issued),
        ),
        ("no claims", jwt("{}"), never(None)),
        ("milliseconds", jwt(r#"{"exp":1798859045000}"#), NOTHING),
        ("negative", jwt(r#"{"exp":-1}"#), NOTHING),
        ("zero", jwt(r#"{"exp":0}"#), NOTHING),
        ("huge", jwt(r#"{"exp":1e308}"#), NOTHING),
        ("too huge", jwt(r#"{"exp":1e400}"#), NOTHING),
        ("a string", jwt(r#"{"exp":"1798859045"}"#), NOTHING),
        ("null", jwt(r#"{"exp":null}"#), NOTHING),
        (
            "no alg",
            jwt_with(r#"{"typ":"JWT"}"#, r#"{"exp":1798859045}"#),
            NOTHING,
        ),
        (
            "header no object",
            jwt_with(r#""alg""#, r#"{"exp":1798859045}"#),
            NOTHING,
        ),
        ("claims no object", jwt("[1]"), NOTHING),
        ("two parts", "e30.e30".to_owned(), NOTHING),
        (
            "four parts",
            format!("{}.e30", jwt(r#"{"exp":1798859045}"#)),
            NOTHING,
        ),
        ("dots", "..".to_owned(), NOTHING),
        (
            "deep",
            jwt(&format!("{}{}", "[".repeat(5000), "]".repeat(5000))),
            NOTHING,
        ),
        (
            "too long",
            jwt(&format!(
                r#"{{"exp":1798859045,"x":"{}"}}"#,
                "x".repeat(70_000)
            )),
            NOTHING,
        ),
    ];
    for (claim, password, told) in &rows {
        check(claim, of("oauth2accesstoken", password), *told);
    }
}

#[test]
fn reference_token_is_declared_and_never_withheld() {
    let token = |date: &str| STANDARD.encode(format!("reftkn:01:{date}:{CANARY}"));
    let told = (
        Some("2025-09-06T08:28:19Z"),
        None,
        ExpirySource::ReferenceToken,
        Confidence::Declared,
    );
    let expiry = of("ci", &token("1757147299"));
    check("a date", expiry, told);
    assert!(!expiry.is_expired_inside_at(at("2030-01-01T00:00:00Z")));
    for date in ["0000000000", "0", "", "x", "1e9", "-1"] {
        check(date, of("ci", &token(date)), NOTHING);
    }
}

#[test]
fn opaque_passwords_tell_nothing() {
    for (username, password) in [
        ("user", CANARY),
        (
            "_json_key",
            r#"{"type":"service_account","private_key_id":"x"}"#,
        ),
        ("user", "ghp_0123456789"),
        ("", ""),
        ("user", "\u{0}\u{fffd}\n"),
    ] {
        check(username, of(username, password), NOTHING);
    }
}

#[test]
fn declared_dates_are_read_in_each_spelling() {
    let date = |text| {
        (
            Some(text),
            None,
            ExpirySource::Annotation,
            Confidence::Declared,
        )
    };
    let rows = [
        ("2027-10-12T09:00:00Z", date("2027-10-12T09:00:00Z")),
        ("2027-10-12T09:00:00+02:00", date("2027-10-12T07:00:00Z")),
        (" 2027-10-12T09:00:00Z\n", date("2027-10-12T09:00:00Z")),
        ("2027-10-12", date("2027-10-12T00:00:00Z")),
        ("1757147299", date("2025-09-06T08:28:19Z")),
        ("1757147299.25", date("2025-09-06T08:28:19Z")),
        ("1757147299000", date("2025-09-06T08:28:19Z")),
        ("", NOTHING),
        ("soon", NOTHING),
        ("-1757147299", NOTHING),
        ("0", NOTHING),
        ("inf", NOTHING),
        ("1e9", NOTHING),
        ("99999999999999999999", NOTHING),
        ("1969-12-31", NOTHING),
        ("2027-13-01", NOTHING),
        ("2027-02-29", NOTHING),
        ("+12027-01-01", NOTHING),
        (
            "2027-10-12 at noon, or so, and then some more text to be too long",
            NOTHING,
        ),
    ];
    for (value, told) in rows {
        let annotation = [("regcred-exporter.io/expires-at", value)];
        check(value, declared("user", CANARY, &annotation, &[]), told);
    }
}

#[test]
fn precedence_is_annotation_password_data_key() {
    let own = "regcred-exporter.io/expires-at";
    let token = jwt(r#"{"exp":1798859045,"iat":1798772645}"#); // 2027-01-02T03:04:05Z
    let (inside, issued) = ("2027-01-02T03:04:05Z", "2027-01-01T03:04:05Z");
    let (earlier, later) = ("2027-01-01T12:00:00Z", "2028-01-01T00:00:00Z");
    let data = [("expires_at", "1"), ("expiry", later)];
    let by = |source| move |date| (Some(date), None, source, Confidence::Declared);
    let annotated = by(ExpirySource::Annotation);
    let exact = (
        Some(inside),
        Some(issued),
        ExpirySource::Jwt,
        Confidence::Exact,
    );

    check(
        "an annotation beats a data key",
        declared("u", CANARY, &[(own, later)], &data),
        annotated(later),
    );
    check(
        "an earlier annotation beats the password and keeps its issue time",
        declared("u", &token, &[(own, earlier)], &data),
        (
            Some(earlier),
            Some(issued),
            ExpirySource::Annotation,
            Confidence::Declared,
        ),
    );
    check(
        "an annotation from before the issue time hides it",
        declared("u", &token, &[(own, "2026-01-01")], &[]),
        annotated("2026-01-01T00:00:00Z"),
    );
    check(
        "no annotation outlives the date inside",
        declared("u", &token, &[(own, later)], &[]),
        exact,
    );
    check(
        "the password beats a data key",
        declared("u", &token, &[], &[("expiry", earlier)]),
        exact,
    );
    check(
        "unreadable annotations are passed over",
        declared("u", &token, &[(own, "soon")], &[]),
        exact,
    );
    check(
        "a date that is declared beats no end",
        declared("u", &jwt("{}"), &[(own, later)], &[]),
        annotated(later),
    );
    check(
        "data keys in their order",
        declared("u", CANARY, &[], &data),
        by(ExpirySource::DataKey)("1970-01-01T00:00:01Z"),
    );
    check(
        "other keys say nothing",
        declared("u", CANARY, &[("expires-at", later)], &[("until", later)]),
        NOTHING,
    );
}

#[test]
fn the_date_of_a_token_that_is_not_sent_is_shown_and_decides_nothing() {
    let token = jwt(r#"{"exp":1757147299}"#);
    let date = Some("2025-09-06T08:28:19Z");
    let shown = (date, None, ExpirySource::Jwt, Confidence::Exact);
    let acr = || Credential::basic(b"00000000-0000-0000-0000-000000000000", b"");
    let of = |credential: Credential, data: &[(&str, &str)]| {
        let data = data
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let declared = Declared {
            data: &data.collect(),
            ..Declared::default()
        };
        Expiry::of(&credential, &declared, &Sources::default())
    };
    for credential in [
        acr().with_identity_token(token.as_bytes()),
        acr().with_registry_token(token.as_bytes()),
        acr()
            .with_identity_token(b"opaque")
            .with_registry_token(token.as_bytes()),
        Credential::basic(b"u", CANARY.as_bytes()).with_identity_token(token.as_bytes()),
    ] {
        let expiry = of(credential, &[]);
        check("a token", expiry, shown);
        assert!(!expiry.is_expired_inside_at(at("2030-01-01T00:00:00Z")));
    }
    let with_data = of(
        acr().with_identity_token(token.as_bytes()),
        &[("expiry", "2027-01-01")],
    );
    assert_eq!(with_data.source, ExpirySource::DataKey);
    let sent = jwt(r#"{"exp":1798859045}"#);
    let with_password =
        Credential::basic(b"u", sent.as_bytes()).with_identity_token(token.as_bytes());
    assert_eq!(
        of(with_password, &[]).expires,
        Some(at("2027-01-02T03:04:05Z"))
    );

    assert_eq!(
        expiry::kind(&acr().with_identity_token(b"t")),
        CredentialKind::IdentityToken
    );
    assert_eq!(
        expiry::kind(&acr().with_registry_token(b"t")),
        CredentialKind::RegistryToken
    );
}

#[test]
fn nothing_that_is_cut_or_garbled_panics() {
    let whole = [
        jwt(r#"{"exp":1798859045,"iat":1.5e300}"#),
        STANDARD.encode(ecr("1757147299")),
        STANDARD.encode("reftkn:01:1757147299:x"),
        r#"{"private_key_id":"1","client_email":"a"}"#.to_owned(),
    ];
    for text in whole {
        for end in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[end] ^= 0x81;
            for password in [&text.as_bytes()[..end], &bytes] {
                let credential = Credential::basic(b"AWS", password).with_identity_token(password);
                let _ = Expiry::of(&credential, &Declared::default(), &Sources::default());
                let _ = expiry::kind(&credential);
            }
        }
    }
}

#[test]
fn configured_names_replace_the_defaults() {
    let annotations = BTreeMap::from([
        (
            "regcred-exporter.io/expires-at".to_owned(),
            "2027-01-01".to_owned(),
        ),
        ("example.com/until".to_owned(), "2028-01-01".to_owned()),
    ]);
    let sources = Sources {
        annotations: vec!["example.com/until".to_owned()],
        data_keys: Vec::new(),
    };
    let declared = Declared {
        annotations: &annotations,
        ..Declared::default()
    };
    let expiry = Expiry::of(&Credential::basic(b"u", b"p"), &declared, &sources);
    assert_eq!(expiry.expires, Some(at("2028-01-01T00:00:00Z")));
}

#[test]
fn a_date_inside_is_conclusive_after_its_leeway() {
    let inside = at("2025-09-06T08:28:19Z");
    let expired = [
        of("AWS", &STANDARD.encode(ecr("1757147299"))),
        of("u", &jwt(r#"{"exp":1757147299}"#)),
        // An annotation that promises more changes nothing: the registry will not have it.
        declared(
            "u",
            &jwt(r#"{"exp":1757147299}"#),
            &[("regcred-exporter.io/expires-at", "2030-01-01")],
            &[],
        ),
        declared(
            "u",
            &jwt(r#"{"exp":1757147299}"#),
            &[("regcred-exporter.io/expires-at", "2020-01-01")],
            &[],
        ),
    ];
    for expiry in expired {
        let leeway = TimeDelta::minutes(5);
        assert!(!expiry.is_expired_inside_at(inside));
        assert!(!expiry.is_expired_inside_at(inside + leeway - TimeDelta::milliseconds(1)));
        assert!(expiry.is_expired_inside_at(inside + leeway));
    }
}

#[test]
fn a_declared_date_never_withholds() {
    let far = at("2040-01-01T00:00:00Z");
    for expiry in [
        declared(
            "u",
            CANARY,
            &[("regcred-exporter.io/expires-at", "2020-01-01")],
            &[],
        ),
        declared("u", CANARY, &[], &[("expiry", "2020-01-01")]),
        of("u", &jwt("{}")),
        Expiry::UNKNOWN,
    ] {
        assert!(!expiry.is_expired_inside_at(far));
    }
}

#[test]
fn a_passed_date_is_doubtful_while_the_login_works() {
    let (before, after) = (at("2025-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z"));
    let said = declared(
        "u",
        CANARY,
        &[("regcred-exporter.io/expires-at", "2026-01-01")],
        &[],
    );
    let inside = of("u", &jwt(r#"{"exp":1757147299}"#));
    let rows = [
        (said, Some(true), before, Confidence::Declared),
        (said, Some(true), after, Confidence::Doubtful),
        (said, Some(false), after, Confidence::Declared),
        (said, None, after, Confidence::Declared),
        (inside, Some(true), before, Confidence::Exact),
        // The login that worked was sent before the date; none is sent after it.
        (inside, Some(true), after, Confidence::Exact),
        (of("u", &jwt("{}")), Some(false), after, Confidence::Never),
        (Expiry::UNKNOWN, Some(true), after, Confidence::Unknown),
    ];
    for (expiry, works, now, confidence) in rows {
        assert_eq!(
            expiry.believed(works, now),
            confidence,
            "{expiry:?} {works:?} {now}"
        );
    }
}

#[test]
fn kinds_are_told_by_their_form() {
    let key = r#"{"type":"service_account","private_key_id":"1","client_email":"a@b"}"#;
    let rows = [
        ("", "", CredentialKind::Anonymous),
        ("user", "", CredentialKind::Basic),
        ("user", CANARY, CredentialKind::Basic),
        ("AWS", CANARY, CredentialKind::Basic),
        ("AWS", &STANDARD.encode(ecr("1")), CredentialKind::Ecr),
        ("AWS", &STANDARD.encode(ecr("\"x\"")), CredentialKind::Ecr),
        ("user", &jwt("{}"), CredentialKind::Jwt),
        ("_json_key", "{}", CredentialKind::JsonKey),
        ("_json_key_base64", "e30=", CredentialKind::JsonKey),
        ("user", key, CredentialKind::JsonKey),
        ("user", r#"{"a":1}"#, CredentialKind::Basic),
        (
            "oauth2accesstoken",
            "ya29.x",
            CredentialKind::Oauth2AccessToken,
        ),
        (
            "user",
            &STANDARD.encode("reftkn:01:0:x"),
            CredentialKind::ReferenceToken,
        ),
    ];
    for (username, password, kind) in rows {
        let credential = Credential::basic(username.as_bytes(), password.as_bytes());
        assert_eq!(expiry::kind(&credential), kind, "{username}");
    }
}

#[test]
fn words_are_closed_and_distinct() {
    let sources = ExpirySource::ALL.map(ExpirySource::as_str);
    let confidences = Confidence::ALL.map(Confidence::as_str);
    let kinds = CredentialKind::ALL.map(CredentialKind::as_str);
    for words in [&sources[..], &confidences, &kinds] {
        for (index, word) in words.iter().enumerate() {
            assert!(
                word.bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
            );
            assert!(!words[..index].contains(word), "{word} twice");
        }
    }
}

#[test]
fn no_value_is_in_debug() {
    let token = jwt(&format!(r#"{{"exp":1798859045,"sub":"{CANARY}"}}"#));
    for password in [CANARY, &token, &STANDARD.encode(ecr("1757147299"))] {
        let expiry = format!("{:?}", of(CANARY, password));
        assert!(!expiry.contains(CANARY) && !expiry.contains(password));
    }
}
