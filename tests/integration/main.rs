//! Every test that needs more than values: sockets, processes, real parts.

mod demo;
mod docker_config;
mod docker_config_oracle;
mod exporter;
mod keyring;
mod leak;
mod memory;
mod prober;
mod settings;
