// src/registry/mod.rs
//! Has the name that every module could have.
