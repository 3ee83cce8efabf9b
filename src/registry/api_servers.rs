//! Addresses of API servers that are known by name, so that no other name leads there.
//!
//! A name is looked up when a contact has its port, at most once in [`FRESH`] for all conversations.
//! Where it gives no answer, what it gave last holds: the API server has hardly moved, and a contact
//! that we cannot tell from it is not for that reason nobody's.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::resolver;
use crate::domain::policy::{Contact, Policy};

/// As long as cluster DNS has a name believed (CoreDNS's default in Kubernetes: 30 s), at most.
const FRESH: Duration = Duration::from_secs(10);

/// What the names gave, shared by all conversations.
#[derive(Debug, Default)]
pub(super) struct ApiServers(Mutex<HashMap<String, Known>>);

#[derive(Clone, Debug)]
struct Known {
    asked: Instant,
    addresses: Vec<IpAddr>,
}

impl ApiServers {
    /// The contact, told where the API servers of its port stand.
    pub(super) async fn beside(
        &self,
        contact: Contact,
        policy: &Policy,
        patience: Duration,
    ) -> Contact {
        let mut all = Vec::new();
        for server in &policy.api_servers {
            if let Some(name) = server.name_beside(&contact) {
                all.extend(self.addresses(name, contact.port(), patience).await);
            }
        }
        contact.with_api_server_at(all)
    }

    async fn addresses(&self, name: &str, port: u16, patience: Duration) -> Vec<IpAddr> {
        let last = self.known().get(name).cloned();
        if let Some(fresh) = last.as_ref().filter(|last| last.asked.elapsed() < FRESH) {
            return fresh.addresses.clone();
        }
        let addresses = match timeout(patience, resolver::look_up(name, port)).await {
            Ok(Ok(found)) => found.iter().map(std::net::SocketAddr::ip).collect(),
            Ok(Err(_)) | Err(_) => last.map(|last| last.addresses).unwrap_or_default(),
        };
        let known = Known {
            asked: Instant::now(),
            addresses: addresses.clone(),
        };
        self.known().insert(name.to_owned(), known);
        addresses
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::policy::{ApiServer, Loopback, Rule};

    #[tokio::test]
    async fn another_name_for_the_api_server_is_the_api_server() {
        let policy = Policy {
            loopback: Loopback::Allowed,
            api_servers: vec![ApiServer::new("localhost", 8443)],
            ..Policy::default()
        };
        let servers = ApiServers::default();
        let check = async |port, expected| {
            let contact = Contact::new("127.0.0.1", port, true);
            let contact = servers
                .beside(contact, &policy, Duration::from_secs(5))
                .await;
            assert_eq!(policy.judge_host(&contact), expected, "{port}");
        };
        check(8443, Err(Rule::ApiServer)).await;
        check(5000, Ok(())).await;
    }

    #[tokio::test]
    async fn a_name_that_falls_silent_has_the_addresses_that_it_had() {
        let servers = ApiServers::default();
        let last = Known {
            asked: Instant::now() - FRESH,
            addresses: vec![[192, 0, 2, 1].into()],
        };
        let name = "api.invalid";
        servers.known().insert(name.to_owned(), last.clone());
        let found = servers.addresses(name, 443, Duration::from_secs(5)).await;
        assert_eq!(found, last.addresses);
        let asked = servers.known()[name].asked;
        assert!(asked > last.asked, "the failure counts as asked");
    }
}
