//! The daemon: builds every part, spawns and names its tasks, and ends with the first that ends.

pub(crate) mod ledger;
mod notices;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures_util::FutureExt;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::clock::Clock;
use crate::config::{ClusterSource, Settings, Source};
use crate::domain::cluster::{Change, Cluster, ObjectName};
use crate::domain::demand::Demand;
use crate::domain::expiry::Sources;
use crate::domain::watches::WatchError;
use crate::files::{self, Files, Pass, Why};
use crate::kubernetes::client::{Connection, connect};
use crate::kubernetes::decode::Wanted;
use crate::kubernetes::watch::{Sink, Watcher};
use crate::kubernetes::{lookups, whereabouts};
use crate::lifecycle::{Readiness, Role, Signals};
use crate::metrics::{Metrics, Panics, Task};
use crate::prober::{Demands, Prober};
use crate::registry::Client;
use crate::state::{Shared, State};
use crate::web::{self, Site, StatusSite};
use ledger::Keeper;
use notices::Teller;

/// How often readiness is looked for until it is reached.
const READINESS_PAUSE: Duration = Duration::from_millis(50);

/// Runs until a signal. A part that ends by itself ends all, by name.
pub async fn run(settings: Settings) -> Result<()> {
    let shutdown = CancellationToken::new();
    let signals = Signals::register()?;
    let app = App::new(settings, &shutdown);
    let mut tasks = JoinSet::new();
    app.spawn_listeners(&mut tasks).await?;
    let cluster = app.spawn_source(&mut tasks).await?;
    app.spawn_prober(&mut tasks, cluster)?;
    app.spawn_readiness(&mut tasks);
    let mut drain = std::pin::pin!(signals.drain(shutdown.clone()));
    let ended = loop {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => break None,
            // Both signals at once: there is nothing left to wait for, nor to ask again.
            _ = &mut drain => return Ok(()),
            Some(ended) = tasks.join_next() => match ended {
                Ok(Ended::AsMeant) => {}
                Ok(Ended::TooEarly(how)) => break Some(how),
                // Not with the error: it quotes the payload of the panic, which may hold anything.
                Err(_) => break Some("a task panicked".to_owned()),
            },
        }
    };
    shutdown.cancel();
    if let Some(how) = ended {
        bail!(how);
    }
    tokio::select! {
        _ = &mut drain => {}
        drained = timeout(app.settings.grace, tasks.join_all()) => if drained.is_err() {
            warn!(grace_seconds = app.settings.grace.as_secs(), "Not everything ended within the grace period");
        },
    }
    info!("Ended");
    Ok(())
}

/// How a task ended.
enum Ended {
    /// Its work was done, or shutdown was asked for.
    AsMeant,
    /// It should have gone on; its name and what it did instead.
    TooEarly(String),
}

impl Ended {
    /// Does the work of a task that ends at shutdown only.
    async fn after(
        name: String,
        work: impl Future<Output = ()>,
        shutdown: CancellationToken,
    ) -> Self {
        match AssertUnwindSafe(work).catch_unwind().await {
            Ok(()) if shutdown.is_cancelled() => Self::AsMeant,
            Ok(()) => Self::TooEarly(format!("{name} ended by itself")),
            Err(_) => Self::TooEarly(format!("{name} panicked")),
        }
    }
}

/// What all parts share.
struct App {
    settings: Arc<Settings>,
    handout: watch::Sender<Arc<Settings>>,
    role: watch::Sender<Role>,
    shared: Shared,
    clock: Clock,
    metrics: Metrics,
    readiness: Readiness,
    wake: Arc<Notify>,
    demands: Demands,
    shutdown: CancellationToken,
}

impl App {
    fn new(settings: Settings, shutdown: &CancellationToken) -> Self {
        let settings = Arc::new(settings);
        let cluster = Cluster::new(settings.expiry.clone(), settings.probe.which);
        let mut state = State::new(cluster);
        state.node_credentials = settings.node_credentials.clone();
        let shared = Shared::from(state);
        let clock = Clock::system();
        let wake = Arc::default();
        Self {
            demands: Demands::new(Arc::clone(&wake)),
            metrics: {
                let clock = clock.clone();
                Metrics::new(shared.clone(), move || clock.now(), settings.probe.interval)
            },
            readiness: Readiness::new(shutdown.clone()),
            handout: watch::Sender::new(Arc::clone(&settings)),
            // Without election there is nobody to stand by for.
            role: watch::Sender::new(Role::Leading),
            wake,
            shutdown: shutdown.clone(),
            settings,
            shared,
            clock,
        }
    }

