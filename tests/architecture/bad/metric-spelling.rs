// src/prober.rs
//! Has a counter of its own.

use prometheus_client::metrics::counter::Counter; // caught

struct Prober {
    refused: Counter,
}
