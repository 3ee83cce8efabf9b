//! What a cluster itself runs on: its API servers, and the ports of its other components.
//!
//! They answer to whoever knows them, and some to whoever comes (the kubelet's read-only port, etcd
//! without client certificates), so no Secret leads us there: not even where a Pod's image names
//! such a "registry", which a tenant writes as easily.

use std::net::IpAddr;

use super::{Contact, canonical, literal, target};

/// Where an API server is asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ApiServer {
    host: String,
    port: u16,
}

impl ApiServer {
    /// `host` as a URL has it: a name or an address, brackets and closing dot welcome.
    pub fn new(host: &str, port: u16) -> Self {
        Self {
            host: target::normalised(host),
            port,
        }
    }

    /// Its name, where only that name's addresses tell whether the contact is this API server.
    pub fn name_beside(&self, contact: &Contact) -> Option<&str> {
        let is_name = literal::parse(&self.host).is_none();
        (is_name && self.port == contact.port).then_some(&*self.host)
    }

    /// The contact is this API server by name, or its address is.
    pub(super) fn is(&self, contact: &Contact, address: Option<IpAddr>) -> bool {
        let own = literal::parse(&self.host).map(canonical);
        let stands_there = address.is_some() && address == own;
        self.port == contact.port && (self.host == contact.host || stands_there)
    }
}

/// Names of the API server inside every cluster: the Service `default/kubernetes`, under whatever
/// domain the cluster has.
pub(super) fn is_api_server_name(host: &str) -> bool {
    let host = match host.strip_prefix("kubernetes.default.svc") {
        Some(domain) => return domain.is_empty() || domain.starts_with('.'),
        None => host,
    };
    ["kubernetes", "kubernetes.default"].contains(&host)
}

/// Ports of cluster components, on any host and in every mode: nodes may have public addresses, a
/// docker config file may lie on a node, no registry that anybody knows uses these, and a port needs
/// no look-up, which behind a proxy we may not have.
///
/// k8s pkg/cluster/ports/ports.go, and kubernetes.io/docs/reference/networking/ports-and-protocols.
/// Our own listeners are not among them: they speak plain HTTP, which nobody who is not listed is
/// asked in, and take no order by GET.
pub(super) fn is_component_port(port: u16) -> bool {
    matches!(
        port,
        // etcd for its clients, for its peers, and kubeadm's port for its metrics
        2379..=2381
        // API server
        | 6443
        // kubelet (10248, 10250, read-only 10255), kube-proxy (10249, 10256), controller managers
        // (10252 of old, 10257, 10258, 10260), scheduler (10251 of old, 10259)
        | 10248..=10252
        | 10255..=10260
    )
}
