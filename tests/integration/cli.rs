//! What is typed, what it means, and every complaint at once.

use std::fs::OpenOptions;
use std::process::{Output as Ended, Stdio};
use std::time::Duration;

use chrono::TimeDelta;
use regcred_exporter::cli::{self, CheckArgs, Cli, Command, RunArgs, Stop};
use regcred_exporter::command;
use regcred_exporter::config::{
    Check, LogFormat, Output, Repositories, Scope, Settings, Source, Which,
};
use regcred_exporter::domain::expiry::Sources;
use regcred_exporter::domain::policy::{Loopback, Private};
use regcred_exporter::domain::shortcoming::{FailOn, Shortcoming};

use super::exporter;

fn read(line: &str) -> Result<Command, Stop> {
    let args = std::iter::once("regcred-exporter").chain(line.split_whitespace());
    Cli::read(args).map(Cli::into_command)
}

fn run_args(line: &str) -> RunArgs {
    match read(line) {
        Ok(Command::Run(args)) => *args,
        other => panic!("{line}: {other:?}"),
    }
}

fn check_args(line: &str) -> CheckArgs {
    match read(&format!("check {line}")) {
        Ok(Command::Check(args)) => *args,
        other => panic!("{line}: {other:?}"),
    }
}

fn settings(line: &str) -> Settings {
    Settings::try_from_args(&run_args(line)).unwrap()
}

fn check(line: &str) -> Check {
    Check::try_from_args(&check_args(line)).unwrap()
}

fn complaints(line: &str) -> Vec<String> {
    let complaints = Settings::try_from_args(&run_args(line)).unwrap_err();
    complaints.iter().map(ToString::to_string).collect()
}

fn check_complaints(line: &str) -> Vec<String> {
    let complaints = Check::try_from_args(&check_args(line)).unwrap_err();
    complaints.iter().map(ToString::to_string).collect()
}

fn usage(line: &str) -> Vec<String> {
    match read(line) {
        Err(Stop::Usage(mut complaints, rest)) => {
            let of_values = rest
                .map(|rest| command::complaints(&rest))
                .unwrap_or_default();
            complaints.extend(of_values.iter().map(ToString::to_string));
            complaints
        }
        other => panic!("{line}: {other:?}"),
    }
}

fn answered(line: &str) -> String {
    match read(line) {
        Err(Stop::Answered(text)) => text,
        other => panic!("{line}: {other:?}"),
    }
}

/// Every flag of the program: of `run`, which is also what is read without a command, and of each
/// command.
fn flags() -> Vec<clap::Arg> {
    let definition = cli::definition();
    let commands = std::iter::once(&definition).chain(definition.get_subcommands());
    commands
        .flat_map(clap::Command::get_arguments)
        .filter(|arg| !["help", "version"].contains(&arg.get_id().as_str()))
        .cloned()
        .collect()
}

#[test]
fn run_is_meant_when_no_command_is_given() {
    assert!(matches!(read(""), Ok(Command::Run(_))));
    assert!(matches!(read("run"), Ok(Command::Run(_))));
    assert_eq!(run_args("--probe.interval 5m").probe_interval, "5m");
    assert_eq!(run_args("run --probe.interval=5m").probe_interval, "5m");
    assert!(matches!(read("check-config"), Ok(Command::CheckConfig(_))));
}

#[test]
fn defaults_are_the_documented_ones() {
    let settings = settings("");
    assert!(matches!(settings.source, Source::Cluster(_)));
    assert_eq!(settings.probe.interval, Duration::from_secs(900));
    assert_eq!(settings.probe.ping_interval, Duration::from_secs(60));
    assert_eq!(settings.probe.which, Which::Referenced);
    assert_eq!(settings.probe.repositories, Repositories::Used);
    assert_eq!(settings.expiry, Sources::default());
    assert_eq!(settings.web.telemetry_path, "/metrics");
    assert_eq!(settings.web.listen, ["[::]:10187".parse().unwrap()]);
    assert_eq!(settings.log.format, LogFormat::Logfmt);
    assert_eq!(settings.log.level, tracing::Level::INFO);
    assert!(!settings.log.unsafe_wire && !settings.process.core_dumps);
}

