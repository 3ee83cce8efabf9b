//! What to do where a credential reaches the registry and does not get the image, or cannot be read.

use super::{Fix, Step, clean_up, key_for, quote, run, say};
use crate::domain::diagnosis::{Detail, Found, PullSecret, SecretId};
use crate::domain::docker_config::{FaultKind, SecretKind};
use crate::domain::image::Registry;

impl Fix<'_> {
    pub(super) fn malformed(&self) -> Vec<Step> {
        let mut steps = self.at_its_owner();
        let secret = self.shown_secret();
        if let Some(Detail::Fault(fault)) = self.found.detail {
            let entry = match &self.found.key {
                Some(key) => format!(", entry {key}"),
                None => String::new(),
            };
            steps.push(say(format!(
                "{secret}{entry}: {} {}",
                fault.explanation(),
                fault.fix()
            )));
        }
        let Some(id) = &self.found.secret else {
            steps.push(say(
                "The kubelet does not say which of the Pod's pull secrets it is.",
            ));
            return steps;
        };
        if self.owner().is_some() {
            return steps;
        }
        if self.found.detail == Some(Detail::Fault(FaultKind::WrongSecretType)) {
            steps.extend(self.of_other_type(id));
            return steps;
        }
        // An entry that was meant for this image, or that is sent for it, is for its registry. What spoils
        // the whole Secret may be for any of its registries, and the new docker config is for all.
        match &self.registries_of(id)[..] {
            many @ [_, ..] if self.found.key.is_none() => {
                steps.extend(many.iter().map(Self::login_to));
            }
            _ => steps.push(self.login()),
        }
        steps.extend(self.put(id));
        steps
    }

    /// Nobody but its owner knows what it is for: its data was never read.
    fn of_other_type(&self, id: &SecretId) -> Vec<Step> {
        let workload = self.patient.workload;
        vec![
            run(
                "Look at what it is, without what it holds:",
                format!(
                    "kubectl -n {} get secret {} -o json | jq '{{type, keys: (.data // {{}} | keys), owners: [.metadata.ownerReferences[]? | .kind + \"/\" + .name]}}'",
                    quote(&id.namespace),
                    quote(&id.name)
                ),
            ),
            say(format!(
                "If it is meant to be a pull secret, have whoever makes it give it the type kubernetes.io/dockerconfigjson; the type of one that is there cannot be changed, so it is made anew. If not, correct imagePullSecrets of {} {}.",
                workload.kind, workload.name
            )),
        ]
    }

    pub(super) fn replace(&self, why: &str) -> Vec<Step> {
        let mut steps = vec![say(why)];
        let at_owner = self.at_its_owner();
        let Some(id) = self.found.secret.as_ref().filter(|_| at_owner.is_empty()) else {
            steps.extend(at_owner);
            return steps;
        };
        steps.push(self.login());
        steps.extend(self.put(id));
        if !self.patient.is_planned {
            steps.push(say("No Pod needs a restart: its node uses the Secret at the next try, within five minutes."));
        }
        steps
    }

    /// The new docker config in the place of the old one. A patch of the data leaves labels, annotations and
    /// owners as they are, comes over stdin and not as an argument, and is empty, which changes nothing,
    /// where a credential helper kept the passwords out of the file.
    fn put(&self, id: &SecretId) -> Vec<Step> {
        let program = match self.is_dockercfg(id) {
            true => {
                "{data: {\".dockercfg\": (.auths | select(any(.[]; .auth)) | tojson | @base64)}}"
            }
            false => {
                "select(any(.auths[]; .auth)) | {data: {\".dockerconfigjson\": (tojson | @base64)}}"
            }
        };
        vec![
            run(
                "Put it in the place of the old one; this replaces all entries of the Secret (with a credential helper the file holds no password, and nothing is changed: see the page of this cause).",
                format!(
                    "jq '{program}' ./pull-login/config.json | kubectl -n {} patch secret {} --type=merge --patch-file=/dev/stdin",
                    quote(&id.namespace),
                    quote(&id.name)
                ),
            ),
            clean_up(),
        ]
    }

    fn is_dockercfg(&self, id: &SecretId) -> bool {
        let secret = self.pull_secret(id);
        secret.is_some_and(|secret| secret.kind == SecretKind::DockerCfg)
    }

    fn registries_of(&self, id: &SecretId) -> Vec<Registry> {
        let secret = self.pull_secret(id);
        secret.map_or_else(Vec::new, |secret| secret.registries.clone())
    }

    fn pull_secret(&self, id: &SecretId) -> Option<&PullSecret> {
        let named = self.case.named.iter().find(|named| named.name == id.name)?;
        match &named.found {
            Found::PullSecret(secret) => Some(secret),
            Found::Unseen | Found::Absent | Found::OtherType(_) => None,
        }
    }

    pub(super) fn locked(&self) -> Vec<Step> {
        let registry = self.case.image.registry();
        let mut steps = vec![say(format!(
            "Stop whatever logs in to {registry} with the wrong password: the account is locked, and each try keeps it so. Other Secrets may hold an old password of it."
        ))];
        steps.push(say("Wait until the registry takes logins again, or have its administrator unlock the account."));
        steps.extend(self.replace("Then correct the login."));
        steps
    }

    pub(super) fn permission(&self) -> Vec<Step> {
        vec![say(format!(
            "At {}, give the account of {} the right to pull from {}. The login works; only this right is missing.",
            self.case.image.registry(),
            self.shown_secret(),
            self.case.image.repository()
        ))]
    }

    pub(super) fn denied(&self) -> Vec<Step> {
        let image = &self.case.image;
        let mut steps = vec![say(format!(
            "{} says the same of an image that is not there and of one that is not for you: check the name {} first.",
            image.registry(),
            image.repository()
        ))];
        if let Some(nearest) = &self.case.nearest {
            steps.push(say(format!("In use is {nearest}: was that meant?")));
        }
        steps.push(say(format!(
            "If the name is right, a credential is needed that may pull it: a Secret with the key {}, named by the Pod or its ServiceAccount.",
            key_for(image)
        )));
        steps
    }

    pub(super) fn not_found(&self) -> Vec<Step> {
        let image = &self.case.image;
        let what = format!(
            "{} has no {} in {}",
            image.registry(),
            image.manifest(),
            image.repository()
        );
        let mut steps = vec![self.image(&format!("Correct the image, or push it: {what}."))];
        if let Some(nearest) = &self.case.nearest {
            steps.push(say(format!("In use is {nearest}: was that meant?")));
        }
        steps
    }
}
