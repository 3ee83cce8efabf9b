//! May we contact this host, this address, this port?
//!
//! Whoever may create a Secret or a Pod chooses whom we talk to, and whoever runs a registry chooses
//! its realm. So every URL is judged before it is asked: its literal by [`Policy::judge_host`], and
//! each address that its name resolves to, the very one that is then connected to, by
//! [`Policy::judge_address`]. An address that no registry should stand at (loopback, link-local,
//! multicast, unspecified, cloud metadata) is refused unless just that address is allowed, and what
//! the cluster itself runs on unless just that host and port are.

mod cluster;
mod literal;
mod target;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::IpAddr;

pub use cluster::ApiServer;
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
    /// The API servers of the clusters that we read and that we run in: no registries.
    pub api_servers: Vec<ApiServer>,
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
    api_server_at: Vec<IpAddr>,
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
    /// The API server.
    ApiServer,
    /// A port of a cluster's components: kubelet, etcd and the like.
    ClusterPort,
    /// Plain HTTP where only TLS is spoken, or neither of the two.
    Scheme,
    /// No URL can carry this host.
    Malformed,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 11] = [
        Self::Denied,
        Self::Loopback,
        Self::LinkLocal,
        Self::Metadata,
        Self::Multicast,
        Self::Unspecified,
        Self::Private,
        Self::ApiServer,
        Self::ClusterPort,
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
            Self::ApiServer => "api_server",
            Self::ClusterPort => "cluster_port",
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
            api_server_at: Vec::new(),
        }
    }

    /// The same, as named by somebody who lies no further inward than this.
    #[must_use]
    pub fn within(self, reach: Reach) -> Self {
        Self { reach, ..self }
    }

    /// The same, knowing that API servers with this port stand at these addresses: what their names
    /// resolve to (see [`ApiServer::name_beside`]).
    #[must_use]
    pub fn with_api_server_at(self, addresses: Vec<IpAddr>) -> Self {
        Self {
            api_server_at: addresses,
            ..self
        }
    }

    /// Lower case, without brackets and closing dot.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port that is connected to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `host:port`, as a URL would have it.
    pub fn endpoint(&self) -> String {
        match self.literal() {
            Some(IpAddr::V6(_)) => format!("[{}]:{}", self.host, self.port),
            Some(IpAddr::V4(_)) | None => format!("{}:{}", self.host, self.port),
        }
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
        self.judge_cluster(contact, None)?;
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
        self.judge_cluster(contact, Some(meant))?;
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

    /// What a cluster runs on is opened by nothing less than its host and port: who allows a network
    /// for its registries does not mean the kubelets in it.
    fn judge_cluster(&self, contact: &Contact, address: Option<IpAddr>) -> Result<(), Rule> {
        let rule = if self.is_api_server(contact, address) {
            Rule::ApiServer
        } else if cluster::is_component_port(contact.port) {
            Rule::ClusterPort
        } else {
            return Ok(());
        };
        let is_meant = |target: &Target| target.is_endpoint(contact, address);
        match self.allow.iter().any(is_meant) {
            true => Ok(()),
            false => Err(rule),
        }
    }

    fn is_api_server(&self, contact: &Contact, address: Option<IpAddr>) -> bool {
        let mut resolved = contact.api_server_at.iter().copied().map(canonical);
        cluster::is_api_server_name(&contact.host)
            || address.is_some_and(|address| resolved.any(|one| one == address))
            || self.api_servers.iter().any(|one| one.is(contact, address))
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
