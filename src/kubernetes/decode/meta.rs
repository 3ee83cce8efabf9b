//! `metadata`: names, owner, and only the annotations and labels that were asked for.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::de::MapAccess;

use super::json::{Field, Record};
use crate::domain::cluster::{ObjectName, OwnerSeen, Uid};

/// Longer annotations and labels are left out: those of owners are names, dates are shorter still.
const TEXT_MOST: usize = 1024;

/// Never read, whatever is configured: it repeats the whole object, a Secret's data included.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// A hash of what the Secret holds; no hash of a secret is kept.
const DATA_HASH: &str = "reconcile.external-secrets.io/data-hash";

/// Which annotations say what we may do and who owns an object.
const ANNOTATIONS: &[&str] = &[
    "argocd.argoproj.io/instance",
    "argocd.argoproj.io/tracking-id",
    "kubernetes.io/created-by",
    "meta.helm.sh/release-name",
    "meta.helm.sh/release-namespace",
    "openshift.io/internal-registry-auth-token.binding",
    "openshift.io/internal-registry-auth-token.service-account",
    "openshift.io/internal-registry-pull-secret-ref",
    "openshift.io/token-secret.name",
    "regcred-exporter.io/expires-at",
    "regcred-exporter.io/ignore",
    "regcred-exporter.io/probe",
    "replicator.v1.mittwald.de/replicate-from",
    "replicator.v1.mittwald.de/replicated-from-version",
    "sealedsecrets.bitnami.com/cluster-wide",
    "sealedsecrets.bitnami.com/managed",
    "sealedsecrets.bitnami.com/namespace-wide",
];

const ANNOTATION_PREFIXES: &[&str] = &[
    "reconcile.external-secrets.io/",
    "reflector.v1.k8s.emberstack.com/",
];

const LABELS: &[&str] = &[
    "app.kubernetes.io/instance",
    "app.kubernetes.io/managed-by",
    "argocd.argoproj.io/instance",
    "generate.kyverno.io/policy-name",
    "helm.toolkit.fluxcd.io/name",
    "helm.toolkit.fluxcd.io/namespace",
    "kustomize.toolkit.fluxcd.io/name",
    "kustomize.toolkit.fluxcd.io/namespace",
    "secrets-store.csi.k8s.io/managed",
];

const LABEL_PREFIXES: &[&str] = &["reconcile.external-secrets.io/"];

/// Which annotations, labels and data keys are kept; everything else is dropped in the decoder.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    annotations: BTreeSet<String>,
    data_keys: BTreeSet<String>,
}

impl Wanted {
    /// What owners are told by and our own annotations, which are always kept, and nothing else.
    pub fn least() -> Self {
        Self::default()
    }

    /// Also these annotations: declared expiry dates.
    pub fn with_annotations(mut self, names: impl IntoIterator<Item = String>) -> Self {
        self.annotations.extend(names);
        self
    }

    /// Also these data keys of pull secrets: `expires_at`, `expiry`, ...
    pub fn with_data_keys(mut self, names: impl IntoIterator<Item = String>) -> Self {
        self.data_keys.extend(names);
        self
    }

    pub(super) fn wants_data_key(&self, name: &str) -> bool {
        self.data_keys.contains(name)
    }

    fn wants_annotation(&self, name: &str) -> bool {
        name != LAST_APPLIED
            && name != DATA_HASH
            && (ANNOTATIONS.contains(&name)
                || ANNOTATION_PREFIXES.iter().any(|p| name.starts_with(p))
                || self.annotations.contains(name))
    }
}

fn is_owner_label(label: &str) -> bool {
    LABELS.contains(&label) || LABEL_PREFIXES.iter().any(|p| label.starts_with(p))
}

/// Which annotations and labels of an object are kept.
#[derive(Clone, Copy, Default)]
pub(super) enum Keep<'w> {
    /// None.
    #[default]
    Nothing,
    /// What tells a mirror pod and a Deployment's pods.
    Pod,
    /// What is wanted, and who wrote `data` when.
    Secret(&'w Wanted),
    /// What is wanted.
    Other(&'w Wanted),
}

impl Keep<'_> {
    fn annotation(self, name: &str) -> bool {
        match self {
            Self::Nothing => false,
            Self::Pod => name == super::pod::MIRROR,
            Self::Secret(wanted) | Self::Other(wanted) => wanted.wants_annotation(name),
        }
    }

    fn label(self, name: &str) -> bool {
        match self {
            Self::Nothing => false,
            Self::Pod => name == super::pod::TEMPLATE_HASH,
            Self::Secret(_) | Self::Other(_) => is_owner_label(name),
        }
    }
}

/// `metadata` of an object.
#[derive(Default)]
pub(super) struct Metadata<'w> {
    keep: Keep<'w>,
    pub(super) object: ObjectName,
    pub(super) uid: Uid,
    pub(super) resource_version: String,
    pub(super) created: Option<DateTime<Utc>>,
    pub(super) terminating: bool,
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) owner: Option<OwnerSeen>,
    pub(super) changed: Option<(DateTime<Utc>, String)>,
}

impl<'w> Metadata<'w> {
    pub(super) fn keeping(keep: Keep<'w>) -> Self {
        Self {
            keep,
            ..Self::default()
        }
    }
}

