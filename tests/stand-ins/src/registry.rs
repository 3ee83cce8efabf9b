//! Container registries on loopback sockets, from an htpasswd registry to the habits of well-known
//! ones, with TLS, broken wires and scripted answers.
//!
//! What they claim (`tests/claims` holds them to that):
//! - Basic: 401 with a Basic challenge for everything but a right login;
//! - Bearer: a challenge that names realm, service and scope; a token server that answers a right
//!   login with a token whatever the rights, a wrong one with 401; `invalid_token` for a token that is
//!   unknown or too old, `insufficient_scope` for one without the repository; a repository or tag that
//!   is missing is 404 to who may read it;
//! - a manifest has one digest in its header by tag and by digest, HEAD as GET but for the body, and
//!   is 404 to who does not accept its type;
//! - a user is locked after so many refusals, and stays locked with the right password;
//! - a quota is told by HEAD and spent by GET;
//! - every request is logged with the scheme and user name of its credentials, never the password.
//!
//! What they do not: blobs, pushes, catalogues, OAuth2 POSTs (404), a second platform, real signatures.

use std::sync::{Arc, Mutex};

use tokio_rustls::TlsAcceptor;

use crate::listener::{Listener, Serve, lock};
use crate::{eventually, http};

mod account;
mod answer;
mod behaviour;
mod content;
mod known;
mod log;
mod path;
mod server;
mod wire;

pub use answer::{Answer, On};
pub use behaviour::Behaviour;
pub use log::{LoggedRequest, Place, Step};
pub use wire::Wire;

pub(crate) use content::sha256;

use content::Standing;
use server::{Hosts, Server};

/// A running registry. See the module.
pub struct Registry {
    server: Arc<Mutex<Server>>,
    listener: Listener,
    realm: Option<Listener>,
    hosts: Hosts,
    is_tls: bool,
}

impl Registry {
    /// Starts a registry, and its token server if that is elsewhere, on free ports.
    pub async fn start(behaviour: Behaviour) -> Self {
        // The listeners are there before the server knows its own address.
        let server = Arc::new(Mutex::new(Server::new(
            behaviour.clone(),
            Hosts {
                registry: String::new(),
                realm: String::new(),
            },
        )));
        let listener = Listener::start(serve(&server, &behaviour, Place::Registry));
        let realm = behaviour
            .realm_elsewhere
            .then(|| Listener::start(serve(&server, &behaviour, Place::Realm)));
        let host =
            |name: &str, listener: &Listener| format!("{name}:{}", listener.address().port());
        let registry_name = behaviour.name.as_str();
        let realm_name = behaviour.realm_name.as_deref().unwrap_or(registry_name);
        let hosts = Hosts {
            registry: host(registry_name, &listener),
            realm: host(realm_name, realm.as_ref().unwrap_or(&listener)),
        };
        lock(&server).set_hosts(hosts.clone());
        Self {
            server,
            listener,
            realm,
            hosts,
            is_tls: behaviour.tls.is_some(),
        }
    }

    /// host:port, as it stands in image references: `127.0.0.1:PORT` unless it has a name.
    pub fn host(&self) -> &str {
        &self.hosts.registry
    }

    /// host:port of the token server; the registry's own unless it is elsewhere.
    pub fn realm_host(&self) -> &str {
        &self.hosts.realm
    }

    /// `http://` or `https://` and the host.
    pub fn url(&self) -> String {
        let scheme = if self.is_tls { "https" } else { "http" };
        format!("{scheme}://{}", self.hosts.registry)
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.listener.address().port()
    }

    /// Changes a password; tokens already issued stay good.
    ///
    /// # Panics
    /// When there is no such user; so do the other methods that name one.
    pub fn set_password(&self, user: &str, password: &str) {
        lock(&self.server).user_mut(user).password = password.to_owned();
    }

    /// From now on the login is refused.
    pub fn revoke(&self, user: &str) {
        lock(&self.server).user_mut(user).standing = Standing::Revoked;
    }

    /// From now on the login is refused as expired.
    pub fn expire(&self, user: &str) {
        lock(&self.server).user_mut(user).standing = Standing::Expired;
    }

    /// Takes `revoke` or `expire` back.
    pub fn reinstate(&self, user: &str) {
        lock(&self.server).user_mut(user).standing = Standing::Active;
    }

    /// Locks a user out, known or not, until [`Registry::unlock`].
    pub fn lock(&self, user: &str) {
        lock(&self.server).accounts.lock(user);
    }

    /// Ends a lockout and forgets the refusals that led to it.
    pub fn unlock(&self, user: &str) {
        lock(&self.server).accounts.unlock(user);
    }

    /// Whether a user is locked out.
    pub fn is_locked(&self, user: &str) -> bool {
        lock(&self.server).accounts.is_locked(user)
    }

    /// Adds a user who may read every repository, or replaces one.
    pub fn add_user(&self, name: &str, password: &str) {
        self.change(|behaviour| behaviour.user(name, password));
    }

    /// Adds a user who may read these repositories only, or replaces one.
    pub fn add_user_for(&self, name: &str, password: &str, repositories: &[&str]) {
        self.change(|behaviour| behaviour.user_for(name, password, repositories));
    }

