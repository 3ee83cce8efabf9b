// src/metrics/pull.rs
//! Counts by namespace in a table that only grows.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family; // caught

struct Failures(Family<[(&'static str, String); 2], Counter>); // pod_namespace, reason
