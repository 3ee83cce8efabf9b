//! Where a Secret is mended: at whoever would write it anew, if somebody would.

use std::sync::Arc;

use super::{Fix, Step, quote, run, say};
use crate::domain::diagnosis::Found;
use crate::domain::owner::{Keeper, SecretOwner};

impl Fix<'_> {
    pub(super) fn owner(&self) -> Option<Arc<SecretOwner>> {
        let id = self.found.secret.as_ref()?;
        if *id.namespace != *self.case.namespace {
            return None;
        }
        let named = self.case.named.iter().find(|named| named.name == id.name)?;
        match &named.found {
            Found::PullSecret(secret) => secret.owner.clone(),
            _ => None,
        }
    }

    /// Where a change lasts, if the Secret is not it.
    pub(super) fn at_its_owner(&self) -> Vec<Step> {
        let Some(owner) = self.owner() else {
            return Vec::new();
        };
        let secret = self.shown_secret();
        let namespace = self.namespace();
        let name = &owner.name;
        vec![match owner.keeper {
            Keeper::ExternalSecret if !name.is_empty() => run(
                format!(
                    "Mend it in the store that ExternalSecret {name} reads: it writes {secret} anew. Then have it read at once:"
                ),
                format!(
                    "kubectl -n {namespace} annotate externalsecret {} \"force-sync=$(date +%s)\" --overwrite",
                    quote(name)
                ),
            ),
            Keeper::ExternalSecret => say(format!(
                "Mend it in the store that its ExternalSecret reads: external-secrets writes {secret} anew."
            )),
            Keeper::SealedSecret => say(format!(
                "Seal it anew and commit it: a SealedSecret makes {secret}."
            )),
            Keeper::Reflector | Keeper::Replicator if !name.is_empty() => say(format!(
                "Mend {name}, which {secret} is a copy of: {} writes the copy anew.",
                owner.keeper.as_str()
            )),
            Keeper::Reflector | Keeper::Replicator => {
                say(format!("Mend the Secret that {secret} is a copy of."))
            }
            Keeper::Kyverno => say(format!(
                "Mend what Kyverno's policy {name} makes {secret} of."
            )),
            Keeper::OpenShift => say(format!(
                "{secret} is made by OpenShift: look at its image registry operator, and do not write it by hand."
            )),
            Keeper::SecretsStore => say(format!(
                "Mend it in the store that the CSI driver reads: it writes {secret} anew."
            )),
            Keeper::Refresher => say(format!(
                "Repair {name}, which refreshes {secret}, and have it run now."
            )),
            Keeper::ArgoCd => say(format!(
                "Mend it in Git: the Argo CD application {name} writes {secret} anew."
            )),
            Keeper::FluxKustomization | Keeper::FluxHelmRelease => say(format!(
                "Mend it in Git: Flux writes {secret} anew ({} {name}).",
                owner.keeper.as_str()
            )),
            Keeper::Helm => say(format!(
                "Mend it in the values of the Helm release {name}: the next upgrade writes {secret} anew."
            )),
            Keeper::Controller => say(format!(
                "Mend it at {name}, which owns {secret} and may write it anew."
            )),
        }]
    }
}
