//! One watch's objects: JSON in, changes out, whatever cannot be read set aside.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tracing::{debug, warn};

use super::scope::{self, Scope};
use super::told::Told;
use crate::domain::attempts::is_of_a_failed_pull;
use crate::domain::cluster::{self, Change, ObjectName, Resource, Uid, Watch};
use crate::kubernetes::decode::{self, Broken, Decoded, EventKind, Line, Piece, Place, Wanted};
use crate::state::Shared;

/// So many changes are applied under one lock: a list is no storm of locks, and no reader waits.
const BATCH: usize = 64;

/// Where changes go, and who counts panics.
#[derive(Clone)]
pub struct Sink {
    apply: Arc<dyn Fn(Vec<Change>) + Send + Sync>,
    panicked: Arc<dyn Fn() + Send + Sync>,
}

impl Sink {
    /// Changes are given in batches, in order, never empty.
    pub fn new(apply: impl Fn(Vec<Change>) + Send + Sync + 'static) -> Self {
        Self {
            apply: Arc::new(apply),
            panicked: Arc::new(|| {}),
        }
    }

    /// Called for each object whose decoder panicked.
    pub fn on_panic(mut self, panicked: impl Fn() + Send + Sync + 'static) -> Self {
        self.panicked = Arc::new(panicked);
        self
    }
}

/// Turns objects into changes, and gives them on in batches.
pub(super) struct Objects {
    pub(super) watch: Watch,
    scope: Arc<Scope>,
    wanted: Arc<Wanted>,
    shared: Shared,
    sink: Sink,
    batch: Vec<Change>,
    decode: Decode,
    /// Of these it has been said that an annotation of ours is misspelt.
    told: Told,
}

/// Of an object; `None` for a Secret of another type.
type Decode = fn(&[u8], Place, &Watch, &Wanted) -> Result<Decoded<Option<Change>>, Broken>;

impl Objects {
    /// They are Events, which the API server reads from etcd for each watch.
    pub(super) fn are_events(&self) -> bool {
        self.watch.resource == Resource::Events
    }

    /// What is read is secret, the bytes of the answers with it.
    pub(super) fn are_secrets(&self) -> bool {
        matches!(
            self.watch.resource,
            Resource::DockerConfigJsonSecrets | Resource::DockerCfgSecrets
        )
    }

    pub(super) fn new(
        watch: Watch,
        scope: &Arc<Scope>,
        wanted: &Arc<Wanted>,
        shared: &Shared,
        sink: &Sink,
    ) -> Self {
        Self {
            watch,
            scope: Arc::clone(scope),
            wanted: Arc::clone(wanted),
            shared: shared.clone(),
            sink: sink.clone(),
            batch: Vec::new(),
            decode: change,
            told: Told::default(),
        }
    }

    /// Where the watch's objects are listed.
    pub(super) fn path(&self) -> String {
        self.scope.path(&self.watch)
    }

    /// An item of a list.
    pub(super) fn item(&mut self, piece: Piece) {
        match piece {
            Piece::Whole(json) => drop(self.applied(&json, Place::Item)),
            Piece::Beginning(json) => self.too_long(&json, Place::Item),
        }
    }

    /// A line of a watch; what it says beyond its object.
    pub(super) fn line(&mut self, piece: Piece) -> Option<Line> {
        let json = match piece {
            Piece::Whole(json) => json,
            Piece::Beginning(json) => {
                self.too_long(&json, Place::Line);
                return None;
            }
        };
        let Some(line) = decode::line(&json) else {
            self.set_aside(&decode::name_of(&json, Place::Line), "not to be read");
            return None;
        };
        match line.kind {
            EventKind::Added | EventKind::Modified => {
                if self.applied(&json, Place::Line).is_none() {
                    // What it was before is not true any more.
                    self.deleted(line.uid, &line.object);
                }
            }
            EventKind::Deleted => self.deleted(line.uid, &line.object),
            EventKind::Bookmark | EventKind::Error => {}
            EventKind::Other => self.set_aside(&line.object, "of an unknown type of event"),
        }
        Some(line)
    }