#[test]
fn each_flag_says_what_it_is_and_has_an_environment_name() {
    let one_shot = [
        "image",
        "filename",
        "offline",
        "output",
        "namespace",
        "all-namespaces",
        "all",
        "at-risk",
        "node",
    ];
    for flag in flags().into_iter().filter(|flag| !flag.is_positional()) {
        let long = flag.get_long().unwrap().to_owned();
        assert!(flag.get_help().is_some(), "{long}");
        let name = flag.get_env().map(|name| name.to_str().unwrap().to_owned());
        let expected = long.to_uppercase().replace(['.', '-'], "_");
        if one_shot.contains(&long.as_str()) {
            assert_eq!(name, None, "{long}");
        } else {
            assert_eq!(name, Some(format!("REGCRED_{expected}")), "{long}");
        }
    }
}

#[test]
fn no_flag_takes_a_password() {
    // Patterns of images, and nothing that is sent.
    let is_another = |long: &str| long == "node-credentials";
    for flag in flags().into_iter().filter(|flag| !flag.is_positional()) {
        let long = flag.get_long().unwrap();
        if is_another(long) {
            continue;
        }
        for word in ["password", "token", "secret", "credential", "user"] {
            assert!(!long.contains(word), "{long}");
        }
    }
}

#[test]
fn help_and_version_are_answers() {
    assert_eq!(
        answered("--version"),
        format!("regcred-exporter {}\n", env!("CARGO_PKG_VERSION"))
    );
    let help = answered("--help")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    for word in [
        "check-config",
        "classify",
        "explain",
        "--probe.interval",
        "[env: REGCRED_PROBE_INTERVAL]",
        "[default: 15m]",
    ] {
        assert!(help.contains(word), "{word}\n{help}");
    }
    assert!(answered("check --help").contains("Exit codes:"));
    assert!(answered("run --help").contains("--web.listen-address"));
}

#[test]
fn every_value_is_complained_about_at_once() {
    let line = "--probe.interval 5x --probe.ping-interval 0s --probe.which some \
        --probe.repositories many --namespaces a,B_,a --exclude-namespaces a \
        --web.listen-address 99999 --web.telemetry-path metrics --log.format xml \
        --log.level loud --probe.allow https://a,b,*.c --probe.plain-http d/e --probe.private x --runtime.workers 0 --shutdown.grace-period 1d --expiry.data-key .dockercfg";
    assert_eq!(
        complaints(line),
        [
            "--namespaces: `B_` is no name of a namespace",
            "--exclude-namespaces: `a` is in --namespaces too",
            "--probe.interval: `5x` is no duration such as 30s, 15m or 1h30m",
            "--probe.ping-interval: `0s` is not between 1s and 30d",
            "--probe.which: `some` is none of `referenced`, `all`, `none`",
            "--probe.repositories: `many` is none of `used`, `one`, `none`",
            "--probe.allow: `https://a` names nobody: write the host without http:// or https://",
            "--probe.allow: `*.c` names nobody: wildcards are not read, name the host or its network",
            "--probe.plain-http: `d/e` names nobody: write the host without a path",
            "--probe.private: `x` is none of `used`, `all`, `none`",
            "--expiry.data-key: `.dockercfg` is the docker config itself",
            "--web.listen-address: `99999` is no HOST:PORT or :PORT, HOST an IP address",
            "--web.telemetry-path: `metrics` is no path such as /metrics",
            "--shutdown.grace-period: `1d` is not between 0s and 10m",
            "--log.format: `xml` is none of `logfmt`, `json`",
            "--log.level: `loud` is none of `error`, `warn`, `info`, `debug`, `trace`",
            "--runtime.workers: `0` is no number from 1 to 64",
        ]
    );
}

