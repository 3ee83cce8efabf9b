//! Hosts and addresses in every spelling, and who may contact them.

use super::*;

fn targets(texts: &[&str]) -> Vec<Target> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn allowing(texts: &[&str]) -> Policy {
    Policy {
        allow: targets(texts),
        ..Policy::default()
    }
}

fn said(judgement: Result<(), Rule>) -> &'static str {
    judgement.map_or_else(Rule::as_str, |()| "ok")
}

#[test]
fn what_a_registry_names_lies_no_further_inward_than_itself() {
    let everything = Policy {
        private: Private::All,
        loopback: Loopback::Allowed,
        ..Policy::default()
    };
    for (host, reach, expected) in [
        ("127.0.0.1", Reach::Loopback, "ok"),
        ("127.0.0.1", Reach::Private, "loopback"),
        ("localhost", Reach::Private, "loopback"),
        ("[::ffff:127.0.0.1]", Reach::Public, "loopback"),
        ("10.0.0.1", Reach::Loopback, "ok"),
        ("10.0.0.1", Reach::Private, "ok"),
        ("10.0.0.1", Reach::Public, "private"),
        ("93.184.216.34", Reach::Public, "ok"),
    ] {
        let contact = Contact::new(host, 443, true).within(reach);
        let judgement = everything.judge_host(&contact);
        assert_eq!(said(judgement), expected, "{host} {reach:?}");
    }
    let allowed = Contact::new("10.0.0.1", 443, false).within(Reach::Public);
    assert_eq!(said(allowing(&["10.0.0.0/8"]).judge_host(&allowed)), "ok");
}

#[test]
fn literals_are_judged_in_every_spelling() {
    let check = |host: &str, expected: &str| {
        let contact = Contact::new(host, 443, false);
        let judgement = Policy::default().judge_host(&contact);
        assert_eq!(said(judgement), expected, "{host}");
    };
    check("registry.example.com", "ok");
    check("registry.example.com.", "ok");
    check("93.184.216.34", "ok");
    check("[2606:4700::1111]", "ok");
    check("localhost", "loopback");
    check("LOCALHOST.", "loopback");
    check("a.localhost", "loopback");
    check("127.0.0.1", "loopback");
    check("127.255.255.254", "loopback");
    check("127.1", "loopback");
    check("2130706433", "loopback");
    check("0x7f000001", "loopback");
    check("0x7f.1", "loopback");
    check("0177.0.0.1", "loopback");
    check("0X7F.0.0.0x1", "loopback");
    check("[::1]", "loopback");
    check("::1", "loopback");
    check("[::ffff:127.0.0.1]", "loopback");
    check("[::ffff:7f00:1]", "loopback");
    check("[::127.0.0.1]", "loopback");
    check("[64:ff9b::7f00:1]", "loopback");
    check("0.0.0.0", "unspecified");
    check("0", "unspecified");
    check("0.1.2.3", "unspecified");
    check("[::]", "unspecified");
    check("169.254.1.1", "link_local");
    check("[fe80::1]", "link_local");
    check("[febf::1]", "link_local");
    check("169.254.169.254", "metadata");
    check("0xa9fea9fe", "metadata");
    check("2852039166", "metadata");
    check("169.254.43518", "metadata");
    check("[::ffff:169.254.169.254]", "metadata");
    check("[64:ff9b::a9fe:a9fe]", "metadata");
    check("[2002:a9fe:a9fe::1]", "metadata");
    check("[64:ff9b:1::a9fe:a9fe]", "private");
    check("100.100.100.200", "metadata");
    check("168.63.129.16", "metadata");
    check("[fd00:ec2::254]", "metadata");
    check("metadata.google.internal", "metadata");
    check("224.0.0.1", "multicast");
    check("255.255.255.255", "multicast");
    check("[ff02::1]", "multicast");
    check("10.0.0.1", "private");
    check("172.16.0.1", "private");
    check("172.32.0.1", "ok");
    check("192.168.1.1", "private");
    check("100.64.0.1", "private");
    check("240.0.0.1", "private");
    check("[fc00::1]", "private");
    check("[fd12:3456::1]", "private");
    check("", "malformed");
    check("a b", "malformed");
    check("a/b", "malformed");
    check("a@b", "malformed");
    check("*.example.com", "malformed");
    check("1.2.3.4.5", "malformed");
    check("256.1.1.1", "malformed");
    check("0x7f.0.0.256", "malformed");
    check("[::1%25eth0]", "malformed");
    check("my_registry.internal", "ok");
}

