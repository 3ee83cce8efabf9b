//! The state file: a text that outlives the process, written only where nobody else wrote meanwhile.
//!
//! A daemon and a command that a person runs may share one. Each write is whole or not at all: the
//! text goes into a file beside it, which then takes its name. What the text says is not known here.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use thiserror::Error;

/// More than any text of ours.
const LARGEST: u64 = 1024 * 1024;

/// How long the lock is waited for: a write takes milliseconds.
const LOCK_TRIES: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// A file, and what stood in it when it was last read or written.
#[derive(Debug)]
pub struct StateFile {
    path: PathBuf,
    seen: Option<String>,
}

/// Why it was not read or not written. Whoever gave the path can fix it.
#[derive(Debug, Error)]
pub enum StateFileError {
    /// The file system refuses: rights, no space, read-only, a folder that is not there.
    #[error("failed to {0} `{path}`", path = .1.display())]
    Io(&'static str, PathBuf, #[source] io::Error),
    /// It holds more than we ever write: it is another file.
    #[error("`{path}` is larger than 1 MiB and no state file", path = .0.display())]
    TooLarge(PathBuf),
    /// Another process has held the lock for seconds.
    #[error("another process keeps `{path}` locked", path = .0.display())]
    Locked(PathBuf),
}

/// What became of a write.
#[derive(Debug, PartialEq, Eq)]
pub enum Written {
    /// It stands there now.
    Whole,
    /// Nothing was written: somebody else wrote this since we looked.
    NotOver(Option<String>),
}

impl StateFile {
    /// Nothing is read yet.
    pub fn new(path: PathBuf) -> Self {
        Self { path, seen: None }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What stands in it; `None` where there is no file yet. Blocks.
    pub fn read(&mut self) -> Result<Option<String>, StateFileError> {
        let _lock = self.lock()?;
        self.seen = self.content()?;
        Ok(self.seen.clone())
    }

    /// Replaces what stands in it, unless that is not what was last seen. Blocks.
    pub fn write(&mut self, text: &str) -> Result<Written, StateFileError> {
        let _lock = self.lock()?;
        let content = self.content()?;
        if content != self.seen {
            self.seen.clone_from(&content);
            return Ok(Written::NotOver(content));
        }
        let beside = self.beside("tmp");
        self.replace(&beside, text)
            .map_err(|error| self.failed("write", error))?;
        self.seen = Some(text.to_owned());
        Ok(Written::Whole)
    }

    fn replace(&self, beside: &Path, text: &str) -> io::Result<()> {
        // What a killed process left, or what somebody put there: a link would lead us elsewhere.
        match fs::remove_file(beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = private().create_new(true).open(beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(beside, &self.path)?;
        // The name is there after a crash too.
        let folder = match self.path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            Some(_) | None => Path::new("."),
        };
        File::open(folder)?.sync_all()
    }

    fn content(&self) -> Result<Option<String>, StateFileError> {
        let file = match File::open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(|error| self.failed("read", error))?,
        };
        let mut bytes = Vec::new();
        file.take(LARGEST + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| self.failed("read", error))?;
        if bytes.len() as u64 > LARGEST {
            return Err(StateFileError::TooLarge(self.path.clone()));
        }
        // Whether it makes sense is the reader's question.
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Ours until it is dropped; of a file of its own, since the state file is replaced.
    fn lock(&self) -> Result<File, StateFileError> {
        let path = self.beside("lock");
        let failed = |error| StateFileError::Io("lock", path.clone(), error);
        let file = private().create(true).open(&path).map_err(failed)?;
        for _ in 0..LOCK_TRIES {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => thread::sleep(LOCK_PAUSE),
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
        }
        Err(StateFileError::Locked(self.path.clone()))
    }

    fn beside(&self, ending: &str) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(".");
        path.push(ending);
        path.into()
    }

    fn failed(&self, action: &'static str, error: io::Error) -> StateFileError {
        StateFileError::Io(action, self.path.clone(), error)
    }
}

/// Names of Secrets are nobody else's business.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    options
}
