// src/kubernetes/watch.rs
//! Logs the page that did not decode.

use kube::{Client, Error as KubeError}; // caught
