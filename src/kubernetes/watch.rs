//! Our own list/watch loop: one [`Watcher`] for each kind and scope.
//!
//! ```text
//!  Listing { cursor } --last page--> Watching { resource version } --ended--> Waiting { until }
//!     ^   |  ^  next page                  ^                                    |        |
//!     |   +--+                             +-------- not too old ---------------+        |
//!     +-------------------- 410, refused, or two that ended at once --------------------+
//! ```
//!
//! Promises: no object stops a list or a stream; every end, good or bad, passes the back-off
//! unless the watch lived long enough, so that nothing spins; a dead peer is noticed; whatever
//! happens shows in [`crate::domain::watches`]. Never: retries behind its back, a page in memory,
//! bytes of an object in a log line. Why not kube-runtime: docs/adr/0011.

mod list;
mod objects;
mod pace;
mod scope;
mod told;

use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use self::list::{Cursor, JSON, Listed};
use self::objects::Objects;
use self::pace::Backoff;
use self::scope::{Scope, escaped};
use super::client::{self, Reason, Refusal};
use super::decode::{EventKind, Lines, Wanted};
use crate::config::ClusterSource;
use crate::domain::cluster::Resource;
use crate::state::Shared;

pub use self::list::{Events, list_once};
pub use self::objects::Sink;
pub use self::pace::Cadence;
pub use self::scope::watches;

/// So many refusals of one resource version in a row, and the list is begun again: whatever is
/// wrong with it, a new one mends.
const REFUSALS_MOST: u32 = 3;

/// Follows the objects of one kind in one scope.
#[must_use = "a watcher does nothing until it runs"]
pub struct Watcher {
    client: Client,
    objects: Objects,
    shared: Shared,
    cadence: Cadence,
    /// Of the kinds that are to be listed before this one.
    after: Vec<CancellationToken>,
    /// Listed, refused or failed once.
    settled: CancellationToken,
    backoff: Backoff,
    /// Streams in a row that ended at once.
    brief: u32,
    /// Watches in a row that were answered with a status.
    refusals: u32,
    /// The last thing that was said of this watch is that it failed.
    is_troubled: bool,
    /// The last failure was that nobody answered.
    was_unreachable: bool,
    /// When the last list was begun that brought something.
    listed: Option<Instant>,
    /// Told by the watch of any kind that lost its server.
    outages: watch::Sender<()>,
}

enum State {
    /// A list is to go on, or to begin.
    Listing(Cursor),
    /// A stream is to be opened.
    Watching { resource_version: String },
    /// Nothing is asked until then.
    Waiting { until: Instant, then: Box<Self> },
}

/// How a stream ended.
struct End {
    /// As far as it was followed.
    resource_version: String,
    /// How long it was open; none when it never was.
    lived: Option<Duration>,
    /// Good ends have none.
    why: Option<Refusal>,
    /// It cannot go on from `resource_version`.
    is_lost: bool,
}

impl Watcher {
    /// One for each of [`watches`], announced to `shared`. They wait for each other's first list in
    /// the order namespaces, service accounts, secrets, pods, events; all must run.
    pub fn all(
        client: &Client,
        source: &ClusterSource,
        wanted: Wanted,
        shared: &Shared,
        sink: &Sink,
    ) -> Vec<Self> {
        let (scope, wanted) = (Arc::new(Scope::of(source)), Arc::new(wanted));
        let outages = watch::Sender::new(());
        let latches: Vec<(usize, CancellationToken)> = watches(source)
            .iter()
            .map(|watch| (scope::stage(watch.resource), CancellationToken::new()))
            .collect();
        let before = |stage: usize| {
            latches
                .iter()
                .filter(|(other, _)| other + 1 == stage)
                .map(|(_, latch)| latch.clone())
                .collect()
        };
        watches(source)
            .into_iter()
            .zip(&latches)
            .map(|(watch, (stage, settled))| {
                shared.update(|state| state.watches.expect(watch.clone()));
                Self {
                    client: client.clone(),
                    objects: Objects::new(watch, &scope, &wanted, shared, sink),
                    shared: shared.clone(),
                    cadence: Cadence::default(),
                    after: before(*stage),
                    settled: settled.clone(),
                    backoff: Backoff::default(),
                    brief: 0,
                    refusals: 0,
                    is_troubled: false,
                    was_unreachable: false,
                    listed: None,
                    outages: outages.clone(),
                }
            })
            .collect()
    }

    /// Other times than the default ones.
    pub fn with_cadence(mut self, cadence: Cadence) -> Self {
        self.cadence = cadence;
        self
    }