    /// Listeners first: until the lists have come in, they say that we are alive and not ready.
    async fn spawn_listeners(&self, tasks: &mut JoinSet<Ended>) -> Result<()> {
        let site = Site::new(
            &self.settings.web,
            self.metrics.clone(),
            self.readiness.clone(),
        );
        for address in &self.settings.web.listen {
            let listener = web::bind(*address).await?;
            info!(address = %listener.address(), "Listening");
            let serving = listener.serve(site.clone(), self.shutdown.clone());
            self.spawn(tasks, format!("listener {address}"), serving);
        }
        if let Some(address) = self.settings.web.status {
            let (clock, panics) = (self.clock.clone(), self.metrics.panics.clone());
            let (shared, demands) = (self.shared.clone(), self.demands.clone());
            let ask = move |demand: Demand| {
                let concerned = shared.read(|state| state.cluster.concerned(&demand));
                if concerned > 0 {
                    demands.ask(demand);
                }
                concerned
            };
            let site = StatusSite::new(self.shared.clone(), panics, move || clock.now(), ask);
            let listener = web::bind(address).await?;
            info!(address = %listener.address(), "Serving the status page");
            let serving = listener.serve(site, self.shutdown.clone());
            self.spawn(tasks, format!("status listener {address}"), serving);
        }
        Ok(())
    }

    /// Returns the way to the API server, if there is a cluster.
    async fn spawn_source(&self, tasks: &mut JoinSet<Ended>) -> Result<Option<Connection>> {
        match &self.settings.source {
            Source::Cluster(source) => {
                let connection = connect(source)
                    .await
                    .context("failed to set up the API server's client")?;
                self.spawn_watches(tasks, source, &connection.client);
                if self.settings.kubernetes_events {
                    self.spawn_notices(tasks, &connection.client);
                }
                Ok(Some(connection))
            }
            Source::Files(paths) => {
                let files = Files::new(paths.clone());
                self.shared
                    .update(|state| state.watches.expect(files::watch()));
                let intake = self.intake();
                let reading = files.run(self.shutdown.clone(), move |pass| intake.read(pass));
                self.spawn(tasks, "files".to_owned(), reading);
                Ok(None)
            }
        }
    }

    fn spawn_watches(
        &self,
        tasks: &mut JoinSet<Ended>,
        source: &ClusterSource,
        client: &kube::Client,
    ) {
        let intake = self.intake();
        let apply = move |changes| intake.apply(changes);
        let panics = self.metrics.panics.clone();
        let sink = Sink::new(apply.clone()).on_panic(move || panics.caught(Task::Decode));
        let wanted = wanted(&self.settings.expiry);
        for watcher in Watcher::all(client, source, wanted, &self.shared, &sink) {
            let name = watcher.name();
            self.spawn(tasks, name, watcher.run(self.shutdown.clone()));
        }
        let answered = move |change| apply(vec![change]);
        let asking = lookups::run(
            client.clone(),
            self.shared.clone(),
            answered,
            self.shutdown.clone(),
        );
        self.spawn(tasks, "lookups".to_owned(), asking);
    }

    fn spawn_notices(&self, tasks: &mut JoinSet<Ended>, client: &kube::Client) {
        let teller = Teller {
            client: client.clone(),
            shared: self.shared.clone(),
            clock: self.clock.clone(),
            panics: self.metrics.panics.clone(),
        };
        let telling = teller.run(self.shutdown.clone());
        self.spawn(tasks, "notices".to_owned(), telling);
    }

    fn spawn_prober(&self, tasks: &mut JoinSet<Ended>, cluster: Option<Connection>) -> Result<()> {
        let api_servers = whereabouts::api_servers(cluster.as_ref());
        let client = Client::new(&self.settings.probe.apart_from(api_servers))?;
        let mut prober = Prober::new(
            self.shared.clone(),
            self.handout.subscribe(),
            self.role.subscribe(),
            client,
            self.clock.clone(),
            self.metrics.clone(),
            Arc::clone(&self.wake),
        )
        .with_own_quota()
        .with_demands(self.demands.clone());
        if let Some(keeper) =
            Keeper::of(&self.settings.ledger, cluster.map(|cluster| cluster.client))
        {
            let (asks, questions) = Keeper::channel();
            prober = prober.with_ledger(asks);
            let keeping = keeper.run(questions, self.shutdown.clone());
            self.spawn(tasks, "ledger".to_owned(), keeping);
        } else {
            warn!(
                "Nothing remembers refused logins: no login is sent in the first 30 min after a start; --lease or --state-file ends that"
            );
        }
        self.spawn(
            tasks,
            "prober".to_owned(),
            prober.run(self.shutdown.clone()),
        );
        Ok(())
    }

