//! What to do where a credential does not reach the Pod: it is missing, elsewhere, not named, or under a key
//! that means something else.

use super::{Fix, Step, clean_up, json, key_for, quote, run, say};
use crate::domain::diagnosis::{Detail, Word};
use crate::domain::image::Registry;

impl Fix<'_> {
    pub(super) fn missing(&self) -> Vec<Step> {
        let named = self.found.secret.as_ref();
        let name = named.map_or("regcred", |secret| &secret.name);
        let mut steps = vec![self.login(), self.create(name), clean_up()];
        match named {
            None => steps.extend(self.reference(name)),
            Some(_) if self.patient.is_planned => {}
            Some(_) => steps.push(say(
                "The Pod names it already: its node uses it at the next try, within five minutes.",
            )),
        }
        steps
    }

    /// A docker config of its own, so that the password is asked for and stands nowhere else. Left to itself
    /// docker logs a person in to Docker Hub by browser, and keeps that person's refresh token beside
    /// (docker/cli, cli/command/registry/login.go).
    pub(super) fn login(&self) -> Step {
        Self::login_to(self.case.image.registry())
    }

    pub(super) fn login_to(registry: &Registry) -> Step {
        let server = match registry.is_docker_hub() {
            true => String::new(),
            false => format!(" {}", quote(registry.as_str())),
        };
        run(
            format!(
                "Log in to {registry} with a robot account that may pull; docker asks for the password."
            ),
            format!("DOCKER_CLI_DISABLE_OAUTH_LOGIN=1 docker --config ./pull-login login{server}"),
        )
    }

    fn create(&self, name: &str) -> Step {
        run(
            "Make the pull secret of it (with a credential helper the file holds no password: see the page of this cause).",
            format!(
                "kubectl -n {} create secret generic {} --type=kubernetes.io/dockerconfigjson --from-file=.dockerconfigjson=./pull-login/config.json",
                self.namespace(),
                quote(name)
            ),
        )
    }

    fn reference(&self, name: &str) -> Vec<Step> {
        let mut steps = vec![self.list_on_account(name)];
        if !self.patient.is_planned {
            steps.push(self.recreate());
        }
        steps
    }

    /// No patch adds to this list: of a ServiceAccount it is replaced whole, where that of a Pod is merged
    /// by name (k8s staging/src/k8s.io/api/core/v1/types.go, kubernetes/kubernetes#72475). What `get` read is
    /// what `replace` writes over, or the API server refuses it.
    fn list_on_account(&self, name: &str) -> Step {
        let account = self.patient.service_account;
        let name = json(name);
        let listed = format!(
            ".imagePullSecrets = ([.imagePullSecrets[]? | select(.name != {name})] + [{{name: {name}}}])"
        );
        run(
            format!(
                "Have ServiceAccount {account} list it, beside what it lists now: new Pods get it."
            ),
            format!(
                "kubectl -n {} get serviceaccount {} -o json | jq {} | kubectl replace -f -",
                self.namespace(),
                quote(account),
                quote(&listed)
            ),
        )
    }

    pub(super) fn not_configured(&self) -> Vec<Step> {
        let name = self.secret_name();
        self.reference(&name)
    }

    pub(super) fn not_referenced(&self) -> Vec<Step> {
        let name = self.secret_name();
        let workload = self.patient.workload;
        let what = format!("{} {}", workload.kind, workload.name);
        match self.found.detail {
            Some(Detail::Word(Word::PodListHidesServiceAccount)) => vec![say(format!(
                "Take imagePullSecrets out of {what}, so that the list of its ServiceAccount counts; or name {name} there too."
            ))],
            Some(Detail::Word(Word::NameTypo)) => self.with_list(format!(
                "Correct the name in imagePullSecrets of {what}: it is {name}."
            )),
            _ => self.with_list(format!("Name {name} in imagePullSecrets of {what}.")),
        }
    }

    /// A change of the list, and what it is now where somebody has it.
    fn with_list(&self, text: String) -> Vec<Step> {
        let now = (!self.patient.is_planned).then(|| self.look_at_list());
        std::iter::once(say(text)).chain(now).collect()
    }

    fn look_at_list(&self) -> Step {
        run(
            "What it names now:",
            format!(
                "kubectl -n {} get pod {} -o jsonpath='{{.spec.imagePullSecrets}}'",
                self.namespace(),
                quote(self.patient.pod)
            ),
        )
    }

    pub(super) fn recreate(&self) -> Step {
        let workload = self.patient.workload;
        let namespace = self.namespace();
        let delete = |text: String| {
            let pod = quote(self.patient.pod);
            run(text, format!("kubectl -n {namespace} delete pod {pod}"))
        };
        match &*workload.kind {
            "Deployment" | "DaemonSet" => run(
                "Make its Pods anew: a Pod keeps the list that it was made with.",
                format!(
                    "kubectl -n {namespace} rollout restart {}",
                    quote(&format!(
                        "{}/{}",
                        workload.kind.to_lowercase(),
                        workload.name
                    ))
                ),
            ),
            "Pod" => say(
                "Make the Pod anew: it keeps the list that it was made with, and nobody makes it again if you delete it.",
            ),
            // A restart waits until each Pod is ready, which this one never is (k8s docs, StatefulSets:
            // "Forced rollback").
            "StatefulSet" => delete(format!(
                "Delete the Pod, which StatefulSet {} makes anew: it keeps the list that it was made with, and a rollout restart would wait for it.",
                workload.name
            )),
            "Job" | "CronJob" => delete(format!(
                "Delete the Pod, which its Job makes anew: it keeps the list that it was made with. The Job counts it as failed; with backoffLimit 0, make {} {} run anew instead.",
                workload.kind, workload.name
            )),
            _ => delete(format!(
                "Make the Pod anew: it keeps the list that it was made with. {} {} does so when it is gone, if it is a controller that does.",
                workload.kind, workload.name
            )),
        }
    }

    pub(super) fn elsewhere(&self) -> Vec<Step> {
        let Some(secret) = &self.found.secret else {
            return Vec::new();
        };
        vec![
            say(format!(
                "Ask whoever owns namespace {} whether this one may have the credential.",
                secret.namespace
            )),
            run(
                format!("Copy {secret}; what renews it there does not renew the copy."),
                format!(
                    "kubectl -n {} get secret {} -o json | jq '{{apiVersion, kind, type, data, metadata: {{name: .metadata.name}}}}' | kubectl -n {} create -f -",
                    quote(&secret.namespace),
                    quote(&secret.name),
                    self.namespace()
                ),
            ),
        ]
    }

    pub(super) fn mismatch(&self) -> Vec<Step> {
        let key = key_for(&self.case.image);
        let secret = self.shown_secret();
        let mut steps = self.at_its_owner();
        let rule = match self.found.detail {
            Some(Detail::Rule(rule)) => format!(" {}", rule.explanation()),
            _ => String::new(),
        };
        let text = match &self.found.key {
            Some(now) => format!("In {secret}, write the key {key} in the place of {now}.{rule}"),
            None => format!(
                "Give {secret} an entry whose key is {key}, or have the Pod name a Secret that has one."
            ),
        };
        steps.push(say(text));
        steps.push(self.look_at_keys());
        steps
    }

    /// The keys alone, of either type, without what stands before an `@` in one: that may be a password.
    pub(super) fn look_at_keys(&self) -> Step {
        let name = self.secret_name();
        run(
            "The keys that it has now:",
            format!(
                "kubectl -n {} get secret {} -o json | jq '.data | .[\".dockerconfigjson\"] // .[\".dockercfg\"] | @base64d | fromjson | .auths // . | keys | map(sub(\".*@\"; \"\"))'",
                quote(self.secret_namespace()),
                quote(&name)
            ),
        )
    }
}
