//! Files that are looked at again and again, and read when something about them has changed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Metadata};
use std::mem;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Open, Pass, Unreadable, find, object, open_file, pass, uid};
use crate::domain::cluster::Change;

/// How often files are looked at. No inotify: a mounted ConfigMap or Secret changes by a symlink of
/// its directory.
const POLL: Duration = Duration::from_secs(10);

/// Files that are looked at again and again.
#[derive(Debug)]
pub struct Files {
    paths: Vec<PathBuf>,
    seen: Option<Stamps>,
    /// The Secrets that whoever has the passes knows, by name.
    known: BTreeSet<String>,
    /// What could not be read the last time and may be read the next, as it was told.
    failing: Vec<String>,
}

/// What tells a file from what it was before, `None` where there is none.
type Stamps = BTreeMap<PathBuf, Option<Stamp>>;

/// Another file has another device or inode; what was written has another size or time. The time
/// of the last change (`ctime`) is the one that nobody can set: it tells of permissions, and of
/// content that was copied with the old file's date.
#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    file: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl From<Metadata> for Stamp {
    fn from(found: Metadata) -> Self {
        Self {
            file: (found.dev(), found.ino()),
            size: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        }
    }
}

impl Files {
    /// Paths of files or directories.
    pub fn new(paths: Vec<PathBuf>) -> Self {
        Self {
            paths,
            seen: None,
            known: BTreeSet::new(),
            failing: Vec::new(),
        }
    }

    /// Reads all, if a file has come, changed or gone since the last time, or at the first time;
    /// what could not be read is tried again each time, and told when that has changed.
    pub fn poll(&mut self) -> Option<Pass> {
        self.look(open_file)
    }

    fn look(&mut self, open: Open) -> Option<Pass> {
        // Before reading: a change in between is seen next time.
        let stamps = stamps(&self.paths);
        let is_same = self.seen.as_ref() == Some(&stamps);
        if is_same && self.failing.is_empty() {
            return None;
        }
        let mut pass = pass(&self.paths, open);
        let failing = pass.unreadable.iter().filter(|one| one.may_pass());
        let failing: Vec<String> = failing.map(|one| format!("{one}: {}", one.why)).collect();
        let is_news = !is_same || failing != self.failing;
        self.seen = Some(stamps);
        self.failing = failing;
        if !is_news {
            return None;
        }
        self.end(&mut pass);
        Some(pass)
    }

    /// Adds the end of what was known and is no more: nothing was read of it, for no reason that
    /// may pass.
    fn end(&mut self, pass: &mut Pass) {
        let read: BTreeSet<String> = pass.names().map(str::to_owned).collect();
        let unread: BTreeSet<String> = &mem::take(&mut self.known) - &read;
        self.known = read;
        for name in unread {
            if is_kept(&name, &pass.unreadable) {
                self.known.insert(name);
            } else {
                pass.changes.push(deleted(name));
            }
        }
    }

    /// Polls until shutdown.
    pub async fn run(mut self, shutdown: CancellationToken, mut apply: impl FnMut(Pass)) {
        let mut ticks = tokio::time::interval(POLL);
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let polled = tokio::task::spawn_blocking(move || {
                let pass = self.poll();
                (self, pass)
            });
            let Ok((files, pass)) = polled.await else {
                // A panic, or the runtime going down: this task ends, and `app` with it.
                return;
            };
            self = files;
            if let Some(pass) = pass {
                apply(pass);
            }
        }
    }
}

/// What was said of the file itself counts before what was said of its directory.
fn is_kept(name: &str, unreadable: &[Unreadable]) -> bool {
    let own = unreadable.iter().find(|one| one.is_of(name));
    match own {
        Some(own) => own.may_pass(),
        None => unreadable
            .iter()
            .any(|one| one.may_pass() && one.is_above(name)),
    }
}

fn deleted(name: String) -> Change {
    Change::SecretDeleted(uid(&name), object(name))
}

