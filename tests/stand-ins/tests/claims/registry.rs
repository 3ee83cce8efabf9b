//! Claims of the registries.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use regcred_stand_ins::registry::{Answer, Behaviour, On, Registry, Step, Wire};
use regcred_stand_ins::tls::Ca;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

use crate::client::{Reply, basic, get, get_with, open_on, read, send};

const MANIFEST: &str = "/v2/org/app/manifests/1.0";

async fn start(behaviour: Behaviour) -> Registry {
    Registry::start(
        behaviour
            .user("bot", "pass")
            .user_for("narrow", "pass", &["org/other"])
            .manifest("org/app", "1.0"),
    )
    .await
}

async fn as_user(registry: &Registry, path: &str, user: &str, password: &str) -> Reply {
    let url = format!("{}{path}", registry.url());
    get_with(&url, &[("authorization", &basic(user, password))]).await
}

async fn anonymous(registry: &Registry, path: &str) -> Reply {
    get(&format!("{}{path}", registry.url())).await
}

/// What the token server says to a user, or to nobody.
async fn token(registry: &Registry, user: Option<(&str, &str)>, scope: &str) -> Reply {
    let ping = anonymous(registry, "/v2/").await;
    let challenge = ping.header("www-authenticate");
    let realm = challenge.split('"').nth(1).expect("a realm");
    let scope = if scope.is_empty() {
        String::new()
    } else {
        format!("&scope=repository:{scope}:pull")
    };
    let url = format!("{realm}?service=stand-in{scope}");
    match user {
        Some((user, password)) => {
            get_with(&url, &[("authorization", &basic(user, password))]).await
        }
        None => get(&url).await,
    }
}

async fn with_token(registry: &Registry, path: &str, reply: &Reply) -> Reply {
    let token = reply.json()["token"].as_str().unwrap().to_owned();
    let url = format!("{}{path}", registry.url());
    get_with(&url, &[("authorization", &format!("Bearer {token}"))]).await
}

/// What a token that is a JWT says of itself.
fn access(reply: &Reply) -> Value {
    let token = reply.json()["token"].as_str().unwrap().to_owned();
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap());
    serde_json::from_slice::<Value>(&claims.unwrap()).unwrap()["access"].clone()
}

fn code(reply: &Reply) -> Value {
    reply.json()["errors"][0]["code"].clone()
}

#[tokio::test]
async fn basic_asks_everyone_and_takes_the_right_pair() {
    let registry = start(Behaviour::basic()).await;
    for path in ["/v2/", MANIFEST] {
        let asked = anonymous(&registry, path).await;
        assert_eq!(asked.status, 401);
        assert_eq!(
            asked.header("www-authenticate"),
            "Basic realm=\"Registry Realm\""
        );
        assert_eq!(
            asked.header("docker-distribution-api-version"),
            "registry/2.0"
        );
        assert_eq!(as_user(&registry, path, "bot", "no").await.status, 401);
        assert_eq!(as_user(&registry, path, "bot", "pass").await.status, 200);
    }
    assert_eq!(
        (registry.logins("bot"), registry.refused_logins("bot")),
        (2, 2)
    );
    assert_eq!(
        (registry.count(Step::Ping), registry.count(Step::Manifest)),
        (3, 3)
    );
}

#[tokio::test]
async fn a_manifest_is_the_same_by_tag_digest_and_head() {
    let registry = start(Behaviour::open()).await;
    let url = format!("{}{MANIFEST}", registry.url());
    let by_tag = get(&url).await;
    let digest = by_tag.header("docker-content-digest");
    assert_eq!(Some(digest), registry.digest("org/app", "1.0").as_deref());
    let by_digest = anonymous(&registry, &format!("/v2/org/app/manifests/{digest}")).await;
    assert_eq!(by_digest.body, by_tag.body);
    let head = send("HEAD", &url, &[], "").await.unwrap();
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("docker-content-digest"), digest);
    assert_eq!(head.header("content-length"), by_tag.body.len().to_string());
    let docker = "application/vnd.docker.distribution.manifest.v2+json";
    assert_eq!(get_with(&url, &[("accept", docker)]).await.status, 404);
    let tags = anonymous(&registry, "/v2/org/app/tags/list").await;
    assert_eq!(tags.json()["tags"][0], "1.0");
}

