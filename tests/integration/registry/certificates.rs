//! What a host shows in its handshake: its dates, and what is wrong with it.

use std::sync::Arc;

use regcred_exporter::domain::exchange::{NetworkFault, TlsFault};
use regcred_exporter::registry::Proxies;
use regcred_stand_ins::registry::{Behaviour, Registry};
use regcred_stand_ins::tls::{self, Ca, SelfSigned};
use rustls::ServerConfig;
use tokio::time::{Duration, Instant};

use super::bench::{Bench, PASSWORD, Raw, Tunnel, fault, purposes, shown, verdict};

/// Where the stand-ins stand.
const HOST: [&str; 1] = ["127.0.0.1"];
/// Long ago, long ahead; no clock stops these tests.
const ALWAYS: [(i32, u8, u8); 2] = [(2000, 1, 1), (2090, 1, 1)];
const PAST: [(i32, u8, u8); 2] = [(2001, 1, 1), (2002, 1, 1)];
const FUTURE: [(i32, u8, u8); 2] = [(2080, 1, 1), (2081, 1, 1)];

/// Pings a registry that shows this: what it failed on and the dates noted, both `-` if none.
async fn ping(bench: &Bench, config: Arc<ServerConfig>) -> String {
    let registry = Registry::start(Behaviour::basic().tls(config)).await;
    let exchange = bench.ping(registry.host()).await;
    let failed = match fault(&exchange) {
        None => "ok",
        Some(NetworkFault::Tls(fault)) => fault.as_str(),
        Some(other) => panic!("{other:?}"),
    };
    let shown = shown(&exchange);
    assert!(shown.len() < 2, "one host, one certificate: {shown:?}");
    let place = format!("{} ", registry.host());
    let dates = shown
        .first()
        .map_or("-", |line| line.strip_prefix(&place).unwrap());
    format!("{failed} {dates}")
}

#[tokio::test]
async fn the_dates_are_those_of_the_chain_that_verified() {
    let bench = Bench::new();
    let check = async |config, expected: &str| assert_eq!(ping(&bench, config).await, expected);

    let leaf = bench
        .ca
        .certificate(&HOST)
        .valid((2025, 3, 1), (2035, 4, 1));
    check(leaf.server_config(), "ok 2025-03-01 2035-04-01").await;

    // the intermediate ends before the leaf, and began after it
    let between = bench.ca.intermediate((2025, 6, 1), (2034, 1, 1));
    let leaf = between.certificate(&HOST).valid((2025, 3, 1), (2035, 4, 1));
    check(leaf.server_config(), "ok 2025-06-01 2034-01-01").await;

    // what is shown and not needed says nothing
    let beside = Ca::valid((2025, 9, 1), (2033, 1, 1));
    let leaf = bench
        .ca
        .certificate(&HOST)
        .valid((2025, 3, 1), (2035, 4, 1));
    let config = leaf.followed_by(vec![beside.der(), bench.ca.der()]);
    check(config, "ok 2025-03-01 2035-04-01").await;
}

#[tokio::test]
async fn a_root_ends_a_chain_too() {
    let root = Ca::valid((2024, 1, 1), (2032, 1, 1));
    let bench = Bench {
        more_roots: vec![root.der()],
        ..Bench::new()
    };
    let leaf = root.certificate(&HOST).valid((2025, 3, 1), (2035, 4, 1));
    let got = ping(&bench, leaf.server_config()).await;
    assert_eq!(got, "ok 2025-03-01 2032-01-01");
}

