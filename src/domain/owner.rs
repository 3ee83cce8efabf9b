//! Who owns an object: the workload behind a Pod, and whoever would write a Secret anew.
//!
//! Nothing is watched for it. A Pod's owner is told by its controller reference and by names that
//! Kubernetes' own controllers make by rule; a Secret's by references, labels and annotations that
//! tools put on what they write. A tool that leaves no mark is not guessed.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::cluster::{OwnerSeen, PodSeen};

/// What a Pod belongs to: kind and name, in the Pod's namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Workload {
    /// `Deployment`, `StatefulSet`, ...; `Pod` for one that nobody controls.
    pub kind: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
}

/// A Pod of a CronJob's Job is made within this time of the minute in the Job's name: a Job that is
/// behind is started late, and its Pods may be replaced for as long as it runs.
const CRON_JOB_SPAN: TimeDelta = TimeDelta::days(31);

/// Kind and name of the workload that a Pod belongs to.
pub fn workload(pod: &PodSeen) -> (&str, &str) {
    let Some(owner) = &pod.owner else {
        return ("Pod", &pod.object.name);
    };
    let found = match owner.kind.as_str() {
        "ReplicaSet" => {
            deployment(&owner.name, pod.template_hash.as_deref()).map(|name| ("Deployment", name))
        }
        "Job" => cron_job(&owner.name, pod.created).map(|name| ("CronJob", name)),
        _ => None,
    };
    found.unwrap_or((&owner.kind, &owner.name))
}

/// A Deployment names its ReplicaSets after itself and the hash of their template, which their Pods
/// carry as a label (k8s pkg/controller/deployment/sync.go: `getNewReplicaSet`).
fn deployment<'a>(replica_set: &'a str, hash: Option<&str>) -> Option<&'a str> {
    let name = replica_set.strip_suffix(hash.filter(|hash| !hash.is_empty())?)?;
    name.strip_suffix('-').filter(|name| !name.is_empty())
}

/// A CronJob names its Jobs after itself and the minute they are of, counted from 1970 (k8s
/// pkg/controller/cronjob/cronjob_controllerv2.go: `getJobName`). A name that ends in another number
/// is a Job's own.
fn cron_job(job: &str, created: Option<DateTime<Utc>>) -> Option<&str> {
    let (name, minute) = job.rsplit_once('-')?;
    let minute: i64 = minute.parse().ok()?;
    let scheduled = DateTime::from_timestamp(minute.checked_mul(60)?, 0)?;
    let is_plausible = (created? - scheduled).abs() <= CRON_JOB_SPAN;
    (is_plausible && !name.is_empty()).then_some(name)
}

closed! {
    /// What writes a Secret, so that a change by hand would be lost.
    Keeper {
        /// external-secrets.io.
        ExternalSecret => "ExternalSecret",
        /// bitnami-labs/sealed-secrets.
        SealedSecret => "SealedSecret",
        /// emberstack/kubernetes-reflector: a copy of another Secret.
        Reflector => "Reflector",
        /// mittwald/kubernetes-replicator: a copy of another Secret.
        Replicator => "Replicator",
        /// Kyverno's generate rules.
        Kyverno => "Kyverno",
        /// OpenShift's own controllers.
        OpenShift => "OpenShift",
        /// The secrets-store CSI driver.
        SecretsStore => "SecretsStore",
        /// A refresher of short-lived registry tokens, by the name under which it writes.
        Refresher => "Refresher",
        /// Argo CD.
        ArgoCd => "ArgoCD",
        /// Flux's kustomize-controller.
        FluxKustomization => "Kustomization",
        /// Flux's helm-controller.
        FluxHelmRelease => "HelmRelease",
        /// Helm.
        Helm => "Helm",
        /// Another controller, by its reference.
        Controller => "Controller",
    }
}

/// Who owns a Secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SecretOwner {
    /// Which tool.
    pub keeper: Keeper,
    /// Its own object: a name, `namespace/name`, or `kind/name` for a controller; empty where nothing
    /// tells.
    pub name: String,
}

impl fmt::Display for SecretOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.keeper.as_str())?;
        match &*self.name {
            "" => Ok(()),
            name => write!(f, " {name}"),
        }
    }
}

/// Names under which refreshers of registry tokens write, in managed fields: upmc-enterprises and
/// alexellis/registry-creds, nabsul/k8s-ecr-login-renew, and the CronJobs that copy their names.
const REFRESHERS: [&str; 4] = ["registry-creds", "ecr-login", "ecr-cred", "ecr-registry"];

/// What a Secret carries that tells of its owner.
#[derive(Clone, Copy, Debug)]
pub struct Marks<'a> {
    /// Its controller.
    pub owner: Option<&'a OwnerSeen>,
    /// Its annotations.
    pub annotations: &'a BTreeMap<String, String>,
    /// Its labels.
    pub labels: &'a BTreeMap<String, String>,
    /// Who wrote its data last, by name.
    pub manager: Option<&'a str>,
}

