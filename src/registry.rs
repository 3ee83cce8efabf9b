//! The conversation with a registry: asks what a kubelet would ask and brings back an
//! [`Exchange`](crate::domain::exchange::Exchange) of facts, never a judgement.
//!
//! No request leaves before policy has seen its URL, and no connection is made but to an address
//! that policy has seen. Credentials go to the registry's own host or to its token endpoint, over
//! TLS but where an operator allows otherwise; no redirect is followed, nothing is retried. Of an
//! answer only the facts of [`exchange`](crate::domain::exchange) leave this module: no error of a
//! library, no URL, no body.

mod answer;
mod api_servers;
mod client;
mod conversation;
mod fault;
mod progress;
mod proxies;
mod resolver;
mod retry_after;
mod signs;
mod transport;
mod trust;
mod tunnel;

pub use client::{Client, Request};
pub use proxies::{InvalidProxy, Proxies};
pub use trust::{Trust, TrustError};