#[tokio::test]
async fn where_none_verified_the_dates_are_the_leafs_own() {
    let bench = Bench::new();
    let check = async |config, expected: &str| assert_eq!(ping(&bench, config).await, expected);
    let [from, until] = PAST;

    let unknown = Ca::new();
    let leaf = unknown.certificate(&HOST);
    check(leaf.server_config(), "unknown_ca 2025-01-01 2035-01-01").await;

    let between = bench.ca.intermediate(from, until);
    let leaf = between.certificate(&HOST);
    check(leaf.server_config(), "expired 2025-01-01 2035-01-01").await;

    let leaf = bench.ca.certificate(&HOST).expired();
    check(leaf.server_config(), "expired 2021-01-01 2022-01-01").await;
    let leaf = bench.ca.certificate(&HOST).not_yet_valid();
    check(leaf.server_config(), "not_yet_valid 2040-01-01 2041-01-01").await;
    let other = bench.ca.server_config(&["other.test"]);
    check(other, "wrong_name 2025-01-01 2035-01-01").await;
}

#[tokio::test]
async fn of_several_things_wrong_the_one_is_named_that_go_names() {
    let bench = Bench::new();
    let check = async |config, expected: &str| {
        let got = ping(&bench, config).await;
        assert_eq!(got.split(' ').next(), Some(expected));
    };
    let unknown = Ca::new();
    let other = ["other.test"];
    // the leaf's dates, then its name, then the chain
    check(
        unknown.certificate(&other).expired().server_config(),
        "expired",
    )
    .await;
    check(
        unknown.certificate(&other).not_yet_valid().server_config(),
        "not_yet_valid",
    )
    .await;
    check(unknown.server_config(&other), "wrong_name").await;
    check(unknown.server_config(&HOST), "unknown_ca").await;
    let between = |[from, until]: [_; 2]| bench.ca.intermediate(from, until);
    check(between(PAST).server_config(&other), "wrong_name").await;
    check(between(PAST).server_config(&HOST), "expired").await;
    check(between(FUTURE).server_config(&HOST), "not_yet_valid").await;
    check(
        between(PAST)
            .certificate(&HOST)
            .not_yet_valid()
            .server_config(),
        "not_yet_valid",
    )
    .await;
    // an authority made anew under its old name
    check(bench.ca.namesake().server_config(&HOST), "unknown_ca").await;
}

#[tokio::test]
async fn an_expired_root_is_expired_unless_another_leads_to_the_same() {
    let [from, until] = PAST;
    let old = Ca::valid(from, until);
    let bench = Bench {
        more_roots: vec![old.der()],
        ..Bench::new()
    };
    let got = ping(&bench, old.server_config(&HOST)).await;
    assert_eq!(got, "expired 2025-01-01 2035-01-01");

    // renewed with the same key: both stand among the roots
    let [from, until] = ALWAYS;
    let renewed = old.renewed(from, until);
    let bench = Bench {
        more_roots: vec![old.der(), renewed],
        ..Bench::new()
    };
    let got = ping(&bench, old.server_config(&HOST)).await;
    assert_eq!(got, "ok 2025-01-01 2035-01-01");
}

#[tokio::test]
async fn a_certificate_that_is_its_own_authority_is_believed_where_it_is_a_root() {
    let [from, until] = ALWAYS;
    let own = SelfSigned::new(&HOST, from, until);
    let bench = Bench::new();
    let got = ping(&bench, own.server_config()).await;
    assert_eq!(got, "unknown_ca 2000-01-01 2090-01-01");

    let check = async |trusted: &SelfSigned, expected: &str| {
        let bench = Bench {
            more_roots: vec![trusted.der()],
            ..Bench::new()
        };
        assert_eq!(ping(&bench, trusted.server_config()).await, expected);
    };
    check(&own, "ok 2000-01-01 2090-01-01").await;
    let other_name = SelfSigned::new(&["other.test"], from, until);
    check(&other_name, "wrong_name 2000-01-01 2090-01-01").await;
    let [from, until] = PAST;
    let over = SelfSigned::new(&HOST, from, until);
    check(&over, "expired 2001-01-01 2002-01-01").await;

    // another one of the same make is not it
    let [from, until] = ALWAYS;
    let bench = Bench {
        more_roots: vec![own.der()],
        ..Bench::new()
    };
    let forged = SelfSigned::new(&HOST, from, until);
    let got = ping(&bench, forged.server_config()).await;
    assert_eq!(got, "unknown_ca 2000-01-01 2090-01-01");
}

