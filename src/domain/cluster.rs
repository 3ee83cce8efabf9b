//! The graph.
mod change;
use super::{credential::CredentialId, image::Registry};
pub use change::*;
/// What is probed once however many Secrets hold it: a credential, as sent to one registry.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Group {
    /// Where it is sent.
    pub registry: Registry,
    /// What is sent.
    pub credential: CredentialId,
}
/// stub
#[derive(Debug, Default)]
pub struct Cluster;
