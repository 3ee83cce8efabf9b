//! Every test that needs more than values: sockets, processes, real parts.

#![allow(clippy::unwrap_used, reason = "a test that panics says why")]

mod canary;
mod chart;
mod check;
mod check_manifests;
mod claims;
mod classify;
mod cli;
mod decode;
mod demo;
mod docker_config;
mod docker_config_oracle;
mod end_to_end;
mod expiry;
mod explain;
mod exporter;
mod failures;
mod fairness;
mod files;
mod hostile;
mod junit;
mod keeper;
mod keyring;
mod leak;
mod ledger;
mod marks;
mod memory;
mod metrics;
mod prober;
mod prometheus;
mod pull_failure;
mod pulls;
mod real_api_server;
mod real_registry;
mod real_tls;
mod registry;
mod replays;
mod scenarios;
mod settings;
mod shutdown;
mod status;
mod tools;
mod virtual_day;
mod watch;
mod web;
