//! Docker config files instead of a cluster: the same changes, so that everything behind them is
//! the same. With them, the [state file](state_file) that the exporter itself writes.
//!
//! A file is a Secret without namespace whose name is its path. A file that cannot be read is told
//! by its path and loses nothing else; whether its content makes sense is the domain's question.

pub mod state_file;

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::de::IgnoredAny;
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::domain::cluster::{Change, ObjectName, Resource, SecretSeen, Uid, Watch};
use crate::domain::docker_config::{self, SecretKind};

/// The most that is read of a file: what a Secret may hold.
pub const LARGEST: u64 = 1024 * 1024;

/// How often files are looked at. No inotify: a mounted ConfigMap or Secret changes by a symlink of
/// its directory.
const POLL: Duration = Duration::from_secs(10);

/// What one look at the files brought.
#[derive(Debug)]
pub struct Pass {
    /// A list's begin, a Secret for each file that could be read, and the list's end if each that
    /// is there could: a file that cannot be read for a while keeps its verdicts.
    pub changes: Vec<Change>,
    /// Files that could not be read.
    pub unreadable: Vec<Unreadable>,
}

/// A path that gave nothing. Whoever named or mounted it can fix it.
#[derive(Debug, Error)]
#[error("failed to read `{}`", .path.display())]
pub struct Unreadable {
    /// As typed, or the file in the directory that was.
    pub path: PathBuf,
    /// The reason.
    #[source]
    pub why: Why,
}

impl Unreadable {
    /// There is nothing to read, and what was there before is no more.
    fn is_gone(&self) -> bool {
        match &self.why {
            Why::Io(error) => error.kind() == io::ErrorKind::NotFound,
            Why::NoFiles => true,
            Why::TooLarge | Why::Panicked => false,
        }
    }
}

/// Why a path gave nothing.
#[derive(Debug, Error)]
pub enum Why {
    /// It is not there, or not for us.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// More than [`LARGEST`].
    #[error("it is larger than 1 MiB")]
    TooLarge,
    /// Our own failure; the rest is read.
    #[error("the reader failed on it, which is a bug")]
    Panicked,
    /// A directory without a file that is named as docker configs are.
    #[error("the directory has no `*.json`, `.dockerconfigjson` or `.dockercfg`")]
    NoFiles,
}

/// Reads each file, and each docker config file of a directory, once.
pub fn read_all(paths: &[PathBuf]) -> Pass {
    let (files, mut unreadable) = find(paths);
    let watch = watch();
    let mut changes = vec![Change::ListStarted(watch.clone())];
    for file in files {
        // One hostile file is a unit of work that may fail alone; the payload may hold its bytes.
        let read = catch_unwind(|| read(&file)).unwrap_or(Err(Why::Panicked));
        match read {
            Ok(secret) => changes.push(Change::SecretApplied(watch.clone(), secret)),
            Err(why) => unreadable.push(Unreadable { path: file, why }),
        }
    }
    if unreadable.iter().all(Unreadable::is_gone) {
        changes.push(Change::ListFinished(watch));
    }
    Pass {
        changes,
        unreadable,
    }
}

/// The watch that files stand for.
pub fn watch() -> Watch {
    Watch {
        resource: Resource::Files,
        namespace: None,
    }
}

/// Files that are looked at again and again.
#[derive(Debug)]
pub struct Files {
    paths: Vec<PathBuf>,
    seen: Option<Marks>,
}

/// Size, modification time and inode of each file, `None` where there is none.
type Marks = BTreeMap<PathBuf, Option<(u64, i64, i64, u64)>>;

impl Files {
    /// Paths of files or directories.
    pub fn new(paths: Vec<PathBuf>) -> Self {
        Self { paths, seen: None }
    }

    /// Reads all, if a file has come, changed or gone since the last time, or at the first time.
    pub fn poll(&mut self) -> Option<Pass> {
        // Before reading: a change in between is seen next time.
        let marks = marks(&self.paths);
        if self.seen.as_ref() == Some(&marks) {
            return None;
        }
        self.seen = Some(marks);
        Some(read_all(&self.paths))
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

/// The files to read: those that were named, and those that directories have.
fn find(paths: &[PathBuf]) -> (Vec<PathBuf>, Vec<Unreadable>) {
    let (mut files, mut unreadable) = (Vec::new(), Vec::new());
    for path in paths {
        match find_in(path) {
            Ok(found) => files.extend(found),
            Err(why) => unreadable.push(Unreadable {
                path: path.clone(),
                why,
            }),
        }
    }
    let mut known = std::collections::HashSet::new();
    files.retain(|file| known.insert(file.clone()));
    (files, unreadable)
}

fn find_in(path: &Path) -> Result<Vec<PathBuf>, Why> {
    if !fs::metadata(path)?.is_dir() {
        // Whatever it is: a pipe of the shell is read too.
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path)? {
        let file = entry?.path();
        // Through symlinks, as the keys of a mounted Secret are links into `..data`. What is gone
        // in between, or leads nowhere, is not there.
        if is_docker_config(&file) && fs::metadata(&file).is_ok_and(|found| found.is_file()) {
            files.push(file);
        }
    }
    if files.is_empty() {
        return Err(Why::NoFiles);
    }
    files.sort();
    Ok(files)
}

/// By its name alone; directories of a mount (`..data`) are none.
fn is_docker_config(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name == ".dockerconfigjson"
        || name == ".dockercfg"
        || (name.ends_with(".json") && !name.starts_with('.'))
}

fn read(path: &Path) -> Result<SecretSeen, Why> {
    let file = File::open(path)?;
    let found = file.metadata()?;
    let mut content = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut content)?;
    if content.len() as u64 > LARGEST {
        return Err(Why::TooLarge);
    }
    let kind = kind(path, &content);
    let name = path.to_string_lossy().into_owned();
    Ok(SecretSeen {
        uid: uid(&name),
        object: ObjectName {
            namespace: String::new(),
            name,
        },
        created: None,
        changed: modified(&found).map(|date| (date, String::new())),
        kind,
        docker_config: docker_config::parse(kind, Some(&content)),
        expiry_data: BTreeMap::new(),
        annotations: BTreeMap::new(),
        labels: BTreeMap::new(),
        owner: None,
    })
}

/// The legacy shape has no mark but its name; newer content under that name is read as such.
fn kind(path: &Path, content: &[u8]) -> SecretKind {
    let is_legacy_name = path.file_name().is_some_and(|name| name == ".dockercfg");
    let has_auths = || {
        serde_json::from_slice::<BTreeMap<String, IgnoredAny>>(content)
            .is_ok_and(|config| config.contains_key("auths"))
    };
    if is_legacy_name && !has_auths() {
        SecretKind::DockerCfg
    } else {
        SecretKind::DockerConfigJson
    }
}

fn modified(found: &Metadata) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(found.mtime(), 0)
}

/// FNV-1a of the path: the same at each start, and different for different files.
fn uid(name: &str) -> Uid {
    const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let hash = name.bytes().fold(OFFSET, |hash, byte| {
        (hash ^ u128::from(byte)).wrapping_mul(PRIME)
    });
    Uid(hash)
}

fn marks(paths: &[PathBuf]) -> Marks {
    let (files, unreadable) = find(paths);
    let paths = unreadable.into_iter().map(|unreadable| unreadable.path);
    files
        .into_iter()
        .chain(paths)
        .map(|path| {
            let mark = fs::metadata(&path)
                .ok()
                .map(|found| (found.size(), found.mtime(), found.mtime_nsec(), found.ino()));
            (path, mark)
        })
        .collect()
}
