//! The program: protects its memory, reads its arguments, runs one command, sets the exit code.

use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use anyhow::{Context, Result};
use regcred_exporter::cli::{Cli, Command, Stop};
use regcred_exporter::clock::Clock;
use regcred_exporter::command::check_config::check_config;
use regcred_exporter::command::classify::Failure;
use regcred_exporter::command::{self, Exit, check};
use regcred_exporter::config::{self, Check, Explain, LogFormat, Process, Settings};
use regcred_exporter::log::{Format, Log};
use regcred_exporter::{app, lifecycle};
use tokio::runtime::{Builder, Runtime};
use zeroizing_alloc::ZeroAlloc;

/// Freed memory is zeroed: the only way that no copy of a password stays behind in the buffers of
/// the libraries that read it (docs/adr/0014).
#[global_allocator]
static ALLOCATOR: ZeroAlloc<std::alloc::System> = ZeroAlloc(std::alloc::System);

fn main() -> ExitCode {
    let cli = match Cli::read(std::env::args_os()) {
        Ok(cli) => cli,
        Err(Stop::Answered(text)) => {
            return answer(&text, Exit::Works);
        }
        Err(Stop::Usage(mut complaints, rest)) => {
            let of_values = rest.map(|rest| command::complaints(&rest));
            complaints.extend(of_values.iter().flatten().map(ToString::to_string));
            return usage(&complaints);
        }
    };
    match cli.into_command() {
        Command::Run(args) => match Settings::try_from_args(&args) {
            Ok(settings) => exit_code(daemon(settings)),
            Err(complaints) => usage(&complaints),
        },
        Command::Check(args) => match Check::try_from_args(&args) {
            Ok(asked) => check(&asked),
            Err(complaints) => usage(&complaints),
        },
        Command::Explain(args) => match Explain::try_from_args(&args) {
            Ok(asked) => explain(&asked),
            Err(complaints) => usage(&complaints),
        },
        Command::Classify => classify(),
        Command::CheckConfig(args) => match check_config(&args) {
            Ok(text) => answer(&text, Exit::Works),
            Err(complaints) => usage(&complaints),
        },
    }
}

fn daemon(settings: Settings) -> Result<()> {
    prepare(settings.process, settings.log)?;
    runtime(settings.process)?.block_on(app::run(settings))
}

fn check(asked: &Check) -> ExitCode {
    let checked = || {
        let settings = &asked.settings;
        prepare(settings.process, settings.log)?;
        let clock = Clock::system();
        Ok(runtime(settings.process)?.block_on(check::check(asked, &clock))?)
    };
    match checked() {
        Ok(report) => {
            for failure in report.failures() {
                command::complain(&failure);
            }
            let exit = Exit::from(report.upshot(&asked.fail_on));
            answer(&check::written(&report, asked.output), exit)
        }
        Err(error) => exit_code(Err(error)),
    }
}

fn explain(asked: &Explain) -> ExitCode {
    let explained = || {
        let settings = &asked.settings;
        prepare(settings.process, settings.log)?;
        let clock = Clock::system();
        Ok(runtime(settings.process)?.block_on(command::explain::explain(asked, &clock))?)
    };
    match explained() {
        Ok(found) => {
            for failure in &found.unreadable {
                command::complain(failure);
            }
            let exit = Exit::from(found.upshot());
            answer(&command::explain::written(&found, asked.output), exit)
        }
        Err(error) => exit_code(Err(error)),
    }
}

/// A reader that has gone away, as `head` does, has what it wanted.
fn classify() -> ExitCode {
    let mut stdout = std::io::BufWriter::new(std::io::stdout().lock());
    match command::classify::classify(std::io::stdin().lock(), &mut stdout) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Write(error)) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(failure) => {
            command::complain(&format!("{:#}", anyhow::Error::from(failure)));
            Exit::Unclear.into()
        }
    }
}

/// Everything that must be so before the first secret is read.
fn prepare(process: Process, log: config::Log) -> Result<()> {
    let format = match log.format {
        LogFormat::Logfmt => Format::Logfmt,
        LogFormat::Json => Format::Json,
    };
    Log {
        format,
        level: log.level,
        unsafe_wire: log.unsafe_wire,
    }
    .start()?;
    if !process.core_dumps {
        lifecycle::harden()?;
    }
    // Only fails when there is one already, and there is none before us.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Ok(())
}

fn runtime(process: Process) -> Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(process.workers)
        .enable_all()
        .build()
        .context("failed to start the runtime")
}

/// The exit code is the answer's, unless nobody could be told.
fn answer(text: &str, exit: Exit) -> ExitCode {
    match command::print(text) {
        Ok(()) => exit.into(),
        Err(unwritten) => {
            command::complain(&format!("{:#}", anyhow::Error::from(unwritten)));
            Exit::Unclear.into()
        }
    }
}

fn exit_code(result: Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            command::complain(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn usage<T: std::fmt::Display>(complaints: &[T]) -> ExitCode {
    for complaint in complaints {
        command::complain(&complaint.to_string());
    }
    let _ = writeln!(std::io::stderr().lock(), "Try --help.");
    Exit::Usage.into()
}
