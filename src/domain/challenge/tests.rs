//! Headers as registries send them.

use super::*;

/// Renders what was read: `scheme|realm|service|scope|error`, challenges joined by a blank.
fn render(challenges: &[Challenge]) -> String {
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
    let lines: Vec<String> = challenges
        .iter()
        .map(|one| {
            let error = one
                .error
                .map_or_else(|| "-".to_owned(), |error| format!("{error:?}"));
            format!(
                "{:?}|{}|{}|{}|{error}",
                one.scheme,
                text(&one.realm),
                text(&one.service),
                text(&one.scope)
            )
        })
        .collect();
    lines.join(" ")
}

#[test]
fn every_shape_that_registries_send_is_read() {
    let check = |values: &[&str], expected: &str| {
        let read = render(&Challenge::parse_all(values.iter().copied()));
        assert_eq!(read, expected, "{values:?}");
    };
    // Docker Hub
    check(
        &[r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io""#],
        "Bearer|https://auth.docker.io/token|registry.docker.io|-|-",
    );
    // distribution, after a token without rights
    check(
        &[
            r#"Bearer realm="https://a/token",service="s",scope="repository:o/r:pull",error="insufficient_scope""#,
        ],
        "Bearer|https://a/token|s|repository:o/r:pull|InsufficientScope",
    );
    check(
        &[r#"Bearer error="invalid_token", realm="https://a/t""#],
        "Bearer|https://a/t|-|-|InvalidToken",
    );
    check(
        &[r#"Bearer error="odd",realm="https://a/t""#],
        "Bearer|https://a/t|-|-|Other",
    );
    // ECR
    check(
        &[
            r#"Basic realm="https://1.dkr.ecr.eu-west-1.amazonaws.com/",service="ecr.amazonaws.com""#,
        ],
        "Basic|https://1.dkr.ecr.eu-west-1.amazonaws.com/|ecr.amazonaws.com|-|-",
    );
    // Nexus with both realms: two headers, and one header with two challenges
    check(
        &[
            r#"Basic realm="Sonatype Nexus Repository Manager""#,
            r#"Bearer realm="https://n:5000/v2/token",service="https://n:5000/v2/token""#,
        ],
        "Basic|Sonatype Nexus Repository Manager|-|-|- \
         Bearer|https://n:5000/v2/token|https://n:5000/v2/token|-|-",
    );
    check(
        &[r#"Basic realm="b", Bearer realm="https://a/t",service="s""#],
        "Basic|b|-|-|- Bearer|https://a/t|s|-|-",
    );
    // case, blanks around =, escapes, commas inside quotes
    check(
        &[r#"BEARER Realm = "https://a/t" , SERVICE="s""#],
        "Bearer|https://a/t|s|-|-",
    );
    check(
        &[r#"bAsIc realm="say \"hi\", \\o""#],
        r#"Basic|say "hi", \o|-|-|-"#,
    );
    // what http-auth loses: unquoted URL, unquoted host:port, blank for comma, token68
    check(
        &["Bearer realm=https://a:5000/token?x=y,service=a:5000"],
        "Bearer|https://a:5000/token?x=y|a:5000|-|-",
    );
    check(
        &[r#"Bearer realm="https://a/t" service="s""#],
        "Bearer|https://a/t|s|-|-",
    );
    check(
        &[r#"Negotiate YII=, Bearer realm="https://a/t""#],
        "Other|-|-|-|- Bearer|https://a/t|-|-|-",
    );
    check(
        &[r#"NTLM TlRMTVNTUAAB==, Basic realm="b""#],
        "Other|-|-|-|- Basic|b|-|-|-",
    );
    check(
        &[r#"Negotiate Basic realm="b""#],
        "Other|-|-|-|- Basic|b|-|-|-",
    );
    check(
        &[r#"Digest realm="d", nonce="a=b==", qop=auth"#],
        "Other|d|-|-|-",
    );
    // bare, empty, broken
    check(&["Basic"], "Basic|-|-|-|-");
    check(&["Bearer realm=,service="], "Bearer|||-|-");
    check(
        &[r#"Bearer realm="https://a/t"#],
        "Bearer|https://a/t|-|-|-",
    );
    check(&[r#"realm="https://a/t""#], "");
    check(&["", " , ,", "=", "\"\""], "");
    check(
        &[r#"Bearer realm="first",realm="last""#],
        "Bearer|last|-|-|-",
    );
    check(&[r#"Bearer realm="ü\"#], "Bearer|ü|-|-|-");
}

#[test]
fn bearer_is_followed_before_basic_and_nothing_else() {
    let check = |values: &[&str], expected: Option<Scheme>| {
        let challenges = Challenge::parse_all(values.iter().copied());
        let followed = Challenge::followed(&challenges).map(|one| one.scheme);
        assert_eq!(followed, expected, "{values:?}");
    };
    check(&["Basic realm=b", "Bearer realm=r"], Some(Scheme::Bearer));
    check(&["Digest realm=d, Basic realm=b"], Some(Scheme::Basic));
    check(&["Negotiate", "Digest realm=d"], None);
    check(&[], None);
}

#[test]
fn hostile_headers_are_cut() {
    let many = "Basic, ".repeat(1000);
    assert_eq!(Challenge::parse_all([many.as_str()]).len(), MAX_CHALLENGES);
    let long = format!("Bearer realm=\"{}é\"", "x".repeat(MAX_VALUE_BYTES - 16));
    let realm = Challenge::parse_all([long.as_str()])[0].realm.clone();
    assert!(realm.unwrap().len() < MAX_VALUE_BYTES);
}

#[test]
fn any_text_is_read_to_its_end() {
    let alphabet = ['a', ' ', ',', '=', '"', '\\', 'é'];
    let mut texts = vec![String::new()];
    for _ in 0..5 {
        let longer: Vec<String> = texts
            .iter()
            .flat_map(|text| alphabet.iter().map(move |c| format!("{text}{c}")))
            .collect();
        for text in &longer {
            Challenge::parse_all([text.as_str()]);
        }
        texts = longer;
    }
}

#[test]
fn only_absolute_http_urls_are_realms() {
    let check = |text: &str, expected: Option<bool>| {
        let plain = Realm::parse(text).ok().map(|realm| realm.is_plain_http());
        assert_eq!(plain, expected, "{text:?}");
    };
    check("https://auth.docker.io/token", Some(false));
    check("HTTPS://auth.docker.io", Some(false));
    check(" https://a/t?x=y ", Some(false));
    check("http://localhost:5001/auth", Some(true));
    check("/token", None);
    check("//auth.docker.io/token", None);
    check("auth.docker.io/token", None);
    check("ftp://a/t", None);
    check("file:///etc/passwd", None);
    check("javascript://a/t", None);
    check("https://", None);
    check("https:///token", None);
    check("https://:443/token", None);
    check("https://user@a/t", None);
    check("https://good.example\\@10.0.0.1/t", None);
    check("https://a/t#f", None);
    check("https://a\t.example/t", None);
    check("https://a b/t", None);
    check("", None);
}

#[test]
fn the_query_of_a_realm_is_kept() {
    let check = |realm: &str, service, scope, expected: &str| {
        let url = Realm::parse(realm).unwrap().with_query(service, scope);
        assert_eq!(url, expected);
    };
    check(
        "https://a/t",
        Some("registry.docker.io"),
        None,
        "https://a/t?service=registry.docker.io",
    );
    check(
        "https://a/t?account=x",
        Some("s"),
        Some("repository:o/r:pull"),
        "https://a/t?account=x&service=s&scope=repository:o/r:pull",
    );
    check("https://a/t", None, None, "https://a/t");
    check("https://a/t", Some(""), None, "https://a/t");
    check(
        "https://a/t",
        Some("a&b =ü"),
        None,
        "https://a/t?service=a%26b%20%3D%C3%BC",
    );
}

#[test]
fn debug_shows_no_text_of_strangers() {
    let challenges = Challenge::parse_all([r#"Bearer realm="https://a/canary",service=canary"#]);
    let realm = Realm::parse("https://a/canary").unwrap();
    assert!(!format!("{challenges:?}{realm:?}").contains("canary"));
    let kept = render(&[challenges[0].without_texts()]);
    assert_eq!(kept, "Bearer|-|-|-|-");
}
