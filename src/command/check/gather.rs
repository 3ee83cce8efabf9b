//! Reads cluster or files once into the state that the daemon would have.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::command::StartError;
use crate::command::{Progress, listing};
use crate::config::{Check, ClusterSource, Scope, Source};
use crate::domain::cluster::{
    Change, Cluster, ContainerSeen, Holding, ObjectName, PodSeen, Resource, Uid, Watch,
};
use crate::domain::expiry::Sources;
use crate::domain::image::Reference;
use crate::domain::policy::ApiServer;
use crate::files::{self, Unreadable};
use crate::kubernetes::client::{Reason, connect};
use crate::kubernetes::watch::Events;
use crate::kubernetes::whereabouts;
use crate::state::{Shared, State};

/// The ServiceAccount of a pod that names none.
const DEFAULT_ACCOUNT: &str = "default";

/// What there is to look at.
#[derive(Debug)]
pub(super) struct Gathered {
    /// The state, nothing probed yet.
    pub(super) shared: Shared,
    /// What each Secret or file holds; for images those that a pod would name, in its order.
    pub(super) holdings: Vec<Holding>,
    /// What a reader should know, a line each.
    pub(super) notes: Vec<String>,
    /// What could not be read, a line each.
    pub(super) unreadable: Vec<String>,
    /// The namespace to look at is not there.
    pub(super) is_nowhere: bool,
    /// What no registry is.
    pub(super) api_servers: Vec<ApiServer>,
}

/// Reads everything once.
pub(super) async fn gather(asked: &Check, progress: &Progress) -> Result<Gathered, StartError> {
    let intake = Intake::of(asked);
    let (mut unreadable, mut notes) = (Vec::new(), Vec::new());
    let mut namespace = String::new();
    let mut api_servers = whereabouts::api_servers(None);
    match &asked.settings.source {
        Source::Files(paths) => {
            let pass = files::read_all(paths);
            intake.take(pass.changes);
            unreadable.extend(pass.unreadable.iter().map(told));
        }
        Source::Cluster(source) => {
            progress.say("Reading the cluster");
            let connection = connect(source).await?;
            api_servers = whereabouts::api_servers(Some(&connection));
            let client = connection.client;
            namespace = match &asked.scope {
                Scope::CurrentNamespace => client.default_namespace().to_owned(),
                Scope::Namespace(name) => name.clone(),
                Scope::AllNamespaces => String::new(),
            };
            (unreadable, notes) = list(&client, source, &namespace, &intake).await;
        }
    }
    let is_nowhere = !namespace.is_empty() && intake.has_no_namespace();
    if is_nowhere {
        unreadable.push(format!("no such namespace `{namespace}`"));
    }
    let holdings = if asked.images.is_empty() {
        intake.seen().all()
    } else {
        let (holdings, of_pod) = intake.seen().of_a_new_pod();
        notes.extend(of_pod);
        intake.take(pods(&asked.images, &namespace, &holdings));
        holdings
    };
    intake.shared.update(|state| state.cluster.settle());
    Ok(Gathered {
        shared: intake.shared,
        holdings,
        notes,
        unreadable,
        is_nowhere,
        api_servers,
    })
}

/// Every list of the cluster, once; what could not be listed, and what a reader should know of
/// that, a line each.
async fn list(
    client: &kube::Client,
    source: &ClusterSource,
    namespace: &str,
    intake: &Intake,
) -> (Vec<String>, Vec<String>) {
    let source = ClusterSource {
        namespaces: Some(namespace.to_owned())
            .filter(|name| !name.is_empty())
            .into_iter()
            .collect(),
        ..source.clone()
    };
    let taken = intake.clone();
    let take = move |changes| taken.take(changes);
    let wanted = (&*intake.sources, Events::LeftOut);
    let failed = listing::list(client, &source, wanted, &intake.shared, take).await;
    // A role in one namespace does not show the Namespace object, and of it only annotations count.
    let is_of_role = |(watch, reason): &(&Watch, &Reason)| {
        let is_namespace = watch.resource == Resource::Namespaces && !namespace.is_empty();
        is_namespace && **reason == Reason::Forbidden
    };
    let (unseen, failed): (Vec<_>, Vec<_>) = failed.iter().partition(is_of_role);
    let unseen = unseen.iter().map(|_| {
        format!("The Namespace {namespace} may not be read: its annotations are not seen.")
    });
    let told = listing::told(failed.into_iter());
    (told, unseen.collect())
}

