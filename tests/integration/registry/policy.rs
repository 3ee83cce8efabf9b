//! Whom we do not talk to: counted at listeners that stand there.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use regcred_exporter::domain::exchange::{NetworkFault, TlsFault};
use regcred_exporter::domain::policy::{Contact, Policy, Rule};
use regcred_exporter::registry::Proxies;
use regcred_stand_ins::registry::{Behaviour, Registry, Step};

use super::bench::{Bench, PASSWORD, Raw, Tunnel, fault, lines, open_policy, targets, verdict};

fn blocked(rule: Rule) -> Option<NetworkFault> {
    Some(NetworkFault::Blocked(rule))
}

#[tokio::test]
async fn refused_targets_get_no_packet() {
    let bench = Bench::with_policy(Policy::default());
    let registry = bench.start(Behaviour::basic()).await;
    let port = registry.port();
    let check = async |host: &str, rule: Rule| {
        let exchange = bench.converse(host, "bot", &["org/app:1.0"]).await;
        assert_eq!(fault(&exchange), blocked(rule), "{host}");
        assert_eq!(verdict(&exchange), "blocked - -", "{host}");
    };
    for host in [
        "127.0.0.1",
        "localhost",
        "127.1",
        "2130706433",
        "0x7f.1",
        "[::ffff:127.0.0.1]",
    ] {
        check(&format!("{host}:{port}"), Rule::Loopback).await;
    }
    check(&format!("0:{port}"), Rule::Unspecified).await;
    check("169.254.169.254", Rule::Metadata).await;
    check("[fd00:ec2::254]:80", Rule::Metadata).await;
    check("metadata.google.internal", Rule::Metadata).await;
    check("169.254.1.1:443", Rule::LinkLocal).await;
    // what is no host[:port] names none
    for host in [
        "",
        "a b",
        "x@y",
        "good.example/@127.0.0.1",
        "a?b",
        "a#b",
        "1.2.3.4.5",
        "a:99999",
    ] {
        check(host, Rule::Malformed).await;
    }
    assert_eq!(registry.connections(), 0);
}

#[tokio::test]
async fn a_name_is_judged_by_what_it_resolves_to() {
    // the name is allowed, what it resolves to is not
    let bench = Bench::with_policy(Policy {
        deny: targets(&["127.0.0.0/8", "::1"]),
        ..open_policy()
    });
    let registry = bench.start(Behaviour::basic()).await;
    let exchange = bench.ping(&format!("localhost:{}", registry.port())).await;
    assert_eq!(fault(&exchange), blocked(Rule::Denied));
    assert_eq!(registry.connections(), 0);

    let bench = Bench {
        ca: bench.ca,
        ..Bench::new()
    };
    let exchange = bench.ping(&format!("localhost:{}", registry.port())).await;
    assert_eq!(verdict(&exchange), "ok - -");
}

