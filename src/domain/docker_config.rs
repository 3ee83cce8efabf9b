//! stub
/// stub
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SecretKind {
    /// stub
    DockerConfigJson,
    /// stub
    DockerCfg,
}

/// stub
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FaultKind {
    /// stub
    NoAuths,
}
/// stub
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Effect {
    /// stub
    PoisonsAll,
}
impl Effect {
    /// stub
    pub fn as_str(self) -> &'static str {
        "poisons_all"
    }
}
impl FaultKind {
    /// stub
    pub fn as_str(self) -> &'static str {
        "no_auths"
    }
    /// stub
    pub fn effect(self) -> Effect {
        Effect::PoisonsAll
    }
}