    /// A list begins or ended.
    pub(super) fn bound(&mut self, bound: impl FnOnce(Watch) -> Change) {
        let bound = bound(self.watch.clone());
        match bound {
            Change::ListStarted(_) => self.told.list_started(),
            Change::ListFinished(_) => self.told.list_finished(),
            _ => {}
        }
        self.push(bound);
    }

    /// Gives on what has gathered.
    pub(super) fn flush(&mut self) {
        if !self.batch.is_empty() {
            (self.sink.apply)(std::mem::take(&mut self.batch));
        }
    }

    /// `None` when the object was set aside.
    fn applied(&mut self, json: &[u8], place: Place) -> Option<()> {
        let (watch, wanted, decode) = (&self.watch, &self.wanted, self.decode);
        // One hostile object must not end the watch for all.
        let decoded = catch_unwind(AssertUnwindSafe(|| decode(json, place, watch, wanted)));
        match decoded {
            Ok(Ok(decoded)) => {
                self.keep(decoded);
                Some(())
            }
            Ok(Err(broken)) => {
                self.count_skipped();
                let (resource, namespace) = (self.watch.resource.as_str(), self.namespace());
                warn!(resource, namespace, %broken, "Object set aside");
                None
            }
            Err(_) => {
                (self.sink.panicked)();
                self.set_aside(&decode::name_of(json, place), "internal fault");
                None
            }
        }
    }

    fn keep(&mut self, decoded: Decoded<Option<Change>>) {
        let Some(change) = decoded.record else {
            return;
        };
        let Some(object) = subject(&change) else {
            return;
        };
        if decoded.faults > 0 {
            debug!(
                resource = self.watch.resource.as_str(),
                namespace = object.namespace,
                name = object.name,
                faults = decoded.faults,
                first = decoded.first_fault,
                "Fields of another type than Kubernetes gives them"
            );
        }
        if object.name.is_empty() {
            self.set_aside(&ObjectName::default(), "without a name");
        } else if self.is_kept(&object) {
            self.tell_misspelt(&object, &change);
            self.push(change);
        }
    }

    /// Says once of an object that an annotation of ours does not do what its writer may think.
    fn tell_misspelt(&mut self, object: &ObjectName, change: &Change) {
        if let Some((uid, annotations)) = annotated(change)
            && let Some(annotation) = cluster::misspelt(annotations)
            && self.told.is_news(uid, namespace_of(&self.watch, object))
        {
            warn!(
                resource = self.watch.resource.as_str(),
                namespace = object.namespace,
                name = object.name,
                annotation,
                "Annotation is neither \"true\" nor \"false\" and asks for nothing"
            );
        }
    }

    fn deleted(&mut self, uid: Uid, object: &ObjectName) {
        if !self.is_kept(object) {
            return;
        }
        self.told.forget(uid, namespace_of(&self.watch, object));
        let object = object.clone();
        self.push(match self.watch.resource {
            Resource::Pods => Change::PodDeleted(uid),
            Resource::ServiceAccounts => Change::ServiceAccountDeleted(uid, object),
            Resource::Namespaces => Change::NamespaceDeleted(uid, object.name),
            Resource::DockerConfigJsonSecrets | Resource::DockerCfgSecrets => {
                Change::SecretDeleted(uid, object)
            }
            // An Event that is gone was forgotten; files are not watched here.
            Resource::Events | Resource::Files => return,
        });
    }

    fn is_kept(&self, object: &ObjectName) -> bool {
        self.scope.keeps(namespace_of(&self.watch, object))
    }

    fn push(&mut self, change: Change) {
        self.batch.push(change);
        if self.batch.len() >= BATCH {
            self.flush();
        }
    }

    fn too_long(&self, beginning: &[u8], place: Place) {
        self.set_aside(&decode::name_of(beginning, place), "over 3 MiB");
    }

