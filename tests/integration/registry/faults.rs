//! Why there was no answer, told apart.

use regcred_exporter::domain::exchange::{NetworkFault, Stage, TlsFault};
use regcred_exporter::domain::policy::Policy;
use regcred_exporter::registry::{Proxies, Trust, TrustError};
use regcred_stand_ins::registry::{Answer, Behaviour, Registry, Step, Wire};
use regcred_stand_ins::tls::Ca;

use super::bench::{Bench, Blackhole, PASSWORD, Raw, Tunnel, fault, open_policy, targets, verdict};

#[tokio::test]
async fn connections_fail_in_their_own_ways() {
    let bench = Bench::new();
    let registry = bench.start(Behaviour::basic()).await;
    registry.stop().await;
    let exchange = bench.ping(registry.host()).await;
    assert_eq!(fault(&exchange), Some(NetworkFault::Refused));
    assert_eq!(verdict(&exchange), "connection - -");

    for wire in [Wire::Close, Wire::Reset] {
        let registry = bench.start(Behaviour::basic().wire(wire.clone())).await;
        let exchange = bench.ping(registry.host()).await;
        assert_eq!(fault(&exchange), Some(NetworkFault::Closed), "{wire:?}");
    }

    let registry = bench
        .start(Behaviour::basic().answer(Step::Ping, Answer::close()))
        .await;
    let exchange = bench.ping(registry.host()).await;
    assert_eq!(fault(&exchange), Some(NetworkFault::Closed));
}

#[tokio::test]
async fn an_address_without_a_route_is_unreachable() {
    // The kernel refuses TCP to the broadcast address by itself: no packet leaves.
    let bench = Bench::with_policy(Policy {
        allow: targets(&["255.255.255.255"]),
        ..Policy::default()
    });
    let exchange = bench.ping("255.255.255.255:443").await;
    assert_eq!(fault(&exchange), Some(NetworkFault::Unreachable));
}

#[tokio::test]
async fn a_time_out_tells_what_it_waited_for() {
    let bench = Bench::impatient();
    let check = async |host: &str, stage: Stage| {
        let exchange = bench.ping(host).await;
        assert_eq!(
            fault(&exchange),
            Some(NetworkFault::Timeout(stage)),
            "{stage:?}"
        );
        assert_eq!(verdict(&exchange), "timeout - -");
    };
    let blackhole = Blackhole::start().await;
    check(&blackhole.address.to_string(), Stage::Connect).await;
    check(
        &format!("localhost:{}", blackhole.address.port()),
        Stage::Connect,
    )
    .await;

    let silent = bench.start(Behaviour::basic().wire(Wire::Silent)).await;
    check(silent.host(), Stage::Tls).await;

    let never = bench
        .start(Behaviour::basic().answer(Step::Ping, Answer::never()))
        .await;
    check(never.host(), Stage::Answer).await;
}

#[tokio::test]
async fn behind_a_proxy_a_time_out_tells_the_same() {
    let check = async |proxy: &str, expected: NetworkFault| {
        let bench = Bench {
            proxies: Proxies::all(proxy, ""),
            ..Bench::impatient()
        };
        assert_eq!(fault(&bench.ping("192.0.2.1:1").await), Some(expected));
    };
    let bench = Bench::new();
    // the registry takes the connection and says nothing
    let silent = bench.start(Behaviour::basic().wire(Wire::Silent)).await;
    let tunnel = Tunnel::to(silent.host()).await;
    let proxy = format!("http://{}", tunnel.address);
    check(&proxy, NetworkFault::Timeout(Stage::Tls)).await;
    // the proxy does: to TCP, and to the TLS that is meant for itself
    let blackhole = Blackhole::start().await;
    check(
        &format!("http://{}", blackhole.address),
        NetworkFault::Proxy,
    )
    .await;
    check(&format!("https://{}", silent.host()), NetworkFault::Proxy).await;
}

#[tokio::test]
async fn certificates_fail_for_one_reason_each() {
    let bench = Bench::new();
    let host = ["127.0.0.1"];
    let check = async |config, expected: TlsFault| {
        let registry = Registry::start(Behaviour::basic().tls(config)).await;
        let exchange = bench
            .converse(registry.host(), "bot", &["org/app:1.0"])
            .await;
        assert_eq!(fault(&exchange), Some(NetworkFault::Tls(expected)));
        assert_eq!(verdict(&exchange), "tls - -");
        assert_eq!(registry.requests().len(), 0);
    };
    let expired = bench.ca.certificate(&host).expired().server_config();
    check(expired, TlsFault::Expired).await;
    let early = bench.ca.certificate(&host).not_yet_valid().server_config();
    check(early, TlsFault::NotYetValid).await;
    check(bench.ca.server_config(&["other.test"]), TlsFault::WrongName).await;
    check(Ca::new().server_config(&host), TlsFault::UnknownCa).await;
}

#[tokio::test]
async fn a_tls_alert_is_the_protocol() {
    let bench = Bench::new();
    // record 21, TLS 1.2, two bytes: fatal, protocol_version
    let alert = [21, 3, 3, 0, 2, 2, 70];
    let raw = Raw::start_at("127.0.0.1:0", &[&alert]).await;
    let exchange = bench.ping(&raw.host()).await;
    assert_eq!(
        fault(&exchange),
        Some(NetworkFault::Tls(TlsFault::Protocol))
    );
}

