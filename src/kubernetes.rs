//! The cluster in: what the API server holds, turned into the changes of [`crate::domain::cluster`].
//!
//! Reads only what is used, and writes nothing but our own Lease and, where that is wanted, Events: lists and watches by selectors, objects decoded one by one
//! into slim records. Nothing that was read is ever printed: errors are closed enums, and name an
//! object and a JSON path at most.

pub mod client;
pub mod decode;
pub mod lease;
pub mod lookups;
pub mod notice;
pub mod table;
pub mod watch;
pub mod whereabouts;
