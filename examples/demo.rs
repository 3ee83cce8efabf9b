//! The main job on stand-ins: starts a cluster and registries with one case of everything, runs the
//! real binary against them, and says where to look.
//!
//! `demo BINARY [--once]`; with `--once` it ends as soon as every case shows what it must.

#[path = "demo/cases.rs"]
mod cases;

use std::net::SocketAddr;
use std::process::{Child, Command, ExitCode, ExitStatus};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use regcred_exporter::clock::Clock;
use regcred_stand_ins::scrape::Page;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{self, Instant};

use cases::{Case, Expected, World};

/// Where the demo listens unless `DEMO_LISTEN` says otherwise: the product's own default port.
const LISTEN: &str = "127.0.0.1:10187";

/// A registry that never answers is given up after ten seconds, and a refused login is asked again
/// after two.
const PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(200);

#[tokio::main]
async fn main() -> ExitCode {
    match demo().await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn demo() -> Result<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    let binary = arguments.next().context("usage: demo BINARY [--once]")?;
    let once = arguments.next().as_deref() == Some("--once");
    let listen = std::env::var("DEMO_LISTEN").unwrap_or_else(|_| LISTEN.to_owned());

    let world = cases::world(Clock::system().now()).await;
    let folder = tempfile::tempdir().context("failed to make a temporary folder")?;
    let kubeconfig = folder.path().join("kubeconfig");
    std::fs::write(&kubeconfig, world.api.kubeconfig()).context("failed to write a kubeconfig")?;
    let exporter = Command::new(&binary)
        .arg("--kubeconfig")
        .arg(&kubeconfig)
        .args([
            &format!("--web.listen-address={listen}"),
            &format!("--status.listen-address={}", status(&listen)?),
            "--probe.allow=127.0.0.0/8",
            "--probe.confirm-after=2s",
            "--probe.ping-interval=5s",
            &format!("--state-file={}", folder.path().join("ledger").display()),
            "--log.level=warn",
        ])
        .spawn()
        .with_context(|| format!("failed to start {binary}"))?;
    let mut exporter = Exporter(exporter);
    println!(
        "A cluster and {} registries stand ready; waiting for verdicts ...",
        world.registries.len()
    );
    let mut terminate = signal(SignalKind::terminate()).context("failed to await SIGTERM")?;
    tokio::select! {
        shown = show(&world, &listen, &mut exporter, once) => shown,
        _ = tokio::signal::ctrl_c() => Ok(ExitCode::SUCCESS),
        // What `kill` sends to make, which passes it on.
        _ = terminate.recv() => Ok(ExitCode::SUCCESS),
    }
}

/// Where the status page is: one port up.
fn status(listen: &str) -> Result<SocketAddr> {
    let mut address: SocketAddr = listen
        .parse()
        .with_context(|| format!("DEMO_LISTEN `{listen}` is no HOST:PORT"))?;
    let port = address
        .port()
        .checked_add(1)
        .context("DEMO_LISTEN leaves no port for the status page")?;
    address.set_port(port);
    Ok(address)
}

/// Waits until every case shows what it must and says so; then for ever, or not with `once`.
async fn show(
    world: &World,
    listen: &str,
    exporter: &mut Exporter,
    once: bool,
) -> Result<ExitCode> {
    let missing = settle(world, listen, exporter).await?;
    report(&world.cases, listen, &missing);
    if once {
        return Ok(if missing.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        });
    }
    println!("\nStop with Ctrl-C.");
    bail!("the exporter ended by itself: {}", exporter.ended().await?)
}

/// The binary under way; ends with the demo.
struct Exporter(Child);

impl Exporter {
    async fn ended(&mut self) -> std::io::Result<ExitStatus> {
        loop {
            if let Some(status) = self.0.try_wait()? {
                return Ok(status);
            }
            time::sleep(PAUSE).await;
        }
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Scrapes until every case shows what it must, or patience ends; returns what is still missing.
async fn settle(world: &World, listen: &str, exporter: &mut Exporter) -> Result<Vec<String>> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = exporter.0.try_wait()? {
            bail!(
                "the exporter ended by itself: {status}; DEMO_LISTEN=127.0.0.1:PORT takes another port"
            );
        }
        let missing = match Page::scrape(listen, "/metrics").await {
            Ok(page) => missing(&world.cases, &page),
            Err(error) => vec![format!("http://{listen}/metrics: {error}")],
        };
        if missing.is_empty() || Instant::now() > deadline {
            return Ok(missing);
        }
        time::sleep(PAUSE).await;
    }
}

fn missing(cases: &[Case], page: &Page) -> Vec<String> {
    cases
        .iter()
        .flat_map(|case| &case.shows)
        .filter(|expected| !expected.is_shown(page))
        .map(Expected::to_string)
        .collect()
}

/// Without the label that says the namespace, so that a line fits a terminal.
fn in_short(expected: &Expected, namespace: &str) -> String {
    let labels = match &*expected.labels {
        [(_, first), rest @ ..] if first.split('/').next() == Some(namespace) => rest,
        labels => labels,
    };
    let shortened = Expected {
        labels: labels.to_vec(),
        ..*expected
    };
    shortened.to_string().replace("{}", "")
}

fn report(cases: &[Case], listen: &str, missing: &[String]) {
    println!("\nEach case has a namespace of its own, and there, among others, these series:\n");
    for case in cases {
        println!("{}: {}", case.namespace, case.title);
        for expected in &case.shows {
            println!("    {}", in_short(expected, &case.namespace));
        }
    }
    println!("\nAll of one case, here `locked-out`:");
    println!("    curl -s http://{listen}/metrics | grep '\"locked-out[\"/]'");
    if let Ok(address) = status(listen) {
        println!(
            "\nStatus page   http://{address}/  (each Pod that waits, its cause, and what to do)"
        );
    }
    println!("Metrics       http://{listen}/metrics");
    println!("Landing page  http://{listen}/");
    println!("Readiness     http://{listen}/readyz");
    if missing.is_empty() {
        println!("All {} cases show what they must.", cases.len());
    } else {
        println!("Not shown:\n  {}", missing.join("\n  "));
    }
}
