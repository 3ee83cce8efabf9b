//! Who is asked what, in which order, and what it means.

use std::time::Duration;

use chrono::TimeDelta;
use regcred_exporter::domain::credential::Credential;
use regcred_exporter::domain::exchange::{ChallengeFault, NetworkFault, Purpose};
use regcred_exporter::domain::outcome::{Outcome, classify};
use regcred_stand_ins::registry::{Answer, Behaviour, On, Place, Step};

use super::bench::{Bench, PASSWORD, Raw, fault, lines, now, purposes, targets, verdict};

#[tokio::test]
async fn bearer_is_asked_step_by_step() {
    let bench = Bench::new();
    let registry = bench
        .start(
            Behaviour::docker_hub()
                .user_for("bot", PASSWORD, &["org/app"])
                .manifest("org/app", "1.0")
                .manifest("org/secret", "1.0"),
        )
        .await;
    let wants = ["org/app:1.0", "org/app:2.0", "org/secret:1.0"];
    let exchange = bench.converse(registry.host(), "bot", &wants).await;

    assert_eq!(verdict(&exchange), "ok ok ok,not_found,forbidden");
    let requests = registry.requests();
    let service = "/token?service=registry.docker.io";
    let expected = [
        "GET /v2/".to_owned(),
        format!("GET {service} basic:bot"),
        format!("GET {service}&scope=repository:org/app:pull basic:bot"),
        "HEAD /v2/org/app/manifests/1.0 bearer".to_owned(),
        format!("GET {service}&scope=repository:org/app:pull basic:bot"),
        "HEAD /v2/org/app/manifests/2.0 bearer".to_owned(),
        format!("GET {service}&scope=repository:org/secret:pull basic:bot"),
        "HEAD /v2/org/secret/manifests/1.0 bearer".to_owned(),
    ];
    assert_eq!(lines(&requests), expected);
    assert_eq!(requests[1].place, Place::Realm);
    let accept = requests[3].accept.as_deref().unwrap();
    for kind in [
        "oci.image.index",
        "oci.image.manifest",
        "manifest.list.v2",
        "docker.distribution.manifest.v2",
    ] {
        assert!(accept.contains(kind), "{accept}");
    }
    let agent = requests[0].user_agent.as_deref().unwrap();
    assert_eq!(
        agent,
        format!("regcred-exporter/{}", env!("CARGO_PKG_VERSION"))
    );
    assert_eq!(registry.refused_logins("bot"), 0);
    // one connection to the registry and one to its realm
    assert_eq!(registry.connections(), 2);
}

#[tokio::test]
async fn basic_is_asked_step_by_step() {
    let bench = Bench::new();
    let registry = bench
        .start(
            Behaviour::basic()
                .user_for("bot", PASSWORD, &["org/app"])
                .manifest("org/app", "1.0")
                .manifest("org/secret", "1.0"),
        )
        .await;
    let wants = ["org/app:1.0", "org/secret:1.0"];
    let exchange = bench.converse(registry.host(), "bot", &wants).await;

    assert_eq!(verdict(&exchange), "ok ok ok,forbidden");
    let expected = [
        "GET /v2/",
        "GET /v2/ basic:bot",
        "HEAD /v2/org/app/manifests/1.0 basic:bot",
        "HEAD /v2/org/secret/manifests/1.0 basic:bot",
    ];
    assert_eq!(lines(&registry.requests()), expected);
}

#[tokio::test]
async fn a_refused_login_is_sent_once_and_ends_it() {
    let bench = Bench::new();
    let check = async |behaviour: Behaviour, expected: &str| {
        let behaviour = behaviour.user("bot", "other").manifest("org/app", "1.0");
        let registry = bench.start(behaviour).await;
        let exchange = bench
            .converse(registry.host(), "bot", &["org/app:1.0"])
            .await;
        assert_eq!(verdict(&exchange), format!("ok {expected} -"));
        assert_eq!(
            purposes(&exchange),
            [Purpose::AnonymousPing, Purpose::Login]
        );
        assert_eq!(registry.refused_logins("bot"), 1);
        assert_eq!(registry.requests().len(), 2);
    };
    check(Behaviour::docker_hub(), "unauthorized").await;
    check(Behaviour::bearer(), "unauthorized").await;
    check(Behaviour::basic(), "unauthorized").await;
    // with a scope it would have said 200
    check(Behaviour::harbor(), "unauthorized").await;
    check(Behaviour::quay(), "unauthorized").await;
    check(Behaviour::gitlab(), "unauthorized").await;
    check(Behaviour::zot(), "unauthorized").await;
    // its 403 is a bad token's
    check(Behaviour::ghcr(), "unauthorized").await;
}

