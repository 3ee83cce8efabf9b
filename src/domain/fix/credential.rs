//! What to do where a credential reaches the registry and does not get the image, or cannot be read.

use super::{Fix, Step, key_for, quote, run, say};
use crate::domain::diagnosis::Detail;

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
        let Some(id) = self
            .found
            .secret
            .as_ref()
            .filter(|_| self.owner().is_none())
        else {
            if self.found.secret.is_none() {
                steps.push(say(
                    "The kubelet does not say which of the Pod's pull secrets it is.",
                ));
            }
            return steps;
        };
        steps.push(self.login());
        steps.push(run(
            "Put the new docker config in its place; this replaces all entries (the type of a Secret cannot be changed, so that it is made anew).",
            format!(
                "kubectl -n {0} delete secret {1} && kubectl -n {0} create secret generic {1} --type=kubernetes.io/dockerconfigjson --from-file=.dockerconfigjson=./pull-login/config.json && rm -r ./pull-login",
                quote(&id.namespace),
                quote(&id.name)
            ),
        ));
        steps
    }

    pub(super) fn replace(&self, why: &str) -> Vec<Step> {
        let mut steps = vec![say(why)];
        let at_owner = self.at_its_owner();
        let Some(id) = self.found.secret.as_ref().filter(|_| at_owner.is_empty()) else {
            steps.extend(at_owner);
            return steps;
        };
        steps.push(self.login());
        steps.push(run(
            "Put it in the place of the old one; this replaces all entries of the Secret (add --force where its type is kubernetes.io/dockercfg: a type cannot be changed).",
            format!(
                "kubectl -n {} create secret generic {} --type=kubernetes.io/dockerconfigjson --from-file=.dockerconfigjson=./pull-login/config.json --dry-run=client -o yaml | kubectl replace -f - && rm -r ./pull-login",
                quote(&id.namespace),
                quote(&id.name)
            ),
        ));
        if !self.patient.is_planned {
            steps.push(say("No Pod needs a restart: its node uses the Secret at the next try, within five minutes."));
        }
        steps
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
