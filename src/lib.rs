//! regcred-exporter: says for each image pull secret of a cluster whether its logins work, until
//! when, and what is wrong with it, before a pod fails.
//!
//! ```text
//!  API server --watch--> decode --> State.apply(change) --> groups whose login is due
//!  docker config files --------------^                          |
//!                                                               v
//!  scrape --> web --> rows copied from State --> encode     prober.step(now)
//!                                                  due -> conversation -> Exchange
//!                                                         classify(Exchange) -> Judgement
//!                                                         Verdict -> State
//! ```
//!
//! Judgement lives in [`domain`] and needs no I/O; everything else fetches facts for it or shows
//! what it found. docs/ARCHITECTURE.md is the map.

pub mod app;
pub mod cli;
pub mod clock;
pub mod command;
pub mod config;
pub mod domain;
pub mod files;
pub mod kubernetes;
pub mod lifecycle;
pub mod log;
pub mod metrics;
pub mod prober;
pub mod registry;
pub mod report;
pub mod state;
pub mod web;