fn stamps(paths: &[PathBuf]) -> Stamps {
    let (files, unreadable) = find(paths);
    let paths = unreadable.into_iter().map(|unreadable| unreadable.path);
    files
        .into_iter()
        .chain(paths)
        .map(|path| {
            let stamp = fs::metadata(&path).ok().map(Stamp::from);
            (path, stamp)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::super::Why;
    use super::*;
    use crate::domain::cluster::{Cluster, Which};
    use crate::domain::expiry::Sources;

    const DENIED: fn() -> Why = || Why::Io(Errno::ACCESS.into());
    const GONE: fn() -> Why = || Why::Io(Errno::NOENT.into());

    #[test]
    fn only_what_may_pass_keeps_what_was_known() {
        type Said = (&'static str, fn() -> Why);
        let rows: &[(&[Said], bool)] = &[
            (&[], false),
            (&[("/d/a.json", DENIED)], true),
            (&[("/d/a.json", || Why::Io(Errno::MFILE.into()))], true),
            (
                &[("/d/a.json", || Why::Io(Errno::NAMETOOLONG.into()))],
                true,
            ),
            (&[("/d/a.json", GONE)], false),
            (&[("/d/a.json", || Why::Io(Errno::LOOP.into()))], false),
            (&[("/d/a.json", || Why::TooLarge)], false),
            (&[("/d/a.json", || Why::NoFile)], false),
            (&[("/d/a.json", || Why::Panicked)], false),
            (&[("/d/b.json", DENIED)], false),
            (&[("/d", DENIED)], true),
            (&[("/d/", DENIED)], true),
            (&[("/d", GONE)], false),
            (&[("/d", || Why::NoFiles)], false),
            (&[("/", DENIED)], false),
            // The directory may not be listed, and the file was named as well.
            (&[("/d", DENIED), ("/d/a.json", GONE)], false),
            (&[("/d", GONE), ("/d/a.json", DENIED)], true),
        ];
        for (said, expected) in rows {
            let unreadable = said.iter().map(|(path, why)| Unreadable {
                path: path.into(),
                why: why(),
            });
            let unreadable: Vec<_> = unreadable.collect();
            let kept = is_kept("/d/a.json", &unreadable);
            assert_eq!(kept, *expected, "{unreadable:?}");
        }
    }

    /// The files whose credentials the graph has, of which each has one of its own.
    fn held(cluster: &Cluster) -> Vec<String> {
        let groups = cluster.groups();
        let holders = groups.flat_map(|group| cluster.holders(group));
        let mut names: Vec<_> = holders
            .map(|(holder, _)| {
                let (_, name) = holder.rsplit_once('/').unwrap();
                name.split_once('#').unwrap().0.to_owned()
            })
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_that_cannot_be_read_keeps_its_own_credential_and_no_other() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let write = |name: &&str| {
            let content =
                format!(r#"{{"auths":{{"ghcr.io":{{"username":"{name}","password":"p"}}}}}}"#);
            fs::write(path(name), content).unwrap();
        };
        ["a", "b", "denied"].iter().for_each(write);
        let make_too_large = |name| fs::write(path(name), vec![b' '; 1 << 20 | 1]).unwrap();
        let denied: Open = |path| match path.ends_with("denied") {
            true => Err(DENIED()),
            false => open_file(path),
        };
        let paths = ["a", "b", "denied"].map(path).to_vec();
        let mut files = Files::new(paths);
        let mut cluster = Cluster::new(Sources::default(), Which::All);
        let mut look = |open: Open| {
            let changes = files.look(open).map(|pass| pass.changes);
            let changes = changes.into_iter().flatten();
            changes.for_each(|change| cluster.apply(change));
            held(&cluster)
        };
        assert_eq!(look(open_file), ["a", "b", "denied"]);
        fs::remove_file(path("a")).unwrap();
        assert_eq!(look(denied), ["b", "denied"]);
        assert_eq!(look(denied), ["b", "denied"]);
        make_too_large("b");
        assert_eq!(look(denied), ["denied"]);
        ["a", "b"].iter().for_each(write);
        assert_eq!(look(denied), ["a", "b", "denied"]);
        fs::remove_file(path("denied")).unwrap();
        assert_eq!(look(denied), ["a", "b"]);
    }

    #[test]
    fn what_may_be_readable_later_is_tried_each_time_and_told_once() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("config.json"), "{}").unwrap();
        let mut files = Files::new(vec![directory.path().to_owned()]);
        let too_many_open: Open = |_| Err(Why::Io(Errno::MFILE.into()));
        let is_read = |pass: &Pass| pass.names().count() == 1 && pass.unreadable.is_empty();

        let pass = files.look(too_many_open).unwrap();
        assert_eq!((pass.changes.len(), pass.unreadable.len()), (0, 1));
        assert!(files.look(too_many_open).is_none(), "told once");
        let pass = files.look(open_file).unwrap();
        assert!(is_read(&pass));
        assert!(files.look(open_file).is_none());
        assert!(files.look(too_many_open).is_none(), "nothing has changed");
    }
}
