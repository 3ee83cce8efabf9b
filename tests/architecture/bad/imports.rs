// src/registry/client.rs
//! A registry that knows the cluster's client.

use crate::domain::exchange::Exchange;
use crate::kubernetes::client::Reason; // caught
use crate::{config, state::Shared}; // caught

fn f() {
    crate::metrics::Metrics::new(); // caught
}
