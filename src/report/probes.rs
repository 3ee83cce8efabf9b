//! `/debug/probes`: recent conversations as plain text, a line each.

use std::fmt::Write as _;

use super::printable::printable;
use super::words::absolute;
use crate::domain::exchange::NetworkFault;
use crate::domain::probe_log::{Logged, ProbeLog};

/// By registry, the newest first.
pub fn write(log: &ProbeLog) -> String {
    let mut text =
        "Recent conversations with registries, the newest first; failures are kept longest.\n"
            .to_owned();
    for (registry, all) in log.all() {
        let _ = writeln!(text, "\n{}", printable(registry.as_str()));
        for logged in all {
            let _ = writeln!(text, "  {}", line(logged));
        }
    }
    text
}

/// `2026-01-02T03:04:05Z login shop/pull#ghcr.io 120 ms: ping ok (401), token unauthorized (401)`.
fn line(logged: &Logged) -> String {
    let steps = logged.steps.iter().map(|(step, outcome, status)| {
        let status = status
            .map(|status| format!(" ({status})"))
            .unwrap_or_default();
        format!("{} {}{status}", step.as_str(), outcome.as_str())
    });
    let steps: Vec<_> = steps.collect();
    let credential = logged
        .credential
        .as_deref()
        .map(|name| format!(" {}", printable(name)));
    let fault = logged
        .fault
        .map(NetworkFault::as_str)
        .map(|fault| format!(", {fault}"));
    format!(
        "{} {}{} {} ms: {}{}",
        absolute(logged.at),
        logged.purpose.as_str(),
        credential.unwrap_or_default(),
        logged.took.as_millis(),
        steps.join(", "),
        fault.unwrap_or_default()
    )
}