    /// A name for its task: `watch-secrets-dockercfg`, `watch-pods team-a`.
    pub fn name(&self) -> String {
        let resource = match self.objects.watch.resource {
            Resource::DockerConfigJsonSecrets => "secrets-dockerconfigjson",
            Resource::DockerCfgSecrets => "secrets-dockercfg",
            other => other.as_str(),
        };
        format!("watch-{resource} {}", self.objects.namespace())
            .trim_end()
            .to_owned()
    }

    /// Lists and watches until shutdown.
    pub async fn run(mut self, shutdown: CancellationToken) {
        shutdown.run_until_cancelled(self.follow()).await;
    }

    async fn follow(&mut self) {
        for latch in std::mem::take(&mut self.after) {
            latch.cancelled().await;
        }
        let mut state = State::Listing(Cursor::default());
        loop {
            // Each way round passes a request or a wait.
            state = self.step(state).await;
        }
    }

    async fn step(&mut self, state: State) -> State {
        match state {
            State::Listing(cursor) => self.list(cursor).await,
            State::Watching { resource_version } => {
                let end = self.watch(resource_version).await;
                self.after_watch(end)
            }
            State::Waiting { until, then } => {
                sleep_until(until).await;
                *then
            }
        }
    }

    // === listing ===

    async fn list(&mut self, cursor: Cursor) -> State {
        if let Some(until) = self.too_soon(&cursor) {
            return State::Waiting {
                until,
                then: Box::new(State::Listing(cursor)),
            };
        }
        let began = Instant::now();
        let answer = list::page(&self.client, &mut self.objects, &cursor).await;
        if answer.is_ok() && cursor.is_at_start() {
            self.listed = Some(began);
        }
        match answer {
            Ok(Listed::More(next)) => State::Listing(next),
            Ok(Listed::Whole(resource_version)) => {
                self.shared
                    .update(|state| state.watches.listed(&self.objects.watch));
                self.is_well("Listed");
                self.refusals = 0;
                self.settled.cancel();
                State::Watching { resource_version }
            }
            Err(refusal) => {
                // What was read is true, but the list is not whole.
                self.objects.flush();
                let again = State::Listing(cursor.again(refusal.reason));
                let delay = self.failed(refusal);
                self.settled.cancel();
                Self::wait(delay, again)
            }
        }
    }

    /// Until when no list of Events may be begun.
    fn too_soon(&self, cursor: &Cursor) -> Option<Instant> {
        let is_bound = self.objects.are_events() && cursor.is_at_start();
        let last = self.listed.filter(|_| is_bound)?;
        let until = last + self.cadence.events_pause;
        (until > Instant::now()).then_some(until)
    }

    // === watching ===

    async fn watch(&mut self, resource_version: String) -> End {
        let are_events = self.objects.are_events();
        let lasts = match are_events {
            true => self.cadence.events_watch,
            false => self.cadence.watch_for(),
        };
        let path = format!(
            "{}watch=1&allowWatchBookmarks=true&resourceVersion={}&timeoutSeconds={}",
            self.objects.path(),
            escaped(&resource_version),
            lasts.as_secs(),
        );
        let answer = match self.objects.are_secrets() {
            true => client::get_alone(&self.client, &path, JSON).await,
            false => client::get(&self.client, &path, JSON).await,
        };
        let response = match answer {
            Ok(response) if list::is_json(response.headers()) => response,
            Ok(_) => return End::refused(resource_version, Reason::Malformed.into()),
            Err(refusal) => return End::refused(resource_version, refusal),
        };
        self.shared
            .update(|state| state.watches.opened(&self.objects.watch));
        self.is_well("Watch open");

        let opened = Instant::now();
        let mut outage = self.outages.subscribe();
        let mut body = response.into_body();
        let mut lines = Lines::default();
        let mut position = resource_version;
        let mut error = None;
        let mut renewal = None;
        let why = loop {
            let silent = (opened + lasts).max(Instant::now()) + self.cadence.silence;
            let until = renewal.map_or(silent, |at| silent.min(at));
            let piece = timeout_at(until, client::piece(&mut body));
            let piece = tokio::select! {
                piece = piece => piece,
                // Events may well be silent for an hour: of their server's end the others tell.
                Ok(()) = outage.changed(), if are_events => break None,
            };
            let bytes = match piece {
                Ok(Ok(Some(bytes))) => bytes,
                Ok(Ok(None)) => break None,
                Ok(Err(reason)) => break Some(reason),
                Err(_) if until < silent => break None,
                Err(_) => break Some(Reason::Silent),
            };
            lines.feed(&bytes, |piece| {
                let Some(line) = self.objects.line(piece) else {
                    return;
                };
                if self.objects.are_secrets() && line.kind != EventKind::Bookmark {
                    renewal.get_or_insert_with(|| Instant::now() + self.cadence.renew);
                }
                match line.kind {
                    EventKind::Error => error = Some(status(line.code)),
                    _ if line.resource_version.is_empty() => {}
                    _ => position = line.resource_version,
                }
            });
            self.objects.flush();
            if error.is_some() {
                break error;
            }
        };
        End {
            resource_version: position,
            lived: Some(opened.elapsed()),
            why: why.map(Refusal::from),
            // As client-go's reflector: an error that comes in the stream is about its position.
            is_lost: error.is_some_and(|reason| reason != Reason::Throttled),
        }
    }

