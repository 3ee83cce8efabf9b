//! Who keeps the ledger: the prober asks by messages, and this answers out of a Lease or a file.

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::config::Ledger;
use crate::files::state_file::{self, StateFile, StateFileError};
use crate::kubernetes::client::Reason;
use crate::kubernetes::lease::{self, Lease};
use crate::prober::{Ask, Trouble};

/// One question is open at a time.
const QUESTIONS: usize = 1;

/// Where the ledger is kept.
pub(crate) enum Keeper {
    /// In an object of the cluster.
    Lease(Box<Lease>),
    /// In a file.
    File(StateFile),
}

impl Keeper {
    /// As the settings say; `None` where nothing is kept.
    pub(crate) fn of(place: &Ledger, cluster: Option<kube::Client>) -> Option<Self> {
        match place {
            Ledger::None => None,
            Ledger::Lease(name) => Some(Self::Lease(Box::new(Lease::new(cluster?, name.clone())))),
            Ledger::File(path) => Some(Self::File(StateFile::new(path.clone()))),
        }
    }

    /// The questions to be answered, and where the prober asks them.
    pub(crate) fn channel() -> (mpsc::Sender<Ask>, mpsc::Receiver<Ask>) {
        mpsc::channel(QUESTIONS)
    }

    /// Answers until whoever asks has ended, which may be a while after shutdown: its last words are
    /// written too. Who asked and does not wait any more has lost interest.
    pub(crate) async fn run(
        mut self,
        mut questions: mpsc::Receiver<Ask>,
        shutdown: CancellationToken,
    ) {
        while let Some(ask) = questions.recv().await {
            self = match ask {
                Ask::Read(answer) => {
                    let (keeper, read) = self.read().await;
                    let _ = answer.send(read);
                    keeper
                }
                Ask::Write(text, answer) => {
                    let (keeper, written) = self.write(text).await;
                    let _ = answer.send(written);
                    keeper
                }
            };
        }
        // Nothing is left to do, and nobody is to hear of an early end.
        shutdown.cancelled().await;
    }

    async fn read(self) -> (Self, Result<Option<String>, Trouble>) {
        match self {
            Self::Lease(mut lease) => {
                let read = lease.read().await.map_err(of_lease);
                (Self::Lease(lease), read)
            }
            Self::File(mut file) => {
                let path = file.path().to_owned();
                let done =
                    tokio::task::spawn_blocking(move || (file.read().map_err(of_file), file));
                match done.await {
                    Ok((read, file)) => (Self::File(file), read),
                    Err(_) => (Self::File(StateFile::new(path)), Err(panicked())),
                }
            }
        }
    }

    async fn write(self, text: String) -> (Self, Result<(), Trouble>) {
        match self {
            Self::Lease(mut lease) => {
                let written = match lease.write(&text).await {
                    Ok(lease::Written::Whole) => Ok(()),
                    Ok(lease::Written::NotOver(other)) => Err(Trouble::Conflict(other)),
                    Err(reason) => Err(of_lease(reason)),
                };
                (Self::Lease(lease), written)
            }
            Self::File(mut file) => {
                let path = file.path().to_owned();
                let done = tokio::task::spawn_blocking(move || (file.write(&text), file));
                let Ok((written, file)) = done.await else {
                    return (Self::File(StateFile::new(path)), Err(panicked()));
                };
                let written = match written {
                    Ok(state_file::Written::Whole) => Ok(()),
                    Ok(state_file::Written::NotOver(other)) => Err(Trouble::Conflict(other)),
                    Err(error) => Err(of_file(error)),
                };
                (Self::File(file), written)
            }
        }
    }
}

fn of_lease(reason: Reason) -> Trouble {
    Trouble::Failed(reason.to_string())
}

fn of_file(error: StateFileError) -> Trouble {
    Trouble::Failed(format!("{:#}", anyhow::Error::from(error)))
}

fn panicked() -> Trouble {
    Trouble::Failed("its keeper panicked".to_owned())
}