#[test]
fn every_unknown_flag_is_complained_about_at_once() {
    assert_eq!(
        usage("--probe.intervall 5m --nope=1 --probe.interval 5x -x"),
        [
            "unexpected argument '--probe.intervall' found",
            "unexpected argument '--nope' found",
            "unexpected argument '-x' found",
            "--probe.interval: `5x` is no duration such as 30s, 15m or 1h30m",
        ]
    );
    assert_eq!(usage("chek"), ["unrecognized subcommand 'chek'"]);
    assert_eq!(
        usage("check --output"),
        ["a value is required for '--output <FORMAT>' but none was supplied"]
    );
    assert_eq!(
        usage("explode pod a/b").first().unwrap(),
        "unrecognized subcommand 'explode'"
    );
}

#[test]
fn a_value_with_a_user_in_it_is_not_repeated() {
    let complaints = complaints("--web.listen-address user:pass@host:1");
    assert_eq!(complaints.len(), 1);
    assert!(
        !complaints[0].contains("pass") && !complaints[0].contains("user:"),
        "{complaints:?}"
    );
}

#[test]
fn listen_addresses_are_read() {
    let line = "--web.listen-address :9000 --web.listen-address 127.0.0.1:1,[::1]:2 \
        --web.listen-address localhost:3";
    let addresses: Vec<String> = settings(line)
        .web
        .listen
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        addresses,
        ["[::]:9000", "127.0.0.1:1", "[::1]:2", "127.0.0.1:3"]
    );
    assert_eq!(
        complaints("--web.listen-address ,"),
        ["--web.listen-address: is empty"]
    );
    assert_eq!(complaints("--web.telemetry-path /livez").len(), 1);
}

#[test]
fn files_replace_the_cluster() {
    let settings = settings("--docker-config /a.json --docker-config b");
    let Source::Files(paths) = &settings.source else {
        panic!("{settings:?}");
    };
    assert_eq!(paths.len(), 2);
    assert_eq!(settings.probe.which, Which::All);
    assert_eq!(
        complaints(
            "--docker-config a --namespaces b --exclude-namespaces c --context d --kubeconfig e"
        )
        .len(),
        4
    );
}

#[test]
fn whom_we_may_contact_depends_on_whose_the_secrets_are() {
    let policy = |line: &str| settings(line).probe.policy;
    let cluster = policy("--probe.allow 10.1.2.3/8,reg.local:5000 --probe.deny evil.example");
    assert_eq!(
        (cluster.private, cluster.loopback),
        (Private::Used, Loopback::Refused)
    );
    let allow: Vec<String> = cluster.allow.iter().map(ToString::to_string).collect();
    assert_eq!(allow, ["10.0.0.0/8", "reg.local:5000"]);
    assert_eq!(cluster.deny.len(), 1);

    let files = policy("--docker-config f");
    assert_eq!(
        (files.private, files.loopback),
        (Private::All, Loopback::Allowed)
    );
    assert_eq!(
        policy("--docker-config f --probe.private none").private,
        Private::None
    );
    let one_pass = check("--docker-config f").settings.probe.policy;
    assert_eq!(one_pass.loopback, Loopback::Allowed);
    assert_eq!(
        check("-A").settings.probe.policy.loopback,
        Loopback::Refused
    );
}

#[test]
fn namespaces_are_lists() {
    let settings = settings("--namespaces a,b,, --namespaces c,a --exclude-namespaces kube-system");
    let Source::Cluster(cluster) = &settings.source else {
        panic!("{settings:?}");
    };
    assert_eq!(cluster.namespaces, ["a", "b", "c"]);
    assert_eq!(cluster.excluded, ["kube-system"]);
}

