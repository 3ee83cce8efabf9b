//! What to do about a cause: steps for a person, with commands that have the real names in them.
//!
//! A command is safe to paste: whatever a tenant chose is quoted for a POSIX shell, and a password
//! stands in none of them, so that it is in no argument and no history. What a tool would write anew
//! is mended at the tool.

mod shell;

use std::sync::Arc;

use super::cause::Cause;
use super::diagnosis::{Case, Detail, Diagnosis, Found, Word};
use super::image::Reference;
use super::owner::{Keeper, SecretOwner, Workload};
pub use shell::quote;

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What, and why.
    pub text: String,
    /// The command that does it, where one does.
    pub command: Option<String>,
}

/// The Pod that is to be mended.
#[derive(Clone, Copy, Debug)]
pub struct Patient<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub pod: &'a str,
    /// What it belongs to.
    pub workload: &'a Workload,
    /// Its ServiceAccount.
    pub service_account: &'a str,
    /// Its node, once it has one.
    pub node: Option<&'a str>,
    /// It is not there yet: only its manifest can be changed, and no Pod be made anew.
    pub is_planned: bool,
}

/// What to do, in order.
pub fn steps(found: &Diagnosis, case: &Case, patient: &Patient<'_>) -> Vec<Step> {
    let fix = Fix {
        found,
        case,
        patient,
    };
    match found.cause {
        Cause::MissingPullSecret => fix.missing(),
        Cause::SecretNotReferenced => fix.not_referenced(),
        Cause::ServiceAccountNotConfigured => fix.not_configured(),
        Cause::StalePod => vec![fix.recreate()],
        Cause::SecretInOtherNamespace => fix.elsewhere(),
        Cause::RegistryMismatch => fix.mismatch(),
        Cause::MalformedSecret => fix.malformed(),
        Cause::ExpiredCredentials => {
            fix.replace("Rotate the credential: the registry takes it no more.")
        }
        Cause::InvalidCredentials => {
            fix.replace("Correct the login: the registry refuses user name or password.")
        }
        Cause::LockedOut => fix.locked(),
        Cause::PermissionDenied => fix.permission(),
        Cause::DeniedOrAbsent => fix.denied(),
        Cause::ImageNotFound => fix.not_found(),
        Cause::RateLimited => fix.limited(),
        Cause::Network => fix.network(),
        Cause::Tls => fix.tls(),
        Cause::RegistryUnavailable => fix.unavailable(),
        Cause::InvalidImageName => vec![fix.image("Correct the image's name: it is none.")],
        Cause::PlatformMismatch => fix.platform(),
        Cause::ImageNeverPull => fix.never(),
        Cause::SignatureRejected => vec![say(format!(
            "Sign {} as the policy of the node wants it, or change the policy.",
            case.image
        ))],
        Cause::CorruptImage => vec![say(format!(
            "Push {} anew: what the registry gives is not what its manifest says. Where a mirror stands between, clear its cache.",
            case.image
        ))],
        Cause::Node => fix.node(),
        Cause::Unknown => fix.unknown(),
    }
}

/// The same of an image of which nothing is known but what the node says.
pub fn without_case(found: &Diagnosis, image: &str, patient: &Patient<'_>) -> Vec<Step> {
    let namespace = quote(patient.namespace);
    let pod = quote(patient.pod);
    let text = match found.cause {
        Cause::InvalidImageName => "Correct the image's name: it is none.".to_owned(),
        Cause::ImageNeverPull => never(found, image),
        _ => "What the node says:".to_owned(),
    };
    if patient.is_planned {
        return vec![say(text)];
    }
    vec![run(
        text,
        format!("kubectl -n {namespace} describe pod {pod}"),
    )]
}

struct Fix<'a> {
    found: &'a Diagnosis,
    case: &'a Case,
    patient: &'a Patient<'a>,
}

