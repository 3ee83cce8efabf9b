//! Docker config files instead of a cluster: the same changes, so that everything behind them is
//! the same. With them, the [state file](state_file) that the exporter itself writes.
//!
//! A file is a Secret without namespace whose name is its path. A file that cannot be read is told
//! by its path and loses nothing else; whether its content makes sense is the domain's question.

mod poll;
pub mod state_file;

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use rustix::fs::OFlags;
use rustix::io::Errno;
use serde::de::IgnoredAny;
use thiserror::Error;

pub use poll::Files;

use crate::domain::cluster::{Change, ObjectName, Resource, SecretSeen, Uid, Watch};
use crate::domain::docker_config::{self, SecretKind};

/// The most that is read of a file: what a Secret may hold.
pub const LARGEST: u64 = 1024 * 1024;

/// What one look at the files brought.
#[derive(Debug)]
pub struct Pass {
    /// A Secret for each file that could be read, and the end of each that is no more. No list and
    /// no sweep: one file that cannot be read for a while must not keep the others from going.
    pub changes: Vec<Change>,
    /// Files that could not be read.
    pub unreadable: Vec<Unreadable>,
}

impl Pass {
    /// Of the Secrets that were read.
    fn names(&self) -> impl Iterator<Item = &str> {
        self.changes.iter().filter_map(|change| match change {
            Change::SecretApplied(_, secret) => Some(&*secret.object.name),
            _ => None,
        })
    }
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
    /// It may be read next time, although nothing has changed by then: a permission is missing, too
    /// many files were open, a disk did not answer. Whatever was known stays until then.
    fn may_pass(&self) -> bool {
        match &self.why {
            Why::Io(error) => !leads_nowhere(error),
            Why::NoFiles | Why::TooLarge | Why::NoFile | Why::Panicked => false,
        }
    }

    /// Of the file of this Secret.
    fn is_of(&self, name: &str) -> bool {
        name == self.path.to_string_lossy()
    }

    /// Of the directory of that file.
    fn is_above(&self, name: &str) -> bool {
        Path::new(name).parent() == Some(Path::new(&*self.path.to_string_lossy()))
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
    /// A pipe, a socket or a device, for which a daemon would wait in vain.
    #[error("it is no file, and the daemon reads nothing else")]
    NoFile,
    /// Our own failure; the rest is read.
    #[error("the reader failed on it, which is a bug")]
    Panicked,
    /// A directory without a file that is named as docker configs are.
    #[error("the directory has no `*.json`, `.dockerconfigjson` or `.dockercfg`")]
    NoFiles,
}

/// Reads each file, and each docker config file of a directory, once. A path that was named may be
/// anything that can be read, a pipe of the shell too.
pub fn read_all(paths: &[PathBuf]) -> Pass {
    pass(paths, |path| Ok(File::open(path)?))
}

/// How a path is opened.
type Open = fn(&Path) -> Result<File, Why>;

fn pass(paths: &[PathBuf], open: Open) -> Pass {
    let (files, mut unreadable) = find(paths);
    let mut changes = Vec::new();
    for path in files {
        // One hostile file is a unit of work that may fail alone; the payload may hold its bytes.
        let read = catch_unwind(|| read(&path, open(&path)?)).unwrap_or(Err(Why::Panicked));
        match read {
            Ok(secret) => changes.push(Change::SecretApplied(watch(), secret)),
            Err(why) => unreadable.push(Unreadable { path, why }),
        }
    }
    Pass {
        changes,
        unreadable,
    }
}

/// Opens a file and nothing else: whoever opens a pipe without a writer waits until one comes. It
/// may have become one since it was looked at, hence the flag.
fn open_file(path: &Path) -> Result<File, Why> {
    if !fs::metadata(path)?.is_file() {
        return Err(Why::NoFile);
    }
    let nonblocking = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(nonblocking)
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(Why::NoFile);
    }
    Ok(file)
}

/// The watch that files stand for.
pub fn watch() -> Watch {
    Watch {
        resource: Resource::Files,
        namespace: None,
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
        if is_docker_config(&file) && is_readable(&file) {
            files.push(file);
        }
    }
    if files.is_empty() {
        return Err(Why::NoFiles);
    }
    files.sort();
    Ok(files)
}

/// Through symlinks, as the keys of a mounted Secret are links into `..data`. What is gone in
/// between, or leads nowhere, is not there; what may not be looked at is, and reading it tells why.
fn is_readable(file: &Path) -> bool {
    match fs::metadata(file) {
        Ok(found) => found.is_file(),
        Err(error) => !leads_nowhere(&error),
    }
}

/// There is nothing at the end of the path.
fn leads_nowhere(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP)
    )
}

/// By its name alone; directories of a mount (`..data`) are none.
fn is_docker_config(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name == ".dockerconfigjson"
        || name == ".dockercfg"
        || (name.ends_with(".json") && !name.starts_with('.'))
}

fn read(path: &Path, file: File) -> Result<SecretSeen, Why> {
    let found = file.metadata()?;
    let mut content = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut content)?;
    if content.len() as u64 > LARGEST {
        return Err(Why::TooLarge);
    }
    let kind = kind(path, &content);
    let object = object(path.to_string_lossy().into_owned());
    Ok(SecretSeen {
        uid: uid(&object.name),
        object,
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

/// The legacy shape is told by nothing but its name; newer content under that name is read as such.
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

fn object(name: String) -> ObjectName {
    ObjectName {
        namespace: String::new(),
        name,
    }
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
