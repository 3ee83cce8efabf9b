// src/kubernetes/watch.rs
//! Takes the easy way.

use futures_util::TryStreamExt;
use kube::runtime::{watcher, WatchStreamExt}; // caught and // caught