#[tokio::test]
async fn a_certificate_without_its_key_proves_nothing() {
    let bench = Bench::new();
    let certificate = bench.ca.certificate(&HOST).der();
    let got = ping(&bench, tls::stolen(certificate)).await;
    assert_eq!(got, "protocol 2025-01-01 2035-01-01");
    // nor does one that is trusted as its own authority
    let [from, until] = ALWAYS;
    let own = SelfSigned::new(&HOST, from, until);
    let bench = Bench {
        more_roots: vec![own.der()],
        ..Bench::new()
    };
    let got = ping(&bench, tls::stolen(own.der())).await;
    assert_eq!(got, "protocol 2000-01-01 2090-01-01");
}

#[tokio::test]
async fn tls_1_2_is_spoken_and_nothing_older() {
    let bench = Bench::new();
    let config = bench.ca.certificate(&HOST).server_config_1_2();
    assert_eq!(ping(&bench, config).await, "ok 2025-01-01 2035-01-01");
    let config = bench.ca.certificate(&HOST).expired().server_config_1_2();
    assert_eq!(ping(&bench, config).await, "expired 2021-01-01 2022-01-01");

    // a ServerHello of TLS 1.0: record 22, handshake 2, version 3.1, random, no session, RSA suite
    let mut hello = vec![22, 3, 1, 0, 42, 2, 0, 0, 38, 3, 1];
    hello.extend([0x55; 32]);
    hello.extend([0, 0, 0x2f, 0]);
    let raw = Raw::start_at("127.0.0.1:0", &[&hello]).await;
    let exchange = bench.ping(&raw.host()).await;
    assert_eq!(
        fault(&exchange),
        Some(NetworkFault::Tls(TlsFault::Protocol))
    );
    assert!(exchange.certificates.is_empty());
}

#[tokio::test]
async fn a_realm_elsewhere_has_dates_of_its_own() {
    let bench = Bench::new();
    let realm_ca = bench.ca.intermediate((2025, 1, 1), (2031, 1, 1));
    let behaviour = Behaviour::bearer().user("bot", PASSWORD).realm_elsewhere();
    let registry = Registry::start(
        behaviour
            .tls(bench.ca.server_config(&HOST))
            .realm_tls(realm_ca.server_config(&HOST)),
    )
    .await;
    let exchange = bench.converse(registry.host(), "bot", &[]).await;
    assert_eq!(verdict(&exchange), "ok ok -");
    let expected = [
        format!("{} 2025-01-01 2035-01-01", registry.host()),
        format!("{} 2025-01-01 2031-01-01", registry.realm_host()),
    ];
    assert_eq!(shown(&exchange), expected);

    // where only the realm's is bad, the login says so, and no password was sent
    let expired = bench.ca.certificate(&HOST).expired().server_config();
    let behaviour = Behaviour::bearer().user("bot", PASSWORD).realm_elsewhere();
    let registry = Registry::start(
        behaviour
            .tls(bench.ca.server_config(&HOST))
            .realm_tls(expired),
    )
    .await;
    let exchange = bench.converse(registry.host(), "bot", &[]).await;
    assert_eq!(verdict(&exchange), "ok tls -");
    assert_eq!(fault(&exchange), Some(NetworkFault::Tls(TlsFault::Expired)));
    assert_eq!(purposes(&exchange).len(), 2);
    assert_eq!(
        (registry.logins("bot"), registry.all_refused_logins()),
        (0, 0)
    );
    assert_eq!(shown(&exchange).len(), 2);
}

