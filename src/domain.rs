//! The pure core: values in, values out.
//!
//! Nothing here does I/O, waits, logs, locks or reads a clock; `now` comes in as an argument.
//! Broken input is data: what could be read plus the faults found.

#[macro_use]
mod closed;

pub mod anonymous;
pub mod attempts;
pub mod budget;
pub mod cause;
pub mod certificate;
pub mod challenge;
pub mod cluster;
pub mod credential;
pub mod demand;
pub mod diagnosis;
pub mod docker_config;
pub mod exchange;
pub mod expiry;
pub mod finding_groups;
pub mod findings;
pub mod fix;
pub mod image;
pub mod keyring;
pub mod manifest_request;
pub mod name;
pub mod node_credentials;
pub mod notices;
pub mod outcome;
pub mod overview;
pub mod owner;
pub mod policy;
pub mod probe_log;
pub mod provider;
pub mod pull_failure;
pub mod pulls;
pub mod quotas;
pub mod rate_limit;
pub mod rows;
#[cfg(test)]
mod samples;
pub mod schedule;
pub mod shortcoming;
pub mod verdict;
pub mod watches;