/// Takes changes in: into the graph, and entry by entry for the report.
#[derive(Clone, Debug)]
struct Intake {
    shared: Shared,
    sources: Arc<Sources>,
    seen: Arc<Mutex<Seen>>,
    /// Images were asked about: the cluster's own pods do not count.
    only_images: bool,
}

/// What the report needs of the changes.
#[derive(Debug, Default)]
struct Seen {
    holdings: Vec<Holding>,
    /// `imagePullSecrets` of the default ServiceAccount, in the one namespace that is read.
    pull_secrets: Vec<String>,
    has_namespace: bool,
}

impl Intake {
    fn of(asked: &Check) -> Self {
        let settings = &asked.settings;
        let cluster = Cluster::new(settings.expiry.clone(), settings.probe.which).without_caps();
        Self {
            shared: Shared::from(State::new(cluster)),
            sources: Arc::new(settings.expiry.clone()),
            seen: Arc::default(),
            only_images: !asked.images.is_empty(),
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Namespaces were listed, and there is none of those that are looked at.
    fn has_no_namespace(&self) -> bool {
        let is_listed = |state: &State| state.watches.has_listed(Resource::Namespaces);
        self.shared.read(is_listed) && !self.seen().has_namespace
    }

    fn take(&self, changes: Vec<Change>) {
        for change in changes {
            match &change {
                Change::SecretApplied(_, secret) => {
                    let holding = Holding::of(secret, &self.sources);
                    self.seen().holdings.push(holding);
                }
                Change::ServiceAccountApplied(_, account)
                    if account.object.name == DEFAULT_ACCOUNT =>
                {
                    self.seen().pull_secrets.clone_from(&account.pull_secrets);
                }
                Change::NamespaceApplied(..) => self.seen().has_namespace = true,
                Change::PodApplied(_, pod) if self.only_images && pod.uid != OUR_POD => continue,
                _ => {}
            }
            self.shared.update(|state| state.cluster.apply(change));
        }
    }
}

impl Seen {
    /// Everything, in the order of names; files in the order given.
    fn all(&mut self) -> Vec<Holding> {
        let mut holdings = mem::take(&mut self.holdings);
        if holdings
            .iter()
            .any(|holding| !holding.object.namespace.is_empty())
        {
            holdings.sort_by(|a, b| a.object.cmp(&b.object));
        }
        holdings
    }

    /// What a new pod would name: the list of its ServiceAccount, in that order. Where there is
    /// none, as for files, everything, as if the pod named it all.
    fn of_a_new_pod(&mut self) -> (Vec<Holding>, Vec<String>) {
        let all = self.all();
        let is_cluster = all
            .iter()
            .any(|holding| !holding.object.namespace.is_empty());
        if !is_cluster {
            return (all, Vec::new());
        }
        if self.pull_secrets.is_empty() {
            let note = format!(
                "ServiceAccount {DEFAULT_ACCOUNT} lists no pull secret: a pod must name them \
                 itself. Shown is what a pod that names all of them would try."
            );
            return (all, vec![note]);
        }
        let mut notes = Vec::new();
        let mut named = Vec::new();
        for name in &self.pull_secrets {
            match all.iter().find(|holding| holding.object.name == *name) {
                Some(holding) => named.push(holding.clone()),
                None => notes.push(format!(
                    "ServiceAccount {DEFAULT_ACCOUNT} lists {name}, which is no pull secret of \
                     the namespace: the kubelet passes it over."
                )),
            }
        }
        (named, notes)
    }
}

/// No pod of a cluster has it: a uid there is a random UUID.
pub(super) const OUR_POD: Uid = Uid(1);

/// A pod that has these images and names these Secrets.
fn pods(images: &[Reference], namespace: &str, holdings: &[Holding]) -> Vec<Change> {
    let containers = images.iter().enumerate().map(|(n, image)| ContainerSeen {
        name: format!("image-{n}"),
        image: image.to_string(),
        ..ContainerSeen::default()
    });
    let pod = PodSeen {
        uid: OUR_POD,
        object: ObjectName {
            namespace: namespace.to_owned(),
            name: "check".to_owned(),
        },
        service_account: DEFAULT_ACCOUNT.to_owned(),
        pull_secrets: holdings
            .iter()
            .map(|holding| holding.object.name.clone())
            .collect(),
        containers: containers.collect(),
        ..PodSeen::default()
    };
    let watch = Watch {
        resource: Resource::Pods,
        namespace: None,
    };
    vec![Change::PodApplied(watch, pod)]
}

fn told(unreadable: &Unreadable) -> String {
    format!("{unreadable}: {}", unreadable.why)
}
