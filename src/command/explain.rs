//! `explain`: why Pods cannot pull, or could not be pulled again; what was tried, and what to do.
//!
//! The daemon run once: all lists, then the registries are asked, then the same judgement.

use thiserror::Error;

use super::{Progress, StartError, listing, probe};
use crate::clock::Clock;
use crate::config::{ClusterSource, Explain, ExplainOutput, Question, Settings, Source};
use crate::domain::cluster::{Change, Cluster, ObjectName, Resource, Sight};
use crate::domain::findings::Explained;
use crate::domain::policy::ApiServer;
use crate::kubernetes::client::connect;
use crate::kubernetes::watch::Events;
use crate::kubernetes::whereabouts;
use crate::report::explanation::{Answer, Healthy};
use crate::report::{explanation, findings};
use crate::state::{Shared, State};

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum Failure {
    /// There is no cluster to look at, or certificates of authorities could not be read.
    #[error(transparent)]
    Start(#[from] StartError),
    /// No Pod has this name; whoever asked can correct it.
    #[error("there is no Pod `{}/{}`, or it has ended", .0.namespace, .0.name)]
    NoSuchPod(ObjectName),
}

/// Reads everything once, asks until nothing is due, and says what came of it.
pub async fn explain(asked: &Explain, clock: &Clock) -> Result<Answer, Failure> {
    let progress = Progress::on_stderr();
    let shared = {
        let settings = &asked.settings;
        let which = settings.probe.which;
        let cluster = Cluster::new(settings.expiry.clone(), which).without_caps();
        let mut state = State::new(cluster);
        state.node_credentials = settings.node_credentials.clone();
        state.sight = Sight::Once;
        Shared::from(state)
    };
    progress.say("Reading the cluster");
    let (unreadable, api_servers) = read(asked, &shared, clock).await?;
    if !asked.offline {
        let settings = Settings {
            probe: asked.settings.probe.apart_from(api_servers),
            ..asked.settings.clone()
        };
        let asking = probe::probe(&settings, &shared, clock, &progress).await;
        asking.map_err(StartError::from)?;
    }
    progress.clear();
    let mut answer = answer(asked, &shared, clock)?;
    answer.unreadable = unreadable;
    Ok(answer)
}

/// The answer as `--output` wants it, for stdout.
pub fn written(answer: &Answer, output: ExplainOutput) -> String {
    match output {
        ExplainOutput::Json => findings::list(&answer.found),
        ExplainOutput::Text => explanation::write(answer),
    }
}

async fn read(
    asked: &Explain,
    shared: &Shared,
    clock: &Clock,
) -> Result<(Vec<String>, Vec<ApiServer>), StartError> {
    let everywhere = ClusterSource::default();
    let source = match &asked.settings.source {
        Source::Cluster(source) => source,
        Source::Files(_) => &everywhere,
    };
    let connection = connect(source).await?;
    let api_servers = whereabouts::api_servers(Some(&connection));
    let take = {
        let (shared, clock) = (shared.clone(), clock.clone());
        move |changes: Vec<Change>| {
            shared.update(|state| {
                for change in changes {
                    drop(state.take(change, clock.now()));
                }
            });
        }
    };
    let wanted = (&asked.settings.expiry, Events::Listed);
    let client = &connection.client;
    let failed = listing::list(client, source, wanted, shared, take.clone()).await;
    let mut unreadable = listing::told(failed.iter());
    unreadable.extend(listing::resolve(client, shared, take).await);
    shared.update(|state| state.cluster.settle());
    Ok((unreadable, api_servers))
}

fn answer(asked: &Explain, shared: &Shared, clock: &Clock) -> Result<Answer, Failure> {
    let now = clock.now();
    shared.read(|state| {
        let mut examination = state.examine(now);
        let mut healthy = None;
        let found = match &asked.question {
            Question::All => examination.blocked(),
            Question::AtRisk { node } => examination.at_risk(node.as_deref()),
            Question::Pod(name) => {
                let Some(uid) = state.cluster.pod_of(name) else {
                    return match state.watches.has_listed(Resource::Pods) {
                        true => Err(Failure::NoSuchPod(name.clone())),
                        // What could not be read says why.
                        false => Ok(Answer::nothing(asked.question.clone())),
                    };
                };
                let mut found = examination.blocked();
                found.extend(examination.at_risk(None));
                found.retain(|finding| finding.uid == uid);
                if found.is_empty() {
                    healthy = Some(Healthy {
                        pod: name.clone(),
                        images: examination.evidence_of(uid),
                    });
                }
                found
            }
        };
        let mut found: Vec<Explained> = found
            .into_iter()
            .map(|finding| examination.explain(finding))
            .collect();
        found.sort_by(|a, b| a.order().cmp(&b.order()));
        Ok(Answer {
            question: asked.question.clone(),
            found,
            healthy,
            unreadable: Vec::new(),
        })
    })
}
