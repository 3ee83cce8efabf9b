// src/registry/transport.rs
//! Measures with the clock that no test can stop.

fn took() {
    let start = std::time::Instant::now(); // caught
    let wall = std::time::SystemTime::UNIX_EPOCH; // caught
    let sockets = tokio::time::Instant::now();
}
