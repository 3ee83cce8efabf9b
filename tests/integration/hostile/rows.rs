//! The targets, a row each: the key in a Secret, what `check` says of it, and the addresses at which
//! a listener waits in vain.

mod addresses;
mod answers;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use regcred_exporter::domain::policy::Rule;
use regcred_stand_ins::registry::Behaviour;

use super::dns::Zone;

pub(super) use answers::PLAIN;

/// Stands for the address of the row's own registry.
const THEIR_OWN: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// One Secret, in a namespace of its own.
pub(super) struct Row {
    name: String,
    /// The key of its docker config.
    pub(super) key: String,
    /// A Pod has an image of this registry.
    pub(super) is_used: bool,
    /// OUTCOME in the table of `check`; `a or b` where both are right.
    pub(super) expected: String,
    /// The same behind a proxy.
    pub(super) proxied: String,
    /// Who must not be contacted for it.
    pub(super) at: Vec<SocketAddr>,
    /// What its name resolves to.
    pub(super) zone: Option<Zone>,
    /// The registry that stands there, at a public address of its own unless the key has one.
    pub(super) registry: Option<Behaviour>,
}

/// All of them, those too that are asked: they show that a contact would be seen.
pub(super) fn all() -> Vec<Row> {
    let mut rows: Vec<_> = addresses::rows()
        .into_iter()
        .chain(answers::rows())
        .collect();
    for (n, row) in rows.iter_mut().enumerate() {
        row.name = format!("t{n:03}");
    }
    rows
}

impl Row {
    /// The outcome is that of a rule, by its word, or written out.
    fn new(key: &str, outcome: &str) -> Self {
        let is_rule = Rule::ALL.iter().any(|rule| rule.as_str() == outcome);
        let expected = match is_rule {
            true => format!("blocked ({outcome})"),
            false => outcome.to_owned(),
        };
        Self {
            name: String::new(),
            key: key.to_owned(),
            is_used: false,
            proxied: expected.clone(),
            expected,
            at: Vec::new(),
            zone: None,
            registry: None,
        }
    }

    /// `key | used | outcome | who must not be contacted | what the name resolves to`, the last two
    /// separated by blanks where they are several.
    fn parse(line: &str) -> Self {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let [key, used, outcome, at, rest @ ..] = &cells[..] else {
            panic!("a row has four cells: {line}");
        };
        let row = Self::new(key, outcome).at(at);
        let row = match rest.first() {
            Some(addresses) => row.resolving_to(addresses),
            None => row,
        };
        match *used {
            "used" => row.used(),
            "" => row,
            _ => panic!("used or nothing: {line}"),
        }
    }

    /// Its namespace.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Policy refuses it, or what its registry names.
    pub(super) fn is_blocked(&self) -> bool {
        self.expected.starts_with("blocked (")
    }

    /// Host of a key that names a registry of ours.
    pub(super) fn host(&self) -> &str {
        self.key.split(':').next().unwrap_or_default()
    }

    /// Its port.
    pub(super) fn port(&self) -> u16 {
        let port = self.key.split(':').nth(1);
        port.map_or(443, |port| port.parse().unwrap())
    }

    /// `host:port` of the same.
    pub(super) fn endpoint(&self) -> String {
        format!("{}:{}", self.host(), self.port())
    }

    /// The operator has it spoken to without TLS.
    pub(super) fn is_plain(&self) -> bool {
        PLAIN.contains(&&*self.key)
    }

    /// A Pod's image names it too.
    fn used(mut self) -> Self {
        self.is_used = true;
        self
    }

    fn at(mut self, addresses: &str) -> Self {
        let parse = |one: &str| {
            one.parse()
                .unwrap_or_else(|_| panic!("{one} is no address"))
        };
        self.at = addresses.split_whitespace().map(parse).collect();
        self
    }

    fn resolving_to(mut self, addresses: &str) -> Self {
        let addresses = addresses.split_whitespace().map(ip);
        self.zone = Some(Zone::Always(addresses.collect()));
        self
    }

    fn with(mut self, registry: Behaviour) -> Self {
        self.registry = Some(registry);
        self
    }
}

/// The lines of a table; what begins with `--` is said about those below it.
fn lines(table: &str) -> impl Iterator<Item = &str> {
    let lines = table.lines().map(str::trim);
    lines.filter(|line| !line.is_empty() && !line.starts_with("--"))
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Names and what they resolve to; who has a registry of his own has its address, behind the others.
pub(super) fn zones(rows: &[Row], fronts: &BTreeMap<String, SocketAddr>) -> BTreeMap<String, Zone> {
    let mut zones = BTreeMap::new();
    for row in rows {
        let own = fronts.get(row.name()).map(SocketAddr::ip);
        let zone = match (&row.zone, own) {
            (Some(Zone::InTurn(_, inward)), Some(own)) => Zone::InTurn(own, *inward),
            (Some(Zone::UntilContacted(_, inward)), Some(own)) => {
                Zone::UntilContacted(own, *inward)
            }
            (Some(Zone::Always(others)), Some(own)) => {
                Zone::Always(others.iter().copied().chain([own]).collect())
            }
            (Some(zone), None) => zone.clone(),
            (None, Some(own)) => Zone::Always(vec![own]),
            (None, None) => continue,
        };
        zones.insert(row.host().to_owned(), zone);
    }
    zones
}