#[tokio::test]
async fn bearer_leads_by_challenge_and_token_to_the_manifest() {
    let registry = start(Behaviour::bearer().realm_elsewhere()).await;
    let asked = anonymous(&registry, MANIFEST).await;
    assert_eq!(asked.status, 401);
    assert_eq!(
        asked.header("www-authenticate"),
        format!(
            "Bearer realm=\"http://{}/token\",service=\"stand-in\",scope=\"repository:org/app:pull\"",
            registry.realm_host()
        )
    );
    assert_ne!(registry.host(), registry.realm_host());
    let named = Behaviour::docker_hub()
        .named("hub.test")
        .realm_named("auth.hub.test");
    let named = Registry::start(named).await;
    assert_eq!(named.host(), format!("hub.test:{}", named.port()));
    assert!(named.realm_host().starts_with("auth.hub.test:"));
    let right = token(&registry, Some(("bot", "pass")), "org/app").await;
    assert_eq!(right.status, 200);
    assert_eq!(with_token(&registry, "/v2/", &right).await.status, 200);
    assert_eq!(with_token(&registry, MANIFEST, &right).await.status, 200);
    let wrong = token(&registry, Some(("bot", "no")), "org/app").await;
    assert_eq!((wrong.status, code(&wrong)), (401, "UNAUTHORIZED".into()));
    assert_eq!(
        (registry.logins("bot"), registry.refused_logins("bot")),
        (1, 1)
    );
}

#[tokio::test]
async fn rights_are_refused_at_the_manifest_not_at_the_token() {
    let registry = start(Behaviour::bearer()).await;
    let scopeless = token(&registry, Some(("narrow", "pass")), "").await;
    assert_eq!(with_token(&registry, "/v2/", &scopeless).await.status, 200);
    let reply = token(&registry, Some(("narrow", "pass")), "org/app").await;
    assert_eq!(reply.status, 200);
    let refused = with_token(&registry, MANIFEST, &reply).await;
    assert_eq!(refused.status, 401);
    assert!(
        refused
            .header("www-authenticate")
            .ends_with("error=\"insufficient_scope\"")
    );
    let all = Some(("bot", "pass"));
    let reply = token(&registry, all, "org/app").await;
    let missing = with_token(&registry, "/v2/org/app/manifests/2.0", &reply).await;
    assert_eq!(
        (missing.status, code(&missing)),
        (404, "MANIFEST_UNKNOWN".into())
    );
    let reply = token(&registry, all, "org/none").await;
    let missing = with_token(&registry, "/v2/org/none/manifests/1", &reply).await;
    assert_eq!(
        (missing.status, code(&missing)),
        (404, "NAME_UNKNOWN".into())
    );
}

#[tokio::test]
async fn tokens_age_and_strange_ones_are_invalid() {
    let registry = start(Behaviour::bearer().token_lifetime(Duration::ZERO)).await;
    let reply = token(&registry, Some(("bot", "pass")), "org/app").await;
    let refused = with_token(&registry, MANIFEST, &reply).await;
    assert!(refused.header("www-authenticate").contains("invalid_token"));
}

#[tokio::test]
async fn anonymous_readers_get_public_repositories() {
    let registry = start(
        Behaviour::bearer()
            .public("org/app")
            .manifest("org/private", "1"),
    )
    .await;
    let reply = token(&registry, None, "org/app").await;
    assert_eq!(with_token(&registry, MANIFEST, &reply).await.status, 200);
    let reply = token(&registry, None, "org/private").await;
    let refused = with_token(&registry, "/v2/org/private/manifests/1", &reply).await;
    assert_eq!(refused.status, 401);
}