    fn set_aside(&self, object: &ObjectName, why: &'static str) {
        self.count_skipped();
        warn!(
            resource = self.watch.resource.as_str(),
            namespace = object.namespace,
            name = object.name,
            why,
            "Object set aside"
        );
    }

    fn count_skipped(&self) {
        self.shared
            .update(|state| state.watches.skipped(&self.watch));
    }

    /// The namespace of the watch, empty for the cluster.
    pub(super) fn namespace(&self) -> &str {
        self.watch.namespace.as_deref().unwrap_or_default()
    }
}

/// That of an object of the watch; a Namespace is its own.
fn namespace_of<'a>(watch: &Watch, object: &'a ObjectName) -> &'a str {
    match watch.resource {
        Resource::Namespaces => &object.name,
        _ => &object.namespace,
    }
}

/// Decodes an object as its watch's kind.
fn change(
    json: &[u8],
    place: Place,
    watch: &Watch,
    wanted: &Wanted,
) -> Result<Decoded<Option<Change>>, Broken> {
    let to = || watch.clone();
    if let Some(kind) = scope::secret_kind(watch.resource) {
        let secret = decode::secret(json, place, kind, wanted)?;
        return Ok(secret.map(|seen| seen.map(|seen| Change::SecretApplied(to(), seen))));
    }
    Ok(match watch.resource {
        Resource::Namespaces => decode::namespace(json, place, wanted)?
            .map(|seen| Some(Change::NamespaceApplied(to(), seen))),
        Resource::ServiceAccounts => decode::service_account(json, place, wanted)?
            .map(|seen| Some(Change::ServiceAccountApplied(to(), seen))),
        // Of the many Events that a selector cannot tell from those of a pull nothing is kept.
        Resource::Events => decode::event(json, place)?
            .map(|seen| is_of_a_failed_pull(&seen).then(|| Change::EventApplied(to(), seen))),
        _ => decode::pod(json, place)?.map(|seen| Some(Change::PodApplied(to(), seen))),
    })
}

/// What may carry annotations of ours.
fn annotated(change: &Change) -> Option<(Uid, &BTreeMap<String, String>)> {
    match change {
        Change::SecretApplied(_, seen) => Some((seen.uid, &seen.annotations)),
        Change::ServiceAccountApplied(_, seen) => Some((seen.uid, &seen.annotations)),
        Change::NamespaceApplied(_, seen) => Some((seen.uid, &seen.annotations)),
        _ => None,
    }
}

