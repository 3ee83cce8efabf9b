//! May we contact this host, this address, this port?
/// stub
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {}
/// stub
#[derive(Clone, Debug, Default)]
pub struct Policy;