#[tokio::test]
async fn docker_hub_locks_hides_and_counts() {
    let registry = start(Behaviour::docker_hub().quota(2, 21_600)).await;
    let bot = Some(("bot", "pass"));
    let reply = token(&registry, bot, "org/app").await;
    let url = format!("{}{MANIFEST}", registry.url());
    let bearer = format!("Bearer {}", reply.json()["access_token"].as_str().unwrap());
    let authorization = [("authorization", bearer.as_str())];
    for (method, status, remaining) in [
        ("HEAD", 200, "2;w=21600"),
        ("GET", 200, "1;w=21600"),
        ("GET", 200, "0;w=21600"),
        ("HEAD", 429, "0;w=21600"),
    ] {
        let reply = send(method, &url, &authorization, "").await.unwrap();
        assert_eq!(reply.status, status);
        assert_eq!(reply.header("ratelimit-remaining"), remaining);
    }
    let hidden = token(&registry, bot, "org/none").await;
    assert_eq!(access(&hidden).as_array().map(Vec::len), Some(0));
    assert_eq!(access(&reply)[0]["name"], "org/app");
    let hidden = with_token(&registry, "/v2/org/none/manifests/1", &hidden).await;
    assert!(
        hidden
            .header("www-authenticate")
            .contains("insufficient_scope")
    );
    for _ in 0..5 {
        let refused = token(&registry, Some(("bot", "no")), "").await;
        assert_eq!(refused.status, 401);
        assert_eq!(refused.json()["details"], "incorrect username or password");
    }
    let locked = token(&registry, bot, "").await;
    assert_eq!(locked.status, 429);
    assert!(locked.text().contains("too many failed login attempts"));
    registry.unlock("bot");
    assert_eq!(token(&registry, bot, "").await.status, 200);
}

#[tokio::test]
async fn known_registries_refuse_in_their_own_way() {
    // status at the token server or, for Basic, at the ping: wrong password; no rights
    for (behaviour, wrong, no_rights) in [
        (Behaviour::ecr(), 401, 403),
        (Behaviour::ghcr(), 403, 403),
        (Behaviour::gitlab(), 401, 401),
        (Behaviour::google(), 401, 403),
        (Behaviour::harbor(), 401, 401),
        (Behaviour::jfrog(), 401, 403),
        (Behaviour::quay(), 401, 401),
        (Behaviour::zot(), 401, 403),
    ] {
        let registry = start(behaviour).await;
        let ping = anonymous(&registry, "/v2/").await;
        let is_basic = ping.header("www-authenticate").starts_with("Basic");
        let (refused, denied) = if is_basic {
            (
                as_user(&registry, "/v2/", "bot", "no").await,
                as_user(&registry, MANIFEST, "narrow", "pass").await,
            )
        } else {
            let reply = token(&registry, Some(("narrow", "pass")), "org/app").await;
            (
                token(&registry, Some(("bot", "no")), "").await,
                with_token(&registry, MANIFEST, &reply).await,
            )
        };
        assert_eq!(
            (refused.status, denied.status),
            (wrong, no_rights),
            "{ping:?}"
        );
    }
}

#[tokio::test]
async fn harbor_hides_a_refusal_behind_a_scope() {
    let registry = start(Behaviour::harbor()).await;
    let wrong = Some(("bot", "no"));
    let reply = token(&registry, wrong, "org/app").await;
    assert_eq!(reply.status, 200);
    assert_eq!(with_token(&registry, MANIFEST, &reply).await.status, 401);
    assert_eq!(token(&registry, wrong, "").await.status, 401);
    assert_eq!(registry.refused_logins("bot"), 2);
}

#[tokio::test]
async fn credentials_can_be_changed_revoked_and_expired() {
    let registry = start(Behaviour::ecr()).await;
    let status = async |password| as_user(&registry, "/v2/", "bot", password).await.status;
    registry.set_password("bot", "new");
    assert_eq!((status("pass").await, status("new").await), (401, 200));
    registry.expire("bot");
    assert_eq!(status("new").await, 403);
    registry.revoke("bot");
    assert_eq!(status("new").await, 401);
    registry.reinstate("bot");
    assert_eq!(status("new").await, 200);
}