#[test]
fn a_name_opens_loopback_and_private_and_no_more() {
    let check = |allow: &str, host: &str, address: &str, expected: &str| {
        let contact = Contact::new(host, 5000, false);
        let judgement = allowing(&[allow]).judge_address(&contact, address.parse().unwrap());
        assert_eq!(said(judgement), expected, "{allow} {host} {address}");
    };
    check("reg.local", "reg.local", "10.0.0.1", "ok");
    check("REG.local.", "reg.LOCAL", "10.0.0.1", "ok");
    check("reg.local:5000", "reg.local", "10.0.0.1", "ok");
    check("reg.local:5001", "reg.local", "10.0.0.1", "private");
    check("reg.local", "other.local", "10.0.0.1", "private");
    check("reg.local", "sub.reg.local", "10.0.0.1", "private");
    check("localhost", "localhost", "127.0.0.1", "ok");
    check("localhost", "localhost", "::1", "ok");
    check("localhost:5000", "localhost", "127.0.0.1", "ok");
    check("reg.local", "reg.local", "169.254.1.1", "link_local");
    check("reg.local", "reg.local", "169.254.169.254", "metadata");
    check("reg.local", "reg.local", "100.100.100.200", "metadata");
    check("reg.local", "reg.local", "0.0.0.0", "unspecified");
    check(
        "reg.local",
        "reg.local",
        "::ffff:169.254.169.254",
        "metadata",
    );
    // an address or a network opens what lies in it, whatever the name
    check("10.0.0.0/8", "reg.local", "10.2.3.4", "ok");
    check("10.0.0.0/8", "reg.local", "::ffff:10.2.3.4", "ok");
    check("10.0.0.0/8", "reg.local", "192.168.0.1", "private");
    check("127.0.0.1", "127.0.0.1", "127.0.0.1", "ok");
    check("127.0.0.1:5000", "127.0.0.1", "127.0.0.1", "ok");
    check("127.0.0.1:5001", "127.0.0.1", "127.0.0.1", "loopback");
    check("127.0.0.0/8", "reg.local", "127.0.0.9", "ok");
    check("[::1]:5000", "localhost", "::1", "ok");
    check("169.254.1.1", "reg.local", "169.254.1.1", "ok");
    check("169.254.0.0/16", "reg.local", "169.254.1.1", "ok");
    // but a wide network opens nothing that is dangerous, and only an address opens metadata
    check("0.0.0.0/0", "reg.local", "10.0.0.1", "ok");
    check("0.0.0.0/0", "reg.local", "127.0.0.1", "loopback");
    check("0.0.0.0/0", "reg.local", "169.254.1.1", "link_local");
    check("::/0", "reg.local", "::1", "loopback");
    check("169.254.0.0/16", "reg.local", "169.254.169.254", "metadata");
    check("100.64.0.0/10", "reg.local", "100.100.100.200", "metadata");
    check("169.254.169.254", "reg.local", "169.254.169.254", "ok");
    check("fd00:ec2::254", "reg.local", "fd00:ec2::254", "ok");
}

#[test]
fn deny_wins_over_allow() {
    let check = |deny: &str, host: &str, address: &str, expected: &str| {
        let policy = Policy {
            deny: targets(&[deny]),
            ..allowing(&["reg.local", "10.0.0.0/8", "127.0.0.1"])
        };
        let contact = Contact::new(host, 443, true);
        let judgement = policy
            .judge_host(&contact)
            .and_then(|()| policy.judge_address(&contact, address.parse().unwrap()));
        assert_eq!(said(judgement), expected, "{deny} {host} {address}");
    };
    check("reg.local", "reg.local", "10.0.0.1", "denied");
    check("reg.local:443", "reg.local", "10.0.0.1", "denied");
    check("reg.local:5000", "reg.local", "10.0.0.1", "ok");
    check("10.1.0.0/16", "reg.local", "10.1.0.1", "denied");
    check("10.1.0.0/16", "reg.local", "10.2.0.1", "ok");
    check("10.1.0.0/16", "reg.local", "::ffff:10.1.0.1", "denied");
    check("10.1.0.1", "10.1.0.1", "10.1.0.1", "denied");
    check("127.0.0.1", "0x7f.1", "127.0.0.1", "denied");
    check("8.8.8.8", "dns.google", "8.8.8.8", "denied");
    check("::ffff:0:0/96", "dns.google", "::ffff:8.8.8.8", "denied");
}

