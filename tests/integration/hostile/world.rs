//! The world around the exporter: a cluster that holds the rows, its names, and whoever stands at
//! their addresses.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::Command;

use regcred_stand_ins::api_server::ApiServer;
use regcred_stand_ins::eventually;
use regcred_stand_ins::objects::{docker_config, namespace, pod, pull_secret};
use regcred_stand_ins::registry::Registry;
use regcred_stand_ins::tls::Ca;
use tempfile::TempDir;
use tokio::net::TcpStream;

use super::dns::{Dns, Zone};
use super::rows::{self, Row};
use super::traps::{Behind, Traps, canonical};
use crate::exporter;

/// The API server's own name; nothing but that it is one keeps anybody from it.
const API_SERVER_NAME: &str = "api.cluster.test";
pub(super) const API_SERVER: &str = "api.cluster.test:8001";
const API_SERVER_AT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 20)), 8001);

/// See the module.
pub(super) struct World {
    pub(super) rows: Vec<Row>,
    traps: Traps,
    /// Who may be contacted, by row.
    fronts: BTreeMap<String, SocketAddr>,
    folder: TempDir,
    dns: Dns,
    _api: ApiServer,
    _registries: Vec<Registry>,
}

impl World {
    pub(super) async fn start(rows: Vec<Row>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let api = cluster(&rows).await;
        let at_name = format!("http://{API_SERVER}");
        let kubeconfig = api.kubeconfig().replace(&api.url(), &at_name);
        std::fs::write(folder.path().join("kubeconfig"), kubeconfig).unwrap();
        let ca = Ca::new();
        std::fs::write(folder.path().join("ca.pem"), ca.pem()).unwrap();

        let fronts = fronts(&rows);
        let mut registries = Vec::new();
        let mut behind = BTreeMap::new();
        for row in &rows {
            let Some(behaviour) = row.registry.clone() else {
                continue;
            };
            let front = fronts[row.name()];
            let names = [row.host(), &front.ip().to_string()];
            let behaviour = match row.is_plain() {
                true => behaviour,
                false => behaviour.tls(ca.server_config(&names)),
            };
            let registry = Registry::start(behaviour).await;
            let place = SocketAddr::from((Ipv4Addr::LOCALHOST, registry.port()));
            behind.insert(front, Behind::Registry(place));
            registries.push(registry);
        }
        let place = SocketAddr::from((Ipv4Addr::LOCALHOST, api.port()));
        behind.insert(API_SERVER_AT, Behind::ApiServer(place));
        let targets = rows.iter().flat_map(|row| &row.at);
        let ports = targets.chain(behind.keys()).map(SocketAddr::port).collect();
        let mut zones = rows::zones(&rows, &fronts);
        let own = Zone::Always(vec![API_SERVER_AT.ip()]);
        zones.insert(API_SERVER_NAME.to_owned(), own);
        let traps = Traps::start(&ports, behind).await;
        let dns = Dns::start(zones, traps.watcher()).await;
        Self {
            traps,
            rows,
            fronts,
            folder,
            dns,
            _api: api,
            _registries: registries,
        }
    }

    /// Shows that each contact would be seen: connects plainly to every target, and is noted there.
    pub(super) async fn every_target_can_be_reached(&self) {
        for target in self.rows.iter().flat_map(|row| &row.at) {
            let reached = TcpStream::connect(target).await;
            let stream = reached.unwrap_or_else(|error| panic!("{target}: {error}"));
            let peer = canonical(stream.peer_addr().unwrap());
            let is_noted = || self.traps.contacts().contains_key(&peer);
            eventually(&format!("a contact of {target}"), is_noted).await;
        }
        self.traps.forget();
    }

    /// The binary, in this world.
    pub(super) fn command(&self) -> Command {
        let mut command = exporter::command();
        command
            .env("SSL_CERT_FILE", self.folder.path().join("ca.pem"))
            .env("KUBERNETES_SERVICE_HOST", "10.96.0.1")
            .env("KUBERNETES_SERVICE_PORT", "443");
        command
    }

    pub(super) fn flags(&self) -> [String; 4] {
        let kubeconfig = self.folder.path().join("kubeconfig");
        [
            format!("--kubeconfig={}", kubeconfig.display()),
            "--probe.which=all".to_owned(),
            "--probe.allow=127.0.0.9:5001".to_owned(),
            format!("--probe.plain-http={}", rows::PLAIN.join(",")),
        ]
    }

