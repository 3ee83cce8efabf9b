// src/domain/policy.rs
//! Looks up a name itself.

use std::net::{IpAddr, ToSocketAddrs}; // caught
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

fn addresses(host: &str) -> Vec<IpAddr> {
    tracing::debug!("Looking up"); // caught
    std::env::var("HOST"); // caught
    Vec::new()
}
