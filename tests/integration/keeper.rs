//! The state file of a test's world: a real one, in a folder that can be taken away.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use regcred_exporter::files::state_file::{StateFile, StateFileError, Written};
use regcred_exporter::prober::{Ask, Trouble};
use tempfile::TempDir;
use tokio::sync::mpsc;

/// Keeps a ledger; clones share one file.
#[derive(Clone)]
pub(crate) struct Keeper {
    place: Arc<TempDir>,
    meanwhile: Meanwhile,
}

/// What happens while a text is written.
type Meanwhile = Arc<Mutex<Option<Box<dyn FnOnce() + Send>>>>;

impl Default for Keeper {
    fn default() -> Self {
        let keeper = Self {
            place: Arc::new(TempDir::new().unwrap()),
            meanwhile: Meanwhile::default(),
        };
        fs::create_dir(keeper.folder()).unwrap();
        keeper
    }
}

impl Keeper {
    /// Where a prober asks; each handle has seen nothing yet.
    pub(crate) fn open(&self) -> mpsc::Sender<Ask> {
        let (asks, mut questions) = mpsc::channel(1);
        let mut file = StateFile::new(self.folder().join("ledger"));
        let keeper = self.clone();
        tokio::spawn(async move {
            while let Some(ask) = questions.recv().await {
                // Whoever asked and ended meanwhile has lost interest.
                match ask {
                    Ask::Read(answer) => drop(answer.send(file.read().map_err(trouble))),
                    Ask::Write(text, answer) => {
                        let happen = keeper.meanwhile.lock().unwrap().take();
                        happen.into_iter().for_each(|happen| happen());
                        drop(answer.send(written(file.write(&text))));
                    }
                }
            }
            drop(keeper);
        });
        asks
    }

    /// Happens while the next text is written.
    pub(crate) fn on_next_write(&self, happen: impl FnOnce() + Send + 'static) {
        *self.meanwhile.lock().unwrap() = Some(Box::new(happen));
    }

    /// From now on nothing can be read or written, or it can again. By taking the folder away, since
    /// rights do not keep root from anything.
    pub(crate) fn set_broken(&self, is_broken: bool) {
        let (from, to) = match is_broken {
            true => (self.folder(), self.away()),
            false => (self.away(), self.folder()),
        };
        fs::rename(from, to).unwrap();
    }

    /// What stands there.
    pub(crate) fn text(&self) -> String {
        fs::read_to_string(self.folder().join("ledger")).unwrap()
    }

    /// Somebody else has written this.
    pub(crate) fn overwrite(&self, text: &str) {
        fs::write(self.folder().join("ledger"), text).unwrap();
    }

    fn folder(&self) -> PathBuf {
        self.place.path().join("state")
    }

    fn away(&self) -> PathBuf {
        self.place.path().join("away")
    }
}

fn written(written: Result<Written, StateFileError>) -> Result<(), Trouble> {
    match written.map_err(trouble)? {
        Written::Whole => Ok(()),
        Written::NotOver(other) => Err(Trouble::Conflict(other)),
    }
}

fn trouble(error: StateFileError) -> Trouble {
    Trouble::Failed(format!("{:#}", anyhow::Error::from(error)))
}
