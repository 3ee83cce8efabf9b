//! What the owner of an object asks us to leave alone, and what its maker looks after.
//!
//! A mark is of an object: of a Secret, of a ServiceAccount, which has its Pods under it, or of a
//! Namespace, which has all of these. The strongest that applies counts. Never: a wish that is
//! spelled otherwise than documented; half a wish is none.

use std::collections::BTreeMap;

use crate::domain::docker_config::SecretKind;
use crate::domain::rows::Skipped;

/// `"true"`: neither asked nor told of. Its other value, `"false"`, asks for nothing.
const IGNORE: &str = "regcred-exporter.io/ignore";

/// `"false"`: not asked. Its other value, `"true"`, has a Secret asked that OpenShift generated.
const PROBE: &str = "regcred-exporter.io/probe";

/// By either of these does OpenShift itself know the Secrets that it made: the second up to 4.15
/// (openshift-controller-manager, image_pull_secret_controller.go and the clean-up after it).
const OPENSHIFT: [&str; 2] = [
    "openshift.io/internal-registry-auth-token.service-account",
    "openshift.io/token-secret.name",
];

/// Why nothing is sent for the sake of an object, whoever references it; the strongest last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mark {
    /// OpenShift made the Secret for a ServiceAccount, for its own registry, and rotates it.
    OpenshiftGenerated,
    /// Its owner wants nothing sent. Faults and dates are told.
    NotProbed,
    /// Its owner wants nothing sent and nothing told, but that it is so.
    Ignored,
}

impl Mark {
    /// Every mark, the weakest first.
    pub const ALL: [Self; 3] = [Self::OpenshiftGenerated, Self::NotProbed, Self::Ignored];

    /// What its annotations ask for.
    pub fn of(annotations: &BTreeMap<String, String>) -> Option<Self> {
        let says = |name, value| annotations.get(name).is_some_and(|said| said == value);
        match (says(IGNORE, "true"), says(PROBE, "false")) {
            (true, _) => Some(Self::Ignored),
            (false, true) => Some(Self::NotProbed),
            (false, false) => None,
        }
    }

    /// The same of a Secret, which may have been generated.
    pub fn of_secret(kind: SecretKind, annotations: &BTreeMap<String, String>) -> Option<Self> {
        let is_wanted = annotations.get(PROBE).is_some_and(|said| said == "true");
        let is_openshifts = kind == SecretKind::DockerCfg
            && OPENSHIFT.iter().any(|name| annotations.contains_key(*name));
        let generated = (is_openshifts && !is_wanted).then_some(Self::OpenshiftGenerated);
        Self::of(annotations).max(generated)
    }

    /// The reason that is shown.
    pub fn skipped(self) -> Skipped {
        match self {
            Self::OpenshiftGenerated => Skipped::OpenshiftGenerated,
            Self::NotProbed | Self::Ignored => Skipped::Ignored,
        }
    }
}

/// The annotation of ours whose value is neither `"true"` nor `"false"`: it asks for nothing, and
/// whoever wrote it thinks that it does.
pub fn misspelt(annotations: &BTreeMap<String, String>) -> Option<&'static str> {
    let is_misspelt = |name: &&str| {
        let said = annotations.get(*name);
        said.is_some_and(|said| said != "true" && said != "false")
    };
    [IGNORE, PROBE].into_iter().find(is_misspelt)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Pairs = &'static [(&'static str, &'static str)];

    fn annotations(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        pairs.iter().map(owned).collect()
    }

    #[test]
    fn only_the_exact_words_count_and_the_stronger_wish_wins() {
        let rows: [(Pairs, Option<Mark>); 9] = [
            (&[], None),
            (&[(IGNORE, "true")], Some(Mark::Ignored)),
            (&[(PROBE, "false")], Some(Mark::NotProbed)),
            (&[(IGNORE, "true"), (PROBE, "false")], Some(Mark::Ignored)),
            (&[(IGNORE, "true"), (PROBE, "true")], Some(Mark::Ignored)),
            (&[(IGNORE, "false"), (PROBE, "true")], None),
            (&[(IGNORE, "True"), (PROBE, "no")], None),
            (&[(IGNORE, "true "), (PROBE, "")], None),
            (&[("other.io/ignore", "true")], None),
        ];
        for (pairs, expected) in rows {
            assert_eq!(Mark::of(&annotations(pairs)), expected, "{pairs:?}");
        }
    }

    const NEW: (&str, &str) = (OPENSHIFT[0], "default");
    const OLD: (&str, &str) = (OPENSHIFT[1], "default-token-x1");
    /// Any tool may write it.
    const OTHER: (&str, &str) = ("kubernetes.io/service-account.name", "default");

    #[test]
    fn what_openshift_generated_is_known_by_its_own_marks() {
        use SecretKind::{DockerCfg, DockerConfigJson};
        let generated = Some(Mark::OpenshiftGenerated);
        let rows: [(SecretKind, Pairs, Option<Mark>); 8] = [
            (DockerCfg, &[NEW], generated),
            (DockerCfg, &[OLD, OTHER], generated),
            (DockerCfg, &[OTHER], None),
            (DockerConfigJson, &[NEW], None),
            (DockerCfg, &[NEW, (PROBE, "true")], None),
            (DockerCfg, &[NEW, (PROBE, "false")], Some(Mark::NotProbed)),
            (DockerCfg, &[NEW, (IGNORE, "true")], Some(Mark::Ignored)),
            (DockerConfigJson, &[(PROBE, "false")], Some(Mark::NotProbed)),
        ];
        for (kind, pairs, expected) in rows {
            let found = Mark::of_secret(kind, &annotations(pairs));
            assert_eq!(found, expected, "{kind:?} {pairs:?}");
        }
    }

    #[test]
    fn a_misspelt_wish_is_named() {
        for (pairs, expected) in [
            (&[(IGNORE, "yes")][..], Some(IGNORE)),
            (&[(IGNORE, "true"), (PROBE, "False")], Some(PROBE)),
            (&[(IGNORE, "false"), (PROBE, "true")], None),
            (&[], None),
        ] {
            assert_eq!(misspelt(&annotations(pairs)), expected, "{pairs:?}");
        }
    }
}