    fn after_watch(&mut self, end: End) -> State {
        let mut why = end.why;
        let mut is_lost = end.is_lost;
        match end.lived {
            Some(lived) if lived < self.cadence.at_once => self.brief += 1,
            _ => self.brief = 0,
        }
        if self.brief >= 2 {
            self.brief = 0;
            is_lost = true;
            why = why.or_else(|| Some(Reason::EndedAtOnce.into()));
        }
        match (end.lived, why.map(|why| why.reason)) {
            (None, Some(Reason::Status(_))) => self.refusals += 1,
            _ => self.refusals = 0,
        }
        is_lost |= self.refusals >= REFUSALS_MOST;

        let then = if is_lost {
            debug!(
                resource = self.objects.watch.resource.as_str(),
                namespace = self.objects.namespace(),
                "Listing again"
            );
            State::Listing(Cursor::default())
        } else {
            State::Watching {
                resource_version: end.resource_version,
            }
        };
        let has_lived = end.lived.is_some_and(|lived| lived >= self.cadence.lived);
        if has_lived {
            self.backoff.reset();
        }
        let delay = match why {
            Some(refusal) => {
                let delay = self.failed(refusal);
                if has_lived { Duration::ZERO } else { delay }
            }
            None if has_lived => Duration::ZERO,
            None => self.backoff.next(&self.cadence),
        };
        Self::wait(delay, then)
    }

    // === health ===

    /// Tells that it failed; returns how long to wait.
    fn failed(&mut self, refusal: Refusal) -> Duration {
        let reason = refusal.reason;
        self.shared.update(|state| {
            state
                .watches
                .failed(&self.objects.watch, reason.watch_error());
        });
        if matches!(reason, Reason::Silent | Reason::Connection) && !self.objects.are_events() {
            self.outages.send_replace(());
        }
        let resource = self.objects.watch.resource.as_str();
        let namespace = self.objects.namespace();
        if self.is_troubled || reason == Reason::Gone {
            debug!(resource, namespace, %reason, "Watch failed");
        } else {
            self.is_troubled = true;
            warn!(resource, namespace, %reason, "Watch failed");
        }
        // A server that answers again owes us nothing for the time in which it did not: after an
        // outage of minutes, a 410 must not wait for half a minute more.
        if std::mem::replace(&mut self.was_unreachable, reason.is_unreachable())
            && !self.was_unreachable
        {
            self.backoff.reset();
        }
        let delay = match reason {
            Reason::Forbidden | Reason::Unauthorized => Backoff::slow(&self.cadence),
            _ => self.backoff.next(&self.cadence),
        };
        delay.max(refusal.retry_after.unwrap_or_default())
    }

    fn is_well(&mut self, what: &'static str) {
        let resource = self.objects.watch.resource.as_str();
        let namespace = self.objects.namespace();
        if std::mem::take(&mut self.is_troubled) || !self.settled.is_cancelled() {
            info!(resource, namespace, "{what}");
        } else {
            debug!(resource, namespace, "{what}");
        }
    }

    fn wait(delay: Duration, then: State) -> State {
        State::Waiting {
            until: Instant::now() + delay,
            then: Box::new(then),
        }
    }
}

impl End {
    fn refused(resource_version: String, refusal: Refusal) -> Self {
        let is_lost = match refusal.reason {
            Reason::Gone | Reason::Malformed => true,
            // "Too large resource version" is a 504: etcd was set back. Other 5xx pass.
            Reason::Status(code) => code < 500 || code == 504,
            Reason::Unauthorized
            | Reason::Forbidden
            | Reason::Throttled
            | Reason::Dns
            | Reason::Connection
            | Reason::Timeout
            | Reason::Tls
            | Reason::Credentials
            | Reason::Silent
            | Reason::EndedAtOnce => false,
        };
        Self {
            resource_version,
            lived: None,
            why: Some(refusal),
            is_lost,
        }
    }
}

