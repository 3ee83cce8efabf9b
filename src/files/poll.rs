//! Files that are looked at again and again, and read when something about them has changed.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Open, Pass, find, open_file, pass};

/// How often files are looked at. No inotify: a mounted ConfigMap or Secret changes by a symlink of
/// its directory.
const POLL: Duration = Duration::from_secs(10);

/// Files that are looked at again and again.
#[derive(Debug)]
pub struct Files {
    paths: Vec<PathBuf>,
    seen: Option<Marks>,
    /// What could not be read the last time and may be read the next, as it was told.
    failing: Vec<String>,
}

/// What tells a file from what it was before, `None` where there is none.
type Marks = BTreeMap<PathBuf, Option<Mark>>;

/// Another file has another device or inode; what was written has another size or time. The time
/// of the last change (`ctime`) is the one that nobody can set: it tells of permissions, and of
/// content that was copied with the old file's date.
#[derive(Debug, PartialEq, Eq)]
struct Mark {
    file: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl From<Metadata> for Mark {
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
        let marks = marks(&self.paths);
        let is_same = self.seen.as_ref() == Some(&marks);
        if is_same && self.failing.is_empty() {
            return None;
        }
        let pass = pass(&self.paths, open);
        let failing = pass.unreadable.iter().filter(|one| one.may_pass());
        let failing: Vec<String> = failing.map(|one| format!("{one}: {}", one.why)).collect();
        let is_news = !is_same || failing != self.failing;
        self.seen = Some(marks);
        self.failing = failing;
        is_news.then_some(pass)
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

fn marks(paths: &[PathBuf]) -> Marks {
    let (files, unreadable) = find(paths);
    let paths = unreadable.into_iter().map(|unreadable| unreadable.path);
    files
        .into_iter()
        .chain(paths)
        .map(|path| {
            let mark = fs::metadata(&path).ok().map(Mark::from);
            (path, mark)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::super::Why;
    use super::*;
    use crate::domain::cluster::Change;

    #[test]
    fn what_may_be_readable_later_is_tried_each_time_and_told_once() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("config.json"), "{}").unwrap();
        let mut files = Files::new(vec![directory.path().to_owned()]);
        let too_many_open: Open = |_| Err(Why::Io(Errno::MFILE.into()));
        let is_whole = |pass: &Pass| matches!(pass.changes.last(), Some(Change::ListFinished(_)));

        let pass = files.look(too_many_open).unwrap();
        assert_eq!(pass.unreadable.len(), 1);
        assert!(!is_whole(&pass), "what was known of it stays");
        assert!(files.look(too_many_open).is_none(), "told once");
        let pass = files.look(open_file).unwrap();
        assert!(is_whole(&pass) && pass.unreadable.is_empty());
        assert!(files.look(open_file).is_none());
        assert!(files.look(too_many_open).is_none(), "nothing has changed");
    }
}