impl SecretOwner {
    /// Whoever would write the Secret anew: the nearest to its data first, since Helm or Argo CD may
    /// have made the object that makes the Secret.
    pub fn of(marks: Marks<'_>) -> Option<Self> {
        marks
            .by_reference()
            .or_else(|| marks.by_copy())
            .or_else(|| marks.by_tool())
            .or_else(|| marks.by_manager())
            .or_else(|| marks.by_deployer())
            .or_else(|| marks.by_other_reference())
    }
}

impl Marks<'_> {
    fn by_reference(self) -> Option<SecretOwner> {
        let owner = self.owner?;
        let keeper = match owner.kind.as_str() {
            "ExternalSecret" | "ClusterExternalSecret" => Keeper::ExternalSecret,
            "SealedSecret" => Keeper::SealedSecret,
            "SecretProviderClassPodStatus" => Keeper::SecretsStore,
            _ => return None,
        };
        Some(owned(keeper, &owner.name))
    }

    /// Copies name what they are copied from: only there does a change last.
    fn by_copy(self) -> Option<SecretOwner> {
        let reflects = self.annotation("reflector.v1.k8s.emberstack.com/reflects");
        let replicates = self.annotation("replicator.v1.mittwald.de/replicate-from");
        let replicated = self
            .annotation("replicator.v1.mittwald.de/replicated-from-version")
            .map(|_| "");
        reflects
            .map(|source| owned(Keeper::Reflector, source))
            .or_else(|| replicates.map(|source| owned(Keeper::Replicator, source)))
            .or_else(|| replicated.map(|source| owned(Keeper::Replicator, source)))
    }

    fn by_tool(self) -> Option<SecretOwner> {
        const EXTERNAL: &str = "reconcile.external-secrets.io/";
        let has_external = self.annotations.keys().chain(self.labels.keys());
        if has_external
            .into_iter()
            .any(|name| name.starts_with(EXTERNAL))
        {
            return Some(owned(Keeper::ExternalSecret, ""));
        }
        if self.annotation("sealedsecrets.bitnami.com/managed") == Some("true") {
            return Some(owned(Keeper::SealedSecret, ""));
        }
        if let Some(policy) = self.label("generate.kyverno.io/policy-name") {
            return Some(owned(Keeper::Kyverno, policy));
        }
        if self.label("secrets-store.csi.k8s.io/managed") == Some("true") {
            return Some(owned(Keeper::SecretsStore, ""));
        }
        let generated = self
            .annotation("openshift.io/internal-registry-auth-token.service-account")
            .or_else(|| self.annotation("openshift.io/token-secret.name"));
        generated.map(|of| owned(Keeper::OpenShift, of))
    }

    fn by_manager(self) -> Option<SecretOwner> {
        let manager = self.manager?;
        let is_refresher = REFRESHERS.iter().any(|name| manager.contains(name));
        is_refresher.then(|| owned(Keeper::Refresher, manager))
    }

    fn by_deployer(self) -> Option<SecretOwner> {
        // `app:group/kind:namespace/name`, or only the application's name.
        let tracking = self.annotation("argocd.argoproj.io/tracking-id");
        let application = tracking.and_then(|id| id.split(':').next());
        let instance = self
            .annotation("argocd.argoproj.io/instance")
            .or_else(|| self.label("argocd.argoproj.io/instance"));
        if let Some(application) = application.or(instance) {
            return Some(owned(Keeper::ArgoCd, application));
        }
        for (keeper, prefix) in [
            (Keeper::FluxKustomization, "kustomize"),
            (Keeper::FluxHelmRelease, "helm"),
        ] {
            if let Some(name) = self.label(&format!("{prefix}.toolkit.fluxcd.io/name")) {
                let namespace = self.label(&format!("{prefix}.toolkit.fluxcd.io/namespace"));
                return Some(owned(keeper, &within(namespace, name)));
            }
        }
        if let Some(release) = self.annotation("meta.helm.sh/release-name") {
            let namespace = self.annotation("meta.helm.sh/release-namespace");
            return Some(owned(Keeper::Helm, &within(namespace, release)));
        }
        let by_helm = self.label("app.kubernetes.io/managed-by") == Some("Helm");
        let instance = self.label("app.kubernetes.io/instance").unwrap_or_default();
        by_helm.then(|| owned(Keeper::Helm, instance))
    }

    fn by_other_reference(self) -> Option<SecretOwner> {
        let owner = self.owner?;
        let name = format!("{}/{}", owner.kind, owner.name);
        Some(owned(Keeper::Controller, &name))
    }

    fn annotation(&self, name: &str) -> Option<&str> {
        self.annotations.get(name).map(String::as_str)
    }

    fn label(&self, name: &str) -> Option<&str> {
        self.labels.get(name).map(String::as_str)
    }
}

