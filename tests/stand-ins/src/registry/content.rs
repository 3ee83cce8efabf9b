//! Users and repositories.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use bytes::Bytes;
use ring::digest::{SHA256, digest};
use serde_json::json;

pub(super) const MEDIA_TYPE: &str = "application/vnd.oci.image.index.v1+json";

/// Someone who may log in.
#[derive(Clone)]
pub(super) struct User {
    pub(super) password: String,
    pub(super) access: Access,
    pub(super) standing: Standing,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Active,
    Expired,
    Revoked,
}

#[derive(Clone)]
pub(super) enum Access {
    All,
    Only(BTreeSet<String>),
}

impl User {
    pub(super) fn new(password: &str, access: Access) -> Self {
        Self {
            password: password.to_owned(),
            access,
            standing: Standing::Active,
        }
    }

    pub(super) fn may_read(&self, repository: &str) -> bool {
        match &self.access {
            Access::All => true,
            Access::Only(repositories) => repositories.contains(repository),
        }
    }
}

/// Manifests by tag and digest.
#[derive(Clone, Default)]
pub(super) struct Repository {
    pub(super) is_public: bool,
    pub(super) tags: BTreeMap<String, String>,
    manifests: BTreeMap<String, Bytes>,
}

impl Repository {
    /// Its digest.
    pub(super) fn add(&mut self, repository: &str, tag: &str) -> String {
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MEDIA_TYPE,
            "manifests": [],
            "annotations": { "org.opencontainers.image.ref.name": format!("{repository}:{tag}") },
        });
        let manifest = Bytes::from(manifest.to_string());
        let digest = sha256(&manifest);
        self.tags.insert(tag.to_owned(), digest.clone());
        self.manifests.insert(digest.clone(), manifest);
        digest
    }

    pub(super) fn remove(&mut self, tag: &str) {
        if let Some(digest) = self.tags.remove(tag) {
            self.manifests.remove(&digest);
        }
    }

    /// Digest and bytes of a manifest, by tag or digest.
    pub(super) fn find(&self, reference: &str) -> Option<(&str, &Bytes)> {
        let digest = self.tags.get(reference).map_or(reference, String::as_str);
        let (digest, manifest) = self.manifests.get_key_value(digest)?;
        Some((digest, manifest))
    }

    pub(super) fn exists(&self) -> bool {
        !self.manifests.is_empty()
    }
}

/// `sha256:` and hex digits.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    let mut text = "sha256:".to_owned();
    for byte in digest(&SHA256, bytes).as_ref() {
        write!(text, "{byte:02x}").expect("a String takes all that is written");
    }
    text
}
