//! Every test that needs more than values: sockets, processes, real parts.

#![allow(clippy::unwrap_used, reason = "a test that panics says why")]

mod check;
mod cli;
mod demo;
mod docker_config;
mod docker_config_oracle;
mod expiry;
mod exporter;
mod files;
mod keyring;
mod leak;
mod memory;
mod prober;
mod settings;