#[tokio::test]
async fn what_is_no_http_is_told() {
    let bench = Bench::with_policy(Policy {
        plain_http: targets(&["127.0.0.1"]),
        ..open_policy()
    });
    let registry = Registry::start(Behaviour::basic().wire(Wire::ssh())).await;
    let exchange = bench.ping(registry.host()).await;
    assert_eq!(fault(&exchange), Some(NetworkFault::NotHttp));
    assert_eq!(verdict(&exchange), "registry_error - -");

    let raw = Raw::start("\0\u{1}garbage\r\n\r\n").await;
    let exchange = bench.ping(&raw.host()).await;
    assert_eq!(fault(&exchange), Some(NetworkFault::NotHttp));
}

#[tokio::test]
async fn headers_have_bounds() {
    let bench = Bench::new();
    let check = async |answer: Answer, expected: Option<NetworkFault>| {
        let registry = bench
            .start(Behaviour::open().answer(Step::Ping, answer))
            .await;
        let exchange = bench.ping(registry.host()).await;
        assert_eq!(fault(&exchange), expected);
    };
    let many = |count: usize| {
        (0..count).fold(Answer::status(200), |answer, number| {
            answer.header(&format!("x-{number}"), "y")
        })
    };
    check(many(40), None).await;
    check(many(80), Some(NetworkFault::TooLarge)).await;
    check(
        Answer::status(200).huge_header(1 << 20),
        Some(NetworkFault::TooLarge),
    )
    .await;
}

#[tokio::test]
async fn a_body_is_read_up_to_64_kib() {
    let bench = Bench::new();
    let padded = |bytes: usize| {
        let padding = "x".repeat(bytes);
        Answer::status(200).json(&serde_json::json!({ "padding": padding, "token": "t" }))
    };
    let check = async |answer: Answer, expected: &str| {
        let registry = bench
            .start(
                Behaviour::bearer()
                    .user("bot", PASSWORD)
                    .answer(Step::Token, answer),
            )
            .await;
        let exchange = bench.converse(registry.host(), "bot", &[]).await;
        assert_eq!(verdict(&exchange), expected);
        fault(&exchange)
    };
    assert_eq!(check(padded(60 * 1024), "ok ok -").await, None);
    let fault = check(padded(65 * 1024), "ok registry_error -").await;
    assert_eq!(fault, Some(NetworkFault::TooLarge));
}

#[tokio::test]
async fn a_proxy_takes_the_blame_for_itself_and_no_more() {
    let through = |proxy: &str| Bench {
        proxies: Proxies::all(&format!("http://{proxy}"), ""),
        ..Bench::new()
    };
    // refused
    let gone = Registry::start(Behaviour::open()).await;
    gone.stop().await;
    let exchange = through(gone.host()).ping("192.0.2.1:1").await;
    assert_eq!(fault(&exchange), Some(NetworkFault::Proxy));
    assert_eq!(verdict(&exchange), "connection - -");
    // says no
    for head in ["403 Forbidden", "407 Proxy Authentication Required"] {
        let proxy = Raw::start(&format!("HTTP/1.1 {head}\r\n\r\n")).await;
        let exchange = through(&proxy.host()).ping("192.0.2.1:1").await;
        assert_eq!(fault(&exchange), Some(NetworkFault::Proxy), "{head}");
        assert!(
            proxy.heard().starts_with("CONNECT 192.0.2.1:1 "),
            "{}",
            proxy.heard()
        );
    }
    // lets through to something whose TLS is wrong
    let check = async |behind: &[u8], expected| {
        let tunnel = Raw::start_at("127.0.0.1:0", &[b"HTTP/1.1 200 OK\r\n\r\n", behind]).await;
        let exchange = through(&tunnel.host()).ping("192.0.2.1:1").await;
        assert_eq!(exchange.asked[0].answer.clone().err(), Some(expected));
    };
    check(
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        NetworkFault::Tls(TlsFault::PlainHttp),
    )
    .await;
    check(b"", NetworkFault::Closed).await;
    // SOCKS is not spoken
    let socks = Bench {
        proxies: Proxies::all("socks5://127.0.0.1:1", ""),
        ..Bench::new()
    };
    assert_eq!(
        fault(&socks.ping("192.0.2.1:1").await),
        Some(NetworkFault::Proxy)
    );
}

#[tokio::test]
async fn a_host_in_no_proxy_is_asked_straight() {
    let proxy = Raw::start("").await;
    let bench = Bench {
        proxies: Proxies::all(
            &format!("http://user:{PASSWORD}@{}", proxy.host()),
            "127.0.0.1",
        ),
        ..Bench::new()
    };
    let registry = bench.start(Behaviour::basic()).await;
    assert_eq!(verdict(&bench.ping(registry.host()).await), "ok - -");
    assert_eq!(proxy.accepted(), 0);
    assert!(!format!("{:?}", bench.proxies).contains(PASSWORD));
}

#[test]
fn no_roots_is_said_at_the_start() {
    let error = Trust::of([]).unwrap_err();
    assert!(matches!(error, TrustError::NoRoots(None)));
    assert!(error.to_string().contains("SSL_CERT_FILE"), "{error}");
}
