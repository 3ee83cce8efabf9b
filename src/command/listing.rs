//! Every list of a cluster, once, as the daemon's watches would begin.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::app;
use crate::config::ClusterSource;
use crate::domain::cluster::{Change, Watch};
use crate::domain::expiry::Sources;
use crate::kubernetes::client::Reason;
use crate::kubernetes::table::lookup;
use crate::kubernetes::watch::{Events, Sink, list_once};
use crate::state::Shared;

/// Lists all, and asks of each name that is listed and that no list brought whether it is there with
/// another type. What could not be listed, and why.
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
    let failed = list_once(client, source, (wanted, events), shared, &sink).await;
    for name in shared.read(|state| state.cluster.unresolved()) {
        if let Ok(found) = lookup(client, &name).await {
            take(vec![Change::NameLookedUp(name, found)]);
        }
    }
    failed
}

/// What could not be listed, a line each. Two watches are of Secrets, which is one word to a reader.
pub(super) fn told<'f>(failed: impl Iterator<Item = (&'f Watch, &'f Reason)>) -> Vec<String> {
    let told: BTreeSet<String> = failed
        .map(|(watch, reason)| format!("failed to list {}: {reason}", watch.resource.as_str()))
        .collect();
    told.into_iter().collect()
}