/// The reason of a Status in a stream.
fn status(code: u32) -> Reason {
    match u16::try_from(code) {
        Ok(0) | Err(_) => Reason::Malformed,
        Ok(code) => Reason::of_status(code),
    }
}

#[cfg(test)]
mod tests {
    use kube::Config;

    use super::*;

    /// A back-off that is never short by chance.
    fn cadence() -> Cadence {
        let long = Duration::from_secs(1_000_000);
        Cadence {
            backoff: long..=long,
            ..Cadence::default()
        }
    }

    fn watcher() -> Watcher {
        let config = Config::new("http://127.0.0.1:9".parse().unwrap());
        let client = Client::try_from(config).unwrap();
        let sink = Sink::new(|_| {});
        let source = ClusterSource::default();
        let all = Watcher::all(&client, &source, Wanted::least(), &Shared::default(), &sink);
        all.into_iter().next().unwrap().with_cadence(cadence())
    }

    fn end(lived: Option<u64>, why: Option<Reason>) -> End {
        End {
            resource_version: "7".to_owned(),
            lived: lived.map(Duration::from_secs),
            why: why.map(Refusal::from),
            is_lost: false,
        }
    }

    /// Whether it waits, and whether it lists after that.
    fn follows(state: State) -> (bool, bool) {
        let State::Waiting { until, then } = state else {
            panic!("every end passes the back-off");
        };
        let waits = until > Instant::now() + Duration::from_secs(1);
        (waits, matches!(*then, State::Listing(_)))
    }

    #[tokio::test]
    async fn every_end_passes_the_back_off_unless_the_watch_lived() {
        for (lived, why, expected) in [
            (Some(0), None, (true, false)),
            (Some(9), None, (true, false)),
            (Some(10), None, (false, false)),
            (Some(9), Some(Reason::Connection), (true, false)),
            (Some(10), Some(Reason::Connection), (false, false)),
            (Some(130), Some(Reason::Silent), (false, false)),
            (None, Some(Reason::Connection), (true, false)),
            (None, Some(Reason::Forbidden), (true, false)),
            (None, Some(Reason::Throttled), (true, false)),
            (None, Some(Reason::Status(500)), (true, false)),
        ] {
            let state = watcher().after_watch(end(lived, why));
            assert_eq!(follows(state), expected, "{lived:?} {why:?}");
        }
    }

    #[tokio::test]
    async fn a_server_that_answers_again_is_not_made_to_wait_for_its_outage() {
        let mut watcher = watcher();
        for _ in 0..10 {
            let _ = watcher.after_watch(end(None, Some(Reason::Connection)));
        }
        let grown = watcher.backoff.steps();
        let _ = watcher.after_watch(end(Some(0), Some(Reason::Gone)));
        assert_eq!((grown, watcher.backoff.steps()), (10, 1));
        // What an answering server does wrong again and again is waited out longer and longer.
        let _ = watcher.after_watch(end(Some(0), Some(Reason::Gone)));
        assert_eq!(watcher.backoff.steps(), 2);
    }

    #[tokio::test]
    async fn two_brief_streams_or_three_refusals_in_a_row_list_again() {
        let mut watcher = watcher();
        let mut lists = |lived, why| follows(watcher.after_watch(end(lived, why))).1;
        let (brief, long) = (Some(0), Some(5));
        let refused = Some(Reason::Status(500));
        assert!(!lists(brief, None));
        assert!(!lists(long, None));
        assert!(!lists(brief, None));
        assert!(lists(brief, Some(Reason::Connection)));
        assert!(!lists(brief, None));
        assert!(!lists(None, refused));
        assert!(!lists(None, refused));
        assert!(!lists(None, Some(Reason::Connection)));
        assert!(!lists(None, refused));
        assert!(!lists(None, refused));
        assert!(lists(None, refused));
    }

    #[tokio::test]
    async fn a_refused_watch_lists_again_when_its_version_may_be_at_fault() {
        for (reason, is_lost) in [
            (Reason::Gone, true),
            (Reason::Malformed, true),
            (Reason::Status(400), true),
            (Reason::Status(504), true),
            (Reason::Status(503), false),
            (Reason::Forbidden, false),
            (Reason::Unauthorized, false),
            (Reason::Throttled, false),
            (Reason::Timeout, false),
        ] {
            let end = End::refused("7".to_owned(), reason.into());
            assert_eq!(end.is_lost, is_lost, "{reason:?}");
        }
        assert_eq!(status(410), Reason::Gone);
        assert_eq!(status(0), Reason::Malformed);
        assert_eq!(status(70_000), Reason::Malformed);
    }

    #[tokio::test]
    async fn watchers_have_names() {
        let watcher = watcher();
        assert_eq!(watcher.name(), "watch-namespaces");
    }
}
