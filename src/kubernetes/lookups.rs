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

/// The same while a round does not suffice: until its name is answered nothing is said of a Pod.
const PAUSE_BETWEEN: Duration = Duration::from_millis(250);

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
            let is_full = round(&client, &shared, &apply, &mut asked).await;
            sleep(if is_full { PAUSE_BETWEEN } else { PAUSE }).await;
        }
    };
    shutdown.run_until_cancelled(forever).await;
}

/// One round; true where more names may be open. Nothing is asked before all Secrets have come in: until then each name is missing.
async fn round(
    client: &Client,
    shared: &Shared,
    apply: &impl Fn(Change),
    asked: &mut HashMap<ObjectName, Instant>,
) -> bool {
    let names = shared.read(|state| {
        let is_listed = state.watches.has_listed(Resource::DockerConfigJsonSecrets)
            && state.watches.has_listed(Resource::DockerCfgSecrets);
        if is_listed {
            state.cluster.unresolved()
        } else {
            Vec::new()
        }
    });
    let open = open(names, asked, Instant::now());
    let is_full = open.len() == ROUND;
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
    is_full
}

/// The names to ask for now: never asked first, then the longest ago, or the last ones of a long
/// list would never have their turn. Names that are no longer open are forgotten.
fn open(
    names: Vec<ObjectName>,
    asked: &mut HashMap<ObjectName, Instant>,
    now: Instant,
) -> Vec<ObjectName> {
    let last: HashMap<_, _> = names
        .iter()
        .filter_map(|name| asked.remove_entry(name))
        .collect();
    *asked = last;
    let mut open: Vec<_> = names
        .into_iter()
        .map(|name| (asked.get(&name).copied(), name))
        .filter(|(at, _)| at.is_none_or(|at| now.duration_since(at) >= BELIEVED))
        .collect();
    open.sort();
    open.into_iter().take(ROUND).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_of_a_long_list_has_its_turn() {
        // More than are asked for while an answer is believed.
        let names: Vec<_> = (0..7_600)
            .map(|n| ObjectName {
                namespace: format!("team-{n:05}"),
                name: "pull".to_owned(),
            })
            .collect();
        let (mut asked, mut now) = (HashMap::new(), Instant::now());
        for _ in 0..names.len() / ROUND {
            for name in open(names.clone(), &mut asked, now) {
                asked.insert(name, now);
            }
            now += PAUSE;
        }
        assert_eq!(asked.len(), names.len());
        assert_eq!(
            open(names[..1].to_vec(), &mut asked, now + BELIEVED).len(),
            1
        );
        assert_eq!(asked.len(), 1, "what is resolved is forgotten");
    }
}
