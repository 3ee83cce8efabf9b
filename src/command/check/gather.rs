//! Reads cluster or files once into the state that the daemon would have.

use std::path::PathBuf;

use super::intake::{Intake, pods};
use super::manifest::{self, Manifests, Namespaces};
use crate::app;
use crate::command::StartError;
use crate::command::{Progress, listing};
use crate::config::{Check, ClusterSource, Scope, Source};
use crate::domain::cluster::{Holding, PodSeen, Resource, Watch};
use crate::domain::policy::ApiServer;
use crate::files::{self, Unreadable};
use crate::kubernetes::client::{Reason, connect};
use crate::kubernetes::watch::Events;
use crate::kubernetes::whereabouts;
use crate::state::Shared;

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
    /// A Pod for each workload of the manifests.
    pub(super) planned: Vec<PodSeen>,
}

/// Reads everything once.
pub(super) async fn gather(asked: &Check, progress: &Progress) -> Result<Gathered, StartError> {
    let intake = Intake::of(asked);
    let read = match &asked.settings.source {
        Source::Files(paths) => of_files(paths, &intake),
        Source::Cluster(source) => {
            progress.say("Reading the cluster");
            of_cluster(asked, source, &intake).await?
        }
    };
    let Read {
        namespace,
        planned,
        mut notes,
        mut unreadable,
        api_servers,
    } = read;
    let is_nowhere =
        asked.manifests.is_empty() && !namespace.is_empty() && intake.has_no_namespace();
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
        planned,
    })
}

/// What came of reading, beside what was taken in.
struct Read {
    /// The one that is looked at; empty for all, and with files.
    namespace: String,
    planned: Vec<PodSeen>,
    notes: Vec<String>,
    unreadable: Vec<String>,
    api_servers: Vec<ApiServer>,
}

fn of_files(paths: &[PathBuf], intake: &Intake) -> Read {
    let pass = files::read_all(paths);
    intake.take(pass.changes);
    Read {
        namespace: String::new(),
        planned: Vec::new(),
        notes: Vec::new(),
        unreadable: pass.unreadable.iter().map(told).collect(),
        api_servers: whereabouts::api_servers(None),
    }
}

/// The lists, then the manifests over them, then what is to be known of the names that both list.
async fn of_cluster(
    asked: &Check,
    source: &ClusterSource,
    intake: &Intake,
) -> Result<Read, StartError> {
    let connection = connect(source).await?;
    let api_servers = whereabouts::api_servers(Some(&connection));
    let client = connection.client;
    let default = client.default_namespace();
    let namespace = match &asked.scope {
        Scope::CurrentNamespace => default.to_owned(),
        Scope::Namespace(name) => name.clone(),
        Scope::AllNamespaces => String::new(),
    };
    let mut manifests = match asked.manifests.is_empty() {
        true => Manifests::default(),
        false => read_manifests(asked, default),
    };
    let namespaces = match &asked.scope {
        Scope::AllNamespaces => Vec::new(),
        _ if manifests.planned.is_empty() => vec![namespace.clone()],
        Scope::CurrentNamespace | Scope::Namespace(_) => manifests.namespaces(),
    };
    let (mut unreadable, mut notes) = list(&client, source, namespaces, intake).await;
    unreadable.append(&mut manifests.unreadable);
    let planned = intake.plan(manifests, &mut notes);
    let take = |changes| intake.take(changes);
    unreadable.extend(listing::resolve(&client, &intake.shared, take).await);
    Ok(Read {
        namespace,
        planned,
        notes,
        unreadable,
        api_servers,
    })
}

/// The manifests, whose objects go where kubectl would put them.
fn read_manifests(asked: &Check, default: &str) -> Manifests {
    let namespaces = match &asked.scope {
        Scope::Namespace(name) => Namespaces {
            default: name,
            is_only: true,
        },
        Scope::CurrentNamespace | Scope::AllNamespaces => Namespaces {
            default,
            is_only: false,
        },
    };
    let wanted = app::wanted(&asked.settings.expiry);
    manifest::read(&asked.manifests, namespaces, &wanted)
}

/// Every list of the cluster, once; what could not be listed, and what a reader should know of
/// that, a line each.
async fn list(
    client: &kube::Client,
    source: &ClusterSource,
    namespaces: Vec<String>,
    intake: &Intake,
) -> (Vec<String>, Vec<String>) {
    let source = ClusterSource {
        namespaces,
        ..source.clone()
    };
    let taken = intake.clone();
    let take = move |changes| taken.take(changes);
    let wanted = (&*intake.sources, Events::LeftOut);
    let failed = listing::list(client, &source, wanted, &intake.shared, take).await;
    // A role in one namespace does not show the Namespace object, and of it only annotations count.
    let is_of_role = |(watch, reason): &(&Watch, &Reason)| {
        let is_namespace = watch.resource == Resource::Namespaces && !source.namespaces.is_empty();
        is_namespace && **reason == Reason::Forbidden
    };
    let (unseen, failed): (Vec<_>, Vec<_>) = failed.iter().partition(is_of_role);
    let unseen = unseen.iter().map(|(watch, _)| {
        let namespace = watch.namespace.as_deref().unwrap_or_default();
        format!("The Namespace {namespace} may not be read: its annotations are not seen.")
    });
    let told = listing::told(failed.into_iter());
    (told, unseen.collect())
}

fn told(unreadable: &Unreadable) -> String {
    format!("{unreadable}: {}", unreadable.why)
}
