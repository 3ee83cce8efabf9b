//! What one-shot commands share: read everything once, probe until nothing is due, answer.
//!
//! They are the daemon run once: the same lists or files make the same state, the same prober asks,
//! and nothing here starts a listener or a loop.

pub mod check;
pub mod check_config;
pub mod classify;
pub mod explain;
mod listing;
mod probe;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use thiserror::Error;

use crate::cli::Command;
use crate::config::{Check, Complaint, Explain, Settings};
use crate::domain::shortcoming::Upshot;
use crate::kubernetes::client::ConnectError;
use crate::registry::TrustError;

/// Why a pass could not begin.
#[derive(Debug, Error)]
pub enum StartError {
    /// There is no cluster to look at.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// Certificates of authorities could not be read.
    #[error(transparent)]
    Trust(#[from] TrustError),
}

/// How a command ends (docs/cli.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All that was asked for works.
    Works,
    /// Something conclusively does not, or a start failed.
    Broken,
    /// Nothing is proven not to work, and something could not be told, or nobody could be told.
    Unclear,
    /// Wrong usage, `EX_USAGE` of sysexits.h.
    Usage,
}

impl Exit {
    /// The number that the shell sees.
    pub fn code(self) -> u8 {
        match self {
            Self::Works => 0,
            Self::Broken => 1,
            Self::Unclear => 2,
            Self::Usage => 64,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

impl From<Upshot> for Exit {
    fn from(upshot: Upshot) -> Self {
        match upshot {
            Upshot::Works => Self::Works,
            Upshot::Unclear => Self::Unclear,
            Upshot::Broken => Self::Broken,
        }
    }
}

/// What is wrong with the values of a command, for usage that is wrong already: every complaint at
/// once.
pub fn complaints(command: &Command) -> Vec<Complaint> {
    match command {
        Command::Run(args) | Command::CheckConfig(args) => {
            Settings::try_from_args(args).err().unwrap_or_default()
        }
        Command::Check(args) => Check::try_from_args(args).err().unwrap_or_default(),
        Command::Explain(args) => Explain::try_from_args(args).err().unwrap_or_default(),
        Command::Classify => Vec::new(),
    }
}

/// Stdout takes nothing more: a full disk. Whoever redirected it can fix it.
#[derive(Debug, Error)]
#[error("failed to write to stdout")]
pub struct Unwritten(#[from] io::Error);

/// Writes an answer to stdout. A reader that has gone away, as `head` does, is no failure.
pub fn print(text: &str) -> Result<(), Unwritten> {
    let mut stdout = io::stdout().lock();
    let written = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Writes a line about a failure to stderr. Where that takes nothing, the exit code still tells.
pub fn complain(line: &str) {
    let _ = writeln!(io::stderr().lock(), "regcred-exporter: {line}");
}

/// One line on stderr that is written over again and again, where that is a terminal.
#[derive(Debug)]
pub struct Progress {
    is_shown: bool,
}

impl Progress {
    /// Shows something only to people.
    pub fn on_stderr() -> Self {
        Self {
            is_shown: io::stderr().is_terminal(),
        }
    }

    /// Somebody sees it.
    pub fn is_shown(&self) -> bool {
        self.is_shown
    }

    /// How far it is.
    pub fn show(&self, done: usize, of: usize) {
        self.write(&format!("\r\x1b[KAsked {done} of {of}"));
    }

    /// What is being done.
    pub fn say(&self, what: &str) {
        self.write(&format!("\r\x1b[K{what}"));
    }

    /// Takes the line away.
    pub fn clear(&self) {
        self.write("\r\x1b[K");
    }

    fn write(&self, text: &str) {
        if self.is_shown {
            // Nothing depends on it: a terminal that is gone takes it away by itself.
            let mut stderr = io::stderr().lock();
            let _ = stderr
                .write_all(text.as_bytes())
                .and_then(|()| stderr.flush());
        }
    }
}