impl Record for Metadata<'_> {
    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Field<'_, A>,
    ) -> Result<(), A::Error> {
        let keep = self.keep;
        match name {
            "name" => value.text(&mut self.object.name),
            "namespace" => value.text(&mut self.object.namespace),
            "uid" => value.text_with(|text| {
                self.uid = uid(text);
                true
            }),
            "resourceVersion" => value.text(&mut self.resource_version),
            "creationTimestamp" => value.time(&mut self.created),
            "deletionTimestamp" => value.text_with(|text| {
                self.terminating = !text.is_empty();
                true
            }),
            "annotations" => value.record(&mut Texts {
                wants: |name: &str| keep.annotation(name),
                into: &mut self.annotations,
            }),
            "labels" => value.record(&mut Texts {
                wants: |name: &str| keep.label(name),
                into: &mut self.labels,
            }),
            "ownerReferences" => {
                let mut controls = false;
                value.records(|owner: Owner| {
                    if self.owner.is_none() || (owner.controller && !controls) {
                        controls = owner.controller;
                        self.owner = Some(owner.seen);
                    }
                })
            }
            "managedFields" if matches!(keep, Keep::Secret(_)) => {
                value.records(|entry: Managed| {
                    let newest = self.changed.as_ref().map(|(time, _)| *time);
                    if let Some(time) = entry.time
                        && entry.fields.wrote_data
                        && newest.is_none_or(|newest| time > newest)
                    {
                        self.changed = Some((time, entry.manager));
                    }
                })
            }
            _ => value.skip(),
        }
    }
}

/// Annotations or labels.
struct Texts<'a, F> {
    wants: F,
    into: &'a mut BTreeMap<String, String>,
}

impl<F: Fn(&str) -> bool> Record for Texts<'_, F> {
    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Field<'_, A>,
    ) -> Result<(), A::Error> {
        if !(self.wants)(name) {
            return value.skip();
        }
        value.text_with(|text| {
            let fits = text.len() <= TEXT_MOST;
            if fits {
                self.into.insert(name.to_owned(), text.to_owned());
            }
            fits
        })
    }
}

#[derive(Default)]
struct Owner {
    seen: OwnerSeen,
    controller: bool,
}

impl Record for Owner {
    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Field<'_, A>,
    ) -> Result<(), A::Error> {
        match name {
            "kind" => value.text(&mut self.seen.kind),
            "name" => value.text(&mut self.seen.name),
            "controller" => value.flag(&mut self.controller),
            _ => value.skip(),
        }
    }
}

/// One entry of `managedFields`: who wrote which fields when.
#[derive(Default)]
struct Managed {
    manager: String,
    time: Option<DateTime<Utc>>,
    fields: Fields,
}

#[derive(Default)]
struct Fields {
    wrote_data: bool,
}

impl Record for Managed {
    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Field<'_, A>,
    ) -> Result<(), A::Error> {
        match name {
            "manager" => value.cut_text(TEXT_MOST, &mut self.manager),
            "time" => value.time(&mut self.time),
            "fieldsV1" => value.record(&mut self.fields),
            _ => value.skip(),
        }
    }
}

impl Record for Fields {
    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Field<'_, A>,
    ) -> Result<(), A::Error> {
        match name {
            "f:data" => value.found_object(&mut self.wrote_data),
            _ => value.skip(),
        }
    }
}

/// A uid as a number: the 32 hexadecimal digits of a UUID, hyphens aside; of any other text its
/// 128-bit FNV-1a hash, so that the same text is the same number in every build; 0 of none.
pub fn uid(text: &str) -> Uid {
    if text.is_empty() {
        return Uid::default();
    }
    Uid(uuid(text).unwrap_or_else(|| fnv1a(text)))
}

fn uuid(text: &str) -> Option<u128> {
    let mut number = 0_u128;
    let mut digits = 0;
    for c in text.chars().filter(|c| *c != '-') {
        number = number << 4 | u128::from(c.to_digit(16)?);
        digits += 1;
        if digits > 32 {
            return None;
        }
    }
    (digits == 32).then_some(number)
}

/// <https://datatracker.ietf.org/doc/html/draft-eastlake-fnv>, 128 bits.
fn fnv1a(text: &str) -> u128 {
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    text.bytes().fold(BASIS, |hash, byte| {
        (hash ^ u128::from(byte)).wrapping_mul(PRIME)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uid_is_its_digits_or_a_hash() {
        let digits = Uid(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);
        assert_eq!(uid("01234567-89ab-cdef-0123-456789abcdef"), digits);
        assert_eq!(uid("0123456789ABCDEF0123456789abcdef"), digits);
        assert_eq!(uid(""), Uid(0));
        // The empty text's hash is the basis; "a" is of the published vectors.
        assert_eq!(uid("a").0, 0xd228_cb69_6f1a_8caf_7891_2b70_4e4a_8964);
        assert_ne!(uid("01234567-89ab-cdef-0123-456789abcdef0"), digits);
        assert_ne!(uid("x"), uid("y"));
    }

    #[test]
    fn the_last_applied_configuration_is_never_wanted() {
        let greedy = Wanted::least().with_annotations([
            LAST_APPLIED.to_owned(),
            DATA_HASH.to_owned(),
            "a".to_owned(),
        ]);
        assert!(greedy.wants_annotation("a"));
        assert!(!greedy.wants_annotation(LAST_APPLIED));
        assert!(!greedy.wants_annotation(DATA_HASH));
        assert!(greedy.wants_annotation("reconcile.external-secrets.io/managed"));
        assert!(!greedy.wants_annotation("openshift.io/token-secret.value"));
    }
}
