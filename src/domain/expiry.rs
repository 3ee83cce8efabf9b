//! stub
/// stub
#[derive(Clone, Debug, Default)]
pub struct Sources;

/// stub
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ExpirySource {
    /// stub
    Ecr,
}
/// stub
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Confidence {
    /// stub
    Exact,
}
impl ExpirySource {
    /// stub
    pub fn as_str(self) -> &'static str {
        "ecr"
    }
}
impl Confidence {
    /// stub
    pub fn as_str(self) -> &'static str {
        "exact"
    }
}