#[tokio::test]
async fn challenges_may_be_odd() {
    let headers = ["bearer realm=\"{realm}?tenant=1\"", "Basic realm=\"x\""];
    let registry = start(Behaviour::bearer().basic_too().challenge(&headers)).await;
    let asked = anonymous(&registry, "/v2/").await;
    let sent: Vec<&str> = asked
        .headers
        .get_all("www-authenticate")
        .iter()
        .map(|value| value.to_str().unwrap())
        .collect();
    let realm = format!("bearer realm=\"{}/token?tenant=1\"", registry.url());
    assert_eq!(sent, [realm.as_str(), headers[1]]);
    assert_eq!(
        as_user(&registry, MANIFEST, "bot", "pass").await.status,
        200
    );
    registry.change(|behaviour| behaviour.challenge(&[]));
    let asked = anonymous(&registry, "/v2/").await;
    assert_eq!((asked.status, asked.header("www-authenticate")), (401, ""));
}

#[tokio::test]
async fn answers_can_be_scripted_by_step_path_and_user() {
    let registry = start(Behaviour::bearer()).await;
    registry.answer(Step::Token, Answer::too_many_requests(9).once());
    let limited = token(&registry, Some(("bot", "pass")), "").await;
    assert_eq!((limited.status, limited.header("retry-after")), (429, "9"));
    let usual = token(&registry, Some(("bot", "pass")), "").await;
    assert_eq!(usual.status, 200);
    let script = [
        ("/moved", Answer::redirect("http://{host}/v2/")),
        ("/html", Answer::status(500).html("<html>")),
        ("/header", Answer::status(200).huge_header(100_000)),
        ("/body", Answer::status(200).huge_body(300_000)),
        (
            "/slow",
            Answer::status(200).slow_body("abc", Duration::from_millis(10)),
        ),
        (
            "/late",
            Answer::status(200).delayed(Duration::from_millis(30)),
        ),
    ];
    for (path, answer) in script {
        registry.answer(path, answer);
    }
    let moved = anonymous(&registry, "/moved").await;
    assert_eq!(moved.header("location"), format!("{}/v2/", registry.url()));
    assert_eq!(moved.header("docker-distribution-api-version"), "");
    assert_eq!(
        anonymous(&registry, "/html").await.header("content-type"),
        "text/html"
    );
    assert_eq!(
        anonymous(&registry, "/header").await.header("x-huge").len(),
        100_000
    );
    assert_eq!(anonymous(&registry, "/body").await.body.len(), 300_000);
    let start = Instant::now();
    assert_eq!(anonymous(&registry, "/slow").await.body, "abc");
    anonymous(&registry, "/late").await;
    assert!(start.elapsed() >= Duration::from_millis(60));
    registry.clear_answers();
    registry.answer(On::User("bot".to_owned()), Answer::status(418));
    assert_eq!(as_user(&registry, "/v2/", "bot", "pass").await.status, 418);
    assert_eq!(
        as_user(&registry, "/v2/", "other", "pass").await.status,
        401
    );
}

#[tokio::test]
async fn some_requests_are_never_answered() {
    let registry = start(Behaviour::open()).await;
    let url = format!("{}/v2/", registry.url());
    registry.answer("/v2/", Answer::close().once());
    assert!(send("GET", &url, &[], "").await.is_err());
    registry.answer("/v2/", Answer::status(200).broken_body("half").once());
    assert!(send("GET", &url, &[], "").await.is_err());
    registry.answer("/v2/", Answer::never());
    let waiting = timeout(Duration::from_millis(100), get(&url)).await;
    assert!(waiting.is_err());
    let last = registry.requests().pop().unwrap();
    assert_eq!((last.path.as_str(), last.status), ("/v2/", None));
}

