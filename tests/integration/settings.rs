//! Settings for tests in process.

use regcred_exporter::cli::{Cli, Command};
use regcred_exporter::config::Settings;

/// The daemon's defaults, registries on loopback allowed.
pub(crate) fn allowing_loopback() -> Settings {
    with(&["--probe.allow=127.0.0.0/8"])
}

/// The daemon's defaults, with these flags.
pub(crate) fn with(flags: &[&str]) -> Settings {
    let arguments = std::iter::once("regcred-exporter").chain(flags.iter().copied());
    let cli = Cli::read(arguments).expect("the flags are right");
    let Command::Run(arguments) = cli.into_command() else {
        panic!("no command is run");
    };
    Settings::try_from_args(&arguments).expect("the values are right")
}
