//! A name behind a proxy: asked for by an address that we have vetted, known by its name.

use regcred_exporter::domain::exchange::{NetworkFault, Stage, TlsFault};
use regcred_exporter::registry::Proxies;
use regcred_stand_ins::registry::{Behaviour, Wire};

use super::bench::{Bench, Blackhole, PASSWORD, Raw, Tunnel, fault, shown, verdict};

/// What a CONNECT was for.
fn asked(heads: &[String]) -> Vec<&str> {
    let target = |head: &'_ String| -> Option<usize> { head.find(" HTTP/") };
    let targets = heads
        .iter()
        .filter_map(|head| Some(&head[8..target(head)?]));
    targets.collect()
}

fn through(bench: &Bench, proxy: &str) -> Bench {
    Bench {
        ca: bench.ca.clone(),
        proxies: Proxies::all(proxy, ""),
        timeout: bench.timeout,
        ..Bench::new()
    }
}

fn at(tunnel: &Tunnel) -> String {
    format!("http://user:{PASSWORD}@{}", tunnel.address)
}

#[tokio::test]
async fn a_name_is_asked_for_by_its_address_and_keeps_its_name_beyond() {
    let bench = Bench::new();
    let registry = bench.start(Behaviour::basic().user("bot", PASSWORD)).await;
    let (_, port) = registry.host().split_once(':').unwrap();
    let named = format!("localhost:{port}");
    let tunnel = Tunnel::to(registry.host()).await;
    let exchange = through(&bench, &at(&tunnel))
        .converse(&named, "bot", &[])
        .await;
    assert!(
        verdict(&exchange).starts_with("ok ok"),
        "{}",
        verdict(&exchange)
    );
    let heads = tunnel.heads();
    let addresses = [format!("127.0.0.1:{port}"), format!("[::1]:{port}")];
    for target in asked(&heads) {
        assert!(addresses.iter().any(|one| one == target), "{target}");
    }
    assert!(
        heads.iter().all(|head| head
            .to_ascii_lowercase()
            .contains("\r\nproxy-authorization: basic ")),
        "{heads:?}"
    );
    assert_eq!(shown(&exchange), [format!("{named} 2025-01-01 2035-01-01")]);
    assert!(
        registry
            .requests()
            .iter()
            .all(|request| request.host.as_deref() == Some(&named))
    );
}

#[tokio::test]
async fn a_proxy_that_will_not_have_addresses_is_asked_by_name_and_once_more_at_most() {
    let bench = Bench::new();
    let registry = bench.start(Behaviour::basic().user("bot", PASSWORD)).await;
    let (_, port) = registry.host().split_once(':').unwrap();
    let named = format!("localhost:{port}");
    let tunnel = Tunnel::by_name_to(registry.host()).await;
    let exchange = through(&bench, &at(&tunnel))
        .converse(&named, "bot", &[])
        .await;
    assert!(
        verdict(&exchange).starts_with("ok ok"),
        "{}",
        verdict(&exchange)
    );
    let heads = tunnel.heads();
    let (refused, rest) = asked(&heads)
        .split_first()
        .map(|(first, rest)| (*first, rest.to_vec()))
        .unwrap();
    assert_ne!(refused, named);
    assert!(
        !rest.is_empty() && rest.iter().all(|target| *target == named),
        "{rest:?}"
    );
}

#[tokio::test]
async fn what_is_not_about_the_address_is_the_proxys_fault_and_no_reason_to_name_a_name() {
    for head in [
        "407 Proxy Authentication Required",
        "429 Too Many Requests",
        "502 Bad Gateway",
        "503 Service Unavailable",
    ] {
        let proxy = Raw::start(&format!("HTTP/1.1 {head}\r\ncontent-length: 0\r\n\r\n")).await;
        let bench = through(&Bench::new(), &format!("http://{}", proxy.host()));
        let exchange = bench.ping("localhost:1").await;
        assert_eq!(fault(&exchange), Some(NetworkFault::Proxy), "{head}");
        let heard = proxy.heard();
        assert!(!heard.contains("CONNECT localhost"), "{heard}");
        assert!(heard.starts_with("CONNECT "), "{heard}");
    }
}

#[tokio::test]
async fn faults_beyond_the_proxy_are_told_as_without_one() {
    let check = async |bench: &Bench, proxy: &str, expected: NetworkFault| {
        // Of a localhost that does not speak TLS plain HTTP is tried next.
        let exchange = through(bench, proxy).ping("localhost:1").await;
        assert_eq!(exchange.asked[0].answer.clone().err(), Some(expected));
    };
    let (patient, impatient) = (Bench::new(), Bench::impatient());
    let silent = patient.start(Behaviour::basic().wire(Wire::Silent)).await;
    let tunnel = Tunnel::to(silent.host()).await;
    check(&impatient, &at(&tunnel), NetworkFault::Timeout(Stage::Tls)).await;
    let blackhole = Blackhole::start().await;
    let nowhere = format!("http://{}", blackhole.address);
    check(&impatient, &nowhere, NetworkFault::Proxy).await;
    for (behind, expected) in [
        (
            &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
            NetworkFault::Tls(TlsFault::PlainHttp),
        ),
        (b"", NetworkFault::Closed),
    ] {
        let raw = Raw::start_at("127.0.0.1:0", &[b"HTTP/1.1 200 OK\r\n\r\n", behind]).await;
        check(&patient, &format!("http://{}", raw.host()), expected).await;
    }
    let never = Behaviour::basic().answer(
        regcred_stand_ins::registry::Step::Ping,
        regcred_stand_ins::registry::Answer::never(),
    );
    let never = impatient.start(never).await;
    let tunnel = Tunnel::to(never.host()).await;
    check(
        &impatient,
        &at(&tunnel),
        NetworkFault::Timeout(Stage::Answer),
    )
    .await;
}