#[tokio::test]
async fn an_expired_login_is_told_where_the_registry_says_so() {
    let bench = Bench::new();
    let registry = bench.start(Behaviour::ecr().user("AWS", PASSWORD)).await;
    registry.expire("AWS");
    let exchange = bench.converse(registry.host(), "AWS", &[]).await;
    assert_eq!(verdict(&exchange), "ok expired -");
}

#[tokio::test]
async fn a_lockout_is_no_quota() {
    let bench = Bench::new();
    let registry = bench
        .start(Behaviour::docker_hub().user("bot", PASSWORD))
        .await;
    registry.lock("bot");
    let exchange = bench
        .converse(registry.host(), "bot", &["org/app:1.0"])
        .await;
    assert_eq!(verdict(&exchange), "ok locked_out -");

    registry.unlock("bot");
    registry.answer(Step::Token, Answer::too_many_requests(120));
    let exchange = bench
        .converse(registry.host(), "bot", &["org/app:1.0"])
        .await;
    assert_eq!(verdict(&exchange), "ok rate_limited -");
    let until = classify(&exchange).retry_after.unwrap();
    // resolved against the time of the answer, some milliseconds after the start
    let after = until - now() - TimeDelta::seconds(120);
    assert!(
        after >= TimeDelta::zero() && after < TimeDelta::seconds(10),
        "{after}"
    );
}

#[tokio::test]
async fn ghcr_says_in_its_body_when_to_ask_again() {
    let bench = Bench::new();
    let limited = Answer::status(429).json(&serde_json::json!({ "errors": [
        { "code": "TOOMANYREQUESTS", "message": "retry-after: 1m30s, allowed: 44000/minute" },
    ]}));
    let registry = bench
        .start(Behaviour::ghcr().answer(Step::Token, limited))
        .await;
    let exchange = bench.converse(registry.host(), "bot", &[]).await;
    assert_eq!(verdict(&exchange), "ok rate_limited -");
    let after = classify(&exchange).retry_after.unwrap() - now() - TimeDelta::seconds(90);
    assert!(
        after >= TimeDelta::zero() && after < TimeDelta::seconds(10),
        "{after}"
    );
}

#[tokio::test]
async fn too_many_requests_end_it_at_any_step() {
    let bench = Bench::new();
    let check = async |on: Step, expected: &str| {
        let registry = bench
            .start(
                Behaviour::basic()
                    .user("bot", PASSWORD)
                    .manifest("org/app", "1.0")
                    .answer(on, Answer::too_many_requests(1)),
            )
            .await;
        let wants = ["org/app:1.0", "org/app:2.0"];
        let exchange = bench.converse(registry.host(), "bot", &wants).await;
        assert_eq!(verdict(&exchange), expected);
    };
    check(Step::Ping, "rate_limited - -").await;
    check(Step::Manifest, "ok ok rate_limited").await;
}

#[tokio::test]
async fn a_refused_scope_is_no_refused_login() {
    let bench = Bench::new();
    let registry = bench
        .start(
            Behaviour::bearer()
                .user("bot", PASSWORD)
                .manifest("org/app", "1.0")
                .manifest("org/other", "1.0"),
        )
        .await;
    // the second token request is the first with a scope
    let no_scope = Answer::status(200)
        .json(&serde_json::json!({ "token": "t" }))
        .once();
    registry.answer(Step::Token, no_scope);
    registry.answer(Step::Token, Answer::error(401, "UNAUTHORIZED", "no").once());
    let wants = ["org/app:1.0", "org/other:1.0"];
    let exchange = bench.converse(registry.host(), "bot", &wants).await;
    assert_eq!(verdict(&exchange), "ok ok forbidden,ok");
}

