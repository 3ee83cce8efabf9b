//! What to do about a cause: steps for a person, with commands that have the real names in them.
//!
//! A command is safe to paste: whatever a tenant chose is quoted for a POSIX shell, and a password
//! stands in none of them, so that it is in no argument and no history. What a tool would write anew
//! is mended at the tool.

mod credential;
mod node;
mod owner;
mod shell;
mod way;
mod wiring;

use super::cause::Cause;
use super::diagnosis::{Case, Detail, Diagnosis, Word};
use super::image::{Reference, Registry};
use super::owner::Workload;
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
    /// The host that the node says it asked, if it says.
    pub asked: Option<&'a Registry>,
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

/// The docker config that was made for one command.
fn clean_up() -> Step {
    run(
        "Take the file with the password away.",
        "rm -r ./pull-login".to_owned(),
    )
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
