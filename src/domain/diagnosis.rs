//! Why a Pod cannot pull an image: everything that is known, joined into one cause.
//!
//! [`Case`] is what the kubelet would do for this Pod and image, step by step: which Secrets the Pod
//! names, which of them are there and can be read, which of their keys match, what each login
//! answers. [`judge()`] decides by the order of docs/diagnosis.md, the first cause that is proven;
//! [`evidence()`] tells the same steps to people. What is not proven is `unknown`: a node's message
//! alone never says whether a login is wrong, missing or not allowed.

mod case;
mod detail;
mod evidence;
mod judge;
mod likeness;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use chrono::TimeDelta;

pub use case::*;
pub use detail::{Detail, Word};
pub use evidence::{Moment, evidence, node as node_said};
pub use judge::{by_message, judge, would_fail, would_not_pull};
pub use likeness::{is_typo, nearest};

use super::cause::Cause;

/// So long after a Pod began to wait nothing is concluded from what is not there: a Secret that was
/// made with it may still be on its way to us.
pub const SETTLING: TimeDelta = TimeDelta::seconds(3);

/// What may pass by itself is told of once it has lasted so long: by then a kubelet has tried three
/// times (k8s pkg/kubelet/kubelet.go: after 10 s, then 20 s more).
const PASSING: TimeDelta = TimeDelta::seconds(60);

/// For how long a Pod must wait before it is told of, beside being counted.
pub fn told_after(cause: Cause) -> TimeDelta {
    match cause.heals_itself() {
        true => PASSING,
        false => SETTLING,
    }
}

/// Namespace and name of a Secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SecretId {
    /// Where it is.
    pub namespace: Arc<str>,
    /// What it is called.
    pub name: Arc<str>,
}

impl fmt::Display for SecretId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// The verdict on one image of one Pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// What keeps it.
    pub cause: Cause,
    /// Which kind of it.
    pub detail: Option<Detail>,
    /// The Secret that is to be looked at, if one is.
    pub secret: Option<SecretId>,
    /// Its key that matters, fit to be shown.
    pub key: Option<Arc<str>>,
}

impl Diagnosis {
    fn of(cause: Cause) -> Self {
        Self {
            cause,
            detail: None,
            secret: None,
            key: None,
        }
    }

    fn with(self, detail: Detail) -> Self {
        Self {
            detail: Some(detail),
            ..self
        }
    }

    fn about(self, secret: SecretId) -> Self {
        Self {
            secret: Some(secret),
            ..self
        }
    }

    fn at_key(self, key: &str) -> Self {
        Self {
            key: Some(key.into()),
            ..self
        }
    }
}
