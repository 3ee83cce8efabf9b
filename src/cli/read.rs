//! Reads the arguments, and goes on behind what it does not know.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, FromArgMatches};

use super::{Cli, Command};

/// Why there is nothing to run.
#[derive(Clone, Debug)]
pub enum Stop {
    /// `--help` or `--version`: the text, for stdout.
    Answered(String),
    /// Wrong usage: every complaint, in the order found, and what the rest says, if it can be told;
    /// its values may be wrong too.
    Usage(Vec<String>, Option<Box<Command>>),
}

impl Cli {
    /// Reads the arguments, the program's name first. Complaints here are of flags that do not
    /// exist and the like; those of values are `config`'s.
    pub fn read(args: impl IntoIterator<Item = impl Into<OsString>>) -> Result<Self, Stop> {
        let mut args: Vec<OsString> = args.into_iter().map(Into::into).collect();
        let mut complaints: Vec<String> = Vec::new();
        loop {
            let error = match parse(&args) {
                Ok(cli) if complaints.is_empty() => return Ok(cli),
                Ok(cli) => {
                    let rest = Some(Box::new(cli.into_command()));
                    return Err(Stop::Usage(complaints, rest));
                }
                Err(error) => error,
            };
            if matches!(
                error.kind(),
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
            ) {
                return Err(Stop::Answered(error.render().to_string()));
            }
            complaints.push(sentence(&error));
            if !forget(&mut args, &error) {
                return Err(Stop::Usage(complaints, None));
            }
        }
    }

    /// The command; `run` when none was given.
    pub fn into_command(self) -> Command {
        self.command
            .unwrap_or_else(|| Command::Run(Box::new(self.run)))
    }
}

/// The definition of all flags, for help and for the test that holds the documents against it.
pub fn definition() -> clap::Command {
    // The help is the same on every machine: it names variables and never shows their values.
    Cli::command()
        .mut_args(|arg| arg.hide_env_values(true))
        .mut_subcommands(|command| command.mut_args(|arg| arg.hide_env_values(true)))
}

fn parse(args: &[OsString]) -> Result<Cli, clap::Error> {
    let matches = definition().try_get_matches_from(args)?;
    Cli::from_arg_matches(&matches)
}

/// The first line of clap's message, which says all; the rest is usage and hints.
fn sentence(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let line = text.lines().next().unwrap_or_default();
    line.trim_start_matches("error: ").to_owned()
}

/// clap stops at the first flag that it does not know. Taking that flag away, with the value that
/// seems to belong to it, lets it find the next one. False when there is nothing to take away.
fn forget(args: &mut Vec<OsString>, error: &clap::Error) -> bool {
    if error.kind() != ErrorKind::UnknownArgument {
        return false;
    }
    let Some(ContextValue::String(unknown)) = error.get(ContextKind::InvalidArg) else {
        return false;
    };
    let is_it = |arg: &OsString| {
        let arg = arg.to_string_lossy();
        arg == *unknown || arg.split('=').next() == Some(unknown)
    };
    let Some(index) = args.iter().skip(1).position(is_it).map(|index| index + 1) else {
        return false;
    };
    let flag = args.remove(index);
    let has_value = flag.to_string_lossy().starts_with('-')
        && !flag.to_string_lossy().contains('=')
        && args
            .get(index)
            .is_some_and(|next| !next.to_string_lossy().starts_with('-'));
    if has_value {
        args.remove(index);
    }
    true
}
