//! stub
use std::sync::Arc;
/// stub
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Registry(Arc<str>);
impl Registry {
    /// stub
    pub fn from_domain(domain: &str) -> Self {
        Self(domain.to_ascii_lowercase().into())
    }
    /// stub
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// stub
    pub fn endpoint(&self) -> &str {
        &self.0
    }
    /// stub
    pub fn is_docker_hub(&self) -> bool {
        &*self.0 == "docker.io"
    }
    /// stub
    pub fn is_loopback(&self) -> bool {
        false
    }
}