#[test]
fn no_registry_stands_on_a_port_of_a_cluster_component() {
    let check = |allow: &[&str], endpoint: &str, expected: &str| {
        let (host, port) = endpoint.rsplit_once(':').unwrap();
        let policy = Policy {
            private: Private::All,
            loopback: Loopback::Allowed,
            ..allowing(allow)
        };
        let contact = Contact::new(host, port.parse().unwrap(), true);
        let judgement = policy
            .judge_host(&contact)
            .and_then(|()| policy.judge_address(&contact, "10.0.0.9".parse().unwrap()));
        assert_eq!(said(judgement), expected, "{allow:?} {endpoint}");
    };
    for port in [
        2379, 2380, 2381, 6443, 10248, 10249, 10250, 10251, 10252, 10255, 10256, 10257, 10258,
        10259, 10260,
    ] {
        check(&[], &format!("10.0.0.9:{port}"), "cluster_port");
        check(&[], &format!("node.example:{port}"), "cluster_port");
        check(&[], &format!("93.184.216.34:{port}"), "cluster_port");
        check(&[], &format!("localhost:{port}"), "cluster_port");
    }
    for port in [
        443, 2378, 5000, 6442, 8080, 8443, 10187, 10247, 10253, 10261,
    ] {
        check(&[], &format!("10.0.0.9:{port}"), "ok");
    }
    // host and port, and nothing less, open one
    check(&["10.0.0.9:10250"], "10.0.0.9:10250", "ok");
    check(&["10.0.0.9:10250"], "0x0a000009:10250", "ok");
    check(&["10.0.0.9:10250"], "10.0.0.9:10255", "cluster_port");
    check(&["10.0.0.9:10250"], "node.example:10250", "cluster_port");
    check(&["10.0.0.9"], "10.0.0.9:10250", "cluster_port");
    check(&["10.0.0.0/8"], "10.0.0.9:10250", "cluster_port");
    check(&["10.0.0.9/32"], "10.0.0.9:10250", "cluster_port");
    check(&["node.example"], "node.example:10250", "cluster_port");
    check(&["node.example:10250"], "node.example:10250", "ok");
    check(&["node.example:10250"], "10.0.0.9:10250", "cluster_port");
}

#[test]
fn the_api_server_is_no_registry() {
    let check = |allow: &[&str], endpoint: &str, address: &str, expected: &str| {
        let (host, port) = endpoint.rsplit_once(':').unwrap();
        let policy = Policy {
            private: Private::All,
            api_servers: vec![
                ApiServer::new("10.96.0.1", 443),
                ApiServer::new("[fd00::1]", 8443),
                ApiServer::new("Api.Example.com.", 443),
            ],
            ..allowing(allow)
        };
        let contact = Contact::new(host, port.parse().unwrap(), true)
            .with_api_server_at(vec!["93.184.216.34".parse().unwrap()]);
        let judgement = policy
            .judge_host(&contact)
            .and_then(|()| policy.judge_address(&contact, address.parse().unwrap()));
        assert_eq!(said(judgement), expected, "{allow:?} {endpoint} {address}");
    };
    // by address, in every spelling
    check(&[], "10.96.0.1:443", "10.96.0.1", "api_server");
    check(&[], "10.6291457:443", "10.96.0.1", "api_server");
    check(&[], "[::ffff:10.96.0.1]:443", "10.96.0.1", "api_server");
    check(&[], "[fd00::1]:8443", "fd00::1", "api_server");
    check(&[], "10.96.0.1:5000", "10.96.0.1", "ok");
    check(&[], "[fd00::1]:443", "fd00::1", "ok");
    // by name
    check(&[], "api.example.com:443", "93.184.216.35", "api_server");
    check(&[], "API.example.com.:443", "93.184.216.35", "api_server");
    check(&[], "api.example.com:5000", "93.184.216.35", "ok");
    check(&[], "kubernetes:443", "10.96.0.2", "api_server");
    check(&[], "kubernetes.default:443", "10.96.0.2", "api_server");
    check(&[], "kubernetes.default.svc:443", "10.96.0.2", "api_server");
    check(
        &[],
        "kubernetes.default.svc.a.b:443",
        "10.96.0.2",
        "api_server",
    );
    check(&[], "kubernetes.default.svcs:443", "10.96.0.2", "ok");
    check(&[], "kubernetes.example.com:443", "10.96.0.2", "ok");
    // by what any name resolves to
    check(&[], "reg.example.com:443", "10.96.0.1", "api_server");
    check(&[], "reg.example.com:443", "93.184.216.34", "api_server");
    check(
        &[],
        "reg.example.com:443",
        "::ffff:93.184.216.34",
        "api_server",
    );
    check(&[], "reg.example.com:443", "93.184.216.35", "ok");
    // host and port, and nothing less, open it
    check(&["10.96.0.1:443"], "10.96.0.1:443", "10.96.0.1", "ok");
    check(&["10.96.0.1"], "10.96.0.1:443", "10.96.0.1", "api_server");
    check(&["10.0.0.0/8"], "10.96.0.1:443", "10.96.0.1", "api_server");
    check(
        &["reg.example.com:443"],
        "reg.example.com:443",
        "93.184.216.34",
        "ok",
    );
    check(
        &["reg.example.com"],
        "reg.example.com:443",
        "93.184.216.34",
        "api_server",
    );
}

