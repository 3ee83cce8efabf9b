//! Scenarios: a small cluster, one registry, and what must be found, each a folder of files that
//! tests/scenarios/README.md describes.
//!
//! Nothing is concluded here: the files become a registry that listens and objects as an API server
//! has them, with what a kubelet of that version would have written.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::registry::{Behaviour, Registry};

mod objects;
mod words;

/// One folder.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The folder's name: a cause and what is special.
    pub name: String,
    /// What must be found.
    pub expect: Expect,
    cluster: ClusterFile,
    registry: RegistryFile,
}

/// `expect.json`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// What the case shows, in a line.
    pub title: String,
    /// By the name of each Pod that is not healthy.
    #[serde(default)]
    pub pods: BTreeMap<String, Expected>,
    /// How long after the Pods began to wait is looked.
    #[serde(default = "four")]
    pub after_seconds: u32,
    /// Series that the page must have, beside those that follow from the Pods; `{ns}` and
    /// `{registry}` are filled in.
    #[serde(default)]
    pub series: Vec<String>,
    /// Why a real API server cannot hold it, where that is so.
    #[serde(default)]
    pub only_in_process: Option<String>,
    /// What nodes have a credential of their own for, in the kubelet's `matchImages`.
    #[serde(default)]
    pub node_credentials: Vec<String>,
}

/// What must be found of a Pod.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// `blocked` or `at_risk`.
    pub state: String,
    /// The label.
    pub cause: String,
    /// The label; empty for none.
    #[serde(default)]
    pub detail: String,
    /// `namespace/name` of the Secret to look at; empty for none.
    #[serde(default)]
    pub secret: String,
    /// Pieces of the evidence.
    #[serde(default)]
    pub evidence: Vec<String>,
    /// Pieces of what to do.
    #[serde(default)]
    pub fix: Vec<String>,
    /// Whether it could be pulled without the login that fails.
    #[serde(default)]
    pub anonymous_would_work: Option<bool>,
}

