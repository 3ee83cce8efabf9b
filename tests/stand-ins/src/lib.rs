//! Stand-ins for a Kubernetes API server and for container registries, for tests and the demo.
//!
//! They listen on real sockets (port 0 of 127.0.0.1, never beyond) and speak real bytes. They know
//! sockets, wire formats and clocks, and nothing of the product that is tested against them.
//!
//! - [`api_server`]: list, watch, Table, writes with conflicts; faults by resource and verb.
//! - [`registry`]: Basic and Bearer registries, the habits of well-known ones, scripted answers.
//! - [`kubelet`]: what kubelets write of a pull that failed.
//! - [`scenario`]: a cluster and a registry from files, with what must be found.
//! - [`objects`]: Secrets, Pods and the rest as JSON, and what stands inside a pull secret.
//! - [`tls`]: a private certification authority and the certificates a registry may show.
//!
//! Everything ends when its handle is dropped: the listener and each connection.

use std::time::Duration;

use tokio::time::{self, Instant};

pub mod api_server;
mod clock;
mod http;
pub mod kubelet;
mod listener;
pub mod objects;
pub mod registry;
pub mod scenario;
pub mod scrape;
pub mod tls;

/// How long [`eventually`] and the `until` methods of the stand-ins wait before they give up.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Waits until `condition` holds, asking every 5 ms.
///
/// # Panics
/// When it does not hold within [`PATIENCE`]; `what` says what was waited for.
pub async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(
            Instant::now() < deadline,
            "waited {PATIENCE:?} in vain: {what}"
        );
        time::sleep(Duration::from_millis(5)).await;
    }
}