    /// The table of `check` over the whole cluster.
    pub(super) async fn check(&self, environment: &[(&str, &str)]) -> String {
        let mut command = self.command();
        command
            .args(["check", "--all-namespaces"])
            .args(self.flags())
            .envs(environment.iter().copied());
        let ended = tokio::task::spawn_blocking(move || command.output()).await;
        let ended = ended.unwrap().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(matches!(ended.status.code(), Some(0..=2)), "{said}");
        String::from_utf8(ended.stdout).unwrap()
    }

    /// The table says of every row what is expected, where something is.
    pub(super) fn rows_say(&self, table: &str, expected: impl Fn(&Row) -> Option<&str>) {
        let mut wrong = Vec::new();
        for row in &self.rows {
            let source = format!("{}/pull ", row.name());
            let line = table.lines().find(|line| line.starts_with(&source));
            let cells = line.unwrap_or_default().split("  ").map(str::trim);
            let mut cells = cells.filter(|cell| !cell.is_empty()).skip(3);
            let outcome = cells.next().unwrap_or("no line");
            let rest: Vec<_> = cells.collect();
            if expected(row).is_some_and(|right| right.split(" or ").all(|one| one != outcome)) {
                wrong.push(format!("{} {}: {outcome} {rest:?}", row.name(), row.key));
            }
        }
        assert!(wrong.is_empty(), "{}\n{table}", wrong.join("\n"));
    }

    /// Where those stand who may be contacted.
    pub(super) fn fronts(&self) -> impl Iterator<Item = SocketAddr> {
        self.fronts.values().copied()
    }

    /// Where the registry of this key stands.
    pub(super) fn front_of(&self, key: &str) -> SocketAddr {
        let row = self.rows.iter().find(|row| row.key == key).unwrap();
        self.fronts[row.name()]
    }

    /// Names that change were looked up often enough to have changed.
    pub(super) fn names_have_changed(&self) {
        let is_changing = |row: &&Row| matches!(row.zone, Some(Zone::InTurn(..)));
        for row in self.rows.iter().filter(is_changing) {
            let look_ups = self.dns.look_ups(&row.key);
            assert!(look_ups >= 2, "{}: {look_ups}", row.key);
        }
    }

    /// Those who may be contacted were, where the answer is the row's own, and nobody else.
    pub(super) fn only_the_invited_were_contacted(&self, expected: impl Fn(&Row) -> Option<&str>) {
        let contacts = self.traps.contacts();
        let is_invited = |contact: &&SocketAddr| self.fronts.values().any(|one| one == *contact);
        let uninvited: Vec<_> = contacts.keys().filter(|one| !is_invited(one)).collect();
        assert!(uninvited.is_empty(), "contacted: {uninvited:?}");
        for row in self
            .rows
            .iter()
            .filter(|row| expected(row) == Some(&row.expected))
        {
            let front = self.fronts.get(row.name());
            let is_contacted = front.is_none_or(|front| contacts.contains_key(front));
            assert!(is_contacted, "not contacted: {}", row.key);
        }
    }
}

/// A namespace for each row, so that no cap holds one back: its Secret, and a Pod if it is in use.
async fn cluster(rows: &[Row]) -> ApiServer {
    let api = ApiServer::start().await;
    for row in rows {
        api.apply(namespace(row.name()));
        // a credential of its own, so that no other row's answer is taken for it
        let user = match row.registry {
            Some(_) => "bot",
            None => row.name(),
        };
        let config = docker_config(&[(&row.key, user, "right")]);
        api.apply(pull_secret(row.name(), "pull", &config));
        if row.is_used {
            let image = format!("{}/team/app:1", row.key);
            api.apply(pod(row.name(), "app", &image, &["pull"]).build());
        }
    }
    api
}

/// By row, the address of its registry: what its key says, or a public one of its own.
fn fronts(rows: &[Row]) -> BTreeMap<String, SocketAddr> {
    let with_registry = rows.iter().filter(|row| row.registry.is_some());
    let front = |(n, row): (usize, &Row)| {
        let own = Ipv4Addr::new(198, 51, 100, u8::try_from(n + 1).unwrap());
        let address = row.host().parse().unwrap_or(IpAddr::V4(own));
        (row.name().to_owned(), SocketAddr::new(address, row.port()))
    };
    with_registry.enumerate().map(front).collect()
}
