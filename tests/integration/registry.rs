//! The conversation with a registry, on real sockets: what is asked, of whom, and what is not.

pub(crate) mod bench;
mod certificates;
mod conversation;
mod exchanges;
mod faults;
mod policy;
mod proxy;