#[tokio::test]
async fn a_realm_is_judged_like_a_registry() {
    let bench = Bench::new();
    let elsewhere = Raw::start_at("127.0.0.2:0", &[b"HTTP/1.1 200 OK\r\n\r\n"]).await;
    let check = async |realm: &str, rule: Rule| {
        let realm = format!(r#"Bearer realm="{realm}",service="s""#);
        let behaviour = Behaviour::bearer()
            .user("bot", PASSWORD)
            .challenge(&[&realm]);
        let registry = bench.start(behaviour).await;
        let exchange = bench
            .converse(registry.host(), "bot", &["org/app:1.0"])
            .await;
        assert_eq!(verdict(&exchange), "ok blocked -", "{realm}");
        assert_eq!(fault(&exchange), blocked(rule), "{realm}");
    };
    let port = elsewhere.address.port();
    check(&format!("https://127.0.0.2:{port}/token"), Rule::Loopback).await;
    check(&format!("https://0x7f.2:{port}/token"), Rule::Loopback).await;
    check("https://169.254.169.254/latest/meta-data/", Rule::Metadata).await;
    check("https://[::ffff:a9fe:a9fe]/", Rule::Metadata).await;
    check(
        "https://metadata.google.internal/computeMetadata/v1/",
        Rule::Metadata,
    )
    .await;
    assert_eq!(elsewhere.accepted(), 0);
}

#[tokio::test]
async fn no_credential_goes_over_plain_http_behind_tls() {
    let bench = Bench::new();
    let plain = Registry::start(Behaviour::bearer().user("bot", PASSWORD)).await;
    let realm = format!(r#"Bearer realm="{}/token",service="s""#, plain.url());
    let registry = bench.start(Behaviour::bearer().challenge(&[&realm])).await;
    let exchange = bench.converse(registry.host(), "bot", &[]).await;
    assert_eq!(fault(&exchange), blocked(Rule::Scheme));
    assert_eq!(plain.connections(), 0);
}

#[tokio::test]
async fn loopback_may_speak_plain_http_as_in_containerd() {
    let bench = Bench::new();
    let registry = Registry::start(
        Behaviour::bearer()
            .user("bot", PASSWORD)
            .manifest("org/app", "1.0"),
    )
    .await;
    let exchange = bench
        .converse(registry.host(), "bot", &["org/app:1.0"])
        .await;
    assert_eq!(verdict(&exchange), "ok ok ok");
    // TLS was tried first
    let first = exchange.asked[0].answer.clone().err();
    assert_eq!(first, Some(NetworkFault::Tls(TlsFault::PlainHttp)));
    assert_eq!(registry.count(Step::Ping), 1);
}

#[tokio::test]
async fn a_plain_host_is_asked_plainly_from_the_start() {
    let bench = Bench::with_policy(Policy {
        plain_http: targets(&["127.0.0.1"]),
        ..open_policy()
    });
    let registry = Registry::start(Behaviour::basic().user("bot", PASSWORD)).await;
    let exchange = bench.converse(registry.host(), "bot", &[]).await;
    assert_eq!(verdict(&exchange), "ok ok -");
    let expected = ["GET /v2/", "GET /v2/ basic:bot"];
    assert_eq!(lines(&registry.requests()), expected);
    assert_eq!(registry.connections(), 1);
}

#[tokio::test]
async fn policy_holds_through_a_proxy_too() {
    let proxy = Raw::start("HTTP/1.1 200 OK\r\n\r\n").await;
    let bench = Bench {
        policy: Policy {
            allow: targets(&["localhost"]),
            deny: targets(&["127.0.0.0/8", "::1"]),
            ..Policy::default()
        },
        proxies: Proxies::all(&format!("http://{}", proxy.host()), ""),
        ..Bench::new()
    };
    let check = async |host: &str, rule: Rule| {
        let exchange = bench.ping(host).await;
        assert_eq!(fault(&exchange), blocked(rule), "{host}");
    };
    check("169.254.169.254:443", Rule::Metadata).await;
    check("metadata.google.internal", Rule::Metadata).await;
    check("127.0.0.1:5000", Rule::Denied).await;
    // a name that our own resolver knows
    check("localhost:5000", Rule::Denied).await;
    assert_eq!(proxy.accepted(), 0);
}

#[tokio::test]
async fn a_proxy_sees_names_and_no_credentials() {
    let bench = Bench::new();
    let tls = bench.ca.server_config(&["192.0.2.1"]);
    let behaviour = Behaviour::basic().user("bot", PASSWORD).tls(tls);
    let registry = Registry::start(behaviour).await;
    let proxy = Tunnel::to(registry.host()).await;
    let bench = Bench {
        proxies: Proxies::all(&format!("http://us:er@{}", proxy.address), ""),
        ..bench
    };
    let exchange = bench.converse("192.0.2.1:5000", "bot", &[]).await;
    assert_eq!(verdict(&exchange), "ok ok -");
    let heads = proxy.heads();
    assert_eq!(heads.len(), 1, "one connection serves the conversation");
    assert!(heads[0].starts_with("CONNECT 192.0.2.1:5000 HTTP/1.1\r\n"));
    let authorizations = heads[0].to_lowercase().matches("authorization").count();
    assert_eq!(authorizations, 1, "the proxy's own: {}", heads[0]);
}

#[tokio::test]
async fn a_registry_outside_sends_nobody_inside() {
    let bench = Bench::new();
    let check = async |host: &str, realm: &str, rule: Option<Rule>| {
        let tls = bench.ca.server_config(&["192.0.2.1", "10.0.0.9"]);
        let realm = format!(r#"Bearer realm="https://{realm}/token""#);
        let behaviour = Behaviour::bearer()
            .user("bot", PASSWORD)
            .challenge(&[&realm])
            .tls(tls);
        let registry = Registry::start(behaviour).await;
        let proxy = Tunnel::to(registry.host()).await;
        let bench = Bench {
            ca: Arc::clone(&bench.ca),
            proxies: Proxies::all(&format!("http://{}", proxy.address), ""),
            ..Bench::new()
        };
        let exchange = bench.converse(host, "bot", &[]).await;
        assert_eq!(
            fault(&exchange),
            rule.map(NetworkFault::Blocked),
            "{host} {realm}"
        );
    };
    check("192.0.2.1", "10.0.0.9", Some(Rule::Private)).await;
    check("10.0.0.9", "10.0.0.9:5001", None).await;
    check("10.0.0.9", "192.0.2.1", None).await;
}

#[test]
fn a_literal_is_what_the_url_parser_makes_of_it() {
    let parts = [
        "0",
        "1",
        "127",
        "255",
        "256",
        "010",
        "08",
        "0x7f",
        "0X1",
        "0x",
        "0xg",
        "a",
        "-",
        "+1",
        "1e3",
        "65535",
        "65536",
        "16777216",
        "4294967295",
        "4294967296",
        "",
    ];
    let mut hosts: Vec<String> = parts.iter().map(ToString::to_string).collect();
    let mut longest = hosts.clone();
    for _ in 0..3 {
        longest = longest
            .iter()
            .flat_map(|host| parts.iter().map(move |part| format!("{host}.{part}")))
            .collect();
        hosts.extend_from_slice(&longest);
    }
    for host in hosts {
        let url = reqwest::Url::parse(&format!("https://{host}/"));
        let asked = url.ok().and_then(|url| url.host_str().map(str::to_owned));
        let address = asked
            .as_deref()
            .and_then(|asked| asked.parse::<Ipv4Addr>().ok());
        let contact = Contact::new(&host, 443, false);
        assert_eq!(
            contact.literal(),
            address.map(IpAddr::V4),
            "{host:?} as {asked:?}"
        );
    }
}