fn four() -> u32 {
    4
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClusterFile {
    #[serde(default)]
    secrets: Vec<SecretFile>,
    #[serde(default)]
    accounts: Vec<AccountFile>,
    pods: Vec<PodFile>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SecretFile {
    name: String,
    /// Appended to the scenario's own namespace; empty for that itself.
    #[serde(default)]
    elsewhere: String,
    #[serde(default = "docker_config_json", rename = "type")]
    kind: String,
    /// Registry key to `user:password`.
    #[serde(default)]
    auths: BTreeMap<String, String>,
    /// The whole docker config, in the place of `auths`.
    #[serde(default)]
    text: Option<String>,
    /// The data key, where it is not that of the type.
    #[serde(default)]
    key: Option<String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    /// `Kind/name` of its controller.
    #[serde(default)]
    owner: Option<String>,
}

fn docker_config_json() -> String {
    "kubernetes.io/dockerconfigjson".to_owned()
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AccountFile {
    name: String,
    #[serde(default)]
    pull_secrets: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PodFile {
    name: String,
    image: String,
    #[serde(default)]
    pull_secrets: Vec<String>,
    #[serde(default = "default_account")]
    account: String,
    #[serde(default = "one_node")]
    node: String,
    /// `Kind/name` of its controller.
    #[serde(default)]
    owner: Option<String>,
    #[serde(default)]
    template_hash: Option<String>,
    #[serde(default)]
    mirror: bool,
    #[serde(default)]
    policy: Option<String>,
    /// Init containers, by name: their images.
    #[serde(default)]
    init: BTreeMap<String, String>,
    /// More containers.
    #[serde(default)]
    beside: BTreeMap<String, String>,
    /// Image volumes that the first container mounts.
    #[serde(default)]
    volumes: BTreeMap<String, String>,
    /// What the kubelet wrote; it runs where nothing is said.
    #[serde(default)]
    waits: Option<WaitsFile>,
}

fn default_account() -> String {
    "default".to_owned()
}

fn one_node() -> String {
    "node-1".to_owned()
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WaitsFile {
    /// Which container.
    #[serde(default = "app")]
    container: String,
    /// `1.20`, `1.28`, `1.32` or `1.37`.
    #[serde(default = "newest")]
    kubelet: String,
    /// Which image volume of it.
    #[serde(default)]
    volume: Option<String>,
    /// What the runtime was told, in a word of `words.rs`.
    #[serde(default)]
    says: Option<String>,
    /// It waits for its next attempt.
    #[serde(default)]
    backing_off: bool,
    /// The waiting reason and message as they are, in the place of `says`.
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    message: String,
}

fn app() -> String {
    "app".to_owned()
}

fn newest() -> String {
    "1.37".to_owned()
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RegistryFile {
    /// Whose habits it has: `basic`, `bearer`, `open`, `docker_hub`, ...
    like: String,
    /// User name to password; they may read everything that `may_read` does not narrow.
    #[serde(default)]
    users: BTreeMap<String, String>,
    /// User name to repositories.
    #[serde(default)]
    may_read: BTreeMap<String, Vec<String>>,
    /// `repository:tag`.
    #[serde(default)]
    manifests: Vec<String>,
    /// Repositories for everybody.
    #[serde(default)]
    public: Vec<String>,
    #[serde(default)]
    revoked: Vec<String>,
    #[serde(default)]
    expired: Vec<String>,
    #[serde(default)]
    locked: Vec<String>,
    /// It cannot be reached from where we are.
    #[serde(default)]
    unreachable: bool,
}

impl Scenario {
    /// Every folder below this one, in the order of their names.
    ///
    /// # Panics
    /// When a file is missing or not as described; it is named.
    pub fn all(folder: &Path) -> Vec<Self> {
        let entries = fs::read_dir(folder)
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
            .map(|entry| entry.expect("a folder can be read").path());
        let mut folders: Vec<_> = entries.filter(|path| path.is_dir()).collect();
        folders.sort();
        folders.iter().map(|folder| Self::read(folder)).collect()
    }

    fn read(folder: &Path) -> Self {
        let name = folder.file_name().unwrap_or_default();
        let expect = folder.join("expect.json");
        Self {
            name: name.to_string_lossy().into_owned(),
            cluster: yaml(&folder.join("cluster.yaml")),
            registry: yaml(&folder.join("registry.yaml")),
            expect: serde_json::from_str(&text(&expect))
                .unwrap_or_else(|error| panic!("{}: {error}", expect.display())),
        }
    }

    /// Its registry, listening.
    ///
    /// # Panics
    /// When it is to be like one that nobody knows.
    pub async fn start(&self) -> Registry {
        let file = &self.registry;
        let mut behaviour = like(&file.like);
        for (user, password) in &file.users {
            behaviour = match file.may_read.get(user) {
                Some(only) => {
                    let only: Vec<_> = only.iter().map(String::as_str).collect();
                    behaviour.user_for(user, password, &only)
                }
                None => behaviour.user(user, password),
            };
        }
        for image in &file.manifests {
            let (repository, tag) = image.rsplit_once(':').expect("a manifest has a tag");
            behaviour = behaviour.manifest(repository, tag);
        }
        for repository in &file.public {
            behaviour = behaviour.public(repository);
        }
        let registry = Registry::start(behaviour).await;
        file.revoked.iter().for_each(|user| registry.revoke(user));
        file.expired.iter().for_each(|user| registry.expire(user));
        file.locked.iter().for_each(|user| registry.lock(user));
        if file.unreachable {
            registry.set_wire(crate::registry::Wire::Close);
        }
        registry
    }

    /// Its objects in this namespace, with the registry there, the Pods last and each followed by the
    /// Events about it.
    pub fn objects(&self, namespace: &str, registry: &str) -> Vec<Value> {
        objects::of(&self.cluster, namespace, registry)
    }

    /// Its namespaces.
    pub fn namespaces(&self, namespace: &str) -> Vec<String> {
        let mut all = vec![namespace.to_owned()];
        for secret in &self.cluster.secrets {
            let there = objects::namespace_of(secret, namespace);
            if !all.contains(&there) {
                all.push(there);
            }
        }
        all
    }

    /// The names of its Pods.
    pub fn pods(&self) -> impl Iterator<Item = &str> {
        self.cluster.pods.iter().map(|pod| pod.name.as_str())
    }
}

fn like(name: &str) -> Behaviour {
    match name {
        "basic" => Behaviour::basic(),
        "bearer" => Behaviour::bearer(),
        "docker_hub" => Behaviour::docker_hub(),
        "ecr" => Behaviour::ecr(),
        "ghcr" => Behaviour::ghcr(),
        "gitlab" => Behaviour::gitlab(),
        "google" => Behaviour::google(),
        "harbor" => Behaviour::harbor(),
        "jfrog" => Behaviour::jfrog(),
        "open" => Behaviour::open(),
        "quay" => Behaviour::quay(),
        "zot" => Behaviour::zot(),
        _ => panic!("no registry is like `{name}`"),
    }
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn yaml<T: DeserializeOwned>(path: &Path) -> T {
    serde_saphyr::from_str(&text(path))
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