#[test]
fn check_reads_its_own_flags() {
    let asked = check("");
    assert_eq!(
        (asked.scope, asked.output, asked.offline),
        (Scope::CurrentNamespace, Output::Table, false)
    );
    assert_eq!(asked.settings.log.level, tracing::Level::WARN);

    let asked = check("-n shop -o json --image nginx ghcr.io/o/a:1 --offline");
    assert_eq!(asked.scope, Scope::Namespace("shop".to_owned()));
    assert_eq!((asked.output, asked.offline), (Output::Json, true));
    let images: Vec<&str> = asked.images.iter().map(|image| image.name()).collect();
    assert_eq!(images, ["docker.io/library/nginx", "ghcr.io/o/a"]);
    assert_eq!(asked.settings.probe.which, Which::None);

    assert_eq!(check("-A").settings.probe.which, Which::Referenced);
    assert_eq!(
        check("-A --probe.which all").settings.probe.which,
        Which::All
    );
    assert_eq!(check("-n shop").settings.probe.which, Which::All);
    assert_eq!(check("--docker-config f").settings.probe.which, Which::All);
}

#[test]
fn what_a_check_fails_on_is_a_list_of_words() {
    let fail_on = |line: &str| check(line).fail_on;
    let only = |shortcomings: &[Shortcoming]| FailOn::nothing().with(shortcomings.iter().copied());
    let days = TimeDelta::days;
    let proven = [
        Shortcoming::Refused,
        Shortcoming::Fault,
        Shortcoming::Missing,
        Shortcoming::NoCandidate,
    ];
    for (line, expected) in [
        ("", only(&proven)),
        ("--fail-on=", only(&proven)),
        ("--fail-on refused,fault", only(&proven[..2])),
        (
            "--fail-on missing --fail-on no-candidate",
            only(&proven[2..]),
        ),
        (
            "--fail-on inconclusive",
            only(&[Shortcoming::Inconclusive, Shortcoming::Unreadable]),
        ),
        (
            "--fail-on expires=14d",
            FailOn::nothing().with_expiry(days(14)),
        ),
        (
            "--fail-on expires=1d,refused,expires=36h",
            only(&proven[..1]).with_expiry(TimeDelta::hours(36)),
        ),
        ("--fail-on none", FailOn::nothing()),
    ] {
        assert_eq!(fail_on(line), expected, "{line}");
    }
}

#[test]
fn what_a_check_cannot_fail_on_is_complained_about() {
    let words = "is none of `refused`, `fault`, `missing`, `no-candidate`, `inconclusive`, \
                 `none`, `expires=14d`";
    for (line, problems) in [
        ("--fail-on all", vec![format!("`all` {words}")]),
        (
            "--fail-on expires,Refused",
            vec![format!("`expires` {words}"), format!("`Refused` {words}")],
        ),
        (
            "--fail-on expires=14",
            vec!["`14` has no unit; 30s, 15m and 1h30m are durations".to_owned()],
        ),
        (
            "--fail-on expires=0s",
            vec!["`0s` is not between 1s and 3650d".to_owned()],
        ),
        (
            "--fail-on none,refused",
            vec!["`none` excludes all others".to_owned()],
        ),
    ] {
        let problems: Vec<String> = problems
            .into_iter()
            .map(|problem| format!("--fail-on: {problem}"))
            .collect();
        assert_eq!(check_complaints(line), problems, "{line}");
    }
}

/// The exit code of the binary, by flag and by environment.
#[test]
fn the_exit_code_is_that_of_what_is_failed_on() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("config.json");
    std::fs::write(&config, r#"{"auths":{"ghcr.io":{}}}"#).unwrap();
    let code = |line: &str, variable: Option<&str>| {
        let mut command = exporter::command();
        command
            .args(["check", "--offline", "--docker-config"])
            .arg(&config);
        command.args(line.split_whitespace());
        command.envs(variable.map(|value| ("REGCRED_FAIL_ON", value)));
        command.output().unwrap().status.code()
    };
    for (line, variable, expected) in [
        ("", None, 1),
        ("", Some("refused"), 0),
        ("--fail-on fault", Some("refused"), 1),
        ("--fail-on none", None, 0),
        ("--fail-on none --docker-config /nowhere", None, 2),
        ("--fail-on inconclusive --docker-config /nowhere", None, 1),
        ("", Some("fualt"), 64),
    ] {
        assert_eq!(code(line, variable), Some(expected), "{line} {variable:?}");
    }
}

