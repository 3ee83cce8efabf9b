//! stub
/// stub
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SecretKind {
    /// stub
    DockerConfigJson,
    /// stub
    DockerCfg,
}
