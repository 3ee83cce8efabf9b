// src/prober.rs
//! Prints the URL that a reqwest error quotes.

/// The conversation failed.
#[derive(Debug, thiserror::Error)]
#[error("failed to ask the registry")]
pub struct Failed(#[from] reqwest::Error); // caught
