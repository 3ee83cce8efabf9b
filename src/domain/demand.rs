//! What somebody wants to know now.

use super::cluster::ObjectName;
use super::image::Registry;

/// The logins that are to be asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Demand {
    /// Every one.
    All,
    /// Those at a registry.
    Registry(Registry),
    /// Those of a Secret or file, at every registry that it names.
    Secret(ObjectName),
}
