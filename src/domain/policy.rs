//! May we contact this host, this address, this port?
//!
//! Whoever may create a Secret or a Pod chooses whom we talk to, and whoever runs a registry chooses
//! its realm. So every URL is judged before it is asked: its literal by [`Policy::judge_host`], and
//! each address that its name resolves to, the very one that is then connected to, by
//! [`Policy::judge_address`]. An address that no registry should stand at (loopback, link-local,
//! multicast, unspecified, cloud metadata) is refused unless just that address is allowed.

mod literal;
mod target;

use std::fmt;
use std::net::IpAddr;

pub use literal::canonical;
pub use target::{Target, TargetError};

use literal::Class;

/// Whom we may contact.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// `--probe.allow`: opens what is refused by default.
    pub allow: Vec<Target>,
    /// `--probe.deny`: wins over everything.
    pub deny: Vec<Target>,
    /// `--probe.private`.
    pub private: Private,
    /// `--probe.plain-http`: hosts, with or without port, that are spoken to without TLS.
    pub plain_http: Vec<Target>,
    /// Whether a registry on localhost is ours or the node's.
    pub loopback: Loopback,
}

/// `--probe.private`: registries at private addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Private {
    /// Only those that a Pod's image names: the nodes talk to them anyway.
    #[default]
    Used,
    /// Any.
    All,
    /// Only allowed ones.
    None,
}

/// Registries on localhost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Loopback {
    /// It is the node's own and not ours: refused unless allowed.
    #[default]
    Refused,
    /// We run where the docker config is used, as `check --docker-config` does.
    Allowed,
}

/// Whom a request goes to, and for whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    host: String,
    port: u16,
    in_use: bool,
    reach: Reach,
}

/// How far inward a contact may lie unless it is allowed by name or address. What a registry names
/// lies no further inward than the registry itself: one on the outside could otherwise send a
/// credential, and us, to whatever listens inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// Public addresses.
    Public,
    /// Private ones too.
    Private,
    /// This machine too.
    Loopback,
}

/// What refused a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rule {
    /// `--probe.deny` names it.
    Denied,
    /// This machine.
    Loopback,
    /// 169.254.0.0/16, fe80::/10: the node's own neighbourhood.
    LinkLocal,
    /// A cloud's metadata service, which hands out credentials.
    Metadata,
    /// Multicast or broadcast.
    Multicast,
    /// 0.0.0.0/8, `::`: this machine by another name.
    Unspecified,
    /// A private address, and no Pod's image names this registry.
    Private,
    /// Plain HTTP where only TLS is spoken, or neither of the two.
    Scheme,
    /// No URL can carry this host.
    Malformed,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 9] = [
        Self::Denied,
        Self::Loopback,
        Self::LinkLocal,
        Self::Metadata,
        Self::Multicast,
        Self::Unspecified,
        Self::Private,
        Self::Scheme,
        Self::Malformed,
    ];

    /// Its spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::Loopback => "loopback",
            Self::LinkLocal => "link_local",
            Self::Metadata => "metadata",
            Self::Multicast => "multicast",
            Self::Unspecified => "unspecified",
            Self::Private => "private",
            Self::Scheme => "scheme",
            Self::Malformed => "malformed",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Contact {
    /// `host` as it stands in the URL, brackets and closing dot welcome; `in_use` if a Pod's image
    /// names the registry.
    pub fn new(host: &str, port: u16, in_use: bool) -> Self {
        Self {
            host: target::normalised(host),
            port,
            in_use,
            reach: Reach::Loopback,
        }
    }

    /// The same, as named by somebody who lies no further inward than this.
    #[must_use]
    pub fn within(self, reach: Reach) -> Self {
        Self { reach, ..self }
    }

    /// Lower case, without brackets and closing dot.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port that is connected to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address, if the host is one in any spelling that a URL parser reads.
    pub fn literal(&self) -> Option<IpAddr> {
        literal::parse(&self.host)
    }

    /// `localhost`, a name under it, or an address of this machine.
    pub fn is_loopback(&self) -> bool {
        match self.literal() {
            Some(address) => canonical(address).is_loopback(),
            None => is_localhost(&self.host),
        }
    }
}