#[tokio::test]
async fn a_manifest_is_got_where_head_is_not_served_and_pulls_are_not_counted() {
    let bench = Bench::new();
    let check = async |behaviour: Behaviour, head: Answer, expected: &str, methods: &[&str]| {
        let behaviour = behaviour
            .user("bot", PASSWORD)
            .manifest("org/app", "1.0")
            .manifest("org/app", "2.0")
            .answer(Step::Manifest, head.once());
        let registry = bench.start(behaviour).await;
        let wants = ["org/app:1.0", "org/app:2.0"];
        let exchange = bench.converse(registry.host(), "bot", &wants).await;
        assert_eq!(verdict(&exchange), expected);
        let mut requests = registry.requests();
        requests.retain(|request| request.step == Step::Manifest);
        let asked: Vec<_> = requests.iter().map(|one| one.method.as_str()).collect();
        assert_eq!(asked, methods);
    };
    let no_head = || Answer::status(405);
    let get = ["HEAD", "GET", "GET"];
    check(Behaviour::ghcr(), no_head(), "ok ok ok,ok", &get).await;
    check(Behaviour::ghcr(), Answer::status(501), "ok ok ok,ok", &get).await;
    // a proxy that knows no HEAD of this one; the next is asked as ever
    let once = ["HEAD", "GET", "HEAD"];
    check(Behaviour::ghcr(), Answer::status(404), "ok ok ok,ok", &once).await;
    let by_registry = Answer::status(404).header("docker-distribution-api-version", "registry/2.0");
    let head = ["HEAD", "HEAD"];
    check(Behaviour::ghcr(), by_registry, "ok ok not_found,ok", &head).await;
    // a GET would be a pull there, or may be one from there
    let told_nothing = "ok ok registry_error,ok";
    check(Behaviour::docker_hub(), no_head(), told_nothing, &head).await;
    check(Behaviour::harbor(), no_head(), told_nothing, &head).await;
    check(Behaviour::bearer(), no_head(), told_nothing, &head).await;
    let counted = no_head().header("ratelimit-limit", "100;w=21600");
    check(Behaviour::ghcr(), counted, told_nothing, &head).await;
    let limited = Answer::too_many_requests(1);
    check(Behaviour::ghcr(), limited, "ok ok rate_limited", &["HEAD"]).await;
}

#[tokio::test]
async fn of_a_manifest_that_is_got_little_is_read() {
    let bench = Bench::impatient();
    let behaviour = Behaviour::ghcr()
        .user("bot", PASSWORD)
        .answer(Step::Manifest, Answer::status(405).once())
        .answer(Step::Manifest, Answer::status(200).huge_body(1 << 26));
    let registry = bench.start(behaviour).await;
    let exchange = bench
        .converse(registry.host(), "bot", &["org/app:1.0"])
        .await;
    assert_eq!(verdict(&exchange), "ok ok ok");
}

#[tokio::test]
async fn an_open_registry_judges_no_login() {
    let bench = Bench::new();
    let registry = bench
        .start(Behaviour::open().manifest("org/app", "1.0"))
        .await;
    let exchange = bench
        .converse(registry.host(), "bot", &["org/app:1.0"])
        .await;
    assert_eq!(verdict(&exchange), "ok - ok");
    let requests = registry.requests();
    assert!(
        requests.iter().all(|request| request.scheme.is_none()),
        "{requests:?}"
    );
}

#[tokio::test]
async fn nobody_is_asked_for_without_a_login() {
    let bench = Bench::new();
    let public = |behaviour: Behaviour| {
        behaviour
            .manifest("org/app", "1.0")
            .manifest("org/own", "1.0")
            .public("org/app")
    };
    let open_ping = Answer::status(200).json(&serde_json::json!({}));
    let check = async |behaviour, expected: &str| {
        let registry = bench.start(public(behaviour)).await;
        let exchange = bench
            .look(registry.host(), &["org/app:1.0", "org/own:1.0"])
            .await;
        assert_eq!(verdict(&exchange), expected);
        assert!(!purposes(&exchange).contains(&Purpose::Login));
        let mut requests = registry.requests();
        assert!(requests.iter().all(|request| request.user.is_none()));
        requests.retain(|request| request.step == Step::Manifest);
        assert!(requests.iter().all(|request| request.method == "HEAD"));
    };
    check(Behaviour::bearer(), "ok - ok,forbidden").await;
    check(Behaviour::basic(), "ok - ok,unauthorized").await;
    check(Behaviour::open(), "ok - ok,ok").await;
    let guarded = Behaviour::bearer().answer(Step::Ping, open_ping);
    check(guarded, "ok - ok,forbidden").await;
}

