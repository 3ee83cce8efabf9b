//! The facts that decide, as the graph and the verdicts have them: nothing here is concluded.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::SecretId;
use crate::domain::docker_config::{FaultSet, SecretKind};
use crate::domain::exchange::NetworkFault;
use crate::domain::image::{Reference, Registry};
use crate::domain::keyring::Rule;
use crate::domain::outcome::{Meaning, Outcome};
use crate::domain::owner::SecretOwner;
use crate::domain::pull_failure::Reason;

/// What a kubelet would do for one image with the Secrets that a Pod names, and what is known of
/// everything that it meets.
#[derive(Clone, Debug)]
pub struct Case {
    /// The Pod's.
    pub namespace: Arc<str>,
    /// What is pulled.
    pub image: Reference,
    /// The Secrets that the Pod names, in its order, each once.
    pub named: Vec<Named>,
    /// What the kubelet tries, in its order; empty when it pulls without a credential.
    pub candidates: Vec<Tried>,
    /// Secrets of the namespace that the Pod does not name and whose key matches the image; those
    /// that are known not to work last.
    pub unnamed: Vec<Unnamed>,
    /// Secrets of a name that the Pod lists and that is absent here, in other namespaces, with a key
    /// that matches and no failed verdict.
    pub elsewhere: Vec<SecretId>,
    /// Of the sound Secrets that the Pod names, the key that nearly matches.
    pub near: Option<Near>,
    /// Secrets have come in whole, so that what is not there is absent.
    pub sees_secrets: bool,
    /// How it is known that the repository exists.
    pub proof: Option<Proof>,
    /// What the registry gives to anybody; `None` while nobody asked, or the answer told nothing.
    pub anonymous: Option<Anonymous>,
    /// Nothing there is public: it wants a login for whatever is asked.
    pub guards_all: bool,
    /// Nodes may have a credential of their own for this image, which nobody sees from here.
    pub has_node_credentials: bool,
    /// The registry answers; `None` before anybody asked.
    pub is_up: Option<bool>,
    /// The newest anonymous ping, with what stands behind it.
    pub ping: Option<(Outcome, Option<NetworkFault>)>,
    /// A repository in use whose name is nearly this one's.
    pub nearest: Option<Arc<str>>,
}

/// A Secret that the Pod names.
#[derive(Clone, Debug)]
pub struct Named {
    /// Its name, in the Pod's namespace.
    pub name: Arc<str>,
    /// What is there.
    pub found: Found,
}

/// What is there under a name.
#[derive(Clone, Debug)]
pub enum Found {
    /// Nothing is known: Secrets may not be read, or have not come in.
    Unseen,
    /// There is no such Secret.
    Absent,
    /// One of a type that no kubelet reads.
    OtherType(Arc<str>),
    /// A pull secret.
    PullSecret(PullSecret),
}

/// A pull secret that the Pod names.
#[derive(Clone, Debug)]
pub struct PullSecret {
    /// Which of the two types.
    pub kind: SecretKind,
    /// What is wrong with it as a whole or with any of its entries.
    pub faults: FaultSet,
    /// The kubelet drops every credential of the Pod for its sake.
    pub poisons_all: bool,
    /// It holds nothing that the kubelet would ever send.
    pub is_empty: bool,
    /// An entry that was meant for this image and is never sent: its key, and what is wrong.
    pub useless: Option<(Arc<str>, FaultSet)>,
    /// The registries that its keys name, as far as they can be read; the first few.
    pub registries: Vec<Registry>,
    /// Its owner wants nothing told of it.
    pub is_ignored: bool,
    /// Who would write it anew.
    pub owner: Option<Arc<SecretOwner>>,
    /// When its data changed last, and who wrote it.
    pub changed: Option<DateTime<Utc>>,
    /// Under which name.
    pub manager: Option<Arc<str>>,
}

/// An entry that the kubelet tries.
#[derive(Clone, Debug)]
pub struct Tried {
    /// The Secret that holds it.
    pub secret: SecretId,
    /// Its key.
    pub key: Arc<str>,
    /// What makes it suspicious.
    pub faults: FaultSet,
    /// The date inside it that has passed.
    pub expired_inside: Option<DateTime<Utc>>,
    /// The newest answer to the login, with what it leaves open.
    pub login: Option<Meaning>,
    /// The login is refused, and that is believed: it was confirmed, or nobody waits for that.
    pub is_believed: bool,
    /// A second refusal confirmed the first.
    pub is_confirmed: bool,
    /// Since when.
    pub first_refused: Option<DateTime<Utc>>,
    /// The newest answer about this very manifest.
    pub manifest: Option<Meaning>,
    /// Its answers are not older than two of its intervals.
    pub is_fresh: bool,
    /// Nobody asks it: its owner, or a bound, keeps us from it.
    pub is_not_asked: bool,
}

/// A Secret of the namespace that would match.
#[derive(Clone, Debug)]
pub struct Unnamed {
    /// Its name.
    pub name: Arc<str>,
    /// Its key.
    pub key: Arc<str>,
    /// The Pod's ServiceAccount lists it.
    pub is_listed: bool,
    /// The Pod names one that is absent, and it was evidently this one that was meant.
    pub is_meant: bool,
    /// Its login is refused, or it holds nothing that is sent.
    pub has_failed: bool,
}

/// A key that nearly matches.
#[derive(Clone, Debug)]
pub struct Near {
    /// The Secret that holds it.
    pub secret: SecretId,
    /// The key.
    pub key: Arc<str>,
    /// The rule of the kubelet that it breaks.
    pub rule: Rule,
}

closed! {
    /// How it is known that a repository exists.
    Proof {
        /// Another credential reads this very tag or digest.
        Manifest => "another credential reads this image",
        /// Another credential reads it.
        Credential => "another credential reads the repository",
        /// A container was started from it.
        Container => "a container was started from the repository",
    }
}

/// What was answered to nobody.
#[derive(Clone, Copy, Debug)]
pub struct Anonymous {
    /// What it means.
    pub meaning: Meaning,
    /// It is about this very tag or digest.
    pub is_of_this: bool,
}

/// What is known of the Pod that waits.
#[derive(Clone, Copy, Debug)]
pub struct Waiting<'a> {
    /// What the newest message of its node says; `None` before any.
    pub reason: Option<Reason>,
    /// That message, or its beginning.
    pub text: &'a str,
    /// It waits for longer than [`SETTLING`](super::SETTLING).
    pub is_settled: bool,
    /// A static Pod's mirror: its node pulls with what it has itself.
    pub is_mirror: bool,
}