impl Policy {
    /// Judges what the URL itself says: a literal address like a resolved one, a name by the lists.
    /// Through a proxy, which resolves for us, this may be all that there is.
    pub fn judge_host(&self, contact: &Contact) -> Result<(), Rule> {
        if let Some(address) = contact.literal() {
            return self.judge_address(contact, address);
        }
        if !target::is_name(&contact.host) {
            return Err(Rule::Malformed);
        }
        if self.deny.iter().any(|deny| deny.names(contact)) {
            return Err(Rule::Denied);
        }
        if self.allows_name(contact) {
            return Ok(());
        }
        if is_localhost(&contact.host) {
            self.judge_loopback(contact)?;
        }
        // These resolve to the refused addresses too; a proxy would not ask us.
        if is_metadata_name(&contact.host) {
            return Err(Rule::Metadata);
        }
        Ok(())
    }

    /// Judges an address that `contact` is, or that its name resolved to.
    pub fn judge_address(&self, contact: &Contact, address: IpAddr) -> Result<(), Rule> {
        let meant = canonical(address);
        let covers = |target: &Target| {
            target.names(contact)
                || target.covers(contact, meant)
                || target.covers(contact, address)
        };
        if self.deny.iter().any(covers) {
            return Err(Rule::Denied);
        }
        let class = Class::of(meant);
        if self
            .allow
            .iter()
            .any(|target| target.opens(contact, meant, class))
        {
            return Ok(());
        }
        match class {
            Class::Public => Ok(()),
            Class::Private => self.judge_private(contact),
            Class::Loopback => self.judge_loopback(contact),
            Class::LinkLocal => Err(Rule::LinkLocal),
            Class::Metadata => Err(Rule::Metadata),
            Class::Multicast => Err(Rule::Multicast),
            Class::Unspecified => Err(Rule::Unspecified),
        }
    }

    /// Whether this host is spoken to without TLS from the start.
    pub fn is_plain_http(&self, contact: &Contact) -> bool {
        let literal = contact.literal().map(canonical);
        self.plain_http.iter().any(|target| {
            target.names(contact) || literal.is_some_and(|ip| target.covers(contact, ip))
        })
    }

    /// Whether this host may answer in plain HTTP to our TLS, and is then asked so: containerd does
    /// this for localhost and nobody else (core/remotes/docker/registry.go, `MatchLocalhost`).
    pub fn may_fall_back(&self, contact: &Contact) -> bool {
        contact.is_loopback() && self.judge_host(contact).is_ok()
    }

    fn judge_loopback(&self, contact: &Contact) -> Result<(), Rule> {
        match self.loopback {
            Loopback::Allowed if contact.reach >= Reach::Loopback => Ok(()),
            Loopback::Allowed | Loopback::Refused => Err(Rule::Loopback),
        }
    }

    fn judge_private(&self, contact: &Contact) -> Result<(), Rule> {
        match self.private {
            _ if contact.reach < Reach::Private => Err(Rule::Private),
            Private::All => Ok(()),
            Private::Used if contact.in_use => Ok(()),
            Private::Used | Private::None => Err(Rule::Private),
        }
    }

    fn allows_name(&self, contact: &Contact) -> bool {
        self.allow.iter().any(|target| target.names(contact))
    }
}

/// Whether an address is anything but public: ours, our cluster's or our provider's.
pub fn is_inward(address: IpAddr) -> bool {
    Class::of(canonical(address)) != Class::Public
}

/// RFC 6761: every name under `localhost` is this machine.
fn is_localhost(host: &str) -> bool {
    host == "localhost" || host.ends_with(".localhost")
}

/// Names under which clouds serve metadata to their machines.
fn is_metadata_name(host: &str) -> bool {
    [
        "metadata",
        "metadata.google.internal",
        "metadata.goog",
        "instance-data",
        "instance-data.ec2.internal",
    ]
    .contains(&host)
}

#[cfg(test)]
mod tests {
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
}