fn subject(change: &Change) -> Option<ObjectName> {
    match change {
        Change::PodApplied(_, seen) => Some(seen.object.clone()),
        Change::EventApplied(_, seen) => Some(seen.object.clone()),
        Change::SecretApplied(_, seen) => Some(seen.object.clone()),
        Change::ServiceAccountApplied(_, seen) => Some(seen.object.clone()),
        Change::NamespaceApplied(_, seen) => Some(ObjectName {
            namespace: String::new(),
            name: seen.name.clone(),
        }),
        Change::SecretDeleted(_, object)
        | Change::ServiceAccountDeleted(_, object)
        | Change::NameLookedUp(object, _) => Some(object.clone()),
        Change::ListStarted(_)
        | Change::ListFinished(_)
        | Change::PodDeleted(_)
        | Change::NamespaceDeleted(..) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::config::ClusterSource;
    use crate::log;

    /// What a sink was told, and how often of a panic.
    #[derive(Clone, Default)]
    struct Heard {
        changes: Arc<Mutex<Vec<String>>>,
        panics: Arc<AtomicU32>,
    }

    fn objects(told: &Heard, resource: Resource) -> Objects {
        let (changes, panics) = (Arc::clone(&told.changes), Arc::clone(&told.panics));
        let sink = Sink::new(move |all| {
            let told = all.into_iter().map(|change| match change {
                Change::PodDeleted(uid) => format!("-{}", uid.0),
                change => subject(&change).unwrap().name,
            });
            changes.lock().unwrap().extend(told);
        })
        .on_panic(move || {
            panics.fetch_add(1, Ordering::Relaxed);
        });
        let watch = Watch {
            resource,
            namespace: None,
        };
        let scope = Arc::new(Scope::of(&ClusterSource::default()));
        let wanted = Arc::new(Wanted::least());
        Objects::new(watch, &scope, &wanted, &Shared::default(), &sink)
    }

    fn pod(name: &str, uid: u128) -> String {
        let uid = format!("{uid:032x}");
        format!(r#"{{"metadata":{{"name":"{name}","namespace":"n","uid":"{uid}"}},"x":"S3CRET"}}"#)
    }

    fn line(kind: &str, object: &str) -> Piece {
        Piece::Whole(format!(r#"{{"type":"{kind}","object":{object}}}"#).into_bytes())
    }

    fn misspelt(namespace: &str, uid: u128) -> String {
        let uid = format!("{uid:032x}");
        format!(
            r#"{{"metadata":{{"name":"n-{uid}","namespace":"{namespace}","uid":"{uid}",
                "annotations":{{"regcred-exporter.io/probe":"no"}}}}}}"#
        )
    }

    #[test]
    fn no_namespace_mutes_the_word_on_misspelt_annotations_for_others_or_for_ever() {
        let mut objects = objects(&Heard::default(), Resource::ServiceAccounts);
        let told = |objects: &mut Objects, kind: &str, namespace: &str, uids: &[u128]| {
            let log = log::tests::said(log::tests::log(tracing::Level::WARN), || {
                for uid in uids {
                    objects.line(line(kind, &misspelt(namespace, *uid)));
                }
            });
            log.matches("asks for nothing").count()
        };
        let many: Vec<u128> = (1..=1_000).collect();
        let first = told(&mut objects, "ADDED", "noisy", &many);
        assert!((1..100).contains(&first), "{first}");
        assert_eq!(told(&mut objects, "ADDED", "other", &[2_000]), 1);
        assert_eq!(told(&mut objects, "MODIFIED", "other", &[2_000]), 0, "once");
        assert_eq!(told(&mut objects, "DELETED", "noisy", &many), 0);
        assert_eq!(told(&mut objects, "ADDED", "noisy", &[3_000]), 1);
        objects.bound(Change::ListStarted);
        objects.bound(Change::ListFinished);
        assert_eq!(told(&mut objects, "ADDED", "other", &[2_000]), 1);
    }

    #[test]
    fn a_panic_sets_one_object_aside_and_is_counted_and_named() {
        let told = Heard::default();
        let mut objects = objects(&told, Resource::Pods);
        objects.decode = |json, place, watch, wanted| {
            assert!(!json.windows(4).any(|word| word == b"boom"), "S3CRET");
            change(json, place, watch, wanted)
        };
        let log = log::tests::said(log::tests::log(tracing::Level::INFO), || {
            for name in ["a", "boom", "b"] {
                objects.item(Piece::Whole(pod(name, 7).into_bytes()));
                let line = objects.line(line("ADDED", &pod(name, 7)));
                assert_eq!(line.unwrap().object.name, name);
            }
            objects.flush();
        });
        let changes = told.changes.lock().unwrap().clone();
        assert_eq!(
            changes,
            ["a", "a", "-7", "b", "b"],
            "what it was is gone too"
        );
        assert_eq!(told.panics.load(Ordering::Relaxed), 2);
        let skipped = |state: &crate::state::State| {
            let health = state.watches.of(&objects.watch);
            health.map(|health| health.skipped)
        };
        assert_eq!(objects.shared.read(skipped), Some(2));
        let lines: Vec<_> = log.lines().collect();
        assert_eq!(lines.len(), 2, "{log}");
        for line in lines {
            assert!(line.contains("namespace=n name=boom"), "{log}");
            assert!(!line.contains("S3CRET"), "{log}");
        }
    }
}