#[tokio::test]
async fn manifests_behind_an_open_ping_are_asked_for_with_the_login() {
    let bench = Bench::new();
    let check = async |behaviour: Behaviour, password: &str, expected: &str| {
        let open = Answer::status(200).json(&serde_json::json!({}));
        let behaviour = behaviour
            .user("bot", password)
            .manifest("org/app", "1.0")
            .manifest("org/app", "2.0")
            .answer(Step::Ping, open);
        let registry = bench.start(behaviour).await;
        let wants = ["org/app:1.0", "org/app:2.0"];
        let exchange = bench.converse(registry.host(), "bot", &wants).await;
        assert_eq!(verdict(&exchange), expected);
        let refused = usize::from(password != PASSWORD);
        assert_eq!(registry.refused_logins("bot"), refused);
    };
    check(Behaviour::bearer(), PASSWORD, "ok ok ok,ok").await;
    check(Behaviour::bearer(), "other", "ok unauthorized unauthorized").await;
    check(Behaviour::basic(), PASSWORD, "ok ok ok,ok").await;
    check(Behaviour::basic(), "other", "ok unauthorized unauthorized").await;
}

#[tokio::test]
async fn an_anonymous_credential_is_not_sent() {
    let bench = Bench::new();
    let behaviour = Behaviour::bearer()
        .manifest("org/public", "1.0")
        .public("org/public")
        .manifest("org/app", "1.0");
    let registry = bench.start(behaviour).await;
    let anonymous = Credential::basic(b"", b"").with_registry_token(PASSWORD.as_bytes());
    let wants = ["org/public:1.0", "org/app:1.0"];
    let exchange = bench.converse_as(registry.host(), anonymous, &wants).await;
    assert_eq!(verdict(&exchange), "ok - ok,forbidden");
    let requests = registry.requests();
    assert!(
        requests.iter().all(|request| request.user.is_none()),
        "{requests:?}"
    );
}

#[tokio::test]
async fn any_bytes_are_sent_as_basic() {
    let bench = Bench::new();
    let registry = bench
        .start(Behaviour::basic().user("bot", "a:\u{7f}b\n"))
        .await;
    let credential = Credential::basic(b"bot", "a:\u{7f}b\n".as_bytes());
    let exchange = bench.converse_as(registry.host(), credential, &[]).await;
    assert_eq!(verdict(&exchange), "ok ok -");

    let credential = Credential::basic(b"b\xffot\r\nx: y", b"\x00\xfe");
    let exchange = bench.converse_as(registry.host(), credential, &[]).await;
    assert_eq!(verdict(&exchange), "ok unauthorized -");
}

#[tokio::test]
async fn odd_names_stay_inside_their_path() {
    let bench = Bench::new();
    let registry = bench.start(Behaviour::basic().user("bot", PASSWORD)).await;
    let wants = ["../../token:1.0", "org/app?x=y#z:1.0", "org/app:sha256:0a"];
    bench.converse(registry.host(), "bot", &wants).await;
    let requests = registry.requests();
    for request in requests.iter().filter(|request| request.method == "HEAD") {
        assert!(request.path.starts_with("/v2/"), "{}", request.path);
        assert!(request.path.contains("/manifests/"), "{}", request.path);
        assert_eq!(request.query, "");
    }
    assert_eq!(
        requests.last().unwrap().path,
        "/v2/org/app/manifests/sha256:0a"
    );
}

