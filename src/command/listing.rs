//! Every list of a cluster, once, as the daemon's watches would begin.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::app;
use crate::config::ClusterSource;
use crate::domain::cluster::{Change, Resource, Watch};
use crate::domain::expiry::Sources;
use crate::kubernetes::client::Reason;
use crate::kubernetes::table::lookup;
use crate::kubernetes::watch::{Events, Sink, list_once};
use crate::state::{Shared, State};

/// Lists all. What could not be listed, and why.
pub(super) async fn list(
    client: &kube::Client,
    source: &ClusterSource,
    (sources, events): (&Sources, Events),
    shared: &Shared,
    take: impl Fn(Vec<Change>) + Clone + Send + Sync + 'static,
) -> BTreeMap<Watch, Reason> {
    let take = Arc::new(take);
    let sink = Sink::new({
        let take = Arc::clone(&take);
        move |changes| take(changes)
    });
    let wanted = app::wanted(sources);
    list_once(client, source, (wanted, events), shared, &sink).await
}

/// Asks of each name that is listed and that no list brought whether it is there with another type. What
/// could not be asked, a line each.
pub(super) async fn resolve(
    client: &kube::Client,
    shared: &Shared,
    take: impl Fn(Vec<Change>),
) -> Vec<String> {
    let has = |state: &State, resource| state.watches.has_listed(resource);
    let sees_secrets = shared.read(|state| {
        has(state, Resource::DockerConfigJsonSecrets) && has(state, Resource::DockerCfgSecrets)
    });
    // Without Secrets every name is open, and each is as forbidden as the list.
    if !sees_secrets {
        return Vec::new();
    }
    let mut failed = BTreeSet::new();
    for name in shared.read(|state| state.cluster.unanswered()) {
        match lookup(client, &name).await {
            Ok(found) => take(vec![Change::NameLookedUp(name, found)]),
            Err(reason) => {
                let namespace = &name.namespace;
                failed.insert(format!(
                    "failed to look Secrets of {namespace} up: {reason}"
                ));
            }
        }
    }
    failed.into_iter().collect()
}

/// What could not be listed, a line each. Two watches are of Secrets, which is one word to a reader.
pub(super) fn told<'f>(failed: impl Iterator<Item = (&'f Watch, &'f Reason)>) -> Vec<String> {
    let told: BTreeSet<String> = failed
        .map(|(watch, reason)| format!("failed to list {}: {reason}", watch.resource.as_str()))
        .collect();
    told.into_iter().collect()
}