/// What cannot begin has found nothing that a flag could make light of.
#[test]
fn a_look_that_cannot_begin_ends_with_1_whatever_is_failed_on() {
    for line in ["", "--fail-on none", "--fail-on inconclusive"] {
        let mut command = exporter::command();
        command.args(["check", "--kubeconfig", "/nowhere"]);
        let output = command.args(line.split_whitespace()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{line}");
        assert!(output.stdout.is_empty(), "{line}");
    }
}

#[test]
fn check_complains_of_all_at_once() {
    assert_eq!(
        check_complaints("-n a -A -o yaml --image ghcr.io/UPPER/case --image x:/ --log.level no"),
        [
            "--namespace: excludes --all-namespaces",
            "--log.level: `no` is none of `error`, `warn`, `info`, `debug`, `trace`",
            "--image: `ghcr.io/UPPER/case` cannot be pulled: repository is not lower case",
            "--image: `x:/` cannot be pulled: invalid image name",
            "--output: `yaml` is none of `table`, `json`, `junit`",
        ]
    );
    assert_eq!(check_complaints("--docker-config f -n a").len(), 1);
    assert_eq!(check_complaints("-A --image nginx").len(), 1);
}

#[test]
fn effective_settings_give_the_same_settings_again() {
    for line in [
        "",
        "--namespaces a,b --exclude-namespaces c --context d --kubeconfig /e",
        "--docker-config /f --probe.which none --probe.interval 90m --log.unsafe-wire",
        "--probe.allow 10.0.0.0/8 --probe.deny a,b --probe.plain-http c:5000 --probe.private none",
        "--debug.allow-core-dumps --expiry.annotation x.io/y --web.listen-address 127.0.0.1:1",
    ] {
        let printed = settings(line).to_string();
        let again = settings(&printed.replace('\'', "")).to_string();
        assert_eq!(printed, again, "{line}");
        for word in line.split(' ').filter(|word| word.starts_with("--")) {
            assert!(printed.contains(word), "{word}\n{printed}");
        }
    }
}

/// Runs the binary with this stdout.
fn ended(line: &str, stdout: impl Into<Stdio>) -> Ended {
    let mut command = exporter::command();
    command.args(line.split_whitespace()).stdout(stdout);
    command.output().unwrap()
}

fn full() -> std::fs::File {
    OpenOptions::new().write(true).open("/dev/full").unwrap()
}

#[test]
fn what_cannot_be_written_is_two() {
    for line in [
        "--help",
        "--version",
        "check-config",
        "check -o json --docker-config /nowhere",
    ] {
        let ended = ended(line, full());
        let told = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(2), "{line}: {told}");
        let expected = "regcred-exporter: failed to write to stdout: No space left on device";
        assert!(told.contains(expected), "{line}: {told}");
    }
    let mut command = exporter::command();
    let status = command.arg("--nope").stderr(full()).status().unwrap();
    assert_eq!(status.code(), Some(64));
}

#[test]
fn a_reader_that_has_gone_away_is_no_failure() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("config.json");
    std::fs::write(&config, "{").unwrap();
    let broken = format!("check --offline --docker-config {}", config.display());
    for (line, code) in [("--help", 0), ("check-config", 0), (&*broken, 1)] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let ended = ended(line, writer);
        let told = String::from_utf8(ended.stderr).unwrap();
        assert_eq!((ended.status.code(), &*told), (Some(code), ""), "{line}");
    }
}
