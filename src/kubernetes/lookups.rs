//! Finds out about names of Secrets that are listed and that no watch holds: not there at all, or
//! there with a type that no kubelet reads.

use std::collections::HashMap;
use std::time::Duration;

use kube::Client;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::table;
use crate::domain::cluster::{Change, ObjectName, Resource};
use crate::state::Shared;

/// How often names are looked for. A Secret that is made together with its Pod has come in by then.
const PAUSE: Duration = Duration::from_secs(2);

/// How long an answer is believed: a Secret of another type that comes or goes is told by no watch.
const BELIEVED: Duration = Duration::from_secs(300);

/// Names asked for in one round: the first round after a start must not be a storm.
const ROUND: usize = 50;

/// Asks until shutdown, and hands the answers to `apply`.
pub async fn run(
    client: Client,
    shared: Shared,
    apply: impl Fn(Change),
    shutdown: CancellationToken,
) {
    let mut asked = HashMap::new();
    let forever = async {
        loop {
            sleep(PAUSE).await;
            round(&client, &shared, &apply, &mut asked).await;
        }
    };
    shutdown.run_until_cancelled(forever).await;
}

/// One round. Nothing is asked before all Secrets have come in: until then each name is missing.
async fn round(
    client: &Client,
    shared: &Shared,
    apply: &impl Fn(Change),
    asked: &mut HashMap<ObjectName, Instant>,
) {
    let names = shared.read(|state| {
        let is_listed = state.watches.has_listed(Resource::DockerConfigJsonSecrets)
            && state.watches.has_listed(Resource::DockerCfgSecrets);
        if is_listed {
            state.cluster.unresolved()
        } else {
            Vec::new()
        }
    });
    asked.retain(|_, at| at.elapsed() < BELIEVED);
    let open: Vec<_> = names
        .into_iter()
        .filter(|name| !asked.contains_key(name))
        .take(ROUND)
        .collect();
    for name in open {
        match table::lookup(client, &name).await {
            Ok(found) => apply(Change::NameLookedUp(name.clone(), found)),
            // Not answered is not absent: what was known stays, and it is asked again in a while.
            Err(reason) => {
                debug!(namespace = name.namespace, secret = name.name, %reason, "Lookup failed")
            }
        }
        asked.insert(name, Instant::now());
    }
}