    /// Readiness is a latch: once every watch has listed or was refused, its task is done.
    fn spawn_readiness(&self, tasks: &mut JoinSet<Ended>) {
        let (shared, wake, readiness) = (
            self.shared.clone(),
            Arc::clone(&self.wake),
            self.readiness.clone(),
        );
        let shutdown = self.shutdown.clone();
        tasks.spawn(async move {
            let reached = async {
                while !shared.read(|state| state.watches.is_ready()) {
                    sleep(READINESS_PAUSE).await;
                }
            };
            if shutdown.run_until_cancelled(reached).await.is_some() {
                readiness.reach();
                wake.notify_one();
                info!("Ready");
            }
            Ended::AsMeant
        });
    }

    fn intake(&self) -> Intake {
        Intake {
            shared: self.shared.clone(),
            wake: Arc::clone(&self.wake),
            clock: self.clock.clone(),
            metrics: self.metrics.clone(),
        }
    }

    fn spawn(
        &self,
        tasks: &mut JoinSet<Ended>,
        name: String,
        work: impl Future<Output = ()> + Send + 'static,
    ) {
        tasks.spawn(Ended::after(name, work, self.shutdown.clone()));
    }
}

/// What the decoders keep of annotations and data keys, beside what owners are told by.
pub(crate) fn wanted(sources: &Sources) -> Wanted {
    Wanted::least()
        .with_annotations(sources.annotations.iter().cloned())
        .with_data_keys(sources.data_keys.iter().cloned())
}

/// Where changes come in: the state takes them, and who waits for news is woken.
#[derive(Clone)]
struct Intake {
    shared: Shared,
    wake: Arc<Notify>,
    clock: Clock,
    metrics: Metrics,
}

impl Intake {
    /// Counters move inside the update, so that no queue can lose what they count.
    fn apply(&self, changes: Vec<Change>) {
        let now = self.clock.now();
        let mut set_aside = Vec::new();
        let is_news = self.shared.update(|state| {
            for change in changes {
                let taken = state.take(change, now);
                let happened = taken.happened.iter();
                happened.for_each(|happening| self.metrics.pull.happened(happening));
                set_aside.extend(taken.set_aside);
            }
            state.cluster.has_changes()
        });
        for ObjectName { namespace, name } in set_aside {
            self.metrics.panics.caught(Task::Decode);
            warn!(namespace, name, "Object set aside: internal fault");
        }
        if is_news {
            self.wake.notify_one();
        }
    }

    /// A file is an object like one of a cluster.
    fn read(&self, pass: Pass) {
        count_panics(&self.metrics.panics, &pass);
        for unreadable in &pass.unreadable {
            warn!(path = %unreadable.path.display(), why = %unreadable.why, "Failed to read a docker config");
        }
        self.apply(pass.changes);
        self.shared.update(|state| {
            state.watches.listed(&files::watch());
            // What could not be read is not seen: the page says so until it can be.
            if !pass.unreadable.is_empty() {
                state.watches.failed(&files::watch(), WatchError::Malformed);
            }
        });
    }
}

fn count_panics(panics: &Panics, pass: &Pass) {
    let why = pass.unreadable.iter().map(|unreadable| &unreadable.why);
    why.filter(|why| matches!(why, Why::Panicked))
        .for_each(|_| panics.caught(Task::Decode));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::Unreadable;

    #[tokio::test]
    async fn a_task_that_ends_early_is_told_by_name_and_without_a_panics_payload() {
        let shutdown = CancellationToken::new();
        let after = |work| Ended::after("prober".to_owned(), work, shutdown.clone());
        let how = |ended| match ended {
            Ended::TooEarly(how) => how,
            Ended::AsMeant => "as meant".to_owned(),
        };
        let panics = || async { panic!("S3CRET") };
        let ended = after(panics().boxed()).await;
        assert_eq!(how(ended), "prober panicked");
        let ended = after(std::future::ready(()).boxed()).await;
        assert_eq!(how(ended), "prober ended by itself");
        shutdown.cancel();
        let ended = after(std::future::ready(()).boxed()).await;
        assert_eq!(how(ended), "as meant");
    }

    #[test]
    fn a_file_whose_reader_panicked_is_counted_like_an_object() {
        let metrics = Metrics::new(
            Shared::default(),
            || chrono::DateTime::UNIX_EPOCH,
            Duration::ZERO,
        );
        let unreadable = [Why::Panicked, Why::TooLarge].map(|why| Unreadable {
            path: "/config.json".into(),
            why,
        });
        let pass = Pass {
            changes: Vec::new(),
            unreadable: unreadable.into(),
        };
        count_panics(&metrics.panics, &pass);
        let mut page = String::new();
        metrics.encode(&mut page).unwrap();
        assert!(
            page.contains("regcred_panics_total{task=\"decode\"} 1\n"),
            "{page}"
        );
    }
}