#[tokio::test]
async fn challenges_are_followed_as_containerd_does() {
    let bench = Bench::new();
    let bearer = Behaviour::bearer().user("bot", PASSWORD);
    let check = async |headers: &[&str], expected: &str, token_query: Option<&str>| {
        let registry = bench.start(bearer.clone().challenge(headers)).await;
        let exchange = bench.converse(registry.host(), "bot", &[]).await;
        assert_eq!(verdict(&exchange), expected, "{headers:?}");
        let requests = registry.requests();
        let token = requests.iter().find(|request| request.step == Step::Token);
        let query = token.map(|request| request.query.as_str());
        assert_eq!(query, token_query, "{headers:?}");
    };
    // Bearer before Basic, in two headers and in one
    let basic = r#"Basic realm="r""#;
    let plain = r#"Bearer realm="{realm}",service="{service}""#;
    let one = format!("{basic}, {plain}");
    check(&[basic, plain], "ok ok -", Some("service=stand-in")).await;
    check(&[&one], "ok ok -", Some("service=stand-in")).await;
    // what is written without quotes, or with blanks for commas
    check(
        &["bearer realm={realm} service={service}"],
        "ok ok -",
        Some("service=stand-in"),
    )
    .await;
    check(
        &[r#"Negotiate YII=, Bearer realm="{realm}""#],
        "ok ok -",
        Some(""),
    )
    .await;
    // a realm with a query of its own; no scope, whatever the challenge asks for
    check(
        &[r#"Bearer realm="{realm}?a=b&c",service="s d",scope="repository:x:pull""#],
        "ok ok -",
        Some("a=b&c&service=s%20d"),
    )
    .await;
}

#[tokio::test]
async fn a_challenge_that_cannot_be_followed_is_the_registry_s_fault() {
    let bench = Bench::new();
    let bearer = Behaviour::bearer().user("bot", PASSWORD);
    let check = async |headers: &[&str], expected: ChallengeFault| {
        let registry = bench.start(bearer.clone().challenge(headers)).await;
        let exchange = bench
            .converse(registry.host(), "bot", &["org/app:1.0"])
            .await;
        assert_eq!(verdict(&exchange), "ok registry_error -", "{headers:?}");
        assert_eq!(fault(&exchange), Some(NetworkFault::Challenge(expected)));
        assert_eq!(registry.requests().len(), 1, "{headers:?}");
    };
    check(&[], ChallengeFault::Missing).await;
    check(
        &["Negotiate", r#"Digest realm="d""#],
        ChallengeFault::UnsupportedScheme,
    )
    .await;
    check(&[r#"Bearer realm="/token""#], ChallengeFault::InvalidRealm).await;
    check(
        &[r#"Bearer realm="//{host}/token""#],
        ChallengeFault::InvalidRealm,
    )
    .await;
    check(
        &[r#"Bearer realm="https://x@{host}/token""#],
        ChallengeFault::InvalidRealm,
    )
    .await;
    check(
        &[r#"Bearer realm="ftp://{host}/token""#],
        ChallengeFault::InvalidRealm,
    )
    .await;
    check(
        &[r#"Bearer realm="https://{host}x/""#],
        ChallengeFault::InvalidRealm,
    )
    .await;
    check(
        &[r#"Bearer service="s", Basic realm="r""#],
        ChallengeFault::InvalidRealm,
    )
    .await;
}

#[tokio::test]
async fn a_token_has_either_name_and_must_be_one() {
    let bench = Bench::new();
    let check = async |body: serde_json::Value, expected: &str| {
        let answer = Answer::status(200).json(&body);
        let registry = bench
            .start(
                Behaviour::bearer()
                    .user("bot", PASSWORD)
                    .answer(Step::Token, answer),
            )
            .await;
        let exchange = bench
            .converse(registry.host(), "bot", &["org/app:1.0"])
            .await;
        assert_eq!(verdict(&exchange), expected, "{body}");
    };
    // the token is unknown to the registry, which says so
    let unknown = "ok ok registry_error";
    check(serde_json::json!({ "token": "t" }), unknown).await;
    check(serde_json::json!({ "access_token": "t" }), unknown).await;
    check(serde_json::json!({}), "ok registry_error -").await;
    check(serde_json::json!({ "token": "" }), "ok registry_error -").await;
    check(serde_json::json!("t"), "ok registry_error -").await;
    // it cannot stand in a header
    check(
        serde_json::json!({ "token": "a\nb" }),
        "ok ok registry_error",
    )
    .await;
}

#[tokio::test]
async fn no_redirect_is_followed() {
    let bench = Bench::new();
    let elsewhere = bench.start(Behaviour::open()).await;
    let away = Answer::redirect(&format!("{}/v2/", elsewhere.url()));
    let check = async |on: On, expected: &str| {
        let registry = bench
            .start(
                Behaviour::bearer()
                    .user("bot", PASSWORD)
                    .manifest("org/app", "1.0")
                    .answer(on.clone(), away.clone()),
            )
            .await;
        let exchange = bench
            .converse(registry.host(), "bot", &["org/app:1.0"])
            .await;
        assert_eq!(verdict(&exchange), expected, "{on:?}");
    };
    check(On::Step(Step::Ping), "registry_error - -").await;
    check(On::Step(Step::Token), "ok registry_error -").await;
    check(On::Step(Step::Manifest), "ok ok registry_error").await;
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn a_captive_portal_is_no_registry() {
    let bench = Bench {
        policy: regcred_exporter::domain::policy::Policy {
            plain_http: targets(&["127.0.0.1"]),
            ..super::bench::open_policy()
        },
        ..Bench::new()
    };
    let check = async |head: &str, body: &str, expected: &str, up: bool| {
        let length = body.len();
        let answer = format!("HTTP/1.1 {head}\r\ncontent-length: {length}\r\n\r\n{body}");
        let raw = Raw::start(&answer).await;
        let exchange = bench.ping(&raw.host()).await;
        assert_eq!(verdict(&exchange), format!("{expected} - -"), "{head}");
        assert_eq!(classify(&exchange).up, up, "{head}");
    };
    let page = "<!DOCTYPE html><p>Please log in";
    check(
        "200 OK\r\ncontent-type: text/html",
        page,
        "registry_error",
        false,
    )
    .await;
    check(
        "200 OK\r\ncontent-type: text/html",
        "welcome",
        "registry_error",
        false,
    )
    .await;
    check("200 OK", "{}", "ok", true).await;
    check("403 Forbidden", page, "registry_error", false).await;
    check("404 Not Found", page, "not_found", false).await;
    check(
        "401 Unauthorized\r\nwww-authenticate: Basic",
        page,
        "ok",
        true,
    )
    .await;
}

#[tokio::test]
async fn a_head_counts_whatever_becomes_of_its_body() {
    let bench = Bench::impatient();
    let check = async |behaviour: Behaviour, answer: Answer, expected: &str| {
        let behaviour = behaviour
            .user("bot", PASSWORD)
            .answer(On::User("bot".into()), answer);
        let registry = bench.start(behaviour).await;
        let exchange = bench.converse(registry.host(), "bot", &[]).await;
        assert_eq!(verdict(&exchange), format!("ok {expected} -"));
    };
    let minute = Duration::from_secs(60);
    check(
        Behaviour::bearer(),
        Answer::status(401).slow_body("no", minute),
        "unauthorized",
    )
    .await;
    check(
        Behaviour::bearer(),
        Answer::status(401).huge_body(1 << 20),
        "unauthorized",
    )
    .await;
    check(
        Behaviour::basic(),
        Answer::status(200).slow_body("{}", minute),
        "ok",
    )
    .await;
    // but a token is only whole
    check(
        Behaviour::bearer(),
        Answer::status(200).slow_body("{}", minute),
        "timeout",
    )
    .await;
    check(
        Behaviour::bearer(),
        Answer::status(200).huge_body(1 << 20),
        "registry_error",
    )
    .await;
}

#[tokio::test]
async fn nothing_that_was_sent_comes_back_in_the_facts() {
    let bench = Bench::new();
    let base64 = "Ym90OmNhbmFyeS04ZjNi"; // bot:canary-8f3b
    let challenge = format!(r#"Bearer realm="https://x/{PASSWORD}/{base64}",error="{PASSWORD}""#);
    let reflecting = Answer::error(401, PASSWORD, base64)
        .header("www-authenticate", &challenge)
        .header("location", PASSWORD)
        .header("retry-after", PASSWORD);
    let registry = bench
        .start(
            Behaviour::bearer()
                .user("bot", PASSWORD)
                .answer(On::User("bot".into()), reflecting),
        )
        .await;
    let exchange = bench.converse(registry.host(), "bot", &[]).await;
    assert_eq!(verdict(&exchange), "ok unauthorized -");
    let login = exchange.asked.last().unwrap().answer.as_ref().unwrap();
    assert!(login.challenges.iter().all(|one| one.realm.is_none()));
    let shown = format!("{exchange:?} {:?}", classify(&exchange));
    assert!(
        !shown.contains(PASSWORD) && !shown.contains(base64),
        "{shown}"
    );
    assert!(!format!("{:?}", bench.client()).contains(PASSWORD));
}

#[tokio::test]
async fn a_credential_that_is_refused_again_and_again_after_its_login_is_sent_no_more() {
    let bench = Bench::new();
    let wants: Vec<_> = (0..10).map(|n| format!("org/app-{n}:1")).collect();
    let wants: Vec<_> = wants.iter().map(String::as_str).collect();
    let check = async |behaviour: Behaviour| {
        let registry = bench.start(behaviour.user("bot", PASSWORD)).await;
        let exchange = bench.converse(registry.host(), "bot", &wants).await;
        let login = classify(&exchange).login.unwrap().outcome;
        assert_eq!(login, Outcome::Ok);
        let requests = registry.requests();
        let after_login = requests.iter().skip(2);
        let sent = after_login.filter(|request| request.user.is_some()).count();
        assert_eq!(sent, 2, "{:?}", lines(&requests));
    };
    let token = Answer::status(200).json(&serde_json::json!({ "token": "t" }));
    let refused = || Answer::status(401);
    check(
        Behaviour::bearer()
            .answer(Step::Token, token.once())
            .answer(Step::Token, refused()),
    )
    .await;
    check(Behaviour::basic().answer(Step::Manifest, refused())).await;
}