fn owned(keeper: Keeper, name: &str) -> SecretOwner {
    SecretOwner {
        keeper,
        name: name.to_owned(),
    }
}

fn within(namespace: Option<&str>, name: &str) -> String {
    match namespace {
        Some(namespace) => format!("{namespace}/{name}"),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::cluster::ObjectName;

    #[track_caller]
    fn check_workload(owner: Option<(&str, &str)>, hash: Option<&str>, expected: (&str, &str)) {
        let pod = PodSeen {
            object: ObjectName {
                namespace: "shop".to_owned(),
                name: "web-1".to_owned(),
            },
            // Minute 29,672,640.
            created: Some("2026-06-01T00:00:30Z".parse().unwrap()),
            owner: owner.map(|(kind, name)| OwnerSeen {
                kind: kind.to_owned(),
                name: name.to_owned(),
            }),
            template_hash: hash.map(str::to_owned),
            ..PodSeen::default()
        };
        assert_eq!(workload(&pod), expected);
    }

    #[test]
    fn a_pod_is_of_what_a_person_made() {
        check_workload(None, None, ("Pod", "web-1"));
        let set = Some(("ReplicaSet", "web-6d4cf56db6"));
        check_workload(set, Some("6d4cf56db6"), ("Deployment", "web"));
        check_workload(set, Some("other"), ("ReplicaSet", "web-6d4cf56db6"));
        check_workload(set, None, ("ReplicaSet", "web-6d4cf56db6"));
        check_workload(set, Some(""), ("ReplicaSet", "web-6d4cf56db6"));
        check_workload(Some(("StatefulSet", "db")), None, ("StatefulSet", "db"));
        check_workload(
            Some(("Job", "backup-29672640")),
            None,
            ("CronJob", "backup"),
        );
        check_workload(Some(("Job", "backup-42")), None, ("Job", "backup-42"));
        check_workload(Some(("Job", "29672640")), None, ("Job", "29672640"));
        check_workload(Some(("Job", "-29672640")), None, ("Job", "-29672640"));
    }

    #[track_caller]
    fn check(
        owner: Option<(&str, &str)>,
        annotations: &[(&str, &str)],
        labels: &[(&str, &str)],
        manager: Option<&str>,
        expected: Option<&str>,
    ) {
        let owned = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter();
            pairs
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect::<BTreeMap<_, _>>()
        };
        let (annotations, labels) = (owned(annotations), owned(labels));
        let owner = owner.map(|(kind, name)| OwnerSeen {
            kind: kind.to_owned(),
            name: name.to_owned(),
        });
        let found = SecretOwner::of(Marks {
            owner: owner.as_ref(),
            annotations: &annotations,
            labels: &labels,
            manager,
        });
        let found = found.map(|owner| owner.to_string());
        assert_eq!(found.as_deref(), expected);
    }

    #[test]
    fn a_secret_is_whose_tool_would_write_it_anew() {
        check(None, &[], &[], Some("kubectl-create"), None);
        let external = Some(("ExternalSecret", "regcred"));
        let helm = [
            ("meta.helm.sh/release-name", "shop"),
            ("meta.helm.sh/release-namespace", "prod"),
        ];
        check(external, &helm, &[], None, Some("ExternalSecret regcred"));
        let sealed = Some(("SealedSecret", "regcred"));
        check(sealed, &[], &[], None, Some("SealedSecret regcred"));
        check(None, &helm, &[], None, Some("Helm prod/shop"));
        let reflects = [("reflector.v1.k8s.emberstack.com/reflects", "ci/regcred")];
        check(None, &reflects, &[], None, Some("Reflector ci/regcred"));
        let replicates = [("replicator.v1.mittwald.de/replicate-from", "ci/regcred")];
        check(None, &replicates, &[], None, Some("Replicator ci/regcred"));
        let tracked = [(
            "argocd.argoproj.io/tracking-id",
            "shop:/Secret:prod/regcred",
        )];
        check(None, &tracked, &[], None, Some("ArgoCD shop"));
        let flux = [
            ("kustomize.toolkit.fluxcd.io/name", "apps"),
            ("kustomize.toolkit.fluxcd.io/namespace", "flux-system"),
        ];
        check(
            None,
            &[],
            &flux,
            None,
            Some("Kustomization flux-system/apps"),
        );
        let refresher = Some("registry-creds");
        check(None, &[], &[], refresher, Some("Refresher registry-creds"));
        let generated = [("openshift.io/token-secret.name", "default-token")];
        check(None, &generated, &[], None, Some("OpenShift default-token"));
        let other = Some(("PullSecretClaim", "team"));
        check(
            other,
            &[],
            &[],
            None,
            Some("Controller PullSecretClaim/team"),
        );
    }
}