#[test]
fn only_a_name_with_the_port_of_the_contact_must_be_looked_up() {
    let check = |host: &str, port, expected| {
        let server = ApiServer::new(host, port);
        let contact = Contact::new("registry.example.com", 443, false);
        assert_eq!(server.name_beside(&contact), expected, "{host}:{port}");
    };
    check("Api.Example.com.", 443, Some("api.example.com"));
    check("api.example.com", 6443, None);
    check("10.96.0.1", 443, None);
    check("[fd00::1]", 443, None);
}

#[test]
fn private_addresses_are_for_registries_in_use() {
    let check = |private, in_use, expected: &str| {
        let policy = Policy {
            private,
            ..Policy::default()
        };
        let contact = Contact::new("10.0.0.1", 443, in_use);
        assert_eq!(said(policy.judge_host(&contact)), expected, "{private:?}");
    };
    check(Private::Used, true, "ok");
    check(Private::Used, false, "private");
    check(Private::All, false, "ok");
    check(Private::None, true, "private");
}

#[test]
fn plain_http_is_for_listed_hosts_and_allowed_loopback() {
    let policy = Policy {
        plain_http: targets(&["reg.local", "mirror:5000", "10.0.0.1", "192.168.0.0/16"]),
        ..allowing(&["127.0.0.1", "localhost:5000"])
    };
    let check = |host: &str, port, plain, fall_back| {
        let contact = Contact::new(host, port, true);
        let said = (
            policy.is_plain_http(&contact),
            policy.may_fall_back(&contact),
        );
        assert_eq!(said, (plain, fall_back), "{host}:{port}");
    };
    check("reg.local", 443, true, false);
    check("reg.local", 5000, true, false);
    check("mirror", 5000, true, false);
    check("mirror", 5001, false, false);
    check("10.0.0.1", 80, true, false);
    check("10.0.0.2", 80, false, false);
    check("192.168.3.4", 80, true, false);
    check("127.0.0.1", 5000, false, true);
    check("127.0.0.2", 5000, false, false);
    check("localhost", 5000, false, true);
    check("localhost", 5001, false, false);
    check("registry.example.com", 443, false, false);
}

#[test]
fn standalone_may_talk_to_its_own_machine() {
    let policy = Policy {
        loopback: Loopback::Allowed,
        ..Policy::default()
    };
    let check = |host: &str, expected: &str| {
        let contact = Contact::new(host, 5000, false);
        assert_eq!(said(policy.judge_host(&contact)), expected, "{host}");
    };
    check("localhost", "ok");
    check("127.0.0.1", "ok");
    check("[::1]", "ok");
    check("169.254.169.254", "metadata");
    check("0.0.0.0", "unspecified");
}

#[test]
fn rules_are_spelt_once() {
    let mut words: Vec<_> = Rule::ALL.iter().map(|rule| rule.as_str()).collect();
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), Rule::ALL.len());
}

#[test]
fn an_endpoint_is_host_and_port_as_a_url_has_them() {
    let check = |host, expected| {
        assert_eq!(Contact::new(host, 5000, false).endpoint(), expected);
    };
    check("Registry.example.", "registry.example:5000");
    check("10.0.0.9", "10.0.0.9:5000");
    check("[::1]", "[::1]:5000");
}
