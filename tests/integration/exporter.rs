//! The real binary under way: started with flags, scraped over its listener, its log kept.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use regcred_stand_ins::scrape::{self, Page};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::time::{self, Instant};

/// How long anything may take that is not told otherwise.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A running exporter; ends with its handle.
pub(crate) struct Exporter {
    child: Child,
    address: String,
    log: Arc<Mutex<String>>,
    /// Its ledger, where no flag says otherwise.
    _state: TempDir,
}

impl Exporter {
    /// Starts it on a free port of loopback, registries on loopback allowed, and waits until it
    /// listens.
    pub(crate) async fn start(kubeconfig: &Path, flags: &[&str]) -> Self {
        let kubeconfig = format!("--kubeconfig={}", kubeconfig.display());
        let mut all = vec![&*kubeconfig, "--probe.allow=127.0.0.0/8"];
        all.extend(flags);
        Self::start_with(&all).await
    }

    /// Starts it with these flags alone and waits until it listens.
    pub(crate) async fn start_with(flags: &[&str]) -> Self {
        Self::spawn(command().args(flags)).await
    }

    /// Starts a command that was made by [`command`] and waits until it listens.
    pub(crate) async fn spawn(command: &mut Command) -> Self {
        let state = tempfile::tempdir().expect("a folder can be made");
        if !has_flag(command, &["--state-file", "--lease"]) {
            let path = state.path().join("ledger");
            command.arg(format!("--state-file={}", path.display()));
        }
        if !has_flag(command, &["--status.listen-address"]) {
            command.arg("--status.listen-address=127.0.0.1:0");
        }
        let mut child = command
            .arg("--web.listen-address=127.0.0.1:0")
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("the binary starts");
        let log = Arc::new(Mutex::new(String::new()));
        let lines = BufReader::new(child.stderr.take().expect("stderr is piped"));
        let sink = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                let mut log = sink.lock().expect("no reader panics");
                log.push_str(&line);
                log.push('\n');
            }
        });
        let mut exporter = Self {
            child,
            address: String::new(),
            log,
            _state: state,
        };
        exporter.address = exporter.listening().await;
        exporter
    }

    async fn listening(&mut self) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(address) = self.log().lines().find_map(listen_address) {
                return address;
            }
            if let Some(status) = self.child.try_wait().expect("the child is ours") {
                panic!("ended with {status}:\n{}", self.log());
            }
            assert!(
                Instant::now() < deadline,
                "does not listen:\n{}",
                self.log()
            );
            time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// `127.0.0.1:PORT` of the metrics listener.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// `127.0.0.1:PORT` of the status listener.
    pub(crate) async fn status_address(&self) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(address) = self.log().lines().find_map(status_address) {
                return address;
            }
            assert!(Instant::now() < deadline, "shows no page:\n{}", self.log());
            time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything that it has logged so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().expect("no writer panics").clone()
    }

    /// One scrape.
    pub(crate) async fn page(&self) -> Page {
        Page::scrape(&self.address, "/metrics")
            .await
            .expect("answers a scrape")
    }

    /// Status of a path.
    pub(crate) async fn status(&self, path: &str) -> u16 {
        scrape::get(&self.address, path).await.expect("answers").0
    }

    /// Asks it to end and waits until it has.
    pub(crate) async fn terminate(mut self) -> ExitStatus {
        self.ask_to_end();
        self.ended().await
    }

    /// Asks it to end, as a kubelet does.
    pub(crate) fn ask_to_end(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("it runs");
    }

    /// Waits until it has ended.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("the child is ours") {
                return status;
            }
            assert!(Instant::now() < deadline, "does not end:\n{}", self.log());
            time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until it says that it is ready.
    pub(crate) async fn ready(&self) {
        let deadline = Instant::now() + PATIENCE;
        while self.status("/readyz").await != 200 {
            assert!(
                Instant::now() < deadline,
                "does not become ready:\n{}",
                self.log()
            );
            time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Scrapes until the page is as wanted; returns how long that took and the page.
    pub(crate) async fn until(
        &self,
        what: &str,
        patience: Duration,
        wanted: impl Fn(&Page) -> bool,
    ) -> (Duration, Page) {
        let started = Instant::now();
        loop {
            let page = self.page().await;
            if wanted(&page) {
                return (started.elapsed(), page);
            }
            assert!(
                started.elapsed() < patience,
                "waited {patience:?} in vain for {what}:\n{}",
                self.log()
            );
            time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The binary, without what the environment of a developer might add.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_regcred-exporter"));
    for (name, _) in std::env::vars_os() {
        let name_text = name.to_string_lossy();
        if name_text.starts_with("REGCRED_") || name_text.to_ascii_lowercase().ends_with("_proxy") {
            command.env_remove(name);
        }
    }
    command.env_remove("KUBECONFIG");
    command
}

/// From `... message=Listening address=127.0.0.1:1234`, or the same as JSON.
fn has_flag(command: &Command, starts: &[&str]) -> bool {
    command.get_args().any(|argument| {
        let argument = argument.to_string_lossy();
        starts.iter().any(|start| argument.starts_with(start))
    })
}

fn listen_address(line: &str) -> Option<String> {
    address_of("Listening", line)
}

fn status_address(line: &str) -> Option<String> {
    address_of("Serving the status page", line)
}

fn address_of(message: &str, line: &str) -> Option<String> {
    let (_, rest) = line
        .contains(message)
        .then(|| line.split_once("address"))??;
    let rest = rest.trim_start_matches(['=', '"', ':']);
    rest.split([' ', '"']).next().map(str::to_owned)
}
