//! Docker configs: the bytes of a pull secret become entries and faults, as the kubelet reads them.
//!
//! [`parse`] is total: whatever the bytes, it gives what could be read and what is wrong with the
//! rest. Whether the kubelet takes the Secret, and which entries it then has, is exactly what Go
//! makes of it (k8s pkg/credentialprovider/{config.go,secrets/secrets.go}). No value of the Secret
//! reaches a fault, a `Debug` or a message.

mod auth;
mod entry;
mod fault;
mod go_json;
mod key_fault;
mod label;
mod reader;

use std::fmt;

pub use fault::{Effect, Fault, FaultKind, FaultSet};

use super::{credential::Credential, keyring::Key};

/// The two types of Secret that hold a docker config.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SecretKind {
    /// `{"auths": {registry: entry}}`.
    DockerConfigJson,
    /// `{registry: entry}`, the legacy format that OpenShift still generates.
    DockerCfg,
}

impl SecretKind {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::DockerConfigJson, Self::DockerCfg];

    /// The Secret's `type`.
    pub fn type_name(self) -> &'static str {
        match self {
            Self::DockerConfigJson => "kubernetes.io/dockerconfigjson",
            Self::DockerCfg => "kubernetes.io/dockercfg",
        }
    }

    /// The only data key that the kubelet reads of a Secret of this type.
    pub fn data_key(self) -> &'static str {
        match self {
            Self::DockerConfigJson => ".dockerconfigjson",
            Self::DockerCfg => ".dockercfg",
        }
    }
}

/// What a docker config holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    /// The entries that could be read, also of a Secret that the kubelet refuses. Several may have
    /// one [`Entry::key`]: the kubelet tries them all.
    pub entries: Vec<Entry>,
    /// What is wrong, the worst first.
    pub faults: Vec<Fault>,
}

impl Parsed {
    /// The kubelet fails on this Secret and drops every credential of every secret of the pod.
    pub fn poisons_all(&self) -> bool {
        self.worst() == Some(Effect::PoisonsAll)
    }

    /// The kinds of its faults, without the entries they were found in.
    pub fn fault_set(&self) -> FaultSet {
        self.faults.iter().map(|fault| fault.kind).collect()
    }

    fn worst(&self) -> Option<Effect> {
        self.faults.iter().map(|fault| fault.kind.effect()).max()
    }
}

/// One key and its credential.
#[derive(PartialEq, Eq)]
pub struct Entry {
    /// The key as it stands in the Secret. May hold a password: show [`Entry::label`] instead.
    pub raw_key: String,
    /// The key as the kubelet indexes it; none if it drops the entry.
    pub key: Option<Key>,
    /// What would be sent.
    pub credential: Credential,
    /// What is wrong with this entry; the same as the faults that carry its label.
    pub faults: FaultSet,
}

impl Entry {
    /// The key, fit to be shown: bounded, without invisible characters, without user info.
    pub fn label(&self) -> String {
        label::label(&self.raw_key)
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("label", &self.label())
            .field("credential", &self.credential)
            .field("faults", &self.faults)
            .finish_non_exhaustive()
    }
}

/// Reads the value under [`SecretKind::data_key`]; `None` if the Secret does not have that key.
pub fn parse(kind: SecretKind, data: Option<&[u8]>) -> Parsed {
    let data = match data {
        None => return of_whole(Fault::new(FaultKind::DataKeyMissing)),
        Some([]) => return of_whole(Fault::new(FaultKind::DataEmpty)),
        Some(data) => data,
    };
    match go_json::check(data) {
        Ok(document) => reader::read(kind, document),
        Err(malformed) => of_whole(why_no_json(data, &malformed)),
    }
}

fn of_whole(fault: Fault) -> Parsed {
    Parsed {
        entries: Vec::new(),
        faults: vec![fault],
    }
}

fn why_no_json(data: &[u8], malformed: &go_json::Malformed) -> Fault {
    // UTF-8's and both of UTF-16.
    const BYTE_ORDER_MARKS: [&[u8]; 3] = [b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"];
    if BYTE_ORDER_MARKS
        .into_iter()
        .any(|mark| data.starts_with(mark))
    {
        return Fault::new(FaultKind::ByteOrderMark);
    }
    if str::from_utf8(data).is_ok_and(is_encoded_config) {
        return Fault::new(FaultKind::DoubleEncoded);
    }
    Fault {
        offset: Some(malformed.offset),
        ..Fault::new(FaultKind::InvalidJson)
    }
}

fn is_encoded_config(text: &str) -> bool {
    auth::decode_base64(text.trim()).is_some_and(|decoded| is_object(&decoded))
}

fn is_object(data: &[u8]) -> bool {
    go_json::check(data).is_ok_and(|document| document.kind() == go_json::Kind::Object)
}
