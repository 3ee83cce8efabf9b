//! `WWW-Authenticate`, parsed.
/// stub
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge;