    /// Adds a manifest and returns its digest.
    pub fn add_manifest(&self, repository: &str, tag: &str) -> String {
        self.change(|behaviour| behaviour.manifest(repository, tag));
        self.digest(repository, tag)
            .expect("the manifest was added above")
    }

    /// Removes a manifest; a repository without manifests does not exist.
    pub fn remove_manifest(&self, repository: &str, tag: &str) {
        let mut server = lock(&self.server);
        if let Some(found) = server.behaviour.repositories.get_mut(repository) {
            found.remove(tag);
        }
    }

    /// Makes a repository readable by everyone.
    pub fn make_public(&self, repository: &str) {
        self.change(|behaviour| behaviour.public(repository));
    }

    /// The digest behind a tag.
    pub fn digest(&self, repository: &str, tag: &str) -> Option<String> {
        let server = lock(&self.server);
        let found = server.behaviour.repositories.get(repository)?;
        found.tags.get(tag).cloned()
    }

    /// Counts so many pulls against the quota of an account; empty is the anonymous one.
    pub fn spend_quota(&self, account: &str, pulls: u64) {
        lock(&self.server).accounts.spend(account, pulls);
    }

    /// A fixed answer from now on, behind those that are there.
    pub fn answer(&self, on: impl Into<On>, answer: Answer) {
        self.change(|behaviour| behaviour.answer(on, answer));
    }

    /// Drops all fixed answers.
    pub fn clear_answers(&self) {
        lock(&self.server).behaviour.answers.clear();
    }

    /// Any other change of behaviour; not the listeners, their TLS or the name.
    pub fn change(&self, change: impl FnOnce(Behaviour) -> Behaviour) {
        let mut server = lock(&self.server);
        server.behaviour = change(server.behaviour.clone());
    }

    /// Treats new connections to the registry's listener so; open ones go on.
    pub fn set_wire(&self, wire: Wire) {
        lock(&self.server).behaviour.wire = wire;
    }

    /// Treats new connections to the token server's own listener so.
    pub fn set_realm_wire(&self, wire: Wire) {
        lock(&self.server).behaviour.realm_wire = wire;
    }

    /// Closes the listeners and every connection; the ports stay reserved and refuse.
    pub async fn stop(&self) {
        self.listener.stop().await;
        if let Some(realm) = &self.realm {
            realm.stop().await;
        }
    }

    /// Listens again on the same ports; users, tokens and counters are as they were.
    pub async fn start_again(&self) {
        self.listener.start_again();
        if let Some(realm) = &self.realm {
            realm.start_again();
        }
    }

    /// Breaks every connection; new ones are accepted.
    pub async fn cut_connections(&self) {
        self.listener.cut().await;
        if let Some(realm) = &self.realm {
            realm.cut().await;
        }
    }

    /// The requests so far, oldest first (the newest 100,000).
    pub fn requests(&self) -> Vec<LoggedRequest> {
        lock(&self.server).log.requests().cloned().collect()
    }

    /// Requests that were this step.
    pub fn count(&self, step: Step) -> usize {
        lock(&self.server).log.count(step)
    }

    /// Accepted connections, of both listeners, whatever came of them.
    pub fn connections(&self) -> usize {
        lock(&self.server).log.connections
    }

    /// Accepted logins of a user name.
    pub fn logins(&self, user: &str) -> usize {
        lock(&self.server).log.tally(user).accepted
    }

    /// Refused logins of a user name, known or not, a locked one's included.
    pub fn refused_logins(&self, user: &str) -> usize {
        lock(&self.server).log.tally(user).refused
    }

    /// Refused logins of all user names.
    pub fn all_refused_logins(&self) -> usize {
        lock(&self.server).log.refused()
    }

    /// Forgets the requests and counters so far; locks and failures in a row stay.
    pub fn forget_requests(&self) {
        lock(&self.server).log = log::Log::default();
    }

    /// Waits until `condition` holds; see [`eventually`].
    pub async fn until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        eventually(what, || condition(self)).await;
    }
}

/// What is done with a connection to this place.
fn serve(server: &Arc<Mutex<Server>>, behaviour: &Behaviour, place: Place) -> Serve {
    let server = server.clone();
    let tls = match place {
        Place::Registry => behaviour.tls.as_ref(),
        Place::Realm => behaviour.realm_tls.as_ref().or(behaviour.tls.as_ref()),
    };
    let tls = tls.cloned().map(TlsAcceptor::from);
    Arc::new(move |stream| {
        let server = server.clone();
        let tls = tls.clone();
        Box::pin(async move {
            let wire = {
                let mut server = lock(&server);
                server.log.connections += 1;
                match place {
                    Place::Registry => server.behaviour.wire.clone(),
                    Place::Realm => server.behaviour.realm_wire.clone(),
                }
            };
            let Some(stream) = wire.treat(stream).await else {
                return;
            };
            let answer = move |request| server::answer(server.clone(), place, request);
            match tls {
                None => http::serve(stream, answer).await,
                // A handshake that fails is the caller's decision.
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        http::serve(stream, answer).await;
                    }
                }
            }
        })
    })
}