impl Fix<'_> {
    fn namespace(&self) -> String {
        quote(self.patient.namespace)
    }

    fn missing(&self) -> Vec<Step> {
        let named = self.found.secret.as_ref();
        let name = named.map_or("regcred", |secret| &secret.name);
        let mut steps = vec![self.login(), self.create(name)];
        match named {
            None => steps.extend(self.reference(name)),
            Some(_) if self.patient.is_planned => {}
            Some(_) => steps.push(say(
                "The Pod names it already: its node uses it at the next try, within five minutes.",
            )),
        }
        steps
    }

    /// A docker config of its own, so that the password is asked for and stands nowhere else.
    fn login(&self) -> Step {
        let registry = self.case.image.registry();
        let server = match registry.is_docker_hub() {
            true => String::new(),
            false => format!(" {}", quote(registry.as_str())),
        };
        run(
            format!(
                "Log in to {registry} with a robot account that may pull; docker asks for the password."
            ),
            format!("docker --config ./pull-login login{server}"),
        )
    }

    fn create(&self, name: &str) -> Step {
        run(
            "Make the pull secret of it, and take the file away (with a credential helper the file holds no password: see the page of this cause).",
            format!(
                "kubectl -n {} create secret generic {} --type=kubernetes.io/dockerconfigjson --from-file=.dockerconfigjson=./pull-login/config.json && rm -r ./pull-login",
                self.namespace(),
                quote(name)
            ),
        )
    }

    fn reference(&self, name: &str) -> Vec<Step> {
        let mut steps = vec![self.patch_account(name)];
        if !self.patient.is_planned {
            steps.push(self.recreate());
        }
        steps
    }

    fn patch_account(&self, name: &str) -> Step {
        let account = self.patient.service_account;
        run(
            format!(
                "Have ServiceAccount {account} list it, beside what it lists now: new Pods get it."
            ),
            format!(
                "kubectl -n {} patch serviceaccount {} --type=strategic -p {}",
                self.namespace(),
                quote(account),
                quote(&format!(
                    "{{\"imagePullSecrets\":[{{\"name\":{}}}]}}",
                    json(name)
                ))
            ),
        )
    }

    fn not_configured(&self) -> Vec<Step> {
        let name = self.secret_name();
        self.reference(&name)
    }

    fn not_referenced(&self) -> Vec<Step> {
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

    fn recreate(&self) -> Step {
        let workload = self.patient.workload;
        let namespace = self.namespace();
        match &*workload.kind {
            "Deployment" | "StatefulSet" | "DaemonSet" => run(
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
            _ => run(
                format!(
                    "Make the Pod anew, which {} {} does when it is gone: it keeps the list that it was made with.",
                    workload.kind, workload.name
                ),
                format!(
                    "kubectl -n {namespace} delete pod {}",
                    quote(self.patient.pod)
                ),
            ),
        }
    }

    fn elsewhere(&self) -> Vec<Step> {
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

    fn mismatch(&self) -> Vec<Step> {
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
    fn look_at_keys(&self) -> Step {
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

    fn malformed(&self) -> Vec<Step> {
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

    fn replace(&self, why: &str) -> Vec<Step> {
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

    fn locked(&self) -> Vec<Step> {
        let registry = self.case.image.registry();
        let mut steps = vec![say(format!(
            "Stop whatever logs in to {registry} with the wrong password: the account is locked, and each try keeps it so. Other Secrets may hold an old password of it."
        ))];
        steps.push(say("Wait until the registry takes logins again, or have its administrator unlock the account."));
        steps.extend(self.replace("Then correct the login."));
        steps
    }

    fn permission(&self) -> Vec<Step> {
        vec![say(format!(
            "At {}, give the account of {} the right to pull from {}. The login works; only this right is missing.",
            self.case.image.registry(),
            self.shown_secret(),
            self.case.image.repository()
        ))]
    }

    fn denied(&self) -> Vec<Step> {
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

    fn not_found(&self) -> Vec<Step> {
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

    fn image(&self, text: &str) -> Step {
        if self.patient.is_planned {
            return say(text);
        }
        let workload = self.patient.workload;
        run(
            text,
            format!(
                "kubectl -n {} get {} -o yaml",
                self.namespace(),
                quote(&format!(
                    "{}/{}",
                    workload.kind.to_lowercase(),
                    workload.name
                ))
            ),
        )
    }

    fn limited(&self) -> Vec<Step> {
        let registry = self.case.image.registry();
        let mut steps = Vec::new();
        if self.case.candidates.is_empty() {
            steps.push(say(format!(
                "Pull with an account: without one, all that share this cluster's address share one small quota at {registry}."
            )));
        }
        steps.push(say("The node tries again by itself. Mirror the image, or pull less often (imagePullPolicy IfNotPresent with a fixed tag)."));
        steps
    }

    fn network(&self) -> Vec<Step> {
        let host = self.case.image.registry();
        let node = self.patient.node.unwrap_or("the node");
        let text = match self.found.detail {
            Some(Detail::Word(Word::Dns)) => {
                format!("{node} cannot resolve {host}: look at its resolver, and at the name.")
            }
            Some(Detail::Word(Word::Proxy)) => format!(
                "The proxy of {node}'s runtime refuses {host}, or is not reached: look at HTTPS_PROXY and NO_PROXY of containerd or CRI-O."
            ),
            Some(Detail::Word(Word::Timeout)) => format!(
                "{node} has no answer from {host} in time: look at firewalls, routes and proxies between."
            ),
            _ => format!(
                "{node} does not reach {host}: look at firewalls, routes and proxies between, and whether the registry listens."
            ),
        };
        let mut steps = vec![say(text)];
        steps.extend(self.ask_from_node(&format!("https://{host}/v2/")));
        steps
    }

    fn ask_from_node(&self, url: &str) -> Option<Step> {
        let node = self.patient.node?;
        Some(run(
            format!("Ask from {node} itself:"),
            format!(
                "kubectl debug {} -it --image=curlimages/curl -- curl -sSv -o /dev/null {}",
                quote(&format!("node/{node}")),
                quote(url)
            ),
        ))
    }

    fn tls(&self) -> Vec<Step> {
        let host = self.case.image.registry();
        let text = match self.found.detail {
            Some(Detail::Word(Word::UnknownCa)) => format!(
                "Give the CA of {host} to the runtime of every node (containerd: certs.d/{host}/hosts.toml), or have the registry send its whole chain."
            ),
            Some(Detail::Word(Word::Expired)) => format!("Renew the certificate of {host}."),
            Some(Detail::Word(Word::NotYetValid)) => format!(
                "The certificate of {host} is not valid yet by the node's clock: look at that clock first."
            ),
            Some(Detail::Word(Word::WrongName)) => format!(
                "The certificate is not for {host}: name the registry as its certificate does, or have one made for this name."
            ),
            Some(Detail::Word(Word::PlainHttp)) => format!(
                "{host} speaks HTTP without TLS: put TLS before it, or have every node's runtime allow it (containerd: certs.d/{host}/hosts.toml with http://)."
            ),
            _ => format!(
                "Node and {host} do not agree on TLS: look at versions, ciphers, client certificates and proxies between."
            ),
        };
        vec![say(text)]
    }

    fn unavailable(&self) -> Vec<Step> {
        vec![say(format!(
            "{} or its token endpoint fails: see its status, and what stands before it. The node tries again by itself.",
            self.case.image.registry()
        ))]
    }

    fn platform(&self) -> Vec<Step> {
        let node = self.patient.node.unwrap_or("its node");
        vec![say(format!(
            "Push {} for the platform of {node} too, or keep the Pod to nodes of another (nodeSelector kubernetes.io/arch).",
            self.case.image
        ))]
    }

    fn never(&self) -> Vec<Step> {
        vec![self.image(&never(self.found, &self.case.image.to_string()))]
    }

    fn node(&self) -> Vec<Step> {
        let node = self.patient.node.unwrap_or("The node");
        match self.found.detail {
            Some(Detail::Word(Word::KubeletQps)) => vec![say(format!(
                "{node} pulls more often than its kubelet allows: raise registryPullQPS and registryBurst, or wait."
            ))],
            _ => {
                let mut steps = vec![say(format!(
                    "{node} has no room for the image: free its disk, or make it larger."
                ))];
                if let Some(name) = self.patient.node {
                    steps.push(run(
                        "What it says of itself:",
                        format!("kubectl describe node {}", quote(name)),
                    ));
                }
                steps
            }
        }
    }

    fn unknown(&self) -> Vec<Step> {
        if self.patient.is_planned {
            return vec![say(
                "Nothing is proven: see the last line of what was found for what would decide.",
            )];
        }
        vec![run(
            "Nothing is proven yet. What the node says:",
            format!(
                "kubectl -n {} describe pod {}",
                self.namespace(),
                quote(self.patient.pod)
            ),
        )]
    }

    fn owner(&self) -> Option<Arc<SecretOwner>> {
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
    fn at_its_owner(&self) -> Vec<Step> {
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

    fn secret_name(&self) -> String {
        let named = self.found.secret.as_ref();
        named.map_or_else(String::new, |secret| secret.name.to_string())
    }

    fn secret_namespace(&self) -> &str {
        let named = self.found.secret.as_ref();
        named.map_or(self.patient.namespace, |secret| &secret.namespace)
    }

    fn shown_secret(&self) -> String {
        match &self.found.secret {
            Some(secret) => format!("Secret {secret}"),
            None => "the pull secret".to_owned(),
        }
    }
}

fn never(found: &Diagnosis, image: &str) -> String {
    match found.detail {
        Some(Detail::Word(Word::NotVerified)) => format!(
            "The node has {image}, pulled with another credential, and does not give it to this Pod without asking the registry: use imagePullPolicy IfNotPresent with a pull secret that reads it."
        ),
        _ => format!(
            "The node does not have {image}, and imagePullPolicy Never forbids to pull it: load it there, or allow IfNotPresent."
        ),
    }
}

/// The key under which a kubelet finds a credential for the image.
fn key_for(image: &Reference) -> String {
    match image.registry().is_docker_hub() {
        true => "https://index.docker.io/v1/".to_owned(),
        false => image.registry().to_string(),
    }
}

/// A text as JSON writes it.
fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn say(text: impl Into<String>) -> Step {
    Step {
        text: text.into(),
        command: None,
    }
}

fn run(text: impl Into<String>, command: String) -> Step {
    Step {
        text: text.into(),
        command: Some(command),
    }
}