#[tokio::test]
async fn wires_break_below_http() {
    let registry = Registry::start(Behaviour::open().wire(Wire::ssh())).await;
    let hear = async || {
        let mut stream = TcpStream::connect(registry.host()).await.unwrap();
        let mut heard = Vec::new();
        let _ = stream.write_all(b"GET /v2/ HTTP/1.1\r\n\r\n").await;
        let reading = stream.read_to_end(&mut heard);
        let end = timeout(Duration::from_millis(200), reading).await;
        (end.map(|read| read.map_err(|error| error.kind())), heard)
    };
    let (_, heard) = hear().await;
    assert!(heard.starts_with(b"SSH-2.0-"));
    registry.set_wire(Wire::Banner(Bytes::from_static(b"\x15\x03\x01")));
    assert_eq!(hear().await.1, b"\x15\x03\x01");
    registry.set_wire(Wire::Reset);
    let (end, _) = hear().await;
    assert_eq!(end.unwrap(), Err(std::io::ErrorKind::ConnectionReset));
    registry.set_wire(Wire::Silent);
    assert!(hear().await.0.is_err(), "it still listens");
    registry.set_wire(Wire::Close);
    let (end, heard) = hear().await;
    assert!(end.is_ok() && heard.is_empty());
    registry.set_wire(Wire::Http);
    assert_eq!(anonymous(&registry, "/v2/").await.status, 200);
    assert_eq!(registry.connections(), 6);
}

#[tokio::test]
async fn certificates_are_good_or_bad_as_asked() {
    let (ca, other) = (Ca::new(), Ca::new());
    for (config, complaint) in [
        (ca.server_config(&["127.0.0.1"]), None),
        (ca.server_config(&["other.test"]), Some("NotValidForName")),
        (
            ca.certificate(&["127.0.0.1"]).expired().server_config(),
            Some("Expired"),
        ),
        (
            ca.certificate(&["127.0.0.1"])
                .not_yet_valid()
                .server_config(),
            Some("NotValidYet"),
        ),
        (other.server_config(&["127.0.0.1"]), Some("UnknownIssuer")),
    ] {
        let registry = Registry::start(Behaviour::open().tls(config)).await;
        assert!(registry.url().starts_with("https://"));
        let reply = over_tls(&registry, &ca).await;
        match (reply, complaint) {
            (Ok(reply), None) => assert_eq!(reply.status, 200),
            (Err(error), Some(complaint)) => assert!(error.contains(complaint), "{error}"),
            (reply, complaint) => panic!("{:?}, expected {complaint:?}", reply.err()),
        }
    }
}

async fn over_tls(registry: &Registry, ca: &Ca) -> Result<Reply, String> {
    let mut roots = RootCertStore::empty();
    roots.add(ca.der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(registry.host()).await.unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let stream = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .map_err(|error| format!("{error:?}"))?;
    let response = open_on(stream, "GET", registry.host(), "/v2/", &[], "").await?;
    read(response).await
}

#[tokio::test]
async fn a_stopped_registry_refuses_and_comes_back_on_its_ports() {
    let registry = start(Behaviour::bearer().realm_elsewhere()).await;
    let reply = token(&registry, Some(("bot", "pass")), "org/app").await;
    registry.stop().await;
    for host in [registry.host(), registry.realm_host()] {
        assert!(TcpStream::connect(host).await.is_err());
    }
    registry.start_again().await;
    assert_eq!(with_token(&registry, MANIFEST, &reply).await.status, 200);
}

#[tokio::test]
async fn a_dropped_registry_is_gone() {
    let registry = start(Behaviour::open()).await;
    let host = registry.host().to_owned();
    let mut open = TcpStream::connect(&host).await.unwrap();
    drop(registry);
    let end = timeout(Duration::from_secs(5), open.read(&mut [0; 16])).await;
    assert!(matches!(end, Ok(Ok(0) | Err(_))));
    assert!(TcpStream::connect(&host).await.is_err());
}

#[tokio::test]
async fn the_log_knows_users_but_no_passwords() {
    let registry = start(Behaviour::bearer()).await;
    token(&registry, Some(("bot", "wr0ng-secret")), "org/app").await;
    let log = format!("{:?}", registry.requests());
    assert!(log.contains("\"bot\"") && !log.contains("wr0ng-secret"));
    let last = registry.requests().pop().unwrap();
    assert_eq!((last.step, last.status), (Step::Token, Some(401)));
    assert_eq!(last.scheme.as_deref(), Some("basic"));
    assert!(last.query.contains("scope=repository:org/app:pull"));
}