#[tokio::test]
async fn a_proxy_hides_nothing_of_it() {
    let bench = Bench::new();
    let check = async |config: Arc<ServerConfig>, expected: Option<TlsFault>, dates: &str| {
        let registry = Registry::start(Behaviour::basic().tls(config)).await;
        let proxy = Tunnel::to(registry.host()).await;
        let bench = Bench {
            ca: Arc::clone(&bench.ca),
            proxies: Proxies::all(&format!("http://{}", proxy.address), ""),
            ..Bench::new()
        };
        let exchange = bench.ping("192.0.2.1:5000").await;
        assert_eq!(fault(&exchange), expected.map(NetworkFault::Tls));
        assert_eq!(shown(&exchange), [format!("192.0.2.1:5000 {dates}")]);
    };
    let host = ["192.0.2.1"];
    let of_ca = |names| bench.ca.certificate(names);
    check(of_ca(&host).server_config(), None, "2025-01-01 2035-01-01").await;
    let expired = of_ca(&host).expired().server_config();
    check(expired, Some(TlsFault::Expired), "2021-01-01 2022-01-01").await;
    let early = of_ca(&host).not_yet_valid().server_config();
    check(early, Some(TlsFault::NotYetValid), "2040-01-01 2041-01-01").await;
    let other = of_ca(&["192.0.2.2"]).server_config();
    check(other, Some(TlsFault::WrongName), "2025-01-01 2035-01-01").await;
    let unknown = Ca::new().server_config(&host);
    check(unknown, Some(TlsFault::UnknownCa), "2025-01-01 2035-01-01").await;
}

#[tokio::test]
async fn a_proxys_own_certificate_is_the_proxys_own_business() {
    let bench = Bench::new();
    let check = async |config: Arc<ServerConfig>| {
        let proxy = Registry::start(Behaviour::open().tls(config)).await;
        let through = Bench {
            ca: Arc::clone(&bench.ca),
            proxies: Proxies::all(&format!("https://{}", proxy.host()), ""),
            ..Bench::new()
        };
        let exchange = through.ping("192.0.2.1:5000").await;
        assert_eq!(fault(&exchange), Some(NetworkFault::Proxy));
        assert_eq!(shown(&exchange), <[String; 0]>::default());
    };
    // its TLS is wrong; it is right, and the proxy says no
    check(bench.ca.certificate(&HOST).expired().server_config()).await;
    check(bench.ca.server_config(&HOST)).await;
}

#[tokio::test]
async fn a_hostile_chain_costs_little_and_breaks_nothing() {
    let bench = Bench::new();
    // every one could be the issuer of every other: a maze for who looks for the way out
    let hostile = Ca::new();
    let maze = |count| -> Vec<_> { (0..count).map(|_| hostile.namesake().der()).collect() };
    let check = async |config, expected: &str| {
        let started = Instant::now();
        let got = ping(&bench, config).await;
        assert_eq!(got, expected);
        let took = started.elapsed();
        assert!(took < Duration::from_secs(5), "{took:?}");
        println!("{expected}: {took:?}");
    };
    let leaf = || hostile.certificate(&HOST);
    check(
        leaf().followed_by(maze(99)),
        "unknown_ca 2025-01-01 2035-01-01",
    )
    .await;
    check(
        leaf().followed_by(maze(7)),
        "unknown_ca 2025-01-01 2035-01-01",
    )
    .await;

    // the way out is looked for within the first eight
    let good = |rest| bench.ca.certificate(&HOST).followed_by(rest);
    check(good(maze(99)), "ok 2025-01-01 2035-01-01").await;
    let between = bench.ca.intermediate((2025, 6, 1), (2034, 1, 1));
    let behind = |count| {
        let rest = maze(count).into_iter().chain([between.der()]).collect();
        between.certificate(&HOST).followed_by(rest)
    };
    check(behind(6), "ok 2025-06-01 2034-01-01").await;
    check(behind(7), "unknown_ca 2025-01-01 2035-01-01").await;

    // 50 KiB of certificate is one; over 64 KiB of them are no handshake
    let large = || bench.ca.certificate(&HOST).padded(50 << 10);
    check(large().server_config(), "ok 2025-01-01 2035-01-01").await;
    let two = large().followed_by(vec![large().der()]);
    check(two, "protocol -").await;
}
