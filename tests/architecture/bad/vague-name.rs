// src/registry/utils.rs
//! Holds what had no better place.
