//! Settings as flags that would give them again: what `check-config` prints.

use std::fmt;

use super::duration::format;
use crate::domain::policy::Private;

use super::{Ledger, LogFormat, Repositories, Settings, Source, Which};

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (flag, value) in self.flags() {
            writeln!(f, "{flag}={}", quoted(&value))?;
        }
        let switches = [
            ("--kubernetes-events", self.kubernetes_events),
            ("--log.unsafe-wire", self.log.unsafe_wire),
            ("--debug.allow-core-dumps", self.process.core_dumps),
        ];
        for (flag, _) in switches.iter().filter(|(_, is_on)| *is_on) {
            writeln!(f, "{flag}")?;
        }
        Ok(())
    }
}

impl Settings {
    /// The flags of `run` with their effective values, repeatable ones once for each; lists that
    /// are empty are left out. No setting is a secret.
    fn flags(&self) -> Vec<(&'static str, String)> {
        let mut flags = self.source_flags();
        let mut flag = |name, value: &dyn fmt::Display| flags.push((name, value.to_string()));
        flag("--probe.interval", &format(self.probe.interval));
        flag("--probe.ping-interval", &format(self.probe.ping_interval));
        flag("--probe.confirm-after", &format(self.probe.confirm_after));
        flag("--probe.which", &which(self.probe.which));
        flag(
            "--probe.repositories",
            &repositories(self.probe.repositories),
        );
        let policy = &self.probe.policy;
        let targets = [
            ("--probe.allow", &policy.allow),
            ("--probe.deny", &policy.deny),
            ("--probe.plain-http", &policy.plain_http),
        ];
        for (name, targets) in targets {
            for target in targets {
                flag(name, target);
            }
        }
        flag("--probe.private", &private(policy.private));
        match &self.ledger {
            Ledger::None => {}
            Ledger::Lease(lease) => flag(
                "--lease",
                &format_args!("{}/{}", lease.namespace, lease.name),
            ),
            Ledger::File(path) => flag("--state-file", &path.display()),
        }
        for pattern in self.node_credentials.told() {
            flag("--node-credentials", &pattern);
        }
        for annotation in &self.expiry.annotations {
            flag("--expiry.annotation", annotation);
        }
        for key in &self.expiry.data_keys {
            flag("--expiry.data-key", key);
        }
        for address in &self.web.listen {
            flag("--web.listen-address", address);
        }
        let status = self.web.status.map(|address| address.to_string());
        flag("--status.listen-address", &status.unwrap_or_default());
        flag("--web.telemetry-path", &self.web.telemetry_path);
        flag("--log.format", &log_format(self.log.format));
        flag("--log.level", &self.log.level.as_str().to_ascii_lowercase());
        flag("--runtime.workers", &self.process.workers);
        flag("--shutdown.grace-period", &format(self.grace));
        flags
    }

    fn source_flags(&self) -> Vec<(&'static str, String)> {
        match &self.source {
            Source::Files(paths) => paths
                .iter()
                .map(|path| ("--docker-config", path.display().to_string()))
                .collect(),
            Source::Cluster(cluster) => {
                let kubeconfig = cluster
                    .kubeconfig
                    .iter()
                    .map(|path| path.display().to_string());
                let joined = |names: &[String]| (!names.is_empty()).then(|| names.join(","));
                kubeconfig
                    .map(|path| ("--kubeconfig", path))
                    .chain(
                        cluster
                            .context
                            .iter()
                            .map(|name| ("--context", name.clone())),
                    )
                    .chain(joined(&cluster.namespaces).map(|names| ("--namespaces", names)))
                    .chain(joined(&cluster.excluded).map(|names| ("--exclude-namespaces", names)))
                    .collect()
            }
        }
    }
}

fn which(which: Which) -> &'static str {
    match which {
        // Images are asked about by `check` only, which has no such flag.
        Which::Referenced | Which::InUse => "referenced",
        Which::All => "all",
        Which::None => "none",
    }
}

fn repositories(repositories: Repositories) -> &'static str {
    match repositories {
        Repositories::Used => "used",
        Repositories::One => "one",
        Repositories::None => "none",
    }
}

fn private(private: Private) -> &'static str {
    match private {
        Private::Used => "used",
        Private::All => "all",
        Private::None => "none",
    }
}

fn log_format(format: LogFormat) -> &'static str {
    match format {
        LogFormat::Logfmt => "logfmt",
        LogFormat::Json => "json",
    }
}

/// For a shell, where it must be.
fn quoted(value: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:,@%+".contains(&byte);
    if !value.is_empty() && value.bytes().all(is_plain) {
        return value.to_owned();
    }
    format!("'{}'", value.replace('\'', r"'\''"))
}
