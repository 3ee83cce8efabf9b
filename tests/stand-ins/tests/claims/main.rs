//! The claims of the stand-ins, over real sockets.
#![expect(
    clippy::unwrap_used,
    reason = "unwrap lives in tests, their helpers included"
)]

mod api_server;
mod client;
mod registry;
