//! What unit tests of several modules are fed with.

use super::cluster::Group;
use super::credential::{Credential, Credentials};
use super::image::Registry;

/// So many credentials at one registry.
pub(super) fn groups(host: &str, count: usize) -> Vec<Group> {
    let mut credentials = Credentials::default();
    let group = |n: usize| Group {
        registry: Registry::from_domain(host),
        credential: credentials.intern(Credential::basic(b"ada", n.to_string().as_bytes())),
    };
    (0..count).map(group).collect()
}
